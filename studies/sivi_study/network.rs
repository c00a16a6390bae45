//! A Bayesian neural network of some 300 weights, which has too many modes to be judged by its weights: predictions at
//! points that were kept back.

use std::error::Error;
use std::time::Instant;

use ndarray::Axis;
use stanmatch::fit::FitArguments;

use crate::problem::{fitted, load};

/// The root mean square error of the predictive mean, and the mean log predictive density, per point kept back.
pub fn predictions(seeds: u64, only: Option<&str>) -> Result<(), Box<dyn Error>> {
    let (posterior, target) = load("simulated_surface-neural_network")?;
    let data: serde_json::Value = serde_json::from_str(&posterior.data()?)?;
    let outcomes: Vec<f64> = serde_json::from_value(data["y_new"].clone())?;
    println!(
        "| method | seed | RMSE | log predictive density | status | gradients | seconds |\n|---|---|---|---|---|---|---|"
    );
    let methods = ["nuts", "advi-meanfield", "advi-fullrank", "bam", "pbam", "sivi", "sivi-sm"];
    for method in methods.into_iter().filter(|method| only.is_none_or(|only| only == *method)) {
        for seed in 1..=seeds {
            let start = Instant::now();
            let iterations = method.starts_with("sivi").then_some(5000);
            let arguments =
                FitArguments { method: method.into(), seed, iterations, draws: 2000, ..FitArguments::default() };
            let fit = fitted(&target, &arguments.options(None)?)?;
            let seconds = start.elapsed().as_secs_f64();
            let (mut squares, mut density) = (0.0, 0.0);
            for (point, outcome) in (1..).zip(&outcomes) {
                let column = |name: String| fit.draws.column(&name).ok_or("the program has no such quantity");
                let mean = column(format!("mean_new[{point}]"))?.mean().ok_or("no draws")?;
                squares += (mean - outcome).powi(2);
                let densities = column(format!("log_lik_new[{point}]"))?;
                let largest = densities.fold(f64::NEG_INFINITY, |most, d| most.max(*d));
                let mean = densities.mapv(|d| (d - largest).exp()).mean_axis(Axis(0)).ok_or("no draws")?;
                density += largest + mean.into_scalar().ln();
            }
            let count = outcomes.len() as f64;
            println!(
                "| {} | {seed} | {:.3} | {:.3} | {} | {:.1e} | {seconds:.0} |",
                method,
                (squares / count).sqrt(),
                density / count,
                if fit.verdict.objections.is_empty() { "ok" } else { "flagged" },
                fit.counts().gradient_evaluations as f64,
            );
        }
    }
    Ok(())
}
