//! The features of a coordinate on which others' conditional location and scale depend: smooth
//! functions that are linear far out, so that a map extrapolates.

/// Where the features bend, in units of the coordinate's scale. These knots and the width below
/// span the central 95 % of a normal; five narrower ones did no better in the prototype's fits.
const KNOTS: [f64; BENDS] = [-1.5, 0.0, 1.5];
/// Over what width H they bend, in the same units.
const WIDTH: f64 = 0.7;

/// The number of knots.
pub(super) const BENDS: usize = 3;
/// The features φ that a conditional log scale depends on: w and a softplus at each knot.
pub(super) const SCALE_FEATURES: usize = 1 + BENDS;
/// The features φ⁺ that a conditional location depends on: those, and w².
pub(super) const LOCATION_FEATURES: usize = 2 + BENDS;
/// Rows that [`fill`] writes.
pub(super) const ROWS: usize = 2 * BENDS;

/// Writes [`ROWS`] rows, each as long as `w`: the softplus functions H (sp((w − κ)/H) − sp(−κ/H)) at
/// the knots, and then their derivatives, the sigmoids at (w − κ)/H.
pub(super) fn fill(w: &[f64], rows: &mut [f64]) {
    let points = w.len();
    let (values, slopes) = rows.split_at_mut(BENDS * points);
    let rows = values.chunks_exact_mut(points).zip(slopes.chunks_exact_mut(points));
    for ((values, slopes), knot) in rows.zip(KNOTS) {
        let (at_zero, _) = softplus_and_sigmoid(-knot / WIDTH);
        for ((value, slope), w) in values.iter_mut().zip(slopes).zip(w) {
            let (softplus, sigmoid) = softplus_and_sigmoid((w - knot) / WIDTH);
            *value = WIDTH * (softplus - at_zero);
            *slope = sigmoid;
        }
    }
}

/// Writes [`ROWS`] rows: the modulations σ = sigmoid((w − κ)/H) − sigmoid(−κ/H) of a hub, and then
/// their derivatives. `sigmoids` holds the sigmoids at the knots, as [`fill`] writes them.
pub(super) fn fill_modulations(sigmoids: &[f64], rows: &mut [f64]) {
    let points = sigmoids.len() / BENDS;
    let (values, slopes) = rows.split_at_mut(BENDS * points);
    let rows = values.chunks_exact_mut(points).zip(slopes.chunks_exact_mut(points));
    for (((values, slopes), sigmoids), knot) in rows.zip(sigmoids.chunks_exact(points)).zip(KNOTS) {
        let (_, at_zero) = softplus_and_sigmoid(-knot / WIDTH);
        for ((value, slope), sigmoid) in values.iter_mut().zip(slopes).zip(sigmoids) {
            *value = sigmoid - at_zero;
            *slope = sigmoid * (1.0 - sigmoid) / WIDTH;
        }
    }
}

/// log(1 + eˣ) and its derivative 1/(1 + e⁻ˣ), of which neither overflows.
fn softplus_and_sigmoid(x: f64) -> (f64, f64) {
    let e = (-x.abs()).exp();
    let sigmoid = if x < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) };
    (x.max(0.0) + e.ln_1p(), sigmoid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_vanish_at_zero_and_slopes_are_their_derivatives() {
        let step = 1e-6;
        for w in [0.0, -3.0, 0.4, 1.5, 60.0, -1e4] {
            let points = [w - step, w, w + step];
            let (mut rows, mut modulations) = ([0.0; 3 * ROWS], [0.0; 3 * ROWS]);
            fill(&points, &mut rows);
            fill_modulations(&rows[3 * BENDS..], &mut modulations);
            for table in [rows, modulations] {
                let (values, slopes) = table.split_at(3 * BENDS);
                for (values, slopes) in values.chunks(3).zip(slopes.chunks(3)) {
                    let difference = (values[2] - values[0]) / (points[2] - points[0]);
                    assert!((slopes[1] - difference).abs() < 1e-5, "at {w}: {} and {difference}", slopes[1]);
                    assert!(w != 0.0 || values[1] == 0.0);
                }
            }
        }
    }
}
