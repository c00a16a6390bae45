//! Posteriordb databases: the embedded one, a checkout, and small broken ones.

#![cfg(feature = "embedded-posteriors")]

use std::fs;
use std::path::Path;
use std::time::Instant;

use stanmatch::database::{Database, DatabaseError, Selection};

#[path = "shared/posteriordb.rs"]
mod checkout;

use checkout::posteriordb;

/// A database in a temporary folder from (path, content) pairs.
fn database(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    root
}

const POSTERIOR: (&str, &str) = (
    "posteriors/schools-centered.json",
    r#"{"name": "schools-centered", "model_name": "centered", "data_name": "schools", "reference_posterior_name": "ref"}"#,
);
const DRAWS: &str = "reference_posteriors/draws/draws/ref.json";
const INFO: &str = "reference_posteriors/draws/info/ref.info.json";

fn open(root: &tempfile::TempDir) -> Database {
    Database::open(Some(root.path()), None).unwrap()
}

#[test]
fn every_embedded_posterior_is_whole() {
    let database = Database::open(None, None).unwrap();
    assert!(database.posterior_names().contains(&"eight_schools-eight_schools_centered".to_owned()));
    for name in database.posterior_names() {
        let posterior = database.posterior(name).unwrap();
        assert_eq!(posterior.program().unwrap().name(), posterior.model_name);
        let data: serde_json::Value = serde_json::from_str(&posterior.data().unwrap()).unwrap();
        assert!(data.is_object(), "{name}");
        if let Some(reference) = posterior.reference().unwrap() {
            assert!(reference.draws.values().iter().all(|draw| draw.is_finite()), "{name}");
        }
    }
    assert_eq!(database.posterior("eight_schools").unwrap().name, "eight_schools-eight_schools_noncentered");
}

#[test]
fn every_posterior_of_posteriordb_loads() {
    let Some(directory) = posteriordb() else { return };
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("stan_models");
    let database = Database::open(Some(&directory), Some(&programs)).unwrap();
    assert_eq!(database.posterior_names().len(), 20);
    for name in database.posterior_names() {
        let posterior = database.posterior(name).unwrap();
        posterior.program().unwrap();
        assert!(serde_json::from_str::<serde_json::Value>(&posterior.data().unwrap()).unwrap().is_object(), "{name}");
        let start = Instant::now();
        let reference = posterior.reference().unwrap().unwrap();
        let seconds = start.elapsed().as_secs_f64();
        let draws = &reference.draws;
        eprintln!("{name}: {} draws of {} in {:.0} ms", draws.len(), draws.names().len(), 1e3 * seconds);
        assert_eq!(draws.chain_lengths(), [1000; 10], "{name}");
        assert_eq!(draws.names().len(), posterior.dimensions.iter().map(|(_, size)| size).sum::<usize>(), "{name}");
        assert_eq!(reference.info.ess_bulk.len(), draws.names().len(), "{name}");
    }
    let shared = database.posterior("eight_schools-eight_schools_centered").unwrap();
    assert_eq!(shared.reference_name.as_deref(), Some("eight_schools-eight_schools_noncentered"));
}

/// Posteriordb publishes the means of its reference draws, which another program computed.
#[test]
fn reference_means_are_those_that_posteriordb_publishes() {
    let Some(directory) = posteriordb() else { return };
    #[derive(serde::Deserialize)]
    struct Published {
        names: Vec<String>,
        mean_value: Vec<f64>,
    }
    let database = Database::open(Some(&directory), None).unwrap();
    for name in database.posterior_names() {
        let Some(reference) = database.posterior(name).unwrap().reference().unwrap() else { continue };
        let path = format!("reference_posteriors/summary_statistics/mean_value/mean_value/{}.json", reference.name);
        let published: Published = serde_json::from_slice(&fs::read(directory.join(path)).unwrap()).unwrap();
        for (quantity, expected) in published.names.iter().zip(published.mean_value) {
            let mean = reference.draws.column(quantity).unwrap().mean().unwrap();
            assert!((mean - expected).abs() <= 1e-9 * expected.abs().max(1e-3), "{name} {quantity} {mean} {expected}");
        }
    }
}

#[test]
fn a_checkout_may_be_given_by_its_root_or_its_database_folder() {
    let root = database(&[("posterior_database/posteriors/a-b.json", r#"{"model_name": "b", "data_name": "a"}"#)]);
    for directory in [root.path().to_owned(), root.path().join("posterior_database")] {
        assert_eq!(Database::open(Some(&directory), None).unwrap().posterior_names(), ["a-b"]);
    }
    let other = tempfile::tempdir().unwrap();
    let error = Database::open(Some(other.path()), None).unwrap_err().to_string();
    assert!(error.contains(&other.path().display().to_string()) && error.contains("posterior_database"), "{error}");
    let error = Database::open(None, Some(&other.path().join("none"))).unwrap_err().to_string();
    assert!(error.contains("none"), "{error}");
}

#[test]
fn an_unknown_name_is_answered_with_the_nearest() {
    let database = Database::open(None, None).unwrap();
    let near = |name: &str| match database.posterior(name).unwrap_err() {
        DatabaseError::UnknownPosterior { near, .. } => near,
        other => panic!("{other}"),
    };
    assert_eq!(near("eigth_schools")[0], "eight_schools");
    assert!(near("eight_schools_centred").contains(&"eight_schools-eight_schools_centered".to_owned()));
    assert!(near("funnle").contains(&"no_data-funnel".to_owned()));
    assert!(near("∞").is_empty());
    assert!(near("../posteriors/no_data-funnel").len() <= 3);
    let message = database.posterior("eigth_schools").unwrap_err().to_string();
    assert!(message.contains("`eigth_schools`") && message.contains("did you mean `eight_schools`"), "{message}");
}

#[test]
fn an_alias_may_stand_for_a_posterior_that_is_not_there() {
    let aliases = ("alias/posteriors.json", r#"{"schools": "schools-centered", "sir": "sir-sir"}"#);
    let root = database(&[POSTERIOR, aliases]);
    assert_eq!(open(&root).posterior("schools").unwrap().name, "schools-centered");
    let message = open(&root).posterior("sir").unwrap_err().to_string();
    assert!(message.contains("`sir`") && message.contains("`sir-sir`"), "{message}");
}

#[test]
fn a_broken_alias_file_does_not_keep_posteriors_from_loading() {
    let root = database(&[POSTERIOR, ("alias/posteriors.json", "{")]);
    assert!(open(&root).posterior("schools-centered").is_ok());
    assert!(open(&root).posterior("schools").unwrap_err().to_string().contains("alias/posteriors.json"));
}

#[test]
fn a_missing_part_is_named_with_the_files_looked_for() {
    let root = database(&[POSTERIOR]);
    let posterior = open(&root).posterior("schools-centered").unwrap();
    let program = posterior.program().unwrap_err().to_string();
    assert!(program.contains("models/stan/centered.stan"), "{program}");
    let data = posterior.data().unwrap_err().to_string();
    assert!(data.contains("data/data/schools.json.zip") && data.contains("data/data/schools.json"), "{data}");
    assert!(posterior.reference().unwrap().is_none());
    let reference = posterior.required_reference().unwrap_err().to_string();
    assert!(reference.contains("draws/ref.json.zip") && reference.contains("`ref`"), "{reference}");
}

#[test]
fn a_posterior_without_a_reference_says_so() {
    let root = database(&[(
        "posteriors/a-b.json",
        r#"{"model_name": "b", "data_name": "a", "reference_posterior_name": null}"#,
    )]);
    let posterior = open(&root).posterior("a-b").unwrap();
    assert!(posterior.reference().unwrap().is_none());
    assert!(matches!(posterior.required_reference(), Err(DatabaseError::NoReference(_))));
}

#[test]
fn programs_come_from_the_database_first_and_the_overlay_next() {
    let info = r#"{"model_implementations": {"stan": {"model_code": "models/other/c.stan"}}}"#;
    let files = [POSTERIOR, ("models/info/centered.info.json", info), ("overlay/centered.stan", "// overlay")];
    let root = database(&files);
    let source = || {
        let overlay = root.path().join("overlay");
        let database = Database::open(Some(root.path()), Some(&overlay)).unwrap();
        database.posterior("schools-centered").unwrap().program().unwrap().source().to_owned()
    };
    assert_eq!(source(), "// overlay");
    for (path, content) in [("models/stan/centered.stan", "// convention"), ("models/other/c.stan", "// described")] {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        assert_eq!(source(), content);
    }
}

#[test]
fn data_may_be_where_its_description_says() {
    let files = [POSTERIOR, ("data/info/schools.info.json", r#"{"data_file": "data/s.json"}"#), ("data/s.json", "{}")];
    let root = database(&files);
    assert_eq!(open(&root).posterior("schools-centered").unwrap().data().unwrap(), "{}");
}

#[test]
fn no_name_or_path_leads_outside_the_database() {
    for (model, data, reference) in
        [("../b", "a", "r"), ("b", "../../a", "r"), ("b", "a", "/etc/passwd"), ("..", "a", "r")]
    {
        let info =
            format!(r#"{{"model_name": "{model}", "data_name": "{data}", "reference_posterior_name": "{reference}"}}"#);
        let root = database(&[("posteriors/a-b.json", &info)]);
        let error = open(&root).posterior("a-b").unwrap_err();
        assert!(matches!(error, DatabaseError::Unsafe { .. }), "{error}");
    }
    let model_code = r#"{"model_implementations": {"stan": {"model_code": "../secret.stan"}}}"#;
    let data_file = r#"{"data_file": "/etc/hostname"}"#;
    let files = [POSTERIOR, ("models/info/centered.info.json", model_code), ("data/info/schools.info.json", data_file)];
    let root = database(&files);
    let posterior = open(&root).posterior("schools-centered").unwrap();
    assert!(posterior.program().unwrap_err().to_string().contains("`model_code`"));
    assert!(posterior.data().unwrap_err().to_string().contains("`data_file`"));
}

#[test]
fn a_broken_description_is_named() {
    for broken in ["", "{", "[]", r#"{"model_name": "b"}"#, r#"{"model_name": ["b"], "data_name": "a"}"#] {
        let root = database(&[("posteriors/a-b.json", broken)]);
        let error = open(&root).posterior("a-b").unwrap_err();
        assert!(matches!(error, DatabaseError::Malformed { .. }), "{error}");
        assert!(error.to_string().contains("posteriors/a-b.json"), "{error}");
    }
}

#[test]
fn broken_descriptions_that_are_not_needed_do_no_harm() {
    let files = [
        POSTERIOR,
        ("models/info/centered.info.json", "{"),
        ("data/info/schools.info.json", r#"{"data_file": 3}"#),
        (INFO, "[]"),
        ("models/stan/centered.stan", "model {}"),
        ("data/data/schools.json", "{}"),
        (DRAWS, r#"[{"mu": [1, 2]}, {"mu": [3, 4]}]"#),
    ];
    let root = database(&files);
    let posterior = open(&root).posterior("schools-centered").unwrap();
    assert_eq!(posterior.program().unwrap().source(), "model {}");
    assert_eq!(posterior.data().unwrap(), "{}");
    assert_eq!(posterior.required_reference().unwrap().draws.len(), 4);
}

#[test]
fn broken_reference_draws_are_named() {
    for broken in ["", "[]", "PK\u{3}\u{4}broken", r#"[{"mu": [1, NaN]}]"#, r#"[{"mu": [1]}, {"mu": []}]"#] {
        let root = database(&[POSTERIOR, (DRAWS, broken)]);
        let error = open(&root).posterior("schools-centered").unwrap().reference().unwrap_err().to_string();
        assert!(error.contains("draws/ref.json"), "{error}");
    }
}

/// What it says of quantities without draws would be lost unnoticed.
#[test]
fn a_reference_with_a_broken_description_is_no_reference() {
    for broken in ["]", "{", r#"["summaries"]"#, r#"{"summaries": {"names": ["tau"]"#, "PK\u{3}\u{4}broken"] {
        let root = database(&[POSTERIOR, (DRAWS, r#"[{"mu": [1, 2]}]"#), (INFO, broken)]);
        let error = open(&root).posterior("schools-centered").unwrap().required_reference().unwrap_err().to_string();
        assert!(error.contains("draws/info/ref.info.json"), "{error}");
    }
}

#[test]
fn a_description_may_have_comments_too() {
    let info = r#"{"model_name": "b", "data_name": "a", "description": "what", "comments": "why"}"#;
    let root = database(&[("posteriors/a-b.json", info)]);
    assert_eq!(open(&root).posterior("a-b").unwrap().description.as_deref(), Some("what"));
}

#[test]
fn posteriors_are_chosen_by_name_alias_pattern_size_and_keyword() {
    let posterior = |name: &str, rest: &str| {
        (format!("posteriors/{name}.json"), format!(r#"{{"model_name": "b", "data_name": "a"{rest}}}"#))
    };
    let files = [
        posterior("a-b", r#", "keywords": "Toy", "dimensions": {"mu": 1, "A": [2, 3]}"#),
        posterior(
            "a-c",
            r#", "keywords": ["toy", "large"], "reference_posterior_name": "ref", "dimensions": {"x": 50}"#,
        ),
        posterior("d-e", ""),
        // As many as no machine can count.
        posterior("huge", r#", "dimensions": {"x": 18446744073709551615, "y": 18446744073709551615}"#),
        ("alias/posteriors.json".to_owned(), r#"{"every": "d-e", "gone": "x-y"}"#.to_owned()),
        ("posteriors/torn.json".to_owned(), "{".to_owned()),
        (DRAWS.to_owned(), "[]".to_owned()),
    ];
    let root = database(&files.each_ref().map(|(path, content)| (path.as_str(), content.as_str())));
    let selected = |selection: Selection| {
        let selected = open(&root).select(&selection).unwrap();
        let names: Vec<String> = selected.posteriors.into_iter().map(|posterior| posterior.name).collect();
        (names.join(" "), selected.broken.len())
    };
    let texts = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect();
    let named = |patterns: &[&str]| selected(Selection { patterns: texts(patterns), ..Selection::default() });
    assert_eq!(named(&[]), ("a-b a-c d-e huge".to_owned(), 1));
    assert_eq!(named(&["d-e", "a-?", "a-b"]), ("a-b a-c d-e".to_owned(), 0));
    assert_eq!(named(&["every"]), ("d-e".to_owned(), 0));
    assert_eq!(named(&["ever*", "gon?"]), ("d-e".to_owned(), 0));
    assert_eq!(named(&["torn", "none*"]), (String::new(), 1));
    let sized = |quantities| selected(Selection { quantities: Some(quantities), ..Selection::default() }).0;
    assert_eq!((sized(7..=7), sized(0..=usize::MAX)), ("a-b".to_owned(), "a-b a-c".to_owned()));
    let worded = |keywords| selected(Selection { keywords: texts(keywords), ..Selection::default() }).0;
    assert_eq!((worded(&["TOY"]), worded(&["toy", "large"])), ("a-b a-c".to_owned(), "a-c".to_owned()));
    let referenced = |wanted| selected(Selection { reference: Some(wanted), ..Selection::default() }).0;
    assert_eq!((referenced(true), referenced(false)), ("a-c".to_owned(), "a-b d-e huge".to_owned()));
    let unknown = Selection { patterns: texts(&["a-bb"]), ..Selection::default() };
    assert!(open(&root).select(&unknown).unwrap_err().to_string().contains("did you mean"));
}
