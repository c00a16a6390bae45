//! The course of a fit from its start on: an engine, importance sampling, what to do where that fails, and the draws.

use super::draw_limit::affordable;
use super::phase::Phases;
use super::{
    Fit, FitError, FitOptions, Importance, Init, Method, Observer, Verdict, WeightedDraws, importance, streams,
};
use crate::diagnostics::{chains_of, ess_mean};
use crate::draws::Draws;
use crate::engine::advi::best_learning_rate;
use crate::engine::{DriverOptions, Engine, Outcome, SavedState, State, TraceRow};
use crate::gaussian::{Approximation, GaussianApproximation};
use crate::init::{LocalGaussian, given_point, laplace, map, path, random_point};
use crate::model::{CountingTarget, Model, Target as _};
use crate::random::{Rng, fill_standard_normal, stream};
use crate::sample::constrain;
use ndarray::Array2;
use rayon::prelude::*;

/// A fit under way.
pub struct Course<'a> {
    pub model: &'a dyn Model,
    pub target: &'a CountingTarget<&'a dyn Model>,
    pub options: &'a FitOptions,
    pub observer: &'a dyn Observer,
    pub phases: Phases<'a, &'a dyn Model>,
}

/// Draws on both scales.
pub struct Answer {
    /// On the constrained scale.
    pub draws: Draws,
    /// On the unconstrained scale, draws × D.
    pub unconstrained: Array2<f64>,
    /// How many independent draws the draws of each quantity are worth.
    pub effective_draws: Vec<f64>,
}

impl Answer {
    /// The draws of Markov chains.
    pub fn of_chains(draws: Draws, unconstrained: Array2<f64>) -> Self {
        let columns = (0..draws.names().len()).into_par_iter();
        let effective_draws = columns.map(|column| ess_mean(&chains_of(&draws, column))).collect();
        Self { draws, unconstrained, effective_draws }
    }
}

impl<'a> Course<'a> {
    /// At the beginning.
    pub fn new(
        model: &'a dyn Model,
        target: &'a CountingTarget<&'a dyn Model>,
        options: &'a FitOptions,
        observer: &'a dyn Observer,
    ) -> Result<Self, FitError> {
        if model.dim() == 0 {
            return Err(FitError::NoParameters);
        }
        Ok(Self { model, target, options, observer, phases: Phases::new(target, observer) })
    }

    /// The Gaussian to begin with.
    pub fn begin(&mut self) -> Result<LocalGaussian, FitError> {
        let (target, seed, first) = (self.target, self.options.seed, streams::INIT);
        let init = self.options.init();
        let paths = self.options.path();
        self.phases.run(init.name(), || {
            Ok(match init {
                Init::Path => path(target, &paths, seed, first)?.0,
                Init::Map => map(target, seed, first)?,
                Init::Laplace => laplace(target, seed, first)?,
                Init::Random => LocalGaussian::unit(random_point(target, &mut stream(seed, first))?.position),
                Init::Zero => LocalGaussian::unit(given_point(target, vec![0.0; target.dim()])?.position),
                Init::Point(position) => LocalGaussian::unit(given_point(target, position)?.position),
            })
        })
    }

    /// Runs `engine` and concludes with what it arrived at.
    pub fn drive<E: Engine>(self, name: &'static str, engine: E) -> Result<Fit, FitError>
    where
        E::Approximation: Into<Approximation>,
        State<E>: Into<SavedState>,
    {
        let (seed, driver) = (self.options.seed, self.options.driver(self.model.dim()));
        let state = State::new(engine, stream(seed, streams::ENGINE), self.target.counts().gradient_evaluations);
        self.go_on(name, state, &driver)
    }

    /// Runs full-rank, low-rank or mean-field ADVI, with the best learning rate of a grid where none is given.
    pub fn advi<E: Engine + Clone>(mut self, name: &'static str, engine: E) -> Result<Fit, FitError>
    where
        E::Approximation: Into<Approximation>,
        State<E>: Into<SavedState>,
    {
        let mut driver = self.options.advi_driver(self.model.dim());
        let rng = stream(self.options.seed, streams::ENGINE);
        if driver.learning_rate.initial.is_none() {
            let best = self.phases.run("grid", || best_learning_rate(&engine, self.target, &driver, &rng))?;
            driver.learning_rate.initial = Some(best);
        }
        let state = State::new(engine, rng, self.target.counts().gradient_evaluations);
        self.go_on(name, state, &driver)
    }

    /// Goes on with a run from where it stands, and concludes with what it arrives at.
    pub fn go_on<E: Engine>(
        mut self,
        name: &'static str,
        mut state: State<E>,
        driver: &DriverOptions,
    ) -> Result<Fit, FitError>
    where
        E::Approximation: Into<Approximation>,
        State<E>: Into<SavedState>,
    {
        let mut trace = Vec::new();
        let Outcome { family, converged, score_divergence, iterations, rejected, returns } =
            self.phases.run(name, || {
                state.run(self.target, driver, &mut |row| {
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
        if returns > 0 {
            let times = if returns == 1 { "once".into() } else { format!("{returns} times") };
            notes.push(format!(
                "the approximation was thrown off {times}, and went back to where it stood with smaller steps"
            ));
        }
        let verdict = Verdict { score_divergence, converged: Some(converged), objections, notes, ..Verdict::new() };
        let fit = self.conclude(family, verdict, trace)?;
        Ok(Fit { state: Some(state.into()), ..fit })
    }

    /// Weighs draws of `family`, goes on from them where they cannot be trusted and the method allows it, and makes the
    /// draws.
    pub fn conclude<F: GaussianApproximation + Into<Approximation>>(
        mut self,
        family: F,
        mut verdict: Verdict,
        trace: Vec<TraceRow>,
    ) -> Result<Fit, FitError> {
        let seed = self.options.seed;
        let importance = self
            .phases
            .run("psis", || importance(self.model, self.target, &family, &mut stream(seed, streams::IMPORTANCE)));
        verdict.elbo = importance.elbo();
        let caution = importance.weighted().judge("the Gaussian", self.model.names(), &mut verdict);
        let count = self.draws();
        if count < self.options.draws {
            verdict.notes.push(format!("only {count} draws were made, which is what fits into a fit's memory"));
        }
        let mut rng = stream(seed, streams::DRAWS);
        let doubted = !verdict.objections.is_empty() || caution.is_some();
        verdict.notes.extend(caution);
        let goes_on = self.options.method == Method::Auto && doubted;
        let chains = if goes_on { self.chains(&importance, &mut verdict, &mut rng) } else { None };
        let answer = match chains {
            Some(answer) => answer,
            None => self.drawn(&family, &importance, &mut rng)?,
        };
        Ok(self.finish(Some(family.into()), verdict, trace, answer))
    }

    /// The fit, all phases done.
    pub fn finish(self, family: Option<Approximation>, verdict: Verdict, trace: Vec<TraceRow>, answer: Answer) -> Fit {
        let Answer { draws, unconstrained, effective_draws } = answer;
        Fit { draws, unconstrained, effective_draws, family, verdict, phases: self.phases.finish(), trace, state: None }
    }

    /// Draws weighted towards the posterior where the weights can be trusted, else of the Gaussian itself.
    fn drawn<F: GaussianApproximation>(
        &mut self,
        family: &F,
        importance: &Importance<F>,
        rng: &mut Rng,
    ) -> Result<Answer, FitError> {
        if importance.weighted().is_trusted() {
            return self.resampled(importance.weighted(), rng);
        }
        let count = self.draws();
        self.constrained(plain_draws(family, count, rng), count as f64)
    }

    /// Draws weighted towards the posterior.
    pub fn resampled(&mut self, weighted: &WeightedDraws, rng: &mut Rng) -> Result<Answer, FitError> {
        let count = self.draws();
        let worth = (weighted.effective_draws().recip() + (count as f64).recip()).recip();
        self.constrained(weighted.resample(count, rng), worth)
    }

    /// How many draws are returned.
    pub fn draws(&self) -> usize {
        affordable(self.options.draws, self.model.dim().max(self.model.names().len()))
    }

    /// `unconstrained` on both scales. Each quantity's draws are worth `worth` independent ones.
    pub fn constrained(&mut self, unconstrained: Array2<f64>, worth: f64) -> Result<Answer, FitError> {
        let seed = self.options.seed;
        let draws = self.phases.run("draws", || constrain(self.model, &[unconstrained.view()], seed))?;
        let effective_draws = vec![worth; draws.names().len()];
        Ok(Answer { draws, unconstrained, effective_draws })
    }
}

/// Draws of the Gaussian itself.
pub fn plain_draws(family: &impl GaussianApproximation, count: usize, rng: &mut Rng) -> Array2<f64> {
    let mut noise = Array2::zeros((count, family.dim()));
    fill_standard_normal(rng, noise.as_slice_mut().expect("a fresh array is contiguous"));
    let mut draws = Array2::zeros(noise.dim());
    family.draws(noise.view(), draws.view_mut());
    draws
}
