//! Verdicts: what has become of each cell since the baseline, and how small a regression could have been seen.

use std::collections::BTreeMap;

use serde::Serialize;

use super::baseline::Baseline;
use super::cell::{CellRecords, CellSummary, Values, cells};
use super::statistics::{Comparison, Level, Sample, Shift, is_more_frequent, is_more_than_spontaneous};
use super::{FailureKind, Run, Status};

/// The chance of one false alarm or more in a whole run, shared out over its three families of tests.
pub const FALSE_ALARM_RATE: f64 = 1e-4;
const SHARE_OF_METRICS: f64 = 0.5;
const SHARE_OF_STATUSES: f64 = 0.25;
const SHARE_OF_EXPECTATIONS: f64 = 0.25;
/// Per cell: failed, flagged, outside tolerance.
const STATUS_TESTS: usize = 3;

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
    /// It is in the run, but not in the baseline.
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
    /// The median over the jobs of the largest location error.
    pub location_error: Option<f64>,
    /// The median over the jobs of the largest log-scale error.
    pub log_scale_error: Option<f64>,
    /// The median number of gradient evaluations.
    pub gradient_evaluations: Option<f64>,
    /// The median wall time of a fit, in seconds.
    pub seconds: Option<f64>,
    /// The wall time over that of the posterior's first configuration in the same run.
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
    /// The chance of a false alarm in the whole run, with normal noise.
    pub false_alarm_rate: f64,
    /// A bound of the same for the compared numbers whatever the noise is, when the numbers of a cell go astray together.
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
        let levels = Levels {
            metrics: Level {
                normal: SHARE_OF_METRICS * FALSE_ALARM_RATE / comparisons.max(1) as f64,
                // What makes noise strange, such as two modes, is common to all numbers of a cell.
                any: SHARE_OF_METRICS * FALSE_ALARM_RATE / cells.len().max(1) as f64,
            },
            statuses: SHARE_OF_STATUSES * FALSE_ALARM_RATE / (STATUS_TESTS * cells.len().max(1)) as f64,
            expectations: SHARE_OF_EXPECTATIONS * FALSE_ALARM_RATE / cells.len().max(1) as f64,
        };
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

/// The chance of a false alarm that each single test may have.
struct Levels {
    metrics: Level,
    statuses: f64,
    expectations: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Location,
    LogScale,
    Gradients,
}

/// A number of a cell that the baseline has too.
struct Metric<'a> {
    kind: Kind,
    quantity: &'a str,
    values: Values,
    baseline: &'a Sample,
}

impl Metric<'_> {
    fn comparison(&self) -> Option<Comparison<'_>> {
        Comparison::new(&self.values.values, self.values.noise(), self.baseline)
    }
}

/// A cell of the run beside the same cell of the baseline.
struct Pair<'a> {
    cell: &'a CellRecords<'a>,
    baseline: Option<&'a CellSummary>,
    metrics: Vec<Metric<'a>>,
}

impl<'a> Pair<'a> {
    fn new(cell: &'a CellRecords<'a>, baseline: Option<&'a Baseline>) -> Self {
        let key = (cell.posterior.to_owned(), cell.configuration.to_owned());
        let baseline = baseline.and_then(|baseline| baseline.cells.get(&key));
        let mut metrics = Vec::new();
        if let Some(known) = baseline {
            let mut add = |kind, quantity, values, baseline: Option<&'a Sample>| {
                metrics.extend(baseline.map(|baseline| Metric { kind, quantity, values, baseline }));
            };
            add(Kind::Gradients, "", cell.log_gradients(), known.log_gradients.as_ref());
            for (quantity, [location, log_scale]) in cell.parameters() {
                if let Some(known) = known.parameters.get(quantity) {
                    add(Kind::Location, quantity, location, known.location.as_ref());
                    add(Kind::LogScale, quantity, log_scale, known.log_scale.as_ref());
                }
            }
            metrics.retain(|metric| metric.comparison().is_some());
        }
        Self { cell, baseline, metrics }
    }

    fn judge(&self, levels: &Levels, has_baseline: bool) -> CellVerdict {
        let summary = self.cell.summary();
        let mut found: Vec<(Verdict, String)> = Vec::new();
        let unexpected = self.cell.unexpected();
        if is_more_than_spontaneous(unexpected, summary.jobs, levels.expectations) {
            let reason = format!("{unexpected} of {} jobs are not as expected{}", summary.jobs, self.first_failure());
            found.push((Verdict::Unexpected, reason));
        }
        match self.baseline {
            Some(baseline) => {
                found.extend(self.judge_statuses(&summary, baseline, levels.statuses));
                found.extend(self.metrics.iter().filter_map(|metric| self.judge_metric(metric, levels.metrics)));
            }
            None if has_baseline => found.push((Verdict::New, "not in the baseline".to_owned())),
            None => {}
        }
        found.sort_by_key(|(verdict, _)| *verdict);
        let records = &self.cell.records;
        let median_of = |value: fn(&super::JobRecord) -> Option<f64>| median(records.iter().filter_map(|it| value(it)));
        CellVerdict {
            posterior: summary.posterior,
            configuration: summary.configuration,
            verdict: found.first().map_or(Verdict::Passed, |(verdict, _)| *verdict),
            reasons: found.into_iter().map(|(_, reason)| reason).collect(),
            jobs: summary.jobs,
            ok: summary.jobs - summary.failed - summary.flagged,
            flagged: summary.flagged,
            failed: summary.failed,
            within: summary.compared - summary.outside,
            compared: summary.compared,
            location_error: median_of(|it| it.max_location_error),
            log_scale_error: median_of(|it| it.max_log_scale_error),
            gradient_evaluations: median_of(|it| it.gradient_evaluations.map(|count| count as f64)),
            seconds: median_of(|it| it.seconds),
            relative_time: None,
        }
    }

    /// What ended the first job without a fit.
    fn first_failure(&self) -> String {
        let failure = self.cell.records.iter().find_map(|record| record.failure.as_ref());
        failure.map_or_else(String::new, |failure| {
            let what = if failure.kind == FailureKind::Compile { "the program" } else { "the first failure" };
            format!("; {what}: {}", failure.message)
        })
    }

    fn judge_statuses(&self, run: &CellSummary, known: &CellSummary, level: f64) -> Vec<(Verdict, String)> {
        let mut found = Vec::new();
        let failing = match known.failed {
            0 => is_more_than_spontaneous(run.failed, run.jobs, level),
            _ => is_more_frequent(run.failed, run.jobs, known.failed, known.jobs, level),
        };
        let changed = |what: &str, now: usize, of: usize, before: usize, of_before: usize| {
            format!("{now} of {of} {what}, {before} of {of_before} in the baseline")
        };
        if failing {
            let reason = changed("jobs fail", run.failed, run.jobs, known.failed, known.jobs);
            found.push((Verdict::NewlyFailing, reason + &self.first_failure()));
        }
        let (fits, known_fits) = (run.jobs - run.failed, known.jobs - known.failed);
        if is_more_frequent(run.flagged, fits, known.flagged, known_fits, level) {
            let reason = changed("fits are flagged", run.flagged, fits, known.flagged, known_fits);
            let flagged = self.cell.records.iter().find(|record| record.status == Status::Flagged);
            let message = flagged.and_then(|record| record.messages.first());
            found.push((
                Verdict::NewlyFlagged,
                message.map_or(reason.clone(), |message| format!("{reason}: {message}")),
            ));
        }
        if is_more_frequent(run.outside, run.compared, known.outside, known.compared, level) {
            let reason =
                changed("fits are outside tolerance", run.outside, run.compared, known.outside, known.compared);
            found.push((Verdict::Regressed, reason));
        }
        found
    }

    fn judge_metric(&self, metric: &Metric<'_>, level: Level) -> Option<(Verdict, String)> {
        let comparison = metric.comparison()?;
        let shift = comparison.shift(level)?;
        let (before, now) = (metric.baseline.mean, comparison.mean());
        if metric.kind == Kind::Gradients {
            let verdict = if shift == Shift::Up { Verdict::Regressed } else { Verdict::Improved };
            return Some((verdict, format!("gradient evaluations went from {:.0} to {:.0}", before.exp(), now.exp())));
        }
        let what = match metric.kind {
            Kind::Location => "location",
            _ => "log scale",
        };
        let quantity = metric.quantity;
        if !self.cell.is_referenced() {
            // Without a reference nobody knows which of the two is right.
            return Some((Verdict::Regressed, format!("the {what} of {quantity} went from {before:.4} to {now:.4}")));
        }
        let verdict = if now.abs() > before.abs() { Verdict::Regressed } else { Verdict::Improved };
        let unit = if metric.kind == Kind::Location { " sd" } else { "" };
        let reason =
            format!("the {what} of {quantity} is off by {now:+.3}{unit}, by {before:+.3}{unit} in the baseline");
        Some((verdict, reason))
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

fn sensitivity(pairs: &[Pair<'_>], comparisons: usize, levels: &Levels) -> Sensitivity {
    let metrics = || pairs.iter().flat_map(|pair| &pair.metrics);
    let detectable = |kind: Kind| {
        let of_kind = metrics().filter(|metric| metric.kind == kind);
        median(of_kind.filter_map(|metric| Some(metric.comparison()?.detectable(levels.metrics))))
    };
    let bound = |metric: &Metric<'_>| metric.comparison().map_or(0.0, |it| it.distribution_free_bound(levels.metrics));
    let bounds = pairs.iter().map(|pair| pair.metrics.iter().map(bound).fold(0.0, f64::max));
    Sensitivity {
        comparisons,
        false_alarm_rate: FALSE_ALARM_RATE,
        distribution_free_bound: bounds.sum::<f64>().min(1.0),
        location: detectable(Kind::Location),
        log_scale: detectable(Kind::LogScale),
        gradient_factor: detectable(Kind::Gradients).map(f64::exp),
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
