//! Effective sample sizes: how many independent draws would estimate a summary as well as these chains do.

use super::autocorrelation::mean_autocovariance;
use super::quantile::quantile;
use super::rank_normalisation::normal_scores;
use super::split_chains::{sorted, split};
use ndarray::{Array2, ArrayView1, Axis};

/// The effective sample size for the bulk of one quantity's distribution: that of its normal scores over split chains
/// (Vehtari et al. 2021, section 4.1). It stands between the number of draws and, for chains whose draws alternate,
/// that number times its decimal logarithm. NaN for fewer than four draws per chain, draws that are not finite or all
/// equal; so are the other sizes.
pub fn ess_bulk(chains: &[ArrayView1<'_, f64>]) -> f64 {
    split(chains).map_or(f64::NAN, |sequences| of_sequences(&normal_scores(&sequences)))
}

/// The effective sample size for the tails: the smaller of those for the 5 % and 95 % quantiles.
pub fn ess_tail(chains: &[ArrayView1<'_, f64>]) -> f64 {
    let (low, high) = (ess_quantile(chains, 0.05), ess_quantile(chains, 0.95));
    // f64::min would hide that one of them is not defined.
    if low.is_nan() || high.is_nan() { f64::NAN } else { low.min(high) }
}

/// The effective sample size for a quantile: that of the indicator of being at or below it.
pub fn ess_quantile(chains: &[ArrayView1<'_, f64>], probability: f64) -> f64 {
    let cut = quantile(&sorted(chains), probability);
    ess_of(chains, |x| if x.is_finite() { f64::from(x <= cut) } else { f64::NAN })
}

/// The effective sample size for the mean.
pub fn ess_mean(chains: &[ArrayView1<'_, f64>]) -> f64 {
    ess_of(chains, |x| x)
}

/// The effective sample size for the standard deviation: that of the squared distances from the mean.
pub fn ess_sd(chains: &[ArrayView1<'_, f64>]) -> f64 {
    let count: usize = chains.iter().map(|chain| chain.len()).sum();
    let mean = chains.iter().flatten().sum::<f64>() / count as f64;
    ess_of(chains, |x| (x - mean).powi(2))
}

/// The effective sample size for the mean of a function of the quantity, over split chains.
fn ess_of(chains: &[ArrayView1<'_, f64>], function: impl Fn(f64) -> f64) -> f64 {
    let values: Vec<_> = chains.iter().map(|chain| chain.mapv(&function)).collect();
    let views: Vec<_> = values.iter().map(|chain| chain.view()).collect();
    split(&views).map_or(f64::NAN, |sequences| of_sequences(&sequences))
}

/// The effective sample size of sequences (rows) as they are: the autocorrelations of all sequences together, summed in
/// pairs for as long as the pairs are positive and made to fall (Geyer 1992; Vehtari et al. 2021, equations 10 to 13).
pub(super) fn of_sequences(sequences: &Array2<f64>) -> f64 {
    let (count, draws) = sequences.dim();
    let covariances = mean_autocovariance(sequences);
    let within = covariances[0] * draws as f64 / (draws as f64 - 1.0);
    let between = if count > 1 { sequences.sum_axis(Axis(1)).mapv(|sum| sum / draws as f64).var(1.0) } else { 0.0 };
    let variance = covariances[0] + between;
    let correlation = |lag: usize| if lag == 0 { 1.0 } else { 1.0 - (within - covariances[lag]) / variance };

    let mut time = -1.0;
    let mut smallest_pair = f64::INFINITY;
    for lag in (0..draws - 1).step_by(2) {
        let (even, odd) = (correlation(lag), correlation(lag + 1));
        let pair = even + odd;
        // Of the last pair only the even lag counts: it improves the estimate for chains whose draws alternate.
        if pair <= 0.0 || lag + 4 >= draws {
            time += if pair >= 0.0 { even } else { even.max(0.0) };
            break;
        }
        smallest_pair = smallest_pair.min(pair);
        time += 2.0 * smallest_pair;
    }
    let size = (count * draws) as f64;
    size / time.max(1.0 / size.log10())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::aview1;

    #[test]
    fn slow_chains_count_for_little_and_alternating_ones_for_much() {
        // Deterministic stand-ins: a slow wave, and a low-discrepancy sequence that jumps to and fro.
        let slow: Vec<f64> = (0..1000).map(|t| (f64::from(t) * 0.02).sin()).collect();
        let quick: Vec<f64> = (0..1000).map(|t| (f64::from(t) * 0.618_033_988_75).fract()).collect();
        assert!(ess_mean(&[aview1(&slow)]) < 50.0);
        assert!(ess_mean(&[aview1(&quick)]) > 1000.0);
    }

    #[test]
    fn what_has_no_size_is_nan() {
        let constant = [3.0; 10];
        assert!(ess_bulk(&[aview1(&constant)]).is_nan());
        assert!(ess_tail(&[aview1(&constant)]).is_nan());
        for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let draws = [1.0, 2.0, odd, 4.0, 5.0, 6.0];
            assert!(ess_quantile(&[aview1(&draws)], 0.5).is_nan() && ess_tail(&[aview1(&draws)]).is_nan());
        }
        assert!(ess_mean(&[]).is_nan());
        assert!(ess_mean(&[aview1(&[1.0, 2.0, 3.0])]).is_nan());
    }
}
