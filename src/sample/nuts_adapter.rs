//! A target as nuts-rs sees it.

use crate::model::{EvaluationError, Target};
use nuts_rs::{CpuLogpFunc, CpuMathError, HasDims, LogpError};
use std::collections::HashMap;

/// The density that a chain explores.
pub(super) struct Density<'a, T>(pub &'a T);

impl LogpError for EvaluationError {
    /// A rejected point has density zero: it ends a trajectory, not the chain.
    fn is_recoverable(&self) -> bool {
        true
    }
}

impl<T: Target> HasDims for Density<'_, T> {
    fn dim_sizes(&self) -> HashMap<String, u64> {
        HashMap::from([("unconstrained_parameter".to_owned(), self.0.dim() as u64)])
    }
}

impl<T: Target> CpuLogpFunc for Density<'_, T> {
    type LogpError = EvaluationError;
    type FlowParameters = ();
    type ExpandedVector = Vec<f64>;

    fn dim(&self) -> usize {
        self.0.dim()
    }

    fn logp(&mut self, position: &[f64], gradient: &mut [f64]) -> Result<f64, EvaluationError> {
        self.0.log_density_and_score(position, gradient)
    }

    /// Nothing: draws are constrained after the run.
    fn expand_vector<R: nuts_rs::rand::Rng + ?Sized>(
        &mut self,
        _rng: &mut R,
        _position: &[f64],
    ) -> Result<Vec<f64>, CpuMathError> {
        Ok(Vec::new())
    }
}
