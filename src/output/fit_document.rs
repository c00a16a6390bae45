//! A fit as the JSON document of `stanmatch fit --json`. Numbers that are not finite become null.

use crate::compare::Comparison;
use crate::diagnostics::quantile;
use crate::fit::{Fit, FitOptions, Phase};
use crate::toolchain::Description;
use ndarray::Axis;
use rayon::prelude::*;
use serde::Serialize;

/// The document's schema. Keys are added to it, never renamed.
pub const FIT_SCHEMA: &str = "stanmatch.fit/1";

/// A fit and what is known about it.
#[derive(Debug, Serialize)]
pub struct FitDocument {
    schema: &'static str,
    /// The posterior's name.
    pub posterior: String,
    /// The program's name.
    pub model: String,
    /// The dimension of the unconstrained scale.
    pub dim: usize,
    /// The method.
    pub method: &'static str,
    /// Where it began.
    pub init: &'static str,
    /// The seed.
    pub seed: u64,
    /// How many draws there are.
    pub draws: usize,
    /// `ok` where every diagnostic that applies agrees, else `flagged`.
    pub status: &'static str,
    /// Evaluations of the log density with its gradient, over all phases.
    pub gradient_evaluations: u64,
    /// Evaluations of the log density alone, over all phases.
    pub density_evaluations: u64,
    /// Wall time of all phases, in seconds; compilation is not one.
    pub seconds: f64,
    /// What each phase cost.
    pub phases: Vec<PhaseDocument>,
    /// k̂ of the importance weights.
    pub pareto_k: f64,
    /// The largest k̂ over the parameters of the weights times squared deviations from the mean.
    pub pareto_k_of_variances: f64,
    /// The largest movement of a marginal under short Markov chains; null where they did not run.
    pub max_drift: f64,
    /// The Gaussian's evidence lower bound.
    pub elbo: f64,
    /// The evidence upper bound, the mean over reference draws of log p − log q, where the reference has every
    /// parameter.
    pub eubo: Option<f64>,
    /// Its Monte Carlo standard error.
    pub eubo_mcse: Option<f64>,
    /// The score divergence per dimension at the end.
    pub score_divergence: f64,
    /// Whether the engine's score divergence stopped falling; null where no engine ran.
    pub converged: Option<bool>,
    /// What a user should know, as sentences.
    pub messages: Vec<String>,
    /// Every quantity's summary.
    pub parameters: Vec<ParameterSummary>,
    /// The draws held against reference draws, where there are any.
    pub comparison: Option<Comparison>,
    /// What compiled the program.
    pub toolchain: Description,
    version: &'static str,
}

/// What a phase cost.
#[derive(Debug, Serialize)]
pub struct PhaseDocument {
    /// The phase's name.
    pub name: &'static str,
    /// Evaluations of the log density with its gradient.
    pub gradient_evaluations: u64,
    /// Evaluations of the log density alone.
    pub density_evaluations: u64,
    /// Wall time in seconds.
    pub seconds: f64,
}

impl From<&Phase> for PhaseDocument {
    fn from(phase: &Phase) -> Self {
        Self {
            name: phase.name,
            gradient_evaluations: phase.counts.gradient_evaluations,
            density_evaluations: phase.counts.density_evaluations,
            seconds: phase.seconds,
        }
    }
}

/// The summary of one quantity's draws.
#[derive(Debug, Serialize)]
pub struct ParameterSummary {
    /// The quantity's name.
    pub name: String,
    /// Mean of the draws.
    pub mean: f64,
    /// Standard deviation of the draws.
    pub sd: f64,
    /// Monte Carlo standard error of the mean.
    pub mcse: f64,
    /// 5 % quantile.
    pub q5: f64,
    /// Median.
    pub q50: f64,
    /// 95 % quantile.
    pub q95: f64,
    /// How many independent draws the draws are worth.
    pub ess: f64,
}

impl FitDocument {
    /// The document of `fit`. `messages` come after what the verdict has to say.
    pub fn new(
        (posterior, model): (&str, &str),
        options: &FitOptions,
        fit: &Fit,
        comparison: Option<Comparison>,
        messages: Vec<String>,
        toolchain: Description,
    ) -> Self {
        let counts = fit.counts();
        let findings = fit.verdict.objections.iter().chain(&fit.verdict.notes);
        Self {
            schema: FIT_SCHEMA,
            posterior: posterior.to_owned(),
            model: model.to_owned(),
            dim: fit.unconstrained.ncols(),
            method: options.method.name(),
            init: options.method.init().name(),
            seed: options.seed,
            draws: fit.draws.len(),
            status: if fit.verdict.objections.is_empty() { "ok" } else { "flagged" },
            gradient_evaluations: counts.gradient_evaluations,
            density_evaluations: counts.density_evaluations,
            seconds: fit.seconds(),
            phases: fit.phases.iter().map(PhaseDocument::from).collect(),
            pareto_k: fit.verdict.pareto_k,
            pareto_k_of_variances: fit.verdict.pareto_k_of_variances,
            max_drift: fit.verdict.max_drift,
            elbo: fit.verdict.elbo,
            eubo: None,
            eubo_mcse: None,
            score_divergence: fit.verdict.score_divergence,
            converged: fit.verdict.converged,
            messages: findings.map(ToString::to_string).chain(messages).collect(),
            parameters: summaries(fit),
            comparison,
            toolchain,
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

fn summaries(fit: &Fit) -> Vec<ParameterSummary> {
    let columns = fit.draws.values();
    let columns = columns.axis_iter(Axis(1)).into_par_iter();
    (columns.zip(fit.draws.names()).zip(&fit.effective_draws))
        .map(|((column, name), &ess)| {
            let mut ascending = column.to_vec();
            ascending.sort_unstable_by(f64::total_cmp);
            let (mean, sd) = (column.mean().unwrap_or(f64::NAN), column.std(1.0));
            ParameterSummary {
                name: name.clone(),
                mean,
                sd,
                mcse: sd / ess.sqrt(),
                q5: quantile(&ascending, 0.05),
                q50: quantile(&ascending, 0.5),
                q95: quantile(&ascending, 0.95),
                ess,
            }
        })
        .collect()
}
