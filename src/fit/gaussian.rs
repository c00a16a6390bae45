//! The fit of a Gaussian: an init, an engine, importance sampling, the verdict, what follows where that is against the
//! draws, and the draws.

use super::answer::{Answer, plain_draws};
use super::engine_run::run_engine;
use super::initial_gaussian::initial_gaussian;
use super::map_fallback::{LARGEST_TRIED, LARGEST_WEIGHED, MapAttempt, map};
use super::mcmc_fallback::{chains, chains_along, quick_chains};
use super::modes::{self, compared_with_draws};
use super::options::Init;
use super::phase::Phases;
use super::short_chains::ChainCoordinates;
use super::{EngineState, Finding, Fit, FitError, GaussianOptions, Problem, Proposal, SavedRun, Verdict, importance};
use crate::engine::{EngineMethod, SavedState, StateOrigin};
use crate::gaussian::{Approximation, DenseGaussian, GaussianApproximation};
use crate::init::PathOptions;
use crate::random::{Rng, Stream};

/// What follows where the weighted draws cannot be trusted.
#[derive(Clone, Copy)]
pub(super) enum Fallback {
    /// Nothing: the fit is flagged.
    None,
    /// A triangular map, then Markov chains, with what is left of the whole fit's gradient evaluations.
    MapAndChains {
        /// Gradient evaluations of the whole fit, if bounded.
        budget: Option<u64>,
    },
}

/// Fits a Gaussian by `engine`, or continues the fit that was saved as `state`.
pub(super) fn fit(
    problem: Problem<'_>,
    engine: &'static dyn EngineMethod,
    options: &GaussianOptions,
    state: Option<SavedState>,
    fallback: Fallback,
    mut phases: Phases<'_>,
) -> Result<Fit, FitError> {
    let (dim, mut settings) = (problem.model.dim(), options.engine.clone());
    let mut search = None;
    let mut run = match state {
        Some(state) => engine.resume(state, &settings, dim)?,
        None => {
            let start = match &options.init {
                Init::Path { paths } => {
                    let found = phases.run(options.init.name(), || modes::search(problem, *paths))?;
                    if found.found.modes.len() > 1 {
                        return modes::fit(problem, engine, options, &found, phases);
                    }
                    let best = found.found.first[0].clone();
                    search = Some(found);
                    best.into()
                }
                init => {
                    let start = phases.run(init.name(), || initial_gaussian(problem, init))?;
                    search = phases.run("modes", || modes::search(problem, PathOptions::default().paths)).ok();
                    start
                }
            };
            if engine.searches_learning_rate() && settings.learning_rate.initial.is_none() {
                let search = || engine.search_learning_rate(start.clone(), &settings, problem.target, problem.seed);
                settings.learning_rate.initial = Some(phases.run("grid", search)?);
            }
            engine.start(start, &settings, problem.seed, problem.spent())?
        }
    };
    let driver = settings.driver(engine, dim);
    let (outcome, trace) = phases.run(engine.name(), || run_engine(&mut *run, problem, &driver))?;
    let verdict = Verdict::of_engine(&outcome);
    let (answer, mut verdict) = corrected(problem, &outcome.approximation, verdict, fallback, &mut phases)?;
    let compare = |search| compared_with_draws(problem, search, answer.unconstrained.view(), &mut verdict);
    let modes = search.as_ref().map(compare);
    let origin = StateOrigin::of(problem.model, problem.seed);
    let state = Some(EngineState { method: engine.name(), origin, run: SavedRun::Engine(run) });
    Ok(Fit { trace, state, modes, ..Fit::new(answer, verdict, Some(outcome.approximation), phases.finish()) })
}

/// Laplace's approximation.
pub(super) fn laplace(problem: Problem<'_>, mut phases: Phases<'_>) -> Result<Fit, FitError> {
    let start = phases.run(Init::Laplace.name(), || initial_gaussian(problem, &Init::Laplace))?;
    let search = phases.run("modes", || modes::search(problem, PathOptions::default().paths)).ok();
    let approximation = Approximation::from(start.dense());
    let (answer, mut verdict) = corrected(problem, &approximation, Verdict::default(), Fallback::None, &mut phases)?;
    let compare = |search| compared_with_draws(problem, search, answer.unconstrained.view(), &mut verdict);
    let modes = search.as_ref().map(compare);
    Ok(Fit { modes, ..Fit::new(answer, verdict, Some(approximation), phases.finish()) })
}

/// The draws that follow from a fitted Gaussian, and the verdict on them.
fn corrected(
    problem: Problem<'_>,
    approximation: &Approximation,
    verdict: Verdict,
    fallback: Fallback,
    phases: &mut Phases<'_>,
) -> Result<(Answer, Verdict), FitError> {
    match approximation {
        Approximation::Dense(gaussian) => corrected_draws(problem, gaussian, Some(gaussian), verdict, fallback, phases),
        Approximation::LowRank(gaussian) => corrected_draws(problem, gaussian, None, verdict, fallback, phases),
    }
}

/// Weighs draws of `gaussian` towards the posterior, continues from it by a map (from `dense`, the same Gaussian with a
/// full covariance, where there is one) and by chains where they cannot be trusted and `fallback` allows it, and makes the
/// draws.
fn corrected_draws<G: GaussianApproximation>(
    problem: Problem<'_>,
    gaussian: &G,
    dense: Option<&DenseGaussian>,
    mut verdict: Verdict,
    fallback: Fallback,
    phases: &mut Phases<'_>,
) -> Result<(Answer, Verdict), FitError> {
    let Problem { model, target, draws, draws_asked, seed, .. } = problem;
    let importance = phases.run("psis", || importance(model, target, gaussian, &mut Stream::Importance.of(seed)));
    let weighted = importance.weighted();
    let judgement = weighted.judge(Proposal::Gaussian, model.names());
    verdict.elbo = importance.elbo();
    verdict.pareto_k = judgement.pareto_k;
    verdict.pareto_k_of_variances = judgement.pareto_k_of_variances;
    verdict.objections.extend(judgement.objection);
    if draws < draws_asked {
        verdict.notes.push(Finding::FewerDraws { count: draws });
    }
    let is_doubted = !verdict.is_trusted() || judgement.caution.is_some();
    verdict.notes.extend(judgement.caution);
    let mut rng = Stream::Draws.of(seed);
    if let Fallback::MapAndChains { budget } = fallback
        && is_doubted
    {
        if dense.is_some()
            && (LARGEST_WEIGHED + 1..=LARGEST_TRIED).contains(&model.dim())
            && let Some(answer) = quick_chains(problem, importance.proposal(), budget, &mut verdict, phases)
        {
            return Ok((answer, verdict));
        }
        let attempt = dense.map_or(MapAttempt::None, |gaussian| map(problem, gaussian, budget, &mut verdict, phases));
        let answer = match attempt {
            MapAttempt::Trusted(answer) => Some(answer),
            MapAttempt::Coordinates(map) => chains_along(problem, *map, budget, &mut verdict, &mut rng, phases),
            MapAttempt::None => {
                let resample = |count, rng: &mut Rng| weighted.resample(count, rng);
                let start = (importance.proposal(), ChainCoordinates::Gaussian);
                chains(problem, start, resample, budget, &mut verdict, &mut rng, phases)
            }
        };
        if let Some(answer) = answer {
            return Ok((answer, verdict));
        }
    }
    let answer = if weighted.is_trusted() {
        Answer::resampled(problem, weighted, &mut rng, phases)?
    } else {
        Answer::of_points(problem, plain_draws(gaussian, draws, &mut rng), draws as f64, phases)?
    };
    Ok((answer, verdict))
}
