//! `stanmatch check-model`: the instant and the compiled model of a program agree. The programs of tests/bridge are
//! compiled for other tests too. With STANMATCH_SLOW_TESTS every embedded program is compiled, 20 s each, and a table
//! shows what differs and what a gradient takes:
//!
//!     STANMATCH_SLOW_TESTS=1 cargo test --release --test check_model -- embedded --nocapture

#![cfg(all(feature = "cli", feature = "embedded-posteriors"))]

use std::collections::HashSet;
use std::process::Command;

use assert_cmd::cargo::CommandCargoExt;
use serde_json::Value;
use stanmatch::database::Database;

#[path = "shared/bridge_cases.rs"]
mod bridge_cases;
#[path = "shared/median.rs"]
mod median;

use bridge_cases::cases;
use median::median;

/// The points at which models are compared.
const POINTS: u64 = 20;

/// What the command says of a program, whose two models must agree within its tolerance, 1e-8 of the size.
fn agreeing(arguments: &[&str]) -> Value {
    let mut command = Command::cargo_bin("stanmatch").unwrap();
    command.args(["check-model", "--json", "--points", &POINTS.to_string()]).args(arguments);
    command.env_remove("POSTERIORDB").env_remove("BRIDGESTAN").current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {said}"));
    assert!(output.status.success(), "{arguments:?}: {}", document["messages"]);
    assert_eq!(document["points"], POINTS, "{arguments:?}");
    document
}

#[test]
fn both_models_of_the_bridges_programs_agree() {
    let folder = tempfile::tempdir().unwrap();
    // Instant models have no tuples and no complex numbers.
    for case in cases().iter().filter(|case| case.program != "containers") {
        let data = folder.path().join(&case.program);
        std::fs::write(&data, case.data.to_string()).unwrap();
        let program = format!("tests/bridge/{}.stan", case.program);
        agreeing(&[&program, "--data", data.to_str().unwrap()]);
    }
}

#[test]
fn what_would_check_nothing_is_refused() {
    let refused = |options: &[&str], code: i32, part: &str| {
        let mut command = Command::cargo_bin("stanmatch").unwrap();
        let output = command.args(["check-model", "eight_schools"]).args(options).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(code) && said.contains(part), "{said}");
    };
    refused(&["--points", "1"], 2, "at least 2");
    refused(&["--tolerance", "NaN"], 2, "not negative");
    refused(&["--tolerance=-1e-8"], 2, "not negative");
    refused(&["--data", "other.json"], 1, "--data applies only to a Stan program");
}

#[test]
fn both_models_of_every_embedded_program_agree() {
    if std::env::var_os("STANMATCH_SLOW_TESTS").is_none() {
        eprintln!("left out: every embedded program is compiled, 20 s each; STANMATCH_SLOW_TESTS=1 includes it");
        return;
    }
    let database = Database::open(None, None).unwrap();
    let mut seen = HashSet::new();
    let mut ratios = Vec::new();
    println!("| posterior | D | log density | gradient | constrained | instant, µs | compiled, µs | ratio |");
    println!("|---|---|---|---|---|---|---|---|");
    for name in database.posterior_names() {
        if !seen.insert(database.posterior(name).unwrap().model_name) {
            continue;
        }
        let document = agreeing(&[name]);
        let number = |place: &str| document.pointer(place).and_then(Value::as_f64).unwrap();
        let differences = ["/log_density_difference", "/gradient_difference", "/constrained_difference"].map(number);
        let [instant, compiled] = ["/instant/gradient_seconds", "/compiled/gradient_seconds"].map(number);
        let [log_density, gradient, constrained] = differences.map(|difference| format!("{difference:.0e}"));
        ratios.push(instant / compiled);
        println!(
            "| {name} | {} | {log_density} | {gradient} | {constrained} | {:.2} | {:.2} | {:.2} |",
            document["dim"],
            1e6 * instant,
            1e6 * compiled,
            instant / compiled
        );
    }
    println!("The median ratio of {} programs is {:.2}.", ratios.len(), median(ratios.clone()));
    assert!(ratios.len() > 20);
}
