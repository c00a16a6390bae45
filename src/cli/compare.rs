//! `stanmatch compare`: draws from any tool against the reference draws of a posterior.

use std::path::PathBuf;

use serde::Serialize;
use stanmatch::compare::{Comparison, compare};
use stanmatch::import::read_draws;

use super::database_options::DatabaseOptions;
use super::{Outcome, comparison_table, failure, print};

/// Compare draws with the reference draws of a posterior
///
/// Ends with code 3 when the draws are outside tolerance: when a location is off by more than a tenth of the reference's
/// standard deviation, or a scale by more than about 10 %.
#[derive(clap::Args)]
pub struct Arguments {
    /// CmdStan CSV files (one chain each), posteriordb JSON, plain or zipped, or the folder of a saved fit
    #[arg(required = true, value_name = "DRAWS")]
    draws: Vec<PathBuf>,

    /// The posterior whose reference draws to compare with
    #[arg(long, value_name = "POSTERIOR")]
    reference: String,

    #[command(flatten)]
    database: DatabaseOptions,

    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

const SCHEMA: &str = "stanmatch.compare/1";

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    status: &'static str,
    posterior: String,
    draws: usize,
    chains: usize,
    messages: Vec<String>,
    comparison: Comparison,
    /// Quantities of the draws that the reference lacks.
    not_in_reference: Vec<String>,
    version: &'static str,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let document = match hold_against_reference(arguments) {
        Ok(document) => document,
        Err(error) => return failure(SCHEMA, arguments.json, error),
    };
    if arguments.json {
        print::json(&document)?;
    } else {
        document.messages.iter().for_each(|message| eprintln!("note: {message}"));
        print::text(&comparison_table::shown(&document.comparison))?;
    }
    Ok(if document.comparison.within_tolerance { Outcome::Done } else { Outcome::OutsideTolerance })
}

fn hold_against_reference(arguments: &Arguments) -> anyhow::Result<Document> {
    let posterior = arguments.database.open(None)?.posterior(&arguments.reference)?;
    let reference = posterior.required_reference()?;
    let imported = read_draws(&arguments.draws)?;
    let comparison = compare(&imported.draws, &reference)?;
    Ok(Document {
        schema: SCHEMA,
        status: "ok",
        posterior: posterior.name,
        draws: imported.draws.len(),
        chains: imported.draws.chain_lengths().len(),
        messages: imported.notes,
        not_in_reference: comparison.left_out.clone(),
        comparison,
        version: env!("CARGO_PKG_VERSION"),
    })
}
