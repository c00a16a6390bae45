//! The transitions after burn-in, and the policy that follows from them.

use super::assessment::{Movements, Mover, is_unclear, least_precise};
use super::chains::Chains;
use crate::diagnostics::{ChainMoments, MomentSummary, Ranks, has_fourth_moment};
use crate::fit::finding::Finding;
use crate::fit::monte_carlo_error::{PRECISE, note_on_ranks};
use crate::fit::thinning::ThinnedBuffer;
use crate::fit::unsettled::Unsettled;
use crate::gaussian::GaussianApproximation;
use ndarray::Array2;
use rayon::prelude::*;
use std::ops::ControlFlow;

/// Transitions in a group, of which the sums are kept; transitions are discarded by groups.
const GROUP: usize = 8;
/// Groups from one judgement to the next, so that both halves have as many.
const ROUND: usize = 2;
/// Transitions of a round.
pub const ROUND_TRANSITIONS: usize = ROUND * GROUP;
/// Fewest groups that are judged: with 16 transitions chains seemed stationary while they crawled
/// into a tail (docs/contribute/decisions/001-short-chains-before-nuts.md).
const LEAST_GROUPS: usize = 8;
/// Fewest transitions that settle.
pub const LEAST_TRANSITIONS: usize = LEAST_GROUPS * GROUP;
/// Most groups, 192 transitions, unless more draws are asked for. Not compared with other numbers.
const MOST_GROUPS: usize = 24;
/// One trajectory of so many may diverge, none of fewer: four chains of Stan's NUTS have as many by
/// default, of which none may.
const TRAJECTORIES_PER_DIVERGENCE: usize = 4000;
/// A chain that has not moved for so many transitions has too long steps where it is: without this
/// test two of 40 fits of the non-centred eight schools were wrong (the same record). Not compared
/// with other numbers.
const STUCK: usize = 32;
/// Chains are given up if an error would still be larger than this after all transitions, in
/// standard deviations: twice what is precise, since errors are not quite known if tails are
/// visited seldom. Not compared with other values.
const OUT_OF_REACH: f64 = 2.0 * PRECISE;

/// Chains are slow if their states are worth less than one independent state in so many transitions:
/// with trajectories of a quarter of a period that is so along a direction that is twice as wide as
/// in the coordinates.
const SLOW: f64 = 6.0;

/// What is seen of the trajectories of an attempt.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trajectories {
    total: usize,
    diverged: usize,
    /// For how many transitions the chain that has not moved for longest has not moved.
    longest_stay: usize,
}

impl Trajectories {
    /// What shows that steps are too long, if anything does, before the run ends: one divergence too many
    /// may be outweighed by the trajectories to come.
    fn too_long_steps(&self) -> Option<Unsettled> {
        if self.longest_stay >= STUCK {
            return Some(Unsettled::Stuck { transitions: self.longest_stay });
        }
        self.more_than(1 + self.total / TRAJECTORIES_PER_DIVERGENCE)
    }

    /// What shows at the end of a run that steps were too long.
    fn too_many_divergences(&self) -> Option<Unsettled> {
        self.more_than(self.total / TRAJECTORIES_PER_DIVERGENCE)
    }

    fn more_than(&self, allowed: usize) -> Option<Unsettled> {
        let Self { total: trajectories, diverged: divergences, .. } = *self;
        (divergences > allowed).then_some(Unsettled::Diverged { divergences, trajectories })
    }
}

/// Transitions with trajectories of one length.
pub struct Sampling {
    /// Of each parameter that is judged by its normal scores, the ranks.
    ranks: Vec<Option<Ranks>>,
    moments: ChainMoments,
    points: ThinnedBuffer,
    /// Transitions whose states are wanted as draws.
    wanted: usize,
    /// Groups of transitions, discarded ones included.
    groups: usize,
}

/// What follows from the transitions so far.
pub enum Decision {
    /// The chains have settled.
    Settle {
        /// The least precise parameter, if it is too imprecise.
        objection: Option<Finding>,
        /// What else to know.
        notes: Vec<Finding>,
    },
    /// They will not, for this reason.
    GiveUp(Finding),
    /// Steps are too long, for this reason.
    SmallerSteps(Unsettled),
    /// Trajectories should be twice as long.
    Lengthen,
    /// These parameters should be judged by ranks.
    JudgeByRanks(Vec<(usize, Ranks)>),
    /// The first half of the transitions should be discarded.
    DiscardFirstHalf,
    /// More transitions are needed.
    Continue,
}

impl Sampling {
    /// No transitions yet, `wanted` of which are to be kept as draws.
    pub fn start<F: GaussianApproximation>(chains: &Chains<'_, F>, ranks: Vec<Option<Ranks>>, wanted: usize) -> Self {
        let moments = ChainMoments::new(chains.parameters().view(), &ranks);
        Self { ranks, moments, points: ThinnedBuffer::new(wanted), wanted, groups: 0 }
    }

    /// The same before any transition, with these ranks beside those that there are.
    pub fn restart<F: GaussianApproximation>(mut self, chains: &Chains<'_, F>, more: Vec<(usize, Ranks)>) -> Self {
        more.into_iter().for_each(|(parameter, ranks)| self.ranks[parameter] = Some(ranks));
        Self::start(chains, self.ranks, self.wanted)
    }

    /// The ranks of the parameters that are judged by them.
    pub fn into_ranks(self) -> Vec<Option<Ranks>> {
        self.ranks
    }

    /// The transitions of a round.
    pub fn step<F: GaussianApproximation>(
        &mut self,
        chains: &mut Chains<'_, F>,
        trajectories: &mut Trajectories,
    ) -> ControlFlow<()> {
        let mut more = ROUND_TRANSITIONS;
        for _ in 0..ROUND {
            self.moments.begin_group(chains.count());
            for _ in 0..GROUP {
                more -= 1;
                let transition = chains.transition(more)?;
                trajectories.diverged += transition.divergences;
                trajectories.longest_stay = transition.longest_stay;
                self.moments.add(chains.parameters().view());
                self.points.offer(|| chains.points());
            }
            self.groups += 1;
            trajectories.total += GROUP * chains.count();
        }
        ControlFlow::Continue(())
    }

    /// What the transitions say of each parameter.
    pub fn summaries(&self) -> Vec<MomentSummary> {
        self.moments.summaries()
    }

    /// Which parameters are judged by their normal scores.
    pub fn by_ranks(&self) -> impl Iterator<Item = bool> {
        self.ranks.iter().map(Option::is_some)
    }

    /// The states that are kept as draws (draws × D).
    pub fn draws(&self) -> Array2<f64> {
        self.points.evenly_spaced()
    }

    /// Discards the first half of the transitions.
    pub fn discard_first_half(&mut self) {
        self.moments.discard_first_half();
        self.points = ThinnedBuffer::new(self.wanted);
    }

    /// The policy. Chains have settled if no moment may move and all are precise. Those that have not, and
    /// forget slowly, get longer trajectories. If these are the longest, or the chains would not be precise in
    /// the end, parameters without a fourth moment are judged by ranks. Chains whose errors would be too large
    /// even in the end are given up, and so are those that are not stationary in the end. If a moment
    /// certainly moves, the first half of the transitions is discarded.
    pub fn decide<F: GaussianApproximation>(
        &self,
        chains: &Chains<'_, F>,
        trajectories: &Trajectories,
        summaries: &[MomentSummary],
    ) -> Decision {
        if let Some(reason) = trajectories.too_long_steps() {
            return Decision::SmallerSteps(reason);
        }
        let most = MOST_GROUPS.max(ROUND * self.wanted.div_ceil(ROUND_TRANSITIONS));
        let last = self.groups >= most || !chains.pays_for(ROUND_TRANSITIONS);
        if !last && self.moments.groups() < LEAST_GROUPS {
            return Decision::Continue;
        }
        let movements = Movements::of(summaries);
        let imprecise = least_precise(summaries).filter(|(_, error)| *error > PRECISE);
        let judged = |parameter: usize| (chains.names()[parameter].clone(), self.ranks[parameter].is_some());
        let imprecision = |(index, error)| {
            let (parameter, by_ranks) = judged(index);
            Finding::Imprecise { parameter, by_ranks, error }
        };
        let diverging = trajectories.too_many_divergences();
        let is_still = movements.is_none() && self.points.are_enough() && diverging.is_none();
        if is_still && imprecise.is_none() {
            return self.settled(chains, trajectories, None);
        }
        // Errors fall as the square root of the transitions.
        let reduction = (self.moments.groups() as f64 / most as f64).sqrt();
        let out_of_reach = imprecise.filter(|(_, error)| error * reduction > OUT_OF_REACH);
        let is_unclear = movements.is_some() || imprecise.is_some();
        let is_slow = is_unclear && self.is_slow(chains.count(), summaries);
        if is_unclear && (last || out_of_reach.is_some() || is_slow) {
            let may_lengthen = chains.may_lengthen(2 * LEAST_TRANSITIONS);
            if is_slow && may_lengthen {
                return Decision::Lengthen;
            }
            let heavy = self.heavy_tailed(chains, summaries);
            if !heavy.is_empty() {
                return Decision::JudgeByRanks(heavy);
            }
            if may_lengthen {
                return Decision::Lengthen;
            }
        }
        if is_still && last {
            return self.settled(chains, trajectories, imprecise.map(imprecision));
        }
        if let Some(imprecise) = out_of_reach {
            return Decision::GiveUp(imprecision(imprecise));
        }
        if let Some(reason) = diverging.filter(|_| last) {
            return Decision::SmallerSteps(reason);
        }
        match movements {
            Some(Movements { largest: Mover { parameter, moment, movement }, .. }) if last => {
                let (parameter, by_ranks) = judged(parameter);
                Decision::GiveUp(Finding::ShortChains(Unsettled::Moving { parameter, by_ranks, moment, movement }))
            }
            None if last => Decision::GiveUp(Finding::ShortChains(Unsettled::Stopped)),
            Some(Movements { certain: true, .. }) => Decision::DiscardFirstHalf,
            _ => Decision::Continue,
        }
    }

    /// The decision for chains that have settled, with the least precise parameter if that is an objection.
    fn settled<F: GaussianApproximation>(
        &self,
        chains: &Chains<'_, F>,
        trajectories: &Trajectories,
        objection: Option<Finding>,
    ) -> Decision {
        let on_ranks = note_on_ranks(chains.names(), self.by_ranks());
        let count = trajectories.diverged;
        let on_divergences = (count > 0).then_some(Finding::ShortChainDivergences { count });
        Decision::Settle { objection, notes: on_ranks.into_iter().chain(on_divergences).collect() }
    }

    /// Whether a parameter that is unclear is forgotten slowly by each of `chains` chains.
    fn is_slow(&self, chains: usize, summaries: &[MomentSummary]) -> bool {
        let states = (chains * GROUP * self.moments.groups()) as f64;
        let unclear = summaries.iter().filter(|summary| is_unclear(summary));
        unclear.map(|summary| summary.mean_error.powi(2) * states).any(|states_per_draw| states_per_draw > SLOW)
    }

    /// The parameters whose moments are in the way and whose tails are too heavy for them, with
    /// their ranks among the draws so far; none if the budget does not pay for another judgement.
    fn heavy_tailed<F: GaussianApproximation>(
        &self,
        chains: &Chains<'_, F>,
        summaries: &[MomentSummary],
    ) -> Vec<(usize, Ranks)> {
        let by_moments: Vec<usize> = (0..summaries.len()).filter(|&index| self.ranks[index].is_none()).collect();
        let unclear = |parameter: &usize| is_unclear(&summaries[*parameter]);
        if !by_moments.iter().any(unclear) || !chains.pays_for(LEAST_TRANSITIONS) {
            return Vec::new();
        }
        let draws = chains.parameters_at(&self.points.all());
        let heavy = |parameter: &usize| !has_fourth_moment(&draws.column(*parameter).to_vec());
        let heavy: Vec<usize> = by_moments.into_par_iter().filter(heavy).collect();
        if !heavy.iter().any(unclear) {
            return Vec::new();
        }
        // All at once: each time, transitions are discarded.
        let ranks = |parameter| (parameter, Ranks::among(draws.column(parameter).iter().copied()));
        heavy.into_par_iter().map(ranks).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_trajectory_of_4000_may_diverge_and_none_of_fewer() {
        let of = |total, diverged, longest_stay| Trajectories { total, diverged, longest_stay };
        let diverged = |divergences, trajectories| Some(Unsettled::Diverged { divergences, trajectories });
        let at_the_end = |total, diverged| of(total, diverged, 0).too_many_divergences();
        assert_eq!([at_the_end(4000, 1), at_the_end(8000, 2)], [None, None]);
        assert_eq!([at_the_end(3999, 1), at_the_end(8000, 3)], [diverged(1, 3999), diverged(3, 8000)]);
        let before = |total, diverged, stay| of(total, diverged, stay).too_long_steps();
        assert_eq!([before(2048, 0, 31), before(1024, 1, 0), before(4000, 2, 0)], [None, None, None]);
        assert_eq!([before(1024, 2, 0), before(4000, 3, 0)], [diverged(2, 1024), diverged(3, 4000)]);
        assert_eq!(before(2048, 9, 32), Some(Unsettled::Stuck { transitions: 32 }));
    }
}
