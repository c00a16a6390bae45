//! Numbers of many points at once, a row for each coordinate: what is done to a coordinate is done
//! along its row.

use ndarray::{ArrayView2, ArrayViewMut2};

/// Rows of one length, the number of points.
#[derive(Debug, Default)]
pub(super) struct Table {
    values: Vec<f64>,
    columns: usize,
}

impl Table {
    /// Gives the table another shape. What it holds then has no meaning; it allocates only to grow.
    pub fn reshape(&mut self, rows: usize, columns: usize) {
        self.columns = columns;
        self.values.resize(rows * columns, 0.0);
    }

    pub fn rows(&self) -> usize {
        self.values.len() / self.columns.max(1)
    }

    /// The number of points.
    pub fn columns(&self) -> usize {
        self.columns
    }

    pub fn assign(&mut self, other: &Self) {
        self.values.copy_from_slice(&other.values);
    }

    pub fn row(&self, index: usize) -> &[f64] {
        &self.values[index * self.columns..][..self.columns]
    }

    pub fn row_mut(&mut self, index: usize) -> &mut [f64] {
        &mut self.values[index * self.columns..][..self.columns]
    }

    /// As many rows as `count` from `first` on, one after the other.
    pub fn rows_mut(&mut self, first: usize, count: usize) -> &mut [f64] {
        &mut self.values[first * self.columns..][..count * self.columns]
    }

    /// The rows before `index`, and that row.
    pub fn split(&mut self, index: usize) -> (Rows<'_>, &mut [f64]) {
        let (before, rest) = self.values.split_at_mut(index * self.columns);
        (Rows { values: before, columns: self.columns }, &mut rest[..self.columns])
    }

    /// The first `rows` rows as a matrix, rows × points.
    pub fn head(&self, rows: usize) -> ArrayView2<'_, f64> {
        let values = &self.values[..rows * self.columns];
        ArrayView2::from_shape((rows, self.columns), values).expect("the slice has this size")
    }

    /// As [`head`](Self::head), to be written.
    pub fn head_mut(&mut self, rows: usize) -> ArrayViewMut2<'_, f64> {
        let values = &mut self.values[..rows * self.columns];
        ArrayViewMut2::from_shape((rows, self.columns), values).expect("the slice has this size")
    }
}

/// The first rows of a table, while a later one is borrowed.
pub(super) struct Rows<'a> {
    values: &'a mut [f64],
    columns: usize,
}

impl Rows<'_> {
    pub fn row(&self, index: usize) -> &[f64] {
        &self.values[index * self.columns..][..self.columns]
    }

    pub fn row_mut(&mut self, index: usize) -> &mut [f64] {
        &mut self.values[index * self.columns..][..self.columns]
    }
}

/// out += factor · x.
pub(super) fn add_scaled(out: &mut [f64], factor: f64, x: &[f64]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out += factor * x;
    }
}

/// out += x ∘ y.
pub(super) fn add_product(out: &mut [f64], x: &[f64], y: &[f64]) {
    for ((out, x), y) in out.iter_mut().zip(x).zip(y) {
        *out += x * y;
    }
}

/// out = x ∘ y.
pub(super) fn multiply(out: &mut [f64], x: &[f64], y: &[f64]) {
    for ((out, x), y) in out.iter_mut().zip(x).zip(y) {
        *out = x * y;
    }
}
