//! What a fit has to say about itself: each finding is data with a stable code, and is put into words here alone.

use super::unsettled::Unsettled;
use crate::model::Rejections;
use crate::sample::ChainWarning;
use std::fmt;

/// Shares of modes that are listed.
const MOST_SHARES: usize = 6;

/// Something that speaks against the answer of a fit, or that its user should know.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Finding {
    /// The engine ended before its score divergence stopped falling.
    NotConverged {
        /// How many iterations it made.
        iterations: usize,
    },
    /// The program rejected draws of the engine.
    EngineRejections {
        /// How many.
        count: usize,
    },
    /// The engine diverged and was rolled back.
    RolledBack {
        /// How often.
        times: usize,
    },
    /// Fewer draws were made than asked for, to bound memory.
    FewerDraws {
        /// How many were made.
        count: usize,
    },
    /// k̂ of the importance weights is too large.
    ParetoK {
        /// What made the draws.
        proposal: Proposal,
        /// k̂.
        k: f64,
        /// The largest k̂ that is small enough for this many draws.
        threshold: f64,
    },
    /// k̂ of the weights of a parameter's variance is too large.
    ParetoKOfVariance {
        /// The parameter.
        parameter: String,
        /// k̂.
        k: f64,
        /// The largest k̂ that is small enough for this many draws.
        threshold: f64,
    },
    /// A mean or a standard deviation of the weighted draws is not precise.
    ImportanceError {
        /// The Monte Carlo error, in standard deviations.
        error: f64,
        /// How many draws were weighed.
        draws: usize,
    },
    /// A mean or a standard deviation of draws of Markov chains is not precise.
    Imprecise {
        /// The parameter.
        parameter: String,
        /// Whether it was judged by ranks.
        by_ranks: bool,
        /// The Monte Carlo error, in standard deviations.
        error: f64,
    },
    /// Few of the weighted draws of a map carry the weight.
    FewEffectiveDraws {
        /// How many independent draws they are worth.
        effective: f64,
        /// How many were weighed.
        draws: usize,
    },
    /// The chains that a map was fitted along are not where its weighted draws are.
    ChainsDisagree {
        /// The mean log weight at the chains' states less that of the weighted draws; NaN without states.
        gap: f64,
    },
    /// Parameters whose tails are too heavy for moments.
    JudgedByRanks {
        /// Their names; at least one.
        parameters: Vec<String>,
    },
    /// Chains do not continue fits of so many parameters.
    TooManyParametersForChains {
        /// The largest number for which they do.
        largest: usize,
    },
    /// Short chains have not settled.
    ShortChains(Unsettled),
    /// Trajectories of short chains diverged, too few to matter.
    ShortChainDivergences {
        /// How many.
        count: usize,
    },
    /// The draws are those of a triangular map.
    DrawsOfMap,
    /// A triangular map was tried, and its draws cannot be trusted.
    MapRejected {
        /// What speaks against them.
        objection: Box<Finding>,
    },
    /// A triangular map could not be fitted.
    MapFailed {
        /// Why.
        reason: String,
    },
    /// The draws are those of short chains.
    DrawsOfShortChains {
        /// How many chains.
        chains: usize,
        /// The largest movement of a marginal, in standard deviations or of a log standard deviation.
        drift: f64,
    },
    /// Short chains have no draws on the constrained scale.
    ShortChainsFailed {
        /// Why.
        reason: String,
    },
    /// The draws are those of NUTS chains.
    DrawsOfNuts {
        /// How many chains.
        chains: usize,
    },
    /// The budget left does not pay for NUTS.
    NoBudgetForNuts,
    /// NUTS failed.
    NutsFailed {
        /// Why.
        reason: String,
    },
    /// A diagnostic of NUTS.
    Chains(ChainWarning),
    /// Optimisation paths without a usable Gaussian.
    PathsLost {
        /// How many.
        lost: usize,
        /// Of how many.
        paths: usize,
    },
    /// A semi-implicit fit continued from a saved state.
    Resumed {
        /// At this step.
        step: usize,
    },
    /// What the critic of a semi-implicit fit sees of the score divergence.
    CriticDivergence {
        /// The score divergence per dimension on held-out draws.
        score_divergence: f64,
        /// What the critic sees of it.
        critic: f64,
    },
    /// The program rejected draws of a semi-implicit family.
    FamilyRejections {
        /// How many.
        count: usize,
    },
    /// Paths ended in several modes.
    SeveralModes {
        /// How many paths there were.
        paths: usize,
        /// The share of the draws near each mode.
        shares: Vec<f64>,
    },
    /// The draws miss modes that paths found.
    MissedModes {
        /// How many.
        missed: usize,
        /// Of how many.
        modes: usize,
        /// The part of the posterior that lies in those that were missed, roughly; none where that is not known.
        share: Option<f64>,
        /// The first parameters at the heaviest of them, with their values; empty where that is not known.
        place: Vec<(String, f64)>,
    },
    /// The posterior is the same under symmetries that map modes onto one another.
    Symmetric {
        /// In words that follow "under"; at least one.
        symmetries: Vec<String>,
    },
    /// Modes that were left out since they are light.
    LightModes {
        /// How many.
        count: usize,
        /// The heaviest one's part of the posterior, roughly.
        heaviest: f64,
    },
    /// The search for modes ended while paths still found others.
    MoreModes {
        /// How many paths there were.
        paths: usize,
    },
    /// What the program said of the points that it rejected.
    Rejections(Rejections),
    /// The engine failed at modes, or left them.
    ModesOfLocalGaussians {
        /// At how many.
        count: usize,
    },
}

/// What made draws that were weighed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proposal {
    /// A Gaussian with its heavy-tailed companion.
    Gaussian,
    /// A mixture of Gaussians, one for each mode.
    ModesMixture,
    /// The mixture of Pathfinder's Gaussians.
    PathfinderMixture,
    /// A semi-implicit family.
    SemiImplicit,
    /// A triangular map with its heavy-tailed companions.
    TriangularMap,
}

impl fmt::Display for Proposal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Gaussian => "the Gaussian",
            Self::ModesMixture => "the mixture of a Gaussian for each mode",
            Self::PathfinderMixture => "Pathfinder's mixture of Gaussians",
            Self::SemiImplicit => "the semi-implicit family",
            Self::TriangularMap => "the triangular map",
        })
    }
}

impl Finding {
    /// A stable name.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotConverged { .. } => "not-converged",
            Self::EngineRejections { .. } => "engine-rejections",
            Self::RolledBack { .. } => "rolled-back",
            Self::FewerDraws { .. } => "fewer-draws",
            Self::ParetoK { .. } => "pareto-k",
            Self::ParetoKOfVariance { .. } => "pareto-k-of-variance",
            Self::ImportanceError { .. } => "importance-error",
            Self::Imprecise { .. } => "imprecise",
            Self::FewEffectiveDraws { .. } => "few-effective-draws",
            Self::ChainsDisagree { .. } => "chains-disagree",
            Self::JudgedByRanks { .. } => "judged-by-ranks",
            Self::TooManyParametersForChains { .. } => "too-many-parameters-for-chains",
            Self::ShortChains(reason) => reason.code(),
            Self::ShortChainDivergences { .. } => "short-chain-divergences",
            Self::DrawsOfMap => "draws-of-map",
            Self::MapRejected { .. } => "map-rejected",
            Self::MapFailed { .. } => "map-failed",
            Self::DrawsOfShortChains { .. } => "draws-of-short-chains",
            Self::ShortChainsFailed { .. } => "short-chains-failed",
            Self::DrawsOfNuts { .. } => "draws-of-nuts",
            Self::NoBudgetForNuts => "no-budget-for-nuts",
            Self::NutsFailed { .. } => "nuts-failed",
            Self::Chains(warning) => warning.code(),
            Self::PathsLost { .. } => "paths-lost",
            Self::Resumed { .. } => "resumed",
            Self::CriticDivergence { .. } => "critic-divergence",
            Self::FamilyRejections { .. } => "family-rejections",
            Self::SeveralModes { .. } => "several-modes",
            Self::MissedModes { .. } => "missed-modes",
            Self::Symmetric { .. } => "symmetric",
            Self::LightModes { .. } => "light-modes",
            Self::MoreModes { .. } => "more-modes",
            Self::Rejections(_) => "rejections",
            Self::ModesOfLocalGaussians { .. } => "modes-of-local-gaussians",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConverged { iterations } => write!(
                f,
                "the score divergence was still falling after {iterations} iterations: allow more iterations or a larger budget"
            ),
            Self::EngineRejections { count } => {
                write!(f, "the program rejected {count} draws of the engine, which were left out")
            }
            Self::RolledBack { times } => {
                let times = if *times == 1 { "once".into() } else { format!("{times} times") };
                write!(
                    f,
                    "the optimisation diverged {times}, was rolled back to the last stable iterate and continued with smaller \
                     steps"
                )
            }
            Self::FewerDraws { count } => {
                write!(f, "only {count} draws were made, to bound the memory of the fit")
            }
            Self::ParetoK { proposal, k, threshold } => write!(
                f,
                "Pareto k is {k:.2}, above {threshold:.2}: {proposal} is too far from the posterior for importance sampling to \
                 correct it"
            ),
            Self::ParetoKOfVariance { parameter, k, threshold } => write!(
                f,
                "Pareto k of the variance of {parameter} is {k:.2}, above {threshold:.2}: the weighted draws cover little of its \
                 tail, so its standard deviation may be too small"
            ),
            Self::ImportanceError { error, draws } => write!(
                f,
                "the Monte Carlo error of a mean or standard deviation is {error:.3} standard deviations even after {draws} \
                 importance draws"
            ),
            Self::Imprecise { parameter, by_ranks, error } => {
                let of = if *by_ranks { "the normal scores of " } else { "" };
                write!(
                    f,
                    "the Monte Carlo error of the mean or standard deviation of {of}{parameter} is {error:.3} standard deviations"
                )
            }
            Self::FewEffectiveDraws { effective, draws } => write!(
                f,
                "the {draws} weighted draws of the map are worth only {effective:.0} independent ones: it misses too much \
                 for its k̂ to be believed"
            ),
            Self::ChainsDisagree { gap } => write!(
                f,
                "the mean log weight at the states of the map's chains differs by {gap:.2} from that of its weighted draws: \
                 the draws may miss a part of the posterior"
            ),
            Self::JudgedByRanks { parameters } => {
                let others = match parameters.len() {
                    0 | 1 => String::new(),
                    2 => format!(" and {}", parameters[1]),
                    more => format!(" and {} more parameters", more - 1),
                };
                let have = if parameters.len() > 1 { "have" } else { "has" };
                write!(
                    f,
                    "{}{others} {have} heavy tails, for which standard deviations are unreliable; convergence was judged \
                     by ranks, so report medians and quantiles",
                    parameters.first().map_or("", String::as_str)
                )
            }
            Self::TooManyParametersForChains { largest } => write!(
                f,
                "no chains run automatically above {largest} parameters: save the fit, and start NUTS from it"
            ),
            Self::ShortChains(reason) => reason.fmt(f),
            Self::ShortChainDivergences { count } => {
                let trajectories = if *count == 1 { "trajectory" } else { "trajectories" };
                write!(f, "{count} {trajectories} of short chains diverged, too few to matter")
            }
            Self::DrawsOfMap => f.write_str("the draws are those of a triangular map that began as the Gaussian"),
            Self::MapRejected { objection } => write!(f, "a triangular map was tried and rejected: {objection}"),
            Self::MapFailed { reason } => write!(f, "no triangular map could be fitted: {reason}"),
            Self::DrawsOfShortChains { chains, drift } => write!(
                f,
                "the draws are those of {chains} short chains that started from the fit; they moved the fit's marginals by up to \
                 {drift:.2}"
            ),
            Self::ShortChainsFailed { reason } => write!(f, "the draws of short chains cannot be used: {reason}"),
            Self::DrawsOfNuts { chains } => {
                write!(f, "the draws are those of {chains} NUTS chains, started from the fit and in its coordinates")
            }
            Self::NoBudgetForNuts => f.write_str("the remaining budget is too small for NUTS chains"),
            Self::NutsFailed { reason } => write!(f, "NUTS could not continue from the fit: {reason}"),
            Self::Chains(warning) => warning.fmt(f),
            Self::PathsLost { lost, paths } => {
                write!(f, "{lost} of {paths} optimisation paths gave no usable Gaussian")
            }
            Self::Resumed { step } => {
                write!(f, "the fit was resumed at step {step}; earlier evaluations are not counted")
            }
            Self::CriticDivergence { score_divergence, critic } => write!(
                f,
                "the score divergence per dimension is {score_divergence:.3} on held-out draws; the critic detects \
                 {critic:.3} of it, and importance weights correct the rest"
            ),
            Self::FamilyRejections { count } => {
                write!(f, "the program rejected {count} draws of the family, which have no weight")
            }
            Self::SeveralModes { paths, shares } => {
                let percent: Vec<String> =
                    shares.iter().take(MOST_SHARES).map(|share| format!("{:.1} %", 100.0 * share)).collect();
                let more = if shares.len() > MOST_SHARES { " …" } else { "" };
                write!(
                    f,
                    "{paths} optimisation paths ended in {} modes, with these shares: {}{more}",
                    shares.len(),
                    percent.join(", ")
                )
            }
            Self::MissedModes { missed, modes, share, place } => {
                let place: Vec<String> = place.iter().map(|(name, value)| format!("{name} = {value:.4}")).collect();
                let place =
                    if place.is_empty() { String::new() } else { format!(", the heaviest near {}", place.join(", ")) };
                let share =
                    share.map_or(String::new(), |share| format!(", about {:.0} % of the posterior", 100.0 * share));
                write!(f, "the draws miss {missed} of the {modes} modes that optimisation paths found{share}{place}")
            }
            Self::Symmetric { symmetries } => write!(
                f,
                "the posterior is invariant under {}: report quantities that do not change under it, or constrain the \
                 parameters, for example by an order or a sign",
                symmetries.join("; under ")
            ),
            Self::LightModes { count, heaviest } => {
                let modes = if *count == 1 { "a mode" } else { "modes" };
                write!(
                    f,
                    "{modes} with at most about {:.2} % of the posterior {} left out; no marginal moves by more than the \
                     tolerance",
                    100.0 * heaviest,
                    if *count == 1 { "was" } else { "each were" }
                )
            }
            Self::MoreModes { paths } => write!(
                f,
                "the last of {paths} optimisation paths still found further modes, so there may be more: constrain the parameters \
                 so that there are fewer"
            ),
            Self::Rejections(rejections) => {
                write!(f, "the program rejected {} evaluations and said: {rejections}", rejections.count())
            }
            Self::ModesOfLocalGaussians { count } => {
                let modes = if *count == 1 { "one mode".to_owned() } else { format!("{count} modes") };
                write!(f, "the engine failed at {modes} or left it; the local Gaussian was used there instead")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_that_are_judged_by_ranks_are_named() {
        let text = |names: &[&str]| {
            let parameters = names.iter().map(|name| (*name).to_owned()).collect();
            Finding::JudgedByRanks { parameters }.to_string()
        };
        assert!(text(&["heavy"]).starts_with("heavy has heavy tails"));
        assert!(text(&["heavy", "slow"]).starts_with("heavy and slow have heavy tails"));
        assert!(text(&["heavy", "slow", "light"]).starts_with("heavy and 2 more parameters have heavy tails"));
    }
}
