//! What can be asked of a semi-implicit fit.

use super::{Descent, SiviError};
use serde::{Deserialize, Serialize};

/// What a semi-implicit family is fitted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SiviObjective {
    /// The minimax form of the Fisher divergence.
    ScoreMatching,
    /// The surrogate evidence lower bound of Yin and Zhou (2018), the baseline.
    SurrogateElbo,
}

impl SiviObjective {
    /// The name of the method that fits a family by it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ScoreMatching => "sivi-sm",
            Self::SurrogateElbo => "sivi",
        }
    }
}

/// Sizes, rates and schedules. Coordinates are those in which the fit begins as the standard normal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SiviOptions {
    /// What is minimised.
    pub objective: SiviObjective,
    /// The dimension m of z; none for D + 1. At least D.
    pub latent: Option<usize>,
    /// Units in each of the two hidden layers of the family's network.
    pub hidden: usize,
    /// The same for the critic.
    pub critic_hidden: usize,
    /// Draws per step, an even number: half as many values of z, each with a noise and its negative.
    pub batch: usize,
    /// Steps.
    pub steps: usize,
    /// The learning rate of the family at first.
    pub rate: f64,
    /// The learning rate of the critic at first.
    pub critic_rate: f64,
    /// Both rates are multiplied by `decay` after each tenth of the steps.
    pub decay: f64,
    /// Standard deviation of the noise at first.
    pub noise: f64,
    /// The smallest standard deviation that the noise may have.
    pub noise_floor: f64,
    /// Steps of the critic for one of the family.
    pub inner_steps: usize,
    /// The share of the steps, from the first, in which the family descends the Kullback–Leibler divergence and not yet
    /// the Fisher divergence, for score matching.
    pub transport: f64,
    /// The share of the steps, from the first, over which the target's score is turned up from `temper`, for score
    /// matching.
    pub annealing: f64,
    /// What the target's score is multiplied by at first: the family comes to its tails from outside.
    pub temper: f64,
    /// Further values of z for each draw in the surrogate evidence lower bound.
    pub components: usize,
    /// The seed of all random numbers.
    pub seed: u64,
}

impl Default for SiviOptions {
    fn default() -> Self {
        Self {
            objective: SiviObjective::ScoreMatching,
            latent: None,
            hidden: 64,
            critic_hidden: 64,
            batch: 128,
            steps: 40_000,
            rate: 1e-3,
            critic_rate: 4e-3,
            decay: 0.6,
            noise: 0.3,
            noise_floor: 0.02,
            inner_steps: 4,
            transport: 0.6,
            annealing: 0.5,
            temper: 0.3,
            components: 100,
            seed: 1,
        }
    }
}

impl SiviOptions {
    /// m for a target of dimension `dim`.
    pub fn latent_for(&self, dim: usize) -> usize {
        self.latent.unwrap_or(dim + 1)
    }

    /// Fails on a value that makes no sense for a target of dimension `dim`.
    pub fn check(&self, dim: usize) -> Result<(), SiviError> {
        let refuse = |what, allowed, value| Err(SiviError::Option { what, allowed, value });
        if self.latent_for(dim) < dim {
            return refuse("the dimension of z", "at least the target's", self.latent_for(dim) as f64);
        }
        if self.batch < 2 || !self.batch.is_multiple_of(2) {
            return refuse("the batch", "an even number of at least 2", self.batch as f64);
        }
        let counts = [
            ("the hidden size", self.hidden),
            ("the critic's hidden size", self.critic_hidden),
            ("the number of steps", self.steps),
            ("the number of inner steps", self.inner_steps),
            ("the number of components", self.components),
        ];
        for (what, value) in counts {
            if value == 0 {
                return refuse(what, "at least 1", 0.0);
            }
        }
        for (what, value) in [("the learning rate", self.rate), ("the critic's learning rate", self.critic_rate)] {
            if !(value > 0.0 && value.is_finite()) {
                return refuse(what, "a positive number", value);
            }
        }
        for (what, value) in [("the decay of the rates", self.decay), ("the noise floor", self.noise_floor)] {
            if !(value > 0.0 && value <= 1.0) {
                return refuse(what, "above 0 and at most 1", value);
            }
        }
        for (what, value) in [("the share of transport", self.transport), ("the share of annealing", self.annealing)] {
            if !(0.0..=1.0).contains(&value) {
                return refuse(what, "between 0 and 1", value);
            }
        }
        if !(self.temper > 0.0 && self.temper <= 1.0) {
            return refuse("the temper", "above 0 and at most 1", self.temper);
        }
        if !(self.noise >= self.noise_floor && self.noise < 1.0) {
            return refuse("the noise", "between the noise floor and 1", self.noise);
        }
        Ok(())
    }

    /// Gradient evaluations of a whole run, where a Hessian-vector product takes `per_product`.
    pub fn gradient_evaluations(&self, per_product: u64) -> u64 {
        let with_product = match self.objective {
            SiviObjective::ScoreMatching => {
                (0..self.steps).filter(|&it| self.descent_at(it) == Descent::Fisher).count()
            }
            SiviObjective::SurrogateElbo => 0,
        };
        (self.steps as u64 + per_product * with_product as u64) * self.batch as u64
    }

    /// What the rates are multiplied by at `step`.
    pub fn decay_at(&self, step: usize) -> f64 {
        self.decay.powi((10 * step / self.steps.max(1)).min(9) as i32)
    }

    /// What the target's score is multiplied by at `step`.
    pub fn temper_at(&self, step: usize) -> f64 {
        let share = step as f64 / (self.annealing * self.steps as f64);
        if share < 1.0 { self.temper + (1.0 - self.temper) * share } else { 1.0 }
    }

    /// What the family descends at `step`.
    pub fn descent_at(&self, step: usize) -> Descent {
        let transported = (step as f64) < self.transport * self.steps as f64;
        if transported { Descent::KullbackLeibler } else { Descent::Fisher }
    }
}
