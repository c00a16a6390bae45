//! Weighted regressions of scores on coordinates: what their nonlinear part depends on.
//!
//! A Gaussian's scores are linear in the coordinates. Of what is left, products w_j w_k show on which
//! coordinate k the precision of others depends, and squares w_k² on which their location depends.

use crate::linalg::{cholesky_factor, qr, solve_lower};
use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate};
use rayon::prelude::*;

/// Standardised coordinates are clipped to this: products of outliers would dominate the regression.
const CLIP: f64 = 6.0;
/// The part of its square that a regressor must have beyond the others' span to count.
const INDEPENDENT: f64 = 1e-9;

/// Scores with what (1, w) explains of them taken out, each row multiplied by the square root of its
/// point's weight: the scores in necks are huge.
pub(super) struct Regression {
    /// w, n × D.
    coordinates: Array2<f64>,
    /// The square roots of the weights, of length n.
    roots: Array1<f64>,
    /// An orthonormal basis of the weighted regressors so far, n × p.
    basis: Array2<f64>,
    /// The weighted scores less their projections on the basis, n × D.
    residuals: Array2<f64>,
}

impl Regression {
    /// The regression on (1, w) of the rows of `scores` (n × D) at the rows of `points` (n × D), whose
    /// frame is `location` and `scale`.
    pub fn new(
        points: ArrayView2<'_, f64>,
        scores: ArrayView2<'_, f64>,
        (location, scale): &(Array1<f64>, Array1<f64>),
    ) -> Self {
        let coordinates = ((&points - location) / scale).mapv(|w| w.clamp(-CLIP, CLIP));
        let mut scaled = &scores * scale;
        for mut column in scaled.columns_mut() {
            let mut sizes: Vec<f64> = column.iter().map(|score| score.abs()).collect();
            let middle = sizes.len() / 2;
            let size = *sizes.select_nth_unstable_by(middle, f64::total_cmp).1;
            column /= size.max(f64::MIN_POSITIVE.sqrt());
        }
        let dim = points.ncols() as f64;
        let roots = scaled.map_axis(Axis(1), |row| (1.0 + row.dot(&row) / dim).sqrt().recip());
        let ones = roots.view().insert_axis(Axis(1));
        let weighted = |table: &Array2<f64>| table * &ones;
        let regressors = concatenate(Axis(1), &[ones, weighted(&coordinates).view()]).expect("all have n rows");
        let residuals = weighted(&scaled);
        let mut regression =
            Self { coordinates, roots: roots.clone(), basis: Array2::zeros((residuals.nrows(), 0)), residuals };
        regression.include(regressors);
        regression
    }

    /// The dimension D.
    pub fn dim(&self) -> usize {
        self.residuals.ncols()
    }

    /// The products w_j w_k, weighted, n × D.
    pub fn products(&self, k: usize) -> Array2<f64> {
        let factors = &self.coordinates.column(k) * &self.roots;
        &self.coordinates * &factors.insert_axis(Axis(1))
    }

    /// The coordinates whose interactions with others explain most of the others' scores beyond (1, w) and
    /// the interactions with the `drivers` that there are, the best `count` of them, best first.
    pub fn best_drivers(&self, drivers: &[usize], count: usize) -> Vec<usize> {
        let others = (0..self.dim()).filter(|k| !drivers.contains(k)).collect::<Vec<_>>();
        let mut ranked: Vec<(usize, f64)> = others
            .into_par_iter()
            .map(|k| {
                let explained = self.explained(&self.products(k));
                (k, explained.sum() - explained[k])
            })
            .collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        ranked.into_iter().take(count).map(|(k, _)| k).collect()
    }

    /// How strongly each coordinate is correlated with the others, the sum of squared correlations. A common
    /// mean is what most others depend on: after it in the order they are nearly independent.
    pub fn connections(&self) -> Array1<f64> {
        let centred = &self.coordinates - &self.coordinates.mean_axis(Axis(0)).expect("there are points");
        let norms = positive(sums_of_squares(&centred)).mapv_into(f64::sqrt);
        let correlations = (centred.t().dot(&centred) / &norms).t().to_owned() / &norms;
        sums_of_squares(&correlations)
    }

    /// The squares w_k², weighted, n × D.
    pub fn coordinate_squares(&self) -> Array2<f64> {
        self.coordinates.mapv(|w| w * w) * self.roots.view().insert_axis(Axis(1))
    }

    /// Regresses on the columns of `regressors` (n × q) too.
    pub fn include(&mut self, regressors: Array2<f64>) {
        let (squares, kept) = self.independent_squares(&regressors);
        let columns: Vec<usize> = (0..kept.len()).filter(|&q| kept[q] > INDEPENDENT * squares[q]).collect();
        if columns.is_empty() {
            return;
        }
        let regressors = regressors.select(Axis(1), &columns);
        let regressors = &regressors - &self.basis.dot(&self.basis.t().dot(&regressors));
        let Some((basis, _)) = qr(&regressors) else { return };
        self.residuals -= &basis.dot(&basis.t().dot(&self.residuals));
        self.basis = concatenate(Axis(1), &[self.basis.view(), basis.view()]).expect("all have n rows");
    }

    /// What the columns of `regressors` (n × q) together explain of each score, as a share of what is not
    /// explained of all of them, of length D.
    pub fn explained(&self, regressors: &Array2<f64>) -> Array1<f64> {
        let along = self.basis.t().dot(regressors);
        let mut gram = regressors.t().dot(regressors);
        let ridge = &gram.diag() * INDEPENDENT + f64::MIN_POSITIVE;
        gram -= &along.t().dot(&along);
        gram.diag_mut().scaled_add(1.0, &ridge);
        let cross = regressors.t().dot(&self.residuals);
        let total = self.residuals.iter().map(|residual| residual * residual).sum::<f64>();
        let solved = cholesky_factor(&gram).ok().and_then(|factor| solve_lower(&factor, &cross));
        let squares = solved.map_or_else(|| Array1::zeros(cross.ncols()), |solved| sums_of_squares(&solved));
        squares / total.max(f64::MIN_POSITIVE)
    }

    /// The share of each score j that the column j of `regressors` (n × D) explains by itself of what is
    /// not explained yet.
    pub fn shares_of_own(&self, regressors: &Array2<f64>) -> Array1<f64> {
        let (_, kept) = self.independent_squares(regressors);
        let cross = (regressors * &self.residuals).sum_axis(Axis(0));
        &cross * &cross / positive(kept) / positive(sums_of_squares(&self.residuals))
    }

    /// The share of each score that each column of `regressors` (n × q) explains by itself of what is not
    /// explained yet, D × q.
    pub fn shares(&self, regressors: &Array2<f64>) -> Array2<f64> {
        let (_, kept) = self.independent_squares(regressors);
        let cross = self.residuals.t().dot(regressors);
        &cross * &cross / positive(kept) / positive(sums_of_squares(&self.residuals)).insert_axis(Axis(1))
    }

    /// The sums of squares of the columns of `regressors`, and of what is independent of the basis.
    fn independent_squares(&self, regressors: &Array2<f64>) -> (Array1<f64>, Array1<f64>) {
        let squares = sums_of_squares(regressors);
        let kept = &squares - &sums_of_squares(&self.basis.t().dot(regressors));
        (squares, kept)
    }
}

fn sums_of_squares(table: &Array2<f64>) -> Array1<f64> {
    table.map_axis(Axis(0), |column| column.dot(&column))
}

/// Sums of squares to divide by: rounding may leave them zero or less.
fn positive(squares: Array1<f64>) -> Array1<f64> {
    squares.mapv_into(|square| square.max(f64::MIN_POSITIVE))
}
