//! Why a suite cannot continue.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::database::DatabaseError;

/// Why a suite cannot be read, run or judged.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SuiteError {
    /// The manifest is not valid.
    #[error("{}, line {line}: {reason}", .file.display())]
    Manifest {
        /// The manifest.
        file: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong there.
        reason: String,
    },
    /// There is nothing that can be done.
    #[error("{}: {reason}", .file.display())]
    Empty {
        /// The manifest or the run file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// A database was given for a suite of the embedded one.
    #[error("{} uses the embedded database, but another was given", .0.display())]
    DatabaseGiven(PathBuf),
    /// No database was given for a suite that needs one.
    #[error("{} needs a database to be given", .0.display())]
    NoDatabaseGiven(PathBuf),
    /// The database cannot be opened.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A file cannot be read.
    #[error("{} cannot be read: {reason}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The reason.
        reason: io::Error,
    },
    /// A file cannot be written.
    #[error("{} cannot be written: {reason}", .file.display())]
    Unwritable {
        /// The file.
        file: PathBuf,
        /// The reason.
        reason: io::Error,
    },
    /// A run file can take no more lines.
    #[error("{} cannot be written: {reason}; its jobs are safe", .file.display())]
    Stopped {
        /// The run file.
        file: PathBuf,
        /// The reason.
        reason: io::Error,
    },
    /// There is a run file already.
    #[error("{} exists", .0.display())]
    Exists(PathBuf),
    /// Another process writes the run file.
    #[error("{} is being written by another run", .0.display())]
    Busy(PathBuf),
    /// A line of a run file or baseline is not what it should be.
    #[error("{}, line {line} is not a line of a {kind}: {reason}", .file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// `run file` or `baseline`.
        kind: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A run file belongs to something else.
    #[error("{} was made with {of}, so it cannot be {action}", .file.display())]
    Other {
        /// The run file.
        file: PathBuf,
        /// What differs.
        of: &'static str,
        /// `resumed` or `merged`.
        action: &'static str,
    },
    /// A baseline is no baseline of the run.
    #[error("{} cannot be the baseline of this run: {reason}", .file.display())]
    Unrelated {
        /// The baseline.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// Two run files hold different results of one job.
    #[error("{} has a result of {job} that differs from that in an earlier file", .file.display())]
    Conflict {
        /// The later file.
        file: PathBuf,
        /// The job.
        job: String,
    },
}

impl SuiteError {
    pub(super) fn unreadable(file: &Path, reason: io::Error) -> Self {
        Self::Unreadable { file: file.to_owned(), reason }
    }

    pub(super) fn unwritable(file: &Path, reason: io::Error) -> Self {
        Self::Unwritable { file: file.to_owned(), reason }
    }
}
