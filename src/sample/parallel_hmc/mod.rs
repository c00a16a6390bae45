//! Many independent chains of Hamiltonian Monte Carlo in parallel, in the coordinates of a Gaussian
//! near the target.

mod block;
mod leaps;
mod points;
#[cfg(test)]
mod tests;

use crate::gaussian::{GaussianApproximation, Product};
use crate::model::Target;
use crate::random::Rng;
use block::Block;
use leaps::steps;
use ndarray::{Array2, ArrayView2, Axis, concatenate};
use rayon::prelude::*;
use std::f64::consts::FRAC_PI_2;

/// Chains of a block, one thread's work: their products with F are products of matrices. 256 chains
/// are then work for up to eight threads. Not compared with other sizes.
const BLOCK: usize = 32;
/// The initial step size times D^¼, with which four of five trajectories of the standard normal are
/// accepted. For a fixed acceptance the step size falls as D^(−¼) (Beskos et al. 2013, Bernoulli
/// 19).
const FIRST_STEP: f64 = 1.5;
/// The relative half-width of the uniform jitter of the step size, so that no direction is
/// periodic. Not compared with other values.
const JITTER: f64 = 0.2;
/// The initial mean length of a trajectory, a quarter of the standard normal's period, after which
/// a state does not depend on its start.
const FIRST_LENGTH: f64 = FRAC_PI_2;
/// The relative half-width of the uniform jitter of the length. Not compared with other values.
const LENGTH_JITTER: f64 = 0.5;
/// The gain of the step size's adaptation: its logarithm moves by so many times the error of the
/// acceptance, divided by the square root of the number of adaptations (a Robbins–Monro step). Not
/// compared with other values.
const ADAPTATION_GAIN: f64 = 2.0;

/// Chains of Hamiltonian Monte Carlo with unit metric in the coordinates u of x = μ + F u, all with
/// one step size.
///
/// They are simulated on the original scale: with momenta p in whitened coordinates the velocities
/// are w = F p, and a kick p += ε Fᵀ s(x) is w += ε F Fᵀ s(x). This is one product with the
/// covariance, whereas simulating u takes two with its factor. With a = Σ ε s(x), the sum of the
/// kicks, ½‖p‖² has grown by ½ aᵀ(w + w₀).
///
/// Where the target is narrower than elsewhere, steps that are right for most of it are hopeless. A trajectory that
/// was rejected there is retried with smaller steps, twice at most (delayed rejection; Modi, Barnett and Carpenter,
/// arXiv 2110.00610), so that a neck costs more where it is, and nothing elsewhere.
pub struct ParallelHmc<'a, T, F> {
    target: &'a T,
    gaussian: &'a F,
    covariance: Box<Product<'a>>,
    blocks: Vec<Block>,
    trajectory: Trajectory,
    adaptations: usize,
}

/// Mean step size and length of trajectories, which are jittered for each block and transition.
#[derive(Debug, Clone, Copy)]
struct Trajectory {
    step: f64,
    length: f64,
}

/// Statistics of a transition of all chains.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HmcTransition {
    /// The mean acceptance probability.
    pub acceptance: f64,
    /// How many trajectories diverged or reached a point that the target rejects, at the last attempt.
    pub divergences: usize,
    /// For how many transitions the chain that has not moved for longest has not moved.
    pub longest_stay: usize,
}

impl<'a, T: Target, F: GaussianApproximation> ParallelHmc<'a, T, F> {
    /// `chains` chains that start at draws of `gaussian`; none if the target rejects nearly all
    /// draws.
    pub fn new(target: &'a T, gaussian: &'a F, chains: usize, rng: &mut Rng) -> Option<Self> {
        let sizes = (0..chains.div_ceil(BLOCK)).map(|block| BLOCK.min(chains - block * BLOCK));
        let mut blocks: Vec<Block> = sizes
            .map(|size| {
                rng.jump();
                Block::new(size, gaussian.dim(), rng.clone())
            })
            .collect();
        // All blocks start, even if one fails, so that the evaluations do not depend on which
        // thread was first.
        let covariance = gaussian.covariance_product();
        let started: Vec<bool> =
            blocks.par_iter_mut().map(|block| block.start(target, gaussian, &covariance)).collect();
        let trajectory = Trajectory { step: FIRST_STEP * (gaussian.dim() as f64).powf(-0.25), length: FIRST_LENGTH };
        let started = started.into_iter().all(|it| it);
        started.then_some(Self { target, gaussian, covariance, blocks, trajectory, adaptations: 0 })
    }

    /// One transition of each chain, with at most `retries` gradient evaluations for second and third attempts. The
    /// result does not depend on the number of threads.
    pub fn transition(&mut self, retries: u64) -> HmcTransition {
        let retries = retries / self.blocks.len() as u64;
        let Self { target, gaussian, covariance, trajectory, .. } = self;
        let blocks = self.blocks.par_iter_mut();
        let transitions: Vec<(f64, usize)> =
            blocks.map(|block| block.transition(*target, *gaussian, covariance, *trajectory, retries)).collect();
        let (acceptance, divergences) = transitions.iter().fold((0.0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
        let longest_stay = self.blocks.iter().flat_map(|block| &block.stays).max().copied().unwrap_or(0);
        HmcTransition { acceptance: acceptance / self.chains() as f64, divergences, longest_stay }
    }

    /// A transition after which the step size is adapted towards a mean acceptance probability of
    /// `acceptance`, by less the more often it was adapted.
    pub fn adapting_transition(&mut self, acceptance: f64, retries: u64) -> HmcTransition {
        let transition = self.transition(retries);
        self.adaptations += 1;
        self.trajectory.step *=
            (ADAPTATION_GAIN * (transition.acceptance - acceptance) / (self.adaptations as f64).sqrt()).exp();
        transition
    }

    /// Doubles the length of trajectories: a direction that is wide in the coordinates is then
    /// forgotten in a quarter of the transitions.
    pub fn lengthen(&mut self) {
        self.trajectory.length *= 2.0;
    }

    /// Forgets how often the step size was adapted.
    pub fn adapt_anew(&mut self) {
        self.adaptations = 0;
    }

    /// The number of chains.
    pub fn chains(&self) -> usize {
        self.blocks.iter().map(|block| block.now.x.nrows()).sum()
    }

    /// Most gradient evaluations of a transition of all chains, retries excluded.
    pub fn most_evaluations(&self) -> u64 {
        let Trajectory { step, length } = self.trajectory;
        (self.chains() * steps(length * (1.0 + LENGTH_JITTER), step * (1.0 - JITTER))) as u64
    }

    /// Where the chains are on the original scale, chains × D.
    pub fn points(&self) -> Array2<f64> {
        let views: Vec<ArrayView2<f64>> = self.blocks.iter().map(|block| block.now.x.view()).collect();
        concatenate(Axis(0), &views).expect("all points have D coordinates")
    }

    /// The log densities there.
    pub fn log_densities(&self) -> impl Iterator<Item = f64> {
        self.blocks.iter().flat_map(|block| block.now.log_densities.iter().copied())
    }
}
