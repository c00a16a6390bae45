//! Gaussian score matching: after a step from one draw, q's score at that draw is the target's
//! (Modi et al. 2023, arXiv 2307.07849). A batch averages the updates of its draws.

use super::subspace::Subspace;
use super::{Batch, Engine, EngineSpec, UpdateFailed};
use crate::gaussian::{DenseGaussian, Update};
use crate::init::LocalGaussian;
use crate::linalg::cholesky_factor;
use crate::random::Rng;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2};
use serde::{Deserialize, Serialize};

/// Gaussian score matching. It has no learning rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gsm {
    gaussian: DenseGaussian,
}

impl Gsm {
    /// Starts from `gaussian`.
    pub fn new(gaussian: DenseGaussian) -> Self {
        Self { gaussian }
    }
}

/// The method `gsm`.
pub struct GaussianScoreMatching;

impl EngineSpec for GaussianScoreMatching {
    type Engine = Gsm;

    fn name(&self) -> &'static str {
        "gsm"
    }

    fn summary(&self) -> &'static str {
        "Gaussian score matching"
    }

    fn start(&self, init: LocalGaussian, _rank: usize, _rng: &mut Rng) -> Gsm {
        Gsm::new(init.dense())
    }
}

impl Engine for Gsm {
    type Approximation = DenseGaussian;

    fn approximation(&self) -> &DenseGaussian {
        &self.gaussian
    }

    fn set_approximation(&mut self, gaussian: DenseGaussian) {
        self.gaussian = gaussian;
    }

    fn step(&mut self, batch: &Batch, _learning_rate: f64) -> Result<(), UpdateFailed> {
        let subspace = Subspace::of(batch);
        let update = averaged_update(subspace.noise.view(), subspace.scores.view())?;
        self.gaussian.apply(subspace.basis(), &update);
        Ok(())
    }
}

/// The mean of the updates of single draws, in coordinates in which q is the standard normal;
/// `noise` and `scores` are B × r.
fn averaged_update(noise: ArrayView2<'_, f64>, scores: ArrayView2<'_, f64>) -> Result<Update, UpdateFailed> {
    let (size, rank) = noise.dim();
    let mut shift = Array1::zeros(rank);
    let mut covariance = Array2::eye(rank);
    let weight = 1.0 / size as f64;
    for (noise, score) in noise.rows().into_iter().zip(scores.rows()) {
        let mean = matched_mean(noise, score);
        shift.scaled_add(weight, &mean);
        let residual = &mean - &noise;
        for i in 0..rank {
            for j in 0..=i {
                covariance[[i, j]] += weight * (noise[i] * noise[j] - residual[i] * residual[j]);
            }
        }
    }
    let factor = cholesky_factor(&covariance).map_err(|_| UpdateFailed)?;
    let log_det = factor.diag().iter().map(|d: &f64| d.ln()).sum();
    let update = Update { shift, factor, log_det };
    if update.is_finite() { Ok(update) } else { Err(UpdateFailed) }
}

/// The mean of the Gaussian closest to N(0, I) whose score at `noise` is `score` (section 3.1 of
/// the paper, with μ₀ = 0, Σ₀ = I).
fn matched_mean(noise: ArrayView1<'_, f64>, score: ArrayView1<'_, f64>) -> Array1<f64> {
    let along = noise.dot(&score);
    let strength = score.dot(&score) + along * along;
    // ρ(1 + ρ) = strength; this form of the root does not cancel for small strengths.
    let rho = 2.0 * strength / ((1.0 + 4.0 * strength).sqrt() + 1.0);
    let residual = &score + &noise;
    let coefficient = score.dot(&residual) / (1.0 + rho - along);
    (residual + coefficient * &noise) / (1.0 + rho)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::{affine_equivariance, batch_of, outer, random_gaussian};
    use crate::gaussian::GaussianApproximation;
    use crate::model::Gaussian;
    use crate::random::stream;
    use ndarray_linalg::Norm;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        /// Σ⁻¹(θ − μ) = −g after a step from one draw.
        #[test]
        fn one_draw_is_matched_exactly(seed in 0u64..1000, dim in 1usize..200) {
            let target = Gaussian::with_condition_number(dim, 100.0, &mut stream(seed, 1));
            let mut engine = Gsm::new(random_gaussian(dim, seed));
            let batch = batch_of(engine.approximation(), &target, 1, seed);
            engine.step(&batch, 1.0).unwrap();
            let expected = engine.approximation().covariance().dot(&batch.scores().row(0));
            let deviation = &engine.approximation().mean() - &batch.draws().row(0);
            let size = deviation.iter().fold(0.0_f64, |m, d| m.max(d.abs()));
            prop_assert!((&deviation - &expected).iter().all(|d| d.abs() < 1e-8 * size.max(1.0)));
        }

        /// The paper's two expressions for an update, evaluated literally on D × D matrices.
        #[test]
        fn the_update_is_the_papers(seed in 0u64..1000, dim in 1usize..200, size in 1usize..6) {
            let target = Gaussian::with_condition_number(dim, 30.0, &mut stream(seed, 1));
            let mut engine = Gsm::new(random_gaussian(dim, seed));
            let (mean0, cov0) = (engine.approximation().mean().to_owned(), engine.approximation().covariance());
            let batch = batch_of(engine.approximation(), &target, size, seed);
            let (mut mean, mut cov) = (Array1::<f64>::zeros(dim), Array2::<f64>::zeros((dim, dim)));
            for (theta, g) in batch.draws().rows().into_iter().zip(batch.scores().rows()) {
                let away = &mean0 - &theta;
                let epsilon = cov0.dot(&g) - &mean0 + theta;
                let product = g.dot(&cov0.dot(&g)) + away.dot(&g).powi(2);
                let rho = 0.5 * (1.0 + 4.0 * product).sqrt() - 0.5;
                let new_mean =
                    &mean0 + &((&epsilon - &(&away * (g.dot(&epsilon) / (1.0 + rho + away.dot(&g))))) / (1.0 + rho));
                cov = cov + (&cov0 + &outer(&away) - &outer(&(&new_mean - &theta))) / size as f64;
                mean = mean + new_mean / size as f64;
            }
            engine.step(&batch, 1.0).unwrap();
            let errors = [(&engine.approximation().mean() - &mean).norm_l2(), (&engine.approximation().covariance() - &cov).norm_l2()];
            prop_assert!(errors[0] < 1e-9 * mean.norm_l2() && errors[1] < 1e-9 * cov.norm_l2(), "{errors:?}");
        }

        #[test]
        fn the_covariance_stays_positive_definite(seed in 0u64..1000, dim in 1usize..200, size in 1usize..12) {
            let target = Gaussian::with_condition_number(dim, 1e6, &mut stream(seed, 1));
            let mut engine = Gsm::new(random_gaussian(dim, seed));
            for step in 0..5 {
                let batch = batch_of(engine.approximation(), &target, size, seed + step);
                engine.step(&batch, 1.0).unwrap();
            }
            prop_assert!(DenseGaussian::from_covariance(engine.approximation().mean().to_owned(), &engine.approximation().covariance()).is_ok());
        }

        #[test]
        fn a_gaussian_target_is_a_fixed_point(seed in 0u64..1000, dim in 1usize..200, size in 1usize..6) {
            let target = Gaussian::with_condition_number(dim, 100.0, &mut stream(seed, 1));
            let start = DenseGaussian::from_covariance(target.mean().clone(), target.covariance()).unwrap();
            let mut engine = Gsm::new(start.clone());
            let batch = batch_of(&start, &target, size, seed);
            engine.step(&batch, 1.0).unwrap();
            prop_assert!((&engine.approximation().covariance() - target.covariance()).iter().all(|d| d.abs() < 1e-8));
            prop_assert!((&engine.approximation().mean() - &target.mean().view()).iter().all(|d| d.abs() < 1e-8));
        }

        #[test]
        fn an_affine_map_of_everything_maps_the_result(seed in 0u64..1000, dim in 1usize..200, size in 1usize..6) {
            affine_equivariance(Gsm::new, 1.0, seed, dim, size)?;
        }
    }

    /// From the same start, the iterations that a Gaussian takes grow only mildly with its
    /// condition number.
    #[test]
    fn condition_numbers_hardly_matter() {
        let iterations = |condition_number: f64| {
            let target = Gaussian::with_condition_number(10, condition_number, &mut stream(1, 0));
            let mut engine = Gsm::new(DenseGaussian::standard(10));
            let mut batch = Batch::new(4, 10);
            let mut rng = stream(1, 1);
            for iteration in 0..2000 {
                batch.draw(engine.approximation(), &target, &mut rng, false);
                if batch.score_divergence() < 1e-6 {
                    return iteration;
                }
                engine.step(&batch, 1.0).unwrap();
            }
            panic!("no convergence at condition number {condition_number}");
        };
        let (easy, hard) = (iterations(1.0), iterations(1e8));
        assert!(hard < 4 * easy, "{easy} iterations at condition number 1, {hard} at 1e8");
    }
}
