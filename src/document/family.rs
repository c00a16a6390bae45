//! `family.json`: the fitted Gaussian of a saved fit, from which its draws and its density can be had again.

use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use crate::gaussian::Approximation;

/// The fitted Gaussian on the unconstrained scale, D-dimensional. Its covariance is F Fᵀ, or diag(ψ) + Λ Λᵀ. Matrices
/// are lists of rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(extend("oneOf" = [{ "required": ["factor"] }, { "required": ["psi", "lambda"] }])))]
pub struct FamilyDocument {
    /// The names of the D unconstrained parameters.
    pub names: Vec<String>,
    /// The mean, D numbers.
    pub mean: Vec<f64>,
    /// The square factor F, D rows of D numbers. It is not triangular.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub factor: Option<Vec<Vec<f64>>>,
    /// ψ, D numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Vec<f64>>,
    /// Λ, D rows of K numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lambda: Option<Vec<Vec<f64>>>,
}

impl FamilyDocument {
    /// The document of a Gaussian of the unconstrained parameters of these names.
    pub fn of(family: &Approximation, names: &[String]) -> Self {
        let (factor, psi, lambda) = match family {
            Approximation::Dense(family) => (Some(rows(family.factor())), None, None),
            Approximation::LowRank(family) => (None, Some(family.psi().to_vec()), Some(rows(family.lambda().view()))),
        };
        Self { names: names.to_vec(), mean: family.mean().to_vec(), factor, psi, lambda }
    }
}

fn rows(matrix: ArrayView2<'_, f64>) -> Vec<Vec<f64>> {
    matrix.rows().into_iter().map(|row| row.to_vec()).collect()
}
