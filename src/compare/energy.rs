//! The energy distance of two samples in many dimensions (Székely and Rizzo 2013).

use super::floor::{PARTS, SPLITS, can_be_halved, in_first, part, variance_ratio};
use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2, Axis, s};
use rayon::prelude::*;

/// The most draws of either sample; of more, this many are taken, evenly spaced.
const MOST: usize = 5000;
/// Half the floating-point operations that one sum over pairs may take: in many dimensions fewer draws are taken.
const PRODUCTS: f64 = 2.5e9;
/// Draws of both samples from which on roots are taken in single precision. One is off by 6e-8 of itself at most, up as
/// often as down, so that the mean of a million is off by less than 1e-9, far less than the floor of so many draws.
const MANY: usize = 1000;
/// Rows and columns of a block of squared distances, which stays in the first cache.
const BLOCK: usize = 64;
/// Sums that are computed side by side, so that the compiler may use vector instructions.
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
    let sum_of_roots = if ours.min(theirs) < MANY { sum_of_roots } else { sum_of_single_roots };
    let unit = unit(&[&draws, &reference]);
    let [draws, reference] = [draws, reference].map(|sample| Factors::of(&(sample / unit)));
    let sum =
        |left: ArrayView2<'_, f64>, right: ArrayView2<'_, f64>| unit * sum_of_distances(left, right, sum_of_roots);
    let across: f64 = (0..PARTS)
        .into_par_iter()
        .map(|it| sum(draws.left_of(it), reference.right.view()))
        .collect::<Vec<f64>>()
        .iter()
        .sum();
    let [within_draws, within_reference] =
        [&draws, &reference].map(|sample| block_sums(|a, b| sum(sample.left_of(a), sample.right_of(b))));
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

/// A sample as either factor of the product that holds its squared distances from another:
/// ‖a − b‖² = (−2a, ‖a‖², 1) · (b, 1, ‖b‖²).
struct Factors {
    /// A row for each draw.
    left: Array2<f64>,
    /// A column for each draw: products of rows with rows cost twice as much.
    right: Array2<f64>,
}

impl Factors {
    fn of(sample: &Array2<f64>) -> Self {
        let (count, dim) = sample.dim();
        let norms: Array1<f64> = sample.rows().into_iter().map(|row| row.dot(&row)).collect();
        let (mut left, mut right) = (Array2::ones((count, dim + 2)), Array2::ones((dim + 2, count)));
        left.slice_mut(s![.., ..dim]).assign(&(-2.0 * sample));
        left.column_mut(dim).assign(&norms);
        right.slice_mut(s![..dim, ..]).assign(&sample.t());
        right.row_mut(dim + 1).assign(&norms);
        Self { left, right }
    }

    fn left_of(&self, it: usize) -> ArrayView2<'_, f64> {
        self.left.slice(s![part(self.left.nrows(), it), ..])
    }

    fn right_of(&self, it: usize) -> ArrayView2<'_, f64> {
        self.right.slice(s![.., part(self.right.ncols(), it)])
    }
}

fn block_sums(sum: impl Fn(usize, usize) -> f64 + Sync) -> BlockSums {
    let pairs: Vec<(usize, usize)> = (0..PARTS).flat_map(|a| (0..=a).map(move |b| (a, b))).collect();
    let sums: Vec<f64> = pairs.par_iter().map(|&(a, b)| sum(a, b)).collect();
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

/// The sum of the distances of all pairs, of left factors and right factors.
fn sum_of_distances(left: ArrayView2<'_, f64>, right: ArrayView2<'_, f64>, sum_of_roots: fn(&[f64]) -> f64) -> f64 {
    let mut block = [0.0; BLOCK * BLOCK];
    let mut total = 0.0;
    for left in left.axis_chunks_iter(Axis(0), BLOCK) {
        for right in right.axis_chunks_iter(Axis(1), BLOCK) {
            let shape = (left.nrows(), right.ncols());
            let squares = &mut block[..shape.0 * shape.1];
            let mut products = ArrayViewMut2::from_shape(shape, squares).expect("a block is as long as its shape says");
            general_mat_mul(1.0, &left, &right, 0.0, &mut products);
            total += sum_of_roots(squares);
        }
    }
    total
}

/// Σ √s over squares that rounding may have made negative.
fn sum_of_roots(squares: &[f64]) -> f64 {
    squares.iter().map(|square| square.max(0.0).sqrt()).sum()
}

/// The same with roots in single precision, of which the processor takes several times as many at once.
fn sum_of_single_roots(squares: &[f64]) -> f64 {
    let root = |square: f64| {
        let square = square as f32;
        (if square < 0.0 { 0.0 } else { square }).sqrt()
    };
    let lanes = squares.chunks_exact(2 * LANES);
    let rest: f64 = lanes.remainder().iter().map(|&square| f64::from(root(square))).sum();
    let mut sums = [0.0; LANES];
    for squares in lanes {
        let (first, second) = squares.split_at(LANES);
        for lane in 0..LANES {
            sums[lane] += f64::from(root(first[lane]) + root(second[lane]));
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// A power of two of the size of the largest number: in units of it, squares are within the range of single precision,
/// and nothing is rounded.
fn unit(samples: &[&Array2<f64>]) -> f64 {
    let largest = samples.iter().flat_map(|sample| sample.iter()).fold(0.0, |largest, &x| f64::max(largest, x.abs()));
    if largest > f64::MIN_POSITIVE { 2.0_f64.powf(largest.log2().floor()) } else { 1.0 }
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
    fn single_precision_leaves_the_distance_as_it_is() {
        // Integers have few distances, so that their roundings do not cancel.
        let integers = |sample: Array2<f64>| sample.mapv(f64::round);
        for (x, y) in [
            (normal(1000, 3, 7), normal(1700, 3, 8)),
            (normal(1000, 12, 9), normal(1100, 12, 10)),
            (1e25 * normal(1000, 2, 11), normal(1000, 2, 12)),
            (integers(normal(1000, 2, 13)), integers(1.1 * normal(1300, 2, 14))),
        ] {
            let (fast, slow) = (energy_distance(x.view(), y.view()).distance, pair_by_pair(&x, &y));
            let mean = x.rows().into_iter().map(|row| row.dot(&row).sqrt()).sum::<f64>() / x.nrows() as f64;
            assert!((fast - slow).abs() < 1e-9 * (1.0 + mean), "{fast} and {slow}");
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
