//! Draws weighted towards the posterior, by importance sampling from whatever made them.

use super::monte_carlo_error::PRECISE;
use super::{Finding, Proposal};
use crate::diagnostics::{Psis, pareto_k, pareto_k_threshold, psis};
use crate::model::{Model, Target};
use crate::random::Rng;
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use rand::RngExt;
use rand::seq::SliceRandom;
use rayon::prelude::*;
use std::sync::OnceLock;

/// The k̂ of the weights of a variance beyond which a few thousand draws see too little of a tail to tell how little.
const KNOWN: f64 = 0.6;

/// Draws with Pareto-smoothed weights (arXiv 1507.02646).
#[derive(Debug)]
pub struct WeightedDraws {
    draws: Array2<f64>,
    parameters: Array2<f64>,
    log_ratios: Vec<f64>,
    psis: Psis,
    monte_carlo_error: f64,
    spread: OnceLock<Option<Spread>>,
}

/// The parameter whose variance the weighted draws know least about.
#[derive(Debug)]
struct Spread {
    parameter: usize,
    pareto_k: f64,
}

/// What importance weights say of the draws.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportanceJudgement {
    /// k̂ of the weights.
    pub pareto_k: f64,
    /// The largest k̂ of the weights times a parameter's squared deviations; −∞ where no parameter varies.
    pub pareto_k_of_variances: f64,
    /// What speaks against the draws.
    pub objection: Option<Finding>,
    /// What to know about draws that can be trusted as a whole: a standard deviation that they may have wrong.
    pub caution: Option<Finding>,
}

impl WeightedDraws {
    /// Weighs `draws` (S × D, on the unconstrained scale) by `log_ratios`, log p − log q. `parameters` are the
    /// constrained parameters of the draws, whose variances and Monte Carlo errors count.
    pub fn new(draws: Array2<f64>, parameters: Array2<f64>, log_ratios: Vec<f64>) -> Self {
        let psis = psis(&log_ratios);
        let monte_carlo_error = largest_error(&parameters, &psis.weights);
        Self { draws, parameters, log_ratios, psis, monte_carlo_error, spread: OnceLock::new() }
    }

    /// The draws, their parameters and the logarithms of their raw weights.
    pub fn into_parts(self) -> (Array2<f64>, Array2<f64>, Vec<f64>) {
        (self.draws, self.parameters, self.log_ratios)
    }

    /// The draws, S × D.
    pub fn draws(&self) -> ArrayView2<'_, f64> {
        self.draws.view()
    }

    /// The constrained parameters of the draws, S × P.
    pub fn parameters(&self) -> ArrayView2<'_, f64> {
        self.parameters.view()
    }

    /// The logarithms of the raw weights.
    pub fn log_ratios(&self) -> &[f64] {
        &self.log_ratios
    }

    /// The smoothed weights, which sum to one.
    pub fn weights(&self) -> &[f64] {
        &self.psis.weights
    }

    /// The shape of the weights' tail.
    pub fn pareto_k(&self) -> f64 {
        self.psis.pareto_k
    }

    /// Whether k̂ is small enough for the weights to be used.
    pub fn is_trusted(&self) -> bool {
        self.pareto_k() <= self.threshold()
    }

    /// Whether the mean and standard deviation of every parameter have a small Monte Carlo error.
    pub fn is_precise(&self) -> bool {
        self.monte_carlo_error <= PRECISE
    }

    /// Whether that error is to be believed of every standard deviation.
    pub fn knows_variances(&self) -> bool {
        self.spread().is_none_or(|spread| spread.pareto_k <= KNOWN)
    }

    /// The parameter whose variance the draws know least about; none where no parameter varies. It takes a sort of all
    /// draws for each parameter, and is not always asked for.
    fn spread(&self) -> Option<&Spread> {
        let find = || least_known_spread(&self.parameters, &self.log_ratios, self.weights());
        self.spread.get_or_init(find).as_ref()
    }

    fn threshold(&self) -> f64 {
        pareto_k_threshold(self.draws.nrows())
    }

    /// What the weights say of the draws, which `proposal` made; `names` are those of the parameters.
    pub fn judge(&self, proposal: Proposal, names: &[String]) -> ImportanceJudgement {
        let threshold = self.threshold();
        let caution = self
            .spread()
            .filter(|it| self.is_trusted() && it.pareto_k > threshold)
            .map(|it| Finding::ParetoKOfVariance { parameter: names[it.parameter].clone(), k: it.pareto_k, threshold });
        ImportanceJudgement {
            pareto_k: self.pareto_k(),
            pareto_k_of_variances: self.spread().map_or(f64::NEG_INFINITY, |spread| spread.pareto_k),
            objection: self.objection(proposal),
            caution,
        }
    }

    /// What speaks against the weighted draws, if anything.
    fn objection(&self, proposal: Proposal) -> Option<Finding> {
        let (k, threshold) = (self.pareto_k(), self.threshold());
        if k > threshold {
            return Some(Finding::ParetoK { proposal, k, threshold });
        }
        let (error, draws) = (self.monte_carlo_error, self.draws.nrows());
        (!self.is_precise()).then_some(Finding::ImportanceError { error, draws })
    }

    /// How many independent draws the weighted draws are worth, 1/Σw².
    pub fn effective_draws(&self) -> f64 {
        self.weights().iter().map(|w| w * w).sum::<f64>().recip()
    }

    /// `count` equally weighted draws in random order, by systematic resampling, which adds the least noise.
    pub fn resample(&self, count: usize, rng: &mut Rng) -> Array2<f64> {
        self.draws.select(Axis(0), &self.resampled_rows(count, rng))
    }

    /// The rows of the draws of [`resample`](Self::resample).
    pub fn resampled_rows(&self, count: usize, rng: &mut Rng) -> Vec<usize> {
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
        chosen
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
pub fn constrained_parameters(model: &dyn Model, points: &Array2<f64>) -> Array2<f64> {
    let mut parameters = Array2::zeros((points.nrows(), model.parameter_count()));
    let pairs = points.axis_iter(Axis(0)).into_par_iter().zip(parameters.axis_iter_mut(Axis(0)));
    pairs.for_each(|(point, mut row)| {
        let row = row.as_slice_mut().expect("rows are contiguous");
        if model.constrain_parameters(point.as_slice().expect("rows are contiguous"), row).is_err() {
            row.fill(f64::NAN);
        }
    });
    parameters
}

/// The parameter (column) with the largest k̂ of weights times squared deviations from the weighted mean; none where no
/// parameter varies.
fn least_known_spread(parameters: &Array2<f64>, log_ratios: &[f64], weights: &[f64]) -> Option<Spread> {
    let spread = |parameter: usize| {
        let column = parameters.column(parameter).to_vec();
        let weighted = || column.iter().zip(weights).filter(|(_, w)| **w > 0.0);
        let mean: f64 = weighted().map(|(x, w)| w * x).sum();
        let varies = weighted().any(|(&x, _)| x != mean);
        let logs = column.iter().zip(log_ratios).map(|(x, log)| log + 2.0 * (x - mean).abs().ln());
        varies.then(|| Spread { parameter, pareto_k: pareto_k(&logs.collect::<Vec<f64>>()) })
    };
    let spreads = (0..parameters.ncols()).into_par_iter().filter_map(spread);
    spreads.reduce_with(|a, b| if b.pareto_k > a.pareto_k { b } else { a })
}

/// The largest Monte Carlo standard error of a weighted mean, in standard deviations, or of a log standard deviation,
/// over the columns (delta method on the self-normalised weights). Points of no weight do not count, whatever their
/// values.
fn largest_error(columns: &Array2<f64>, weights: &[f64]) -> f64 {
    let error = |column: ArrayView1<f64>| {
        let column: Vec<(f64, f64)> =
            column.iter().zip(weights).filter(|(_, w)| **w > 0.0).map(|(&x, &w)| (x, w)).collect();
        let mean = total(&column, |x, w| w * x);
        let variance = total(&column, |x, w| w * (x - mean).powi(2));
        if variance <= 0.0 {
            return 0.0;
        }
        let of_mean = total(&column, |x, w| (w * (x - mean)).powi(2)) / variance;
        let of_variance = total(&column, |x, w| (w * ((x - mean).powi(2) - variance)).powi(2));
        of_mean.sqrt().max(0.5 * of_variance.sqrt() / variance)
    };
    let errors: Vec<f64> = columns.axis_iter(Axis(1)).into_par_iter().map(error).collect();
    errors.into_iter().fold(0.0, |largest, error| if error > largest || error.is_nan() { error } else { largest })
}

fn total(weighted: &[(f64, f64)], term: impl Fn(f64, f64) -> f64) -> f64 {
    weighted.iter().map(|&(x, w)| term(x, w)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::stream;
    use ndarray::array;

    /// Nearly equal weights, a parameter with bounded values, and one whose squares have a Pareto tail of shape `k`.
    fn weighted(k: f64) -> WeightedDraws {
        let mut rng = stream(3, 0);
        let mut uniform = || 1.0 - rng.random_range(0.0..1.0_f64);
        let values = Array2::from_shape_fn((16_000, 2), |(row, column)| {
            let sign = if row % 2 == 0 { 1.0 } else { -1.0 };
            if column == 0 { uniform() } else { sign * uniform().powf(-0.5 * k) }
        });
        let log_ratios = (0..values.nrows()).map(|_| 0.1 * uniform()).collect();
        WeightedDraws::new(values.clone(), values, log_ratios)
    }

    fn judged(weighted: &WeightedDraws) -> ImportanceJudgement {
        weighted.judge(Proposal::Gaussian, &["light", "heavy"].map(str::to_owned))
    }

    #[test]
    fn a_parameter_whose_variance_cannot_be_known_is_named() {
        let known = judged(&weighted(0.3));
        assert_eq!((known.objection, known.caution), (None, None));
        let unknown = judged(&weighted(0.9));
        assert!(unknown.pareto_k < 0.3 && (unknown.pareto_k_of_variances - 0.9).abs() < 0.15);
        let caution = unknown.caution.unwrap();
        assert!(matches!(&caution, Finding::ParetoKOfVariance { parameter, .. } if parameter == "heavy"), "{caution}");
    }

    #[test]
    fn what_does_not_vary_has_no_variance_to_be_known() {
        let log_ratios = (0..1000).map(|i| 1e-3 * f64::from(i)).collect();
        let weighted = WeightedDraws::new(Array2::zeros((1000, 1)), Array2::zeros((1000, 1)), log_ratios);
        assert_eq!(judged(&weighted).pareto_k_of_variances, f64::NEG_INFINITY);
        assert!(weighted.is_trusted() && weighted.is_precise());
    }

    #[test]
    fn a_rejected_draw_has_no_part() {
        let values = array![[1.0], [2.0], [f64::NAN]];
        let weighted = WeightedDraws::new(values.clone(), values, vec![0.0, 0.0, f64::NEG_INFINITY]);
        assert_eq!(weighted.weights()[2], 0.0);
        assert!(!weighted.is_trusted(), "three draws show nothing");
    }
}
