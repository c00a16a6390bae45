//! The largest directions of what a covariance adds to the identity, without optimisation.

use super::implicit_covariance::ImplicitCovariance;
use crate::engine::UpdateFailed;
use crate::linalg::SymmetricEigen;
use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, s};

/// Directions whose squared length is smaller than this, relative to the largest, are rounding
/// errors.
const NEGLIGIBLE: f64 = 1e-13;

/// The eigendecomposition of TᵀYT in the span of T's rows, and its workspace.
pub struct Truncation {
    eigen: SymmetricEigen,
    /// T Tᵀ, then its eigenvectors as rows.
    pub gram: Array2<f64>,
    lengths: Array1<f64>,
    scaled: Array2<f64>,
    half: Array2<f64>,
    inner: Array2<f64>,
    /// The rows of Λᵀ as factors of the rows of T, K × m.
    pub factors: Array2<f64>,
}

impl Truncation {
    /// For matrices T of `rows` rows, of whose directions `rank` are kept.
    pub fn new(rank: usize, rows: usize) -> Self {
        let square = || Array2::zeros((rows, rows));
        Self {
            eigen: SymmetricEigen::new(rows),
            gram: square(),
            lengths: Array1::zeros(rows),
            scaled: square(),
            half: square(),
            inner: square(),
            factors: Array2::zeros((rank, rows)),
        }
    }

    /// Forms `factors` from `gram`.
    pub fn run(&mut self, covariance: &ImplicitCovariance<'_>) -> Result<(), UpdateFailed> {
        // With T Tᵀ = Zᵀ diag(g) Z, the rows of g^(−½) Z T are orthonormal, and TᵀYT is g^½ Z Y Zᵀ
        // g^½ in them.
        self.lengths.assign(&self.eigen.decompose(&mut self.gram).ok_or(UpdateFailed)?);
        let longest = self.lengths.iter().copied().fold(0.0, f64::max);
        self.lengths.mapv_inplace(|g| if g > NEGLIGIBLE * longest { g.sqrt() } else { 0.0 });
        self.scaled.assign(&self.gram);
        for (mut row, root) in self.scaled.rows_mut().into_iter().zip(&self.lengths) {
            row *= *root;
        }
        general_mat_mul(1.0, &self.scaled, &covariance.middle, 0.0, &mut self.half);
        general_mat_mul(1.0, &self.half, &self.scaled.t(), 0.0, &mut self.inner);
        let excess = self.eigen.decompose(&mut self.inner).ok_or(UpdateFailed)?;
        let (rank, rows) = self.factors.dim();
        self.half.fill(0.0);
        let directions = self.inner.rows().into_iter().zip(excess).rev();
        for ((direction, excess), mut row) in directions.zip(self.half.rows_mut()).take(rank) {
            if *excess > 0.0 {
                for ((out, d), root) in row.iter_mut().zip(direction).zip(&self.lengths) {
                    *out = if *root > 0.0 { d * excess.sqrt() / root } else { 0.0 };
                }
            }
        }
        let kept = rank.min(rows);
        general_mat_mul(
            1.0,
            &self.half.slice(s![..kept, ..]),
            &self.gram,
            0.0,
            &mut self.factors.slice_mut(s![..kept, ..]),
        );
        Ok(())
    }
}
