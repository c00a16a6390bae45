//! `stanmatch fit` from the command line: its document, what it promises to repeat, what it saves, and bad input.

// The contract is one long `json!`.
#![recursion_limit = "256"]

use std::fs;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use serde_json::{Value, json};
use tempfile::TempDir;

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

/// The arguments after `fit` for the program moods.stan with `data`, which is written into `folder`.
fn moods(folder: &TempDir, data: &str) -> [String; 4] {
    let path = folder.path().join("data.json");
    fs::write(&path, data).unwrap();
    ["--model", "tests/fit/moods.stan", "--data", path.to_str().unwrap()].map(str::to_owned)
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

/// A posteriordb of one posterior, `moody-moods`, with `reference` as its reference draws.
fn database(reference: &Value) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let info = json!({"model_name": "moods", "data_name": "moody", "reference_posterior_name": "moody-moods"});
    for (path, content) in [
        ("posteriors/moody-moods.json", &info),
        ("data/data/moody.json", &json!({"mood": 0})),
        ("reference_posteriors/draws/draws/moody-moods.json", reference),
    ] {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content.to_string()).unwrap();
    }
    root
}

fn in_database(root: &TempDir) -> [&str; 5] {
    ["moody-moods", "--posteriordb", root.path().to_str().unwrap(), "--models", "tests/fit"]
}

/// Every key of the contract with an example of its type.
fn contract() -> Value {
    json!({
        "schema": "", "posterior": "", "model": "", "dim": 1, "method": "", "init": "", "seed": 1, "draws": 1,
        "status": "", "gradient_evaluations": 1, "density_evaluations": 1, "seconds": 0.1,
        "phases": [{"name": "", "gradient_evaluations": 1, "density_evaluations": 1, "seconds": 0.1}],
        "pareto_k": 0.1, "pareto_k_of_variances": 0.1, "max_drift": null, "elbo": 0.1, "eubo": null, "eubo_mcse": null,
        "score_divergence": 0.1, "converged": true, "messages": [""],
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
fn every_key_of_the_contract_is_documented() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/fit-json.md")).unwrap();
    for key in keys(&contract()) {
        assert!(page.contains(&format!("`{key}`")), "{key}");
    }
}

/// `document` without its wall times.
fn without_seconds(mut document: Value) -> Value {
    document.as_object_mut().unwrap().remove("seconds");
    for phase in document["phases"].as_array_mut().unwrap() {
        phase.as_object_mut().unwrap().remove("seconds");
    }
    document
}

#[test]
fn the_seed_decides_and_the_number_of_threads_does_not() {
    let fitted = |seed, threads| without_seconds(document(&["eight_schools", "--seed", seed, "--threads", threads]).0);
    let alone = fitted("3", "1");
    assert_eq!(alone, fitted("3", "1"));
    assert_eq!(alone, fitted("3", "2"));
    assert_ne!(alone["parameters"], fitted("4", "1")["parameters"]);
}

#[test]
fn every_method_and_init_arrives_at_the_same_posterior() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("init.json");
    fs::write(&file, json!({"mu": 5, "tau": 2, "theta_trans": [0, 0, 0, 0, 0, 0, 0, 0]}).to_string()).unwrap();
    for method in ["bam", "gsm"] {
        for init in ["path", "map", "laplace", "random", "zero", file.to_str().unwrap()] {
            let (document, code) = document(&["eight_schools", "--method", method, "--init", init]);
            assert_eq!((code, &document["method"]), (0, &json!(method)));
            assert_eq!(document["phases"][0]["name"], if init.contains('/') { "file" } else { init });
            assert_eq!(document["comparison"]["within_tolerance"], true, "{method} from {init}: {document}");
        }
    }
}

#[test]
fn a_gaussian_is_found_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let program = moods(&folder, r#"{"mood": 0}"#);
    for method in ["bam", "gsm", "advi-meanfield", "advi-fullrank", "advi-lowrank"] {
        let (document, code) = document(&[&borrowed(&program)[..], &["--method", method]].concat());
        assert_eq!((code, &document["status"], &document["dim"]), (0, &json!("ok"), &json!(1)));
        // The evidence of a normalised density is 1.
        assert!(document["elbo"].as_f64().unwrap().abs() < 1e-3, "{document}");
        let mu = &document["parameters"][0];
        let error = |key: &str, expected: f64| (mu[key].as_f64().unwrap() - expected).abs();
        assert!(error("mean", 3.0) < 0.15 && error("sd", 2.0) < 0.1 && error("q95", 6.29) < 0.3, "{mu}");
        assert_eq!((&document["posterior"], &document["comparison"]), (&json!("moods"), &Value::Null));
        assert_eq!(document["parameters"][1]["name"], "echo");
    }
}

#[test]
fn a_low_rank_fit_saves_its_diagonal_and_its_loadings() {
    let folder = tempfile::tempdir().unwrap();
    for rank in ["0", "3", "9"] {
        let output = folder.path().join(rank);
        let (document, code) =
            document(&["eight_schools", "--method", "pbam", "--rank", rank, "--output", output.to_str().unwrap()]);
        assert_eq!((code, &document["phases"][1]["name"]), (0, &json!("pbam")));
        let family: Value = serde_json::from_str(&fs::read_to_string(output.join("family.json")).unwrap()).unwrap();
        let size = |value: &Value| value.as_array().unwrap().len();
        assert_eq!([&family["mean"], &family["psi"], &family["lambda"], &family["names"]].map(size), [10; 4]);
        assert_eq!(size(&family["lambda"][0]).to_string(), rank);
    }
}

/// What the baselines promise: their own phases, an answer for a Gaussian, null for what does not apply.
#[test]
fn the_baselines_find_a_gaussian_in_their_own_ways() {
    let folder = tempfile::tempdir().unwrap();
    let program = moods(&folder, r#"{"mood": 0}"#);
    for (method, init, expected) in [
        ("pathfinder", "path", &["path", "psis", "draws"][..]),
        ("laplace", "laplace", &["laplace", "psis", "draws"]),
        ("nuts", "random", &["nuts", "draws"]),
    ] {
        let (document, code) = document(&[&borrowed(&program)[..], &["--method", method]].concat());
        assert_eq!((code, &document["status"], &document["init"]), (0, &json!("ok"), &json!(init)), "{document}");
        assert_eq!(phases(&document), expected);
        let mu = &document["parameters"][0];
        let error = |key: &str, expected: f64| (mu[key].as_f64().unwrap() - expected).abs();
        assert!(error("mean", 3.0) < 0.2 && error("sd", 2.0) < 0.15, "{method}: {mu}");
        assert_eq!((&document["converged"], &document["score_divergence"]), (&Value::Null, &Value::Null));
        assert_eq!(document["pareto_k"].is_null(), method == "nuts");
    }
}

#[test]
fn pathfinder_walks_as_often_as_asked() {
    let gradients = |paths| {
        let (document, code) = document(&["eight_schools", "--method", "pathfinder", "--paths", paths]);
        assert_eq!(code, 0);
        let drawn = document["phases"][1]["density_evaluations"].as_u64().unwrap();
        assert_eq!(drawn, 4000 * paths.parse::<u64>().unwrap());
        document["phases"][0]["gradient_evaluations"].as_u64().unwrap()
    };
    assert!(gradients("4") > 2 * gradients("1"));
}

#[test]
fn nuts_alone_reproduces_its_reference() {
    let (document, code) = document(&["eight_schools", "--method", "nuts", "--init", "zero"]);
    assert_eq!((code, &document["comparison"]["within_tolerance"]), (0, &json!(true)), "{document}");
    assert!(document["gradient_evaluations"].as_u64().unwrap() > 8000);
}

#[test]
fn the_evidence_is_between_its_bounds_and_a_gaussian_meets_both() {
    let reference: Vec<f64> = (0..1000).map(|i| 3.0 + 2.0 * (f64::from(i) * 0.618).sin()).collect();
    let root = database(&json!([{"mu": reference}]));
    let (fitted, code) = document(&in_database(&root));
    assert_eq!(code, 0);
    // The posterior is the Gaussian that is fitted, so log p − log q is 0 wherever the reference's draws are.
    assert!(fitted["eubo"].as_f64().unwrap().abs() < 1e-3, "{fitted}");
    assert!(fitted["eubo_mcse"].as_f64().unwrap() < 1e-3, "{fitted}");
    let (fitted, _) = document(&["no_data-banana"]);
    let value = |key: &str| fitted[key].as_f64().unwrap();
    assert!(value("elbo") < -0.2 && value("eubo") > 5.0 * value("eubo_mcse"), "{fitted}");
    // This reference has no draws of theta_trans, without which there is no point of the unconstrained scale.
    assert!(document(&["eight_schools"]).0["eubo"].is_null());
}

#[test]
fn what_a_program_prints_is_no_part_of_the_result() {
    let folder = tempfile::tempdir().unwrap();
    let program = moods(&folder, r#"{"mood": 0}"#);
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

/// The files of every saved fit of one chain.
const SAVED: [&str; 8] = [
    "draws-1.csv",
    "draws.json.zip",
    "family.json",
    "fit.json",
    "program.stan",
    "state.json",
    "trace.csv",
    "unconstrained.json.zip",
];

#[test]
fn a_fit_that_is_resumed_equals_one_that_was_not_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let fit = |more: &[&str]| document(&[&["simulated_trend-linear_regression", "--method", "bam"], more].concat()).0;
    fit(&["--iterations", "60", "--output", &path("whole")]);
    fit(&["--iterations", "25", "--output", &path("half")]);
    let resumed = fit(&["--iterations", "60", "--resume", &path("half"), "--output", &path("rest")]);
    assert_eq!(resumed["phases"][0]["name"], "bam");
    let read = |fit: &str, name: &str| fs::read_to_string(folder.path().join(fit).join(name)).unwrap();
    assert_eq!(read("rest", "family.json"), read("whole", "family.json"));
    assert_eq!(read("rest", "state.json"), read("whole", "state.json"));
    assert!(read("rest", "draws-1.csv").lines().last() == read("whole", "draws-1.csv").lines().last());
    let (whole, half, rest) = (read("whole", "trace.csv"), read("half", "trace.csv"), read("rest", "trace.csv"));
    let lines = half.lines().chain(rest.lines().skip(1));
    assert!(lines.eq(whole.lines()), "{rest}");

    // Where there are reference draws a line ends with the errors, which fall.
    let errors = |line: &str| line.rsplit(',').take(2).map(|field| field.parse().unwrap()).collect::<Vec<f64>>();
    assert!(whole.lines().next().unwrap().ends_with("location_error,log_scale_error"));
    assert!(errors(whole.lines().last().unwrap()).iter().all(|error| *error < 0.3), "{whole}");

    let other = ["simulated_trend-linear_regression", "--method", "gsm", "--resume", &path("half")];
    fails(&other, &["state is one of bam", "gsm"]);
    fails(&["no_data-banana", "--method", "bam", "--resume", &path("half")], &["state.json", "2 parameters"]);
    fails(
        &["simulated_trend-linear_regression", "--method", "bam", "--resume", &path("nowhere")],
        &["nowhere", "cannot be read"],
    );
}

#[test]
fn a_saved_fit_leaves_nothing_of_the_one_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    for stale in ["draws-2.csv", "draws-13.csv", "inits_7.json", "metric_dense.json"] {
        fs::write(folder.path().join(stale), "").unwrap();
    }
    let kept = ["draws-mine.csv", "notes.txt"];
    kept.iter().for_each(|name| fs::write(folder.path().join(name), "mine").unwrap());
    let fit = ["eight_schools", "--output", path];
    assert_eq!(document(&fit).1, 0);
    let names = |more: &[&'static str]| {
        let mut names = [&SAVED[..], &kept, more].concat();
        names.sort_unstable();
        names
    };
    assert_eq!(files(folder.path()), names(&[]));
    assert_eq!(document(&[&fit[..], &["--cmdstan-init=2"]].concat()).1, 0);
    assert_eq!(files(folder.path()), names(&["inits_1.json", "inits_2.json", "metric_dense.json", "metric_diag.json"]));
}

#[test]
fn a_fit_that_is_half_saved_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    fs::write(folder.path().join("fit.json"), "of an earlier fit").unwrap();
    // A folder in the place of a file stands for whatever ends the program midway.
    fs::create_dir(folder.path().join("trace.csv")).unwrap();
    fails(&["eight_schools", "--output", path], &["cannot be saved in"]);
    assert!(!files(folder.path()).contains(&"fit.json".to_owned()));
}

#[test]
fn generated_quantities_that_the_program_rejects_are_nan_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let program = moods(&folder, r#"{"mood": 4}"#);
    let saved = folder.path().join("fit");
    let options = ["--draws", "500", "--output", saved.to_str().unwrap()];
    let (fitted, code) = document(&[&borrowed(&program)[..], &options].concat());
    assert_eq!((code, &fitted["status"]), (0, &json!("ok")));
    let message = fitted["messages"].as_array().unwrap().last().unwrap().as_str().unwrap();
    let count: u32 = message.split(' ').find_map(|word| word.parse().ok()).unwrap();
    assert!((200..300).contains(&count) && message.contains("of the 500 draws"), "{message}");
    let [mu, echo, _] = [0, 1, 2].map(|index| &fitted["parameters"][index]);
    assert!(mu["mean"].is_number() && echo["mean"].is_null() && echo["q50"].is_null(), "{fitted}");
    let csv = fs::read_to_string(saved.join("draws-1.csv")).unwrap();
    assert_eq!(csv.lines().filter(|line| line.ends_with(",nan,nan")).count() as u32, count);
}

#[test]
fn a_saved_fit_is_compared_again_with_the_same_errors() {
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("fit");
    let path = saved.to_str().unwrap();
    let trace = folder.path().join("trace.csv");
    let (fitted, code) = document(&["eight_schools", "--output", path, "--trace", trace.to_str().unwrap()]);
    assert_eq!(code, 0);
    assert_eq!(files(&saved), SAVED);
    let kept = fs::read_to_string(saved.join("fit.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&kept).unwrap(), fitted);
    assert_eq!(fs::read(saved.join("trace.csv")).unwrap(), fs::read(trace).unwrap());
    let output = stanmatch(&["compare", path, "--reference", "eight_schools", "--json"]);
    let compared: Value = serde_json::from_slice(&output.stdout).unwrap();
    for key in ["max_location_error", "max_log_scale_error", "mean_w1", "max_w1"] {
        let (now, then) = (compared["comparison"][key].as_f64().unwrap(), fitted["comparison"][key].as_f64().unwrap());
        assert!((now - then).abs() < 1e-6, "{key}: {now} and {then}");
    }
}

#[test]
fn only_check_makes_a_fit_outside_tolerance_an_exit_code() {
    let root = database(&json!([{"mu": [8.0, 9.0, 10.0, 11.0]}, {"mu": [8.5, 9.5, 10.5, 11.5]}]));
    let arguments = in_database(&root);
    let (fitted, code) = document(&arguments);
    assert_eq!((code, &fitted["comparison"]["within_tolerance"]), (0, &json!(false)));
    assert_eq!(document(&[&arguments[..], &["--check"]].concat()).1, 3);
    let output = stanmatch(&[&["fit"], &arguments[..], &["--check"]].concat());
    assert_eq!(output.status.code(), Some(3));
    assert!(stdout(&output).contains("OUTSIDE tolerance of moody-moods"), "{}", stdout(&output));
}

#[test]
fn a_reference_with_other_parameters_is_no_comparison() {
    let root = database(&json!([{"nu": [1, 2, 3, 4]}]));
    let arguments = in_database(&root);
    let (fitted, code) = document(&arguments);
    assert_eq!((code, &fitted["comparison"]), (0, &Value::Null));
    let message = fitted["messages"].as_array().unwrap().last().unwrap().as_str().unwrap();
    assert!(message.contains("draws lack") && message.contains("nu"), "{message}");
    fails(&[&arguments[..], &["--check"]].concat(), &["draws lack", "`moody-moods`", "nu"]);
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
    assert!(fitted["messages"].to_string().contains("`undefined` is NaN in the draws"), "{}", fitted["messages"]);
    fails(&[&arguments[..], &["--check"]].concat(), &["`undefined` is NaN in the draws"]);
}

#[test]
fn missing_parts_are_named() {
    fails(&["eigth_schools"], &["`eigth_schools`", "did you mean `eight_schools`"]);
    fails(&["--model", "no/such.stan"], &["no/such.stan"]);
    fails(&["--model", "tests/fit/moods.stan", "--data", "no/such.json"], &["no/such.json"]);
    let root = database(&json!([{"mu": [1, 2]}]));
    let path = root.path().to_str().unwrap();
    fails(&["moody-moods", "--posteriordb", path], &["`moods`", "moods.stan", "--models"]);
    fails(&["moody-moods", "--posteriordb", path, "--models", "no/such"], &["no/such"]);
    fs::remove_file(root.path().join("data/data/moody.json")).unwrap();
    fails(&in_database(&root), &["the data `moody`", "data/data/moody.json"]);
    fails(&["eight_schools", "--init", "nowhere"], &["--init", "path, map", "nowhere"]);
}

#[test]
fn data_and_inits_that_do_not_fit_are_named_by_variable() {
    let folder = tempfile::tempdir().unwrap();
    for (data, part) in
        [("{}", "name=mood"), (r#"{"mood": [0, 0]}"#, "name=mood"), (r#"{"mood": 9}"#, "mood is 9"), ("{", "JSON")]
    {
        fails(&borrowed(&moods(&folder, data)), &["the data do not fit the program", part]);
    }
    let program = moods(&folder, r#"{"mood": 0}"#);
    let init = folder.path().join("init.json");
    for (values, part) in [(r#"{"nu": 1}"#, "name=mu"), (r#"{"mu": [1, 2]}"#, "name=mu"), ("{", "JSON")] {
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
    fails(
        &borrowed(&moods(&folder, r#"{"mood": 1}"#)),
        &["no point with a finite log density", "not in this mood", "moods.stan', line"],
    );
    let improper = moods(&folder, r#"{"mood": 2}"#);
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
        &["--rank must be less than the dimension, 10, not 10"],
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
fn a_budget_is_kept() {
    let (fitted, code) = document(&["eight_schools", "--budget", "300"]);
    assert_eq!((code, &fitted["converged"], &fitted["status"]), (0, &json!(false), &json!("flagged")));
    assert!(fitted["gradient_evaluations"].as_u64().unwrap() <= 300);
    assert!(fitted["messages"].to_string().contains("--budget"), "{}", fitted["messages"]);
}

#[test]
fn short_chains_go_on_where_weights_cannot_be_trusted() {
    // The Gaussian of the mode is narrower than the two that cross, and one batch does not widen it.
    let (fitted, code) = document(&["no_data-x_shaped", "--init", "laplace", "--iterations", "1"]);
    assert_eq!((code, &fitted["status"], &fitted["draws"]), (0, &json!("ok"), &json!(4000)));
    assert_eq!(phases(&fitted), ["laplace", "bam", "psis", "probe", "draws"]);
    assert!(fitted["converged"] == false && fitted["comparison"]["within_tolerance"] == true, "{fitted}");
    assert!(fitted["max_drift"].as_f64().unwrap() > 0.3, "{}", fitted["max_drift"]);
    assert!(fitted["messages"].to_string().contains("256 short chains"), "{}", fitted["messages"]);
    for parameter in fitted["parameters"].as_array().unwrap() {
        let ess = parameter["ess"].as_f64().unwrap();
        assert!((500.0..=6000.0).contains(&ess), "{parameter}");
    }
}

#[test]
fn chains_that_do_not_settle_say_why_and_keep_within_a_budget() {
    let (fitted, code) = document(&["eight_schools-eight_schools_centered", "--budget", "60000"]);
    assert_eq!((code, &fitted["status"]), (0, &json!("flagged")));
    assert!(fitted["gradient_evaluations"].as_u64().unwrap() <= 60_000);
    let messages = fitted["messages"].to_string();
    assert!(messages.contains("short chains") && messages.contains("budget left does not pay"), "{messages}");
    let (cheap, _) = document(&["eight_schools-eight_schools_centered", "--budget", "20000"]);
    assert!(cheap["max_drift"].is_null() && !cheap["messages"].to_string().contains("short chains"), "{cheap}");
    let (dear, _) = document(&["no_data-x_shaped", "--draws", "50000"]);
    assert_eq!((&dear["draws"], &dear["status"]), (&json!(50_000), &json!("ok")));
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
fn what_cannot_be_written_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "mine").unwrap();
    for target in [file.clone(), file.join("below")] {
        let path = target.to_str().unwrap();
        fails(&["eight_schools", "--output", path], &["cannot be saved in", path]);
        fails(&["eight_schools", "--trace", target.join("trace.csv").to_str().unwrap()], &["cannot be written", path]);
    }
    assert_eq!(files(folder.path()), ["file"]);
    assert_eq!(fs::read_to_string(file).unwrap(), "mine");
}

#[test]
fn a_program_that_hangs_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("fit");
    // Compiled before the clock runs.
    assert_eq!(document(&borrowed(&moods(&folder, r#"{"mood": 0}"#))).1, 0);
    let program = moods(&folder, r#"{"mood": 3}"#);
    let options = ["--timeout", "0.5", "--output", saved.to_str().unwrap()];
    let (failure, code) = document(&[&borrowed(&program)[..], &options].concat());
    assert_eq!((code, &failure["status"], &failure["schema"]), (1, &json!("failed"), &json!("stanmatch.fit/1")));
    assert!(failure["messages"][0].as_str().unwrap().contains("0.5 seconds"), "{failure}");
    assert!(!saved.exists());
}
