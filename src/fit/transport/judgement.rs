//! Whether weighted draws of a map can be trusted.

use super::super::monte_carlo_error::{PRECISE, note_on_ranks};
use super::super::weighted_draws::WeightedDraws;
use super::super::{Finding, Proposal, Verdict};
use super::importance::MapImportance;
use crate::diagnostics::{Ranks, has_fourth_moment, pareto_k, pareto_k_threshold};
use crate::random::Rng;
use ndarray::ArrayView1;
use rayon::prelude::*;
use statrs::distribution::{ContinuousCDF, Normal};

/// The k̂ of a variance's weights beyond which the draws see too little of a tail. Over 124 answers with
/// known errors k̂ of the weights alone passed 11 wrong ones; this, the two below and 0.7 for the weights
/// passed none.
pub const KNOWN: f64 = 0.6;
/// The share of the draws that they must be worth.
const WORTH: f64 = 0.2;
/// How far the mean log weight at the chains' states may lie from that of the weighted draws: 0.1 where
/// answers were right, 0.2 to 3.3 where the draws missed a part of the posterior.
const GAP: f64 = 0.2;
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

/// The verdict on the draws of `importance`; `names` are those of the parameters.
pub fn verdict(importance: &MapImportance, names: &[String]) -> Verdict {
    let MapImportance { weighted, knowledge, elbo, gap } = importance;
    let draws = weighted.draws().nrows();
    let (k, threshold) = (weighted.pareto_k(), pareto_k_threshold(draws));
    let least_known = least_known(knowledge);
    let mut verdict = Verdict {
        elbo: *elbo,
        pareto_k: k,
        pareto_k_of_variances: least_known.map_or(f64::NEG_INFINITY, |(_, it)| it.pareto_k),
        ..Verdict::default()
    };
    if k > threshold {
        verdict.objections.push(Finding::ParetoK { proposal: Proposal::TriangularMap, k, threshold });
    }
    if let Some((parameter, it)) = least_known.filter(|(_, it)| k <= threshold && it.pareto_k > KNOWN) {
        let parameter = names[parameter].clone();
        verdict.objections.push(Finding::ParetoKOfVariance { parameter, k: it.pareto_k, threshold: KNOWN });
    }
    let effective = weighted.effective_draws();
    if k <= threshold && effective < WORTH * draws as f64 {
        verdict.objections.push(Finding::FewEffectiveDraws { effective, draws });
    }
    let error = knowledge.iter().flatten().map(|it| it.error).fold(0.0, f64::max);
    if k <= threshold && error > PRECISE {
        verdict.objections.push(Finding::ImportanceError { error, draws });
    }
    if gap.is_nan() || gap.abs() > GAP {
        verdict.objections.push(Finding::ChainsDisagree { gap: *gap });
    }
    verdict.notes.extend(note_on_ranks(names, knowledge.iter().map(|it| it.is_some_and(|it| it.by_ranks))));
    verdict
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
    use crate::random::{standard_normal, stream};
    use ndarray::Array2;

    /// Nearly equally weighted draws: a normal, one whose fourth moment draws do not show, and a constant.
    fn importance(gap: f64, log_ratio: impl Fn(usize) -> f64) -> MapImportance {
        let normal = standard_normal(&mut stream(1, 0), (8000, 1));
        let values = Array2::from_shape_fn((8000, 3), |(row, column)| match column {
            0 => normal[[row, 0]],
            1 => (2.0 * normal[[row, 0]]).exp(),
            _ => 1.0,
        });
        let noise = standard_normal(&mut stream(3, 0), (8000, 1));
        let log_ratios = (0..8000).map(|row| 0.1 * noise[[row, 0]] + log_ratio(row)).collect();
        let weighted = WeightedDraws::new(values.clone(), values, log_ratios);
        let knowledge = knowledge(&weighted, &mut stream(2, 0));
        MapImportance { weighted, knowledge, elbo: -1.0, gap }
    }

    fn codes(importance: &MapImportance) -> Vec<&'static str> {
        let names = ["light", "heavy", "constant"].map(str::to_owned);
        verdict(importance, &names).objections.iter().map(Finding::code).collect()
    }

    #[test]
    fn heavy_tails_are_judged_by_ranks_and_constants_not_at_all() {
        let importance = importance(0.0, |_| 0.0);
        let known = &importance.knowledge;
        assert!(!known[0].unwrap().by_ranks && known[1].unwrap().by_ranks && known[2].is_none());
        assert!(known[1].unwrap().pareto_k < 0.3, "normal scores are light-tailed: {known:?}");
        assert_eq!(codes(&importance), [""; 0]);
    }

    #[test]
    fn what_the_chains_see_elsewhere_is_an_objection() {
        assert_eq!(codes(&importance(0.3, |_| 0.0)), ["chains-disagree"]);
        assert_eq!(codes(&importance(-0.3, |_| 0.0)), ["chains-disagree"]);
        assert_eq!(codes(&importance(f64::NAN, |_| 0.0)), ["chains-disagree"]);
    }

    #[test]
    fn few_draws_that_carry_the_weight_are_an_objection() {
        // A tenth of the draws has all but a little of the weight, without a tail.
        let objections = codes(&importance(0.0, |row| if row % 10 == 0 { 5.0 } else { 0.0 }));
        assert!(objections.contains(&"few-effective-draws"), "{objections:?}");
    }

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
