//! `stanmatch suite accept`: a run becomes the baseline of later ones.

use std::path::PathBuf;

use anyhow::bail;
use stanmatch::suite::{Baseline, Run};

use crate::cli::{Outcome, print};

/// Store a run as the baseline
///
/// The file is small and sorted, with a line for each case and each of its quantities, so that it can be committed and
/// its changes read.
#[derive(clap::Args)]
pub struct Arguments {
    /// The run file
    #[arg(value_name = "RUN")]
    run: PathBuf,

    /// The baseline to write
    #[arg(long, value_name = "FILE")]
    baseline: PathBuf,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let run = Run::read(&arguments.run)?;
    if run.missing() > 0 {
        bail!(
            "{} lacks {} jobs: continue the run with `suite run --resume`, or merge its shards",
            arguments.run.display(),
            run.missing()
        );
    }
    let baseline = Baseline::of(&run);
    baseline.write(&arguments.baseline)?;
    print::text(&format!("{}: {} cases\n", arguments.baseline.display(), baseline.cells.len()))?;
    Ok(Outcome::Done)
}
