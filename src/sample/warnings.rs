//! What a user must know before trusting chains.

use super::Chain;
use super::reference_criteria::{LARGEST_R_HAT, SMALLEST_EFMI};
use crate::diagnostics::{MIN_DRAWS, Summary};

/// Below this many effective draws a chain, the diagnostics themselves are not reliable (Vehtari et al. 2021).
const SMALLEST_ESS_PER_CHAIN: f64 = 100.0;

/// A sentence for every sign that the chains may not have found the posterior, with the remedy. Empty when there is
/// none. `max_depth` is the one that the chains ran with. Quantities that never move may be constants and are left out;
/// a coordinate of the unconstrained scale is none.
pub fn warnings(chains: &[Chain], summaries: &[Summary], max_depth: u32) -> Vec<String> {
    let mut warnings = Vec::new();
    let iterations = |count: fn(&Chain) -> usize| chains.iter().map(count).sum::<usize>();
    let divergences = iterations(|chain| chain.divergences);
    if divergences > 0 {
        warnings.push(format!(
            "{divergences} transitions diverged: the draws may miss a part of the posterior; raise --adapt-delta or \
             reparameterise the program"
        ));
    }
    let limited = iterations(|chain| chain.depth_limited);
    if limited > 0 {
        warnings.push(format!(
            "{limited} trajectories were cut at the maximum depth of {max_depth}: the draws are valid but costly; \
             raise --max-depth or reparameterise the program"
        ));
    }
    let slow: Vec<String> = (1..)
        .zip(chains)
        .filter(|(_, chain)| chain.efmi < SMALLEST_EFMI)
        .map(|(number, _)| number.to_string())
        .collect();
    if !slow.is_empty() {
        warnings.push(format!(
            "E-FMI is below {SMALLEST_EFMI} in chain {}: the tails are explored too slowly; reparameterise the program",
            slow.join(", ")
        ));
    }
    if let Some((chain, coordinate)) = (1..).zip(chains).find_map(|(number, chain)| Some((number, still(chain)?))) {
        warnings.push(format!(
            "coordinate {coordinate} of the unconstrained scale never moved in chain {chain}: the density may have \
             no slope there, or a far too steep one"
        ));
    }
    if let Some(summary) = summaries.iter().find(|summary| summary.mean.is_infinite() || summary.sd.is_infinite()) {
        warnings.push(format!(
            "the draws of {} have no finite mean and standard deviation: the posterior may be improper",
            summary.name
        ));
    }
    let shortest = chains.iter().map(|chain| chain.draws.nrows()).min().unwrap_or_default();
    let undiagnosed = summaries.iter().find(|it| it.r_hat.is_nan() && it.sd.is_finite() && it.sd > 0.0);
    if shortest < MIN_DRAWS {
        warnings.push(format!(
            "{shortest} draws a chain are too few to say whether the chains agree: draw at least {MIN_DRAWS}, better \
             hundreds"
        ));
    } else if let Some(summary) = undiagnosed {
        warnings.push(format!("R-hat of {} is not defined, though it moves: run the chains for longer", summary.name));
    }
    let most = |value: fn(&Summary) -> f64| {
        let defined = summaries.iter().filter(|summary| !value(summary).is_nan());
        defined.max_by(|a, b| value(a).total_cmp(&value(b)))
    };
    if let Some(worst) = most(|summary| summary.r_hat).filter(|worst| worst.r_hat > LARGEST_R_HAT) {
        let Summary { name, r_hat, .. } = worst;
        warnings.push(format!(
            "R-hat of {name} is {r_hat:.3}, above {LARGEST_R_HAT}: the chains disagree; run them for longer, or look \
             for several modes"
        ));
    }
    let least = SMALLEST_ESS_PER_CHAIN * chains.len() as f64;
    for (part, size) in
        [("bulk", (|summary| summary.ess_bulk) as fn(&Summary) -> f64), ("tail", |summary| summary.ess_tail)]
    {
        let smallest =
            summaries.iter().filter(|summary| size(summary) < least).min_by(|a, b| size(a).total_cmp(&size(b)));
        if let Some(worst) = smallest {
            let (name, size) = (&worst.name, size(worst));
            warnings.push(format!(
                "the {part} effective sample size of {name} is {size:.0}, below {least:.0}: run longer chains"
            ));
        }
    }
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

    #[test]
    fn good_chains_and_constants_give_none() {
        let summaries = [summary("a", 900.0, 1.001), summary("constant", f64::NAN, f64::NAN)];
        assert_eq!(warnings(&[chain(0, 0, 0.9), chain(0, 0, 0.8)], &summaries, 10), [""; 0]);
    }

    #[test]
    fn a_coordinate_that_never_moves_is_named() {
        let stuck =
            Chain { draws: ndarray::array![[1.0, 5.0], [2.0, 5.0], [3.0, 5.0], [4.0, 5.0]], ..chain(0, 0, 0.9) };
        let said = warnings(&[chain(0, 0, 0.9), stuck], &[summary("a", 900.0, 1.0)], 10);
        assert!(
            said.len() == 1 && said[0].starts_with("coordinate 2 of the unconstrained scale never moved in chain 2")
        );
    }

    #[test]
    fn agreement_that_cannot_be_judged_is_told() {
        let short = Chain { draws: ndarray::array![[1.0], [2.0], [3.0]], ..chain(0, 0, 0.9) };
        let said = warnings(&[chain(0, 0, 0.9), short], &[summary("a", f64::NAN, f64::NAN)], 10);
        assert!(said.len() == 1 && said[0].starts_with("3 draws a chain are too few"), "{said:?}");
        let moving = [summary("a", 900.0, 1.0), summary("b", 900.0, f64::NAN)];
        let said = warnings(&[chain(0, 0, 0.9)], &moving, 10);
        assert!(said.len() == 1 && said[0].starts_with("R-hat of b is not defined"), "{said:?}");
    }

    #[test]
    fn infinite_draws_are_told() {
        let unbounded = Summary { mean: f64::INFINITY, ..summary("scale", f64::NAN, f64::NAN) };
        let said = warnings(&[chain(0, 0, 0.9)], &[unbounded], 10);
        assert_eq!(
            said,
            ["the draws of scale have no finite mean and standard deviation: the posterior may be improper"]
        );
    }

    #[test]
    fn each_sign_is_named_with_the_worst_quantity() {
        let summaries = [summary("a", 150.0, 1.02), summary("b", 120.0, 1.5)];
        let said = warnings(&[chain(2, 0, 0.9), chain(1, 4, 0.1)], &summaries, 10).join("\n");
        for part in
            ["3 transitions", "4 trajectories", "depth of 10", "in chain 2", "R-hat of b is 1.500", "of b is 120"]
        {
            assert!(said.contains(part), "{said}");
        }
    }
}
