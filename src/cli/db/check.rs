//! `stanmatch db check`: is a database whole?

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use stanmatch::database::{Findings, Posterior};
use stanmatch::model::{Model, Target};
use stanmatch::toolchain::{Description, Loaded};

use super::filter::Filter;
use crate::cli::database_options::ProgramOptions;
use crate::cli::remedy::explained;
use crate::cli::toolchain_options::ToolchainOptions;
use crate::cli::{Outcome, documented, failed, print, table};

/// Check a whole database
///
/// Checks descriptions, files, archives, shapes and names; that reference draws are finite; that programs compile and
/// accept their data. Ends with exit code 1 if there is a problem.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    filter: Filter,

    #[command(flatten)]
    database: ProgramOptions,

    /// Check the files only; make no models of programs and data
    #[arg(long)]
    no_compile: bool,

    #[command(flatten)]
    toolchain: ToolchainOptions,

    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

const SCHEMA: &str = "stanmatch.db.check/1";

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    /// `ok`, or `failed` when anything is wrong.
    status: &'static str,
    posteriors: Vec<Entry>,
    /// What concerns no posterior in particular.
    #[serde(flatten)]
    database: Findings,
    /// What compiled the programs; null when none were.
    toolchain: Option<Description>,
    version: &'static str,
}

#[derive(Serialize)]
struct Entry {
    name: String,
    status: &'static str,
    /// How many scalars the described quantities have; null when none are described.
    quantities: Option<usize>,
    /// The dimension of the unconstrained scale; null when the program was not compiled.
    dim: Option<usize>,
    /// Whether the database holds reference draws.
    reference: bool,
    #[serde(flatten)]
    findings: Findings,
}

const OK: &str = "ok";
const FAILED: &str = "failed";

fn status(is_wrong: bool) -> &'static str {
    if is_wrong { FAILED } else { OK }
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let document = documented(arguments.json, check(arguments), failed(SCHEMA))?;
    if arguments.json {
        print::json(&document)?;
    } else {
        print::text(&shown(&document))?;
    }
    Ok(if document.status == OK { Outcome::Done } else { Outcome::Failed })
}

fn check(arguments: &Arguments) -> anyhow::Result<Document> {
    let database = arguments.database.open()?;
    let toolchain = match arguments.no_compile {
        true => None,
        false => Some(arguments.toolchain.description().context("no model can be made; --no-compile checks the rest")?),
    };
    let chosen = database.select(&arguments.filter.selection())?;
    let mut entries: Vec<Entry> = chosen.broken.into_iter().map(|(name, error)| unread(name, &error)).collect();
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}").expect("a valid template");
    let bar = ProgressBar::new(chosen.posteriors.len() as u64).with_style(style);
    for posterior in &chosen.posteriors {
        bar.set_message(posterior.name.clone());
        entries.push(checked(posterior, toolchain.is_some().then_some(&arguments.toolchain)));
        bar.inc(1);
    }
    bar.finish_and_clear();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    let database = database.check();
    let is_wrong = !database.problems.is_empty() || entries.iter().any(|entry| entry.status != OK);
    Ok(Document {
        schema: SCHEMA,
        status: status(is_wrong),
        posteriors: entries,
        database,
        toolchain,
        version: env!("CARGO_PKG_VERSION"),
    })
}

fn unread(name: String, error: &impl ToString) -> Entry {
    let findings = Findings { problems: vec![error.to_string()], notes: Vec::new() };
    Entry { name, status: FAILED, quantities: None, dim: None, reference: false, findings }
}

fn checked(posterior: &Posterior, toolchain: Option<&ToolchainOptions>) -> Entry {
    let (mut findings, reference) = posterior.check();
    let mut dim = None;
    // Of a program or data that cannot be read, the check has said so.
    if let (Some(toolchain), Ok(program), Ok(data)) = (toolchain, posterior.program(), posterior.data()) {
        match toolchain.load(&program, &data, 1) {
            Ok(Loaded { model, .. }) => {
                dim = Some(model.dim());
                posterior.check_names(reference.as_ref(), model.names(), &mut findings);
            }
            Err(error) => findings.problem(explained(&error.into())),
        }
    }
    Entry {
        name: posterior.name.clone(),
        status: status(!findings.problems.is_empty()),
        quantities: posterior.quantities(),
        dim,
        reference: posterior.has_reference(),
        findings,
    }
}

fn shown(document: &Document) -> String {
    let number = |count: Option<usize>| count.map_or("–".to_owned(), |count| count.to_string());
    let rows = document.posteriors.iter().map(|it| {
        let reference = if it.reference { "yes" } else { "no" };
        [it.name.clone(), number(it.quantities), number(it.dim), reference.to_owned(), it.status.to_owned()]
    });
    let mut text = table::aligned(&["posterior", "quantities", "D", "reference", "status"], rows) + "\n\n";
    let of_posteriors = document.posteriors.iter().map(|it| (it.name.as_str(), &it.findings));
    for (name, findings) in [("database", &document.database)].into_iter().chain(of_posteriors) {
        let (problems, notes) = (&findings.problems, &findings.notes);
        text.extend(problems.iter().map(|problem| format!("problem: {name}: {problem}\n")));
        text.extend(notes.iter().map(|note| format!("note: {name}: {note}\n")));
    }
    let wrong = document.posteriors.iter().filter(|it| it.status != OK).count();
    text + &format!("{} posteriors checked, {wrong} with problems\n", document.posteriors.len())
}
