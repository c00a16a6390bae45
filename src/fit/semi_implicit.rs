//! A fit beyond Gaussians: batch and match for the coordinates, a semi-implicit family in them, and its own judgement.

use super::checkpoint::{Block, Keeper, Resumed, read};
use super::course::Course;
use super::importance_draws::{WeightedDraws, constrained_parameters};
use super::{Fit, FitError, Verdict, importance, streams};
use crate::engine::sivi::{Judgement, Mode, SiviObjective, SiviOptions, Trainer, judge, modes, moments, shares};
use crate::engine::{Bam, DriverOptions, TraceRow, run};
use crate::gaussian::{DenseGaussian, GaussianApproximation};
use crate::model::{Target as _, Whitened};
use crate::random::stream;
use ndarray::{Array2, ArrayView1, ArrayView2};

/// Walks to modes, each from a random point.
const WALKS: usize = 8;
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

impl Course<'_> {
    /// Fits a semi-implicit family. Its coordinates are those of the weighted draws of a batch-and-match Gaussian; or
    /// where walks from several starts find several modes, those of the modes' mixture.
    pub fn semi_implicit(mut self, objective: SiviObjective) -> Result<Fit, FitError> {
        let (seed, target, model) = (self.options.seed, self.target, self.model);
        let found = self.phases.run("modes", || modes(target, WALKS, seed, streams::WALKS))?;
        let mut asked = self.asked(objective);
        let bounded = self.options.budget.is_some();
        let saved = self.options.resume_from.as_ref();
        let resumed = saved.map(|path| read(path, model, &asked, bounded)).transpose()?;
        let (coordinates, mut trace, mut trainer) = match resumed {
            Some(Resumed { coordinates, trace, training }) => {
                (coordinates, trace, Trainer::<f32>::resume(training, target.dim())?)
            }
            None => {
                let coordinates = if found.len() > 1 { moments(&found) } else { self.weighted_gaussian()? };
                asked.steps = self.affordable_steps(&asked)?;
                (coordinates, Vec::new(), Trainer::new(target.dim(), asked)?)
            }
        };
        let begun = trainer.steps_done();
        let whitened = Whitened::new(target, coordinates);
        self.train(&whitened, &mut trainer, &mut trace)?;

        let family = trainer.averaged().to_double();
        let critic = (objective == SiviObjective::ScoreMatching).then(|| trainer.critic().to_double());
        let mut rng = stream(seed, streams::IMPORTANCE);
        let count = self.judged();
        let judged = self.phases.run("psis", || judge(&whitened, &family, critic.as_ref(), count, &mut rng))?;
        let mut points = Array2::zeros(judged.draws.dim());
        whitened.approximation().draws(judged.draws.view(), points.view_mut());
        let parameters = constrained_parameters(model, &points);
        let weighted = WeightedDraws::new(points, parameters, judged.log_ratios.clone());

        let mut verdict = judgement(&judged);
        let caution = weighted.judge("the semi-implicit family", model.names(), &mut verdict);
        // No heavy-tailed companion sees what the family leaves out: here the k̂ of a variance tells right fits from
        // wrong ones where that of the weights does not (docs/sivi.md).
        verdict.objections.extend(caution);
        tell_modes(&found, weighted.draws(), &mut verdict);
        if begun > 0 {
            verdict.notes.push(format!("the fit was resumed at step {begun}; what came before is not counted"));
        }
        let rejected: usize = trace.iter().map(|block| block.rejected).sum();
        if rejected > 0 {
            verdict.notes.push(format!("the program rejected {rejected} draws of the engine, which were left out"));
        }
        let trace = trace.iter().map(|block| block.row(critic.is_some())).collect();
        let mut rng = stream(seed, streams::DRAWS);
        let answer = if weighted.is_trusted() {
            self.resampled(&weighted, &mut rng)?
        } else {
            let count = self.draws();
            let (draws, _) = family.draws(count, &mut rng);
            let mut points = Array2::zeros(draws.dim());
            whitened.approximation().draws(draws.view(), points.view_mut());
            self.constrained(points, count as f64)?
        };
        Ok(self.finish(None, verdict, trace, answer))
    }

    /// Runs the steps that are left, and keeps the state on file.
    fn train(
        &mut self,
        whitened: &Whitened<&crate::model::CountingTarget<&dyn crate::model::Model>, DenseGaussian>,
        trainer: &mut Trainer<f32>,
        trace: &mut Vec<Block>,
    ) -> Result<(), FitError> {
        let (target, model, observer) = (self.target, self.model, self.observer);
        let (name, is_divergence) = match trainer.options().objective {
            SiviObjective::ScoreMatching => ("sivi-sm", true),
            SiviObjective::SurrogateElbo => ("sivi", false),
        };
        let steps = trainer.options().steps;
        let per_block = steps.div_ceil(LINES);
        let mut keeper = Keeper::new(self.options.keep_state.as_deref());
        self.phases.run(name, || {
            while !trainer.is_finished() {
                let row = trainer.step(whitened)?;
                if row.step % per_block == 0 {
                    trace.push(Block { step: row.step, gradient_evaluations: 0, loss: 0.0, rejected: 0 });
                }
                let block = trace.last_mut().expect("the first step begins a block");
                let steps_before = (row.step - block.step) as f64;
                block.loss += (row.loss - block.loss) / (steps_before + 1.0);
                block.rejected += row.rejected;
                block.gradient_evaluations = target.counts().gradient_evaluations;
                observer.iteration(&TraceRow { iteration: row.step, ..block.row(is_divergence) });
                if keeper.is_due() || row.step + 1 == steps {
                    keeper.save(model, whitened.approximation(), trace, trainer.state())?;
                }
            }
            Ok(())
        })
    }

    /// What is asked of the engine, but for the budget.
    fn asked(&self, objective: SiviObjective) -> SiviOptions {
        let options = self.options;
        let mut asked = SiviOptions { objective, seed: options.seed, ..SiviOptions::default() };
        asked.batch = options.batch.unwrap_or(asked.batch);
        asked.steps = options.iterations_at_most();
        if let Some(rate) = options.learning_rate.initial {
            asked.critic_rate *= rate / asked.rate;
            asked.rate = rate;
        }
        asked
    }

    /// How many draws are judged: the cost of one grows with the cube of the dimension.
    fn judged(&self) -> usize {
        let latent = self.target.dim() as f64 + 1.0;
        let affordable = JUDGEMENT / (latent + WIDTH).powi(3);
        (JUDGED * self.draws()).min((affordable as usize).max(LEAST_JUDGED))
    }

    /// As many steps as the budget allows.
    fn affordable_steps(&self, asked: &SiviOptions) -> Result<usize, FitError> {
        let Some(budget) = self.options.budget else { return Ok(asked.steps) };
        // The judgement has its share.
        let left = budget.saturating_sub(self.target.counts().gradient_evaluations + self.judged() as u64);
        let whole = asked.gradient_evaluations(self.target.gradients_per_product());
        let mut steps = (asked.steps as f64 * (left as f64 / whole as f64).min(1.0)) as usize;
        // The shares of its parts are rounded.
        let of =
            |steps| SiviOptions { steps, ..asked.clone() }.gradient_evaluations(self.target.gradients_per_product());
        while steps > 0 && of(steps) > left {
            steps -= 1;
        }
        if steps == 0 { Err(FitError::BudgetOfSteps { budget }) } else { Ok(steps) }
    }

    /// The Gaussian of the weighted draws of a batch-and-match fit, or the fit itself where too few draws carry the
    /// weight.
    fn weighted_gaussian(&mut self) -> Result<DenseGaussian, FitError> {
        let start = self.begin()?.dense();
        let options = DriverOptions { budget: self.options.budget, ..Default::default() };
        let seed = self.options.seed;
        let mut rng = stream(seed, streams::ENGINE);
        let outcome =
            self.phases.run("bam", || run(&mut Bam::new(start), self.target, &options, &mut rng, &mut |_| {}))?;
        let gaussian = outcome.family;
        let mut rng = stream(seed, streams::IMPORTANCE);
        let importance = self.phases.run("coordinates", || importance(self.model, self.target, &gaussian, &mut rng));
        let weighted = importance.weighted();
        if weighted.effective_draws() < ENOUGH * gaussian.dim() as f64 {
            return Ok(gaussian);
        }
        let of_draws = gaussian.of_moments(weighted.draws(), ArrayView1::from(weighted.weights()));
        Ok(of_draws.unwrap_or(gaussian))
    }
}

/// What fresh draws say: the bound, and the two estimates of the divergence.
fn judgement(judged: &Judgement) -> Verdict {
    let Judgement { elbo, critic_divergence, score_divergence, rejected, .. } = *judged;
    let mut verdict = Verdict { elbo, score_divergence, ..Verdict::new() };
    if critic_divergence.is_finite() {
        verdict.notes.push(format!(
            "the score divergence per dimension is {score_divergence:.3} on held-out draws, of which the critic sees \
             {critic_divergence:.3}; the weights make up for it"
        ));
    }
    if rejected > 0 {
        verdict.notes.push(format!("the program rejected {rejected} draws of the family, which have no weight"));
    }
    verdict
}

/// Says which of the modes the draws cover.
fn tell_modes(found: &[Mode], points: ArrayView2<'_, f64>, verdict: &mut Verdict) {
    if found.len() < 2 {
        return;
    }
    let shares = shares(found, points);
    let percent: Vec<String> = shares.iter().map(|share| format!("{:.1} %", 100.0 * share)).collect();
    verdict.notes.push(format!(
        "walks from {WALKS} starts ended in {} modes, near which lie {} of the draws",
        found.len(),
        percent.join(", ")
    ));
    let missed = shares.iter().filter(|share| **share < MISSED).count();
    if missed > 0 {
        verdict.objections.push(format!("the draws miss {missed} of the {} modes that walks found", found.len()));
    }
}
