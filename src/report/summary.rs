//! What a few numbers say of draws.

use crate::diagnostics::{moments, quantile};

/// Moments and quantiles of the finite draws; NaN without any.
#[derive(Debug, Clone, Copy)]
pub struct Summary {
    pub mean: f64,
    pub sd: f64,
    pub q5: f64,
    pub q95: f64,
}

impl Summary {
    pub fn of(draws: &[f64]) -> Self {
        let mut ascending: Vec<f64> = draws.iter().copied().filter(|draw| draw.is_finite()).collect();
        ascending.sort_by(f64::total_cmp);
        let (mean, sd) = moments(&ascending);
        let (q5, q95) = (quantile(&ascending, 0.05), quantile(&ascending, 0.95));
        Self { mean, sd, q5, q95 }
    }
}
