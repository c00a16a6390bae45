//! Posteriors with several modes: a Gaussian for each, and importance sampling from their mixture. Markov chains do not
//! cross from one mode to another, so there are none.

mod components;
mod coverage;
mod mixture_importance;

pub(super) use coverage::{compared_with_draws, report_search};

use super::answer::Answer;
use super::phase::Phases;
use super::{Finding, Fit, FitError, GaussianOptions, Problem, Proposal, Verdict};
use crate::engine::EngineMethod;
use crate::gaussian::{Approximation, DenseGaussian, GaussianApproximation, LowRankGaussian};
use crate::init::{InitError, Mode, ModeOptions, Modes, PathOptions, Symmetry, modes, symmetries};
use crate::random::Stream;
use components::{Component, components};
use mixture_importance::MixtureImportance;

/// The modes of a posterior as a fit knows them.
#[derive(Debug, Clone, PartialEq)]
pub struct FitModes {
    /// The modes of weight, the heaviest first.
    pub modes: Vec<FitMode>,
    /// How many optimisation paths looked for them.
    pub paths: usize,
    /// The symmetries that map them onto one another, in words that follow "under".
    pub symmetries: Vec<String>,
    /// The mode that each draw belongs to, as an index; empty where there is one mode, or draws and modes were not
    /// compared.
    pub members: Vec<usize>,
}

/// A mode of a posterior.
#[derive(Debug, Clone, PartialEq)]
pub struct FitMode {
    /// The part of the posterior that lies in it.
    pub share: f64,
    /// The Monte Carlo standard error of that.
    pub standard_error: f64,
    /// The parameters at its centre, on the constrained scale.
    pub parameters: Vec<f64>,
    /// How many paths ended in it.
    pub paths: usize,
    /// The mode, as an index, of which it is the image under a symmetry.
    pub image_of: Option<usize>,
}

/// Modes with the symmetries of their posterior.
pub(super) struct Search<'a> {
    pub found: Modes,
    pub symmetries: Vec<Symmetry<'a>>,
}

/// Looks for modes, at first by `paths` paths.
pub(super) fn search(problem: Problem<'_>, paths: usize) -> Result<Search<'_>, InitError> {
    let Problem { model, target, seed, .. } = problem;
    let symmetries = symmetries(model, target, seed);
    let options = ModeOptions { path: PathOptions { paths, ..PathOptions::default() }, ..ModeOptions::default() };
    let found = modes(target, &symmetries, &options, seed)?;
    Ok(Search { found, symmetries })
}

impl Search<'_> {
    /// The modes as a fit reports them, before their shares are known better than by the search.
    pub fn modes(&self, problem: Problem<'_>) -> FitModes {
        let shares = self.found.shares();
        let mode = |(mode, share): (&Mode, f64)| FitMode {
            share,
            standard_error: share * (1.0 - share) * mode.standard_error,
            parameters: constrained(problem, &mode.position),
            paths: mode.paths,
            image_of: mode.image.as_ref().map(|image| image.of),
        };
        let used = |index: &usize| {
            self.found.modes.iter().filter_map(|mode| mode.image.as_ref()).any(|it| it.symmetries.contains(index))
        };
        let words = |index: usize| self.symmetries[index].description().to_owned();
        FitModes {
            modes: self.found.modes.iter().zip(shares).map(mode).collect(),
            paths: self.found.paths,
            symmetries: (0..self.symmetries.len()).filter(used).map(words).collect(),
            members: Vec::new(),
        }
    }
}

/// The parameters at an unconstrained point; NaN where the program rejects it.
fn constrained(problem: Problem<'_>, position: &[f64]) -> Vec<f64> {
    let mut parameters = vec![f64::NAN; problem.model.parameter_count()];
    if problem.model.constrain_parameters(position, &mut parameters).is_err() {
        parameters.fill(f64::NAN);
    }
    parameters
}

/// Fits a Gaussian at each of several modes by `engine`, and samples the posterior by the mixture of all.
pub(super) fn fit(
    problem: Problem<'_>,
    engine: &'static dyn EngineMethod,
    options: &GaussianOptions,
    search: &Search<'_>,
    mut phases: Phases<'_>,
) -> Result<Fit, FitError> {
    let mut verdict = Verdict::default();
    let mut settings = options.engine.clone();
    if engine.searches_learning_rate() && settings.learning_rate.initial.is_none() {
        let start = search.found.modes[0].gaussian.clone();
        let find = || engine.search_learning_rate(start, &settings, problem.target, problem.seed);
        let rate = phases.run("grid", find)?;
        settings.learning_rate.initial = Some(rate);
    }
    let fitted = phases.run(engine.name(), || components(problem, engine, &settings, search, &mut verdict))?;
    let (answer, modes) = match dense(&fitted) {
        Some(gaussians) => sampled(problem, gaussians, search, &mut verdict, &mut phases)?,
        None => sampled(problem, low_rank(&fitted), search, &mut verdict, &mut phases)?,
    };
    let Component { approximation, trace, .. } = fitted.into_iter().next().expect("there are several modes");
    let fit = Fit::new(answer, verdict, Some(approximation), phases.finish());
    // One engine's state would be continued as if there were no other modes.
    Ok(Fit { trace, modes: Some(modes), ..fit })
}

fn dense(components: &[Component]) -> Option<Vec<DenseGaussian>> {
    let gaussian = |component: &Component| match &component.approximation {
        Approximation::Dense(gaussian) => Some(gaussian.clone()),
        Approximation::LowRank(_) => None,
    };
    components.iter().map(gaussian).collect()
}

/// Those of low rank: one engine's components have one structure.
fn low_rank(components: &[Component]) -> Vec<LowRankGaussian> {
    let gaussian = |component: &Component| match &component.approximation {
        Approximation::LowRank(gaussian) => Some(gaussian.clone()),
        Approximation::Dense(_) => None,
    };
    components.iter().filter_map(gaussian).collect()
}

/// Draws weighted towards the posterior by the mixture of `gaussians`, one for each mode.
fn sampled<G: GaussianApproximation>(
    problem: Problem<'_>,
    gaussians: Vec<G>,
    search: &Search<'_>,
    verdict: &mut Verdict,
    phases: &mut Phases<'_>,
) -> Result<(Answer, FitModes), FitError> {
    let Problem { model, draws, draws_asked, seed, .. } = problem;
    let mut rng = Stream::Importance.of(seed);
    let importance = phases.run("psis", || MixtureImportance::new(problem, gaussians, search, &mut rng))?;
    let weighted = importance.weighted();
    let judgement = weighted.judge(Proposal::ModesMixture, model.names());
    verdict.elbo = importance.elbo();
    verdict.pareto_k = judgement.pareto_k;
    verdict.pareto_k_of_variances = judgement.pareto_k_of_variances;
    verdict.objections.extend(judgement.objection);
    if draws < draws_asked {
        verdict.notes.push(Finding::FewerDraws { count: draws });
    }
    let mut modes = search.modes(problem);
    for (mode, (share, error)) in modes.modes.iter_mut().zip(importance.shares()) {
        (mode.share, mode.standard_error) = (share, error);
    }
    for (mode, gaussian) in modes.modes.iter_mut().zip(importance.gaussians()) {
        mode.parameters = constrained(problem, &gaussian.mean().to_vec());
    }
    report_search(search, &modes, verdict);
    verdict.notes.extend(judgement.caution);
    let answer = Answer::resampled(problem, weighted, &mut Stream::Draws.of(seed), phases)?;
    modes.members = importance.members(&answer.unconstrained)?;
    Ok((answer, modes))
}
