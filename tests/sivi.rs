//! `stanmatch fit --method sivi-sm` and `sivi` from the command line: what they say of a target with two modes, that
//! they can be stopped and resumed, and bad input.

#![cfg(all(feature = "cli", feature = "embedded-posteriors"))]

use std::fs;
use std::process::{Command as Process, Output, Stdio};
use std::thread;
use std::time::Duration;

use assert_cmd::Command;
use serde_json::{Value, json};

/// Short: what they say is tested here, not how good they are.
const TWO_MODES: [&str; 10] =
    ["fit", "two_modes", "--method", "sivi-sm", "--iterations", "1500", "--batch", "32", "--draws", "1000"];

fn stanmatch(arguments: &[&str]) -> Output {
    let mut command = Command::cargo_bin("stanmatch").unwrap();
    command.env_remove("POSTERIORDB").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap()
}

fn document(arguments: &[&str]) -> Value {
    let output = stanmatch(&[arguments, &["--json"]].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

fn says(document: &Value, part: &str) -> bool {
    document["messages"].as_array().unwrap().iter().any(|message| message.as_str().unwrap().contains(part))
}

#[test]
fn two_modes_are_found_spanned_and_told_of_whatever_the_threads() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().to_str().unwrap();
    let fitted = document(&[&TWO_MODES[..], &["--threads", "1", "--output", output]].concat());
    let names: Vec<&Value> = fitted["phases"].as_array().unwrap().iter().map(|phase| &phase["name"]).collect();
    assert_eq!(json!(names), json!(["modes", "sivi-sm", "psis", "draws"]));
    assert!(says(&fitted, "ended in 2 modes") && says(&fitted, "score divergence"), "{fitted}");
    // A score for each draw, and in the last four tenths of the steps a product by two more.
    assert_eq!(fitted["phases"][1]["gradient_evaluations"], (1500 + 600 * 2) * 32);
    assert_eq!(fitted["phases"][2]["gradient_evaluations"], 4000);
    assert!(fitted["pareto_k"].as_f64().unwrap() < 1.0, "{fitted}");
    let trace = fs::read_to_string(folder.path().join("trace.csv")).unwrap();
    assert_eq!(trace.lines().count(), 501);
    assert!(!folder.path().join("family.json").exists());
    let report = folder.path().join("page.html");
    let made = stanmatch(&["report", output, "--output", report.to_str().unwrap()]);
    assert!(made.status.success() && report.exists(), "{}", String::from_utf8_lossy(&made.stderr));
    let with_threads = document(&[&TWO_MODES[..], &["--threads", "2"]].concat());
    assert_eq!(fitted["parameters"], with_threads["parameters"]);
}

#[test]
fn the_baseline_climbs_its_bound() {
    let fitted = document(&[&TWO_MODES[..3], &["sivi"], &TWO_MODES[4..], &["--toolchain", "httpstan"]].concat());
    assert_eq!(fitted["phases"][1]["gradient_evaluations"], 1500 * 32);
    // The evidence of a normalised density is 1; a Gaussian's bound is about -0.2 here.
    let elbo = fitted["elbo"].as_f64().unwrap();
    assert!((-0.15..0.02).contains(&elbo), "{fitted}");
}

#[test]
fn a_fit_that_was_stopped_continues_to_the_same_end() {
    let folder = tempfile::tempdir().unwrap();
    let (state, output) = (folder.path().join("state.json"), folder.path().to_str().unwrap());
    let finished = folder.path().join("fit.json");
    fs::write(&finished, "of an earlier fit").unwrap();
    let mut stopped = Process::new(assert_cmd::cargo::cargo_bin("stanmatch"));
    let stopped = stopped
        .args(TWO_MODES)
        .args(["--output", output])
        .env_remove("POSTERIORDB")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    for _ in 0..12_000 {
        if state.exists() {
            break;
        }
        thread::sleep(Duration::from_millis(5));
    }
    Process::new("kill").args(["-INT", &stopped.id().to_string()]).status().unwrap();
    let ended = stopped.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.code() == Some(130) && said.contains("continue with --resume"), "{said}");

    assert!(!finished.exists(), "the folder has the document of one fit and the state of another");

    // Neither another posterior, nor other options.
    let refused = |arguments: &[&str], part: &str| {
        let output = stanmatch(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && said.contains("state.json") && said.contains(part), "{said}");
    };
    let resume = [&TWO_MODES[..], &["--resume", output]].concat();
    let mut other = resume.clone();
    other[1] = "x_shaped";
    refused(&other, "of another posterior");
    refused(&[&resume[..], &["--seed", "2"]].concat(), "with the seed 1, not 2: give the saved fit's --seed");
    refused(&[&resume[..], &["--learning-rate", "0.5"]].concat(), "with other options");
    refused(&[&resume[..], &["--budget", "900000"]].concat(), "with `budget` none, not 900000");
    let mut longer = resume.clone();
    longer[5] = "1600";
    refused(&longer, "with `iterations` 1500, not 1600: give the saved fit's --iterations");

    let resumed = document(&resume);
    assert!(says(&resumed, "was resumed at step"), "{resumed}");
    assert_eq!(resumed["parameters"], document(&TWO_MODES)["parameters"]);
    // Densities of compiled models have constants, which those of instant ones lack.
    assert!(says(&document(&[&resume[..], &["--toolchain", "httpstan"]].concat()), "was resumed at step"));
    let text = fs::read_to_string(&state).unwrap();
    let mut damaged: Value = serde_json::from_str(&text).unwrap();
    damaged["state"]["trace"] = json!([]);
    fs::write(&state, damaged.to_string()).unwrap();
    refused(&resume, "its trace is not one of its steps");
    fs::write(&state, "{").unwrap();
    refused(&resume, "state.json");
    refused(&[&TWO_MODES[..], &["--resume", "/no/such/fit"]].concat(), "cannot be read");
}

#[test]
fn options_that_do_not_apply_are_refused() {
    let refused = |more: &[&str], part: &str| {
        let output = stanmatch(&[&TWO_MODES[..], more].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && said.contains(part), "{said}");
    };
    refused(&["--schedule", "cosine"], "--schedule does not apply to the method sivi-sm");
    refused(&["--budget", "100"], "a budget of 100");
    let odd = stanmatch(&["fit", "two_modes", "--method", "sivi-sm", "--batch", "7"]);
    assert!(String::from_utf8_lossy(&odd.stderr).contains("--batch must be even"));
}
