//! The energy distance of two samples in many dimensions (Székely and Rizzo 2013).

use super::halves::{PARTS, SPLITS, can_be_halved, in_first, part, variance_ratio};
use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

/// The most draws of either sample; of more, this many are taken, evenly spaced.
const MOST: usize = 5000;
/// Half the floating-point operations that one sum over pairs may take: in many dimensions fewer draws are taken.
const PRODUCTS: f64 = 2.5e9;
/// Rows of a block, whose products stay in the cache.
const BLOCK: usize = 128;
/// Sums that go on side by side, so that the compiler may use vector instructions.
const LANES: usize = 8;

/// The energy distance in its squared form, 2 E‖X − Y‖ − E‖X − X'‖ − E‖Y − Y'‖, and its floor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Energy {
    /// The unbiased estimate: 0 on average when both samples are of one distribution, so negative at times.
    pub distance: f64,
    /// The root mean square of what halves of the reference give, scaled to the number of draws; NaN for few draws.
    pub floor: f64,
}

/// The energy distance of `draws` and `reference` (rows are draws), each of two or more. Unbiased, and exact but for
/// the draws beyond 5 000 (fewer in more than 100 dimensions), of which an evenly spaced part is used.
pub(super) fn energy_distance(draws: ArrayView2<'_, f64>, reference: ArrayView2<'_, f64>) -> Energy {
    let (draws, reference) = (thinned(draws), thinned(reference));
    let (ours, theirs) = (draws.nrows(), reference.nrows());
    let norms = [squared_norms(draws.view()), squared_norms(reference.view())];
    let across: f64 = (0..PARTS)
        .into_par_iter()
        .map(|it| sum_of_distances(part_of(&draws, &norms[0], it), (reference.view(), &norms[1])))
        .collect::<Vec<f64>>()
        .iter()
        .sum();
    let within_draws = block_sums(|it| part_of(&draws, &norms[0], it));
    let within_reference = block_sums(|it| part_of(&reference, &norms[1], it));
    let distance = 2.0 * across / (ours * theirs) as f64
        - mean_within(&within_draws, ours)
        - mean_within(&within_reference, theirs);
    let floor = if can_be_halved(theirs) {
        let halves = (0..SPLITS).map(|split| of_halves(&within_reference, theirs, split).powi(2));
        variance_ratio(ours, theirs) * (halves.sum::<f64>() / SPLITS as f64).sqrt()
    } else {
        f64::NAN
    };
    Energy { distance, floor }
}

/// The sums of distances between the parts of one sample, each ordered pair counted once.
type BlockSums = [[f64; PARTS]; PARTS];

/// Rows and their squared norms.
type Rows<'a> = (ArrayView2<'a, f64>, &'a [f64]);

fn part_of<'a>(sample: &'a Array2<f64>, norms: &'a [f64], it: usize) -> Rows<'a> {
    let rows = part(sample.nrows(), it);
    (sample.slice(s![rows.clone(), ..]), &norms[rows])
}

fn block_sums<'a>(rows: impl Fn(usize) -> Rows<'a> + Sync) -> BlockSums {
    let pairs: Vec<(usize, usize)> = (0..PARTS).flat_map(|a| (0..=a).map(move |b| (a, b))).collect();
    let sums: Vec<f64> = pairs.par_iter().map(|&(a, b)| sum_of_distances(rows(a), rows(b))).collect();
    let mut table = BlockSums::default();
    for ((a, b), sum) in pairs.into_iter().zip(sums) {
        table[a][b] = sum;
        table[b][a] = sum;
    }
    table
}

/// The mean distance of two different rows of a sample of `count`.
fn mean_within(sums: &BlockSums, count: usize) -> f64 {
    sums.iter().flatten().sum::<f64>() / (count * (count - 1)) as f64
}

/// The energy distance of the two halves of a split.
fn of_halves(sums: &BlockSums, count: usize, split: usize) -> f64 {
    let (mut within, mut across, mut sizes) = ([0.0; 2], 0.0, [0; 2]);
    for (a, row) in sums.iter().enumerate() {
        let half = usize::from(!in_first(split, a));
        sizes[half] += part(count, a).len();
        for (b, sum) in row.iter().enumerate() {
            if in_first(split, a) == in_first(split, b) { within[half] += sum } else { across += sum }
        }
    }
    // Both orders of a pair of halves are in the sum across.
    let means = [0, 1].map(|half| within[half] / (sizes[half] * (sizes[half] - 1)) as f64);
    across / (sizes[0] * sizes[1]) as f64 - means[0] - means[1]
}

fn sum_of_distances((a, a_norms): Rows<'_>, (b, b_norms): Rows<'_>) -> f64 {
    let mut products = Array2::zeros((BLOCK, BLOCK));
    let mut total = 0.0;
    for (a, a_norms) in a.axis_chunks_iter(Axis(0), BLOCK).zip(a_norms.chunks(BLOCK)) {
        for (b, b_norms) in b.axis_chunks_iter(Axis(0), BLOCK).zip(b_norms.chunks(BLOCK)) {
            let mut products = products.slice_mut(s![..a.nrows(), ..b.nrows()]);
            general_mat_mul(-2.0, &a, &b.t(), 0.0, &mut products);
            for (row, &norm) in products.rows().into_iter().zip(a_norms) {
                total += sum_of_roots(row.to_slice().expect("rows of a block are contiguous"), norm, b_norms);
            }
        }
    }
    total
}

/// Σ √(norm + norms_i + row_i).
fn sum_of_roots(row: &[f64], norm: f64, norms: &[f64]) -> f64 {
    let root = |product: f64, other: f64| (norm + other + product).max(0.0).sqrt();
    let (lanes, norm_lanes) = (row.chunks_exact(LANES), norms.chunks_exact(LANES));
    let rest: f64 =
        lanes.remainder().iter().zip(norm_lanes.remainder()).map(|(&product, &other)| root(product, other)).sum();
    let mut sums = [0.0; LANES];
    for (products, others) in lanes.zip(norm_lanes) {
        for lane in 0..LANES {
            sums[lane] += root(products[lane], others[lane]);
        }
    }
    sums.iter().sum::<f64>() + rest
}

fn squared_norms(sample: ArrayView2<'_, f64>) -> Vec<f64> {
    sample.rows().into_iter().map(|row| row.dot(&row)).collect()
}

/// Evenly spaced rows, no more than there is time for.
fn thinned(sample: ArrayView2<'_, f64>) -> Array2<f64> {
    let affordable = (PRODUCTS / sample.ncols().max(1) as f64).sqrt() as usize;
    let kept = affordable.min(MOST).min(sample.nrows());
    let rows: Vec<usize> = (0..kept).map(|row| row * sample.nrows() / kept).collect();
    sample.select(Axis(0), &rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{standard_normal, stream};
    use ndarray::array;
    use std::f64::consts::PI;

    fn normal(rows: usize, dim: usize, seed: u64) -> Array2<f64> {
        standard_normal(&mut stream(seed, 0), (rows, dim))
    }

    /// The definition, pair by pair.
    fn pair_by_pair(x: &Array2<f64>, y: &Array2<f64>) -> f64 {
        let distance = |a: usize, of: &Array2<f64>, b: usize, and: &Array2<f64>| {
            (&of.row(a) - &and.row(b)).mapv(|d| d * d).sum().sqrt()
        };
        let mean = |of: &Array2<f64>, and: &Array2<f64>, pairs: usize| {
            let rows = (0..of.nrows()).flat_map(|a| (0..and.nrows()).map(move |b| (a, b)));
            rows.map(|(a, b)| distance(a, of, b, and)).sum::<f64>() / pairs as f64
        };
        let (n, m) = (x.nrows(), y.nrows());
        2.0 * mean(x, y, n * m) - mean(x, x, n * (n - 1)) - mean(y, y, m * (m - 1))
    }

    #[test]
    fn values_agree_with_scipy() {
        // from scipy.spatial.distance import cdist, pdist; print(2 * cdist(x, y).mean() - pdist(x).mean() -
        // pdist(y).mean())
        let x = array![[0.0, 1.0], [2.0, -1.0], [0.5, 0.5], [-1.0, 3.0]];
        let y = array![[1.0, 1.0], [0.0, -2.0], [4.0, 0.25]];
        let energy = energy_distance(x.view(), y.view());
        assert!((energy.distance + 0.3661198213331991).abs() < 1e-12, "{}", energy.distance);
        assert!(energy.floor.is_nan());
    }

    #[test]
    fn blocks_add_up_to_the_definition() {
        for (ours, theirs, dim) in [(2, 2, 1), (17, 40, 3), (300, 133, 2), (129, 257, 7)] {
            let (x, y) = (normal(ours, dim, 1), 1.5 * normal(theirs, dim, 2) + 0.2);
            let (fast, slow) = (energy_distance(x.view(), y.view()).distance, pair_by_pair(&x, &y));
            assert!((fast - slow).abs() < 1e-7 * (1.0 + slow.abs()), "{fast} and {slow}");
        }
    }

    #[test]
    fn the_floor_is_the_definition_for_halves() {
        let (x, y) = (normal(50, 3, 3), normal(83, 3, 4));
        let halves = (0..SPLITS).map(|split| {
            let rows = |first| {
                let parts = (0..PARTS).filter(|&it| in_first(split, it) == first);
                y.select(Axis(0), &parts.flat_map(|it| part(83, it)).collect::<Vec<usize>>())
            };
            pair_by_pair(&rows(true), &rows(false)).powi(2)
        });
        let expected = variance_ratio(50, 83) * (halves.sum::<f64>() / SPLITS as f64).sqrt();
        let floor = energy_distance(x.view(), y.view()).floor;
        assert!((floor - expected).abs() < 1e-7, "{floor} and {expected}");
    }

    #[test]
    fn shifted_normals_have_their_closed_form() {
        // E|N(δ, 2)| = 2 exp(−δ²/4)/√π + δ erf(δ/2); the other two means are those for δ = 0.
        let shift = 0.8;
        let mean = |shift: f64| {
            2.0 * (-shift * shift / 4.0_f64).exp() / PI.sqrt() + shift * statrs::function::erf::erf(shift / 2.0)
        };
        let expected = 2.0 * mean(shift) - 2.0 * mean(0.0);
        let (x, y) = (normal(4000, 1, 5) + shift, normal(6000, 1, 6));
        let energy = energy_distance(x.view(), y.view());
        assert!((energy.distance / expected - 1.0).abs() < 0.1, "{} and {expected}", energy.distance);
        assert!(energy.distance > 30.0 * energy.floor);
    }

    #[test]
    fn exact_draws_are_at_the_floor() {
        let seeds = 0..40;
        let energies: Vec<Energy> = seeds
            .map(|seed| energy_distance(normal(400, 5, 100 + seed).view(), normal(1000, 5, 200 + seed).view()))
            .collect();
        let root_mean_square = (energies.iter().map(|it| it.distance.powi(2)).sum::<f64>() / 40.0).sqrt();
        let floor = energies.iter().map(|it| it.floor).sum::<f64>() / 40.0;
        let mean = energies.iter().map(|it| it.distance).sum::<f64>() / 40.0;
        assert!((0.7..1.4).contains(&(root_mean_square / floor)), "{root_mean_square} and {floor}");
        assert!(mean.abs() < 0.6 * floor, "unbiased: {mean} of {floor}");
    }
}
