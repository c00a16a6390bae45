//! How BaM's learning rate λ changes over the iterations.

/// A schedule for λ. B is the batch's size, D the dimension, t = 0, 1, … the iteration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LearningRate {
    /// λ = BD throughout: fast for targets that are nearly Gaussian.
    Constant,
    /// λ = BD / (t + 1): the noise of the batches averages out.
    Decaying,
    /// λ = a given number.
    Fixed(f64),
}

impl LearningRate {
    /// λ at iteration `t` for batches of `size` in dimension `dim`.
    pub fn at(self, t: usize, size: usize, dim: usize) -> f64 {
        let natural = (size * dim) as f64;
        match self {
            Self::Constant => natural,
            Self::Decaying => natural / (t + 1) as f64,
            Self::Fixed(lambda) => lambda,
        }
    }
}
