//! The order of layers that docs/contribute/architecture.md gives is the code's: no module uses a later layer, and no
//! modules use each other in a circle.

mod source;
mod tree;

use std::fs;
use std::path::PathBuf;

use tree::Tree;

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The layers in their order: the first column of the table below the heading "Layers".
fn layers(page: &str) -> Vec<String> {
    let lines = page.lines().skip_while(|line| *line != "## Layers").skip(1);
    let table = lines.skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    table.filter_map(|row| row.strip_prefix("| `")?.split('`').next()).map(str::to_owned).collect()
}

#[test]
fn each_layer_uses_only_earlier_ones() {
    let page = fs::read_to_string(repository().join("docs/contribute/architecture.md")).unwrap();
    let layers = layers(&page);
    assert!(layers.len() > 10, "where is the table? {layers:?}");
    let problems = Tree::read(&repository().join("src")).problems(&layers);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// A crate of three layers and a binary without a fault.
const SOUND: [(&str, &str); 8] = [
    ("lib.rs", "pub mod draws; pub mod engine; pub mod fit;"),
    ("draws.rs", "pub struct Draws;"),
    ("engine/mod.rs", "mod gsm; mod step; pub use gsm::Gsm; pub struct Failed;"),
    ("engine/gsm.rs", "use super::{Failed, step::{self, Step}}; pub struct Gsm(crate::draws::Draws);"),
    ("engine/step.rs", "use super::Failed; pub struct Step;"),
    ("fit.rs", "use crate::{draws::Draws, engine::Gsm}; pub fn fit() {}"),
    ("main.rs", "mod cli;"),
    ("cli/mod.rs", "use stanmatch::fit::fit;"),
];

const ORDER: [&str; 4] = ["draws", "engine", "fit", "cli"];

/// The problems of the sound crate with the file `path` replaced or added.
fn problems_with(path: &str, text: &str) -> Vec<String> {
    let files = SOUND.into_iter().filter(|(known, _)| *known != path).chain([(path, text)]);
    Tree::new(files).problems(&ORDER.map(str::to_owned))
}

#[test]
fn a_sound_tree_has_no_problem() {
    assert_eq!(problems_with("engine/step.rs", "pub struct Step;"), [""; 0]);
}

#[test]
fn a_use_of_a_later_layer_is_found_wherever_it_stands() {
    for forbidden in [
        "use crate::fit;",
        "use crate::fit::fit;",
        "use crate::{draws::Draws, fit::{self, fit as run}};",
        "use super::super::fit::*;",
        "fn step() { crate::fit::fit() }",
        "fn step() { let _ = format!(\"{}\", crate::fit::fit()); }",
        "mod inner { pub(super) fn step(_: Vec<crate::fit::Fit<'static>>) {} }",
        "#[cfg(feature = \"cli\")] use crate::fit::fit;",
    ] {
        let problems = problems_with("engine/step.rs", forbidden);
        assert!(problems.contains(&"engine::step uses the later layer fit".to_owned()), "{forbidden}: {problems:?}");
        assert!(problems.iter().any(|problem| problem.contains("layers use each other")), "{forbidden}: {problems:?}");
    }
}

#[test]
fn what_a_layer_imports_counts_as_used_by_whoever_takes_it_from_there() {
    let problems = problems_with("engine/mod.rs", "mod gsm; mod step; use crate::fit::fit; pub use gsm::Gsm;");
    assert_eq!(problems[0], "engine uses the later layer fit");
}

#[test]
fn comments_strings_tests_and_other_crates_are_no_uses() {
    for allowed in [
        "// use crate::fit::fit;\n/// [`crate::fit::fit`]\npub struct Step;",
        "const TEXT: &str = \"use crate::fit::fit;\";",
        "#[cfg(test)]\nmod tests { use crate::fit::fit; }",
        "#[cfg(test)] use crate::fit::fit;",
        "use rayon::prelude::*; pub(crate) fn step() -> impl Iterator<Item = u8> + use<> { [].into_iter() }",
    ] {
        assert_eq!(problems_with("engine/step.rs", allowed), [""; 0], "{allowed}");
    }
    let files = [("engine/mod.rs", "#[cfg(test)] mod testing;"), ("engine/testing.rs", "use crate::fit::fit;")];
    let order = ORDER.map(str::to_owned);
    assert_eq!(Tree::new(files.into_iter().chain([("fit.rs", "")])).problems(&order), [""; 0]);
}

#[test]
fn modules_of_a_layer_that_use_each_other_are_found() {
    let problems = problems_with("engine/step.rs", "use super::Gsm; pub struct Step;");
    assert_eq!(problems, ["the modules of engine use each other in a circle: gsm → step → gsm"]);
}

#[test]
fn a_layer_that_the_page_does_not_name_is_found() {
    assert_eq!(problems_with("transport.rs", ""), ["`transport` is not among the layers"]);
}

#[test]
fn the_table_is_read() {
    let page =
        "| `no` | x |\n## Layers\n\nText.\n\n| layer | what |\n|---|---|\n| `a` | b `c` |\n| `d` | e |\n\n| `f` |\n";
    assert_eq!(layers(page), ["a", "d"]);
}
