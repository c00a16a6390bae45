//! `stanmatch suite merge`: several run files to one.

use std::path::PathBuf;

use stanmatch::suite::merge;

use crate::cli::{Outcome, print};

/// Merge the run files of shards, or of runs with different seeds
#[derive(clap::Args)]
pub struct Arguments {
    /// The run files
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,

    /// The file to write
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let run = merge(&arguments.runs, &arguments.output)?;
    let missing = match run.missing() {
        0 => String::new(),
        missing => format!(", {missing} are missing"),
    };
    print::text(&format!("{}: {} jobs{missing}\n", arguments.output.display(), run.records.len()))?;
    Ok(Outcome::Done)
}
