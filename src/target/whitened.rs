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
