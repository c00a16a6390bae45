//! A fit compared with reference draws.

use serde_json::{Value, json};

use super::{database, document, fails, in_database, stanmatch, stdout};

#[test]
fn only_check_makes_a_fit_outside_tolerance_an_exit_code() {
    let root = database(&json!([{"mu": [8.0, 9.0, 10.0, 11.0]}, {"mu": [8.5, 9.5, 10.5, 11.5]}]));
    let arguments = in_database(&root);
    let (fitted, code) = document(&arguments);
    assert_eq!((code, &fitted["comparison"]["within_tolerance"]), (0, &json!(false)));
    assert_eq!(document(&[&arguments[..], &["--check"]].concat()).1, 3);
    let output = stanmatch(&[&["fit"], &arguments[..], &["--check"]].concat());
    assert_eq!(output.status.code(), Some(3));
    assert!(stdout(&output).contains("OUTSIDE tolerance of faulty_model-faulty"), "{}", stdout(&output));
}

#[test]
fn a_reference_with_other_parameters_is_no_comparison() {
    let root = database(&json!([{"nu": [1, 2, 3, 4]}]));
    let arguments = in_database(&root);
    let (fitted, code) = document(&arguments);
    assert_eq!((code, &fitted["comparison"]), (0, &Value::Null));
    let message = fitted["messages"].as_array().unwrap().last().unwrap().as_str().unwrap();
    assert!(message.contains("draws lack") && message.contains("nu"), "{message}");
    fails(&[&arguments[..], &["--check"]].concat(), &["draws lack", "`faulty_model-faulty`", "nu"]);
}

#[test]
fn a_quantity_that_is_not_a_number_is_null_and_not_compared() {
    let root = database(&json!([{"mu": [1, 2, 3, 4], "undefined": [1, 2, 3, 4]}]));
    let arguments = in_database(&root);
    let (fitted, code) = document(&arguments);
    assert_eq!((code, &fitted["status"], &fitted["comparison"]), (0, &json!("ok"), &Value::Null));
    assert_eq!(
        (&fitted["parameters"][2]["name"], &fitted["parameters"][2]["mean"]),
        (&json!("undefined"), &Value::Null)
    );
    assert!(
        fitted["messages"].to_string().contains("`undefined` has the value NaN in the draws"),
        "{}",
        fitted["messages"]
    );
    fails(&[&arguments[..], &["--check"]].concat(), &["`undefined` has the value NaN in the draws"]);
}
