//! An engine's run within a fit: watched by the caller, with what was seen at each iteration.

use super::{FitError, Problem};
use crate::engine::{DriverError, DriverOptions, EngineRun, Outcome, TraceRow};
use crate::gaussian::Approximation;

/// Runs an engine to its end, and returns where it ended and a row for each iteration.
///
/// # Errors
/// Where the engine fails or the caller cancels.
pub fn run_engine(
    run: &mut dyn EngineRun,
    problem: Problem<'_>,
    driver: &DriverOptions,
) -> Result<(Outcome<Approximation>, Vec<TraceRow>), FitError> {
    let mut trace = Vec::new();
    let outcome = run.run(problem.target, driver, &mut |row| {
        trace.push(*row);
        problem.watch.iteration(row)
    });
    Ok((outcome.map_err(|error: DriverError| FitError::Engine(error.into()))?, trace))
}
