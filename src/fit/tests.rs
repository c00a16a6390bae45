//! The pipeline on synthetic models, without Stan.

use super::*;
use crate::engine::sivi::SiviObjective;
use crate::engine::{Batch, DriverOptions, GaussianScoreMatching};
use crate::engine::{BatchAndMatch, Engine, EngineSettings, EngineSpec, UpdateFailed};
use crate::gaussian::{DenseGaussian, GaussianApproximation, Update};
use crate::init::LocalGaussian;
use crate::model::{Banana, Density, EvaluationError, Gaussian, Mixture, StudentT, Target, Unconstrained};
use crate::random::{Rng, stream};
use ndarray::{Array1, Array2, array};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

fn gaussian() -> Unconstrained<Gaussian> {
    Unconstrained::new(Gaussian::with_condition_number(6, 1e4, &mut stream(3, 0)))
}

fn fitted(model: &dyn Model, method: Method) -> Fit {
    fit(model, &FitOptions { method, ..FitOptions::default() }, &()).unwrap()
}

fn phases(fit: &Fit) -> Vec<&'static str> {
    fit.phases.iter().map(|phase| phase.name).collect()
}

fn codes(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(Finding::code).collect()
}

#[test]
fn a_gaussian_needs_no_chains() {
    let model = gaussian();
    let fit = fitted(&model, Method::default());
    assert_eq!(phases(&fit), ["path", "bam", "psis", "draws"]);
    assert!(fit.verdict.is_trusted() && fit.verdict.converged == Some(true), "{:?}", fit.verdict);
    let exact = model.target();
    for (index, name) in fit.draws.names().iter().enumerate() {
        let column = fit.draws.column(name).unwrap();
        let sd = exact.covariance()[[index, index]].sqrt();
        assert!((column.mean().unwrap() - exact.mean()[index]).abs() < 0.1 * sd, "{name}");
        assert!((column.std(1.0) / sd).ln().abs() < 0.1, "{name}");
    }
    assert_eq!(fit.draws.values(), fit.unconstrained.view());
}

#[test]
fn a_map_follows_a_gaussian_that_cannot_be_trusted() {
    let fit = fitted(&Unconstrained::new(Banana), Method::default());
    assert_eq!(phases(&fit), ["path", "bam", "psis", "map", "psis", "draws"]);
    assert!(fit.verdict.is_trusted() && fit.verdict.pareto_k < 0.7, "{:?}", fit.verdict);
    assert_eq!(codes(&fit.verdict.notes), ["pareto-k", "draws-of-map"], "with the reason for the map");
    assert!(fit.counts().gradient_evaluations < 5000);
    let flagged = fitted(&Unconstrained::new(Banana), Method::Engine(&BatchAndMatch, GaussianOptions::default()));
    assert_eq!(codes(&flagged.verdict.objections), ["pareto-k"], "other methods flag and stop");
    assert_eq!(flagged.phases.last().unwrap().name, "draws");
}

/// A cross of two narrow Gaussians with one centre, which is no triangular map of a normal.
fn cross() -> Unconstrained<Mixture> {
    let arm = |covariance| Gaussian::new(array![0.0, 0.0], array![[1.0, covariance], [covariance, 1.0]]);
    Unconstrained::new(Mixture(vec![arm(0.99), arm(-0.99)]))
}

#[test]
fn chains_follow_a_map_that_cannot_be_trusted() {
    let fit = fitted(&cross(), Method::default());
    let (phases, notes) = (phases(&fit), codes(&fit.verdict.notes));
    assert!(phases.starts_with(&["path", "bam", "psis", "map", "psis", "probe"]), "{phases:?}");
    assert!(notes.contains(&"pareto-k") && notes.contains(&"map-rejected"), "the reasons for the chains: {notes:?}");
    assert!(notes.contains(&"draws-of-short-chains") || notes.contains(&"draws-of-nuts"), "{notes:?}");
}

#[test]
fn the_budget_bounds_the_whole_fit() {
    let budget = 3000;
    let engine = EngineSettings { budget: Some(budget), ..EngineSettings::default() };
    let fit = fitted(&cross(), Method::Auto(GaussianOptions { engine, ..Default::default() }));
    assert!(fit.counts().gradient_evaluations <= budget);
    assert!(!fit.verdict.is_trusted());
    assert!(codes(&fit.verdict.notes).contains(&"no-budget-for-nuts"), "{:?}", fit.verdict);
}

#[test]
fn too_few_iterations_are_an_objection() {
    let engine = EngineSettings { iterations: Some(3), ..EngineSettings::default() };
    let fit = fitted(&gaussian(), Method::Engine(&BatchAndMatch, GaussianOptions { engine, ..Default::default() }));
    assert_eq!(fit.verdict.objections.first(), Some(&Finding::NotConverged { iterations: 3 }));
}

#[test]
fn every_method_answers_a_gaussian() {
    let model = gaussian();
    for (name, _) in method_names() {
        let iterations = name.starts_with("sivi").then_some(50);
        let arguments = FitArguments { method: name.into(), iterations, draws: 400, ..FitArguments::default() };
        let fit = fit(&model, &arguments.options(None).unwrap(), &()).unwrap();
        assert_eq!(fit.draws.len(), 400, "{name}");
        assert!(fit.draws.values().iter().all(|value| value.is_finite()), "{name}");
    }
}

#[test]
fn a_fit_that_was_stopped_is_resumed_to_the_same_end() {
    let model = Unconstrained::new(StudentT {
        degrees: 5.0,
        shape: Gaussian::with_condition_number(4, 10.0, &mut stream(3, 0)),
    });
    let method = |iterations| {
        let engine = EngineSettings { iterations, ..EngineSettings::default() };
        Method::Auto(GaussianOptions { engine, ..Default::default() })
    };
    let whole = fitted(&model, method(None));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let stopped = fitted(&model, method(Some(7)));
    std::fs::write(&path, stopped.state.unwrap().to_json().unwrap()).unwrap();
    let options = FitOptions { method: method(None), ..FitOptions::default() };
    let resumed = resume(&model, &options, SavedState::load(&path).unwrap(), &()).unwrap();
    assert_eq!(resumed.draws.values(), whole.draws.values());
    // What is not known is NaN, which equals nothing.
    assert_eq!(format!("{:?}", resumed.verdict), format!("{:?}", whole.verdict));

    let other = Method::Engine(&GaussianScoreMatching, GaussianOptions::default());
    let resume_as = |method| {
        let options = FitOptions { method, ..FitOptions::default() };
        resume(&model, &options, SavedState::load(&path).unwrap(), &()).err().unwrap()
    };
    assert_eq!(resume_as(other).option(), Some(FitOption::Resume));
    assert!(matches!(resume_as(Method::Laplace), FitError::NotResumable { method: "laplace" }));
}

#[test]
fn the_result_does_not_depend_on_the_number_of_threads() {
    let draws = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| fitted(&Unconstrained::new(Banana), Method::default())).draws
    };
    assert_eq!(draws(1).values(), draws(3).values());
}

#[test]
fn a_model_without_parameters_is_refused() {
    let nothing = Unconstrained::new(Density::new(0, |_: &[f64], _: &mut [f64]| 0.0));
    assert!(matches!(fit(&nothing, &FitOptions::default(), &()), Err(FitError::NoParameters)));
}

/// An engine of our own: it moves the mean by the mean residual score and leaves the covariance alone.
#[derive(Serialize, Deserialize)]
struct Mover(DenseGaussian);

impl Engine for Mover {
    type Approximation = DenseGaussian;

    fn approximation(&self) -> &DenseGaussian {
        &self.0
    }

    fn set_approximation(&mut self, approximation: DenseGaussian) {
        self.0 = approximation;
    }

    fn step(&mut self, batch: &Batch, _learning_rate: f64) -> Result<(), UpdateFailed> {
        let dim = self.0.dim();
        let residual = (&batch.whitened_scores() + &batch.noise()).mean_axis(ndarray::Axis(0)).ok_or(UpdateFailed)?;
        let update = Update { shift: residual, factor: Array2::eye(dim), log_det: 0.0 };
        self.0.apply(None, &update);
        Ok(())
    }
}

struct MoveMean;

impl EngineSpec for MoveMean {
    type Engine = Mover;

    fn name(&self) -> &'static str {
        "move-mean"
    }

    fn summary(&self) -> &'static str {
        "Moves the mean alone"
    }

    fn start(&self, init: LocalGaussian, _rank: usize, _rng: &mut Rng) -> Mover {
        Mover(init.dense())
    }
}

#[test]
fn an_engine_of_ones_own_runs_through_the_pipeline() {
    let target = Gaussian::new(array![3.0, -2.0], Array2::eye(2));
    let options = GaussianOptions { init: Init::Zero, ..GaussianOptions::default() };
    let fit = fitted(&Unconstrained::new(target), Method::Engine(&MoveMean, options));
    assert_eq!(phases(&fit), ["zero", "modes", "move-mean", "psis", "draws"]);
    assert!(fit.verdict.is_trusted(), "{:?}", fit.verdict);
    let mean: Array1<f64> = fit.unconstrained.mean_axis(ndarray::Axis(0)).unwrap();
    assert!((mean - array![3.0, -2.0]).iter().all(|error| error.abs() < 0.1));
    assert!(!fit.trace.is_empty() && fit.state.is_some());
    assert!(DriverOptions::default().max_iterations > fit.trace.len(), "it converged");
}

#[test]
fn what_the_observer_sees_is_what_happened() {
    use std::sync::Mutex;
    #[derive(Default)]
    struct Watch(Mutex<Vec<&'static str>>);
    impl Observer for Watch {
        fn phase(&self, name: &'static str) -> ControlFlow<()> {
            self.0.lock().unwrap().push(name);
            ControlFlow::Continue(())
        }
    }
    let watch = Watch::default();
    let fit = fit(&gaussian(), &FitOptions::default(), &watch).unwrap();
    assert_eq!(watch.0.into_inner().unwrap(), phases(&fit));
}

/// Cancels at the given iteration of the engine or transition of chains, and counts what it sees afterwards.
struct Cancel {
    at: usize,
    iterations: AtomicUsize,
    transitions: AtomicUsize,
}

impl Cancel {
    fn seen(&self, count: &AtomicUsize) -> ControlFlow<()> {
        if count.fetch_add(1, Ordering::Relaxed) + 1 >= self.at {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

impl Observer for Cancel {
    fn iteration(&self, _row: &TraceRow) -> ControlFlow<()> {
        self.seen(&self.iterations)
    }
    fn transition(&self) -> ControlFlow<()> {
        self.seen(&self.transitions)
    }
}

#[test]
fn a_cancelled_fit_ends_at_once_and_has_no_answer() {
    for (method, at) in [
        (Method::default(), 3),
        (Method::Nuts(NutsFitOptions::default()), 3),
        (Method::SemiImplicit(SemiImplicitOptions::new(SiviObjective::ScoreMatching)), 3),
    ] {
        let cancel = Cancel { at, iterations: AtomicUsize::new(0), transitions: AtomicUsize::new(0) };
        let options = FitOptions { method, ..FitOptions::default() };
        let result = fit(&gaussian(), &options, &cancel);
        assert!(matches!(result, Err(FitError::Cancelled)));
        let seen = cancel.iterations.load(Ordering::Relaxed) + cancel.transitions.load(Ordering::Relaxed);
        // Chains at once may each have made one transition before the others broke.
        assert!((at..at + 4).contains(&seen), "{} saw {seen}", options.method.name());
    }
}

/// Two normals far apart, of equal mass and different widths: no symmetry maps one onto the other.
fn two_modes() -> Unconstrained<Mixture> {
    let wide = Gaussian::new(array![-6.0, 0.0], array![[1.0, 0.3], [0.3, 2.0]]);
    Unconstrained::new(Mixture(vec![wide, Gaussian::new(array![6.0, 1.0], array![[0.3, 0.0], [0.0, 0.5]])]))
}

#[test]
fn both_of_two_modes_are_in_the_answer() {
    let model = two_modes();
    for method in [Method::default(), Method::Engine(&BatchAndMatch, GaussianOptions::default())] {
        for seed in 1..=5 {
            let fit = fit(&model, &FitOptions { method: method.clone(), seed, ..FitOptions::default() }, &()).unwrap();
            assert_eq!(phases(&fit), ["path", "bam", "psis", "draws"], "no chains run, which could not cross");
            assert!(fit.verdict.is_trusted(), "seed {seed}: {:?}", fit.verdict);
            assert!(codes(&fit.verdict.notes).contains(&"several-modes"));
            let modes = fit.modes.as_ref().unwrap();
            assert_eq!((modes.modes.len(), modes.members.len()), (2, fit.draws.len()));
            for (index, mode) in modes.modes.iter().enumerate() {
                assert!((mode.share - 0.5).abs() < 4.0 * mode.standard_error + 1e-3, "seed {seed}: {mode:?}");
                assert!(mode.standard_error < 0.02);
                let draws = modes.members.iter().filter(|member| **member == index).count() as f64;
                assert!((draws / fit.draws.len() as f64 - mode.share).abs() < 0.03);
            }
            let on_its_side = |(member, row): (&usize, ndarray::ArrayView1<f64>)| {
                (row[0] > 0.0) == (modes.modes[*member].parameters[0] > 0.0)
            };
            let right = modes.members.iter().zip(fit.draws.values().rows()).all(on_its_side);
            assert!(right, "each draw belongs to the mode that it lies in");
            let mean = fit.draws.column("x[1]").unwrap().mean().unwrap();
            assert!(mean.abs() < 0.6, "{mean}");
        }
    }
}

#[test]
fn methods_that_stay_in_one_mode_are_flagged() {
    for method in [
        Method::Laplace,
        Method::Nuts(NutsFitOptions { init: Init::Point(vec![6.0, 1.0]), budget: None }),
        Method::Engine(&BatchAndMatch, GaussianOptions { init: Init::Map, ..GaussianOptions::default() }),
    ] {
        let fit = fitted(&two_modes(), method);
        assert!(codes(&fit.verdict.objections).contains(&"missed-modes"), "{:?}", fit.verdict);
        let said = fit.verdict.objections.iter().map(ToString::to_string).collect::<String>();
        assert!(said.contains("miss 1 of the 2 modes") && said.contains("x[1] = "), "{said}");
    }
}

#[test]
fn one_mode_is_told_of_in_the_document_alone() {
    let fit = fitted(&gaussian(), Method::default());
    let modes = fit.modes.unwrap();
    assert_eq!((modes.modes.len(), modes.modes[0].share, modes.paths), (1, 1.0, 8));
    assert!(modes.members.is_empty() && fit.verdict.notes.is_empty(), "{:?}", fit.verdict);
}

/// A normal density that the program rejects on one side of an edge, in words of its own.
struct Edge(fn(f64) -> EvaluationError);
impl Target for Edge {
    fn dim(&self) -> usize {
        1
    }
    fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
        self.log_density_and_score(x, &mut [0.0])
    }
    fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
        score[0] = -x[0];
        if x[0] < 1.5 { Ok(-0.5 * x[0] * x[0]) } else { Err(self.0(x[0])) }
    }
}

#[test]
fn a_defect_of_the_program_ends_the_fit_and_a_rejection_is_told_of() {
    let wrong = Edge(|_| EvaluationError::Defect("index 3 out of range".into()));
    let error = fit(&Unconstrained::new(wrong), &FitOptions::default(), &()).err().unwrap();
    assert!(error.to_string().contains("index 3 out of range"), "{error}");

    let rejecting = Edge(|x| EvaluationError::Program(format!("x is {x}, too large (in 'm.stan', line 4)")));
    let fit = fitted(&Unconstrained::new(rejecting), Method::Engine(&BatchAndMatch, GaussianOptions::default()));
    let notes: String = fit.verdict.notes.iter().map(ToString::to_string).collect();
    assert!(codes(&fit.verdict.notes).contains(&"rejections") && notes.contains("line 4"), "{notes}");
}

/// A density that is finite on a half line only, and has its mode at the edge.
#[test]
fn a_target_that_rejects_draws_is_fitted_and_says_so() {
    struct HalfNormal;
    impl Target for HalfNormal {
        fn dim(&self) -> usize {
            1
        }
        fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
            self.log_density_and_score(x, &mut [0.0])
        }
        fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
            score[0] = 4.0 / x[0] - x[0];
            if x[0] > 0.0 { Ok(4.0 * x[0].ln() - 0.5 * x[0] * x[0]) } else { Err(EvaluationError::NotFinite) }
        }
    }
    let fit = fitted(&Unconstrained::new(HalfNormal), Method::default());
    assert!(fit.draws.values().iter().all(|x| *x > 0.0));
}
