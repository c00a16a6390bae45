//! What a comparison says, and why there is none.

use thiserror::Error;

/// How many names an error lists.
const NAMES_LISTED: usize = 8;

/// Draws are within tolerance when no location error and no log-scale error is larger than this, in units of the
/// reference's scale. Exact draws are, when there are 2 000 or more of them.
pub const TOLERANCE: f64 = 0.1;

/// Draws compared with reference draws.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// The name of the reference posterior.
    pub reference: String,
    /// How many draws the reference has.
    pub reference_draws: usize,
    /// The largest location error.
    pub max_location_error: f64,
    /// The largest log-scale error.
    pub max_log_scale_error: f64,
    /// The mean of the location errors.
    pub mean_location_error: f64,
    /// The mean of the log-scale errors.
    pub mean_log_scale_error: f64,
    /// The mean of the 1-Wasserstein distances, over the quantities with reference draws.
    pub mean_w1: f64,
    /// The largest 1-Wasserstein distance.
    pub max_w1: f64,
    /// The sliced 1-Wasserstein distance: the mean over random directions of the 1-Wasserstein distance of the
    /// projections of all quantities with reference draws, each in units of its reference scale. Constants of the
    /// reference are left out.
    pub sliced_w1: f64,
    /// The energy distance of the same, squared (2 E‖X − Y‖ − E‖X − X'‖ − E‖Y − Y'‖) and unbiased: 0 on average for
    /// exact draws, so negative at times.
    pub energy_distance: f64,
    /// What exact draws would show.
    pub floor: Floor,
    /// Whether no location error and no log-scale error exceeds [`TOLERANCE`].
    pub within_tolerance: bool,
    /// Each quantity of the reference, in its order; those of which it keeps no draws come last.
    pub parameters: Vec<ParameterComparison>,
    /// Quantities of the draws that the reference lacks, so that nothing is said about them.
    pub left_out: Vec<String>,
}

/// What each distance is on average for as many independent draws of the reference's own distribution, from seven ways
/// to halve the reference, over its quantities with draws; NaN where it has too few. A quantity of which a half has no
/// scale, such as the indicator of a rare event, is left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Floor {
    /// Of [`Comparison::max_location_error`].
    pub max_location_floor: f64,
    /// Of [`Comparison::max_log_scale_error`].
    pub max_log_scale_floor: f64,
    /// Of [`Comparison::mean_location_error`].
    pub mean_location_floor: f64,
    /// Of [`Comparison::mean_log_scale_error`].
    pub mean_log_scale_floor: f64,
    /// Of [`Comparison::mean_w1`].
    pub mean_w1_floor: f64,
    /// Of [`Comparison::max_w1`].
    pub max_w1_floor: f64,
    /// Of [`Comparison::sliced_w1`].
    pub sliced_w1_floor: f64,
    /// Of [`Comparison::energy_distance`]: the root mean square, as the mean is 0.
    pub energy_distance_floor: f64,
}

/// As [`Floor`], of one quantity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ParameterFloor {
    /// Of [`ParameterComparison::location_error`].
    pub location_floor: f64,
    /// Of [`ParameterComparison::log_scale_error`].
    pub log_scale_floor: f64,
    /// Of [`ParameterComparison::w1`].
    pub w1_floor: f64,
}

/// One quantity's draws compared with its reference draws.
#[derive(Debug, Clone)]
pub struct ParameterComparison {
    /// The quantity's name.
    pub name: String,
    /// Whether the reference is too heavy-tailed for moments, and its central 68 % are not one value: then location and
    /// scale are the median and half the central 68 % interval, else mean and standard deviation.
    pub robust: bool,
    /// Whether the reference has but one value, so that no scale measures errors.
    pub constant: bool,
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
    /// The 1-Wasserstein distance in units of the reference's scale; as `location_error` for a constant. NaN for a
    /// quantity of which the reference keeps no draws.
    pub w1: f64,
    /// What exact draws would show.
    pub floor: ParameterFloor,
}

/// Why draws cannot be compared with a reference.
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
    /// Nothing can be compared.
    #[error("the draws have no quantity of the reference `{reference}`, which has {}", listed(.names))]
    NothingShared {
        /// The reference.
        reference: String,
        /// Its quantities.
        names: Vec<String>,
    },
    /// What could be compared is not finite in the reference.
    #[error("every quantity shared with the reference `{reference}` has reference draws that are not finite: {}", listed(.names))]
    NothingFinite {
        /// The reference.
        reference: String,
        /// The quantities that both have.
        names: Vec<String>,
    },
    /// A draw of a quantity to compare is not finite.
    #[error("`{name}` has the value {value} in {of}, first at draw {draw}")]
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
    #[error("{of} must hold at least two draws")]
    TooFew {
        /// The draws or the reference.
        of: &'static str,
    },
    /// The reference has no quantity but a sampler's own.
    #[error("the reference `{0}` has no quantities to compare")]
    NoQuantities(String),
}

fn listed(names: &[String]) -> String {
    let shown = names.iter().take(NAMES_LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES_LISTED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
