//! Holds NUTS on the programs of a folder against the reference draws of a posteriordb and prints a table in Markdown:
//! do the programs mean what the references were made from? Errors are those of the README's comparison: of the
//! location in reference standard deviations, of the scale in logarithms, the largest over the parameters of the
//! reference.
//!
//!     cargo run --release --example nuts_references -- "$POSTERIORDB" stan_models

use std::error::Error;
use std::ops::ControlFlow;

use stanmatch::compare::compare;
use stanmatch::database::Posterior;
use stanmatch::diagnostics::summarise;
use stanmatch::sample::{Chain, Metric, NutsOptions, Start, constrain, sample};

mod shared;

use shared::{load, open};

/// What is wanted of both errors.
const TOLERANCE: f64 = 0.05;

/// Chains that agree are below this.
const LARGEST_R_HAT: f64 = 1.01;

/// The posterior whose reference was made with its other parameterisation, and whose funnel needs small steps.
const FUNNEL: &str = "eight_schools-eight_schools_centered";

fn main() -> Result<(), Box<dyn Error>> {
    let database = open(std::env::args().skip(1))?;
    println!(
        "| posterior | D | location error | log-scale error | R-hat | divergences | gradient evaluations | agrees |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for name in database.posterior_names() {
        println!("{}", row(&database.posterior(name)?)?);
    }
    Ok(())
}

/// Runs NUTS on one posterior; its line of the table.
fn row(posterior: &Posterior) -> Result<String, Box<dyn Error>> {
    let target = load(posterior)?;
    let options = NutsOptions {
        draws: 4000,
        adapt_delta: if posterior.name == FUNNEL { 0.99 } else { 0.95 },
        metric: Metric::LowRank,
        threads: std::thread::available_parallelism()?.get(),
        ..NutsOptions::default()
    };
    let chains = sample(&target, &options, &Start::Random, &|_| ControlFlow::Continue(()))?;
    let points: Vec<_> = chains.iter().map(|chain| chain.draws.view()).collect();
    let draws = constrain(&target, &points, options.seed)?;
    let comparison = compare(&draws, &posterior.required_reference()?)?;
    let (location, scale) = (comparison.max_location_error, comparison.max_log_scale_error);
    let r_hat = summarise(&draws).iter().map(|summary| summary.r_hat).fold(f64::NAN, f64::max);
    let total = |count: fn(&Chain) -> u64| chains.iter().map(count).sum::<u64>();
    let gradients = total(|chain| chain.warmup_gradient_evaluations + chain.gradient_evaluations);
    let divergences = total(|chain| chain.divergences as u64);
    let holds = location <= TOLERANCE && scale <= TOLERANCE && r_hat < LARGEST_R_HAT;
    let agrees = if holds { "yes" } else { "no" };
    let (name, dim) = (&posterior.name, points[0].ncols());
    Ok(format!("| {name} | {dim} | {location:.3} | {scale:.3} | {r_hat:.4} | {divergences} | {gradients} | {agrees} |"))
}
