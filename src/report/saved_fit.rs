//! What a report needs of a saved fit, read from its folder. The files may be those of an older or a newer version: what is not
//! there is left out of the report.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};
use thiserror::Error;

use crate::draws::Draws;
use crate::import::{ImportError, LARGEST_TEXT, ReadError, read_draws, read_file};

/// The largest program that a report shows, in bytes.
const LARGEST_PROGRAM: u64 = 1 << 18;

/// A fit that was saved with `fit --output`.
#[derive(Debug)]
pub struct SavedFit {
    /// What the fit says of itself.
    pub document: Document,
    /// Its draws on the constrained scale, without a sampler's own columns.
    pub draws: Draws,
    /// Its draws on the unconstrained scale, where they were saved.
    pub unconstrained: Option<Draws>,
    /// The engine's iterations.
    pub trace: Vec<TraceLine>,
    /// The fitted Gaussian, where the fit has one.
    pub family: Option<SavedGaussian>,
    /// The Stan program, where it was saved.
    pub program: Option<String>,
}

/// Why a folder is no saved fit.
#[derive(Debug, Error)]
pub enum SavedFitError {
    /// A file cannot be read.
    #[error("cannot read {}: {reason}; is its folder one that `stanmatch fit --output` wrote?", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: ReadError,
    },
    /// A JSON file holds something else.
    #[error("{} is not what `stanmatch fit --output` writes: {reason}", .file.display())]
    Json {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: serde_json::Error,
    },
    /// The trace is damaged.
    #[error("{} is not what `stanmatch fit --output` writes: {reason}", .file.display())]
    Trace {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: csv::Error,
    },
    /// The document is another tool's, or of a version to come.
    #[error("{} has the schema `{schema}`, where a fit has `stanmatch.fit/1`", .file.display())]
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
}

/// The keys of `fit.json` that a report shows. A number that is null is NaN.
#[derive(Debug, Clone, Deserialize)]
pub struct Document {
    schema: String,
    #[serde(default)]
    pub posterior: String,
    #[serde(default)]
    pub model: String,
    #[serde(default)]
    pub dim: u64,
    #[serde(default)]
    pub method: String,
    #[serde(default)]
    pub init: String,
    #[serde(default)]
    pub seed: u64,
    #[serde(default)]
    pub draws: u64,
    pub status: String,
    #[serde(default)]
    pub gradient_evaluations: u64,
    #[serde(default)]
    pub density_evaluations: u64,
    #[serde(default = "nan", deserialize_with = "number")]
    pub seconds: f64,
    #[serde(default)]
    pub phases: Vec<PhaseLine>,
    #[serde(default = "nan", deserialize_with = "number")]
    pub pareto_k: f64,
    #[serde(default = "nan", deserialize_with = "number")]
    pub max_drift: f64,
    #[serde(default = "nan", deserialize_with = "number")]
    pub elbo: f64,
    #[serde(default = "nan", deserialize_with = "number")]
    pub score_divergence: f64,
    #[serde(default)]
    pub converged: Option<bool>,
    #[serde(default)]
    pub messages: Vec<String>,
    #[serde(default)]
    pub parameters: Vec<ParameterLine>,
    #[serde(default)]
    pub comparison: Option<ComparisonLines>,
    #[serde(default)]
    pub toolchain: ToolchainLine,
    #[serde(default)]
    pub version: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct PhaseLine {
    pub name: String,
    #[serde(default)]
    pub gradient_evaluations: u64,
    #[serde(default)]
    pub density_evaluations: u64,
    #[serde(default = "nan", deserialize_with = "number")]
    pub seconds: f64,
}

#[derive(Debug, Clone, Deserialize)]
pub struct ParameterLine {
    pub name: String,
    #[serde(default = "nan", deserialize_with = "number")]
    pub mean: f64,
    #[serde(default = "nan", deserialize_with = "number")]
    pub sd: f64,
    #[serde(default = "nan", deserialize_with = "number")]
    pub mcse: f64,
    #[serde(default = "nan", deserialize_with = "number")]
    pub q5: f64,
    #[serde(default = "nan", deserialize_with = "number")]
    pub q50: f64,
    #[serde(default = "nan", deserialize_with = "number")]
    pub q95: f64,
    #[serde(default = "nan", deserialize_with = "number")]
    pub ess: f64,
}

#[derive(Debug, Clone, Deserialize)]
pub struct ComparisonLines {
    pub reference: String,
    #[serde(default)]
    pub reference_draws: u64,
    #[serde(default = "nan", deserialize_with = "number")]
    pub max_location_error: f64,
    #[serde(default = "nan", deserialize_with = "number")]
    pub max_log_scale_error: f64,
    #[serde(default)]
    pub parameters: Vec<ComparedLine>,
    /// All other keys: distances over all parameters, and their floors.
    #[serde(flatten)]
    pub others: BTreeMap<String, serde_json::Value>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct ComparedLine {
    pub name: String,
    #[serde(default = "nan", deserialize_with = "number")]
    pub reference_location: f64,
    #[serde(default = "nan", deserialize_with = "number")]
    pub reference_scale: f64,
    #[serde(default = "nan", deserialize_with = "number")]
    pub location_error: f64,
    #[serde(default = "nan", deserialize_with = "number")]
    pub log_scale_error: f64,
    #[serde(default = "nan", deserialize_with = "number")]
    pub w1: f64,
    #[serde(default = "nan", deserialize_with = "number")]
    pub location_floor: f64,
    #[serde(default = "nan", deserialize_with = "number")]
    pub log_scale_floor: f64,
    #[serde(default = "nan", deserialize_with = "number")]
    pub w1_floor: f64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ToolchainLine {
    pub source: String,
    pub stan_version: String,
    pub stanc_version: String,
    pub compiler: String,
}

/// A line of `trace.csv`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct TraceLine {
    pub gradient_evaluations: u64,
    pub score_divergence: f64,
    pub elbo: f64,
}

/// The Gaussian of `family.json`.
#[derive(Debug, Clone, Deserialize)]
pub struct SavedGaussian {
    /// The names of the unconstrained elements.
    pub names: Vec<String>,
    pub mean: Vec<f64>,
    /// The covariance.
    #[serde(flatten)]
    pub covariance: SavedCovariance,
}

/// A covariance by what it is made of.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum SavedCovariance {
    /// F Fᵀ, of the rows of F.
    Dense { factor: Vec<Vec<f64>> },
    /// diag(ψ) + Λ Λᵀ, of the rows of Λ.
    LowRank { psi: Vec<f64>, lambda: Vec<Vec<f64>> },
}

impl SavedGaussian {
    fn is_consistent(&self) -> bool {
        let dim = self.mean.len();
        let covariance = match &self.covariance {
            SavedCovariance::Dense { factor } => factor.len() == dim,
            SavedCovariance::LowRank { psi, lambda } => psi.len() == dim && lambda.len() == dim,
        };
        self.names.len() == dim && covariance
    }

    /// The covariance of two elements.
    pub fn covariance(&self, i: usize, j: usize) -> f64 {
        let product = |rows: &[Vec<f64>]| rows[i].iter().zip(&rows[j]).map(|(a, b)| a * b).sum::<f64>();
        match &self.covariance {
            SavedCovariance::Dense { factor } => product(factor),
            SavedCovariance::LowRank { psi, lambda } => product(lambda) + if i == j { psi[i] } else { 0.0 },
        }
    }
}

impl SavedFit {
    /// Reads the fit in `folder`.
    ///
    /// # Errors
    /// When the document or the draws are missing, too large or not what a fit saves, or when the fit failed.
    pub fn read(folder: &Path) -> Result<Self, SavedFitError> {
        let file = folder.join("fit.json");
        let document: Document = json(&file)?.ok_or_else(|| missing(&file))?;
        if document.schema != "stanmatch.fit/1" {
            return Err(SavedFitError::Schema { file, schema: document.schema });
        }
        if document.status == "failed" {
            return Err(SavedFitError::Failed(folder.to_owned(), document.messages));
        }
        let draws = without_samplers_own(read_draws(&[folder.to_owned()])?.draws);
        let unconstrained = folder.join("unconstrained.json.zip");
        let unconstrained = if unconstrained.is_file() { Some(read_draws(&[unconstrained])?.draws) } else { None };
        let family = json::<SavedGaussian>(&folder.join("family.json"))?.filter(SavedGaussian::is_consistent);
        let program = bytes(&folder.join("program.stan"), LARGEST_PROGRAM)?;
        let program = program.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ok(Self { document, draws, unconstrained, trace: trace(&folder.join("trace.csv"))?, family, program })
    }
}

fn nan() -> f64 {
    f64::NAN
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

fn missing(file: &Path) -> SavedFitError {
    SavedFitError::Unreadable {
        file: file.to_owned(),
        reason: std::io::Error::from(std::io::ErrorKind::NotFound).into(),
    }
}

/// The bytes of a file; none where there is no file.
fn bytes(file: &Path, limit: u64) -> Result<Option<Vec<u8>>, SavedFitError> {
    match read_file(file, limit) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(ReadError::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(reason) => Err(SavedFitError::Unreadable { file: file.to_owned(), reason }),
    }
}

fn json<T: serde::de::DeserializeOwned>(file: &Path) -> Result<Option<T>, SavedFitError> {
    let Some(bytes) = bytes(file, LARGEST_TEXT)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map_err(|reason| SavedFitError::Json { file: file.to_owned(), reason })
}

fn trace(file: &Path) -> Result<Vec<TraceLine>, SavedFitError> {
    let Some(bytes) = bytes(file, LARGEST_TEXT)? else { return Ok(Vec::new()) };
    let lines: Result<_, csv::Error> = csv::Reader::from_reader(bytes.as_slice()).into_deserialize().collect();
    lines.map_err(|reason| SavedFitError::Trace { file: file.to_owned(), reason })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covariances_are_those_of_the_saved_form() {
        let read = |text: &str| serde_json::from_str::<SavedGaussian>(text).unwrap();
        let dense = read(r#"{"names": ["a", "b"], "mean": [0, 0], "factor": [[2, 0], [1, 3]]}"#);
        assert_eq!([dense.covariance(0, 0), dense.covariance(0, 1), dense.covariance(1, 1)], [4.0, 2.0, 10.0]);
        let low_rank = read(r#"{"names": ["a", "b"], "mean": [0, 0], "psi": [1, 2], "lambda": [[3], [4]]}"#);
        assert_eq!(
            [low_rank.covariance(0, 0), low_rank.covariance(0, 1), low_rank.covariance(1, 1)],
            [10.0, 12.0, 18.0]
        );
        assert!(dense.is_consistent() && low_rank.is_consistent());
        assert!(!read(r#"{"names": ["a"], "mean": [0], "psi": [1, 2], "lambda": [[3]]}"#).is_consistent());
    }
}
