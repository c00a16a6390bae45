//! Monte Carlo standard errors: how far a summary of the draws may be from the posterior's own.

use super::ess::{ess_mean, ess_quantile, ess_sd};
use super::split_chains::sorted;
use ndarray::ArrayView1;
use statrs::distribution::{Beta, ContinuousCDF};

/// The standard error of the mean. NaN where the effective sample size is.
pub fn mcse_mean(chains: &[ArrayView1<'_, f64>]) -> f64 {
    let (squares, count) = squared_deviations(chains);
    (squares.iter().sum::<f64>() / (count - 1.0) / ess_mean(chains)).sqrt()
}

/// The standard error of the standard deviation, by the delta method from that of the variance. NaN where the effective
/// sample size is.
pub fn mcse_sd(chains: &[ArrayView1<'_, f64>]) -> f64 {
    let (squares, count) = squared_deviations(chains);
    let variance = squares.iter().sum::<f64>() / count;
    let fourth = squares.iter().map(|square| square * square).sum::<f64>() / count;
    ((fourth - variance * variance) / ess_sd(chains) / variance / 4.0).sqrt()
}

/// The standard error of a quantile: half the distance between the order statistics at the central 68 % of the
/// quantile's own probability, a beta distribution (Vehtari et al. 2021, section 4.4). NaN where the effective sample
/// size is.
pub fn mcse_quantile(chains: &[ArrayView1<'_, f64>], probability: f64) -> f64 {
    let ess = ess_quantile(chains, probability);
    let Ok(beta) = Beta::new(ess * probability + 1.0, ess * (1.0 - probability) + 1.0) else { return f64::NAN };
    let ascending = sorted(chains);
    let last = ascending.len() as f64 - 1.0;
    let position = |p: f64| beta.inverse_cdf(p) * ascending.len() as f64 - 1.0;
    let low = position(0.158_655_3).floor().max(0.0);
    let high = position(0.841_344_7).ceil().clamp(0.0, last);
    (ascending[high as usize] - ascending[low as usize]) / 2.0
}

/// The squared distances of all draws from their mean, and how many there are.
fn squared_deviations(chains: &[ArrayView1<'_, f64>]) -> (Vec<f64>, f64) {
    let count = chains.iter().map(|chain| chain.len()).sum::<usize>() as f64;
    let mean = chains.iter().flatten().sum::<f64>() / count;
    (chains.iter().flatten().map(|x| (x - mean).powi(2)).collect(), count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::aview1;

    #[test]
    fn no_size_no_error() {
        let constant = [3.0; 10];
        let chains = [aview1(&constant)];
        assert!(mcse_mean(&chains).is_nan() && mcse_sd(&chains).is_nan() && mcse_quantile(&chains, 0.5).is_nan());
        assert!(mcse_mean(&[]).is_nan() && mcse_quantile(&[], 0.5).is_nan());
    }
}
