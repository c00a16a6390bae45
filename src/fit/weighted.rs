//! Draws weighted towards the posterior, by importance sampling from whatever made them.

use crate::compare::TOLERANCE;
use crate::diagnostics::{Psis, pareto_k_threshold, psis};
use crate::random::Rng;
use crate::target::{StanTarget, Target};
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use rand::RngExt;
use rand::seq::SliceRandom;
use rayon::prelude::*;

/// The Monte Carlo error, in standard deviations, that is small enough: a third of the tolerance of a comparison.
const PRECISE: f64 = TOLERANCE / 3.0;

/// Draws with Pareto-smoothed weights (arXiv 1507.02646).
pub struct WeightedDraws {
    draws: Array2<f64>,
    psis: Psis,
    monte_carlo_error: f64,
}

impl WeightedDraws {
    /// Weighs `draws` (S × D, on the unconstrained scale) by `log_ratios`, log p − log q. `parameters` are the constrained
    /// parameters of the draws, whose Monte Carlo errors count.
    pub fn new(draws: Array2<f64>, parameters: &Array2<f64>, log_ratios: &[f64]) -> Self {
        let psis = psis(log_ratios);
        let monte_carlo_error = largest_error(parameters, &psis.weights);
        Self { draws, psis, monte_carlo_error }
    }

    /// The draws, S × D.
    pub fn draws(&self) -> ArrayView2<'_, f64> {
        self.draws.view()
    }

    /// The smoothed weights, which sum to one.
    pub fn weights(&self) -> &[f64] {
        &self.psis.weights
    }

    /// The shape of the weights' tail.
    pub fn pareto_k(&self) -> f64 {
        self.psis.pareto_k
    }

    /// Whether k̂ allows to use the weights.
    pub fn is_trusted(&self) -> bool {
        self.pareto_k() <= self.threshold()
    }

    /// Whether the mean and standard deviation of every parameter have a small Monte Carlo error.
    pub fn is_precise(&self) -> bool {
        self.monte_carlo_error <= PRECISE
    }

    fn threshold(&self) -> f64 {
        pareto_k_threshold(self.draws.nrows())
    }

    /// What speaks against the weighted draws, if anything. `proposal` is what made them.
    pub fn objection(&self, proposal: &str) -> Option<String> {
        if !self.is_trusted() {
            return Some(format!(
                "Pareto k is {:.2}, above {:.2}: {proposal} is too far from the posterior for importance sampling to correct it",
                self.pareto_k(),
                self.threshold()
            ));
        }
        (!self.is_precise()).then(|| {
            format!(
                "the Monte Carlo error of a mean or standard deviation is {:.3} standard deviations even after {} importance draws",
                self.monte_carlo_error,
                self.draws.nrows()
            )
        })
    }

    /// How many independent draws the weighted draws are worth, 1/Σw².
    pub fn effective_draws(&self) -> f64 {
        self.weights().iter().map(|w| w * w).sum::<f64>().recip()
    }

    /// `count` equally weighted draws in random order, by systematic resampling, which adds the least noise.
    pub fn resample(&self, count: usize, rng: &mut Rng) -> Array2<f64> {
        let weights = self.weights();
        let offset: f64 = rng.random_range(0.0..1.0);
        let mut chosen = Vec::with_capacity(count);
        let (mut cumulative, mut row) = (weights[0], 0);
        for index in 0..count {
            let position = (index as f64 + offset) / count as f64;
            while cumulative < position && row + 1 < weights.len() {
                row += 1;
                cumulative += weights[row];
            }
            chosen.push(row);
        }
        chosen.shuffle(rng);
        self.draws.select(Axis(0), &chosen)
    }
}

/// The log density at each point; −∞ where the target rejects it.
pub fn log_densities<T: Target>(target: &T, points: &Array2<f64>) -> Vec<f64> {
    let evaluate = |row| {
        let point = points.row(row);
        target.log_density(point.as_slice().expect("rows are contiguous")).unwrap_or(f64::NEG_INFINITY)
    };
    (0..points.nrows()).into_par_iter().map(evaluate).collect()
}

/// The constrained parameters at each point; NaN where the program rejects it.
pub fn constrained_parameters(model: &StanTarget, points: &Array2<f64>) -> Array2<f64> {
    let mut parameters = Array2::zeros((points.nrows(), model.parameter_count()));
    for (point, mut row) in points.rows().into_iter().zip(parameters.rows_mut()) {
        let row = row.as_slice_mut().expect("rows are contiguous");
        if model.constrain_parameters(point.as_slice().expect("rows are contiguous"), row).is_err() {
            row.fill(f64::NAN);
        }
    }
    parameters
}

/// The largest Monte Carlo standard error of a weighted mean, in standard deviations, or of a log standard deviation, over
/// the columns (delta method on the self-normalised weights). Points of no weight do not count, whatever their values.
fn largest_error(columns: &Array2<f64>, weights: &[f64]) -> f64 {
    let error = |column: ArrayView1<f64>| {
        let weighted = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
            column.iter().zip(weights).filter(|(_, w)| **w > 0.0).map(|(&x, &w)| f(x, w)).sum()
        };
        let mean = weighted(&|x, w| w * x);
        let variance = weighted(&|x, w| w * (x - mean).powi(2));
        if variance <= 0.0 {
            return 0.0;
        }
        let of_mean = weighted(&|x, w| (w * (x - mean)).powi(2)) / variance;
        let of_variance = weighted(&|x, w| (w * ((x - mean).powi(2) - variance)).powi(2));
        of_mean.sqrt().max(0.5 * of_variance.sqrt() / variance)
    };
    columns
        .columns()
        .into_iter()
        .map(error)
        .fold(0.0, |largest, error| if error > largest || error.is_nan() { error } else { largest })
}
