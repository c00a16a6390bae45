//! `stanmatch suite report`: runs as HTML pages.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::bail;
use stanmatch::database::Database;
use stanmatch::document::JobRecord;
use stanmatch::report::{FitReportOptions, fit_report};
use stanmatch::suite::{CellRecords, Judgement, Run, cells, fit_folder, suite_page};

use super::verdict_output::read_baseline;
use crate::cli::database_options::DatabaseOptions;
use crate::cli::remedy::explained;
use crate::cli::{Outcome, output_file, print, report};

/// Make HTML pages of a suite's runs
///
/// The page has a matrix of posteriors and configurations, accuracy against gradient evaluations, and the history of
/// the runs. If the run saved its fits, each case links to the page of one.
#[derive(clap::Args)]
pub struct Arguments {
    /// The run files; the page shows the one that started last
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,

    /// The baseline to compare the last run with
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,

    /// The folder where `suite run --save-fits` saved the fits
    #[arg(long, value_name = "DIR")]
    fits: Option<PathBuf>,

    /// The folder to write the pages to
    #[arg(long, value_name = "DIR", default_value = "suite-report")]
    output: PathBuf,

    #[command(flatten)]
    database: DatabaseOptions,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let mut runs = arguments.runs.iter().map(|path| Run::read(path)).collect::<Result<Vec<_>, _>>()?;
    runs.sort_by(|a, b| a.header.started.cmp(&b.header.started));
    let Some(last) = runs.last() else { return Ok(Outcome::Done) };
    let baseline = arguments.baseline.as_deref();
    let baseline = baseline.map(|file| read_baseline(file, &last.header.suite, last.cells())).transpose()?;
    let judgement = Judgement::new(last, baseline.as_ref());
    let links = match &arguments.fits {
        Some(fits) => fit_pages(arguments, last, fits)?,
        None => BTreeMap::new(),
    };
    let index = arguments.output.join("index.html");
    output_file::write(&index, suite_page(&runs, &judgement, &links)?)?;
    print::text(&format!("{}\n", index.display()))?;
    Ok(Outcome::Done)
}

/// Writes a page for each saved fit of `run`, and returns their places beside the index, by posterior and
/// configuration. A fit that cannot be shown, or that is not one of this run, is told and passed over.
fn fit_pages(arguments: &Arguments, run: &Run, fits: &Path) -> anyhow::Result<BTreeMap<(String, String), String>> {
    let database = arguments.database.open(None)?;
    let mut links = BTreeMap::new();
    for cell in cells(&run.records) {
        let name = fit_folder(cell.posterior, cell.configuration);
        let folder = fits.join(&name);
        if !folder.join("fit.json").is_file() {
            continue;
        }
        match fit_page(&cell, &folder, &database) {
            Ok(page) => {
                let link = format!("fits/{name}.html");
                output_file::write(&arguments.output.join(&link), &page)?;
                links.insert((cell.posterior.to_owned(), cell.configuration.to_owned()), link);
            }
            Err(error) => print::say("note: ", format_args!("{} is left out: {}", folder.display(), explained(&error))),
        }
    }
    Ok(links)
}

/// The page of the fit of `cell` that was saved in `folder`.
fn fit_page(cell: &CellRecords<'_>, folder: &Path, database: &Database) -> anyhow::Result<String> {
    let fit = report::reported(folder, database)?;
    let document = &fit.fit.document;
    let is_the_fit = |record: &&JobRecord| {
        (Some(record.seed), record.gradient_evaluations) == (document.seed, document.gradient_evaluations)
    };
    if !cell.records.iter().any(is_the_fit) {
        bail!("it belongs to another run");
    }
    Ok(fit_report(&[fit], &FitReportOptions::default())?)
}
