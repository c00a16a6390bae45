//! `stanmatch toolchain`: installing and listing Stan toolchains.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use stanmatch::toolchain::{Choice, Description, InstallSource, Toolchain, ToolchainError, install};

use super::toolchain_options::Spinner;
use super::{Outcome, print};

/// Install a Stan toolchain, or list the installed ones
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Install(InstallArguments),
    /// List the installed toolchains
    List {
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
}

/// Install a Stan toolchain into the cache folder (BridgeStan: into ~/.bridgestan)
///
/// stanli and httpstan come from the Python package index, through pip and its configuration, and are checked against
/// known SHA-256 sums.
#[derive(clap::Args)]
struct InstallArguments {
    /// Where the toolchain comes from [default: stanli, or httpstan with --precompile-headers]
    #[arg(long, value_enum)]
    from: Option<From>,

    /// The wheel of stanli 0.24.0 for this platform, or of httpstan 4.17.0 (cp312, manylinux2014_x86_64), for a machine
    /// without a network
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    wheel: Option<PathBuf>,

    /// Compile the headers of httpstan's Stan once, into a file of 800 MB that halves the time of every later compilation
    #[arg(long)]
    precompile_headers: bool,

    /// Install again, even if it is installed
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum From {
    /// Instant models, from the Python package stanli
    Stanli,
    /// Compiled models, with Stan from the Python package httpstan
    Httpstan,
    /// Compiled models, with BridgeStan's sources from GitHub
    Bridgestan,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    match &arguments.command {
        Command::Install(arguments) => run_install(arguments),
        Command::List { json } => list(*json),
    }
}

fn run_install(arguments: &InstallArguments) -> anyhow::Result<Outcome> {
    let source = match (&arguments.wheel, arguments.from) {
        (Some(file), _) => InstallSource::Wheel(file.clone()),
        (None, None) if arguments.precompile_headers => InstallSource::Httpstan,
        (None, None | Some(From::Stanli)) => InstallSource::Stanli,
        (None, Some(From::Httpstan)) => InstallSource::Httpstan,
        (None, Some(From::Bridgestan)) => InstallSource::BridgeStan,
    };
    let spinner = Spinner::new();
    let installed = install(&source, arguments.force, &|progress| spinner.show(progress))?;
    let prepared = match installed.choice {
        Choice::Stanli => Ok(()),
        choice => Toolchain::find(&choice)
            .and_then(|it| it.prepare(arguments.precompile_headers, &|progress| spinner.show(progress))),
    };
    spinner.finish();
    match prepared {
        Ok(()) => {}
        // The toolchain is in its place; a compiler may come later.
        Err(error @ ToolchainError::Command { .. }) => eprintln!("warning: {error}"),
        Err(error) => return Err(error.into()),
    }
    print::text(&format!("{}\n", installed.folder.display()))?;
    Ok(Outcome::Done)
}

fn list(json: bool) -> anyhow::Result<Outcome> {
    // The first is the one that is used when nothing else is asked for.
    let mut listed: Vec<Description> = Vec::new();
    for choice in [Choice::Auto, Choice::Stanli, Choice::Httpstan, Choice::BridgeStan(None)] {
        listed.extend(choice.description().filter(|it| !listed.contains(it)));
    }
    if json {
        print::json(&serde_json::json!({ "schema": "stanmatch.toolchains/1", "toolchains": listed }))?;
    } else if listed.is_empty() {
        print::text("no toolchain is installed; `stanmatch toolchain install` installs one\n")?;
    } else {
        let lines: Vec<String> = listed
            .iter()
            .map(|it| format!("{}  Stan {}  {}\n", it.source, it.stan_version, it.folder.display()))
            .collect();
        print::text(&lines.concat())?;
    }
    Ok(Outcome::Done)
}
