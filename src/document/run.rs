//! A run file of a suite: JSON lines, a header and then a line per job.

use serde::{Deserialize, Serialize};

use super::Status;

/// The version of the header and of the lines below it.
pub const RUN_SCHEMA: &str = "stanmatch.run/1";

/// The first line of a run file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunHeader {
    /// `stanmatch.run/1`.
    #[cfg_attr(test, schemars(extend("const" = RUN_SCHEMA)))]
    pub schema: String,
    /// The suite's name.
    pub suite: String,
    /// What the suite is for.
    #[serde(default)]
    pub description: String,
    /// A hash of what the results depend on but the seeds.
    pub plan: String,
    /// The version of stanmatch.
    pub version: String,
    /// What makes the models; null in files of versions that did not say it.
    #[serde(default)]
    pub toolchain: Option<RunToolchain>,
    /// How many cases the plan has.
    pub cells: usize,
    /// The seeds of each case.
    pub seeds: Vec<u64>,
    /// When the run began, in UTC.
    pub started: String,
}

/// What makes the models of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunToolchain {
    /// What makes instant models; null where all models are compiled.
    pub instant: Option<ToolchainVersion>,
    /// What compiles models, those that have no instant one; null where nothing is installed that does.
    pub compiled: Option<ToolchainVersion>,
}

/// A toolchain, as far as results depend on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ToolchainVersion {
    /// `stanli`, `httpstan` or `bridgestan`.
    pub source: String,
    /// The version of Stan and its mathematics library.
    pub stan_version: String,
}

/// A later line of a run file: one job and what it came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
    /// Whether the fit is within the manifest's tolerance of its reference; false where it could not be compared, null
    /// where there is no reference or no fit.
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
    /// Each quantity of the reference; without one, each quantity of the draws. Empty where there is a reference that
    /// the fit could not be compared with.
    pub parameters: Vec<ParameterRecord>,
    /// What the fit said.
    pub messages: Vec<String>,
    /// Wall time of the fit, in seconds.
    pub seconds: Option<f64>,
    /// Wall time of the worker, in seconds.
    pub wall_seconds: f64,
}

/// Why there is no fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Failure {
    /// What ended the job.
    pub kind: FailureKind,
    /// The same as a sentence.
    pub message: String,
}

/// What ended a job without a fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
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
    /// The worker ended without a result or a message.
    Worker,
    /// The machine: there is no toolchain, or a disk is full.
    Environment,
}

/// What a job is expected to come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Expectation {
    /// A fit within tolerance of its reference, where there is one; it may be flagged.
    #[default]
    Within,
    /// A fit that says it cannot be trusted.
    Flagged,
    /// A fit.
    Any,
}

/// One quantity's location and scale: in units of the reference, (location − reference location) / reference scale and
/// ln(scale / reference scale); without a reference, the mean and ln(standard deviation).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ParameterRecord {
    /// The quantity's name.
    pub name: String,
    /// Its location.
    pub location: Option<f64>,
    /// Its scale's logarithm.
    pub log_scale: Option<f64>,
    /// The Monte Carlo standard error of the location.
    pub mcse: Option<f64>,
    /// The Monte Carlo standard error of the scale's logarithm.
    pub log_scale_mcse: Option<f64>,
    /// How many independent draws its draws are worth.
    pub ess: Option<f64>,
}

impl JobRecord {
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

    /// Whether it failed in a way that says nothing of the job, so that a resumed run tries it again.
    pub fn is_provisional(&self) -> bool {
        let kind = self.failure.as_ref().map(|failure| failure.kind);
        matches!(kind, Some(FailureKind::Worker | FailureKind::Environment))
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
