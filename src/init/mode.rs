//! The MAP from several random starts, and Laplace's approximation around it.

use super::LocalGaussian;
use super::inverse_hessian::InverseHessian;
use super::lbfgs::{LbfgsOptions, Point, climb};
use super::random_init::{InitError, random_point};
use crate::gaussian::DenseGaussian;
use crate::linalg::eigen_columns;
use crate::model::Target;
use crate::random::Stream;
use ndarray::{Array1, Array2};
use rayon::prelude::*;

/// Optimisation paths, each from a random point.
const STARTS: usize = 4;
const CLIMB: LbfgsOptions = LbfgsOptions { max_iterations: 2000, tolerance: 1e-9 };

/// The path that ends highest, of several from random points. Each has a stream of `seed` of its own.
fn highest_path<T: Target + ?Sized>(target: &T, seed: u64) -> Result<Vec<Point>, InitError> {
    let paths: Vec<Result<Vec<Point>, InitError>> = (0..STARTS)
        .into_par_iter()
        .map(|path| Ok(climb(target, random_point(target, &mut Stream::Path(path).of(seed))?, CLIMB)))
        .collect();
    let height = |path: &Vec<Point>| path.last().map_or(f64::NEG_INFINITY, |point| point.log_density);
    let mut failure = None;
    let mut best: Option<Vec<Point>> = None;
    for path in paths {
        match path {
            Ok(path) if best.as_ref().is_none_or(|best| height(&path) > height(best)) => best = Some(path),
            Ok(_) => {}
            Err(error) => failure = Some(error),
        }
    }
    best.ok_or_else(|| failure.unwrap_or(InitError::NoGaussian))
}

/// A Gaussian at the MAP with the covariance that L-BFGS estimated on the way there, at no further evaluation.
pub fn map<T: Target + ?Sized>(target: &T, seed: u64) -> Result<LocalGaussian, InitError> {
    let path = highest_path(target, seed)?;
    let mode = path.last().ok_or(InitError::NoGaussian)?;
    let mut estimate = InverseHessian::identity(target.dim());
    path.windows(2).for_each(|pair| estimate.learn(&pair[0], &pair[1]));
    let covariance = estimate.factored().ok_or(InitError::NoGaussian)?;
    Ok(LocalGaussian::Factored { mean: Array1::from(mode.position.clone()), covariance })
}

/// Laplace's approximation: a Gaussian at the MAP whose precision is minus the Hessian there, from D Hessian-vector
/// products. Directions in which the density does not curve downwards get the curvature's size in their place.
pub fn laplace<T: Target + ?Sized>(target: &T, seed: u64) -> Result<LocalGaussian, InitError> {
    let path = highest_path(target, seed)?;
    let mode = path.last().ok_or(InitError::NoGaussian)?;
    let dim = target.dim();
    let mut precision = Array2::zeros((dim, dim));
    let mut direction = vec![0.0; dim];
    for (element, mut row) in precision.rows_mut().into_iter().enumerate() {
        direction[element] = 1.0;
        let row = row.as_slice_mut().expect("rows are contiguous");
        target
            .hessian_vector(&mode.position, &direction, row)
            .map_err(|rejected| InitError::Unusable(rejected.to_string()))?;
        row.iter_mut().for_each(|h| *h = -*h);
        direction[element] = 0.0;
    }
    let symmetric = (&precision + &precision.t()) * 0.5;
    // Scaled to a unit diagonal first: parameters may differ in size by many orders.
    let sizes = symmetric.diag().mapv(|d: f64| if d != 0.0 { d.abs().sqrt() } else { 1.0 });
    let scaled = Array2::from_shape_fn((dim, dim), |(i, j)| symmetric[[i, j]] / (sizes[i] * sizes[j]));
    let (curvatures, directions) = eigen_columns(&scaled).ok_or(InitError::NoGaussian)?;
    let floor = f64::EPSILON.sqrt() * curvatures.iter().fold(0.0_f64, |m, c| m.max(c.abs()));
    let variances = curvatures.mapv(|c| c.abs().max(floor).recip());
    let mut covariance = (&directions * &variances).dot(&directions.t());
    for ((i, j), entry) in covariance.indexed_iter_mut() {
        *entry /= sizes[i] * sizes[j];
    }
    DenseGaussian::from_covariance(Array1::from(mode.position.clone()), &covariance)
        .map(LocalGaussian::Dense)
        .map_err(|_| InitError::NoGaussian)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gaussian::GaussianApproximation;
    use crate::model::{Gaussian, Mixture};
    use crate::random::stream;
    use ndarray::array;
    use ndarray_linalg::Norm;

    #[test]
    fn laplace_is_exact_for_a_gaussian() {
        let target = Gaussian::with_condition_number(12, 1e6, &mut stream(3, 0));
        let family = laplace(&target, 1).unwrap().dense();
        assert!((&family.covariance() - target.covariance()).norm_l2() < 1e-4 * target.covariance().norm_l2());
        let whitened = family.noise(target.mean().view().insert_axis(ndarray::Axis(0))).unwrap();
        assert!(whitened.norm_l2() < 0.01, "{whitened}");
    }

    #[test]
    fn the_map_is_the_higher_mode() {
        let target =
            Mixture(vec![Gaussian::new(array![-1.0], array![[0.1]]), Gaussian::new(array![1.5], array![[0.3]])]);
        let family = map(&target, 1).unwrap().dense();
        assert!((family.mean()[0] + 1.0).abs() < 0.01, "{}", family.mean());
    }
}
