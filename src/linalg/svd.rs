//! Singular value decompositions, by LAPACK.

use lax::layout::MatrixLayout;
use lax::svd::{SvdWork, SvdWorkImpl};
use ndarray::{Array1, Array2, ArrayView2};
use ndarray_linalg::{JobSvd, SVDDC};

/// A = U diag(s) Vᵀ of a matrix m × n, with k = min(m, n) singular values.
pub struct ThinSvd {
    /// U, m × k.
    pub left: Array2<f64>,
    /// s, of length k, in descending order.
    pub singular_values: Array1<f64>,
    /// Vᵀ, k × n.
    pub right: Array2<f64>,
}

/// The thin decomposition of `matrix`, by divide and conquer; none if it is not finite.
pub fn thin_svd(matrix: &Array2<f64>) -> Option<ThinSvd> {
    // LAPACK may not return from a matrix that is not finite.
    if !matrix.iter().all(|value| value.is_finite()) {
        return None;
    }
    let (left, singular_values, right) = matrix.svddc(JobSvd::Some).ok()?;
    Some(ThinSvd { left: left?, singular_values, right: right? })
}

/// A workspace for the left singular vectors of matrices of one size, of which there are many.
pub struct LeftSvd {
    rows: usize,
    work: SvdWork<f64>,
}

impl LeftSvd {
    /// A workspace for matrices of `rows` × `columns`, with no more rows than columns.
    pub fn new(rows: usize, columns: usize) -> Self {
        let layout = MatrixLayout::C { row: rows as i32, lda: columns as i32 };
        let work = SvdWork::new(layout, true, false).expect("LAPACK says how large its workspace is");
        Self { rows, work }
    }

    /// U (rows × rows) and the singular values in descending order; none if `matrix`, whose
    /// contents are lost, is not finite.
    pub fn decompose(&mut self, matrix: &mut Array2<f64>) -> Option<(ArrayView2<'_, f64>, &[f64])> {
        // LAPACK may not return from a matrix that is not finite.
        if !matrix.iter().all(|value| value.is_finite()) {
            return None;
        }
        let matrix = matrix.as_slice_mut().expect("our own matrices are contiguous, row by row");
        let decomposed = self.work.calc(matrix).ok()?;
        let left = ArrayView2::from_shape((self.rows, self.rows), decomposed.u?).ok()?;
        Some((left, decomposed.s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{standard_normal, stream};
    use ndarray_linalg::Norm;

    #[test]
    fn both_decompositions_reproduce_the_matrix() {
        let matrix = standard_normal(&mut stream(1, 0), (4, 9));
        let ThinSvd { left, singular_values, right } = thin_svd(&matrix).unwrap();
        assert!(((&left * &singular_values).dot(&right) - &matrix).norm_l2() < 1e-13);
        let mut work = LeftSvd::new(4, 9);
        let (vectors, values) = work.decompose(&mut matrix.clone()).unwrap();
        // A Aᵀ = U diag(s²) Uᵀ.
        let squares = Array1::from_iter(values.iter().map(|s| s * s));
        assert!(((&vectors * &squares).dot(&vectors.t()) - matrix.dot(&matrix.t())).norm_l2() < 1e-12);
        assert!(values.iter().zip(&singular_values).all(|(a, b)| (a - b).abs() < 1e-13));
    }

    #[test]
    fn what_is_not_finite_has_no_decomposition() {
        let mut matrix = Array2::ones((2, 3));
        matrix[[1, 2]] = f64::NAN;
        assert!(thin_svd(&matrix).is_none());
        assert!(LeftSvd::new(2, 3).decompose(&mut matrix).is_none());
    }
}
