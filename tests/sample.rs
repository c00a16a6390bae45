//! `stanmatch sample` and `stanmatch db reference` from the command line.

use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;

fn stanmatch(arguments: &[&str]) -> Output {
    Command::cargo_bin("stanmatch").unwrap().args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no JSON; {}", stderr(output)))
}

const SHORT: [&str; 8] = ["sample", "eight_schools", "--warmup", "200", "--draws", "100", "--chains", "2"];

#[test]
fn the_draws_do_not_depend_on_the_number_of_threads() {
    let parameters = |threads| {
        let document = document(&stanmatch(&[&SHORT[..], &["--json", "--threads", threads]].concat()));
        assert_eq!(document["schema"], "stanmatch.sample/1");
        assert_eq!(document["dim"], 10);
        assert_eq!(document["comparison"]["parameters"].as_array().unwrap().len(), 10);
        document["parameters"].clone()
    };
    let alone = parameters("1");
    assert_eq!(alone, parameters("2"));
    let names: Vec<&str> = alone.as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"tau") && names.contains(&"theta[8]"), "{names:?}");
}

#[test]
fn the_table_goes_to_stdout_and_the_chains_to_files() {
    let folder = tempfile::tempdir().unwrap();
    let output = stanmatch(&[&SHORT[..], &["--output", folder.path().to_str().unwrap()]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("theta[1]") && table.contains("2 chains of 100 draws"), "{table}");
    assert!(table.contains("ref mean") && table.contains("tolerance of eight_schools"), "{table}");
    let mut files: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    assert_eq!(files, ["draws-1.csv", "draws-2.csv", "sample.json"]);
}

#[test]
fn a_program_and_its_data_can_be_files() {
    let folder = tempfile::tempdir().unwrap();
    let data = |text: &str| {
        let path = folder.path().join("data.json");
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let program = "tests/bridge/normal.stan";
    let good = data(r#"{"N": 4, "y": [0.5, 2.25, -1.0, 3.5]}"#);
    let sampled = document(&stanmatch(&["sample", "--model", program, "--data", &good, "--draws", "50", "--json"]));
    assert_eq!((&sampled["model"], &sampled["comparison"]), (&"normal".into(), &Value::Null));
    let bad = data(r#"{"N": 4, "y": [0.5, 2.25]}"#);
    let output = stanmatch(&["sample", "--model", program, "--data", &bad]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("the data do not fit the program") && stderr(&output).contains('y'));
    assert!(output.stdout.is_empty());
}

#[test]
fn failures_are_one_sentence_and_with_json_one_document() {
    let output = stanmatch(&["sample", "eight_schols", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let document = document(&output);
    assert_eq!(document["status"], "failed");
    assert!(document["messages"][0].as_str().unwrap().contains("eight_schools"), "{document}");
    let said = |arguments: &[&str]| {
        let output = stanmatch(arguments);
        assert!(!output.status.success() && output.stdout.is_empty());
        stderr(&output)
    };
    assert!(said(&[&SHORT[..2], &["--chains", "0"]].concat()).contains("chains must be at least 1, not 0"));
    assert!(said(&[&SHORT[..2], &["--adapt-delta", "1.5"]].concat()).contains("between 0 and 1"));
    assert!(said(&["sample", "--data", "x.json"]).contains("--model"));
    assert!(said(&["sample", "--model", "no/such.stan"]).contains("no/such.stan"));
}

#[test]
fn draws_that_fail_the_checks_are_not_written_as_a_reference() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let options = ["--output", path, "--thin", "1", "--warmup", "300"];
    let output = stanmatch(&[&["db", "reference", "eight_schools"][..], &options].concat());
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("effective sample size of"), "{}", stderr(&output));
    assert!(!Path::new(path).join("reference_posteriors").exists());
}
