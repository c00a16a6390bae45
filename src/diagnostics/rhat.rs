//! R-hat, the potential scale reduction factor: do the chains, and their halves, agree?

use super::quantile::quantile;
use super::rank_normalisation::normal_scores;
use super::split_chains::split;
use ndarray::{Array2, ArrayView1, Axis};

/// Above this the chains disagree (Vehtari et al. 2021, section 4).
pub const LARGEST_R_HAT: f64 = 1.01;

/// The rank-normalised split R-hat of one quantity: the larger of the R-hat of its normal scores, which compares
/// locations, and of the normal scores of its distances from the median, which compares scales (Vehtari et al. 2021,
/// section 3.4). A single chain is judged by its halves. NaN for fewer than four draws per chain, draws that are not
/// finite or all equal.
pub fn r_hat(chains: &[ArrayView1<'_, f64>]) -> f64 {
    split(chains).map_or(f64::NAN, |sequences| of_ranked(&sequences, &normal_scores(&sequences)))
}

/// The R-hat of split sequences whose normal scores are known.
pub(super) fn of_ranked(sequences: &Array2<f64>, scores: &Array2<f64>) -> f64 {
    let mut ascending: Vec<f64> = sequences.iter().copied().collect();
    ascending.sort_unstable_by(f64::total_cmp);
    let median = quantile(&ascending, 0.5);
    let folded = sequences.mapv(|x| (x - median).abs());
    let (location, scale) = (of_sequences(scores), of_sequences(&normal_scores(&folded)));
    // A quantity with two values that lie symmetrically has constant distances: then only the locations can be
    // compared.
    if scale.is_nan() { location } else { location.max(scale) }
}

/// R-hat of sequences as they are (Vehtari et al. 2021, equations 1 to 4).
fn of_sequences(sequences: &Array2<f64>) -> f64 {
    let draws = sequences.ncols() as f64;
    let means = sequences.mean_axis(Axis(1)).expect("sequences are not empty");
    let between = draws * means.var(1.0);
    let within = sequences.var_axis(Axis(1), 1.0).mean().expect("sequences are not empty");
    ((between / within + draws - 1.0) / draws).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::aview1;

    #[test]
    fn chains_that_are_stuck_apart_have_no_finite_r_hat() {
        let (low, high) = ([1.0; 8], [2.0; 8]);
        assert_eq!(r_hat(&[aview1(&low), aview1(&high)]), f64::INFINITY);
        assert!(r_hat(&[aview1(&low), aview1(&low)]).is_nan());
    }

    #[test]
    fn a_trend_shows_in_one_chain() {
        let trend: Vec<f64> = (0..100).map(f64::from).collect();
        assert!(r_hat(&[aview1(&trend)]) > 1.5);
    }
}
