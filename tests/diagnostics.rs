//! The diagnostics agree with ArviZ's on the same draws (tests/python/diagnostics.py made the values).

use ndarray::{ArrayView1, aview1};
use serde::Deserialize;
use stanmatch::diagnostics as d;

#[derive(Deserialize)]
struct Case {
    name: String,
    draws: Vec<Vec<f64>>,
    values: Values,
}

#[derive(Deserialize)]
struct Values {
    r_hat: f64,
    ess_bulk: f64,
    ess_tail: f64,
    ess_mean: f64,
    ess_sd: f64,
    ess_median: f64,
    mcse_mean: f64,
    mcse_sd: f64,
    mcse_q90: f64,
    efmi: Vec<f64>,
    lag1: Vec<f64>,
}

fn agree(case: &str, what: &str, ours: f64, theirs: f64) {
    // Sums of large squares lose digits, whoever takes them.
    let tolerance = if case == "large_offset" { 1e-7 } else { 1e-9 };
    assert!((ours - theirs).abs() <= tolerance * theirs.abs(), "{what} of {case}: {ours}, ArviZ has {theirs}");
}

#[test]
fn arviz_gives_the_same_values() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("fixtures/diagnostics.json")).unwrap();
    for Case { name, draws, values } in cases {
        let chains: Vec<ArrayView1<f64>> = draws.iter().map(|chain| aview1(chain)).collect();
        let same = |what: &str, ours: f64, theirs: f64| agree(&name, what, ours, theirs);
        same("R-hat", d::r_hat(&chains), values.r_hat);
        same("bulk ESS", d::ess_bulk(&chains), values.ess_bulk);
        same("tail ESS", d::ess_tail(&chains), values.ess_tail);
        same("ESS of the mean", d::ess_mean(&chains), values.ess_mean);
        same("ESS of the sd", d::ess_sd(&chains), values.ess_sd);
        same("ESS of the median", d::ess_quantile(&chains, 0.5), values.ess_median);
        same("MCSE of the mean", d::mcse_mean(&chains), values.mcse_mean);
        same("MCSE of the sd", d::mcse_sd(&chains), values.mcse_sd);
        same("MCSE of the 90 % quantile", d::mcse_quantile(&chains, 0.9), values.mcse_q90);
        for (chain, (&efmi, &lag1)) in chains.iter().zip(values.efmi.iter().zip(&values.lag1)) {
            same("E-FMI", d::efmi(*chain), efmi);
            same("lag-1 autocorrelation", d::lag1_autocorrelation(*chain), lag1);
        }
    }
}
