//! The JSON document and the table: their contract, and what is no part of them.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{borrowed, document, faulty, stanmatch, stderr, stdout};

/// Every key of the contract with an example of its type.
fn contract() -> Value {
    json!({
        "schema": "", "posterior": "", "model": "", "dim": 1, "method": "", "init": "", "seed": 1, "draws": 1,
        "status": "", "gradient_evaluations": 1, "density_evaluations": 1, "seconds": 0.1,
        "phases": [{"name": "", "gradient_evaluations": 1, "density_evaluations": 1, "seconds": 0.1}],
        "pareto_k": 0.1, "pareto_k_of_variances": 0.1, "max_drift": null, "normalized": true, "elbo": 0.1, "eubo": null, "eubo_mcse": null,
        "score_divergence": 0.1, "converged": true, "messages": [""], "findings": [{"code": "", "objection": true, "message": ""}],
        "parameters": [{"name": "", "mean": 0.1, "sd": 0.1, "mcse": 0.1, "q5": 0.1, "q50": 0.1, "q95": 0.1, "ess": 0.1}],
        "comparison": {
            "reference": "", "reference_draws": 1, "max_location_error": 0.1, "max_log_scale_error": 0.1,
            "mean_location_error": 0.1, "mean_log_scale_error": 0.1, "mean_w1": 0.1, "max_w1": 0.1,
            "sliced_w1": 0.1, "energy_distance": 0.1, "within_tolerance": true,
            "max_location_floor": 0.1, "max_log_scale_floor": 0.1, "mean_location_floor": 0.1,
            "mean_log_scale_floor": 0.1, "mean_w1_floor": 0.1, "max_w1_floor": 0.1, "sliced_w1_floor": 0.1,
            "energy_distance_floor": 0.1,
            "parameters": [{
                "name": "", "robust": true, "location": 0.1, "scale": 0.1, "reference_location": 0.1,
                "reference_scale": 0.1, "location_error": 0.1, "log_scale_error": 0.1, "w1": 0.1,
                "location_floor": 0.1, "log_scale_floor": 0.1, "w1_floor": 0.1,
            }],
        },
        "modes": {
            "paths": 1, "symmetries": [""], "members": [1],
            "modes": [{"share": 0.1, "share_mcse": 0.1, "paths": 1, "image_of": null, "centre": [{"name": "", "value": 0.1}]}],
        },
        "toolchain": {}, "version": "",
    })
}

/// Whether `found` has the keys and types of `expected`; a null there stands for a number or null.
fn keeps(expected: &Value, found: &Value, key: &str) {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            for (key, expected) in expected {
                keeps(expected, found.get(key).unwrap_or_else(|| panic!("no key {key}")), key);
            }
        }
        (Value::Array(expected), Value::Array(found)) => found.iter().for_each(|found| keeps(&expected[0], found, key)),
        (Value::String(_), Value::String(_)) | (Value::Bool(_), Value::Bool(_)) | (Value::Null, Value::Null) => {}
        (Value::Number(expected), Value::Number(found)) => {
            assert!(expected.is_f64() || found.is_u64(), "{key}: {found}")
        }
        (Value::Null, Value::Number(_)) => {}
        _ => panic!("{key} is {found}"),
    }
}

/// Every key of `value`, at any depth.
fn keys(value: &Value) -> Vec<String> {
    match value {
        Value::Object(map) => map.iter().flat_map(|(key, value)| [vec![key.clone()], keys(value)].concat()).collect(),
        Value::Array(values) => values.iter().flat_map(keys).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn the_document_keeps_its_contract() {
    let (document, code) = document(&["eight_schools", "--seed", "7", "--draws", "3000"]);
    assert_eq!(code, 0);
    keeps(&contract(), &document, "");
    let asked = ["schema", "posterior", "model", "dim", "seed", "draws"].map(|key| document[key].clone());
    let posterior = "eight_schools-eight_schools_noncentered";
    assert_eq!(json!(asked), json!(["stanmatch.fit/1", posterior, "eight_schools_noncentered", 10, 7, 3000]));
    for key in ["gradient_evaluations", "density_evaluations"] {
        let total: u64 = document["phases"].as_array().unwrap().iter().map(|phase| phase[key].as_u64().unwrap()).sum();
        assert_eq!(document[key], total);
    }
    let names: Vec<&Value> = document["parameters"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!((names.len(), names[0], names[17]), (18, &json!("theta_trans[1]"), &json!("theta[8]")));
    assert_eq!(document["comparison"]["parameters"].as_array().unwrap().len(), 10);
}

#[test]
fn a_failure_has_the_keys_of_the_contract() {
    let (failure, code) = document(&["no_such_posterior", "--method", "gsm", "--seed", "3"]);
    assert_eq!(code, 1);
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<String>>();
    assert_eq!(keys(&failure), keys(&contract()));
    let known = ["schema", "status", "method", "init", "seed"].map(|key| failure[key].clone());
    assert_eq!(json!(known), json!(["stanmatch.fit/1", "failed", "gsm", "path", 3]));
    assert!(failure["messages"][0].as_str().unwrap().contains("no_such_posterior"), "{failure}");
    for key in ["posterior", "dim", "phases", "pareto_k", "converged", "parameters", "comparison", "toolchain"] {
        assert!(failure[key].is_null(), "{key}: {failure}");
    }
}

#[test]
fn every_key_of_the_contract_is_documented() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/fit-json.md")).unwrap();
    for key in keys(&contract()) {
        assert!(page.contains(&format!("`{key}`")), "{key}");
    }
}

#[test]
fn what_a_program_prints_is_no_part_of_the_result() {
    let folder = tempfile::tempdir().unwrap();
    let program = faulty(&folder, r#"{"mood": 0}"#);
    let output = stanmatch(&[&["fit"][..], &borrowed(&program)].concat());
    assert!(output.status.success() && stderr(&output).contains("in mood 0"), "{}", stderr(&output));
    assert!(stdout(&output).contains("mu") && !stdout(&output).contains("mood"), "{}", stdout(&output));
}

#[test]
fn the_table_has_the_comparison_and_the_verdict() {
    let output = stanmatch(&["fit", "eight_schools", "--check"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let table = stdout(&output);
    for part in ["ref mean", "theta[8]", "within tolerance of eight_schools", "\nok: Pareto k", "gradient and"] {
        assert!(table.contains(part), "{part} in {table}");
    }
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with(" ")).collect();
    assert!(
        rows.len() == 11 && rows.iter().all(|row| row.chars().count() <= 80) && !table.contains('\u{1b}'),
        "{table}"
    );
}

#[test]
fn generated_quantities_that_the_program_rejects_are_nan_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let program = faulty(&folder, r#"{"mood": 4}"#);
    let saved = folder.path().join("fit");
    let options = ["--draws", "500", "--output", saved.to_str().unwrap()];
    let (fitted, code) = document(&[&borrowed(&program)[..], &options].concat());
    assert_eq!((code, &fitted["status"]), (0, &json!("ok")));
    let messages = fitted["messages"].as_array().unwrap().iter().map(|message| message.as_str().unwrap());
    let message = messages.clone().find(|message| message.contains("nothing to generate")).unwrap();
    let count: u32 = message.split(' ').find_map(|word| word.parse().ok()).unwrap();
    assert!((200..300).contains(&count) && message.contains("of the 500 draws"), "{message}");
    assert!(messages.clone().any(|message| message.contains("undefined is NaN in every draw")));
    let [mu, echo, _] = [0, 1, 2].map(|index| &fitted["parameters"][index]);
    assert!(mu["mean"].is_number() && echo["mean"].is_null() && echo["q50"].is_null(), "{fitted}");
    let csv = fs::read_to_string(saved.join("draws-1.csv")).unwrap();
    assert_eq!(csv.lines().filter(|line| line.ends_with(",nan,nan")).count() as u32, count);
}
