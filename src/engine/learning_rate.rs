//! How BaM's learning rate λ changes over the iterations.

/// A schedule for λ. B is the batch's size, D the dimension, t = 0, 1, … the iteration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LearningRate {
    /// λ = BD throughout: fast for targets that are nearly Gaussian.
    Constant,
    /// λ = BD / (t + 1): the noise of the batches averages out.
    Decaying,
}

impl LearningRate {
    /// λ at iteration `t` for batches of `size` in dimension `dim`.
    pub fn at(self, t: usize, size: usize, dim: usize) -> f64 {
        let natural = (size * dim) as f64;
        match self {
            Self::Constant => natural,
            Self::Decaying => natural / (t + 1) as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_start_at_the_batch_times_the_dimension() {
        let rates = |schedule: LearningRate| [0, 1, 9].map(|t| schedule.at(t, 4, 5));
        assert_eq!(rates(LearningRate::Constant), [20.0, 20.0, 20.0]);
        assert_eq!(rates(LearningRate::Decaying), [20.0, 10.0, 2.0]);
    }
}
