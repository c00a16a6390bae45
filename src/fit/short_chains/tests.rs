//! Runs on synthetic targets with known moments.

use super::*;
use crate::gaussian::DenseGaussian;
use crate::model::{Banana, EvaluationError, Gaussian, StudentT, Target, Unconstrained};
use crate::random::stream;
use ShortChainsEvent::*;
use ndarray::{Axis, array};

/// The events of a run on `target` from draws of `gaussian`, and its result.
fn run(
    target: impl Target,
    gaussian: &DenseGaussian,
    count: usize,
    budget: Option<u64>,
    observe: &dyn Fn() -> ControlFlow<()>,
) -> Option<(Vec<ShortChainsEvent>, ShortChainsResult)> {
    let model = Unconstrained::new(target);
    let counted = CountingTarget::new(&model as &dyn Model);
    let mut run = ShortChainRun::new(
        &model,
        &counted,
        gaussian,
        (ChainCoordinates::Gaussian, count),
        budget,
        &mut stream(1, 0),
        observe,
    )?;
    let mut events = Vec::new();
    while events.last() != Some(&Ended) {
        events.push(run.step());
    }
    assert_eq!(run.step(), Ended);
    assert!(budget.is_none_or(|budget| counted.counts().gradient_evaluations <= budget));
    Some((events, run.finish()))
}

/// The same without bounds, to the end.
fn unbounded(target: impl Target, gaussian: &DenseGaussian) -> (Vec<ShortChainsEvent>, ShortChainsResult) {
    run(target, gaussian, 1000, None, &|| ControlFlow::Continue(())).unwrap()
}

/// The objection and the notes of chains that have settled.
fn settled(result: &ShortChainsResult) -> (&Option<Finding>, &[Finding]) {
    match &result.end {
        ShortChainsEnd::Settled { objection, notes } => (objection, notes),
        ShortChainsEnd::Unsettled(reason) => panic!("{reason}"),
    }
}

fn unsettled(result: &ShortChainsResult) -> &Finding {
    match &result.end {
        ShortChainsEnd::Settled { .. } => panic!("the chains have settled"),
        ShortChainsEnd::Unsettled(reason) => reason,
    }
}

fn gaussian(target: &Gaussian) -> DenseGaussian {
    DenseGaussian::from_covariance(target.mean().clone(), target.covariance()).unwrap()
}

#[test]
fn chains_from_the_targets_own_draws_do_not_move() {
    let target = Gaussian::with_condition_number(5, 100.0, &mut stream(3, 0));
    let (events, result) = unbounded(target.clone(), &gaussian(&target));
    assert_eq!(settled(&result), (&None, &[][..]));
    assert!(result.max_drift < 0.1, "{}", result.max_drift);
    assert!(events[..events.len() - 1].iter().all(|event| matches!(event, BurningIn | BurnedIn | Moved)), "{events:?}");
    assert_eq!(
        result.points.dim(),
        (4 * ChainCoordinates::Gaussian.chains(), 5),
        "four transitions for a thousand draws"
    );
}

#[test]
fn chains_move_from_a_start_that_is_off_to_the_target() {
    let target = Gaussian::new(array![1.0, -2.0], array![[4.0, 0.5], [0.5, 1.0]]);
    let off = DenseGaussian::from_covariance(target.mean() + &array![1.0, 0.0], target.covariance()).unwrap();
    let (_, result) = unbounded(target.clone(), &off);
    assert_eq!(settled(&result).0, &None);
    // By half a standard deviation, give or take the Monte Carlo errors of both moments.
    assert!((result.max_drift - 0.5).abs() < 0.1, "{}", result.max_drift);
    let (mean, sds) = (result.points.mean_axis(Axis(0)).unwrap(), result.points.std_axis(Axis(0), 1.0));
    // Five standard errors of a thousand independent draws.
    for parameter in 0..2 {
        let sd = target.covariance()[[parameter, parameter]].sqrt();
        assert!((mean[parameter] - target.mean()[parameter]).abs() < 0.16 * sd, "{mean}");
        assert!((sds[parameter] / sd).ln().abs() < 0.12, "{sds}");
    }
}

#[test]
fn a_wide_direction_takes_longer_trajectories() {
    let target = Gaussian::new(array![0.0, 0.0], array![[64.0, 0.0], [0.0, 1.0]]);
    let (events, result) = unbounded(target, &DenseGaussian::standard(2));
    assert!(events.contains(&Lengthened), "{events:?}");
    assert_eq!(settled(&result).0, &None);
    // ln 8, as the Gaussian is eight times too narrow.
    assert!((result.max_drift - 8.0_f64.ln()).abs() < 0.15, "{}", result.max_drift);
}

#[test]
fn parameters_without_a_fourth_moment_are_judged_by_ranks() {
    let target = StudentT { degrees: 2.2, shape: Gaussian::with_condition_number(3, 10.0, &mut stream(3, 0)) };
    let (events, result) = unbounded(target.clone(), &gaussian(&target.shape).scaled(1.4));
    let notes = &settled(&result).1;
    assert!(matches!(notes.first(), Some(Finding::JudgedByRanks { .. })), "{notes:?}");
    // The transitions that there were are judged anew.
    assert!(!events.contains(&JudgedByRanks), "{events:?}");
}

/// The standard normal where the first coordinate is positive: trajectories of any step size leave
/// the support.
struct HalfNormal;

impl Target for HalfNormal {
    fn dim(&self) -> usize {
        2
    }
    fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
        self.log_density_and_score(x, &mut [0.0; 2])
    }
    fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
        score.iter_mut().zip(x).for_each(|(score, x)| *score = -x);
        if x[0] > 0.0 { Ok(-0.5 * (x[0] * x[0] + x[1] * x[1])) } else { Err(EvaluationError::NotFinite) }
    }
}

#[test]
fn trajectories_that_diverge_at_any_step_size_are_given_up() {
    let (events, result) = unbounded(HalfNormal, &DenseGaussian::standard(2));
    assert!(events.contains(&SmallerSteps { acceptance: 0.95 }), "{events:?} {:?}", result.end);
    assert!(matches!(unsettled(&result), Finding::ShortChains(_)), "{:?}", result.end);
    assert_eq!(result.points.dim(), (ChainCoordinates::Gaussian.chains(), 2));
}

#[test]
fn the_budget_bounds_a_run() {
    let start = DenseGaussian::standard(2);
    let bounded = |budget| run(Banana, &start, 1000, Some(budget), &|| ControlFlow::Continue(()));
    assert!(bounded(10_000).is_none(), "it does not pay for chains");
    // That the evaluations keep within it is asserted in `run`.
    assert!(bounded(40_000).is_some());
}

#[test]
fn the_observer_cancels_a_run() {
    let transitions = std::cell::Cell::new(0);
    let observe = || {
        transitions.set(transitions.get() + 1);
        if transitions.get() == 9 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let target = Gaussian::with_condition_number(3, 4.0, &mut stream(3, 0));
    let (_, result) = run(target.clone(), &gaussian(&target), 1000, None, &observe).unwrap();
    assert_eq!(unsettled(&result), &Finding::ShortChains(Unsettled::Cancelled));
    assert_eq!(transitions.get(), 9);
}
