//! A Gaussian of any dimension with a low-rank plus diagonal covariance: a target with a known answer at a cost of
//! O(DK).

use super::{EvaluationError, Target};
use crate::gaussian::{GaussianApproximation, LowRankGaussian};
use crate::linalg::inverse;
use crate::random::{Rng, fill_standard_normal};
use ndarray::{Array1, Array2, ArrayView1};

/// N(mean, Ψ + Λ Λᵀ), normalised.
#[derive(Debug, Clone)]
pub struct LowRankTarget {
    gaussian: LowRankGaussian,
    psi: Array1<f64>,
    /// Ψ⁻¹Λ, D × K.
    weighted: Array2<f64>,
    /// (I + ΛᵀΨ⁻¹Λ)⁻¹, K × K.
    inner: Array2<f64>,
}

impl LowRankTarget {
    /// The target with the density of `gaussian`.
    pub fn new(gaussian: LowRankGaussian) -> Self {
        let (psi, lambda) = (gaussian.psi(), gaussian.lambda());
        let weighted = &lambda / &psi.view().insert_axis(ndarray::Axis(1));
        let mut inner = lambda.t().dot(&weighted);
        inner.diag_mut().mapv_inplace(|d| d + 1.0);
        // LAPACK does not know matrices of size zero.
        let inner = if inner.is_empty() { inner } else { inverse(inner).expect("it is larger than the identity") };
        Self { gaussian, psi, weighted, inner }
    }

    /// Standard normal means and loadings, and log-normal Ψ, all independent.
    pub fn random(dim: usize, rank: usize, rng: &mut Rng) -> Self {
        let mut values = Array2::zeros((rank + 2, dim));
        fill_standard_normal(rng, values.as_slice_mut().expect("a fresh array is contiguous"));
        let (psi, lambda) = (values.row(1).mapv(f64::exp), values.slice(ndarray::s![2.., ..]));
        let gaussian = LowRankGaussian::new(values.row(0).to_owned(), &psi, lambda.t());
        Self::new(gaussian.expect("log-normal numbers are positive"))
    }

    /// The density as an approximation.
    pub fn approximation(&self) -> &LowRankGaussian {
        &self.gaussian
    }
}

impl Target for LowRankTarget {
    fn dim(&self) -> usize {
        self.psi.len()
    }

    fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
        self.log_density_and_score(x, &mut vec![0.0; x.len()])
    }

    fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
        let deviation = &ArrayView1::from(x) - &self.gaussian.mean();
        let explained = self.weighted.dot(&self.inner.dot(&self.weighted.t().dot(&deviation)));
        let mut distance = 0.0;
        for (i, score) in score.iter_mut().enumerate() {
            *score = explained[i] - deviation[i] / self.psi[i];
            distance -= *score * deviation[i];
        }
        Ok(self.gaussian.log_density_of_noise(distance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Gaussian, check_gradient};
    use crate::random::stream;

    #[test]
    fn the_density_is_the_dense_gaussians() {
        let target = LowRankTarget::random(7, 3, &mut stream(4, 0));
        let dense = Gaussian::new(target.approximation().mean().to_owned(), target.approximation().covariance());
        let x = [0.3, -1.0, 2.0, 0.1, -0.4, 1.5, 0.0];
        assert!((target.log_density(&x).unwrap() - dense.log_density(&x).unwrap()).abs() < 1e-10);
        assert!(check_gradient(&target, &x).unwrap().unwrap().error < 1.0);
    }
}
