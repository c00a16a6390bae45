//! Automatic differentiation variational inference (Kucukelbir et al. 2017): stochastic ascent of
//! the evidence lower bound, with Adam (Kingma and Ba 2015) and reparameterised gradients that
//! "stick the landing" (Roeder, Wu and Duvenaud 2017), so that they have no variance where q is the
//! target.
//!
//! The parameters move in units of the approximation that a run begins with: one learning rate then
//! serves parameters of any size.

mod adam;
mod full_rank;
mod low_rank;
#[cfg(test)]
mod testing;

pub use full_rank::{AdviFullRank, FullRankAdvi};
pub use low_rank::{AdviLowRank, LowRankAdvi, MeanFieldAdvi};

use super::EngineDefaults;

/// Iterations over which the score divergence is smoothed: a step of stochastic ascent is small, so that a plateau takes
/// longer to tell.
const WINDOW: usize = 50;

fn defaults() -> EngineDefaults {
    EngineDefaults { window: WINDOW, ..EngineDefaults::default() }
}

/// The initial learning rate if none is given, the second of [`LEARNING_RATES`].
const LEARNING_RATE: f64 = 0.03;
