//! The transitions after burn-in, and the policy that follows from them.

use super::ChainCoordinates;
use super::assessment::{Movements, Mover, is_unclear, least_precise};
use super::chains::Chains;
use crate::diagnostics::{ChainMoments, MomentSummary, Ranks, has_fourth_moment};
use crate::fit::draw_limit::affordable;
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
/// Most groups of slow chains, 192 transitions, unless more draws are asked for. Not compared with other numbers.
const MOST_GROUPS: usize = 24;
/// How many times as many of chains that are not slow: their states are nearly independent, so that longer
/// trajectories, for which all transitions are discarded, would cost more than further ones do.
const PATIENCE: usize = 2;
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

/// The error of a log standard deviation, in errors of the mean, from which on tails are long: that of independent draws
/// of a distribution with a kurtosis of 17, as against 3 of a normal, for which it is 0.7.
const LONG_TAILED: f64 = 2.0;

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
    /// may be outweighed by the trajectories to come. In a map, where steps a 64th as long diverged as
    /// well, smaller ones would not help.
    fn too_long_steps(&self, coordinates: ChainCoordinates) -> Option<Unsettled> {
        if self.longest_stay >= STUCK {
            return Some(Unsettled::Stuck { transitions: self.longest_stay });
        }
        match coordinates {
            ChainCoordinates::Gaussian => self.more_than(1 + self.total / coordinates.trajectories_per_divergence()),
            ChainCoordinates::Map => None,
        }
    }

    /// What shows at the end of a run that steps were too long.
    fn too_many_divergences(&self, coordinates: ChainCoordinates) -> Option<Unsettled> {
        self.more_than(self.total / coordinates.trajectories_per_divergence())
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
    /// The parameters (chains × parameters) after each transition that the moments count; empty where they would take
    /// too much memory.
    parameters: Vec<Array2<f64>>,
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
        let points = ThinnedBuffer::new(wanted);
        Self { ranks, moments, parameters: Vec::new(), points, wanted, groups: 0 }
    }

    /// The same before any transition.
    pub fn restart<F: GaussianApproximation>(self, chains: &Chains<'_, F>) -> Self {
        Self::start(chains, self.ranks, self.wanted)
    }

    /// Judges more parameters by ranks: by all transitions that count, or where these are not kept anew.
    pub fn judge_by_ranks<F: GaussianApproximation>(
        mut self,
        chains: &Chains<'_, F>,
        more: Vec<(usize, Ranks)>,
    ) -> Self {
        more.into_iter().for_each(|(parameter, ranks)| self.ranks[parameter] = Some(ranks));
        let [first, ..] = &*self.parameters else { return self.restart(chains) };
        self.moments = ChainMoments::new(first.view(), &self.ranks);
        for group in self.parameters.chunks(GROUP) {
            self.moments.begin_group(chains.count());
            group.iter().for_each(|parameters| self.moments.add(parameters.view()));
        }
        self
    }

    /// Whether the parameters after all transitions that count are kept.
    pub fn keeps_parameters(&self) -> bool {
        !self.parameters.is_empty()
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
        let most = PATIENCE * self.most_groups() * GROUP;
        let keeps = affordable(most, chains.count() * self.ranks.len()) == most;
        for _ in 0..ROUND {
            self.moments.begin_group(chains.count());
            for _ in 0..GROUP {
                more -= 1;
                let transition = chains.transition(more)?;
                trajectories.diverged += transition.divergences;
                trajectories.longest_stay = transition.longest_stay;
                let parameters = chains.parameters();
                self.moments.add(parameters.view());
                if keeps {
                    self.parameters.push(parameters);
                }
                self.points.offer(|| chains.points());
            }
            self.groups += 1;
            trajectories.total += GROUP * chains.count();
        }
        ControlFlow::Continue(())
    }

    /// Groups at most, if chains are slow.
    fn most_groups(&self) -> usize {
        MOST_GROUPS.max(ROUND * self.wanted.div_ceil(ROUND_TRANSITIONS))
    }

    /// What the transitions say of each parameter.
    pub fn summaries(&self) -> Vec<MomentSummary> {
        self.moments.summaries()
    }

    /// Which parameters are judged by their normal scores.
    pub fn by_ranks(&self) -> impl Iterator<Item = bool> {
        self.ranks.iter().map(Option::is_some)
    }

    /// Whether as many states are kept as are wanted.
    pub fn has_draws(&self) -> bool {
        self.points.are_enough()
    }

    /// The states that are kept as draws (draws × D).
    pub fn draws(&self) -> Array2<f64> {
        self.points.evenly_spaced()
    }

    /// Discards the first half of the transitions.
    pub fn discard_first_half(&mut self) {
        self.parameters.drain(..(self.moments.groups() / 2 * GROUP).min(self.parameters.len()));
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
        if let Some(reason) = trajectories.too_long_steps(chains.coordinates) {
            return Decision::SmallerSteps(reason);
        }
        let is_slow = self.is_slow(chains.count(), summaries);
        let most = if is_slow { self.most_groups() } else { PATIENCE * self.most_groups() };
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
        let diverging = trajectories.too_many_divergences(chains.coordinates);
        let is_still = movements.is_none() && self.points.are_enough() && diverging.is_none();
        if is_still && imprecise.is_none() {
            return self.settled(chains, trajectories, None);
        }
        // Errors fall as the square root of the transitions.
        let reduction = (self.moments.groups() as f64 / most as f64).sqrt();
        let out_of_reach = imprecise.filter(|(_, error)| error * reduction > OUT_OF_REACH);
        let unsettled = movements.is_some() || imprecise.is_some();
        if unsettled && self.keeps_parameters() {
            let heavy = self.heavy_tailed(chains, summaries, lacks_fourth_moment);
            if !heavy.is_empty() {
                return Decision::JudgeByRanks(heavy);
            }
            // What is precise and long-tailed has a standard deviation that may differ by chance from half to half.
            let mut unclear = summaries.iter().filter(|summary| is_unclear(summary));
            if imprecise.is_none() && movements.is_some_and(|it| !it.certain) && unclear.all(has_long_tails) {
                let long = self.heavy_tailed(chains, summaries, |summary, _| has_long_tails(summary));
                if !long.is_empty() {
                    return Decision::JudgeByRanks(long);
                }
            }
        }
        if unsettled && (last || out_of_reach.is_some() || is_slow) {
            let may_lengthen = chains.may_lengthen(2 * LEAST_TRANSITIONS);
            if is_slow && may_lengthen {
                return Decision::Lengthen;
            }
            let heavy = self.heavy_tailed(chains, summaries, lacks_fourth_moment);
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
            return match chains.coordinates {
                ChainCoordinates::Gaussian => Decision::SmallerSteps(reason),
                ChainCoordinates::Map => Decision::GiveUp(Finding::ShortChains(reason)),
            };
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
    /// their ranks among the draws so far; none if another judgement takes transitions that the budget
    /// does not pay for. `is_heavy` tells by a parameter's summary and draws whether its tails are.
    fn heavy_tailed<F: GaussianApproximation>(
        &self,
        chains: &Chains<'_, F>,
        summaries: &[MomentSummary],
        is_heavy: impl Fn(&MomentSummary, &[f64]) -> bool + Sync,
    ) -> Vec<(usize, Ranks)> {
        let by_moments: Vec<usize> = (0..summaries.len()).filter(|&index| self.ranks[index].is_none()).collect();
        let unclear = |parameter: &usize| is_unclear(&summaries[*parameter]);
        let keeps = self.keeps_parameters();
        if !by_moments.iter().any(unclear) || !keeps && !chains.pays_for(LEAST_TRANSITIONS) {
            return Vec::new();
        }
        let draws = chains.parameters_at(&self.points.all());
        let heavy = |parameter: &usize| is_heavy(&summaries[*parameter], &draws.column(*parameter).to_vec());
        // Where transitions are discarded each time, all heavy tails are judged by ranks at once.
        let candidates = by_moments.into_par_iter().filter(|parameter| !keeps || unclear(parameter));
        let heavy: Vec<usize> = candidates.filter(heavy).collect();
        if !heavy.iter().any(unclear) {
            return Vec::new();
        }
        let ranks = |parameter| (parameter, Ranks::among(draws.column(parameter).iter().copied()));
        heavy.into_par_iter().map(ranks).collect()
    }
}

fn lacks_fourth_moment(_: &MomentSummary, draws: &[f64]) -> bool {
    !has_fourth_moment(draws)
}

/// Whether the error of the log standard deviation is large beside that of the mean: √(kurtosis − 1)/2 times it, for
/// independent draws.
fn has_long_tails(summary: &MomentSummary) -> bool {
    summary.log_sd_error > LONG_TAILED * summary.mean_error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_trajectory_of_some_may_diverge_and_none_of_fewer() {
        for (coordinates, some) in [(ChainCoordinates::Gaussian, 4000), (ChainCoordinates::Map, 1000)] {
            let of = |total, diverged, longest_stay| Trajectories { total, diverged, longest_stay };
            let diverged = |divergences, trajectories| Some(Unsettled::Diverged { divergences, trajectories });
            let at_the_end = |total, diverged| of(total, diverged, 0).too_many_divergences(coordinates);
            assert_eq!([at_the_end(some, 1), at_the_end(2 * some, 2)], [None, None]);
            assert_eq!(
                [at_the_end(some - 1, 1), at_the_end(2 * some, 3)],
                [diverged(1, some - 1), diverged(3, 2 * some)]
            );
            let before = |total, diverged, stay| of(total, diverged, stay).too_long_steps(coordinates);
            assert_eq!([before(some - 1, 0, 31), before(some - 1, 1, 0), before(some, 2, 0)], [None, None, None]);
            let too_many = [before(some - 1, 2, 0), before(some, 3, 0)];
            match coordinates {
                ChainCoordinates::Gaussian => assert_eq!(too_many, [diverged(2, some - 1), diverged(3, some)]),
                ChainCoordinates::Map => assert_eq!(too_many, [None, None]),
            }
            assert_eq!(before(some / 2, 9, 32), Some(Unsettled::Stuck { transitions: 32 }));
        }
    }
}
