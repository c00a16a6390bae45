//! The judgement of a whole run: a verdict on each cell, and how small a regression could have been seen.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Run;
use super::baseline::Baseline;
use super::baseline_comparison::{Levels, Pair, sensitivity};
use super::case::{CellSummary, cells};
use super::verdict::{BaselineVerdict, CellVerdict, Sensitivity};

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

impl Judgement {
    /// Whether something has regressed.
    pub fn has_regressed(&self) -> bool {
        self.cells.iter().any(|cell| cell.verdict.is_regression())
    }

    /// How many cells have each verdict, the worst first.
    pub fn counts(&self) -> BTreeMap<BaselineVerdict, usize> {
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
        verdict: BaselineVerdict::Missing,
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

#[cfg(test)]
mod tests;
