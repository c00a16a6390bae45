//! `stanmatch sample` and `stanmatch db reference` from the command line.

#![cfg(all(feature = "cli", feature = "embedded-posteriors"))]

use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;

fn stanmatch(arguments: &[&str]) -> Output {
    let mut command = Command::cargo_bin("stanmatch").unwrap();
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("POSTERIORDB").output().unwrap()
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
    assert_eq!(files(folder.path()), ["draws-1.csv", "draws-2.csv", "sample.json"]);
}

fn files(folder: &Path) -> Vec<String> {
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    files
}

#[test]
fn chains_take_the_place_of_an_earlier_runs_and_never_of_a_fits() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str| std::fs::write(folder.path().join(name), "").unwrap();
    ["draws-2.csv", "draws-3.csv", "draws-12.csv", "draws-old.csv", "family.json"].into_iter().for_each(write);
    let sample = || stanmatch(&[&SHORT[..], &["--output", folder.path().to_str().unwrap()]].concat());
    let output = sample();
    assert!(output.status.success(), "{}", stderr(&output));
    let kept = ["draws-1.csv", "draws-2.csv", "draws-old.csv", "family.json", "sample.json"];
    assert_eq!(files(folder.path()), kept);
    write("fit.json");
    write("draws-1.csv");
    let output = sample();
    assert!(!output.status.success() && stderr(&output).contains("holds a saved fit"), "{}", stderr(&output));
    assert_eq!(std::fs::read(folder.path().join("draws-1.csv")).unwrap(), b"");
}

#[test]
fn too_few_draws_for_a_diagnosis_are_flagged() {
    let few = document(&stanmatch(&["sample", "eight_schools", "--warmup", "200", "--draws", "3", "--json"]));
    assert_eq!(few["status"], "flagged");
    assert!(few["messages"][0].as_str().unwrap().contains("3 draws a chain"), "{few}");
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

/// What `db reference` says of draws that must not become a reference; nothing may be written.
fn refused(arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let output = stanmatch(&[&["db", "reference", "--output", path], arguments].concat());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(output.stdout.is_empty() && !Path::new(path).join("reference_posteriors").exists());
    stderr(&output)
}

#[test]
fn draws_that_fail_the_checks_are_not_written_as_a_reference() {
    let dependent = refused(&["eight_schools", "--thin", "1", "--warmup", "300"]);
    assert!(dependent.contains("effective sample size of"), "{dependent}");
    let funnel = ["eight_schools-eight_schools_centered", "--thin", "1", "--warmup", "300", "--adapt-delta", "0.7"];
    let divergent = refused(&funnel);
    assert!(
        divergent.contains("transitions diverged") && divergent.contains("raise --thin and --adapt-delta"),
        "{divergent}"
    );
}

/// The troubles of tests/sample/divergent.stan, what each is called, and what `sample` calls it, if anything.
const TROUBLES: [(&str, &str, Option<&str>); 3] = [
    ("1", "the chains disagree or do not move", Some("the posterior may be improper")),
    ("2", "the chains disagree", Some("the chains disagree")),
    ("3", "R-hat of still is NaN, not below 1.01: it never moves", None),
];

#[test]
fn an_improper_posterior_separate_modes_and_a_quantity_that_never_moves_are_no_reference() {
    let folder = tempfile::tempdir().unwrap();
    for (trouble, no_reference, warning) in TROUBLES {
        let data = folder.path().join(format!("{trouble}.json"));
        std::fs::write(&data, format!(r#"{{"trouble": {trouble}}}"#)).unwrap();
        let posterior = [
            "--model",
            "tests/sample/divergent.stan",
            "--data",
            data.to_str().unwrap(),
            "--max-depth",
            "6",
            "--adapt-delta",
            "0.95",
        ];
        let said = refused(&[&posterior[..], &["--thin", "1", "--warmup", "300"]].concat());
        assert!(said.contains(no_reference), "{trouble}: {said}");
        let sampled = document(&stanmatch(&[&["sample", "--json"], &posterior[..]].concat()));
        let messages = sampled["messages"].to_string();
        assert_eq!(sampled["status"], if warning.is_some() { "flagged" } else { "ok" }, "{trouble}: {messages}");
        assert!(messages.contains(warning.unwrap_or_default()), "{trouble}: {messages}");
    }
}

#[test]
fn chains_begin_from_a_saved_fit() {
    let folder = tempfile::tempdir().unwrap();
    let fit = folder.path().join("fit").to_str().unwrap().to_owned();
    let chains = folder.path().join("chains");
    let posterior = "simulated_trend-linear_regression";
    let fitted = document(&stanmatch(&["fit", posterior, "--method", "bam", "--output", &fit, "--json"]));
    let cold = document(&stanmatch(&["sample", posterior, "--json"]));
    let options = ["--warm-start", &fit, "--json", "--output", chains.to_str().unwrap()];
    let warm = document(&stanmatch(&[&["sample", posterior][..], &options].concat()));
    assert_eq!(
        (&warm["status"], &warm["warmup"], &warm["warm_start"]),
        (&"ok".into(), &150.into(), &fit.as_str().into())
    );
    assert_eq!(warm["comparison"]["within_tolerance"], true, "{warm}");
    let gradients = |of: &Value| of["gradient_evaluations"].as_u64().unwrap();
    assert!(4 * (gradients(&warm) + gradients(&fitted)) < gradients(&cold), "{warm} {cold}");
    // The metric is not diagonal on the unconstrained scale, and the log density is the program's.
    let csv = std::fs::read_to_string(chains.join("draws-1.csv")).unwrap();
    assert!(csv.contains("metric = unit_e") && !csv.contains("Diagonal elements"), "{csv}");
    // Chains that begin wider than the fit make a reference too, and say how they began.
    let path = folder.path().to_str().unwrap();
    let begun = ["--warm-start", &fit, "--warmup", "150", "--output", path];
    let made = stanmatch(&[&["db", "reference", posterior][..], &begun].concat());
    assert!(made.status.success(), "{}", stderr(&made));
    let info = folder.path().join(format!("reference_posteriors/draws/info/{posterior}.info.json"));
    let info: Value = serde_json::from_slice(&std::fs::read(info).unwrap()).unwrap();
    assert!(info["comments"].as_str().unwrap().contains("in the coordinates of a Gaussian fit"), "{info}");
    let draws = folder.path().join(format!("reference_posteriors/draws/draws/{posterior}.json.zip"));
    let compared = document(&stanmatch(&["compare", draws.to_str().unwrap(), "--reference", posterior, "--json"]));
    assert_eq!(compared["comparison"]["within_tolerance"], true, "{compared}");

    let other = stanmatch(&["sample", "eight_schools", "--warm-start", &fit]);
    assert!(
        !other.status.success() && stderr(&other).contains("the fit belongs to another program"),
        "{}",
        stderr(&other)
    );
    let absent = stanmatch(&["sample", posterior, "--warm-start", "no/such/fit"]);
    assert!(stderr(&absent).contains("no/such/fit/family.json"), "{}", stderr(&absent));
}

#[test]
fn a_reference_may_keep_some_draws_and_summaries_of_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let name = "simulated_trend-linear_regression";
    let keep = ["--keep", "sigma", "--keep", "beta[?]"];
    let made = stanmatch(&[&["db", "reference", name, "--output", path][..], &keep].concat());
    assert!(made.status.success(), "{}", stderr(&made));
    let info = folder.path().join(format!("reference_posteriors/draws/info/{name}.info.json"));
    let info: Value = serde_json::from_slice(&std::fs::read(info).unwrap()).unwrap();
    assert_eq!(info["summaries"]["names"], serde_json::json!(["alpha"]));
    assert_eq!(info["diagnostics"]["diagnostic_information"]["names"].as_array().unwrap().len(), 5);
    let described = folder.path().join(format!("posteriors/{name}.json"));
    stanmatch::files::write(
        &described,
        include_bytes!("../posteriordb/posteriors/simulated_trend-linear_regression.json"),
    )
    .unwrap();
    // The database's own reference, which has draws of everything, is within tolerance of it.
    let draws = format!("posteriordb/reference_posteriors/draws/draws/{name}.json.zip");
    let compared = document(&stanmatch(&["compare", &draws, "--reference", name, "--posteriordb", path, "--json"]));
    assert_eq!(compared["comparison"]["within_tolerance"], true, "{compared}");
    let last = compared["comparison"]["parameters"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["name"], &last["w1"]), (&"alpha".into(), &Value::Null));
    let unknown = refused(&[name, "--keep", "gamma*"]);
    assert!(unknown.contains("gamma*"), "{unknown}");
}
