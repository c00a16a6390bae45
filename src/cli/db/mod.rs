//! `stanmatch db`: what a posteriordb holds, whether it is whole, and making reference draws for it.

mod check;
mod filter;
mod list;
mod reference;
mod show;

use clap::Subcommand;

use super::Outcome;

/// List, show and check the posteriors of a database, or make reference draws
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    List(list::Arguments),
    Show(show::Arguments),
    Check(check::Arguments),
    Reference(reference::Arguments),
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    match &arguments.command {
        Command::List(arguments) => list::run(arguments),
        Command::Show(arguments) => show::run(arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::Reference(arguments) => reference::run(arguments),
    }
}
