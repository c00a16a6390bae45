//! What follows a Gaussian whose weighted draws are in doubt, before chains: a triangular map. It takes some 3 000
//! gradient evaluations, where chains take ten times as many or more.

use super::answer::Answer;
use super::phase::Phases;
use super::transport::{Attempt, attempt, coordinates};
use super::{Finding, FitError, Problem, Verdict};
use crate::engine::transport::LEAST_BUDGET;
use crate::gaussian::DenseGaussian;
use crate::transport::TriangularMap;

/// The largest dimension in which a map is tried by itself: in more, a fit of it takes minutes.
pub const LARGEST_TRIED: usize = 150;

/// The largest in which its draws are weighed: in more the weights, a product over all coordinates, are hardly ever even
/// enough, and what an exploration learns from a few thousand points is enough for chains.
pub const LARGEST_WEIGHED: usize = 40;

/// The largest mean of log(1 + ‖R‖²/D) with which a map is worth its coordinates. Of maps that held their posteriors but
/// for a tail it was at most 0.1; of rings, crosses and separate modes, which no map holds, 0.37 to 0.65. There chains
/// continue in the Gaussian's coordinates.
const LARGEST_RESIDUAL: f64 = 0.3;

/// What a map makes of a Gaussian whose draws are in doubt.
pub(super) enum MapAttempt {
    /// Draws that can be trusted.
    Trusted(Answer),
    /// Coordinates for chains, but no draws that can be.
    Coordinates(Box<TriangularMap>),
    /// There is no map, or none whose coordinates help.
    None,
}

/// Fits a map that begins as `gaussian`. Where its draws cannot be trusted either, or there is none, a note says why.
pub(super) fn map(
    problem: Problem<'_>,
    gaussian: &DenseGaussian,
    budget: Option<u64>,
    verdict: &mut Verdict,
    phases: &mut Phases<'_>,
) -> MapAttempt {
    let left = budget.map(|budget| budget.saturating_sub(problem.spent()));
    if problem.model.dim() > LARGEST_TRIED || left.is_some_and(|left| left < LEAST_BUDGET) {
        return MapAttempt::None;
    }
    if problem.model.dim() > LARGEST_WEIGHED {
        return match coordinates(problem, gaussian, left, phases) {
            Ok((map, residual)) => MapAttempt::for_chains(map, residual),
            Err(error) => MapAttempt::failed(&error, verdict),
        };
    }
    match attempt(problem, gaussian, left, phases) {
        Ok(Attempt { verdict: of_map, answer: Some(answer), .. }) => {
            verdict.replace_objections([]);
            verdict.pareto_k = of_map.pareto_k;
            verdict.pareto_k_of_variances = of_map.pareto_k_of_variances;
            verdict.notes.extend(of_map.notes);
            verdict.notes.push(Finding::DrawsOfMap);
            MapAttempt::Trusted(answer)
        }
        Ok(Attempt { map, residual, verdict: of_map, answer: None }) => {
            let rejected = |objection| Finding::MapRejected { objection: Box::new(objection) };
            verdict.notes.extend(of_map.objections.into_iter().next().map(rejected));
            MapAttempt::for_chains(map, residual)
        }
        Err(error) => MapAttempt::failed(&error, verdict),
    }
}

impl MapAttempt {
    /// A map without draws that can be trusted.
    fn for_chains(map: TriangularMap, residual: f64) -> Self {
        if residual <= LARGEST_RESIDUAL { Self::Coordinates(Box::new(map)) } else { Self::None }
    }

    fn failed(error: &FitError, verdict: &mut Verdict) -> Self {
        verdict.notes.push(Finding::MapFailed { reason: error.to_string() });
        Self::None
    }
}
