//! Verdicts: what has become of a cell since the baseline, and how small a regression could have been seen.

use serde::Serialize;

/// The chance of one false alarm or more in a whole run, with three seeds or more.
pub const FALSE_ALARM_RATE: f64 = 1e-4;

/// What has become of a cell, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BaselineVerdict {
    /// Jobs have no fit that had one in the baseline.
    NewlyFailing,
    /// Jobs do not come to what the manifest expects.
    Unexpected,
    /// It is less accurate, takes more gradients, or is outside tolerance more often.
    Regressed,
    /// Fits are flagged that were not.
    NewlyFlagged,
    /// It is in the baseline, but not in the run.
    Missing,
    /// It is in the run, but not in the baseline, or there in other units: it has gained or lost its reference.
    New,
    /// It is more accurate or takes fewer gradients.
    Improved,
    /// Nothing beyond noise.
    Passed,
}

impl BaselineVerdict {
    /// Whether a run with it ends with exit code 3.
    pub fn is_regression(self) -> bool {
        matches!(self, Self::NewlyFailing | Self::Unexpected | Self::Regressed | Self::NewlyFlagged)
    }

    /// The verdict for a person to read.
    pub fn name(self) -> &'static str {
        match self {
            Self::NewlyFailing => "newly failing",
            Self::Unexpected => "unexpected",
            Self::Regressed => "regressed",
            Self::NewlyFlagged => "newly flagged",
            Self::Missing => "missing",
            Self::New => "new",
            Self::Improved => "improved",
            Self::Passed => "passed",
        }
    }
}

/// A cell of a run and its verdict, in JSON too.
#[derive(Debug, Clone, Serialize)]
pub struct CellVerdict {
    /// The posterior.
    pub posterior: String,
    /// The configuration.
    pub configuration: String,
    /// What has become of it.
    pub verdict: BaselineVerdict,
    /// Why, one sentence each.
    pub reasons: Vec<String>,
    /// How many jobs there are.
    pub jobs: usize,
    /// How many have a fit that can be trusted.
    pub ok: usize,
    /// How many fits are flagged.
    pub flagged: usize,
    /// How many have no fit.
    pub failed: usize,
    /// How many fits are within tolerance, of those compared with a reference.
    pub within: usize,
    /// How many are compared with a reference.
    pub compared: usize,
    /// The median over the jobs of the largest location error; null in JSON where it is infinite, or nothing is
    /// compared.
    pub location_error: Option<f64>,
    /// The median over the jobs of the largest log-scale error, likewise.
    pub log_scale_error: Option<f64>,
    /// The median number of gradient evaluations.
    pub gradient_evaluations: Option<f64>,
    /// The median wall time of a fit, in seconds.
    pub seconds: Option<f64>,
    /// The wall time over that of the posterior's first configuration, by name, in the same run.
    pub relative_time: Option<f64>,
}

/// How small a regression could be seen, with a chance of nine in ten, in the median over all comparisons of a kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sensitivity {
    /// How many numbers were compared.
    pub comparisons: usize,
    /// A bound of the chance of a false alarm in the whole run, with normal noise: [`FALSE_ALARM_RATE`], but for cells
    /// of one or two jobs, whose failures alone are more frequent.
    pub false_alarm_rate: f64,
    /// A bound of the same for the compared numbers whatever the noise is, when the numbers of a cell go astray
    /// together.
    pub distribution_free_bound: f64,
    /// A shift of a location, in units of the reference's scale.
    pub location: Option<f64>,
    /// A change of a log scale.
    pub log_scale: Option<f64>,
    /// The factor by which the gradient evaluations grow.
    pub gradient_factor: Option<f64>,
}
