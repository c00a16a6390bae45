//! `stanmatch completions`: a completion script for a shell.

use clap_complete::Shell;

use super::{Outcome, print};

/// Print a completion script for a shell
#[derive(clap::Args)]
pub struct Arguments {
    /// The shell
    shell: Shell,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::command(), "stanmatch", &mut script);
    print::text(&String::from_utf8(script)?)?;
    Ok(Outcome::Done)
}
