//! Batch, match and patch: BaM with a covariance that is low-rank plus diagonal (Modi, Cai and Saul, arXiv 2410.22292),
//! at a cost in time and memory that is linear in the dimension.

mod expectation_maximisation;
mod low_rank_covariance;
mod matching;
#[cfg(test)]
mod tests;
mod truncation;

pub use expectation_maximisation::{EmStart, Patch};

use super::bam::{DIMENSIONS_OF_A_DRAW, SMALLEST_BATCH};
use super::mean_term_weight::MeanTermWeight;
use super::{Batch, Engine, EngineDefaults, EngineOption, EngineSpec, UpdateFailed};
use crate::gaussian::{GaussianApproximation, LowRankGaussian};
use crate::init::LocalGaussian;
use crate::random::Rng;
use expectation_maximisation::Em;
use matching::Match;
use ndarray::linalg::general_mat_vec_mul;
use ndarray::{Array1, Axis};
use serde::{Deserialize, Serialize};

/// The least part of a variance that the diagonal keeps.
const FLOOR: f64 = 1e-6;

/// Batch, match and patch.
#[derive(Serialize, Deserialize)]
pub struct PBam {
    family: LowRankGaussian,
    patch: Patch,
    agreement: MeanTermWeight,
    #[serde(skip)]
    work: Option<Box<Work>>,
}

/// What an iteration needs room for.
struct Work {
    matching: Match,
    em: Em,
    shift: Array1<f64>,
}

impl PBam {
    /// Starts from `family`, whose rank K stays. With [`EmStart::Warm`] its Λ must not be zero, since EM cannot leave
    /// that.
    pub fn new(family: LowRankGaussian, patch: Patch) -> Self {
        Self { family, patch, agreement: MeanTermWeight::default(), work: None }
    }
}

/// No batch need be larger than this with a covariance of low rank.
const LARGEST_BATCH: usize = 32;

/// The method `pbam`.
pub struct BatchMatchAndPatch;

impl EngineSpec for BatchMatchAndPatch {
    type Engine = PBam;

    fn name(&self) -> &'static str {
        "pbam"
    }

    fn summary(&self) -> &'static str {
        "Batch, match and patch: for thousands of parameters, with a covariance that is low-rank plus diagonal"
    }

    fn options(&self) -> &'static [EngineOption] {
        &[EngineOption::Rank, EngineOption::LearningRate]
    }

    fn defaults(&self, dim: usize) -> EngineDefaults {
        let batch = (dim / DIMENSIONS_OF_A_DRAW).clamp(SMALLEST_BATCH, LARGEST_BATCH);
        EngineDefaults { batch, ..EngineDefaults::default() }
    }

    fn start(&self, init: LocalGaussian, rank: usize, rng: &mut Rng) -> PBam {
        PBam::new(init.low_rank(rank, rng), Patch::default())
    }
}

impl Engine for PBam {
    type Approximation = LowRankGaussian;

    fn approximation(&self) -> &LowRankGaussian {
        &self.family
    }

    fn set_approximation(&mut self, family: LowRankGaussian) {
        (self.family, self.agreement) = (family, MeanTermWeight::default());
    }

    fn is_consistent(&self) -> bool {
        self.family.is_consistent() && self.agreement.fits(self.family.dim())
    }

    fn is_settled(&self) -> bool {
        self.agreement.is_settled()
    }

    fn step(&mut self, batch: &Batch, learning_rate: f64) -> Result<(), UpdateFailed> {
        let (size, rank) = (batch.usable(), self.family.rank());
        if self.work.as_ref().is_none_or(|work| !work.matching.fits(size, rank)) {
            self.work = Some(Box::new(Work::new(&self.family, size, self.patch)));
        }
        let Some(work) = &mut self.work else { return Err(UpdateFailed) };
        let weight = self.agreement.weigh(batch);
        work.matching.run(batch, &self.family, learning_rate, weight)?;
        let covariance = work.matching.covariance(batch, &self.family);
        work.shift.fill(0.0);
        let mut factors = work.matching.shift();
        for table in &covariance.tables {
            let (of_table, rest) = factors.split_at(Axis(0), table.nrows());
            general_mat_vec_mul(1.0, &table.t(), &of_table, 1.0, &mut work.shift);
            factors = rest;
        }
        work.shift *= &self.family.scales();
        if !work.shift.iter().all(|v| v.is_finite()) {
            return Err(UpdateFailed);
        }
        work.em.run(&covariance, &self.family)?;
        work.em.apply(&mut self.family)?;
        self.family.translate(work.shift.view());
        self.agreement.learn();
        Ok(())
    }
}

impl Work {
    fn new(family: &LowRankGaussian, size: usize, patch: Patch) -> Self {
        let (dim, rank) = (family.dim(), family.rank());
        Self {
            matching: Match::new(size, rank),
            em: Em::new(patch, dim, rank, rank + 2 * size),
            shift: Array1::zeros(dim),
        }
    }
}
