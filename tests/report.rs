//! `stanmatch report`: pages of saved fits that are written here, by no program.

#![cfg(all(feature = "cli", feature = "embedded-posteriors"))]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use serde_json::{Value, json};
use tempfile::TempDir;

fn report(arguments: &[&str], folder: &Path) -> Output {
    let mut command = Command::cargo_bin("stanmatch").unwrap();
    command.env_remove("POSTERIORDB").arg("report").args(arguments).current_dir(folder).output().unwrap()
}

/// The page of the fits in `folders`.
fn page(folders: &[&str], folder: &Path) -> String {
    let output = report(folders, folder);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout, b"report.html\n");
    fs::read_to_string(folder.join("report.html")).unwrap()
}

/// A fit of the parameters `names`, with `changes` to its document, saved as `root/fit`. Later parameters have larger
/// errors.
fn save(root: &Path, names: &[String], changes: Value) {
    let folder = root.join("fit");
    fs::create_dir_all(&folder).unwrap();
    let parameters: Vec<Value> = names
        .iter()
        .map(|name| json!({"name": name, "mean": 0.5, "sd": 1.0, "mcse": 0.1, "q5": -1.0, "q50": 0.5, "q95": 2.0, "ess": 99.0}))
        .collect();
    let compared: Vec<Value> = names
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let error = 1e-4 * index as f64;
            json!({"name": name, "location_error": error, "log_scale_error": error / 2.0, "w1": null})
        })
        .collect();
    let mut document = json!({
        "schema": "stanmatch.fit/1", "posterior": "mine", "model": "mine", "dim": names.len(), "method": "bam",
        "init": "path", "seed": 1, "draws": 20, "status": "ok", "pareto_k": 0.4, "elbo": -3.5, "score_divergence": 0.1,
        "converged": true, "messages": [], "parameters": parameters,
        "phases": [{"name": "bam", "gradient_evaluations": 1234, "density_evaluations": 0, "seconds": 0.5}],
        "comparison": {
            "reference": "theirs", "reference_draws": 100, "max_location_error": 0.05, "max_log_scale_error": 0.2,
            "parameters": compared,
        },
        "toolchain": {"stan_version": "2.35.0"}, "version": "9.9.9",
    });
    for (key, value) in changes.as_object().unwrap() {
        document[key] = value.clone();
    }
    fs::write(folder.join("fit.json"), document.to_string()).unwrap();
    let mut draws = names.join(",") + "\n";
    for row in 0..20 {
        let values: Vec<String> = (0..names.len()).map(|column| format!("{}", (row * (column + 3)) % 17)).collect();
        writeln!(draws, "{}", values.join(",")).unwrap();
    }
    fs::write(folder.join("draws-1.csv"), draws).unwrap();
    let trace = "iteration,gradient_evaluations,score_divergence,elbo,rejected\n0,16,5.0,-9,0\n1,32,0.5,-4,0\n2,48,0.1,-3.5,0\n";
    fs::write(folder.join("trace.csv"), trace).unwrap();
}

fn named(count: usize) -> Vec<String> {
    (1..=count).map(|index| format!("theta[{index}]")).collect()
}

#[test]
fn a_page_shows_what_the_fit_says() {
    let root = TempDir::new().unwrap();
    save(root.path(), &named(3), json!({"messages": ["one thing to know"], "status": "flagged"}));
    let page = page(&["fit"], root.path());
    for part in [
        "Fit of mine",
        "one thing to know",
        "verdict flagged",
        "theta[3]",
        "0.40",
        "-3.500",
        "1\u{202f}234",
        "2.35.0",
        "9.9.9",
    ] {
        assert!(page.contains(part), "{part}");
    }
    // Errors that are null are no errors of zero: nothing is said about W1.
    assert!(!page.contains("1-Wasserstein"));
    // An error above the tolerance is marked, one below is not.
    assert!(
        page.contains("in ln sd, OUTSIDE the tolerance of 0.1") && page.contains("in sd, within the tolerance of 0.1")
    );
    assert!(page.contains("reference draws theirs are not in this database"));
}

#[test]
fn infinite_errors_are_the_largest() {
    let root = TempDir::new().unwrap();
    let line =
        |name: &str, error: Value| json!({"name": name, "location_error": error, "log_scale_error": 0.01, "w1": null});
    let comparison = json!({
        "reference": "theirs", "reference_draws": 100, "max_location_error": null, "max_location_floor": 0.02,
        "max_log_scale_error": 0.01, "parameters": [line("theta[1]", json!(0.02)), line("theta[2]", Value::Null)],
    });
    save(root.path(), &named(2), json!({"comparison": comparison}));
    let page = page(&["fit"], root.path());
    let described =
        "location error, in reference sd, of 2 parameters; the largest is inf; 1 are above the tolerance of 0.1.";
    assert!(page.contains(described), "{page}");
    assert!(
        page.contains("<dd>inf<small>in sd, OUTSIDE") && page.contains("<td class=\"outside\" data-value=\"inf\">inf")
    );
    assert!(page.contains("largest error of a mean, in sd</th><td>inf</td><td>0.0200</td>"), "{page}");
}

#[test]
fn names_and_messages_are_text() {
    let root = TempDir::new().unwrap();
    let evil = "<script>alert(1)</script>&\"'[1]".to_owned();
    let changes = json!({
        "posterior": "</title><script>alert(2)</script>", "messages": ["<img src=x onerror=alert(3)>"],
        "method": "\" onload=\"alert(4)", "version": "<b>",
    });
    save(root.path(), &[evil, "plain".into()], changes);
    let page = page(&["fit"], root.path());
    assert_eq!(page.matches("<script").count(), 1, "only the page's own script");
    assert!(!page.contains("<img") && !page.contains("<b>") && !page.contains("\" onload="));
    assert!(page.contains("&lt;script&gt;alert(1)"));
}

#[test]
fn a_thousand_parameters_make_a_page_of_bounded_size() {
    let root = TempDir::new().unwrap();
    save(root.path(), &named(1000), json!({}));
    let whole = page(&["fit"], root.path());
    assert!(whole.contains("The 20 worst of 1000 quantities"));
    assert!(whole.len() < 1_000_000, "{} bytes", whole.len());
    // Marginals of the worst, the worst first; all in the table.
    assert_eq!(whole.matches("<figure data-name=\"theta").count(), 24);
    assert!(
        whole.find("<figure data-name=\"theta[1000]\"").unwrap()
            < whole.find("<figure data-name=\"theta[999]\"").unwrap()
    );
    assert_eq!(whole.matches("<tr data-name=").count(), 1000);
    save(root.path(), &named(5000), json!({}));
    let many = page(&["fit"], root.path());
    assert_eq!(many.matches("<tr data-name=").count(), 2000);
    assert!(many.contains("2000 of 5000 quantities"));
    save(root.path(), &named(50), json!({}));
    assert_eq!(page(&["fit", "--marginals", "3"], root.path()).matches("<figure data-name=\"theta").count(), 3);
}

#[test]
fn draws_that_cannot_be_drawn_are_left_out_of_the_pictures() {
    let root = TempDir::new().unwrap();
    save(root.path(), &named(3), json!({"pareto_k": null, "elbo": null, "comparison": null}));
    fs::write(root.path().join("fit/draws-1.csv"), "theta[1],theta[2],theta[3]\nnan,1,2\ninf,1,3\nnan,1,4\n").unwrap();
    fs::write(
        root.path().join("fit/trace.csv"),
        "iteration,gradient_evaluations,score_divergence,elbo,rejected\n0,16,NaN,inf,0\n",
    )
    .unwrap();
    let page = page(&["fit"], root.path());
    assert!(!page.contains("<figure data-name=\"theta[1]\""));
    // A constant has a histogram too.
    assert!(page.contains("<figure data-name=\"theta[2]\"") && page.contains("<figure data-name=\"theta[3]\""));
}

#[test]
fn a_gaussian_of_other_parameters_is_not_in_the_pairs() {
    let root = TempDir::new().unwrap();
    save(root.path(), &named(2), json!({}));
    let fit = root.path().join("fit");
    let draws: Vec<f64> = (0..20).map(f64::from).collect();
    // Where an archive is expected, plain JSON will do.
    fs::write(fit.join("unconstrained.json.zip"), json!([{"a": draws, "b": draws}]).to_string()).unwrap();
    for (other, has_key) in [("b", true), ("c", false)] {
        let family = json!({"names": ["a", other], "mean": [9.5, 9.5], "factor": [[6.0, 0.0], [0.0, 6.0]]});
        fs::write(fit.join("family.json"), family.to_string()).unwrap();
        let page = page(&["fit"], root.path());
        assert!(page.contains("Pairs on the unconstrained scale"), "{page}");
        assert_eq!(page.contains("95 % of the fitted Gaussian"), has_key);
        fs::remove_file(root.path().join("report.html")).unwrap();
    }
}

#[test]
fn several_fits_begin_with_an_overview() {
    let root = TempDir::new().unwrap();
    save(root.path(), &named(2), json!({}));
    let page = page(&["fit", "fit"], root.path());
    assert!(page.contains("<h1>2 fits</h1>") && page.contains("href=\"#fit-2\"") && page.contains("id=\"fit-2\""));
}

#[track_caller]
fn refused(root: &TempDir, parts: &[&str]) {
    let output = report(&["fit"], root.path());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(output.stdout.is_empty() && said.starts_with("error: ") && !said.contains("panicked"), "{said}");
    parts.iter().for_each(|part| assert!(said.contains(part), "{part} in {said}"));
    assert!(!root.path().join("report.html").exists());
}

#[test]
fn what_is_no_saved_fit_is_refused_with_its_name() {
    let root = TempDir::new().unwrap();
    refused(&root, &["fit.json", "stanmatch fit --output"]);
    save(root.path(), &named(1), json!({"schema": "other/1"}));
    refused(&root, &["fit.json", "`other/1`"]);
    save(root.path(), &named(1), json!({"status": "failed", "messages": ["no reason"]}));
    refused(&root, &["failed: no reason"]);
    save(root.path(), &named(1), json!({}));
    fs::write(root.path().join("fit/fit.json"), "{\"schema\": 3").unwrap();
    refused(&root, &["fit.json", "column"]);
    save(root.path(), &named(1), json!({}));
    fs::write(root.path().join("fit/trace.csv"), "iteration\nx\n").unwrap();
    refused(&root, &["trace.csv"]);
    save(root.path(), &named(1), json!({}));
    fs::remove_file(root.path().join("fit/draws-1.csv")).unwrap();
    refused(&root, &["draws-*.csv"]);
}
