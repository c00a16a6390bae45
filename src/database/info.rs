//! Posteriordb's descriptions, which are not uniform: strict about what is needed, lenient about the rest.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::summaries::{SummariesError, parse_summaries};
use crate::draws::ReferenceInfo;
use crate::import::Ordered;

/// `posteriors/NAME.json`.
#[derive(Debug, Deserialize)]
pub(super) struct PosteriorInfo {
    pub model_name: String,
    pub data_name: String,
    #[serde(default, deserialize_with = "text")]
    pub reference_posterior_name: Option<String>,
    #[serde(default, deserialize_with = "texts")]
    pub keywords: Vec<String>,
    #[serde(default, deserialize_with = "dimensions")]
    pub dimensions: Vec<(String, usize)>,
    #[serde(default, deserialize_with = "text")]
    pub description: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub comments: Option<String>,
}

/// `models/info/NAME.info.json` and `data/info/NAME.info.json`: what a person reads, and where the file is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PartInfo {
    #[serde(deserialize_with = "text")]
    pub title: Option<String>,
    #[serde(deserialize_with = "text")]
    pub description: Option<String>,
    #[serde(deserialize_with = "text")]
    pub data_file: Option<String>,
    model_implementations: Value,
}

impl PartInfo {
    /// The path of the Stan program, relative to the database.
    pub fn model_code(&self) -> Option<&str> {
        self.model_implementations.pointer("/stan/model_code")?.as_str()
    }
}

/// Reads the JSON object of `reference_posteriors/draws/info/NAME.info.json` leniently, save for the summaries of
/// quantities without draws; `kept` are those with draws.
pub(super) fn reference_info(mut info: Map<String, Value>, kept: &[String]) -> Result<ReferenceInfo, SummariesError> {
    let summaries = info.remove("summaries").map(|summaries| parse_summaries(summaries, kept)).transpose()?;
    let info = Value::Object(info);
    let numbers = |key: &str| match info.pointer("/diagnostics").and_then(|diagnostics| diagnostics.get(key)) {
        Some(Value::Array(values)) => values.iter().filter_map(Value::as_f64).collect(),
        Some(value) => value.as_f64().into_iter().collect(),
        None => Vec::new(),
    };
    Ok(ReferenceInfo {
        method: info.pointer("/inference/method").and_then(Value::as_str).map(str::to_owned),
        ess_bulk: numbers("effective_sample_size_bulk"),
        r_hat: numbers("r_hat"),
        summaries: summaries.unwrap_or_default(),
    })
}

/// The JSON object of a description. R writes an empty one as `[]`, and a person may have left the file empty.
pub(super) fn object(text: &str) -> Result<Map<String, Value>, serde_json::Error> {
    match text.trim() {
        "" | "[]" => Ok(Map::new()),
        text => serde_json::from_str(text),
    }
}

/// A string; anything else, `null`, `{}` and `""` among it, counts as absent.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) if !text.is_empty() => Some(text),
        _ => None,
    })
}

/// A list of strings, or one string.
fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => vec![text],
        Value::Array(values) => values.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    })
}

/// Each parameter's number of scalars, given as a number or as the sizes of its axes, in the file's order.
fn dimensions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, usize)>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Dimensions {
        Known(Ordered<Value>),
        Unknown(serde::de::IgnoredAny),
    }

    fn size(value: &Value) -> Option<usize> {
        match value {
            Value::Number(number) => number.as_u64()?.try_into().ok(),
            Value::Array(axes) => axes.iter().map(size).try_fold(1_usize, |product, axis| product.checked_mul(axis?)),
            _ => None,
        }
    }

    Ok(match Dimensions::deserialize(deserializer)? {
        Dimensions::Known(Ordered(entries)) => {
            entries.into_iter().filter_map(|(name, value)| Some((name, size(&value)?))).collect()
        }
        Dimensions::Unknown(_) => Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posterior(rest: &str) -> PosteriorInfo {
        serde_json::from_str(&format!(r#"{{"model_name": "m", "data_name": "d"{rest}}}"#)).unwrap()
    }

    #[test]
    fn what_is_not_needed_is_read_leniently() {
        for absent in ["", r#", "reference_posterior_name": null"#, r#", "reference_posterior_name": {}"#] {
            assert_eq!(posterior(absent).reference_posterior_name, None);
        }
        assert_eq!(posterior(r#", "keywords": "one""#).keywords, ["one"]);
        assert_eq!(posterior(r#", "keywords": ["one", 2, "two"]"#).keywords, ["one", "two"]);
        let both = posterior(r#", "comments": "why", "description": "what""#);
        assert_eq!((both.description.as_deref(), both.comments.as_deref()), (Some("what"), Some("why")));
    }

    #[test]
    fn dimensions_keep_their_order_and_may_be_missing_or_nested() {
        let entry = |name: &str, size| (name.to_owned(), size);
        let nested = posterior(r#", "dimensions": {"z": 1, "a": [2, 3], "odd": "x", "b": [[4], 5]}"#);
        assert_eq!(nested.dimensions, [entry("z", 1), entry("a", 6), entry("b", 20)]);
        for none in ["", r#", "dimensions": null"#, r#", "dimensions": [1, 2]"#, r#", "dimensions": {}"#] {
            assert_eq!(posterior(none).dimensions, []);
        }
    }

    #[test]
    fn what_is_needed_is_read_strictly() {
        for bad in [r#"{"data_name": "d"}"#, r#"{"model_name": "m", "data_name": 3}"#, "[]", "{"] {
            assert!(serde_json::from_str::<PosteriorInfo>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn diagnostics_may_be_lists_one_number_or_nothing() {
        let info = reference_info(
            object(
                r#"{"inference": {"method": "stan_sampling"},
                "diagnostics": {"effective_sample_size_bulk": [1, null, "NA", 2.5], "r_hat": 1.001}}"#,
            )
            .unwrap(),
            &[],
        )
        .unwrap();
        assert_eq!(info.method.as_deref(), Some("stan_sampling"));
        assert_eq!(info.ess_bulk, [1.0, 2.5]);
        assert_eq!(info.r_hat, [1.001]);
        for nothing in ["", " []\n", r#"{"diagnostics": []}"#, r#"{"diagnostics": {"r_hat": {}}, "inference": 3}"#] {
            let info = reference_info(object(nothing).unwrap(), &[]).unwrap();
            assert_eq!(info, ReferenceInfo::default(), "{nothing}");
        }
        for broken in ["]", "{", "3", "[1]", "null"] {
            assert!(object(broken).is_err(), "{broken}");
        }
    }
}
