//! What an engine sees of a posterior: an unnormalised log density on R^D and its score.

mod agreement;
mod check;
mod counting;
mod density;
mod posterior;
mod rejections;
mod synthetic;
mod synthetic_low_rank;
mod unconstrained;
mod whitened;

pub use agreement::{Agreement, compare_models};
pub use check::{GradientCheck, check_gradient};
pub use counting::{CountingTarget, Counts};
pub use density::Density;
pub use posterior::{Generator, Model};
pub(crate) use rejections::Recorder;
pub use rejections::{Reason, Rejections};
pub use synthetic::{Banana, Gaussian, Mixture, SinhArcsinh, StudentT};
pub use synthetic_low_rank::LowRankTarget;
pub use unconstrained::Unconstrained;
pub use whitened::Whitened;

use ndarray::{ArrayView2, ArrayViewMut2};
use thiserror::Error;

/// A log density on R^D with its score, the gradient of the log density.
pub trait Target: Sync {
    /// The dimension D. Every point, score and vector below has this length.
    fn dim(&self) -> usize;

    /// The log density at `x`, up to one constant for all `x`.
    fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError>;

    /// The log density at `x`, its gradient written to `score`. On rejection `score` holds no meaning.
    fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError>;

    /// The log densities and scores at the rows of `points` (n × D), written to `log_densities` (of length n) and to the
    /// rows of `scores` (n × D). A row whose log density is −∞ beforehand is left out. One that is rejected gets −∞
    /// and a score of zeros, and `rejected` hears why. Here row after row; what is cheaper for many points at once does
    /// it together.
    fn log_densities_and_scores(
        &self,
        points: ArrayView2<'_, f64>,
        mut scores: ArrayViewMut2<'_, f64>,
        log_densities: &mut [f64],
        rejected: &mut dyn FnMut(EvaluationError),
    ) {
        let rows = points.rows().into_iter().zip(scores.rows_mut()).zip(log_densities);
        for ((point, mut score), log_density) in rows.filter(|(_, value)| **value > f64::NEG_INFINITY) {
            let point = point.to_slice().expect("rows are contiguous");
            let slice = score.as_slice_mut().expect("rows are contiguous");
            *log_density = self.log_density_and_score(point, slice).unwrap_or_else(|error| {
                rejected(error);
                f64::NEG_INFINITY
            });
            if *log_density == f64::NEG_INFINITY {
                score.fill(0.0);
            }
        }
    }

    /// Gradient evaluations that one [`hessian_vector`](Self::hessian_vector) takes: none where it has a derivative of
    /// its own.
    fn gradients_per_product(&self) -> u64 {
        2
    }

    /// The product of the log density's Hessian at `x` with `v`, written to `out`: here the central difference of two
    /// scores, with a step that is relative to the sizes of `x` and `v`.
    fn hessian_vector(&self, x: &[f64], v: &[f64], out: &mut [f64]) -> Result<(), EvaluationError> {
        difference_of_scores(self, x, v, out)
    }
}

/// The product of the Hessian of `target`'s log density at `x` with `v`, written to `out`: the central difference of two
/// scores, with a step that is relative to the sizes of `x` and `v`.
pub(crate) fn difference_of_scores<T: Target + ?Sized>(
    target: &T,
    x: &[f64],
    v: &[f64],
    out: &mut [f64],
) -> Result<(), EvaluationError> {
    let norm = |a: &[f64]| a.iter().fold(0.0_f64, |m, &e| m.max(e.abs()));
    let size = norm(v);
    if size == 0.0 {
        out.fill(0.0);
        return Ok(());
    }
    // The cube root of the machine's precision balances truncation and rounding of a central difference.
    let step = f64::EPSILON.cbrt() * norm(x).max(1.0) / size;
    let shifted = |sign: f64| -> Vec<f64> { x.iter().zip(v).map(|(&x, &v)| x + sign * step * v).collect() };
    let mut below = vec![0.0; x.len()];
    target.log_density_and_score(&shifted(1.0), out)?;
    target.log_density_and_score(&shifted(-1.0), &mut below)?;
    for (out, below) in out.iter_mut().zip(below) {
        *out = (*out - below) / (2.0 * step);
    }
    Ok(())
}

/// Why a target has no usable density at a point. Samplers and engines treat the point as one of density zero, but a
/// defect ends a fit.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum EvaluationError {
    /// The log density or an element of the score is infinite or not a number.
    #[error("the log density or its gradient is not finite")]
    NotFinite,
    /// The program rejected the point, with its own words.
    #[error("{0}")]
    Program(String),
    /// The program is wrong, whatever the point: an index is out of range, or sizes do not match. In its own words.
    #[error("{0}")]
    Defect(String),
}
