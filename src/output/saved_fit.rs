//! A fit in a folder: its document, its draws, its trace and its family.

use super::{CmdstanCsv, FitDocument};
use crate::engine::TraceRow;
use crate::family::Approximation;
use crate::files;
use crate::fit::Fit;
use crate::target::StanTarget;
use ndarray::ArrayView2;
use serde::Serialize;
use std::io;
use std::path::Path;

/// The fitted Gaussian on the unconstrained scale.
#[derive(Serialize)]
#[serde(untagged)]
enum FamilyFile {
    /// Draws are mean + factor · ε with ε standard normal.
    Dense { names: Vec<String>, mean: Vec<f64>, factor: Vec<Vec<f64>> },
    /// The covariance is diag(psi) + lambda · lambdaᵀ.
    LowRank { names: Vec<String>, mean: Vec<f64>, psi: Vec<f64>, lambda: Vec<Vec<f64>> },
}

impl FamilyFile {
    fn new(names: Vec<String>, family: &Approximation) -> Self {
        let mean = family.mean().to_vec();
        let rows = |matrix: ArrayView2<f64>| matrix.rows().into_iter().map(|row| row.to_vec()).collect();
        match family {
            Approximation::Dense(family) => Self::Dense { names, mean, factor: rows(family.factor()) },
            Approximation::LowRank(family) => {
                Self::LowRank { names, mean, psi: family.psi().to_vec(), lambda: rows(family.lambda().view()) }
            }
        }
    }
}

/// Writes `fit.json`, `draws-1.csv` in CmdStan's format, `trace.csv` and, where a Gaussian was fitted, `family.json` into
/// `folder`, which is made if it does not exist.
pub fn save_fit(folder: &Path, document: &FitDocument, fit: &Fit, target: &StanTarget) -> io::Result<()> {
    let json = |value: serde_json::Result<String>| value.map(|text| text + "\n").map_err(io::Error::from);
    files::write(&folder.join("fit.json"), json(serde_json::to_string_pretty(document))?.as_bytes())?;
    let csv = CmdstanCsv { configuration: configuration(document), ..CmdstanCsv::default() };
    files::write(&folder.join("draws-1.csv"), csv.text(fit.draws.names(), fit.draws.values()).as_bytes())?;
    files::write(&folder.join("trace.csv"), trace_csv(&fit.trace).as_bytes())?;
    let path = folder.join("family.json");
    let Some(family) = &fit.family else {
        // Not that of an earlier fit in the same folder.
        return match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    };
    let family = FamilyFile::new(target.unconstrained_names(), family);
    files::write(&path, json(serde_json::to_string(&family))?.as_bytes())
}

/// A trace as CSV, a line per iteration.
pub fn trace_csv(trace: &[TraceRow]) -> String {
    let mut text = String::from("iteration,gradient_evaluations,score_divergence,elbo,rejected\n");
    for row in trace {
        text += &format!(
            "{},{},{},{},{}\n",
            row.iteration, row.gradient_evaluations, row.score_divergence, row.elbo, row.rejected
        );
    }
    text
}

/// What readers of CmdStan's files take the run's settings from.
fn configuration(document: &FitDocument) -> Vec<String> {
    vec![
        format!("model = {}_model", document.model),
        // Not `variational`: of a file that says so, readers take the first row for the approximation's mean.
        "method = fit".to_owned(),
        format!("  algorithm = {}", document.method),
        format!("  output_samples = {}", document.draws),
        "id = 1".to_owned(),
        format!("seed = {}", document.seed),
    ]
}
