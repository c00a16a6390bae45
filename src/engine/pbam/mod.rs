//! Batch, match and patch: BaM with a covariance that is low-rank plus diagonal (Modi, Cai and
//! Saul, arXiv 2410.22292), at a cost in time and memory that is linear in the dimension.

mod expectation_maximisation;
mod implicit_covariance;
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
use matching::MatchStep;
use ndarray::linalg::general_mat_vec_mul;
use ndarray::{Array1, Axis};
use serde::{Deserialize, Serialize};

/// The smallest part of a variance that the diagonal keeps, so that Ψ stays positive. Not compared
/// with other values.
const FLOOR: f64 = 1e-6;

/// Batch, match and patch.
#[derive(Serialize, Deserialize)]
pub struct PBam {
    gaussian: LowRankGaussian,
    patch: Patch,
    mean_terms: MeanTermWeight,
    #[serde(skip)]
    work: Option<Box<Workspace>>,
}

/// What an iteration works in.
struct Workspace {
    matching: MatchStep,
    em: Em,
    shift: Array1<f64>,
}

impl PBam {
    /// Starts from `gaussian`, whose rank K is kept. With [`EmStart::Warm`] its Λ must not be zero,
    /// a stationary point of EM.
    pub fn new(gaussian: LowRankGaussian, patch: Patch) -> Self {
        Self { gaussian, patch, mean_terms: MeanTermWeight::default(), work: None }
    }
}

/// Most draws of a batch with a covariance of low rank, which cannot follow every batch and needs
/// fewer draws (docs/contribute/decisions/012-batch-size.md).
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
        &self.gaussian
    }

    fn set_approximation(&mut self, gaussian: LowRankGaussian) {
        (self.gaussian, self.mean_terms) = (gaussian, MeanTermWeight::default());
    }

    fn is_consistent(&self) -> bool {
        self.gaussian.is_consistent() && self.mean_terms.fits(self.gaussian.dim())
    }

    fn is_settled(&self) -> bool {
        self.mean_terms.is_settled()
    }

    fn step(&mut self, batch: &Batch, learning_rate: f64) -> Result<(), UpdateFailed> {
        let (size, rank) = (batch.usable(), self.gaussian.rank());
        if self.work.as_ref().is_none_or(|work| !work.matching.fits(size, rank)) {
            self.work = Some(Box::new(Workspace::new(&self.gaussian, size, self.patch)));
        }
        let Some(work) = &mut self.work else { return Err(UpdateFailed) };
        let weight = self.mean_terms.weigh(batch);
        work.matching.run(batch, &self.gaussian, learning_rate, weight)?;
        let covariance = work.matching.covariance(batch, &self.gaussian);
        work.shift.fill(0.0);
        let mut factors = work.matching.shift();
        for table in &covariance.tables {
            let (of_table, rest) = factors.split_at(Axis(0), table.nrows());
            general_mat_vec_mul(1.0, &table.t(), &of_table, 1.0, &mut work.shift);
            factors = rest;
        }
        work.shift *= &self.gaussian.scales();
        if !work.shift.iter().all(|v| v.is_finite()) {
            return Err(UpdateFailed);
        }
        work.em.run(&covariance, &self.gaussian)?;
        work.em.apply(&mut self.gaussian)?;
        self.gaussian.translate(work.shift.view());
        self.mean_terms.learn();
        Ok(())
    }
}

impl Workspace {
    fn new(gaussian: &LowRankGaussian, size: usize, patch: Patch) -> Self {
        let (dim, rank) = (gaussian.dim(), gaussian.rank());
        Self {
            matching: MatchStep::new(size, rank),
            em: Em::new(patch, dim, rank, rank + 2 * size),
            shift: Array1::zeros(dim),
        }
    }
}
