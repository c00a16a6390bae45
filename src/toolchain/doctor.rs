//! What of a toolchain is on this machine, and what mends what is not.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

use super::bridgestan_tree::BridgeStanTree;
use super::build_artifacts::Shared;
use super::httpstan::{self, Httpstan};
use super::options::CompileOptions;
use super::process::{self, LongOptions};
use super::stanli::{self, Stanli};
use super::{Choice, Compiler, InstallSource, Remedy, Source, Toolchain, ToolchainError, cache};

/// Whether a part serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PartState {
    /// It does.
    Ok,
    /// It is not there or does not work, and models can be made without it.
    Absent,
    /// It is not there or does not work, and no model can be made without it.
    Missing,
}

/// One part of a toolchain.
#[derive(Debug, Clone)]
pub struct Part {
    /// What it is.
    pub name: &'static str,
    /// Whether it serves.
    pub state: PartState,
    /// Where it was found.
    pub place: Option<PathBuf>,
    /// Its version, or another word about it.
    pub version: Option<String>,
    /// What is wrong with it.
    pub message: Option<String>,
    /// How to mend it.
    pub remedy: Option<Remedy>,
}

impl Part {
    fn found(name: &'static str, place: PathBuf, version: Option<String>) -> Self {
        Self { name, state: PartState::Ok, place: Some(place), version, message: None, remedy: None }
    }

    fn amiss(name: &'static str, state: PartState, message: impl Into<String>, remedy: Remedy) -> Self {
        Self { name, state, place: None, version: None, message: Some(message.into()), remedy: Some(remedy) }
    }

    /// A toolchain that is not there, for the reason that `error` gives.
    fn not_found(name: &'static str, error: ToolchainError) -> Self {
        let message = Some(error.to_string());
        let remedy = match error {
            ToolchainError::Missing { remedy, .. } => Some(remedy),
            ToolchainError::Platform { .. } => Some(Remedy::Install(InstallSource::BridgeStan)),
            _ => None,
        };
        Self { name, state: PartState::Missing, place: None, version: None, message, remedy }
    }
}

/// Examines every part that making a model with the toolchain of `choice` takes. A model can be made when none is
/// [`PartState::Missing`].
pub fn examine(choice: &Choice) -> Vec<Part> {
    let mut parts = vec![cache_folder()];
    let instant = Vec::from_iter(choice.allows_instant().then(instant_models));
    let compiled = if *choice == Choice::Stanli { Vec::new() } else { compiled_models(choice) };
    let works = |parts: &[Part]| !parts.is_empty() && parts.iter().all(|part| part.state != PartState::Missing);
    let enough = works(&instant) || works(&compiled);
    parts.extend(instant.into_iter().chain(compiled).map(|part| match part.state {
        PartState::Missing if enough => Part { state: PartState::Absent, ..part },
        _ => part,
    }));
    parts.push(pip());
    parts
}

/// What instant models take.
fn instant_models() -> Part {
    let name = "stanli";
    let stanli = match Stanli::find() {
        Ok(stanli) => stanli,
        Err(error) => return Part::not_found(name, error),
    };
    match stanli.check() {
        Ok(()) => Part::found(name, stanli.library(), Some(format!("Stan {}", stanli::STAN_VERSION))),
        Err(error) => {
            Part::amiss(name, PartState::Missing, error.to_string(), Remedy::Reinstall(InstallSource::Stanli))
        }
    }
}

/// What compiled models take.
fn compiled_models(choice: &Choice) -> Vec<Part> {
    let bridgestan = match choice {
        Choice::Httpstan | Choice::Stanli => None,
        Choice::BridgeStan(Some(folder)) => Some(folder.clone()),
        Choice::BridgeStan(None) => BridgeStanTree::downloaded().ok().map(|tree| tree.folder().to_owned()),
        Choice::Auto => match Toolchain::find(choice) {
            Ok(Toolchain { source: Source::BridgeStan(tree), .. }) => Some(tree.folder().to_owned()),
            _ => super::given_bridgestan(),
        },
    };
    let uses_httpstan = bridgestan.is_none() && !matches!(choice, Choice::BridgeStan(None));
    let mut parts = vec![compiler(), make(!uses_httpstan)];
    if uses_httpstan {
        parts.extend(httpstan_parts());
    } else {
        parts.push(bridgestan_folder(bridgestan.as_deref()));
    }
    parts
}

fn cache_folder() -> Part {
    let remedy = Remedy::Elsewhere("set STANMATCH_CACHE to a folder that can be written");
    let name = "cache folder";
    match cache::cache_directory().and_then(|folder| cache::lock(&folder).map(|_| folder)) {
        Ok(folder) => Part::found(name, folder, None),
        Err(error) => Part::amiss(name, PartState::Missing, error.to_string(), remedy),
    }
}

fn compiler() -> Part {
    let name = "C++ compiler";
    match Compiler::find() {
        Ok(compiler) => {
            let place = on_path(compiler.program()).unwrap_or_else(|| PathBuf::from(compiler.program()));
            Part::found(name, place, Some(compiler.version().to_owned()))
        }
        Err(error) => {
            Part::amiss(name, PartState::Missing, error.to_string(), Remedy::Elsewhere("apt-get install g++"))
        }
    }
}

fn make(needed: bool) -> Part {
    let state = if needed { PartState::Missing } else { PartState::Absent };
    match on_path("make") {
        Some(place) => Part::found("make", place, version_of("make", &[])),
        None => {
            let message = "not found; only a BridgeStan folder needs it";
            Part::amiss("make", state, message, Remedy::Elsewhere("apt-get install make"))
        }
    }
}

fn pip() -> Part {
    let name = "pip";
    match (on_path("python3"), version_of("python3", &["-m", "pip"])) {
        (Some(place), Some(version)) => Part::found(name, place, Some(version)),
        _ => Part::amiss(
            name,
            PartState::Absent,
            "no python3 with pip; only installing a toolchain needs it",
            Remedy::Elsewhere("apt-get install python3-pip"),
        ),
    }
}

fn bridgestan_folder(folder: Option<&Path>) -> Part {
    let name = "BridgeStan folder";
    let elsewhere = Remedy::Elsewhere("set BRIDGESTAN to a BridgeStan folder, or unset it");
    let tree = folder.map_or_else(BridgeStanTree::downloaded, BridgeStanTree::open);
    match tree {
        Ok(tree) => Part::found(name, tree.folder().to_owned(), Some(format!("Stan {}", tree.stan_version()))),
        Err(error) => {
            let message = error.to_string();
            let remedy = if let ToolchainError::Missing { remedy, .. } = error { remedy } else { elsewhere };
            Part::amiss(name, PartState::Missing, message, remedy)
        }
    }
}

fn httpstan_parts() -> Vec<Part> {
    let (install, reinstall) = (Remedy::Install(InstallSource::Httpstan), Remedy::Reinstall(InstallSource::Httpstan));
    let httpstan = match Httpstan::find() {
        Ok(httpstan) => httpstan,
        Err(error) => return vec![Part::not_found("Stan", error)],
    };
    let folder = httpstan.folder();
    let file = |name, file: &str, version| match folder.join(file) {
        path if path.is_file() => Part::found(name, path, version),
        path => Part::amiss(name, PartState::Missing, format!("{} is not there", path.display()), reinstall.clone()),
    };
    let stanc = httpstan.stanc();
    let mut parts = vec![match version_of(&stanc, &[]) {
        Some(version) => Part::found("stanc", stanc, Some(version)),
        None => {
            let message = format!("{} does not run", stanc.display());
            Part::amiss("stanc", PartState::Missing, message, reinstall.clone())
        }
    }];
    let version = Some(httpstan::STAN_VERSION.to_owned());
    parts.push(file("Stan headers", "include/stan/model/model_header.hpp", version));
    parts.push(file("SUNDIALS", "lib/libsundials_cvodes.a", None));
    parts.push(file("TBB", "lib/libtbb.so.2", None));
    if let Ok(compiler) = Compiler::find() {
        let options = CompileOptions::default();
        let shared = Shared::new(&httpstan, &options, &compiler);
        parts.push(optional(
            "compiled bridge",
            shared.folder().join("bridge.o"),
            "is made with the first model",
            install,
        ));
        let message = "not made; it halves the time of a compilation and takes 800 MB";
        parts.push(optional("compiled headers", shared.precompiled_header(), message, Remedy::PrecompileHeaders));
    }
    parts
}

fn optional(name: &'static str, path: PathBuf, message: &'static str, remedy: Remedy) -> Part {
    match fs::metadata(&path) {
        Ok(metadata) => Part::found(name, path, Some(format!("{:.1} MB", metadata.len() as f64 / 1e6))),
        Err(_) => Part::amiss(name, PartState::Absent, message, remedy),
    }
}

/// The first line that a command prints when it is asked for its version and succeeds.
fn version_of(command: impl AsRef<OsStr>, arguments: &[&str]) -> Option<String> {
    let output = process::run(Command::new(command).args(arguments).flag("version")).ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    output.status.success().then(|| text.lines().next().unwrap_or_default().trim().to_owned())
}

/// Where the shell would find `command`.
fn on_path(command: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(command)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remedy_follows_from_the_error() {
        let remedy = |error| Part::not_found("Stan", error).remedy;
        let install = Remedy::Install(InstallSource::Httpstan);
        let missing = ToolchainError::Missing { wanted: "Stan toolchain", remedy: install.clone() };
        assert_eq!(remedy(missing), Some(install));
        let platform = || "macos on aarch64".to_owned();
        let bridgestan = Some(Remedy::Install(InstallSource::BridgeStan));
        assert_eq!(remedy(ToolchainError::Platform { platform: platform() }), bridgestan);
        assert_eq!(remedy(ToolchainError::NoWheel { platform: platform() }), None);
    }
}
