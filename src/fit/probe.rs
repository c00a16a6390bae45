//! The drift probe: many short chains from draws of the fitted Gaussian, in its coordinates. Where the Gaussian is the
//! posterior their distribution does not move; where it is not quite, it moves to the posterior and stays there.

use super::Finding;
use super::answer::plain_draws;
use super::draw_limit::affordable;
use super::monte_carlo_error::{PRECISE, note_on_ranks};
use super::thinning::ThinnedBuffer;
use super::weighted_draws::constrained_parameters;
use crate::compare::TOLERANCE;
use crate::diagnostics::{
    Beginning, Movement, Ranks, ShortChains, ShortChainsSummary, chance_memory, has_fourth_moment, moments,
};
use crate::gaussian::GaussianApproximation;
use crate::model::{CountingTarget, Model};
use crate::random::Rng;
use crate::sample::ParallelHmc;
use ndarray::{Array2, ArrayView1, Axis, concatenate};
use rayon::prelude::*;
use std::borrow::Cow;

/// Short chains. Errors of independent chains are 1/16 of a standard deviation in one transition, and a third of the
/// tolerance in four to sixteen.
const CHAINS: usize = 256;
/// Acceptance probabilities that the step size is adapted to, each where trajectories diverged with the one before.
const ACCEPTANCES: [f64; 3] = [0.8, 0.95, 0.99];
/// Transitions in which the step size is adapted and the start is forgotten, at the least and, with trajectories of one
/// length, at the most.
const LEAST_BURN_IN: usize = 6;
const MOST_BURN_IN: usize = 32;
/// Transitions after that, in groups: so many at the least, and at the most unless more draws are wanted. Fewer could
/// be still while they crawl towards a tail.
const GROUP: usize = 8;
const LEAST_GROUPS: usize = 8;
const MOST_GROUPS: usize = 24;
/// How often trajectories may be made twice as long, where the start was not forgotten in the most transitions, or the
/// chains were not still and precise after the least.
const DOUBLINGS: u32 = 2;
/// Trajectories of which none may diverge: as many as four chains of Stan's NUTS have by default. Of more than so many
/// some may, as rarely.
const NONE_DIVERGES: usize = 4000;
/// A chain that stands still for so many transitions is where steps are too long.
const STUCK: usize = 32;
/// Chains are still when no movement would be outside the tolerance with so many standard errors more.
const STILL: f64 = 1.0;
/// They were still on their way, so that the first half of the transitions is forgotten, when a movement would be
/// outside with so many less.
const MOVING: f64 = 3.0;
/// Chains whose error would still be larger than this after all transitions are given up. It is not quite known where
/// tails are visited seldom.
const OUT_OF_REACH: f64 = 2.0 * PRECISE;
/// A budget that does not pay for so many gradient evaluations of each chain does not pay for chains.
const LEAST_EVALUATIONS: u64 = 150;
/// Draws of the Gaussian that the chains' moments are held against.
const BEFORE: usize = 4000;
/// What is said of chains that neither settled nor failed.
const STOPPED: &str = "short chains were stopped before they had settled";

fn stopped() -> Finding {
    Finding::ShortChains(STOPPED.into())
}

/// What short chains found.
pub struct Probed {
    /// The largest movement of a parameter's mean, in standard deviations, or log standard deviation, from the
    /// Gaussian's draws to the chains', of parameters whose tails allow for moments.
    pub max_drift: f64,
    /// What came of it.
    pub outcome: ProbeOutcome,
}

/// Whether short chains have an answer.
pub enum ProbeOutcome {
    /// They have stopped moving.
    Settled {
        /// Points of the unconstrained scale (draws × D), those after one transition together, [`Probed::CHAINS`] each.
        points: Array2<f64>,
        /// What speaks against them: nothing or an imprecise parameter.
        objection: Option<Finding>,
        /// What else to know.
        notes: Vec<Finding>,
    },
    /// They have not.
    Unsettled {
        /// Where they are, on the unconstrained scale (chains × D).
        points: Array2<f64>,
        /// What was seen.
        reason: Finding,
    },
}

impl Probed {
    /// The number of chains.
    pub const CHAINS: usize = CHAINS;
}

/// Runs short chains from draws of `family`; none where `budget`, the gradient evaluations left, does not pay for them,
/// or where the target rejects most draws. At least `count` draws are returned.
pub fn probe<F: GaussianApproximation>(
    model: &dyn Model,
    target: &CountingTarget<&dyn Model>,
    family: &F,
    count: usize,
    budget: Option<u64>,
    rng: &mut Rng,
    progress: &dyn Fn(),
) -> Option<Probed> {
    if budget.is_some_and(|budget| budget < LEAST_EVALUATIONS * CHAINS as u64) {
        return None;
    }
    let end = budget.map(|budget| target.counts().gradient_evaluations + budget);
    let before = moments_of_draws(model, family, rng);
    let ensemble = ParallelHmc::new(target, family, CHAINS, rng)?;
    let ranks = vec![None; model.parameter_count()];
    let mut run = Run { model, target, ensemble, doublings: 0, ranks, end, progress };
    let mut result = None;
    for acceptance in ACCEPTANCES {
        let Attempt { after, diverged, outcome } = run.attempt(acceptance, count.div_ceil(CHAINS));
        result = Some(Probed { max_drift: largest_drift(&before, &after), outcome });
        if !diverged {
            break;
        }
    }
    result
}

/// The chains on their way.
struct Run<'a, F> {
    model: &'a dyn Model,
    target: &'a CountingTarget<&'a dyn Model>,
    ensemble: ParallelHmc<'a, CountingTarget<&'a dyn Model>, F>,
    /// How often its trajectories were made twice as long.
    doublings: u32,
    /// The ranks of parameters that are judged by their normal scores, as their tails are too heavy for moments.
    ranks: Vec<Option<Ranks>>,
    /// The count of gradient evaluations that must not be passed.
    end: Option<u64>,
    progress: &'a dyn Fn(),
}

/// An attempt with one step size.
struct Attempt {
    after: Moments,
    /// Whether trajectories diverged or a chain is stuck, so that smaller steps may help.
    diverged: bool,
    outcome: ProbeOutcome,
}

/// Means and standard deviations of the parameters.
type Moments = Vec<(f64, f64)>;

impl<F: GaussianApproximation> Run<'_, F> {
    /// Burn-in, and transitions until the chains are still and precise. The points after `kept` of them are kept.
    fn attempt(&mut self, acceptance: f64, kept: usize) -> Attempt {
        if let Some(reason) = self.burn_in(acceptance) {
            let after = moments_of(&self.parameters());
            return Attempt { after, diverged: false, outcome: self.unsettled(reason) };
        }
        if !self.pays_for(2 * GROUP) {
            let after = moments_of(&self.parameters());
            return Attempt { after, diverged: false, outcome: self.unsettled(stopped()) };
        }
        let (mut chains, mut points) = self.begin(kept);
        let most = MOST_GROUPS.max(2 * kept.div_ceil(2 * GROUP));
        let (mut groups, mut trajectories, mut divergences, mut stay) = (0, 0, 0, 0);
        loop {
            for _ in 0..2 {
                chains.begin_group(CHAINS);
                for _ in 0..GROUP {
                    let transition = self.ensemble.transition();
                    divergences += transition.divergences;
                    stay = transition.longest_stay;
                    (self.progress)();
                    chains.add(self.parameters().view());
                    points.offer(|| self.ensemble.points());
                }
                groups += 1;
                trajectories += GROUP * CHAINS;
            }
            let summaries = chains.summaries();
            let moments = |(it, ranks): (&ShortChainsSummary, &Option<Ranks>)| match ranks {
                Some(_) => (f64::NAN, f64::NAN),
                None => (it.mean, it.sd),
            };
            let after: Moments = summaries.iter().zip(&self.ranks).map(moments).collect();
            if divergences * NONE_DIVERGES > trajectories || stay >= STUCK {
                let reason = match stay {
                    STUCK.. => format!("one of the short chains stood still for {stay} transitions"),
                    _ => format!("{divergences} of {trajectories} trajectories of short chains diverged"),
                };
                let outcome = self.unsettled(Finding::ShortChains(reason));
                return Attempt { after, diverged: true, outcome };
            }
            let last = groups >= most || !self.pays_for(2 * GROUP);
            if !last && chains.groups() < LEAST_GROUPS {
                continue;
            }
            let imprecise = least_precise(&summaries).filter(|(_, error)| *error > PRECISE);
            let moving = self.worst_movement(&summaries);
            // Errors fall as the square root of the transitions.
            let in_the_end = (chains.groups() as f64 / most as f64).sqrt();
            let out_of_reach = imprecise.filter(|(_, error)| error * in_the_end > OUT_OF_REACH);
            let outcome = if moving.is_none() && points.are_enough() && (last || imprecise.is_none()) {
                let objection = imprecise.map(|it| self.imprecision(it));
                ProbeOutcome::Settled { points: points.evenly_spaced(), objection, notes: self.notes(divergences) }
            } else if self.goes_another_way(moving.is_some() || imprecise.is_some(), &summaries, &points) {
                // What is slow was slow in all transitions so far.
                (chains, points) = self.begin(kept);
                groups = 0;
                continue;
            } else if let Some(imprecise) = out_of_reach {
                self.unsettled(self.imprecision(imprecise))
            } else if last {
                self.unsettled(moving.map_or_else(stopped, |(reason, _)| reason))
            } else {
                if moving.is_some_and(|(_, certain)| certain) {
                    chains.forget_first_half();
                    points = ThinnedBuffer::new(kept);
                }
                continue;
            };
            return Attempt { after, diverged: false, outcome };
        }
    }

    /// No transitions yet, and no points.
    fn begin(&self, kept: usize) -> (ShortChains, ThinnedBuffer) {
        (ShortChains::new(self.parameters().view(), &self.ranks), ThinnedBuffer::new(kept))
    }

    /// Where a parameter is not still and precise, goes over to longer trajectories, or where they are the longest, to
    /// ranks; whether there was one of these ways left.
    fn goes_another_way(&mut self, unclear: bool, summaries: &[ShortChainsSummary], points: &ThinnedBuffer) -> bool {
        if unclear && self.may_lengthen() {
            self.lengthen();
            return true;
        }
        unclear && self.pays_for(GROUP * LEAST_GROUPS) && self.doubt_moments(summaries, points)
    }

    /// Whether there are parameters whose moments are in the way, and whose tails are too heavy for them, in the draws so
    /// far. They are judged by their ranks from now on.
    fn doubt_moments(&mut self, summaries: &[ShortChainsSummary], points: &ThinnedBuffer) -> bool {
        let unclear = |parameter: &usize| self.ranks[*parameter].is_none() && is_unclear(&summaries[*parameter]);
        let unclear: Vec<usize> = (0..summaries.len()).filter(unclear).collect();
        if unclear.is_empty() {
            return false;
        }
        let draws = constrained_parameters(self.model, &points.all());
        let heavy = |parameter: &usize| !has_fourth_moment(&draws.column(*parameter).to_vec());
        let heavy: Vec<usize> = unclear.into_par_iter().filter(heavy).collect();
        for &parameter in &heavy {
            self.ranks[parameter] = Some(Ranks::among(draws.column(parameter).iter().copied()));
        }
        !heavy.is_empty()
    }

    /// Whether trajectories may be longer still, and the budget pays for the least number of them.
    fn may_lengthen(&self) -> bool {
        self.doublings < DOUBLINGS && self.pays_for(2 * GROUP * LEAST_GROUPS)
    }

    fn lengthen(&mut self) {
        self.ensemble.lengthen();
        self.doublings += 1;
    }

    fn unsettled(&self, reason: Finding) -> ProbeOutcome {
        ProbeOutcome::Unsettled { points: self.ensemble.points(), reason }
    }

    /// Adapts the step size until the chains have forgotten where they were, and says what they have not forgotten.
    fn burn_in(&mut self, acceptance: f64) -> Option<Finding> {
        let start = self.quantities();
        let beginnings: Vec<Beginning> = columns(&start).into_par_iter().map(Beginning::new).collect();
        let chance = chance_memory(CHAINS, beginnings.len());
        self.ensemble.adapt_anew();
        let mut transition = 0;
        loop {
            if !self.pays_for(1) {
                return Some(stopped());
            }
            self.ensemble.adapting_transition(acceptance);
            (self.progress)();
            transition += 1;
            if transition < LEAST_BURN_IN || transition % 2 == 1 {
                continue;
            }
            let now = self.quantities();
            let memories: Vec<f64> =
                beginnings.par_iter().zip(columns(&now)).map(|(beginning, now)| beginning.memory(now)).collect();
            let remembered = (0..memories.len()).filter(|&quantity| memories[quantity] > chance);
            let worst = remembered.max_by(|&a, &b| memories[a].total_cmp(&memories[b]))?;
            if transition >= MOST_BURN_IN {
                if self.may_lengthen() {
                    self.lengthen();
                    transition = 0;
                    continue;
                }
                let name = self.model.names()[..self.model.parameter_count()].get(worst);
                return Some(Finding::ShortChains(format!(
                    "short chains still remember after {transition} transitions where they began: {} correlates by {:.2}",
                    name.map_or("the log density", String::as_str),
                    memories[worst]
                )));
            }
        }
    }

    /// Whether the budget pays for so many transitions more.
    fn pays_for(&self, transitions: usize) -> bool {
        let cost = transitions as u64 * self.ensemble.most_evaluations();
        self.end.is_none_or(|end| self.target.counts().gradient_evaluations + cost <= end)
    }

    /// The parameters where the chains are, chains × parameters.
    fn parameters(&self) -> Array2<f64> {
        constrained_parameters(self.model, &self.ensemble.points())
    }

    /// The same and the log density.
    fn quantities(&self) -> Array2<f64> {
        let parameters = self.parameters();
        let log_densities = Array2::from_shape_vec((CHAINS, 1), self.ensemble.log_densities().collect());
        concatenate![Axis(1), parameters, log_densities.expect("every chain has a log density")]
    }

    /// A sentence for the parameter that may move most, if one may move by more than the tolerance, and whether one
    /// certainly does.
    fn worst_movement(&self, summaries: &[ShortChainsSummary]) -> Option<(Finding, bool)> {
        let movements = summaries.iter().enumerate().flat_map(|(parameter, summary)| {
            movements(summary).map(|(moment, movement)| (parameter, moment, movement))
        });
        let at_least = |movement: &Movement| movement.value.abs() - MOVING * movement.error;
        let too_far = movements.filter(|(.., movement)| at_most(movement) > TOLERANCE);
        let (mut worst, mut certain): (Option<(usize, &str, Movement)>, bool) = (None, false);
        for (parameter, moment, movement) in too_far {
            certain |= at_least(&movement) > TOLERANCE;
            if worst.as_ref().is_none_or(|(.., largest)| at_most(&movement) > at_most(largest)) {
                worst = Some((parameter, moment, movement));
            }
        }
        worst.map(|(parameter, moment, Movement { value, error })| {
            let name = self.judged(parameter);
            let unit = if moment == "mean" { " standard deviations" } else { "" };
            let value = value.abs();
            let text = format!("the {moment} of {name} moves by {value:.2} ± {error:.2}{unit} along short chains");
            (Finding::ShortChains(text), certain)
        })
    }

    /// What to know about chains that have settled.
    fn notes(&self, divergences: usize) -> Vec<Finding> {
        let on_ranks = note_on_ranks(self.model.names(), self.ranks.iter().map(Option::is_some));
        let trajectories = if divergences == 1 { "trajectory" } else { "trajectories" };
        let on_divergences = (divergences > 0).then(|| {
            Finding::ShortChains(format!("{divergences} {trajectories} of short chains diverged, too few to matter"))
        });
        on_ranks.into_iter().chain(on_divergences).collect()
    }

    fn imprecision(&self, (parameter, error): (usize, f64)) -> Finding {
        let by_ranks = self.ranks[parameter].is_some();
        Finding::Imprecise { parameter: self.model.names()[parameter].clone(), by_ranks, error }
    }

    /// What is judged of a parameter.
    fn judged(&self, parameter: usize) -> Cow<'_, str> {
        let name = &self.model.names()[parameter];
        if self.ranks[parameter].is_some() { format!("the normal scores of {name}").into() } else { name.into() }
    }
}

fn movements(summary: &ShortChainsSummary) -> [(&'static str, Movement); 2] {
    [("mean", summary.mean_movement), ("log standard deviation", summary.log_sd_movement)]
}

/// How far a moment may have moved.
fn at_most(movement: &Movement) -> f64 {
    movement.value.abs() + STILL * movement.error
}

/// Whether a parameter may be moving, or is imprecise.
fn is_unclear(summary: &ShortChainsSummary) -> bool {
    let moving = movements(summary).iter().any(|(_, movement)| at_most(movement) > TOLERANCE);
    moving || summary.mean_error.max(summary.log_sd_error) > PRECISE
}

/// The parameter with the largest Monte Carlo error, infinite where it is not known. What never moves has none.
fn least_precise(summaries: &[ShortChainsSummary]) -> Option<(usize, f64)> {
    let moving = summaries.iter().enumerate().filter(|(_, summary)| summary.sd != 0.0);
    let errors = moving.map(|(parameter, &ShortChainsSummary { mean_error, log_sd_error, .. })| {
        let unknown = mean_error.is_nan() || log_sd_error.is_nan();
        (parameter, if unknown { f64::INFINITY } else { mean_error.max(log_sd_error) })
    });
    errors.max_by(|a, b| a.1.total_cmp(&b.1))
}

fn columns(table: &Array2<f64>) -> Vec<ArrayView1<'_, f64>> {
    table.columns().into_iter().collect()
}

/// The moments of the parameters at draws of `family`.
fn moments_of_draws(model: &dyn Model, family: &impl GaussianApproximation, rng: &mut Rng) -> Moments {
    let draws = plain_draws(family, affordable(BEFORE, model.dim()), rng);
    moments_of(&constrained_parameters(model, &draws))
}

fn moments_of(parameters: &Array2<f64>) -> Moments {
    columns(parameters).into_par_iter().map(|column| moments(&column.to_vec())).collect()
}

/// The largest movement of a mean, in standard deviations after it, or of a log standard deviation. What never moves
/// has none.
fn largest_drift(before: &Moments, after: &Moments) -> f64 {
    let of_one = |(&(mean, sd), &(new_mean, new_sd)): (&(f64, f64), &(f64, f64))| {
        ((new_mean - mean).abs() / new_sd).max((new_sd / sd).ln().abs())
    };
    before.iter().zip(after).map(of_one).filter(|drift| !drift.is_nan()).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_moves_hides_no_imprecise_parameter() {
        let still = Movement { value: f64::NAN, error: f64::NAN };
        let summary = |sd, mean_error, log_sd_error| ShortChainsSummary {
            mean: 1.0,
            sd,
            mean_error,
            log_sd_error,
            mean_movement: still,
            log_sd_movement: still,
        };
        let constant = summary(0.0, f64::NAN, -f64::NAN);
        let summaries = [constant, summary(1.0, 0.01, 0.05), summary(2.0, 0.03, 0.02), constant];
        assert_eq!(least_precise(&summaries), Some((1, 0.05)));
        assert_eq!(least_precise(&[summaries[1], summary(f64::NAN, 0.01, f64::NAN)]), Some((1, f64::INFINITY)));
        assert_eq!(least_precise(&[constant]), None);
    }

    #[test]
    fn the_largest_drift_is_of_a_mean_or_of_a_scale() {
        let before = vec![(0.0, 1.0), (5.0, 0.0), (1.0, 2.0)];
        assert_eq!(largest_drift(&before, &vec![(1.0, 2.0), (5.0, 0.0), (1.0, 2.0)]), 2.0_f64.ln());
        assert_eq!(largest_drift(&before, &vec![(0.0, 1.0), (5.0, 0.0), (4.0, 2.0)]), 1.5);
    }
}
