//! Quantities of which a reference keeps no draws, only what the draws said.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::draws::stan_name;

/// Moments, quantiles and diagnostics of quantities whose reference draws are not kept: the key `summaries` of a
/// reference's description. Every list has one element for each name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Summaries {
    /// The quantities' names.
    pub names: Vec<String>,
    /// Means.
    pub mean: Vec<f64>,
    /// Standard deviations.
    pub sd: Vec<f64>,
    /// Monte Carlo standard errors of the means.
    pub mcse_mean: Vec<f64>,
    /// 5 % quantiles.
    pub q5: Vec<f64>,
    /// 16 % quantiles.
    pub q16: Vec<f64>,
    /// Medians.
    pub q50: Vec<f64>,
    /// 84 % quantiles.
    pub q84: Vec<f64>,
    /// 95 % quantiles.
    pub q95: Vec<f64>,
    /// Whether the tails are too heavy for mean and standard deviation to be reproducible.
    pub heavy_tailed: Vec<bool>,
    /// Bulk effective sample sizes.
    pub effective_sample_size_bulk: Vec<f64>,
    /// Tail effective sample sizes.
    pub effective_sample_size_tail: Vec<f64>,
    /// R-hat.
    pub r_hat: Vec<f64>,
}

impl Summaries {
    /// How many quantities there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Summaries of the JSON value of the key `summaries`, their names in Stan's style; `kept` are the quantities with
    /// draws.
    pub(super) fn parse(value: serde_json::Value, kept: &[String]) -> Result<Self, SummariesError> {
        let mut summaries: Self = serde_json::from_value(value)?;
        summaries.names.iter_mut().for_each(|name| *name = stan_name(name));
        let mut seen: HashSet<&str> = kept.iter().map(String::as_str).collect();
        if let Some(twice) = summaries.names.iter().find(|name| !seen.insert(name)) {
            return Err(SummariesError::Duplicate(twice.clone()));
        }
        let expected = summaries.len();
        match summaries.lengths().into_iter().find(|(_, length)| *length != expected) {
            Some((key, found)) => Err(SummariesError::Length { key, found, expected }),
            None => Ok(summaries),
        }
    }

    fn lengths(&self) -> [(&'static str, usize); 12] {
        [
            ("mean", self.mean.len()),
            ("sd", self.sd.len()),
            ("mcse_mean", self.mcse_mean.len()),
            ("q5", self.q5.len()),
            ("q16", self.q16.len()),
            ("q50", self.q50.len()),
            ("q84", self.q84.len()),
            ("q95", self.q95.len()),
            ("heavy_tailed", self.heavy_tailed.len()),
            ("effective_sample_size_bulk", self.effective_sample_size_bulk.len()),
            ("effective_sample_size_tail", self.effective_sample_size_tail.len()),
            ("r_hat", self.r_hat.len()),
        ]
    }
}

/// Why the summaries of a reference cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SummariesError {
    /// Not the lists of numbers that they should be.
    #[error("`summaries` are not lists of names and finite numbers ({0})")]
    Json(#[from] serde_json::Error),
    /// A list is too short or too long.
    #[error("`summaries` have {expected} names but {found} elements in `{key}`")]
    Length {
        /// The list.
        key: &'static str,
        /// Its elements.
        found: usize,
        /// The names.
        expected: usize,
    },
    /// A quantity is there twice.
    #[error("`summaries` name {0}, which is there already or has draws")]
    Duplicate(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn value() -> serde_json::Value {
        let two = json!([1.0, 2.0]);
        json!({"names": ["x.1", "x[2]"], "mean": two, "sd": two, "mcse_mean": two, "q5": two, "q16": two, "q50": two,
            "q84": two, "q95": two, "heavy_tailed": [false, true], "effective_sample_size_bulk": two,
            "effective_sample_size_tail": two, "r_hat": two})
    }

    #[test]
    fn lists_of_one_length_are_read() {
        let summaries = Summaries::parse(value(), &["mu".into()]).unwrap();
        assert_eq!((summaries.len(), summaries.names[0].as_str(), summaries.mean[1]), (2, "x[1]", 2.0));
    }

    #[test]
    fn what_is_broken_is_named() {
        let refused = |key: &str, with: serde_json::Value, kept: &[String]| {
            let mut value = value();
            value[key] = with;
            Summaries::parse(value, kept).unwrap_err().to_string()
        };
        assert!(refused("q84", json!([1.0]), &[]).contains("2 names but 1 elements in `q84`"));
        assert!(refused("sd", json!([1.0, null]), &[]).contains("finite numbers"));
        assert!(refused("names", json!(["x[1]", "x.1"]), &[]).contains("x[1]"));
        assert!(refused("mean", json!([1.0, 2.0]), &["x[2]".into()]).contains("x[2]"));
    }
}
