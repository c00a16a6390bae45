//! The fitted Gaussian as a file, from which its draws and its density can be had again.

use crate::gaussian::Approximation;
use ndarray::ArrayView2;
use serde::Serialize;

/// The fitted Gaussian on the unconstrained scale.
#[derive(Serialize)]
#[serde(untagged)]
enum FamilyFile<'a> {
    /// Draws are mean + factor · ε with ε standard normal.
    Dense { names: &'a [String], mean: Vec<f64>, factor: Vec<Vec<f64>> },
    /// The covariance is diag(psi) + lambda · lambdaᵀ.
    LowRank { names: &'a [String], mean: Vec<f64>, psi: Vec<f64>, lambda: Vec<Vec<f64>> },
}

/// The text of `family.json`, for the unconstrained parameters of these names. Matrices are lists of rows.
pub fn family_json(family: &Approximation, names: &[String]) -> serde_json::Result<String> {
    let mean = family.mean().to_vec();
    let file = match family {
        Approximation::Dense(family) => FamilyFile::Dense { names, mean, factor: rows(family.factor()) },
        Approximation::LowRank(family) => {
            FamilyFile::LowRank { names, mean, psi: family.psi().to_vec(), lambda: rows(family.lambda().view()) }
        }
    };
    Ok(serde_json::to_string(&file)? + "\n")
}

fn rows(matrix: ArrayView2<'_, f64>) -> Vec<Vec<f64>> {
    matrix.rows().into_iter().map(|row| row.to_vec()).collect()
}
