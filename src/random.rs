//! Reproducible random numbers: one seed, and for each part of a fit a stream of its own, so that a part's numbers
//! depend neither on what other parts drew nor on how many threads there are.

use ndarray::Array2;
use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;

/// The generator of all our random numbers (xoshiro256++; Blackman and Vigna 2021).
pub type Rng = Xoshiro256PlusPlus;

/// The stream number `index` of `seed`. Streams of one seed never overlap: each is 2¹⁹² numbers further on than the one
/// before.
pub fn stream(seed: u64, index: usize) -> Rng {
    let mut rng = Rng::seed_from_u64(seed);
    for _ in 0..index {
        rng.long_jump();
    }
    rng
}

/// Fills `out` with independent standard normal numbers.
pub fn fill_standard_normal(rng: &mut Rng, out: &mut [f64]) {
    for value in out {
        *value = StandardNormal.sample(rng);
    }
}

/// A matrix of this shape of independent standard normal numbers, row by row.
pub fn standard_normal(rng: &mut Rng, shape: (usize, usize)) -> Array2<f64> {
    Array2::from_shape_simple_fn(shape, || StandardNormal.sample(rng))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng as _;

    #[test]
    fn streams_are_reproducible_and_differ() {
        let first = |seed, index| stream(seed, index).next_u64();
        assert_eq!(first(1, 2), first(1, 2));
        assert_ne!(first(1, 2), first(1, 3));
        assert_ne!(first(1, 2), first(2, 2));
    }

    #[test]
    fn a_matrix_is_filled_row_by_row() {
        let matrix = standard_normal(&mut stream(3, 0), (4, 3));
        let mut row_by_row = [0.0; 12];
        fill_standard_normal(&mut stream(3, 0), &mut row_by_row);
        assert_eq!((matrix.dim(), matrix.iter().copied().eq(row_by_row)), ((4, 3), true));
    }
}
