//! `stanmatch suite init`: a commented manifest to begin with.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;

use crate::cli::Outcome;

/// Write a commented manifest to start from
#[derive(clap::Args)]
pub struct Arguments {
    /// Where to write it
    #[arg(default_value = "suite.toml")]
    file: PathBuf,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let file = &arguments.file;
    let mut options = std::fs::File::options();
    let created = options.write(true).create_new(true).open(file);
    let written = created.and_then(|mut file| file.write_all(include_bytes!("init.toml")));
    written.with_context(|| format!("{} cannot be written", file.display()))?;
    eprintln!("wrote {0}; next: stanmatch suite run {0}", file.display());
    Ok(Outcome::Done)
}
