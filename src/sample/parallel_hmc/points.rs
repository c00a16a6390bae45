//! Points of chains, with what the target is there.

use crate::gaussian::Product;
use crate::model::Target;
use ndarray::{Array2, Axis};

/// Points with the target's log densities and scores.
#[derive(Clone)]
pub struct Points {
    /// Chains × D.
    pub x: Array2<f64>,
    pub scores: Array2<f64>,
    /// F Fᵀ s(x), chains × D.
    pub slopes: Array2<f64>,
    /// −∞ for a trajectory that reached a point that the target rejects.
    pub log_densities: Vec<f64>,
}

impl Points {
    pub fn zeros(size: usize, dim: usize) -> Self {
        let table = || Array2::zeros((size, dim));
        Self { x: table(), scores: table(), slopes: table(), log_densities: vec![0.0; size] }
    }

    /// Evaluates the target at the points. A trajectory that reached a rejected point has ended and
    /// is not evaluated any more.
    pub fn evaluate(&mut self, target: &impl Target, covariance: &Product<'_>) {
        let Self { x, scores, slopes, log_densities } = self;
        target.log_densities_and_scores(x.view(), scores.view_mut(), log_densities, &mut |_| ());
        covariance(scores.view(), slopes.view_mut());
    }

    /// Copies row `from` of `other` to `row`.
    pub fn take(&mut self, row: usize, other: &Self, from: usize) {
        self.x.row_mut(row).assign(&other.x.row(from));
        self.scores.row_mut(row).assign(&other.scores.row(from));
        self.slopes.row_mut(row).assign(&other.slopes.row(from));
        self.log_densities[row] = other.log_densities[from];
    }

    /// Some rows.
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            x: self.x.select(Axis(0), rows),
            scores: self.scores.select(Axis(0), rows),
            slopes: self.slopes.select(Axis(0), rows),
            log_densities: rows.iter().map(|&row| self.log_densities[row]).collect(),
        }
    }
}
