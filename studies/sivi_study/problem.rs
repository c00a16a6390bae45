//! Posteriors of the embedded database, and fits that nobody watches.

use std::error::Error;

use stanmatch::database::{Database, Posterior};
use stanmatch::engine::TraceRow;
use stanmatch::fit::{Fit, FitOptions, Observer, fit};
use stanmatch::toolchain::{Choice, StanModel};

/// A posterior and its model.
pub fn load(name: &str) -> Result<(Posterior, StanModel), Box<dyn Error>> {
    let posterior = Database::open(None, None)?.posterior(name)?;
    let target = Choice::Auto.load(&posterior.program()?, &posterior.data()?, 1, &|_| ())?.model;
    Ok((posterior, target))
}

/// A fit by the method that `options` ask for.
pub fn fitted(target: &StanModel, options: &FitOptions) -> Result<Fit, Box<dyn Error>> {
    Ok(fit(target, options, &Silent)?)
}

struct Silent;

impl Observer for Silent {
    fn phase(&self, _name: &'static str) {}
    fn iteration(&self, _row: &TraceRow) {}
    fn transition(&self) {}
}
