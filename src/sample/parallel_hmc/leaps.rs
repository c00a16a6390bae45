//! The trajectories of chains: a first attempt, and attempts with smaller steps after it (delayed rejection; Modi, Barnett
//! and Carpenter, arXiv 2110.00610).

use super::points::Points;
use crate::gaussian::Product;
use crate::model::Target;
use ndarray::Array2;

/// Most leapfrog steps of a trajectory. Not compared with other numbers.
const MOST_STEPS: usize = 64;
/// A rejected trajectory is retried with smaller steps if its acceptance probability was below this.
pub const HOPELESS: f64 = 0.01;
/// By how much steps are smaller in the next attempt, and how many times more there are.
const REFINEMENT: usize = 8;

/// Leapfrog steps for a trajectory of this length.
pub fn steps(length: f64, step: f64) -> usize {
    ((length / step).round() as usize).clamp(1, MOST_STEPS)
}

/// The leapfrog steps of a trajectory's first attempt.
#[derive(Clone, Copy)]
pub struct Leaps {
    pub step: f64,
    pub steps: usize,
}

impl Leaps {
    /// Those of another attempt, counted from 0: smaller, and as many more.
    fn of_attempt(self, attempt: usize) -> Self {
        let refinement = REFINEMENT.pow(attempt as u32);
        Self { step: self.step / refinement as f64, steps: self.steps * refinement }
    }

    /// How many times the steps of a first attempt an attempt takes, with those from its end back.
    pub fn most_trajectories(attempt: usize) -> usize {
        REFINEMENT.pow(attempt as u32) + (0..attempt).map(Self::most_trajectories).sum::<usize>()
    }

    /// An attempt from x after hopeless ones, which were all rejected with probability `remaining`. It is accepted
    /// with probability
    ///
    /// min(1, p(y) Π (1 − αⱼ(y)) / (p(x) Π (1 − αⱼ(x))))
    ///
    /// over the earlier attempts j, if each of them, from y back, is hopeless too, and with 0 otherwise.
    pub fn attempt(
        self,
        attempt: usize,
        target: &impl Target,
        covariance: &Product<'_>,
        (start, first_velocities): (&Points, &Array2<f64>),
        remaining: &[f64],
    ) -> Attempt {
        let (mut end, mut velocities, mut kicks) = (start.clone(), first_velocities.clone(), first_velocities.clone());
        let leaps = self.of_attempt(attempt);
        let gains =
            leaps.simulate(target, covariance, (start, first_velocities), &mut end, &mut velocities, &mut kicks);
        velocities *= -1.0;
        let mut remaining_back = vec![1.0; gains.len()];
        for earlier in 0..attempt {
            let back = self.attempt(earlier, target, covariance, (&end, &velocities), &remaining_back);
            for (remaining, probability) in remaining_back.iter_mut().zip(back.probabilities) {
                *remaining *= if probability < HOPELESS { 1.0 - probability } else { 0.0 };
            }
        }
        let probability = |((gain, back), there): ((&f64, &f64), &f64)| {
            if *back > 0.0 { (gain.exp() * back / there).min(1.0) } else { 0.0 }
        };
        let probabilities = gains.iter().zip(&remaining_back).zip(remaining).map(probability).collect();
        Attempt { end, gains, probabilities }
    }

    /// Simulates trajectories from points with velocities. Their ends are `ahead`, with `velocities`. Returns how
    /// much the log joint density grows, −∞ where the target rejects a point. `kicks` is workspace.
    pub fn simulate(
        self,
        target: &impl Target,
        covariance: &Product<'_>,
        (from, first_velocities): (&Points, &Array2<f64>),
        ahead: &mut Points,
        velocities: &mut Array2<f64>,
        kicks: &mut Array2<f64>,
    ) -> Vec<f64> {
        let Self { step, steps } = self;
        velocities.assign(first_velocities);
        velocities.scaled_add(0.5 * step, &from.slopes);
        kicks.assign(&from.scores);
        *kicks *= 0.5 * step;
        ahead.x.assign(&from.x);
        ahead.log_densities.copy_from_slice(&from.log_densities);
        for index in 1..=steps {
            ahead.x.scaled_add(step, velocities);
            ahead.evaluate(target, covariance);
            let kick = if index == steps { 0.5 * step } else { step };
            velocities.scaled_add(kick, &ahead.slopes);
            kicks.scaled_add(kick, &ahead.scores);
        }
        let gain = |row: usize| {
            let (kicks, first, last) = (kicks.row(row), first_velocities.row(row), velocities.row(row));
            let gain =
                ahead.log_densities[row] - from.log_densities[row] - 0.5 * (kicks.dot(&first) + kicks.dot(&last));
            if gain.is_nan() { f64::NEG_INFINITY } else { gain }
        };
        (0..kicks.nrows()).map(gain).collect()
    }
}

/// An attempt of some trajectories.
pub struct Attempt {
    /// Where the trajectories end.
    pub end: Points,
    /// How much the log joint density grew along each.
    pub gains: Vec<f64>,
    /// The acceptance probabilities.
    pub probabilities: Vec<f64>,
}
