//! Judging a run, and telling of it in the forms that were asked for.

use std::path::{Path, PathBuf};

use anyhow::Context;
use comfy_table::{Cell, CellAlignment, Color};
use serde::Serialize;
use stanmatch::suite::{Baseline, CellVerdict, Judgement, Run, junit, markdown, summary};

use crate::cli::print::printable;
use crate::cli::{Outcome, output_file, print, table};

/// What to compare a run with, and how to report it.
#[derive(clap::Args)]
pub struct JudgeOptions {
    /// The baseline to compare the run with
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,

    /// Write JUnit XML, which continuous integration systems read
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// Write Markdown, for a pull request
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,

    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

pub const SCHEMA: &str = "stanmatch.suite/1";

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    status: &'static str,
    #[serde(flatten)]
    judgement: &'a Judgement,
    version: &'static str,
}

impl JudgeOptions {
    /// The baseline of a run of `suite` with these cells, read before anything takes long.
    pub fn baseline<'a>(
        &self,
        suite: &str,
        cells: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> anyhow::Result<Option<Baseline>> {
        self.baseline.as_deref().map(|file| read_baseline(file, suite, cells)).transpose()
    }

    /// Judges `run`, writes and prints what was asked for, and says how the command ends.
    pub fn judge(&self, run: &Run, baseline: Option<&Baseline>) -> anyhow::Result<Outcome> {
        let judgement = Judgement::new(run, baseline);
        if let Some(path) = &self.junit {
            output_file::write(path, junit(&judgement).context("the judgement cannot be written as JUnit XML")?)?;
        }
        if let Some(path) = &self.markdown {
            output_file::write(path, markdown(&judgement))?;
        }
        if self.json {
            let status = if judgement.has_regressed() { "regressed" } else { "ok" };
            print::json(&Document {
                schema: SCHEMA,
                status,
                judgement: &judgement,
                version: env!("CARGO_PKG_VERSION"),
            })?;
        } else {
            print::text(&shown(&judgement))?;
        }
        Ok(if judgement.has_regressed() { Outcome::Regressed } else { Outcome::Done })
    }
}

/// The baseline in `file`, of a run of `suite` with these cells.
pub fn read_baseline<'a>(
    file: &Path,
    suite: &str,
    cells: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> anyhow::Result<Baseline> {
    let baseline = Baseline::read(file)?;
    baseline.check(file, suite, cells)?;
    Ok(baseline)
}

/// The table, the worst first, the reasons and the summary.
fn shown(judgement: &Judgement) -> String {
    let colour = table::has_colour();
    let header = [
        "verdict",
        "posterior",
        "configuration",
        "ok",
        "flagged",
        "failed",
        "within",
        "loc err",
        "scale err",
        "gradients",
        "time",
    ];
    let mut table = table::table(&header, judgement.cells.iter().map(|cell| row(cell, colour)));
    table.column_iter_mut().skip(1).take(2).for_each(|column| column.set_cell_alignment(CellAlignment::Left));
    let mut text = format!("{}\n\n", table::fitted(table, 1..3, colour));
    for cell in judgement.cells.iter().filter(|cell| cell.verdict.is_regression()) {
        for reason in &cell.reasons {
            text += &(printable(&format!("{} with {}: {reason}", cell.posterior, cell.configuration)) + "\n");
        }
    }
    text + &summary(judgement) + "\n"
}

fn row(cell: &CellVerdict, colour: bool) -> Vec<Cell> {
    let number = |value: Option<f64>, decimals| table::fixed(value.unwrap_or(f64::NAN), decimals);
    let verdict = Cell::new(cell.verdict.name());
    let within = if cell.compared > 0 { format!("{}/{}", cell.within, cell.compared) } else { "–".to_owned() };
    let mut row = vec![if colour && cell.verdict.is_regression() { verdict.fg(Color::Red) } else { verdict }];
    row.extend([&cell.posterior, &cell.configuration].map(|name| Cell::new(printable(name))));
    row.extend([cell.ok, cell.flagged, cell.failed].map(Cell::new));
    row.push(Cell::new(within));
    row.extend([number(cell.location_error, 3), number(cell.log_scale_error, 3)].map(Cell::new));
    row.push(Cell::new(number(cell.gradient_evaluations, 0)));
    row.push(Cell::new(cell.relative_time.map_or("–".to_owned(), |ratio| format!("× {ratio:.2}"))));
    row
}
