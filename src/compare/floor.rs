//! Halves of reference draws that are compared with each other: what a metric says of them is its Monte Carlo floor.

use ndarray::ArrayView1;

/// Parts of consecutive draws, from which the halves are put together.
pub(super) const PARTS: usize = 8;
/// Ways to halve the parts.
pub(super) const SPLITS: usize = PARTS - 1;
/// With fewer draws than this, halves say nothing.
const LEAST: usize = 2 * PARTS;

/// Whether this many draws can be halved.
pub(super) fn can_be_halved(count: usize) -> bool {
    count >= LEAST
}

/// The rows of a part.
pub(super) fn part(count: usize, part: usize) -> std::ops::Range<usize> {
    part * count / PARTS..(part + 1) * count / PARTS
}

/// Whether a part belongs to the first half of a split. The signs of the seven splits are the Walsh functions of eight
/// parts: each split takes four parts, and what one split sees is uncorrelated with what another sees.
pub(super) fn in_first(split: usize, part: usize) -> bool {
    ((split + 1) & part).count_ones().is_multiple_of(2)
}

/// The ratio of the variances of differences: of `draws` draws from the reference's `reference` ones, to those of its
/// halves.
pub(super) fn variance_ratio(draws: usize, reference: usize) -> f64 {
    let (draws, reference) = (draws as f64, reference as f64);
    (draws.recip() + reference.recip()) / (4.0 / reference)
}

/// What a draw of each part adds to the difference of the empirical distribution functions of each split's halves.
pub(super) fn steps(count: usize) -> [[f64; SPLITS]; PARTS] {
    let mut sizes = [[0.0; 2]; SPLITS];
    for it in 0..PARTS {
        for (split, sizes) in sizes.iter_mut().enumerate() {
            sizes[usize::from(!in_first(split, it))] += part(count, it).len() as f64;
        }
    }
    std::array::from_fn(|it| {
        std::array::from_fn(
            |split| {
                if in_first(split, it) { sizes[split][0].recip() } else { -sizes[split][1].recip() }
            },
        )
    })
}

/// A sample in ascending order that remembers to which part of the reference each value belongs.
pub(super) struct TaggedSample {
    sorted: Vec<f64>,
    parts: Vec<u8>,
}

impl TaggedSample {
    /// Of draws in the order in which they were drawn.
    pub fn new(draws: ArrayView1<'_, f64>) -> Self {
        let count = draws.len();
        let mut tagged: Vec<(f64, u8)> = (0..PARTS)
            .flat_map(|it| part(count, it).map(move |row| (row, it as u8)))
            .map(|(row, it)| (draws[row], it))
            .collect();
        tagged.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let (sorted, parts) = tagged.into_iter().unzip();
        Self { sorted, parts }
    }

    /// The whole sample, ascending.
    pub fn sorted(&self) -> &[f64] {
        &self.sorted
    }

    /// The two halves of a split, each ascending.
    pub fn halves(&self, split: usize) -> [Vec<f64>; 2] {
        let mut halves = [Vec::with_capacity(self.sorted.len()), Vec::with_capacity(self.sorted.len())];
        for (&value, &part) in self.sorted.iter().zip(&self.parts) {
            halves[usize::from(!in_first(split, part.into()))].push(value);
        }
        halves
    }

    /// The 1-Wasserstein distance between the halves of each split: the integral of the difference of their
    /// distribution functions, in one pass for all splits.
    pub fn distances_of_halves(&self) -> [f64; SPLITS] {
        let steps = steps(self.sorted.len());
        let (mut distances, mut differences) = ([0.0; SPLITS], [0.0; SPLITS]);
        for (values, &part) in self.sorted.windows(2).zip(&self.parts) {
            let gap = values[1] - values[0];
            for split in 0..SPLITS {
                differences[split] += steps[usize::from(part)][split];
                distances[split] += gap * f64::abs(differences[split]);
            }
        }
        distances
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::wasserstein_1;
    use crate::random::{standard_normal, stream};

    #[test]
    fn halves_are_of_whole_parts_and_sorted() {
        let draws: Vec<f64> = (0..32).map(|i| f64::from((7 * i) % 32)).collect();
        let sample = TaggedSample::new(ArrayView1::from(&draws));
        assert!(sample.sorted().is_sorted());
        // Split 3 has the sign of the part's highest bit: first half against second.
        let [first, second] = sample.halves(3);
        assert!(first.is_sorted() && second.is_sorted());
        let mut expected = draws[..16].to_vec();
        expected.sort_by(f64::total_cmp);
        assert_eq!((first, second.len()), (expected, 16));
    }

    #[test]
    fn distances_of_halves_are_those_of_the_samples() {
        let mut rng = stream(1, 0);
        for count in [16, 57, 1003] {
            let sample = TaggedSample::new(standard_normal(&mut rng, (count, 1)).column(0));
            for (split, distance) in sample.distances_of_halves().into_iter().enumerate() {
                let [first, second] = sample.halves(split);
                let expected = wasserstein_1(&first, &second);
                assert!((distance - expected).abs() < 1e-12, "{distance} and {expected}");
            }
        }
    }

    #[test]
    fn the_splits_are_balanced_and_orthogonal() {
        let sign = |split, part| if in_first(split, part) { 1 } else { -1 };
        for split in 0..SPLITS {
            assert_eq!((0..PARTS).map(|part| sign(split, part)).sum::<i32>(), 0);
            for other in 0..split {
                assert_eq!((0..PARTS).map(|part| sign(split, part) * sign(other, part)).sum::<i32>(), 0);
            }
        }
    }

    #[test]
    fn the_parts_are_all_draws_in_order() {
        for count in [16, 17, 1003] {
            let rows: Vec<usize> = (0..PARTS).flat_map(|it| part(count, it)).collect();
            assert_eq!(rows, Vec::from_iter(0..count));
        }
    }

    #[test]
    fn as_many_draws_as_a_half_against_a_half_are_as_noisy() {
        assert!((variance_ratio(1000, 1000) - 0.5).abs() < 1e-15);
        assert!((variance_ratio(4000, 10_000) - 0.875).abs() < 1e-15);
    }
}
