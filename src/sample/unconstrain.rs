//! Draws from the constrained to the unconstrained scale.

use crate::draws::{Draws, stan_name};
use crate::model::Model;
use ndarray::Array2;
use rayon::prelude::*;
use std::collections::HashMap;
use thiserror::Error;

/// Why draws cannot be brought to the unconstrained scale.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum UnconstrainError {
    /// A parameter is not among the draws, which may hold transformed parameters alone.
    #[error("the draws lack {count} of the program's parameters, the first `{first}`")]
    Missing {
        /// How many are missing.
        count: usize,
        /// The first.
        first: String,
    },
    /// A draw is outside the support, perhaps by rounding.
    #[error("draw {draw} does not fit the program's parameters: {reason}")]
    Draw {
        /// The draw, counted from 1 over all chains.
        draw: usize,
        /// What the program said.
        reason: String,
    },
}

/// The points of draws that hold all parameters of the program, by name (`theta.1` is `theta[1]`): draws × D.
pub fn unconstrain(target: &dyn Model, draws: &Draws) -> Result<Array2<f64>, UnconstrainError> {
    let columns: HashMap<String, usize> =
        draws.names().iter().enumerate().map(|(index, name)| (stan_name(name), index)).collect();
    let parameters = &target.names()[..target.parameter_count()];
    let (found, missing): (Vec<_>, Vec<_>) = parameters.iter().partition(|&name| columns.contains_key(name));
    if let Some(&first) = missing.first() {
        return Err(UnconstrainError::Missing { count: missing.len(), first: first.clone() });
    }
    let found: Vec<usize> = found.into_iter().map(|name| columns[name]).collect();
    let rows: Vec<Vec<f64>> = (0..draws.len())
        .into_par_iter()
        .map(|row| {
            let values: Vec<f64> = found.iter().map(|&column| draws.values()[[row, column]]).collect();
            let point = target.unconstrain(&values);
            point.map_err(|error| UnconstrainError::Draw { draw: row + 1, reason: error.to_string() })
        })
        .collect::<Result<_, _>>()?;
    Ok(Array2::from_shape_vec((rows.len(), target.dim()), rows.concat()).expect("every point has D coordinates"))
}
