//! What follows a Gaussian whose weighted draws are in doubt, before chains: a triangular map. It takes some 3 000
//! gradient evaluations, where chains take ten times as many or more.

use super::answer::Answer;
use super::phase::Phases;
use super::transport::{Attempt, attempt};
use super::{Finding, Problem, Verdict};
use crate::engine::transport::LEAST_BUDGET;
use crate::gaussian::DenseGaussian;

/// The largest dimension in which a map is tried by itself: in more its weights, a product over all coordinates, are
/// hardly ever even enough for k̂ to pass.
pub const LARGEST_TRIED: usize = 40;

/// The draws of a map that begins as `gaussian`; none where they cannot be trusted either, with a note why.
pub(super) fn map(
    problem: Problem<'_>,
    gaussian: &DenseGaussian,
    budget: Option<u64>,
    verdict: &mut Verdict,
    phases: &mut Phases<'_>,
) -> Option<Answer> {
    let left = budget.map(|budget| budget.saturating_sub(problem.spent()));
    if problem.model.dim() > LARGEST_TRIED || left.is_some_and(|left| left < LEAST_BUDGET) {
        return None;
    }
    match attempt(problem, gaussian, left, phases) {
        Ok(Attempt { verdict: of_map, answer: Some(answer) }) => {
            verdict.replace_objections([]);
            verdict.pareto_k = of_map.pareto_k;
            verdict.pareto_k_of_variances = of_map.pareto_k_of_variances;
            verdict.notes.extend(of_map.notes);
            verdict.notes.push(Finding::DrawsOfMap);
            Some(answer)
        }
        Ok(Attempt { verdict: of_map, answer: None }) => {
            let rejected = |objection| Finding::MapRejected { objection: Box::new(objection) };
            verdict.notes.extend(of_map.objections.into_iter().next().map(rejected));
            None
        }
        Err(error) => {
            verdict.notes.push(Finding::MapFailed { reason: error.to_string() });
            None
        }
    }
}
