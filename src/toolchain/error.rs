//! What can go wrong between a Stan program and a loadable model, and what helps.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::Remedy;

/// Why a toolchain could not be found or installed, or a program not compiled.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ToolchainError {
    /// No toolchain is installed, or not the one that was asked for.
    #[error("no {wanted} is installed")]
    Missing {
        /// What was looked for.
        wanted: &'static str,
        /// What installs it.
        remedy: Remedy,
    },
    /// The package httpstan does not run on this platform.
    #[error(
        "the compiled toolchain httpstan runs on Linux on x86-64 only, not on {platform}; set BRIDGESTAN to a \
         BridgeStan folder"
    )]
    Platform {
        /// The system and architecture.
        platform: String,
    },
    /// The package stanli has no wheel for this platform.
    #[error("stanli, which makes instant models, has no wheel for {platform}; compiled models need no such wheel")]
    NoWheel {
        /// The system and architecture.
        platform: String,
    },
    /// The library that makes instant models cannot be loaded: it was damaged, or made for a newer system.
    #[error("the library of instant models, {}, cannot be loaded: {message}", library.display())]
    Unloadable {
        /// The shared library.
        library: PathBuf,
        /// What the loader said.
        message: String,
    },
    /// A toolchain of instant models was asked for a library.
    #[error("stanli makes instant models and no libraries")]
    NoLibraries,
    /// The folder given as BridgeStan's is not one.
    #[error("{} is not a BridgeStan folder: it has no {missing}", folder.display())]
    NotBridgeStan {
        /// The folder.
        folder: PathBuf,
        /// The first file that was looked for in vain.
        missing: &'static str,
    },
    /// A file of a toolchain cannot be read.
    #[error("cannot read {}: {reason}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// The program is not valid Stan.
    #[error("{program} is not a valid Stan program: {message}")]
    Invalid {
        /// The program as the user named it.
        program: String,
        /// The translator's own words, with file and line.
        message: String,
    },
    /// The C++ compiler or linker refused.
    #[error("{compiler} cannot compile {what}: {message}")]
    Compiler {
        /// The compiler's command.
        compiler: String,
        /// What was being compiled.
        what: String,
        /// The compiler's own words.
        message: String,
    },
    /// A file could not be fetched.
    #[error("cannot fetch {what}: {message}")]
    Download {
        /// What was to be fetched.
        what: String,
        /// The downloader's own words.
        message: String,
    },
    /// A wheel is not the one that we know.
    #[error(
        "{} is not the wheel that was asked for, or it was damaged (its SHA-256 is {found}, not {expected}); fetch \
         it again",
        file.display()
    )]
    Checksum {
        /// The file.
        file: PathBuf,
        /// The checksum that we know.
        expected: &'static str,
        /// The checksum of the file.
        found: String,
    },
    /// A file is the wheel of none of the packages that can be installed.
    #[error(
        "{} is no wheel of stanli or httpstan that this version of stanmatch knows, or it was damaged (its SHA-256 is \
         {found})",
        file.display()
    )]
    UnknownWheel {
        /// The file.
        file: PathBuf,
        /// The checksum of the file.
        found: String,
    },
    /// A wheel cannot be unpacked.
    #[error("cannot unpack {}: {message}", file.display())]
    Wheel {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A program that we need cannot be run.
    #[error("cannot run {command} ({reason}); {remedy}")]
    Command {
        /// The command.
        command: String,
        /// Why.
        reason: io::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// A folder for includes whose name the translator cannot take.
    #[error("the include folder {} has a comma in its name, which stanc cannot take; rename it", folder.display())]
    IncludeFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// The cache folder has a name that make takes apart.
    #[error(
        "BridgeStan's makefile cannot write to {}, because make cannot handle {odd:?} in a path; set STANMATCH_CACHE \
         to a folder with a plain name",
        folder.display()
    )]
    MakeFolder {
        /// The folder.
        folder: PathBuf,
        /// The character.
        odd: char,
    },
    /// The cache folder cannot be used.
    #[error("cannot write to the cache folder {}: {reason}; set STANMATCH_CACHE to a folder that can be \
             written", folder.display())]
    Cache {
        /// The folder or file.
        folder: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// The disk is full.
    #[error("the disk that holds {} is full; free some space, or set STANMATCH_CACHE to a folder on another \
             disk", folder.display())]
    DiskFull {
        /// The folder that was written to.
        folder: PathBuf,
    },
    /// There is no cache folder.
    #[error("the user has no home folder to keep a cache in; set STANMATCH_CACHE to a folder")]
    NoCache,
    /// The work was interrupted.
    #[error("interrupted")]
    Interrupted,
}

impl ToolchainError {
    /// Whether the program is at fault, and not the machine.
    pub fn is_of_program(&self) -> bool {
        matches!(self, Self::Invalid { .. } | Self::Compiler { .. } | Self::IncludeFolder { .. })
    }

    /// What `error`, met while writing below `folder`, means.
    pub(super) fn writing(folder: &Path, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull => Self::DiskFull { folder: folder.to_owned() },
            io::ErrorKind::Interrupted => Self::Interrupted,
            _ => Self::Cache { folder: folder.to_owned(), reason: error },
        }
    }

    /// What `error`, met while running `command`, means.
    pub(super) fn running(command: &str, remedy: &'static str, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::Interrupted => Self::Interrupted,
            _ => Self::Command { command: command.to_owned(), reason: error, remedy },
        }
    }
}
