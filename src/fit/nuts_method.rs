//! NUTS alone: what a fit is to be held against.

use super::course::{Answer, Course};
use super::monte_carlo_error::{imprecision, note_on_ranks, precision};
use super::nuts_fallback::{CHAINS, affordable_depth};
use super::{Fit, FitError, Init, Verdict};
use crate::diagnostics::summarise;
use crate::model::Target;
use crate::sample::{NutsOptions, Start, constrain, sample, warnings};
use ndarray::{ArrayView2, Axis, concatenate};

impl Course<'_> {
    /// Chains with Stan's defaults from random points or from a given one, with trajectories no longer than the budget
    /// allows.
    pub fn nuts(mut self) -> Result<Fit, FitError> {
        let options = self.options;
        let mut nuts = NutsOptions {
            chains: CHAINS,
            draws: options.draws.div_ceil(CHAINS),
            seed: options.seed,
            threads: rayon::current_num_threads(),
            ..NutsOptions::default()
        };
        let iterations = nuts.warmup + nuts.draws;
        nuts.max_depth = affordable_depth(options.budget, iterations).ok_or_else(|| FitError::Budget {
            budget: options.budget.unwrap_or(u64::MAX),
            chains: CHAINS,
            iterations,
        })?;
        let start = match options.init() {
            Init::Point(position) => Start::At(vec![position; CHAINS]),
            Init::Zero => Start::At(vec![vec![0.0; self.target.dim()]; CHAINS]),
            _ => Start::Random,
        };
        let chains = self.phases.run("nuts", || sample(self.target, &nuts, &start, &|_| self.observer.transition()))?;
        let points: Vec<ArrayView2<f64>> = chains.iter().map(|chain| chain.draws.view()).collect();
        let draws = self.phases.run("draws", || constrain(self.model, &points, options.seed))?;
        let mut verdict = Verdict::new();
        verdict.objections = warnings(&chains, &summarise(&draws), nuts.max_depth);
        let precision = precision(&draws, self.model.parameter_count());
        verdict.objections.extend(imprecision(draws.names(), &precision));
        verdict.notes.extend(note_on_ranks(draws.names(), precision.iter().map(|it| it.by_ranks)));
        let unconstrained = concatenate(Axis(0), &points).expect("all draws have D coordinates");
        Ok(self.finish(None, verdict, Vec::new(), Answer::of_chains(draws, unconstrained)))
    }
}
