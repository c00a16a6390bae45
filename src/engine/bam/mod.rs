//! Batch and match: the Gaussian that minimises the score divergence on a batch plus a penalty on
//! the distance from the present one, in closed form (Cai et al. 2024, arXiv 2402.14758), in a
//! square-root form that loses no positive definiteness.

mod dense_update;
mod low_rank_update;
mod moment_factors;
mod orthogonalise;

use super::mean_term_weight::MeanTermWeight;
use super::{Batch, Engine, EngineDefaults, EngineOption, EngineSpec, UpdateFailed};
use crate::gaussian::{DenseGaussian, GaussianApproximation};
use crate::init::LocalGaussian;
use crate::random::Rng;
use dense_update::DenseUpdate;
use low_rank_update::LowRankUpdate;
pub(super) use moment_factors::MatchTerms;
use serde::{Deserialize, Serialize};

/// Batch and match with a full covariance.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Bam {
    gaussian: DenseGaussian,
    mean_terms: MeanTermWeight,
    #[serde(skip)]
    dense: Box<DenseUpdate>,
    #[serde(skip)]
    low_rank: Box<LowRankUpdate>,
}

impl Bam {
    /// Starts from `gaussian`.
    pub fn new(gaussian: DenseGaussian) -> Self {
        Self { gaussian, mean_terms: MeanTermWeight::default(), dense: Box::default(), low_rank: Box::default() }
    }
}

/// Dimensions for each draw of a batch: with fewer draws, models of hundreds of parameters end in a
/// worse place (docs/benchmarks/hundreds-of-parameters.md).
pub(super) const DIMENSIONS_OF_A_DRAW: usize = 4;
/// Draws of a batch in few dimensions: smaller ones are cheaper, but more easily misled
/// (docs/contribute/decisions/012-batch-size.md).
pub(super) const SMALLEST_BATCH: usize = 16;
/// Most draws of a batch with a full covariance. Larger batches were not compared.
const LARGEST_BATCH: usize = 128;
/// Iterates that are averaged at convergence. More take more iterations, and k̂ is no smaller
/// (docs/contribute/decisions/013-averaging.md).
const AVERAGED: usize = 20;

/// The method `bam`.
pub struct BatchAndMatch;

impl EngineSpec for BatchAndMatch {
    type Engine = Bam;

    fn name(&self) -> &'static str {
        "bam"
    }

    fn summary(&self) -> &'static str {
        "Batch and match"
    }

    fn options(&self) -> &'static [EngineOption] {
        &[EngineOption::LearningRate]
    }

    fn defaults(&self, dim: usize) -> EngineDefaults {
        let batch = (dim / DIMENSIONS_OF_A_DRAW).clamp(SMALLEST_BATCH, LARGEST_BATCH);
        EngineDefaults { batch, averaging: AVERAGED, ..EngineDefaults::default() }
    }

    fn start(&self, init: LocalGaussian, _rank: usize, _rng: &mut Rng) -> Bam {
        Bam::new(init.dense())
    }
}

impl Engine for Bam {
    type Approximation = DenseGaussian;

    fn approximation(&self) -> &DenseGaussian {
        &self.gaussian
    }

    fn set_approximation(&mut self, gaussian: DenseGaussian) {
        self.gaussian = gaussian;
        self.mean_terms = MeanTermWeight::default();
    }

    fn is_consistent(&self) -> bool {
        self.gaussian.is_consistent() && self.mean_terms.fits(self.gaussian.dim())
    }

    fn is_settled(&self) -> bool {
        self.mean_terms.is_settled()
    }

    /// With V = I + λ cov(ε) + κ ε̄ε̄ᵀ and U = λ cov(h) + κ h̄h̄ᵀ in q's own coordinates, κ =
    /// λ/(1+λ) times the weight of the mean terms, the new covariance solves Σ U Σ + Σ = V (section
    /// 3.1 of the paper).
    fn step(&mut self, batch: &Batch, learning_rate: f64) -> Result<(), UpdateFailed> {
        let terms = MatchTerms::new(learning_rate, self.mean_terms.weigh(batch), batch.usable());
        if 2 * batch.usable() < self.gaussian.dim() {
            self.low_rank.step(&mut self.gaussian, batch, &terms)?;
        } else {
            let update = self.dense.update(batch.noise(), batch.whitened_scores(), &terms)?;
            self.gaussian.apply(None, &update);
        }
        self.mean_terms.learn();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Gsm;
    use crate::engine::testing::{affine_equivariance, batch_of, outer, random_gaussian};
    use crate::model::{Gaussian, LowRankTarget};
    use crate::random::stream;
    use ndarray::{Array2, ArrayView2, Axis};
    use ndarray_linalg::{Cholesky, Determinant, EigValsh, Eigh, Norm, UPLO};
    use proptest::prelude::*;

    /// U and V of the paper on D × D matrices, from a batch and the approximation that it was drawn
    /// from.
    fn paper(batch: &Batch, gaussian: &DenseGaussian, lambda: f64) -> (Array2<f64>, Array2<f64>) {
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
        let v = gaussian.covariance() + c * lambda + outer(&(&gaussian.mean() - &z)) * pull;
        (u, v)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn the_covariance_solves_the_papers_equation(
            seed in 0u64..1000, dim in 1usize..200, size in 1usize..80, log_lambda in -3.0..6.0f64,
        ) {
            let lambda = 10f64.powf(log_lambda);
            let target = Gaussian::with_condition_number(dim, 100.0, &mut stream(seed, 1));
            let mut engine = Bam::new(random_gaussian(dim, seed));
            let batch = batch_of(engine.approximation(), &target, size, seed);
            let (u, v) = paper(&batch, engine.approximation(), lambda);
            let old_mean = engine.approximation().mean().to_owned();
            engine.step(&batch, lambda).unwrap();
            let s = engine.approximation().covariance();
            let residual = s.dot(&u).dot(&s) + &s - &v;
            prop_assert!(residual.norm_l2() < 1e-9 * v.norm_l2(), "{} of {}", residual.norm_l2(), v.norm_l2());
            let mean = |table: ArrayView2<f64>| table.mean_axis(Axis(0)).unwrap();
            let pull = lambda / (1.0 + lambda);
            let expected = &old_mean * (1.0 - pull) + (s.dot(&mean(batch.scores())) + mean(batch.draws())) * pull;
            let size = expected.norm_l2().max(1.0);
            prop_assert!((&engine.approximation().mean() - &expected).norm_l2() < 1e-8 * size);
            prop_assert!(s.eigvalsh(UPLO::Lower).unwrap()[0] > 0.0);
            let (kept, actual) = (engine.approximation().log_det_factor(), engine.approximation().factor().to_owned().sln_det().unwrap().1);
            prop_assert!((kept - actual).abs() < 1e-8 * dim as f64, "log |det F| is {actual}, not {kept}");
        }

        /// Σ = 2V (I + (I + 4UV)^½)⁻¹ = 2L (I + (I + 4LᵀUL)^½)⁻¹ Lᵀ with V = L Lᵀ, where that is
        /// well conditioned.
        #[test]
        fn the_covariance_is_the_papers_closed_form(
            seed in 0u64..1000, dim in 1usize..200, size in 1usize..20, log_lambda in -3.0..1.0f64,
        ) {
            let lambda = 10f64.powf(log_lambda);
            let target = Gaussian::with_condition_number(dim, 5.0, &mut stream(seed, 1));
            let mut engine = Bam::new(random_gaussian(dim, seed));
            let batch = batch_of(engine.approximation(), &target, size, seed);
            let (u, v) = paper(&batch, engine.approximation(), lambda);
            engine.step(&batch, lambda).unwrap();
            let l = v.cholesky(UPLO::Lower).unwrap();
            let (values, vectors) = l.t().dot(&u).dot(&l).eigh(UPLO::Lower).unwrap();
            let inner = values.mapv(|value| 2.0 / (1.0 + (4.0 * value.max(0.0) + 1.0).sqrt()));
            let images = l.dot(&vectors);
            let expected = (&images * &inner).dot(&images.t());
            let error = (&engine.approximation().covariance() - &expected).norm_l2();
            prop_assert!(error < 1e-9 * expected.norm_l2(), "{error}");
        }

        #[test]
        fn a_large_learning_rate_on_one_draw_gives_gsms_update(seed in 0u64..1000, dim in 1usize..200) {
            let target = Gaussian::with_condition_number(dim, 10.0, &mut stream(seed, 1));
            let start = random_gaussian(dim, seed);
            let batch = batch_of(&start, &target, 1, seed);
            let (mut bam, mut gsm) = (Bam::new(start.clone()), Gsm::new(start));
            bam.step(&batch, 1e9).unwrap();
            gsm.step(&batch, 1.0).unwrap();
            let (bam, gsm) = (bam.approximation(), gsm.approximation());
            let size = gsm.covariance().norm_l2();
            prop_assert!((&bam.covariance() - &gsm.covariance()).norm_l2() < 1e-6 * size);
            prop_assert!((&bam.mean() - &gsm.mean()).norm_l2() < 1e-6 * (1.0 + gsm.mean().norm_l2()));
        }

        #[test]
        fn an_affine_map_of_everything_maps_the_result(
            seed in 0u64..1000, dim in 1usize..200, size in 1usize..8, log_lambda in -1.0..4.0f64,
        ) {
            affine_equivariance(Bam::new, 10f64.powf(log_lambda), seed, dim, size)?;
        }

        /// With more draws than dimensions and a large λ one step recovers a Gaussian.
        #[test]
        fn a_gaussian_is_recovered_exactly(seed in 0u64..1000, dim in 1usize..200) {
            let target = Gaussian::with_condition_number(dim, 1e4, &mut stream(seed, 1));
            let mut engine = Bam::new(random_gaussian(dim, seed));
            for step in 0..3 {
                let batch = batch_of(engine.approximation(), &target, dim + 2, seed + step);
                engine.step(&batch, 1e8).unwrap();
            }
            let error = (&engine.approximation().covariance() - target.covariance()).norm_l2();
            prop_assert!(error < 1e-5 * target.covariance().norm_l2(), "{error}");
            prop_assert!((&engine.approximation().mean() - &target.mean().view()).norm_l2() < 1e-4);
        }
    }

    /// From the standard normal to a mean that few batches cannot reach: without [`MeanTermWeight`]
    /// the Kullback–Leibler divergence is above 60 after 400 iterations.
    #[test]
    fn a_far_mean_is_reached_in_many_dimensions() {
        let (dim, size) = (256, 16);
        let target = LowRankTarget::random(dim, 32, &mut stream(3, 0));
        let mut engine = Bam::new(DenseGaussian::standard(dim));
        for step in 0..300 {
            let batch = batch_of(engine.approximation(), &target, size, step);
            engine.step(&batch, (size * dim) as f64).unwrap();
        }
        let mut batch = Batch::new(200, dim);
        batch.draw(engine.approximation(), &target, &mut stream(2, 0), false);
        assert!(batch.elbo(engine.approximation()).abs() < 0.1, "{}", batch.elbo(engine.approximation()));
    }

    /// The factor form keeps a positive definite covariance where the subtraction in the textbook
    /// form does not.
    #[test]
    fn nothing_cancels_at_extreme_conditioning() {
        let dim = 20;
        let target = Gaussian::with_condition_number(dim, 1e8, &mut stream(4, 1));
        let mut engine = Bam::new(DenseGaussian::standard(dim));
        for step in 0..60 {
            let batch = batch_of(engine.approximation(), &target, 8, step);
            engine.step(&batch, 1e6).unwrap();
        }
        let batch = batch_of(engine.approximation(), &target, 8, 99);
        assert!(batch.score_divergence() < 1e-6, "{}", batch.score_divergence());
    }
}
