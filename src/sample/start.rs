//! Where chains begin.

use super::SampleError;
use crate::model::Target;
use crate::random::{Rng, fill_standard_normal};
use rand::RngExt;

/// How often a random point is drawn before the chain is given up, as in Stan.
const ATTEMPTS: usize = 100;

/// Half the width of the interval that random coordinates are drawn from, as in Stan.
const RADIUS: f64 = 2.0;

/// Where the chains begin.
#[derive(Debug, Clone, PartialEq)]
pub enum Start {
    /// Each coordinate uniform in (−2, 2) on the unconstrained scale, drawn again where the density is not defined.
    Random,
    /// Each coordinate normal about zero with this standard deviation, drawn again where the density is not defined:
    /// for whitened coordinates.
    Normal(f64),
    /// At these points, one per chain.
    At(Vec<Vec<f64>>),
}

impl Start {
    /// Whether there is a point of the right length for every chain.
    pub(super) fn check(&self, chains: usize, dim: usize) -> Result<(), SampleError> {
        let Self::At(points) = self else { return Ok(()) };
        match (0..chains).find(|&chain| points.get(chain).is_none_or(|point| point.len() != dim)) {
            Some(chain) => Err(SampleError::StartShape { given: chains, expected: dim, index: chain + 1 }),
            None => Ok(()),
        }
    }

    /// The point where the given chain (from 0) begins; its density and score are finite.
    pub(super) fn point<T: Target>(&self, target: &T, chain: usize, rng: &mut Rng) -> Result<Vec<f64>, SampleError> {
        let mut score = vec![0.0; target.dim()];
        let mut try_at = |point: &[f64]| target.log_density_and_score(point, &mut score).map(|_| ());
        let chain_number = chain + 1;
        if let Self::At(points) = self {
            let point = &points[chain];
            return match try_at(point) {
                Ok(()) => Ok(point.clone()),
                Err(error) => Err(SampleError::StartRejected { chain: chain_number, reason: error.to_string() }),
            };
        }
        let mut reason = String::new();
        for _ in 0..ATTEMPTS {
            let mut point = vec![0.0; target.dim()];
            match self {
                Self::Normal(sd) => {
                    fill_standard_normal(rng, &mut point);
                    point.iter_mut().for_each(|coordinate| *coordinate *= sd);
                }
                _ => point.fill_with(|| rng.random_range(-RADIUS..RADIUS)),
            }
            match try_at(&point) {
                Ok(()) => return Ok(point),
                Err(error) => reason = error.to_string(),
            }
        }
        Err(SampleError::NoStart { chain: chain_number, attempts: ATTEMPTS, reason })
    }
}
