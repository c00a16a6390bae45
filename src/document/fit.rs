//! A fit: what `stanmatch fit --json` prints and `fit.json` holds.

use serde::{Deserialize, Serialize};

use super::{ComparisonDocument, Status, ToolchainRecord, VERSION, finite};
use crate::fit::{Finding, Fit, FitMode, FitModes, FitOptions, Phase, QuantitySummary};

/// The version of [`FitDocument`].
pub const FIT_SCHEMA: &str = "stanmatch.fit/1";

/// A fit and what is known about it. In the document of a failed fit, keys without a value are null.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FitDocument {
    /// `stanmatch.fit/1`.
    #[cfg_attr(test, schemars(extend("const" = FIT_SCHEMA)))]
    pub schema: String,
    /// The posterior's name.
    pub posterior: Option<String>,
    /// The program's name.
    pub model: Option<String>,
    /// The dimension of the unconstrained scale.
    pub dim: Option<u64>,
    /// The method.
    pub method: Option<String>,
    /// Where it began.
    pub init: Option<String>,
    /// The seed.
    pub seed: Option<u64>,
    /// How many draws there are.
    pub draws: Option<u64>,
    /// Whether there is a fit, and whether it can be trusted.
    pub status: Status,
    /// Evaluations of the log density with its gradient, over all phases.
    pub gradient_evaluations: Option<u64>,
    /// Evaluations of the log density alone, over all phases.
    pub density_evaluations: Option<u64>,
    /// Wall time of all phases, in seconds, without compilation.
    pub seconds: Option<f64>,
    /// What each phase cost.
    pub phases: Option<Vec<PhaseCost>>,
    /// k̂ of the importance weights.
    pub pareto_k: Option<f64>,
    /// The largest k̂, over the parameters, of the weights times squared deviations from the mean.
    pub pareto_k_of_variances: Option<f64>,
    /// The largest movement of a marginal under short Markov chains; null where none ran.
    pub max_drift: Option<f64>,
    /// Whether the log density has all its constants; without them the evidence bounds lack one constant.
    pub normalized: Option<bool>,
    /// The evidence lower bound of the approximation: the Gaussian, the mixture of several, or with `map` the map.
    pub elbo: Option<f64>,
    /// The evidence upper bound, the mean over reference draws of log p − log q; null where the reference lacks a
    /// parameter of the program, or there are several modes.
    pub eubo: Option<f64>,
    /// The Monte Carlo standard error of `eubo`.
    pub eubo_mcse: Option<f64>,
    /// The score divergence per dimension at the end.
    pub score_divergence: Option<f64>,
    /// Whether the engine's score divergence stopped falling; null where no engine ran.
    pub converged: Option<bool>,
    /// Why a fit is flagged or failed, and what else to know, as sentences.
    #[serde(default)]
    pub messages: Vec<String>,
    /// What the fit found out about itself, as data: the messages that stem from it, with their codes. Those that speak
    /// against the draws come first.
    #[serde(default)]
    pub findings: Option<Vec<FindingRecord>>,
    /// A summary of each parameter, transformed parameter and generated quantity.
    pub parameters: Option<Vec<FitParameter>>,
    /// The posterior's modes; null where they were not looked for.
    pub modes: Option<ModesRecord>,
    /// The draws compared with reference draws, where there are any.
    pub comparison: Option<ComparisonDocument>,
    /// What made the program a model.
    pub toolchain: Option<ToolchainRecord>,
    /// The version of stanmatch.
    #[serde(default)]
    pub version: String,
}

/// Something that a fit found out about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FindingRecord {
    /// A stable name, as docs/reference/findings.md lists them.
    pub code: String,
    /// Whether it flags the fit.
    pub objection: bool,
    /// The finding as a sentence, which may be worded otherwise in another version.
    pub message: String,
}

/// What a phase of a fit cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PhaseCost {
    /// The phase's name.
    pub name: String,
    /// Evaluations of the log density with its gradient.
    #[serde(default)]
    pub gradient_evaluations: u64,
    /// Evaluations of the log density alone.
    #[serde(default)]
    pub density_evaluations: u64,
    /// Wall time in seconds.
    pub seconds: Option<f64>,
}

/// The modes of a posterior.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ModesRecord {
    /// How many optimisation paths looked for them.
    pub paths: u64,
    /// The symmetries of the posterior that map modes onto one another, in words that follow "under".
    pub symmetries: Vec<String>,
    /// The modes of weight, the heaviest first.
    pub modes: Vec<ModeRecord>,
    /// The mode of each draw, as an index from 0; empty where there is one mode.
    pub members: Vec<u64>,
}

/// A mode of a posterior.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ModeRecord {
    /// The part of the posterior that lies in it.
    pub share: Option<f64>,
    /// The Monte Carlo standard error of `share`.
    pub share_mcse: Option<f64>,
    /// How many paths ended in it.
    pub paths: u64,
    /// The mode, as an index from 0, of which it is the image under a symmetry.
    pub image_of: Option<u64>,
    /// The parameters at its centre, in the program's order.
    pub centre: Vec<ModeParameter>,
}

/// A parameter at the centre of a mode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ModeParameter {
    /// Its name.
    pub name: String,
    /// Its value on the constrained scale.
    pub value: Option<f64>,
}

/// The summary of one quantity's draws.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FitParameter {
    /// The quantity's name.
    pub name: String,
    /// Mean of the draws.
    pub mean: Option<f64>,
    /// Standard deviation of the draws.
    pub sd: Option<f64>,
    /// Monte Carlo standard error of the mean.
    pub mcse: Option<f64>,
    /// 5 % quantile.
    pub q5: Option<f64>,
    /// Median.
    pub q50: Option<f64>,
    /// 95 % quantile.
    pub q95: Option<f64>,
    /// How many independent draws the draws are worth.
    pub ess: Option<f64>,
}

impl FitDocument {
    /// The document of `fit`, a fit of the program `model` by `options`, with the `summaries` of its draws. What else is
    /// known of it, such as a comparison, is to be added.
    pub fn of_fit(
        posterior: &str,
        model: &str,
        options: &FitOptions,
        fit: &Fit,
        summaries: &[QuantitySummary],
    ) -> Self {
        let counts = fit.counts();
        let verdict = &fit.verdict;
        let objections = verdict.objections.iter().map(|finding| FindingRecord::new(finding, true));
        let notes = verdict.notes.iter().map(|finding| FindingRecord::new(finding, false));
        let findings: Vec<FindingRecord> = objections.chain(notes).collect();
        Self {
            schema: FIT_SCHEMA.to_owned(),
            posterior: Some(posterior.to_owned()),
            model: Some(model.to_owned()),
            dim: Some(fit.unconstrained.ncols() as u64),
            method: Some(options.method.name().to_owned()),
            init: Some(options.method.init().name().to_owned()),
            seed: Some(options.seed),
            draws: Some(fit.draws.len() as u64),
            status: if verdict.is_trusted() { Status::Ok } else { Status::Flagged },
            gradient_evaluations: Some(counts.gradient_evaluations),
            density_evaluations: Some(counts.density_evaluations),
            seconds: finite(fit.seconds()),
            phases: Some(fit.phases.iter().map(PhaseCost::from).collect()),
            pareto_k: finite(verdict.pareto_k),
            pareto_k_of_variances: finite(verdict.pareto_k_of_variances),
            max_drift: finite(verdict.max_drift),
            normalized: None,
            elbo: finite(verdict.elbo),
            eubo: None,
            eubo_mcse: None,
            score_divergence: finite(verdict.score_divergence),
            converged: verdict.converged,
            messages: findings.iter().map(|finding| finding.message.clone()).collect(),
            findings: Some(findings),
            parameters: Some(summaries.iter().map(FitParameter::from).collect()),
            modes: fit.modes.as_ref().map(|modes| ModesRecord::new(modes, fit.draws.names())),
            comparison: None,
            toolchain: None,
            version: VERSION.to_owned(),
        }
    }

    /// The document of a fit that failed, and why. What is known of it nevertheless, such as its seed, is to be added.
    pub fn failed(message: String) -> Self {
        Self { schema: FIT_SCHEMA.to_owned(), messages: vec![message], version: VERSION.to_owned(), ..Self::default() }
    }
}

impl FindingRecord {
    fn new(finding: &Finding, objection: bool) -> Self {
        Self { code: finding.code().to_owned(), objection, message: finding.to_string() }
    }
}

impl ModesRecord {
    /// The record of `modes`; `names` begin with those of the parameters.
    fn new(modes: &FitModes, names: &[String]) -> Self {
        let centre = |values: &[f64]| {
            let parameters = names.iter().zip(values);
            parameters.map(|(name, &value)| ModeParameter { name: name.clone(), value: finite(value) }).collect()
        };
        let record = |mode: &FitMode| ModeRecord {
            share: finite(mode.share),
            share_mcse: finite(mode.standard_error),
            paths: mode.paths as u64,
            image_of: mode.image_of.map(|index| index as u64),
            centre: centre(&mode.parameters),
        };
        Self {
            paths: modes.paths as u64,
            symmetries: modes.symmetries.clone(),
            modes: modes.modes.iter().map(record).collect(),
            members: modes.members.iter().map(|&index| index as u64).collect(),
        }
    }
}

impl From<&Phase> for PhaseCost {
    fn from(phase: &Phase) -> Self {
        Self {
            name: phase.name.to_owned(),
            gradient_evaluations: phase.counts.gradient_evaluations,
            density_evaluations: phase.counts.density_evaluations,
            seconds: finite(phase.seconds),
        }
    }
}

impl From<&QuantitySummary> for FitParameter {
    fn from(it: &QuantitySummary) -> Self {
        Self {
            name: it.name.clone(),
            mean: finite(it.mean),
            sd: finite(it.sd),
            mcse: finite(it.mcse),
            q5: finite(it.q5),
            q50: finite(it.q50),
            q95: finite(it.q95),
            ess: finite(it.ess),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fit_that_failed_has_every_key_of_the_contract_in_its_order() {
        let document = FitDocument { seed: Some(7), ..FitDocument::failed("no reason".to_owned()) };
        let text = serde_json::to_string(&document).unwrap();
        assert_eq!(
            text,
            r#"{"schema":"stanmatch.fit/1","posterior":null,"model":null,"dim":null,"method":null,"init":null,"#
                .to_owned()
                + r#""seed":7,"draws":null,"status":"failed","gradient_evaluations":null,"#
                + r#""density_evaluations":null,"seconds":null,"phases":null,"pareto_k":null,"#
                + r#""pareto_k_of_variances":null,"max_drift":null,"normalized":null,"elbo":null,"eubo":null,"eubo_mcse":null,"#
                + r#""score_divergence":null,"converged":null,"messages":["no reason"],"findings":null,"parameters":null,"#
                + r#""modes":null,"#
                + &format!(r#""comparison":null,"toolchain":null,"version":"{VERSION}"}}"#)
        );
        assert_eq!(serde_json::from_str::<FitDocument>(&text).unwrap(), document);
    }

    #[test]
    fn a_summary_and_a_phase_have_the_keys_of_the_contract_in_their_order() {
        let summary = QuantitySummary {
            name: "mu".to_owned(),
            mean: 0.5,
            sd: 1.0,
            mcse: 0.1,
            q5: -1.0,
            q50: 0.5,
            q95: f64::INFINITY,
            ess: f64::NAN,
        };
        assert_eq!(
            serde_json::to_string(&FitParameter::from(&summary)).unwrap(),
            r#"{"name":"mu","mean":0.5,"sd":1.0,"mcse":0.1,"q5":-1.0,"q50":0.5,"q95":null,"ess":null}"#
        );
        let cost = PhaseCost { name: "bam".to_owned(), gradient_evaluations: 3, density_evaluations: 0, seconds: None };
        assert_eq!(
            serde_json::to_string(&cost).unwrap(),
            r#"{"name":"bam","gradient_evaluations":3,"density_evaluations":0,"seconds":null}"#
        );
    }

    /// Keys are added over time: a document may lack those that came later, or have others that came later still.
    #[test]
    fn documents_of_other_versions_are_read() {
        let read = |text: &str| serde_json::from_str::<FitDocument>(text);
        let old = read(r#"{"schema": "stanmatch.fit/1", "status": "flagged", "pareto_k": 0.8}"#).unwrap();
        assert_eq!((old.status, old.pareto_k, old.max_drift), (Status::Flagged, Some(0.8), None));
        let later = read(r#"{"schema": "stanmatch.fit/1", "status": "ok", "temperature": [1.0]}"#).unwrap();
        assert_eq!(later.status, Status::Ok);
        assert!(read(r#"{"schema": "stanmatch.fit/1"}"#).is_err());
    }
}
