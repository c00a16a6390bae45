//! The Gaussian with a full covariance, kept as a square factor: Σ = F Fᵀ, with F of no particular
//! shape.

use super::{Average, GaussianApproximation, NotPositiveDefinite, Product};
use crate::linalg::{array_serde, cholesky_factor, log_determinant, multiply_add, qr, solve_upper};
use ndarray::linalg::general_mat_vec_mul;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut2};
use serde::{Deserialize, Serialize};

/// N(mean, F Fᵀ) on R^D with any square F.
///
/// ```
/// use ndarray::{Array2, array};
/// use stanmatch::gaussian::{DenseGaussian, GaussianApproximation};
/// use stanmatch::random::{standard_normal, stream};
///
/// let covariance = array![[4.0, 1.0], [1.0, 1.0]];
/// let gaussian = DenseGaussian::from_covariance(array![1.0, 2.0], &covariance)?;
/// assert!((gaussian.sds() - array![2.0, 1.0]).iter().all(|difference| difference.abs() < 1e-12));
///
/// let noise = standard_normal(&mut stream(1, 0), (1000, 2));
/// let mut draws = Array2::zeros((1000, 2));
/// gaussian.draws(noise.view(), draws.view_mut());
/// // The log density of the first draw.
/// let log_density = gaussian.log_density_of_noise(noise.row(0).dot(&noise.row(0)));
/// assert!(log_density.is_finite());
/// # Ok::<(), stanmatch::gaussian::NotPositiveDefinite>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DenseGaussian {
    #[serde(with = "array_serde")]
    mean: Array1<f64>,
    #[serde(with = "array_serde")]
    factor: Array2<f64>,
    log_det: f64,
}

impl DenseGaussian {
    /// The standard normal on R^D.
    pub fn standard(dim: usize) -> Self {
        Self { mean: Array1::zeros(dim), factor: Array2::eye(dim), log_det: 0.0 }
    }

    /// A Gaussian with independent elements of the given standard deviations, which must be
    /// positive.
    ///
    /// # Panics
    /// If there are not as many standard deviations as means.
    pub fn diagonal(mean: Array1<f64>, sds: &Array1<f64>) -> Self {
        assert_eq!(mean.len(), sds.len(), "mean and standard deviations must have one length");
        Self { log_det: sds.iter().map(|sd| sd.ln()).sum(), factor: Array2::from_diag(sds), mean }
    }

    /// A Gaussian from its covariance (D × D, of which the lower triangle is read). Fails if it is
    /// not positive definite.
    pub fn from_covariance(mean: Array1<f64>, covariance: &Array2<f64>) -> Result<Self, NotPositiveDefinite> {
        let factor = cholesky_factor(covariance)?;
        let log_det: f64 = factor.diag().iter().map(|d| d.ln()).sum();
        if log_det.is_finite() { Ok(Self { mean, factor, log_det }) } else { Err(NotPositiveDefinite) }
    }

    /// A Gaussian from a square factor F of its covariance (D × D). Fails if F is not invertible.
    pub fn from_factor(mean: Array1<f64>, factor: Array2<f64>) -> Result<Self, NotPositiveDefinite> {
        let log_det = log_determinant(&factor).ok_or(NotPositiveDefinite)?;
        Ok(Self { mean, factor, log_det })
    }

    /// The square factor F of the covariance, D × D.
    pub fn factor(&self) -> ArrayView2<'_, f64> {
        self.factor.view()
    }

    /// The covariance F Fᵀ, D × D.
    pub fn covariance(&self) -> Array2<f64> {
        self.factor.dot(&self.factor.t())
    }

    /// The distribution of map · x + offset with x from this one; `map` is D × D and invertible.
    #[cfg(test)]
    pub fn mapped(&self, map: &Array2<f64>, offset: &Array1<f64>) -> Self {
        let log_det = self.log_det + log_determinant(map).expect("an invertible map has a determinant");
        Self { mean: map.dot(&self.mean) + offset, factor: map.dot(&self.factor), log_det }
    }

    /// Applies an update that differs from the identity only in a subspace of q's own coordinates:
    /// with E an orthonormal basis (D × r, or none for the whole space), mean += F E shift and F ←
    /// F (I + E (N − I) Eᵀ), at a cost of O(D² r).
    ///
    /// # Panics
    /// If the sizes do not match.
    pub fn apply(&mut self, basis: Option<ArrayView2<'_, f64>>, update: &Update) {
        match basis {
            None => {
                self.mean += &self.factor.dot(&update.shift);
                let mut factor = Array2::zeros(self.factor.dim());
                multiply_add(self.factor.view(), update.factor.view(), 0.0, factor.view_mut());
                self.factor = factor;
            }
            Some(basis) => {
                let mut image = Array2::zeros(basis.dim());
                multiply_add(self.factor.view(), basis, 0.0, image.view_mut());
                self.mean += &image.dot(&update.shift);
                let mut change = update.factor.clone();
                change.diag_mut().mapv_inplace(|d| d - 1.0);
                let mut images = Array2::zeros(basis.dim());
                multiply_add(image.view(), change.view(), 0.0, images.view_mut());
                multiply_add(images.view(), basis.t(), 1.0, self.factor.view_mut());
            }
        }
        self.log_det += update.log_det;
    }

    /// Applies a change along directions of q's own coordinates, at a cost of O(D² k).
    ///
    /// # Panics
    /// If the sizes do not match.
    pub fn add(&mut self, change: &Change<'_>) {
        self.mean += &change.mean;
        multiply_add(change.images.t(), change.directions, 1.0, self.factor.view_mut());
        self.log_det += change.log_det;
    }
}

impl GaussianApproximation for DenseGaussian {
    type Average = DenseAverage;

    fn mean(&self) -> ArrayView1<'_, f64> {
        self.mean.view()
    }

    fn sds(&self) -> Array1<f64> {
        self.factor.rows().into_iter().map(|row| row.dot(&row).sqrt()).collect()
    }

    fn log_det_factor(&self) -> f64 {
        self.log_det
    }

    fn multiply(&self, rows: ArrayView2<'_, f64>, mut images: ArrayViewMut2<'_, f64>) {
        product(rows, self.factor.t(), &mut images);
    }

    fn multiply_transposed(&self, rows: ArrayView2<'_, f64>, mut images: ArrayViewMut2<'_, f64>) {
        product(rows, self.factor.view(), &mut images);
    }

    fn covariance_product(&self) -> Box<Product<'_>> {
        let covariance = self.covariance();
        Box::new(move |rows, mut images| product(rows, covariance.view(), &mut images))
    }

    fn noise(&self, points: ArrayView2<'_, f64>) -> Result<Array2<f64>, NotPositiveDefinite> {
        // F = Q R, so ε = R⁻¹ Qᵀ (x − μ): one pass over R for all points.
        let (q, r) = qr(&self.factor).ok_or(NotPositiveDefinite)?;
        let rotated = (&points - &self.mean).dot(&q).reversed_axes();
        let noise = solve_upper(&r, &rotated).ok_or(NotPositiveDefinite)?;
        Ok(noise.reversed_axes().as_standard_layout().into_owned())
    }

    fn is_consistent(&self) -> bool {
        self.factor.dim() == (self.dim(), self.dim())
    }

    fn scaled(mut self, scale: f64) -> Self {
        self.factor *= scale;
        self.log_det += self.mean.len() as f64 * scale.ln();
        self
    }

    fn of_moments(&self, points: ArrayView2<'_, f64>, weights: ArrayView1<'_, f64>) -> Option<Self> {
        let mean = weights.dot(&points);
        let mut deviations = &points - &mean;
        for (mut row, weight) in deviations.rows_mut().into_iter().zip(&weights) {
            row *= weight.sqrt();
        }
        Self::from_covariance(mean, &deviations.t().dot(&deviations)).ok()
    }
}

/// rows · matrix. Samplers ask for one row at a time, for which BLAS has a cheaper function.
fn product(rows: ArrayView2<'_, f64>, matrix: ArrayView2<'_, f64>, images: &mut ArrayViewMut2<'_, f64>) {
    if rows.nrows() == 1 {
        general_mat_vec_mul(1.0, &matrix.t(), &rows.row(0), 0.0, &mut images.row_mut(0));
    } else {
        multiply_add(rows, matrix, 0.0, images.view_mut());
    }
}

/// Forming the covariances of averaged iterates, O(D³) each, may cost at most this many times the
/// iterations themselves, O(D²B) each. Not compared with other values.
const AVERAGING_COST: usize = 2;

/// The average of dense iterates.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DenseAverage {
    count: usize,
    #[serde(with = "array_serde")]
    mean: Array1<f64>,
    #[serde(with = "array_serde")]
    covariance: Array2<f64>,
}

impl Average<DenseGaussian> for DenseAverage {
    fn stride(dim: usize, batch: usize) -> usize {
        dim.div_ceil(AVERAGING_COST * batch)
    }

    fn fits(&self, gaussian: &DenseGaussian) -> bool {
        let dim = if self.count > 0 { gaussian.dim() } else { 0 };
        self.mean.len() == dim && self.covariance.dim() == (dim, dim)
    }

    fn add(&mut self, gaussian: &DenseGaussian) {
        if self.count == 0 {
            self.mean = gaussian.mean.clone();
            self.covariance = gaussian.covariance();
        } else {
            self.mean += &gaussian.mean;
            multiply_add(gaussian.factor.view(), gaussian.factor.t(), 1.0, self.covariance.view_mut());
        }
        self.count += 1;
    }

    fn approximation(&self) -> Option<DenseGaussian> {
        let count = self.count as f64;
        (self.count > 0)
            .then(|| DenseGaussian::from_covariance(&self.mean / count, &(&self.covariance / count)).ok())?
    }
}

/// A new mean and factor in the coordinates of a subspace in which q is the standard normal:
/// N(shift, N Nᵀ).
#[derive(Debug, Clone)]
pub struct Update {
    /// The new mean, of length r.
    pub shift: Array1<f64>,
    /// The new factor N, r × r.
    pub factor: Array2<f64>,
    /// log |det N|.
    pub log_det: f64,
}

impl Update {
    /// Whether every number in it is finite.
    pub fn is_finite(&self) -> bool {
        self.log_det.is_finite() && self.shift.iter().chain(&self.factor).all(|v| v.is_finite())
    }
}

/// A change of the mean and of the factor, F ← F + imagesᵀ directions.
#[derive(Debug, Clone)]
pub struct Change<'a> {
    /// What is added to the mean, of length D.
    pub mean: ArrayView1<'a, f64>,
    /// k × D.
    pub images: ArrayView2<'a, f64>,
    /// k × D.
    pub directions: ArrayView2<'a, f64>,
    /// What is added to log |det F|.
    pub log_det: f64,
}

impl Change<'_> {
    /// Whether every number in it is finite.
    pub fn is_finite(&self) -> bool {
        let numbers = self.mean.iter().chain(&self.images).chain(&self.directions);
        self.log_det.is_finite() && numbers.copied().all(f64::is_finite)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Gaussian, Target};
    use crate::random::{standard_normal, stream};
    use ndarray::array;
    use ndarray_linalg::{Determinant, QR};

    fn random(rows: usize, columns: usize, seed: u64) -> Array2<f64> {
        standard_normal(&mut stream(seed, 0), (rows, columns))
    }

    #[test]
    fn the_density_of_a_draw_is_the_gaussians() {
        let target = Gaussian::with_condition_number(5, 50.0, &mut stream(2, 0));
        let gaussian = DenseGaussian::from_covariance(target.mean().clone(), target.covariance()).unwrap();
        let noise = random(3, 5, 7);
        let mut draws = Array2::zeros((3, 5));
        gaussian.draws(noise.view(), draws.view_mut());
        for (noise, draw) in noise.rows().into_iter().zip(draws.rows()) {
            let expected = target.log_density(draw.as_slice().unwrap()).unwrap();
            assert!((gaussian.log_density_of_noise(noise.dot(&noise)) - expected).abs() < 1e-10);
        }
        let recovered = gaussian.noise(draws.view()).unwrap();
        assert!((&recovered - &noise).iter().all(|d| d.abs() < 1e-10));
    }

    #[test]
    fn an_update_in_a_subspace_is_the_update_of_the_whole_factor() {
        let mut gaussian = DenseGaussian::from_covariance(array![1.0, 2.0, 3.0, 4.0], &{
            let a = random(4, 4, 1);
            a.dot(&a.t()) + Array2::<f64>::eye(4)
        })
        .unwrap();
        let (basis, _) = random(4, 2, 3).qr().unwrap();
        let factor = array![[2.0, 0.0], [0.7, 0.5]];
        let update = Update { shift: array![0.3, -1.0], log_det: 0.0, factor: factor.clone() };
        let whole = Array2::<f64>::eye(4) + basis.dot(&(&factor - &Array2::<f64>::eye(2))).dot(&basis.t());
        let expected_factor = gaussian.factor.dot(&whole);
        let expected_mean = &gaussian.mean + &gaussian.factor.dot(&basis).dot(&update.shift);
        let expected_log_det = gaussian.log_det + whole.sln_det().unwrap().1;
        gaussian.apply(Some(basis.view()), &update);
        assert!((&gaussian.factor - &expected_factor).iter().all(|d| d.abs() < 1e-12));
        assert!((&gaussian.mean - &expected_mean).iter().all(|d| d.abs() < 1e-12));
        assert!((gaussian.log_det - expected_log_det).abs() < 1e-12);
    }

    #[test]
    fn an_indefinite_covariance_is_refused() {
        let indefinite = array![[1.0, 2.0], [2.0, 1.0]];
        assert_eq!(DenseGaussian::from_covariance(Array1::zeros(2), &indefinite), Err(NotPositiveDefinite));
    }
}
