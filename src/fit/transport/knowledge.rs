//! How well weighted draws know each parameter.

use super::super::weighted_draws::WeightedDraws;
use crate::diagnostics::{Ranks, has_fourth_moment, pareto_k};
use crate::random::Rng;
use ndarray::ArrayView1;
use rayon::prelude::*;
use statrs::distribution::{ContinuousCDF, Normal};

/// Draws from which it is seen whether a parameter has a fourth moment.
const RESAMPLED: usize = 4000;
/// How near to 0 or 1 the probability of a normal score may come.
const EXTREME: f64 = 1e-9;

/// How well weighted draws know a parameter's variance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Knowledge {
    /// Whether it is that of its normal scores, since its tails are too heavy for moments.
    pub by_ranks: bool,
    /// k̂ of the weights times squared deviations from the mean.
    pub pareto_k: f64,
    /// The Monte Carlo error of the mean, in standard deviations, or of the log standard deviation, whichever
    /// is larger.
    pub error: f64,
}

/// How well the draws know each parameter; none of one that does not vary.
pub fn knowledge(weighted: &WeightedDraws, rng: &mut Rng) -> Vec<Option<Knowledge>> {
    let rows = weighted.resampled_rows(RESAMPLED, rng);
    let parameters = weighted.parameters();
    let columns: Vec<ArrayView1<'_, f64>> = parameters.columns().into_iter().collect();
    columns.into_par_iter().map(|column| of_parameter(column, weighted, &rows)).collect()
}

/// The parameter with the largest k̂.
pub fn least_known(knowledge: &[Option<Knowledge>]) -> Option<(usize, Knowledge)> {
    let known = knowledge.iter().enumerate().filter_map(|(parameter, it)| Some((parameter, (*it)?)));
    known.max_by(|a, b| a.1.pareto_k.total_cmp(&b.1.pareto_k))
}

fn of_parameter(column: ArrayView1<'_, f64>, weighted: &WeightedDraws, rows: &[usize]) -> Option<Knowledge> {
    let weights = weighted.weights();
    let usual: Vec<f64> = rows.iter().map(|&row| column[row]).collect();
    if usual.iter().all(|value| *value == usual[0]) {
        return None;
    }
    let by_ranks = !has_fourth_moment(&usual);
    let values = if by_ranks { normal_scores(column, weights) } else { column.to_vec() };
    let pairs = || values.iter().zip(weights).filter(|(_, w)| **w > 0.0);
    let mean: f64 = pairs().map(|(x, w)| w * x).sum();
    let variance: f64 = pairs().map(|(x, w)| w * (x - mean).powi(2)).sum();
    let of_mean: f64 = pairs().map(|(x, w)| (w * (x - mean)).powi(2)).sum::<f64>() / variance;
    let of_variance: f64 = pairs().map(|(x, w)| (w * ((x - mean).powi(2) - variance)).powi(2)).sum();
    let error = of_mean.sqrt().max(0.5 * of_variance.sqrt() / variance);
    let stretch = if by_ranks { Ranks::among(usual.into_iter()).stretch() } else { 1.0 };
    let logs = values
        .iter()
        .zip(weighted.log_ratios())
        .zip(weights)
        .map(|((x, log), w)| if *w > 0.0 { log + 2.0 * (x - mean).abs().ln() } else { f64::NEG_INFINITY });
    let pareto_k = pareto_k(&logs.collect::<Vec<f64>>());
    Some(Knowledge { by_ranks, pareto_k, error: stretch * error })
}

/// The normal score of each value in the distribution of the weighted values.
fn normal_scores(column: ArrayView1<'_, f64>, weights: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..column.len()).collect();
    order.sort_unstable_by(|&a, &b| column[a].total_cmp(&column[b]));
    let (normal, mut below) = (Normal::standard(), 0.0);
    let mut scores = vec![0.0; column.len()];
    for row in order {
        let probability: f64 = below + 0.5 * weights[row];
        scores[row] = normal.inverse_cdf(probability.clamp(EXTREME, 1.0 - EXTREME));
        below += weights[row];
    }
    scores
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_of_equal_weights_are_those_of_ranks() {
        let column = ndarray::array![3.0, 1.0, 2.0];
        let scores = normal_scores(column.view(), &[1.0 / 3.0; 3]);
        let expected = Normal::standard().inverse_cdf(5.0 / 6.0);
        assert!(
            (scores[0] - expected).abs() < 1e-12 && scores[2].abs() < 1e-12 && (scores[1] + expected).abs() < 1e-12
        );
    }
}
