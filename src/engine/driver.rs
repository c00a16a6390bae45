//! The loop that all engines share: it draws batches, hands them to the engine, watches the score divergence, stops
//! when that has stopped falling, and averages the iterates of the plateau.

use super::convergence::Plateau;
use super::learning_rate::Adaptation;
use super::rollback::Rollback;
use super::trace::{Moments, TraceRow};
use super::{Batch, Engine, LearningRate};
use crate::gaussian::{Average, GaussianApproximation};
use crate::model::{CountingTarget, Target};
use crate::random::Rng;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use thiserror::Error;

/// How a fit is driven.
#[derive(Debug, Clone, PartialEq)]
pub struct DriverOptions {
    /// Draws per batch, B.
    pub batch: usize,
    /// Iterations at the most, those that are averaged included.
    pub max_iterations: usize,
    /// Gradient evaluations at the most, if bounded.
    pub budget: Option<u64>,
    /// The learning rate and its schedule.
    pub learning_rate: LearningRate,
    /// Iterations over which the score divergence is smoothed.
    pub window: usize,
    /// Iterations that are averaged at the least: the last of those that show the plateau, and more where these are
    /// fewer.
    pub averaging: usize,
    /// What the answer should be, for the errors in the trace.
    pub reference: Option<Moments>,
}

impl Default for DriverOptions {
    fn default() -> Self {
        Self {
            batch: 16,
            max_iterations: 500,
            budget: None,
            learning_rate: LearningRate::default(),
            window: 10,
            averaging: 40,
            reference: None,
        }
    }
}

/// What a run of an engine arrived at.
#[derive(Debug, Clone)]
pub struct Outcome<F> {
    /// The approximation: the mean of the plateau's iterates, or the last iterate where no plateau was reached.
    pub family: F,
    /// Whether the score divergence stopped falling, or vanished, within the iterations and the budget.
    pub converged: bool,
    /// The score divergence per dimension at the end: the median over a window, or the last where it vanished.
    pub score_divergence: f64,
    /// How many iterations were made.
    pub iterations: usize,
    /// How many draws the target rejected.
    pub rejected: usize,
    /// How often the approximation was thrown off and went back to where it stood.
    pub returns: usize,
}

/// Why an engine could not go on.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum DriverError {
    /// Batch after batch was rejected.
    #[error(
        "{0} batches in a row had fewer than two draws with a finite log density and gradient, though the approximation shrank; the model may be wrong"
    )]
    NoUsableDraws(usize),
    /// Step after step failed at any learning rate.
    #[error("{0} steps in a row failed at any learning rate; the model's gradient may be wrong")]
    Stuck(usize),
    /// The budget does not pay for one batch.
    #[error("a budget of {budget} gradient evaluations leaves {left} for the engine, less than one batch of {batch}")]
    Budget {
        /// The budget.
        budget: u64,
        /// What was left of it.
        left: u64,
        /// The batch's size.
        batch: usize,
    },
}

/// Batches without usable draws, or steps without a valid update, after which a run gives up.
const PATIENCE: usize = 20;
/// The score divergence is smoothed over at least the batches that speak of all directions this many times: in many
/// dimensions it falls slowly long before it has fallen.
const PASSES: usize = 4;
/// But not over more iterations than this, or a fit would end before it could tell.
const WIDEST: usize = 40;
/// A score divergence per dimension below which errors are far below any Monte Carlo error.
const NEGLIGIBLE: f64 = 1e-6;
/// A gradient evaluation that takes longer than this is worth handing to another thread.
const WORTH_A_THREAD: Duration = Duration::from_micros(20);

/// How far a run has come: all that it consists of beside its engine, its options and its target.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Progress<F: GaussianApproximation> {
    rng: Rng,
    plateau: Plateau,
    adaptation: Adaptation,
    /// The learning rate that the run began with, if it was given.
    initial_rate: Option<f64>,
    /// The mean of the last iterates, if they may be the plateau's.
    pub(super) average: Option<F::Average>,
    /// Iterations since it was begun.
    averaged: usize,
    /// Whether the plateau was reached.
    reached: bool,
    iterations: usize,
    rejected: usize,
    /// Batches in a row without two usable draws.
    barren: usize,
    /// Steps in a row that failed.
    failed: usize,
    pub(super) rollback: Rollback<F>,
    gradient_evaluations: u64,
}

impl<F: GaussianApproximation> Progress<F> {
    /// At the beginning, with the random numbers that are to come, after `spent` gradient evaluations.
    pub fn new(rng: Rng, spent: u64) -> Self {
        Self {
            rng,
            plateau: Plateau::default(),
            adaptation: Adaptation::default(),
            initial_rate: None,
            average: None,
            averaged: 0,
            reached: false,
            iterations: 0,
            rejected: 0,
            barren: 0,
            failed: 0,
            rollback: Rollback::default(),
            gradient_evaluations: spent,
        }
    }

    /// Iterations so far.
    pub fn iterations(&self) -> usize {
        self.iterations
    }

    /// The approximation to go back to, if there is one. The plateau is then to be found anew.
    fn go_back(&mut self) -> Option<F> {
        let family = self.rollback.go_back()?;
        self.plateau.forget();
        (self.average, self.averaged, self.reached) = (None, 0, false);
        Some(family)
    }

    /// Sees whether the plateau is reached, and begins an average where `averaging` iterates more will have shown it. An
    /// average from before the last fall, or rise of the evidence lower bound, counts no more.
    fn look_for_plateau(&mut self, row: &TraceRow, settled: bool, window: usize, averaging: usize) {
        if self.reached {
            return;
        }
        self.reached = self.plateau.reached(row.score_divergence, row.elbo, settled, window);
        if self.plateau.waited() == 0 {
            (self.average, self.averaged) = (None, 0);
        } else if self.average.is_none() && self.plateau.left(window) < averaging {
            self.average = Some(Default::default());
        }
    }
}

/// Runs `engine` on `target` until its score divergence stops falling, and calls `observe` for each iteration.
pub fn run<E: Engine, T: Target>(
    engine: &mut E,
    target: &CountingTarget<T>,
    options: &DriverOptions,
    rng: &mut Rng,
    observe: &mut dyn FnMut(&TraceRow),
) -> Result<Outcome<E::Approximation>, DriverError> {
    let mut progress = Progress::new(rng.clone(), target.counts().gradient_evaluations);
    let result = advance(engine, &mut progress, target, options, observe);
    *rng = progress.rng;
    result
}

/// Goes on with a run from where it stands. What follows is what would have followed without the stop, where the
/// schedule of the learning rate does not look ahead to the last iteration, as `linear` and `cosine` do.
pub fn advance<E: Engine, T: Target>(
    engine: &mut E,
    progress: &mut Progress<E::Approximation>,
    target: &CountingTarget<T>,
    options: &DriverOptions,
    observe: &mut dyn FnMut(&TraceRow),
) -> Result<Outcome<E::Approximation>, DriverError> {
    let dim = target.dim();
    let mut batch = Batch::new(options.batch, dim);
    let window = options.window.max(PASSES * dim / options.batch).min(options.window.max(WIDEST));
    let stride = <E::Approximation as GaussianApproximation>::Average::stride(dim, options.batch);
    let before = progress.gradient_evaluations;
    let counted = target.counts().gradient_evaluations;
    let spent = || before + (target.counts().gradient_evaluations - counted);
    let affordable = options.budget.map(|budget| budget.saturating_sub(before) / options.batch.max(1) as u64);
    let horizon = affordable.map_or(options.max_iterations, |count| {
        options.max_iterations.min(progress.iterations.saturating_add(count as usize))
    });
    progress.initial_rate = options.learning_rate.initial.or(progress.initial_rate);
    let learning_rate = LearningRate { initial: progress.initial_rate, ..options.learning_rate };
    let first = progress.iterations;
    let mut parallel = false;
    let mut vanished = None;
    while progress.iterations < options.max_iterations && !(progress.reached && progress.averaged >= options.averaging)
    {
        if let Some(budget) = options.budget
            && spent() + options.batch as u64 > budget
        {
            if progress.iterations == 0 {
                return Err(DriverError::Budget { budget, left: budget.saturating_sub(spent()), batch: options.batch });
            }
            break;
        }
        let start = Instant::now();
        batch.draw(engine.approximation(), target, &mut progress.rng, parallel);
        if progress.iterations < first + 3 {
            let workers = if parallel { rayon::current_num_threads() as u32 } else { 1 };
            parallel =
                rayon::current_num_threads() > 1 && start.elapsed() * workers / options.batch as u32 > WORTH_A_THREAD;
        }
        progress.gradient_evaluations = spent();
        let lost = options.batch - batch.usable();
        progress.rejected += lost;
        if batch.usable() < 2.min(options.batch) {
            progress.barren += 1;
            if progress.barren == PATIENCE {
                return Err(DriverError::NoUsableDraws(progress.barren));
            }
            // What has no usable draws even there shrinks.
            let back = if progress.barren == 1 { progress.go_back() } else { None };
            let back = back.unwrap_or_else(|| engine.approximation().clone().scaled(0.5));
            engine.set_approximation(back);
            continue;
        }
        progress.barren = 0;
        let row = TraceRow {
            iteration: progress.iterations,
            gradient_evaluations: progress.gradient_evaluations,
            score_divergence: batch.score_divergence(),
            elbo: batch.elbo(engine.approximation()),
            rejected: lost,
            errors: options.reference.as_ref().map(|reference| reference.errors(engine.approximation())),
        };
        observe(&row);
        progress.iterations += 1;
        if row.score_divergence < NEGLIGIBLE {
            vanished = Some(row.score_divergence);
            break;
        }
        let thrown_off = progress.rollback.count(row.score_divergence, engine.approximation(), window);
        if thrown_off && let Some(back) = progress.go_back() {
            engine.set_approximation(back);
            continue;
        }
        progress.look_for_plateau(&row, engine.is_settled(), window, options.averaging);
        let natural = engine.natural_rate(batch.usable());
        let rate =
            learning_rate.at(row.iteration, horizon, natural, &progress.adaptation) * progress.rollback.damping();
        let mut rates = std::iter::successors(Some(rate), |rate| Some(rate / 2.0)).take(PATIENCE);
        let tries = rates.position(|rate| engine.step(&batch, rate).is_ok());
        progress.adaptation.learn(row.score_divergence, tries == Some(0));
        progress.failed = if tries.is_some() { 0 } else { progress.failed + 1 };
        if progress.failed == PATIENCE {
            return Err(DriverError::Stuck(PATIENCE));
        }
        if let Some(average) = &mut progress.average {
            if progress.averaged.is_multiple_of(stride) {
                average.add(engine.approximation());
            }
            progress.averaged += 1;
        }
    }
    let average = progress.average.as_ref().filter(|_| progress.reached).and_then(|average| average.approximation());
    Ok(Outcome {
        family: average.unwrap_or_else(|| engine.approximation().clone()),
        converged: vanished.is_some() || progress.reached,
        score_divergence: vanished.unwrap_or_else(|| progress.plateau.median(options.window)),
        iterations: progress.iterations,
        rejected: progress.rejected,
        returns: progress.rollback.returns(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Bam, Gsm, UpdateFailed};
    use crate::gaussian::DenseGaussian;
    use crate::model::{Banana, EvaluationError, Gaussian, LowRankTarget, StudentT};
    use crate::random::stream;
    use ndarray_linalg::Norm;

    fn fitted<T: Target>(target: &T, options: &DriverOptions) -> (Outcome<DenseGaussian>, Vec<TraceRow>) {
        let mut trace = Vec::new();
        let mut engine = Bam::new(DenseGaussian::standard(target.dim()));
        let counted = CountingTarget::new(target);
        let outcome = run(&mut engine, &counted, options, &mut stream(1, 0), &mut |row| trace.push(*row)).unwrap();
        (outcome, trace)
    }

    #[test]
    fn a_gaussian_is_recovered_and_the_run_stops_by_itself() {
        let target = Gaussian::with_condition_number(12, 100.0, &mut stream(3, 0));
        let (outcome, trace) = fitted(&target, &DriverOptions::default());
        assert!(outcome.converged);
        assert!(outcome.iterations < 60, "{}", outcome.iterations);
        assert!(trace.last().unwrap().score_divergence < 1e-6);
        let error = (&outcome.family.covariance() - target.covariance()).norm_l2();
        assert!(error < 0.01 * target.covariance().norm_l2(), "{error}");
        assert!(trace.windows(2).all(|rows| rows[1].gradient_evaluations == rows[0].gradient_evaluations + 16));
    }

    /// Where a batch speaks of few of the directions, the divergence falls slowly before it falls fast.
    #[test]
    fn a_slow_fall_in_many_dimensions_is_no_plateau() {
        let target = LowRankTarget::random(128, 32, &mut stream(3, 0));
        let (outcome, trace) = fitted(&target, &DriverOptions::default());
        assert!(outcome.converged);
        assert!(trace.last().unwrap().score_divergence < 1e-6, "{:?}", trace.last());
    }

    /// On a target that no Gaussian fits the divergence levels off, and the mean of the plateau is closer to the best
    /// Gaussian (here, by symmetry, a multiple of the scale matrix around the location) than single iterates are.
    #[test]
    fn averaging_the_plateau_cuts_the_noise() {
        let shape = Gaussian::with_condition_number(6, 10.0, &mut stream(3, 0));
        let target = StudentT { degrees: 5.0, shape: shape.clone() };
        let error = |averaging| {
            let (outcome, _) = fitted(&target, &DriverOptions { averaging, ..DriverOptions::default() });
            assert!(outcome.converged);
            let family = DenseGaussian::from_covariance(shape.mean().clone(), shape.covariance()).unwrap();
            family.noise(outcome.family.mean().insert_axis(ndarray::Axis(0))).unwrap().norm_l2()
        };
        let (single, averaged) = (error(1), error(100));
        assert!(averaged < 0.5 * single, "{single} for one iterate, {averaged} for the mean of 100");
    }

    #[test]
    fn the_budget_and_the_iterations_bound_a_run() {
        let (outcome, trace) = fitted(&Banana, &DriverOptions { budget: Some(100), ..DriverOptions::default() });
        assert_eq!((outcome.iterations, outcome.converged), (6, false));
        assert_eq!(trace.last().unwrap().gradient_evaluations, 96);
        let (outcome, _) = fitted(&Banana, &DriverOptions { max_iterations: 3, ..DriverOptions::default() });
        assert_eq!((outcome.iterations, outcome.converged), (3, false));
    }

    #[test]
    fn a_budget_below_one_batch_is_an_error() {
        let options = DriverOptions { budget: Some(15), ..DriverOptions::default() };
        let mut engine = Gsm::new(DenseGaussian::standard(2));
        let error =
            run(&mut engine, &CountingTarget::new(&Banana), &options, &mut stream(1, 0), &mut |_| {}).unwrap_err();
        assert_eq!(error, DriverError::Budget { budget: 15, left: 15, batch: 16 });
    }

    /// A density on the ball of radius 1e-3 alone.
    struct Ball;
    impl Target for Ball {
        fn dim(&self) -> usize {
            3
        }
        fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
            self.log_density_and_score(x, &mut [0.0; 3])
        }
        fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
            let squared: f64 = x.iter().map(|e| e * e * 1e6).sum();
            score.iter_mut().zip(x).for_each(|(s, e)| *s = -8.0 * e * 1e6 / (1.0 - squared));
            if squared < 1.0 { Ok(4.0 * (1.0 - squared).ln()) } else { Err(EvaluationError::NotFinite) }
        }
    }

    #[test]
    fn batches_outside_the_support_shrink_the_approximation() {
        let (outcome, _) = fitted(&Ball, &DriverOptions::default());
        assert!(outcome.rejected > 16, "{}", outcome.rejected);
        assert!(outcome.family.sds().iter().all(|sd| (1e-4..1e-3).contains(sd)), "{}", outcome.family.sds());
    }

    struct Nowhere;
    impl Target for Nowhere {
        fn dim(&self) -> usize {
            1
        }
        fn log_density(&self, _: &[f64]) -> Result<f64, EvaluationError> {
            Err(EvaluationError::NotFinite)
        }
        fn log_density_and_score(&self, _: &[f64], _: &mut [f64]) -> Result<f64, EvaluationError> {
            Err(EvaluationError::NotFinite)
        }
    }

    #[test]
    fn a_density_that_is_nowhere_finite_is_an_error() {
        let mut engine = Bam::new(DenseGaussian::standard(1));
        let counted = CountingTarget::new(Nowhere);
        let error = run(&mut engine, &counted, &DriverOptions::default(), &mut stream(1, 0), &mut |_| {}).unwrap_err();
        assert_eq!(error, DriverError::NoUsableDraws(PATIENCE));
    }

    /// Leaves q as it is, or throws it off, or fails, as the learning rate has it.
    struct Reckless {
        family: DenseGaussian,
        throws_off_above: f64,
        fails: bool,
    }

    impl Engine for Reckless {
        type Approximation = DenseGaussian;
        fn approximation(&self) -> &DenseGaussian {
            &self.family
        }
        fn set_approximation(&mut self, family: DenseGaussian) {
            self.family = family;
        }
        fn step(&mut self, _: &Batch, learning_rate: f64) -> Result<(), UpdateFailed> {
            if learning_rate > self.throws_off_above {
                self.family = self.family.clone().scaled(100.0);
            }
            if self.fails { Err(UpdateFailed) } else { Ok(()) }
        }
    }

    fn reckless(throws_off_above: f64, fails: bool) -> Result<Outcome<DenseGaussian>, DriverError> {
        let family = DenseGaussian::standard(2).scaled(1.1);
        let options = DriverOptions { max_iterations: 60, ..DriverOptions::default() };
        let target = CountingTarget::new(Gaussian::with_condition_number(2, 1.0, &mut stream(3, 0)));
        run(&mut Reckless { family, throws_off_above, fails }, &target, &options, &mut stream(1, 0), &mut |_| {})
    }

    #[test]
    fn an_approximation_that_is_thrown_off_goes_back_and_takes_smaller_steps() {
        let outcome = reckless(16.0, false).unwrap();
        assert_eq!(outcome.returns, 1, "the natural rate is 32, a quarter of it 8");
        assert!(outcome.family.sds().iter().all(|sd| (1.0..2.0).contains(sd)), "{}", outcome.family.sds());
        assert_eq!(reckless(f64::INFINITY, false).unwrap().returns, 0);
    }

    #[test]
    fn steps_that_always_fail_are_an_error() {
        assert_eq!(reckless(f64::INFINITY, true).unwrap_err(), DriverError::Stuck(PATIENCE));
    }
}
