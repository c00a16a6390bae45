//! Summaries of a fit's draws, as tables and files show them.

use super::Fit;
use crate::diagnostics::quantile;
use ndarray::Axis;
use rayon::prelude::*;

/// The summary of one quantity's draws.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantitySummary {
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
    /// How many independent draws the draws are worth.
    pub ess: f64,
}

impl Fit {
    /// Summaries of all quantities, in the draws' order.
    pub fn summaries(&self) -> Vec<QuantitySummary> {
        let columns = self.draws.values();
        let columns = columns.axis_iter(Axis(1)).into_par_iter();
        (columns.zip(self.draws.names()).zip(&self.effective_draws))
            .map(|((column, name), &ess)| {
                let mut ascending = column.to_vec();
                ascending.sort_unstable_by(f64::total_cmp);
                let (mean, sd) = (column.mean().unwrap_or(f64::NAN), column.std(1.0));
                QuantitySummary {
                    name: name.clone(),
                    mean,
                    sd,
                    mcse: sd / ess.sqrt(),
                    q5: quantile(&ascending, 0.05),
                    q50: quantile(&ascending, 0.5),
                    q95: quantile(&ascending, 0.95),
                    ess,
                }
            })
            .collect()
    }
}
