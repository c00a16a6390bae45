//! Why short chains have no answer.

use crate::diagnostics::Movement;
use std::fmt::{self, Display, Formatter};

/// Why the distribution of short chains is not stationary, or not known to be.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Unsettled {
    /// After the longest burn-in a quantity still depends on where the chains started.
    StillRemembers {
        /// The parameter; none for the log density.
        parameter: Option<String>,
        /// The correlation of its normal scores with those at the start.
        correlation: f64,
        /// Transitions of the last burn-in.
        transitions: usize,
    },
    /// A moment may still move by more than the tolerance from the first half of the transitions to
    /// the second.
    Moving {
        /// The parameter.
        parameter: String,
        /// Whether its normal scores were judged.
        by_ranks: bool,
        /// Which moment.
        moment: Moment,
        /// The movement.
        movement: Movement,
    },
    /// Too many trajectories diverged, even with the smallest steps.
    Diverged {
        /// Trajectories that diverged.
        divergences: usize,
        /// Trajectories in all.
        trajectories: usize,
    },
    /// A chain did not move, even with the smallest steps.
    Stuck {
        /// Transitions since it moved.
        transitions: usize,
    },
    /// The budget or the most transitions ended the run before the chains had settled.
    Stopped,
    /// The observer ended the run.
    Cancelled,
}

/// A moment that may move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The mean, in standard deviations.
    Mean,
    /// The logarithm of the standard deviation.
    LogSd,
}

impl Unsettled {
    /// A stable name.
    pub fn code(&self) -> &'static str {
        match self {
            Self::StillRemembers { .. } => "short-chains-start-dependence",
            Self::Moving { .. } => "short-chains-moving",
            Self::Diverged { .. } => "short-chains-diverged",
            Self::Stuck { .. } => "short-chains-stuck",
            Self::Stopped => "short-chains-stopped",
            Self::Cancelled => "short-chains-cancelled",
        }
    }
}

impl Display for Unsettled {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::StillRemembers { parameter, correlation, transitions } => write!(
                f,
                "after {transitions} transitions short chains still depend on their starting points: {} has a \
                 correlation of {correlation:.2} with its starting values",
                parameter.as_deref().unwrap_or("the log density")
            ),
            Self::Moving { parameter, by_ranks, moment, movement: Movement { value, error } } => {
                let (moment, unit) = match moment {
                    Moment::Mean => ("mean", " standard deviations"),
                    Moment::LogSd => ("log standard deviation", ""),
                };
                let of = if *by_ranks { "the normal scores of " } else { "" };
                let value = value.abs();
                write!(f, "the {moment} of {of}{parameter} moves by {value:.2} ± {error:.2}{unit} along short chains")
            }
            Self::Diverged { divergences, trajectories } => {
                write!(f, "{divergences} of {trajectories} trajectories of short chains diverged")
            }
            Self::Stuck { transitions } => {
                write!(f, "one of the short chains did not move for {transitions} transitions")
            }
            Self::Stopped => f.write_str("short chains were stopped before they had converged"),
            Self::Cancelled => f.write_str("short chains were cancelled before they had converged"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_sentences_with_their_numbers() {
        let movement = Movement { value: -0.254, error: 0.021 };
        let moving = |moment, by_ranks| Unsettled::Moving { parameter: "tau".into(), by_ranks, moment, movement };
        let remembers = |parameter| Unsettled::StillRemembers { parameter, correlation: 0.456, transitions: 32 };
        for (reason, part) in [
            (moving(Moment::Mean, false), "mean of tau moves by 0.25 ± 0.02 standard deviations along"),
            (
                moving(Moment::LogSd, true),
                "log standard deviation of the normal scores of tau moves by 0.25 ± 0.02 along",
            ),
            (
                remembers(Some("tau".into())),
                "after 32 transitions short chains still depend on their starting points: tau has a correlation of 0.46",
            ),
            (remembers(None), "the log density has a correlation of 0.46"),
        ] {
            assert!(reason.to_string().contains(part), "{reason}");
        }
    }
}
