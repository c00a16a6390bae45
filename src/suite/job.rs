//! What a worker is asked to do: one job of a suite, as JSON on the worker's standard input.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Limits;
use crate::fit::FitArguments;
use crate::toolchain::Choice;

/// One job. Its answer, on the worker's standard output, is the document of the fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobRequest {
    /// The process of the coordinator, with which the worker ends.
    pub coordinator: i32,
    /// Where the posterior comes from.
    pub posterior: PosteriorSource,
    /// What is asked of the fit, its seed and its budget of gradient evaluations included.
    pub fit: FitArguments,
    /// What the job may use.
    pub limits: Limits,
    /// On how many threads the fit runs; its result does not depend on it.
    pub threads: usize,
    /// Which toolchain makes the model.
    pub toolchain: Choice,
    /// The folder in which the fit is saved; None for one that is not.
    pub output: Option<PathBuf>,
    /// Whether only the model is made.
    pub load_only: bool,
}

/// Where a posterior comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum PosteriorSource {
    /// A database.
    Database {
        /// The posterior's name or alias.
        name: String,
        /// The folder of the database; None for the embedded one.
        posteriordb: Option<PathBuf>,
        /// The folder of programs that the database lacks.
        models: Option<PathBuf>,
    },
    /// A program of one's own.
    Files {
        /// The Stan program, or a compiled library that ends in `.so`.
        program: PathBuf,
        /// The data; None for a program without.
        data: Option<PathBuf>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_reads_what_its_coordinator_writes() {
        let database = PosteriorSource::Database { name: "-trace=x".into(), posteriordb: None, models: None };
        let files = PosteriorSource::Files { program: "mine.stan".into(), data: Some("mine.json".into()) };
        for posterior in [database, files] {
            let request = JobRequest {
                coordinator: 1234,
                posterior,
                fit: FitArguments {
                    batch: Some(8),
                    learning_rate: Some(0.1),
                    seed: u64::MAX,
                    ..FitArguments::default()
                },
                limits: Limits { seconds: 0.1, megabytes: 7, gradients: Some(100) },
                threads: 1,
                toolchain: Choice::BridgeStan(Some("stan".into())),
                output: Some("fits/mine".into()),
                load_only: false,
            };
            let text = serde_json::to_string(&request).unwrap();
            assert_eq!(serde_json::from_str::<JobRequest>(&text).unwrap(), request, "{text}");
        }
    }
}
