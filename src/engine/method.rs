//! Engines as methods of a fit: how an engine starts from a local Gaussian, what may be set of it, and how a run of it
//! is continued from a saved state.

use super::learning_rate_search::best_learning_rate;
use super::state::{SavedState, StateError};
use super::state_origin::StateOrigin;
use super::{DriverError, DriverOptions, Engine, LearningRate, Moments, Outcome, RunState, TraceRow};
use crate::gaussian::Approximation;
use crate::init::LocalGaussian;
use crate::model::{CountingTarget, Model};
use crate::random::{Rng, Stream};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::ops::ControlFlow;
use thiserror::Error;

/// An option that only some engines have; the others belong to all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineOption {
    /// [`rank`](field@EngineSettings::rank).
    Rank,
    /// [`EngineSettings::learning_rate`].
    LearningRate,
}

/// What is asked of an engine. None stands for the engine's own choice.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EngineSettings {
    /// Draws per batch.
    pub batch: Option<usize>,
    /// At most so many iterations.
    pub iterations: Option<usize>,
    /// Iterations that are averaged once the score divergence no longer falls.
    pub averaging: Option<usize>,
    /// At most so many gradient evaluations, those of the init included.
    pub budget: Option<u64>,
    /// The rank K of a covariance that is low-rank plus diagonal; less than the dimension.
    pub rank: Option<usize>,
    /// The learning rate and its schedule.
    pub learning_rate: LearningRate,
    /// What the answer should be on the unconstrained scale, for the errors in the trace.
    pub reference: Option<Moments>,
}

/// What an engine does unless told otherwise, in a given dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineDefaults {
    /// Draws per batch.
    pub batch: usize,
    /// At most so many iterations.
    pub iterations: usize,
    /// Iterations over which the score divergence is smoothed.
    pub window: usize,
    /// Iterations that are averaged on the plateau.
    pub averaging: usize,
    /// The rank of a covariance that is low-rank plus diagonal, where it is less than the dimension.
    pub rank: usize,
}

impl Default for EngineDefaults {
    fn default() -> Self {
        let DriverOptions { batch, max_iterations, window, averaging, .. } = DriverOptions::default();
        Self { batch, iterations: max_iterations, window, averaging, rank: 32 }
    }
}

/// An engine as a method of a fit. Implement this for a unit struct beside the [`Engine`], and `&TheStruct` runs through
/// [`fit`](crate::fit::fit) as [`Method::Engine`](crate::fit::Method::Engine), with its init, importance sampling and
/// verdict.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use stanmatch::engine::{Batch, Engine, EngineSpec, UpdateFailed};
/// use stanmatch::fit::{FitOptions, GaussianOptions, Method, fit};
/// use stanmatch::gaussian::DenseGaussian;
/// use stanmatch::init::LocalGaussian;
/// use stanmatch::model::{Banana, Unconstrained};
/// use stanmatch::random::Rng;
///
/// /// The initial Gaussian, which never moves. `examples/custom_engine.rs` has a step.
/// #[derive(Serialize, Deserialize)]
/// struct Still(DenseGaussian);
///
/// impl Engine for Still {
///     type Approximation = DenseGaussian;
///
///     fn approximation(&self) -> &DenseGaussian {
///         &self.0
///     }
///
///     fn set_approximation(&mut self, gaussian: DenseGaussian) {
///         self.0 = gaussian;
///     }
///
///     fn step(&mut self, _batch: &Batch, _learning_rate: f64) -> Result<(), UpdateFailed> {
///         Ok(())
///     }
/// }
///
/// struct StandStill;
///
/// impl EngineSpec for StandStill {
///     type Engine = Still;
///
///     fn name(&self) -> &'static str {
///         "still"
///     }
///
///     fn summary(&self) -> &'static str {
///         "Keeps the initial Gaussian"
///     }
///
///     fn start(&self, init: LocalGaussian, _rank: usize, _rng: &mut Rng) -> Still {
///         Still(init.dense())
///     }
/// }
///
/// let method = Method::Engine(&StandStill, GaussianOptions::default());
/// let fit = fit(&Unconstrained::new(Banana), &FitOptions { method, ..FitOptions::default() }, &())?;
/// println!("trusted: {}", fit.verdict.is_trusted());
/// # Ok::<(), stanmatch::fit::FitError>(())
/// ```
pub trait EngineSpec: Sync {
    /// The engine.
    type Engine: Engine + Serialize + DeserializeOwned + Send + 'static;

    /// The method's name in documents and on the command line.
    fn name(&self) -> &'static str;

    /// One line that says what it is.
    fn summary(&self) -> &'static str;

    /// The options that it has beyond those of all engines.
    fn options(&self) -> &'static [EngineOption] {
        &[]
    }

    /// What it does unless told otherwise, in `dim` dimensions.
    fn defaults(&self, dim: usize) -> EngineDefaults {
        let _ = dim;
        EngineDefaults::default()
    }

    /// The engine at the local Gaussian `init`. `rank` is that of a low-rank covariance, whose first columns come from
    /// `rng`; engines with another structure ignore both.
    fn start(&self, init: LocalGaussian, rank: usize, rng: &mut Rng) -> Self::Engine;

    /// Whether short runs find a learning rate where none is given.
    fn searches_learning_rate(&self) -> bool {
        false
    }
}

/// Why an engine has no result.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The run gave up.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// The rank is that of any covariance.
    #[error("the rank of a low-rank covariance must be less than the dimension {dim}, but is {rank}")]
    Rank {
        /// The rank that was asked for.
        rank: usize,
        /// The dimension.
        dim: usize,
    },
    /// A saved state cannot be continued.
    #[error(transparent)]
    State(#[from] StateError),
}

/// An [`EngineSpec`] of whatever engine.
pub trait EngineMethod: Sync {
    /// [`EngineSpec::name`].
    fn name(&self) -> &'static str;

    /// [`EngineSpec::summary`].
    fn summary(&self) -> &'static str;

    /// [`EngineSpec::options`].
    fn options(&self) -> &'static [EngineOption];

    /// [`EngineSpec::defaults`].
    fn defaults(&self, dim: usize) -> EngineDefaults;

    /// [`EngineSpec::searches_learning_rate`].
    fn searches_learning_rate(&self) -> bool;

    /// The learning rate of a grid that short runs from `init` do best with.
    ///
    /// # Errors
    /// Where a short run gives up, or the rank is not less than the dimension.
    fn search_learning_rate(
        &self,
        init: LocalGaussian,
        settings: &EngineSettings,
        target: &CountingTarget<&dyn Model>,
        seed: u64,
    ) -> Result<f64, EngineError>;

    /// A run that starts at `init`, after `spent` gradient evaluations.
    ///
    /// # Errors
    /// Where the rank is not less than the dimension.
    fn start(
        &self,
        init: LocalGaussian,
        settings: &EngineSettings,
        seed: u64,
        spent: u64,
    ) -> Result<Box<dyn EngineRun>, EngineError>;

    /// The run that was saved as `state`, in `dim` dimensions.
    ///
    /// # Errors
    /// Where the state is not one of this engine in this dimension, or of another rank than `settings` ask for.
    fn resume(
        &self,
        state: SavedState,
        settings: &EngineSettings,
        dim: usize,
    ) -> Result<Box<dyn EngineRun>, EngineError>;
}

/// A run of whatever engine, before or after some of its iterations.
pub trait EngineRun: Send {
    /// Continues the run.
    ///
    /// # Errors
    /// Where the run gives up.
    fn run(
        &mut self,
        target: &CountingTarget<&dyn Model>,
        options: &DriverOptions,
        observe: &mut dyn FnMut(&TraceRow) -> ControlFlow<()>,
    ) -> Result<Outcome<Approximation>, DriverError>;

    /// The state, of a fit of `origin`, as a document from which the run can be continued. `name` is the method's.
    ///
    /// # Errors
    /// Where a number cannot be written.
    fn to_json(&self, name: &str, origin: &StateOrigin) -> serde_json::Result<Vec<u8>>;
}

impl EngineSettings {
    /// How `method` is driven in `dim` dimensions.
    pub fn driver(&self, method: &dyn EngineMethod, dim: usize) -> DriverOptions {
        let defaults = method.defaults(dim);
        DriverOptions {
            batch: self.batch.unwrap_or(defaults.batch),
            max_iterations: self.iterations.unwrap_or(defaults.iterations),
            budget: self.budget,
            learning_rate: self.learning_rate,
            window: defaults.window,
            averaging: self.averaging.unwrap_or(defaults.averaging),
            reference: self.reference.clone(),
        }
    }

    /// The rank of `method`'s covariance in `dim` dimensions: what was asked for, or the default, or where that is no
    /// less than the dimension the largest that is.
    fn rank(&self, method: &dyn EngineMethod, dim: usize) -> Result<usize, EngineError> {
        match self.rank {
            Some(rank) if rank >= dim => Err(EngineError::Rank { rank, dim }),
            Some(rank) => Ok(rank),
            None => Ok(method.defaults(dim).rank.min(dim.saturating_sub(1))),
        }
    }

    /// Makes the engine of `spec` at `init`, as often as it is called.
    fn beginning<'a, S>(
        &self,
        spec: &'a S,
        init: LocalGaussian,
        seed: u64,
    ) -> Result<impl Fn() -> S::Engine + use<'a, S>, EngineError>
    where
        S: EngineSpec,
        <S::Engine as Engine>::Approximation: Into<Approximation>,
    {
        let rank = self.rank(spec, init.dim())?;
        Ok(move || spec.start(init.clone(), rank, &mut Stream::Loadings.of(seed)))
    }
}

impl<S: EngineSpec> EngineMethod for S
where
    <S::Engine as Engine>::Approximation: Into<Approximation>,
{
    fn name(&self) -> &'static str {
        EngineSpec::name(self)
    }

    fn summary(&self) -> &'static str {
        EngineSpec::summary(self)
    }

    fn options(&self) -> &'static [EngineOption] {
        EngineSpec::options(self)
    }

    fn defaults(&self, dim: usize) -> EngineDefaults {
        EngineSpec::defaults(self, dim)
    }

    fn searches_learning_rate(&self) -> bool {
        EngineSpec::searches_learning_rate(self)
    }

    fn search_learning_rate(
        &self,
        init: LocalGaussian,
        settings: &EngineSettings,
        target: &CountingTarget<&dyn Model>,
        seed: u64,
    ) -> Result<f64, EngineError> {
        let options = settings.driver(self, init.dim());
        let begin = settings.beginning(self, init, seed)?;
        Ok(best_learning_rate(&begin, target, &options, &Stream::Engine.of(seed))?)
    }

    fn start(
        &self,
        init: LocalGaussian,
        settings: &EngineSettings,
        seed: u64,
        spent: u64,
    ) -> Result<Box<dyn EngineRun>, EngineError> {
        let begin = settings.beginning(self, init, seed)?;
        Ok(Box::new(RunState::new(begin(), Stream::Engine.of(seed), spent)))
    }

    fn resume(
        &self,
        state: SavedState,
        settings: &EngineSettings,
        dim: usize,
    ) -> Result<Box<dyn EngineRun>, EngineError> {
        let file = state.file().to_owned();
        let run = state.continued::<S::Engine>(EngineSpec::name(self), dim)?;
        if let Some(asked) = settings.rank
            && let Approximation::LowRank(it) = run.engine().approximation().clone().into()
            && it.rank() != asked
        {
            return Err(StateError::Rank { file, saved: it.rank(), asked }.into());
        }
        Ok(Box::new(run))
    }
}

impl<E> EngineRun for RunState<E>
where
    E: Engine + Serialize + Send,
    E::Approximation: Into<Approximation>,
{
    fn run(
        &mut self,
        target: &CountingTarget<&dyn Model>,
        options: &DriverOptions,
        observe: &mut dyn FnMut(&TraceRow) -> ControlFlow<()>,
    ) -> Result<Outcome<Approximation>, DriverError> {
        Ok(RunState::run(self, target, options, observe)?.map(Into::into))
    }

    fn to_json(&self, name: &str, origin: &StateOrigin) -> serde_json::Result<Vec<u8>> {
        RunState::to_json(self, name, origin)
    }
}

impl fmt::Debug for dyn EngineMethod {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl PartialEq for dyn EngineMethod {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}
