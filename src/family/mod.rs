//! The approximations that engines fit.

mod dense;

pub use dense::{DenseGaussian, NoiseSolver, NotPositiveDefinite, Update};

/// log 2π.
pub(crate) const LN_2PI: f64 = 1.837_877_066_409_345_3;
