//! Runs on synthetic targets, and an engine that misbehaves on purpose.

use super::*;
use crate::engine::{Bam, Gsm, Moments, UpdateFailed};
use crate::gaussian::DenseGaussian;
use crate::model::{Banana, EvaluationError, Gaussian, LowRankTarget, StudentT};
use crate::random::stream;
use ndarray::{Array2, Axis};
use ndarray_linalg::Norm;

fn fitted<T: Target>(target: &T, options: &DriverOptions) -> (Outcome<DenseGaussian>, Vec<TraceRow>) {
    let mut trace = Vec::new();
    let mut engine = Bam::new(DenseGaussian::standard(target.dim()));
    let counted = CountingTarget::new(target);
    let mut observe = |row: &TraceRow| {
        trace.push(*row);
        ControlFlow::Continue(())
    };
    let outcome = run(&mut engine, &counted, options, &mut stream(1, 0), &mut observe).unwrap();
    (outcome, trace)
}

/// Runs `engine` without a look at its iterations.
fn unobserved<E: Engine, T: Target>(
    mut engine: E,
    target: T,
    options: &DriverOptions,
) -> Result<Outcome<E::Approximation>, DriverError> {
    let mut observe = |_: &TraceRow| ControlFlow::Continue(());
    run(&mut engine, &CountingTarget::new(target), options, &mut stream(1, 0), &mut observe)
}

#[test]
fn a_gaussian_is_recovered_and_the_run_stops_by_itself() {
    let target = Gaussian::with_condition_number(12, 100.0, &mut stream(3, 0));
    let (outcome, trace) = fitted(&target, &DriverOptions::default());
    assert!(outcome.converged);
    assert!(outcome.iterations < 60, "{}", outcome.iterations);
    assert!(trace.last().unwrap().score_divergence < 1e-6);
    let error = (&outcome.approximation.covariance() - target.covariance()).norm_l2();
    assert!(error < 0.01 * target.covariance().norm_l2(), "{error}");
    assert!(trace.windows(2).all(|rows| rows[1].gradient_evaluations == rows[0].gradient_evaluations + 16));
}

/// If a batch spans few of the directions, the score divergence falls slowly before it falls fast.
#[test]
fn a_slow_fall_in_many_dimensions_is_no_convergence() {
    let target = LowRankTarget::random(128, 32, &mut stream(3, 0));
    let (outcome, trace) = fitted(&target, &DriverOptions::default());
    assert!(outcome.converged);
    assert!(trace.last().unwrap().score_divergence < 1e-6, "{:?}", trace.last());
}

/// On a target that no Gaussian fits the score divergence levels off, and the average of the last
/// iterates is closer to the best Gaussian (here, by symmetry, a multiple of the scale matrix
/// around the location) than single iterates are.
#[test]
fn averaging_iterates_reduces_the_noise() {
    let shape = Gaussian::with_condition_number(6, 10.0, &mut stream(3, 0));
    let target = StudentT { degrees: 5.0, shape: shape.clone() };
    let error = |averaging| {
        let (outcome, _) = fitted(&target, &DriverOptions { averaging, ..DriverOptions::default() });
        assert!(outcome.converged);
        let best = DenseGaussian::from_covariance(shape.mean().clone(), shape.covariance()).unwrap();
        best.noise(outcome.approximation.mean().insert_axis(Axis(0))).unwrap().norm_l2()
    };
    let (single, averaged) = (error(1), error(100));
    assert!(averaged < 0.5 * single, "{single} for one iterate, {averaged} for the mean of 100");
}

#[test]
fn the_budget_and_the_iterations_bound_a_run() {
    let (outcome, trace) = fitted(&Banana, &DriverOptions { budget: Some(100), ..DriverOptions::default() });
    assert_eq!((outcome.iterations, outcome.converged, outcome.stop_reason), (6, false, StopReason::Budget));
    assert_eq!(trace.last().unwrap().gradient_evaluations, 96);
    let (outcome, _) = fitted(&Banana, &DriverOptions { max_iterations: 3, ..DriverOptions::default() });
    assert_eq!((outcome.iterations, outcome.converged, outcome.stop_reason), (3, false, StopReason::Iterations));
}

#[test]
fn a_budget_below_one_batch_is_an_error() {
    let options = DriverOptions { budget: Some(15), ..DriverOptions::default() };
    let error = unobserved(Gsm::new(DenseGaussian::standard(2)), Banana, &options).unwrap_err();
    assert_eq!(error, DriverError::Budget { budget: 15, left: 15, batch: 16 });
}

#[test]
fn options_that_make_no_sense_are_errors() {
    let field = |options| match unobserved(Bam::new(DenseGaussian::standard(2)), Banana, &options) {
        Err(DriverError::InvalidOption { field, .. }) => Some(field),
        _ => None,
    };
    let rate = |initial| LearningRate { initial: Some(initial), ..LearningRate::default() };
    let reference = Some(Moments::of(Array2::zeros((2, 3)).view()));
    assert_eq!(field(DriverOptions { batch: 0, ..DriverOptions::default() }), Some("batch"));
    assert_eq!(field(DriverOptions { window: 0, ..DriverOptions::default() }), Some("window"));
    for initial in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let options = DriverOptions { learning_rate: rate(initial), ..DriverOptions::default() };
        assert_eq!(field(options), Some("learning_rate.initial"));
    }
    assert_eq!(field(DriverOptions { reference, ..DriverOptions::default() }), Some("reference"));
    let error = unobserved(Bam::new(DenseGaussian::standard(3)), Banana, &DriverOptions::default()).unwrap_err();
    assert_eq!(error, DriverError::Dimension { approximation: 3, target: 2 });
}

/// Bits of a Gaussian.
fn bits(gaussian: &DenseGaussian) -> Vec<u64> {
    gaussian.mean().iter().chain(gaussian.factor()).map(|number| number.to_bits()).collect()
}

/// Cancelled after any iteration and continued, a run is the run that was not cancelled.
#[test]
fn a_cancelled_run_can_be_continued() {
    let target = StudentT { degrees: 5.0, shape: Gaussian::with_condition_number(4, 10.0, &mut stream(3, 0)) };
    let options = DriverOptions { max_iterations: 70, ..DriverOptions::default() };
    let (expected, trace) = fitted(&target, &options);
    for cancelled_at in [0, 1, 30, trace.len() - 1] {
        let mut engine = Bam::new(DenseGaussian::standard(4));
        let mut progress = RunProgress::new(stream(1, 0), 0);
        let mut rows = Vec::new();
        let mut observe = |row: &TraceRow| {
            rows.push(*row);
            if row.iteration == cancelled_at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let mut advance = || {
            let counted = CountingTarget::new(&target);
            advance(&mut engine, &mut progress, &counted, &options, &mut observe).unwrap()
        };
        let first = advance();
        assert_eq!((first.stop_reason, first.iterations), (StopReason::Cancelled, cancelled_at + 1));
        let outcome = advance();
        assert_eq!((outcome.stop_reason, outcome.iterations), (expected.stop_reason, expected.iterations));
        assert_eq!(bits(&outcome.approximation), bits(&expected.approximation));
        assert_eq!(rows, trace);
    }
}

#[test]
fn a_stopped_run_stays_stopped() {
    let target = CountingTarget::new(Gaussian::with_condition_number(3, 1.0, &mut stream(3, 0)));
    let options = DriverOptions::default();
    let (mut engine, mut progress) = (Bam::new(DenseGaussian::standard(3)), RunProgress::new(stream(1, 0), 0));
    let mut driver = Driver::new(&mut engine, &mut progress, &target, &options).unwrap();
    let steps = (0..).take_while(|_| !matches!(driver.step().unwrap(), Event::Stopped(_))).count();
    let (spent, outcome) = (target.counts().gradient_evaluations, driver.outcome(StopReason::Vanished));
    assert_eq!(driver.step(), Ok(Event::Stopped(StopReason::Vanished)));
    assert_eq!(target.counts().gradient_evaluations, spent);
    assert!(outcome.converged && outcome.iterations == steps, "{outcome:?} after {steps} steps");
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
    let sds = outcome.approximation.sds();
    assert!(sds.iter().all(|sd| (1e-4..1e-3).contains(sd)), "{sds}");
}

#[test]
fn a_rejected_batch_is_no_iteration() {
    let (target, options) = (CountingTarget::new(Ball), DriverOptions::default());
    let (mut engine, mut progress) = (Bam::new(DenseGaussian::standard(3)), RunProgress::new(stream(1, 0), 0));
    let mut driver = Driver::new(&mut engine, &mut progress, &target, &options).unwrap();
    assert_eq!(driver.step(), Ok(Event::Rejected));
    let outcome = driver.outcome(StopReason::Cancelled);
    assert_eq!((outcome.iterations, outcome.rejected), (0, 16));
    assert_eq!(outcome.approximation.sds()[0], SHRINKAGE);
}

/// A density that is nowhere finite.
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
    let error = unobserved(Bam::new(DenseGaussian::standard(1)), Nowhere, &DriverOptions::default()).unwrap_err();
    assert_eq!(error, DriverError::NoUsableDraws(PATIENCE));
}

/// Leaves q as it is, moves it far away, or fails, depending on the learning rate.
struct Reckless {
    approximation: DenseGaussian,
    diverges_above: f64,
    fails: bool,
}

impl Engine for Reckless {
    type Approximation = DenseGaussian;
    fn approximation(&self) -> &DenseGaussian {
        &self.approximation
    }
    fn set_approximation(&mut self, approximation: DenseGaussian) {
        self.approximation = approximation;
    }
    fn step(&mut self, _: &Batch, learning_rate: f64) -> Result<(), UpdateFailed> {
        if learning_rate > self.diverges_above {
            self.approximation = self.approximation.clone().scaled(100.0);
        }
        if self.fails { Err(UpdateFailed) } else { Ok(()) }
    }
}

fn reckless(diverges_above: f64, fails: bool) -> Result<Outcome<DenseGaussian>, DriverError> {
    let options = DriverOptions { max_iterations: 60, ..DriverOptions::default() };
    let target = Gaussian::with_condition_number(2, 1.0, &mut stream(3, 0));
    let approximation = DenseGaussian::standard(2).scaled(1.1);
    unobserved(Reckless { approximation, diverges_above, fails }, target, &options)
}

#[test]
fn an_approximation_that_diverges_is_rolled_back_and_takes_smaller_steps() {
    let outcome = reckless(16.0, false).unwrap();
    assert_eq!(outcome.rollbacks, 1, "the natural rate is 32, a quarter of it 8");
    let sds = outcome.approximation.sds();
    assert!(sds.iter().all(|sd| (1.0..2.0).contains(sd)), "{sds}");
    assert_eq!(reckless(f64::INFINITY, false).unwrap().rollbacks, 0);
}

#[test]
fn steps_that_always_fail_are_an_error() {
    assert_eq!(reckless(f64::INFINITY, true).unwrap_err(), DriverError::Stuck(PATIENCE));
}
