//! Eigenproblems of symmetric matrices: of small ones, of which each step of batch and match has
//! one or two, by an algorithm of our own, of others by LAPACK.

use lax::eigh::{EighWork, EighWorkImpl};
use lax::layout::MatrixLayout;
use ndarray::{Array1, Array2, ArrayView1};
use ndarray_linalg::{Eigh, EighInplace, UPLO};

/// Up to this size the plain QL algorithm below is faster than LAPACK's, in few dimensions by half:
/// a rotation goes along two rows, not down two columns, and nothing is blocked.
const SMALL: usize = 128;
/// Most QL iterations for one eigenvalue; two or three are usual, and EISPACK's bound is 30.
const PATIENCE: usize = 60;

/// The eigenvalues of `matrix` in ascending order, and its eigenvectors of unit length as columns,
/// by LAPACK; none if it is not finite. The lower triangle is read.
pub fn eigen_columns(matrix: &Array2<f64>) -> Option<(Array1<f64>, Array2<f64>)> {
    matrix.eigh(UPLO::Lower).ok()
}

/// A workspace for symmetric matrices of one size, of which there are many, by LAPACK.
pub struct SymmetricEigen(EighWork<f64>);

impl SymmetricEigen {
    /// A workspace for matrices of `size` × `size`.
    pub fn new(size: usize) -> Self {
        let layout = MatrixLayout::C { row: size as i32, lda: size as i32 };
        Self(EighWork::new(true, layout).expect("LAPACK says how large its workspace is"))
    }

    /// Replaces `matrix` by its eigenvectors of unit length as rows, and returns its eigenvalues in
    /// ascending order; none if it is not finite.
    pub fn decompose(&mut self, matrix: &mut Array2<f64>) -> Option<ArrayView1<'_, f64>> {
        // LAPACK may not return from a matrix that is not finite.
        if !matrix.iter().all(|value| value.is_finite()) {
            return None;
        }
        let matrix = matrix.as_slice_mut().expect("our own matrices are contiguous, row by row");
        // LAPACK works column by column, so that eigenvectors are rows here.
        Some(self.0.calc(lax::UPLO::Lower, matrix).ok()?.into())
    }
}

/// The eigenvalues of a small symmetric matrix, in no particular order. Its rows become the
/// eigenvectors of unit length. None if it is not finite. Exact to the machine's precision times
/// the largest eigenvalue.
pub fn eigen(matrix: &mut Array2<f64>) -> Option<Array1<f64>> {
    let size = matrix.nrows();
    if size > SMALL {
        let (values, _) = matrix.eigh_inplace(UPLO::Lower).ok()?;
        matrix.swap_axes(0, 1);
        return Some(values);
    }
    let (mut values, mut off_diagonal) = (Array1::zeros(size), vec![0.0; size]);
    let diagonal = values.as_slice_mut().expect("a fresh array is contiguous");
    let rows = matrix.as_slice_mut().expect("our own matrices are contiguous, row by row");
    if size > 0 {
        tridiagonalise(rows, diagonal, &mut off_diagonal);
        diagonalise(rows, diagonal, &mut off_diagonal)?;
    }
    Some(values)
}

/// Householder's reduction Qᵀ A Q = T (Golub and Van Loan, 4th edition, section 8.3.1), from the
/// last row up: `rows`, n × n, becomes Qᵀ, `diagonal` T's diagonal, and `off_diagonal[i]` its
/// element (i, i + 1).
fn tridiagonalise(rows: &mut [f64], diagonal: &mut [f64], off_diagonal: &mut [f64]) {
    let size = diagonal.len();
    // Until the reflections are multiplied out `diagonal[i]` holds uᵀu/2 of that which has u in row
    // i, or 0 for none.
    for i in (1..size).rev() {
        let (above, below) = rows.split_at_mut(i * size);
        let u = &mut below[..i];
        let beside: f64 = u[..i - 1].iter().map(|v| v * v).sum();
        let last = u[i - 1];
        if beside < f64::MIN_POSITIVE {
            (diagonal[i], off_diagonal[i - 1]) = (0.0, last);
            continue;
        }
        let length = (beside + last * last).sqrt().copysign(-last);
        let half = length * (length - last);
        u[i - 1] = last - length;
        (diagonal[i], off_diagonal[i - 1]) = (half, length);
        // A ← (I − uuᵀ/half) A (I − uuᵀ/half) = A − u pᵀ − p uᵀ.
        let p = &mut diagonal[..i];
        for (p, row) in p.iter_mut().zip(above.chunks_exact(size)) {
            *p = dot(&row[..i], u) / half;
        }
        let overlap = dot(p, u) / (2.0 * half);
        p.iter_mut().zip(&*u).for_each(|(p, u)| *p -= overlap * u);
        for (j, row) in above.chunks_exact_mut(size).enumerate() {
            let (uj, pj) = (u[j], p[j]);
            row[..i].iter_mut().zip(&*p).zip(&*u).for_each(|((a, p), u)| *a -= uj * p + pj * u);
        }
    }
    diagonal[0] = rows[0];
    rows[0] = 1.0;
    for i in 1..size {
        let half = diagonal[i];
        let (above, below) = rows.split_at_mut(i * size);
        let row = &mut below[..size];
        for product in above.chunks_exact_mut(size) {
            if half != 0.0 {
                let along = dot(&product[..i], &row[..i]) / half;
                product[..i].iter_mut().zip(&*row).for_each(|(q, u)| *q -= along * u);
            }
            product[i] = 0.0;
        }
        diagonal[i] = row[i];
        row.fill(0.0);
        row[i] = 1.0;
    }
}

/// The implicit QL algorithm with Wilkinson's shift (section 8.3.3): `diagonal` becomes the
/// eigenvalues and `rows`, which were Qᵀ, the eigenvectors.
fn diagonalise(rows: &mut [f64], diagonal: &mut [f64], off_diagonal: &mut [f64]) -> Option<()> {
    let size = diagonal.len();
    for l in 0..size {
        for attempt in 0.. {
            // The block that begins at l ends where an element beside the diagonal vanishes.
            let negligible =
                |m: &usize| off_diagonal[*m].abs() <= f64::EPSILON * (diagonal[*m].abs() + diagonal[*m + 1].abs());
            let end = (l..size - 1).find(negligible).unwrap_or(size - 1);
            if end == l {
                break;
            }
            if attempt == PATIENCE {
                return None;
            }
            let half_gap = (diagonal[l + 1] - diagonal[l]) / (2.0 * off_diagonal[l]);
            let mut chased = diagonal[end] - diagonal[l]
                + off_diagonal[l] / (half_gap + (half_gap * half_gap + 1.0).sqrt().copysign(half_gap));
            let (mut sine, mut cosine, mut shift) = (1.0, 1.0, 0.0);
            let mut split = false;
            for i in (l..end).rev() {
                let (bulge, beside) = (sine * off_diagonal[i], cosine * off_diagonal[i]);
                let radius = (bulge * bulge + chased * chased).sqrt();
                off_diagonal[i + 1] = radius;
                if radius == 0.0 {
                    diagonal[i + 1] -= shift;
                    split = true;
                    break;
                }
                (sine, cosine) = (bulge / radius, chased / radius);
                let shifted = diagonal[i + 1] - shift;
                let change = (diagonal[i] - shifted) * sine + 2.0 * cosine * beside;
                shift = sine * change;
                diagonal[i + 1] = shifted + shift;
                chased = cosine * change - beside;
                let (above, below) = rows.split_at_mut((i + 1) * size);
                for (a, b) in above[i * size..].iter_mut().zip(&mut below[..size]) {
                    (*a, *b) = (cosine * *a - sine * *b, sine * *a + cosine * *b);
                }
            }
            off_diagonal[end] = 0.0;
            if !split {
                diagonal[l] -= shift;
                off_diagonal[l] = chased;
            }
        }
    }
    Some(())
}

/// Several sums side by side, which the compiler may make vector instructions of.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a_lanes, b_lanes) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest: f64 = a_lanes.remainder().iter().zip(b_lanes.remainder()).map(|(a, b)| a * b).sum();
    let mut sums = [0.0; 4];
    for (a, b) in a_lanes.zip(b_lanes) {
        for lane in 0..4 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{standard_normal, stream};
    use ndarray::Axis;
    use ndarray_linalg::Norm;
    use proptest::prelude::*;

    /// Checks A = Σ λ v vᵀ with orthonormal v, and the eigenvalues against LAPACK's.
    fn check(matrix: &Array2<f64>) -> Result<(), TestCaseError> {
        let size = matrix.nrows();
        let scale = matrix.norm_max().max(f64::MIN_POSITIVE) * size as f64;
        let mut vectors = matrix.clone();
        let values = eigen(&mut vectors).unwrap();
        let again = (&vectors.t() * &values).dot(&vectors);
        prop_assert!((&again - matrix).norm_max() < 1e-14 * scale, "{}", (&again - matrix).norm_max() / scale);
        let orthonormal = vectors.dot(&vectors.t()) - Array2::<f64>::eye(size);
        prop_assert!(orthonormal.norm_max() < 1e-14 * size as f64);
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (expected, columns) = eigen_columns(matrix).unwrap();
        prop_assert!(sorted.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-14 * scale));
        // LAPACK's own are one decomposition, whichever way it is called.
        let mut rows = matrix.clone();
        let mut work = SymmetricEigen::new(size);
        prop_assert!(
            work.decompose(&mut rows).unwrap().iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-14 * scale)
        );
        for vectors in [&rows.t(), &columns.view()] {
            let again = (vectors * &expected).dot(&vectors.t());
            prop_assert!((&again - matrix).norm_max() < 1e-14 * scale);
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn any_symmetric_matrix_is_taken_apart(seed in 0u64..1000, size in 1usize..150, log_scale in -100.0..100.0f64) {
            let a = standard_normal(&mut stream(seed, 0), (size, size));
            check(&((&a + &a.t()) * 10f64.powf(log_scale)))?;
        }

        /// Gram matrices of few vectors, most of whose eigenvalues vanish, graded over many orders
        /// of magnitude.
        #[test]
        fn singular_and_graded_matrices_are_taken_apart(seed in 0u64..1000, size in 1usize..60, rank in 1usize..60) {
            let mut a = standard_normal(&mut stream(seed, 0), (rank, size));
            a.axis_iter_mut(Axis(0)).enumerate().for_each(|(index, mut row)| row *= 0.3_f64.powi(index as i32));
            check(&a.t().dot(&a))?;
        }
    }

    #[test]
    fn matrices_with_nothing_beside_the_diagonal_are_taken_apart() {
        for matrix in [Array2::zeros((5, 5)), Array2::eye(6), Array2::from_diag(&ndarray::array![3.0, -1.0, 0.0, 2.0])]
        {
            check(&matrix).unwrap();
        }
        assert_eq!(eigen(&mut Array2::zeros((0, 0))).unwrap().len(), 0);
    }

    #[test]
    fn what_is_not_finite_has_no_eigenvalues() {
        for value in [f64::NAN, f64::INFINITY] {
            for size in [2, 7] {
                let mut matrix = Array2::eye(size);
                matrix[[1, 0]] = value;
                matrix[[0, 1]] = value;
                assert!(SymmetricEigen::new(size).decompose(&mut matrix).is_none());
                assert!(eigen(&mut matrix).is_none());
            }
        }
    }
}
