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
mod method;
#[cfg(test)]
mod testing;

pub use full_rank::AdviFullRank;
pub use low_rank::AdviLowRank;
pub use method::{Advi, FULL_RANK, LOW_RANK, MEAN_FIELD};

/// The initial learning rate if none is given, the second of [`LEARNING_RATES`].
const LEARNING_RATE: f64 = 0.03;
