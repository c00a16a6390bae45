//! Rank normalisation (Vehtari et al. 2021, equation 14): draws become normal scores, so that diagnostics need no
//! moments.

use ndarray::Array2;
use statrs::distribution::{ContinuousCDF, Normal};

/// Blom's offset, which makes the scores nearly the expected normal order statistics.
const BLOM: f64 = 3.0 / 8.0;

/// The normal scores of the values' ranks among all sequences; equal values share their average rank.
pub(super) fn normal_scores(sequences: &Array2<f64>) -> Array2<f64> {
    let values: Vec<f64> = sequences.iter().copied().collect();
    let normal = Normal::standard();
    let size = values.len() as f64;
    let scores = average_ranks(&values)
        .into_iter()
        .map(|rank| normal.inverse_cdf((rank - BLOM) / (size - 2.0 * BLOM + 1.0)))
        .collect();
    Array2::from_shape_vec(sequences.dim(), scores).expect("there is one score per value")
}

/// Ranks from 1; equal values get the mean of the ranks that they cover.
fn average_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for ties in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = before as f64 + (ties.len() as f64 + 1.0) / 2.0;
        ties.iter().for_each(|&index| ranks[index] = rank);
        before += ties.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_share_a_rank() {
        assert_eq!(average_ranks(&[3.0, 1.0, 3.0, 2.0, -0.0, 0.0]), [5.5, 3.0, 5.5, 4.0, 1.5, 1.5]);
    }

    #[test]
    fn scores_are_symmetric_and_keep_the_order() {
        let scores = normal_scores(&Array2::from_shape_vec((1, 4), vec![9.0, -7.0, 100.0, 8.0]).unwrap());
        assert!((scores[[0, 1]] + scores[[0, 2]]).abs() < 1e-14 && (scores[[0, 0]] + scores[[0, 3]]).abs() < 1e-14);
        // scipy.stats.norm.ppf((4 - 3/8) / (4 + 1/4))
        assert!((scores[[0, 2]] - 1.049131397963971).abs() < 1e-12);
    }
}
