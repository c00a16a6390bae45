//! A cell of a run beside the same cell of a baseline, and what the tests say of the two.

use std::collections::BTreeMap;

use super::baseline::Baseline;
use super::case::{CellRecords, CellSummary, Values};
use super::statistics::{
    Comparison, Level, Power, Sample, Shift, is_more_frequent, is_more_than_spontaneous, median, spontaneous_bound,
};
use super::verdict::{BaselineVerdict, CellVerdict, FALSE_ALARM_RATE, Sensitivity};
use crate::document::{FailureKind, JobRecord, Status};

/// How the rate of false alarms is shared out over the three families of tests.
const SHARE_OF_METRICS: f64 = 0.5;
const SHARE_OF_STATUSES: f64 = 0.25;
const SHARE_OF_EXPECTATIONS: f64 = 0.25;
/// Per cell: failed, flagged, outside tolerance.
const STATUS_TESTS: usize = 3;

/// The chance of a false alarm that each single test may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Levels {
    metrics: Level,
    statuses: f64,
    expectations: f64,
}

impl Levels {
    /// Of a run with so many comparisons of numbers in so many cells.
    pub fn new(comparisons: usize, cells: usize) -> Self {
        Self {
            metrics: Level {
                normal: SHARE_OF_METRICS * FALSE_ALARM_RATE / comparisons.max(1) as f64,
                // What makes noise strange, such as two modes, is common to all numbers of a cell.
                any: SHARE_OF_METRICS * FALSE_ALARM_RATE / cells.max(1) as f64,
            },
            statuses: SHARE_OF_STATUSES * FALSE_ALARM_RATE / (STATUS_TESTS * cells.max(1)) as f64,
            expectations: SHARE_OF_EXPECTATIONS * FALSE_ALARM_RATE / cells.max(1) as f64,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Location,
    LogScale,
    Gradients,
}

/// A number of a cell that the baseline has too.
pub(super) struct Metric<'a> {
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
pub(super) struct Pair<'a> {
    cell: &'a CellRecords<'a>,
    baseline: Option<&'a CellSummary>,
    /// Why the quantities cannot be compared with the baseline's: the one's are in units of a reference, the other's are
    /// not.
    other_units: Option<&'static str>,
    pub metrics: Vec<Metric<'a>>,
}

impl<'a> Pair<'a> {
    pub fn new(cell: &'a CellRecords<'a>, baseline: Option<&'a Baseline>) -> Self {
        let key = (cell.posterior.to_owned(), cell.configuration.to_owned());
        let baseline = baseline.and_then(|baseline| baseline.cells.get(&key));
        let mut metrics = Vec::new();
        let mut other_units = None;
        if let Some(known) = baseline {
            let parameters = cell.parameters();
            if !parameters.is_empty() && !known.parameters.is_empty() {
                other_units = match (known.compared > 0, cell.is_referenced()) {
                    (true, false) => Some("it has lost its reference"),
                    (false, true) => Some("it has gained a reference"),
                    _ => None,
                };
            }
            let mut add = |kind, quantity, values, baseline: Option<&'a Sample>| {
                metrics.extend(baseline.map(|baseline| Metric { kind, quantity, values, baseline }));
            };
            add(Kind::Gradients, "", cell.log_gradients(), known.log_gradients.as_ref());
            for (quantity, [location, log_scale]) in parameters.into_iter().filter(|_| other_units.is_none()) {
                if let Some(known) = known.parameters.get(quantity) {
                    add(Kind::Location, quantity, location, known.location.as_ref());
                    add(Kind::LogScale, quantity, log_scale, known.log_scale.as_ref());
                }
            }
            metrics.retain(|metric| metric.comparison().is_some());
        }
        Self { cell, baseline, other_units, metrics }
    }

    pub fn judge(&self, levels: &Levels, has_baseline: bool) -> CellVerdict {
        let summary = self.cell.summary();
        let mut found: Vec<(BaselineVerdict, String)> = Vec::new();
        let unexpected = self.cell.unexpected();
        if is_more_than_spontaneous(unexpected, summary.jobs, levels.expectations) {
            let reason =
                format!("{unexpected} of {} jobs do not meet the expectation{}", summary.jobs, self.first_failure());
            found.push((BaselineVerdict::Unexpected, reason));
        }
        match self.baseline {
            Some(baseline) => {
                found.extend(self.judge_statuses(&summary, baseline, levels.statuses));
                found.extend(self.metrics.iter().filter_map(|metric| self.judge_metric(metric, levels.metrics)));
            }
            None if has_baseline => found.push((BaselineVerdict::New, "not in the baseline".to_owned())),
            None => {}
        }
        let units = self.other_units.map(|what| format!("{what}, so its numbers cannot be compared with the baseline"));
        found.extend(units.map(|reason| (BaselineVerdict::New, reason)));
        found.sort_by_key(|(verdict, _)| *verdict);
        let records = &self.cell.records;
        let median_of = |value: fn(&JobRecord) -> Option<f64>| median(records.iter().filter_map(|it| value(it)));
        CellVerdict {
            posterior: summary.posterior,
            configuration: summary.configuration,
            verdict: found.first().map_or(BaselineVerdict::Passed, |(verdict, _)| *verdict),
            reasons: found.into_iter().map(|(_, reason)| reason).collect(),
            jobs: summary.jobs,
            ok: summary.jobs - summary.failed - summary.flagged,
            flagged: summary.flagged,
            failed: summary.failed,
            within: summary.compared - summary.outside,
            compared: summary.compared,
            location_error: median_of(JobRecord::location_error),
            log_scale_error: median_of(JobRecord::log_scale_error),
            gradient_evaluations: median_of(|it| it.gradient_evaluations.map(|count| count as f64)),
            seconds: median_of(|it| it.seconds),
            relative_time: None,
        }
    }

    /// A bound of the chance that the cell's statuses and expectations raise a false alarm.
    fn false_alarm_rate(&self, levels: &Levels) -> f64 {
        let jobs = self.cell.records.len();
        let statuses = match self.baseline {
            Some(known) if known.failed == 0 => {
                (STATUS_TESTS - 1) as f64 * levels.statuses + spontaneous_bound(jobs, levels.statuses)
            }
            _ => STATUS_TESTS as f64 * levels.statuses,
        };
        statuses + spontaneous_bound(jobs, levels.expectations)
    }

    /// What ended the first job without a fit, else what kept the first fit from being compared.
    fn first_failure(&self) -> String {
        let mut records = self.cell.records.iter();
        if let Some(failure) = records.clone().find_map(|record| record.failure.as_ref()) {
            let what = if failure.kind == FailureKind::Compile { "the program" } else { "the first failure" };
            return format!("; {what}: {}", failure.message);
        }
        let uncompared = records.find(|record| record.within.is_some() && !record.referenced);
        let message = uncompared.and_then(|record| record.messages.last());
        message.map_or_else(String::new, |message| format!("; {message}"))
    }

    fn judge_statuses(&self, run: &CellSummary, known: &CellSummary, level: f64) -> Vec<(BaselineVerdict, String)> {
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
            found.push((BaselineVerdict::NewlyFailing, reason + &self.first_failure()));
        }
        let (fits, known_fits) = (run.jobs - run.failed, known.jobs - known.failed);
        if is_more_frequent(run.flagged, fits, known.flagged, known_fits, level) {
            let reason = changed("fits are flagged", run.flagged, fits, known.flagged, known_fits);
            let flagged = self.cell.records.iter().find(|record| record.status == Status::Flagged);
            let message = flagged.and_then(|record| record.messages.first());
            found.push((
                BaselineVerdict::NewlyFlagged,
                message.map_or(reason.clone(), |message| format!("{reason}: {message}")),
            ));
        }
        if is_more_frequent(run.outside, run.compared, known.outside, known.compared, level) {
            let reason =
                changed("fits are outside tolerance", run.outside, run.compared, known.outside, known.compared);
            found.push((BaselineVerdict::Regressed, reason));
        }
        found
    }

    fn judge_metric(&self, metric: &Metric<'_>, level: Level) -> Option<(BaselineVerdict, String)> {
        let comparison = metric.comparison()?;
        let shift = comparison.shift(level)?;
        let (before, now) = (metric.baseline.mean, comparison.mean());
        if metric.kind == Kind::Gradients {
            let verdict = if shift == Shift::Up { BaselineVerdict::Regressed } else { BaselineVerdict::Improved };
            return Some((
                verdict,
                format!("gradient evaluations changed from {:.0} to {:.0}", before.exp(), now.exp()),
            ));
        }
        let what = match metric.kind {
            Kind::Location => "location",
            _ => "log scale",
        };
        let quantity = metric.quantity;
        if !self.cell.is_referenced() {
            // Without a reference nobody knows which of the two is right.
            return Some((
                BaselineVerdict::Regressed,
                format!("the {what} of {quantity} changed from {before:.4} to {now:.4}"),
            ));
        }
        let verdict = if now.abs() > before.abs() { BaselineVerdict::Regressed } else { BaselineVerdict::Improved };
        let unit = if metric.kind == Kind::Location { " sd" } else { "" };
        let reason =
            format!("the {what} of {quantity} is off by {now:+.3}{unit}, by {before:+.3}{unit} in the baseline");
        Some((verdict, reason))
    }
}

/// How small a regression could be seen.
pub(super) fn sensitivity(pairs: &[Pair<'_>], comparisons: usize, levels: &Levels) -> Sensitivity {
    let metrics = || pairs.iter().flat_map(|pair| &pair.metrics);
    // Most comparisons have the same numbers of jobs.
    let mut powers = BTreeMap::new();
    let mut detectable = |kind: Kind| {
        let of_kind = metrics().filter(|metric| metric.kind == kind).filter_map(Metric::comparison);
        median(of_kind.map(|comparison| {
            let jobs = comparison.jobs();
            comparison.detectable(powers.entry(jobs).or_insert_with(|| Power::new(levels.metrics, jobs)))
        }))
    };
    let bound = |metric: &Metric<'_>| metric.comparison().map_or(0.0, |it| it.distribution_free_bound(levels.metrics));
    let bounds = pairs.iter().map(|pair| pair.metrics.iter().map(bound).fold(0.0, f64::max));
    Sensitivity {
        comparisons,
        false_alarm_rate: SHARE_OF_METRICS * FALSE_ALARM_RATE
            + pairs.iter().map(|pair| pair.false_alarm_rate(levels)).sum::<f64>(),
        distribution_free_bound: bounds.sum::<f64>().min(1.0),
        location: detectable(Kind::Location),
        log_scale: detectable(Kind::LogScale),
        gradient_factor: detectable(Kind::Gradients).map(f64::exp),
    }
}
