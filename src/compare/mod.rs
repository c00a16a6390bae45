//! How far draws are from reference draws: location, scale and 1-Wasserstein distance of every quantity of the
//! reference, and distances of all quantities jointly. Beside each stands its Monte Carlo floor: what as many exact
//! draws would show.

mod common_variables;
mod comparison;
mod energy;
mod evidence_upper_bound;
mod floor;
mod location_scale;
mod pooled_wasserstein;
mod quantity;
mod sliced;
mod wasserstein;

use std::collections::{HashMap, HashSet};

use ndarray::{Array2, ArrayView1, Axis};
use rayon::prelude::*;

use crate::draws::{Draws, Reference, stan_name};
pub use common_variables::{Shared, shared};
pub use comparison::{CompareError, Comparison, Floor, ParameterComparison, ParameterFloor, TOLERANCE};
use energy::{Energy, energy_distance};
pub use evidence_upper_bound::{Eubo, eubo};
use floor::SPLITS;
use quantity::{Known, WithDraws, compare_with_marginal, quantities};
use sliced::sliced_wasserstein;
pub use wasserstein::wasserstein_1;

const DRAWS: &str = "the draws";
const REFERENCE: &str = "the reference";

/// Compares `draws` with `reference`, quantity by quantity, by name (`theta.1` is `theta[1]`). A sampler's own columns,
/// whose names end in `__`, are ignored.
///
/// ```
/// use stanmatch::compare::compare;
/// use stanmatch::draws::{Draws, Reference, ReferenceInfo};
/// use stanmatch::random::{standard_normal, stream};
///
/// // Exact draws of a normal variable, and draws that are half a standard deviation off.
/// let draws = |index, shift: f64| {
///     let values = standard_normal(&mut stream(1, index), (2000, 1)) + shift;
///     Draws::new(vec!["mu".to_owned()], values, vec![1000; 2])
/// };
/// let info = ReferenceInfo::default();
/// let reference = Reference { name: "normal".to_owned(), draws: draws(0, 0.0)?, info };
/// let [right, wrong] = [compare(&draws(1, 0.0)?, &reference)?, compare(&draws(2, 0.5)?, &reference)?];
/// assert!(right.within_tolerance && !wrong.within_tolerance);
/// assert!((wrong.max_location_error - 0.5).abs() < 0.1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When the draws lack a quantity of the reference, a draw of one is not finite, or there are fewer than two draws.
pub fn compare(draws: &Draws, reference: &Reference) -> Result<Comparison, CompareError> {
    for (draws, of) in [(draws, DRAWS), (&reference.draws, REFERENCE)] {
        if draws.len() < 2 {
            return Err(CompareError::TooFew { of });
        }
    }
    let columns: HashMap<String, usize> =
        draws.names().iter().enumerate().map(|(index, name)| (stan_name(name), index)).collect();
    let quantities = quantities(reference);
    if quantities.is_empty() {
        return Err(CompareError::NoQuantities(reference.name.clone()));
    }
    let missing: Vec<String> =
        quantities.iter().map(|(name, _)| name).filter(|&name| !columns.contains_key(name)).cloned().collect();
    if !missing.is_empty() {
        return Err(CompareError::Missing { reference: reference.name.clone(), total: quantities.len(), missing });
    }
    let used: HashSet<usize> = quantities.iter().map(|(name, _)| columns[name]).collect();
    let left_out =
        draws.names().iter().enumerate().filter(|(column, name)| !used.contains(column) && !name.ends_with("__"));
    let left_out = left_out.map(|(_, name)| name.clone()).collect();

    let (our_values, their_values) = (draws.values(), reference.draws.values());
    let compared: Vec<Compared> = quantities
        .into_par_iter()
        .map(|(name, known)| {
            let ours = columns[&name];
            let values = our_values.column(ours);
            check_finite(values, &name, DRAWS)?;
            Ok(match known {
                Known::Draws(theirs) => {
                    let known = their_values.column(theirs);
                    check_finite(known, &name, REFERENCE)?;
                    Compared::WithDraws(Box::new(WithDraws::new(name, values, known, [ours, theirs])))
                }
                Known::Marginal { robust, marginal } => {
                    Compared::WithMarginal(compare_with_marginal(name, values, robust, &marginal))
                }
            })
        })
        .collect::<Result<_, _>>()?;
    let with_draws: Vec<&WithDraws> = compared.iter().filter_map(Compared::with_draws).collect();
    let joint = Joint::of(&with_draws, draws, &reference.draws);
    let floor = floor(&with_draws, &joint);
    let w1: Vec<f64> = with_draws.iter().map(|it| it.parameter.w1).collect();
    let parameters: Vec<ParameterComparison> = compared.into_iter().map(Compared::parameter).collect();
    let errors = |error: fn(&ParameterComparison) -> f64| parameters.iter().map(error).collect::<Vec<f64>>();
    let (location, log_scale) = (errors(|it| it.location_error), errors(|it| it.log_scale_error));
    Ok(Comparison {
        reference: reference.name.clone(),
        reference_draws: reference.draws.len(),
        max_location_error: largest(&location),
        max_log_scale_error: largest(&log_scale),
        mean_location_error: mean(&location),
        mean_log_scale_error: mean(&log_scale),
        mean_w1: mean(&w1),
        max_w1: largest(&w1),
        sliced_w1: joint.sliced.0,
        energy_distance: joint.energy.distance,
        floor,
        within_tolerance: largest(&location) <= TOLERANCE && largest(&log_scale) <= TOLERANCE,
        parameters,
        left_out,
    })
}

enum Compared {
    WithDraws(Box<WithDraws>),
    WithMarginal(ParameterComparison),
}

impl Compared {
    fn with_draws(&self) -> Option<&WithDraws> {
        match self {
            Self::WithDraws(compared) => Some(compared.as_ref()),
            Self::WithMarginal(_) => None,
        }
    }

    fn parameter(self) -> ParameterComparison {
        match self {
            Self::WithDraws(compared) => compared.parameter,
            Self::WithMarginal(parameter) => parameter,
        }
    }
}

/// The distances of all quantities jointly, with their floors; NaN where all are constant.
struct Joint {
    sliced: (f64, f64),
    energy: Energy,
}

impl Joint {
    fn of(compared: &[&WithDraws], draws: &Draws, reference: &Draws) -> Self {
        let varying: Vec<&&WithDraws> = compared.iter().filter(|it| !it.parameter.constant).collect();
        if varying.is_empty() {
            let nothing = f64::NAN;
            return Self { sliced: (nothing, nothing), energy: Energy { distance: nothing, floor: nothing } };
        }
        let standardised = |draws: &Draws, which: usize| {
            let values = draws.values();
            let mut table = Array2::zeros((draws.len(), varying.len()));
            for (it, mut column) in varying.iter().zip(table.axis_iter_mut(Axis(1))) {
                let ParameterComparison { reference_location, reference_scale, .. } = it.parameter;
                column.zip_mut_with(&values.column(it.columns[which]), |to, value| {
                    *to = (value - reference_location) / reference_scale
                });
            }
            table
        };
        let (ours, theirs) = (standardised(draws, 0), standardised(reference, 1));
        Self {
            sliced: sliced_wasserstein(ours.view(), theirs.view()),
            energy: energy_distance(ours.view(), theirs.view()),
        }
    }
}

fn floor(compared: &[&WithDraws], joint: &Joint) -> Floor {
    // Of a rare event one half may have no case, and then no scale: the floors are those of the other quantities.
    let over_splits = |error: usize, over: fn(&[f64]) -> f64| {
        let halved: Vec<_> = compared.iter().map(|it| it.halves.map(|errors| errors[error])).collect();
        let halved: Vec<_> = halved.into_iter().filter(|errors| errors.iter().all(|error| error.is_finite())).collect();
        if halved.is_empty() {
            return f64::NAN;
        }
        let of_split = |split: usize| over(&halved.iter().map(|errors| errors[split]).collect::<Vec<f64>>());
        mean(&(0..SPLITS).map(of_split).collect::<Vec<f64>>())
    };
    Floor {
        max_location_floor: over_splits(0, largest),
        max_log_scale_floor: over_splits(1, largest),
        mean_location_floor: over_splits(0, mean),
        mean_log_scale_floor: over_splits(1, mean),
        mean_w1_floor: over_splits(2, mean),
        max_w1_floor: over_splits(2, largest),
        sliced_w1_floor: joint.sliced.1,
        energy_distance_floor: joint.energy.floor,
    }
}

fn check_finite(values: ArrayView1<f64>, name: &str, of: &'static str) -> Result<(), CompareError> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(row) => {
            let value = values[row].to_string();
            Err(CompareError::NotFinite { of, name: name.to_owned(), value, draw: row + 1 })
        }
    }
}

/// The largest of errors; NaN, which no tolerance admits, when one is (f64::max would pass over it).
fn largest(errors: &[f64]) -> f64 {
    errors.iter().fold(0.0, |largest, &error| if error.is_nan() || error > largest { error } else { largest })
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests;
