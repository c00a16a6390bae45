//! A semi-implicit fit as plain data, to be stopped and resumed: what follows is what would have followed without the
//! stop.

use super::adam::Adam;
use super::mlp::{Mlp, Shape, double, real};
use super::{SemiImplicit, SiviError, SiviOptions, Trainer};
use crate::random::Rng;
use ndarray::NdFloat;
use serde::{Deserialize, Serialize};

const SCHEMA: &str = "stanmatch.sivi/1";

/// Everything that a fit in progress consists of. Numbers of either precision are kept exactly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingState {
    schema: String,
    /// The dimension D.
    pub dim: usize,
    /// What was asked for.
    pub options: SiviOptions,
    /// Steps done.
    pub step: usize,
    random: Rng,
    family: Vec<f64>,
    average: Vec<f64>,
    critic: Vec<f64>,
    adam: [SavedAdam; 3],
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct SavedAdam {
    steps: i32,
    first: Vec<f64>,
    second: Vec<f64>,
}

impl<F: NdFloat> Trainer<F> {
    /// The state as it stands.
    pub fn state(&self) -> TrainingState {
        let of_family = |family: &SemiImplicit<F>| {
            family.mean.parameters.iter().chain(&family.log_sds).map(|&p| double(p)).collect()
        };
        let adam = [&self.mean_adam, &self.log_sd_adam, &self.critic_adam].map(|adam| SavedAdam {
            steps: adam.steps,
            first: adam.first.iter().map(|&v| double(v)).collect(),
            second: adam.second.iter().map(|&v| double(v)).collect(),
        });
        TrainingState {
            schema: SCHEMA.into(),
            dim: self.family.dim(),
            options: self.options.clone(),
            step: self.step,
            random: self.rng.clone(),
            family: of_family(&self.family),
            average: of_family(&self.average),
            critic: self.critic.parameters.iter().map(|&p| double(p)).collect(),
            adam,
        }
    }

    /// Continues from `state` towards a target of dimension `dim`.
    ///
    /// # Errors
    /// Where the state is of another schema or dimension, or its numbers are not as many as its sizes say.
    pub fn resume(state: TrainingState, dim: usize) -> Result<Self, SiviError> {
        if state.schema != SCHEMA {
            return Err(SiviError::State(format!("its schema is {:?}, not {SCHEMA:?}", state.schema)));
        }
        if state.dim != dim {
            return Err(SiviError::State(format!("it has {} dimensions, the target {dim}", state.dim)));
        }
        state.options.check(dim)?;
        let shape = |inputs, hidden| Shape { inputs, hidden, outputs: dim };
        let of_mean = shape(state.options.latent_for(dim), state.options.hidden);
        let of_critic = shape(dim, state.options.critic_hidden);
        let size = |what: &str| SiviError::State(format!("{what} has another number of values than its sizes say"));
        let numbers = |values: &[f64]| -> Vec<F> { values.iter().map(|&v| real(v)).collect() };
        let family = |values: &[f64]| {
            let (mean, log_sds) = values.split_at_checked(of_mean.parameters()).ok_or(size("the family"))?;
            let mean = Mlp::from_parameters(of_mean, numbers(mean)).ok_or(size("the family"))?;
            if log_sds.len() != dim {
                return Err(size("the family"));
            }
            Ok(SemiImplicit { mean, log_sds: numbers(log_sds) })
        };
        let (mean, average) = (family(&state.family)?, family(&state.average)?);
        let critic = Mlp::from_parameters(of_critic, numbers(&state.critic)).ok_or(size("the critic"))?;
        let counts = [of_mean.parameters(), dim, of_critic.parameters()];
        if state.adam.iter().zip(counts).any(|(adam, n)| adam.first.len() != n || adam.second.len() != n) {
            return Err(size("the optimiser"));
        }
        let adams = state.adam.map(|adam| Adam {
            steps: adam.steps,
            first: numbers(&adam.first),
            second: numbers(&adam.second),
        });
        Ok(Self::assemble(state.options, mean, average, critic, adams, state.step, state.random))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Banana;

    fn begun() -> Trainer<f32> {
        let options = SiviOptions { hidden: 6, critic_hidden: 5, batch: 6, steps: 30, ..SiviOptions::default() };
        Trainer::new(2, options).unwrap()
    }

    fn finish(trainer: &mut Trainer<f32>) {
        while !trainer.is_finished() {
            trainer.step(&Banana).unwrap();
        }
    }

    #[test]
    fn a_run_that_was_stopped_and_resumed_equals_one_that_was_not() {
        let mut undisturbed = begun();
        finish(&mut undisturbed);
        let mut stopped = begun();
        for _ in 0..17 {
            stopped.step(&Banana).unwrap();
        }
        let text = serde_json::to_string(&stopped.state()).unwrap();
        let mut resumed = Trainer::<f32>::resume(serde_json::from_str(&text).unwrap(), 2).unwrap();
        finish(&mut resumed);
        assert_eq!(resumed.state(), undisturbed.state());
    }

    #[test]
    fn a_state_that_does_not_fit_is_refused() {
        let error = |state: TrainingState, dim| Trainer::<f32>::resume(state, dim).err().expect("an error").to_string();
        let state = begun().state();
        assert!(error(state.clone(), 3).contains("2 dimensions"));
        let mut other = state.clone();
        other.critic.pop();
        assert!(error(other, 2).contains("the critic"));
        let mut other = state.clone();
        other.family.truncate(3);
        assert!(error(other, 2).contains("the family"));
    }
}
