//! When a noisy sequence of score divergences has stopped falling.

use crate::diagnostics::median;
use serde::{Deserialize, Serialize};
use statrs::statistics::Statistics;

/// A level below this part of the lowest one is an improvement: a tenth lower. Not compared with
/// other values.
pub(super) const IMPROVEMENT: f64 = 0.9;
/// Windows without improvement that show convergence. Not compared with other numbers.
const WINDOWS: usize = 2;
/// The evidence lower bound rises if the means over two windows in a row differ by more than so
/// many standard errors, which independent normal bounds do by chance in one of 700 tests. Without
/// this condition Gaussian score matching ended far off in thirty of forty fits of a linear
/// regression (docs/contribute/decisions/013-averaging.md); other values were not compared.
const RISING: f64 = 3.0;

/// Tests whether a run has converged: whether the mean of the score divergence over a window has
/// not improved for two windows, in which the evidence lower bound has not risen. A direction in
/// which q is far too narrow contributes as little to the score divergence as one in which it is
/// twice too wide, and while it slowly widens only the lower bound shows it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ConvergenceTest {
    /// The last score divergences; none for one that is not finite.
    recent: Vec<Option<f64>>,
    lowest: Option<f64>,
    without_improvement: usize,
    /// The last evidence lower bounds, of two windows.
    bounds: Vec<f64>,
}

impl ConvergenceTest {
    /// Takes the score divergence and the evidence lower bound of an iteration, and says whether
    /// the run, smoothed over `window` iterations, has converged. While the engine has not
    /// `settled` it has not.
    pub fn update(&mut self, score_divergence: f64, bound: f64, settled: bool, window: usize) -> bool {
        self.bounds.push(bound);
        self.bounds.drain(..self.bounds.len().saturating_sub(2 * window));
        self.recent.push(Some(score_divergence).filter(|value| value.is_finite()));
        let Some(superfluous) = self.recent.len().checked_sub(window) else { return false };
        self.recent.drain(..superfluous);
        // The geometric mean: a single draw in a far tail must not look like a rise.
        let logs = self.recent.iter().map(|value| value.unwrap_or(f64::INFINITY).ln());
        let smoothed = (logs.sum::<f64>() / window as f64).exp();
        if !smoothed.is_finite() || self.lowest.is_none_or(|lowest| smoothed < IMPROVEMENT * lowest) {
            self.lowest = Some(smoothed).filter(|value| value.is_finite());
            self.without_improvement = 0;
        } else if self.is_bound_rising(window) {
            self.without_improvement = 0;
        } else if settled {
            self.without_improvement += 1;
        }
        self.remaining(window) == 0
    }

    fn is_bound_rising(&self, window: usize) -> bool {
        if self.bounds.len() < 2 * window {
            return false;
        }
        let (before, after) = self.bounds.split_at(window);
        let squared_error = (before.variance() + after.variance()) / window as f64;
        after.mean() - before.mean() > RISING * squared_error.sqrt()
    }

    /// Iterations since the last improvement.
    pub fn without_improvement(&self) -> usize {
        self.without_improvement
    }

    /// How many further iterations without improvement would show convergence.
    pub fn remaining(&self, window: usize) -> usize {
        (WINDOWS * window).saturating_sub(self.without_improvement)
    }

    /// Forgets the last iterations, but not the lowest level.
    pub fn restart(&mut self) {
        self.recent.clear();
        self.bounds.clear();
        self.without_improvement = 0;
    }

    /// The median of the last score divergences, which a single draw in a far tail does not
    /// dominate. Infinite if more than half of them are not finite, NaN if there are none.
    pub fn median(&self, window: usize) -> f64 {
        let recent = &self.recent[self.recent.len().saturating_sub(window)..];
        median(recent.iter().map(|value| value.unwrap_or(f64::INFINITY)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn convergence_is_two_windows_without_improvement() {
        let mut test = ConvergenceTest::default();
        let falling = (0..20).map(|t| 0.8_f64.powi(t));
        assert!(!falling.chain([f64::INFINITY]).any(|value| test.update(value, 0.0, true, 5)));
        let level = 0.8_f64.powi(20);
        let reached = (0..).take_while(|_| !test.update(level, 0.0, true, 5)).count();
        // The infinite value leaves the window first.
        assert_eq!(reached, 4 + 10);
        assert_eq!((test.without_improvement(), test.remaining(5), test.remaining(7)), (10, 0, 4));
    }

    #[test]
    fn there_is_no_convergence_before_the_engine_has_settled() {
        let mut test = ConvergenceTest::default();
        assert!(!(0..100).any(|_| test.update(1.0, 0.0, false, 5)));
        assert!((0..20).any(|_| test.update(1.0, 0.0, true, 5)));
    }

    #[test]
    fn there_is_no_convergence_while_the_evidence_lower_bound_rises() {
        let noise = |t: usize| [0.3, -0.8, 1.1, -0.2, 0.5, -0.9][t % 6];
        let first = |bound: &dyn Fn(usize) -> f64| {
            let mut test = ConvergenceTest::default();
            (0..100).find(|&t| test.update(1.0, bound(t), true, 6))
        };
        let level = first(&noise).unwrap();
        assert_eq!(first(&|t| 0.5 * t as f64 + noise(t)), None);
        assert_eq!(first(&|t| if t == 7 { -1e9 } else { noise(t) }), Some(level), "a draw in a far tail is no rise");
        // Two windows after the rise has ended, or later by as long as it is seen.
        let after_rise = first(&|t| 0.5 * t.min(30) as f64 + noise(t)).unwrap();
        assert!((30 + 12..30 + 24).contains(&after_rise), "{after_rise}");
    }

    #[test]
    fn one_value_far_off_does_not_dominate_the_median() {
        let mut test = ConvergenceTest::default();
        [1.0, 2.0, f64::NAN, 3.0, 1e9, 2.5].into_iter().for_each(|value| _ = test.update(value, 0.0, true, 10));
        assert_eq!(test.median(10), 2.75);
        assert_eq!(test.median(1), 2.5);
    }
}
