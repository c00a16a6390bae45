//! `stanmatch compare`: draws from any tool against the reference draws of a posterior, or against any other draws.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use stanmatch::compare::{Comparison, compare, shared};
use stanmatch::database::{Database, Posterior};
use stanmatch::document::{COMPARE_SCHEMA, CompareDocument, ComparisonDocument, Status, VERSION};
use stanmatch::draws::{Draws, Reference, ReferenceInfo, stan_name};
use stanmatch::import::{Imported, Reading};
use stanmatch::model::Model;
use stanmatch::output::zipped_draws;
use stanmatch::sample::unconstrain;

use super::database_options::DatabaseOptions;
use super::toolchain_options::ToolchainOptions;
use super::{Outcome, comparison_table, crash, documented, output_file, print};

/// Compare draws with reference draws
///
/// Ends with exit code 3 if the draws are outside tolerance: if a location is off by more than a tenth of the
/// reference's standard deviation, or a scale by more than about 10 %.
#[derive(clap::Args)]
pub struct Arguments {
    /// CmdStan CSV files (one chain each), posteriordb JSON (plain or zipped), or the folder of a saved fit
    #[arg(required = true, value_name = "DRAWS")]
    draws: Vec<PathBuf>,

    /// What to compare with: the name of a posterior with reference draws, or other draws in any of these forms; repeat
    /// it for several files
    #[arg(long, value_name = "POSTERIOR|DRAWS", required = true)]
    reference: Vec<String>,

    /// Compare on the unconstrained scale; needs a posterior as --reference, whose program defines the scale
    #[arg(long)]
    unconstrained: bool,

    /// A folder of Stan programs, named by model, for those that the database lacks
    #[arg(long, value_name = "DIR", requires = "unconstrained")]
    models: Option<PathBuf>,

    /// Save the draws and the reference as they are compared in this folder, as posteriordb's zipped JSON
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,

    #[command(flatten)]
    database: DatabaseOptions,

    #[command(flatten)]
    toolchain: ToolchainOptions,

    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// A comparison, and what was left out of it.
struct Compared {
    comparison: Comparison,
    /// None where the reference is files.
    posterior: Option<String>,
    draws: usize,
    chains: usize,
    notes: Vec<String>,
    /// Quantities of the reference that the draws lack.
    not_in_draws: Vec<String>,
}

impl Compared {
    fn document(self) -> CompareDocument {
        CompareDocument {
            schema: COMPARE_SCHEMA.to_owned(),
            status: Status::Ok,
            posterior: self.posterior,
            draws: Some(self.draws as u64),
            chains: Some(self.chains as u64),
            messages: self.notes,
            comparison: Some(ComparisonDocument::from(&self.comparison)),
            not_in_reference: Some(self.comparison.left_out),
            not_in_draws: Some(self.not_in_draws),
            version: VERSION.to_owned(),
        }
    }
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    crash::answer_with(arguments.json, CompareDocument::failed);
    let compared = documented(arguments.json, compare_with_reference(arguments), CompareDocument::failed)?;
    let within = compared.comparison.within_tolerance;
    if arguments.json {
        print::json(&compared.document())?;
    } else {
        compared.notes.iter().for_each(|note| print::say("note: ", note));
        print::text(&comparison_table::shown(&compared.comparison, None))?;
        if !compared.not_in_draws.is_empty() {
            print::text(&format!("not in the draws: {}\n", comparison_table::listed(&compared.not_in_draws)))?;
        }
    }
    Ok(if within { Outcome::Done } else { Outcome::OutsideTolerance })
}

fn compare_with_reference(arguments: &Arguments) -> anyhow::Result<Compared> {
    let posterior = match &arguments.reference[..] {
        [name] if !name.contains(std::path::is_separator) => named_posterior(arguments, name)?,
        _ => None,
    };
    match posterior {
        Some(posterior) if arguments.unconstrained => on_the_unconstrained_scale(arguments, posterior),
        Some(posterior) => with_posterior(arguments, &posterior),
        None if arguments.unconstrained => {
            bail!("--unconstrained needs the name of a posterior as --reference: its program defines the scale")
        }
        None => with_files(arguments),
    }
}

/// The posterior of this name; None where there is none but a file is.
fn named_posterior(arguments: &Arguments, name: &str) -> anyhow::Result<Option<Posterior>> {
    let database: Database = arguments.database.open(arguments.models.as_deref())?;
    match database.posterior(name) {
        Ok(posterior) => Ok(Some(posterior)),
        Err(_) if Path::new(name).exists() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn with_posterior(arguments: &Arguments, posterior: &Posterior) -> anyhow::Result<Compared> {
    let reference = posterior.required_reference()?;
    let summarised = reference.info.summaries.names.iter();
    let names: HashSet<String> = reference.draws.names().iter().chain(summarised).map(|name| stan_name(name)).collect();
    let imported = read(&arguments.draws, &|name| names.contains(name))?;
    conclude(arguments, Some(posterior), imported, &reference, Vec::new())
}

fn with_files(arguments: &Arguments) -> anyhow::Result<Compared> {
    let paths: Vec<PathBuf> = arguments.reference.iter().map(PathBuf::from).collect();
    let Imported { draws, notes, .. } = read(&paths, &|_| true).context("the reference cannot be used")?;
    let name = match &arguments.reference[..] {
        [only] => only.clone(),
        [first, others @ ..] => format!("{first} and {} more", others.len()),
        [] => String::new(),
    };
    let names: HashSet<String> = draws.names().iter().cloned().collect();
    let mut imported = read(&arguments.draws, &|name| names.contains(name))?;
    imported.notes.extend(notes);
    let shared = shared(Reference { name, draws, info: ReferenceInfo::default() }, &imported.draws)?;
    if !shared.not_finite.is_empty() {
        let names = comparison_table::listed(&shared.not_finite);
        imported.notes.push(format!("{names} are left out: their reference draws are not all finite"));
    }
    let mut compared = conclude(arguments, None, imported, &shared.reference, shared.not_in_draws)?;
    compared.comparison.left_out.retain(|name| !shared.not_finite.contains(name));
    Ok(compared)
}

fn on_the_unconstrained_scale(arguments: &Arguments, posterior: Posterior) -> anyhow::Result<Compared> {
    let target = arguments.toolchain.load(&posterior.program()?, &posterior.data()?, 1)?.model;
    let mut reference = posterior.required_reference()?;
    let parameters: HashSet<&str> = target.names()[..target.parameter_count()].iter().map(String::as_str).collect();
    let mut imported = read(&arguments.draws, &|name| parameters.contains(name))?;
    let unconstrained = |draws: &Draws| -> anyhow::Result<Draws> {
        let points = unconstrain(&target, draws)?;
        Ok(Draws::new(target.unconstrained_names(), points, draws.chain_lengths().to_vec())?)
    };
    reference.draws =
        unconstrained(&reference.draws).context("the reference cannot be brought to the unconstrained scale")?;
    imported.draws =
        unconstrained(&imported.draws).context("the draws cannot be brought to the unconstrained scale")?;
    reference.info = ReferenceInfo::default();
    conclude(arguments, Some(&posterior), imported, &reference, Vec::new())
}

fn conclude(
    arguments: &Arguments,
    posterior: Option<&Posterior>,
    imported: Imported,
    reference: &Reference,
    not_in_draws: Vec<String>,
) -> anyhow::Result<Compared> {
    let Imported { draws, unwanted, notes } = imported;
    let mut comparison = compare(&draws, reference)?;
    comparison.left_out.extend(unwanted);
    if let Some(folder) = &arguments.output {
        for (name, draws) in [("draws", &draws), ("reference", &reference.draws)] {
            let file = folder.join(format!("{name}.json.zip"));
            output_file::write(&file, zipped_draws(name, draws)?)?;
        }
    }
    Ok(Compared {
        comparison,
        posterior: posterior.map(|posterior| posterior.name.clone()),
        draws: draws.len(),
        chains: draws.chain_lengths().len(),
        notes,
        not_in_draws,
    })
}

/// Reads draws with a bar on standard error; nothing in a pipe.
fn read(paths: &[PathBuf], wanted: &dyn Fn(&str) -> bool) -> anyhow::Result<Imported> {
    let style =
        ProgressStyle::with_template("{bar:30} {bytes} of {total_bytes}, {eta} left").expect("a valid template");
    let bar = ProgressBar::new(0).with_style(style);
    let progress = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let imported = Reading { wanted, progress: &progress }.read(paths);
    bar.finish_and_clear();
    Ok(imported?)
}
