//! A fit beyond Gaussians: batch and match for the coordinates, a semi-implicit family in them, and its own judgement.

use super::answer::Answer;
use super::checkpoint::{Block, Keeper, Resumed, continued};
use super::initial_gaussian::initial_gaussian;
use super::phase::Phases;
use super::weighted_draws::{WeightedDraws, constrained_parameters};
use super::{Finding, Fit, FitError, Init, Problem, Proposal, SemiImplicitOptions, Verdict, importance};
use crate::engine::sivi::{FreshDrawsCheck, Mode, SiviObjective, SiviOptions, Trainer, judge, modes, moments, shares};
use crate::engine::{Bam, DriverOptions, EngineError, SavedState, StateOrigin, TraceRow, run};
use crate::gaussian::{DenseGaussian, GaussianApproximation};
use crate::model::{CountingTarget, Model, Target as _, Whitened};
use crate::random::Stream;
use ndarray::{Array2, ArrayView1, ArrayView2};

/// Optimisation paths in search of modes, each from a random point.
const PATHS: usize = 8;
/// Draws of the judgement for each draw to return: their weights are noisy, and few of them should be returned twice.
const JUDGED: usize = 4;
/// Bounds the judgement to a minute or so, in cubes of the sizes of matrices.
const JUDGEMENT: f64 = 2e10;
/// What else than the matrices of z there is to a draw's judgement, in the same measure.
const WIDTH: f64 = 64.0;
/// Draws judged in any case: fewer say nothing.
const LEAST_JUDGED: usize = 400;
/// Effective draws for each dimension from which weighted moments are better coordinates than the Gaussian.
const ENOUGH: f64 = 20.0;
/// The share of the draws below which a mode counts as missed.
const MISSED: f64 = 1e-3;
/// Lines of the trace, each of as many steps.
const LINES: usize = 500;

/// Fits a semi-implicit family, or continues the fit that was saved as `state`. Its coordinates are those of the weighted
/// draws of a batch-and-match Gaussian; or where optimisation paths from several starts find several modes, those of the
/// modes' mixture.
pub(super) fn fit(
    problem: Problem<'_>,
    options: &SemiImplicitOptions,
    state: Option<SavedState>,
    mut phases: Phases<'_>,
) -> Result<Fit, FitError> {
    let Problem { model, target, draws, seed, .. } = problem;
    let found = phases.run("modes", || modes(target, PATHS, seed))?;
    let mut asked = asked(options, seed);
    let steps_asked = asked.steps;
    let resumed = state.map(|state| continued(state, model.dim(), &asked, options.budget)).transpose()?;
    let (coordinates, mut trace, mut trainer) = match resumed {
        Some(Resumed { coordinates, trace, training }) => {
            (coordinates, trace, Trainer::<f32>::resume(training, target.dim())?)
        }
        None => {
            let coordinates = if found.len() > 1 && matches!(options.init, Init::Path { .. }) {
                moments(&found)
            } else {
                weighted_gaussian(problem, options, &mut phases)?
            };
            asked.steps = affordable_steps(problem, &asked, options.budget)?;
            (coordinates, Vec::new(), Trainer::new(target.dim(), asked)?)
        }
    };
    let begun = trainer.steps_done();
    let whitened = Whitened::new(target, coordinates);
    let origin = || StateOrigin::of(model, seed);
    let keeper = Keeper::new(options.keep_state.as_deref(), origin, steps_asked, options.budget);
    phases.run(options.objective.name(), || train(problem, keeper, &whitened, &mut trainer, &mut trace))?;

    let family = trainer.averaged().to_double();
    let critic = (options.objective == SiviObjective::ScoreMatching).then(|| trainer.critic().to_double());
    let count = judged_draws(problem);
    let mut rng = Stream::Judgement.of(seed);
    let judged = phases.run("psis", || judge(&whitened, &family, critic.as_ref(), count, &mut rng))?;
    let points = original(&whitened, judged.draws.view());
    let parameters = constrained_parameters(model, &points);
    let weighted = WeightedDraws::new(points, parameters, judged.log_ratios.clone());

    let mut verdict = verdict_of(&judged);
    let judgement = weighted.judge(Proposal::SemiImplicit, model.names());
    verdict.pareto_k = judgement.pareto_k;
    verdict.pareto_k_of_variances = judgement.pareto_k_of_variances;
    // No heavy-tailed companion sees what the family leaves out: here the k̂ of a variance tells right fits from wrong
    // ones where that of the weights does not (docs/benchmarks/semi-implicit.md).
    verdict.objections.extend(judgement.objection.into_iter().chain(judgement.caution));
    tell_modes(&found, weighted.draws(), &mut verdict);
    verdict.notes.extend((begun > 0).then_some(Finding::Resumed { step: begun }));
    let rejected: usize = trace.iter().map(|block| block.rejected).sum();
    verdict.notes.extend((rejected > 0).then_some(Finding::EngineRejections { count: rejected }));
    let trace = trace.iter().map(|block| block.row(critic.is_some())).collect();
    let mut rng = Stream::Draws.of(seed);
    let answer = if weighted.is_trusted() {
        Answer::resampled(problem, &weighted, &mut rng, &mut phases)?
    } else {
        let points = original(&whitened, family.draws(draws, &mut rng).0.view());
        Answer::of_points(problem, points, draws as f64, &mut phases)?
    };
    Ok(Fit { trace, ..Fit::new(answer, verdict, None, phases.finish()) })
}

type Coordinates<'a> = Whitened<&'a CountingTarget<&'a dyn Model>, DenseGaussian>;

/// The points x of the rows u of `draws`.
fn original(whitened: &Coordinates<'_>, draws: ArrayView2<'_, f64>) -> Array2<f64> {
    let mut points = Array2::zeros(draws.dim());
    whitened.approximation().draws(draws, points.view_mut());
    points
}

/// Runs the steps that are left, and keeps the state on file.
fn train(
    problem: Problem<'_>,
    mut keeper: Keeper,
    whitened: &Coordinates<'_>,
    trainer: &mut Trainer<f32>,
    trace: &mut Vec<Block>,
) -> Result<(), FitError> {
    let is_divergence = trainer.options().objective == SiviObjective::ScoreMatching;
    let steps = trainer.options().steps;
    let per_block = steps.div_ceil(LINES);
    while !trainer.is_finished() {
        let row = trainer.step(whitened)?;
        if row.step % per_block == 0 {
            trace.push(Block { step: row.step, gradient_evaluations: 0, loss: 0.0, rejected: 0 });
        }
        let block = trace.last_mut().expect("the first step begins a block");
        let steps_before = (row.step - block.step) as f64;
        block.loss += (row.loss - block.loss) / (steps_before + 1.0);
        block.rejected += row.rejected;
        block.gradient_evaluations = problem.spent();
        let seen = TraceRow { iteration: row.step, ..block.row(is_divergence) };
        let is_cancelled = problem.watch.iteration(&seen).is_break();
        if is_cancelled || keeper.is_due() || row.step + 1 == steps {
            keeper.save(whitened.approximation(), trace, trainer.state())?;
        }
        if is_cancelled {
            return Err(FitError::Cancelled);
        }
    }
    Ok(())
}

/// What is asked of the engine, but for the budget.
fn asked(options: &SemiImplicitOptions, seed: u64) -> SiviOptions {
    let mut asked = SiviOptions { objective: options.objective, seed, ..SiviOptions::default() };
    asked.batch = options.batch.unwrap_or(asked.batch);
    asked.steps = options.steps.unwrap_or(asked.steps);
    if let Some(rate) = options.learning_rate {
        asked.critic_rate *= rate / asked.rate;
        asked.rate = rate;
    }
    asked
}

/// How many draws are judged: the cost of one grows with the cube of the dimension.
fn judged_draws(problem: Problem<'_>) -> usize {
    let latent = problem.model.dim() as f64 + 1.0;
    let affordable = JUDGEMENT / (latent + WIDTH).powi(3);
    (JUDGED * problem.draws).min((affordable as usize).max(LEAST_JUDGED))
}

/// As many steps as the budget allows.
fn affordable_steps(problem: Problem<'_>, asked: &SiviOptions, budget: Option<u64>) -> Result<usize, FitError> {
    let Some(budget) = budget else { return Ok(asked.steps) };
    // The judgement has its share.
    let left = budget.saturating_sub(problem.spent() + judged_draws(problem) as u64);
    let per_product = problem.target.gradients_per_product();
    let whole = asked.gradient_evaluations(per_product);
    let mut steps = (asked.steps as f64 * (left as f64 / whole as f64).min(1.0)) as usize;
    // The shares of its parts are rounded.
    let of = |steps| SiviOptions { steps, ..asked.clone() }.gradient_evaluations(per_product);
    while steps > 0 && of(steps) > left {
        steps -= 1;
    }
    if steps == 0 { Err(FitError::BudgetOfSteps { budget }) } else { Ok(steps) }
}

/// The Gaussian of the weighted draws of a batch-and-match fit, or the fit itself where too few draws carry the weight.
fn weighted_gaussian(
    problem: Problem<'_>,
    options: &SemiImplicitOptions,
    phases: &mut Phases<'_>,
) -> Result<DenseGaussian, FitError> {
    let Problem { model, target, watch, seed, .. } = problem;
    let start = phases.run(options.init.name(), || initial_gaussian(problem, &options.init))?.dense();
    let driver = DriverOptions { budget: options.budget, ..Default::default() };
    let mut rng = Stream::Engine.of(seed);
    let outcome =
        phases.run("bam", || run(&mut Bam::new(start), target, &driver, &mut rng, &mut |row| watch.iteration(row)));
    let gaussian = outcome.map_err(EngineError::from)?.approximation;
    let mut rng = Stream::Importance.of(seed);
    let importance = phases.run("coordinates", || importance(model, target, &gaussian, &mut rng));
    let weighted = importance.weighted();
    if weighted.effective_draws() < ENOUGH * gaussian.dim() as f64 {
        return Ok(gaussian);
    }
    let of_draws = gaussian.of_moments(weighted.draws(), ArrayView1::from(weighted.weights()));
    Ok(of_draws.unwrap_or(gaussian))
}

/// What fresh draws say: the bound, and the two estimates of the divergence.
fn verdict_of(judged: &FreshDrawsCheck) -> Verdict {
    let FreshDrawsCheck { elbo, critic_divergence, score_divergence, rejected, .. } = *judged;
    let mut verdict = Verdict { elbo, score_divergence, ..Verdict::default() };
    if critic_divergence.is_finite() {
        verdict.notes.push(Finding::CriticDivergence { score_divergence, critic: critic_divergence });
    }
    verdict.notes.extend((rejected > 0).then_some(Finding::FamilyRejections { count: rejected }));
    verdict
}

/// Says which of the modes the draws cover.
fn tell_modes(found: &[Mode], points: ArrayView2<'_, f64>, verdict: &mut Verdict) {
    if found.len() < 2 {
        return;
    }
    let shares = shares(found, points);
    let missed = shares.iter().filter(|share| **share < MISSED).count();
    verdict.notes.push(Finding::SeveralModes { paths: PATHS, shares });
    verdict.objections.extend((missed > 0).then_some(Finding::MissedModes {
        missed,
        modes: found.len(),
        share: None,
        place: Vec::new(),
    }));
}
