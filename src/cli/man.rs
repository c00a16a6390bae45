//! `stanmatch man`: the manual pages.

use std::path::PathBuf;

use anyhow::Context;
use clap_mangen::Man;

use super::{Outcome, print};

/// Print the manual page, or write the pages of all commands
///
/// To read the page: stanmatch man | man -l -
#[derive(clap::Args)]
pub struct Arguments {
    /// Write a page for each command to this folder, such as one of MANPATH's
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let command = super::command();
    match &arguments.output {
        Some(folder) => {
            std::fs::create_dir_all(folder)
                .and_then(|()| clap_mangen::generate_to(command, folder))
                .with_context(|| format!("the pages cannot be written to {}", folder.display()))?;
        }
        None => {
            let mut page = Vec::new();
            Man::new(command).render(&mut page)?;
            print::text(&String::from_utf8(page)?)?;
        }
    }
    Ok(Outcome::Done)
}
