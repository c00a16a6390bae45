//! `stanmatch suite …`: batch regression tests of models and inference.

mod accept;
mod diff;
mod init;
mod merge;
mod report;
mod run;
mod verdict_output;
mod worker;

use clap::Subcommand;

use super::Outcome;

/// Fit many posteriors in many ways, and report what has regressed since a baseline
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Init(init::Arguments),
    Run(run::Arguments),
    Diff(diff::Arguments),
    Accept(accept::Arguments),
    Merge(merge::Arguments),
    Report(report::Arguments),
    /// Run one job of a suite, which is on standard input
    #[command(hide = true)]
    Work,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    match &arguments.command {
        Command::Init(arguments) => init::run(arguments),
        Command::Run(arguments) => run::run(arguments),
        Command::Diff(arguments) => diff::run(arguments),
        Command::Accept(arguments) => accept::run(arguments),
        Command::Merge(arguments) => merge::run(arguments),
        Command::Report(arguments) => report::run(arguments),
        Command::Work => worker::run(),
    }
}
