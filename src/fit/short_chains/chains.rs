//! The chains with what they cost.

use super::ChainCoordinates;
use crate::fit::weighted_draws::constrained_parameters;
use crate::gaussian::GaussianApproximation;
use crate::model::{CountingTarget, Model};
use crate::random::Rng;
use crate::sample::{HmcTransition, ParallelHmc};
use ndarray::{Array2, ArrayView1, Axis, concatenate};
use std::ops::ControlFlow;

/// A budget that pays for fewer gradient evaluations of each chain does not pay for chains: the 70
/// transitions that chains need to settle are as many with two leapfrog steps each.
const LEAST_EVALUATIONS: u64 = 150;
/// How often trajectories may be doubled, from a quarter of a period to a whole one. With shorter
/// ones chains seemed stationary that were not
/// (docs/contribute/decisions/001-short-chains-before-nuts.md).
const DOUBLINGS: u32 = 2;

/// The chains, and the budget that bounds them.
pub struct Chains<'a, F> {
    model: &'a dyn Model,
    target: &'a CountingTarget<&'a dyn Model>,
    hmc: ParallelHmc<'a, CountingTarget<&'a dyn Model>, F>,
    /// In whose coordinates they run.
    pub coordinates: ChainCoordinates,
    /// Called after each transition; may cancel the run.
    observe: &'a dyn Fn() -> ControlFlow<()>,
    /// The count of gradient evaluations that must not be passed.
    evaluations_end: Option<u64>,
    /// How often trajectories were doubled.
    doublings: u32,
}

impl<'a, F: GaussianApproximation> Chains<'a, F> {
    /// Chains at draws of `gaussian`; none if the target rejects most draws.
    pub fn new(
        model: &'a dyn Model,
        target: &'a CountingTarget<&'a dyn Model>,
        gaussian: &'a F,
        coordinates: ChainCoordinates,
        evaluations_end: Option<u64>,
        rng: &mut Rng,
        observe: &'a dyn Fn() -> ControlFlow<()>,
    ) -> Option<Self> {
        let hmc = ParallelHmc::new(target, gaussian, coordinates.chains(), rng)?;
        Some(Self { model, target, hmc, coordinates, observe, evaluations_end, doublings: 0 })
    }

    /// Whether `budget` gradient evaluations pay for `count` chains at all.
    pub fn are_affordable(count: usize, budget: u64) -> bool {
        budget >= LEAST_EVALUATIONS * count as u64
    }

    /// The number of chains.
    pub fn count(&self) -> usize {
        self.hmc.chains()
    }

    /// What the budget leaves beside so many more transitions; none if it does not pay for them.
    fn left_beside(&self, transitions: usize) -> Option<u64> {
        let cost = transitions as u64 * self.hmc.most_evaluations();
        let spent = self.target.counts().gradient_evaluations;
        self.evaluations_end.map_or(Some(u64::MAX), |end| end.checked_sub(spent + cost))
    }

    /// Whether the budget pays for so many more transitions.
    pub fn pays_for(&self, transitions: usize) -> bool {
        self.left_beside(transitions).is_some()
    }

    /// Forgets how often the step size was adapted.
    pub fn adapt_anew(&mut self) {
        self.hmc.adapt_anew();
    }

    /// A transition that adapts the step size to an acceptance.
    pub fn adapting_transition(&mut self, acceptance: f64) -> ControlFlow<()> {
        let retries = self.left_beside(1).unwrap_or(0);
        self.hmc.adapting_transition(acceptance, retries);
        (self.observe)()
    }

    /// A transition, after which the budget pays for so many more.
    pub fn transition(&mut self, more: usize) -> ControlFlow<(), HmcTransition> {
        let transition = self.hmc.transition(self.left_beside(1 + more).unwrap_or(0));
        (self.observe)()?;
        ControlFlow::Continue(transition)
    }

    /// Whether trajectories may be longer still, and the budget pays for `transitions` of the
    /// length that they have.
    pub fn may_lengthen(&self, transitions: usize) -> bool {
        self.doublings < DOUBLINGS && self.pays_for(transitions)
    }

    /// Doubles the length of trajectories.
    pub fn lengthen(&mut self) {
        self.hmc.lengthen();
        self.doublings += 1;
    }

    /// The states on the unconstrained scale, chains × D.
    pub fn points(&self) -> Array2<f64> {
        self.hmc.points()
    }

    /// The parameters where the chains are, chains × parameters.
    pub fn parameters(&self) -> Array2<f64> {
        self.parameters_at(&self.hmc.points())
    }

    /// The parameters at `points` (n × D), n × parameters.
    pub fn parameters_at(&self, points: &Array2<f64>) -> Array2<f64> {
        constrained_parameters(self.model, points)
    }

    /// The parameters where the chains are and the log density, chains × (parameters + 1).
    pub fn quantities(&self) -> Array2<f64> {
        let parameters = self.parameters();
        let log_densities = Array2::from_shape_vec((self.count(), 1), self.hmc.log_densities().collect());
        concatenate![Axis(1), parameters, log_densities.expect("every chain has a log density")]
    }

    /// The names of the parameters.
    pub fn names(&self) -> &'a [String] {
        &self.model.names()[..self.model.parameter_count()]
    }
}

/// The columns of a table.
pub fn columns(table: &Array2<f64>) -> Vec<ArrayView1<'_, f64>> {
    table.columns().into_iter().collect()
}
