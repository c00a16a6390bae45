//! What is done when neither importance sampling nor short chains can be trusted: NUTS in the coordinates that the fit
//! has whitened, judged by the diagnostics of Markov chains.

use super::streams;
use crate::compare::TOLERANCE;
use crate::diagnostics::{Ranks, chains_of, ess_mean, has_fourth_moment, mcse_sd, moments, normal_scores, summarise};
use crate::draws::{Draws, evenly_spaced};
use crate::family::{Family, NotPositiveDefinite};
use crate::sample::{ConstrainError, NutsOptions, SampleError, Start, constrain, sample, warnings};
use crate::target::{Counted, StanTarget, Whitened};
use ndarray::{Array2, ArrayView1, ArrayView2, Axis, concatenate};
use rayon::prelude::*;
use std::borrow::Cow;
use thiserror::Error;

/// Why chains could not be run.
#[derive(Debug, Error)]
pub enum EscalationError {
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
pub struct Escalated {
    /// Draws on the constrained scale, in chains.
    pub draws: Draws,
    /// The same draws on the unconstrained scale.
    pub unconstrained: Array2<f64>,
    /// What speaks against them; empty where they are to be trusted.
    pub objections: Vec<String>,
    /// What else to know.
    pub note: Option<String>,
}

/// Chains, whose agreement is the diagnosis.
pub const CHAINS: usize = 4;
/// The Monte Carlo error, in standard deviations, that is small enough: a third of the tolerance of a comparison.
pub const PRECISE: f64 = TOLERANCE / 3.0;
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

/// Runs chains in the coordinates of `family` until an attempt has nothing to object to, and returns the last; none
/// where `budget`, the gradient evaluations left, does not pay for a run. They begin at the rows of `starts` (chains ×
/// D), in these coordinates. `count` draws are kept, evenly spaced, so that the answer is hardly less precise than all draws
/// are.
pub fn escalate<F: Family>(
    model: &StanTarget,
    target: &Counted<&StanTarget>,
    family: &F,
    starts: ArrayView2<'_, f64>,
    (count, seed): (usize, u64),
    budget: Option<u64>,
    progress: &(dyn Fn() + Sync),
) -> Result<Option<Escalated>, EscalationError> {
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
            first_stream: streams::CHAINS,
            threads,
            ..NutsOptions::default()
        };
        let chains = sample(&whitened, &options, &starts, &|_| progress())?;
        spent += chains.iter().map(|it| it.warmup_gradient_evaluations + it.gradient_evaluations).sum::<u64>();
        let points: Vec<Array2<f64>> = chains.iter().map(|chain| original(&whitened, chain.draws.view())).collect();
        let views: Vec<ArrayView2<f64>> = points.iter().map(|points| points.view()).collect();
        let all = constrain(model, &views, seed)?;
        let mut objections = warnings(&chains, &summarise(&all), max_depth);
        let by_ranks = judged_by_ranks(&all, model.parameter_count());
        objections.extend(imprecision(&all, &by_ranks));
        let kept: Vec<usize> = (0..CHAINS).map(|chain| (count + chain) / CHAINS).collect();
        let thinned = points.iter().zip(&kept);
        let thinned: Vec<Array2<f64>> =
            thinned.map(|(points, &kept)| points.select(Axis(0), &evenly_spaced(points.nrows(), kept))).collect();
        let views: Vec<ArrayView2<f64>> = thinned.iter().map(|points| points.view()).collect();
        let unconstrained = concatenate(Axis(0), &views).expect("all points have D coordinates");
        let trusted = objections.is_empty();
        let note = note_on_ranks(all.names(), by_ranks);
        result = Some(Escalated { draws: all.thinned(&kept), unconstrained, objections, note });
        if trusted {
            break;
        }
        length += usize::from(chains.iter().all(|chain| chain.divergences == 0));
    }
    Ok(result)
}

/// The largest depth of trajectories with which `iterations` of every chain stay within `budget`.
pub fn affordable_depth(budget: Option<u64>, iterations: usize) -> Option<u32> {
    let Some(budget) = budget else { return Some(MOST_DEPTH) };
    let per_iteration = budget / (CHAINS * iterations) as u64;
    let depth = per_iteration.checked_ilog2()?.min(MOST_DEPTH);
    (depth >= LEAST_DEPTH).then_some(depth)
}

/// The points x of whitened points u.
fn original(whitened: &Whitened<&Counted<&StanTarget>, impl Family>, points: ArrayView2<'_, f64>) -> Array2<f64> {
    let mut result = Array2::zeros(points.dim());
    for (u, mut x) in points.rows().into_iter().zip(result.rows_mut()) {
        whitened.original(&u.to_vec(), x.as_slice_mut().expect("rows of a fresh array are contiguous"));
    }
    result
}

/// The parameters (the first columns of `draws`) whose tails are too heavy for the Monte Carlo errors of their moments to
/// be small: they are judged by their normal scores.
pub fn judged_by_ranks(draws: &Draws, parameters: usize) -> Vec<bool> {
    let heavy = |column: usize| {
        let values = draws.values().column(column).to_vec();
        let precise = error_of_moments(&chains_of(draws, column)) <= PRECISE;
        !precise && values.iter().all(|value| value.is_finite()) && !has_fourth_moment(&values)
    };
    (0..parameters).into_par_iter().map(heavy).collect()
}

/// A sentence for the parameter whose mean or standard deviation is least precise, where that is too imprecise.
pub fn imprecision(draws: &Draws, by_ranks: &[bool]) -> Option<String> {
    let error = |(column, by_ranks): (usize, &bool)| {
        let chains = chains_of(draws, column);
        (column, if *by_ranks { error_of_scores(&chains) } else { error_of_moments(&chains) })
    };
    let errors: Vec<(usize, f64)> = by_ranks.par_iter().enumerate().map(error).collect();
    let (worst, error) = errors.into_iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    (error.is_nan() || error > PRECISE).then(|| imprecise(&judged(&draws.names()[worst], by_ranks[worst]), error))
}

/// The Monte Carlo error of the mean, in standard deviations, or of the logarithm of the standard deviation.
fn error_of_moments(chains: &[ArrayView1<'_, f64>]) -> f64 {
    let values: Vec<f64> = chains.iter().flatten().copied().collect();
    let sd = moments(&values).1;
    if sd == 0.0 { 0.0 } else { ess_mean(chains).sqrt().recip().max(mcse_sd(chains) / sd) }
}

/// The same of the normal scores, stretched to what it is for the median and the central interval.
fn error_of_scores(chains: &[ArrayView1<'_, f64>]) -> f64 {
    let rows: Vec<ArrayView2<f64>> = chains.iter().map(|chain| chain.insert_axis(Axis(0))).collect();
    let scores = normal_scores(&concatenate(Axis(0), &rows).expect("all chains have one length"));
    let stretch = Ranks::among(chains.iter().flatten().copied()).stretch();
    stretch * error_of_moments(&scores.rows().into_iter().collect::<Vec<_>>())
}

/// What is judged of a parameter.
pub fn judged(name: &str, by_ranks: bool) -> Cow<'_, str> {
    if by_ranks { format!("the normal scores of {name}").into() } else { name.into() }
}

/// What to know about parameters that are judged by their ranks; none where there is none.
pub fn note_on_ranks(names: &[String], by_ranks: impl IntoIterator<Item = bool>) -> Option<String> {
    let heavy: Vec<&str> = names.iter().zip(by_ranks).filter(|(_, by)| *by).map(|(name, _)| name.as_str()).collect();
    let (first, others) = heavy.split_first()?;
    let (whose, others) = match others {
        [] => ("its", String::new()),
        [second] => ("their", format!(" and {second}")),
        more => ("their", format!(" and {} more parameters", more.len())),
    };
    Some(format!(
        "{first}{others}: {whose} tails are too heavy for moments; go by medians and quantiles, which were judged in their place"
    ))
}

/// The sentence for a parameter whose mean or standard deviation has a Monte Carlo error of `error` standard
/// deviations.
pub fn imprecise(name: &str, error: f64) -> String {
    format!("the Monte Carlo error of the mean or standard deviation of {name} is {error:.3} standard deviations")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{standard_normal, stream};
    use ndarray::aview1;

    #[test]
    fn what_has_no_fourth_moment_is_judged_by_its_ranks() {
        let normal = standard_normal(&mut stream(1, 0), (4000, 2));
        // The second has moments that draws do not show; the third has it too, and hardly moves along a chain.
        let mut values = Array2::zeros((4000, 3));
        let mut slow = 0.0;
        for (normal, mut row) in normal.rows().into_iter().zip(values.rows_mut()) {
            slow = 0.99 * slow + (1.0_f64 - 0.99 * 0.99).sqrt() * normal[1];
            row.assign(&aview1(&[normal[0], (1.5 * normal[1]).exp(), (2.0 * slow).exp()]));
        }
        let names = ["light", "heavy", "slow"].map(String::from).to_vec();
        let draws = Draws::new(names.clone(), values, vec![1000; 4]).unwrap();
        let by_ranks = judged_by_ranks(&draws, 3);
        assert_eq!(by_ranks, [false, true, true]);
        assert_eq!(imprecision(&draws, &by_ranks[..2]), None);
        let objection = imprecision(&draws, &by_ranks).unwrap();
        assert!(objection.contains("the normal scores of slow"), "{objection}");
        assert_eq!(note_on_ranks(&names, [false; 3]), None);
        assert!(note_on_ranks(&names, [false, true, false]).unwrap().starts_with("heavy: its tails"));
        assert!(note_on_ranks(&names, by_ranks).unwrap().starts_with("heavy and slow: their tails"));
        assert!(note_on_ranks(&names, [true; 3]).unwrap().starts_with("light and 2 more parameters: their tails"));
    }

    #[test]
    fn the_depth_keeps_within_the_budget() {
        assert_eq!(affordable_depth(None, 1500), Some(10));
        assert_eq!(affordable_depth(Some(100_000), 1500), None);
        let depth = affordable_depth(Some(1_000_000), 1500).unwrap();
        assert!((1 << depth) * 1500 * CHAINS <= 1_000_000 && (2 << depth) * 1500 * CHAINS > 1_000_000);
    }
}
