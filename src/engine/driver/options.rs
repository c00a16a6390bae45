//! How a run is driven, and why it may fail.

use crate::engine::LearningRate;
use crate::engine::trace::Moments;
use thiserror::Error;

/// How a run is driven. Build it with `..DriverOptions::default()`: fields may be added.
#[derive(Debug, Clone, PartialEq)]
pub struct DriverOptions {
    /// Draws per batch, B; at least 1.
    pub batch: usize,
    /// Most iterations, those that are averaged included.
    pub max_iterations: usize,
    /// Most gradient evaluations, those before the run included; none for no bound.
    pub budget: Option<u64>,
    /// The learning rate and its schedule.
    pub learning_rate: LearningRate,
    /// Iterations over which the score divergence is reported (as their median) and, at least,
    /// smoothed for the test of convergence; at least 1. In many dimensions the test smooths over
    /// more.
    pub window: usize,
    /// Fewest iterations that are averaged: the last ones of those that show convergence, and
    /// further ones if these are fewer. 0 for the last iterate alone.
    pub averaging: usize,
    /// The moments of the target, for the errors in the trace.
    pub reference: Option<Moments>,
}

impl Default for DriverOptions {
    /// B = 16, 500 iterations, a window of 10 and 40 averaged iterates: docs/benchmarks/settings.md
    /// compares batches and averages, docs/contribute/decisions/012-batch-size.md says why 16.
    fn default() -> Self {
        Self {
            batch: 16,
            max_iterations: 500,
            budget: None,
            learning_rate: LearningRate::default(),
            window: 10,
            averaging: 40,
            reference: None,
        }
    }
}

impl DriverOptions {
    /// Fails on a value that makes no sense for an approximation of dimension `dim`.
    pub fn check(&self, dim: usize) -> Result<(), DriverError> {
        let invalid = |field, allowed| Err(DriverError::InvalidOption { field, allowed });
        if self.batch == 0 {
            return invalid("batch", "at least 1");
        }
        if self.window == 0 {
            return invalid("window", "at least 1");
        }
        if self.learning_rate.initial.is_some_and(|rate| !(rate.is_finite() && rate > 0.0)) {
            return invalid("learning_rate.initial", "a positive number");
        }
        if self.reference.as_ref().is_some_and(|moments| [moments.mean.len(), moments.sds.len()] != [dim; 2]) {
            return invalid("reference", "of the target's dimension");
        }
        Ok(())
    }
}

/// Why a run failed.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum DriverError {
    /// An option has a value that makes no sense.
    #[error("{field} must be {allowed}")]
    InvalidOption {
        /// The field of [`DriverOptions`].
        field: &'static str,
        /// Which values it may have.
        allowed: &'static str,
    },
    /// The approximation and the target have different dimensions.
    #[error("the approximation has dimension {approximation}, the target {target}")]
    Dimension {
        /// The approximation's dimension.
        approximation: usize,
        /// The target's.
        target: usize,
    },
    /// Batch after batch was rejected.
    #[error(
        "{0} batches in a row had fewer than two draws with a finite log density and gradient, even after the approximation was narrowed; the model may be wrong"
    )]
    NoUsableDraws(usize),
    /// Step after step failed at any learning rate.
    #[error("{0} steps in a row failed at every learning rate that was tried; the model's gradient may be wrong")]
    Stuck(usize),
    /// The budget does not pay for one batch.
    #[error("a budget of {budget} gradient evaluations leaves {left} for the engine, less than one batch of {batch}")]
    Budget {
        /// The budget.
        budget: u64,
        /// What was left of it.
        left: u64,
        /// The batch's size.
        batch: usize,
    },
}
