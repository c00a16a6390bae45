//! Reproducible random numbers: one seed, and for each part of a fit a stream of its own, so that a part's numbers
//! depend neither on what other parts drew nor on how many threads there are.

use ndarray::Array2;
use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;

/// The generator of all our random numbers (xoshiro256++; Blackman and Vigna 2021).
pub type Rng = Xoshiro256PlusPlus;

/// A part that draws random numbers. No two parts share numbers of one seed, however many members a part has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// The batches of an engine.
    Engine,
    /// Importance sampling.
    Importance,
    /// The draws to return.
    Draws,
    /// The seeds of Stan's generators for generated quantities.
    GeneratedQuantities,
    /// Random columns of a low-rank factor.
    Loadings,
    /// Short chains in the coordinates of a map.
    MapChains,
    /// Short chains in the coordinates of a Gaussian.
    GaussianChains,
    /// The training of a semi-implicit family.
    Training,
    /// Draws by which a semi-implicit family is judged.
    Judgement,
    /// The chains and fits of a triangular map.
    Exploration,
    /// An optimisation path, or a random init.
    Path(usize),
    /// A Markov chain.
    Chain(usize),
    /// An optimisation path in search of further modes.
    ModePath(usize),
}

impl Stream {
    /// The generator of this stream of `seed`.
    pub fn of(self, seed: u64) -> Rng {
        let (long_jumps, jumps) = self.place();
        let mut rng = stream(seed, long_jumps);
        for _ in 0..jumps {
            rng.jump();
        }
        rng
    }

    /// Long jumps of 2¹⁹² numbers, and jumps of 2¹²⁸ within one: 2⁶⁴ jumps make a long one, so that two places differ
    /// by 2¹²⁸ numbers or more. Paths have a long jump each; what else has many members has jumps within one long jump.
    fn place(self) -> (usize, usize) {
        match self {
            Self::Engine => (0, 0),
            Self::GeneratedQuantities => (0, 1),
            Self::Loadings => (0, 2),
            // A jump for each block of the chains follows.
            Self::MapChains => (0, 100),
            Self::GaussianChains => (0, 200),
            Self::Training => (0, 4),
            Self::Judgement => (0, 5),
            Self::Exploration => (0, 6),
            Self::Importance => (1, 0),
            Self::Chain(chain) => (1, 1 + chain),
            Self::Draws => (2, 0),
            Self::ModePath(path) => (2, 1 + path),
            Self::Path(path) => (3 + path, 0),
        }
    }
}

/// The stream number `index` of `seed`. Streams of one seed never overlap: each is 2¹⁹² numbers further on than the one
/// before. The parts of a fit have a [`Stream`] each.
pub fn stream(seed: u64, index: usize) -> Rng {
    let mut rng = Rng::seed_from_u64(seed);
    for _ in 0..index {
        rng.long_jump();
    }
    rng
}

/// The seed of 32 bits, as Stan takes them, for the random numbers of a program's `transformed data`. Seeds below 2³² are
/// themselves; the upper half of others has its part, so that seeds that are equal modulo 2³² give different data.
pub fn stan_seed(seed: u64) -> u32 {
    (seed ^ (seed >> 32)) as u32
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
    fn no_two_parts_share_a_stream() {
        use std::collections::HashSet;
        let single = [Stream::Engine, Stream::Importance, Stream::Draws, Stream::GeneratedQuantities, Stream::Loadings];
        let single = single.into_iter().chain([Stream::Training, Stream::Judgement, Stream::Exploration]);
        let many = (0..5000).flat_map(|index| [Stream::Path(index), Stream::Chain(index), Stream::ModePath(index)]);
        let streams: Vec<Stream> = single.chain(many).collect();
        let places: HashSet<(usize, usize)> = streams.iter().map(|stream| stream.place()).collect();
        assert_eq!(places.len(), streams.len());
        // Each block of short chains has a jump of its own.
        for chains in [Stream::MapChains, Stream::GaussianChains] {
            let (long_jumps, first) = chains.place();
            assert!((first..first + 100).all(|jumps| !places.contains(&(long_jumps, jumps))), "{chains:?}");
        }
        assert_eq!(Stream::GaussianChains.place().1, Stream::MapChains.place().1 + 100);
        let first: HashSet<u64> = streams.iter().take(100).map(|stream| stream.of(7).next_u64()).collect();
        assert_eq!(first.len(), 100);
    }

    /// Two jumps of one chain after another are the place of the next.
    #[test]
    fn members_are_a_jump_apart() {
        let mut rng = Stream::Chain(3).of(5);
        rng.jump();
        assert_eq!(rng, Stream::Chain(4).of(5));
        let mut rng = Stream::Path(3).of(5);
        rng.long_jump();
        assert_eq!(rng, Stream::Path(4).of(5));
    }

    #[test]
    fn stans_seeds_see_all_bits() {
        assert_eq!([1, 7, u64::from(u32::MAX)].map(stan_seed), [1, 7, u32::MAX]);
        assert_ne!(stan_seed(1), stan_seed(1 + (1 << 32)));
    }

    #[test]
    fn a_matrix_is_filled_row_by_row() {
        let matrix = standard_normal(&mut stream(3, 0), (4, 3));
        let mut row_by_row = [0.0; 12];
        fill_standard_normal(&mut stream(3, 0), &mut row_by_row);
        assert_eq!((matrix.dim(), matrix.iter().copied().eq(row_by_row)), ((4, 3), true));
    }
}
