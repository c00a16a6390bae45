//! Rollback of a run whose approximation has diverged. It is not in the papers.
//!
//! On a target that is far from Gaussian, a step of batch and match with the full learning rate can
//! move q so far away that every later batch moves it further, from a score divergence of 1 to
//! millions. Nothing in the engine's own state brings it back.
//!
//! The constants below were chosen by order of magnitude, between the noise of batches and the
//! millions of a divergence; other values were not compared.

use super::convergence::IMPROVEMENT;
use crate::gaussian::GaussianApproximation;
use serde::{Deserialize, Serialize};

/// A score divergence this many times its lowest level is one of a diverged q, if it is so in
/// [`BATCHES`] batches in a row: a batch with a draw in a far tail is no divergence.
const DIVERGED: f64 = 1e3;
/// Batches that confirm a divergence, and over which levels are smoothed.
const BATCHES: usize = 3;
/// A level of up to this many times the lowest one is one of a stable q, worth rolling back to.
const STABLE: f64 = 10.0;
/// The factor by which the learning rate falls with each rollback.
const RATE_FALL: f64 = 4.0;
/// The factor by which it rises again with each new lowest level, up to the scheduled rate.
const RATE_RISE: f64 = 2.0;

/// The last stable q, whose score divergence was near its lowest level, and how often the run was
/// rolled back.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Rollback<F: GaussianApproximation> {
    stable: Option<Box<F>>,
    /// Batches since q was kept.
    age: usize,
    /// The logarithms of the last score divergences.
    recent: Vec<f64>,
    /// The lowest level: the smallest mean of these logarithms.
    lowest: Option<f64>,
    /// Batches in a row that are those of a diverged q.
    diverged_batches: usize,
    damping: f64,
    count: usize,
}

impl<F: GaussianApproximation> Default for Rollback<F> {
    fn default() -> Self {
        Self { stable: None, age: 0, recent: Vec::new(), lowest: None, diverged_batches: 0, damping: 1.0, count: 0 }
    }
}

impl<F: GaussianApproximation> Rollback<F> {
    /// The factor of the learning rate, at most 1.
    pub fn damping(&self) -> f64 {
        self.damping
    }

    /// How often the run was rolled back.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether the q kept here, if any, has the dimensions of `approximation`; one read from a file
    /// may not.
    pub fn fits(&self, approximation: &F) -> bool {
        self.stable.as_ref().is_none_or(|stable| stable.is_consistent() && stable.dim() == approximation.dim())
    }

    /// Takes the score divergence of a batch of `approximation`, and says whether `approximation`
    /// has diverged and there is a q to roll back to. A stable q is kept, once in `window` batches.
    pub fn update(&mut self, score_divergence: f64, approximation: &F, window: usize) -> bool {
        self.age += 1;
        let is_far = |lowest: f64| score_divergence.is_nan() || score_divergence.ln() > lowest + DIVERGED.ln();
        self.diverged_batches = if self.lowest.is_some_and(is_far) { self.diverged_batches + 1 } else { 0 };
        if score_divergence.is_normal() {
            self.recent.push(score_divergence.ln());
            self.recent.drain(..self.recent.len().saturating_sub(BATCHES));
            let level = self.recent.iter().sum::<f64>() / self.recent.len() as f64;
            let counts = self.lowest.is_none() || self.recent.len() == BATCHES;
            if counts && self.lowest.is_none_or(|lowest| level < lowest + IMPROVEMENT.ln()) {
                self.lowest = Some(level);
                self.damping = (RATE_RISE * self.damping).min(1.0);
            }
            let is_stable = self.lowest.is_some_and(|lowest| level <= lowest + STABLE.ln());
            if is_stable && (self.stable.is_none() || self.age >= window) {
                (self.stable, self.age) = (Some(Box::new(approximation.clone())), 0);
            }
        }
        self.diverged_batches >= BATCHES && self.stable.is_some()
    }

    /// The last stable q, if there is one; steps from it are smaller.
    pub fn roll_back(&mut self) -> Option<F> {
        let stable = F::clone(self.stable.as_ref()?);
        self.recent.clear();
        (self.diverged_batches, self.age) = (0, 0);
        self.damping /= RATE_FALL;
        self.count += 1;
        Some(stable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gaussian::DenseGaussian;

    const WINDOW: usize = 5;

    /// Takes `divergences` of approximations whose scale is their number, and returns when a
    /// divergence was confirmed, and the scale to roll back to.
    fn confirmed(divergences: &[f64]) -> (Option<usize>, Option<f64>) {
        let mut rollback = Rollback::default();
        let scaled = |index: usize| DenseGaussian::standard(1).scaled(1.0 + index as f64);
        let diverged =
            divergences.iter().enumerate().position(|(index, &d)| rollback.update(d, &scaled(index), WINDOW));
        (diverged, rollback.roll_back().map(|stable| stable.sds()[0]))
    }

    #[test]
    fn three_batches_far_above_the_lowest_level_are_a_divergence() {
        let stable = [2.0, 1.0, 1.5, 1.2, 1.0, 1.1, 0.9];
        assert_eq!(confirmed(&[&stable[..], &[1e5, 1e5, 1e5]].concat()), (Some(9), Some(6.0)));
        assert_eq!(confirmed(&[&stable[..], &[1e5, f64::INFINITY, f64::NAN]].concat()).0, Some(9));
        assert_eq!(confirmed(&[&stable[..], &[1e5, 1.0, 1e5, 1e5, 2.0]].concat()).0, None, "draws in a far tail");
        assert_eq!(confirmed(&[&stable[..], &[500.0; 9]].concat()).0, None);
    }

    #[test]
    fn a_run_that_starts_far_away_does_not_diverge() {
        let falling: Vec<f64> = (0..20).map(|t| 1e9 * 0.3_f64.powi(t)).collect();
        assert_eq!(confirmed(&falling), (None, Some(16.0)));
        assert_eq!(confirmed(&[f64::NAN; 9]), (None, None));
    }

    #[test]
    fn steps_grow_again_at_a_new_lowest_level() {
        let mut rollback = Rollback::default();
        let approximation = DenseGaussian::standard(1);
        rollback.update(1.0, &approximation, WINDOW);
        assert!(rollback.roll_back().is_some() && rollback.damping() == 0.25);
        rollback.update(2.0, &approximation, WINDOW);
        assert_eq!(rollback.damping(), 0.25);
        [0.1, 0.1].into_iter().for_each(|divergence| _ = rollback.update(divergence, &approximation, WINDOW));
        assert_eq!(rollback.damping(), 0.5);
    }
}
