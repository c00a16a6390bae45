//! How the learning rate of an engine changes over the iterations.

use serde::{Deserialize, Serialize};

/// The learning rate that a run begins with, and how it goes on: λ in batch and match, Adam's step size in ADVI.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LearningRate {
    /// The rate to begin with; none for the engine's own, BD in batch and match.
    pub initial: Option<f64>,
    /// How it changes.
    pub schedule: Schedule,
}

/// What becomes of a learning rate at the iterations t = 0, 1, … of at most T.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// Nothing.
    #[default]
    Constant,
    /// It is divided by t + 1, so that the noise of the batches averages out.
    Inverse,
    /// It falls along a line to 0 at T.
    Linear,
    /// It falls along half a wave of the cosine to 0 at T.
    Cosine,
    /// It rises while the score divergence falls, and falls when it rises or a step fails.
    Adaptive,
}

/// By how much an adaptive rate rises after an iteration that lowered the score divergence. At a plateau every other
/// iteration does: the rate then falls by √(RISE · FALL) an iteration, as the noise of the batches asks for.
const RISE: f64 = 1.1;
/// By how much it falls after one that did not.
const FALL: f64 = 0.8;
/// An adaptive rate stays within this factor of the one to begin with, both ways.
const REACH: f64 = 1e4;

/// What an adaptive learning rate has learned from the iterations so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Adaptation {
    factor: f64,
    /// The last score divergence, where it was finite.
    last: Option<f64>,
}

impl Default for Adaptation {
    fn default() -> Self {
        Self { factor: 1.0, last: None }
    }
}

impl Adaptation {
    /// Learns from an iteration: the score divergence that its batch showed, and whether its step succeeded at once.
    pub fn learn(&mut self, score_divergence: f64, succeeded: bool) {
        // The first iteration has nothing to compare with.
        let fell = self.last.is_none_or(|last| score_divergence < last);
        self.factor *= if succeeded && fell { RISE } else { FALL };
        self.factor = self.factor.clamp(REACH.recip(), REACH);
        self.last = Some(score_divergence).filter(|value| value.is_finite());
    }
}

impl LearningRate {
    /// The rate at iteration `t` of at most `horizon`, of an engine whose own rate to begin with is `natural`.
    pub fn at(&self, t: usize, horizon: usize, natural: f64, adaptation: &Adaptation) -> f64 {
        let passed = t as f64 / horizon.max(1) as f64;
        let factor = match self.schedule {
            Schedule::Constant => 1.0,
            Schedule::Inverse => ((t + 1) as f64).recip(),
            Schedule::Linear => 1.0 - passed,
            Schedule::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * passed).cos()),
            Schedule::Adaptive => adaptation.factor,
        };
        self.initial.unwrap_or(natural) * factor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(schedule: Schedule) -> [f64; 3] {
        let rate = LearningRate { initial: None, schedule };
        [0, 1, 4].map(|t| rate.at(t, 8, 20.0, &Adaptation::default()))
    }

    #[test]
    fn schedules_begin_with_the_engines_own_rate() {
        assert_eq!(rates(Schedule::Constant), [20.0, 20.0, 20.0]);
        assert_eq!(rates(Schedule::Inverse), [20.0, 10.0, 4.0]);
        assert_eq!(rates(Schedule::Linear), [20.0, 17.5, 10.0]);
        let [first, second, last] = rates(Schedule::Cosine);
        assert!(first == 20.0 && (second - 19.24).abs() < 0.01 && (last - 10.0).abs() < 1e-9);
        let given = LearningRate { initial: Some(3.0), schedule: Schedule::Inverse };
        assert_eq!(given.at(2, 10, 20.0, &Adaptation::default()), 1.0);
    }

    #[test]
    fn an_adaptive_rate_follows_the_score_divergence() {
        let after = |iterations: &[(f64, bool)]| {
            let mut adaptation = Adaptation::default();
            iterations.iter().for_each(|&(divergence, succeeded)| adaptation.learn(divergence, succeeded));
            let rate = LearningRate { initial: None, schedule: Schedule::Adaptive };
            rate.at(iterations.len(), 10, 1.0, &adaptation)
        };
        assert!(after(&[(3.0, true), (2.0, true), (1.0, true)]) > 1.3);
        assert!(after(&[(3.0, true), (2.0, false), (1.0, false)]) < 0.8);
        assert!(after(&[(1.0, true), (2.0, true), (1.0, true), (2.0, true)]) < 1.0);
        assert!(after(&[(1.0, false); 1000]) > 0.0);
    }
}
