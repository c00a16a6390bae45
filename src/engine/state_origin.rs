//! What a saved state is of.

use crate::model::Model;
use serde::{Deserialize, Serialize};

/// Relative to the log densities: by how much their difference may differ between an instant and a compiled model, or
/// two machines. They sum many terms in different orders.
const SAME: f64 = 1e-6;

/// What a state is of: enough to tell a fit of another posterior, or with another seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StateOrigin {
    /// The names of the unconstrained parameters.
    pub(super) names: Vec<String>,
    /// The log density at one point less that at another, both near the origin: it does not depend on constants. None
    /// where the program rejects a point.
    log_density_difference: Option<f64>,
    /// The seed of all random numbers.
    pub(super) seed: u64,
    /// The size of the log densities, for what their difference is exact to.
    #[serde(skip)]
    size: f64,
}

impl StateOrigin {
    /// Of a fit of `model` with this seed.
    pub fn of(model: &dyn Model, seed: u64) -> Self {
        let coordinates = || (1..=model.dim()).map(|index| index as f64);
        let points: [Vec<f64>; 2] =
            [coordinates().map(|i| 0.1 * i.sin()).collect(), coordinates().map(|i| 0.1 * i.cos()).collect()];
        let heights = points.map(|point| model.log_density(&point).ok().filter(|height| height.is_finite()));
        let names = model.unconstrained_names();
        let [Some(one), Some(other)] = heights else {
            return Self { names, log_density_difference: None, seed, size: 0.0 };
        };
        Self { names, log_density_difference: Some(one - other), seed, size: one.abs().max(other.abs()) }
    }

    /// Whether `saved` is of the same posterior, as far as is known.
    pub(super) fn is_of_same_posterior(&self, saved: &Self) -> bool {
        let differences = self.log_density_difference.zip(saved.log_density_difference);
        let agree = |(one, other): (f64, f64)| (one - other).abs() <= SAME * self.size.max(1.0);
        self.names == saved.names && differences.is_none_or(agree)
    }
}
