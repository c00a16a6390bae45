//! NUTS alone: what a fit is compared with.

use super::answer::Answer;
use super::modes::{self, compared_with_draws};
use super::monte_carlo_error::{imprecision, note_on_ranks, precision};
use super::nuts_fallback::{CHAINS, affordable_depth};
use super::phase::Phases;
use super::{Finding, Fit, FitError, Init, NutsFitOptions, Problem, Verdict};
use crate::diagnostics::summarise;
use crate::init::PathOptions;
use crate::model::Target;
use crate::sample::{NutsOptions, Start, constrain, sample, warnings};
use ndarray::{ArrayView2, Axis, concatenate};

/// Chains with Stan's defaults from random points or from a given one, with trajectories no longer than the budget
/// allows.
pub(super) fn fit(problem: Problem<'_>, options: &NutsFitOptions, mut phases: Phases<'_>) -> Result<Fit, FitError> {
    let Problem { model, target, draws_asked, seed, watch, .. } = problem;
    let mut nuts = NutsOptions {
        chains: CHAINS,
        draws: draws_asked.div_ceil(CHAINS),
        seed,
        threads: rayon::current_num_threads(),
        ..NutsOptions::default()
    };
    let iterations = nuts.warmup + nuts.draws;
    nuts.max_depth = affordable_depth(options.budget, iterations).ok_or_else(|| FitError::Budget {
        budget: options.budget.unwrap_or(u64::MAX),
        chains: CHAINS,
        iterations,
    })?;
    let start = match &options.init {
        Init::Point(position) => Start::At(vec![position.clone(); CHAINS]),
        Init::Zero => Start::At(vec![vec![0.0; target.dim()]; CHAINS]),
        _ => Start::Random,
    };
    let chains = phases.run("nuts", || sample(target, &nuts, &start, &|_| watch.transition()))?;
    // Chains that all begin in one mode agree with each other.
    let search = phases.run("modes", || modes::search(problem, PathOptions::default().paths)).ok();
    let points: Vec<ArrayView2<f64>> = chains.iter().map(|chain| chain.draws.view()).collect();
    let draws = phases.run("draws", || constrain(model, &points, seed))?;
    let objections = warnings(&chains, &summarise(&draws), nuts.max_depth).into_iter().map(Finding::Chains).collect();
    let mut verdict = Verdict { objections, ..Verdict::default() };
    let precision = precision(&draws, model.parameter_count());
    verdict.objections.extend(imprecision(draws.names(), &precision));
    verdict.notes.extend(note_on_ranks(draws.names(), precision.iter().map(|it| it.by_ranks)));
    let unconstrained = concatenate(Axis(0), &points).expect("all draws have D coordinates");
    let modes = search.as_ref().map(|search| compared_with_draws(problem, search, unconstrained.view(), &mut verdict));
    Ok(Fit { modes, ..Fit::new(Answer::of_chains(draws, unconstrained), verdict, None, phases.finish()) })
}
