//! Pareto-smoothed importance sampling (Vehtari, Simpson, Gelman, Yao and Gabry, arXiv 1507.02646): importance weights
//! whose largest are replaced by quantiles of a fitted generalised Pareto distribution, and its shape k̂, which says
//! how far the weights can be trusted.

/// Smoothed importance weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Psis {
    /// The weights, in the order of the ratios they came from, summing to 1.
    pub weights: Vec<f64>,
    /// The shape k̂ of the largest weights' distribution; infinite where too few are distinct to fit it.
    pub pareto_k: f64,
}

/// The k̂ up to which smoothed weights of `draws` draws can be trusted: min(0.7, 1 − 1/log₁₀ S).
pub fn pareto_k_threshold(draws: usize) -> f64 {
    (1.0 - (draws as f64).log10().recip()).min(0.7)
}

/// Fewer exceedances than this do not make a fit.
const SMALLEST_TAIL: usize = 5;

/// Smooths the weights with the logarithms `log_ratios` (log p − log q, up to a constant). A ratio of −∞ is a weight of
/// zero; one that is NaN is taken for that.
///
/// ```
/// use stanmatch::diagnostics::{pareto_k_threshold, psis};
/// use stanmatch::random::{standard_normal, stream};
///
/// // Draws of N(0, 1) as draws of N(0, s²): the weights are bounded for s < 1, and have no variance for s² ≥ 2.
/// let draws = standard_normal(&mut stream(1, 0), (40_000, 1));
/// let weigh = |s: f64| psis(&draws.iter().map(|x| 0.5 * x * x * (1.0 - 1.0 / (s * s))).collect::<Vec<_>>());
/// let (narrow, wide) = (weigh(0.8), weigh(10.0));
/// assert!(narrow.pareto_k < 0.0 && wide.pareto_k > pareto_k_threshold(40_000));
/// let variance: f64 = narrow.weights.iter().zip(&draws).map(|(weight, x)| weight * x * x).sum();
/// assert!((variance - 0.64).abs() < 0.05);
/// ```
pub fn psis(log_ratios: &[f64]) -> Psis {
    let count = log_ratios.len();
    let Some(mut logs) = relative_to_largest(log_ratios) else {
        return Psis { weights: vec![1.0 / count.max(1) as f64; count], pareto_k: f64::INFINITY };
    };
    let mut pareto_k = f64::INFINITY;
    if let Some(tail) = Tail::fit(&logs) {
        pareto_k = tail.k;
        if tail.k.is_finite() {
            for (rank, &index) in tail.order.iter().enumerate() {
                let probability = (rank as f64 + 0.5) / tail.order.len() as f64;
                let quantile = tail.threshold + pareto_quantile(probability, tail.k, tail.sigma);
                // No smoothed weight exceeds the largest raw one.
                logs[index] = quantile.ln().min(0.0);
            }
        }
    }
    let total: f64 = logs.iter().map(|log| log.exp()).sum();
    Psis { weights: logs.iter().map(|log| log.exp() / total).collect(), pareto_k }
}

/// The shape k̂ of the upper tail of values with the logarithms `logs`, such as weights times a positive function of
/// the draws: the mean of values with k̂ above [`pareto_k_threshold`] is not to be had from so many of them (section
/// 2.4 of the PSIS paper). Infinite where too few are distinct to fit it.
pub fn pareto_k(logs: &[f64]) -> f64 {
    relative_to_largest(logs).and_then(|logs| Tail::fit(&logs)).map_or(f64::INFINITY, |tail| tail.k)
}

/// The logarithms less the largest of them, NaN taken for −∞; none where none is finite.
fn relative_to_largest(logs: &[f64]) -> Option<Vec<f64>> {
    let largest = logs.iter().copied().filter(|log| !log.is_nan()).fold(f64::NEG_INFINITY, f64::max);
    let relative = |&log: &f64| if log.is_nan() { f64::NEG_INFINITY } else { log - largest };
    largest.is_finite().then(|| logs.iter().map(relative).collect())
}

/// The largest of some values with a generalised Pareto distribution fitted to what they exceed a threshold by.
struct Tail {
    /// Their indices, the smallest first.
    order: Vec<usize>,
    threshold: f64,
    k: f64,
    sigma: f64,
}

impl Tail {
    /// The tail of values with the logarithms `logs`, of which the largest is 0; none where too few are distinct.
    fn fit(logs: &[f64]) -> Option<Self> {
        let count = logs.len() as f64;
        let length = (0.2 * count).min(3.0 * count.sqrt()).ceil() as usize;
        let below = logs.len().checked_sub(length + 1)?;
        let mut order: Vec<usize> = (0..logs.len()).collect();
        let (_, &mut cutoff, _) = order.select_nth_unstable_by(below, |&a, &b| logs[a].total_cmp(&logs[b]));
        // Weights below the smallest positive number are as good as zero: they cannot be a threshold.
        let cutoff = logs[cutoff].max(f64::MIN_POSITIVE.ln());
        order.drain(..=below);
        order.retain(|&index| logs[index] > cutoff);
        order.sort_unstable_by(|&a, &b| logs[a].total_cmp(&logs[b]).then(a.cmp(&b)));
        if order.len() < SMALLEST_TAIL {
            return None;
        }
        let threshold = cutoff.exp();
        // Of nearly equal weights the difference of their exponentials would round to nothing.
        let exceedances: Vec<f64> = order.iter().map(|&index| threshold * (logs[index] - cutoff).exp_m1()).collect();
        let (k, sigma) = fit_generalised_pareto(&exceedances);
        Some(Self { order, threshold, k, sigma })
    }
}

/// The quantile of the generalised Pareto distribution with location 0.
fn pareto_quantile(probability: f64, k: f64, sigma: f64) -> f64 {
    let log_survival = (-probability).ln_1p();
    if k == 0.0 { -sigma * log_survival } else { sigma * (-k * log_survival).exp_m1() / k }
}

/// Shape and scale of a generalised Pareto distribution for ascending, positive values: the quasi-Bayesian estimate of
/// Zhang and Stephens (2009), with k̂ drawn towards 0.5 by a weak prior (appendix C of the PSIS paper).
fn fit_generalised_pareto(ascending: &[f64]) -> (f64, f64) {
    let count = ascending.len() as f64;
    let largest = ascending[ascending.len() - 1];
    let quartile = ascending[((count / 4.0 + 0.5) as usize).max(1) - 1];
    let grid = 30 + count.sqrt() as usize;
    let mean_log = |b: f64| ascending.iter().map(|x| (-b * x).ln_1p()).sum::<f64>() / count;
    let candidates: Vec<(f64, f64)> = (1..=grid)
        .map(|j| {
            let b = (1.0 - (grid as f64 / (j as f64 - 0.5)).sqrt()) / (3.0 * quartile) + largest.recip();
            let k = mean_log(b);
            (b, count * ((-b / k).ln() - k - 1.0))
        })
        .collect();
    let best = candidates.iter().map(|c| c.1).fold(f64::NEG_INFINITY, f64::max);
    let weighted = candidates.iter().map(|&(b, likelihood)| (b, (likelihood - best).exp()));
    let (mut total, mut sum) = (0.0, 0.0);
    for (b, weight) in weighted.filter(|&(_, weight)| weight.is_finite()) {
        total += weight;
        sum += weight * b;
    }
    let b = sum / total;
    let k = mean_log(b);
    let sigma = -k / b;
    let (prior_count, prior_k) = (10.0, 0.5);
    ((count * k + prior_count * prior_k) / (count + prior_count), sigma)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Rng, stream};
    use rand::RngExt;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Case {
        name: String,
        log_ratios: Vec<f64>,
        pareto_k: f64,
        log_weights: Vec<f64>,
    }

    /// Values computed by ArviZ: tests/python/psis.py.
    #[test]
    fn weights_and_k_are_arvizs() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("../../tests/fixtures/psis.json")).unwrap();
        assert!(cases.len() >= 4);
        for case in cases {
            let ours = psis(&case.log_ratios);
            assert!(
                (ours.pareto_k - case.pareto_k).abs() < 1e-6,
                "{}: {} and {}",
                case.name,
                ours.pareto_k,
                case.pareto_k
            );
            for (weight, log) in ours.weights.iter().zip(&case.log_weights) {
                assert!((weight - log.exp()).abs() < 1e-8, "{}: {weight} and {}", case.name, log.exp());
            }
        }
    }

    fn uniform(rng: &mut Rng) -> f64 {
        1.0 - rng.random_range(0.0..1.0)
    }

    /// Ratios u^(−k) of uniform u have a Pareto tail of shape k.
    #[test]
    fn the_shape_of_a_pareto_tail_is_found() {
        for shape in [0.2, 0.5, 0.9] {
            let mut rng = stream(11, 0);
            let logs: Vec<f64> = (0..100_000).map(|_| -shape * uniform(&mut rng).ln()).collect();
            let k = psis(&logs).pareto_k;
            assert!((k - shape).abs() < 0.1, "{k} for {shape}");
        }
    }

    #[test]
    fn degenerate_ratios_are_handled() {
        let equal = psis(&[3.0; 100]);
        assert!(equal.weights.iter().all(|w| (w - 0.01).abs() < 1e-12));
        assert!(psis(&[f64::NEG_INFINITY; 10]).pareto_k.is_infinite());
        assert!(psis(&[]).weights.is_empty());
        let mut one = vec![f64::NEG_INFINITY; 1000];
        one[7] = 0.0;
        one[8] = f64::NAN;
        let single = psis(&one);
        assert_eq!((single.weights[7], single.weights[8]), (1.0, 0.0));
        assert!(single.pareto_k.is_infinite());
    }
}
