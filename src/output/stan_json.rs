//! Values of a program's variables as Stan's JSON has them: containers as nested arrays, tuples as objects, complex
//! numbers as pairs.

use serde_json::{Map, Value};

/// An object of variables from scalars with names in Stan's style: `theta[1,2]`, `pair:1[3]`, `z[2,real]`.
pub fn variables_json(names: &[String], values: &[f64]) -> Value {
    let mut variables = Value::Null;
    for (name, &value) in names.iter().zip(values) {
        *steps(name).iter().fold(&mut variables, element) = value.into();
    }
    if variables.is_null() { Value::Object(Map::new()) } else { variables }
}

/// One step from a value into its parts.
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

fn steps(name: &str) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    for part in name.split(':') {
        let (key, indices) = part.split_once('[').unwrap_or((part, ""));
        steps.push(Step::Key(key));
        steps.extend(indices.trim_end_matches(']').split(',').filter_map(|index| match index {
            "real" => Some(Step::Index(0)),
            "imag" => Some(Step::Index(1)),
            index => index.parse::<usize>().ok().map(|index| Step::Index(index.saturating_sub(1))),
        }));
    }
    steps
}

/// The part of `value` that the step leads to, made where it is missing.
fn element<'a>(value: &'a mut Value, step: &Step<'_>) -> &'a mut Value {
    match step {
        Step::Key(key) => {
            if !value.is_object() {
                *value = Value::Object(Map::new());
            }
            &mut value[*key]
        }
        &Step::Index(index) => {
            if !value.is_array() {
                *value = Value::Array(Vec::new());
            }
            if let Value::Array(elements) = value
                && elements.len() <= index
            {
                elements.resize(index + 1, Value::Null);
            }
            &mut value[index]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_kind_of_variable_has_its_shape() {
        let cases = [
            ("mu", 1.0),
            ("Sigma[1,1]", 11.0),
            ("Sigma[2,1]", 21.0),
            ("Sigma[1,2]", 12.0),
            ("Sigma[2,2]", 22.0),
            ("z[real]", 0.5),
            ("z[imag]", -0.5),
            ("w[1,real]", 1.5),
            ("w[1,imag]", 2.5),
            ("pair:1", 3.0),
            ("pair:2[1]", 4.0),
            ("pairs[1]:1", 5.0),
            ("pairs[2]:1", 6.0),
        ];
        let names: Vec<String> = cases.iter().map(|(name, _)| name.to_string()).collect();
        let expected = json!({
            "mu": 1.0, "Sigma": [[11.0, 12.0], [21.0, 22.0]], "z": [0.5, -0.5], "w": [[1.5, 2.5]],
            "pair": {"1": 3.0, "2": [4.0]}, "pairs": [{"1": 5.0}, {"1": 6.0}],
        });
        assert_eq!(variables_json(&names, &cases.map(|(_, value)| value)), expected);
        assert_eq!(variables_json(&[], &[]), json!({}));
    }
}
