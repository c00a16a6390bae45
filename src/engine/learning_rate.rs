//! How the learning rate of an engine changes over the iterations.

use serde::{Deserialize, Serialize};

/// The initial learning rate of a run and its schedule: λ in batch and match, Adam's step size in
/// ADVI.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LearningRate {
    /// The initial rate, positive; none for the engine's own, BD in batch and match.
    pub initial: Option<f64>,
    /// How it changes over the iterations.
    pub schedule: Schedule,
}

/// How a learning rate changes over the iterations t = 0, 1, … of at most T.
/// docs/benchmarks/settings.md compares the schedules: from a good init they hardly differ, and the
/// constant rate is the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Schedule {
    /// It does not.
    #[default]
    Constant,
    /// It is divided by t + 1, so that the noise of the batches averages out.
    Inverse,
    /// It falls linearly to 0 at T.
    Linear,
    /// It falls to 0 at T as (1 + cos πt/T)/2.
    Cosine,
    /// It rises while the score divergence falls, and falls if that rises or a step fails.
    Adaptive,
}

/// The factor of an adaptive rate after an iteration that lowered the score divergence. Near
/// convergence every other iteration does, and the rate falls by √(RISE · FALL) = 0.94 an
/// iteration, which averages the noise of the batches out. This and the constants below were not
/// compared with other values.
const RISE: f64 = 1.1;
/// The factor after an iteration that did not.
const FALL: f64 = 0.8;
/// The largest factor between an adaptive rate and the initial one, in both directions.
const REACH: f64 = 1e4;

/// The factor of an adaptive learning rate, learned from the iterations so far.
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
    /// Learns from an iteration: the score divergence that its batch showed, and whether its step
    /// succeeded at once.
    pub fn learn(&mut self, score_divergence: f64, succeeded: bool) {
        // The first iteration has nothing to compare with.
        let fell = self.last.is_none_or(|last| score_divergence < last);
        self.factor *= if succeeded && fell { RISE } else { FALL };
        self.factor = self.factor.clamp(REACH.recip(), REACH);
        self.last = Some(score_divergence).filter(|value| value.is_finite());
    }
}

impl LearningRate {
    /// The rate at iteration `t` of at most `horizon`, of an engine whose own initial rate is
    /// `natural`.
    pub fn at(&self, t: usize, horizon: usize, natural: f64, adaptation: &Adaptation) -> f64 {
        let elapsed = t as f64 / horizon.max(1) as f64;
        let factor = match self.schedule {
            Schedule::Constant => 1.0,
            Schedule::Inverse => ((t + 1) as f64).recip(),
            Schedule::Linear => 1.0 - elapsed,
            Schedule::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * elapsed).cos()),
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
    fn schedules_start_from_the_engines_own_rate() {
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
