//! The subcommands, one file each, and what they share.

mod chain_bars;
mod check_model;
mod compare;
mod comparison_table;
mod compile;
mod completions;
mod crash;
mod database_options;
mod db;
mod doctor;
mod examples;
mod exit_code;
mod fit;
mod initial_values;
mod interrupt;
mod man;
mod nuts_options;
mod openblas;
mod output_file;
mod posterior_options;
mod print;
mod remedy;
mod report;
mod sample;
mod sparkline;
mod suite;
mod table;
mod toolchain;
mod toolchain_options;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use exit_code::Outcome;

/// Fits Stan models by score-matching variational inference and reports whether the answer can be trusted.
#[derive(Parser)]
#[command(version, arg_required_else_help = true, max_term_width = 120)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Fit(fit::Arguments),
    Compare(compare::Arguments),
    Compile(compile::Arguments),
    CheckModel(check_model::Arguments),
    Report(report::Arguments),
    Db(db::Arguments),
    Sample(sample::Arguments),
    Suite(suite::Arguments),
    Toolchain(toolchain::Arguments),
    Doctor(doctor::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
}

/// The command line as its users see it.
fn command() -> clap::Command {
    examples::add(Arguments::command())
}

/// Parses the arguments, runs the command and says how it ended. Wrong usage ends in clap, with code 2.
pub fn run() -> ExitCode {
    // What clap derives from the type fits the type.
    let matches = command().get_matches();
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    if toolchain_options::ignores_bridgestan(&matches) {
        let message = "--bridgestan names a folder to compile with, which --toolchain stanli or httpstan would ignore";
        command().error(ErrorKind::ArgumentConflict, message).exit();
    }
    openblas::use_one_thread();
    interrupt::handle();
    let outcome = match arguments.command {
        Command::Fit(arguments) => fit::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Compile(arguments) => compile::run(&arguments),
        Command::CheckModel(arguments) => check_model::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Db(arguments) => db::run(&arguments),
        Command::Sample(arguments) => sample::run(&arguments),
        Command::Suite(arguments) => suite::run(&arguments),
        Command::Toolchain(arguments) => toolchain::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man(arguments) => man::run(&arguments),
    };
    match outcome {
        Ok(outcome) => outcome.exit_code(),
        Err(error) => {
            interrupt::give_way();
            print::say("error: ", remedy::explained(&error));
            Outcome::Failed.exit_code()
        }
    }
}

/// The `result` of a command's work as it is: with `json` an error is standard output's one document too, which
/// `document` makes of it as a sentence.
fn documented<T, D: serde::Serialize>(
    json: bool,
    result: anyhow::Result<T>,
    document: impl FnOnce(String) -> D,
) -> anyhow::Result<T> {
    if let Err(error) = &result {
        interrupt::give_way();
        if json {
            print::json(&document(remedy::explained(error)))?;
        }
    }
    result
}

/// The document of a command that failed, for one whose documents have no definition that others read.
fn failed(schema: &'static str) -> impl FnOnce(String) -> Failure {
    move |message| Failure { schema, status: "failed", messages: [message], version: env!("CARGO_PKG_VERSION") }
}

#[derive(serde::Serialize)]
struct Failure {
    schema: &'static str,
    status: &'static str,
    messages: [String; 1],
    version: &'static str,
}
