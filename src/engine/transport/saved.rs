//! An exploration on file, to be stopped and resumed: what follows is what would have followed without the
//! stop.

use super::Exploration;
use super::archive::SavedArchive;
use super::chains::{Chains, SavedChains};
use crate::linalg::array_serde;
use crate::random::Rng;
use crate::transport::TriangularMap;
use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};

/// Everything that an exploration consists of.
#[derive(Serialize, Deserialize)]
pub struct SavedExploration {
    constrained: Vec<bool>,
    rng: Rng,
    map: TriangularMap,
    chains: SavedChains,
    archive: SavedArchive,
    states: Vec<States>,
    rounds: usize,
    residuals: Vec<f64>,
}

/// Where the chains were after a transition.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct States {
    /// Chains × D.
    #[serde(with = "array_serde")]
    pub points: Array2<f64>,
    /// The target's log densities there.
    #[serde(with = "array_serde")]
    pub log_densities: Array1<f64>,
}

impl Exploration {
    /// The exploration between two rounds, to be written to a file.
    pub fn saved(&self) -> SavedExploration {
        SavedExploration {
            constrained: self.constrained.clone(),
            rng: self.rng.clone(),
            map: self.map.clone(),
            chains: self.chains.saved(),
            archive: SavedArchive::from(&self.archive),
            states: self.states.clone(),
            rounds: self.rounds,
            residuals: self.residuals.clone(),
        }
    }

    /// The exploration that was saved, of a target of dimension `dim`; none where its parts do not fit.
    pub fn restored(saved: SavedExploration, dim: usize) -> Option<Self> {
        let SavedExploration { constrained, rng, map, states, rounds, residuals, .. } = saved;
        let fits = |states: &States| states.points.dim() == (states.log_densities.len(), dim);
        if map.dim() != dim || constrained.len() != dim || !states.iter().all(fits) {
            return None;
        }
        let chains = Chains::restored(saved.chains, &map)?;
        let archive = saved.archive.restored(dim)?;
        Some(Self { constrained, rng, map, chains, archive, states, rounds, residuals })
    }
}
