//! What is kept of one job: a line of a run file, made from the document of `fit --json`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Cell, Expectation, Job, Source, Tolerance};

/// One job and what it came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobRecord {
    /// The posterior.
    pub posterior: String,
    /// The configuration.
    pub configuration: String,
    /// The seed.
    pub seed: u64,
    /// Whether there is a fit, and whether it can be trusted.
    pub status: Status,
    /// Why there is no fit.
    pub failure: Option<Failure>,
    /// Whether the fit is within the manifest's tolerance of its reference, which one that could not be compared is
    /// not; None where there is no reference or no fit.
    pub within: Option<bool>,
    /// What was expected.
    pub expect: Expectation,
    /// The dimension of the unconstrained scale.
    pub dim: Option<u64>,
    /// Evaluations of the log density with its gradient.
    pub gradient_evaluations: Option<u64>,
    /// Evaluations of the log density alone.
    pub density_evaluations: Option<u64>,
    /// k̂ of the importance weights.
    pub pareto_k: Option<f64>,
    /// The largest location error, where it is finite.
    pub max_location_error: Option<f64>,
    /// The largest log-scale error, where it is finite.
    pub max_log_scale_error: Option<f64>,
    /// The largest 1-Wasserstein distance.
    pub max_w1: Option<f64>,
    /// Whether the parameters are in units of a reference.
    pub referenced: bool,
    /// Each quantity of the reference; without one, each quantity of the draws. None where there is a reference that
    /// the fit could not be compared with.
    pub parameters: Vec<ParameterRecord>,
    /// What the fit said.
    pub messages: Vec<String>,
    /// Wall time of the fit.
    pub seconds: Option<f64>,
    /// Wall time of the worker.
    pub wall_seconds: f64,
}

/// Whether there is a fit, and whether it can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Every diagnostic agrees.
    Ok,
    /// One does not.
    Flagged,
    /// There is no fit.
    Failed,
}

/// Why there is no fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What ended the job.
    pub kind: FailureKind,
    /// The same as a sentence.
    pub message: String,
}

/// What ended a job without a fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureKind {
    /// The program does not compile.
    Compile,
    /// The fit failed, and said why.
    Fit,
    /// A signal, such as SIGSEGV.
    Signal,
    /// The limit of time.
    Time,
    /// The limit of memory.
    Memory,
    /// The worker broke off without a word.
    Worker,
}

/// One quantity's location and scale: in units of the reference, (location − reference location) / reference scale and
/// ln(scale / reference scale); without a reference, the mean and ln(standard deviation).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParameterRecord {
    /// The quantity's name.
    pub name: String,
    /// Its location.
    pub location: Option<f64>,
    /// Its scale's logarithm.
    pub log_scale: Option<f64>,
    /// The Monte Carlo standard error of the location.
    pub mcse: Option<f64>,
    /// That of the scale's logarithm.
    #[serde(default)]
    pub log_scale_mcse: Option<f64>,
    /// How many independent draws its draws are worth.
    pub ess: Option<f64>,
}

impl JobRecord {
    /// The record of a job without a fit.
    pub fn failed(cell: &Cell, job: Job, kind: FailureKind, message: String) -> Self {
        Self {
            posterior: cell.posterior.clone(),
            configuration: cell.configuration.clone(),
            seed: job.seed,
            status: Status::Failed,
            failure: Some(Failure { kind, message }),
            within: None,
            expect: cell.expect,
            dim: None,
            gradient_evaluations: None,
            density_evaluations: None,
            pareto_k: None,
            max_location_error: None,
            max_log_scale_error: None,
            max_w1: None,
            referenced: false,
            parameters: Vec::new(),
            messages: Vec::new(),
            seconds: None,
            wall_seconds: 0.0,
        }
    }

    /// The record of a job whose worker printed `document`.
    pub fn from_document(cell: &Cell, job: Job, document: &Value) -> Self {
        let messages: Vec<String> = texts(&document["messages"]);
        let status = match document["status"].as_str() {
            Some("ok") => Status::Ok,
            Some("flagged") => Status::Flagged,
            _ => {
                let message =
                    if messages.is_empty() { "the fit gave no reason".to_owned() } else { messages.join("; ") };
                return Self::failed(cell, job, FailureKind::Fit, message);
            }
        };
        let number = |key: &str| document[key].as_f64();
        let count = |key: &str| document[key].as_u64();
        let comparison = &document["comparison"];
        let referenced = comparison.is_object();
        let has_reference = matches!(&cell.source, Source::Database(posterior) if posterior.has_reference());
        let error = |key: &str| comparison[key].as_f64();
        Self {
            status,
            failure: None,
            within: (referenced || has_reference).then(|| is_within(comparison, &cell.tolerance)),
            dim: count("dim"),
            gradient_evaluations: count("gradient_evaluations"),
            density_evaluations: count("density_evaluations"),
            pareto_k: number("pareto_k"),
            max_location_error: error("max_location_error"),
            max_log_scale_error: error("max_log_scale_error"),
            max_w1: error("max_w1"),
            referenced,
            // In which units they are would be unclear.
            parameters: if has_reference && !referenced { Vec::new() } else { parameters(document) },
            messages,
            seconds: number("seconds"),
            ..Self::failed(cell, job, FailureKind::Fit, String::new())
        }
    }

    /// Whether it came to what was expected.
    pub fn is_as_expected(&self) -> bool {
        match self.expect {
            Expectation::Within => self.status != Status::Failed && self.within != Some(false),
            Expectation::Flagged => self.status == Status::Flagged,
            Expectation::Any => self.status != Status::Failed,
        }
    }

    /// The largest location error, which may be infinite; None without a comparison.
    pub fn location_error(&self) -> Option<f64> {
        self.referenced.then(|| self.max_location_error.unwrap_or(f64::INFINITY))
    }

    /// The largest log-scale error, likewise.
    pub fn log_scale_error(&self) -> Option<f64> {
        self.referenced.then(|| self.max_log_scale_error.unwrap_or(f64::INFINITY))
    }

    /// The record without wall times, which alone differ between two runs of one job.
    pub fn without_times(&self) -> Self {
        Self { seconds: None, wall_seconds: 0.0, ..self.clone() }
    }

    /// What identifies the job, and sorts records.
    pub fn key(&self) -> (&str, &str, u64) {
        (&self.posterior, &self.configuration, self.seed)
    }
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// An error that is null is not finite, and within no tolerance; nor is one that is missing with the whole comparison.
fn is_within(comparison: &Value, tolerance: &Tolerance) -> bool {
    let at_most = |key: &str, limit: f64| comparison[key].as_f64().is_some_and(|error| error <= limit);
    at_most("max_location_error", tolerance.location)
        && at_most("max_log_scale_error", tolerance.log_scale)
        && tolerance.w1.is_none_or(|limit| at_most("max_w1", limit))
}

/// The standard error of a median of n normal draws, in their scale, times √n: √(π/2).
const MEDIAN: f64 = 1.2533;
/// Of the logarithm of their standard deviation, times √n: 1/√2.
const LOG_SD: f64 = std::f64::consts::FRAC_1_SQRT_2;
/// Of the logarithm of half the central 68 % interval, times √n: from the asymptotic variances p (1 − p) / φ² and the
/// covariance p² / φ² of its two ends, with p = 0.16 and φ the normal density there.
const LOG_INTERVAL: f64 = 0.964;

/// A standard error with as many independent draws as `ess`.
fn noise(of_one: f64, ess: &Value) -> Option<f64> {
    Some(of_one / ess.as_f64()?.max(1.0).sqrt())
}

fn parameters(document: &Value) -> Vec<ParameterRecord> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let summaries = list(&document["parameters"]);
    let Some(compared) = document["comparison"]["parameters"].as_array() else {
        return summaries
            .iter()
            .map(|it| ParameterRecord {
                name: it["name"].as_str().unwrap_or_default().to_owned(),
                location: it["mean"].as_f64(),
                log_scale: it["sd"].as_f64().map(f64::ln).filter(|value| value.is_finite()),
                mcse: it["mcse"].as_f64(),
                log_scale_mcse: noise(LOG_SD, &it["ess"]),
                ess: it["ess"].as_f64(),
            })
            .collect();
    };
    let summary: std::collections::HashMap<&str, &Value> =
        summaries.iter().filter_map(|it| Some((it["name"].as_str()?, it))).collect();
    compared
        .iter()
        .map(|it| {
            let number = |key: &str| it[key].as_f64();
            let name = it["name"].as_str().unwrap_or_default();
            let known = |key: &str| summary.get(name).and_then(|summary| summary[key].as_f64());
            let ess = summary.get(name).map_or(&Value::Null, |summary| &summary["ess"]);
            let robust = it["robust"] == true;
            let scale = number("reference_scale").filter(|_| it["constant"] != true);
            let finite = |value: f64| value.is_finite().then_some(value);
            ParameterRecord {
                name: name.to_owned(),
                location: (|| finite((number("location")? - number("reference_location")?) / scale?))(),
                log_scale: (|| finite((number("scale")? / scale?).ln()))(),
                mcse: if robust {
                    (|| finite(noise(MEDIAN, ess)? * number("scale")? / scale?))()
                } else {
                    (|| finite(known("mcse")? / scale?))()
                },
                log_scale_mcse: noise(if robust { LOG_INTERVAL } else { LOG_SD }, ess),
                ess: ess.as_f64(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::Limits;
    use super::*;
    use crate::database::Database;
    use crate::diagnostics::quantile;
    use crate::random::stream;
    use rand_distr::{Distribution, StandardNormal};
    use serde_json::json;

    /// A cell of an embedded posterior with or without reference draws.
    fn cell(posterior: &str) -> Cell {
        Cell {
            posterior: posterior.to_owned(),
            configuration: "bam".to_owned(),
            source: Source::Database(Box::new(Database::open(None, None).unwrap().posterior(posterior).unwrap())),
            arguments: Vec::new(),
            limits: Limits::default(),
            tolerance: Tolerance::default(),
            expect: Expectation::Within,
        }
    }

    fn record(cell: &Cell, document: &Value) -> JobRecord {
        JobRecord::from_document(cell, Job { cell: 0, seed: 1 }, document)
    }

    #[test]
    fn a_fit_that_could_not_be_compared_is_not_within_tolerance() {
        let document = json!({
            "status": "ok", "comparison": null, "messages": ["there is no comparison"],
            "parameters": [{"name": "mu", "mean": 1.0, "sd": 2.0, "mcse": 0.1, "ess": 400.0}],
        });
        let compared = record(&cell("eight_schools"), &document);
        assert_eq!((compared.within, compared.is_as_expected(), compared.parameters.len()), (Some(false), false, 0));
        let mut own = cell("eight_schools");
        own.source = Source::Files { program: "mine.stan".into(), data: None };
        let own = record(&own, &document);
        assert_eq!((own.within, own.is_as_expected(), own.parameters.len()), (None, true, 1));
    }

    #[test]
    fn a_constant_has_no_number_over_seeds() {
        let compared = |constant: bool| {
            let it = json!({
                "name": "L[1,1]", "constant": constant, "location": 1.0, "scale": 2e-17, "reference_location": 1.0,
                "reference_scale": 3e-17,
            });
            let document = json!({"status": "ok", "comparison": {"parameters": [it]}});
            record(&cell("eight_schools"), &document).parameters.remove(0)
        };
        let constant = compared(true);
        assert_eq!((constant.location, constant.log_scale), (None, None));
        assert!(compared(false).location == Some(0.0));
    }

    #[test]
    fn medians_and_intervals_have_their_own_noise() {
        let compared = |robust: bool| {
            let it = json!({
                "name": "x", "robust": robust, "location": 1.0, "scale": 3.0, "reference_location": 1.0, "reference_scale": 2.0,
            });
            let document = json!({
                "status": "ok", "comparison": {"parameters": [it]},
                "parameters": [{"name": "x", "mean": 1e6, "sd": 1e9, "mcse": 1e7, "ess": 2500.0}],
            });
            let it = record(&cell("eight_schools"), &document).parameters.remove(0);
            (it.mcse.unwrap(), it.log_scale_mcse.unwrap())
        };
        let (median, interval) = compared(true);
        assert!((median - 1.2533 / 50.0 * 1.5).abs() < 1e-12 && (interval - 0.964 / 50.0).abs() < 1e-12);
        let (mean, sd) = compared(false);
        assert!((mean - 5e6).abs() < 1.0 && (sd - 1.0 / 5000.0_f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn the_noise_of_the_interval_is_that_of_normal_draws() {
        let mut rng = stream(9, 0);
        let logarithms: Vec<f64> = (0..4000)
            .map(|_| {
                let mut draws: Vec<f64> = (0..400).map(|_| StandardNormal.sample(&mut rng)).collect();
                draws.sort_by(f64::total_cmp);
                (0.5 * (quantile(&draws, 0.84) - quantile(&draws, 0.16))).ln()
            })
            .collect();
        let mean = logarithms.iter().sum::<f64>() / 4000.0;
        let sd = (logarithms.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / 3999.0).sqrt();
        // The sample's own standard error is 1.1 %.
        assert!((sd * 20.0 / LOG_INTERVAL - 1.0).abs() < 0.05, "{}", sd * 20.0);
    }
}
