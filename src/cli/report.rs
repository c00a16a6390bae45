//! `stanmatch report`: saved fits as one HTML page.

use std::path::{Path, PathBuf};

use stanmatch::database::Database;
use stanmatch::draws::Draws;
use stanmatch::report::{FitReportOptions, LoadedFit, ReportedFit, fit_report};

use super::database_options::DatabaseOptions;
use super::{Outcome, output_file, print};

/// Make an HTML page of saved fits
///
/// The page shows marginals with those of reference draws, pairs of parameters, errors, the history of the
/// optimisation, and what k̂ means. It loads nothing from a network, and can be mailed or printed.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folders that `stanmatch fit --output` wrote
    #[arg(required = true, value_name = "FIT")]
    fits: Vec<PathBuf>,

    /// The file to write
    #[arg(long, value_name = "FILE", default_value = "report.html")]
    output: PathBuf,

    /// How many marginals to draw for each fit: those with the largest errors, if there are reference draws
    #[arg(long, value_name = "N", default_value_t = FitReportOptions::default().marginals)]
    marginals: usize,

    #[command(flatten)]
    database: DatabaseOptions,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let database = arguments.database.open(None)?;
    let fits = arguments.fits.iter().map(|folder| reported(folder, &database));
    let fits = fits.collect::<Result<Vec<_>, _>>()?;
    let page = fit_report(&fits, &FitReportOptions { marginals: arguments.marginals })?;
    output_file::write(&arguments.output, page)?;
    print::text(&format!("{}\n", arguments.output.display()))?;
    Ok(Outcome::Done)
}

/// The fit that was saved in `folder`, with its reference draws.
pub fn reported(folder: &Path, database: &Database) -> anyhow::Result<ReportedFit> {
    let fit = LoadedFit::read(folder)?;
    let (reference, note) = reference(&fit, database)?;
    Ok(ReportedFit { fit, reference, note })
}

/// The draws that the fit was compared with, or why they are not there.
fn reference(fit: &LoadedFit, database: &Database) -> anyhow::Result<(Option<Draws>, Option<String>)> {
    let document = &fit.document;
    let Some(comparison) = &document.comparison else { return Ok((None, None)) };
    let found = match database.posterior(document.posterior.as_deref().unwrap_or_default()) {
        Ok(posterior) => posterior.reference()?,
        Err(_) => None,
    };
    Ok(match found.filter(|reference| reference.name == comparison.reference) {
        Some(reference) => (Some(reference.draws), None),
        None => {
            let note = format!(
                "The reference draws {} are not in this database: name the database that has them with --posteriordb.",
                comparison.reference
            );
            print::say("note: ", &note);
            (None, Some(note))
        }
    })
}
