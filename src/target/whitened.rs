//! A target seen in the coordinates u of x = location + factor · u, in which an approximation to it is a standard normal.

use super::{Rejected, Target};
use ndarray::linalg::general_mat_vec_mul;
use ndarray::{Array1, Array2, ArrayView1, ArrayViewMut1};
use std::cell::RefCell;

thread_local! {
    /// A point and a score on the original scale: evaluations come by the thousand, from several threads.
    static SCRATCH: RefCell<(Vec<f64>, Vec<f64>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

/// `inner` in the coordinates u of x = location + factor · u. Its log density includes log |det factor|, so that it is the
/// density of u, and an ELBO or a normalising constant means the same on both scales.
pub struct Whitened<T> {
    inner: T,
    location: Array1<f64>,
    factor: Array2<f64>,
    log_det: f64,
}

impl<T: Target> Whitened<T> {
    /// Views `inner` through x = location + factor · u; `log_det` is log |det factor|.
    pub fn new(inner: T, location: Array1<f64>, factor: Array2<f64>, log_det: f64) -> Self {
        let dim = inner.dim();
        assert_eq!(
            (location.len(), factor.dim()),
            (dim, (dim, dim)),
            "location and factor must have the target's dimension"
        );
        Self { inner, location, factor, log_det }
    }

    /// The point x of u, written to `x`.
    pub fn original(&self, u: &[f64], x: &mut [f64]) {
        let mut x = ArrayViewMut1::from(x);
        x.assign(&self.location);
        general_mat_vec_mul(1.0, &self.factor, &ArrayView1::from(u), 1.0, &mut x);
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

impl<T: Target> Target for Whitened<T> {
    fn dim(&self) -> usize {
        self.location.len()
    }

    fn log_density(&self, u: &[f64]) -> Result<f64, Rejected> {
        self.with_scratch(|x, _| {
            self.original(u, x);
            Ok(self.inner.log_density(x)? + self.log_det)
        })
    }

    fn log_density_and_score(&self, u: &[f64], score: &mut [f64]) -> Result<f64, Rejected> {
        self.with_scratch(|x, original_score| {
            self.original(u, x);
            let value = self.inner.log_density_and_score(x, original_score)?;
            let mut score = ArrayViewMut1::from(score);
            general_mat_vec_mul(1.0, &self.factor.t(), &ArrayView1::from(&*original_score), 0.0, &mut score);
            Ok(value + self.log_det)
        })
    }

    fn hessian_vector(&self, u: &[f64], v: &[f64], out: &mut [f64]) -> Result<(), Rejected> {
        self.with_scratch(|x, product| {
            self.original(u, x);
            let direction = self.factor.dot(&ArrayView1::from(v)).to_vec();
            self.inner.hessian_vector(x, &direction, product)?;
            let mut out = ArrayViewMut1::from(out);
            general_mat_vec_mul(1.0, &self.factor.t(), &ArrayView1::from(&*product), 0.0, &mut out);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::stream;
    use crate::target::{Banana, Gaussian, check_gradient};
    use ndarray::array;
    use ndarray_linalg::{Cholesky, UPLO};

    #[test]
    fn a_gaussian_whitened_by_itself_is_the_standard_normal() {
        let gaussian = Gaussian::with_condition_number(5, 1e6, &mut stream(1, 0));
        let factor = gaussian.covariance().cholesky(UPLO::Lower).unwrap();
        let log_det: f64 = factor.diag().iter().map(|d: &f64| d.ln()).sum();
        let target = Whitened::new(&gaussian, gaussian.mean().clone(), factor, log_det);
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
        let target = Whitened::new(Banana, array![0.2, -1.0], array![[1.5, 0.3], [-0.4, 0.8]], 0.1);
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
