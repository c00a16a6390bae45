//! `stanmatch db check`: whole databases pass, and of databases broken in one way each is refused with a message of its
//! own.

#![cfg(all(feature = "cli", feature = "embedded-posteriors"))]

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use serde_json::{Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

#[path = "shared/posteriordb.rs"]
mod checkout;

fn check(root: &Path, options: &[&str]) -> Output {
    let mut command = Command::cargo_bin("stanmatch").unwrap();
    command.args(["db", "check", "--posteriordb"]).arg(root).args(options).env_remove("POSTERIORDB");
    command.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A database's files by path.
#[derive(Clone)]
struct Files(BTreeMap<String, Vec<u8>>);

const POSTERIOR: &str = "posteriors/heights-normal.json";
const MODEL: &str = "models/info/normal.info.json";
const PROGRAM: &str = "models/stan/normal.stan";
const DATA_INFO: &str = "data/info/heights.info.json";
const DATA: &str = "data/data/heights.json";
const DRAWS: &str = "reference_posteriors/draws/draws/heights-normal.json.zip";
const INFO: &str = "reference_posteriors/draws/info/heights-normal.info.json";
const ALIASES: &str = "alias/posteriors.json";

impl Files {
    /// A database with nothing wrong.
    fn whole() -> Self {
        let mut files = Self(BTreeMap::new());
        files.json(
            POSTERIOR,
            json!({"name": "heights-normal", "model_name": "normal", "data_name": "heights", "keywords": "toy",
                "reference_posterior_name": "heights-normal", "dimensions": {"mu": 1, "A": [2, 3]}}),
        );
        let code = json!({"stan": {"model_code": PROGRAM}});
        files.json(MODEL, json!({"name": "normal", "model_implementations": code}));
        files.text(PROGRAM, include_str!("bridge/normal.stan"));
        files.json(DATA_INFO, json!({"name": "heights", "data_file": DATA}));
        files.json(DATA, json!({"N": 3, "y": [0.5, 2.25, -1.0]}));
        files.draws(json!([chain(1.0), chain(2.0)]));
        files.json(
            INFO,
            json!({"name": "heights-normal", "inference": {"method": "stan_sampling"}, "diagnostics": {
                "diagnostic_information": {"names": names()}, "ndraws": 6, "nchains": 2, "r_hat": 1.0,
                "effective_sample_size_bulk": [], "mean_lag1_ac": [0, 0, 0, 0, 0, 0, 0]}}),
        );
        files.json(ALIASES, json!({"heights": "heights-normal", "partial": "not-here"}));
        files
    }

    fn text(&mut self, path: &str, text: &str) {
        self.0.insert(path.to_owned(), text.as_bytes().to_vec());
    }

    fn json(&mut self, path: &str, value: Value) {
        self.text(path, &value.to_string());
    }

    /// Changes one value of a JSON file.
    fn set(&mut self, path: &str, pointer: &str, value: Value) {
        let mut document: Value = serde_json::from_slice(&self.0[path]).unwrap();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        document.pointer_mut(parent).unwrap()[key] = value;
        self.json(path, document);
    }

    fn remove(&mut self, path: &str) {
        self.0.remove(path).unwrap();
    }

    fn draws(&mut self, chains: Value) {
        self.archive(&[("heights-normal.json", chains.to_string().as_bytes())]);
    }

    /// The reference's archive with these entries.
    fn archive(&mut self, entries: &[(&str, &[u8])]) {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in entries {
            writer.start_file(*name, SimpleFileOptions::default().compression_level(Some(1))).unwrap();
            writer.write_all(content).unwrap();
        }
        self.0.insert(DRAWS.to_owned(), writer.finish().unwrap().into_inner());
    }

    fn written(&self) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in &self.0 {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        root
    }
}

fn names() -> Vec<String> {
    let elements = (1..=3).flat_map(|column| (1..=2).map(move |row| format!("A[{row},{column}]")));
    std::iter::once("mu".to_owned()).chain(elements).collect()
}

/// Three draws of every quantity.
fn chain(from: f64) -> Value {
    names()
        .into_iter()
        .map(|name| (name, json!([from, from + 0.5, from + 0.25])))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// What breaks a database, and a part of what must be said of it.
type Break = (fn(&mut Files), &'static str);

/// What is seen without compiling.
const BROKEN_FILES: &[Break] = &[
    (|it| it.text(POSTERIOR, "{"), "heights-normal.json does not have posteriordb's format: EOF"),
    (|it| it.json(POSTERIOR, json!({"data_name": "heights"})), "missing field `model_name`"),
    (|it| it.set(POSTERIOR, "/data_name", json!("../heights")), "`data_name` must stay inside the database"),
    (|it| it.set(POSTERIOR, "/name", json!("heights")), "has the `name` \"heights\", which must be \"heights-normal\""),
    (|it| it.set(POSTERIOR, "/dimensions/mu", json!("one")), "the dimension of `mu` must be a size"),
    (|it| it.remove(MODEL), "normal.info.json is missing"),
    (|it| it.json(MODEL, json!([])), "normal.info.json must hold a JSON object"),
    (
        |it| it.set(MODEL, "/model_implementations/stan/model_code", json!("/etc/passwd")),
        "`model_code` must stay inside the database, but is \"/etc/passwd\"",
    ),
    (
        |it| it.set(MODEL, "/model_implementations", json!({})),
        "names no file in `model_implementations.stan.model_code`",
    ),
    (|it| it.remove(PROGRAM), "the Stan program of model `normal` was not found"),
    (|it| it.set(DATA_INFO, "/data_file", json!(3)), "names no file in `data_file`"),
    (|it| it.remove(DATA), "the data `heights` of posterior `heights-normal` was not found"),
    (|it| it.json(DATA, json!([3])), "the data `heights` is not a JSON object"),
    (|it| it.text(DATA, r#"{"N": 3, "y": [1, 2, 3], "N": 3}"#), "the data `heights` gives `N` twice"),
    (|it| it.0.get_mut(DRAWS).unwrap().truncate(60), "its zip archive cannot be read"),
    (
        |it| it.0.get_mut(DRAWS).unwrap()[30 + "heights-normal.json".len() + 8] ^= 0x55,
        "\"heights-normal.json\" in its zip archive is damaged",
    ),
    (
        |it| it.archive(&[("bomb.json", &vec![b' '; (1 << 29) + 1])]),
        "\"bomb.json\" in its zip archive unpacks to more than 512 MiB",
    ),
    (|it| it.archive(&[("/elsewhere/draws.json", b"[]")]), "\"/elsewhere/draws.json\", a path that leads outside"),
    (|it| it.archive(&[("../draws.json", b"[]")]), "\"../draws.json\", a path that leads outside"),
    (
        |it| {
            it.archive(&[("a.json", b"[]"), ("b.json", b"[]")]);
            let bytes = it.0.get_mut(DRAWS).unwrap();
            while let Some(at) = bytes.windows(6).position(|window| window == b"b.json") {
                bytes[at] = b'a';
            }
        },
        "its zip archive holds \"a.json\" twice",
    ),
    (|it| it.archive(&[("a.json", b"[]"), ("b.json", b"[]")]), "holds 2 JSON files where one is expected"),
    (
        |it| {
            let mut short = chain(1.0);
            short["mu"] = json!([1, 2]);
            it.draws(json!([chain(1.0), short]));
        },
        "`mu` has 2 draws in chain 2, but the chain's first quantity has 3",
    ),
    (
        |it| {
            let text = json!([chain(1.0), chain(2.0)]).to_string().replacen("1.5", "NaN", 1);
            it.archive(&[("draws.json", text.as_bytes())]);
        },
        "a list of numbers for each quantity",
    ),
    (
        |it| {
            let mut short = chain(1.0);
            short.as_object_mut().unwrap().values_mut().for_each(|draws| *draws = json!([1, 2]));
            it.draws(json!([chain(1.0), short]));
        },
        "chain 2 has 2 draws, the first 3",
    ),
    (
        |it| {
            let text = json!([chain(1.0), chain(2.0)]).to_string().replacen("1.5", "null", 1);
            it.archive(&[("draws.json", text.as_bytes())]);
        },
        "the draws of A[1,1] are not all finite",
    ),
    (|it| it.set(POSTERIOR, "/dimensions/A", json!([2, 4])), "give `A` the size 8, but the reference"),
    (|it| it.text(INFO, "{"), "heights-normal.info.json does not have posteriordb's format"),
    (|it| it.remove(INFO), "draws/info/heights-normal.info.json is missing"),
    (|it| it.remove(DRAWS), "describes draws that are missing"),
    (
        |it| it.set(INFO, "/diagnostics/diagnostic_information/names", json!(["mu", "nu"])),
        "differ from those of the draws",
    ),
    (|it| it.set(INFO, "/diagnostics/ndraws", json!(10000)), "gives ndraws as 10000, but it is 6"),
    (|it| it.set(INFO, "/diagnostics/r_hat", json!([1, 1])), "2 elements in `r_hat` for 7 quantities"),
    (
        |it| it.set(INFO, "/summaries", json!({"names": ["nu"]})),
        "`summaries` are not lists of names and finite numbers",
    ),
    (|it| it.text(ALIASES, "["), "alias/posteriors.json does not have posteriordb's format"),
    (|it| it.json(ALIASES, json!({"heights-normal": "x"})), "the alias `heights-normal` is the name of a posterior"),
];

/// What only the compiled program tells.
const BROKEN_PROGRAMS: &[Break] = &[
    (|it| it.text(PROGRAM, "parameters { real mu } model {}"), "Syntax error in"),
    (|it| it.set(DATA, "/N", json!(-1)), "the data do not fit the program"),
    (|it| it.set(POSTERIOR, "/dimensions", json!({"nu": 1})), "`dimensions` name nu, which the program normal lacks"),
    (
        |it| {
            it.set(POSTERIOR, "/dimensions", json!({}));
            it.set(INFO, "/diagnostics", json!({}));
            let mut one = chain(1.0);
            one["A[3,1]"] = json!([1, 2, 3]);
            it.draws(json!([one]));
        },
        "the reference `heights-normal` has A[3,1], which the program normal lacks",
    ),
    (
        |it| {
            it.set(POSTERIOR, "/dimensions", json!({}));
            it.set(INFO, "/diagnostics", json!({}));
            let mut one = chain(1.0);
            one.as_object_mut().unwrap().remove("A[2,3]");
            it.draws(json!([one]));
        },
        "the reference `heights-normal` lacks A[2,3], which the program normal has",
    ),
];

/// The lines that tell problems, of which there must be some.
fn problems(files: &Files, options: &[&str]) -> Vec<String> {
    let root = files.written();
    let output = check(root.path(), options);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    let shown = stdout(&output).replace(&root.path().display().to_string(), "");
    shown.lines().filter(|line| line.starts_with("problem: ")).map(str::to_owned).collect()
}

#[test]
fn each_broken_database_is_refused_with_its_own_message() {
    let files = BROKEN_FILES.iter().map(|it| (it, &["--no-compile"][..]));
    let programs = BROKEN_PROGRAMS.iter().map(|it| (it, &[][..]));
    let mut seen = HashSet::new();
    for ((damage, expected), options) in files.chain(programs) {
        let mut broken = Files::whole();
        damage(&mut broken);
        let problems = problems(&broken, options);
        assert!(problems.iter().any(|it| it.contains(expected)), "{expected}: {problems:?}");
        assert!(problems.iter().all(|it| seen.insert(it.clone())), "{expected} repeats a message: {problems:?}");
    }
    assert!(seen.len() >= 20, "{}", seen.len());
}

#[test]
fn a_whole_database_passes_and_notes_tell_what_is_allowed() {
    let root = Files::whole().written();
    let output = check(root.path(), &["--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&document["schema"], &document["status"]), (&"stanmatch.db.check/1".into(), &"ok".into()));
    let posterior = &document["posteriors"][0];
    assert_eq!((&posterior["quantities"], &posterior["dim"]), (&json!(7), &json!(8)));
    assert_eq!((&posterior["reference"], &posterior["problems"]), (&json!(true), &json!([])));
    assert!(document["notes"][0].as_str().unwrap().contains("`partial`"), "{document}");
}

#[test]
fn a_database_without_posteriors_is_not_whole() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("posteriors")).unwrap();
    let output = check(root.path(), &["--no-compile", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(document["problems"][0].as_str().unwrap().contains("there is no posterior"), "{document}");
}

#[test]
fn the_embedded_database_is_whole() {
    let mut command = Command::cargo_bin("stanmatch").unwrap();
    let output = command.args(["db", "check", "--no-compile"]).env_remove("POSTERIORDB").output().unwrap();
    assert!(output.status.success(), "{}", stdout(&output));
}

#[test]
fn posteriordb_is_whole() {
    let Some(root) = checkout::posteriordb() else { return };
    let output = check(&root, &["--no-compile", "--models", "stan_models"]);
    assert!(
        output.status.success() && stdout(&output).contains("20 posteriors checked, 0 with"),
        "{}",
        stdout(&output)
    );
}
