//! Markov chains on any [`Target`](crate::model::Target): the No-U-Turn sampler of the crate nuts-rs, and many short
//! chains side by side.

mod chain;
mod constrain;
mod metric;
mod nuts;
mod nuts_adapter;
mod options;
mod parallel_hmc;
mod start;
mod unconstrain;
mod warm_start;
mod warnings;

pub use chain::{Chain, Transition};
pub use constrain::{ConstrainError, constrain, undefined_generated_quantities};
pub use metric::Metric;
pub use nuts::{ChainProgress, sample};
pub use options::NutsOptions;
pub use parallel_hmc::{HmcTransition, ParallelHmc};
pub use start::Start;
pub use unconstrain::{UnconstrainError, unconstrain};
pub use warm_start::{WARM_START_WARMUP, sample_from_fit};
pub use warnings::{ChainWarning, warnings};

use thiserror::Error;

/// Why there are no draws.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SampleError {
    /// An option has a value that makes no sense.
    #[error("{option} must be {allowed}, not {value}")]
    Option {
        /// The option's name.
        option: &'static str,
        /// Which values it may have.
        allowed: &'static str,
        /// The value that it has.
        value: f64,
    },
    /// Who watched the chains cancelled them.
    #[error("sampling was cancelled")]
    Cancelled,
    /// The posterior has no parameters.
    #[error("the program has no parameters, so there is nothing to sample")]
    NoParameters,
    /// Not every chain has a point to start from.
    #[error(
        "{given} initial points with {expected} coordinates each are needed, one per chain; point {index} is missing or \
         has another length"
    )]
    StartShape {
        /// How many points there must be.
        given: usize,
        /// How many coordinates each must have.
        expected: usize,
        /// The first point that does not fit, counted from 1.
        index: usize,
    },
    /// A given initial point has no density.
    #[error("the density is not defined at the initial point of chain {chain}: {reason}; give another one")]
    StartRejected {
        /// The chain, counted from 1.
        chain: usize,
        /// Why the point was rejected.
        reason: String,
    },
    /// No random point has a density.
    #[error(
        "no initial point with a defined density was found for chain {chain} in {attempts} attempts; the last was \
         rejected: {reason}"
    )]
    NoStart {
        /// The chain, counted from 1.
        chain: usize,
        /// How many points were tried.
        attempts: usize,
        /// Why the last one was rejected.
        reason: String,
    },
    /// The sampler gave up.
    #[error("chain {chain} failed: {reason}")]
    Sampler {
        /// The chain, counted from 1.
        chain: usize,
        /// What the sampler said.
        reason: String,
    },
    /// The threads could not be started.
    #[error("{threads} threads could not be started: {reason}")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// What the system said.
        reason: String,
    },
}
