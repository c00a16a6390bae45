//! What to say of the modes that were found, and of draws that leave some out.

use super::{FitModes, Search};
use crate::fit::{Finding, Problem, Verdict};
use crate::gaussian::half_t::HalfT;
use crate::init::Mode;
use ndarray::ArrayView2;

/// A mode has been left out where its part of the draws is less than this part of its share,
const MISSED: f64 = 1.0 / 3.0;
/// unless its share is less than this: then it moves no mean by more than the tolerance.
const LEAST_SHARE: f64 = 0.01;
/// Modes that were dropped are told of down to this log weight, relative to the heaviest.
const TOLD: f64 = -14.0;

/// Says how many modes there are, how they come from one another, and which were dropped.
pub fn report_search(search: &Search<'_>, modes: &FitModes, verdict: &mut Verdict) {
    let shares: Vec<f64> = modes.modes.iter().map(|mode| mode.share).collect();
    if shares.len() > 1 {
        verdict.notes.push(Finding::SeveralModes { paths: modes.paths, shares });
    }
    if !modes.symmetries.is_empty() {
        verdict.notes.push(Finding::Symmetric { symmetries: modes.symmetries.clone() });
    }
    report_rest(search, verdict);
}

/// Says which modes were dropped, and whether there may be more.
pub fn report_rest(search: &Search<'_>, verdict: &mut Verdict) {
    let told: Vec<f64> = search.found.dropped.iter().copied().filter(|log_weight| *log_weight > TOLD).collect();
    if let Some(heaviest) = told.first() {
        verdict.notes.push(Finding::LightModes { count: told.len(), heaviest: heaviest.exp() });
    }
    if search.found.is_bounded {
        verdict.objections.push(Finding::MoreModes { paths: search.found.paths });
    }
}

/// The modes that were found, as a fit knows them whose draws, the rows of `points`, were made without regard to them.
/// Those that the draws leave out speak against it.
pub fn compared_with_draws(
    problem: Problem<'_>,
    search: &Search<'_>,
    points: ArrayView2<'_, f64>,
    verdict: &mut Verdict,
) -> FitModes {
    let mut modes = search.modes(problem);
    report_rest(search, verdict);
    if modes.modes.len() < 2 {
        return modes;
    }
    let members = members(&search.found.modes, points);
    let part = |index: usize| members.iter().filter(|member| **member == index).count() as f64 / members.len() as f64;
    let parts: Vec<f64> = (0..modes.modes.len()).map(part).collect();
    let missed: Vec<usize> = (0..parts.len())
        .filter(|&index| {
            let share = modes.modes[index].share;
            share > LEAST_SHARE && parts[index] < MISSED * share
        })
        .collect();
    verdict.notes.push(Finding::SeveralModes { paths: modes.paths, shares: parts });
    if let Some(&heaviest) = missed.first() {
        let mode = &modes.modes[heaviest];
        verdict.objections.push(Finding::MissedModes {
            missed: missed.len(),
            modes: modes.modes.len(),
            share: Some(missed.iter().map(|&index| modes.modes[index].share).sum()),
            place: place(problem, &mode.parameters),
        });
    }
    if !modes.symmetries.is_empty() {
        verdict.notes.push(Finding::Symmetric { symmetries: modes.symmetries.clone() });
    }
    modes.members = members;
    modes
}

/// The mode that each row of `points` most probably belongs to, by the modes' local Gaussians with heavy tails.
fn members(modes: &[Mode], points: ArrayView2<'_, f64>) -> Vec<usize> {
    let density = HalfT::new(points.ncols());
    let mut best = vec![(f64::NEG_INFINITY, 0); points.nrows()];
    for (index, mode) in modes.iter().enumerate() {
        let constant = mode.log_weight - mode.gaussian.log_det_factor();
        let noise = mode.gaussian.noise(points);
        for (best, row) in best.iter_mut().zip(noise.rows()) {
            let log_density = constant + density.log_density(row.dot(&row));
            if log_density > best.0 {
                *best = (log_density, index);
            }
        }
    }
    best.into_iter().map(|(_, index)| index).collect()
}

/// Parameters named in a description of where a mode is.
const NAMED: usize = 3;

/// Where a mode is: its first few parameters.
fn place(problem: Problem<'_>, parameters: &[f64]) -> Vec<(String, f64)> {
    problem.model.names().iter().cloned().zip(parameters.iter().copied()).take(NAMED).collect()
}
