//! Semi-implicit variational inference by score matching (SIVI-SM; Yu and Zhang 2023, arXiv 2308.10014): an
//! approximation beyond Gaussians, z ~ N(0, I), x = μ(z) + σ ∘ ε with a network μ, which has draws but no density in
//! closed form. A second network, the critic, learns the difference of the scores of target and approximation; the
//! approximation descends on it.
//!
//! Everything happens in coordinates in which the Gaussian that a fit begins with is the standard normal
//! ([`Whitened`](crate::model::Whitened)), so that one set of defaults serves all targets.

mod adam;
mod density;
mod elbo;
mod evaluate;
mod family;
mod mlp;
mod modes;
mod objective;
mod options;
mod state;
mod trainer;

pub use density::{FreshDrawsCheck, SemiImplicitDensity, judge};
pub use elbo::SurrogateElbo;
pub use family::SemiImplicit;
pub use mlp::{Mlp, Shape};
pub use modes::{Mode, modes, moments, shares};
pub use objective::{Descent, Objective, Value};
pub use options::{SiviObjective, SiviOptions};
pub use state::TrainingState;
pub use trainer::{SiviRow, Trainer};

use crate::model::EvaluationError;
use thiserror::Error;

/// Why a semi-implicit fit cannot begin or continue.
#[derive(Debug, Clone, Error, PartialEq)]
pub enum SiviError {
    /// A size or rate makes no sense.
    #[error("{what} of a semi-implicit fit must be {allowed}, not {value}")]
    Option {
        /// What it is the size of.
        what: &'static str,
        /// Which values it may have.
        allowed: &'static str,
        /// The value that it has.
        value: f64,
    },
    /// The target rejected a whole batch.
    #[error("the program rejected every draw of a batch of the semi-implicit fit")]
    NoUsableDraws,
    /// The target gave no Hessian-vector product at any draw.
    #[error("sivi-sm needs products of the log density's Hessian with a vector, and the program gave none: {0}")]
    NoProducts(EvaluationError),
    /// The objective is infinite or not a number.
    #[error(
        "the objective of the semi-implicit fit is not finite: lower its learning rates, or resume it from its last saved state"
    )]
    NotFinite,
    /// A saved state does not belong to this fit.
    #[error("the saved state does not belong to this semi-implicit fit: {0}")]
    State(String),
}
