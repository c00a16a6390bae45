//! Holds NUTS on the programs of a folder against the reference draws of a posteriordb and prints a table in Markdown: do the
//! programs mean what the references were made from? Errors are those of the README's comparison: of the location in
//! reference standard deviations, of the scale in logarithms, the largest over the parameters of the reference.
//!
//!     cargo run --release --example nuts_references -- ../shared/posteriordb stan_models

use std::error::Error;
use std::path::PathBuf;

use ndarray::{ArrayView1, s};
use stanmatch::database::{Database, Posterior};
use stanmatch::diagnostics::{quantile, summarise};
use stanmatch::draws::Draws;
use stanmatch::sample::{Chain, Metric, NutsOptions, Start, constrain, sample};
use stanmatch::target::StanTarget;
use stanmatch::toolchain::{Choice, CompileOptions, Toolchain};

/// What is wanted of both errors.
const TOLERANCE: f64 = 0.05;

/// Chains that agree are below this.
const LARGEST_R_HAT: f64 = 1.01;

/// The posterior whose reference was made with its other parameterisation, and whose funnel needs small steps.
const FUNNEL: &str = "eight_schools-eight_schools_centered";

fn main() -> Result<(), Box<dyn Error>> {
    let mut folders = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(database), Some(programs)) = (folders.next(), folders.next()) else {
        return Err("give the folder of a posteriordb and the folder of the programs".into());
    };
    let database = Database::open(Some(&database), Some(&programs))?;
    let toolchain = Toolchain::find(&Choice::Auto)?;
    println!(
        "| posterior | D | location error | log-scale error | R-hat | divergences | gradient evaluations | agrees |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for name in database.posterior_names() {
        println!("{}", row(&database.posterior(name)?, &toolchain)?);
    }
    Ok(())
}

/// Runs NUTS on one posterior; its line of the table.
fn row(posterior: &Posterior, toolchain: &Toolchain) -> Result<String, Box<dyn Error>> {
    let compiled = toolchain.compile(&posterior.program()?, &CompileOptions::default(), &|_| ())?;
    let target = StanTarget::load(&compiled.library, &posterior.data()?, 1)?;
    let options = NutsOptions {
        draws: 4000,
        adapt_delta: if posterior.name == FUNNEL { 0.99 } else { 0.95 },
        metric: Metric::LowRank,
        threads: std::thread::available_parallelism()?.get(),
        ..NutsOptions::default()
    };
    let chains = sample(&target, &options, &Start::Random, &|_| ())?;
    let points: Vec<_> = chains.iter().map(|chain| chain.draws.view()).collect();
    let draws = constrain(&target, &points, options.seed)?;
    let reference = posterior.required_reference()?.draws;
    let (location, scale) = largest_errors(&draws, &reference)?;
    let r_hat = summarise(&draws).iter().map(|summary| summary.r_hat).fold(f64::NAN, f64::max);
    let total = |count: fn(&Chain) -> u64| chains.iter().map(count).sum::<u64>();
    let gradients = total(|chain| chain.warmup_gradient_evaluations + chain.gradient_evaluations);
    let divergences = total(|chain| chain.divergences as u64);
    let holds = location <= TOLERANCE && scale <= TOLERANCE && r_hat < LARGEST_R_HAT;
    let agrees = if holds { "yes" } else { "no" };
    let (name, dim) = (&posterior.name, points[0].ncols());
    Ok(format!("| {name} | {dim} | {location:.3} | {scale:.3} | {r_hat:.4} | {divergences} | {gradients} | {agrees} |"))
}

/// The largest location error and the largest log-scale error over the reference's quantities.
fn largest_errors(draws: &Draws, reference: &Draws) -> Result<(f64, f64), Box<dyn Error>> {
    let mut largest = (0.0_f64, 0.0_f64);
    for (name, theirs) in reference.names().iter().zip(reference.values().columns()) {
        let ours = draws.column(name).ok_or_else(|| format!("the program has no {name}"))?;
        let half = theirs.len() / 2;
        let halves = theirs.slice(s![..half]).std(1.0) / theirs.slice(s![half..]).std(1.0);
        // The moments of heavy tails are not reproducible, by whatever sampler.
        let measure = if halves.ln().abs() > 0.05 { robust } else { moments };
        let ((location, scale), (their_location, their_scale)) = (measure(ours), measure(theirs));
        largest.0 = largest.0.max((location - their_location).abs() / their_scale);
        largest.1 = largest.1.max((scale / their_scale).ln().abs());
    }
    Ok(largest)
}

/// Mean and standard deviation.
fn moments(values: ArrayView1<'_, f64>) -> (f64, f64) {
    (values.sum() / values.len() as f64, values.std(1.0))
}

/// Median and half the width of the central 68 %.
fn robust(values: ArrayView1<'_, f64>) -> (f64, f64) {
    let mut ascending = values.to_vec();
    ascending.sort_unstable_by(f64::total_cmp);
    let [low, middle, high] = [0.16, 0.5, 0.84].map(|probability| quantile(&ascending, probability));
    (middle, (high - low) / 2.0)
}
