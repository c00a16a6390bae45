//! A target seen in the coordinates u of x = μ + F u, in which a Gaussian N(μ, F Fᵀ) is the standard normal.

use super::{EvaluationError, Target};
use crate::gaussian::GaussianApproximation;
use crate::linalg::{row, row_mut};
use std::cell::RefCell;

thread_local! {
    /// A point and a score on the original scale: evaluations come by the thousand, from several threads.
    static SCRATCH: RefCell<(Vec<f64>, Vec<f64>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

/// `inner` in the coordinates u of x = μ + F u. Its log density includes log |det F|, so that it is the density of u,
/// and an ELBO or a normalising constant means the same on both scales.
#[derive(Debug)]
pub struct Whitened<T, F> {
    inner: T,
    family: F,
}

impl<T: Target, F: GaussianApproximation> Whitened<T, F> {
    /// Views `inner` in the coordinates of `family`, which has its dimension.
    pub fn new(inner: T, family: F) -> Self {
        assert_eq!(family.dim(), inner.dim(), "the family must have the target's dimension");
        Self { inner, family }
    }

    /// The Gaussian that is the standard normal in these coordinates.
    pub fn approximation(&self) -> &F {
        &self.family
    }

    /// The point x of u, written to `x`.
    pub fn original(&self, u: &[f64], x: &mut [f64]) {
        self.family.draws(row(u), row_mut(x));
    }

    fn with_scratch<R>(&self, evaluate: impl FnOnce(&mut [f64], &mut [f64]) -> R) -> R {
        // Taken out, not borrowed: a whitened target may hold another.
        let (mut x, mut score) = SCRATCH.take();
        x.resize(self.dim(), 0.0);
        score.resize(self.dim(), 0.0);
        let result = evaluate(&mut x, &mut score);
        SCRATCH.set((x, score));
        result
    }
}

impl<T: Target, F: GaussianApproximation> Target for Whitened<T, F> {
    fn dim(&self) -> usize {
        self.family.dim()
    }

    fn log_density(&self, u: &[f64]) -> Result<f64, EvaluationError> {
        self.with_scratch(|x, _| {
            self.original(u, x);
            Ok(self.inner.log_density(x)? + self.family.log_det_factor())
        })
    }

    fn log_density_and_score(&self, u: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
        self.with_scratch(|x, original_score| {
            self.original(u, x);
            let value = self.inner.log_density_and_score(x, original_score)?;
            self.family.multiply_transposed(row(original_score), row_mut(score));
            Ok(value + self.family.log_det_factor())
        })
    }

    fn gradients_per_product(&self) -> u64 {
        self.inner.gradients_per_product()
    }

    fn hessian_vector(&self, u: &[f64], v: &[f64], out: &mut [f64]) -> Result<(), EvaluationError> {
        self.with_scratch(|x, product| {
            self.original(u, x);
            let mut direction = vec![0.0; v.len()];
            self.family.multiply(row(v), row_mut(&mut direction));
            self.inner.hessian_vector(x, &direction, product)?;
            self.family.multiply_transposed(row(product), row_mut(out));
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gaussian::DenseGaussian;
    use crate::model::{Banana, Gaussian, check_gradient};
    use crate::random::stream;
    use ndarray::array;

    #[test]
    fn a_gaussian_whitened_by_itself_is_the_standard_normal() {
        let gaussian = Gaussian::with_condition_number(5, 1e6, &mut stream(1, 0));
        let family = DenseGaussian::from_covariance(gaussian.mean().clone(), gaussian.covariance()).unwrap();
        let target = Whitened::new(&gaussian, family);
        let u = [0.3, -1.0, 2.0, 0.0, 0.7];
        let mut score = [0.0; 5];
        let value = target.log_density_and_score(&u, &mut score).unwrap();
        let squared: f64 = u.iter().map(|u| u * u).sum();
        let expected = -0.5 * squared - 2.5 * (2.0 * std::f64::consts::PI).ln();
        assert!((value - expected).abs() < 1e-8 && (target.log_density(&u).unwrap() - expected).abs() < 1e-8);
        assert!(score.iter().zip(u).all(|(s, u)| (s + u).abs() < 1e-6), "{score:?}");
    }

    #[test]
    fn score_and_hessian_are_those_of_the_new_coordinates() {
        let family = DenseGaussian::from_covariance(array![0.2, -1.0], &array![[1.5, 0.3], [0.3, 0.8]]).unwrap();
        let target = Whitened::new(Banana, family);
        let (u, v) = ([0.4, -0.6], [1.0, 2.0]);
        assert!(check_gradient(&target, &u).unwrap().unwrap().error < 1.0);
        let mut product = [0.0; 2];
        target.hessian_vector(&u, &v, &mut product).unwrap();
        let score_at = |step: f64| {
            let mut score = [0.0; 2];
            target.log_density_and_score(&[u[0] + step * v[0], u[1] + step * v[1]], &mut score).unwrap();
            score
        };
        let (above, below) = (score_at(1e-5), score_at(-1e-5));
        for element in 0..2 {
            let difference = (above[element] - below[element]) / 2e-5;
            assert!((product[element] - difference).abs() < 1e-5 * difference.abs().max(1.0));
        }
    }
}
