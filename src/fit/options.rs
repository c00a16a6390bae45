//! What can be asked of a fit.

use super::FitError;
use crate::engine::sivi::SiviOptions;
use crate::engine::{DriverOptions, LearningRate, Moments, Schedule};
use crate::init::PathOptions;
use std::path::PathBuf;

/// How a posterior is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Batch and match, and short chains or NUTS from its result where that is not to be trusted.
    Auto,
    /// Batch and match.
    Bam,
    /// Gaussian score matching.
    Gsm,
    /// ADVI with a diagonal covariance.
    AdviMeanField,
    /// ADVI with a full covariance.
    AdviFullRank,
    /// ADVI with a covariance that is low-rank plus diagonal.
    AdviLowRank,
    /// Batch, match and patch: a covariance that is low-rank plus diagonal.
    PBam,
    /// Pathfinder: the best local Gaussian of each of several walks to a mode, and importance sampling from their
    /// mixture.
    Pathfinder,
    /// Laplace's approximation, and importance sampling from it.
    Laplace,
    /// NUTS from random points, with Stan's defaults.
    Nuts,
    /// A semi-implicit family by score matching.
    SiviSm,
    /// A semi-implicit family by the surrogate evidence lower bound.
    Sivi,
}

impl Method {
    /// Its name in documents and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Bam => "bam",
            Self::Gsm => "gsm",
            Self::AdviMeanField => "advi-meanfield",
            Self::AdviFullRank => "advi-fullrank",
            Self::AdviLowRank => "advi-lowrank",
            Self::PBam => "pbam",
            Self::Pathfinder => "pathfinder",
            Self::Laplace => "laplace",
            Self::Nuts => "nuts",
            Self::SiviSm => "sivi-sm",
            Self::Sivi => "sivi",
        }
    }

    /// The method itself, or for the default method the one that it begins with in `dim` dimensions.
    pub fn engine(self, dim: usize) -> Self {
        match self {
            Self::Auto if dim > LARGEST_DENSE => Self::PBam,
            Self::Auto => Self::Bam,
            method => method,
        }
    }

    /// Where it begins unless told otherwise.
    pub fn init(self) -> Init {
        match self {
            Self::Laplace => Init::Laplace,
            Self::Nuts => Init::Random,
            _ => Init::Path,
        }
    }

    /// Whether it fits a semi-implicit family.
    pub fn is_semi_implicit(self) -> bool {
        matches!(self, Self::SiviSm | Self::Sivi)
    }

    /// Whether it can begin with `init`.
    fn can_begin(self, init: &Init) -> bool {
        match self {
            Self::Pathfinder | Self::Laplace => *init == self.init(),
            Self::Nuts => !matches!(init, Init::Path | Init::Map | Init::Laplace),
            _ => true,
        }
    }
}

/// Where a fit begins.
#[derive(Debug, Clone, PartialEq)]
pub enum Init {
    /// The local Gaussian with the best evidence lower bound along several walks to a mode.
    Path,
    /// The MAP, with the covariance that L-BFGS estimated on the way.
    Map,
    /// Laplace's approximation at the MAP.
    Laplace,
    /// A random point with unit covariance.
    Random,
    /// The origin of the unconstrained scale with unit covariance.
    Zero,
    /// A given point of the unconstrained scale with unit covariance.
    Point(Vec<f64>),
}

impl Init {
    /// Its name in documents and on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Map => "map",
            Self::Laplace => "laplace",
            Self::Random => "random",
            Self::Zero => "zero",
            Self::Point(_) => "file",
        }
    }
}

/// The largest dimension in which [`Method::Auto`] fits a full covariance, and goes on with chains from it: an
/// iteration costs O(D²B), some 0.1 s here, and chains in these coordinates O(D²) for each gradient.
pub(super) const LARGEST_DENSE: usize = 2000;

/// Iterations over which ADVI's score divergence is smoothed.
const ADVI_WINDOW: usize = 50;
/// Draws per batch of a Gaussian's engine unless told otherwise.
const BATCH: usize = 16;
/// A batch of batch and match should have a draw for each so many dimensions: with fewer, models of hundreds of
/// parameters end in a worse place (docs/results-pbam.md).
const DIMENSIONS_OF_A_DRAW: usize = 4;
/// But no batch need be larger than this with a full covariance, nor than this with one of low rank.
const LARGEST_BATCHES: [usize; 2] = [128, 32];
/// Iterations of a Gaussian's engine at the most, likewise.
const ITERATIONS: usize = 500;
/// Iterations that batch and match with a full covariance averages on its plateau. Its single iterates are not noisy:
/// k̂ is no smaller with more (docs/results-engines.md).
const AVERAGED: usize = 20;
/// The rank of a low-rank covariance unless told otherwise.
const RANK: usize = 32;

/// What is asked of a fit.
#[derive(Debug, Clone, PartialEq)]
pub struct FitOptions {
    /// The method.
    pub method: Method,
    /// Where it begins; none for the method's own choice.
    pub init: Option<Init>,
    /// Walks to a mode, for [`Init::Path`].
    pub paths: usize,
    /// Draws per batch; none for the method's own choice.
    pub batch: Option<usize>,
    /// Columns K of Λ in a covariance Ψ + Λ Λᵀ, for the methods that fit one; none for [`FitOptions::rank`]'s own
    /// choice.
    pub rank: Option<usize>,
    /// Iterations of the engine at the most; none for the method's own choice.
    pub iterations: Option<usize>,
    /// Iterations that a Gaussian's engine averages once the score divergence no longer falls; none for the method's own
    /// choice.
    pub averaging: Option<usize>,
    /// The engine's learning rate.
    pub learning_rate: LearningRate,
    /// Gradient evaluations at the most, those of the init included.
    pub budget: Option<u64>,
    /// Draws to return.
    pub draws: usize,
    /// The seed of all random numbers.
    pub seed: u64,
    /// What the answer should be on the unconstrained scale, for the errors in the trace.
    pub reference: Option<Moments>,
    /// The file in which a semi-implicit fit keeps its state while it goes on.
    pub keep_state: Option<PathBuf>,
    /// The file from which a semi-implicit fit goes on.
    pub resume_from: Option<PathBuf>,
}

impl Default for FitOptions {
    fn default() -> Self {
        Self {
            method: Method::Auto,
            init: None,
            paths: PathOptions::default().paths,
            batch: None,
            rank: None,
            iterations: None,
            averaging: None,
            learning_rate: LearningRate::default(),
            budget: None,
            draws: 4000,
            seed: 1,
            reference: None,
            keep_state: None,
            resume_from: None,
        }
    }
}

impl FitOptions {
    /// Where it begins.
    pub fn init(&self) -> Init {
        self.init.clone().unwrap_or_else(|| self.method.init())
    }

    /// The rank of a low-rank covariance in `dim` dimensions: what was asked for, or 32, or where that is no less than
    /// the dimension the largest that is.
    pub fn rank(&self, dim: usize) -> Result<usize, FitError> {
        match self.rank {
            Some(rank) if rank >= dim => Err(FitError::Rank { rank, dim }),
            Some(rank) => Ok(rank),
            None => Ok(RANK.min(dim.saturating_sub(1))),
        }
    }

    /// How the walks of [`Init::Path`] are made.
    pub fn path(&self) -> PathOptions {
        PathOptions { paths: self.paths, ..PathOptions::default() }
    }

    /// The engine's iterations at the most.
    pub fn iterations_at_most(&self) -> usize {
        let defaults = if self.method.is_semi_implicit() { SiviOptions::default().steps } else { ITERATIONS };
        self.iterations.unwrap_or(defaults)
    }

    /// Draws per batch of a Gaussian's engine in `dim` dimensions: what was asked for, or for batch and match a quarter
    /// of the dimension within bounds.
    pub fn batch(&self, dim: usize) -> usize {
        let largest = match self.method.engine(dim) {
            Method::Bam => LARGEST_BATCHES[0],
            Method::PBam => LARGEST_BATCHES[1],
            _ => BATCH,
        };
        self.batch.unwrap_or((dim / DIMENSIONS_OF_A_DRAW).clamp(BATCH, largest))
    }

    /// How the engine is driven in `dim` dimensions.
    pub fn driver(&self, dim: usize) -> DriverOptions {
        let defaults = DriverOptions::default();
        let averaging = if self.method.engine(dim) == Method::Bam { AVERAGED } else { defaults.averaging };
        DriverOptions {
            batch: self.batch(dim),
            max_iterations: self.iterations_at_most(),
            budget: self.budget,
            learning_rate: self.learning_rate,
            averaging: self.averaging.unwrap_or(averaging),
            reference: self.reference.clone(),
            ..defaults
        }
    }

    /// How ADVI is driven: a step of stochastic ascent is small, so that a plateau takes longer to tell.
    pub fn advi_driver(&self, dim: usize) -> DriverOptions {
        DriverOptions { window: ADVI_WINDOW, ..self.driver(dim) }
    }

    /// Fails on a value that makes no sense.
    pub fn check(&self) -> Result<(), FitError> {
        let init = self.init();
        if !self.method.can_begin(&init) {
            return Err(FitError::InitOfMethod { init: init.name(), method: self.method.name() });
        }
        let counts = [("--batch", self.batch), ("--iterations", self.iterations), ("--paths", Some(self.paths))];
        for (option, value) in counts {
            if value == Some(0) {
                return Err(FitError::Option { option, allowed: "at least 1", value: 0 });
            }
        }
        if self.method.is_semi_implicit() {
            if let Some(value) = self.batch
                && value % 2 == 1
            {
                return Err(FitError::Option { option: "--batch", allowed: "even for a semi-implicit fit", value });
            }
            if self.learning_rate.schedule != Schedule::Constant {
                return Err(FitError::OptionOfMethod { option: "--schedule", method: self.method.name() });
            }
        }
        if let Some(rate) = self.learning_rate.initial
            && !(rate.is_finite() && rate > 0.0)
        {
            return Err(FitError::LearningRate(rate));
        }
        if self.draws < 2 {
            return Err(FitError::Option { option: "--draws", allowed: "at least 2", value: self.draws });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_grow_with_the_dimension_for_batch_and_match() {
        let batches = |method, batch| {
            let options = FitOptions { method, batch, ..FitOptions::default() };
            [1, 84, 400, 2000, 2001].map(|dim| options.batch(dim))
        };
        assert_eq!(batches(Method::Auto, None), [16, 21, 100, 128, 32]);
        assert_eq!(batches(Method::Bam, None), [16, 21, 100, 128, 128]);
        assert_eq!(batches(Method::PBam, None), [16, 21, 32, 32, 32]);
        assert_eq!(batches(Method::Gsm, None), [16; 5]);
        assert_eq!(batches(Method::Auto, Some(7)), [7; 5]);
    }
}
