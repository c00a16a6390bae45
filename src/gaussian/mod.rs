//! The approximations that engines fit: Gaussians N(μ, F Fᵀ), each with a square factor F of its
//! own structure.

mod approximation;
mod dense;
pub(crate) mod half_t;
mod low_rank;
mod mixture;

pub use crate::linalg::NotPositiveDefinite;
pub use approximation::Approximation;
pub use dense::{Change, DenseAverage, DenseGaussian, Update};
pub use low_rank::{LowRankAverage, LowRankGaussian};
pub(crate) use mixture::log_sum_exp;
pub use mixture::{GaussianMixture, MixtureDraws, Shares};

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut2};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// log 2π.
pub(crate) const LN_2PI: f64 = 1.837_877_066_409_345_3;

/// A Gaussian N(μ, F Fᵀ) on R^D with a square factor F. A draw is z = μ + F ε with ε standard
/// normal: the *noise* ε is the draw in q's own coordinates, and h = Fᵀ g a score g in them, in
/// which q is the standard normal and its score −ε.
pub trait GaussianApproximation: Clone + Send + Sync + Serialize + DeserializeOwned {
    /// The average of iterates of this type.
    type Average: Average<Self>;

    /// The dimension D.
    fn dim(&self) -> usize {
        self.mean().len()
    }

    /// The mean, of length D.
    fn mean(&self) -> ArrayView1<'_, f64>;

    /// The marginal standard deviations, of length D.
    fn sds(&self) -> Array1<f64>;

    /// log |det F|, half the covariance's log determinant.
    fn log_det_factor(&self) -> f64;

    /// F v for each row v of `rows` (n × D), written to the rows of `images` (n × D).
    fn multiply(&self, rows: ArrayView2<'_, f64>, images: ArrayViewMut2<'_, f64>);

    /// Fᵀ v for each row v of `rows` (n × D), written to the rows of `images` (n × D).
    fn multiply_transposed(&self, rows: ArrayView2<'_, f64>, images: ArrayViewMut2<'_, f64>);

    /// The product with the covariance: a function that writes F Fᵀ v for each row v of a table (n
    /// × D) to the rows of another. It is meant for thousands of calls, so that what can be
    /// computed beforehand is.
    fn covariance_product(&self) -> Box<Product<'_>> {
        Box::new(|rows, images| {
            let mut whitened = Array2::zeros(rows.dim());
            self.multiply_transposed(rows, whitened.view_mut());
            self.multiply(whitened.view(), images);
        })
    }

    /// The noise F⁻¹ (x − μ) of each row x of `points` (n × D).
    fn noise(&self, points: ArrayView2<'_, f64>) -> Result<Array2<f64>, NotPositiveDefinite>;

    /// Whether all its parts have the sizes that they must have; one read from a file may not.
    fn is_consistent(&self) -> bool;

    /// The same mean with the covariance multiplied by `scale`², which must be positive.
    fn scaled(self, scale: f64) -> Self;

    /// A Gaussian of the same structure with the mean and covariance of `points` (n × D) under
    /// `weights`, which sum to one; none if that is not positive definite, or if the structure does
    /// not allow it.
    fn of_moments(&self, points: ArrayView2<'_, f64>, weights: ArrayView1<'_, f64>) -> Option<Self>;

    /// The draws μ + F ε of rows ε of `noise` (n × D), written to the rows of `draws` (n × D).
    fn draws(&self, noise: ArrayView2<'_, f64>, mut draws: ArrayViewMut2<'_, f64>) {
        self.multiply(noise, draws.view_mut());
        draws += &self.mean();
    }

    /// The normalised log density of the draw with noise ε, given ‖ε‖².
    fn log_density_of_noise(&self, squared_norm: f64) -> f64 {
        -0.5 * (squared_norm + self.dim() as f64 * LN_2PI) - self.log_det_factor()
    }
}

/// A product with each row of a table (n × D), written to the rows of another.
pub type Product<'a> = dyn Fn(ArrayView2<'_, f64>, ArrayViewMut2<'_, f64>) + Sync + 'a;

/// The average of iterates: of their means, and of their covariances.
pub trait Average<F>: Default + Send + Serialize + DeserializeOwned {
    /// Iterations from one iterate that is added to the next, with batches of `batch` draws:
    /// neighbouring iterates are nearly the same, and adding one may cost more than an iteration.
    fn stride(dim: usize, batch: usize) -> usize;

    /// Adds an iterate.
    fn add(&mut self, gaussian: &F);

    /// Whether it is an average of Gaussians of the size of `gaussian`; one read from a file may
    /// not be.
    fn fits(&self, gaussian: &F) -> bool;

    /// The Gaussian with the mean of the means and of the covariances; none before the first
    /// iterate, or if the average is not positive definite in floating point.
    fn approximation(&self) -> Option<F>;
}
