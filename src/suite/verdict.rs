//! Verdicts: what has become of each cell since the baseline, and how small a regression could have been seen.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Run;
use super::baseline::Baseline;
use super::baseline_test::{Levels, Pair, sensitivity};
use super::case::{CellSummary, cells};

/// The chance of one false alarm or more in a whole run, with three seeds or more.
pub const FALSE_ALARM_RATE: f64 = 1e-4;

/// What has become of a cell, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
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

impl Verdict {
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
    pub verdict: Verdict,
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

/// What a run came to.
#[derive(Debug, Clone, Serialize)]
pub struct Judgement {
    /// The suite's name.
    pub suite: String,
    /// How many jobs ran.
    pub jobs: usize,
    /// How many jobs of the plan have not run.
    pub jobs_missing: usize,
    /// Every cell, the worst first.
    pub cells: Vec<CellVerdict>,
    /// How small a regression could be seen; None without a baseline.
    pub sensitivity: Option<Sensitivity>,
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

impl Judgement {
    /// Whether something has regressed.
    pub fn has_regressed(&self) -> bool {
        self.cells.iter().any(|cell| cell.verdict.is_regression())
    }

    /// How many cells have each verdict, the worst first.
    pub fn counts(&self) -> BTreeMap<Verdict, usize> {
        let mut counts = BTreeMap::new();
        self.cells.iter().for_each(|cell| *counts.entry(cell.verdict).or_default() += 1);
        counts
    }

    /// Judges `run`, against `baseline` where there is one.
    pub fn new(run: &Run, baseline: Option<&Baseline>) -> Self {
        let cells = cells(&run.records);
        let pairs: Vec<Pair<'_>> = cells.iter().map(|cell| Pair::new(cell, baseline)).collect();
        let comparisons: usize = pairs.iter().map(|pair| pair.metrics.len()).sum();
        let levels = Levels::new(comparisons, cells.len());
        let mut verdicts: Vec<CellVerdict> = pairs.iter().map(|pair| pair.judge(&levels, baseline.is_some())).collect();
        relate_times(&mut verdicts);
        for cell in baseline.iter().flat_map(|baseline| baseline.cells.values()) {
            if !cells.iter().any(|it| (it.posterior, it.configuration) == (&*cell.posterior, &*cell.configuration)) {
                verdicts.push(missing(cell));
            }
        }
        verdicts.sort_by(|a, b| {
            let key = |it: &CellVerdict| (it.verdict, it.posterior.clone(), it.configuration.clone());
            key(a).cmp(&key(b))
        });
        Self {
            suite: run.header.suite.clone(),
            jobs: run.records.len(),
            jobs_missing: run.missing(),
            cells: verdicts,
            sensitivity: baseline.map(|_| sensitivity(&pairs, comparisons, &levels)),
        }
    }
}

fn missing(cell: &CellSummary) -> CellVerdict {
    CellVerdict {
        posterior: cell.posterior.clone(),
        configuration: cell.configuration.clone(),
        verdict: Verdict::Missing,
        reasons: vec!["in the baseline, but not in the run".to_owned()],
        jobs: 0,
        ok: 0,
        flagged: 0,
        failed: 0,
        within: 0,
        compared: 0,
        location_error: None,
        log_scale_error: None,
        gradient_evaluations: None,
        seconds: None,
        relative_time: None,
    }
}

/// Times mean something beside other times of the same run alone.
fn relate_times(cells: &mut [CellVerdict]) {
    let mut first: BTreeMap<String, f64> = BTreeMap::new();
    for cell in cells {
        if let Some(seconds) = cell.seconds {
            let unit = *first.entry(cell.posterior.clone()).or_insert(seconds);
            cell.relative_time = (unit > 0.0).then(|| seconds / unit);
        }
    }
}

/// The median; None of nothing.
pub(super) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[half]),
        _ => Some(0.5 * (values[half - 1] + values[half])),
    }
}

#[cfg(test)]
mod tests;
