//! Batch and match: the Gaussian that trades off the score divergence on a batch against the distance from the present
//! one, in closed form (Cai et al. 2024, arXiv 2402.14758), in a square-root form that loses no positive definiteness.

use super::agreement::Agreement;
use super::subspace::Subspace;
use super::{Batch, Engine, UpdateFailed};
use crate::family::{DenseGaussian, Family, Update};
use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};
use ndarray_linalg::{CholeskyInplace, EighInplace, SVD, UPLO};
use serde::{Deserialize, Serialize};

/// Batch and match with a full covariance.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Bam {
    family: DenseGaussian,
    agreement: Agreement,
    #[serde(skip)]
    match_step: MatchStep,
}

impl Bam {
    /// Starts from the approximation `family`.
    pub fn new(family: DenseGaussian) -> Self {
        Self { family, agreement: Agreement::default(), match_step: MatchStep::default() }
    }
}

impl Engine for Bam {
    type Family = DenseGaussian;

    fn family(&self) -> &DenseGaussian {
        &self.family
    }

    fn set_family(&mut self, family: DenseGaussian) {
        *self = Self::new(family);
    }

    fn is_consistent(&self) -> bool {
        self.family.is_consistent() && self.agreement.fits(self.family.dim())
    }

    fn is_settled(&self) -> bool {
        self.agreement.is_settled()
    }

    fn step(&mut self, batch: &Batch, learning_rate: f64) -> Result<(), UpdateFailed> {
        let subspace = Subspace::of(batch);
        let weight = self.agreement.weigh(batch);
        let update = self.match_step.update(subspace.noise.view(), subspace.scores.view(), learning_rate, weight)?;
        self.family.apply(subspace.basis(), &update);
        self.agreement.learn();
        Ok(())
    }
}

/// The closed form of one step, in coordinates in which q is the standard normal, with the room that it works in.
///
/// With V = I + λ cov(ε) + κ ε̄ε̄ᵀ = W Wᵀ and U = λ cov(h) + κ h̄h̄ᵀ = Q Qᵀ, κ = λ/(1+λ) times the mean terms' weight,
/// the new covariance solves Σ U Σ + Σ = V. For the singular values s and left vectors P of X = WᵀQ, Σ = W (I − P
/// diag(1 − 1/m) Pᵀ) Wᵀ with m = ½ + √(s² + ¼), since s²/m² = 1 − 1/m: nothing cancels.
#[derive(Debug, Clone, Default)]
struct MatchStep {
    noise_root: Array2<f64>,
    score_root: Array2<f64>,
    v: Array2<f64>,
    /// Xᵀ, (B+1) × r.
    product: Array2<f64>,
    gram: Array2<f64>,
    /// Rows y and factors k with P diag(1 − m^(−½)) Pᵀ = Σ k y yᵀ.
    directions: Array2<f64>,
    image: Array2<f64>,
}

/// Up to this size of X Xᵀ its eigenvalues have lost nothing that matters against the singular values of X: they are
/// exact to the machine's precision times their largest, and m needs s² against ¼.
const WELL_SCALED: f64 = 1e6;

impl MatchStep {
    /// The update from a batch; `noise` and `scores` are B × r, `weight` is that of the mean terms in U and V.
    fn update(
        &mut self,
        noise: ArrayView2<'_, f64>,
        scores: ArrayView2<'_, f64>,
        lambda: f64,
        weight: f64,
    ) -> Result<Update, UpdateFailed> {
        let (size, rank) = noise.dim();
        let shape = (size + 1, rank);
        if self.product.dim() != shape {
            (self.noise_root, self.score_root, self.product) =
                (Array2::zeros(shape), Array2::zeros(shape), Array2::zeros(shape));
            (self.v, self.image) = (Array2::zeros((rank, rank)), Array2::zeros((rank, shape.0.min(rank))));
            self.directions = Array2::zeros((shape.0.min(rank), rank));
            self.gram = Array2::zeros((shape.0.min(rank), shape.0.min(rank)));
        }
        let pull = lambda / (1.0 + lambda);
        root(noise, lambda, pull * weight, &mut self.noise_root);
        root(scores, lambda, pull * weight, &mut self.score_root);
        general_mat_mul(1.0, &self.noise_root.t(), &self.noise_root, 0.0, &mut self.v);
        self.v.diag_mut().iter_mut().for_each(|d| *d += 1.0);
        let w = self.v.cholesky_inplace(UPLO::Lower).map_err(|_| UpdateFailed)?;
        let mut log_det: f64 = w.diag().iter().map(|d| d.ln()).sum();
        general_mat_mul(1.0, &self.score_root, w, 0.0, &mut self.product);

        // The eigenproblem of the smaller of X Xᵀ and Xᵀ X.
        let few = shape.0 < rank;
        let (left, right) = (self.product.view(), self.product.t());
        let (left, right) = if few { (left, right) } else { (right, left) };
        general_mat_mul(1.0, &left, &right, 0.0, &mut self.gram);
        let size_of_gram = self.gram.diag().sum();
        if !size_of_gram.is_finite() {
            return Err(UpdateFailed);
        }
        let coefficients: Array1<f64>;
        if size_of_gram < WELL_SCALED {
            let (squares, vectors) = self.gram.eigh_inplace(UPLO::Lower).map_err(|_| UpdateFailed)?;
            let m = squares.mapv(|square| 0.5 + (square.max(0.0) + 0.25).sqrt());
            log_det -= 0.5 * m.iter().map(|m| m.ln()).sum::<f64>();
            if few {
                // y = s P's columns, so k = (1 − m^(−½)) / s², without the division by what may be zero.
                general_mat_mul(1.0, &vectors.t(), &self.product, 0.0, &mut self.directions);
                coefficients = m.mapv(|m| (m * m.sqrt() * (m.sqrt() + 1.0)).recip());
            } else {
                self.directions.assign(&vectors.t());
                coefficients = m.mapv(|m| 1.0 - m.sqrt().recip());
            }
        } else {
            let (vectors, singular, _) = self.product.t().svd(true, false).map_err(|_| UpdateFailed)?;
            let m = singular.mapv(|s| 0.5 + s.hypot(0.5));
            log_det -= 0.5 * m.iter().map(|m| m.ln()).sum::<f64>();
            let vectors = vectors.expect("left vectors were asked for");
            self.directions.assign(&vectors.slice(s![.., ..m.len()]).t());
            coefficients = m.mapv(|m| 1.0 - m.sqrt().recip());
        }
        let w = &self.v;
        general_mat_mul(1.0, w, &self.directions.t(), 0.0, &mut self.image);
        self.image *= &coefficients;
        let mut factor = w.clone();
        general_mat_mul(-1.0, &self.image, &self.directions, 1.0, &mut factor);
        let scale = (pull * weight).sqrt().recip();
        let mean = |root: &Array2<f64>| &root.row(size) * scale;
        let mut shift = mean(&self.noise_root);
        shift += &factor.dot(&mean(&self.score_root).dot(&factor));
        shift *= pull;
        let update = Update { shift, factor, log_det };
        if update.is_finite() { Ok(update) } else { Err(UpdateFailed) }
    }
}

/// Rows √(λ/B)(a_b − ā) and √pull ā: their Gram matrix is λ cov(a) + pull āāᵀ.
fn root(table: ArrayView2<'_, f64>, lambda: f64, pull: f64, rows: &mut Array2<f64>) {
    let size = table.nrows();
    let spread = (lambda / size as f64).sqrt();
    let (mut centred, mut last) = rows.view_mut().split_at(Axis(0), size);
    let mut mean = last.row_mut(0);
    mean.fill(0.0);
    table.rows().into_iter().for_each(|row| mean += &row);
    mean /= size as f64;
    for (mut row, values) in centred.rows_mut().into_iter().zip(table.rows()) {
        let mean: ArrayView1<f64> = mean.view();
        ndarray::Zip::from(&mut row).and(&values).and(&mean).for_each(|r, &v, &m| *r = spread * (v - m));
    }
    mean *= pull.sqrt();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Gsm;
    use crate::engine::testing::{affine_equivariance, batch_of, outer, random_family};
    use crate::random::stream;
    use crate::target::{Gaussian, LowRankTarget};
    use ndarray_linalg::{Cholesky, EigValsh, Eigh, Norm};
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

        /// Σ = 2V (I + (I + 4UV)^½)⁻¹ = 2L (I + (I + 4LᵀUL)^½)⁻¹ Lᵀ with V = L Lᵀ, where that is well conditioned.
        #[test]
        fn the_covariance_is_the_papers_closed_form(
            seed in 0u64..1000, dim in 1usize..200, size in 1usize..20, log_lambda in -3.0..1.0f64,
        ) {
            let lambda = 10f64.powf(log_lambda);
            let target = Gaussian::with_condition_number(dim, 5.0, &mut stream(seed, 1));
            let mut engine = Bam::new(random_family(dim, seed));
            let batch = batch_of(engine.family(), &target, size, seed);
            let (u, v) = paper(&batch, engine.family(), lambda);
            engine.step(&batch, lambda).unwrap();
            let l = v.cholesky(UPLO::Lower).unwrap();
            let (values, vectors) = l.t().dot(&u).dot(&l).eigh(UPLO::Lower).unwrap();
            let inner = values.mapv(|value| 2.0 / (1.0 + (4.0 * value.max(0.0) + 1.0).sqrt()));
            let images = l.dot(&vectors);
            let expected = (&images * &inner).dot(&images.t());
            let error = (&engine.family().covariance() - &expected).norm_l2();
            prop_assert!(error < 1e-9 * expected.norm_l2(), "{error}");
        }

        #[test]
        fn a_large_learning_rate_on_one_draw_gives_gsms_update(seed in 0u64..1000, dim in 1usize..200) {
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
            seed in 0u64..1000, dim in 1usize..200, size in 1usize..8, log_lambda in -1.0..4.0f64,
        ) {
            affine_equivariance(Bam::new, 10f64.powf(log_lambda), seed, dim, size)?;
        }

        /// With more draws than dimensions and a large λ one step recovers a Gaussian.
        #[test]
        fn a_gaussian_is_recovered_exactly(seed in 0u64..1000, dim in 1usize..200) {
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

    /// From the standard normal, far from the mean in few batches' reach: without [`Agreement`] the Kullback–Leibler
    /// divergence is above 60 after 400 iterations.
    #[test]
    fn a_far_mean_is_reached_in_many_dimensions() {
        let (dim, size) = (256, 16);
        let target = LowRankTarget::random(dim, 32, &mut stream(3, 0));
        let mut engine = Bam::new(DenseGaussian::standard(dim));
        for step in 0..300 {
            let batch = batch_of(engine.family(), &target, size, step);
            engine.step(&batch, (size * dim) as f64).unwrap();
        }
        let mut batch = Batch::new(200, dim);
        batch.draw(engine.family(), &target, &mut stream(2, 0), false);
        assert!(batch.elbo(engine.family()).abs() < 0.1, "{}", batch.elbo(engine.family()));
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
