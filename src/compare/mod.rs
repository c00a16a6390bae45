//! How far draws are from reference draws: location, scale and 1-Wasserstein distance of every quantity of the reference.

mod marginal;
mod wasserstein;

use std::collections::HashMap;

use ndarray::ArrayView1;
use serde::Serialize;
use thiserror::Error;

use crate::database::{Reference, Summaries};
use crate::diagnostics::is_heavy_tailed;
use crate::draws::{Draws, stan_name};
use marginal::Marginal;
pub use wasserstein::wasserstein_1;

/// Draws are within tolerance when no location error and no log-scale error is larger than this, in units of the reference's
/// scale. Exact draws are, when there are 2 000 or more of them.
pub const TOLERANCE: f64 = 0.1;

/// How many names an error lists.
const NAMES_LISTED: usize = 8;

/// Draws held against reference draws, as `--json` has it. What is not finite becomes null.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// The name of the reference posterior.
    pub reference: String,
    /// How many draws the reference has.
    pub reference_draws: usize,
    /// The largest location error.
    pub max_location_error: f64,
    /// The largest log-scale error.
    pub max_log_scale_error: f64,
    /// The mean of the 1-Wasserstein distances, over the quantities with reference draws.
    pub mean_w1: f64,
    /// The largest 1-Wasserstein distance.
    pub max_w1: f64,
    /// Whether no location error and no log-scale error exceeds [`TOLERANCE`].
    pub within_tolerance: bool,
    /// Each quantity of the reference, in its order; those of which it keeps no draws come last.
    pub parameters: Vec<ParameterComparison>,
    /// Quantities of the draws that the reference lacks, so that nothing is said about them.
    #[serde(skip)]
    pub left_out: Vec<String>,
}

/// One quantity's draws held against its reference draws.
#[derive(Debug, Clone, Serialize)]
pub struct ParameterComparison {
    /// The quantity's name.
    pub name: String,
    /// Whether the reference is too heavy-tailed for moments: then location and scale are the median and half the central
    /// 68 % interval, else mean and standard deviation.
    pub robust: bool,
    /// The draws' location.
    pub location: f64,
    /// The draws' scale.
    pub scale: f64,
    /// The reference's location.
    pub reference_location: f64,
    /// The reference's scale.
    pub reference_scale: f64,
    /// |location − reference location| / reference scale. For a constant of the reference: 0 when the draws are that constant,
    /// else infinite.
    pub location_error: f64,
    /// |ln(scale / reference scale)|; 0 when both are constant.
    pub log_scale_error: f64,
    /// The 1-Wasserstein distance in units of the reference's scale; as `location_error` for a constant. NaN for a quantity of
    /// which the reference keeps no draws.
    pub w1: f64,
}

/// Why draws cannot be held against a reference.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CompareError {
    /// The reference has quantities that the draws lack.
    #[error("the draws lack {} of the {total} quantities of the reference `{reference}`: {}", .missing.len(), listed(.missing))]
    Missing {
        /// The reference posterior.
        reference: String,
        /// How many quantities it has.
        total: usize,
        /// Those that the draws lack.
        missing: Vec<String>,
    },
    /// A draw of a quantity to compare is not finite.
    #[error("`{name}` is {value} in {of}, first in draw {draw}")]
    NotFinite {
        /// Whose draw.
        of: &'static str,
        /// The quantity.
        name: String,
        /// `NaN`, `inf` or `-inf`.
        value: String,
        /// The first such draw, counted from 1 over all chains.
        draw: usize,
    },
    /// One draw has no scale.
    #[error("{of} holds fewer than two draws, which have no scale")]
    TooFew {
        /// The draws or the reference.
        of: &'static str,
    },
    /// The reference has no quantity but a sampler's own.
    #[error("the reference `{0}` has no quantities to compare")]
    NoQuantities(String),
}

/// Holds `draws` against `reference`, quantity by quantity, by name (`theta.1` is `theta[1]`). A sampler's own columns, whose
/// names end in `__`, are ignored.
///
/// # Errors
/// When the draws lack a quantity of the reference, a draw of one is not finite, or there are fewer than two draws.
pub fn compare(draws: &Draws, reference: &Reference) -> Result<Comparison, CompareError> {
    for (draws, of) in [(draws, DRAWS), (&reference.draws, REFERENCE)] {
        if draws.len() < 2 {
            return Err(CompareError::TooFew { of });
        }
    }
    let column: HashMap<String, usize> =
        draws.names().iter().enumerate().map(|(index, name)| (stan_name(name), index)).collect();
    let quantities = quantities(reference);
    if quantities.is_empty() {
        return Err(CompareError::NoQuantities(reference.name.clone()));
    }
    let missing: Vec<String> =
        quantities.iter().map(|(name, _)| name).filter(|&name| !column.contains_key(name)).cloned().collect();
    if !missing.is_empty() {
        return Err(CompareError::Missing { reference: reference.name.clone(), total: quantities.len(), missing });
    }
    let mut compared = vec![false; draws.names().len()];
    let mut parameters = Vec::with_capacity(quantities.len());
    let mut with_draws = 0;
    for (name, known) in quantities {
        let matched = column[&name];
        compared[matched] = true;
        let values = finite(draws.values().column(matched), &name, DRAWS)?;
        parameters.push(match known {
            Known::Draws(column) => {
                with_draws += 1;
                let theirs = finite(reference.draws.values().column(column), &name, REFERENCE)?;
                compare_with_draws(name, values, theirs)
            }
            Known::Marginal { robust, marginal } => compare_with_marginal(name, values, robust, &marginal),
        });
    }
    let left_out = draws.names().iter().zip(compared).filter(|(name, compared)| !compared && !name.ends_with("__"));
    let left_out = left_out.map(|(name, _)| name.clone()).collect();
    let max_location_error = largest(parameters.iter().map(|it| it.location_error));
    let max_log_scale_error = largest(parameters.iter().map(|it| it.log_scale_error));
    Ok(Comparison {
        reference: reference.name.clone(),
        reference_draws: reference.draws.len(),
        max_location_error,
        max_log_scale_error,
        mean_w1: parameters[..with_draws].iter().map(|it| it.w1).sum::<f64>() / with_draws as f64,
        max_w1: largest(parameters[..with_draws].iter().map(|it| it.w1)),
        within_tolerance: max_location_error <= TOLERANCE && max_log_scale_error <= TOLERANCE,
        parameters,
        left_out,
    })
}

const DRAWS: &str = "the draws";
const REFERENCE: &str = "the reference";

/// What a reference knows of a quantity.
enum Known {
    /// Draws, in this column.
    Draws(usize),
    Marginal {
        robust: bool,
        marginal: Marginal,
    },
}

/// The quantities to compare, those with draws first; a sampler's own are none.
fn quantities(reference: &Reference) -> Vec<(String, Known)> {
    let draws = reference.draws.names().iter().enumerate();
    let draws = draws.map(|(column, name)| (stan_name(name), Known::Draws(column)));
    let Summaries { names, mean, sd, q16, q50, q84, heavy_tailed, .. } = &reference.info.summaries;
    let summaries = (0..names.len()).map(|index| {
        let robust = heavy_tailed[index];
        let marginal = if robust {
            Marginal { location: q50[index], scale: 0.5 * (q84[index] - q16[index]) }
        } else {
            Marginal { location: mean[index], scale: sd[index] }
        };
        (names[index].clone(), Known::Marginal { robust, marginal })
    });
    draws.chain(summaries).filter(|(name, _)| !name.ends_with("__")).collect()
}

fn compare_with_draws(name: String, mut draws: Vec<f64>, mut reference: Vec<f64>) -> ParameterComparison {
    let robust = is_heavy_tailed(&reference);
    draws.sort_by(f64::total_cmp);
    reference.sort_by(f64::total_cmp);
    let theirs = Marginal::of(robust, &reference);
    let w1 = Marginal::of(robust, &draws).w1(&draws, &theirs, &reference);
    ParameterComparison { w1, ..compare_with_marginal(name, draws, robust, &theirs) }
}

fn compare_with_marginal(name: String, mut draws: Vec<f64>, robust: bool, theirs: &Marginal) -> ParameterComparison {
    draws.sort_by(f64::total_cmp);
    let ours = Marginal::of(robust, &draws);
    ParameterComparison {
        name,
        robust,
        location: ours.location,
        scale: ours.scale,
        reference_location: theirs.location,
        reference_scale: theirs.scale,
        location_error: ours.location_error(theirs),
        log_scale_error: ours.log_scale_error(theirs),
        w1: f64::NAN,
    }
}

fn finite(values: ArrayView1<f64>, name: &str, of: &'static str) -> Result<Vec<f64>, CompareError> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(values.to_vec()),
        Some(row) => {
            let value = values[row].to_string();
            Err(CompareError::NotFinite { of, name: name.to_owned(), value, draw: row + 1 })
        }
    }
}

/// The largest of errors; NaN, which no tolerance admits, when one is (f64::max would pass over it).
fn largest(errors: impl Iterator<Item = f64>) -> f64 {
    errors.fold(0.0, |largest, error| if error.is_nan() || error > largest { error } else { largest })
}

fn listed(names: &[String]) -> String {
    let shown = names.iter().take(NAMES_LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES_LISTED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests;
