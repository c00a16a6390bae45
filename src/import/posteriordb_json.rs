//! Draws in posteriordb's JSON: a list of chains, each an object from a quantity's name to its values.

use std::collections::HashMap;

use ndarray::Array2;
use serde::{Deserialize, Deserializer};
use thiserror::Error;

use super::ordered_json::Ordered;
use crate::draws::{Draws, DrawsError, stan_name};

/// Why a JSON text holds no draws.
#[derive(Debug, Error)]
pub enum DrawsJsonError {
    /// Not JSON, or JSON of another shape, or a value that is neither a finite number nor null.
    #[error("it is not a list of chains with a list of numbers for each quantity ({0})")]
    Json(#[from] serde_json::Error),
    /// There is no chain, or no draw in any.
    #[error("it holds no draws")]
    Empty,
    /// A chain has quantities that another lacks.
    #[error("chain {chain} lacks `{name}`, which another chain has")]
    Names {
        /// The chain, counted from 1.
        chain: usize,
        /// The quantity's name.
        name: String,
    },
    /// Two quantities of a chain have different numbers of draws.
    #[error("`{name}` has {found} draws in chain {chain}, but the chain's first quantity has {expected}")]
    Lengths {
        /// The chain, counted from 1.
        chain: usize,
        /// The quantity's name.
        name: String,
        /// How many draws are there.
        found: usize,
        /// How many there are of the chain's first quantity.
        expected: usize,
    },
    /// The table is no draws.
    #[error(transparent)]
    Draws(#[from] DrawsError),
}

/// A number; null, as JSON has no NaN and no infinity, is NaN.
fn null_is_nan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

/// A value of a draw.
#[derive(Clone, Copy, Deserialize)]
struct Number(#[serde(deserialize_with = "null_is_nan")] f64);

/// Draws from posteriordb's JSON. The first chain gives the order of the quantities; all chains have the same
/// quantities, but need not have the same length.
pub fn parse(text: &str) -> Result<Draws, DrawsJsonError> {
    let mut chains: Vec<Ordered<Vec<Number>>> = serde_json::from_str(text)?;
    let mut lengths = Vec::with_capacity(chains.len());
    for (index, Ordered(chain)) in chains.iter_mut().enumerate() {
        let length = chain.first().map_or(0, |(_, values)| values.len());
        for (name, values) in chain {
            if values.len() != length {
                return Err(DrawsJsonError::Lengths {
                    chain: index + 1,
                    name: name.clone(),
                    found: values.len(),
                    expected: length,
                });
            }
            *name = stan_name(name);
        }
        lengths.push(length);
    }
    if lengths.iter().all(|&length| length == 0) {
        return Err(DrawsJsonError::Empty);
    }
    let names: Vec<String> = chains[0].0.iter().map(|(name, _)| name.clone()).collect();
    let column: HashMap<&str, usize> = names.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
    let mut values = Array2::zeros((lengths.iter().sum(), names.len()));
    let mut first = 0;
    for (index, Ordered(chain)) in chains.iter().enumerate() {
        let lacks = |chain: usize, name: &str| DrawsJsonError::Names { chain: chain + 1, name: name.to_owned() };
        let mut filled = vec![false; names.len()];
        for (name, draws) in chain {
            let &column = column.get(name.as_str()).ok_or_else(|| lacks(0, name))?;
            if std::mem::replace(&mut filled[column], true) {
                return Err(DrawsError::Duplicate(name.clone()).into());
            }
            for (row, &Number(draw)) in draws.iter().enumerate() {
                values[[first + row, column]] = draw;
            }
        }
        if let Some(missing) = filled.iter().position(|filled| !filled) {
            return Err(lacks(index, &names[missing]));
        }
        first += lengths[index];
    }
    Ok(Draws::new(names, values, lengths)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn message(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn chains_are_stacked_and_matched_by_name() {
        let draws =
            parse(r#"[{"mu": [1, 2.5], "theta[1,2]": [3, 4]}, {"theta.1.2": [7e0, -8], "mu": [5, 6]}]"#).unwrap();
        assert_eq!(draws.names(), ["mu", "theta[1,2]"]);
        assert_eq!(draws.chain_lengths(), [2, 2]);
        assert_eq!(draws.values(), array![[1.0, 3.0], [2.5, 4.0], [5.0, 7.0], [6.0, -8.0]]);
    }

    #[test]
    fn chains_may_differ_in_length() {
        let draws = parse(r#"[{"a": [1, 2], "b": [3, 4]}, {"a": [5], "b": [6]}]"#).unwrap();
        assert_eq!(draws.chain_lengths(), [2, 1]);
        assert_eq!(draws.values(), array![[1.0, 3.0], [2.0, 4.0], [5.0, 6.0]]);
    }

    #[test]
    fn values_are_read_to_the_last_bit() {
        let draws =
            parse(r#"[{"x": [0.1, 2.2250738585072014e-308, 1.7976931348623157e308, -64934.0444544361]}]"#).unwrap();
        assert_eq!(draws.values().column(0).to_vec(), [0.1, f64::MIN_POSITIVE, f64::MAX, -64934.0444544361]);
    }

    #[test]
    fn errors_name_the_chain_and_the_quantity() {
        assert_eq!(message("[]"), "it holds no draws");
        assert_eq!(message("[{}]"), "it holds no draws");
        assert_eq!(message(r#"[{"a": []}]"#), "it holds no draws");
        assert_eq!(
            message(r#"[{"a": [1], "b": [1, 2]}]"#),
            "`b` has 2 draws in chain 1, but the chain's first quantity has 1"
        );
        assert_eq!(message(r#"[{"a": [1], "b": [1]}, {"a": [1]}]"#), "chain 2 lacks `b`, which another chain has");
        assert_eq!(message(r#"[{"a": [1]}, {"a": [1], "b": [1]}]"#), "chain 1 lacks `b`, which another chain has");
        assert_eq!(message(r#"[{"a": [1], "a": [2]}]"#), "the name a appears twice");
    }

    #[test]
    fn values_are_numbers_or_null() {
        assert!(parse(r#"[{"a": [1, null]}]"#).unwrap().values()[[1, 0]].is_nan());
        for bad in [r#""NaN""#, "NaN", "1e999", "-Infinity", "[1]"] {
            let message = message(&format!(r#"[{{"ok": [1, 2], "tau": [1, {bad}]}}]"#));
            assert!(message.contains("`tau`") && message.contains("line 1"), "{message}");
        }
        assert!(message(r#"{"a": [1]}"#).contains("list of chains"));
        assert!(message(r#"[{"a": [1]}"#).contains("EOF"));
    }
}
