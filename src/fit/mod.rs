//! One fit as a whole: a place to begin, an engine, importance sampling from what it found, and a verdict.

mod checkpoint;
mod course;
mod draw_limit;
mod importance;
mod importance_draws;
mod mcmc_fallback;
mod monte_carlo_error;
mod nuts_fallback;
mod nuts_method;
mod options;
mod pathfinder;
mod phase;
mod probe;
mod semi_implicit;
mod thinning;

pub use importance::{Importance, importance};
pub use importance_draws::WeightedDraws;
pub use options::{FitOptions, Init, Method};
pub use phase::Phase;

use crate::draws::Draws;
use crate::engine::advi::{AdviFullRank, AdviLowRank};
use crate::engine::sivi::{SiviError, SiviObjective};
use crate::engine::{Bam, DriverError, Gsm, PBam, Patch, SavedState, TraceRow};
use crate::gaussian::Approximation;
use crate::init::InitError;
use crate::model::{CountingTarget, Counts, Model};
use crate::random::stream;
use crate::sample::{ConstrainError, SampleError};
use course::Course;
use ndarray::Array2;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// What a fit arrived at.
pub struct Fit {
    /// Draws of parameters, transformed parameters and generated quantities, on the constrained scale.
    pub draws: Draws,
    /// The same draws on the unconstrained scale, draws × D.
    pub unconstrained: Array2<f64>,
    /// How many independent draws the draws of each quantity are worth.
    pub effective_draws: Vec<f64>,
    /// The Gaussian that was fitted, on the unconstrained scale: of several, the best; none where the method fits none.
    pub family: Option<Approximation>,
    /// Whether the answer can be trusted, and what speaks against it.
    pub verdict: Verdict,
    /// What each phase cost.
    pub phases: Vec<Phase>,
    /// What was seen at each iteration of the engine.
    pub trace: Vec<TraceRow>,
    /// Where the engine stopped, to be resumed; none where no engine ran.
    pub state: Option<SavedState>,
}

/// The diagnostics of a fit. All that apply must agree for it to be trusted.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The shape of the importance weights' tail; NaN where nothing was weighed.
    pub pareto_k: f64,
    /// The largest shape of the tail of the weights times a parameter's squared deviations, likewise.
    pub pareto_k_of_variances: f64,
    /// The largest movement of a parameter's mean, in standard deviations, or log standard deviation, when short chains
    /// went on from the Gaussian's draws; NaN where none did.
    pub max_drift: f64,
    /// The evidence lower bound of the Gaussian, not finite where a draw of it was rejected; NaN where there is none.
    pub elbo: f64,
    /// The score divergence per dimension at the end, the median of the last iterations; NaN where no engine ran.
    pub score_divergence: f64,
    /// Whether the engine's score divergence stopped falling; none where no engine ran.
    pub converged: Option<bool>,
    /// What speaks against the answer, one sentence each; empty for a fit to be trusted.
    pub objections: Vec<String>,
    /// What else a user should know: why there was more to do than a Gaussian fit.
    pub notes: Vec<String>,
}

impl Verdict {
    /// Nothing known yet, nothing to object.
    fn new() -> Self {
        Self {
            pareto_k: f64::NAN,
            pareto_k_of_variances: f64::NAN,
            max_drift: f64::NAN,
            elbo: f64::NAN,
            score_divergence: f64::NAN,
            converged: None,
            objections: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// What spoke against the Gaussian's draws explains why there are others, which have objections of their own.
    fn replace_objections(&mut self, others: impl IntoIterator<Item = String>) {
        self.notes.extend(std::mem::replace(&mut self.objections, others.into_iter().collect()));
    }
}

/// Why there is no fit.
#[derive(Debug, Error)]
pub enum FitError {
    /// No place to begin.
    #[error(transparent)]
    Init(#[from] InitError),
    /// The engine gave up.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// Draws could not be brought to the constrained scale.
    #[error(transparent)]
    Constrain(#[from] ConstrainError),
    /// An option has a value that makes no sense.
    #[error("{option} must be {allowed}, not {value}")]
    Option {
        /// The option's name on the command line.
        option: &'static str,
        /// Which values it may have.
        allowed: &'static str,
        /// The value that it has.
        value: usize,
    },
    /// The learning rate makes no sense.
    #[error("--learning-rate must be a positive number, not {0}")]
    LearningRate(f64),
    /// The rank is that of any covariance.
    #[error("--rank must be less than the dimension, {dim}, not {rank}: for a full covariance use --method bam")]
    Rank {
        /// The rank that was asked for.
        rank: usize,
        /// The dimension.
        dim: usize,
    },
    /// The method does not begin in this way.
    #[error("the method {method} does not begin with --init {init}: leave --init out")]
    InitOfMethod {
        /// The init's name.
        init: &'static str,
        /// The method's name.
        method: &'static str,
    },
    /// The saved state is not the method's.
    #[error(
        "the saved state is one of {engine}, which the method {method} does not run: give the method of the saved fit"
    )]
    StateOfMethod {
        /// The state's engine.
        engine: &'static str,
        /// The method's name.
        method: &'static str,
    },
    /// An option does not apply to the method.
    #[error("{option} does not apply to the method {method}: leave it out")]
    OptionOfMethod {
        /// The option's name on the command line.
        option: &'static str,
        /// The method's name.
        method: &'static str,
    },
    /// The semi-implicit family could not be fitted.
    #[error(transparent)]
    Sivi(#[from] SiviError),
    /// The state of an earlier run cannot be read.
    #[error("the state {path} cannot be read: {source}")]
    StateUnreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The state cannot be kept.
    #[error("the state {path} cannot be written: {source}")]
    StateUnwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The chains failed.
    #[error(transparent)]
    Sample(#[from] SampleError),
    /// The budget does not pay for the chains.
    #[error("a budget of {budget} gradient evaluations does not pay for {chains} chains of {iterations} iterations")]
    Budget {
        /// The budget.
        budget: u64,
        /// The number of chains.
        chains: usize,
        /// Iterations of each, warm-up included.
        iterations: usize,
    },
    /// The budget does not pay for the coordinates, a step and the judgement.
    #[error("a budget of {budget} gradient evaluations does not pay for a semi-implicit fit; leave --budget out")]
    BudgetOfSteps {
        /// The budget.
        budget: u64,
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

/// The parts of a fit that draw random numbers, each from a stream of its own; the walks of `path` have those from
/// `INIT` on.
mod streams {
    pub const ENGINE: usize = 0;
    pub const IMPORTANCE: usize = 1;
    pub const DRAWS: usize = 2;
    pub const INIT: usize = 3;
    /// Beyond the walks.
    pub const LOADINGS: usize = 1 << 12;
    /// The walks to modes.
    pub const WALKS: usize = LOADINGS + 1;
    /// Beyond those, one for each chain.
    pub const CHAINS: usize = WALKS + (1 << 8);
    /// Beyond the chains, the short ones of the drift probe.
    pub const PROBE: usize = CHAINS + (1 << 8);
}

/// Sees a fit as it goes on; `()` looks away. Methods may be called from several threads.
pub trait Observer: Sync {
    /// A phase begins.
    fn phase(&self, _name: &'static str) {}
    /// The engine made an iteration.
    fn iteration(&self, _row: &TraceRow) {}
    /// A chain made a transition.
    fn transition(&self) {}
}

impl Observer for () {}

/// Fits a Gaussian to the posterior `target`, and corrects its draws by importance sampling where that can be trusted,
/// or where it cannot, with [`Method::Auto`], by short chains or NUTS; or samples it by [`Method::Nuts`] alone. The
/// result depends on the options alone, not on the number of threads.
pub fn fit(target: &dyn Model, options: &FitOptions, observer: &dyn Observer) -> Result<Fit, FitError> {
    options.check()?;
    if let Some(Init::Point(position)) = &options.init
        && position.len() != target.dim()
    {
        return Err(FitError::InitLength { given: position.len(), dim: target.dim() });
    }
    let counted = CountingTarget::new(target);
    let mut course = Course::new(target, &counted, options, observer)?;
    match options.method.engine(target.dim()) {
        Method::Auto | Method::Bam => course.begin().and_then(|start| course.drive("bam", Bam::new(start.dense()))),
        Method::Gsm => course.begin().and_then(|start| course.drive("gsm", Gsm::new(start.dense()))),
        Method::AdviMeanField => course.begin().and_then(|start| {
            let start = start.low_rank(0, &mut stream(options.seed, streams::ENGINE));
            course.advi("advi-meanfield", AdviLowRank::new(start))
        }),
        Method::AdviFullRank => {
            course.begin().and_then(|start| course.advi("advi-fullrank", AdviFullRank::new(start.dense())))
        }
        Method::AdviLowRank => {
            let rank = options.rank(target.dim())?;
            let start = course.begin()?.low_rank(rank, &mut stream(options.seed, streams::LOADINGS));
            course.advi("advi-lowrank", AdviLowRank::new(start))
        }
        Method::PBam => {
            let rank = options.rank(target.dim())?;
            let start = course.begin()?.low_rank(rank, &mut stream(options.seed, streams::LOADINGS));
            course.drive("pbam", PBam::new(start, Patch::default()))
        }
        Method::Pathfinder => course.pathfinder(),
        Method::Laplace => course.begin().and_then(|start| course.conclude(start.dense(), Verdict::new(), Vec::new())),
        Method::Nuts => course.nuts(),
        Method::SiviSm => course.semi_implicit(SiviObjective::ScoreMatching),
        Method::Sivi => course.semi_implicit(SiviObjective::SurrogateElbo),
    }
}

/// Goes on with a fit whose engine stopped at `state`. With the options of that fit, but for more iterations or budget,
/// the result is the one that the fit would have had with them.
pub fn resume(
    target: &dyn Model,
    options: &FitOptions,
    state: SavedState,
    observer: &dyn Observer,
) -> Result<Fit, FitError> {
    options.check()?;
    let counted = CountingTarget::new(target);
    let course = Course::new(target, &counted, options, observer)?;
    let (driver, advi) = (options.driver(target.dim()), options.advi_driver(target.dim()));
    match (options.method, state) {
        (Method::Auto | Method::Bam, SavedState::Bam(state)) => course.go_on("bam", state, &driver),
        (Method::Gsm, SavedState::Gsm(state)) => course.go_on("gsm", state, &driver),
        (Method::Auto | Method::PBam, SavedState::PBam(state)) => course.go_on("pbam", state, &driver),
        (Method::AdviFullRank, SavedState::AdviFullRank(state)) => course.go_on("advi-fullrank", state, &advi),
        (Method::AdviMeanField | Method::AdviLowRank, SavedState::AdviLowRank(state)) => {
            course.go_on(options.method.name(), state, &advi)
        }
        (method, state) => Err(FitError::StateOfMethod { engine: state.engine(), method: method.name() }),
    }
}

impl Fit {
    /// Evaluations over all phases.
    pub fn counts(&self) -> Counts {
        self.phases.iter().fold(Counts::default(), |total, phase| total + phase.counts)
    }

    /// Seconds over all phases.
    pub fn seconds(&self) -> f64 {
        self.phases.iter().map(|phase| phase.seconds).sum()
    }
}
