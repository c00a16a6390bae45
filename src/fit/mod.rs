//! One fit as a whole: from a model and options to draws that say whether to trust them.
//!
//! A fit of a Gaussian is a sequence of phases, each a function from plain data to plain data: an init
//! ([`Init`]), an engine ([`EngineMethod`](crate::engine::EngineMethod)), importance sampling ([`importance`]), the
//! verdict on it, and the draws. Where the method is [`Method::Auto`] and something speaks against the draws, a
//! triangular map and Markov chains follow. The file `gaussian.rs` has that sequence.

mod answer;
mod arguments;
mod checkpoint;
mod draw_limit;
mod engine_run;
mod error;
mod finding;
mod gaussian;
mod importance;
mod initial_gaussian;
mod map_coordinates;
mod map_fallback;
mod mcmc_fallback;
mod modes;
mod monte_carlo_error;
mod nuts_fallback;
mod nuts_method;
mod observer;
mod option_name;
mod options;
mod pathfinder;
mod phase;
mod semi_implicit;
mod short_chains;
mod summary;
#[cfg(test)]
mod tests;
mod thinning;
mod transport;
mod unsettled;
mod verdict;
mod weighted_draws;

pub use arguments::{FitArguments, method_names};
pub use error::FitError;
pub use finding::{Finding, Proposal};
pub use importance::{Importance, importance};
pub use modes::{FitMode, FitModes};
pub use observer::Observer;
pub use option_name::FitOption;
pub use options::{
    FitOptions, GaussianOptions, Init, LARGEST_DENSE, MapOptions, Method, NutsFitOptions, SemiImplicitOptions,
    auto_engine,
};
pub use phase::Phase;
pub use summary::QuantitySummary;
pub use transport::{LARGEST_MAP, MOST_MAP_ROUNDS};
pub use unsettled::{Moment, Unsettled};
pub use verdict::Verdict;
pub use weighted_draws::{ImportanceJudgement, WeightedDraws};

use crate::draws::Draws;
use crate::engine::{EngineRun, SavedState, StateOrigin, TraceRow, state_document};
use crate::gaussian::Approximation;
use crate::model::{CountingTarget, Counts, Model};
use answer::Answer;
use gaussian::Fallback;
use ndarray::Array2;
use observer::Watch;
use phase::Phases;
use std::fmt;

/// The file of a saved fit's document: a folder that has one holds one whole fit.
pub(crate) const FIT_DOCUMENT: &str = "fit.json";

/// What a fit arrived at.
#[derive(Debug)]
pub struct Fit {
    /// Draws of parameters, transformed parameters and generated quantities, on the constrained scale.
    pub draws: Draws,
    /// The same draws on the unconstrained scale, draws × D.
    pub unconstrained: Array2<f64>,
    /// How many independent draws the draws of each quantity are worth.
    pub effective_draws: Vec<f64>,
    /// The Gaussian that was fitted, on the unconstrained scale: of several, the best; none where the method fits none.
    pub approximation: Option<Approximation>,
    /// Whether the answer can be trusted, and what speaks against it.
    pub verdict: Verdict,
    /// What each phase cost.
    pub phases: Vec<Phase>,
    /// What was seen at each iteration of the engine.
    pub trace: Vec<TraceRow>,
    /// Where the engine stopped, to be resumed; none where no engine ran, or several did.
    pub state: Option<EngineState>,
    /// The modes that were looked for; none where none were, or none was found.
    pub modes: Option<FitModes>,
}

/// Where an engine stopped.
pub struct EngineState {
    method: &'static str,
    origin: StateOrigin,
    run: SavedRun,
}

/// What is kept of an engine.
enum SavedRun {
    /// A run of an engine that fits a Gaussian.
    Engine(Box<dyn EngineRun>),
    /// The exploration of a map.
    Map(Box<transport::SavedMapFit>),
}

impl fmt::Debug for EngineState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("EngineState").field("method", &self.method).finish_non_exhaustive()
    }
}

impl EngineState {
    /// The state as a document, which [`SavedState::load`] reads from a file.
    ///
    /// # Errors
    /// Where a number cannot be written.
    pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        match &self.run {
            SavedRun::Engine(run) => run.to_json(self.method, &self.origin),
            SavedRun::Map(saved) => state_document(self.method, &self.origin, saved),
        }
    }
}

/// What every phase of a fit reads.
#[derive(Clone, Copy)]
struct Problem<'a> {
    model: &'a dyn Model,
    target: &'a CountingTarget<&'a dyn Model>,
    watch: &'a Watch<'a>,
    /// How many draws were asked for.
    draws_asked: usize,
    /// How many draws are returned: not more than fit into a fit's memory.
    draws: usize,
    seed: u64,
}

impl Problem<'_> {
    /// Gradient evaluations so far.
    fn spent(&self) -> u64 {
        self.target.counts().gradient_evaluations
    }
}

/// Fits the posterior `model`, by default with a Gaussian whose draws are corrected by importance sampling. Where these
/// cannot be trusted, a triangular map and Markov chains follow. The result depends on the options alone, not on the
/// number of threads, which are those of the rayon pool that this is called in.
///
/// ```
/// use stanmatch::fit::{FitOptions, fit};
/// use stanmatch::model::{Density, Unconstrained};
///
/// // The logarithm of a gamma variable of shape 3.
/// let log_gamma = Density::new(1, |x: &[f64], gradient: &mut [f64]| {
///     gradient[0] = 3.0 - x[0].exp();
///     3.0 * x[0] - x[0].exp()
/// });
/// let options = FitOptions { draws: 2000, seed: 7, ..FitOptions::default() };
/// let fit = fit(&Unconstrained::new(log_gamma), &options, &())?;
///
/// // Nothing speaks against the answer, so its draws are those of the posterior.
/// assert!(fit.verdict.is_trusted(), "{:?}", fit.verdict.objections);
/// assert_eq!(fit.draws.len(), 2000);
/// let gamma = fit.draws.values().column(0).mapv(f64::exp);
/// assert!((gamma.sum() / 2000.0 - 3.0).abs() < 0.2);
/// # Ok::<(), stanmatch::fit::FitError>(())
/// ```
///
/// # Errors
/// Where an option makes no sense, there is no place to start, the program fails, or the observer cancels the fit.
pub fn fit(model: &dyn Model, options: &FitOptions, observer: &dyn Observer) -> Result<Fit, FitError> {
    run(model, options, None, observer)
}

/// Continues a fit whose engine stopped at `state`. With the options of that fit, but for more iterations or budget, the
/// result is the one that the fit would have had with them. A semi-implicit fit is continued with its own options alone,
/// as its schedule depends on how many steps it has.
///
/// # Errors
/// As [`fit`], and where the state is not one of the method and the seed, or of another posterior.
pub fn resume(
    model: &dyn Model,
    options: &FitOptions,
    state: SavedState,
    observer: &dyn Observer,
) -> Result<Fit, FitError> {
    run(model, options, Some(state), observer)
}

fn run(
    model: &dyn Model,
    options: &FitOptions,
    state: Option<SavedState>,
    observer: &dyn Observer,
) -> Result<Fit, FitError> {
    let dim = model.dim();
    options.check(Some(dim))?;
    if dim == 0 {
        return Err(FitError::NoParameters);
    }
    if let Some(state) = &state {
        state.check_origin(&StateOrigin::of(model, options.seed))?;
    }
    let target = CountingTarget::new(model);
    let watch = Watch::new(observer);
    let draws = draw_limit::affordable(options.draws, dim.max(model.names().len()));
    let problem =
        Problem { model, target: &target, watch: &watch, draws_asked: options.draws, draws, seed: options.seed };
    let phases = Phases::new(&target, &watch);
    let result = match &options.method {
        Method::Auto(of_gaussian) => {
            let fallback = Fallback::MapAndChains { budget: of_gaussian.engine.budget };
            let engine = match &state {
                // A fit in whatever dimension can be continued by the engine that it was begun with.
                Some(state) if state.engine() == auto_engine(usize::MAX).name() => auto_engine(usize::MAX),
                _ => auto_engine(dim),
            };
            gaussian::fit(problem, engine, of_gaussian, state, fallback, phases)
        }
        Method::Engine(engine, of_gaussian) => {
            gaussian::fit(problem, *engine, of_gaussian, state, Fallback::None, phases)
        }
        Method::SemiImplicit(of_family) => semi_implicit::fit(problem, of_family, state, phases),
        Method::Map(of_map) => transport::fit(problem, of_map, state, phases),
        method if state.is_some() => Err(FitError::NotResumable { method: method.name() }),
        Method::Pathfinder { paths } => pathfinder::fit(problem, *paths, phases),
        Method::Laplace => gaussian::laplace(problem, phases),
        Method::Nuts(of_chains) => nuts_method::fit(problem, of_chains, phases),
    };
    // What a cancelled fit came to is no answer, and its errors are those of being cancelled.
    if watch.is_cancelled() { Err(FitError::Cancelled) } else { with_what_was_said(result, &target) }
}

/// A fit, or why there is none, with what the program said of the points that it rejected. Where the program is wrong there
/// is no fit.
fn with_what_was_said(fitted: Result<Fit, FitError>, target: &CountingTarget<&dyn Model>) -> Result<Fit, FitError> {
    if let Some(defect) = target.defect() {
        return Err(FitError::Defect(defect));
    }
    let rejections = target.rejections();
    let mut fit = fitted.map_err(|error| error.with_rejections(rejections.clone()))?;
    let is_count =
        |finding: &Finding| matches!(finding, Finding::EngineRejections { .. } | Finding::FamilyRejections { .. });
    if rejections.count() > 0 && (!fit.verdict.is_trusted() || fit.verdict.notes.iter().any(is_count)) {
        fit.verdict.notes.push(Finding::Rejections(rejections));
    }
    Ok(fit)
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

    fn new(answer: Answer, verdict: Verdict, approximation: Option<Approximation>, phases: Vec<Phase>) -> Self {
        let Answer { draws, unconstrained, effective_draws } = answer;
        Self {
            draws,
            unconstrained,
            effective_draws,
            approximation,
            verdict,
            phases,
            trace: Vec::new(),
            state: None,
            modes: None,
        }
    }
}
