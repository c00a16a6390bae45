//! Summaries of draws with their Monte Carlo errors, as tables and files show them.

use super::{bulk::ess_bulk_and_r_hat, chains_of, ess_tail, mcse_mean, quantile, split_chains::sorted};
use crate::draws::Draws;
use rayon::prelude::*;

/// What the draws say about one quantity. Diagnostics that are not defined are NaN.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The quantity's name.
    pub name: String,
    /// Mean of the draws.
    pub mean: f64,
    /// Standard deviation of the draws.
    pub sd: f64,
    /// Monte Carlo standard error of the mean.
    pub mcse: f64,
    /// 5 % quantile.
    pub q5: f64,
    /// Median.
    pub q50: f64,
    /// 95 % quantile.
    pub q95: f64,
    /// Effective sample size for the bulk.
    pub ess_bulk: f64,
    /// Effective sample size for the tails.
    pub ess_tail: f64,
    /// Rank-normalised split R-hat.
    pub r_hat: f64,
}

/// Summaries of all quantities, in the draws' order.
pub fn summarise(draws: &Draws) -> Vec<Summary> {
    (0..draws.names().len())
        .into_par_iter()
        .map(|column| {
            let chains = chains_of(draws, column);
            let ascending = sorted(&chains);
            let values = draws.values();
            let values = values.column(column);
            let (ess_bulk, r_hat) = ess_bulk_and_r_hat(&chains);
            Summary {
                name: draws.names()[column].clone(),
                mean: values.mean().unwrap_or(f64::NAN),
                sd: if values.len() > 1 { values.std(1.0) } else { f64::NAN },
                mcse: mcse_mean(&chains),
                q5: quantile(&ascending, 0.05),
                q50: quantile(&ascending, 0.5),
                q95: quantile(&ascending, 0.95),
                ess_bulk,
                ess_tail: ess_tail(&chains),
                r_hat,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn a_summary_per_quantity() {
        let table = array![[1.0, 5.0], [2.0, 5.0], [4.0, 5.0], [3.0, 5.0], [2.0, 5.0]];
        let draws = Draws::new(vec!["a".into(), "b".into()], table, vec![5]).unwrap();
        let [a, b] = summarise(&draws).try_into().unwrap();
        assert_eq!((a.mean, a.q50, a.q5), (2.4, 2.0, 1.2));
        assert!(a.r_hat.is_finite() && b.r_hat.is_nan() && b.mean == 5.0);
        assert_eq!(b.sd, 0.0);
    }
}
