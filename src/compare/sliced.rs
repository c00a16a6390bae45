//! The sliced 1-Wasserstein distance (Bonneel, Rabin, Peyré and Pfister 2015): the mean of the distances of projections
//! on random directions.

use super::floor::{SPLITS, can_be_halved, variance_ratio};
use super::pooled_wasserstein::Distances;
use crate::random::{standard_normal, stream};
use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

/// Directions.
const DIRECTIONS: usize = 64;
/// The seed of the directions, which are the same for every comparison.
const SEED: u64 = 1;

/// The sliced distance of `draws` and `reference` (rows are draws), and its floor: the mean of what halves of the
/// reference give, scaled to the number of draws; NaN for few draws.
pub(super) fn sliced_wasserstein(draws: ArrayView2<'_, f64>, reference: ArrayView2<'_, f64>) -> (f64, f64) {
    let directions = directions(draws.ncols());
    // A row for each direction, whose values are then side by side.
    let projections = |sample: ArrayView2<'_, f64>| {
        let mut projections = Array2::zeros((DIRECTIONS, sample.nrows()));
        general_mat_mul(1.0, &directions.t(), &sample.t(), 0.0, &mut projections);
        projections
    };
    let (ours, theirs) = (projections(draws), projections(reference));
    let has_floor = can_be_halved(reference.nrows());
    let slices: Vec<(f64, f64)> = (0..DIRECTIONS)
        .into_par_iter()
        .map(|direction| {
            let Distances { of_draws, of_halves } = Distances::new(ours.row(direction), theirs.row(direction));
            (of_draws, if has_floor { of_halves.iter().sum::<f64>() / SPLITS as f64 } else { f64::NAN })
        })
        .collect();
    let mean = |part: fn(&(f64, f64)) -> f64| slices.iter().map(part).sum::<f64>() / DIRECTIONS as f64;
    (mean(|slice| slice.0), mean(|slice| slice.1) * variance_ratio(draws.nrows(), reference.nrows()).sqrt())
}

/// Unit vectors, uniform on the sphere, in the columns of a matrix.
fn directions(dim: usize) -> Array2<f64> {
    let mut directions = standard_normal(&mut stream(SEED, 0), (dim, DIRECTIONS));
    for mut direction in directions.axis_iter_mut(Axis(1)) {
        let norm = direction.dot(&direction).sqrt();
        direction /= norm;
    }
    directions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::wasserstein_1;
    use statrs::function::gamma::gamma;
    use std::f64::consts::PI;

    fn normal(rows: usize, dim: usize, seed: u64) -> Array2<f64> {
        standard_normal(&mut stream(seed, 0), (rows, dim))
    }

    #[test]
    fn on_the_line_it_is_the_distance_itself() {
        let (x, y) = (normal(300, 1, 2), 2.0 * normal(500, 1, 3) + 1.0);
        let column = |sample: &Array2<f64>| {
            let mut values = sample.column(0).to_vec();
            values.sort_unstable_by(f64::total_cmp);
            values
        };
        let (sliced, _) = sliced_wasserstein(x.view(), y.view());
        assert!((sliced - wasserstein_1(&column(&x), &column(&y))).abs() < 1e-12);
    }

    #[test]
    fn a_shift_costs_its_mean_projection() {
        // The mean of |u₁| over the unit sphere is Γ(d/2) / (√π Γ((d+1)/2)).
        for dim in [2, 5, 20] {
            let x = normal(100, dim, 4);
            let mut moved = x.clone();
            moved.column_mut(0).mapv_inplace(|value| value + 3.0);
            let half = dim as f64 / 2.0;
            let expected = 3.0 * gamma(half) / (PI.sqrt() * gamma(half + 0.5));
            let (sliced, _) = sliced_wasserstein(moved.view(), x.view());
            assert!((sliced / expected - 1.0).abs() < 0.2, "{sliced} and {expected} in {dim} dimensions");
        }
    }

    #[test]
    fn exact_draws_are_at_the_floor() {
        let pairs: Vec<(f64, f64)> = (0..20)
            .map(|seed| sliced_wasserstein(normal(400, 3, 100 + seed).view(), normal(1000, 3, 200 + seed).view()))
            .collect();
        let (distance, floor) = pairs.iter().fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
        assert!((0.85..1.15).contains(&(distance / floor)), "{distance} and {floor}");
    }
}
