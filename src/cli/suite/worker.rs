//! `stanmatch suite work`: one job of a suite, in a process that its coordinator may end.

use anyhow::Context;
use stanmatch::suite::confine;
use stanmatch::toolchain::{LoadError, ToolchainError};

use crate::cli::{Outcome, crash, fit};

/// Run one job of a suite
#[derive(clap::Args)]
pub struct Arguments {
    /// The process that started this one, with which it ends
    #[arg(long)]
    parent: i32,

    /// The memory that the job may use
    #[arg(long)]
    megabytes: u64,

    /// Only make the model
    #[arg(long)]
    load_only: bool,

    #[command(flatten)]
    fit: fit::Arguments,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    confine(arguments.parent, arguments.megabytes).context("the worker's limits cannot be set")?;
    crash::is_watched();
    let ended = if arguments.load_only { fit::load(&arguments.fit) } else { fit::run(&arguments.fit) };
    ended.or_else(|error| match error.downcast_ref() {
        Some(LoadError::NotInstant { .. }) => Ok(Outcome::NotInstant),
        Some(LoadError::Toolchain(ToolchainError::Invalid { .. })) => Ok(Outcome::InvalidProgram),
        _ => Err(error),
    })
}
