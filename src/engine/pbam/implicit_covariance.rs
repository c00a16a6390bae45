//! A covariance that differs from the identity in a few directions only, and is never formed as a
//! matrix.

use crate::linalg::{COLUMN_BLOCK, column_blocks};
use ndarray::{Array2, ArrayView2, s};
use std::ops::Range;

/// I + Tᵀ Y T on R^D, with T of m rows that stand in three tables and a symmetric Y, m × m.
pub struct ImplicitCovariance<'a> {
    /// The rows of T, each table a number of rows × D.
    pub tables: [ArrayView2<'a, f64>; 3],
    /// Y.
    pub middle: ArrayView2<'a, f64>,
    /// The covariance's log determinant.
    pub log_det: f64,
}

impl ImplicitCovariance<'_> {
    /// The dimension D.
    pub fn dim(&self) -> usize {
        self.tables[0].ncols()
    }

    /// The columns 0..D in blocks.
    pub fn blocks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        column_blocks(self.dim())
    }

    /// Space for `rows` rows of a block.
    pub fn block_of(rows: usize) -> Array2<f64> {
        Array2::zeros((rows, COLUMN_BLOCK))
    }

    /// Copies columns `range` of T to the first columns of `block`.
    pub fn gather(&self, range: Range<usize>, block: &mut Array2<f64>) {
        let mut first = 0;
        for table in &self.tables {
            let rows = first..first + table.nrows();
            block.slice_mut(s![rows.clone(), ..range.len()]).assign(&table.slice(s![.., range.clone()]));
            first = rows.end;
        }
    }

    /// The covariance, D × D: for small D alone.
    #[cfg(test)]
    pub fn matrix(&self) -> Array2<f64> {
        let table = ndarray::concatenate(ndarray::Axis(0), &self.tables).unwrap();
        table.t().dot(&self.middle).dot(&table) + Array2::<f64>::eye(self.dim())
    }
}
