//! Reference draws of a posterior: what other draws are compared with.

use serde::{Deserialize, Serialize};

use super::Draws;

/// Reference draws of a posterior, with what their description says of them.
#[derive(Debug, Clone)]
pub struct Reference {
    /// The reference posterior's name.
    pub name: String,
    /// The draws, on the constrained scale.
    pub draws: Draws,
    /// How they were made and how good they are.
    pub info: ReferenceInfo,
}

/// How reference draws were made and how good they are, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReferenceInfo {
    /// How the draws were made, such as `stan_sampling`.
    pub method: Option<String>,
    /// Bulk effective sample sizes, one for each quantity.
    pub ess_bulk: Vec<f64>,
    /// R-hat, one for each quantity.
    pub r_hat: Vec<f64>,
    /// What is known of quantities without draws.
    pub summaries: Summaries,
}

/// Moments, quantiles and diagnostics of quantities whose reference draws are not kept. Every list has one element for
/// each name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Summaries {
    /// The quantities' names.
    pub names: Vec<String>,
    /// Means.
    pub mean: Vec<f64>,
    /// Standard deviations.
    pub sd: Vec<f64>,
    /// Monte Carlo standard errors of the means.
    pub mcse_mean: Vec<f64>,
    /// 5 % quantiles.
    pub q5: Vec<f64>,
    /// 16 % quantiles.
    pub q16: Vec<f64>,
    /// Medians.
    pub q50: Vec<f64>,
    /// 84 % quantiles.
    pub q84: Vec<f64>,
    /// 95 % quantiles.
    pub q95: Vec<f64>,
    /// Whether the tails are too heavy for mean and standard deviation to be reproducible.
    pub heavy_tailed: Vec<bool>,
    /// Bulk effective sample sizes.
    pub effective_sample_size_bulk: Vec<f64>,
    /// Tail effective sample sizes.
    pub effective_sample_size_tail: Vec<f64>,
    /// R-hat.
    pub r_hat: Vec<f64>,
}

impl Summaries {
    /// How many quantities there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}
