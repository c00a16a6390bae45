//! Fits of maps to synthetic models, without Stan.

use crate::engine::SavedState;
use crate::fit::{Finding, Fit, FitError, FitOptions, MapOptions, Method, fit, resume};
use crate::model::{Banana, Gaussian, Unconstrained};
use crate::random::stream;
use crate::transport::testing::FUNNEL;

fn options(of_map: MapOptions) -> FitOptions {
    FitOptions { method: Method::Map(of_map), ..FitOptions::default() }
}

/// Mean and standard deviation of a parameter.
fn moments(fit: &Fit, name: &str) -> (f64, f64) {
    let column = fit.draws.column(name).unwrap();
    (column.mean().unwrap(), column.std(1.0))
}

#[test]
fn the_banana_is_right_and_trusted() {
    let fit = fit(&Unconstrained::new(Banana), &options(MapOptions::default()), &()).unwrap();
    assert!(fit.verdict.is_trusted() && fit.verdict.pareto_k < 0.3, "{:?}", fit.verdict);
    assert!(fit.counts().gradient_evaluations < 5000);
    let (mean, sd) = moments(&fit, "x[1]");
    assert!(mean.abs() < 0.1 && sd.ln().abs() < 0.1, "{mean} and {sd}");
    // x₂ = 0.9 x₁ − x₁² − 1 + 0.436 e: its variance is 0.81 + 2 + 0.19.
    let (mean, sd) = moments(&fit, "x[2]");
    assert!((mean + 2.0).abs() < 0.17 && (sd / 3f64.sqrt()).ln().abs() < 0.1, "{mean} and {sd}");
    let names: Vec<&str> = fit.phases.iter().map(|phase| phase.name).collect();
    assert_eq!(names, ["path", "bam", "map", "psis", "draws"]);
}

/// Its scale is; the standard deviations of the others do not show in draws, and are judged by ranks.
#[test]
fn the_funnel_is_right_in_its_scale() {
    let fit = fit(&Unconstrained::new(FUNNEL), &options(MapOptions::default()), &()).unwrap();
    assert!(fit.counts().gradient_evaluations < 8000);
    let (mean, sd) = moments(&fit, "x[1]");
    assert!(mean.abs() < 0.3 && (sd / 3.0).ln().abs() < 0.1, "{mean} and {sd}");
    let by_ranks = |finding: &Finding| finding.code() == "judged-by-ranks";
    assert!(fit.verdict.notes.iter().any(by_ranks), "{:?}", fit.verdict);
}

#[test]
fn a_fit_that_was_stopped_is_resumed_to_the_same_end() {
    let model = Unconstrained::new(Banana);
    let rounds = |rounds| options(MapOptions { rounds: Some(rounds), ..MapOptions::default() });
    let whole = fit(&model, &rounds(4), &()).unwrap();
    let stopped = fit(&model, &rounds(2), &()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    std::fs::write(&path, stopped.state.unwrap().to_json().unwrap()).unwrap();
    let resumed = resume(&model, &rounds(4), SavedState::load(&path).unwrap(), &()).unwrap();
    assert_eq!(resumed.draws.values(), whole.draws.values());
    let last = |fit: &Fit| fit.trace.last().unwrap().gradient_evaluations;
    assert_eq!(last(&resumed), last(&whole));
    let other = Unconstrained::new(Gaussian::with_condition_number(3, 10.0, &mut stream(1, 0)));
    let error = resume(&other, &rounds(4), SavedState::load(&path).unwrap(), &()).err().unwrap();
    assert!(matches!(error, FitError::State(_)), "{error}");
}

#[test]
fn the_budget_bounds_the_whole_fit() {
    let bounded = |budget| options(MapOptions { budget: Some(budget), ..MapOptions::default() });
    let model = Unconstrained::new(Banana);
    let fitted = fit(&model, &bounded(1500), &()).unwrap();
    assert!(fitted.counts().gradient_evaluations <= 1500);
    assert!(matches!(fit(&model, &bounded(60), &()), Err(FitError::BudgetOfChains { budget: 60 })));
}

#[test]
fn more_parameters_than_a_map_holds_are_refused() {
    let model = Unconstrained::new(Gaussian::with_condition_number(301, 2.0, &mut stream(1, 0)));
    let error = fit(&model, &options(MapOptions::default()), &()).err().unwrap();
    assert!(error.to_string().contains("at most 300"), "{error}");
}
