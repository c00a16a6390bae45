//! The Gaussian that a fit begins with, as an init knows it.

use super::inverse_hessian::FactoredCovariance;
use crate::family::DenseGaussian;
use ndarray::Array1;

/// A Gaussian around a point, in the form in which it was found: what a family is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum LocalGaussian {
    /// With a covariance that is diagonal but for a few directions.
    Factored {
        /// The mean, of length D.
        mean: Array1<f64>,
        /// The covariance.
        covariance: FactoredCovariance,
    },
    /// With a full covariance.
    Dense(DenseGaussian),
}

impl LocalGaussian {
    /// The Gaussian around `position` with unit covariance.
    pub fn unit(position: Vec<f64>) -> Self {
        let covariance = FactoredCovariance::diagonal(Array1::ones(position.len()));
        Self::Factored { mean: Array1::from(position), covariance }
    }

    /// The same with a full covariance, D × D.
    pub fn dense(self) -> DenseGaussian {
        match self {
            Self::Factored { mean, covariance } => covariance.gaussian(mean),
            Self::Dense(family) => family,
        }
    }
}
