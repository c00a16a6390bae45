//! The Gaussian that a fit begins with, as an init knows it.

use super::inverse_hessian::FactoredCovariance;
use crate::gaussian::{DenseGaussian, GaussianApproximation, LowRankGaussian};
use crate::linalg::eigen_columns;
use crate::random::{Rng, fill_standard_normal};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

/// A Gaussian around a point, in the form in which it was found: what a family is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum LocalGaussian {
    /// With a covariance that is diagonal but for a few directions.
    Factored {
        /// The mean, of length D.
        mean: Array1<f64>,
        /// The covariance.
        covariance: FactoredCovariance,
    },
    /// With a full covariance.
    Dense(DenseGaussian),
}

impl LocalGaussian {
    /// The Gaussian around `position` with unit covariance.
    pub fn unit(position: Vec<f64>) -> Self {
        let covariance = FactoredCovariance::diagonal(Array1::ones(position.len()));
        Self::Factored { mean: Array1::from(position), covariance }
    }

    /// The same with a full covariance, D × D.
    pub fn dense(self) -> DenseGaussian {
        match self {
            Self::Factored { mean, covariance } => covariance.gaussian(mean),
            Self::Dense(family) => family,
        }
    }

    /// The dimension D.
    pub fn dim(&self) -> usize {
        match self {
            Self::Factored { mean, .. } => mean.len(),
            Self::Dense(family) => family.dim(),
        }
    }

    /// The mean, of length D.
    pub fn mean(&self) -> ArrayView1<'_, f64> {
        match self {
            Self::Factored { mean, .. } => mean.view(),
            Self::Dense(family) => family.mean(),
        }
    }

    /// log |det F| for the factor F of the covariance.
    pub fn log_det_factor(&self) -> f64 {
        match self {
            Self::Factored { covariance, .. } => covariance.log_det(),
            Self::Dense(family) => family.log_det_factor(),
        }
    }

    /// F⁻¹ (x − μ) for each row x of `points` (n × D); infinite where F has no inverse in floating point.
    pub fn noise(&self, points: ArrayView2<'_, f64>) -> Array2<f64> {
        match self {
            Self::Factored { mean, covariance } => covariance.whiten((&points - mean).view()),
            Self::Dense(family) => {
                family.noise(points).unwrap_or_else(|_| Array2::from_elem(points.dim(), f64::INFINITY))
            }
        }
    }

    /// F v.
    pub fn multiply(&self, v: ArrayView1<'_, f64>) -> Array1<f64> {
        match self {
            Self::Factored { covariance, .. } => covariance.multiply(v),
            Self::Dense(family) => family.factor().dot(&v),
        }
    }

    /// Fᵀ v.
    pub fn multiply_transposed(&self, v: ArrayView1<'_, f64>) -> Array1<f64> {
        match self {
            Self::Factored { covariance, .. } => covariance.multiply_transposed(v),
            Self::Dense(family) => family.factor().t().dot(&v),
        }
    }

    /// The same with a covariance that is diagonal plus of rank `rank`: the largest directions are kept, and what the
    /// others contribute to the variances goes to the diagonal. Directions that the covariance does not have are small
    /// and random, since engines cannot leave a direction of length zero.
    pub fn low_rank(self, rank: usize, rng: &mut Rng) -> LowRankGaussian {
        let (mean, scales, directions, excess) = match self {
            Self::Factored { mean, covariance } => {
                let change = covariance.change();
                // (I + E c Eᵀ)(I + E c Eᵀ)ᵀ = I + E (c + cᵀ + c cᵀ) Eᵀ.
                let (excess, vectors) = decomposed(change + &change.t() + change.dot(&change.t()));
                (mean, covariance.sds().clone(), covariance.basis().dot(&vectors), excess)
            }
            Self::Dense(family) => {
                let sds = family.sds();
                let correlation = family.covariance() / &sds / sds.view().insert_axis(Axis(1));
                let (eigenvalues, vectors) = decomposed(correlation);
                (family.mean().to_owned(), sds, vectors, eigenvalues - 1.0)
            }
        };
        let dim = mean.len();
        let mut loadings = Array2::zeros((rank, dim));
        fill_standard_normal(rng, loadings.as_slice_mut().expect("a fresh array is contiguous"));
        loadings *= SMALL / (dim as f64).sqrt();
        // In units of the scales the covariance is I + Σ excess · direction directionᵀ, the largest excess last.
        let mut psi = Array1::<f64>::ones(dim);
        for (index, (direction, &excess)) in directions.columns().into_iter().zip(&excess).rev().enumerate() {
            if index < rank && excess > 0.0 {
                loadings.row_mut(index).assign(&(&direction * excess.sqrt()));
            } else {
                psi.scaled_add(excess, &direction.mapv(|d| d * d));
            }
        }
        let psi = psi.mapv(|p| p.max(LEAST)).mapv(f64::sqrt);
        loadings /= &psi;
        LowRankGaussian::from_scaled(mean, scales * psi, loadings)
            .expect("scales of a Gaussian and the finite square roots of positive numbers")
    }
}

/// The length of a direction that the covariance does not have, in units of the scales.
const SMALL: f64 = 0.1;
/// The least variance that is left to the diagonal part, relative to the scales'.
const LEAST: f64 = 1e-8;

/// Eigenvalues, ascending, and eigenvectors of a symmetric matrix; an empty matrix has none.
fn decomposed(matrix: Array2<f64>) -> (Array1<f64>, Array2<f64>) {
    if matrix.is_empty() {
        return (Array1::zeros(0), matrix);
    }
    eigen_columns(&matrix).expect("a finite symmetric matrix has an eigendecomposition")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::init::{InverseHessian, LbfgsOptions, climb, random_point};
    use crate::model::Gaussian;
    use crate::random::stream;
    use ndarray_linalg::Norm;

    /// The estimate after a few steps of an optimisation path.
    fn factored() -> LocalGaussian {
        let target = Gaussian::with_condition_number(40, 1e3, &mut stream(6, 0));
        let start = random_point(&target, &mut stream(1, 0)).unwrap();
        let path = climb(&target, start, LbfgsOptions { max_iterations: 200, tolerance: 1e-9 });
        let mut estimate = InverseHessian::identity(40);
        path.windows(2).take(4).for_each(|pair| estimate.learn(&pair[0], &pair[1]));
        LocalGaussian::Factored { mean: Array1::ones(40), covariance: estimate.factored().unwrap() }
    }

    #[test]
    fn variances_are_kept_and_covariances_approached_as_the_rank_grows() {
        let dense = factored().dense();
        let starts = [factored(), LocalGaussian::Dense(dense.clone())];
        for start in starts {
            let error = |rank| {
                let family = start.clone().low_rank(rank, &mut stream(1, 0));
                assert_eq!((family.rank(), family.mean()), (rank, dense.mean()));
                let difference = family.covariance() - dense.covariance();
                assert!(difference.diag().iter().zip(dense.sds()).all(|(d, sd)| d.abs() < 0.01 * sd * sd));
                difference.norm_l2() / dense.covariance().norm_l2()
            };
            let errors = [0, 1, 2, 4].map(error);
            assert!(errors.is_sorted_by(|a, b| a > b), "{errors:?}");
        }
    }
}
