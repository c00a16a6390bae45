//! The Gaussian at each mode: fitted by an engine that starts at the mode's local Gaussian, and stays there.

use super::Search;
use crate::engine::{EngineError, EngineMethod, EngineSettings, TraceRow};
use crate::fit::engine_run::run_engine;
use crate::fit::{Finding, FitError, LARGEST_DENSE, Problem, Verdict};
use crate::gaussian::{Approximation, GaussianApproximation};
use crate::init::{LocalGaussian, Mode};
use crate::random::{Rng, Stream};
use ndarray::{ArrayView1, Axis};

/// The squared distance, in standard deviations of a fitted Gaussian, from which on another mode is not within it.
const OUTSIDE: f64 = 4.0;
/// Directions that are kept of a local Gaussian that cannot be dense: as many as L-BFGS has, two for each step it
/// remembers.
const DIRECTIONS: usize = 12;

/// A mode's Gaussian.
pub struct Component {
    pub approximation: Approximation,
    /// What was seen at each iteration of the engine; empty where it did not run for this mode.
    pub trace: Vec<TraceRow>,
}

/// The Gaussian of each mode, all of one structure. A fit that left its mode, or also covers another, is replaced by the
/// mode's local Gaussian: whether that does is for importance weights to say. Images of modes have the images of their
/// fits. What the engine's runs say of themselves goes to `verdict`.
pub fn components(
    problem: Problem<'_>,
    engine: &'static dyn EngineMethod,
    settings: &EngineSettings,
    search: &Search<'_>,
    verdict: &mut Verdict,
) -> Result<Vec<Component>, FitError> {
    let modes = &search.found.modes;
    let mut rng = Stream::Loadings.of(problem.seed);
    let mut fits: Vec<Option<Component>> = Vec::with_capacity(modes.len());
    for (index, mode) in modes.iter().enumerate() {
        let fitted = match &mode.image {
            Some(_) => None,
            None => fitted(problem, engine, settings, modes, index, verdict, &mut rng)?,
        };
        fits.push(fitted);
    }
    let originals = modes.iter().filter(|mode| mode.image.is_none()).count();
    let replaced = originals - fits.iter().flatten().count();
    verdict.notes.extend((replaced > 0).then_some(Finding::ModesOfLocalGaussians { count: replaced }));

    let rank = fits.iter().flatten().find_map(|component| match &component.approximation {
        Approximation::LowRank(gaussian) => Some(gaussian.rank()),
        Approximation::Dense(_) => None,
    });
    let is_large = problem.model.dim() > LARGEST_DENSE;
    let rank = rank.or(is_large.then_some(DIRECTIONS));
    let mut local = |gaussian: &LocalGaussian| -> Approximation {
        match rank {
            Some(rank) => gaussian.clone().low_rank(rank, &mut rng).into(),
            None => gaussian.clone().dense().into(),
        }
    };
    let mut components: Vec<Component> = Vec::with_capacity(modes.len());
    for (mode, fit) in modes.iter().zip(fits) {
        let component = match (fit, image(search, mode, &components)) {
            (Some(fit), _) => fit,
            (None, Some(approximation)) => Component { approximation, trace: Vec::new() },
            (None, None) => Component { approximation: local(&mode.gaussian), trace: Vec::new() },
        };
        components.push(component);
    }
    Ok(components)
}

/// What the engine makes of one mode; none where it fails or does not stay.
fn fitted(
    problem: Problem<'_>,
    engine: &'static dyn EngineMethod,
    settings: &EngineSettings,
    modes: &[Mode],
    index: usize,
    verdict: &mut Verdict,
    rng: &mut Rng,
) -> Result<Option<Component>, FitError> {
    let mut run = engine.start(modes[index].gaussian.clone(), settings, problem.seed, problem.spent())?;
    let driver = settings.driver(engine, problem.model.dim());
    let (outcome, trace) = match run_engine(&mut *run, problem, &driver) {
        Ok(ended) => ended,
        Err(FitError::Engine(EngineError::Driver(_))) => return Ok(None),
        Err(error) => return Err(error),
    };
    let stays = match &outcome.approximation {
        Approximation::Dense(gaussian) => stays(problem, gaussian, modes, index, rng),
        Approximation::LowRank(gaussian) => stays(problem, gaussian, modes, index, rng),
    };
    if !stays {
        return Ok(None);
    }
    let of_engine = Verdict::of_engine(&outcome);
    // The worst of all modes; NaN and none stand for no run so far.
    verdict.score_divergence = verdict.score_divergence.max(of_engine.score_divergence);
    verdict.converged = Some(verdict.converged.unwrap_or(true) && of_engine.converged.unwrap_or(true));
    add(&mut verdict.objections, of_engine.objections);
    add(&mut verdict.notes, of_engine.notes);
    Ok(Some(Component { approximation: outcome.approximation, trace }))
}

/// Whether a fitted Gaussian is that of the mode with this index: its mean lies in the mode, and no other mode within it.
fn stays<G: GaussianApproximation>(
    problem: Problem<'_>,
    gaussian: &G,
    modes: &[Mode],
    index: usize,
    rng: &mut Rng,
) -> bool {
    let is_outside = |mode: &Mode| {
        let noise = gaussian.noise(ArrayView1::from(&mode.position).insert_axis(Axis(0)));
        noise.is_ok_and(|noise| noise.iter().map(|e| e * e).sum::<f64>() >= OUTSIDE)
    };
    modes.iter().enumerate().all(|(other, mode)| other == index || is_outside(mode))
        && modes[index].holds(problem.target, &gaussian.mean().to_vec(), rng)
}

/// The image of the fit of the mode that this one is an image of; none where it is not one, or the image is no Gaussian.
fn image(search: &Search<'_>, mode: &Mode, components: &[Component]) -> Option<Approximation> {
    let image = mode.image.as_ref()?;
    let mut approximation = components[image.of].approximation.clone();
    for &symmetry in &image.symmetries {
        approximation = search.symmetries[symmetry].image_of_approximation(&approximation)?;
    }
    Some(approximation)
}

/// Adds findings that are not known of another mode.
fn add(known: &mut Vec<Finding>, findings: Vec<Finding>) {
    for finding in findings {
        if !known.contains(&finding) {
            known.push(finding);
        }
    }
}
