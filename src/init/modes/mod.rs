//! The modes of a posterior: where optimisation paths from several points end, which of the ends are one mode, how heavy
//! each is, and when to stop looking. An approximation with one centre, and a score, which is local, can miss a mode and
//! look well fitted; only other starts show it.

mod connected;
mod found;
mod further_paths;
mod symmetry;
#[cfg(test)]
mod tests;

pub use symmetry::{Symmetry, symmetries};

use super::pathfinder::{PathGaussian, PathOptions, elbo_noise, first_paths};
use super::{InitError, LocalGaussian};
use crate::model::Target;
use crate::random::Rng;
use connected::{End, are_connected};
use found::{Candidate, Ledger, News};
use further_paths::FurtherPaths;

/// How far modes are looked for. The defaults are those with which a prototype found every mode of label-switching
/// mixtures, topic models and pairs of weights from 0.5 to 0.999 in nearly every run, and none too many.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ModeOptions {
    /// How the paths are made; their number is that of the first ones, which start at random points.
    pub path: PathOptions,
    /// Paths at least: where these have seen one mode alone, it is the only one.
    pub least: usize,
    /// Where there is more than one, the search ends when so many paths in a row brought no news.
    pub quiet: usize,
    /// Paths at most, but always [`quiet`](Self::quiet) more than the first ones.
    pub most: usize,
    /// A mode whose log weight is less than the heaviest's by more than this, in nats, matters to no marginal within
    /// tolerance, and is dropped.
    pub drop_below: f64,
}

impl Default for ModeOptions {
    fn default() -> Self {
        Self { path: PathOptions::default(), least: 8, quiet: 10, most: 40, drop_below: 7.0 }
    }
}

/// A mode with its local Gaussian.
#[derive(Debug, Clone, PartialEq)]
pub struct Mode {
    /// The Gaussian around it, on the unconstrained scale.
    pub gaussian: LocalGaussian,
    /// A point of it, of length D: the Gaussian's mean, or where that has no density the end of a path.
    pub position: Vec<f64>,
    /// The log density there.
    pub log_density: f64,
    /// The logarithm of its mass, up to the log density's constant, by importance sampling from the Gaussian.
    pub log_weight: f64,
    /// The standard error of that.
    pub standard_error: f64,
    /// Paths that ended in it.
    pub paths: usize,
    /// What it is the image of under symmetries of the posterior; none where it is the first of its kind.
    pub image: Option<Image>,
}

/// How a mode comes from another by symmetries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The other mode, which is the image of none.
    pub of: usize,
    /// The symmetries, as indices, in the order in which they are applied.
    pub symmetries: Vec<usize>,
}

impl Mode {
    /// Whether `point` lies in this mode: within its Gaussian, or where some way from it to the mode stays high.
    pub fn holds<T: Target + ?Sized>(&self, target: &T, point: &[f64], rng: &mut Rng) -> bool {
        let Ok(log_density) = target.log_density(point) else { return false };
        let own = End { position: &self.position, log_density: self.log_density };
        are_connected(target, own, End { position: point, log_density }, &self.gaussian, rng)
    }
}

/// What a search for modes found.
#[derive(Debug, Clone, PartialEq)]
pub struct Modes {
    /// The best local Gaussian of each of the first paths, the best of all first; never empty.
    pub first: Vec<PathGaussian>,
    /// The modes of weight, the heaviest first, images after what they are images of; never empty.
    pub modes: Vec<Mode>,
    /// How many paths looked.
    pub paths: usize,
    /// The log weights, less the heaviest's, of the modes that were dropped, the heaviest first.
    pub dropped: Vec<f64>,
    /// Whether the search ended at its bound while there was still news.
    pub is_bounded: bool,
}

impl Modes {
    /// The heaviest mode and the others of weight as parts of all they weigh.
    pub fn shares(&self) -> Vec<f64> {
        let largest = self.modes.iter().map(|mode| mode.log_weight).fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = self.modes.iter().map(|mode| (mode.log_weight - largest).exp()).collect();
        let total: f64 = weights.iter().sum();
        weights.iter().map(|weight| weight / total).collect()
    }
}

/// Paths that run side by side before what they found is looked at, so that results do not depend on threads.
const ROUND: usize = 4;

/// Looks for the modes of `target`, which `symmetries` map onto one another.
///
/// The first paths are those of [`paths`](super::paths). The result does not depend on the number of threads.
///
/// # Errors
/// Where none of the first paths gives a usable Gaussian.
pub fn modes<T: Target + ?Sized>(
    target: &T,
    symmetries: &[Symmetry<'_>],
    options: &ModeOptions,
    seed: u64,
) -> Result<Modes, InitError> {
    let noise = elbo_noise(target.dim(), &options.path, seed);
    let mut runs = first_paths(target, &options.path, &noise, seed)?;
    let starts: Vec<Vec<f64>> = runs.iter().map(|run| run.start.clone()).collect();
    let mut first: Vec<PathGaussian> = runs.iter().filter_map(|run| run.best.clone()).collect();
    first.sort_by(|a, b| b.elbo.total_cmp(&a.elbo));
    // The best end comes first: what is light beside it need not be compared with it.
    runs.sort_by(|a, b| b.elbo().total_cmp(&a.elbo()));
    let mut ledger = Ledger::new(target, symmetries, options.drop_below, seed);
    for run in runs {
        ledger.add(Candidate::of(run));
    }
    let mut further = FurtherPaths::new(target, options, &noise, starts, seed);
    let (mut paths, mut calm) = (options.path.paths, 0);
    let most = options.most.max(paths + options.quiet);
    while !(paths >= options.least && ledger.is_one_mode() || calm >= options.quiet) && paths < most {
        for candidate in further.round(ROUND.min(most - paths), ledger.modes()) {
            paths += 1;
            calm = if ledger.add(candidate) == News::HeavyMode { 0 } else { calm + 1 };
        }
    }
    let is_bounded = paths >= most && calm < options.quiet;
    let (modes, dropped) = ledger.finish();
    Ok(Modes { first, modes, paths, dropped, is_bounded })
}
