//! The two diagnostics of the bulk, which rank the same draws.

use super::{ess, rank_normalisation::normal_scores, rhat, split_chains::split};
use ndarray::ArrayView1;

/// [`ess_bulk`](super::ess_bulk) and [`r_hat`](super::r_hat) of one quantity, with its draws ranked once.
pub fn ess_bulk_and_r_hat(chains: &[ArrayView1<'_, f64>]) -> (f64, f64) {
    let Some(sequences) = split(chains) else { return (f64::NAN, f64::NAN) };
    let scores = normal_scores(&sequences);
    (ess::of_sequences(&scores), rhat::of_ranked(&sequences, &scores))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::{ess_bulk, r_hat};
    use ndarray::aview1;

    #[test]
    fn both_are_what_each_alone_is() {
        let draws: Vec<f64> = (0..1000).map(|t| (f64::from(t) * 0.618_033_988_75).fract().powi(3)).collect();
        let chains = [aview1(&draws[..500]), aview1(&draws[500..])];
        assert_eq!(ess_bulk_and_r_hat(&chains), (ess_bulk(&chains), r_hat(&chains)));
        let (size, r_hat) = ess_bulk_and_r_hat(&chains[..0]);
        assert!(size.is_nan() && r_hat.is_nan());
    }
}
