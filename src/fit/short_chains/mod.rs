//! Many short HMC chains from draws of the fitted Gaussian, in its coordinates. If the Gaussian is
//! the posterior, their distribution does not move; if it is nearly right, it moves to the
//! posterior and stays there. The algorithm is described in docs/understand/short-chains.md, and
//! why there are such chains in docs/contribute/decisions/001-short-chains-before-nuts.md.

mod answer;
mod assessment;
mod burn_in;
mod chains;
mod sampling;
#[cfg(test)]
mod tests;

pub(super) use answer::of_short_chains;

use super::answer::plain_draws;
use super::draw_limit::affordable;
use super::finding::Finding;
use super::unsettled::Unsettled;
use super::weighted_draws::constrained_parameters;
use crate::diagnostics::{MomentSummary, Ranks};
use crate::gaussian::GaussianApproximation;
use crate::model::{CountingTarget, Model};
use crate::random::Rng;
use assessment::{Moments, largest_drift, moments_of};
use burn_in::{BurnIn, BurnInTest};
use chains::Chains;
use ndarray::Array2;
use sampling::{Decision, ROUND_TRANSITIONS, Sampling, Trajectories};
use std::ops::ControlFlow;

/// In whose coordinates short chains run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainCoordinates {
    /// Those of a Gaussian.
    Gaussian,
    /// Those of a map, where the posterior is nearly a standard normal.
    Map,
}

impl ChainCoordinates {
    /// The number of chains. They are independent: errors of the means of 256 are 1/16 of a standard deviation
    /// after one transition, and a third of the tolerance after four to sixteen. Half as many need a
    /// fifth to a half fewer gradients, but see less of what is rare
    /// (001-short-chains-before-nuts.md). In a map less is rare (017-what-follows-a-rejected-map.md).
    pub const fn chains(self) -> usize {
        match self {
            Self::Gaussian => 256,
            Self::Map => 64,
        }
    }

    /// One trajectory of so many may diverge, and none of fewer. Four chains of Stan's NUTS have 4 000
    /// by default, of which none may. In a map a trajectory diverges only where steps a 64th as long
    /// do, too: in a tail so thin that what is missed of it matters to no marginal within tolerance.
    pub(super) const fn trajectories_per_divergence(self) -> usize {
        match self {
            Self::Gaussian => 4000,
            Self::Map => 1000,
        }
    }
}

/// Mean acceptance probabilities that the step size is adapted to, the next one if trajectories
/// diverge: Stan's default, and two that need smaller steps. Without the last one more fits end in
/// NUTS (001-short-chains-before-nuts.md).
const ACCEPTANCES: [f64; 3] = [0.8, 0.95, 0.99];
/// Draws of the Gaussian whose moments the chains' are compared with: their errors are 1/63 of a
/// standard deviation.
const BEFORE: usize = 4000;

/// What short chains found.
#[derive(Debug, Clone)]
pub struct ShortChainsResult {
    /// The largest movement of a parameter's mean, in standard deviations, or log standard
    /// deviation, from the Gaussian's draws to the chains' states; of parameters that are judged by
    /// moments.
    pub max_drift: f64,
    /// Points of the unconstrained scale: if the chains have settled, their thinned states (draws ×
    /// D), the states of all chains after one transition together; otherwise their last states
    /// (chains × D).
    pub points: Array2<f64>,
    /// How the run ended.
    pub end: ShortChainsEnd,
}

/// How a run of short chains ended.
#[derive(Debug, Clone, PartialEq)]
pub enum ShortChainsEnd {
    /// Their states are the answer. The chains' distribution is stationary, unless there is an objection.
    Settled {
        /// The least precise parameter, if it is too imprecise, or what moves.
        objection: Option<Finding>,
        /// What else to know.
        notes: Vec<Finding>,
    },
    /// It is not, or not known to be, for this reason.
    Unsettled(Finding),
}

/// What a step of a run of short chains was.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum ShortChainsEvent {
    /// Transitions of burn-in, after which the chains still remember where they started.
    BurningIn,
    /// Transitions of burn-in, after which the chains have forgotten it.
    BurnedIn,
    /// Transitions that count.
    Moved,
    /// Transitions that count, the first half of which is discarded, since the chains were still
    /// moving.
    FirstHalfDiscarded,
    /// The chains forget slowly: trajectories are twice as long from now on, and earlier
    /// transitions are discarded.
    Lengthened,
    /// Parameters are judged by their normal scores from now on, and earlier transitions are
    /// discarded: the parameters after them would take too much memory to be judged anew.
    JudgedByRanks,
    /// Trajectories diverged, or a chain did not move: the run starts anew with smaller steps, from
    /// where it is.
    SmallerSteps {
        /// The mean acceptance probability that the step size is adapted to.
        acceptance: f64,
    },
    /// The run has ended. Further steps return the same.
    Ended,
}

/// A run of short chains, to be advanced step by step.
pub struct ShortChainRun<'a, F> {
    chains: Chains<'a, F>,
    /// The moments of the Gaussian's draws.
    before: Moments,
    /// Transitions whose states are wanted as draws.
    wanted: usize,
    /// The index of the acceptance that the step size is adapted to.
    attempt: usize,
    /// The trajectories of this attempt.
    trajectories: Trajectories,
    phase: Phase,
}

enum Phase {
    /// Before the burn-in of an attempt; the ranks of parameters that are judged by their normal
    /// scores.
    Start(Vec<Option<Ranks>>),
    BurnIn(BurnIn, Vec<Option<Ranks>>),
    Sampling(Sampling),
    Ended(ShortChainsResult),
}

impl<'a, F: GaussianApproximation> ShortChainRun<'a, F> {
    /// Starts chains at draws of `gaussian`, in its coordinates, which are `coordinates`; none if `budget`, the gradient
    /// evaluations left, does not pay for them, or if the target rejects most draws. At least
    /// `count` draws are to be returned. `observe` is called after each transition of all chains,
    /// and may cancel the run.
    pub fn new(
        model: &'a dyn Model,
        target: &'a CountingTarget<&'a dyn Model>,
        gaussian: &'a F,
        (coordinates, count): (ChainCoordinates, usize),
        budget: Option<u64>,
        rng: &mut Rng,
        observe: &'a dyn Fn() -> ControlFlow<()>,
    ) -> Option<Self> {
        if budget.is_some_and(|budget| !Chains::<F>::are_affordable(coordinates.chains(), budget)) {
            return None;
        }
        let evaluations_end = budget.map(|budget| target.counts().gradient_evaluations + budget);
        let draws = plain_draws(gaussian, affordable(BEFORE, model.dim()), rng);
        Some(Self {
            before: moments_of(&constrained_parameters(model, &draws)),
            chains: Chains::new(model, target, gaussian, coordinates, evaluations_end, rng, observe)?,
            wanted: count.div_ceil(coordinates.chains()),
            attempt: 0,
            trajectories: Trajectories::default(),
            phase: Phase::Start(vec![None; model.parameter_count()]),
        })
    }

    /// Makes some transitions and decides how to continue.
    pub fn step(&mut self) -> ShortChainsEvent {
        let (phase, event) = match std::mem::replace(&mut self.phase, Phase::Start(Vec::new())) {
            Phase::Start(ranks) => {
                self.trajectories = Trajectories::default();
                let burn_in = BurnIn::start(&mut self.chains, ACCEPTANCES[self.attempt]);
                self.burn_in(burn_in, ranks)
            }
            Phase::BurnIn(burn_in, ranks) => self.burn_in(burn_in, ranks),
            Phase::Sampling(sampling) => self.sample(sampling),
            ended @ Phase::Ended(_) => (ended, ShortChainsEvent::Ended),
        };
        self.phase = phase;
        event
    }

    /// Makes steps until the run has ended, and returns what it found.
    pub fn finish(mut self) -> ShortChainsResult {
        loop {
            if let Phase::Ended(result) = self.phase {
                return result;
            }
            self.step();
        }
    }

    fn burn_in(&mut self, mut burn_in: BurnIn, ranks: Vec<Option<Ranks>>) -> (Phase, ShortChainsEvent) {
        match burn_in.step(&mut self.chains) {
            BurnInTest::Forgotten if !self.chains.pays_for(ROUND_TRANSITIONS) => {
                self.end_now(Finding::ShortChains(Unsettled::Stopped))
            }
            BurnInTest::Forgotten => {
                let sampling = Sampling::start(&self.chains, ranks, self.wanted);
                (Phase::Sampling(sampling), ShortChainsEvent::BurnedIn)
            }
            BurnInTest::Remembered => (Phase::BurnIn(burn_in, ranks), ShortChainsEvent::BurningIn),
            BurnInTest::Lengthened => (Phase::BurnIn(burn_in, ranks), ShortChainsEvent::Lengthened),
            BurnInTest::Failed(reason) => self.end_now(Finding::ShortChains(reason)),
        }
    }

    fn sample(&mut self, mut sampling: Sampling) -> (Phase, ShortChainsEvent) {
        if sampling.step(&mut self.chains, &mut self.trajectories).is_break() {
            return self.end_now(Finding::ShortChains(Unsettled::Cancelled));
        }
        let mut summaries = sampling.summaries();
        let mut decision = sampling.decide(&self.chains, &self.trajectories, &summaries);
        // Without a transition, as long as those that there are can be judged anew.
        while let Decision::JudgeByRanks(ranks) = decision {
            sampling = sampling.judge_by_ranks(&self.chains, ranks);
            if !sampling.keeps_parameters() {
                return (Phase::Sampling(sampling), ShortChainsEvent::JudgedByRanks);
            }
            summaries = sampling.summaries();
            decision = sampling.decide(&self.chains, &self.trajectories, &summaries);
        }
        let (points, end) = match decision {
            Decision::Settle { objection, notes } => (sampling.draws(), ShortChainsEnd::Settled { objection, notes }),
            // In a map even a 64th of these steps was too long. One more attempt is enough.
            Decision::SmallerSteps(reason)
                if self.attempt > 0 && self.chains.coordinates == ChainCoordinates::Map && sampling.has_draws() =>
            {
                let objection = Some(Finding::ShortChains(reason));
                (sampling.draws(), ShortChainsEnd::Settled { objection, notes: Vec::new() })
            }
            Decision::SmallerSteps(_) if self.attempt + 1 < ACCEPTANCES.len() => {
                self.attempt += 1;
                let event = ShortChainsEvent::SmallerSteps { acceptance: ACCEPTANCES[self.attempt] };
                return (Phase::Start(sampling.into_ranks()), event);
            }
            Decision::SmallerSteps(reason) => {
                (self.chains.points(), ShortChainsEnd::Unsettled(Finding::ShortChains(reason)))
            }
            // Where the posterior is nearly a standard normal, other chains would see no more.
            Decision::GiveUp(reason) if self.chains.coordinates == ChainCoordinates::Map && sampling.has_draws() => {
                (sampling.draws(), ShortChainsEnd::Settled { objection: Some(reason), notes: Vec::new() })
            }
            Decision::GiveUp(reason) => (self.chains.points(), ShortChainsEnd::Unsettled(reason)),
            Decision::Lengthen => {
                self.chains.lengthen();
                return (Phase::Sampling(sampling.restart(&self.chains)), ShortChainsEvent::Lengthened);
            }
            Decision::JudgeByRanks(_) => unreachable!("all have been judged"),
            Decision::DiscardFirstHalf => {
                sampling.discard_first_half();
                return (Phase::Sampling(sampling), ShortChainsEvent::FirstHalfDiscarded);
            }
            Decision::Continue => return (Phase::Sampling(sampling), ShortChainsEvent::Moved),
        };
        // Normal scores say nothing of the drift.
        let moments = |(summary, by_ranks): (&MomentSummary, bool)| match by_ranks {
            true => (f64::NAN, f64::NAN),
            false => (summary.mean, summary.sd),
        };
        self.end(&summaries.iter().zip(sampling.by_ranks()).map(moments).collect(), points, end)
    }

    /// The end of a run whose last transitions are not summarised.
    fn end_now(&self, reason: Finding) -> (Phase, ShortChainsEvent) {
        let after = moments_of(&self.chains.parameters());
        self.end(&after, self.chains.points(), ShortChainsEnd::Unsettled(reason))
    }

    fn end(&self, after: &Moments, points: Array2<f64>, end: ShortChainsEnd) -> (Phase, ShortChainsEvent) {
        let max_drift = largest_drift(&self.before, after);
        (Phase::Ended(ShortChainsResult { max_drift, points, end }), ShortChainsEvent::Ended)
    }
}
