//! Some chains, one thread's work.

use super::leaps::{HOPELESS, Leaps, steps};
use super::points::Points;
use super::{JITTER, LENGTH_JITTER, Trajectory};
use crate::gaussian::{GaussianApproximation, Product};
use crate::model::Target;
use crate::random::{Rng, fill_standard_normal};
use ndarray::{Array2, Axis};
use rand::RngExt;

/// How often the start of a chain is drawn until the target accepts it, as often as Stan tries.
const ATTEMPTS: usize = 100;
/// The energy error beyond which a trajectory has diverged, as in Stan.
const DIVERGENT: f64 = 1000.0;
/// One of so many chains of a block may make a second attempt in a transition, and one of so many a third, which
/// bounds what a transition costs.
const CHAINS_PER_ATTEMPT: [usize; 2] = [8, 16];

/// Some chains, with the workspace of their trajectories.
pub struct Block {
    rng: Rng,
    /// Where the chains are.
    pub now: Points,
    /// Where their trajectories are.
    ahead: Points,
    /// w and w₀, chains × D.
    velocities: Array2<f64>,
    first_velocities: Array2<f64>,
    /// a, chains × D.
    kicks: Array2<f64>,
    /// Transitions since each chain moved.
    pub stays: Vec<usize>,
}

impl Block {
    pub fn new(size: usize, dim: usize, rng: Rng) -> Self {
        let table = || Array2::zeros((size, dim));
        Self {
            rng,
            now: Points::zeros(size, dim),
            ahead: Points::zeros(size, dim),
            velocities: table(),
            first_velocities: table(),
            kicks: table(),
            stays: vec![0; size],
        }
    }

    /// Starts at draws of `gaussian`, drawn again if the target rejects them; whether there is one
    /// for each chain.
    pub fn start(
        &mut self,
        target: &impl Target,
        gaussian: &impl GaussianApproximation,
        covariance: &Product<'_>,
    ) -> bool {
        let Self { rng, now, kicks: noise, .. } = self;
        fill_standard_normal(rng, noise.as_slice_mut().expect("our own tables are contiguous"));
        for _ in 0..ATTEMPTS {
            gaussian.draws(noise.view(), now.x.view_mut());
            now.log_densities.fill(0.0);
            now.evaluate(target, covariance);
            let rejected: Vec<usize> =
                (0..now.x.nrows()).filter(|&row| now.log_densities[row] == f64::NEG_INFINITY).collect();
            if rejected.is_empty() {
                return true;
            }
            for row in rejected {
                let mut row = noise.row_mut(row);
                fill_standard_normal(rng, row.as_slice_mut().expect("rows are contiguous"));
            }
        }
        false
    }

    /// The sum of the acceptance probabilities of first attempts, and the number of divergences.
    pub fn transition(
        &mut self,
        target: &impl Target,
        gaussian: &impl GaussianApproximation,
        covariance: &Product<'_>,
        trajectory: Trajectory,
        retries: u64,
    ) -> (f64, usize) {
        let Self { rng, now, ahead, velocities, first_velocities, kicks, stays } = self;
        let length = trajectory.length * rng.random_range(1.0 - LENGTH_JITTER..1.0 + LENGTH_JITTER);
        let step = trajectory.step * rng.random_range(1.0 - JITTER..1.0 + JITTER);
        let leaps = Leaps { step, steps: steps(length, step) };
        let momenta = &mut ahead.scores;
        fill_standard_normal(rng, momenta.as_slice_mut().expect("our own tables are contiguous"));
        gaussian.multiply(momenta.view(), first_velocities.view_mut());
        let gains = leaps.simulate(target, covariance, (now, first_velocities), ahead, velocities, kicks);
        let mut rejected = Vec::new();
        for (row, (stay, &gain)) in stays.iter_mut().zip(&gains).enumerate() {
            let probability = gain.exp().min(1.0);
            if rng.random_range(0.0..1.0_f64) < probability {
                now.take(row, ahead, row);
                *stay = 0;
            } else {
                rejected.push(Rejected { row, gain, probability, remaining: 1.0 - probability });
                *stay += 1;
            }
        }
        let acceptance = gains.iter().map(|gain| gain.exp().min(1.0)).sum();
        (acceptance, self.retry(target, covariance, leaps, rejected, retries))
    }

    /// Retries trajectories that were hopeless with smaller steps, for at most `budget` gradient evaluations; the number
    /// of divergences.
    fn retry(
        &mut self,
        target: &impl Target,
        covariance: &Product<'_>,
        leaps: Leaps,
        mut rejected: Vec<Rejected>,
        mut budget: u64,
    ) -> usize {
        let Self { rng, now, first_velocities, stays, .. } = self;
        for (index, per) in CHAINS_PER_ATTEMPT.into_iter().enumerate() {
            let price = (leaps.steps * Leaps::most_trajectories(index + 1)) as u64;
            let most = stays.len().div_ceil(per).min((budget / price) as usize);
            let hopeless = rejected.iter().enumerate().filter(|(_, it)| it.probability < HOPELESS);
            let hopeless: Vec<usize> = hopeless.map(|(index, _)| index).take(most).collect();
            if hopeless.is_empty() {
                break;
            }
            budget -= price * hopeless.len() as u64;
            let rows: Vec<usize> = hopeless.iter().map(|&index| rejected[index].row).collect();
            let remaining: Vec<f64> = hopeless.iter().map(|&index| rejected[index].remaining).collect();
            let (start, velocities) = (now.select(&rows), first_velocities.select(Axis(0), &rows));
            let attempt = leaps.attempt(index + 1, target, covariance, (&start, &velocities), &remaining);
            for (row, &index) in hopeless.iter().enumerate() {
                let (it, probability) = (&mut rejected[index], attempt.probabilities[row]);
                it.gain = attempt.gains[row];
                it.probability = probability;
                it.remaining *= 1.0 - probability;
                if rng.random_range(0.0..1.0_f64) < probability {
                    now.take(it.row, &attempt.end, row);
                    stays[it.row] = 0;
                }
            }
            rejected.retain(|it| stays[it.row] > 0);
        }
        rejected.iter().filter(|it| it.gain < -DIVERGENT).count()
    }
}

/// A trajectory that was rejected.
struct Rejected {
    row: usize,
    /// How much the log joint density grew, and the acceptance probability, at the last attempt.
    gain: f64,
    probability: f64,
    /// The probability that all attempts are rejected.
    remaining: f64,
}
