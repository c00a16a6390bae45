//! Engines that fit a Gaussian, and the driver that runs them.
//!
//! An engine is a state with one step, in the manner of init and step functions: it sees a [`Batch`] of draws from its
//! own approximation with the target's scores, and moves the approximation. The loop, the schedule and the stop rule
//! live in the driver, once for all engines.

pub mod advi;
mod bam;
mod batch;
mod convergence;
mod driver;
mod gsm;
mod learning_rate;
mod learning_rate_search;
mod mean_term_weight;
mod method;
mod pbam;
mod rollback;
pub mod sivi;
mod state;
mod state_origin;
mod subspace;
mod table;
#[cfg(test)]
mod testing;
mod trace;
pub mod transport;

pub use bam::{Bam, BatchAndMatch};
pub use batch::Batch;
pub use driver::{Driver, DriverError, DriverOptions, Event, Outcome, RunProgress, StopReason, advance, run};
pub use gsm::{GaussianScoreMatching, Gsm};
pub use learning_rate::{LearningRate, Schedule};
pub use learning_rate_search::{LEARNING_RATES, best_learning_rate};
pub use method::{EngineDefaults, EngineError, EngineMethod, EngineOption, EngineRun, EngineSettings, EngineSpec};
pub use pbam::{BatchMatchAndPatch, EmStart, PBam, Patch};
pub use state::{RunState, SavedState, StateError, state_document};
pub use state_origin::StateOrigin;
pub use table::{ENGINES, engine};
pub use trace::{Moments, TraceErrors, TraceRow};

use crate::gaussian::GaussianApproximation;
use thiserror::Error;

/// An inference engine: an approximation q and a rule that moves it.
pub trait Engine {
    /// What it fits.
    type Approximation: GaussianApproximation;

    /// The approximation q as it stands.
    fn approximation(&self) -> &Self::Approximation;

    /// Replaces the approximation.
    fn set_approximation(&mut self, approximation: Self::Approximation);

    /// Whether all its parts have the sizes that they must have; one read from a file may not.
    fn is_consistent(&self) -> bool {
        self.approximation().is_consistent()
    }

    /// The learning rate to begin with unless told otherwise, for batches of `batch` usable draws: BD, as in batch and
    /// match.
    fn natural_rate(&self, batch: usize) -> f64 {
        (batch * self.approximation().dim()) as f64
    }

    /// Whether q is not seen to move in one direction still, however slowly its score divergence falls.
    fn is_settled(&self) -> bool {
        true
    }

    /// Moves q by one batch, whose draws come from q as it stands. On an error q is as before. `learning_rate` is λ in
    /// batch and match and Adam's step size in ADVI; others do without.
    fn step(&mut self, batch: &Batch, learning_rate: f64) -> Result<(), UpdateFailed>;
}

/// An update that is not finite or would lose positive definiteness.
#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
#[error("the update is not finite or not positive definite")]
pub struct UpdateFailed;
