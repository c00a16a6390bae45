//! What the library depends on without its features: nothing that only the binary, reports, archives or Stan need.

use std::process::Command;

/// Crates that a feature brings.
const OF_FEATURES: [&str; 12] = [
    "bridgestan",
    "clap",
    "clap_complete",
    "clap_mangen",
    "comfy-table",
    "ctrlc",
    "include_dir",
    "indicatif",
    "minijinja",
    "plotters",
    "quick-junit",
    "zip",
];

/// The names of all packages that the library needs with these arguments of cargo.
fn dependencies(arguments: &[&str]) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn without_features_the_library_needs_no_crate_of_theirs() {
    let (all, bare) = (dependencies(&[]), dependencies(&["--no-default-features"]));
    let found = |of: &[String]| OF_FEATURES.into_iter().filter(|&name| of.iter().any(|it| it == name)).count();
    assert_eq!((found(&all), found(&bare)), (OF_FEATURES.len(), 0), "{bare:?}");
    assert!(bare.iter().any(|name| name == "nuts-rs"));
}
