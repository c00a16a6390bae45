//! A fit of a triangular map: batch and match for a Gaussian to begin at, an exploration that fits the map
//! to the scores that short chains meet, importance sampling from it, and a verdict that also asks the
//! chains, whose points did not come from the map.

mod importance;
mod judgement;
mod knowledge;
#[cfg(test)]
mod tests;

use super::answer::Answer;
use super::initial_gaussian::initial_gaussian;
use super::modes::{self, Search, compared_with_draws};
use super::options::{Init, MAP};
use super::phase::Phases;
use super::{EngineState, Finding, Fit, FitError, MapOptions, Problem, SavedRun, Verdict};
use crate::engine::transport::{Bounds, Exploration, Explored, LEAST_BUDGET, SavedExploration};
use crate::engine::{
    Bam, BatchAndMatch, EngineError, EngineSettings, SavedState, StateError, StateOrigin, TraceRow, run,
};
use crate::gaussian::{Approximation, DenseGaussian, GaussianApproximation};
use crate::init::{LocalGaussian, PathOptions};
use crate::model::Model;
use crate::random::{Stream, standard_normal};
use crate::transport::TriangularMap;
use importance::{MapImportance, map_importance};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

/// The largest dimension: a map has some 2 D² coefficients or more, and a fit of them takes seconds here.
pub const LARGEST_MAP: usize = 300;

/// How often an exploration continues where the draws of its map cannot be trusted: two of ten maps of centred eight
/// schools can be at first and seven after one continuation; a second one helps one of ten funnels.
const CONTINUATIONS: usize = 2;
/// Rounds of an exploration with all continuations.
pub const MOST_MAP_ROUNDS: usize = Bounds::most_rounds(CONTINUATIONS);
/// A map whose k̂ is at most this may become good enough: those that did had 0.4 to 0.9, those of rings and crosses more.
const PROMISING: f64 = 1.0;

/// A fit of a map on file.
#[derive(Serialize, Deserialize)]
pub(super) struct SavedMapFit {
    /// Where the exploration began.
    gaussian: DenseGaussian,
    /// Gradient evaluations before the exploration.
    spent: u64,
    exploration: SavedExploration,
}

/// Fits a map, or continues the fit that was saved as `state`.
pub(super) fn fit(
    problem: Problem<'_>,
    options: &MapOptions,
    state: Option<SavedState>,
    mut phases: Phases<'_>,
) -> Result<Fit, FitError> {
    let dim = problem.model.dim();
    if dim > LARGEST_MAP {
        return Err(FitError::TooManyParameters { method: MAP, dim, largest: LARGEST_MAP });
    }
    let mut search = None;
    let (gaussian, spent, mut exploration) = match state {
        Some(state) => continued(state, dim)?,
        None => {
            let (start, found) = start(problem, &options.init, &mut phases)?;
            search = found;
            let gaussian = fitted_gaussian(problem, start, options, &mut phases)?;
            let spent = problem.spent();
            let left = options.budget.map(|budget| budget.saturating_sub(spent));
            if let Some(budget) = options.budget.filter(|_| left < Some(LEAST_BUDGET)) {
                return Err(FitError::BudgetOfChains { budget });
            }
            let exploration = phases.run(MAP, || begin(problem, &gaussian, left))?;
            (gaussian, spent, exploration)
        }
    };
    let budget = options.budget.map(|budget| budget.saturating_sub(spent));
    let found = explored_and_weighed(problem, &mut exploration, spent, (options.rounds, budget), &mut phases)?;
    let Found { explored, importance, mut verdict, trace } = found;
    if problem.draws < problem.draws_asked {
        verdict.notes.push(Finding::FewerDraws { count: problem.draws });
    }
    let answer = answer(problem, &importance, &explored, &mut phases)?;
    let compare = |search| compared_with_draws(problem, search, answer.unconstrained.view(), &mut verdict);
    let modes = search.as_ref().map(compare);
    let saved = SavedMapFit { gaussian: gaussian.clone(), spent, exploration: exploration.saved() };
    let state = Some(EngineState {
        method: MAP,
        origin: StateOrigin::of(problem.model, problem.seed),
        run: SavedRun::Map(Box::new(saved)),
    });
    let fit = Fit::new(answer, verdict, Some(Approximation::from(gaussian)), phases.finish());
    Ok(Fit { trace, state, modes, ..fit })
}

/// The Gaussian that batch and match starts from, and the modes that were found where they could be looked for. One map
/// holds one mode: the draws are compared with all of them.
fn start<'a>(
    problem: Problem<'a>,
    init: &Init,
    phases: &mut Phases<'_>,
) -> Result<(DenseGaussian, Option<Search<'a>>), FitError> {
    if let Init::Path { paths } = init {
        let found = phases.run(init.name(), || modes::search(problem, *paths))?;
        let best = LocalGaussian::from(found.found.first[0].clone());
        return Ok((best.dense(), Some(found)));
    }
    let start = phases.run(init.name(), || initial_gaussian(problem, init))?.dense();
    let search = phases.run("modes", || modes::search(problem, PathOptions::default().paths)).ok();
    Ok((start, search))
}

/// The Gaussian of batch and match, for half of the budget at most.
fn fitted_gaussian(
    problem: Problem<'_>,
    start: DenseGaussian,
    options: &MapOptions,
    phases: &mut Phases<'_>,
) -> Result<DenseGaussian, FitError> {
    let Problem { model, target, watch, seed, .. } = problem;
    let budget = options.budget.map(|budget| budget / 2);
    let settings = EngineSettings { budget, ..EngineSettings::default() };
    let driver = settings.driver(&BatchAndMatch, model.dim());
    if let Some(whole) = options.budget
        && whole / 2 < problem.spent() + driver.batch as u64
    {
        return Err(FitError::BudgetOfChains { budget: whole });
    }
    let mut rng = Stream::Engine.of(seed);
    let outcome =
        phases.run("bam", || run(&mut Bam::new(start), target, &driver, &mut rng, &mut |row| watch.iteration(row)));
    let gaussian = outcome.map_err(EngineError::from)?.approximation;
    if watch.is_cancelled() { Err(FitError::Cancelled) } else { Ok(gaussian) }
}

/// An exploration from `gaussian`, whose start takes at most `budget` gradient evaluations.
fn begin(problem: Problem<'_>, gaussian: &DenseGaussian, budget: Option<u64>) -> Result<Exploration, FitError> {
    let Problem { model, target, seed, .. } = problem;
    let constrained = constrained_coordinates(model, gaussian);
    Ok(Exploration::begin(target, gaussian, constrained, Stream::Exploration.of(seed), budget)?)
}

/// What an exploration found, weighed and judged.
struct Found {
    explored: Explored,
    importance: MapImportance,
    verdict: Verdict,
    trace: Vec<TraceRow>,
}

/// Continues `exploration` up to so many rounds, or where none are given by as many as its map needs, within the budget,
/// and weighs draws of the map. `spent` gradient evaluations came before it.
fn explored_and_weighed(
    problem: Problem<'_>,
    exploration: &mut Exploration,
    spent: u64,
    (rounds, budget): (Option<usize>, Option<u64>),
    phases: &mut Phases<'_>,
) -> Result<Found, FitError> {
    let mut bounds = Bounds { budget, ..Bounds::default() };
    bounds.rounds = rounds.unwrap_or(bounds.rounds);
    let (mut trace, mut continued) = (Vec::new(), 0);
    loop {
        let explored = phases.run(MAP, || explore(problem, exploration, spent, bounds, &mut trace))?;
        let (importance, verdict) = weigh(problem, &explored, phases);
        let is_last = rounds.is_some() || continued == CONTINUATIONS || !exploration.may_continue(bounds);
        if is_last || verdict.is_trusted() || verdict.pareto_k > PROMISING {
            return Ok(Found { explored, importance, verdict, trace });
        }
        bounds = bounds.after(exploration.rounds());
        continued += 1;
    }
}

/// Continues `exploration` within `bounds`, and tells its rounds. `spent` gradient evaluations came before it.
fn explore(
    problem: Problem<'_>,
    exploration: &mut Exploration,
    spent: u64,
    bounds: Bounds,
    trace: &mut Vec<TraceRow>,
) -> Result<Explored, FitError> {
    while !exploration.is_over(bounds) {
        let round = exploration.round(problem.target, bounds)?;
        let row = TraceRow {
            iteration: round.round,
            gradient_evaluations: spent + round.gradient_evaluations,
            score_divergence: round.residual.exp_m1(),
            elbo: f64::NAN,
            rejected: round.divergences,
            errors: None,
        };
        if problem.watch.iteration(&row).is_break() {
            return Err(FitError::Cancelled);
        }
        trace.push(row);
    }
    Ok(exploration.explored())
}

/// Weighs draws of the map towards the posterior, and judges them.
fn weigh(problem: Problem<'_>, explored: &Explored, phases: &mut Phases<'_>) -> (MapImportance, Verdict) {
    let mut rng = Stream::Importance.of(problem.seed);
    let importance = phases.run("psis", || map_importance(problem, explored, &mut rng));
    let mut verdict = judgement::verdict(&importance, problem.model.names());
    verdict.score_divergence = explored.residual.exp_m1();
    (importance, verdict)
}

/// The draws: those that were weighed, or where these cannot be trusted the map's own.
fn answer(
    problem: Problem<'_>,
    importance: &MapImportance,
    explored: &Explored,
    phases: &mut Phases<'_>,
) -> Result<Answer, FitError> {
    let Problem { model, draws, seed, .. } = problem;
    let mut rng = Stream::Draws.of(seed);
    if importance.weighted.is_trusted() {
        return Ok(Answer::resampled(problem, &importance.weighted, &mut rng, phases)?);
    }
    let noise = standard_normal(&mut rng, (draws, model.dim()));
    let mut points = Array2::zeros(noise.dim());
    explored.map.draws(noise.view(), points.view_mut());
    Ok(Answer::of_points(problem, points, draws as f64, phases)?)
}

/// What a map that begins as a Gaussian is worth.
pub(super) struct Attempt {
    /// The map.
    pub map: TriangularMap,
    /// The mean of log(1 + ‖R‖²/D).
    pub residual: f64,
    /// The diagnostics of its draws.
    pub verdict: Verdict,
    /// The answer; none where something speaks against the draws.
    pub answer: Option<Answer>,
}

/// Fits a map that begins as `gaussian`, by at most `budget` gradient evaluations.
pub(super) fn attempt(
    problem: Problem<'_>,
    gaussian: &DenseGaussian,
    budget: Option<u64>,
    phases: &mut Phases<'_>,
) -> Result<Attempt, FitError> {
    let spent = problem.spent();
    let mut exploration = phases.run(MAP, || begin(problem, gaussian, budget))?;
    let Found { explored, importance, verdict, .. } =
        explored_and_weighed(problem, &mut exploration, spent, (None, budget), phases)?;
    let answer = verdict.is_trusted().then(|| answer(problem, &importance, &explored, phases)).transpose()?;
    Ok(Attempt { map: explored.map, residual: explored.residual, verdict, answer })
}

/// A map that begins as `gaussian`, by at most `budget` gradient evaluations, and the mean of log(1 + ‖R‖²/D). Its draws
/// are not weighed: the exploration continues once in any case. A crossed Poisson model with 93 parameters needed 62 000
/// gradient evaluations of chains after two continuations, and 2.2 million after none.
pub(super) fn coordinates(
    problem: Problem<'_>,
    gaussian: &DenseGaussian,
    budget: Option<u64>,
    phases: &mut Phases<'_>,
) -> Result<(TriangularMap, f64), FitError> {
    let spent = problem.spent();
    let bounds = Bounds { budget, ..Bounds::default() }.after(Bounds::default().rounds);
    let Explored { map, residual, .. } = phases.run(MAP, || {
        let mut exploration = begin(problem, gaussian, budget)?;
        explore(problem, &mut exploration, spent, bounds, &mut Vec::new())
    })?;
    Ok((map, residual))
}

/// The fit that was saved as `state`, of a model of dimension `dim`.
fn continued(state: SavedState, dim: usize) -> Result<(DenseGaussian, u64, Exploration), FitError> {
    let file = state.file().to_owned();
    let SavedMapFit { gaussian, spent, exploration } = state.parsed(MAP)?;
    let fits = gaussian.is_consistent() && gaussian.dim() == dim;
    let exploration = fits.then(|| Exploration::restored(exploration, dim)).flatten();
    Ok((gaussian, spent, exploration.ok_or(StateError::Dimension { file, dim })?))
}

/// Which coordinates belong to constrained parameters: those whose parameter of the same name has another
/// value at the Gaussian's mean.
fn constrained_coordinates(model: &dyn Model, gaussian: &DenseGaussian) -> Vec<bool> {
    let mean = gaussian.mean().to_vec();
    let mut parameters = vec![0.0; model.parameter_count()];
    if model.constrain_parameters(&mean, &mut parameters).is_err() {
        return vec![false; mean.len()];
    }
    let names = model.names();
    let differs = |(name, value): (&String, &f64)| {
        names.iter().position(|other| other == name).is_some_and(|index| parameters.get(index) != Some(value))
    };
    model.unconstrained_names().iter().zip(&mean).map(differs).collect()
}
