//! Targets with known answers, for tests, benches and studies.

use super::{Rejected, Target};
use ndarray::{Array1, Array2, ArrayView1};

/// A Gaussian given by its mean and precision matrix, with its normalising constant left out.
#[derive(Debug, Clone)]
pub struct Gaussian {
    mean: Array1<f64>,
    precision: Array2<f64>,
}

impl Gaussian {
    /// N(mean, precision⁻¹); `precision` is D × D, symmetric and positive definite.
    pub fn from_precision(mean: Array1<f64>, precision: Array2<f64>) -> Self {
        assert_eq!(precision.dim(), (mean.len(), mean.len()), "the precision matrix must be D × D");
        Self { mean, precision }
    }
}

impl Target for Gaussian {
    fn dim(&self) -> usize {
        self.mean.len()
    }

    fn log_density(&self, x: &[f64]) -> Result<f64, Rejected> {
        self.log_density_and_score(x, &mut vec![0.0; x.len()])
    }

    fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, Rejected> {
        let deviation = &self.mean - &ArrayView1::from(x);
        let weighted = self.precision.dot(&deviation);
        for (score, weighted) in score.iter_mut().zip(&weighted) {
            *score = -weighted;
        }
        Ok(-0.5 * deviation.dot(&weighted))
    }
}
