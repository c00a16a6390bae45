//! How the learning rate of an engine changes over the iterations.

/// The learning rate that a run begins with, and how it goes on: λ in batch and match, Adam's step size in ADVI.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LearningRate {
    /// The rate to begin with; none for the engine's own, BD in batch and match.
    pub initial: Option<f64>,
    /// How it changes.
    pub schedule: Schedule,
}

/// What becomes of a learning rate at the iterations t = 0, 1, … of at most T.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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

/// The learning rate of one run.
#[derive(Debug, Clone)]
pub struct Pace {
    rate: LearningRate,
    horizon: usize,
    adapted: f64,
    last: f64,
}

impl Pace {
    /// Of a run of at most `horizon` iterations.
    pub fn new(rate: LearningRate, horizon: usize) -> Self {
        Self { rate, horizon, adapted: 1.0, last: f64::NAN }
    }

    /// The rate at iteration `t` of an engine whose own rate to begin with is `natural`.
    pub fn at(&self, t: usize, natural: f64) -> f64 {
        let passed = t as f64 / self.horizon.max(1) as f64;
        let factor = match self.rate.schedule {
            Schedule::Constant => 1.0,
            Schedule::Inverse => ((t + 1) as f64).recip(),
            Schedule::Linear => 1.0 - passed,
            Schedule::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * passed).cos()),
            Schedule::Adaptive => self.adapted,
        };
        self.rate.initial.unwrap_or(natural) * factor
    }

    /// Learns from an iteration: the score divergence that its batch showed, and whether its step succeeded at once.
    pub fn learn(&mut self, score_divergence: f64, succeeded: bool) {
        // The first iteration has nothing to compare with.
        let fell = score_divergence < self.last || self.last.is_nan();
        self.adapted *= if succeeded && fell { RISE } else { FALL };
        self.adapted = self.adapted.clamp(REACH.recip(), REACH);
        self.last = score_divergence;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(schedule: Schedule) -> [f64; 3] {
        let pace = Pace::new(LearningRate { initial: None, schedule }, 8);
        [0, 1, 4].map(|t| pace.at(t, 20.0))
    }

    #[test]
    fn schedules_begin_with_the_engines_own_rate() {
        assert_eq!(rates(Schedule::Constant), [20.0, 20.0, 20.0]);
        assert_eq!(rates(Schedule::Inverse), [20.0, 10.0, 4.0]);
        assert_eq!(rates(Schedule::Linear), [20.0, 17.5, 10.0]);
        let [first, second, last] = rates(Schedule::Cosine);
        assert!(first == 20.0 && (second - 19.24).abs() < 0.01 && (last - 10.0).abs() < 1e-9);
        let given = LearningRate { initial: Some(3.0), schedule: Schedule::Inverse };
        assert_eq!(Pace::new(given, 10).at(2, 20.0), 1.0);
    }

    #[test]
    fn an_adaptive_rate_follows_the_score_divergence() {
        let after = |iterations: &[(f64, bool)]| {
            let mut pace = Pace::new(LearningRate { initial: None, schedule: Schedule::Adaptive }, 10);
            iterations.iter().for_each(|&(divergence, succeeded)| pace.learn(divergence, succeeded));
            pace.at(iterations.len(), 1.0)
        };
        assert!(after(&[(3.0, true), (2.0, true), (1.0, true)]) > 1.3);
        assert!(after(&[(3.0, true), (2.0, false), (1.0, false)]) < 0.8);
        assert!(after(&[(1.0, true), (2.0, true), (1.0, true), (2.0, true)]) < 1.0);
        assert!(after(&[(1.0, false); 1000]) > 0.0);
    }
}
