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
    states: Vec<SavedStates>,
    rounds: usize,
    residuals: Vec<f64>,
    divergences: usize,
}

/// Where the chains were after a transition.
#[derive(Serialize, Deserialize)]
struct SavedStates {
    #[serde(with = "array_serde")]
    points: Array2<f64>,
    #[serde(with = "array_serde")]
    log_densities: Array1<f64>,
}

impl Exploration {
    /// The exploration between two rounds, to be written to a file.
    pub fn saved(&self) -> SavedExploration {
        let states = self.states.iter().map(|(points, log_densities)| SavedStates {
            points: points.clone(),
            log_densities: log_densities.clone().into(),
        });
        SavedExploration {
            constrained: self.constrained.clone(),
            rng: self.rng.clone(),
            map: self.map.clone(),
            chains: self.chains.saved(),
            archive: SavedArchive::from(&self.archive),
            states: states.collect(),
            rounds: self.rounds,
            residuals: self.residuals.clone(),
            divergences: self.divergences,
        }
    }

    /// The exploration that was saved, of a target of dimension `dim`; none where its parts do not fit.
    pub fn restored(saved: SavedExploration, dim: usize) -> Option<Self> {
        let SavedExploration { constrained, rng, map, rounds, residuals, divergences, .. } = saved;
        if map.dim() != dim || constrained.len() != dim {
            return None;
        }
        let chains = Chains::restored(saved.chains, &map)?;
        let archive = saved.archive.restored(dim)?;
        let states = saved.states.into_iter().map(|SavedStates { points, log_densities }| {
            let fits = points.dim() == (log_densities.len(), dim);
            fits.then(|| (points, log_densities.to_vec()))
        });
        let states = states.collect::<Option<Vec<_>>>()?;
        Some(Self { constrained, rng, map, chains, archive, states, rounds, residuals, divergences })
    }
}
