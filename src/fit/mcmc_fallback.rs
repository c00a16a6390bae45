//! What continues from a fit whose weighted draws are in doubt: short chains, and where they do not settle, NUTS. Their
//! objections take the place of the Gaussian's.

use super::answer::Answer;
use super::map_coordinates::MapCoordinates;
use super::nuts_fallback::{CHAINS, NutsRequest, nuts_from_fit};
use super::options::LARGEST_DENSE;
use super::phase::Phases;
use super::short_chains::{ChainCoordinates, ShortChainRun, ShortChainsEnd, ShortChainsResult, of_short_chains};
use super::{Finding, Problem, Verdict};
use crate::gaussian::{DenseGaussian, GaussianApproximation, NotPositiveDefinite};
use crate::model::{CountingTarget, Model};
use crate::random::{Rng, Stream, standard_normal};
use crate::transport::TriangularMap;
use ndarray::{Array2, s};

/// The draws of chains that begin at draws of `gaussian`, in its coordinates, short ones first; none where there
/// are no chains, and the fit stands as it was, objections and all. Where short chains do not begin, NUTS does at points
/// that `resample` gives (chains × D).
pub(super) fn chains<G: GaussianApproximation>(
    problem: Problem<'_>,
    (gaussian, coordinates): (&G, ChainCoordinates),
    resample: impl FnOnce(usize, &mut Rng) -> Array2<f64>,
    budget: Option<u64>,
    verdict: &mut Verdict,
    rng: &mut Rng,
    phases: &mut Phases<'_>,
) -> Option<Answer> {
    let Problem { model, .. } = problem;
    if model.dim() > LARGEST_DENSE {
        verdict.notes.push(Finding::TooManyParametersForChains { largest: LARGEST_DENSE });
        return None;
    }
    let left = || budget.map(|budget| budget.saturating_sub(problem.spent()));
    let bound = match coordinates {
        ChainCoordinates::Gaussian => left(),
        ChainCoordinates::Map => at_most(MOST_IN_A_MAP, left()),
    };
    let short_chains = short_chains(problem, (gaussian, coordinates), bound, phases);
    if let Some(result) = &short_chains {
        verdict.max_drift = result.max_drift;
    }
    let starts = match short_chains.map(|result| (result.points, result.end)) {
        Some((points, ShortChainsEnd::Settled { objection, notes })) => {
            verdict.notes.extend(notes);
            return of_short_chains(problem, (coordinates.chains(), &points), objection, verdict, phases);
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

/// The draws of short chains in the coordinates of `gaussian` that settle soon, with nothing to object to; none otherwise.
pub(super) fn quick_chains<G: GaussianApproximation>(
    problem: Problem<'_>,
    gaussian: &G,
    budget: Option<u64>,
    verdict: &mut Verdict,
    phases: &mut Phases<'_>,
) -> Option<Answer> {
    let bound = at_most(QUICK, budget.map(|budget| budget.saturating_sub(problem.spent())));
    let coordinates = ChainCoordinates::Gaussian;
    let result = short_chains(problem, (gaussian, coordinates), bound, phases)?;
    let ShortChainsEnd::Settled { objection: None, notes } = result.end else { return None };
    verdict.max_drift = result.max_drift;
    verdict.notes.extend(notes);
    of_short_chains(problem, (coordinates.chains(), &result.points), None, verdict, phases)
}

/// A run of short chains within `bound` gradient evaluations; none where they do not begin.
fn short_chains<G: GaussianApproximation>(
    problem: Problem<'_>,
    (gaussian, coordinates): (&G, ChainCoordinates),
    bound: Option<u64>,
    phases: &mut Phases<'_>,
) -> Option<ShortChainsResult> {
    let Problem { model, target, draws, seed, watch, .. } = problem;
    let mut rng = match coordinates {
        ChainCoordinates::Gaussian => Stream::GaussianChains.of(seed),
        ChainCoordinates::Map => Stream::MapChains.of(seed),
    };
    let observe = || watch.transition();
    phases.run("probe", || {
        let run = ShortChainRun::new(model, target, gaussian, (coordinates, draws), bound, &mut rng, &observe);
        run.map(ShortChainRun::finish)
    })
}

/// The smaller of a bound and what is left of a budget, if there is one.
fn at_most(bound: u64, left: Option<u64>) -> Option<u64> {
    Some(left.map_or(bound, |left| left.min(bound)))
}

/// Gradient evaluations with which chains settle in the coordinates of a Gaussian that is nearly right. In many
/// dimensions they take less time than the fit of a map: half a second for a hierarchy of 89 parameters, as against four.
const QUICK: u64 = 100_000;

/// Gradient evaluations of short chains in a map, at most, where no budget is given: what two or three runs of NUTS take.
/// Chains that settled there took 20 000 to 250 000.
const MOST_IN_A_MAP: u64 = 300_000;

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
    let answer = chains(problem, (&gaussian, ChainCoordinates::Map), noise, budget, verdict, rng, phases)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::observer::Watch;
    use crate::model::{Gaussian, Unconstrained};
    use crate::random::stream;
    use crate::transport::Structure;
    use ndarray::{Array1, Axis};

    #[test]
    fn chains_in_a_map_are_draws_of_the_model() {
        let target = Gaussian::with_condition_number(3, 20.0, &mut stream(1, 0));
        let (mean, covariance) = (target.mean().clone(), target.covariance().clone());
        let sds = covariance.diag().mapv(f64::sqrt);
        let model = Unconstrained::new(target);
        let model: &dyn Model = &model;
        let counted = CountingTarget::new(model);
        let watch = Watch::new(&());
        let problem = Problem { model, target: &counted, watch: &watch, draws_asked: 2000, draws: 2000, seed: 3 };
        // Its draws are half a standard deviation off.
        let off = &mean + &(0.5 * &sds);
        let map = TriangularMap::gaussian(Structure::linear(3), (Array1::zeros(3), Array1::ones(3)), &off, &covariance);
        let map = map.unwrap();
        let (mut verdict, mut phases) = (Verdict::default(), Phases::new(&counted, &watch));
        let answer = chains_along(problem, map.clone(), None, &mut verdict, &mut stream(3, 0), &mut phases).unwrap();
        assert_eq!(answer.unconstrained, *answer.draws.values(), "both are on the model's scale");
        assert!(verdict.is_trusted() && (verdict.max_drift - 0.5).abs() < 0.1, "{verdict:?}");
        let notes: Vec<String> = verdict.notes.iter().map(ToString::to_string).collect();
        assert!(notes.iter().any(|note| note.contains("64 short chains")), "{notes:?}");
        // Five standard errors of independent draws.
        let errors = (&answer.unconstrained.mean_axis(Axis(0)).unwrap() - &mean) / &sds;
        assert!(errors.iter().all(|error| error.abs() < 0.11), "{errors}");
        assert!(counted.counts().gradient_evaluations < 20_000);
        // A budget bounds what is left of it.
        let before = counted.counts().gradient_evaluations;
        let budget = Some(before + 5000);
        let bounded = chains_along(problem, map, budget, &mut verdict, &mut stream(3, 0), &mut phases);
        assert!(bounded.is_none() && counted.counts().gradient_evaluations <= before + 5000);
    }
}
