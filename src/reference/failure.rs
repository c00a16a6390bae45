//! What keeps draws from being reference draws, as data and in words.

use thiserror::Error;

use crate::diagnostics::{LARGEST_R_HAT, SMALLEST_EFMI};

/// How many draws a reference has.
pub const REFERENCE_DRAWS: usize = 10_000;
/// How many chains it has at least.
pub(super) const LEAST_CHAINS: usize = 4;
/// What the autocorrelation of its draws at lag 1 stays below, in absolute value.
pub(super) const LARGEST_LAG1: f64 = 0.05;

/// A condition of posteriordb that draws fail, with the quantity or chain that fails it most.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ReferenceFailure {
    /// A quantity has draws without a finite mean and standard deviation.
    #[error("the draws of {name} have no finite mean and standard deviation: the posterior may be improper")]
    Unbounded {
        /// The first such quantity.
        name: String,
    },
    /// There are more or fewer draws than a reference has.
    #[error("there are {draws} draws; posteriordb asks for {REFERENCE_DRAWS}")]
    Draws {
        /// How many there are.
        draws: usize,
    },
    /// There are too few chains.
    #[error("there are {chains} chains; posteriordb asks for at least {LEAST_CHAINS}")]
    Chains {
        /// How many there are.
        chains: usize,
    },
    /// R-hat is too large or not defined.
    #[error("R-hat of {name} is {value:.4}, not below {LARGEST_R_HAT}: {}", meaning_of_r_hat(*.value))]
    RHat {
        /// The quantity.
        name: String,
        /// Its R-hat; NaN where it never moves.
        value: f64,
    },
    /// An effective sample size is not that of independent draws.
    #[error(
        "the {part} effective sample size of {name} is {value:.0}, not between {:.0} and {:.0}: a larger thinning \
         brings it nearer", .bounds.0, .bounds.1
    )]
    EffectiveSampleSize {
        /// `bulk` or `tail`.
        part: &'static str,
        /// The quantity.
        name: String,
        /// Its effective sample size.
        value: f64,
        /// What it must lie between.
        bounds: (f64, f64),
    },
    /// Neighbouring draws depend on each other.
    #[error(
        "neighbouring draws of {name} have the correlation {value:.3}, outside ±{LARGEST_LAG1}: a larger thinning \
         brings it nearer to 0"
    )]
    Autocorrelation {
        /// The quantity.
        name: String,
        /// The autocorrelation at lag 1, averaged over the chains.
        value: f64,
    },
    /// A chain explores the energies too slowly.
    #[error("E-FMI of chain {chain} is {value:.3}, not above {SMALLEST_EFMI}: reparameterise the program")]
    Efmi {
        /// The chain, counted from 1.
        chain: usize,
        /// Its energy fraction of missing information.
        value: f64,
    },
    /// Transitions diverged.
    #[error("{count} transitions diverged: smaller steps or another parameterisation of the program may help")]
    Divergences {
        /// How many, over all chains.
        count: usize,
    },
}

impl ReferenceFailure {
    /// The field of [`ReferenceOptions`](super::ReferenceOptions) that may help when it is raised, if one may.
    pub fn option(&self) -> Option<&'static str> {
        match self {
            Self::EffectiveSampleSize { .. } | Self::Autocorrelation { .. } => Some("thin"),
            Self::Divergences { .. } => Some("adapt_delta"),
            _ => None,
        }
    }
}

fn meaning_of_r_hat(value: f64) -> &'static str {
    if value.is_nan() { "it never moves" } else { "the chains disagree or do not move" }
}
