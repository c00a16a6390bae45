//! The answer of short chains whose distribution is stationary.

use crate::draws::{Draws, evenly_spaced};
use crate::fit::answer::{Answer, effective_draws};
use crate::fit::phase::Phases;
use crate::fit::{Finding, Problem, Verdict};
use crate::sample::constrain;
use ndarray::{Array2, Axis};

/// The draws of short chains, evenly spaced in `points`. Those after one transition are independent of each other, so
/// that they make one sequence.
pub(in crate::fit) fn of_short_chains(
    problem: Problem<'_>,
    (chains, points): (usize, &Array2<f64>),
    objection: Option<Finding>,
    verdict: &mut Verdict,
    phases: &mut Phases<'_>,
) -> Option<Answer> {
    let count = problem.draws;
    let draws = match phases.run("draws", || constrain(problem.model, &[points.view()], problem.seed)) {
        Ok(draws) => draws,
        Err(error) => {
            verdict.notes.push(Finding::ShortChainsFailed { reason: error.to_string() });
            return None;
        }
    };
    verdict.replace_objections(objection);
    verdict.notes.push(Finding::DrawsOfShortChains { chains, drift: verdict.max_drift });
    let share = count as f64 / draws.len() as f64;
    let effective_draws =
        effective_draws(&chain_after_chain(&draws, chains)).into_iter().map(|size| share * size).collect();
    let unconstrained = points.select(Axis(0), &evenly_spaced(points.nrows(), count));
    Some(Answer { draws: draws.thinned(&[count]), unconstrained, effective_draws })
}

/// The states of so many short chains, which `draws` has transition after transition, chain after chain.
fn chain_after_chain(draws: &Draws, chains: usize) -> Draws {
    let transitions = draws.len() / chains;
    let rows: Vec<usize> = (0..draws.len()).map(|row| row % transitions * chains + row / transitions).collect();
    let values = draws.values().select(Axis(0), &rows);
    Draws::new(draws.names().to_vec(), values, vec![transitions; chains]).expect("the same draws, in another order")
}
