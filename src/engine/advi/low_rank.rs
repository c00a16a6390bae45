//! ADVI with a covariance that is low-rank plus diagonal, or with rank 0 diagonal: mean-field.

use super::LEARNING_RATE;
use super::adam::Adam;
use crate::engine::{Batch, Engine, UpdateFailed};
use crate::gaussian::{GaussianApproximation, LowRankGaussian};
use crate::linalg::array_serde;
use ndarray::{Array1, Array2, Axis, Ix1, Ix2};
use serde::{Deserialize, Serialize};

/// ADVI with Σ = Ψ + Λ Λᵀ, Ψ on the log scale; with K = 0, mean-field ADVI. A step costs O(DKB).
///
/// The usual reparameterisation z = μ + Ψ^½ ε₁ + Λ ε₂ gives the gradients s ε₁ᵀ and s ε₂ᵀ, s = ∇_z
/// (log p − log q). Given z, the expectations of ε₁ and ε₂ are Ψ^½ v and Λᵀ v with v = Σ⁻¹ (z − μ).
/// Used in their place, they leave the gradient's expectation as it is, reduce its variance (Rao
/// and Blackwell), and allow for draws made in any other way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdviLowRank {
    gaussian: LowRankGaussian,
    /// The initial standard deviations: the units in which parameters move.
    #[serde(with = "array_serde")]
    units: Array1<f64>,
    mean_moments: Adam<Ix1>,
    scale_moments: Adam<Ix1>,
    loading_moments: Adam<Ix2>,
}

/// The gradient in the mean, in log Ψ^½ and in Λᵀ (K × D), each in its units.
type Gradient = (Array1<f64>, Array1<f64>, Array2<f64>);

impl AdviLowRank {
    /// Starts from `gaussian`, whose rank it keeps.
    pub fn new(gaussian: LowRankGaussian) -> Self {
        let (dim, rank) = (gaussian.dim(), gaussian.rank());
        Self {
            units: gaussian.sds(),
            mean_moments: Adam::new(Ix1(dim)),
            scale_moments: Adam::new(Ix1(dim)),
            loading_moments: Adam::new(Ix2(rank, dim)),
            gaussian,
        }
    }

    /// Λᵀ, K × D.
    fn lambda(&self) -> Array2<f64> {
        &self.gaussian.loadings() * &self.gaussian.scales()
    }

    /// The evidence lower bound's gradient, estimated by the batch.
    fn gradient(&self, batch: &Batch) -> Result<Gradient, UpdateFailed> {
        let size = batch.usable() as f64;
        let mut v = Array2::zeros(batch.noise().dim());
        self.gaussian.multiply_inverse_transposed(batch.noise(), v.view_mut());
        let s = &batch.scores() + &v;
        let of_mean = s.mean_axis(Axis(0)).ok_or(UpdateFailed)? * &self.units;
        let of_scales = (&s * &v).sum_axis(Axis(0)) / size * self.gaussian.psi();
        let of_loadings = v.dot(&self.lambda().t()).t().dot(&s) / size * &self.units;
        let finite = of_mean.iter().chain(&of_scales).chain(&of_loadings).all(|g| g.is_finite());
        if finite { Ok((of_mean, of_scales, of_loadings)) } else { Err(UpdateFailed) }
    }
}

impl Engine for AdviLowRank {
    type Approximation = LowRankGaussian;

    fn approximation(&self) -> &LowRankGaussian {
        &self.gaussian
    }

    fn set_approximation(&mut self, gaussian: LowRankGaussian) {
        *self = Self::new(gaussian);
    }

    fn is_consistent(&self) -> bool {
        let (dim, rank) = (self.gaussian.dim(), self.gaussian.rank());
        self.gaussian.is_consistent()
            && self.units.len() == dim
            && self.mean_moments.fits(Ix1(dim))
            && self.scale_moments.fits(Ix1(dim))
            && self.loading_moments.fits(Ix2(rank, dim))
    }

    fn natural_rate(&self, _batch: usize) -> f64 {
        LEARNING_RATE
    }

    fn step(&mut self, batch: &Batch, learning_rate: f64) -> Result<(), UpdateFailed> {
        let (of_mean, of_scales, of_loadings) = self.gradient(batch)?;
        let [mut mean_moments, mut scale_moments] = [&self.mean_moments, &self.scale_moments].map(Adam::clone);
        let mut loading_moments = self.loading_moments.clone();
        let mean = &self.gaussian.mean() + &(mean_moments.increment(&of_mean, learning_rate) * &self.units);
        let growth = scale_moments.increment(&of_scales, learning_rate).mapv(f64::exp);
        let scales = &self.gaussian.scales() * &growth;
        let lambda = self.lambda() + loading_moments.increment(&of_loadings, learning_rate) * &self.units;
        let loadings = lambda / &scales;
        self.gaussian = LowRankGaussian::from_scaled(mean, scales, loadings).map_err(|_| UpdateFailed)?;
        (self.mean_moments, self.scale_moments) = (mean_moments, scale_moments);
        self.loading_moments = loading_moments;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::advi::testing::ascended;
    use crate::engine::testing::{batch_of, random_matrix};
    use crate::gaussian::DenseGaussian;
    use crate::model::Gaussian;
    use crate::random::stream;
    use ndarray_linalg::{Inverse, Norm};

    /// Of all Gaussians with independent elements the one closest to N(μ, Σ) has its mean and the
    /// variances 1/(Σ⁻¹)_ii.
    #[test]
    fn mean_field_finds_the_precisions_of_a_gaussian() {
        let target = Gaussian::with_condition_number(5, 20.0, &mut stream(3, 0));
        let start = LowRankGaussian::diagonal(Array1::zeros(5), Array1::ones(5)).unwrap();
        let gaussian = ascended(AdviLowRank::new(start), &target);
        let expected = target.covariance().inv().unwrap().diag().mapv(|p| p.sqrt().recip());
        assert!((gaussian.sds() / &expected - 1.0).iter().all(|d| d.abs() < 0.02), "{} {expected}", gaussian.sds());
        assert!((&gaussian.mean() - target.mean()).norm_l2() < 0.02);
    }

    fn factor_model(dim: usize, rank: usize) -> Gaussian {
        let lambda = random_matrix(dim, rank, 5);
        let psi = random_matrix(1, dim, 6).remove_axis(Axis(0)).mapv(|e| (0.5 * e).exp());
        Gaussian::new(Array1::ones(dim), lambda.dot(&lambda.t()) + Array2::from_diag(&psi))
    }

    #[test]
    fn a_low_rank_covariance_is_found() {
        let target = factor_model(8, 2);
        let start = LowRankGaussian::new(Array1::zeros(8), &Array1::ones(8), random_matrix(8, 2, 1).view()).unwrap();
        let gaussian = ascended(AdviLowRank::new(start), &target);
        let error = (&gaussian.covariance() - target.covariance()).norm_l2() / target.covariance().norm_l2();
        assert!(error < 0.03, "{error}");
    }

    /// Against finite differences of the closed form of −KL(q ‖ p).
    #[test]
    fn the_gradient_is_the_evidence_lower_bounds() {
        let (dim, target) = (4, factor_model(4, 2));
        let psi = Array1::from(vec![0.5, 1.0, 2.0, 1.5]);
        let start = LowRankGaussian::new(Array1::zeros(dim), &psi, random_matrix(dim, 1, 8).view()).unwrap();
        let engine = AdviLowRank::new(start);
        let (of_mean, of_scales, of_loadings) =
            engine.gradient(&batch_of(engine.approximation(), &target, 400_000, 9)).unwrap();
        let precision = target.covariance().inv().unwrap();
        let bound = |mean: &Array1<f64>, scales: &Array1<f64>, lambda: &Array2<f64>| {
            let covariance = lambda.t().dot(lambda) + Array2::from_diag(&scales.mapv(|s| s * s));
            let away = mean - target.mean();
            let log_det = DenseGaussian::from_covariance(mean.clone(), &covariance).unwrap().log_det_factor();
            log_det - 0.5 * (&precision * &covariance).sum() - 0.5 * away.dot(&precision.dot(&away))
        };
        let (mean, scales, lambda) =
            (engine.gaussian.mean().to_owned(), engine.gaussian.scales().to_owned(), engine.lambda());
        let step = 1e-5;
        let close = |moved: f64, gradient: f64| {
            let difference = (moved - bound(&mean, &scales, &lambda)) / step;
            assert!((difference - gradient).abs() < 0.02 * (1.0 + gradient.abs()), "{difference} and {gradient}");
        };
        for i in 0..dim {
            let (mut moved_mean, mut moved_scales, mut moved_lambda) = (mean.clone(), scales.clone(), lambda.clone());
            moved_mean[i] += step * engine.units[i];
            close(bound(&moved_mean, &scales, &lambda), of_mean[i]);
            moved_scales[i] *= 1.0 + step;
            close(bound(&mean, &moved_scales, &lambda), of_scales[i]);
            moved_lambda[[0, i]] += step * engine.units[i];
            close(bound(&mean, &scales, &moved_lambda), of_loadings[[0, i]]);
        }
    }
}
