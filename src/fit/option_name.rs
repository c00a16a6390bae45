//! What the options of a fit are called, for errors about them.

use std::fmt;

/// An option of a fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FitOption {
    /// The method.
    Method,
    /// Where it starts.
    Init,
    /// How many optimisation paths.
    Paths,
    /// Draws per batch.
    Batch,
    /// The rank of a low-rank covariance.
    Rank,
    /// Iterations of the engine.
    Iterations,
    /// Iterations that are averaged.
    Averaging,
    /// The learning rate to begin with.
    LearningRate,
    /// How the learning rate changes.
    Schedule,
    /// Gradient evaluations.
    Budget,
    /// Draws to return.
    Draws,
    /// A saved state to continue from.
    Resume,
}

impl FitOption {
    /// Its stable name.
    pub fn code(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Init => "init",
            Self::Paths => "paths",
            Self::Batch => "batch",
            Self::Rank => "rank",
            Self::Iterations => "iterations",
            Self::Averaging => "averaging",
            Self::LearningRate => "learning-rate",
            Self::Schedule => "schedule",
            Self::Budget => "budget",
            Self::Draws => "draws",
            Self::Resume => "resume",
        }
    }
}

impl fmt::Display for FitOption {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}`", self.code())
    }
}
