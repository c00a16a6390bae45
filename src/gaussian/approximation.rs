//! A fitted Gaussian of whichever structure.

use super::{DenseGaussian, GaussianApproximation, LowRankGaussian};
use ndarray::ArrayView1;

/// The Gaussian that a fit arrived at.
#[derive(Debug, Clone, PartialEq)]
pub enum Approximation {
    /// With a full covariance.
    Dense(DenseGaussian),
    /// With a covariance that is low-rank plus diagonal.
    LowRank(LowRankGaussian),
}

impl Approximation {
    /// The dimension D.
    pub fn dim(&self) -> usize {
        self.mean().len()
    }

    /// The mean, of length D.
    pub fn mean(&self) -> ArrayView1<'_, f64> {
        match self {
            Self::Dense(family) => family.mean(),
            Self::LowRank(family) => family.mean(),
        }
    }
}

impl From<DenseGaussian> for Approximation {
    fn from(family: DenseGaussian) -> Self {
        Self::Dense(family)
    }
}

impl From<LowRankGaussian> for Approximation {
    fn from(family: LowRankGaussian) -> Self {
        Self::LowRank(family)
    }
}
