//! What a fit arrives at, by every method, and what it may cost.

use std::f64::consts::PI;
use std::fs;

use serde_json::{Value, json};

use super::{borrowed, database, document, faulty, in_database, phases};

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
    let program = faulty(&folder, r#"{"mood": 0}"#);
    for method in ["bam", "gsm", "advi-meanfield", "advi-fullrank", "advi-lowrank"] {
        let (document, code) = document(&[&borrowed(&program)[..], &["--method", method]].concat());
        assert_eq!((code, &document["status"], &document["dim"]), (0, &json!("ok"), &json!(1)));
        // The evidence of a normalised density is 1; an instant model's lacks the constant 1/(2 √(2π)).
        let constant = (2.0 * (2.0 * PI).sqrt()).ln();
        assert_eq!(document["normalized"], false);
        assert!((document["elbo"].as_f64().unwrap() - constant).abs() < 1e-3, "{document}");
        let mu = &document["parameters"][0];
        let error = |key: &str, expected: f64| (mu[key].as_f64().unwrap() - expected).abs();
        assert!(error("mean", 3.0) < 0.15 && error("sd", 2.0) < 0.1 && error("q95", 6.29) < 0.3, "{mu}");
        assert_eq!((&document["posterior"], &document["comparison"]), (&json!("faulty"), &Value::Null));
        assert_eq!(document["parameters"][1]["name"], "echo");
    }
}

#[test]
fn a_compiled_model_has_its_constants() {
    let folder = tempfile::tempdir().unwrap();
    let program = faulty(&folder, r#"{"mood": 0}"#);
    let (document, _) = document(&[&borrowed(&program)[..], &["--toolchain", "httpstan"]].concat());
    assert_eq!((&document["normalized"], &document["toolchain"]["source"]), (&json!(true), &json!("httpstan")));
    assert!(document["elbo"].as_f64().unwrap().abs() < 1e-3, "{document}");
}

/// What the baselines promise: their own phases, an answer for a Gaussian, null for what does not apply.
#[test]
fn the_baselines_find_a_gaussian_in_their_own_ways() {
    let folder = tempfile::tempdir().unwrap();
    let program = faulty(&folder, r#"{"mood": 0}"#);
    for (method, init, expected) in [
        ("pathfinder", "path", &["path", "psis", "draws"][..]),
        ("laplace", "laplace", &["laplace", "modes", "psis", "draws"]),
        ("nuts", "random", &["nuts", "modes", "draws"]),
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
fn pathfinder_has_as_many_paths_as_asked() {
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
    let (fitted, code) = document(&[&in_database(&root)[..], &["--toolchain", "httpstan"]].concat());
    assert_eq!((code, &fitted["normalized"]), (0, &json!(true)), "{fitted}");
    // The posterior is the Gaussian that is fitted, so log p − log q is 0 wherever the reference's draws are.
    assert!(fitted["eubo"].as_f64().unwrap().abs() < 1e-3, "{fitted}");
    assert!(fitted["eubo_mcse"].as_f64().unwrap() < 1e-3, "{fitted}");
    let (fitted, _) = document(&["no_data-banana", "--toolchain", "httpstan"]);
    let value = |key: &str| fitted[key].as_f64().unwrap();
    assert!(value("elbo") < -0.2 && value("eubo") > 5.0 * value("eubo_mcse"), "{fitted}");
    // This reference has no draws of theta_trans, without which there is no point of the unconstrained scale.
    assert!(document(&["eight_schools"]).0["eubo"].is_null());
}

#[test]
fn a_budget_is_kept() {
    let (fitted, code) = document(&["eight_schools", "--budget", "300"]);
    assert_eq!((code, &fitted["converged"], &fitted["status"]), (0, &json!(false), &json!("flagged")));
    assert!(fitted["gradient_evaluations"].as_u64().unwrap() <= 300);
    assert!(fitted["messages"].to_string().contains("a larger budget"), "{}", fitted["messages"]);
}

#[test]
fn a_map_follows_where_weights_cannot_be_trusted() {
    let (fitted, code) = document(&["no_data-banana"]);
    assert_eq!((code, &fitted["status"], &fitted["draws"]), (0, &json!("ok"), &json!(4000)));
    assert_eq!(phases(&fitted), ["path", "bam", "psis", "map", "psis", "draws"]);
    assert!(fitted["comparison"]["within_tolerance"] == true && fitted["max_drift"].is_null(), "{fitted}");
    assert!(fitted["pareto_k"].as_f64().unwrap() < 0.5, "that of the map: {}", fitted["pareto_k"]);
    assert!(fitted["messages"].to_string().contains("triangular map"), "{}", fitted["messages"]);
    assert!(fitted["gradient_evaluations"].as_u64().unwrap() <= 5000, "{fitted}");
}

#[test]
fn short_chains_follow_where_no_map_is_tried() {
    // The Gaussian of the mode is narrower than the two that cross, and one batch does not widen it.
    let (fitted, code) = document(&["--model", "tests/fit/crossing.stan", "--init", "laplace", "--iterations", "1"]);
    assert_eq!((code, &fitted["status"], &fitted["draws"]), (0, &json!("ok"), &json!(4000)), "{fitted}");
    assert_eq!(phases(&fitted), ["laplace", "modes", "bam", "psis", "probe", "draws"]);
    assert!(fitted["converged"] == false, "{fitted}");
    assert!(fitted["max_drift"].as_f64().unwrap() > 0.3, "{}", fitted["max_drift"]);
    assert!(fitted["messages"].to_string().contains("256 short chains"), "{}", fitted["messages"]);
    for parameter in fitted["parameters"].as_array().unwrap() {
        let number = |key: &str| parameter[key].as_f64().unwrap();
        let sd = if parameter["name"].as_str().unwrap().starts_with('x') { 2.0_f64.sqrt() } else { 1.0 };
        assert!((500.0..=6000.0).contains(&number("ess")), "{parameter}");
        assert!(number("mean").abs() < 0.1 * sd && (number("sd") / sd).ln().abs() < 0.1, "{parameter}");
    }
}

#[test]
fn chains_that_do_not_settle_say_why_and_keep_within_a_budget() {
    let ring = |budget| document(&["no_data-ring", "--seed", "2", "--budget", budget]);
    let (fitted, code) = ring("60000");
    assert_eq!((code, &fitted["status"]), (0, &json!("flagged")));
    assert!(fitted["gradient_evaluations"].as_u64().unwrap() <= 60_000);
    let messages = fitted["messages"].to_string();
    assert!(messages.contains("short chains") && messages.contains("remaining budget is too small"), "{messages}");
    let (cheap, _) = ring("20000");
    assert!(cheap["max_drift"].is_null() && !cheap["messages"].to_string().contains("short chains"), "{cheap}");
    let (dear, _) = document(&["no_data-x_shaped", "--draws", "50000"]);
    assert_eq!((&dear["draws"], &dear["status"]), (&json!(50_000), &json!("ok")));
}
