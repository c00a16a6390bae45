//! Our methods and Stan's own on the same compiled densities of posteriordb, against its reference draws:
//!
//!     cargo bench --bench peers [-- SEEDS [POSTERIOR…]]
//!
//! Each method runs with its defaults on one posterior after the other, in one process for ours and a process each for
//! Stan's, whose time counts from after the model has its data. `seconds` include the draws with generated quantities.

#[path = "../../tests/shared/posteriordb.rs"]
mod checkout;
#[path = "../../tests/shared/median.rs"]
mod median;
mod stan;

use std::env;
use std::error::Error;
use std::path::Path;
use std::process::Command;

use median::median;
use stan::Stan;
use stanmatch::compare::compare;
use stanmatch::database::{Database, Posterior};
use stanmatch::fit::{FitArguments, fit};
use stanmatch::toolchain::StanModel;
use stanmatch::toolchain::{Choice, CompileOptions, Toolchain};

const OURS: [&str; 6] = ["bam", "auto", "gsm", "pathfinder", "advi-meanfield", "advi-fullrank"];
const BLAS_THREADS: &str = "OPENBLAS_NUM_THREADS";
const STANS: [&str; 5] = ["pathfinder", "multipathfinder", "advi-meanfield", "advi-fullrank", "nuts"];
/// A stiff differential equation, on which chains take minutes.
const SLOW: &str = "one_comp_mm_elim_abs";

fn main() -> Result<(), Box<dyn Error>> {
    if env::var(BLAS_THREADS).as_deref() != Ok("1") {
        // OpenBLAS reads it when it is loaded. Stan's algorithms do not use it.
        let mut again = Command::new(env::current_exe()?);
        let status = again.args(env::args_os().skip(1)).env(BLAS_THREADS, "1").status()?;
        return if status.success() { Ok(()) } else { Err("the bench failed".into()) };
    }
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Some(folder) = checkout::posteriordb() else { return Ok(()) };
    let toolchain = match Toolchain::find(&Choice::Httpstan) {
        Ok(toolchain) => toolchain,
        Err(error) => {
            eprintln!("left out: {error}");
            return Ok(());
        }
    };
    let stan = Stan::new()?;
    let mut arguments = env::args().skip(1).filter(|argument| argument != "--bench");
    let seeds: u64 = arguments.next().map_or(Ok(1), |seeds| seeds.parse())?;
    let only: Vec<String> = arguments.collect();
    let database = Database::open(Some(&folder), Some(&repository.join("stan_models")))?;
    let mut runs = Vec::new();
    for name in database.posterior_names().iter().filter(|name| only.is_empty() || only.contains(name)) {
        for seed in 1..=seeds {
            runs.extend(runs_on(&database.posterior(name)?, &toolchain, &stan, seed)?);
        }
    }
    report(&runs);
    Ok(())
}

/// One method on one posterior with one seed; one that gave up has no figures, and is left out of their medians.
struct Run {
    method: String,
    within: bool,
    gradients: f64,
    densities: f64,
    seconds: f64,
}

fn runs_on(posterior: &Posterior, toolchain: &Toolchain, stan: &Stan, seed: u64) -> Result<Vec<Run>, Box<dyn Error>> {
    let library = toolchain.compile(&posterior.program()?, &CompileOptions::default(), &|_| ())?.library;
    let (data, reference) = (posterior.data()?, posterior.required_reference()?);
    let target = StanModel::load(&library, &data, seed as u32)?;
    let folder = tempfile::tempdir()?;
    let mut runs = Vec::new();
    let mut record = |method: String, result: Result<(bool, u64, u64, f64), Box<dyn Error>>| match result {
        Ok((within, gradients, densities, seconds)) => {
            eprintln!("{} {method}: within {within}, {gradients} gradients, {seconds:.3} s", posterior.name);
            runs.push(Run { method, within, gradients: gradients as f64, densities: densities as f64, seconds });
        }
        Err(error) => {
            eprintln!("{} with {method}: {error}", posterior.name);
            runs.push(Run { method, within: false, gradients: f64::NAN, densities: f64::NAN, seconds: f64::NAN });
        }
    };
    let skip_chains = posterior.name.starts_with(SLOW) && env::var_os("STANMATCH_SLOW_TESTS").is_none();
    for method in OURS.into_iter().filter(|&method| !(skip_chains && method == "auto")) {
        let result = || {
            let arguments = FitArguments { method: method.to_owned(), seed, ..FitArguments::default() };
            let fitted = fit(&target, &arguments.options(None)?, &())?;
            let within = compare(&fitted.draws, &reference)?.within_tolerance;
            let counts = fitted.counts();
            Ok((within, counts.gradient_evaluations, counts.density_evaluations, fitted.seconds()))
        };
        record(method.to_owned(), result());
    }
    for method in STANS.into_iter().filter(|&method| !(skip_chains && method == "nuts")) {
        let result = || {
            let (draws, cost) = stan.run(&library, method, &data, seed, folder.path())?;
            let within = compare(&draws, &reference)?.within_tolerance;
            Ok((within, cost.gradient_evaluations, cost.density_evaluations, cost.seconds))
        };
        record(format!("Stan's {method}"), result());
    }
    Ok(runs)
}

/// Prints a line per method, and the figures that are wanted.
fn report(runs: &[Run]) {
    let of = |method: &str| -> Vec<&Run> { runs.iter().filter(|run| run.method == method).collect() };
    let middle = |method: &str, value: fn(&Run) -> f64| median(of(method).into_iter().map(value).collect());
    let within = |method: &str| of(method).iter().filter(|run| run.within).count();
    println!("| method | within tolerance | median gradients | median densities | median seconds |");
    println!("|---|---|---|---|---|");
    let methods = OURS.iter().map(|&method| method.to_owned());
    for method in methods.chain(STANS.iter().map(|method| format!("Stan's {method}"))) {
        println!(
            "| {method} | {} of {} | {:.0} | {:.0} | {:.3} |",
            within(&method),
            of(&method).len(),
            middle(&method, |run| run.gradients),
            middle(&method, |run| run.densities),
            middle(&method, |run| run.seconds),
        );
    }
    println!();
    let (pathfinder, nuts) = ("Stan's multipathfinder", "Stan's nuts");
    for ours in ["bam", "auto"] {
        println!("within tolerance, {ours}: {}", within(ours));
        let seconds = middle(ours, |run| run.seconds) / middle(pathfinder, |run| run.seconds);
        println!("median seconds, {ours} over {pathfinder}: {seconds:.2}");
        let gradients = middle(nuts, |run| run.gradients) / middle(ours, |run| run.gradients);
        println!("median gradient evaluations, {nuts} over {ours}: {gradients:.1}");
    }
    println!("within tolerance, {pathfinder}: {}", within(pathfinder));
    println!("within tolerance, Stan's advi-fullrank: {}", within("Stan's advi-fullrank"));
}
