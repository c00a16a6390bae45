//! Derivatives of the residual in a map's coefficients, backwards: from the derivatives R̄ of an
//! objective in the residuals to those in the coefficients.
//!
//! With z̄ = e^a R̄/τ', ℓ = (I − B)^{−1} z̄, Q = (e^a z − κ)/τ' and r = −Qκ − κ'/τ' + τ' = ∂R/∂v,
//!
//! ```text
//! ā_j = R̄_j (e^{a_j} z_j/τ'_j − v_j r_j)                 m̄_j = −R̄_j r_j e^{−a_j} − z_j Σ_k ℓ_k ∂a_j/∂w_k
//! a0_j += ā_j     c_j += m̄_j     L_jl += m̄_j w_l + z_j ℓ_l
//! A_jk += ā_j φ_k + ℓ_k (1 + (w_j − m_j) z_j) φ'_k        N_jk += m̄_j φ⁺_k + z_j ℓ_k φ⁺'_k
//! M_gjl += m̄_j σ_g w_l + z_j ℓ_l σ_g + z_j ℓ_g σ'_g w_l
//! ```

use super::TriangularMap;
use super::coefficients::Coefficients;
use super::conditionals::Conditionals;
use super::features::{BENDS, LOCATION_FEATURES, SCALE_FEATURES};
use super::linear::{LinearSums, blocks};
use super::points::{Parent, Points};
use super::pull_back::{PairSlopes, PullBack};
use super::table::{Table, add_product, multiply};

/// Buffers for the derivatives at some points.
#[derive(Debug, Default)]
pub(super) struct Backward {
    /// ā.
    of_log_scales: Table,
    /// m̄.
    of_locations: Table,
    /// ℓ.
    l: Table,
    sums: LinearSums,
    /// z ∘ ℓ of a position and a parent.
    product: Vec<f64>,
}

impl Backward {
    /// Adds to `gradient` the derivatives of Σ f, given `factors` of each point such that
    /// R̄ = ∂f/∂R = factor · R.
    pub fn accumulate(
        &mut self,
        map: &TriangularMap,
        points: &Points,
        (conditionals, pull_back): (&Conditionals, &PullBack),
        factors: &[f64],
        gradient: &mut Coefficients,
    ) {
        let (dim, count) = (map.dim(), points.count());
        for table in [&mut self.of_log_scales, &mut self.of_locations, &mut self.l] {
            table.reshape(dim, count);
        }
        self.sums.reshape(map, count);
        self.product.resize(count, 0.0);
        for position in 0..dim {
            self.begin(map, position, (conditionals, pull_back), factors, gradient);
        }
        for block in blocks(dim) {
            for position in block.clone() {
                self.sums.sum(map, position, &self.l);
                self.solve(map, points, conditionals, pull_back, position);
            }
            for position in block.clone() {
                self.of_position(map, points, (conditionals, pull_back), position, gradient);
                self.sums.spread(map, points, position, self.of_locations.row(position));
                for hub in 0..map.structure().hubs_before(position) {
                    multiply(&mut self.product, pull_back.z.row(position), self.l.row(hub));
                    for term in BENDS * hub..BENDS * (hub + 1) {
                        self.sums.add_product(map, position, 1 + term, &self.product, points.modulation_slope(term));
                    }
                }
            }
            self.sums.accumulate(map, &block, &points.w, &mut gradient.linear);
            for position in block.clone() {
                self.sums.spread(map, points, position, pull_back.z.row(position));
            }
            self.sums.accumulate(map, &block, &self.l, &mut gradient.linear);
        }
    }

    /// z̄ in place of ℓ, ā, the first part of m̄, and the derivatives in ε, d and b.
    fn begin(
        &mut self,
        map: &TriangularMap,
        position: usize,
        (conditionals, pull_back): (&Conditionals, &PullBack),
        factors: &[f64],
        gradient: &mut Coefficients,
    ) {
        let tail = map.tail(position);
        let mut of_tail = [0.0; 3];
        let out = self.of_log_scales.row_mut(position).iter_mut().zip(self.of_locations.row_mut(position));
        let out = out.zip(self.l.row_mut(position));
        let values = conditionals.v.row(position).iter().zip(conditionals.y.row(position));
        let values = values.zip(conditionals.u.row(position)).zip(conditionals.scales.row(position));
        let slopes = pull_back.slopes.row(position).iter().zip(pull_back.kappas.row(position));
        let slopes = slopes.zip(pull_back.kappa_slopes.row(position));
        let scores = pull_back.z.row(position).iter().zip(pull_back.residuals.row(position)).zip(factors);
        for (((out, values), slopes), ((z, residual), factor)) in out.zip(values).zip(slopes).zip(scores) {
            let (((&v, &y), &u), scale) = values;
            let ((slope, kappa), kappa_slope) = slopes;
            let ((of_log_scale, of_location), l) = out;
            let of_residual = factor * residual;
            let quotient = (scale * z - kappa) / slope;
            let along_v = -quotient * kappa - kappa_slope / slope + slope;
            *l = scale * of_residual / slope;
            *of_log_scale = *l * z - of_residual * v * along_v;
            *of_location = -of_residual * along_v / scale;
            let derivatives = tail.derivatives((v, y, u), quotient);
            of_tail.iter_mut().zip(derivatives).for_each(|(sum, d)| *sum += of_residual * d);
        }
        gradient.tails.row_mut(position).iter_mut().zip(of_tail).for_each(|(out, sum)| *out += sum);
    }

    /// ℓ and the rest of m̄ of a position.
    fn solve(
        &mut self,
        map: &TriangularMap,
        points: &Points,
        conditionals: &Conditionals,
        pull_back: &PullBack,
        position: usize,
    ) {
        let structure = map.structure();
        let (earlier, own) = self.l.split(position);
        self.sums.add_to(map, points, position, own);
        for hub in 0..structure.hubs_before(position) {
            add_product(own, conditionals.hub_slopes.row(structure.hubs() * position + hub), earlier.row(hub));
        }
        let (z, deviations) = (pull_back.z.row(position), conditionals.deviations.row(position));
        let of_location = self.of_locations.row_mut(position);
        for (pair, parent) in structure.numbered_parents(position) {
            let slopes = PairSlopes::new(map, pair);
            let slopes = slopes.at(&points.parent(map, parent));
            let rows = z.iter().zip(deviations).zip(earlier.row(parent)).zip(slopes);
            for ((own, of_location), (((z, deviation), l), (of_scale, of_mean))) in
                own.iter_mut().zip(&mut *of_location).zip(rows)
            {
                *own += (of_mean + deviation * of_scale) * l;
                *of_location -= z * l * of_scale;
            }
        }
    }

    /// The derivatives in c, a0, A and N of a position.
    fn of_position(
        &mut self,
        map: &TriangularMap,
        points: &Points,
        (conditionals, pull_back): (&Conditionals, &PullBack),
        position: usize,
        gradient: &mut Coefficients,
    ) {
        let (of_log_scale, of_location) = (self.of_log_scales.row(position), self.of_locations.row(position));
        gradient.log_scales[position] += of_log_scale.iter().sum::<f64>();
        gradient.offsets[position] += of_location.iter().sum::<f64>();
        for (pair, parent) in map.structure().numbered_parents(position) {
            let l = self.l.row(parent);
            let Parent { w, bends, slopes } = points.parent(map, parent);
            let (z, deviations) = (pull_back.z.row(position), conditionals.deviations.row(position));
            let (mut of_scale, mut of_mean) = ([0.0; SCALE_FEATURES], [0.0; LOCATION_FEATURES]);
            for i in 0..w.len() {
                let product = z[i] * l[i];
                let through_scale = l[i] + deviations[i] * product;
                of_scale[0] += of_log_scale[i] * w[i] + through_scale;
                of_mean[0] += of_location[i] * w[i] + product;
                for bend in 0..BENDS {
                    of_scale[1 + bend] += of_log_scale[i] * bends[bend][i] + through_scale * slopes[bend][i];
                    of_mean[1 + bend] += of_location[i] * bends[bend][i] + product * slopes[bend][i];
                }
                of_mean[1 + BENDS] += (of_location[i] * w[i] + 2.0 * product) * w[i];
            }
            let row = gradient.scale_features.row_mut(pair);
            row.into_iter().zip(of_scale).for_each(|(out, sum)| *out += sum);
            let row = gradient.location_features.row_mut(pair);
            row.into_iter().zip(of_mean).for_each(|(out, sum)| *out += sum);
        }
    }
}
