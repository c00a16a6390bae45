//! What a user must know before trusting chains.

use super::Chain;
use crate::diagnostics::{LARGEST_R_HAT, MIN_DRAWS, SMALLEST_EFMI, Summary};
use std::fmt;

/// Below this many effective draws a chain, the diagnostics themselves are not reliable (Vehtari et al. 2021).
const SMALLEST_ESS_PER_CHAIN: f64 = 100.0;

/// A sign that chains may not have found the posterior.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ChainWarning {
    /// Transitions diverged.
    Divergences {
        /// How many.
        count: usize,
    },
    /// Trajectories were cut at the maximum depth.
    DepthLimited {
        /// How many.
        count: usize,
        /// The maximum depth that the chains ran with.
        max_depth: u32,
    },
    /// The energy fraction of missing information is low.
    LowEfmi {
        /// The chains, counted from 1.
        chains: Vec<usize>,
    },
    /// A coordinate of the unconstrained scale never moved.
    Still {
        /// The chain, counted from 1.
        chain: usize,
        /// The coordinate, counted from 1.
        coordinate: usize,
    },
    /// The draws of a quantity have no finite mean and standard deviation.
    NotFinite {
        /// The quantity.
        quantity: String,
    },
    /// Chains are too short to say whether they agree.
    TooFewDraws {
        /// Draws of the shortest chain.
        draws: usize,
    },
    /// R-hat is not defined for a quantity that moves.
    UndefinedRHat {
        /// The quantity.
        quantity: String,
    },
    /// R-hat is too large.
    RHat {
        /// The quantity where it is largest.
        quantity: String,
        /// R-hat.
        r_hat: f64,
    },
    /// The bulk effective sample size is too small.
    BulkEss {
        /// The quantity where it is smallest.
        quantity: String,
        /// The effective sample size.
        size: f64,
        /// What it should be at least.
        least: f64,
    },
    /// The tail effective sample size is too small.
    TailEss {
        /// The quantity where it is smallest.
        quantity: String,
        /// The effective sample size.
        size: f64,
        /// What it should be at least.
        least: f64,
    },
}

impl ChainWarning {
    /// A stable name.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Divergences { .. } => "divergences",
            Self::DepthLimited { .. } => "depth-limited",
            Self::LowEfmi { .. } => "low-efmi",
            Self::Still { .. } => "still",
            Self::NotFinite { .. } => "not-finite",
            Self::TooFewDraws { .. } => "too-few-draws",
            Self::UndefinedRHat { .. } => "undefined-r-hat",
            Self::RHat { .. } => "r-hat",
            Self::BulkEss { .. } => "bulk-ess",
            Self::TailEss { .. } => "tail-ess",
        }
    }
}

impl fmt::Display for ChainWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Divergences { count } => write!(
                f,
                "{count} transitions diverged: the draws may miss a part of the posterior; raise the target acceptance \
                 (adapt delta) or reparameterise the program"
            ),
            Self::DepthLimited { count, max_depth } => write!(
                f,
                "{count} trajectories were cut at the maximum depth of {max_depth}: the draws are valid but costly; raise \
                 the maximum depth or reparameterise the program"
            ),
            Self::LowEfmi { chains } => {
                let chains: Vec<String> = chains.iter().map(usize::to_string).collect();
                write!(
                    f,
                    "E-FMI is below {SMALLEST_EFMI} in chain {}: the tails are explored too slowly; reparameterise the program",
                    chains.join(", ")
                )
            }
            Self::Still { chain, coordinate } => write!(
                f,
                "coordinate {coordinate} of the unconstrained scale never moved in chain {chain}: the density may have no \
                 slope there, or a far too steep one"
            ),
            Self::NotFinite { quantity } => write!(
                f,
                "the draws of {quantity} have no finite mean and standard deviation: the posterior may be improper"
            ),
            Self::TooFewDraws { draws } => write!(
                f,
                "{draws} draws a chain are too few to say whether the chains agree: draw at least {MIN_DRAWS}, better \
                 hundreds"
            ),
            Self::UndefinedRHat { quantity } => {
                write!(f, "R-hat of {quantity} is not defined, though it moves: run the chains for longer")
            }
            Self::RHat { quantity, r_hat } => write!(
                f,
                "R-hat of {quantity} is {r_hat:.3}, above {LARGEST_R_HAT}: the chains disagree; run them for longer, or \
                 look for several modes"
            ),
            Self::BulkEss { quantity, size, least } => write!(
                f,
                "the bulk effective sample size of {quantity} is {size:.0}, below {least:.0}: run longer chains"
            ),
            Self::TailEss { quantity, size, least } => write!(
                f,
                "the tail effective sample size of {quantity} is {size:.0}, below {least:.0}: run longer chains"
            ),
        }
    }
}

/// Every sign that the chains may not have found the posterior; empty where there is none. `max_depth` is the one that
/// the chains ran with. Quantities that never move may be constants and are left out; a coordinate of the unconstrained
/// scale is not one.
pub fn warnings(chains: &[Chain], summaries: &[Summary], max_depth: u32) -> Vec<ChainWarning> {
    let iterations = |count: fn(&Chain) -> usize| chains.iter().map(count).sum::<usize>();
    let [divergences, limited] = [iterations(|chain| chain.divergences), iterations(|chain| chain.depth_limited)];
    let slow = |(_, chain): &(usize, &Chain)| chain.efmi < SMALLEST_EFMI;
    let slow: Vec<usize> = (1..).zip(chains).filter(slow).map(|(number, _)| number).collect();
    let mut warnings = Vec::new();
    warnings.extend((divergences > 0).then_some(ChainWarning::Divergences { count: divergences }));
    warnings.extend((limited > 0).then_some(ChainWarning::DepthLimited { count: limited, max_depth }));
    warnings.extend((!slow.is_empty()).then_some(ChainWarning::LowEfmi { chains: slow }));
    let still = (1..).zip(chains).find_map(|(chain, it)| Some(ChainWarning::Still { chain, coordinate: still(it)? }));
    warnings.extend(still);
    let infinite = summaries.iter().find(|summary| summary.mean.is_infinite() || summary.sd.is_infinite());
    warnings.extend(infinite.map(|summary| ChainWarning::NotFinite { quantity: summary.name.clone() }));
    let shortest = chains.iter().map(|chain| chain.draws.nrows()).min().unwrap_or_default();
    if shortest < MIN_DRAWS {
        warnings.push(ChainWarning::TooFewDraws { draws: shortest });
    } else {
        let undiagnosed = summaries.iter().find(|it| it.r_hat.is_nan() && it.sd.is_finite() && it.sd > 0.0);
        warnings.extend(undiagnosed.map(|summary| ChainWarning::UndefinedRHat { quantity: summary.name.clone() }));
    }
    let largest = summaries.iter().filter(|it| it.r_hat > LARGEST_R_HAT).max_by(|a, b| a.r_hat.total_cmp(&b.r_hat));
    warnings.extend(largest.map(|it| ChainWarning::RHat { quantity: it.name.clone(), r_hat: it.r_hat }));
    let least = SMALLEST_ESS_PER_CHAIN * chains.len() as f64;
    let smallest = |size: fn(&Summary) -> f64| {
        let small = summaries.iter().filter(|summary| size(summary) < least);
        small.min_by(|a, b| size(a).total_cmp(&size(b)))
    };
    let bulk = smallest(|summary| summary.ess_bulk);
    warnings.extend(bulk.map(|it| ChainWarning::BulkEss { quantity: it.name.clone(), size: it.ess_bulk, least }));
    let tail = smallest(|summary| summary.ess_tail);
    warnings.extend(tail.map(|it| ChainWarning::TailEss { quantity: it.name.clone(), size: it.ess_tail, least }));
    warnings
}

/// The first coordinate, counted from 1, that has the same value in all draws.
fn still(chain: &Chain) -> Option<usize> {
    let columns = chain.draws.columns().into_iter();
    let column = columns.enumerate().find(|(_, values)| values.len() > 1 && values.iter().all(|it| *it == values[0]));
    column.map(|(index, _)| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;
    use std::time::Duration;

    fn chain(divergences: usize, depth_limited: usize, efmi: f64) -> Chain {
        Chain {
            draws: Array2::from_shape_fn((8, 1), |(row, _)| row as f64),
            transitions: Vec::new(),
            divergences,
            depth_limited,
            efmi,
            step_size: 1.0,
            inverse_metric: None,
            warmup_gradient_evaluations: 0,
            gradient_evaluations: 0,
            warmup_time: Duration::ZERO,
            time: Duration::ZERO,
        }
    }

    fn summary(name: &str, ess_bulk: f64, r_hat: f64) -> Summary {
        let name = name.to_owned();
        // What is constant has no diagnostics.
        let sd = if ess_bulk.is_nan() { 0.0 } else { 1.0 };
        Summary { name, mean: 0.0, sd, mcse: 0.1, q5: 0.0, q50: 0.0, q95: 0.0, ess_bulk, ess_tail: 1e3, r_hat }
    }

    fn said(chains: &[Chain], summaries: &[Summary]) -> Vec<String> {
        warnings(chains, summaries, 10).iter().map(ChainWarning::to_string).collect()
    }

    #[test]
    fn good_chains_and_constants_give_none() {
        let summaries = [summary("a", 900.0, 1.001), summary("constant", f64::NAN, f64::NAN)];
        assert_eq!(warnings(&[chain(0, 0, 0.9), chain(0, 0, 0.8)], &summaries, 10), []);
    }

    #[test]
    fn a_coordinate_that_never_moves_is_named() {
        let stuck =
            Chain { draws: ndarray::array![[1.0, 5.0], [2.0, 5.0], [3.0, 5.0], [4.0, 5.0]], ..chain(0, 0, 0.9) };
        let said = said(&[chain(0, 0, 0.9), stuck], &[summary("a", 900.0, 1.0)]);
        assert!(
            said.len() == 1 && said[0].starts_with("coordinate 2 of the unconstrained scale never moved in chain 2")
        );
    }

    #[test]
    fn agreement_that_cannot_be_judged_is_told() {
        let short = Chain { draws: ndarray::array![[1.0], [2.0], [3.0]], ..chain(0, 0, 0.9) };
        let too_few = warnings(&[chain(0, 0, 0.9), short], &[summary("a", f64::NAN, f64::NAN)], 10);
        assert_eq!(too_few, [ChainWarning::TooFewDraws { draws: 3 }]);
        let moving = [summary("a", 900.0, 1.0), summary("b", 900.0, f64::NAN)];
        let said = said(&[chain(0, 0, 0.9)], &moving);
        assert!(said.len() == 1 && said[0].starts_with("R-hat of b is not defined"), "{said:?}");
    }

    #[test]
    fn infinite_draws_are_told() {
        let unbounded = Summary { mean: f64::INFINITY, ..summary("scale", f64::NAN, f64::NAN) };
        let said = said(&[chain(0, 0, 0.9)], &[unbounded]);
        assert_eq!(
            said,
            ["the draws of scale have no finite mean and standard deviation: the posterior may be improper"]
        );
    }

    #[test]
    fn each_sign_is_named_with_the_worst_quantity() {
        let summaries = [summary("a", 150.0, 1.02), summary("b", 120.0, 1.5)];
        let said = said(&[chain(2, 0, 0.9), chain(1, 4, 0.1)], &summaries).join("\n");
        for part in
            ["3 transitions", "4 trajectories", "depth of 10", "in chain 2", "R-hat of b is 1.500", "of b is 120"]
        {
            assert!(said.contains(part), "{said}");
        }
    }
}
