//! Random points to start from.

use super::lbfgs::Point;
use crate::model::Target;
use crate::random::Rng;
use rand::RngExt;
use thiserror::Error;

/// Why no place to begin was found.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum InitError {
    /// No random point has a finite density and gradient.
    #[error("no point with a finite log density and gradient was found in {tries} tries: {reason}")]
    NoStart {
        /// How many points were tried.
        tries: usize,
        /// Why the last one was rejected.
        reason: String,
    },
    /// No path gave a positive definite covariance estimate with a finite density around it.
    #[error("no point of the optimisation path gave a usable Gaussian; the posterior may be improper")]
    NoGaussian,
    /// The given point has no finite density.
    #[error("the log density at the initial values is not usable: {0}")]
    Unusable(String),
}

/// Tries before a random start is given up, as in Stan.
const TRIES: usize = 100;

/// A point uniform on (−2, 2)^D with a finite density and gradient, as Stan's own random inits are.
pub fn random_point<T: Target + ?Sized>(target: &T, rng: &mut Rng) -> Result<Point, InitError> {
    let mut point = Point { position: vec![0.0; target.dim()], score: vec![0.0; target.dim()], log_density: 0.0 };
    let mut reason = String::new();
    for _ in 0..TRIES {
        point.position.fill_with(|| rng.random_range(-2.0..2.0));
        match target.log_density_and_score(&point.position, &mut point.score) {
            Ok(log_density) => return Ok(Point { log_density, ..point }),
            Err(rejected) => reason = rejected.to_string(),
        }
    }
    Err(InitError::NoStart { tries: TRIES, reason })
}

/// The point at `position`.
pub fn given_point<T: Target + ?Sized>(target: &T, position: Vec<f64>) -> Result<Point, InitError> {
    let mut score = vec![0.0; position.len()];
    match target.log_density_and_score(&position, &mut score) {
        Ok(log_density) => Ok(Point { position, score, log_density }),
        Err(rejected) => Err(InitError::Unusable(rejected.to_string())),
    }
}
