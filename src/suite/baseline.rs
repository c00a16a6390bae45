//! A baseline: what a run came to, kept small and line by line, so that it can be committed and its changes read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::case::{CellSummary, ParameterSummary, cells};
use super::statistics::Sample;
use super::{Run, SuiteError};
use crate::files;

const SCHEMA: &str = "stanmatch.baseline/1";

/// A baseline keeps at least so many digits of a number after the first.
const DIGITS: i32 = 5;

/// Digits of the spread over seeds, or of the noise, that a number is precise to.
const DIGITS_OF_SPREAD: i32 = 4;

/// A number has at most so many digits after the first.
const ALL_DIGITS: i32 = 16;

/// What a run came to, cell by cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    /// The suite's name.
    pub suite: String,
    /// The cells by posterior and configuration.
    pub cells: BTreeMap<(String, String), CellSummary>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    schema: String,
    suite: String,
    version: String,
}

/// A line after the header: a cell, or one of its quantities.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Quantity {
        posterior: String,
        configuration: String,
        quantity: String,
        #[serde(flatten)]
        summary: ParameterSummary,
    },
    Cell(CellSummary),
}

impl Baseline {
    /// What `run` came to.
    pub fn of(run: &Run) -> Self {
        let summaries = cells(&run.records).into_iter().map(|cell| {
            let summary = rounded(cell.summary());
            ((summary.posterior.clone(), summary.configuration.clone()), summary)
        });
        Self { suite: run.header.suite.clone(), cells: summaries.collect() }
    }

    /// Fails when it says nothing of a run of `suite` with these cells (posterior and configuration), as judging it
    /// would find no regression, whatever has happened. `file` is its own.
    ///
    /// # Errors
    /// When it is of another suite, or has none of the cells.
    pub fn check<'a>(
        &self,
        file: &Path,
        suite: &str,
        cells: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<(), SuiteError> {
        let unrelated = |reason| Err(SuiteError::Unrelated { file: file.to_owned(), reason });
        if self.suite != suite {
            return unrelated(format!("it is of the suite `{}`, and the run of the suite `{suite}`", self.suite));
        }
        let mut cells = cells.into_iter().peekable();
        let known: BTreeSet<(&str, &str)> = self.cells.keys().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        if cells.peek().is_some() && !cells.any(|cell| known.contains(&cell)) {
            return unrelated("it has no posterior and configuration of the run".to_owned());
        }
        Ok(())
    }

    /// Writes it: a header, then a line per cell, each followed by a line per quantity, all sorted.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), SuiteError> {
        let mut text = String::new();
        let mut add = |line: serde_json::Result<String>| -> Result<(), SuiteError> {
            text += &line.map_err(|error| SuiteError::unwritable(path, error.into()))?;
            text.push('\n');
            Ok(())
        };
        let version = env!("CARGO_PKG_VERSION").to_owned();
        add(serde_json::to_string(&Header { schema: SCHEMA.to_owned(), suite: self.suite.clone(), version }))?;
        for cell in self.cells.values() {
            add(serde_json::to_string(cell))?;
            for (quantity, summary) in &cell.parameters {
                add(serde_json::to_string(&Line::Quantity {
                    posterior: cell.posterior.clone(),
                    configuration: cell.configuration.clone(),
                    quantity: quantity.clone(),
                    summary: summary.clone(),
                }))?;
            }
        }
        files::write(path, text.as_bytes()).map_err(|error| SuiteError::unwritable(path, error))
    }

    /// Reads one.
    ///
    /// # Errors
    /// When it cannot be read or a line is not what it should be.
    pub fn read(path: &Path) -> Result<Self, SuiteError> {
        let text = fs::read_to_string(path).map_err(|error| SuiteError::unreadable(path, error))?;
        let bad = |line: usize, reason: String| SuiteError::Line {
            file: path.to_owned(),
            line: line + 1,
            kind: "baseline",
            reason,
        };
        let mut lines = text.lines().enumerate();
        let (_, first) = lines.next().ok_or_else(|| bad(0, "there is no header".to_owned()))?;
        let header: Header = serde_json::from_str(first).map_err(|error| bad(0, error.to_string()))?;
        if header.schema != SCHEMA {
            return Err(bad(0, format!("its schema is {}, not {SCHEMA}", header.schema)));
        }
        let mut cells: BTreeMap<(String, String), CellSummary> = BTreeMap::new();
        for (index, line) in lines {
            match serde_json::from_str(line).map_err(|error| bad(index, error.to_string()))? {
                Line::Cell(cell) => {
                    cell.check().map_err(|reason| bad(index, reason.to_owned()))?;
                    let key = (cell.posterior.clone(), cell.configuration.clone());
                    if cells.insert(key, cell).is_some() {
                        return Err(bad(index, "this case is already in the file".to_owned()));
                    }
                }
                Line::Quantity { posterior, configuration, quantity, summary } => {
                    let cell = cells.get_mut(&(posterior, configuration));
                    let cell = cell.ok_or_else(|| bad(index, "the line of its case must come first".to_owned()))?;
                    summary.check(cell.jobs).map_err(|reason| bad(index, reason.to_owned()))?;
                    if cell.parameters.insert(quantity, summary).is_some() {
                        return Err(bad(index, "this quantity is already in the file".to_owned()));
                    }
                }
            }
        }
        Ok(Self { suite: header.suite, cells })
    }
}

/// `cell` with numbers of few digits, yet as many as the tests can tell apart.
fn rounded(mut cell: CellSummary) -> CellSummary {
    let shorten = |sample: &mut Sample| {
        let spread = magnitude(sample.sd.max(sample.noise));
        for value in [&mut sample.mean, &mut sample.sd, &mut sample.min, &mut sample.max, &mut sample.noise] {
            *value = short(*value, spread);
        }
    };
    cell.log_gradients.iter_mut().for_each(shorten);
    for parameter in cell.parameters.values_mut() {
        parameter.location.iter_mut().chain(&mut parameter.log_scale).for_each(shorten);
    }
    cell
}

/// The power of ten of the first digit; None of zero.
fn magnitude(value: f64) -> Option<i32> {
    (value != 0.0).then(|| value.abs().log10().floor() as i32)
}

/// `value` to six digits, or to the thousandth of a spread of this magnitude where that is more; all digits without a
/// spread.
fn short(value: f64, spread: Option<i32>) -> f64 {
    let needed = |spread: i32| magnitude(value).unwrap_or(spread) - spread + DIGITS_OF_SPREAD - 1;
    let digits = spread.map_or(ALL_DIGITS, needed).clamp(DIGITS, ALL_DIGITS) as usize;
    format!("{value:.digits$e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_the_digits_that_their_spread_needs() {
        assert_eq!(short(2000.123456789, magnitude(0.00123)), 2000.123457);
        assert_eq!(short(0.0226978123, magnitude(0.02)), 0.0226978);
        assert_eq!(short(-1234.56789, magnitude(300.0)), -1234.57);
        assert_eq!(short(1.0 / 3.0, None), 1.0 / 3.0);
        assert_eq!((short(0.0, magnitude(1.0)), short(1e300, magnitude(1e-300))), (0.0, 1e300));
    }
}
