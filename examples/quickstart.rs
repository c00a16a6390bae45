//! A Stan program from the embedded database, fitted with the default method and compared with its reference draws. It
//! needs Stan, which `stanmatch toolchain install` installs:
//!
//!     cargo run --release --example quickstart

use std::error::Error;

use stanmatch::compare::compare;
use stanmatch::database::Database;
use stanmatch::fit::{FitOptions, fit};
use stanmatch::toolchain::Choice;

/// Fits it, and prints what came out.
pub fn main() -> Result<(), Box<dyn Error>> {
    let posterior = Database::open(None, None)?.posterior("eight_schools")?;
    let model = Choice::default().load(&posterior.program()?, &posterior.data()?, 1, &|_| {})?.model;

    let fit = fit(&model, &FitOptions::default(), &())?;
    for name in ["mu", "tau"] {
        let draws = fit.draws.column(name).ok_or("the program has no such parameter")?;
        println!("{name}: mean {:.2}, sd {:.2}", draws.mean().unwrap_or(f64::NAN), draws.std(1.0));
    }
    // A fit is to be trusted where nothing speaks against it.
    println!("trusted: {}, k̂ {:.2}", fit.verdict.is_trusted(), fit.verdict.pareto_k);
    fit.verdict.objections.iter().for_each(|objection| println!("{}: {objection}", objection.code()));

    let comparison = compare(&fit.draws, &posterior.required_reference()?)?;
    println!("within tolerance of the reference draws: {}", comparison.within_tolerance);
    Ok(())
}
