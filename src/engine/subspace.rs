//! The subspace of q's own coordinates that a batch spans: an update by Gaussian score matching is
//! the identity outside the span of the batch's noise and whitened scores, so that a step costs
//! O(D² B + B³) and not O(D³).

use super::Batch;
use crate::linalg::qr;
use ndarray::{Array2, ArrayView2, Axis, concatenate};

/// A batch in an orthonormal basis of span{ε_b, h_b}.
pub struct Subspace {
    /// The basis E, D × r with r = 2B; none if r would reach D: the whole space is then its own
    /// basis.
    basis: Option<Array2<f64>>,
    /// ε in the basis, B × r.
    pub noise: Array2<f64>,
    /// h in the basis, B × r.
    pub scores: Array2<f64>,
}

impl Subspace {
    /// The subspace of `batch`.
    pub fn of(batch: &Batch) -> Self {
        let (noise, scores) = (batch.noise(), batch.whitened_scores());
        if 2 * noise.nrows() >= noise.ncols() {
            return Self { basis: None, noise: noise.to_owned(), scores: scores.to_owned() };
        }
        // Householder's Q is orthonormal to machine precision even if the vectors depend on each
        // other, and R has their coordinates in it. LAPACK's matrices are in column order.
        let vectors = concatenate(Axis(0), &[noise, scores]).expect("both have D columns").reversed_axes();
        let (basis, coordinates) = qr(&vectors).expect("LAPACK's QR decomposition fails for no matrix with elements");
        let (noise, scores) = coordinates.t().split_at(Axis(0), noise.nrows());
        Self { noise: noise.to_owned(), scores: scores.to_owned(), basis: Some(basis) }
    }

    /// The basis, for [`crate::gaussian::DenseGaussian::apply`].
    pub fn basis(&self) -> Option<ArrayView2<'_, f64>> {
        self.basis.as_ref().map(|basis| basis.view())
    }
}
