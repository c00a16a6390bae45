//! The draws that a fit returns.

use super::Problem;
use super::phase::Phases;
use super::weighted_draws::WeightedDraws;
use crate::diagnostics::{chains_of, ess_mean};
use crate::draws::Draws;
use crate::gaussian::GaussianApproximation;
use crate::random::{Rng, fill_standard_normal};
use crate::sample::{ConstrainError, constrain};
use ndarray::Array2;
use rayon::prelude::*;

/// Draws on both scales.
pub(super) struct Answer {
    /// On the constrained scale.
    pub draws: Draws,
    /// On the unconstrained scale, draws × D.
    pub unconstrained: Array2<f64>,
    /// How many independent draws the draws of each quantity are worth.
    pub effective_draws: Vec<f64>,
}

impl Answer {
    /// The draws of Markov chains.
    pub fn of_chains(draws: Draws, unconstrained: Array2<f64>) -> Self {
        let effective_draws = effective_draws(&draws);
        Self { draws, unconstrained, effective_draws }
    }

    /// `unconstrained` on both scales. Each quantity's draws are worth `worth` independent ones.
    pub fn of_points(
        problem: Problem<'_>,
        unconstrained: Array2<f64>,
        worth: f64,
        phases: &mut Phases<'_>,
    ) -> Result<Self, ConstrainError> {
        let draws = phases.run("draws", || constrain(problem.model, &[unconstrained.view()], problem.seed))?;
        let effective_draws = vec![worth; draws.names().len()];
        Ok(Self { draws, unconstrained, effective_draws })
    }

    /// Draws weighted towards the posterior.
    pub fn resampled(
        problem: Problem<'_>,
        weighted: &WeightedDraws,
        rng: &mut Rng,
        phases: &mut Phases<'_>,
    ) -> Result<Self, ConstrainError> {
        let worth = (weighted.effective_draws().recip() + (problem.draws as f64).recip()).recip();
        Self::of_points(problem, weighted.resample(problem.draws, rng), worth, phases)
    }
}

/// How many independent draws those of Markov chains are worth, for each quantity's mean.
pub(super) fn effective_draws(draws: &Draws) -> Vec<f64> {
    (0..draws.names().len()).into_par_iter().map(|column| ess_mean(&chains_of(draws, column))).collect()
}

/// `count` draws of a Gaussian itself.
pub(super) fn plain_draws(gaussian: &impl GaussianApproximation, count: usize, rng: &mut Rng) -> Array2<f64> {
    let mut noise = Array2::zeros((count, gaussian.dim()));
    fill_standard_normal(rng, noise.as_slice_mut().expect("a fresh array is contiguous"));
    let mut draws = Array2::zeros(noise.dim());
    gaussian.draws(noise.view(), draws.view_mut());
    draws
}
