//! The Gaussian whose covariance is low-rank plus diagonal, Σ = Ψ + Λ Λᵀ, at a cost of O(DK) for
//! each draw.

mod average;

pub use average::LowRankAverage;

use super::{GaussianApproximation, NotPositiveDefinite};
use crate::linalg::{array_serde, cholesky, invert_lower};
use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut2, Zip};
use serde::{Deserialize, Serialize};
use std::cell::Cell;

thread_local! {
    /// The result of the first of two products with Λ, kept so that thousands of batches of draws
    /// allocate nothing.
    static SCRATCH: Cell<Vec<f64>> = const { Cell::new(Vec::new()) };
}

/// N(mean, Ψ + Λ Λᵀ) on R^D with Ψ diagonal and Λ of size D × K; K = 0 leaves the elements
/// independent.
///
/// With L = Ψ^(−½) Λ and the Cholesky factor C of I + LᵀL = C Cᵀ, the square factor is F = Ψ^½ (I +
/// L (I + C)⁻¹ Lᵀ): expanding F Fᵀ shows that it is one. Its inverse is (I − L (I + Cᵀ)⁻¹ C⁻¹ Lᵀ)
/// Ψ^(−½) and its determinant |Ψ|^½ |C|. So triangular K × K matrices are all that is inverted,
/// whatever the rank of Λ.
///
/// ```
/// use ndarray::{Array1, Array2};
/// use stanmatch::gaussian::{GaussianApproximation, LowRankGaussian};
///
/// // A thousand variables with one common factor: neither storage nor time is that of a matrix.
/// let (psi, lambda) = (Array1::from_elem(1000, 9.0), Array2::from_elem((1000, 1), 4.0));
/// let gaussian = LowRankGaussian::new(Array1::zeros(1000), &psi, lambda.view())?;
/// assert_eq!((gaussian.dim(), gaussian.rank()), (1000, 1));
/// assert!((gaussian.sds()[7] - 5.0_f64).abs() < 1e-12);
/// # Ok::<(), stanmatch::gaussian::NotPositiveDefinite>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LowRankGaussian {
    #[serde(with = "array_serde")]
    mean: Array1<f64>,
    /// Ψ^½.
    #[serde(with = "array_serde")]
    scales: Array1<f64>,
    /// Lᵀ, K × D.
    #[serde(with = "array_serde")]
    loadings: Array2<f64>,
    /// (I + C)⁻¹.
    #[serde(with = "array_serde")]
    inner: Array2<f64>,
    /// C⁻¹.
    #[serde(with = "array_serde")]
    inverse_root: Array2<f64>,
    log_det: f64,
}

/// Replaces `gram` = LᵀL by C, and returns log |F| with `scales` = Ψ^½.
fn into_root(gram: &mut Array2<f64>, scales: &Array1<f64>) -> Result<f64, NotPositiveDefinite> {
    if !scales.iter().all(|scale| *scale > 0.0) {
        return Err(NotPositiveDefinite);
    }
    gram.diag_mut().mapv_inplace(|d| d + 1.0);
    cholesky(gram)?;
    let log_det: f64 = scales.iter().chain(gram.diag()).map(|d| d.ln()).sum();
    if log_det.is_finite() { Ok(log_det) } else { Err(NotPositiveDefinite) }
}

impl LowRankGaussian {
    /// N(mean, diag(psi) + lambda lambdaᵀ) with `psi` of length D and `lambda` D × K. Fails if
    /// `psi` is not positive.
    ///
    /// # Panics
    /// If the sizes do not match.
    pub fn new(mean: Array1<f64>, psi: &Array1<f64>, lambda: ArrayView2<'_, f64>) -> Result<Self, NotPositiveDefinite> {
        assert_eq!(lambda.nrows(), mean.len(), "lambda must have a row for each dimension");
        let scales = psi.mapv(f64::sqrt);
        let mut loadings = lambda.t().as_standard_layout().into_owned();
        loadings /= &scales;
        Self::from_scaled(mean, scales, loadings)
    }

    /// A Gaussian with independent elements of the given standard deviations. Fails if they are not
    /// positive.
    ///
    /// # Panics
    /// If there are not as many standard deviations as means.
    pub fn diagonal(mean: Array1<f64>, sds: Array1<f64>) -> Result<Self, NotPositiveDefinite> {
        let loadings = Array2::zeros((0, mean.len()));
        Self::from_scaled(mean, sds, loadings)
    }

    /// From Ψ^½ and the rows of Lᵀ (K × D), the loadings in units of Ψ^½.
    pub(crate) fn from_scaled(
        mean: Array1<f64>,
        scales: Array1<f64>,
        loadings: Array2<f64>,
    ) -> Result<Self, NotPositiveDefinite> {
        assert_eq!(mean.len(), scales.len(), "mean and psi must have one length");
        let mut root = loadings.dot(&loadings.t());
        let log_det = into_root(&mut root, &scales)?;
        let small = Array2::zeros(root.dim());
        let mut gaussian = Self { mean, scales, loadings, inner: small.clone(), inverse_root: small, log_det };
        gaussian.set_root(root.view());
        Ok(gaussian)
    }

    /// Brings what depends on C up to date.
    fn set_root(&mut self, root: ArrayView2<'_, f64>) {
        self.inverse_root.assign(&root);
        self.inner.assign(&root);
        self.inner.diag_mut().mapv_inplace(|d| d + 1.0);
        invert_lower(&mut self.inner);
        invert_lower(&mut self.inverse_root);
    }

    /// The distribution of y, where y_j = sign · x_index for the j-th (index, sign) of `elements`,
    /// which has every index once, and x has this one.
    pub fn rearranged(&self, elements: &[(usize, f64)]) -> Self {
        let signed = |vector: &Array1<f64>| elements.iter().map(|&(index, sign)| sign * vector[index]).collect();
        let scales = elements.iter().map(|&(index, _)| self.scales[index]).collect();
        let mut loadings = Array2::zeros(self.loadings.dim());
        for (mut column, &(index, sign)) in loadings.columns_mut().into_iter().zip(elements) {
            column.assign(&(&self.loadings.column(index) * sign));
        }
        Self { mean: signed(&self.mean), scales, loadings, ..self.clone() }
    }

    /// The number K of columns of Λ.
    pub fn rank(&self) -> usize {
        self.loadings.nrows()
    }

    /// The diagonal of Ψ, of length D.
    pub fn psi(&self) -> Array1<f64> {
        self.scales.mapv(|scale| scale * scale)
    }

    /// Λ, D × K.
    pub fn lambda(&self) -> Array2<f64> {
        (&self.loadings * &self.scales).reversed_axes()
    }

    /// Ψ^½, of length D.
    pub(crate) fn scales(&self) -> ArrayView1<'_, f64> {
        self.scales.view()
    }

    /// Lᵀ, K × D: the loadings in units of Ψ^½.
    pub(crate) fn loadings(&self) -> ArrayView2<'_, f64> {
        self.loadings.view()
    }

    /// F⁻ᵀ v for each row v of `rows` (n × D), written to `images`: of the noise of a draw, minus
    /// q's score there.
    pub(crate) fn multiply_inverse_transposed(&self, rows: ArrayView2<'_, f64>, mut images: ArrayViewMut2<'_, f64>) {
        images.assign(&rows);
        self.add_through_loadings(&mut images, self.inner.t(), Some(self.inverse_root.view()), -1.0);
        images /= &self.scales;
    }

    /// A, K × K, where F = Ψ^½ (I + L A Lᵀ).
    pub(crate) fn inner(&self) -> ArrayView2<'_, f64> {
        self.inner.view()
    }

    /// ½ log |I + L Lᵀ|.
    pub(crate) fn log_det_loadings(&self) -> f64 {
        -self.inverse_root.diag().iter().map(|d| d.ln()).sum::<f64>()
    }

    /// Moves the mean by `shift`, of length D.
    pub(crate) fn translate(&mut self, shift: ArrayView1<'_, f64>) {
        self.mean += &shift;
    }

    /// Replaces the covariance by one that is given in units of the present Ψ^½: `psi` of length D,
    /// the rows `loadings` of Λᵀ and `gram` = ΛᵀΨ⁻¹Λ, both of which are exchanged for others
    /// without meaning. On an error the covariance stays.
    pub(crate) fn replace_covariance(
        &mut self,
        psi: &mut Array1<f64>,
        loadings: &mut Array2<f64>,
        gram: &mut Array2<f64>,
    ) -> Result<(), NotPositiveDefinite> {
        Zip::from(&mut *psi).and(&self.scales).for_each(|p, scale| *p = scale * p.sqrt());
        self.log_det = into_root(gram, psi)?;
        for mut row in loadings.rows_mut() {
            Zip::from(&mut row).and(&*psi).and(&self.scales).for_each(|l, new, old| *l *= old / new);
        }
        std::mem::swap(&mut self.loadings, loadings);
        std::mem::swap(&mut self.scales, psi);
        self.set_root(gram.view());
        Ok(())
    }

    /// The covariance Ψ + Λ Λᵀ, D × D: for small D alone.
    #[cfg(test)]
    pub fn covariance(&self) -> Array2<f64> {
        let lambda = self.lambda();
        lambda.dot(&lambda.t()) + Array2::from_diag(&self.psi())
    }

    /// images += sign · images · L · left · right · Lᵀ, for rows in units of Ψ^½ and K × K matrices
    /// `left` and `right`.
    fn add_through_loadings(
        &self,
        images: &mut ArrayViewMut2<'_, f64>,
        left: ArrayView2<'_, f64>,
        right: Option<ArrayView2<'_, f64>>,
        sign: f64,
    ) {
        let (count, rank) = (images.nrows(), self.rank());
        if rank == 0 || count == 0 {
            return;
        }
        let mut scratch = SCRATCH.take();
        scratch.resize(2 * count * rank, 0.0);
        let (first, second) = scratch.split_at_mut(count * rank);
        let table = |values| ArrayViewMut2::from_shape((count, rank), values).expect("the scratch has this size");
        let (mut first, mut second) = (table(first), table(second));
        general_mat_mul(1.0, images, &self.loadings.t(), 0.0, &mut first);
        general_mat_mul(1.0, &first, &left, 0.0, &mut second);
        if let Some(right) = right {
            general_mat_mul(1.0, &second, &right, 0.0, &mut first);
            second.assign(&first);
        }
        general_mat_mul(sign, &second, &self.loadings, 1.0, images);
        SCRATCH.set(scratch);
    }
}

impl GaussianApproximation for LowRankGaussian {
    type Average = LowRankAverage;

    fn mean(&self) -> ArrayView1<'_, f64> {
        self.mean.view()
    }

    fn sds(&self) -> Array1<f64> {
        let squares = self.loadings.columns().into_iter().map(|column| column.dot(&column));
        self.scales.iter().zip(squares).map(|(scale, square)| scale * (1.0 + square).sqrt()).collect()
    }

    fn log_det_factor(&self) -> f64 {
        self.log_det
    }

    fn multiply(&self, rows: ArrayView2<'_, f64>, mut images: ArrayViewMut2<'_, f64>) {
        images.assign(&rows);
        self.add_through_loadings(&mut images, self.inner.t(), None, 1.0);
        images *= &self.scales;
    }

    fn multiply_transposed(&self, rows: ArrayView2<'_, f64>, mut images: ArrayViewMut2<'_, f64>) {
        Zip::from(&mut images)
            .and(&rows)
            .and_broadcast(&self.scales)
            .for_each(|image, row, scale| *image = row * scale);
        self.add_through_loadings(&mut images, self.inner.view(), None, 1.0);
    }

    fn noise(&self, points: ArrayView2<'_, f64>) -> Result<Array2<f64>, NotPositiveDefinite> {
        let mut noise = (&points - &self.mean) / &self.scales;
        self.add_through_loadings(&mut noise.view_mut(), self.inverse_root.t(), Some(self.inner.view()), -1.0);
        Ok(noise)
    }

    fn is_consistent(&self) -> bool {
        let (dim, rank) = (self.dim(), self.rank());
        self.scales.len() == dim
            && self.loadings.ncols() == dim
            && [&self.inner, &self.inverse_root].iter().all(|matrix| matrix.dim() == (rank, rank))
    }

    fn scaled(mut self, scale: f64) -> Self {
        self.scales *= scale;
        self.log_det += self.mean.len() as f64 * scale.ln();
        self
    }

    fn of_moments(&self, points: ArrayView2<'_, f64>, weights: ArrayView1<'_, f64>) -> Option<Self> {
        if self.rank() > 0 {
            return None;
        }
        let mean = weights.dot(&points);
        let mut variances = Array1::<f64>::zeros(mean.len());
        for (point, weight) in points.rows().into_iter().zip(&weights) {
            Zip::from(&mut variances).and(&point).and(&mean).for_each(|v, x, m| *v += weight * (x - m).powi(2));
        }
        Self::diagonal(mean, variances.mapv(f64::sqrt)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gaussian::DenseGaussian;
    use crate::random::{fill_standard_normal, stream};
    use ndarray_linalg::Norm;
    use proptest::prelude::*;

    fn random(dim: usize, rank: usize, size: f64, seed: u64) -> LowRankGaussian {
        let mut values = Array2::zeros((rank + 2, dim));
        fill_standard_normal(&mut stream(seed, 0), values.as_slice_mut().unwrap());
        let psi = values.row(0).mapv(f64::exp);
        let lambda = values.slice(ndarray::s![2.., ..]).t().to_owned() * size;
        LowRankGaussian::new(values.row(1).to_owned(), &psi, lambda.view()).unwrap()
    }

    /// F as a matrix.
    fn factor(gaussian: &LowRankGaussian) -> Array2<f64> {
        let mut rows = Array2::zeros((gaussian.dim(), gaussian.dim()));
        gaussian.multiply(Array2::eye(gaussian.dim()).view(), rows.view_mut());
        rows.reversed_axes()
    }

    #[test]
    fn an_invalid_covariance_changes_nothing() {
        let gaussian = random(4, 2, 1.0, 1);
        let replaced = |psi: f64, gram: f64| {
            let mut changed = gaussian.clone();
            let (mut psi, mut loadings) = (Array1::from_elem(4, psi), Array2::from_elem((2, 4), 0.1));
            let result = changed.replace_covariance(&mut psi, &mut loadings, &mut Array2::from_elem((2, 2), gram));
            (result.is_ok(), changed == gaussian)
        };
        assert_eq!(replaced(2.0, 0.0), (true, false));
        for (psi, gram) in
            [(-1.0, 0.0), (0.0, 0.0), (f64::NAN, 0.0), (2.0, f64::NAN), (2.0, -3.0), (2.0, f64::INFINITY)]
        {
            assert_eq!(replaced(psi, gram), (false, true), "{psi} {gram}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn the_factor_is_one_of_the_covariance(
            seed in 0u64..1000, dim in 1usize..200, rank in 0usize..9, log_size in -8.0..2.0f64,
        ) {
            let gaussian = random(dim, rank, 10f64.powf(log_size), seed);
            let (covariance, factor) = (gaussian.covariance(), factor(&gaussian));
            prop_assert!((factor.dot(&factor.t()) - &covariance).norm_l2() < 1e-12 * covariance.norm_l2());
            let log_det = DenseGaussian::from_covariance(Array1::zeros(dim), &covariance).unwrap().log_det_factor();
            prop_assert!((gaussian.log_det_factor() - log_det).abs() < 1e-8 * (1.0 + log_det.abs()));
            let mut transposed = Array2::zeros((dim, dim));
            gaussian.multiply_transposed(Array2::eye(dim).view(), transposed.view_mut());
            prop_assert!((&transposed - &factor).norm_l2() < 1e-12 * factor.norm_l2());
            let sds = covariance.diag().mapv(f64::sqrt);
            prop_assert!((gaussian.sds() - sds).iter().all(|d| d.abs() < 1e-9 * covariance.norm_l2()));
        }

        #[test]
        fn the_noise_of_a_draw_is_found_again(seed in 0u64..1000, dim in 1usize..200, rank in 0usize..9) {
            let gaussian = random(dim, rank, 100.0, seed);
            let mut noise = Array2::zeros((3, dim));
            fill_standard_normal(&mut stream(seed, 1), noise.as_slice_mut().unwrap());
            let mut draws = Array2::zeros((3, dim));
            gaussian.draws(noise.view(), draws.view_mut());
            let recovered = gaussian.noise(draws.view()).unwrap();
            prop_assert!((&recovered - &noise).iter().all(|d| d.abs() < 1e-8));
            let (mut images, mut back) = (Array2::zeros((3, dim)), Array2::zeros((3, dim)));
            gaussian.multiply_inverse_transposed(noise.view(), images.view_mut());
            gaussian.multiply_transposed(images.view(), back.view_mut());
            prop_assert!((&back - &noise).iter().all(|d| d.abs() < 1e-8));
        }
    }

    /// Columns that depend on each other, or vanish, are a covariance of lower rank and no error.
    #[test]
    fn loadings_may_be_of_lower_rank() {
        let lambda = ndarray::array![[1.0, 2.0, 0.0], [0.5, 1.0, 0.0], [3.0, 6.0, 0.0], [-1.0, -2.0, 0.0]];
        let gaussian = LowRankGaussian::new(Array1::zeros(4), &Array1::ones(4), lambda.view()).unwrap();
        let factor = factor(&gaussian);
        assert!((factor.dot(&factor.t()) - gaussian.covariance()).norm_l2() < 1e-13);
    }

    #[test]
    fn variances_must_be_positive() {
        for psi in [[1.0, 0.0], [1.0, -1.0], [f64::NAN, 1.0], [f64::INFINITY, 1.0]] {
            let lambda = Array2::ones((2, 1));
            let gaussian = LowRankGaussian::new(Array1::zeros(2), &Array1::from(psi.to_vec()), lambda.view());
            assert_eq!(gaussian, Err(NotPositiveDefinite));
        }
    }
}
