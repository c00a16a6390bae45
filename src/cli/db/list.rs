//! `stanmatch db list`: the posteriors of a database.

use serde::Serialize;
use stanmatch::database::Posterior;

use super::filter::Filter;
use crate::cli::database_options::DatabaseOptions;
use crate::cli::{Outcome, documented, failed, print, table};

/// List the posteriors of a database
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    filter: Filter,

    #[command(flatten)]
    database: DatabaseOptions,

    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

const SCHEMA: &str = "stanmatch.db.list/1";

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    status: &'static str,
    posteriors: Vec<Entry>,
    messages: Vec<String>,
}

#[derive(Serialize)]
struct Entry {
    name: String,
    model: String,
    data: String,
    /// How many scalars the described quantities have; null when none are described.
    quantities: Option<usize>,
    /// The reference posterior, when its draws are there.
    reference: Option<String>,
    keywords: Vec<String>,
}

impl From<Posterior> for Entry {
    fn from(posterior: Posterior) -> Self {
        let has_reference = posterior.has_reference();
        Self {
            quantities: posterior.quantities(),
            reference: posterior.reference_name.filter(|_| has_reference),
            name: posterior.name,
            model: posterior.model_name,
            data: posterior.data_name,
            keywords: posterior.keywords,
        }
    }
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let chosen = arguments.database.open(None).and_then(|database| database.select(&arguments.filter.selection()));
    let chosen = documented(arguments.json, chosen.map_err(anyhow::Error::from), failed(SCHEMA))?;
    let posteriors: Vec<Entry> = chosen.posteriors.into_iter().map(Entry::from).collect();
    let messages: Vec<String> = chosen.broken.iter().map(|(_, error)| error.to_string()).collect();
    if arguments.json {
        print::json(&Document { schema: SCHEMA, status: "ok", posteriors, messages })?;
        return Ok(Outcome::Done);
    }
    messages.iter().for_each(|message| eprintln!("warning: {message}"));
    let rows = posteriors.iter().map(|entry| {
        let quantities = entry.quantities.map_or("–".to_owned(), |count| count.to_string());
        vec![entry.name.clone(), quantities, if entry.reference.is_some() { "yes" } else { "no" }.to_owned()]
    });
    print::text(&format!("{}\n", table::aligned(&["posterior", "quantities", "reference"], rows)))?;
    Ok(Outcome::Done)
}
