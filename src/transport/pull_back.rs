//! Scores pulled back through a map: the gradient of the pulled-back log density, and the residual that is
//! zero everywhere exactly when the map's density is the target's.
//!
//! With scores s_w in standardised coordinates and B_jk = ∂m_j/∂w_k + (w_j − m_j) ∂a_j/∂w_k,
//!
//! ```text
//! z = (I − B)^{−T} (s_w + Σ_j ∇a_j),   R_j = (e^{a_j} z_j − κ_j)/τ'_j + u_j,   κ_j = d log τ'_j/dv_j
//! ```
//!
//! and R − u is the gradient of log p(T(u)) + log |det ∂T/∂u| in u.

use super::TriangularMap;
use super::conditionals::Conditionals;
use super::linear::{LinearSums, blocks};
use super::points::{Parent, Points};
use super::table::{Table, add_product};
use ndarray::ArrayViewMut2;

/// What scores become, a row for each position and a column for each point.
#[derive(Debug, Default)]
pub(super) struct PullBack {
    /// z.
    pub z: Table,
    /// R.
    pub residuals: Table,
    /// τ'.
    pub slopes: Table,
    /// κ.
    pub kappas: Table,
    /// dκ/dv.
    pub kappa_slopes: Table,
    sums: LinearSums,
}

/// The coefficients of a pair's ∂a_j/∂w_k, constant and at each knot, and those of its ∂m_j/∂w_k.
pub(super) struct PairSlopes {
    a: [f64; 4],
    n: [f64; 5],
}

impl PairSlopes {
    pub fn new(map: &TriangularMap, pair: usize) -> Self {
        Self {
            a: std::array::from_fn(|feature| map.coefficients.scale_features[[pair, feature]]),
            n: std::array::from_fn(|feature| map.coefficients.location_features[[pair, feature]]),
        }
    }

    /// (∂a_j/∂w_k, ∂m_j/∂w_k through the features) at each point.
    pub fn at<'a>(&'a self, parent: &Parent<'a>) -> impl Iterator<Item = (f64, f64)> + 'a {
        let ([first, second, third], Self { a, n }) = (parent.slopes, self);
        let rows = parent.w.iter().zip(first).zip(second).zip(third);
        rows.map(|(((w, first), second), third)| {
            let of_scale = a[0] + a[1] * first + a[2] * second + a[3] * third;
            let of_location = n[0] + 2.0 * n[4] * w + n[1] * first + n[2] * second + n[3] * third;
            (of_scale, of_location)
        })
    }
}

impl PullBack {
    /// Pulls `scores` (D × n, standardised, in the map's order) back.
    pub fn of(&mut self, map: &TriangularMap, points: &Points, conditionals: &Conditionals, scores: &Table) {
        let (dim, count) = (map.dim(), points.count());
        let Self { z, residuals, slopes, kappas, kappa_slopes, sums } = self;
        for table in [&mut *z, residuals, slopes, kappas, kappa_slopes] {
            table.reshape(dim, count);
        }
        sums.reshape(map, count);
        z.assign(scores);
        for block in blocks(dim).rev() {
            for position in block.clone().rev() {
                sums.spread(map, points, position, z.row(position));
                sums.complete_transposed(map, &block, position, z);
                push_to_parents(map, points, conditionals, position, z);
            }
            sums.end_transposed(map, &block, z);
        }
        self.finish(map, conditionals);
    }

    /// R, and the derivatives of τ.
    fn finish(&mut self, map: &TriangularMap, conditionals: &Conditionals) {
        for position in 0..map.dim() {
            let tail = map.tail(position);
            let rows = conditionals.v.row(position).iter().zip(conditionals.y.row(position));
            let rows = rows.zip(conditionals.u.row(position)).zip(conditionals.scales.row(position));
            let out = self.residuals.row_mut(position).iter_mut().zip(self.slopes.row_mut(position));
            let out = out.zip(self.kappas.row_mut(position)).zip(self.kappa_slopes.row_mut(position));
            for ((out, z), (((&v, &y), &u), scale)) in out.zip(self.z.row(position)).zip(rows) {
                let (((residual, slope), kappa), kappa_slope) = out;
                let at = tail.slopes(v, y, u);
                *residual = (scale * z - at.kappa) / at.slope + u;
                (*slope, *kappa, *kappa_slope) = (at.slope, at.kappa, at.kappa_slope);
            }
        }
    }

    /// ‖R‖² of each point, written to `out`.
    pub fn squared_residuals(&self, out: &mut [f64]) {
        out.fill(0.0);
        for position in 0..self.residuals.rows() {
            let row = self.residuals.row(position);
            add_product(out, row, row);
        }
    }

    /// Writes R − u, the gradient of the pulled-back log density, to the rows of `scores` (n × D).
    pub fn scores(&self, conditionals: &Conditionals, mut scores: ArrayViewMut2<'_, f64>) {
        for (position, mut values) in scores.columns_mut().into_iter().enumerate() {
            let rows = self.residuals.row(position).iter().zip(conditionals.u.row(position));
            values.iter_mut().zip(rows).for_each(|(value, (residual, u))| *value = residual - u);
        }
    }
}

/// Adds what a position's z contributes to the z of its hubs and parents.
fn push_to_parents(map: &TriangularMap, points: &Points, conditionals: &Conditionals, position: usize, z: &mut Table) {
    let structure = map.structure();
    let (mut earlier, own) = z.split(position);
    for hub in 0..structure.hubs_before(position) {
        let slopes = conditionals.hub_slopes.row(structure.hubs() * position + hub);
        add_product(earlier.row_mut(hub), slopes, own);
    }
    let deviations = conditionals.deviations.row(position);
    for (pair, parent) in structure.numbered_parents(position) {
        let slopes = PairSlopes::new(map, pair);
        let slopes = slopes.at(&points.parent(map, parent));
        let rows = deviations.iter().zip(&*own);
        for ((out, (deviation, z)), (of_scale, of_location)) in earlier.row_mut(parent).iter_mut().zip(rows).zip(slopes)
        {
            *out += of_scale * (1.0 + deviation * z) + of_location * z;
        }
    }
}
