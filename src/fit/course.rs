//! The course of a fit from its start on: an engine, importance sampling, what to do where that fails, and the draws.

use super::escalation::escalate;
use super::phase::Phases;
use super::{Fit, FitError, FitOptions, Importance, Method, Observer, Verdict, importance, streams};
use crate::diagnostics::{chains_of, ess_mean};
use crate::draws::Draws;
use crate::engine::{DriverOptions, Engine, Outcome, TraceRow, run};
use crate::family::{Approximation, Family};
use crate::random::{Rng, fill_standard_normal, stream};
use crate::sample::constrain;
use crate::target::{Counted, StanTarget};
use ndarray::Array2;

/// A fit under way.
pub struct Course<'a> {
    pub model: &'a StanTarget,
    pub target: &'a Counted<&'a StanTarget>,
    pub options: &'a FitOptions,
    pub observer: &'a dyn Observer,
    pub phases: Phases<'a, &'a StanTarget>,
}

/// Draws on both scales.
struct Answer {
    draws: Draws,
    unconstrained: Array2<f64>,
    effective_draws: Vec<f64>,
}

impl Course<'_> {
    /// Runs `engine` and concludes with what it arrived at.
    pub fn drive<E: Engine>(mut self, name: &'static str, mut engine: E) -> Result<Fit, FitError>
    where
        E::Family: Into<Approximation>,
    {
        let driver = DriverOptions {
            batch: self.options.batch,
            max_iterations: self.options.iterations,
            budget: self.options.budget,
            ..DriverOptions::default()
        };
        let mut trace = Vec::new();
        let Outcome { family, converged, iterations, rejected } = self.phases.run(name, || {
            run(&mut engine, self.target, &driver, &mut stream(self.options.seed, streams::ENGINE), &mut |row| {
                trace.push(*row);
                self.observer.iteration(row);
            })
        })?;
        let mut objections = Vec::new();
        if !converged {
            objections.push(format!(
                "the score divergence was still falling after {iterations} iterations: allow more with --iterations or --budget"
            ));
        }
        let mut notes = Vec::new();
        if rejected > 0 {
            notes.push(format!("the program rejected {rejected} draws of the engine, which were left out"));
        }
        let window = driver.window.min(trace.len());
        let recent = trace[trace.len() - window..].iter().map(|row: &TraceRow| row.score_divergence);
        let verdict = Verdict {
            pareto_k: f64::NAN,
            elbo: f64::NAN,
            score_divergence: recent.sum::<f64>() / window as f64,
            converged,
            objections,
            notes,
        };
        self.conclude(family, verdict, trace)
    }

    /// Weighs draws of `family`, goes on from them where they cannot be trusted and the method allows it, and makes the draws.
    fn conclude<F: Family + Into<Approximation>>(
        mut self,
        family: F,
        mut verdict: Verdict,
        trace: Vec<TraceRow>,
    ) -> Result<Fit, FitError> {
        let seed = self.options.seed;
        let importance = self
            .phases
            .run("psis", || importance(self.model, self.target, &family, &mut stream(seed, streams::IMPORTANCE)));
        verdict.pareto_k = importance.weighted().pareto_k();
        verdict.elbo = importance.elbo();
        verdict.objections.extend(importance.weighted().objection("the Gaussian"));
        let mut rng = stream(seed, streams::DRAWS);
        let escalated = match self.options.method {
            Method::Auto if !verdict.objections.is_empty() => self.escalated(&importance, &mut verdict, &mut rng),
            _ => None,
        };
        let answer = match escalated {
            Some(answer) => answer,
            None => self.drawn(&family, &importance, &mut rng)?,
        };
        Ok(Fit {
            draws: answer.draws,
            unconstrained: answer.unconstrained,
            effective_draws: answer.effective_draws,
            family: family.into(),
            verdict,
            phases: self.phases.finish(),
            trace,
        })
    }

    /// The draws of NUTS chains, whose objections take the place of the Gaussian's; none where there are no chains.
    fn escalated<F: Family>(
        &mut self,
        importance: &Importance<F>,
        verdict: &mut Verdict,
        rng: &mut Rng,
    ) -> Option<Answer> {
        let options = self.options;
        let left = options.budget.map(|budget| budget.saturating_sub(self.target.counts().gradient_evaluations));
        let asked = (options.draws, options.seed);
        let progress = || self.observer.transition();
        let chains =
            self.phases.run("nuts", || escalate(self.model, self.target, importance, asked, left, rng, &progress));
        match chains {
            Ok(Some(chains)) => {
                verdict.notes.extend(std::mem::replace(&mut verdict.objections, chains.objections));
                verdict
                    .notes
                    .push("the draws are those of 4 NUTS chains, started from the fit and in its coordinates".into());
                let worth = |column| ess_mean(&chains_of(&chains.draws, column));
                let effective_draws = (0..chains.draws.names().len()).map(worth).collect();
                Some(Answer { draws: chains.draws, unconstrained: chains.unconstrained, effective_draws })
            }
            Ok(None) => {
                verdict.notes.push("the budget left does not pay for NUTS chains".into());
                None
            }
            // The fit stands as it was without them, objections and all.
            Err(error) => {
                verdict.notes.push(format!("NUTS could not go on from the fit: {error}"));
                None
            }
        }
    }

    /// Draws weighted towards the posterior where the weights can be trusted, else of the Gaussian itself.
    fn drawn<F: Family>(&mut self, family: &F, importance: &Importance<F>, rng: &mut Rng) -> Result<Answer, FitError> {
        let FitOptions { draws: count, seed, .. } = *self.options;
        let weighted = importance.weighted();
        let (unconstrained, worth) = if weighted.is_trusted() {
            let worth = (weighted.effective_draws().recip() + (count as f64).recip()).recip();
            (weighted.resample(count, rng), worth)
        } else {
            (plain_draws(family, count, rng), count as f64)
        };
        let draws = self.phases.run("draws", || constrain(self.model, &[unconstrained.view()], seed))?;
        let effective_draws = vec![worth; draws.names().len()];
        Ok(Answer { draws, unconstrained, effective_draws })
    }
}

/// Draws of the Gaussian itself.
fn plain_draws(family: &impl Family, count: usize, rng: &mut Rng) -> Array2<f64> {
    let mut noise = Array2::zeros((count, family.dim()));
    fill_standard_normal(rng, noise.as_slice_mut().expect("a fresh array is contiguous"));
    let mut draws = Array2::zeros(noise.dim());
    family.draws(noise.view(), draws.view_mut());
    draws
}
