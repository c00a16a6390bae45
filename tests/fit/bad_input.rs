//! What cannot be fitted: one clear sentence, and nothing half-done.

use std::fs;

use assert_cmd::Command;
use serde_json::json;

use super::{borrowed, database, document, fails, faulty, files, in_database, stanmatch, stderr};

#[test]
fn missing_parts_are_named() {
    fails(&["eigth_schools"], &["`eigth_schools`", "did you mean `eight_schools`"]);
    fails(&["--model", "no/such.stan"], &["no/such.stan"]);
    fails(&["--model", "tests/fit/faulty.stan", "--data", "no/such.json"], &["no/such.json"]);
    let root = database(&json!([{"mu": [1, 2]}]));
    let path = root.path().to_str().unwrap();
    fails(&["faulty_model-faulty", "--posteriordb", path], &["`faulty`", "faulty.stan", "--models"]);
    fails(&["faulty_model-faulty", "--posteriordb", path, "--models", "no/such"], &["no/such"]);
    fs::remove_file(root.path().join("data/data/faulty_model.json")).unwrap();
    fails(&in_database(&root), &["the data `faulty_model`", "data/data/faulty_model.json"]);
    fails(&["eight_schools", "--init", "nowhere"], &["--init", "path, map", "nowhere"]);
}

#[test]
fn data_and_inits_that_do_not_fit_are_named_by_variable() {
    let folder = tempfile::tempdir().unwrap();
    for (data, part) in
        [("{}", "name=mood"), (r#"{"mood": [0, 0]}"#, "name=mood"), (r#"{"mood": 9}"#, "mood is 9"), ("{", "JSON")]
    {
        fails(&borrowed(&faulty(&folder, data)), &["the data do not fit the program", part]);
    }
    let program = faulty(&folder, r#"{"mood": 0}"#);
    let init = folder.path().join("init.json");
    for (values, part) in [(r#"{"nu": 1}"#, "mu"), (r#"{"mu": [1, 2]}"#, "mu"), ("{", "JSON")] {
        fs::write(&init, values).unwrap();
        let arguments = [&borrowed(&program)[..], &["--init", init.to_str().unwrap()]].concat();
        fails(&arguments, &["the initial values do not fit the program", part]);
    }
}

#[test]
fn a_syntax_error_shows_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.stan");
    fs::write(&path, "parameters {\n  real mu\n}\n").unwrap();
    fails(&["--model", path.to_str().unwrap()], &["broken.stan is not a valid Stan program", "line 3"]);
    assert_eq!(files(folder.path()), ["broken.stan"]);
}

#[test]
fn densities_that_cannot_be_fitted_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let rejecting = faulty(&folder, r#"{"mood": 1}"#);
    fails(&borrowed(&rejecting), &["no point with a finite log density", "not in this mood"]);
    // Only a compiled model knows the line.
    let compiled = [&borrowed(&rejecting)[..], &["--toolchain", "httpstan"]].concat();
    fails(&compiled, &["no point with a finite log density", "not in this mood", "faulty.stan', line"]);
    let improper = faulty(&folder, r#"{"mood": 2}"#);
    fails(&borrowed(&improper), &["improper", "--init"]);
    for method in ["auto", "bam", "gsm"] {
        let (fitted, _) = document(&[&borrowed(&improper)[..], &["--init", "zero", "--method", method]].concat());
        assert_ne!(fitted["status"], "ok", "{fitted}");
        assert!(!fitted["messages"].as_array().unwrap().is_empty());
    }
    fails(&["--model", "tests/bridge/empty.stan"], &["no parameters"]);
}

#[test]
fn values_that_make_no_sense_are_named() {
    fails(&["eight_schools", "--batch", "0"], &["--batch must be at least 1, not 0"]);
    fails(&["eight_schools", "--iterations", "0"], &["--iterations must be at least 1, not 0"]);
    fails(&["eight_schools", "--paths", "0"], &["--paths must be at least 1, not 0"]);
    for (method, init) in [("nuts", "map"), ("laplace", "zero"), ("pathfinder", "random")] {
        fails(&["eight_schools", "--method", method, "--init", init], &[method, init, "leave --init out"]);
    }
    fails(
        &["eight_schools", "--method", "pbam", "--rank", "10"],
        &["--rank must be less than the dimension 10, but is 10"],
    );
    fails(&["eight_schools", "--method", "nuts", "--budget", "1000"], &["budget of 1000", "4 chains"]);
    for rate in ["0", "-1", "inf"] {
        fails(&["eight_schools", &format!("--learning-rate={rate}")], &["--learning-rate must be a positive number"]);
    }
    fails(&["eight_schools", "--draws", "1"], &["--draws must be at least 2, not 1"]);
    fails(&["eight_schools", "--budget", "20"], &["budget of 20 gradient evaluations", "batch of 16"]);
    fails(&["--model", "tests/bridge/empty.stan", "--check"], &["--check", "reference draws"]);
    assert_eq!(stanmatch(&["fit", "a", "--cmdstan-init"]).status.code(), Some(2));
    for wrong in [&[][..], &["a", "--model", "b.stan"], &["a", "--data", "b.json"], &["a", "--method", "x"]] {
        assert_eq!(stanmatch(&[&["fit"], wrong].concat()).status.code(), Some(2), "{wrong:?}");
    }
    for wrong in [["--batch", "-1"], ["--seed", "x"], ["--threads", "0"], ["--draws", "1e3"]] {
        assert_eq!(stanmatch(&[&["fit", "a"], &wrong[..]].concat()).status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn without_a_toolchain_the_command_that_installs_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::cargo_bin("stanmatch").unwrap();
    command.env("STANMATCH_CACHE", folder.path()).env_remove("BRIDGESTAN").env_remove("POSTERIORDB");
    command.args(["fit", "eight_schools"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("`stanmatch toolchain install`"), "{}", stderr(&output));
    assert!(files(folder.path()).is_empty());
}

#[test]
fn a_program_that_hangs_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("fit");
    let program = faulty(&folder, r#"{"mood": 3}"#);
    let options = ["--timeout", "0.5", "--output", saved.to_str().unwrap()];
    let (failure, code) = document(&[&borrowed(&program)[..], &options].concat());
    assert_eq!((code, &failure["status"], &failure["schema"]), (1, &json!("failed"), &json!("stanmatch.fit/1")));
    assert!(failure["messages"][0].as_str().unwrap().contains("0.5 seconds"), "{failure}");
    assert!(!saved.exists());
}
