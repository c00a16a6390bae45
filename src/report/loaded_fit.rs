//! What a report needs of a saved fit, read from its folder. The files may be those of an older or a newer version:
//! what is not there is left out of the report.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

use crate::document::{FIT_SCHEMA, FitDocument, SavedFamily, SavedFamilyError, Status};
use crate::draws::Draws;
use crate::import::{ImportError, LARGEST_TEXT, ReadError, read_draws, read_file};

/// The largest program that a report shows, in bytes.
const LARGEST_PROGRAM: u64 = 1 << 18;

/// A saved fit, as it was read.
#[derive(Debug)]
pub struct LoadedFit {
    /// What the fit says of itself.
    pub document: FitDocument,
    /// Its draws on the constrained scale, without a sampler's own columns.
    pub draws: Draws,
    /// Its draws on the unconstrained scale, where they were saved.
    pub unconstrained: Option<Draws>,
    /// The engine's iterations.
    pub trace: Vec<TraceLine>,
    /// The fitted Gaussian, where the fit has one.
    pub family: Option<SavedFamily>,
    /// The Stan program, where it was saved.
    pub program: Option<String>,
}

/// Why a folder is no saved fit.
#[derive(Debug, Error)]
pub enum LoadError {
    /// A file cannot be read.
    #[error("cannot read {} of a saved fit: {reason}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: ReadError,
    },
    /// A JSON file holds something else.
    #[error("{} does not have the format of a saved fit: {reason}", .file.display())]
    Json {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: serde_json::Error,
    },
    /// The trace is damaged.
    #[error("{} does not have the format of a saved fit: {reason}", .file.display())]
    Trace {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: csv::Error,
    },
    /// The document is another tool's, or of a version to come.
    #[error("{} has the schema `{schema}`, where a fit has `{}`", .file.display(), FIT_SCHEMA)]
    Schema {
        /// The file.
        file: PathBuf,
        /// Its schema.
        schema: String,
    },
    /// The fit failed, so that there is nothing to show.
    #[error("the fit in {} failed: {}", .0.display(), .1.join("; "))]
    Failed(PathBuf, Vec<String>),
    /// The draws cannot be read.
    #[error(transparent)]
    Draws(#[from] ImportError),
    /// The Gaussian is damaged.
    #[error(transparent)]
    Family(#[from] SavedFamilyError),
}

/// A line of `trace.csv`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct TraceLine {
    pub gradient_evaluations: u64,
    pub score_divergence: f64,
    pub elbo: f64,
}

impl LoadedFit {
    /// Reads the fit in `folder`.
    ///
    /// # Errors
    /// When the document or the draws are missing, too large or not what a fit saves, or when the fit failed.
    pub fn read(folder: &Path) -> Result<Self, LoadError> {
        let file = folder.join("fit.json");
        let document = document(&file)?;
        if document.status == Status::Failed {
            return Err(LoadError::Failed(folder.to_owned(), document.messages));
        }
        let draws = without_samplers_own(read_draws(&[folder.to_owned()])?.draws);
        let unconstrained = folder.join("unconstrained.json.zip");
        let unconstrained = if unconstrained.is_file() { Some(read_draws(&[unconstrained])?.draws) } else { None };
        let family = SavedFamily::find(folder)?;
        let program = bytes(&folder.join("program.stan"), LARGEST_PROGRAM)?;
        let program = program.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ok(Self { document, draws, unconstrained, trace: trace(&folder.join("trace.csv"))?, family, program })
    }
}

fn missing(file: &Path) -> LoadError {
    LoadError::Unreadable { file: file.to_owned(), reason: std::io::Error::from(std::io::ErrorKind::NotFound).into() }
}

/// The bytes of a file; none where there is no file.
fn bytes(file: &Path, limit: u64) -> Result<Option<Vec<u8>>, LoadError> {
    match read_file(file, limit) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(ReadError::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(reason) => Err(LoadError::Unreadable { file: file.to_owned(), reason }),
    }
}

/// The document in `file`, whose schema is looked at before anything else.
fn document(file: &Path) -> Result<FitDocument, LoadError> {
    #[derive(Deserialize)]
    struct Versioned {
        schema: String,
    }
    let bytes = bytes(file, LARGEST_TEXT)?.ok_or_else(|| missing(file))?;
    let malformed = |reason| LoadError::Json { file: file.to_owned(), reason };
    let Versioned { schema } = serde_json::from_slice(&bytes).map_err(malformed)?;
    if schema != FIT_SCHEMA {
        return Err(LoadError::Schema { file: file.to_owned(), schema });
    }
    serde_json::from_slice(&bytes).map_err(malformed)
}

fn trace(file: &Path) -> Result<Vec<TraceLine>, LoadError> {
    let Some(bytes) = bytes(file, LARGEST_TEXT)? else { return Ok(Vec::new()) };
    let lines: Result<_, csv::Error> = csv::Reader::from_reader(bytes.as_slice()).into_deserialize().collect();
    lines.map_err(|reason| LoadError::Trace { file: file.to_owned(), reason })
}

/// The draws without columns such as `lp__`.
fn without_samplers_own(draws: Draws) -> Draws {
    let kept: Vec<usize> = (0..draws.names().len()).filter(|&column| !draws.names()[column].ends_with("__")).collect();
    if kept.len() == draws.names().len() {
        return draws;
    }
    let names = kept.iter().map(|&column| draws.names()[column].clone()).collect();
    let values = draws.values().select(ndarray::Axis(1), &kept);
    Draws::new(names, values, draws.chain_lengths().to_vec()).expect("a selection of columns keeps names unique")
}
