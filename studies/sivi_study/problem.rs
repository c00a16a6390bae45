//! Posteriors of the embedded database, and fits that nobody watches.

use std::error::Error;

use stanmatch::database::{Database, Posterior};
use stanmatch::fit::{Fit, FitOptions, fit};
use stanmatch::toolchain::{Choice, StanModel};

/// A posterior and its model.
pub fn load(name: &str) -> Result<(Posterior, StanModel), Box<dyn Error>> {
    let posterior = Database::open(None, None)?.posterior(name)?;
    let target = Choice::Auto.load(&posterior.program()?, &posterior.data()?, 1, &|_| ())?.model;
    Ok((posterior, target))
}

/// A fit by the method that `options` ask for.
pub fn fitted(target: &StanModel, options: &FitOptions) -> Result<Fit, Box<dyn Error>> {
    Ok(fit(target, options, &())?)
}
