//! `stanmatch db show`: what a database holds of one posterior, or of several.

use serde::Serialize;
use stanmatch::database::{Database, Findings, Posterior};
use stanmatch::draws::Reference;

use super::filter::Filter;
use crate::cli::database_options::ProgramOptions;
use crate::cli::remedy::explained;
use crate::cli::{Outcome, documented, failed, print, table};

/// Show one posterior of a database, or several
///
/// With one name, --json prints one posterior's document; with a pattern, several names or a filter, a list of them.
#[derive(clap::Args)]
#[command(arg_required_else_help = true)]
pub struct Arguments {
    #[command(flatten)]
    filter: Filter,

    #[command(flatten)]
    database: ProgramOptions,

    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

const SCHEMA: &str = "stanmatch.db.show/1";

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    status: &'static str,
    name: String,
    aliases: Vec<String>,
    description: Option<String>,
    keywords: Vec<String>,
    model: String,
    /// Where the Stan program is; null when it is missing.
    program: Option<String>,
    data: String,
    /// The variables of the data; null when it is missing.
    variables: Option<Vec<String>>,
    dimensions: Vec<Dimension>,
    reference: Option<ReferenceEntry>,
    /// What is missing or broken.
    messages: Vec<String>,
}

/// Several posteriors.
#[derive(Serialize)]
struct Documents {
    schema: &'static str,
    status: &'static str,
    posteriors: Vec<Document>,
    /// Descriptions that cannot be read.
    messages: Vec<String>,
}

#[derive(Serialize)]
struct Dimension {
    name: String,
    size: usize,
}

#[derive(Serialize)]
struct ReferenceEntry {
    name: String,
    method: Option<String>,
    chains: usize,
    draws: usize,
    min_ess_bulk: Option<f64>,
    max_r_hat: Option<f64>,
    quantities: Vec<String>,
    /// Those of which there are no draws, only their moments and quantiles.
    summarised: Vec<String>,
}

impl From<Reference> for ReferenceEntry {
    fn from(reference: Reference) -> Self {
        Self {
            chains: reference.draws.chain_lengths().len(),
            draws: reference.draws.len(),
            min_ess_bulk: reference.info.ess_bulk.iter().copied().reduce(f64::min),
            max_r_hat: reference.info.r_hat.iter().copied().reduce(f64::max),
            quantities: reference.draws.names().to_vec(),
            summarised: reference.info.summaries.names,
            method: reference.info.method,
            name: reference.name,
        }
    }
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let documents = documented(arguments.json, describe_all(arguments), failed(SCHEMA))?;
    if arguments.json {
        match (arguments.filter.single_name(), documents.posteriors.as_slice()) {
            (Some(_), [document]) => print::json(document)?,
            _ => print::json(&documents)?,
        }
        return Ok(Outcome::Done);
    }
    let of_posteriors = documents.posteriors.iter().flat_map(|document| &document.messages);
    documents.messages.iter().chain(of_posteriors).for_each(|message| eprintln!("warning: {message}"));
    print::text(&documents.posteriors.iter().map(shown).collect::<Vec<_>>().join("\n"))?;
    Ok(Outcome::Done)
}

fn describe_all(arguments: &Arguments) -> anyhow::Result<Documents> {
    let database = arguments.database.open()?;
    let chosen = database.select(&arguments.filter.selection())?;
    let mut messages = Vec::new();
    for (name, error) in chosen.broken {
        match arguments.filter.single_name() {
            Some(_) => return Err(error.into()),
            None => messages.push(format!("{name}: {error}")),
        }
    }
    let posteriors = chosen.posteriors.into_iter().map(|posterior| describe(&database, posterior)).collect();
    Ok(Documents { schema: SCHEMA, status: "ok", posteriors, messages })
}

fn describe(database: &Database, posterior: Posterior) -> Document {
    let mut findings = Findings::default();
    let aliases = findings.noted(database.aliases()).unwrap_or_default();
    let program = findings.noted(posterior.program_place().map_err(|error| explained(&error.into())));
    let variables = findings.noted(posterior.data_variables());
    let reference = match posterior.reference_name {
        Some(_) => findings.noted(posterior.required_reference()).map(ReferenceEntry::from),
        None => None,
    };
    let dimensions = posterior.dimensions.into_iter().map(|(name, size)| Dimension { name, size }).collect();
    Document {
        schema: SCHEMA,
        status: "ok",
        aliases: aliases.into_iter().filter(|(_, name)| *name == posterior.name).map(|(alias, _)| alias).collect(),
        name: posterior.name,
        description: posterior.description,
        keywords: posterior.keywords,
        model: posterior.model_name,
        program,
        data: posterior.data_name,
        variables,
        dimensions,
        reference,
        messages: findings.problems,
    }
}

fn shown(document: &Document) -> String {
    let dimensions: Vec<String> = document.dimensions.iter().map(shown_dimension).collect();
    let mut lines = vec![("posterior", document.name.clone()), ("aliases", document.aliases.join(", "))];
    lines.push(("description", document.description.clone().unwrap_or_default()));
    lines.push(("keywords", document.keywords.join(", ")));
    lines.push(("model", document.model.clone()));
    lines.push(("program", document.program.clone().unwrap_or_else(|| "missing".to_owned())));
    let variables = document.variables.as_ref().map_or("missing".to_owned(), |names| names.join(", "));
    lines.push(("data", format!("{} ({variables})", document.data)));
    lines.push(("parameters", dimensions.join(", ")));
    lines.push(("reference", document.reference.as_ref().map_or("none".to_owned(), shown_reference)));
    let lines = lines.into_iter().filter(|(_, value)| !value.is_empty());
    lines.map(|(key, value)| format!("{key:<12}{value}\n")).collect()
}

fn shown_dimension(dimension: &Dimension) -> String {
    match dimension.size {
        1 => dimension.name.clone(),
        size => format!("{}[{size}]", dimension.name),
    }
}

fn shown_reference(reference: &ReferenceEntry) -> String {
    let mut parts = vec![format!("{} draws in {} chains", reference.draws, reference.chains)];
    if !reference.summarised.is_empty() {
        let (kept, others) = (reference.quantities.len(), reference.summarised.len());
        parts.push(format!("draws of {kept} quantities, summaries of {others}"));
    }
    parts.extend(reference.method.clone());
    parts.extend(reference.min_ess_bulk.map(|size| format!("bulk ESS at least {}", table::fixed(size, 0))));
    parts.extend(reference.max_r_hat.map(|r_hat| format!("R-hat at most {}", table::fixed(r_hat, 4))));
    format!("{} ({})", reference.name, parts.join(", "))
}
