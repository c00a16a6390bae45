//! The engines that come with stanmatch. A new one is its file and a line here.

use super::bam::BatchAndMatch;
use super::gsm::GaussianScoreMatching;
use super::pbam::BatchMatchAndPatch;
use super::{EngineMethod, advi};

/// Every engine of a Gaussian.
pub static ENGINES: [&dyn EngineMethod; 6] =
    [&BatchAndMatch, &GaussianScoreMatching, &BatchMatchAndPatch, &advi::MEAN_FIELD, &advi::FULL_RANK, &advi::LOW_RANK];

/// The engine whose method has this name.
///
/// ```
/// use stanmatch::engine::{EngineSettings, engine};
/// use stanmatch::fit::{FitOptions, GaussianOptions, Method, fit};
/// use stanmatch::model::{Banana, Unconstrained};
///
/// let gsm = engine("gsm").ok_or("Gaussian score matching comes with stanmatch")?;
/// let settings = EngineSettings { batch: Some(8), iterations: Some(300), ..EngineSettings::default() };
/// let method = Method::Engine(gsm, GaussianOptions { engine: settings, ..GaussianOptions::default() });
/// let fit = fit(&Unconstrained::new(Banana), &FitOptions { method, ..FitOptions::default() }, &())?;
/// assert!(fit.trace.len() <= 300);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn engine(name: &str) -> Option<&'static dyn EngineMethod> {
    ENGINES.into_iter().find(|engine| engine.name() == name)
}
