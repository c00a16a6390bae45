//! `stanmatch compare` and `stanmatch db list|show` from the command line.

#![cfg(all(feature = "cli", feature = "embedded-posteriors"))]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use serde_json::{Value, json};
use stanmatch::database::Database;

fn stanmatch(arguments: &[&str]) -> Output {
    let mut command = Command::cargo_bin("stanmatch").unwrap();
    command.env_remove("POSTERIORDB").args(arguments).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// One clear sentence that holds `parts`, exit code 1, nothing on standard output.
fn fails(arguments: &[&str], parts: &[&str]) {
    let output = stanmatch(arguments);
    let message = stderr(&output);
    assert_eq!(code(&output), 1, "{message}");
    assert!(output.stdout.is_empty());
    assert!(message.starts_with("error: ") && message.trim_end().lines().count() == 1, "{message}");
    let phrases: Vec<&str> = message.trim_end().split(": ").collect();
    assert!(phrases.windows(2).all(|pair| pair[0] != pair[1]), "{message}");
    parts.iter().for_each(|part| assert!(message.contains(part), "{part} in {message}"));
}

/// The embedded reference draws of the banana as one CmdStan CSV file, with `shift` added to every value.
fn banana(folder: &Path, shift: f64) -> PathBuf {
    let reference =
        Database::open(None, None).unwrap().posterior("no_data-banana").unwrap().required_reference().unwrap();
    let names: Vec<String> =
        reference.draws.names().iter().map(|name| name.replace('[', ".").replace(']', "")).collect();
    let mut text = format!("# method = sample\nlp__,{},extra\n", names.join(","));
    for row in reference.draws.values().rows() {
        let values: Vec<String> = row.iter().map(|value| (value + shift).to_string()).collect();
        text += &format!("-1,{},nan\n", values.join(","));
    }
    let path = folder.join("banana.csv");
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn the_reference_itself_is_within_tolerance() {
    let folder = tempfile::tempdir().unwrap();
    let path = banana(folder.path(), 0.0);
    let output = stanmatch(&["compare", path.to_str().unwrap(), "--reference", "no_data-banana"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let table = stdout(&output);
    assert!(table.contains("\nwithin tolerance of no_data-banana\n") && table.contains("ref mean"), "{table}");
    assert!(table.contains("not in the reference: extra"), "{table}");
    assert!(table.lines().all(|line| line.chars().count() <= 80) && !table.contains('\u{1b}'), "{table}");
}

#[test]
fn draws_outside_tolerance_end_with_code_3() {
    let folder = tempfile::tempdir().unwrap();
    let path = banana(folder.path(), 0.5);
    let arguments = ["compare", path.to_str().unwrap(), "--reference", "no_data-banana"];
    let output = stanmatch(&arguments);
    assert_eq!(code(&output), 3, "{}", stderr(&output));
    assert!(stdout(&output).contains("OUTSIDE tolerance"));
    let output = stanmatch(&[&arguments[..], &["--json"]].concat());
    assert_eq!(code(&output), 3);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["schema"], "stanmatch.compare/1");
    assert_eq!(document["comparison"]["within_tolerance"], false);
    assert_eq!(document["not_in_reference"], json!(["extra"]));
    let parameters = document["comparison"]["parameters"].as_array().unwrap();
    for it in parameters {
        let expected = 0.5 / it["reference_scale"].as_f64().unwrap();
        // A shift moves mean and 1-Wasserstein distance alike and leaves the scale.
        for key in ["location_error", "w1"] {
            assert!((it[key].as_f64().unwrap() - expected).abs() < 1e-9, "{it}");
        }
        assert!(it["log_scale_error"].as_f64().unwrap() < 1e-9, "{it}");
    }
}

/// The document of `compare … --json`, and the exit code.
fn document(arguments: &[&str]) -> (Value, i32) {
    let output = stanmatch(&[&["compare"], arguments, &["--json"]].concat());
    (serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output))), code(&output))
}

/// Writes files in a folder of their own.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

/// A chain of 200 draws of `theta.1`, `theta.2` and `mu`, each shifted by `shift`.
fn chain(shift: f64) -> String {
    let row = |i: i32| {
        let [a, b, c] = [0.37, 0.61, 0.89].map(|step| (f64::from(i) * step).sin() + shift);
        format!("-1,{a},{b},{c}\n")
    };
    format!("lp__,theta.1,theta.2,mu\n{}", (0..200).map(row).collect::<String>())
}

#[test]
fn any_draws_are_compared_with_any_draws() {
    let files = Files::new();
    let (one, two) = (files.write("1.csv", chain(0.0)), files.write("2.csv", chain(0.01)));
    // The same in another order, with other names, Windows line ends and a mark of UTF-8.
    let columns = |line: &str| {
        let [lp, a, b, c] = line.split(',').collect::<Vec<_>>().try_into().unwrap();
        format!("{c},{b},{lp},{a}\r\n")
    };
    let body: String = chain(0.0).lines().skip(1).map(columns).collect();
    let windows = files.write("windows.csv", format!("\u{feff}mu,\"theta[2]\",lp__,\"theta[1]\"\r\n{body}"));
    let (same, exit) = document(&[&windows, "--reference", &one]);
    assert_eq!((exit, &same["posterior"], &same["comparison"]["reference"]), (0, &Value::Null, &json!(one)));
    for key in ["max_location_error", "max_log_scale_error", "max_w1"] {
        assert_eq!(same["comparison"][key], 0.0, "{key}");
    }
    assert!(same["comparison"]["sliced_w1"].as_f64().unwrap() < 1e-12);
    // Two chains on either side, one of them through posteriordb's JSON.
    let zips = files.0.path().join("zips");
    let output = ["--output", zips.to_str().unwrap()];
    let (both, _) = document(&[&[&one[..], &two, "--reference", &one, "--reference", &two], &output[..]].concat());
    assert_eq!(
        (&both["chains"], &both["draws"], &both["comparison"]["reference_draws"]),
        (&json!(2), &json!(400), &json!(400))
    );
    let saved = zips.join("draws.json.zip");
    let (again, exit) = document(&[saved.to_str().unwrap(), "--reference", &one, "--reference", &two]);
    assert_eq!((exit, &again["comparison"]["max_location_error"]), (0, &json!(0.0)));
    // A saved fit is a folder, on either side.
    let fit = files.0.path().join("fit");
    fs::create_dir(&fit).unwrap();
    fs::write(fit.join("draws-1.csv"), chain(0.0)).unwrap();
    let (fitted, exit) = document(&[&two, "--reference", fit.to_str().unwrap()]);
    assert_eq!((exit, fitted["comparison"]["parameters"].as_array().unwrap().len()), (0, 3));
}

#[test]
fn chains_may_differ_in_length() {
    let files = Files::new();
    let short: String = chain(0.0).lines().take(100).map(|line| format!("{line}\n")).collect();
    let (long, short) = (files.write("long.csv", chain(0.0)), files.write("short.csv", short));
    let (compared, _) = document(&[&long, &short, "--reference", &long]);
    assert_eq!((&compared["chains"], &compared["draws"]), (&json!(2), &json!(299)));
    let json = files.write("chains.json", r#"[{"mu": [1, 2, 3]}, {"mu": [2.5]}]"#);
    let (compared, _) = document(&[&json, "--reference", &long]);
    assert_eq!((&compared["chains"], &compared["draws"]), (&json!(2), &json!(4)));
}

#[test]
fn what_only_one_side_has_is_accounted_for() {
    let files = Files::new();
    let ours = files.write("ours.csv", "mu,nu,bad\n1,1,1\n2,2,2\n3,5,3\n");
    let theirs = files.write("theirs.csv", "mu,tau,bad\n1,1,nan\n2,2,2\n4,3,3\n");
    let (compared, _) = document(&[&ours, "--reference", &theirs]);
    assert_eq!(compared["not_in_reference"], json!(["nu"]));
    assert_eq!(compared["not_in_draws"], json!(["tau"]));
    assert_eq!(compared["comparison"]["parameters"].as_array().unwrap().len(), 1);
    assert!(compared["messages"][0].as_str().unwrap().contains("bad are left out"), "{}", compared["messages"]);
    let table = stdout(&stanmatch(&["compare", &ours, "--reference", &theirs]));
    assert!(table.contains("not in the reference: nu\n") && table.contains("not in the draws: tau\n"), "{table}");
    let nothing = files.write("nothing.csv", "kappa\n1\n2\n");
    fails(&["compare", &nothing, "--reference", &theirs], &["have no quantity of the reference", "mu, tau, bad"]);
}

#[test]
fn draws_that_nobody_should_trust_give_an_answer_or_a_sentence() {
    let files = Files::new();
    let reference = files.write("reference.csv", chain(0.0));
    let compare = |name: &str, text: String, parts: &[&str]| {
        fails(&["compare", &files.write(name, text), "--reference", &reference], parts);
    };
    compare(
        "inf.csv",
        chain(0.0).replacen(",0,", ",-inf,", 1),
        &["`theta[1]` has the value -inf in the draws, first at draw 1"],
    );
    compare("one.csv", "theta.1,theta.2,mu\n1,2,3\n".into(), &["the draws must hold at least two draws"]);
    // The last line is cut off: it is left out, and told.
    let whole = chain(0.0);
    let cut = files.write("cut.csv", &whole[..whole.len() - 30]);
    let (compared, exit) = document(&[&cut, "--reference", &reference]);
    assert_eq!((exit, &compared["draws"]), (0, &json!(199)));
    assert!(compared["messages"][0].as_str().unwrap().contains("cut off"));
    // A constant where the reference varies, and the reverse.
    let constant = files.write("constant.csv", "mu\n0\n0\n0\n");
    let (compared, exit) = document(&[&constant, "--reference", &reference]);
    assert_eq!((exit, &compared["comparison"]["max_log_scale_error"]), (3, &Value::Null));
    let (compared, exit) = document(&[&reference, "--reference", &constant]);
    assert_eq!((exit, &compared["comparison"]["energy_distance"]), (3, &Value::Null));
    assert_eq!(document(&[&constant, "--reference", &constant]).1, 0);
}

#[test]
fn names_from_files_are_shown_but_steer_nothing() {
    let files = Files::new();
    let name = "<b>&amp;\"'\u{1b}[31m";
    let quoted = format!("\"{}\"\n1\n2\n3\n", name.replace('"', "\"\""));
    let path = files.write("odd.csv", quoted);
    let (compared, exit) = document(&[&path, "--reference", &path]);
    let shown = stdout(&stanmatch(&["compare", &path, "--reference", &path]));
    assert_eq!(
        (exit, compared["comparison"]["parameters"][0]["name"].as_str().unwrap().contains("<b>&amp;")),
        (0, true)
    );
    assert!(shown.contains("<b>&amp;") && !shown.contains('\u{1b}'), "{shown}");
}

#[test]
fn a_posterior_is_compared_on_its_unconstrained_scale() {
    let folder = tempfile::tempdir().unwrap();
    let centered = "eight_schools-eight_schools_centered";
    let reference = Database::open(None, None).unwrap().posterior(centered).unwrap().required_reference().unwrap();
    let names: Vec<String> = reference.draws.names().to_vec();
    let rows = reference.draws.values();
    let rows = rows.rows().into_iter().map(|row| row.iter().map(f64::to_string).collect::<Vec<_>>().join(","));
    let header = names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(",");
    let draws = folder.path().join("draws.csv");
    fs::write(&draws, format!("{header}\n{}\n", rows.collect::<Vec<_>>().join("\n"))).unwrap();
    let saved = folder.path().join("saved");
    let output = ["--unconstrained", "--output", saved.to_str().unwrap()];
    let (compared, exit) = document(&[&[draws.to_str().unwrap(), "--reference", centered], &output[..]].concat());
    assert_eq!((exit, &compared["comparison"]["max_w1"]), (0, &json!(0.0)));
    let tau = |it: &stanmatch::draws::Draws| it.column("tau").unwrap().to_vec();
    let unconstrained = stanmatch::import::read_draws(&[saved.join("reference.json.zip")]).unwrap().draws;
    // tau is positive, so its unconstrained element is log tau.
    for (log, tau) in tau(&unconstrained).iter().zip(tau(&reference.draws)) {
        assert!((log - tau.ln()).abs() < 1e-12);
    }
    // The other parameterisation's reference has theta, which is no parameter of it.
    let arguments = ["compare", draws.to_str().unwrap(), "--reference", "eight_schools", "--unconstrained"];
    fails(&arguments, &["reference cannot be brought to the unconstrained scale", "theta_trans[1]"]);
    let arguments = ["compare", draws.to_str().unwrap(), "--reference", draws.to_str().unwrap(), "--unconstrained"];
    fails(&arguments, &["--unconstrained needs the name of a posterior"]);
}

#[test]
fn unusable_draws_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let compare = |path: &str, parts: &[&str]| fails(&["compare", path, "--reference", "no_data-banana"], parts);
    compare(folder.path().join("absent.csv").to_str().unwrap(), &["absent.csv"]);
    compare(folder.path().to_str().unwrap(), &["draws-*.csv"]);
    compare(&write("empty.csv", ""), &["empty.csv", "no draws"]);
    compare(&write("text.csv", "x.1,x.2\n1,one\n"), &["text.csv", "line 2", "one"]);
    compare(&write("other.csv", "mu\n1\n2\n"), &["draws lack", "x["]);
    compare(&write("nan.csv", "x.1,x.2\n1,2\n3,NaN\n"), &["x[2]", "NaN", "draw 2"]);
    compare(&write("broken.json", "[{\"x[1]\": [1, "), &["broken.json", "line 1"]);
    compare(&write("bomb.zip", "PK\u{3}\u{4}"), &["bomb.zip", "archive"]);
}

#[test]
fn unusable_references_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let draws = folder.path().join("draws.csv");
    fs::write(&draws, "mu\n1\n2\n").unwrap();
    let draws = draws.to_str().unwrap();
    fails(&["compare", draws, "--reference", "eigth_schools"], &["`eigth_schools`", "did you mean `eight_schools`"]);
    let root = folder.path().to_str().unwrap();
    let compare = ["compare", draws, "--reference", "a-b", "--posteriordb", root];
    fails(&compare, &["posterior_database"]);
    fs::create_dir(folder.path().join("posteriors")).unwrap();
    let describe = |reference: &str| {
        let info = json!({"model_name": "b", "data_name": "a", "reference_posterior_name": reference});
        fs::write(folder.path().join("posteriors/a-b.json"), info.to_string()).unwrap();
    };
    describe("");
    fails(&compare, &["`a-b`", "no reference"]);
    describe("../a");
    fails(&compare, &["reference_posterior_name", "../a"]);
    describe("a-b");
    fails(&compare, &["draws/a-b.json.zip"]);
    // With --json the failure is a document too.
    let output = stanmatch(&[&compare[..], &["--json"]].concat());
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((code(&output), &document["status"]), (1, &json!("failed")));
    assert!(document["messages"][0].as_str().unwrap().contains("a-b.json.zip"));
}

#[test]
fn wrong_usage_is_code_2() {
    for arguments in [&["compare", "draws.csv"][..], &["compare", "--reference", "x"], &["db"], &["db", "show"]] {
        assert_eq!(code(&stanmatch(arguments)), 2, "{arguments:?}");
    }
}

#[test]
fn the_database_is_listed() {
    let table = stdout(&stanmatch(&["db", "list"]));
    assert!(table.lines().count() > 5 && table.contains("eight_schools-eight_schools_noncentered"), "{table}");
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    let output = stanmatch(&["db", "list", "--json"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names: Vec<&str> =
        document["posteriors"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, Database::open(None, None).unwrap().posterior_names());
}

#[test]
fn one_broken_description_does_not_hide_the_others() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("posteriors")).unwrap();
    fs::write(root.path().join("posteriors/bad.json"), "{").unwrap();
    fs::write(root.path().join("posteriors/a-b.json"), r#"{"model_name": "b", "data_name": "a"}"#).unwrap();
    let output = stanmatch(&["db", "list", "--posteriordb", root.path().to_str().unwrap()]);
    assert_eq!(code(&output), 0);
    assert!(stdout(&output).contains("a-b") && stderr(&output).contains("posteriors/bad.json"));
}

#[test]
fn a_posterior_is_shown_with_what_is_missing() {
    let shown = stdout(&stanmatch(&["db", "show", "eight_schools"]));
    for part in ["theta[8], mu, tau", "J, y, sigma", "10000 draws in 10 chains"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("posteriors")).unwrap();
    fs::write(root.path().join("posteriors/a-b.json"), r#"{"model_name": "b", "data_name": "a"}"#).unwrap();
    let output = stanmatch(&["db", "show", "a-b", "--posteriordb", root.path().to_str().unwrap()]);
    assert_eq!(code(&output), 0);
    assert!(stderr(&output).contains("--models") && stderr(&output).contains("data/data/a.json.zip"));
    fails(&["db", "show", "nothing_like_it"], &["nothing_like_it"]);
    fails(&["db", "show", "eight_schools", "--models", "/no/such/folder"], &["/no/such/folder"]);
}

/// Names that `db list` gives with these options.
fn listed(options: &[&str]) -> Vec<String> {
    let output = stanmatch(&[&["db", "list", "--json"], options].concat());
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let posteriors = document["posteriors"].as_array().unwrap();
    posteriors.iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn posteriors_are_chosen_by_pattern_alias_dimension_keyword_and_reference() {
    let schools = ["eight_schools-eight_schools_centered", "eight_schools-eight_schools_noncentered"];
    assert_eq!(listed(&["eight_schools-*"]), schools);
    // An alias stands for one posterior, a pattern for names and aliases.
    assert_eq!(listed(&["eight_schools"]), schools[1..]);
    assert_eq!(listed(&["8*", "no_data-funnel"]), [schools[1], "no_data-funnel"]);
    assert_eq!(listed(&["no_data-*", "--dimension", "3.."]), ["no_data-asymmetric_modes", "no_data-funnel"]);
    assert_eq!(listed(&["--keyword", "HIERARCHICAL", "--dimension", "10", "--has-reference", "eight*"]), schools);
    assert_eq!(listed(&["eight*", "--no-reference"]), [""; 0]);
    assert_eq!(listed(&["nothing*"]), [""; 0]);
    let all = listed(&[]);
    let parts = [listed(&["--has-reference"]), listed(&["--no-reference"])].concat();
    assert!(all.len() > 5 && all.len() == parts.len() && all.iter().all(|name| parts.contains(name)), "{parts:?}");
    fails(&["db", "list", "no_data-funnle"], &["did you mean", "no_data-funnel"]);
    assert_eq!(code(&stanmatch(&["db", "list", "--dimension", "9..3"])), 2);
}

#[test]
fn several_posteriors_are_shown_as_a_list() {
    let document = |arguments: &[&str]| -> Value {
        serde_json::from_slice(&stanmatch(&[&["db", "show", "--json"], arguments].concat()).stdout).unwrap()
    };
    let one = document(&["no_data-banana"]);
    assert_eq!(one["name"], "no_data-banana");
    let two = document(&["no_data-banana", "no_data-funnel"]);
    assert_eq!((&two["posteriors"][0], &two["posteriors"][1]["name"]), (&one, &json!("no_data-funnel")));
    let shown = stdout(&stanmatch(&["db", "show", "no_data-*", "--dimension", "2"]));
    assert!(shown.contains("no_data-banana") && shown.contains("no_data-two_modes") && !shown.contains("funnel"));
}
