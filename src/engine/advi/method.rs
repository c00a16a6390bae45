//! The methods of ADVI, which differ in their covariance alone.

use super::{AdviFullRank, AdviLowRank};
use crate::engine::{Engine, EngineDefaults, EngineOption, EngineSpec};
use crate::init::LocalGaussian;
use crate::random::Rng;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Iterations over which the score divergence is smoothed: steps of stochastic ascent are small, so
/// that convergence takes longer to see. Not compared with other numbers.
const WINDOW: usize = 50;

/// A method of ADVI, with the engine `E`.
pub struct Advi<E> {
    name: &'static str,
    summary: &'static str,
    options: &'static [EngineOption],
    start: fn(LocalGaussian, usize, &mut Rng) -> E,
}

/// The method `advi-meanfield`.
pub static MEAN_FIELD: Advi<AdviLowRank> = Advi {
    name: "advi-meanfield",
    summary: "Stochastic ascent of the evidence lower bound, with a diagonal covariance",
    options: &[EngineOption::LearningRate],
    start: |init, _rank, rng| AdviLowRank::new(init.low_rank(0, rng)),
};

/// The method `advi-fullrank`.
pub static FULL_RANK: Advi<AdviFullRank> = Advi {
    name: "advi-fullrank",
    summary: "Stochastic ascent of the evidence lower bound, with a full covariance",
    options: &[EngineOption::LearningRate],
    start: |init, _rank, _rng| AdviFullRank::new(init.dense()),
};

/// The method `advi-lowrank`.
pub static LOW_RANK: Advi<AdviLowRank> = Advi {
    name: "advi-lowrank",
    summary: "Stochastic ascent of the evidence lower bound, with a covariance that is low-rank plus diagonal",
    options: &[EngineOption::Rank, EngineOption::LearningRate],
    start: |init, rank, rng| AdviLowRank::new(init.low_rank(rank, rng)),
};

impl<E: Engine + Serialize + DeserializeOwned + Send + 'static> EngineSpec for Advi<E> {
    type Engine = E;

    fn name(&self) -> &'static str {
        self.name
    }

    fn summary(&self) -> &'static str {
        self.summary
    }

    fn options(&self) -> &'static [EngineOption] {
        self.options
    }

    fn defaults(&self, _dim: usize) -> EngineDefaults {
        EngineDefaults { window: WINDOW, ..EngineDefaults::default() }
    }

    fn searches_learning_rate(&self) -> bool {
        true
    }

    fn start(&self, init: LocalGaussian, rank: usize, rng: &mut Rng) -> E {
        (self.start)(init, rank, rng)
    }
}
