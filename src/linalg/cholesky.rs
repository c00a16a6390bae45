//! Cholesky factors: of large matrices by LAPACK, of small ones in place. Low-rank Gaussians make
//! several of these per iteration, of a size at which LAPACK's overhead is larger than the work,
//! and without allocating.

use super::NotPositiveDefinite;
use ndarray::{Array2, s};
use ndarray_linalg::{Cholesky, UPLO};

/// The lower Cholesky factor of a symmetric positive definite matrix, of which the lower triangle
/// is read, in LAPACK's blocked form.
pub fn cholesky_factor(matrix: &Array2<f64>) -> Result<Array2<f64>, NotPositiveDefinite> {
    matrix.cholesky(UPLO::Lower).map_err(|_| NotPositiveDefinite)
}

/// Replaces a small symmetric positive definite matrix by its lower Cholesky factor.
pub fn cholesky(matrix: &mut Array2<f64>) -> Result<(), NotPositiveDefinite> {
    for j in 0..matrix.nrows() {
        let squared = remainder(matrix, j);
        if !(squared > 0.0 && squared.is_finite()) {
            return Err(NotPositiveDefinite);
        }
        eliminate(matrix, j, squared.sqrt());
    }
    Ok(())
}

/// The part of its squared length that a row must have outside the span of the rows before it to be
/// independent of them: a few rounding errors.
const INDEPENDENT: f64 = 4.0 * f64::EPSILON;

/// Replaces a positive semidefinite matrix by a lower triangular factor of it, with columns of
/// zeros for rows that depend, up to rounding, on those before them. What is not finite stays not
/// finite.
pub fn semidefinite_cholesky(matrix: &mut Array2<f64>) {
    for j in 0..matrix.nrows() {
        let (whole, squared) = (matrix[[j, j]], remainder(matrix, j));
        eliminate(matrix, j, if squared <= INDEPENDENT * whole { 0.0 } else { squared.sqrt() });
    }
}

/// What the columns before j leave of the diagonal's element j.
fn remainder(matrix: &Array2<f64>, j: usize) -> f64 {
    let row = matrix.slice(s![j, ..j]);
    matrix[[j, j]] - row.dot(&row)
}

/// Makes column j that of the factor, whose diagonal element is `pivot`; a column with the pivot 0
/// is 0.
fn eliminate(matrix: &mut Array2<f64>, j: usize, pivot: f64) {
    let (above, mut below) = matrix.view_mut().split_at(ndarray::Axis(0), j + 1);
    let pivot_row = above.slice(s![j, ..j]);
    for mut row in below.rows_mut() {
        row[j] = if pivot == 0.0 { 0.0 } else { (row[j] - row.slice(s![..j]).dot(&pivot_row)) / pivot };
    }
    matrix[[j, j]] = pivot;
    matrix.slice_mut(s![j, j + 1..]).fill(0.0);
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
    use crate::random::{standard_normal, stream};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn factors_reproduce_the_matrix(seed in 0u64..1000, size in 0usize..40) {
            let a = standard_normal(&mut stream(seed, 0), (size, size));
            let matrix = a.dot(&a.t()) + Array2::<f64>::eye(size);
            let mut factor = matrix.clone();
            cholesky(&mut factor).unwrap();
            if size > 0 {
                prop_assert!((&cholesky_factor(&matrix).unwrap() - &factor).iter().all(|d| d.abs() < 1e-11));
            }
            prop_assert!((&factor.dot(&factor.t()) - &matrix).iter().all(|d| d.abs() < 1e-11));
            let mut inverse = factor.clone();
            invert_lower(&mut inverse);
            prop_assert!((factor.dot(&inverse) - Array2::<f64>::eye(size)).iter().all(|d| d.abs() < 1e-10));
        }

        /// Of any rank, and with rows of very different lengths, up to the square root of rounding,
        /// as small pivots amplify it.
        #[test]
        fn factors_reproduce_a_singular_matrix(seed in 0u64..1000, size in 1usize..20, rank in 0usize..20) {
            let mut a = standard_normal(&mut stream(seed, 0), (size, rank));
            let lengths: Vec<f64> = (0..size).map(|row| 10f64.powi(3 * (row % 3) as i32)).collect();
            for (mut row, length) in a.rows_mut().into_iter().zip(&lengths) {
                row *= *length;
            }
            let matrix = a.dot(&a.t());
            let mut factor = matrix.clone();
            semidefinite_cholesky(&mut factor);
            for ((i, j), product) in factor.dot(&factor.t()).indexed_iter() {
                let scale = lengths[i] * lengths[j] * (rank + 1) as f64;
                prop_assert!((product - matrix[[i, j]]).abs() < f64::EPSILON.sqrt() * scale, "{i}, {j}: {product} for {}", matrix[[i, j]]);
            }
        }
    }

    #[test]
    fn what_is_not_finite_stays_so() {
        let mut matrix = ndarray::array![[f64::NAN]];
        semidefinite_cholesky(&mut matrix);
        assert!(matrix[[0, 0]].is_nan());
    }

    #[test]
    fn an_indefinite_matrix_is_refused() {
        assert_eq!(cholesky(&mut ndarray::array![[1.0, 2.0], [2.0, 1.0]]), Err(NotPositiveDefinite));
        assert_eq!(cholesky(&mut ndarray::array![[f64::NAN]]), Err(NotPositiveDefinite));
        assert_eq!(cholesky_factor(&ndarray::array![[1.0, 2.0], [2.0, 1.0]]), Err(NotPositiveDefinite));
    }
}
