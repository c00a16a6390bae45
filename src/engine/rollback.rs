//! A way back for a run whose approximation is thrown off.
//!
//! On a target that is far from Gaussian, a step of batch and match with the full learning rate can throw q so far that
//! every later batch throws it farther, from a score divergence of 1 to millions. Nothing in the engine's own state
//! brings it back.

use crate::gaussian::GaussianApproximation;
use serde::{Deserialize, Serialize};

/// A score divergence this many times its lowest level belongs to a q that has been thrown off, if it does so for this
/// many batches in a row: one draw in a far tail does not. Levels are smoothed over as many batches.
const THROWN_OFF: f64 = 1e3;
const BATCHES: usize = 3;
/// One within this factor of the lowest level belongs to a q that is worth going back to.
const CALM: f64 = 10.0;
/// A level that is lower by this factor is a new lowest one.
const LOWER: f64 = 0.9;
/// By how much the learning rate falls with each return, and rises again with each new lowest level.
const FALL: f64 = 4.0;
const RISE: f64 = 2.0;

/// Where a run can go back to: the last q whose score divergence was near its lowest level.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Rollback<F: GaussianApproximation> {
    family: Option<Box<F>>,
    /// Batches since q was kept.
    age: usize,
    /// The logarithms of the last score divergences.
    recent: Vec<f64>,
    lowest: Option<f64>,
    /// Batches in a row that speak of a q that has been thrown off.
    strikes: usize,
    damping: f64,
    returns: usize,
}

impl<F: GaussianApproximation> Default for Rollback<F> {
    fn default() -> Self {
        Self { family: None, age: 0, recent: Vec::new(), lowest: None, strikes: 0, damping: 1.0, returns: 0 }
    }
}

impl<F: GaussianApproximation> Rollback<F> {
    /// The factor of the learning rate.
    pub fn damping(&self) -> f64 {
        self.damping
    }

    /// How often the run went back.
    pub fn returns(&self) -> usize {
        self.returns
    }

    /// Whether a q kept here, if any, is of the sizes of `family`; one read from a file may not be.
    pub fn fits(&self, family: &F) -> bool {
        self.family.as_ref().is_none_or(|kept| kept.is_consistent() && kept.dim() == family.dim())
    }

    /// Counts in a batch of `family` with a `score_divergence`, and says whether `family` has been thrown off. While it
    /// is near its lowest level it is kept, once in `window` batches.
    pub fn count(&mut self, score_divergence: f64, family: &F, window: usize) -> bool {
        self.age += 1;
        let is_far = |lowest: f64| score_divergence.is_nan() || score_divergence.ln() > lowest + THROWN_OFF.ln();
        self.strikes = if self.lowest.is_some_and(is_far) { self.strikes + 1 } else { 0 };
        if score_divergence.is_normal() {
            self.recent.push(score_divergence.ln());
            self.recent.drain(..self.recent.len().saturating_sub(BATCHES));
            let level = self.recent.iter().sum::<f64>() / self.recent.len() as f64;
            let speaks = self.lowest.is_none() || self.recent.len() == BATCHES;
            if speaks && self.lowest.is_none_or(|lowest| level < lowest + LOWER.ln()) {
                self.lowest = Some(level);
                self.damping = (RISE * self.damping).min(1.0);
            }
            let is_calm = self.lowest.is_some_and(|lowest| level <= lowest + CALM.ln());
            if is_calm && (self.family.is_none() || self.age >= window) {
                (self.family, self.age) = (Some(Box::new(family.clone())), 0);
            }
        }
        self.strikes >= BATCHES && self.family.is_some()
    }

    /// The q to go back to, if one was kept; steps from it are smaller.
    pub fn go_back(&mut self) -> Option<F> {
        let family = F::clone(self.family.as_ref()?);
        self.recent.clear();
        (self.strikes, self.age) = (0, 0);
        self.damping /= FALL;
        self.returns += 1;
        Some(family)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gaussian::DenseGaussian;

    const WINDOW: usize = 5;

    /// Counts in `divergences` of approximations whose scale is their number, and returns where a need arose, and the
    /// scale to go back to.
    fn told(divergences: &[f64]) -> (Option<usize>, Option<f64>) {
        let mut rollback = Rollback::default();
        let family = |index: usize| DenseGaussian::standard(1).scaled(1.0 + index as f64);
        let needed = divergences.iter().enumerate().position(|(index, &d)| rollback.count(d, &family(index), WINDOW));
        (needed, rollback.go_back().map(|family| family.sds()[0]))
    }

    #[test]
    fn three_batches_far_above_the_lowest_level_need_a_refuge() {
        let calm = [2.0, 1.0, 1.5, 1.2, 1.0, 1.1, 0.9];
        assert_eq!(told(&[&calm[..], &[1e5, 1e5, 1e5]].concat()), (Some(9), Some(6.0)));
        assert_eq!(told(&[&calm[..], &[1e5, f64::INFINITY, f64::NAN]].concat()).0, Some(9));
        assert_eq!(told(&[&calm[..], &[1e5, 1.0, 1e5, 1e5, 2.0]].concat()).0, None, "draws in a far tail");
        assert_eq!(told(&[&calm[..], &[500.0; 9]].concat()).0, None);
    }

    #[test]
    fn a_run_that_comes_from_far_needs_none() {
        let falling: Vec<f64> = (0..20).map(|t| 1e9 * 0.3_f64.powi(t)).collect();
        assert_eq!(told(&falling), (None, Some(16.0)));
        assert_eq!(told(&[f64::NAN; 9]), (None, None));
    }

    #[test]
    fn steps_grow_again_at_a_new_lowest_level() {
        let mut rollback = Rollback::default();
        let family = DenseGaussian::standard(1);
        rollback.count(1.0, &family, WINDOW);
        assert!(rollback.go_back().is_some() && rollback.damping() == 0.25);
        rollback.count(2.0, &family, WINDOW);
        assert_eq!(rollback.damping(), 0.25);
        [0.1, 0.1].into_iter().for_each(|divergence| _ = rollback.count(divergence, &family, WINDOW));
        assert_eq!(rollback.damping(), 0.5);
    }
}
