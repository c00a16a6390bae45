//! What can be wrong with a database, in sentences that name the file.

use std::path::PathBuf;

use thiserror::Error;

use super::SummariesError;
use crate::import::{DrawsJsonError, ReadError};
use crate::program::ProgramError;

/// Why a database, a posterior or a part of it cannot be read.
#[derive(Debug, Error)]
pub enum DatabaseError {
    /// The folder has no posteriors.
    #[error("{} is not a posteriordb database: it has no folder `posteriors`; give a checkout's folder \
             `posterior_database`", .0.display())]
    NotADatabase(PathBuf),
    /// No folder was given, and no database is compiled in.
    #[error("no database is compiled into this build, which lacks the feature `embedded-posteriors`: name a folder")]
    NotEmbedded,
    /// The folder of overlaid programs is not there.
    #[error("the folder of Stan programs {} does not exist", .0.display())]
    NoProgramFolder(PathBuf),
    /// No posterior and no alias has this name.
    #[error("there is no posterior `{name}` in the database{}", suggestion(.near))]
    UnknownPosterior {
        /// The name that was asked for.
        name: String,
        /// The names that are most like it, the nearest first.
        near: Vec<String>,
    },
    /// An alias stands for a posterior that the database lacks.
    #[error("`{alias}` stands for the posterior `{name}`, which is not in the database")]
    DanglingAlias {
        /// The alias that was asked for.
        alias: String,
        /// The posterior it stands for.
        name: String,
    },
    /// A file exists but cannot be read.
    #[error("cannot read {file}: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        reason: ReadError,
    },
    /// A file is not the JSON that it should be.
    #[error("{file} does not have posteriordb's format: {reason}")]
    Malformed {
        /// The file.
        file: String,
        /// What is wrong, with line and column.
        reason: serde_json::Error,
    },
    /// A name or path in a file would lead outside the database.
    #[error("{file}: `{key}` must stay inside the database, but is {value:?}")]
    Unsafe {
        /// The file.
        file: String,
        /// The key in it.
        key: &'static str,
        /// Its value.
        value: String,
    },
    /// The Stan program was not found.
    #[error("the Stan program of model `{model}` was not found (looked for {})", .looked_for.join(", "))]
    MissingProgram {
        /// The model.
        model: String,
        /// The files that do not exist.
        looked_for: Vec<String>,
    },
    /// The Stan program was found but cannot be read.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The data file was not found.
    #[error("the data `{data}` of posterior `{posterior}` was not found (looked for {})", .looked_for.join(", "))]
    MissingData {
        /// The posterior.
        posterior: String,
        /// The data set.
        data: String,
        /// The files that do not exist.
        looked_for: Vec<String>,
    },
    /// The data are no JSON object.
    #[error("the data `{data}` is not a JSON object: {reason}")]
    Data {
        /// The data set.
        data: String,
        /// What is wrong.
        reason: serde_json::Error,
    },
    /// The posterior names no reference posterior.
    #[error("posterior `{0}` has no reference draws: its description names no reference posterior")]
    NoReference(String),
    /// The reference draws were not found.
    #[error("the reference draws `{reference}` of posterior `{posterior}` were not found (looked for {})",
        .looked_for.join(", "))]
    MissingReference {
        /// The posterior.
        posterior: String,
        /// The reference posterior.
        reference: String,
        /// The files that do not exist.
        looked_for: Vec<String>,
    },
    /// The reference draws are no draws.
    #[error("cannot use the reference draws {file}: {reason}")]
    Draws {
        /// The file.
        file: String,
        /// What is wrong.
        reason: DrawsJsonError,
    },
    /// Draws that are no reference: chains of different lengths, or values that are not finite.
    #[error("cannot use the reference draws {file}: {reason}")]
    UnfitDraws {
        /// The file.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// The summaries of quantities without reference draws cannot be used.
    #[error("cannot use the reference {file}: {reason}")]
    Summaries {
        /// The file.
        file: String,
        /// What is wrong.
        reason: SummariesError,
    },
}

fn suggestion(near: &[String]) -> String {
    match near {
        [] => String::new(),
        [one] => format!("; did you mean `{one}`?"),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(|name| format!("`{name}`")).collect();
            format!("; did you mean {} or `{last}`?", first.join(", "))
        }
    }
}
