//! The loop that all engines share: it draws batches, hands them to the engine, monitors the score
//! divergence, rolls back a divergence, stops at convergence, and averages the iterates that show
//! it.
//!
//! [`run`] and [`advance`] are loops over [`Driver::step`], one iteration of a run. Call `step` to
//! watch or control a run closely.

mod options;
mod progress;
mod stop;
#[cfg(test)]
mod tests;

pub use options::{DriverError, DriverOptions};
pub use progress::{Outcome, RunProgress};
pub use stop::StopReason;

use super::trace::TraceRow;
use super::{Batch, Engine, LearningRate};
use crate::gaussian::{Average, GaussianApproximation};
use crate::model::{CountingTarget, Target};
use crate::random::Rng;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// Batches without usable draws, or steps that fail, in a row after which a run fails. A halved
/// scale, or a halved learning rate, has then fallen by six orders of magnitude.
const PATIENCE: usize = 20;
/// Fewest usable draws of a batch, so that it has a covariance (one draw if a batch of one is asked
/// for).
const LEAST_USABLE: usize = 2;
/// By how much the standard deviations of an approximation without usable draws shrink. Not
/// compared with other factors.
const SHRINKAGE: f64 = 0.5;
/// By how much the learning rate of a step that failed is reduced for the next try of the same
/// step. Likewise.
const RATE_REDUCTION: f64 = 0.5;
/// The smoothing window covers so many passes over all directions, D/B batches each: in many
/// dimensions the score divergence falls slowly long before it has fallen. Chosen on a Gaussian of
/// rank 32 with D = 128 and B = 16, where windows of 10 iterations see convergence too early (the
/// test `a_slow_fall_in_many_dimensions_is_no_convergence`).
const PASSES: usize = 4;
/// Iterations that the smoothing window covers at most, unless more are asked for: two windows
/// without improvement are then 80 of the 500 iterations of a run. Not compared with other values.
const WIDEST_WINDOW: usize = 40;
/// A score divergence per dimension at which q is the target: errors of means are about 1e-3
/// standard deviations, a hundredth of the tolerance of a comparison.
const NEGLIGIBLE: f64 = 1e-6;
/// A gradient evaluation that takes longer than this is worth handing to another thread. The order
/// of magnitude of rayon's cost of doing so; not measured here.
const WORTH_A_THREAD: Duration = Duration::from_micros(20);
/// The first iterations of a driver, whose batches are timed. The first one of all may include a
/// cold cache.
const TIMED_ITERATIONS: usize = 3;

/// What a step of a run was.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The batch did not have enough usable draws, so that no iteration was made. The approximation
    /// was rolled back or has shrunk.
    Rejected,
    /// An iteration whose batch confirmed that the approximation had diverged. It was rolled back.
    RolledBack(TraceRow),
    /// An iteration. The engine moved the approximation, unless its score divergence had vanished.
    Stepped(TraceRow),
    /// The run has stopped. Further steps return the same.
    Stopped(StopReason),
}

/// A run of an engine on a target, one step at a time.
///
/// ```
/// use stanmatch::engine::{Bam, Driver, DriverOptions, Event, RunProgress};
/// use stanmatch::gaussian::DenseGaussian;
/// use stanmatch::model::{Banana, CountingTarget};
/// use stanmatch::random::stream;
///
/// let (target, options) = (CountingTarget::new(Banana), DriverOptions::default());
/// let mut engine = Bam::new(DenseGaussian::standard(2));
/// let mut progress = RunProgress::new(stream(1, 0), 0);
/// let mut driver = Driver::new(&mut engine, &mut progress, &target, &options)?;
/// let reason = loop {
///     match driver.step()? {
///         Event::Stepped(row) => println!("{}: {}", row.iteration, row.score_divergence),
///         Event::Stopped(reason) => break reason,
///         _ => (),
///     }
/// };
/// println!("{:?} after {} iterations", reason, driver.outcome(reason).iterations);
/// # Ok::<(), stanmatch::engine::DriverError>(())
/// ```
pub struct Driver<'a, E: Engine, T> {
    engine: &'a mut E,
    progress: &'a mut RunProgress<E::Approximation>,
    target: &'a CountingTarget<T>,
    options: &'a DriverOptions,
    learning_rate: LearningRate,
    batch: Batch,
    /// Iterations over which convergence and divergence are judged: [`DriverOptions::window`],
    /// which is also the window of the reported median, or more in many dimensions.
    smoothing_window: usize,
    /// Iterations from one averaged iterate to the next.
    stride: usize,
    /// The iteration at which schedules that fall to zero do so.
    horizon: usize,
    /// Gradient evaluations of the run before this driver, and the target's count at that time.
    spent_before: u64,
    counted_before: u64,
    /// Batches are timed before this iteration.
    timed_until: usize,
    /// Whether batches are evaluated on several threads.
    parallel: bool,
    /// The last score divergence, if it vanished.
    vanished: Option<f64>,
}

impl<'a, E: Engine, T: Target> Driver<'a, E, T> {
    /// Continues a run from where `progress` stands. Fails if an option makes no sense.
    pub fn new(
        engine: &'a mut E,
        progress: &'a mut RunProgress<E::Approximation>,
        target: &'a CountingTarget<T>,
        options: &'a DriverOptions,
    ) -> Result<Self, DriverError> {
        let (dim, approximation) = (target.dim(), engine.approximation().dim());
        if approximation != dim {
            return Err(DriverError::Dimension { approximation, target: dim });
        }
        options.check(dim)?;
        let spent_before = progress.gradient_evaluations;
        let affordable = options.budget.map(|budget| budget.saturating_sub(spent_before) / options.batch as u64);
        let horizon = affordable.map_or(options.max_iterations, |batches| {
            options.max_iterations.min(progress.iterations.saturating_add(batches as usize))
        });
        progress.initial_rate = options.learning_rate.initial.or(progress.initial_rate);
        Ok(Self {
            learning_rate: LearningRate { initial: progress.initial_rate, ..options.learning_rate },
            batch: Batch::new(options.batch, dim),
            smoothing_window: options.window.max(PASSES * dim / options.batch).min(options.window.max(WIDEST_WINDOW)),
            stride: <E::Approximation as GaussianApproximation>::Average::stride(dim, options.batch),
            horizon,
            spent_before,
            counted_before: target.counts().gradient_evaluations,
            timed_until: progress.iterations + TIMED_ITERATIONS,
            parallel: false,
            vanished: None,
            engine,
            progress,
            target,
            options,
        })
    }

    /// Makes one iteration, or says why there is none.
    pub fn step(&mut self) -> Result<Event, DriverError> {
        if let Some(reason) = self.stop_reason()? {
            return Ok(Event::Stopped(reason));
        }
        self.draw();
        if self.batch.usable() < LEAST_USABLE.min(self.options.batch) {
            self.recover_from_rejection()?;
            return Ok(Event::Rejected);
        }
        self.progress.rejected_batches = 0;
        let row = self.trace_row();
        self.progress.iterations += 1;
        if row.score_divergence < NEGLIGIBLE {
            self.vanished = Some(row.score_divergence);
            return Ok(Event::Stepped(row));
        }
        if self.roll_back_divergence(&row) {
            return Ok(Event::RolledBack(row));
        }
        let (settled, window) = (self.engine.is_settled(), self.smoothing_window);
        self.progress.test_convergence(&row, settled, window, self.options.averaging);
        self.update(&row)?;
        self.progress.average(self.engine.approximation(), self.stride);
        Ok(Event::Stepped(row))
    }

    /// The result of the run as it stands, which stopped for this reason.
    pub fn outcome(&self, stop_reason: StopReason) -> Outcome<E::Approximation> {
        let Self { progress, options, vanished, .. } = self;
        let average = progress.average.as_ref().filter(|_| progress.converged);
        let average = average.and_then(|average| average.approximation());
        Outcome {
            approximation: average.unwrap_or_else(|| self.engine.approximation().clone()),
            stop_reason,
            converged: vanished.is_some() || progress.converged,
            score_divergence: vanished.unwrap_or_else(|| progress.convergence.median(options.window)),
            iterations: progress.iterations,
            rejected: progress.rejected_draws,
            rollbacks: progress.rollback.count(),
        }
    }

    /// Gradient evaluations of the run so far.
    fn spent(&self) -> u64 {
        self.spent_before + (self.target.counts().gradient_evaluations - self.counted_before)
    }

    /// Draws a batch, on several threads if the first ones took long enough.
    fn draw(&mut self) {
        let began = Instant::now();
        self.batch.draw(self.engine.approximation(), self.target, &mut self.progress.rng, self.parallel);
        if self.progress.iterations < self.timed_until {
            let threads = rayon::current_num_threads();
            let working = if self.parallel { threads as u32 } else { 1 };
            let per_evaluation = began.elapsed() * working / self.options.batch as u32;
            self.parallel = threads > 1 && per_evaluation > WORTH_A_THREAD;
        }
        self.progress.gradient_evaluations = self.spent();
        self.progress.rejected_draws += self.batch.size() - self.batch.usable();
    }

    /// Rolls back at the first of several rejected batches; an approximation that has no usable
    /// draws even there shrinks.
    fn recover_from_rejection(&mut self) -> Result<(), DriverError> {
        self.progress.rejected_batches += 1;
        if self.progress.rejected_batches == PATIENCE {
            return Err(DriverError::NoUsableDraws(PATIENCE));
        }
        let stable = if self.progress.rejected_batches == 1 { self.progress.roll_back() } else { None };
        let next = stable.unwrap_or_else(|| self.engine.approximation().clone().scaled(SHRINKAGE));
        self.engine.set_approximation(next);
        Ok(())
    }

    /// What the batch says of q.
    fn trace_row(&self) -> TraceRow {
        let approximation = self.engine.approximation();
        TraceRow {
            iteration: self.progress.iterations,
            gradient_evaluations: self.progress.gradient_evaluations,
            score_divergence: self.batch.score_divergence(),
            elbo: self.batch.elbo(approximation),
            rejected: self.batch.size() - self.batch.usable(),
            errors: self.options.reference.as_ref().map(|reference| reference.errors(approximation)),
        }
    }

    /// Rolls back an approximation that has diverged; whether it had.
    fn roll_back_divergence(&mut self, row: &TraceRow) -> bool {
        let approximation = self.engine.approximation();
        let diverged = self.progress.rollback.update(row.score_divergence, approximation, self.smoothing_window);
        let stable = if diverged { self.progress.roll_back() } else { None };
        let rolled_back = stable.is_some();
        stable.into_iter().for_each(|stable| self.engine.set_approximation(stable));
        rolled_back
    }

    /// Moves the approximation by the batch, with the learning rate reduced as often as the step
    /// fails.
    fn update(&mut self, row: &TraceRow) -> Result<(), DriverError> {
        let Self { engine, progress, batch, .. } = self;
        let natural = engine.natural_rate(batch.usable());
        let scheduled = self.learning_rate.at(row.iteration, self.horizon, natural, &progress.adaptation);
        let rate = scheduled * progress.rollback.damping();
        let mut rates = std::iter::successors(Some(rate), |rate| Some(rate * RATE_REDUCTION)).take(PATIENCE);
        let failures = rates.position(|rate| engine.step(batch, rate).is_ok());
        progress.adaptation.learn(row.score_divergence, failures == Some(0));
        progress.failed_steps = if failures.is_some() { 0 } else { progress.failed_steps + 1 };
        if progress.failed_steps == PATIENCE { Err(DriverError::Stuck(PATIENCE)) } else { Ok(()) }
    }
}

/// Runs `engine` on `target` until it stops, and calls `observe` after each iteration, which may
/// cancel the run.
pub fn run<E: Engine, T: Target>(
    engine: &mut E,
    target: &CountingTarget<T>,
    options: &DriverOptions,
    rng: &mut Rng,
    observe: &mut dyn FnMut(&TraceRow) -> ControlFlow<()>,
) -> Result<Outcome<E::Approximation>, DriverError> {
    let mut progress = RunProgress::new(rng.clone(), target.counts().gradient_evaluations);
    let result = advance(engine, &mut progress, target, options, observe);
    *rng = progress.rng;
    result
}

/// Continues a run from where it stands, as [`run`] does, which may have been cancelled or have
/// used up its iterations or budget. What follows is what would have followed without the stop,
/// unless the schedule of the learning rate depends on the last iteration, as `linear` and `cosine`
/// do.
pub fn advance<E: Engine, T: Target>(
    engine: &mut E,
    progress: &mut RunProgress<E::Approximation>,
    target: &CountingTarget<T>,
    options: &DriverOptions,
    observe: &mut dyn FnMut(&TraceRow) -> ControlFlow<()>,
) -> Result<Outcome<E::Approximation>, DriverError> {
    let mut driver = Driver::new(engine, progress, target, options)?;
    let reason = loop {
        match driver.step()? {
            Event::Stopped(reason) => break reason,
            Event::Stepped(row) | Event::RolledBack(row) if observe(&row).is_break() => break StopReason::Cancelled,
            _ => (),
        }
    };
    Ok(driver.outcome(reason))
}
