//! The report of saved fits: what of each is shown, and how much of it.

use std::collections::HashMap;

use serde::Serialize;
use thiserror::Error;

use super::error_plot::{self, errors, or_infinite, severity};
use super::histogram::blocks;
use super::khat_text::{gauge, meaning};
use super::loaded_fit::LoadedFit;
use super::marginals::marginal;
use super::modes::modes;
use super::numbers::{fixed, grouped, number};
use super::page::{PageError, render};
use super::pairs::pairs;
use super::plot::{Figure, PlotError};
use super::trace::traces;
use crate::compare::TOLERANCE;
use crate::document::{ComparedParameter, ComparisonDocument, FitDocument, FitParameter, PhaseCost};
use crate::draws::{Draws, stan_name};

/// The table of a fit's parameters has at most so many rows.
const ROWS: usize = 2000;
/// The longest name in a table, in characters: a name may have any length.
const LONGEST_NAME: usize = 200;
/// Characters of the histogram in a table.
const BLOCKS: usize = 12;

/// A fit to report.
#[derive(Debug)]
pub struct ReportedFit {
    /// The fit as it was saved.
    pub fit: LoadedFit,
    /// The draws to compare it with, where there are any.
    pub reference: Option<Draws>,
    /// Why there are none, where the fit was compared with some.
    pub note: Option<String>,
}

/// How much a report shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FitReportOptions {
    /// Parameters of each fit whose marginals are drawn; all others are in the table alone.
    pub marginals: usize,
}

impl Default for FitReportOptions {
    fn default() -> Self {
        Self { marginals: 24 }
    }
}

/// Why there is no report.
#[derive(Debug, Error)]
pub enum FitReportError {
    /// A figure cannot be drawn.
    #[error(transparent)]
    Plot(#[from] PlotError),
    /// The page cannot be made.
    #[error(transparent)]
    Page(#[from] PageError),
}

/// One HTML page on all of `fits`. It holds everything that it shows.
///
/// # Errors
/// When a figure cannot be drawn.
pub fn fit_report(fits: &[ReportedFit], options: &FitReportOptions) -> Result<String, FitReportError> {
    let sections = (1..).zip(fits).map(|(index, fit)| section(index, fit, options)).collect::<Result<Vec<_>, _>>()?;
    let title = match sections.as_slice() {
        [one] => format!("Fit of {}", one.posterior),
        many => format!("{} fits", many.len()),
    };
    Ok(render("fit_report.html", Report { title, fits: sections, tolerance: TOLERANCE })?)
}

/// What `fit_report.html` is filled with.
#[derive(Serialize)]
struct Report {
    title: String,
    fits: Vec<Section>,
    tolerance: f64,
}

#[derive(Serialize)]
struct Section {
    id: String,
    posterior: String,
    model: String,
    method: String,
    init: String,
    seed: u64,
    dim: String,
    draws: String,
    status: &'static str,
    messages: Vec<String>,
    pareto_k: String,
    k_meaning: String,
    gauge: Option<Figure>,
    score_divergence: String,
    converged: Option<bool>,
    elbo: String,
    max_drift: Option<String>,
    gradient_evaluations: String,
    density_evaluations: String,
    seconds: String,
    comparison: Option<ComparisonFacts>,
    has_reference: bool,
    note: Option<String>,
    marginals: Vec<Figure>,
    quantities: usize,
    modes: Vec<Figure>,
    mode_count: usize,
    mode_paths: u64,
    symmetries: Vec<String>,
    pairs: Vec<Figure>,
    has_ellipses: bool,
    errors: Vec<Figure>,
    /// Parameters in each of these.
    error_rows: usize,
    compared: usize,
    has_floors: bool,
    traces: Vec<Figure>,
    phases: Vec<Phase>,
    rows: Vec<Row>,
    program: Option<String>,
    versions: Vec<(&'static str, String)>,
}

#[derive(Serialize)]
struct ComparisonFacts {
    reference: String,
    reference_draws: String,
    max_location_error: Cell,
    max_log_scale_error: Cell,
    distances: Vec<Distance>,
}

/// A distance over all parameters, and what exact draws would show.
#[derive(Serialize)]
struct Distance {
    meaning: &'static str,
    value: String,
    floor: String,
}

#[derive(Serialize)]
struct Phase {
    name: String,
    gradient_evaluations: String,
    density_evaluations: String,
    seconds: String,
    /// Of the fit's seconds, in percent.
    share: String,
}

/// A row of the table: a name, a histogram, and numbers in the order of the columns.
#[derive(Serialize)]
struct Row {
    name: String,
    blocks: String,
    cells: Vec<Cell>,
}

#[derive(Serialize)]
struct Cell {
    text: String,
    /// By which the column is sorted: all digits.
    value: f64,
    outside: bool,
}

fn section(index: usize, reported: &ReportedFit, options: &FitReportOptions) -> Result<Section, FitReportError> {
    let ReportedFit { fit, reference, note } = reported;
    let it = &fit.document;
    let mut compared: Vec<&ComparedParameter> =
        it.comparison.iter().flat_map(|comparison| &comparison.parameters).collect();
    compared.sort_by(|a, b| severity(b).total_cmp(&severity(a)));
    let ordered = worst_first(it, &compared);
    let phases = || it.phases.iter().flatten();
    let chains = phases().any(|phase| phase.name == "nuts");
    let by_name: HashMap<&str, &ComparedParameter> = compared.iter().map(|line| (line.name.as_str(), *line)).collect();
    let columns = Columns::new(&fit.draws);
    let reference_columns = reference.as_ref().map(Columns::new);
    let mut marginals = Vec::new();
    for line in ordered.iter().take(options.marginals) {
        let Some(draws) = columns.values(&line.name) else { continue };
        let theirs = reference_columns.as_ref().and_then(|columns| columns.values(&line.name));
        marginals.extend(marginal(&clipped(&line.name), &draws, theirs.as_deref())?);
    }
    let rows = ordered.iter().take(ROWS).map(|line| {
        let blocks = columns.values(&line.name).map(|draws| blocks(&draws, BLOCKS)).unwrap_or_default();
        row(line, by_name.get(line.name.as_str()).copied(), it.comparison.is_some(), blocks)
    });
    let pairs = pairs(fit)?;
    Ok(Section {
        id: format!("fit-{index}"),
        posterior: text(&it.posterior),
        model: text(&it.model),
        method: text(&it.method),
        init: text(&it.init),
        seed: it.seed.unwrap_or_default(),
        dim: count(it.dim),
        draws: count(it.draws),
        status: it.status.name(),
        messages: it.messages.clone(),
        pareto_k: fixed(or_nan(it.pareto_k), 2),
        k_meaning: meaning(or_nan(it.pareto_k), chains),
        gauge: gauge(or_nan(it.pareto_k))?,
        score_divergence: number(or_nan(it.score_divergence)),
        converged: it.converged,
        elbo: number(or_nan(it.elbo)) + if it.normalized == Some(false) { " up to a constant" } else { "" },
        max_drift: it.max_drift.map(|drift| fixed(drift, 3)),
        gradient_evaluations: count(it.gradient_evaluations),
        density_evaluations: count(it.density_evaluations),
        seconds: seconds(it.seconds),
        comparison: it.comparison.as_ref().map(|comparison| ComparisonFacts {
            reference: clipped(&comparison.reference),
            reference_draws: grouped(comparison.reference_draws),
            max_location_error: error_cell(comparison.max_location_error),
            max_log_scale_error: error_cell(comparison.max_log_scale_error),
            distances: distances(comparison),
        }),
        has_reference: reference.is_some(),
        note: note.clone(),
        marginals,
        quantities: it.parameters.as_ref().map_or(0, Vec::len),
        modes: modes(fit)?,
        mode_count: it.modes.as_ref().map_or(0, |modes| modes.modes.len()),
        mode_paths: it.modes.as_ref().map_or(0, |modes| modes.paths),
        symmetries: it.modes.as_ref().map_or_else(Vec::new, |modes| modes.symmetries.clone()),
        pairs: pairs.figures,
        has_ellipses: pairs.has_ellipses,
        errors: errors(&compared)?,
        error_rows: compared.len().min(error_plot::ROWS),
        compared: compared.len(),
        has_floors: compared.iter().any(|line| line.location_floor.is_some()),
        traces: traces(&fit.trace)?,
        phases: phases().map(|phase| shown_phase(phase, it.seconds)).collect(),
        rows: rows.collect(),
        program: fit.program.clone(),
        versions: versions(it),
    })
}

/// The parameters, those with the largest errors first; those that were not compared in the program's order.
fn worst_first<'a>(document: &'a FitDocument, compared: &[&ComparedParameter]) -> Vec<&'a FitParameter> {
    let rank: HashMap<&str, usize> = compared.iter().enumerate().map(|(rank, it)| (it.name.as_str(), rank)).collect();
    let mut ordered: Vec<&FitParameter> = document.parameters.iter().flatten().collect();
    ordered.sort_by_key(|it| rank.get(it.name.as_str()).copied().unwrap_or(usize::MAX));
    ordered
}

fn row(it: &FitParameter, compared: Option<&ComparedParameter>, comparison: bool, blocks: String) -> Row {
    let cell = |value: f64, text: String| Cell { text, value, outside: false };
    let numbers = [it.mean, it.sd, it.mcse, it.q5, it.q50, it.q95].map(or_nan);
    let mut cells = Vec::from(numbers.map(|value| cell(value, number(value))));
    let rounded = |value: Option<f64>, decimals| cell(or_nan(value), fixed(or_nan(value), decimals));
    cells.push(rounded(it.ess, 0));
    if comparison {
        cells.extend(match compared {
            Some(it) => [error_cell(it.location_error), error_cell(it.log_scale_error), rounded(it.w1, 3)],
            None => [None; 3].map(|missing| rounded(missing, 3)),
        });
    }
    Row { name: clipped(&it.name), blocks, cells }
}

fn distances(it: &ComparisonDocument) -> Vec<Distance> {
    let distances = [
        ("largest error of a mean, in sd", it.max_location_error, it.max_location_floor),
        ("mean error of means, in sd", it.mean_location_error, it.mean_location_floor),
        ("largest error of ln sd", it.max_log_scale_error, it.max_log_scale_floor),
        ("mean error of ln sd", it.mean_log_scale_error, it.mean_log_scale_floor),
        ("mean 1-Wasserstein distance, in sd", it.mean_w1, it.mean_w1_floor),
        ("sliced 1-Wasserstein distance", it.sliced_w1, it.sliced_w1_floor),
        ("energy distance", it.energy_distance, it.energy_distance_floor),
    ];
    let known = distances.into_iter().filter_map(|(meaning, value, floor)| {
        // A distance that is infinite is null, but has its floor all the same.
        let value = value.or(floor.map(|_| f64::INFINITY))?;
        Some(Distance { meaning, value: fixed(value, 4), floor: fixed(or_nan(floor), 4) })
    });
    known.collect()
}

/// An error for which there is a tolerance.
fn error_cell(error: Option<f64>) -> Cell {
    let error = or_infinite(error);
    Cell { text: fixed(error, 3), value: error, outside: error > TOLERANCE }
}

fn shown_phase(phase: &PhaseCost, total: Option<f64>) -> Phase {
    Phase {
        name: clipped(&phase.name),
        gradient_evaluations: grouped(phase.gradient_evaluations),
        density_evaluations: grouped(phase.density_evaluations),
        seconds: seconds(phase.seconds),
        share: fixed(100.0 * or_nan(phase.seconds) / or_nan(total), 0),
    }
}

fn seconds(value: Option<f64>) -> String {
    let value = or_nan(value);
    fixed(value, if value < 100.0 { 2 } else { 0 })
}

/// A number that the document has; a dash is shown for NaN.
fn or_nan(value: Option<f64>) -> f64 {
    value.unwrap_or(f64::NAN)
}

fn count(value: Option<u64>) -> String {
    grouped(value.unwrap_or_default())
}

fn text(value: &Option<String>) -> String {
    clipped(value.as_deref().unwrap_or_default())
}

fn versions(it: &FitDocument) -> Vec<(&'static str, String)> {
    let toolchain = it.toolchain.clone().unwrap_or_default();
    let compiler = toolchain.compiler.unwrap_or_default();
    let known = [
        ("stanmatch", &it.version),
        ("Stan", &toolchain.stan_version),
        ("stanc", &toolchain.stanc_version),
        ("C++ compiler", &compiler),
    ];
    known.into_iter().filter(|(_, version)| !version.is_empty()).map(|(of, version)| (of, clipped(version))).collect()
}

/// A name of bounded length.
fn clipped(name: &str) -> String {
    if name.chars().count() <= LONGEST_NAME {
        return name.to_owned();
    }
    name.chars().take(LONGEST_NAME - 1).chain(['…']).collect()
}

/// The columns of draws by their names in Stan's style.
struct Columns<'a> {
    draws: &'a Draws,
    index: HashMap<String, usize>,
}

impl<'a> Columns<'a> {
    fn new(draws: &'a Draws) -> Self {
        let index = draws.names().iter().enumerate().map(|(column, name)| (stan_name(name), column)).collect();
        Self { draws, index }
    }

    fn values(&self, name: &str) -> Option<Vec<f64>> {
        let &column = self.index.get(&stan_name(name))?;
        Some(self.draws.values().column(column).to_vec())
    }
}
