//! Reading what a reference keeps of quantities without draws: the key `summaries` of its description.

use std::collections::HashSet;

use crate::draws::{Summaries, stan_name};

/// The summaries in a JSON value, their names in Stan's style; `kept` are the quantities with draws.
pub(super) fn parse_summaries(value: serde_json::Value, kept: &[String]) -> Result<Summaries, SummariesError> {
    let mut summaries: Summaries = serde_json::from_value(value)?;
    summaries.names.iter_mut().for_each(|name| *name = stan_name(name));
    let mut seen: HashSet<&str> = kept.iter().map(String::as_str).collect();
    if let Some(twice) = summaries.names.iter().find(|name| !seen.insert(name)) {
        return Err(SummariesError::Duplicate(twice.clone()));
    }
    let expected = summaries.len();
    match lengths(&summaries).into_iter().find(|(_, length)| *length != expected) {
        Some((key, found)) => Err(SummariesError::Length { key, found, expected }),
        None => Ok(summaries),
    }
}

fn lengths(summaries: &Summaries) -> [(&'static str, usize); 12] {
    [
        ("mean", summaries.mean.len()),
        ("sd", summaries.sd.len()),
        ("mcse_mean", summaries.mcse_mean.len()),
        ("q5", summaries.q5.len()),
        ("q16", summaries.q16.len()),
        ("q50", summaries.q50.len()),
        ("q84", summaries.q84.len()),
        ("q95", summaries.q95.len()),
        ("heavy_tailed", summaries.heavy_tailed.len()),
        ("effective_sample_size_bulk", summaries.effective_sample_size_bulk.len()),
        ("effective_sample_size_tail", summaries.effective_sample_size_tail.len()),
        ("r_hat", summaries.r_hat.len()),
    ]
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
    #[error("`summaries` has {0} twice, or {0} also has draws")]
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
        let summaries = parse_summaries(value(), &["mu".into()]).unwrap();
        assert_eq!((summaries.len(), summaries.names[0].as_str(), summaries.mean[1]), (2, "x[1]", 2.0));
    }

    #[test]
    fn what_is_broken_is_named() {
        let refused = |key: &str, with: serde_json::Value, kept: &[String]| {
            let mut value = value();
            value[key] = with;
            parse_summaries(value, kept).unwrap_err().to_string()
        };
        assert!(refused("q84", json!([1.0]), &[]).contains("2 names but 1 elements in `q84`"));
        assert!(refused("sd", json!([1.0, null]), &[]).contains("finite numbers"));
        assert!(refused("names", json!(["x[1]", "x.1"]), &[]).contains("x[1]"));
        assert!(refused("mean", json!([1.0, 2.0]), &["x[2]".into()]).contains("x[2]"));
    }
}
