//! Rows rotated into orthogonal ones, which span the same space and have the same Gram matrix of
//! columns.

use crate::engine::UpdateFailed;
use crate::linalg::{ThinSvd, thin_svd};
use ndarray::{Array1, Array2, ArrayViewMut2, s};

/// Y = EX for a table X (B × D), with an orthogonal E such that the rows of Y are orthogonal.
pub struct Rotation {
    /// E, B × B.
    pub vectors: Array2<f64>,
    /// The squares of the lengths of Y's rows, which are those of X's singular values s.
    pub squares: Array1<f64>,
}

/// Eigenvalues that differ by no more than this factor, ¼ added to each, have lost nothing that
/// matters: they are exact to the machine's precision times the largest.
pub const WELL_SCALED: f64 = 1e6;

/// Whether eigenvalues between these two have left the rows of Y orthogonal. The cosines of their
/// angles are below the machine's precision times the quotient, and count against m^(−½), to which
/// the new factor shrinks along them.
fn are_well_scaled(least: f64, largest: f64) -> bool {
    largest.max(1.0).powf(0.25) * largest <= WELL_SCALED * (least + 0.25)
}

impl Rotation {
    /// The rotation by the eigenvectors of X Xᵀ, the rows of `vectors`, where they are precise
    /// enough; `rotated` is their product with X. All but the smallest eigenvalue must be well
    /// scaled. That one may not, since with a large λ the mean score's part is smaller than all
    /// others, by the order of λ, and it is made precise.
    pub fn by_eigenvectors(
        mut vectors: Array2<f64>,
        eigenvalues: &Array1<f64>,
        mut rotated: ArrayViewMut2<'_, f64>,
    ) -> Option<Self> {
        let mut order: Vec<usize> = (0..eigenvalues.len()).collect();
        order.sort_by(|&a, &b| eigenvalues[a].total_cmp(&eigenvalues[b]));
        let (&smallest, others) = order.split_first()?;
        let largest = eigenvalues[*order.last()?];
        if !are_well_scaled(eigenvalues[smallest], largest) {
            if !others.first().is_some_and(|&second| are_well_scaled(eigenvalues[second], largest)) {
                return None;
            }
            // What the others have in it, of the order of the machine's precision times their
            // lengths, is taken out.
            for &other in others {
                let (mut row, direction) = rotated.multi_slice_mut((s![smallest, ..], s![other, ..]));
                let part = row.dot(&direction) / direction.dot(&direction);
                row.scaled_add(-part, &direction);
                let (mut vector, other) = vectors.multi_slice_mut((s![smallest, ..], s![other, ..]));
                vector.scaled_add(-part, &other);
            }
        }
        let squares = rotated.rows().into_iter().map(|row| row.dot(&row)).collect();
        Some(Self { vectors, squares })
    }

    /// The rotation by the singular vectors of X, precise whatever their singular values, at
    /// several times the price. Y is written to `rotated`.
    pub fn by_singular_values(rows: &Array2<f64>, mut rotated: ArrayViewMut2<'_, f64>) -> Result<Self, UpdateFailed> {
        let ThinSvd { left, singular_values, right } = thin_svd(rows).ok_or(UpdateFailed)?;
        for ((mut row, direction), s) in rotated.rows_mut().into_iter().zip(right.rows()).zip(&singular_values) {
            row.assign(&(&direction * *s));
        }
        Ok(Self { vectors: left.reversed_axes(), squares: singular_values.mapv(|s| s * s) })
    }

    /// m = ½ + √(s² + ¼): a direction along which the new covariance is 1/m of what V alone makes
    /// it.
    pub fn m(&self) -> Array1<f64> {
        self.squares.mapv(|square| 0.5 + (square + 0.25).sqrt())
    }
}

/// K, the diagonal of (1 − m^(−½)) / s², with s² = m (m − 1), without the division by what may be
/// zero.
pub fn contraction(m: f64) -> f64 {
    (m * m.sqrt() * (m.sqrt() + 1.0)).recip()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::random_matrix;
    use crate::linalg::eigen;
    use ndarray::Array2;
    use ndarray_linalg::Norm;
    use proptest::prelude::*;

    proptest! {
        /// One row is `10^log_gap` times shorter than the others, and nearly parallel to them but
        /// for a small part.
        #[test]
        fn both_rotations_have_orthogonal_rows_and_the_singular_values(
            seed in 0u64..1000, size in 2usize..20, log_gap in 0.0..7.0f64,
        ) {
            let mut x = random_matrix(size, 3 * size, seed) * 1e6;
            let short = (&x.row(1) * 0.3 + random_matrix(1, 3 * size, seed + 1).row(0)) * 10f64.powf(-log_gap);
            x.row_mut(0).assign(&short);
            let mut vectors = x.dot(&x.t());
            let eigenvalues = eigen(&mut vectors).unwrap();
            let mut rotated = vectors.dot(&x);
            let rotation = Rotation::by_eigenvectors(vectors, &eigenvalues, rotated.view_mut()).unwrap();
            let mut expected = Array2::zeros(x.dim());
            let by_svd = Rotation::by_singular_values(&x, expected.view_mut()).unwrap();
            for (rotation, rows) in [(&rotation, &rotated), (&by_svd, &expected)] {
                prop_assert!((&rotation.vectors.dot(&x) - rows).norm_l2() < 1e-13 * x.norm_l2());
                let lengths = rotation.squares.mapv(f64::sqrt);
                for i in 0..size {
                    for j in 0..i {
                        let cosine = rows.row(i).dot(&rows.row(j)) / (lengths[i] * lengths[j]);
                        prop_assert!(cosine.abs() < 1e-14 * lengths[i].max(lengths[j]) / lengths[i].min(lengths[j]) + 1e-12);
                    }
                }
            }
            let sorted = |rotation: &Rotation| {
                let mut squares = rotation.squares.to_vec();
                squares.sort_by(f64::total_cmp);
                squares
            };
            for (a, b) in sorted(&rotation).iter().zip(sorted(&by_svd)) {
                prop_assert!((a / b - 1.0).abs() < 1e-8, "{a} {b}");
            }
        }
    }

    #[test]
    fn several_short_rows_need_the_singular_values() {
        let mut x = random_matrix(5, 9, 1);
        x.rows_mut().into_iter().skip(2).for_each(|mut row| row *= 1e6);
        let mut vectors = x.dot(&x.t());
        let eigenvalues = eigen(&mut vectors).unwrap();
        let mut rotated = vectors.dot(&x);
        assert!(Rotation::by_eigenvectors(vectors, &eigenvalues, rotated.view_mut()).is_none());
    }
}
