//! The engines that come with stanmatch. A new one is its file and a line here.

use super::bam::BatchAndMatch;
use super::gsm::GaussianScoreMatching;
use super::pbam::BatchMatchAndPatch;
use super::{EngineMethod, advi};

/// Every engine of a Gaussian.
pub static ENGINES: [&dyn EngineMethod; 6] =
    [&BatchAndMatch, &GaussianScoreMatching, &BatchMatchAndPatch, &MeanFieldAdvi, &FullRankAdvi, &LowRankAdvi];

/// The engine whose method has this name.
pub fn engine(name: &str) -> Option<&'static dyn EngineMethod> {
    ENGINES.into_iter().find(|engine| engine.name() == name)
}
