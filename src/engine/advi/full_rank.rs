//! ADVI with a full covariance.

use super::LEARNING_RATE;
use super::adam::Adam;
use crate::engine::{Batch, Engine, UpdateFailed};
use crate::gaussian::{DenseGaussian, GaussianApproximation, Update};
use crate::linalg::{array_serde, solve_upper};
use ndarray::{Array1, Array2, Axis, Ix1, Ix2};
use serde::{Deserialize, Serialize};

/// Full-rank ADVI: q = N(μ₀ + F₀ m, F₀ A (F₀ A)ᵀ), with N(μ₀, F₀ F₀ᵀ) the initial Gaussian and A
/// lower triangular, its diagonal on the log scale. A step costs O(D³) for the product F₀ A.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdviFullRank {
    start: DenseGaussian,
    /// m.
    #[serde(with = "array_serde")]
    shift: Array1<f64>,
    /// A.
    #[serde(with = "array_serde")]
    factor: Array2<f64>,
    shift_moments: Adam<Ix1>,
    factor_moments: Adam<Ix2>,
    gaussian: DenseGaussian,
}

impl AdviFullRank {
    /// Starts from `gaussian`.
    pub fn new(gaussian: DenseGaussian) -> Self {
        let dim = gaussian.dim();
        Self {
            start: gaussian.clone(),
            shift: Array1::zeros(dim),
            factor: Array2::eye(dim),
            shift_moments: Adam::new(Ix1(dim)),
            factor_moments: Adam::new(Ix2(dim, dim)),
            gaussian,
        }
    }

    /// The evidence lower bound's gradient in m and in A, its diagonal in log A_ii, estimated by
    /// the batch.
    fn gradient(&self, batch: &Batch) -> Result<(Array1<f64>, Array2<f64>), UpdateFailed> {
        // ∇_z (log p − log q) = g + F⁻ᵀ ε, and F₀ᵀ of it is A⁻ᵀ (h + ε).
        let residuals = (&batch.whitened_scores() + &batch.noise()).reversed_axes();
        let transposed = self.factor.t().to_owned();
        let path = solve_upper(&transposed, &residuals).ok_or(UpdateFailed)?;
        let of_shift = path.mean_axis(Axis(1)).ok_or(UpdateFailed)?;
        let mut of_factor = path.dot(&batch.noise()) / batch.usable() as f64;
        for ((row, column), entry) in of_factor.indexed_iter_mut() {
            if row < column {
                *entry = 0.0;
            } else if row == column {
                *entry *= self.factor[[row, row]];
            }
        }
        let finite = of_shift.iter().chain(&of_factor).all(|g| g.is_finite());
        if finite { Ok((of_shift, of_factor)) } else { Err(UpdateFailed) }
    }
}

impl Engine for AdviFullRank {
    type Approximation = DenseGaussian;

    fn approximation(&self) -> &DenseGaussian {
        &self.gaussian
    }

    fn set_approximation(&mut self, gaussian: DenseGaussian) {
        *self = Self::new(gaussian);
    }

    fn is_consistent(&self) -> bool {
        let dim = self.gaussian.dim();
        let gaussians = [&self.gaussian, &self.start];
        gaussians.iter().all(|gaussian| gaussian.dim() == dim && gaussian.is_consistent())
            && (self.shift.len(), self.factor.dim()) == (dim, (dim, dim))
            && self.shift_moments.fits(Ix1(dim))
            && self.factor_moments.fits(Ix2(dim, dim))
    }

    fn natural_rate(&self, _batch: usize) -> f64 {
        LEARNING_RATE
    }

    fn step(&mut self, batch: &Batch, learning_rate: f64) -> Result<(), UpdateFailed> {
        let (of_shift, of_factor) = self.gradient(batch)?;
        let (mut shift_moments, mut factor_moments) = (self.shift_moments.clone(), self.factor_moments.clone());
        let shift = &self.shift + &shift_moments.increment(&of_shift, learning_rate);
        let increment = factor_moments.increment(&of_factor, learning_rate);
        let mut factor = &self.factor + &increment;
        for (index, diagonal) in factor.diag_mut().iter_mut().enumerate() {
            *diagonal = self.factor[[index, index]] * increment[[index, index]].exp();
        }
        let log_det = factor.diag().iter().map(|d: &f64| d.ln()).sum();
        let update = Update { shift, factor, log_det };
        if !update.is_finite() {
            return Err(UpdateFailed);
        }
        self.gaussian = self.start.clone();
        self.gaussian.apply(None, &update);
        (self.shift, self.factor) = (update.shift, update.factor);
        (self.shift_moments, self.factor_moments) = (shift_moments, factor_moments);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::advi::testing::ascended;
    use crate::engine::testing::{batch_of, random_gaussian};
    use crate::model::Gaussian;
    use crate::random::stream;
    use ndarray_linalg::Norm;

    #[test]
    fn a_gaussian_is_found_from_any_start() {
        let target = Gaussian::with_condition_number(5, 20.0, &mut stream(3, 0));
        for start in [DenseGaussian::standard(5), random_gaussian(5, 4)] {
            let gaussian = ascended(AdviFullRank::new(start), &target);
            let error = (&gaussian.covariance() - target.covariance()).norm_l2() / target.covariance().norm_l2();
            assert!(error < 0.02, "{error}");
            assert!((&gaussian.mean() - target.mean()).norm_l2() < 0.02);
        }
    }

    /// The gradient is that of −KL(q ‖ p), in closed form ½ log|Σ| − ½ tr(P Σ) − ½ (μ − μ*)ᵀ P (μ −
    /// μ*).
    #[test]
    fn the_gradient_is_the_evidence_lower_bounds() {
        let dim = 3;
        let target = Gaussian::with_condition_number(dim, 5.0, &mut stream(3, 0));
        let mut engine = AdviFullRank::new(random_gaussian(dim, 4));
        for step in 0..20 {
            let batch = batch_of(engine.approximation(), &target, 8, step);
            engine.step(&batch, 0.05).unwrap();
        }
        let (of_shift, of_factor) = engine.gradient(&batch_of(engine.approximation(), &target, 400_000, 9)).unwrap();
        let at = |shift: &Array1<f64>, factor: &Array2<f64>| {
            let mut gaussian = engine.start.clone();
            let log_det = factor.diag().iter().map(|d: &f64| d.ln()).sum();
            gaussian.apply(None, &Update { shift: shift.clone(), factor: factor.clone(), log_det });
            let exact = DenseGaussian::from_covariance(target.mean().clone(), target.covariance()).unwrap();
            let away = exact.noise(gaussian.mean().insert_axis(Axis(0))).unwrap();
            let columns = gaussian.factor().t().to_owned() + exact.mean();
            let spread = exact.noise(columns.view()).unwrap();
            gaussian.log_det_factor() - 0.5 * (spread.iter().chain(&away).map(|e| e * e).sum::<f64>())
        };
        let step = 1e-5;
        for i in 0..dim {
            let mut shifted = engine.shift.clone();
            shifted[i] += step;
            let difference = (at(&shifted, &engine.factor) - at(&engine.shift, &engine.factor)) / step;
            assert!((difference - of_shift[i]).abs() < 0.02, "{difference} and {}", of_shift[i]);
            for j in 0..=i {
                let mut factor = engine.factor.clone();
                factor[[i, j]] += if i == j { step * factor[[i, i]] } else { step };
                let difference = (at(&engine.shift, &factor) - at(&engine.shift, &engine.factor)) / step;
                assert!((difference - of_factor[[i, j]]).abs() < 0.02, "{difference} and {}", of_factor[[i, j]]);
            }
        }
    }
}
