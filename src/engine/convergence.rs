//! When a noisy sequence has stopped falling.

use serde::{Deserialize, Serialize};
use statrs::statistics::Statistics;

/// The evidence lower bound rises when the means over two windows in a row differ by more than so many standard errors.
const RISING: f64 = 3.0;

/// Tells when a run has arrived: when the best mean of the score divergence over a window has not improved by a tenth
/// for two windows, in which the evidence lower bound has not risen. A direction in which q is far too narrow
/// contributes as little to the score divergence as one in which it is twice too wide, and while it widens step by step
/// only the lower bound shows it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Plateau {
    /// The last values, those that are not finite as none.
    recent: Vec<Option<f64>>,
    best: Option<f64>,
    since_best: usize,
    /// The last evidence lower bounds, of two windows.
    bounds: Vec<f64>,
}

impl Plateau {
    /// Counts a score divergence and an evidence lower bound in, and says whether the sequence, smoothed over `window`
    /// values, is at a plateau. While what it belongs to is not `settled` it is not.
    pub fn reached(&mut self, value: f64, bound: f64, settled: bool, window: usize) -> bool {
        self.bounds.push(bound);
        self.bounds.drain(..self.bounds.len().saturating_sub(2 * window));
        self.recent.push(Some(value).filter(|value| value.is_finite()));
        let Some(superfluous) = self.recent.len().checked_sub(window) else { return false };
        self.recent.drain(..superfluous);
        // The geometric mean: a single draw in a far tail must not look like a rise.
        let logs = self.recent.iter().map(|value| value.unwrap_or(f64::INFINITY).ln());
        let smoothed = (logs.sum::<f64>() / window as f64).exp();
        if !smoothed.is_finite() || self.best.is_none_or(|best| smoothed < 0.9 * best) {
            self.best = Some(smoothed).filter(|value| value.is_finite());
            self.since_best = 0;
        } else if self.is_rising(window) {
            self.since_best = 0;
        } else if settled {
            self.since_best += 1;
        }
        self.left(window) == 0
    }

    fn is_rising(&self, window: usize) -> bool {
        if self.bounds.len() < 2 * window {
            return false;
        }
        let (before, after) = self.bounds.split_at(window);
        let squared_error = (before.variance() + after.variance()) / window as f64;
        after.mean() - before.mean() > RISING * squared_error.sqrt()
    }

    /// For how many values the sequence has not fallen.
    pub fn waited(&self) -> usize {
        self.since_best
    }

    /// How many values more without a fall make a plateau.
    pub fn left(&self, window: usize) -> usize {
        (2 * window).saturating_sub(self.since_best)
    }

    /// Forgets the last values, but not the best level.
    pub fn forget(&mut self) {
        self.recent.clear();
        self.bounds.clear();
        self.since_best = 0;
    }

    /// The median of the last values: a single draw in a far tail does not rule it. Not finite where half of them are
    /// not.
    pub fn median(&self, window: usize) -> f64 {
        let mut recent: Vec<f64> = self.recent[self.recent.len().saturating_sub(window)..]
            .iter()
            .map(|value| value.unwrap_or(f64::INFINITY))
            .collect();
        recent.sort_by(f64::total_cmp);
        match recent.len() {
            0 => f64::NAN,
            length => 0.5 * (recent[(length - 1) / 2] + recent[length / 2]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plateau_is_two_windows_without_improvement() {
        let mut plateau = Plateau::default();
        let falling = (0..20).map(|t| 0.8_f64.powi(t));
        assert!(!falling.chain([f64::INFINITY]).any(|value| plateau.reached(value, 0.0, true, 5)));
        let level = 0.8_f64.powi(20);
        let reached = (0..).take_while(|_| !plateau.reached(level, 0.0, true, 5)).count();
        // The infinite value leaves the window first.
        assert_eq!(reached, 4 + 10);
        assert_eq!((plateau.waited(), plateau.left(5), plateau.left(7)), (10, 0, 4));
    }

    #[test]
    fn there_is_no_plateau_before_the_rest_is_settled() {
        let mut plateau = Plateau::default();
        assert!(!(0..100).any(|_| plateau.reached(1.0, 0.0, false, 5)));
        assert!((0..20).any(|_| plateau.reached(1.0, 0.0, true, 5)));
    }

    #[test]
    fn there_is_no_plateau_while_the_evidence_lower_bound_rises() {
        let noise = |t: usize| [0.3, -0.8, 1.1, -0.2, 0.5, -0.9][t % 6];
        let first = |bound: &dyn Fn(usize) -> f64| {
            let mut plateau = Plateau::default();
            (0..100).find(|&t| plateau.reached(1.0, bound(t), true, 6))
        };
        let level = first(&noise).unwrap();
        assert_eq!(first(&|t| 0.5 * t as f64 + noise(t)), None);
        assert_eq!(first(&|t| if t == 7 { -1e9 } else { noise(t) }), Some(level), "a draw in a far tail is no rise");
        // Two windows after the rise has ended, or later by as long as it is seen.
        let after_rise = first(&|t| 0.5 * t.min(30) as f64 + noise(t)).unwrap();
        assert!((30 + 12..30 + 24).contains(&after_rise), "{after_rise}");
    }

    #[test]
    fn one_value_far_off_does_not_rule_the_median() {
        let mut plateau = Plateau::default();
        [1.0, 2.0, f64::NAN, 3.0, 1e9, 2.5].into_iter().for_each(|value| _ = plateau.reached(value, 0.0, true, 10));
        assert_eq!(plateau.median(10), 2.75);
        assert_eq!(plateau.median(1), 2.5);
    }
}
