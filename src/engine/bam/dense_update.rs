//! A step of batch and match with a batch that spans the whole space, on D × D matrices.

use super::moment_factors::MatchTerms;
use super::orthogonalise::{Rotation, WELL_SCALED, contraction};
use crate::engine::UpdateFailed;
use crate::gaussian::Update;
use crate::linalg::{cholesky, eigen};
use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView2};

/// The closed form of a step in coordinates in which q is the standard normal, with its workspace.
///
/// With V = W Wᵀ and rows Q such that QᵀQ = U, the singular values s and right vectors P of X = QW,
/// the new factor is N = W (I − P diag(1 − m^(−½)) Pᵀ) with m = ½ + √(s² + ¼), since then Σ = W (I
/// − P diag(1 − 1/m) Pᵀ) Wᵀ and s²/m² = 1 − 1/m: nothing cancels.
#[derive(Debug, Clone, Default)]
pub struct DenseUpdate {
    /// Z with ZᵀZ = V − I, B × D.
    noise: Array2<f64>,
    /// Q, B × D.
    scores: Array2<f64>,
    /// W, lower triangular, D × D.
    w: Array2<f64>,
    /// X, B × D.
    x: Array2<f64>,
    /// Rows y and factors k with P diag(1 − m^(−½)) Pᵀ = Σ k y yᵀ, as many as the smaller of B and
    /// D.
    directions: Array2<f64>,
    images: Array2<f64>,
}

impl DenseUpdate {
    /// The update from a batch; `noise` and `scores` are B × D.
    pub fn update(
        &mut self,
        noise: ArrayView2<'_, f64>,
        scores: ArrayView2<'_, f64>,
        terms: &MatchTerms,
    ) -> Result<Update, UpdateFailed> {
        let (size, dim) = noise.dim();
        if self.x.dim() != (size, dim) {
            let table = |rows, columns| Array2::zeros((rows, columns));
            (self.noise, self.scores, self.x) = (table(size, dim), table(size, dim), table(size, dim));
            (self.w, self.directions) = (table(dim, dim), table(size.min(dim), dim));
            self.images = table(dim, size.min(dim));
        }
        terms.root(noise, None, self.noise.view_mut());
        terms.root(scores, None, self.scores.view_mut());
        general_mat_mul(1.0, &self.noise.t(), &self.noise, 0.0, &mut self.w);
        self.w.diag_mut().iter_mut().for_each(|d| *d += 1.0);
        cholesky(&mut self.w).map_err(|_| UpdateFailed)?;
        general_mat_mul(1.0, &self.scores, &self.w, 0.0, &mut self.x);
        let (m, coefficients) = if size < dim { self.few()? } else { self.many()? };
        let log_det = self.w.diag().iter().map(|d| d.ln()).sum::<f64>() - 0.5 * m.iter().map(|m| m.ln()).sum::<f64>();

        general_mat_mul(1.0, &self.w, &self.directions.t(), 0.0, &mut self.images);
        self.images *= &coefficients;
        let mut factor = self.w.clone();
        general_mat_mul(-1.0, &self.images, &self.directions, 1.0, &mut factor);
        let mut shift = factor.dot(&self.scores.row(0).dot(&factor));
        shift += &self.noise.row(0);
        shift *= terms.pull * terms.mean_of_root();
        let update = Update { shift, factor, log_det };
        if update.is_finite() { Ok(update) } else { Err(UpdateFailed) }
    }

    /// Directions and m, and the directions' factors, from the eigenvectors of X Xᵀ.
    fn few(&mut self) -> Result<(Array1<f64>, Array1<f64>), UpdateFailed> {
        let mut vectors = self.x.dot(&self.x.t());
        let eigenvalues = eigen(&mut vectors).ok_or(UpdateFailed)?;
        general_mat_mul(1.0, &vectors, &self.x, 0.0, &mut self.directions);
        let rotation = match Rotation::by_eigenvectors(vectors, &eigenvalues, self.directions.view_mut()) {
            Some(rotation) => rotation,
            None => Rotation::by_singular_values(&self.x, self.directions.view_mut())?,
        };
        let m = rotation.m();
        let coefficients = m.mapv(contraction);
        Ok((m, coefficients))
    }

    /// The same from the eigenvectors of XᵀX.
    fn many(&mut self) -> Result<(Array1<f64>, Array1<f64>), UpdateFailed> {
        general_mat_mul(1.0, &self.x.t(), &self.x, 0.0, &mut self.directions);
        let squares = eigen(&mut self.directions).ok_or(UpdateFailed)?.mapv(|square| square.max(0.0));
        let (smallest, largest) = squares.iter().fold((f64::MAX, 0.0_f64), |(a, b), &s| (a.min(s), b.max(s)));
        if largest > WELL_SCALED * (smallest + 0.25) {
            let rotation = Rotation::by_singular_values(&self.x, self.directions.view_mut())?;
            let m = rotation.m();
            let coefficients = m.mapv(contraction);
            return Ok((m, coefficients));
        }
        let m = squares.mapv(|square| 0.5 + (square + 0.25).sqrt());
        let coefficients = m.mapv(|m| 1.0 - m.sqrt().recip());
        Ok((m, coefficients))
    }
}
