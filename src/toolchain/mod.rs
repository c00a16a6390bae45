//! From a Stan program to a loadable model: finding, installing and checking Stan; compiling and caching models.

mod bridge;
mod bridgestan_tree;
mod build_artifacts;
mod cache;
mod compile;
mod compiler;
mod doctor;
mod error;
mod flags;
mod httpstan;
mod httpstan_model;
mod install;
mod options;
mod process;
mod stan_model;
mod stanc;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

pub use cache::cache_directory;
pub use compile::Compiled;
pub use doctor::{Part, State, examine};
pub use error::ToolchainError;
pub use install::{InstallSource, install};
pub use options::{CompileOptions, Progress};
pub use process::interrupt;
pub use stan_model::{StanError, StanModel};

use bridgestan_tree::BridgeStanTree;
use compiler::Compiler;
use httpstan::Httpstan;

use crate::program::Program;

/// Which toolchain to use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Choice {
    /// The environment variable BRIDGESTAN when it is set, else the installed default, else a BridgeStan folder that
    /// was downloaded.
    #[default]
    Auto,
    /// The default: Stan from the PyPI package httpstan, with our own bridge.
    Httpstan,
    /// An official BridgeStan folder: this one, or the one that was downloaded.
    BridgeStan(Option<PathBuf>),
}

/// A Stan toolchain that was found on this machine.
#[derive(Debug, Clone)]
pub struct Toolchain {
    source: Source,
    compiler: Compiler,
}

#[derive(Debug, Clone)]
enum Source {
    Httpstan(Httpstan),
    BridgeStan(BridgeStanTree),
}

/// What a toolchain is, for the record of a fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Description {
    /// `httpstan`, `bridgestan`, or `library` for one that was compiled elsewhere, of which the rest is not known.
    pub source: &'static str,
    /// Where it is.
    pub folder: PathBuf,
    /// The version of Stan and its mathematics library.
    pub stan_version: String,
    /// The version of the translator from Stan to C++.
    pub stanc_version: String,
    /// The first line that the C++ compiler prints about itself.
    pub compiler: String,
}

impl Description {
    /// Of a library that was compiled elsewhere.
    pub fn of_library(library: &Path) -> Self {
        let unknown = || "unknown".to_owned();
        let folder = library.parent().unwrap_or(Path::new("")).to_owned();
        Self { source: "library", folder, stan_version: unknown(), stanc_version: unknown(), compiler: unknown() }
    }
}

impl Toolchain {
    /// Finds the toolchain of `choice`.
    ///
    /// # Errors
    /// When there is none, with the command that installs one, or no C++ compiler.
    pub fn find(choice: &Choice) -> Result<Self, ToolchainError> {
        let source = match choice {
            Choice::Httpstan => Source::Httpstan(Httpstan::find()?),
            Choice::BridgeStan(Some(folder)) => Source::BridgeStan(BridgeStanTree::open(folder)?),
            Choice::BridgeStan(None) => Source::BridgeStan(BridgeStanTree::downloaded()?),
            Choice::Auto => match std::env::var_os("BRIDGESTAN").filter(|folder| !folder.is_empty()) {
                Some(folder) => Source::BridgeStan(BridgeStanTree::open(Path::new(&folder))?),
                None => match (Httpstan::find(), BridgeStanTree::downloaded()) {
                    (Ok(httpstan), _) => Source::Httpstan(httpstan),
                    (Err(_), Ok(tree)) => Source::BridgeStan(tree),
                    (Err(missing), Err(_)) => return Err(missing),
                },
            },
        };
        Ok(Self { source, compiler: Compiler::find()? })
    }

    /// The C++ compiler with the flags of our models, for benches that compile Stan's own algorithms.
    #[doc(hidden)]
    pub fn model_compiler(&self) -> Command {
        let mut command = self.compiler.command();
        command.args(flags::compile_flags(&CompileOptions::default()));
        command
    }

    /// What this toolchain is.
    pub fn description(&self) -> Description {
        let (source, folder, stan_version, stanc_version) = match &self.source {
            Source::Httpstan(it) => {
                ("httpstan", it.folder(), httpstan::STAN_VERSION.into(), httpstan::STAN_VERSION.into())
            }
            Source::BridgeStan(it) => ("bridgestan", it.folder(), it.stan_version().into(), it.stan_version().into()),
        };
        let compiler = self.compiler.version().to_owned();
        Description { source, folder: folder.to_owned(), stan_version, stanc_version, compiler }
    }
}
