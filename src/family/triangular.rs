//! Triangular factors of small matrices, in place: low-rank families make several per iteration, of a size at which LAPACK's
//! overhead is larger than the work, and without allocating.

use super::NotPositiveDefinite;
use ndarray::{Array2, s};

/// Replaces a symmetric positive definite matrix by its lower Cholesky factor.
pub fn cholesky(matrix: &mut Array2<f64>) -> Result<(), NotPositiveDefinite> {
    for j in 0..matrix.nrows() {
        let (above, mut below) = matrix.view_mut().split_at(ndarray::Axis(0), j + 1);
        let pivot_row = above.slice(s![j, ..j]);
        let squared = above[[j, j]] - pivot_row.dot(&pivot_row);
        if !(squared > 0.0 && squared.is_finite()) {
            return Err(NotPositiveDefinite);
        }
        let pivot = squared.sqrt();
        for mut row in below.rows_mut() {
            row[j] = (row[j] - row.slice(s![..j]).dot(&pivot_row)) / pivot;
        }
        matrix[[j, j]] = pivot;
        matrix.slice_mut(s![j, j + 1..]).fill(0.0);
    }
    Ok(())
}

/// The part of its square that a row must have to itself to count as independent of the rows before it.
const INDEPENDENT: f64 = 4.0 * f64::EPSILON;

/// Replaces a positive semidefinite matrix by a lower triangular factor of it, with columns of zeros for rows that depend, up
/// to rounding, on those before them. What is not finite stays so.
pub fn semidefinite_cholesky(matrix: &mut Array2<f64>) {
    for j in 0..matrix.nrows() {
        let (above, mut below) = matrix.view_mut().split_at(ndarray::Axis(0), j + 1);
        let pivot_row = above.slice(s![j, ..j]);
        let whole = above[[j, j]];
        let squared = whole - pivot_row.dot(&pivot_row);
        let dependent = squared <= INDEPENDENT * whole;
        let pivot = if dependent { 0.0 } else { squared.sqrt() };
        for mut row in below.rows_mut() {
            row[j] = if dependent { 0.0 } else { (row[j] - row.slice(s![..j]).dot(&pivot_row)) / pivot };
        }
        matrix[[j, j]] = pivot;
        matrix.slice_mut(s![j, j + 1..]).fill(0.0);
    }
}

/// Replaces a lower triangular matrix with a diagonal free of zeros by its inverse.
pub fn invert_lower(matrix: &mut Array2<f64>) {
    for i in 0..matrix.nrows() {
        let pivot = matrix[[i, i]];
        for j in 0..i {
            let sum: f64 = (j..i).map(|k| matrix[[i, k]] * matrix[[k, j]]).sum();
            matrix[[i, j]] = -sum / pivot;
        }
        matrix[[i, i]] = pivot.recip();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{fill_standard_normal, stream};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn factors_reproduce_the_matrix(seed in 0u64..1000, size in 0usize..40) {
            let mut a = Array2::<f64>::zeros((size, size));
            fill_standard_normal(&mut stream(seed, 0), a.as_slice_mut().unwrap());
            let matrix = a.dot(&a.t()) + Array2::<f64>::eye(size);
            let mut factor = matrix.clone();
            cholesky(&mut factor).unwrap();
            prop_assert!((&factor.dot(&factor.t()) - &matrix).iter().all(|d| d.abs() < 1e-11));
            let mut inverse = factor.clone();
            invert_lower(&mut inverse);
            prop_assert!((factor.dot(&inverse) - Array2::<f64>::eye(size)).iter().all(|d| d.abs() < 1e-10));
        }
    }

    #[test]
    fn an_indefinite_matrix_is_refused() {
        assert_eq!(cholesky(&mut ndarray::array![[1.0, 2.0], [2.0, 1.0]]), Err(NotPositiveDefinite));
        assert_eq!(cholesky(&mut ndarray::array![[f64::NAN]]), Err(NotPositiveDefinite));
    }
}
