//! `stanmatch suite work`: one job of a suite, in a process that its coordinator may end.

use anyhow::Context;
use stanmatch::suite::confine;

use crate::cli::{Outcome, fit};

/// Run one job of a suite
#[derive(clap::Args)]
pub struct Arguments {
    /// The process that started this one, with which it ends
    #[arg(long)]
    parent: i32,

    /// The memory that the job may use
    #[arg(long)]
    megabytes: u64,

    #[command(flatten)]
    fit: fit::Arguments,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    confine(arguments.parent, arguments.megabytes).context("the worker's limits cannot be set")?;
    fit::run(&arguments.fit)
}
