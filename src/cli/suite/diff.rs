//! `stanmatch suite diff`: a run against a baseline.

use std::path::PathBuf;

use stanmatch::suite::Run;

use super::verdict_output::{JudgeOptions, SCHEMA};
use crate::cli::{Outcome, documented, failed};

/// Judge a run, against a baseline if one is given
///
/// Ends with exit code 3 if something has regressed beyond noise, or a job did not meet the manifest's expectation.
#[derive(clap::Args)]
pub struct Arguments {
    /// The run file
    #[arg(value_name = "RUN")]
    run: PathBuf,

    #[command(flatten)]
    judge: JudgeOptions,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let read = || {
        let run = Run::read(&arguments.run)?;
        let baseline = arguments.judge.baseline(&run.header.suite, run.cells())?;
        anyhow::Ok((baseline, run))
    };
    let (baseline, run) = documented(arguments.judge.json, read(), failed(SCHEMA))?;
    arguments.judge.judge(&run, baseline.as_ref())
}
