//! QR decompositions, triangular systems, determinants and inverses, by LAPACK.

use ndarray::Array2;
use ndarray_linalg::{Determinant, Diag, InverseInto, QR, SolveTriangular, UPLO};

/// Q (m × k, with orthonormal columns) and R (k × n, upper triangular) with k = min(m, n) and A = Q
/// R, by Householder's reflections; none if it is empty.
pub fn qr(matrix: &Array2<f64>) -> Option<(Array2<f64>, Array2<f64>)> {
    matrix.qr().ok()
}

/// X with R X = `right` (n × k), where R is the upper triangle of `matrix` (n × n); none if R is
/// singular.
pub fn solve_upper(matrix: &Array2<f64>, right: &Array2<f64>) -> Option<Array2<f64>> {
    matrix.solve_triangular(UPLO::Upper, Diag::NonUnit, right).ok()
}

/// X with L X = `right` (n × k), where L is the lower triangle of `matrix` (n × n); none if L is
/// singular.
pub fn solve_lower(matrix: &Array2<f64>, right: &Array2<f64>) -> Option<Array2<f64>> {
    matrix.solve_triangular(UPLO::Lower, Diag::NonUnit, right).ok()
}

/// log |det A| of a square matrix; none if it is singular or not finite.
pub fn log_determinant(matrix: &Array2<f64>) -> Option<f64> {
    matrix.sln_det().ok().map(|(_, log_det)| log_det).filter(|log_det| log_det.is_finite())
}

/// The inverse of a square matrix; none if it is singular or empty.
pub fn inverse(matrix: Array2<f64>) -> Option<Array2<f64>> {
    matrix.inv_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{standard_normal, stream};
    use ndarray_linalg::Norm;

    #[test]
    fn a_system_is_solved_and_has_its_determinant() {
        let mut rng = stream(2, 0);
        let (matrix, right) = (standard_normal(&mut rng, (6, 6)), standard_normal(&mut rng, (6, 3)));
        let (q, r) = qr(&matrix).unwrap();
        assert!((q.t().dot(&q) - Array2::<f64>::eye(6)).norm_l2() < 1e-14);
        let solution = solve_upper(&r, &q.t().dot(&right)).unwrap();
        assert!((matrix.dot(&solution) - &right).norm_l2() < 1e-12);
        let lower = r.t().to_owned();
        assert!((lower.dot(&solve_lower(&lower, &right).unwrap()) - &right).norm_l2() < 1e-12);
        let expected: f64 = r.diag().iter().map(|d| d.abs().ln()).sum();
        assert!((log_determinant(&matrix).unwrap() - expected).abs() < 1e-12);
        assert!((inverse(matrix.clone()).unwrap().dot(&matrix) - Array2::<f64>::eye(6)).norm_l2() < 1e-11);
    }

    #[test]
    fn a_singular_matrix_is_refused() {
        assert!(log_determinant(&Array2::zeros((2, 2))).is_none());
        assert!(inverse(Array2::zeros((2, 2))).is_none());
        assert!(solve_upper(&Array2::zeros((2, 2)), &Array2::ones((2, 1))).is_none());
        assert!(solve_lower(&Array2::zeros((2, 2)), &Array2::ones((2, 1))).is_none());
    }
}
