//! A map at many points at once: the conditional location and scale of each coordinate, given those
//! before it.
//!
//! With w the standardised coordinates of a point in the map's order,
//!
//! ```text
//! w_j = m_j + e^{a_j} v_j,   u_j = τ_j(v_j)
//! a_j = a0_j + Σ_k A_jk · φ(w_k)
//! m_j = c_j + Σ_l L_jl w_l + Σ_k N_jk · φ⁺(w_k) + Σ_g Σ_l (M_gjl · σ(w_g)) w_l
//! ```
//!
//! over parents k of j, l < j and hubs g < j.

use super::TriangularMap;
use super::features::BENDS;
use super::linear::LinearSums;
use super::points::Points;
use super::table::{Table, add_product};
use ndarray::{ArrayView2, ArrayViewMut2};

/// A map at points, a row for each position and a column for each point.
#[derive(Debug, Default)]
pub(super) struct Conditionals {
    /// a.
    pub log_scales: Table,
    /// eᵃ.
    pub scales: Table,
    /// w − m.
    pub deviations: Table,
    /// v.
    pub v: Table,
    /// asinh v.
    pub y: Table,
    /// u = τ(v).
    pub u: Table,
    /// ∂m_j/∂w_g through the modulations by the hubs g, in row hubs · j + g.
    pub hub_slopes: Table,
    sums: LinearSums,
}

impl Conditionals {
    /// Writes u to the rows of `noise` (n × D).
    pub fn noise(&self, mut noise: ArrayViewMut2<'_, f64>) {
        for (position, mut values) in noise.columns_mut().into_iter().enumerate() {
            values.iter_mut().zip(self.u.row(position)).for_each(|(value, u)| *value = *u);
        }
    }

    /// From points to their noise.
    pub fn of_points(&mut self, map: &TriangularMap, points: &Points) {
        self.reshape(map, points.count());
        for position in 0..map.dim() {
            self.condition(map, points, position);
            let tail = map.tail(position);
            let w = points.w.row(position).iter();
            let scales = self.scales.row(position).iter();
            let (v, y) = (self.v.row_mut(position).iter_mut(), self.y.row_mut(position).iter_mut());
            let rows = self.deviations.row_mut(position).iter_mut().zip(v).zip(y).zip(self.u.row_mut(position));
            for ((((deviation, v), y), u), (w, scale)) in rows.zip(w.zip(scales)) {
                *deviation = w - *deviation;
                *v = *deviation / scale;
                (*y, *u) = tail.forward(*v);
            }
        }
    }

    /// From the rows u of `noise` (n × D) to their points.
    pub fn of_noise(&mut self, map: &TriangularMap, noise: ArrayView2<'_, f64>, points: &mut Points) {
        self.reshape(map, noise.nrows());
        points.reshape(map, noise.nrows());
        for (position, values) in noise.columns().into_iter().enumerate() {
            self.u.row_mut(position).iter_mut().zip(values).for_each(|(u, value)| *u = *value);
        }
        for position in 0..map.dim() {
            self.condition(map, points, position);
            let tail = map.tail(position);
            let (u, scales) = (self.u.row(position).iter(), self.scales.row(position).iter());
            let (v, y) = (self.v.row_mut(position).iter_mut(), self.y.row_mut(position).iter_mut());
            let rows = points.w.row_mut(position).iter_mut().zip(v).zip(y).zip(self.deviations.row_mut(position));
            for ((((w, v), y), deviation), (u, scale)) in rows.zip(u.zip(scales)) {
                (*y, *v) = tail.backward(*u);
                let location = std::mem::replace(deviation, scale * *v);
                *w = location + *deviation;
            }
            points.fill_features(map, position);
        }
    }

    /// log |det ∂w/∂u| of each point, written to `out`.
    pub fn log_dets(&self, map: &TriangularMap, out: &mut [f64]) {
        out.fill(0.0);
        for position in 0..map.dim() {
            let tail = map.tail(position);
            let rows = self.v.row(position).iter().zip(self.y.row(position)).zip(self.u.row(position));
            for ((out, a), ((&v, &y), &u)) in out.iter_mut().zip(self.log_scales.row(position)).zip(rows) {
                *out += a - tail.slope(v, y, u).ln();
            }
        }
    }

    fn reshape(&mut self, map: &TriangularMap, points: usize) {
        let dim = map.dim();
        for table in
            [&mut self.log_scales, &mut self.scales, &mut self.deviations, &mut self.v, &mut self.y, &mut self.u]
        {
            table.reshape(dim, points);
        }
        self.hub_slopes.reshape(dim * map.structure().hubs(), points);
        self.sums.reshape(map, points);
    }

    /// a, eᵃ and, in place of the deviations, m of one position. Positions come in order.
    fn condition(&mut self, map: &TriangularMap, points: &Points, position: usize) {
        self.sums.sum(map, position, &points.w);
        let structure = map.structure();
        let coefficients = &map.coefficients;
        let location = self.deviations.row_mut(position);
        location.fill(coefficients.offsets[position]);
        self.sums.add_to(map, points, position, location);
        for hub in 0..structure.hubs_before(position) {
            let slopes = self.hub_slopes.row_mut(structure.hubs() * position + hub);
            slopes.fill(0.0);
            for term in BENDS * hub..BENDS * (hub + 1) {
                add_product(slopes, points.modulation_slope(term), self.sums.row(map, position, 1 + term));
            }
        }
        let log_scale = self.log_scales.row_mut(position);
        log_scale.fill(coefficients.log_scales[position]);
        for (pair, parent) in structure.numbered_parents(position) {
            let parent = points.parent(map, parent);
            let a: [f64; 1 + BENDS] = std::array::from_fn(|feature| coefficients.scale_features[[pair, feature]]);
            let n: [f64; 2 + BENDS] = std::array::from_fn(|feature| coefficients.location_features[[pair, feature]]);
            let [first, second, third] = parent.bends;
            let features = parent.w.iter().zip(first).zip(second).zip(third);
            for ((log_scale, location), (((w, first), second), third)) in
                log_scale.iter_mut().zip(&mut *location).zip(features)
            {
                *log_scale += a[0] * w + a[1] * first + a[2] * second + a[3] * third;
                *location += (n[0] + n[4] * w) * w + n[1] * first + n[2] * second + n[3] * third;
            }
        }
        for (scale, log_scale) in self.scales.row_mut(position).iter_mut().zip(log_scale) {
            *scale = log_scale.exp();
        }
    }
}
