//! What can be asked of a fit.

use super::FitError;
use crate::engine::{DriverOptions, LearningRate, Moments};
use crate::init::PathOptions;

/// How a posterior is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Batch and match, and NUTS from its result where that is not to be trusted.
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
    /// Pathfinder: the best local Gaussian of each of several walks to a mode, and importance sampling from their mixture.
    Pathfinder,
    /// Laplace's approximation, and importance sampling from it.
    Laplace,
    /// NUTS from random points, with Stan's defaults.
    Nuts,
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

/// Iterations over which ADVI's score divergence is smoothed.
const ADVI_WINDOW: usize = 50;
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
    /// Draws per batch.
    pub batch: usize,
    /// Columns K of Λ in a covariance Ψ + Λ Λᵀ, for the methods that fit one; none for [`FitOptions::rank`]'s own choice.
    pub rank: Option<usize>,
    /// Iterations of the engine at the most.
    pub iterations: usize,
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
}

impl Default for FitOptions {
    fn default() -> Self {
        Self {
            method: Method::Auto,
            init: None,
            paths: PathOptions::default().paths,
            batch: 16,
            rank: None,
            iterations: 500,
            learning_rate: LearningRate::default(),
            budget: None,
            draws: 4000,
            seed: 1,
            reference: None,
        }
    }
}

impl FitOptions {
    /// Where it begins.
    pub fn init(&self) -> Init {
        self.init.clone().unwrap_or_else(|| self.method.init())
    }

    /// The rank of a low-rank covariance in `dim` dimensions: what was asked for, or 32, or where that is no less than the
    /// dimension the largest that is.
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

    /// How the engine is driven.
    pub fn driver(&self) -> DriverOptions {
        DriverOptions {
            batch: self.batch,
            max_iterations: self.iterations,
            budget: self.budget,
            learning_rate: self.learning_rate,
            reference: self.reference.clone(),
            ..DriverOptions::default()
        }
    }

    /// How ADVI is driven: a step of stochastic ascent is small, so that a plateau takes longer to tell.
    pub fn advi_driver(&self) -> DriverOptions {
        DriverOptions { window: ADVI_WINDOW, ..self.driver() }
    }

    /// Fails on a value that makes no sense.
    pub fn check(&self) -> Result<(), FitError> {
        let init = self.init();
        if !self.method.can_begin(&init) {
            return Err(FitError::InitOfMethod { init: init.name(), method: self.method.name() });
        }
        for (option, value) in [("--batch", self.batch), ("--iterations", self.iterations), ("--paths", self.paths)] {
            if value == 0 {
                return Err(FitError::Option { option, allowed: "at least 1", value });
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
