//! A fitted Gaussian of any structure.

use super::{DenseGaussian, GaussianApproximation, LowRankGaussian};
use ndarray::ArrayView1;

/// The fitted Gaussian.
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
            Self::Dense(gaussian) => gaussian.mean(),
            Self::LowRank(gaussian) => gaussian.mean(),
        }
    }
}

impl From<DenseGaussian> for Approximation {
    fn from(gaussian: DenseGaussian) -> Self {
        Self::Dense(gaussian)
    }
}

impl From<LowRankGaussian> for Approximation {
    fn from(gaussian: LowRankGaussian) -> Self {
        Self::LowRank(gaussian)
    }
}
