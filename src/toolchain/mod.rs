//! From a Stan program to a model: finding, installing and checking Stan; instant models; compiling and caching others.

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
mod install_source;
mod instant_data;
mod load;
mod options;
mod process;
mod remedy;
mod stan_model;
mod stanc;
mod stanli;
mod wheel;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

pub use cache::cache_directory;
pub use compile::Compiled;
pub use doctor::{Part, PartState, examine};
pub use error::ToolchainError;
pub use install::{Installed, install};
pub use install_source::InstallSource;
pub use load::{Loaded, ModelLoadError};
pub use options::{CompileOptions, CompileProgress};
pub use process::interrupt;
pub use remedy::Remedy;
pub use stan_model::{StanError, StanModel};

use bridgestan_tree::BridgeStanTree;
use compiler::Compiler;
use httpstan::Httpstan;
use stanli::Stanli;

use crate::program::Program;

/// Which toolchain to use.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Choice {
    /// The environment variable BRIDGESTAN when it is set; else instant models, and compiled ones where no instant one
    /// can be made, by the installed httpstan or else a BridgeStan folder that was downloaded.
    #[default]
    Auto,
    /// Instant models, by the PyPI package stanli.
    Stanli,
    /// Compiled models, with Stan from the PyPI package httpstan and our own bridge.
    Httpstan,
    /// An official BridgeStan folder: this one, or the one that was downloaded.
    BridgeStan(Option<PathBuf>),
}

/// A Stan toolchain that compiles models, found on this machine.
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
    /// `stanli`, `httpstan`, `bridgestan`, or `library` for one that was compiled elsewhere, of which the rest is not
    /// known.
    pub source: &'static str,
    /// Where it is.
    pub folder: PathBuf,
    /// The version of Stan and its mathematics library.
    pub stan_version: String,
    /// The version of the translator.
    pub stanc_version: String,
    /// The first line that the C++ compiler prints about itself; none for instant models, and where there is none.
    pub compiler: Option<String>,
}

impl Description {
    /// Of a library that was compiled elsewhere.
    pub fn of_library(library: &Path) -> Self {
        let unknown = || "unknown".to_owned();
        let folder = library.parent().unwrap_or(Path::new("")).to_owned();
        Self { source: "library", folder, stan_version: unknown(), stanc_version: unknown(), compiler: Some(unknown()) }
    }

    fn of_stanli(stanli: &Stanli) -> Self {
        let version = || stanli::STAN_VERSION.to_owned();
        let folder = stanli.folder().to_owned();
        Self { source: "stanli", folder, stan_version: version(), stanc_version: version(), compiler: None }
    }
}

impl Toolchain {
    /// Finds the toolchain of `choice` that compiles.
    ///
    /// # Errors
    /// When there is none, with what installs one, or no C++ compiler.
    pub fn find(choice: &Choice) -> Result<Self, ToolchainError> {
        Ok(Self { source: Source::find(choice)?, compiler: Compiler::find()? })
    }

    /// The choice that finds this toolchain and no other.
    pub fn choice(&self) -> Choice {
        match &self.source {
            Source::Httpstan(_) => Choice::Httpstan,
            Source::BridgeStan(tree) => Choice::BridgeStan(Some(tree.folder().to_owned())),
        }
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
        self.source.description(Some(&self.compiler))
    }
}

impl Source {
    /// What the toolchain of `choice` compiles with beside the C++ compiler.
    fn find(choice: &Choice) -> Result<Self, ToolchainError> {
        match choice {
            Choice::Stanli => Err(ToolchainError::NoLibraries),
            Choice::Httpstan => Ok(Self::Httpstan(Httpstan::find()?)),
            Choice::BridgeStan(Some(folder)) => Ok(Self::BridgeStan(BridgeStanTree::open(folder)?)),
            Choice::BridgeStan(None) => Ok(Self::BridgeStan(BridgeStanTree::downloaded()?)),
            Choice::Auto => match given_bridgestan() {
                Some(folder) => Ok(Self::BridgeStan(BridgeStanTree::open(&folder)?)),
                None => match (Httpstan::find(), BridgeStanTree::downloaded()) {
                    (Ok(httpstan), _) => Ok(Self::Httpstan(httpstan)),
                    (Err(_), Ok(tree)) => Ok(Self::BridgeStan(tree)),
                    (Err(missing), Err(_)) => Err(missing),
                },
            },
        }
    }

    /// The toolchain with this compiler, or before one is installed.
    fn description(&self, compiler: Option<&Compiler>) -> Description {
        let (source, folder, stan_version, stanc_version) = match self {
            Self::Httpstan(it) => {
                ("httpstan", it.folder(), httpstan::STAN_VERSION.into(), httpstan::STAN_VERSION.into())
            }
            Self::BridgeStan(it) => ("bridgestan", it.folder(), it.stan_version().into(), it.stan_version().into()),
        };
        let compiler = compiler.map(|it| it.version().to_owned());
        Description { source, folder: folder.to_owned(), stan_version, stanc_version, compiler }
    }
}

/// The BridgeStan folder that the environment names.
fn given_bridgestan() -> Option<PathBuf> {
    std::env::var_os("BRIDGESTAN").filter(|folder| !folder.is_empty()).map(PathBuf::from)
}
