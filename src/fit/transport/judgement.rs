//! Whether weighted draws of a map can be trusted.

use super::super::monte_carlo_error::{PRECISE, note_on_ranks};
use super::super::{Finding, Proposal, Verdict};
use super::importance::MapImportance;
use super::knowledge::least_known;
use crate::diagnostics::pareto_k_threshold;

/// The share of the draws that they must be worth.
const WORTH: f64 = 0.2;
/// How far the mean log weight at the chains' states may lie from that of the weighted draws: 0.1 where
/// answers were right, 0.2 to 3.3 where the draws missed a part of the posterior.
const GAP: f64 = 0.2;

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
    if let Some((parameter, it)) = least_known.filter(|(_, it)| k <= threshold && it.pareto_k > threshold) {
        let parameter = names[parameter].clone();
        verdict.objections.push(Finding::ParetoKOfVariance { parameter, k: it.pareto_k, threshold });
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

#[cfg(test)]
mod tests {
    use super::super::super::weighted_draws::WeightedDraws;
    use super::super::knowledge::knowledge;
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
}
