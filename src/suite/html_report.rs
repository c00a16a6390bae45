//! A suite as one HTML page: posteriors × configurations, accuracy against cost, and the runs so far.

use std::collections::BTreeMap;

use serde::Serialize;
use thiserror::Error;

use super::statistics::median;
use super::{CellVerdict, Judgement, Run, summary};
use crate::compare::TOLERANCE;
use crate::document::{JobRecord, Status};
use crate::report::{Axis, Figure, Ink, Layer, PageError, Plot, PlotError, Scale, fixed, grouped, render};

/// A plot shows at most so many dots.
const DOTS: usize = 5000;

/// Why there is no page.
#[derive(Debug, Error)]
pub enum SuitePageError {
    /// A figure cannot be drawn.
    #[error(transparent)]
    Plot(#[from] PlotError),
    /// The page cannot be made.
    #[error(transparent)]
    Page(#[from] PageError),
}

#[derive(Serialize)]
struct SuitePage<'a> {
    title: String,
    description: &'a str,
    summary: String,
    regressions: Vec<Regression<'a>>,
    has_links: bool,
    configurations: &'a [String],
    rows: Vec<Row<'a>>,
    plots: Vec<Figure>,
    history: Vec<Past>,
    course: Option<Figure>,
    cells: Vec<Line<'a>>,
}

#[derive(Serialize)]
struct Regression<'a> {
    verdict: &'static str,
    cell: String,
    reason: &'a str,
}

#[derive(Serialize)]
struct Row<'a> {
    posterior: &'a str,
    cells: Vec<Option<MatrixCell<'a>>>,
}

#[derive(Serialize)]
struct MatrixCell<'a> {
    value: String,
    text: String,
    class: &'static str,
    ok: usize,
    jobs: usize,
    reasons: String,
    link: Option<&'a str>,
}

#[derive(Serialize)]
struct Past {
    started: String,
    version: String,
    jobs: usize,
    ok: usize,
    flagged: usize,
    failed: usize,
    within: String,
    gradients: String,
}

#[derive(Serialize)]
struct Line<'a> {
    posterior: &'a str,
    configuration: &'a str,
    verdict: &'static str,
    numbers: Vec<Number>,
}

#[derive(Serialize)]
struct Number {
    value: String,
    text: String,
}

/// The page of the last of `runs`, which are in the order of time and at least one, with its `judgement`. `links` are
/// the pages of fits, by posterior and configuration.
///
/// # Errors
/// When a figure cannot be drawn.
pub fn suite_page(
    runs: &[Run],
    judgement: &Judgement,
    links: &BTreeMap<(String, String), String>,
) -> Result<String, SuitePageError> {
    let records = runs.last().map_or(&[][..], |run| &run.records);
    let mut configurations: Vec<String> = judgement.cells.iter().map(|cell| cell.configuration.clone()).collect();
    configurations.sort();
    configurations.dedup();
    let page = SuitePage {
        title: format!("Suite {}", judgement.suite),
        description: runs.last().map_or("", |run| &run.header.description),
        summary: summary(judgement),
        regressions: regressions(judgement),
        has_links: !links.is_empty(),
        rows: rows(judgement, &configurations, links),
        configurations: &configurations,
        plots: [
            accuracy(records, "location", JobRecord::location_error)?,
            accuracy(records, "log-scale", JobRecord::log_scale_error)?,
        ]
        .into_iter()
        .flatten()
        .collect(),
        history: runs.iter().map(past).collect(),
        course: course(runs)?,
        cells: judgement.cells.iter().map(line).collect(),
    };
    Ok(render("suite.html", page)?)
}

fn regressions(judgement: &Judgement) -> Vec<Regression<'_>> {
    let regressed = judgement.cells.iter().filter(|cell| cell.verdict.is_regression());
    let told = regressed.flat_map(|cell| {
        cell.reasons.iter().map(|reason| Regression {
            verdict: cell.verdict.name(),
            cell: format!("{} with {}", cell.posterior, cell.configuration),
            reason,
        })
    });
    told.collect()
}

fn rows<'a>(
    judgement: &'a Judgement,
    configurations: &[String],
    links: &'a BTreeMap<(String, String), String>,
) -> Vec<Row<'a>> {
    let mut by_posterior: BTreeMap<&str, BTreeMap<&str, &CellVerdict>> = BTreeMap::new();
    for cell in &judgement.cells {
        by_posterior.entry(&cell.posterior).or_default().insert(&cell.configuration, cell);
    }
    let matrix_cell = |cell: &&'a CellVerdict| {
        let worst = cell.location_error.into_iter().chain(cell.log_scale_error).reduce(f64::max);
        MatrixCell {
            value: value_of(worst),
            text: worst.map_or_else(|| cell.verdict.name().to_owned(), |worst| fixed(worst, 3)),
            class: match () {
                () if cell.verdict.is_regression() || cell.failed > 0 => "failed",
                () if cell.flagged > 0 => "flagged",
                () => "ok",
            },
            ok: cell.ok,
            jobs: cell.jobs,
            reasons: cell.reasons.join("; "),
            link: links.get(&(cell.posterior.clone(), cell.configuration.clone())).map(String::as_str),
        }
    };
    let row = |(posterior, cells): (&'a str, BTreeMap<&str, &'a CellVerdict>)| Row {
        posterior,
        cells: configurations.iter().map(|name| cells.get(name.as_str()).map(matrix_cell)).collect(),
    };
    by_posterior.into_iter().map(row).collect()
}

fn line(cell: &CellVerdict) -> Line<'_> {
    let count = |count: usize| Number { value: count.to_string(), text: count.to_string() };
    let number = |value: Option<f64>, decimals| Number {
        value: value_of(value),
        text: fixed(value.unwrap_or(f64::NAN), decimals),
    };
    let share = (cell.compared > 0).then(|| cell.within as f64 / cell.compared as f64);
    Line {
        posterior: &cell.posterior,
        configuration: &cell.configuration,
        verdict: cell.verdict.name(),
        numbers: vec![
            count(cell.ok),
            count(cell.flagged),
            count(cell.failed),
            Number {
                value: value_of(share),
                text: share.map_or("–".to_owned(), |_| format!("{}/{}", cell.within, cell.compared)),
            },
            number(cell.location_error, 3),
            number(cell.log_scale_error, 3),
            number(cell.gradient_evaluations, 0),
            number(cell.relative_time, 2),
        ],
    }
}

/// By which a table is sorted.
fn value_of(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// A dot per job; None without jobs that are compared with a reference. An infinite error is at the upper edge.
fn accuracy(
    records: &[JobRecord],
    what: &str,
    error: fn(&JobRecord) -> Option<f64>,
) -> Result<Option<Figure>, PlotError> {
    let point = |it: &JobRecord| Some((it.gradient_evaluations?.max(1) as f64, error(it)?.max(1e-4)));
    let (mut within, mut outside) = (Vec::new(), Vec::new());
    for record in records {
        let points = if record.within == Some(true) { &mut within } else { &mut outside };
        points.extend(point(record));
    }
    let points = || within.iter().chain(&outside);
    if points().next().is_none() {
        return Ok(None);
    }
    let range = |values: &mut dyn Iterator<Item = f64>| {
        let (low, high) = values.fold((f64::INFINITY, 0.0_f64), |(low, high), it| (low.min(it), high.max(it)));
        (low / 1.5, high * 1.5)
    };
    let x = range(&mut points().map(|point| point.0));
    let y = range(&mut points().map(|point| point.1).filter(|error| error.is_finite()).chain([TOLERANCE]));
    let count = points().count();
    let infinite = points().filter(|point| point.1.is_infinite()).count();
    let mut description = format!("the largest {what} error of each of {count} jobs against its gradient evaluations");
    if infinite > 0 {
        description += &format!("; {infinite} are infinite, and at the upper edge");
    }
    for points in [&mut within, &mut outside] {
        *points = thinned(points);
        points.iter_mut().for_each(|point| point.1 = point.1.min(y.1));
    }
    let shown = within.len() + outside.len();
    if shown < count {
        description += &format!("; {shown} of them are drawn");
    }
    let plot = Plot {
        caption: format!("Largest {what} error"),
        description,
        size: (420, 300),
        x: Axis { label: "gradient evaluations".to_owned(), range: x, scale: Scale::Log },
        y: Axis { label: format!("largest {what} error"), range: y, scale: Scale::Log },
        layers: vec![
            Layer::Line(Ink::Limit, vec![(x.0, TOLERANCE), (x.1, TOLERANCE)]),
            Layer::Dots(Ink::Fit, within),
            Layer::Strokes(Ink::Reference, outside),
        ],
        ..Plot::default()
    };
    plot.figure().map(Some)
}

/// At most so many dots, evenly over all.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    points.iter().step_by(points.len().div_ceil(DOTS).max(1)).copied().collect()
}

fn past(run: &Run) -> Past {
    let count = |status| run.records.iter().filter(|it| it.status == status).count();
    let (within, compared) = within(run);
    let gradients = median(run.records.iter().filter_map(|it| it.gradient_evaluations.map(|count| count as f64)));
    Past {
        started: run.header.started.clone(),
        version: run.header.version.clone(),
        jobs: run.records.len(),
        ok: count(Status::Ok),
        flagged: count(Status::Flagged),
        failed: count(Status::Failed),
        within: if compared > 0 { format!("{within}/{compared}") } else { "–".to_owned() },
        gradients: gradients.map_or("–".to_owned(), |count| grouped(count as u64)),
    }
}

/// How many jobs are within tolerance, and how many are compared.
fn within(run: &Run) -> (usize, usize) {
    let judged: Vec<bool> = run.records.iter().filter_map(|it| it.within).collect();
    (judged.iter().filter(|within| **within).count(), judged.len())
}

/// The shares of jobs within tolerance and ok, run after run; None for one run.
fn course(runs: &[Run]) -> Result<Option<Figure>, PlotError> {
    if runs.len() < 2 {
        return Ok(None);
    }
    // A run without jobs to count has no share.
    let series = |counts: &dyn Fn(&Run) -> (usize, usize)| -> Vec<(f64, f64)> {
        let counted =
            (1..).zip(runs).map(|(index, run)| (f64::from(index), counts(run))).filter(|(_, (_, of))| *of > 0);
        counted.map(|(index, (count, of))| (index, count as f64 / of as f64)).collect()
    };
    let within = series(&within);
    let ok = series(&|run| (run.records.iter().filter(|it| it.status == Status::Ok).count(), run.records.len()));
    let plot = Plot {
        caption: "Shares of jobs".to_owned(),
        description: "the shares of jobs within tolerance and of jobs that are ok, run after run".to_owned(),
        size: (420, 240),
        x: Axis { label: "run".to_owned(), range: (0.5, runs.len() as f64 + 0.5), scale: Scale::Linear },
        y: Axis { label: "share".to_owned(), range: (0.0, 1.05), scale: Scale::Linear },
        layers: vec![
            Layer::Line(Ink::Fit, within.clone()),
            Layer::Dots(Ink::Fit, within),
            Layer::Line(Ink::Reference, ok),
        ],
        ..Plot::default()
    };
    plot.figure().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_both_ends_of_the_records() {
        let points: Vec<(f64, f64)> = (0..12_000).map(|index| (f64::from(index), 0.0)).collect();
        let thin = thinned(&points);
        assert!(thin.len() == 4000 && thin[0].0 == 0.0 && thin[3999].0 == 11_997.0);
        assert_eq!(thinned(&points[..7]), points[..7]);
    }
}
