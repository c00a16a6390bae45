//! What continues from a fit whose weighted draws are in doubt: short chains, and where they do not settle, NUTS. Their
//! objections take the place of the Gaussian's.

use super::answer::Answer;
use super::map_coordinates::MapCoordinates;
use super::nuts_fallback::{CHAINS, NutsRequest, nuts_from_fit};
use super::options::LARGEST_DENSE;
use super::phase::Phases;
use super::short_chains::{CHAINS_IN_A_MAP, ShortChainRun, ShortChainsEnd, of_short_chains};
use super::{Finding, Problem, Verdict};
use crate::gaussian::{DenseGaussian, GaussianApproximation, NotPositiveDefinite};
use crate::model::{CountingTarget, Model};
use crate::random::{Rng, Stream, standard_normal};
use crate::transport::TriangularMap;
use ndarray::{Array2, s};

/// The draws of chains, `count` short ones first, that begin at draws of `gaussian`, in its coordinates; none where there are no chains, and the fit
/// stands as it was, objections and all. Where short chains do not begin, NUTS does at points that `resample` gives
/// (chains × D).
pub(super) fn chains<G: GaussianApproximation>(
    problem: Problem<'_>,
    (gaussian, count): (&G, usize),
    resample: impl FnOnce(usize, &mut Rng) -> Array2<f64>,
    budget: Option<u64>,
    verdict: &mut Verdict,
    rng: &mut Rng,
    phases: &mut Phases<'_>,
) -> Option<Answer> {
    let Problem { model, target, draws, seed, watch, .. } = problem;
    if model.dim() > LARGEST_DENSE {
        verdict.notes.push(Finding::TooManyParametersForChains { largest: LARGEST_DENSE });
        return None;
    }
    let left = || budget.map(|budget| budget.saturating_sub(problem.spent()));
    let (bound, mut chains_rng) = (left(), Stream::ShortChains.of(seed));
    let observe = || watch.transition();
    let short_chains = phases.run("probe", || {
        let run = ShortChainRun::new(model, target, gaussian, (count, draws), bound, &mut chains_rng, &observe);
        run.map(ShortChainRun::finish)
    });
    if let Some(result) = &short_chains {
        verdict.max_drift = result.max_drift;
    }
    let starts = match short_chains.map(|result| (result.points, result.end)) {
        Some((points, ShortChainsEnd::Settled { objection, notes })) => {
            verdict.notes.extend(notes);
            return of_short_chains(problem, (count, &points), objection, verdict, phases);
        }
        Some((points, ShortChainsEnd::Unsettled(reason))) => {
            verdict.notes.push(reason);
            let apart = points.nrows() / CHAINS;
            gaussian.noise(points.slice(s![..; apart, ..]))
        }
        None => gaussian.noise(resample(CHAINS, rng).view()),
    };
    of_nuts(problem, gaussian, starts, left(), verdict, phases)
}

/// The draws of chains in the coordinates of `map`, likewise.
pub(super) fn chains_along(
    problem: Problem<'_>,
    map: TriangularMap,
    budget: Option<u64>,
    verdict: &mut Verdict,
    rng: &mut Rng,
    phases: &mut Phases<'_>,
) -> Option<Answer> {
    let budget = budget.map(|budget| budget.saturating_sub(problem.spent()));
    let coordinates = MapCoordinates::new(problem.model, problem.target, map);
    let model: &dyn Model = &coordinates;
    // Counts from zero: `budget` is what is left.
    let target = CountingTarget::new(model);
    let problem = Problem { model, target: &target, ..problem };
    let gaussian = DenseGaussian::standard(model.dim());
    let noise = |count, rng: &mut Rng| standard_normal(rng, (count, gaussian.dim()));
    let answer = chains(problem, (&gaussian, CHAINS_IN_A_MAP), noise, budget, verdict, rng, phases)?;
    let unconstrained = coordinates.points(answer.unconstrained.view());
    Some(Answer { unconstrained, ..answer })
}

/// The draws of NUTS chains that begin at `starts`, in the coordinates of `gaussian`.
fn of_nuts<G: GaussianApproximation>(
    problem: Problem<'_>,
    gaussian: &G,
    starts: Result<Array2<f64>, NotPositiveDefinite>,
    budget: Option<u64>,
    verdict: &mut Verdict,
    phases: &mut Phases<'_>,
) -> Option<Answer> {
    let Problem { model, target, draws, seed, watch, .. } = problem;
    let request = NutsRequest { draws, seed, budget };
    let chains =
        phases.run("nuts", || nuts_from_fit(model, target, gaussian, starts?.view(), request, &|| watch.transition()));
    match chains {
        Ok(Some(chains)) => {
            verdict.replace_objections(chains.objections);
            verdict.notes.extend(chains.note);
            verdict.notes.push(Finding::DrawsOfNuts { chains: CHAINS });
            Some(Answer::of_chains(chains.draws, chains.unconstrained))
        }
        Ok(None) => {
            verdict.notes.push(Finding::NoBudgetForNuts);
            None
        }
        Err(error) => {
            verdict.notes.push(Finding::NutsFailed { reason: error.to_string() });
            None
        }
    }
}
