//! The learning rate that is best of a grid in short runs, as Stan's ADVI tries step sizes.

use super::{DriverError, DriverOptions, Engine, LearningRate, run};
use crate::model::{CountingTarget, Target};
use crate::random::Rng;
use std::ops::ControlFlow;

/// The learning rates that are tried, each about a third of the one before. Other grids were not
/// compared.
pub const LEARNING_RATES: [f64; 4] = [0.1, 0.03, 0.01, 0.003];
/// Iterations of a trial: as many as Stan's ADVI makes by default to adapt its step size.
const TRIAL: usize = 50;
/// Iterations at its end whose evidence lower bounds are averaged. Not compared with other numbers.
const LAST: usize = 10;

/// The rate with which a short run of the engine that `start` makes ends at the best evidence lower
/// bound. All trials see the same noise.
pub fn best_learning_rate<E: Engine, T: Target>(
    start: &dyn Fn() -> E,
    target: &CountingTarget<T>,
    options: &DriverOptions,
    rng: &Rng,
) -> Result<f64, DriverError> {
    let mut best = (f64::NEG_INFINITY, LEARNING_RATES[LEARNING_RATES.len() - 1]);
    for rate in LEARNING_RATES {
        let learning_rate = LearningRate { initial: Some(rate), ..options.learning_rate };
        let trial =
            DriverOptions { max_iterations: TRIAL.min(options.max_iterations), learning_rate, ..options.clone() };
        let mut bounds = Vec::new();
        run(&mut start(), target, &trial, &mut rng.clone(), &mut |row| {
            bounds.push(row.elbo);
            ControlFlow::Continue(())
        })?;
        let last = &bounds[bounds.len().saturating_sub(LAST)..];
        let bound = last.iter().sum::<f64>() / last.len() as f64;
        if bound > best.0 {
            best = (bound, rate);
        }
    }
    Ok(best.1)
}
