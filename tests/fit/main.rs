//! `stanmatch fit` from the command line: its document, what it promises to repeat, what it saves, and bad input.

#![cfg(all(feature = "cli", feature = "embedded-posteriors"))]
// The contract is one long `json!`.
#![recursion_limit = "256"]

use std::fs;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use serde_json::{Value, json};
use tempfile::TempDir;

mod answers;
mod bad_input;
mod comparison;
mod document;
mod saved;

fn stanmatch(arguments: &[&str]) -> Output {
    let mut command = Command::cargo_bin("stanmatch").unwrap();
    command.env_remove("POSTERIORDB").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The document of `fit … --json`, which must be all of standard output, and the exit code.
fn document(arguments: &[&str]) -> (Value, i32) {
    let output = stanmatch(&[&["fit"], arguments, &["--json"]].concat());
    let document = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no JSON; {}", stderr(&output)));
    (document, output.status.code().unwrap())
}

/// The names of the phases of a fit.
fn phases(document: &Value) -> Vec<&str> {
    document["phases"].as_array().unwrap().iter().map(|phase| phase["name"].as_str().unwrap()).collect()
}

/// The arguments after `fit` for the program faulty.stan with `data`, which is written into `folder`.
fn faulty(folder: &TempDir, data: &str) -> [String; 4] {
    let path = folder.path().join("data.json");
    fs::write(&path, data).unwrap();
    ["--model", "tests/fit/faulty.stan", "--data", path.to_str().unwrap()].map(str::to_owned)
}

fn borrowed(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

/// One clear sentence that holds `parts`, exit code 1, nothing on standard output.
#[track_caller]
fn fails(arguments: &[&str], parts: &[&str]) {
    let output = stanmatch(&[&["fit"], arguments].concat());
    let said = stderr(&output);
    let message = said.lines().find(|line| line.starts_with("error: ")).unwrap_or_else(|| panic!("{said}"));
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(output.stdout.is_empty() && !said.contains("panicked"), "{said}");
    parts.iter().for_each(|part| assert!(message.contains(part), "{part} in {said}"));
}

/// The names in `folder`, hidden ones included.
fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A posteriordb of one posterior, `faulty_model-faulty`, with `reference` as its reference draws.
fn database(reference: &Value) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let info =
        json!({"model_name": "faulty", "data_name": "faulty_model", "reference_posterior_name": "faulty_model-faulty"});
    for (path, content) in [
        ("posteriors/faulty_model-faulty.json", &info),
        ("data/data/faulty_model.json", &json!({"mood": 0})),
        ("reference_posteriors/draws/draws/faulty_model-faulty.json", reference),
    ] {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content.to_string()).unwrap();
    }
    root
}

fn in_database(root: &TempDir) -> [&str; 5] {
    ["faulty_model-faulty", "--posteriordb", root.path().to_str().unwrap(), "--models", "tests/fit"]
}
