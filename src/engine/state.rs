//! Runs on file, to be stopped and resumed.

use super::state_origin::StateOrigin;
use super::{DriverError, DriverOptions, Engine, Outcome, RunProgress, TraceRow, advance};
use crate::gaussian::GaussianApproximation;
use crate::model::{CountingTarget, Target};
use crate::random::Rng;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The schema of the document.
const SCHEMA: &str = "stanmatch.state/2";

/// An engine with how far it has come.
#[derive(Serialize, Deserialize)]
#[serde(bound(serialize = "E: Serialize", deserialize = "E: DeserializeOwned"))]
pub struct RunState<E: Engine> {
    engine: E,
    progress: RunProgress<E::Approximation>,
}

impl<E: Engine> RunState<E> {
    /// At the beginning, with the random numbers that are to come, after `spent` gradient evaluations.
    pub fn new(engine: E, rng: Rng, spent: u64) -> Self {
        Self { engine, progress: RunProgress::new(rng, spent) }
    }

    /// The engine as it stands.
    pub fn engine(&self) -> &E {
        &self.engine
    }

    /// How far the run has come.
    pub fn progress(&self) -> &RunProgress<E::Approximation> {
        &self.progress
    }

    /// Continues the run, as [`advance`] does.
    ///
    /// # Errors
    /// Where the run gives up.
    pub fn run<T: Target>(
        &mut self,
        target: &CountingTarget<T>,
        options: &DriverOptions,
        observe: &mut dyn FnMut(&TraceRow) -> ControlFlow<()>,
    ) -> Result<Outcome<E::Approximation>, DriverError> {
        advance(&mut self.engine, &mut self.progress, target, options, observe)
    }

    /// The state of a fit of `origin` as a document, from which the method `name` can continue.
    ///
    /// # Errors
    /// Where a number cannot be written.
    pub fn to_json(&self, name: &str, origin: &StateOrigin) -> serde_json::Result<Vec<u8>>
    where
        E: Serialize,
    {
        state_document(name, origin, self)
    }

    /// Whether it is a run in `dim` dimensions and in itself consistent.
    fn fits(&self, dim: usize) -> bool {
        let approximation = self.engine.approximation();
        approximation.dim() == dim && self.engine.is_consistent() && self.progress.fits(approximation)
    }
}

/// Why a saved state cannot be resumed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StateError {
    /// There is no such file, or it cannot be read.
    #[error("the state {} cannot be read: {reason}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// The file is damaged, or no state.
    #[error("{} is not a state that this version can read: {reason}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The state is of a posterior of another dimension.
    #[error("the state {} does not fit the posterior's {dim} parameters, or is damaged", file.display())]
    Dimension {
        /// The file.
        file: PathBuf,
        /// The posterior's dimension.
        dim: usize,
    },
    /// The state is of another posterior of the same dimension.
    #[error("the state {} is of another posterior", file.display())]
    Posterior {
        /// The file.
        file: PathBuf,
    },
    /// The state is of a fit with another seed.
    #[error("the state {} is of a fit with the seed {saved}, not {asked}", file.display())]
    Seed {
        /// The file.
        file: PathBuf,
        /// The state's seed.
        saved: u64,
        /// The seed that was asked for.
        asked: u64,
    },
    /// The state is of a covariance of another rank.
    #[error("the state {} is of a covariance of rank {saved}, not {asked}", file.display())]
    Rank {
        /// The file.
        file: PathBuf,
        /// The state's rank.
        saved: usize,
        /// The rank that was asked for.
        asked: usize,
    },
    /// The state is of another engine.
    #[error("the saved state belongs to the engine {engine}, which the method {method} does not use")]
    Engine {
        /// The state's engine.
        engine: String,
        /// The method's name.
        method: String,
    },
}

/// A state on file.
#[derive(Serialize, Deserialize)]
struct Document<O, T> {
    schema: String,
    engine: String,
    /// None in files of versions that did not say it.
    origin: Option<O>,
    state: T,
}

/// The `state` of a fit of `origin` as a document, from which the method `name` can continue.
///
/// # Errors
/// Where a number cannot be written.
pub fn state_document<T: Serialize>(name: &str, origin: &StateOrigin, state: T) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Document { schema: SCHEMA.into(), engine: name.into(), origin: Some(origin), state })
}

/// A state that was read, of whichever engine.
#[derive(Debug)]
pub struct SavedState {
    file: PathBuf,
    engine: String,
    origin: Option<StateOrigin>,
    state: serde_json::Value,
}

impl SavedState {
    /// Reads a state from `path`.
    ///
    /// # Errors
    /// Where there is none.
    pub fn load(path: &Path) -> Result<Self, StateError> {
        let bytes = std::fs::read(path).map_err(|reason| StateError::Read { file: path.to_owned(), reason })?;
        let damaged = |reason| StateError::Damaged { file: path.to_owned(), reason };
        let head: Schema = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if head.schema != SCHEMA {
            return Err(damaged(format!("its schema is {:?}", head.schema)));
        }
        let document: Document<StateOrigin, serde_json::Value> =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        let Document { engine, origin, state, .. } = document;
        Ok(Self { file: path.to_owned(), engine, origin, state })
    }

    /// Requires the state to be of a fit of `origin`, where it says what it is of.
    ///
    /// # Errors
    /// Where it is of another posterior of the same dimension, or of a fit with another seed.
    pub fn check_origin(&self, origin: &StateOrigin) -> Result<(), StateError> {
        let Some(saved) = &self.origin else { return Ok(()) };
        // Another dimension is told where the state is parsed.
        if saved.names.len() == origin.names.len() && !origin.is_of_same_posterior(saved) {
            return Err(StateError::Posterior { file: self.file.clone() });
        }
        if saved.seed != origin.seed {
            return Err(StateError::Seed { file: self.file.clone(), saved: saved.seed, asked: origin.seed });
        }
        Ok(())
    }

    /// The name of the method that saved it.
    pub fn engine(&self) -> &str {
        &self.engine
    }

    /// The file that it was read from.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The run, which is one of the method `name` in `dim` dimensions.
    ///
    /// # Errors
    /// Where it is not.
    pub fn continued<E: Engine + DeserializeOwned>(self, name: &str, dim: usize) -> Result<RunState<E>, StateError> {
        let file = self.file.clone();
        let state: RunState<E> = self.parsed(name)?;
        if state.fits(dim) { Ok(state) } else { Err(StateError::Dimension { file, dim }) }
    }

    /// What the method `name` saved.
    ///
    /// # Errors
    /// Where another method saved it, or it is damaged.
    pub fn parsed<T: DeserializeOwned>(self, name: &str) -> Result<T, StateError> {
        let Self { file, engine, state, .. } = self;
        if engine != name {
            return Err(StateError::Engine { engine, method: name.to_owned() });
        }
        serde_json::from_value(state).map_err(|error| StateError::Damaged { file, reason: error.to_string() })
    }
}

#[derive(Deserialize)]
struct Schema {
    schema: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::advi::{AdviFullRank, AdviLowRank};
    use crate::engine::testing::random_gaussian;
    use crate::engine::{Bam, Gsm, LearningRate, PBam, Patch, Schedule};
    use crate::init::LocalGaussian;
    use crate::model::{EvaluationError, Gaussian, Model, StudentT, Unconstrained};
    use crate::random::stream;

    const DIM: usize = 6;

    fn target() -> StudentT {
        StudentT { degrees: 4.0, shape: Gaussian::with_condition_number(DIM, 10.0, &mut stream(3, 0)) }
    }

    /// Runs `engine` for 90 iterations at once, and in pieces with a file between them: the states are equal in every
    /// bit, and so are the traces and what they arrive at. The run reaches its plateau, so that the average is resumed
    /// too.
    fn resumed_equals_undisturbed<E>(engine: impl Fn() -> E, learning_rate: LearningRate)
    where
        E: Engine + Serialize + DeserializeOwned,
        E::Approximation: PartialEq + std::fmt::Debug,
    {
        let options = |max_iterations| DriverOptions {
            max_iterations,
            learning_rate,
            window: 5,
            averaging: 60,
            budget: Some(10_000),
            ..DriverOptions::default()
        };
        let mut trace = Vec::new();
        let mut undisturbed = RunState::new(engine(), stream(1, 0), 0);
        let expected = undisturbed
            .run(&CountingTarget::new(target()), &options(90), &mut |row| {
                trace.push(*row);
                ControlFlow::Continue(())
            })
            .unwrap();
        assert!(expected.converged, "the plateau comes before the end");

        let mut rows = Vec::new();
        let mut state = RunState::new(engine(), stream(1, 0), 0);
        let mut observe = |row: &TraceRow| {
            rows.push(*row);
            ControlFlow::Continue(())
        };
        let mut outcome = None;
        for stop in [1, 20, 60, 90] {
            let text = serde_json::to_string(&state).unwrap();
            state = serde_json::from_str(&text).unwrap();
            assert!(state.fits(DIM));
            outcome = Some(state.run(&CountingTarget::new(target()), &options(stop), &mut observe).unwrap());
        }
        let outcome = outcome.unwrap();
        assert_eq!(rows, trace);
        assert_eq!(outcome.approximation, expected.approximation);
        assert_eq!(serde_json::to_string(&state).unwrap(), serde_json::to_string(&undisturbed).unwrap());
    }

    #[test]
    fn a_run_of_batch_and_match_is_resumed_exactly() {
        let adaptive = LearningRate { initial: None, schedule: Schedule::Adaptive };
        resumed_equals_undisturbed(|| Bam::new(random_gaussian(DIM, 2)), adaptive);
        resumed_equals_undisturbed(|| Bam::new(random_gaussian(DIM, 2)), LearningRate::default());
    }

    #[test]
    fn a_run_of_gaussian_score_matching_is_resumed_exactly() {
        resumed_equals_undisturbed(|| Gsm::new(random_gaussian(DIM, 2)), LearningRate::default());
    }

    #[test]
    fn a_run_of_batch_match_and_patch_is_resumed_exactly() {
        let start = || LocalGaussian::unit(vec![0.1; DIM]).low_rank(2, &mut stream(4, 0));
        resumed_equals_undisturbed(|| PBam::new(start(), Patch::default()), LearningRate::default());
    }

    #[test]
    fn runs_of_advi_are_resumed_exactly() {
        let rate = LearningRate { initial: Some(0.1), schedule: Schedule::Inverse };
        resumed_equals_undisturbed(|| AdviFullRank::new(random_gaussian(DIM, 2)), rate);
        for rank in [0, 2] {
            let start = || LocalGaussian::unit(vec![0.1; DIM]).low_rank(rank, &mut stream(4, 0));
            resumed_equals_undisturbed(|| AdviLowRank::new(start()), rate);
        }
    }

    #[test]
    fn a_state_is_of_one_posterior_and_one_seed_whatever_the_constants() {
        /// A target whose log density is another one's plus a constant.
        struct Shifted<T>(T, f64);
        impl<T: Target> Target for Shifted<T> {
            fn dim(&self) -> usize {
                self.0.dim()
            }
            fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
                Ok(self.0.log_density(x)? + self.1)
            }
            fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
                Ok(self.0.log_density_and_score(x, score)? + self.1)
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let of = |model: &dyn Model, seed| StateOrigin::of(model, seed);
        let saved = of(&Unconstrained::new(target()), 1);
        std::fs::write(&path, state_document("bam", &saved, 0).unwrap()).unwrap();
        let check = |origin: &StateOrigin| SavedState::load(&path).unwrap().check_origin(origin);
        check(&of(&Unconstrained::new(Shifted(target(), -1234.5)), 1)).unwrap();
        let other = StudentT { degrees: 3.0, ..target() };
        assert!(matches!(check(&of(&Unconstrained::new(other), 1)), Err(StateError::Posterior { .. })));
        let error = check(&of(&Unconstrained::new(target()), 7)).unwrap_err().to_string();
        assert!(error.contains("with the seed 1, not 7"), "{error}");
        // A file that does not say what it is of.
        std::fs::write(&path, r#"{"schema": "stanmatch.state/2", "engine": "bam", "state": 0}"#).unwrap();
        check(&of(&Unconstrained::new(target()), 7)).unwrap();
    }

    #[test]
    fn a_state_that_does_not_fit_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let state = RunState::new(AdviFullRank::new(random_gaussian(DIM, 2)), stream(1, 0), 0);
        let resume = |name: &str, dim| SavedState::load(&path)?.continued::<AdviFullRank>(name, dim);
        let error = |dim| resume("advi-fullrank", dim).err().expect("an error").to_string();
        assert!(error(DIM).contains("cannot be read"));
        let origin = StateOrigin::of(&Unconstrained::new(target()), 1);
        std::fs::write(&path, state.to_json("advi-fullrank", &origin).unwrap()).unwrap();
        assert_eq!(SavedState::load(&path).unwrap().engine(), "advi-fullrank");
        assert!(resume("advi-fullrank", DIM).is_ok());
        assert!(resume("bam", DIM).err().unwrap().to_string().contains("belongs to the engine advi-fullrank"));
        assert!(error(DIM + 1).contains("7 parameters"));
        let text = std::fs::read_to_string(&path).unwrap();
        let other = serde_json::to_value(random_gaussian(DIM - 1, 2)).unwrap();
        let mut inconsistent: serde_json::Value = serde_json::from_str(&text).unwrap();
        inconsistent["state"]["engine"]["start"] = other;
        std::fs::write(&path, inconsistent.to_string()).unwrap();
        assert!(error(DIM).contains("does not fit"));
        std::fs::write(&path, text.replace("state/2", "state/9")).unwrap();
        assert!(error(DIM).contains("state/9"));
        std::fs::write(&path, &text[..text.len() / 2]).unwrap();
        assert!(error(DIM).contains("is not a state that"));
    }
}
