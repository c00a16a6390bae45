//! The jobs of one cell, and the numbers over its seeds that a baseline keeps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::statistics::Sample;
use crate::document::{JobRecord, Status};

/// Gradient counts are judged with at least this standard deviation of their logarithm: nobody's continuous integration
/// should fail over a percent.
pub(super) const COUNT_NOISE: f64 = 0.02;

/// The jobs of one cell, by seed.
#[derive(Debug, Clone)]
pub struct CellRecords<'a> {
    /// The posterior.
    pub posterior: &'a str,
    /// The configuration.
    pub configuration: &'a str,
    /// Its jobs.
    pub records: Vec<&'a JobRecord>,
}

/// The records of a run, sorted, by cell.
pub fn cells(records: &[JobRecord]) -> Vec<CellRecords<'_>> {
    let mut cells: Vec<CellRecords<'_>> = Vec::new();
    for record in records {
        let (posterior, configuration) = (record.posterior.as_str(), record.configuration.as_str());
        match cells.last_mut() {
            Some(cell) if (cell.posterior, cell.configuration) == (posterior, configuration) => {
                cell.records.push(record);
            }
            _ => cells.push(CellRecords { posterior, configuration, records: vec![record] }),
        }
    }
    cells
}

/// One number over the seeds: its values and the noise that it has at least.
#[derive(Debug, Clone, Default)]
pub(super) struct Values {
    pub values: Vec<f64>,
    squared_noise: f64,
}

impl Values {
    fn add(&mut self, value: Option<f64>, noise: f64) {
        if let Some(value) = value {
            self.values.push(value);
            self.squared_noise += if noise.is_finite() { noise.powi(2) } else { 0.0 };
        }
    }

    /// The root mean square over the jobs.
    pub fn noise(&self) -> f64 {
        (self.squared_noise / self.values.len().max(1) as f64).sqrt()
    }

    fn sample(&self) -> Option<Sample> {
        Sample::of(&self.values, self.noise())
    }
}

/// What a baseline keeps of a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CellSummary {
    /// The posterior.
    pub posterior: String,
    /// The configuration.
    pub configuration: String,
    /// How many jobs there are.
    pub jobs: usize,
    /// How many have no fit.
    pub failed: usize,
    /// How many fits are flagged.
    pub flagged: usize,
    /// How many fits are compared with a reference.
    pub compared: usize,
    /// How many of those are outside tolerance.
    pub outside: usize,
    /// The logarithm of the gradient evaluations.
    pub log_gradients: Option<Sample>,
    /// The quantities' locations and log scales, by name.
    #[serde(skip)]
    pub parameters: BTreeMap<String, ParameterSummary>,
}

/// One quantity over the seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParameterSummary {
    /// Its location.
    pub location: Option<Sample>,
    /// Its log scale.
    pub log_scale: Option<Sample>,
}

impl CellSummary {
    /// What is wrong with it, where it was read from a file.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let fits = self.jobs.checked_sub(self.failed);
        if self.jobs == 0
            || fits.is_none_or(|fits| self.flagged.max(self.compared) > fits)
            || self.outside > self.compared
        {
            return Err("its numbers of jobs contradict each other");
        }
        self.log_gradients.iter().try_for_each(|sample| sample.check(self.jobs))
    }
}

impl ParameterSummary {
    /// As [`CellSummary::check`], in a cell of so many jobs.
    pub(super) fn check(&self, jobs: usize) -> Result<(), &'static str> {
        self.location.iter().chain(&self.log_scale).try_for_each(|sample| sample.check(jobs))
    }
}

impl CellRecords<'_> {
    fn count(&self, is: impl Fn(&JobRecord) -> bool) -> usize {
        self.records.iter().filter(|record| is(record)).count()
    }

    /// Whether the quantities are in units of a reference.
    pub fn is_referenced(&self) -> bool {
        self.records.iter().any(|record| record.referenced)
    }

    /// How many jobs did not come to what was expected.
    pub fn unexpected(&self) -> usize {
        self.count(|record| !record.is_as_expected())
    }

    pub(super) fn log_gradients(&self) -> Values {
        let mut values = Values::default();
        for record in &self.records {
            values.add(record.gradient_evaluations.map(|count| (count.max(1) as f64).ln()), COUNT_NOISE);
        }
        values
    }

    /// Locations and log scales by quantity. Where some jobs are compared with a reference and others could not be,
    /// only the former are in its units.
    pub(super) fn parameters(&self) -> BTreeMap<&str, [Values; 2]> {
        let referenced = self.is_referenced();
        let mut all: BTreeMap<&str, [Values; 2]> = BTreeMap::new();
        for record in self.records.iter().filter(|record| record.referenced == referenced) {
            for parameter in &record.parameters {
                let [location, log_scale] = all.entry(&parameter.name).or_default();
                location.add(parameter.location, parameter.mcse.unwrap_or(0.0));
                log_scale.add(parameter.log_scale, parameter.log_scale_mcse.unwrap_or(0.0));
            }
        }
        all
    }

    /// What a baseline keeps.
    pub fn summary(&self) -> CellSummary {
        let parameters = self.parameters().into_iter().map(|(name, [location, log_scale])| {
            (name.to_owned(), ParameterSummary { location: location.sample(), log_scale: log_scale.sample() })
        });
        CellSummary {
            posterior: self.posterior.to_owned(),
            configuration: self.configuration.to_owned(),
            jobs: self.records.len(),
            failed: self.count(|record| record.status == Status::Failed),
            flagged: self.count(|record| record.status == Status::Flagged),
            compared: self.count(|record| record.within.is_some()),
            outside: self.count(|record| record.within == Some(false)),
            log_gradients: self.log_gradients().sample(),
            parameters: parameters.collect(),
        }
    }
}
