//! Square roots of the matrices U and V of batch and match.

use ndarray::{ArrayView1, ArrayView2, ArrayViewMut2, Axis, Zip};

/// The factors of the terms of U and V (section 3.1 of the paper), as square roots.
#[derive(Debug, Clone, Copy)]
pub struct MatchTerms {
    /// λ/(1+λ).
    pub pull: f64,
    /// √(λ/B), the root of the factor of a covariance's sum.
    pub spread: f64,
    /// √κ, the root of the factor of a mean's outer product: κ = λ/(1+λ) times the weight of the
    /// mean terms.
    pub mean: f64,
}

impl MatchTerms {
    /// The factors for the learning rate λ and a batch of `size` draws.
    pub fn new(lambda: f64, weight_of_mean: f64, size: usize) -> Self {
        let pull = lambda / (1.0 + lambda);
        Self { pull, spread: (lambda / size as f64).sqrt(), mean: (pull * weight_of_mean).sqrt() }
    }

    /// Writes to `rows` as many rows as `table` has rows a_b, whose Gram matrix is λ cov(a) + κ (ā
    /// − o)(ā − o)ᵀ with the offset o. The first one is √κ (ā − o); the others are those of √(λ/B)
    /// H a, where Householder's reflection H maps the vector of 1/√B to the first unit vector. So
    /// the term that is smaller by the order of λ has a row of its own, and eigenproblems of
    /// products of rows are graded, the smallest element first.
    pub fn root(
        &self,
        table: ArrayView2<'_, f64>,
        offset: Option<ArrayView1<'_, f64>>,
        mut rows: ArrayViewMut2<'_, f64>,
    ) {
        let size = table.nrows() as f64;
        let (first, mut others) = rows.view_mut().split_at(Axis(0), 1);
        let mut mean = first.remove_axis(Axis(0));
        mean.fill(0.0);
        table.rows().into_iter().for_each(|row| mean += &row);
        mean /= size;
        let (of_mean, of_first) = (size.sqrt() / (size.sqrt() - 1.0), 1.0 / (size.sqrt() - 1.0));
        for (mut row, values) in others.rows_mut().into_iter().zip(table.rows().into_iter().skip(1)) {
            Zip::from(&mut row)
                .and(&values)
                .and(&mean)
                .and(&table.row(0))
                .for_each(|r, &v, &m, &f| *r = self.spread * (v - of_mean * m + of_first * f));
        }
        if let Some(offset) = offset {
            mean -= &offset;
        }
        mean *= self.mean;
    }

    /// The factor by which the first row of a root must be multiplied for ā − o.
    pub fn mean_of_root(&self) -> f64 {
        self.mean.recip()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::{outer, random_matrix};
    use ndarray::Array2;
    use ndarray_linalg::Norm;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_gram_matrix_of_a_root_is_the_covariance_with_its_mean_term(
            seed in 0u64..1000, dim in 1usize..12, size in 1usize..12, log_lambda in -3.0..6.0f64, weight in 0.01..1.0f64,
        ) {
            let lambda = 10f64.powf(log_lambda);
            let (table, offset) = (random_matrix(size, dim, seed), random_matrix(1, dim, seed + 1).remove_axis(Axis(0)));
            let terms = MatchTerms::new(lambda, weight, size);
            let mut rows = Array2::from_elem((size, dim), f64::NAN);
            terms.root(table.view(), Some(offset.view()), rows.view_mut());
            let mean = table.mean_axis(Axis(0)).unwrap();
            let (centred, away) = (&table - &mean, &mean - &offset);
            let covariance = centred.t().dot(&centred) / size as f64;
            let expected = covariance * lambda + outer(&away) * (weight * lambda / (1.0 + lambda));
            prop_assert!((&rows.t().dot(&rows) - &expected).norm_l2() < 1e-12 * expected.norm_l2().max(lambda));
            prop_assert!((&rows.row(0) * terms.mean_of_root() - &away).norm_l2() < 1e-12 * (1.0 + away.norm_l2()));
        }
    }
}
