//! What is recorded of a run at each iteration.

use crate::gaussian::GaussianApproximation;
use ndarray::{Array1, ArrayView2, Axis};

/// One line of a fit's trace: q as it was when the batch was drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TraceRow {
    /// The iteration, from 0.
    pub iteration: usize,
    /// Gradient evaluations of the target so far, the batch's included.
    pub gradient_evaluations: u64,
    /// The score divergence per dimension, estimated by the batch.
    pub score_divergence: f64,
    /// The evidence lower bound, estimated by the batch.
    pub elbo: f64,
    /// Draws that the target rejected.
    pub rejected: usize,
    /// The errors, where the answer is known.
    pub errors: Option<TraceErrors>,
}

/// Marginal means and standard deviations on the unconstrained scale, each of length D.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    /// The means.
    pub mean: Array1<f64>,
    /// The standard deviations.
    pub sds: Array1<f64>,
}

impl Moments {
    /// The moments of `draws` (n × D).
    pub fn of(draws: ArrayView2<'_, f64>) -> Self {
        let mean = draws.mean_axis(Axis(0)).unwrap_or_else(|| Array1::from_elem(draws.ncols(), f64::NAN));
        Self { mean, sds: draws.std_axis(Axis(0), 1.0) }
    }

    /// The largest errors of the marginal moments of `gaussian`.
    pub(super) fn errors(&self, gaussian: &impl GaussianApproximation) -> TraceErrors {
        let largest = |errors: Array1<f64>| errors.iter().fold(0.0_f64, |largest, error| largest.max(error.abs()));
        TraceErrors {
            location: largest((&gaussian.mean() - &self.mean) / &self.sds),
            log_scale: largest((gaussian.sds() / &self.sds).mapv(f64::ln)),
        }
    }
}

/// The largest errors of the approximation's marginal means and standard deviations, on the
/// unconstrained scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TraceErrors {
    /// |E_q − E| / sd.
    pub location: f64,
    /// |ln(sd_q / sd)|.
    pub log_scale: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gaussian::DenseGaussian;
    use ndarray::array;

    #[test]
    fn errors_are_the_largest() {
        let reference = Moments::of(array![[0.0, -1.0], [2.0, 3.0], [1.0, 1.0]].view());
        let gaussian = DenseGaussian::diagonal(array![1.5, 0.0], &array![0.5, 2.0]);
        let TraceErrors { location, log_scale } = reference.errors(&gaussian);
        assert!((location - 0.5).abs() < 1e-15, "{location}");
        assert!((log_scale - 2.0_f64.ln()).abs() < 1e-15, "{log_scale}");
    }
}
