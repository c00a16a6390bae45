//! Why there is no fit.

use super::FitOption;
use crate::engine::sivi::SiviError;
use crate::engine::transport::ExplorationError;
use crate::engine::{DriverError, EngineError, StateError};
use crate::gaussian::NotPositiveDefinite;
use crate::init::InitError;
use crate::model::Rejections;
use crate::sample::{ConstrainError, SampleError};
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Why there is no fit.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FitError {
    /// No place to start.
    #[error(transparent)]
    Init(#[from] InitError),
    /// The engine gave up.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Draws could not be brought to the constrained scale.
    #[error(transparent)]
    Constrain(#[from] ConstrainError),
    /// NUTS failed.
    #[error(transparent)]
    Sample(#[from] SampleError),
    /// A map could not be fitted.
    #[error(transparent)]
    Map(#[from] ExplorationError),
    /// The semi-implicit family could not be fitted.
    #[error(transparent)]
    Sivi(#[from] SiviError),
    /// The Gaussian of a mode has no inverse in floating point.
    #[error("the Gaussian of a mode is singular: {0}")]
    SingularMode(#[from] NotPositiveDefinite),
    /// The program is wrong, whatever the parameters: an index is out of range, or sizes do not match.
    #[error("the program is wrong: {0}")]
    Defect(String),
    /// The fit failed, and the program rejected points on the way.
    #[error("{error}. The program said: {rejections}")]
    Rejected {
        /// How it failed.
        error: Box<FitError>,
        /// What the program said.
        rejections: Rejections,
    },
    /// There is no such method.
    #[error("there is no method `{name}`")]
    UnknownMethod {
        /// The name that was given.
        name: String,
    },
    /// An option has a value that makes no sense.
    #[error("{option} must be {allowed}, not {value}")]
    OptionValue {
        /// The option.
        option: FitOption,
        /// Which values it may have.
        allowed: &'static str,
        /// The value that it has.
        value: usize,
    },
    /// The learning rate makes no sense.
    #[error("the learning rate must be a positive number, not {0}")]
    LearningRate(f64),
    /// The method does not start in this way.
    #[error("the method {method} does not start from the init {init}")]
    InitOfMethod {
        /// The init's name.
        init: &'static str,
        /// The method's name.
        method: &'static str,
    },
    /// The init has no optimisation paths.
    #[error("the init {init} has no optimisation paths")]
    PathsOfInit {
        /// The init's name.
        init: &'static str,
    },
    /// The method has no use for an option.
    #[error("{option} does not apply to the method {method}")]
    OptionOfMethod {
        /// The option.
        option: FitOption,
        /// The method's name.
        method: &'static str,
    },
    /// The method has no use for an argument.
    #[error("{option} does not apply to the method {method}")]
    UnusedArgument {
        /// The option.
        option: FitOption,
        /// The method's name.
        method: String,
    },
    /// The method cannot continue from a saved state.
    #[error("a fit by the method {method} has no state to continue from")]
    NotResumable {
        /// The method's name.
        method: &'static str,
    },
    /// The saved state is that of another fit.
    #[error(transparent)]
    State(#[from] StateError),
    /// The saved state is that of a fit with another value of an option.
    #[error("the state {} is of a fit with {option} {saved}, not {asked}", file.display())]
    OptionOfState {
        /// The file.
        file: PathBuf,
        /// The option.
        option: FitOption,
        /// Its value in that fit.
        saved: String,
        /// The value that was asked for.
        asked: String,
    },
    /// The state cannot be kept on file.
    #[error("the fit's state cannot be written to {}", path.display())]
    StateUnwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The budget does not pay for NUTS.
    #[error(
        "a budget of {budget} gradient evaluations is too small for {chains} chains of {iterations} NUTS iterations"
    )]
    Budget {
        /// The budget.
        budget: u64,
        /// Chains.
        chains: usize,
        /// Iterations of each chain.
        iterations: usize,
    },
    /// The budget does not pay for a semi-implicit fit.
    #[error("a budget of {budget} gradient evaluations is too small for a semi-implicit fit")]
    BudgetOfSteps {
        /// The budget.
        budget: u64,
    },
    /// The observer cancelled the fit.
    #[error("the fit was cancelled")]
    Cancelled,
    /// The budget does not pay for a map.
    #[error("a budget of {budget} gradient evaluations is too small for a Gaussian and the chains of a map")]
    BudgetOfChains {
        /// The budget.
        budget: u64,
    },
    /// The method does not fit so many parameters.
    #[error("the method {method} fits at most {largest} parameters, not {dim}")]
    TooManyParameters {
        /// The method's name.
        method: &'static str,
        /// The dimension.
        dim: usize,
        /// The largest dimension.
        largest: usize,
    },
    /// The program has no parameters.
    #[error("the program has no parameters, so there is nothing to fit")]
    NoParameters,
    /// The initial values are not as many as the program's parameters.
    #[error("{given} initial values were given for {dim} unconstrained parameters")]
    InitLength {
        /// How many were given.
        given: usize,
        /// The dimension.
        dim: usize,
    },
}

impl FitError {
    /// The error with what the program said of the points that it rejected, where these may be its cause.
    pub(super) fn with_rejections(self, rejections: Rejections) -> Self {
        let may_be_caused = match &self {
            Self::Init(error) => *error == InitError::NoGaussian,
            Self::Engine(EngineError::Driver(error)) => {
                matches!(error, DriverError::NoUsableDraws(_) | DriverError::Stuck(_))
            }
            Self::Sivi(error) => matches!(error, SiviError::NoUsableDraws),
            _ => false,
        };
        if may_be_caused && rejections.count() > 0 {
            Self::Rejected { error: Box::new(self), rejections }
        } else {
            self
        }
    }

    /// The option that is to be changed, where it is one.
    pub fn option(&self) -> Option<FitOption> {
        match self {
            Self::OptionValue { option, .. } | Self::OptionOfMethod { option, .. } => Some(*option),
            Self::UnusedArgument { option, .. } | Self::OptionOfState { option, .. } => Some(*option),
            Self::Sivi(SiviError::State(_)) => Some(FitOption::Resume),
            Self::UnknownMethod { .. } => Some(FitOption::Method),
            Self::LearningRate(_) => Some(FitOption::LearningRate),
            Self::InitOfMethod { .. } | Self::InitLength { .. } => Some(FitOption::Init),
            Self::PathsOfInit { .. } => Some(FitOption::Paths),
            Self::NotResumable { .. } | Self::State(_) => Some(FitOption::Resume),
            Self::Engine(EngineError::State(_)) => Some(FitOption::Resume),
            Self::Engine(EngineError::Rank { .. }) => Some(FitOption::Rank),
            Self::Budget { .. } | Self::BudgetOfSteps { .. } | Self::BudgetOfChains { .. } => Some(FitOption::Budget),
            Self::Engine(EngineError::Driver(DriverError::Budget { .. })) => Some(FitOption::Budget),
            Self::TooManyParameters { .. } => Some(FitOption::Method),
            _ => None,
        }
    }
}
