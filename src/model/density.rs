//! A target from a closure.

use super::{EvaluationError, Target};
use std::fmt;

/// A log density on R^D given as a closure, which returns the log density at a point and writes its gradient.
///
/// ```
/// use stanmatch::model::{Density, Target};
///
/// // Independent Student-t variables with 5 degrees of freedom, up to a constant.
/// let student = Density::new(10, |x: &[f64], score: &mut [f64]| {
///     x.iter().zip(score).map(|(x, score)| {
///         *score = -6.0 * x / (5.0 + x * x);
///         -3.0 * (x * x / 5.0).ln_1p()
///     }).sum()
/// });
/// assert_eq!(student.log_density(&[0.0; 10]), Ok(0.0));
/// ```
pub struct Density<F> {
    dim: usize,
    log_density_and_score: F,
}

impl<F> fmt::Debug for Density<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Density").field("dim", &self.dim).finish_non_exhaustive()
    }
}

impl<F: Fn(&[f64], &mut [f64]) -> f64 + Sync> Density<F> {
    /// The density on R^`dim` whose logarithm at `x` is the closure's value, up to a constant, and whose gradient the
    /// closure writes to its second argument. Where either is not finite the density counts as zero.
    pub fn new(dim: usize, log_density_and_score: F) -> Self {
        Self { dim, log_density_and_score }
    }
}

impl<F: Fn(&[f64], &mut [f64]) -> f64 + Sync> Target for Density<F> {
    fn dim(&self) -> usize {
        self.dim
    }

    fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
        let value = (self.log_density_and_score)(x, &mut vec![0.0; self.dim]);
        if value.is_finite() { Ok(value) } else { Err(EvaluationError::NotFinite) }
    }

    fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
        let value = (self.log_density_and_score)(x, score);
        let is_finite = value.is_finite() && score.iter().all(|score| score.is_finite());
        if is_finite { Ok(value) } else { Err(EvaluationError::NotFinite) }
    }
}
