//! Vectors as tables of one row, for what works on tables.

use ndarray::{ArrayView2, ArrayViewMut2};

/// A vector as a table of one row.
pub fn row(values: &[f64]) -> ArrayView2<'_, f64> {
    ArrayView2::from_shape((1, values.len()), values).expect("one row holds all values")
}

/// The same, to be written to.
pub fn row_mut(values: &mut [f64]) -> ArrayViewMut2<'_, f64> {
    ArrayViewMut2::from_shape((1, values.len()), values).expect("one row holds all values")
}
