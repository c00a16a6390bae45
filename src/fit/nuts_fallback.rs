//! What is done when neither importance sampling nor short chains can be trusted: NUTS in the coordinates that the fit
//! has whitened, judged by the diagnostics of Markov chains.

use super::Finding;
use super::monte_carlo_error::{imprecision, note_on_ranks, precision};
use crate::diagnostics::summarise;
use crate::draws::{Draws, evenly_spaced};
use crate::gaussian::{GaussianApproximation, NotPositiveDefinite};
use crate::model::{CountingTarget, Model, Whitened};
use crate::sample::{ChainWarning, ConstrainError, NutsOptions, SampleError, Start, constrain, sample, warnings};
use ndarray::{Array2, ArrayView2, Axis, concatenate};
use std::ops::ControlFlow;
use thiserror::Error;

/// Why chains could not be run.
#[derive(Debug, Error)]
pub enum NutsFallbackError {
    /// The sampler failed.
    #[error(transparent)]
    Sample(#[from] SampleError),
    /// A draw could not be brought to the constrained scale.
    #[error(transparent)]
    Constrain(#[from] ConstrainError),
    /// The fitted Gaussian cannot be inverted.
    #[error("its covariance is singular in floating point; the posterior may be improper")]
    Singular(#[from] NotPositiveDefinite),
}

/// Draws of NUTS chains and what speaks against them.
pub struct NutsDraws {
    /// Draws on the constrained scale, in chains.
    pub draws: Draws,
    /// The same draws on the unconstrained scale.
    pub unconstrained: Array2<f64>,
    /// What speaks against them; empty where they are to be trusted.
    pub objections: Vec<Finding>,
    /// What else to know.
    pub note: Option<Finding>,
}

/// What is asked of the chains.
#[derive(Clone, Copy)]
pub struct NutsRequest {
    /// Draws to keep, over all chains.
    pub draws: usize,
    /// The seed of all random numbers.
    pub seed: u64,
    /// The gradient evaluations left, if bounded.
    pub budget: Option<u64>,
}

/// Chains, whose agreement is the diagnosis.
pub const CHAINS: usize = 4;
/// An attempt of all chains.
struct Attempt {
    warmup: usize,
    adapt_delta: f64,
}

/// Attempts, each more careful than the one before. Where the fit's coordinates are good, a short warm-up does.
const ATTEMPTS: [Attempt; 3] = [
    Attempt { warmup: 200, adapt_delta: 0.9 },
    Attempt { warmup: 500, adapt_delta: 0.95 },
    Attempt { warmup: 1000, adapt_delta: 0.99 },
];
/// Draws of a chain at least, as fewer are too few for its diagnostics; the next number after an attempt that did not
/// diverge, where draws are what is missing, and not the first in the last attempt.
const LEAST_DRAWS: [usize; 3] = [1000, 2500, 6000];
/// NUTS is of little use when its trajectories may not have this many doublings.
const LEAST_DEPTH: u32 = 5;
/// Stan's bound on the doublings of a trajectory.
const MOST_DEPTH: u32 = 10;

/// Runs chains in the coordinates of `family` until an attempt has nothing to object to, or what another would not mend, and returns the last; none
/// where the budget does not pay for a run. They begin at the rows of `starts` (chains × D), in these coordinates. Draws
/// are kept evenly spaced, so that the answer is hardly less precise than all draws are.
pub fn nuts_from_fit<F: GaussianApproximation>(
    model: &dyn Model,
    target: &CountingTarget<&dyn Model>,
    family: &F,
    starts: ArrayView2<'_, f64>,
    request: NutsRequest,
    progress: &(dyn Fn() -> ControlFlow<()> + Sync),
) -> Result<Option<NutsDraws>, NutsFallbackError> {
    let NutsRequest { draws: count, seed, budget } = request;
    let starts = Start::At(starts.rows().into_iter().map(|start| start.to_vec()).collect());
    let whitened = Whitened::new(target, family.clone());
    let mut spent = 0;
    let mut result = None;
    let mut length = 0;
    for (index, Attempt { warmup, adapt_delta }) in ATTEMPTS.into_iter().enumerate() {
        let least = LEAST_DRAWS[length.max(usize::from(index + 1 == ATTEMPTS.len()))];
        let draws = count.div_ceil(CHAINS).max(least);
        let Some(max_depth) = affordable_depth(budget.map(|budget| budget.saturating_sub(spent)), warmup + draws)
        else {
            break;
        };
        let threads = rayon::current_num_threads();
        let options = NutsOptions {
            chains: CHAINS,
            warmup,
            draws,
            adapt_delta,
            max_depth,
            seed,
            threads,
            ..NutsOptions::default()
        };
        let chains = sample(&whitened, &options, &starts, &|_| progress())?;
        spent += chains.iter().map(|it| it.warmup_gradient_evaluations + it.gradient_evaluations).sum::<u64>();
        let points: Vec<Array2<f64>> = chains.iter().map(|chain| original(&whitened, chain.draws.view())).collect();
        let views: Vec<ArrayView2<f64>> = points.iter().map(|points| points.view()).collect();
        let all = constrain(model, &views, seed)?;
        let mut objections: Vec<Finding> =
            warnings(&chains, &summarise(&all), max_depth).into_iter().map(Finding::Chains).collect();
        let precision = precision(&all, model.parameter_count());
        objections.extend(imprecision(all.names(), &precision));
        let kept: Vec<usize> = (0..CHAINS).map(|chain| (count + chain) / CHAINS).collect();
        let thinned = points.iter().zip(&kept);
        let thinned: Vec<Array2<f64>> =
            thinned.map(|(points, &kept)| points.select(Axis(0), &evenly_spaced(points.nrows(), kept))).collect();
        let views: Vec<ArrayView2<f64>> = thinned.iter().map(|points| points.view()).collect();
        let unconstrained = concatenate(Axis(0), &views).expect("all points have D coordinates");
        let is_last = objections.is_empty() || objections.iter().any(is_beyond_smaller_steps);
        let note = note_on_ranks(all.names(), precision.iter().map(|it| it.by_ranks));
        result = Some(NutsDraws { draws: all.thinned(&kept), unconstrained, objections, note });
        if is_last {
            break;
        }
        length += usize::from(chains.iter().all(|chain| chain.divergences == 0));
    }
    Ok(result)
}

/// Whether neither smaller steps nor more draws mend what an objection says: energies that momenta do not reach, as in a
/// funnel.
fn is_beyond_smaller_steps(objection: &Finding) -> bool {
    matches!(objection, Finding::Chains(ChainWarning::LowEfmi { .. }))
}

/// The largest depth of trajectories with which `iterations` of every chain stay within `budget`.
pub fn affordable_depth(budget: Option<u64>, iterations: usize) -> Option<u32> {
    let Some(budget) = budget else { return Some(MOST_DEPTH) };
    let per_iteration = budget / (CHAINS * iterations) as u64;
    let depth = per_iteration.checked_ilog2()?.min(MOST_DEPTH);
    (depth >= LEAST_DEPTH).then_some(depth)
}

/// The points x of whitened points u.
fn original(
    whitened: &Whitened<&CountingTarget<&dyn Model>, impl GaussianApproximation>,
    points: ArrayView2<'_, f64>,
) -> Array2<f64> {
    let mut result = Array2::zeros(points.dim());
    for (u, mut x) in points.rows().into_iter().zip(result.rows_mut()) {
        whitened.original(&u.to_vec(), x.as_slice_mut().expect("rows of a fresh array are contiguous"));
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_depth_keeps_within_the_budget() {
        assert_eq!(affordable_depth(None, 1500), Some(10));
        assert_eq!(affordable_depth(Some(100_000), 1500), None);
        let depth = affordable_depth(Some(1_000_000), 1500).unwrap();
        assert!((1 << depth) * 1500 * CHAINS <= 1_000_000 && (2 << depth) * 1500 * CHAINS > 1_000_000);
    }
}
