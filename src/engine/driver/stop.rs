//! When a run stops, and why.

use super::{Driver, DriverError};
use crate::engine::Engine;
use crate::model::Target;

/// Why a run stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StopReason {
    /// The score divergence has stopped falling, and enough iterates are averaged.
    Converged,
    /// The score divergence is negligible: q is the target, up to rounding.
    Vanished,
    /// The iterations are used up.
    Iterations,
    /// The budget does not pay for another batch.
    Budget,
    /// The observer asked for it.
    Cancelled,
}

impl<E: Engine, T: Target> Driver<'_, E, T> {
    /// Whether the run is at its end. It fails if the budget does not pay for the first batch of
    /// all.
    pub(super) fn stop_reason(&self) -> Result<Option<StopReason>, DriverError> {
        let Self { progress, options, .. } = self;
        if self.vanished.is_some() {
            return Ok(Some(StopReason::Vanished));
        }
        if progress.is_complete(options) {
            return Ok(Some(StopReason::Converged));
        }
        if progress.iterations >= options.max_iterations {
            return Ok(Some(StopReason::Iterations));
        }
        let (spent, batch) = (self.spent(), options.batch);
        match options.budget {
            Some(budget) if spent + batch as u64 > budget => match progress.iterations {
                0 => Err(DriverError::Budget { budget, left: budget.saturating_sub(spent), batch }),
                _ => Ok(Some(StopReason::Budget)),
            },
            _ => Ok(None),
        }
    }
}
