//! Batch and match: the Gaussian that trades off the score divergence on a batch against the distance from the present one,
//! in closed form (Cai et al. 2024, arXiv 2402.14758), in a square-root form that loses no positive definiteness.

use super::subspace::Subspace;
use super::{Batch, Engine, UpdateFailed};
use crate::family::{DenseGaussian, Update};
use ndarray::{Array1, Array2, ArrayView2, Axis};
use ndarray_linalg::{Cholesky, SVD, UPLO};

/// Batch and match with a full covariance.
#[derive(Debug, Clone)]
pub struct Bam {
    family: DenseGaussian,
}

impl Bam {
    /// Starts from the approximation `family`.
    pub fn new(family: DenseGaussian) -> Self {
        Self { family }
    }
}

impl Engine for Bam {
    type Family = DenseGaussian;

    fn family(&self) -> &DenseGaussian {
        &self.family
    }

    fn set_family(&mut self, family: DenseGaussian) {
        self.family = family;
    }

    fn step(&mut self, batch: &Batch, learning_rate: f64) -> Result<(), UpdateFailed> {
        let subspace = Subspace::of(batch);
        let update = matched(subspace.noise.view(), subspace.scores.view(), learning_rate)?;
        self.family.apply(subspace.basis(), &update);
        Ok(())
    }
}

/// One update in coordinates in which q is the standard normal; `noise` and `scores` are B × r.
///
/// With V = I + λ cov(ε) + λ/(1+λ) ε̄ε̄ᵀ = W Wᵀ and U = λ cov(h) + λ/(1+λ) h̄h̄ᵀ = Q Qᵀ the new covariance solves
/// Σ U Σ + Σ = V. For the singular values s and left vectors P of WᵀQ, Σ = W (I − P diag(1 − 1/m) Pᵀ) Wᵀ with
/// m = ½ + √(s² + ¼), since s²/m² = 1 − 1/m: nothing cancels.
fn matched(noise: ArrayView2<'_, f64>, scores: ArrayView2<'_, f64>, lambda: f64) -> Result<Update, UpdateFailed> {
    let (size, rank) = noise.dim();
    let mean = |table: ArrayView2<'_, f64>| table.mean_axis(Axis(0)).expect("a batch has at least one draw");
    let (mean_noise, mean_score) = (mean(noise), mean(scores));
    let spread = (lambda / size as f64).sqrt();
    let pull = lambda / (1.0 + lambda);
    // Rows √(λ/B)(a_b − ā) and √(λ/(1+λ)) ā: their Gram matrix is λ cov(a) + λ/(1+λ) āāᵀ.
    let root = |table: ArrayView2<'_, f64>, mean: &Array1<f64>| {
        let mut rows = Array2::zeros((size + 1, rank));
        rows.slice_mut(ndarray::s![..size, ..]).assign(&((&table - mean) * spread));
        rows.row_mut(size).assign(&(mean * pull.sqrt()));
        rows
    };
    let noise_root = root(noise, &mean_noise);
    let mut v = noise_root.t().dot(&noise_root);
    v.diag_mut().mapv_inplace(|d| d + 1.0);
    let w = v.cholesky(UPLO::Lower).map_err(|_| UpdateFailed)?;

    let product = root(scores, &mean_score).dot(&w).reversed_axes();
    if !product.iter().all(|p| p.is_finite()) {
        return Err(UpdateFailed);
    }
    let (vectors, singular, _) = product.svd(true, false).map_err(|_| UpdateFailed)?;
    let vectors = vectors.expect("left vectors were asked for");
    let m = singular.mapv(|s| 0.5 + s.hypot(0.5));
    let vectors = vectors.slice(ndarray::s![.., ..m.len()]);
    let factor = &w - &(&w.dot(&vectors) * &m.mapv(|m| 1.0 - m.sqrt().recip())).dot(&vectors.t());
    let shift = (factor.dot(&factor.t().dot(&mean_score)) + &mean_noise) * pull;
    let log_det = w.diag().iter().map(|d| d.ln()).sum::<f64>() - 0.5 * m.iter().map(|m| m.ln()).sum::<f64>();
    let update = Update { shift, factor, log_det };
    if update.is_finite() { Ok(update) } else { Err(UpdateFailed) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Gsm;
    use crate::engine::testing::{affine_equivariance, batch_of, outer, random_family};
    use crate::family::Family;
    use crate::random::stream;
    use crate::target::Gaussian;
    use ndarray_linalg::{Eig, EigValsh, Inverse, Norm};
    use proptest::prelude::*;

    /// U and V of the paper on D × D matrices, from a batch and the approximation that it was drawn from.
    fn paper(batch: &Batch, family: &DenseGaussian, lambda: f64) -> (Array2<f64>, Array2<f64>) {
        let size = batch.usable() as f64;
        let pull = lambda / (1.0 + lambda);
        let moments = |table: ArrayView2<f64>| {
            let mean = table.mean_axis(Axis(0)).unwrap();
            let centred = &table - &mean;
            (centred.t().dot(&centred) / size, mean)
        };
        let (c, z) = moments(batch.draws());
        let (gamma, g) = moments(batch.scores());
        let u = gamma * lambda + outer(&g) * pull;
        let v = family.covariance() + c * lambda + outer(&(&family.mean() - &z)) * pull;
        (u, v)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn the_covariance_solves_the_papers_equation(
            seed in 0u64..1000, dim in 1usize..200, size in 1usize..20, log_lambda in -3.0..6.0f64,
        ) {
            let lambda = 10f64.powf(log_lambda);
            let target = Gaussian::with_condition_number(dim, 100.0, &mut stream(seed, 1));
            let mut engine = Bam::new(random_family(dim, seed));
            let batch = batch_of(engine.family(), &target, size, seed);
            let (u, v) = paper(&batch, engine.family(), lambda);
            let old_mean = engine.family().mean().to_owned();
            engine.step(&batch, lambda).unwrap();
            let s = engine.family().covariance();
            let residual = s.dot(&u).dot(&s) + &s - &v;
            prop_assert!(residual.norm_l2() < 1e-9 * v.norm_l2(), "{} of {}", residual.norm_l2(), v.norm_l2());
            let mean = |table: ArrayView2<f64>| table.mean_axis(Axis(0)).unwrap();
            let pull = lambda / (1.0 + lambda);
            let expected = &old_mean * (1.0 - pull) + (s.dot(&mean(batch.scores())) + mean(batch.draws())) * pull;
            let size = expected.norm_l2().max(1.0);
            prop_assert!((&engine.family().mean() - &expected).norm_l2() < 1e-8 * size);
            prop_assert!(s.eigvalsh(UPLO::Lower).unwrap()[0] > 0.0);
        }

        #[test]
        fn a_large_learning_rate_on_one_draw_gives_gsms_update(seed in 0u64..1000, dim in 1usize..50) {
            let target = Gaussian::with_condition_number(dim, 10.0, &mut stream(seed, 1));
            let start = random_family(dim, seed);
            let batch = batch_of(&start, &target, 1, seed);
            let (mut bam, mut gsm) = (Bam::new(start.clone()), Gsm::new(start));
            bam.step(&batch, 1e9).unwrap();
            gsm.step(&batch, 1.0).unwrap();
            let (bam, gsm) = (bam.family(), gsm.family());
            let size = gsm.covariance().norm_l2();
            prop_assert!((&bam.covariance() - &gsm.covariance()).norm_l2() < 1e-6 * size);
            prop_assert!((&bam.mean() - &gsm.mean()).norm_l2() < 1e-6 * (1.0 + gsm.mean().norm_l2()));
        }

        #[test]
        fn an_affine_map_of_everything_maps_the_result(
            seed in 0u64..1000, dim in 1usize..30, size in 1usize..8, log_lambda in -1.0..4.0f64,
        ) {
            affine_equivariance(Bam::new, 10f64.powf(log_lambda), seed, dim, size)?;
        }

        /// With more draws than dimensions and a large λ one step recovers a Gaussian.
        #[test]
        fn a_gaussian_is_recovered_exactly(seed in 0u64..1000, dim in 1usize..40) {
            let target = Gaussian::with_condition_number(dim, 1e4, &mut stream(seed, 1));
            let mut engine = Bam::new(random_family(dim, seed));
            for step in 0..3 {
                let batch = batch_of(engine.family(), &target, dim + 2, seed + step);
                engine.step(&batch, 1e8).unwrap();
            }
            let error = (&engine.family().covariance() - target.covariance()).norm_l2();
            prop_assert!(error < 1e-5 * target.covariance().norm_l2(), "{error}");
            prop_assert!((&engine.family().mean() - &target.mean().view()).norm_l2() < 1e-4);
        }
    }

    /// Σ = 2V (I + (I + 4UV)^½)⁻¹, by an eigendecomposition of UV, where that is well conditioned.
    #[test]
    fn the_covariance_is_the_papers_closed_form() {
        let (dim, lambda) = (4, 3.0);
        let target = Gaussian::with_condition_number(dim, 5.0, &mut stream(2, 1));
        let mut engine = Bam::new(random_family(dim, 2));
        let batch = batch_of(engine.family(), &target, 9, 2);
        let (u, v) = paper(&batch, engine.family(), lambda);
        engine.step(&batch, lambda).unwrap();
        let (values, vectors) = u.dot(&v).eig().unwrap();
        let inner = values.mapv(|e| (e * 4.0 + 1.0).sqrt() + 1.0);
        let matrix = (&vectors * &inner.mapv(|i| i.inv())).dot(&vectors.inv().unwrap()).mapv(|c| c.re);
        let expected = v.dot(&matrix) * 2.0;
        assert!((&engine.family().covariance() - &expected).norm_l2() < 1e-10 * expected.norm_l2());
    }

    /// The factor form keeps a positive definite covariance where the subtraction in the textbook form does not.
    #[test]
    fn nothing_cancels_at_extreme_conditioning() {
        let dim = 20;
        let target = Gaussian::with_condition_number(dim, 1e8, &mut stream(4, 1));
        let mut engine = Bam::new(DenseGaussian::standard(dim));
        for step in 0..60 {
            let batch = batch_of(engine.family(), &target, 8, step);
            engine.step(&batch, 1e6).unwrap();
        }
        let batch = batch_of(engine.family(), &target, 8, 99);
        assert!(batch.score_divergence() < 1e-6, "{}", batch.score_divergence());
    }
}
