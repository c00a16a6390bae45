//! What the engines' tests share.

use super::{Batch, Engine};
use crate::gaussian::{DenseGaussian, GaussianApproximation};
use crate::model::{EvaluationError, Gaussian, Target};
use crate::random::{standard_normal, stream};
use ndarray::{Array1, Array2, ArrayView1, Axis};
use ndarray_linalg::{Inverse, Norm};
use proptest::test_runner::TestCaseError;

/// A matrix of standard normal numbers.
pub fn random_matrix(rows: usize, columns: usize, seed: u64) -> Array2<f64> {
    standard_normal(&mut stream(seed, 7), (rows, columns))
}

/// A Gaussian with a random mean and a random, well-conditioned covariance.
pub fn random_gaussian(dim: usize, seed: u64) -> DenseGaussian {
    let a = random_matrix(dim, dim, seed);
    let covariance = a.dot(&a.t()) / dim as f64 + Array2::<f64>::eye(dim) * 0.5;
    DenseGaussian::from_covariance(random_matrix(1, dim, seed + 1).remove_axis(Axis(0)), &covariance).unwrap()
}

/// A batch drawn from `gaussian`.
pub fn batch_of(gaussian: &impl GaussianApproximation, target: &dyn Target, size: usize, seed: u64) -> Batch {
    let mut batch = Batch::new(size, gaussian.dim());
    batch.draw(gaussian, target, &mut stream(seed, 9), false);
    batch
}

/// v vᵀ.
pub fn outer(v: &Array1<f64>) -> Array2<f64> {
    v.view().insert_axis(Axis(1)).dot(&v.view().insert_axis(Axis(0)))
}

/// A target seen through x → A x + b: the density of y = A x + b, whose score is A⁻ᵀ that of x.
struct Mapped<'a> {
    inner: &'a dyn Target,
    inverse: Array2<f64>,
    offset: Array1<f64>,
}

impl Target for Mapped<'_> {
    fn dim(&self) -> usize {
        self.inner.dim()
    }
    fn log_density(&self, y: &[f64]) -> Result<f64, EvaluationError> {
        self.log_density_and_score(y, &mut vec![0.0; y.len()])
    }
    fn log_density_and_score(&self, y: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
        let x = self.inverse.dot(&(&ArrayView1::from(y) - &self.offset));
        let mut inner = vec![0.0; y.len()];
        let value = self.inner.log_density_and_score(x.as_slice().unwrap(), &mut inner)?;
        score.copy_from_slice(self.inverse.t().dot(&ArrayView1::from(&inner)).as_slice().unwrap());
        Ok(value)
    }
}

/// Maps target, start and draws by x → A x + b, steps both, and compares the mapped result with the
/// result of the mapped. The noise is the same, so with factor A F the draws are the mapped draws.
pub fn affine_equivariance<E: Engine<Approximation = DenseGaussian>>(
    engine: impl Fn(DenseGaussian) -> E,
    lambda: f64,
    seed: u64,
    dim: usize,
    size: usize,
) -> Result<(), TestCaseError> {
    let target = Gaussian::with_condition_number(dim, 20.0, &mut stream(seed, 1));
    let map = random_matrix(dim, dim, seed + 2) / (dim as f64).sqrt() + Array2::<f64>::eye(dim) * 2.0;
    let offset = random_matrix(1, dim, seed + 3).remove_axis(Axis(0));
    let mapped_target = Mapped { inner: &target, inverse: map.inv().unwrap(), offset: offset.clone() };
    let start = random_gaussian(dim, seed);
    let mapped_start = start.mapped(&map, &offset);
    let (mut plain, mut mapped) = (engine(start), engine(mapped_start));
    for step in 0..3 {
        let batch = batch_of(plain.approximation(), &target, size, seed + step);
        let mapped_batch = batch_of(mapped.approximation(), &mapped_target, size, seed + step);
        plain.step(&batch, lambda).unwrap();
        mapped.step(&mapped_batch, lambda).unwrap();
    }
    let expected = plain.approximation().clone().mapped(&map, &offset);
    let size = expected.covariance().norm_l2();
    let error = (&mapped.approximation().covariance() - &expected.covariance()).norm_l2();
    proptest::prop_assert!(error < 1e-6 * size, "covariance: {error} of {size}");
    let error = (&mapped.approximation().mean() - &expected.mean()).norm_l2();
    proptest::prop_assert!(error < 1e-6 * (1.0 + expected.mean().norm_l2()), "mean: {error}");
    Ok(())
}
