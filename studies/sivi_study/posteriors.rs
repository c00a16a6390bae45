//! Posteriors with reference draws, by several methods.

use std::error::Error;
use std::time::Instant;

use ndarray::{Array2, ArrayView2, Axis};
use stanmatch::compare::compare;
use stanmatch::fit::FitArguments;

use crate::problem::{fitted, load};

/// Posteriors of the embedded database of which a Gaussian says less than NUTS.
const FLAGGED: [&str; 6] = [
    "eight_schools-eight_schools_centered",
    "no_data-banana",
    "no_data-funnel",
    "simulated_mixture-low_dim_gauss_mix",
    "simulated_series-noisy_ar1",
    "simulated_volatility-garch11",
];

/// The logistic regression of the waveform data: pairwise correlations and standard deviations beside those of NUTS.
pub fn waveform(seeds: u64, only: Option<&str>) -> Result<(), Box<dyn Error>> {
    let (posterior, target) = load("waveform-logistic_regression")?;
    let reference = posterior.required_reference()?.draws;
    println!(
        "| method | seed | largest error of a correlation | of a standard deviation, relative | within tolerance | k̂ | status | gradients | seconds |\n|---|---|---|---|---|---|---|---|---|"
    );
    let methods = ["gsm", "bam", "advi-fullrank", "sivi", "sivi-sm"];
    for method in methods.into_iter().filter(|method| only.is_none_or(|only| only == *method)) {
        for seed in 1..=seeds {
            let start = Instant::now();
            let arguments = FitArguments { method: method.into(), seed, draws: 10_000, ..FitArguments::default() };
            let fit = fitted(&target, &arguments.options(None)?)?;
            let seconds = start.elapsed().as_secs_f64();
            let columns: Vec<usize> = (reference.names().iter())
                .filter_map(|name| fit.draws.names().iter().position(|other| other == name))
                .collect();
            let ours = fit.draws.values().select(Axis(1), &columns);
            let (correlation, sd) = errors(ours.view(), reference.values());
            println!(
                "| {} | {seed} | {correlation:.3} | {sd:.3} | {} | {:.2} | {} | {:.1e} | {seconds:.0} |",
                method,
                compare(&fit.draws, &posterior.required_reference()?)?.within_tolerance,
                fit.verdict.pareto_k,
                if fit.verdict.objections.is_empty() { "ok" } else { "flagged" },
                fit.counts().gradient_evaluations as f64,
            );
        }
    }
    Ok(())
}

/// The largest difference of a pairwise correlation, and the largest relative error of a standard deviation.
fn errors(ours: ArrayView2<'_, f64>, reference: ArrayView2<'_, f64>) -> (f64, f64) {
    let (of_ours, sds) = correlations(ours);
    let (of_reference, reference_sds) = correlations(reference);
    let largest = |errors: &mut dyn Iterator<Item = f64>| errors.fold(0.0_f64, |most, error| most.max(error.abs()));
    (
        largest(&mut (of_ours - of_reference).into_iter()),
        largest(&mut sds.iter().zip(&reference_sds).map(|(a, b)| a / b - 1.0)),
    )
}

fn correlations(draws: ArrayView2<'_, f64>) -> (Array2<f64>, Vec<f64>) {
    let mean = draws.mean_axis(Axis(0)).expect("there are draws");
    let sds = draws.std_axis(Axis(0), 1.0);
    let standardised = (&draws - &mean) / &sds;
    (standardised.t().dot(&standardised) / (draws.nrows() as f64 - 1.0), sds.to_vec())
}

/// What a semi-implicit family makes of posteriors that batch and match alone does not answer, beside `auto`.
pub fn flagged(seeds: u64, only: Option<&str>) -> Result<(), Box<dyn Error>> {
    println!(
        "| posterior | method | seed | status | within tolerance | location error | log-scale error | k̂ | gradients | seconds |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for name in FLAGGED.into_iter().filter(|name| only.is_none_or(|only| name.contains(only))) {
        let (posterior, target) = load(name)?;
        for method in ["bam", "sivi-sm", "auto"] {
            for seed in 1..=seeds {
                let start = Instant::now();
                let arguments = FitArguments { method: method.into(), seed, ..FitArguments::default() };
                let fit = match fitted(&target, &arguments.options(None)?) {
                    Ok(fit) => fit,
                    Err(error) => {
                        println!("| {name} | {} | {seed} | failed: {error} |", method);
                        continue;
                    }
                };
                let seconds = start.elapsed().as_secs_f64();
                let comparison = compare(&fit.draws, &posterior.required_reference()?)?;
                println!(
                    "| {name} | {} | {seed} | {} | {} | {:.2} | {:.2} | {:.2} | {:.1e} | {seconds:.1} |",
                    method,
                    if fit.verdict.objections.is_empty() { "ok" } else { "flagged" },
                    comparison.within_tolerance,
                    comparison.max_location_error,
                    comparison.max_log_scale_error,
                    fit.verdict.pareto_k,
                    fit.counts().gradient_evaluations as f64,
                );
            }
        }
    }
    Ok(())
}
