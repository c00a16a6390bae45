//! The loop that all engines share: it draws batches, hands them to the engine, watches the score divergence, stops when
//! that has stopped falling, and averages the iterates of the plateau.

use super::learning_rate::Pace;
use super::{Batch, Engine, LearningRate};
use crate::family::{Average, Family};
use crate::random::Rng;
use crate::target::{Counted, Target};
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
    /// Iterations that are averaged once the plateau is reached.
    pub averaging: usize,
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
        }
    }
}

/// One line of a fit's trace: q as it was when the batch was drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TraceRow {
    /// The iteration, from 0.
    pub iteration: usize,
    /// Gradient evaluations of the target so far, the batch's included.
    pub gradient_evaluations: u64,
    /// The score divergence per dimension, estimated by the batch.
    pub score_divergence: f64,
    /// The evidence lower bound, estimated by the batch.
    pub elbo: f64,
    /// Draws that the target rejected.
    pub rejected: usize,
}

/// What a run of an engine arrived at.
#[derive(Debug, Clone)]
pub struct Outcome<F> {
    /// The approximation: the mean of the plateau's iterates, or the last iterate where no plateau was reached.
    pub family: F,
    /// Whether the score divergence stopped falling, or vanished, within the iterations and the budget.
    pub converged: bool,
    /// How many iterations were made.
    pub iterations: usize,
    /// How many draws the target rejected.
    pub rejected: usize,
}

/// Why an engine could not go on.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum DriverError {
    /// Batch after batch was rejected.
    #[error(
        "{0} batches in a row had fewer than two draws with a finite log density and gradient, though the approximation shrank: start elsewhere with --init, or check the model"
    )]
    Rejected(usize),
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
/// Iterates of the plateau are averaged as often as forming their covariances, O(D³), costs no more than this many times the
/// iterations themselves, O(D²B).
const AVERAGING_COST: usize = 8;
/// The score divergence is smoothed over at least the batches that speak of all directions this many times: in many
/// dimensions it falls slowly long before it has fallen.
const PASSES: usize = 4;
/// But not over more iterations than this, or a fit would end before it could tell.
const WIDEST: usize = 40;
/// A score divergence per dimension below which errors are far below any Monte Carlo error.
const NEGLIGIBLE: f64 = 1e-6;
/// A gradient evaluation that takes longer than this is worth handing to another thread.
const WORTH_A_THREAD: Duration = Duration::from_micros(20);

/// Runs `engine` on `target` until its score divergence stops falling, and calls `observe` for each iteration.
pub fn run<E: Engine, T: Target>(
    engine: &mut E,
    target: &Counted<T>,
    options: &DriverOptions,
    rng: &mut Rng,
    observe: &mut dyn FnMut(&TraceRow),
) -> Result<Outcome<E::Family>, DriverError> {
    let dim = target.dim();
    let mut batch = Batch::new(options.batch, dim);
    let mut plateau = Plateau::new(options.window.max(PASSES * dim / options.batch).min(options.window.max(WIDEST)));
    let mut average: Option<<E::Family as Family>::Average> = None;
    let (mut rejected, mut barren, mut iterations, mut plateau_iterations) = (0, 0, 0, 0);
    let mut parallel = false;
    let mut converged = false;
    let affordable = options
        .budget
        .map(|budget| budget.saturating_sub(target.counts().gradient_evaluations) / options.batch.max(1) as u64);
    let horizon = affordable.map_or(options.max_iterations, |count| options.max_iterations.min(count as usize));
    let mut pace = Pace::new(options.learning_rate, horizon);
    while iterations < options.max_iterations {
        let spent = target.counts().gradient_evaluations;
        if let Some(budget) = options.budget
            && spent + options.batch as u64 > budget
        {
            if iterations == 0 {
                return Err(DriverError::Budget { budget, left: budget.saturating_sub(spent), batch: options.batch });
            }
            break;
        }
        let start = Instant::now();
        batch.draw(engine.family(), target, rng, parallel);
        if iterations < 3 {
            let workers = if parallel { rayon::current_num_threads() as u32 } else { 1 };
            parallel =
                rayon::current_num_threads() > 1 && start.elapsed() * workers / options.batch as u32 > WORTH_A_THREAD;
        }
        let lost = options.batch - batch.usable();
        rejected += lost;
        if batch.usable() < 2.min(options.batch) {
            barren += 1;
            if barren == PATIENCE {
                return Err(DriverError::Rejected(barren));
            }
            engine.set_family(engine.family().clone().scaled(0.5));
            continue;
        }
        barren = 0;
        let row = TraceRow {
            iteration: iterations,
            gradient_evaluations: target.counts().gradient_evaluations,
            score_divergence: batch.score_divergence(),
            elbo: batch.elbo(engine.family()),
            rejected: lost,
        };
        observe(&row);
        iterations += 1;
        if row.score_divergence < NEGLIGIBLE {
            converged = true;
            break;
        }
        if average.is_none() && plateau.reached(row.score_divergence) {
            converged = true;
            average = Some(Default::default());
        }
        let mut rate = pace.at(iterations - 1, engine.natural_rate(batch.usable()));
        let mut tries = 0;
        while engine.step(&batch, rate).is_err() && tries < PATIENCE {
            rate /= 2.0;
            tries += 1;
        }
        pace.learn(row.score_divergence, tries == 0);
        if let Some(average) = &mut average {
            // Neighbouring iterates say nearly the same: in high dimension few of them need be averaged.
            if plateau_iterations % dim.div_ceil(AVERAGING_COST * options.batch) == 0 {
                average.add(engine.family());
            }
            plateau_iterations += 1;
            if plateau_iterations == options.averaging {
                break;
            }
        }
    }
    let family = average.and_then(|average| average.family()).unwrap_or_else(|| engine.family().clone());
    Ok(Outcome { family, converged, iterations, rejected })
}

/// Tells when a noisy sequence has stopped falling: when the best mean over a window has not improved by a tenth for two windows.
struct Plateau {
    window: usize,
    recent: Vec<f64>,
    best: f64,
    since_best: usize,
}

impl Plateau {
    fn new(window: usize) -> Self {
        Self { window, recent: Vec::new(), best: f64::INFINITY, since_best: 0 }
    }

    fn reached(&mut self, value: f64) -> bool {
        self.recent.push(value);
        if self.recent.len() < self.window {
            return false;
        }
        // The geometric mean: a single draw in a far tail must not look like a rise.
        let logs = self.recent[self.recent.len() - self.window..].iter().map(|v| v.ln());
        let smoothed = (logs.sum::<f64>() / self.window as f64).exp();
        if smoothed < 0.9 * self.best || !smoothed.is_finite() {
            self.best = if smoothed.is_finite() { smoothed } else { f64::INFINITY };
            self.since_best = 0;
        } else {
            self.since_best += 1;
        }
        self.since_best >= 2 * self.window
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Bam, Gsm};
    use crate::family::DenseGaussian;
    use crate::random::stream;
    use crate::target::{Banana, Gaussian, LowRankTarget, Rejected, StudentT};
    use ndarray_linalg::Norm;

    fn fitted<T: Target>(target: &T, options: &DriverOptions) -> (Outcome<DenseGaussian>, Vec<TraceRow>) {
        let mut trace = Vec::new();
        let mut engine = Bam::new(DenseGaussian::standard(target.dim()));
        let counted = Counted::new(target);
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
        let error = run(&mut engine, &Counted::new(&Banana), &options, &mut stream(1, 0), &mut |_| {}).unwrap_err();
        assert_eq!(error, DriverError::Budget { budget: 15, left: 15, batch: 16 });
    }

    /// A density on the ball of radius 1e-3 alone.
    struct Ball;
    impl Target for Ball {
        fn dim(&self) -> usize {
            3
        }
        fn log_density(&self, x: &[f64]) -> Result<f64, Rejected> {
            self.log_density_and_score(x, &mut [0.0; 3])
        }
        fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, Rejected> {
            let squared: f64 = x.iter().map(|e| e * e * 1e6).sum();
            score.iter_mut().zip(x).for_each(|(s, e)| *s = -8.0 * e * 1e6 / (1.0 - squared));
            if squared < 1.0 { Ok(4.0 * (1.0 - squared).ln()) } else { Err(Rejected::NotFinite) }
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
        fn log_density(&self, _: &[f64]) -> Result<f64, Rejected> {
            Err(Rejected::NotFinite)
        }
        fn log_density_and_score(&self, _: &[f64], _: &mut [f64]) -> Result<f64, Rejected> {
            Err(Rejected::NotFinite)
        }
    }

    #[test]
    fn a_density_that_is_nowhere_finite_is_an_error() {
        let mut engine = Bam::new(DenseGaussian::standard(1));
        let counted = Counted::new(Nowhere);
        let error = run(&mut engine, &counted, &DriverOptions::default(), &mut stream(1, 0), &mut |_| {}).unwrap_err();
        assert_eq!(error, DriverError::Rejected(PATIENCE));
    }
}
