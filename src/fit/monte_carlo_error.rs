//! How well draws know where their parameters are and how wide: by means and standard deviations, or by ranks where tails
//! are too heavy for moments.

use super::Finding;
use crate::compare::TOLERANCE;
use crate::diagnostics::{Ranks, chains_of, ess_mean, has_fourth_moment, mcse_sd, moments};
use crate::draws::Draws;
use ndarray::{Array1, ArrayView1};
use rayon::prelude::*;

/// The Monte Carlo error, in standard deviations, that is small enough: a third of the tolerance of a comparison.
pub const PRECISE: f64 = TOLERANCE / 3.0;

/// How well draws of Markov chains know a parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Precision {
    /// Whether it is judged by its normal scores, since its tails are too heavy for moments.
    pub by_ranks: bool,
    /// The Monte Carlo error of the mean, in standard deviations, or of the logarithm of the standard deviation,
    /// whichever is larger; by ranks that of the median and the central 68 % interval. NaN where it is not known.
    pub error: f64,
}

/// How well `draws` know each of their first columns, the parameters.
pub fn precision(draws: &Draws, parameters: usize) -> Vec<Precision> {
    (0..parameters).into_par_iter().map(|column| of_chains(&chains_of(draws, column))).collect()
}

fn of_chains(chains: &[ArrayView1<'_, f64>]) -> Precision {
    let values: Vec<f64> = chains.iter().flatten().copied().collect();
    let error = error_of_moments(chains, moments(&values).1);
    if error <= PRECISE || values.iter().any(|value| !value.is_finite()) || has_fourth_moment(&values) {
        return Precision { by_ranks: false, error };
    }
    let ranks = Ranks::among(values.into_iter());
    let scores: Vec<Array1<f64>> = chains.iter().map(|chain| chain.mapv(|value| ranks.score(value))).collect();
    let sd = moments(&scores.iter().flatten().copied().collect::<Vec<f64>>()).1;
    let views: Vec<ArrayView1<f64>> = scores.iter().map(|chain| chain.view()).collect();
    Precision { by_ranks: true, error: ranks.stretch() * error_of_moments(&views, sd) }
}

fn error_of_moments(chains: &[ArrayView1<'_, f64>], sd: f64) -> f64 {
    if sd == 0.0 { 0.0 } else { ess_mean(chains).sqrt().recip().max(mcse_sd(chains) / sd) }
}

/// The parameter that is least precise, where that is too imprecise.
pub fn imprecision(names: &[String], precision: &[Precision]) -> Option<Finding> {
    let (worst, &Precision { by_ranks, error }) =
        precision.iter().enumerate().max_by(|a, b| a.1.error.total_cmp(&b.1.error))?;
    let is_imprecise = error.is_nan() || error > PRECISE;
    is_imprecise.then(|| Finding::Imprecise { parameter: names[worst].clone(), by_ranks, error })
}

/// The parameters that are judged by their ranks; none where there is none.
pub fn note_on_ranks(names: &[String], by_ranks: impl IntoIterator<Item = bool>) -> Option<Finding> {
    let parameters: Vec<String> =
        names.iter().zip(by_ranks).filter(|(_, by_ranks)| *by_ranks).map(|(name, _)| name.clone()).collect();
    (!parameters.is_empty()).then_some(Finding::JudgedByRanks { parameters })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{standard_normal, stream};
    use ndarray::{Array2, aview1};

    #[test]
    fn what_has_no_fourth_moment_is_judged_by_its_ranks() {
        let normal = standard_normal(&mut stream(1, 0), (4000, 2));
        // The second has moments that draws do not show; the third has it too, and hardly moves along a chain.
        let mut values = Array2::zeros((4000, 3));
        let mut slow = 0.0;
        for (normal, mut row) in normal.rows().into_iter().zip(values.rows_mut()) {
            slow = 0.99 * slow + (1.0_f64 - 0.99 * 0.99).sqrt() * normal[1];
            row.assign(&aview1(&[normal[0], (1.5 * normal[1]).exp(), (2.0 * slow).exp()]));
        }
        let names = ["light", "heavy", "slow"].map(String::from).to_vec();
        let draws = Draws::new(names.clone(), values, vec![1000; 4]).unwrap();
        let precision = precision(&draws, 3);
        assert_eq!(precision.iter().map(|it| it.by_ranks).collect::<Vec<bool>>(), [false, true, true]);
        assert_eq!(imprecision(&names, &precision[..2]), None);
        let objection = imprecision(&names, &precision);
        assert!(matches!(objection, Some(Finding::Imprecise { parameter, by_ranks: true, .. }) if parameter == "slow"));
        let by_ranks = precision.iter().map(|it| it.by_ranks);
        let note = Finding::JudgedByRanks { parameters: vec!["heavy".into(), "slow".into()] };
        assert_eq!(note_on_ranks(&names, by_ranks), Some(note));
        assert_eq!(note_on_ranks(&names, [false; 3]), None);
    }
}
