//! The folder of a saved fit, and continuing from it.

use std::fs;

use serde_json::{Value, json};

use super::{document, fails, files, stanmatch};

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
    fails(&other, &["belongs to the engine bam", "gsm"]);
    fails(&["no_data-banana", "--method", "bam", "--resume", &path("half")], &["state.json", "2 parameters"]);
    fails(
        &["simulated_trend-linear_regression", "--method", "bam", "--resume", &path("nowhere")],
        &["nowhere", "cannot be read"],
    );
}

#[test]
fn a_state_is_resumed_for_its_own_posterior_seed_and_rank_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (shape, schools) = (path("shape"), path("schools"));
    let bam = ["x_shaped", "--method", "bam", "--iterations", "20"];
    document(&[&bam[..], &["--output", &shape]].concat());
    fails(&[&["two_modes"], &bam[1..], &["--resume", &shape]].concat(), &["state.json is of another posterior"]);
    fails(&[&bam[..], &["--seed", "3", "--resume", &shape]].concat(), &["with the seed 1, not 3", "--seed"]);
    let pbam = ["eight_schools", "--method", "pbam", "--iterations", "20", "--rank"];
    document(&[&pbam[..], &["2", "--output", &schools]].concat());
    fails(&[&pbam[..], &["7", "--resume", &schools]].concat(), &["rank 2, not 7: give the saved fit's --rank"]);
    document(&[&pbam[..], &["2", "--resume", &schools]].concat());
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
