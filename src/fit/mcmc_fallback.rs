//! What goes on from a fit whose weighted draws are in doubt: short chains, and where they do not settle, NUTS. Their
//! objections take the place of the Gaussian's.

use super::course::{Answer, Course};
use super::nuts_fallback::{CHAINS, escalate};
use super::options::LARGEST_DENSE;
use super::probe::{ProbeOutcome, Probed, probe};
use super::{Importance, Verdict, streams};
use crate::draws::{Draws, evenly_spaced};
use crate::gaussian::{GaussianApproximation, NotPositiveDefinite};
use crate::random::{Rng, stream};
use crate::sample::constrain;
use ndarray::{Array2, Axis, s};

impl Course<'_> {
    /// The draws of chains; none where there are no chains, and the fit stands as it was, objections and all.
    pub fn chains<F: GaussianApproximation>(
        &mut self,
        importance: &Importance<F>,
        verdict: &mut Verdict,
        rng: &mut Rng,
    ) -> Option<Answer> {
        if self.model.dim() > LARGEST_DENSE {
            verdict.notes.push(format!(
                "above {LARGEST_DENSE} parameters chains do not go on by themselves: save the fit with --output DIR, and run \
                 `stanmatch sample --warm-start DIR`"
            ));
            return None;
        }
        let family = importance.proposal();
        match self.probed(family, verdict) {
            Some(ProbeOutcome::Settled { points, objection, notes }) => {
                verdict.notes.extend(notes);
                self.of_short_chains(&points, objection, verdict)
            }
            Some(ProbeOutcome::Unsettled { points, reason }) => {
                verdict.notes.push(reason);
                let apart = points.nrows() / CHAINS;
                self.of_nuts(family, family.noise(points.slice(s![..; apart, ..])), verdict)
            }
            None => self.of_nuts(family, family.noise(importance.weighted().resample(CHAINS, rng).view()), verdict),
        }
    }

    /// What short chains from draws of `family` find, where they can be run.
    fn probed<F: GaussianApproximation>(&mut self, family: &F, verdict: &mut Verdict) -> Option<ProbeOutcome> {
        let (count, left, observer) = (self.draws(), self.budget_left(), self.observer);
        let mut rng = stream(self.options.seed, streams::PROBE);
        let Probed { max_drift, outcome } = self.phases.run("probe", || {
            probe(self.model, self.target, family, count, left, &mut rng, &|| observer.transition())
        })?;
        verdict.max_drift = max_drift;
        Some(outcome)
    }

    /// The draws of short chains, evenly spaced in `points`. Those after one transition are independent of each other, so
    /// that they make one sequence.
    fn of_short_chains(
        &mut self,
        points: &Array2<f64>,
        objection: Option<String>,
        verdict: &mut Verdict,
    ) -> Option<Answer> {
        let (count, seed) = (self.draws(), self.options.seed);
        let draws = match self.phases.run("draws", || constrain(self.model, &[points.view()], seed)) {
            Ok(draws) => draws,
            Err(error) => {
                verdict.notes.push(format!("short chains have no draws: {error}"));
                return None;
            }
        };
        verdict.replace_objections(objection);
        verdict.notes.push(format!(
            "the draws are those of {} short chains, started from the fit, which moved its marginals by up to {:.2}",
            Probed::CHAINS,
            verdict.max_drift
        ));
        let share = count as f64 / draws.len() as f64;
        let effective_draws = effective_draws(&draws).into_iter().map(|size| share * size).collect();
        let unconstrained = points.select(Axis(0), &evenly_spaced(points.nrows(), count));
        Some(Answer { draws: draws.thinned(&[count]), unconstrained, effective_draws })
    }

    /// The draws of NUTS chains that begin at `starts`, in the coordinates of `family`.
    fn of_nuts<F: GaussianApproximation>(
        &mut self,
        family: &F,
        starts: Result<Array2<f64>, NotPositiveDefinite>,
        verdict: &mut Verdict,
    ) -> Option<Answer> {
        let (asked, left, observer) = ((self.draws(), self.options.seed), self.budget_left(), self.observer);
        let chains = self.phases.run("nuts", || {
            escalate(self.model, self.target, family, starts?.view(), asked, left, &|| observer.transition())
        });
        match chains {
            Ok(Some(chains)) => {
                verdict.replace_objections(chains.objections);
                verdict.notes.extend(chains.note);
                let note =
                    format!("the draws are those of {CHAINS} NUTS chains, started from the fit and in its coordinates");
                verdict.notes.push(note);
                Some(Answer::of_chains(chains.draws, chains.unconstrained))
            }
            Ok(None) => {
                verdict.notes.push("the budget left does not pay for NUTS chains".into());
                None
            }
            Err(error) => {
                verdict.notes.push(format!("NUTS could not go on from the fit: {error}"));
                None
            }
        }
    }

    fn budget_left(&self) -> Option<u64> {
        self.options.budget.map(|budget| budget.saturating_sub(self.target.counts().gradient_evaluations))
    }
}

/// How many independent draws those of short chains are worth; `draws` has the chains' states transition after
/// transition.
fn effective_draws(draws: &Draws) -> Vec<f64> {
    let transitions = draws.len() / Probed::CHAINS;
    let rows: Vec<usize> = (0..draws.len()).map(|row| row % transitions * Probed::CHAINS + row / transitions).collect();
    let chain_after_chain = draws.values().select(Axis(0), &rows);
    let chains = vec![transitions; Probed::CHAINS];
    let draws =
        Draws::new(draws.names().to_vec(), chain_after_chain, chains).expect("the same draws, in another order");
    Answer::of_chains(draws, Array2::zeros((0, 0))).effective_draws
}
