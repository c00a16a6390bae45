//! Draws and reference draws in one ascending order: a sort and a pass over them give all 1-Wasserstein distances of
//! one direction.

use super::floor::{PARTS, SPLITS, part, steps};
use ndarray::ArrayView1;

/// Bits of a number that say whose it is instead: 4e-15 of its value.
const TAG: u64 = 0b1111;
/// The tag of draws; a reference draw has the number of its part.
const DRAWS: usize = PARTS;

/// 1-Wasserstein distances on the line.
pub(super) struct Distances {
    /// Of the draws and the reference.
    pub of_draws: f64,
    /// Of the reference's halves, for each split; of no meaning where it cannot be halved.
    pub of_halves: [f64; SPLITS],
}

impl Distances {
    /// Of `draws` and a reference's draws in the order in which they were drawn: the integrals of differences of
    /// distribution functions.
    pub fn new(draws: ArrayView1<'_, f64>, reference: ArrayView1<'_, f64>) -> Self {
        let count = reference.len();
        let mut pooled: Vec<u64> = Vec::with_capacity(count + draws.len());
        pooled.extend((0..PARTS).flat_map(|it| part(count, it).map(move |row| tagged(reference[row], it))));
        pooled.extend(draws.iter().map(|&draw| tagged(draw, DRAWS)));
        // Of numbers without a sign, which the sort compares much faster than pairs.
        pooled.sort_unstable();

        // The last column is the difference of reference and draws.
        let mut steps_of_tags = [[0.0; SPLITS + 1]; PARTS + 1];
        for (of_tag, of_part) in steps_of_tags.iter_mut().zip(steps(count)) {
            of_tag[..SPLITS].copy_from_slice(&of_part);
            of_tag[SPLITS] = (count as f64).recip();
        }
        steps_of_tags[DRAWS][SPLITS] = -(draws.len() as f64).recip();
        let (mut distances, mut differences) = ([0.0; SPLITS + 1], [0.0; SPLITS + 1]);
        let mut from = pooled.first().map_or(0.0, |&first| value(first));
        for pair in pooled.windows(2) {
            let to = value(pair[1]);
            let steps = &steps_of_tags[(pair[0] & TAG) as usize];
            for column in 0..=SPLITS {
                differences[column] += steps[column];
                distances[column] += (to - from) * f64::abs(differences[column]);
            }
            from = to;
        }
        let [of_halves @ .., of_draws] = distances;
        Self { of_draws, of_halves }
    }
}

/// A number whose order is that of `x`, with a tag for its last bits.
fn tagged(x: f64, tag: usize) -> u64 {
    // The larger a negative number's bits, the less it is; a positive one's sign is to count for more.
    let bits = x.to_bits();
    let ordered = if x.is_sign_negative() { !bits } else { bits | 1 << 63 };
    ordered & !TAG | tag as u64
}

/// The value of a tagged number, but for the bits that the tag has.
fn value(tagged: u64) -> f64 {
    let ordered = tagged & !TAG;
    f64::from_bits(if ordered >> 63 == 0 { !ordered } else { ordered & !(1 << 63) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::floor::TaggedSample;
    use crate::compare::wasserstein_1;
    use crate::random::{standard_normal, stream};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_tag_keeps_order_and_value(x in prop::num::f64::NORMAL, y in prop::num::f64::NORMAL, tag in 0..=DRAWS) {
            let [a, b] = [x, y].map(|x| tagged(x, tag));
            prop_assert!(x == y || (a < b) == (x < y) || (x / y - 1.0).abs() < 4e-15);
            prop_assert!((value(a) / x - 1.0).abs() < 4e-15);
            prop_assert_eq!(a & TAG, tag as u64);
        }
    }

    #[test]
    fn distances_are_those_of_sorted_samples() {
        let mut rng = stream(1, 0);
        for (ours, theirs) in [(1, 16), (40, 57), (1003, 400), (300, 1003)] {
            let draws = standard_normal(&mut rng, (ours, 1)).column(0).to_owned() + 0.1;
            let reference = standard_normal(&mut rng, (theirs, 1)).column(0).to_owned();
            let distances = Distances::new(draws.view(), reference.view());
            let mut ascending = draws.to_vec();
            ascending.sort_unstable_by(f64::total_cmp);
            let sample = TaggedSample::new(reference.view());
            assert!((distances.of_draws - wasserstein_1(&ascending, sample.sorted())).abs() < 1e-12);
            for (split, distance) in distances.of_halves.into_iter().enumerate() {
                let [first, second] = sample.halves(split);
                assert!((distance - wasserstein_1(&first, &second)).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn equal_samples_are_not_apart() {
        let draws = standard_normal(&mut stream(2, 0), (57, 1)).column(0).to_owned();
        assert_eq!(Distances::new(draws.view(), draws.view()).of_draws, 0.0);
    }
}
