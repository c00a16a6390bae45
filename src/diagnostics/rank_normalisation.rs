//! Rank normalisation (Vehtari et al. 2021, equation 14): draws become normal scores, so that diagnostics need no
//! moments.

use super::quantile;
use ndarray::Array2;
use statrs::distribution::{ContinuousCDF, Normal};

/// Blom's offset, which makes the scores nearly the expected normal order statistics.
const BLOM: f64 = 3.0 / 8.0;
/// The distance in normal scores over which slopes are taken, either way.
const SLOPE: f64 = 0.25;

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

/// Normal scores of values by their ranks among others.
#[derive(Debug, Clone)]
pub struct Ranks {
    ascending: Vec<f64>,
    /// The scores of a value above none of them, above one, and so on.
    scores: Vec<f64>,
    stretch: f64,
}

impl Ranks {
    /// Ranks among `values`.
    pub fn among(values: impl Iterator<Item = f64>) -> Self {
        let mut ascending: Vec<f64> = values.collect();
        ascending.sort_unstable_by(f64::total_cmp);
        let normal = Normal::standard();
        let count = ascending.len() as f64 + 1.0;
        let scores = (0..=ascending.len()).map(|below| normal.inverse_cdf((below as f64 + 0.5) / count)).collect();
        let stretch = stretch(&ascending);
        Self { ascending, scores, stretch }
    }

    /// The normal score of `value`.
    pub fn score(&self, value: f64) -> f64 {
        self.scores[self.ascending.partition_point(|other| *other < value)]
    }

    /// By how much a change of the scores' mean or log standard deviation is larger on the values' own scale, where it is
    /// one of the median, in units of half the central 68 % interval, or of the logarithm of that. At least 1.
    pub fn stretch(&self) -> f64 {
        self.stretch
    }
}

/// With Q(z) the value of score z and s = (Q(1) − Q(−1))/2 these changes are Q′(0)/s and (Q′(1) + Q′(−1))/2s times those
/// of the scores.
fn stretch(ascending: &[f64]) -> f64 {
    let normal = Normal::standard();
    let value = |score: f64| quantile(ascending, normal.cdf(score));
    let slope = |score: f64| (value(score + SLOPE) - value(score - SLOPE)) / (2.0 * SLOPE);
    let scale = (value(1.0) - value(-1.0)) / 2.0;
    1.0_f64.max(slope(0.0) / scale).max((slope(1.0) + slope(-1.0)) / (2.0 * scale))
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
    use crate::diagnostics::moments;
    use crate::random::{fill_standard_normal, stream};

    #[test]
    fn equal_values_share_a_rank() {
        assert_eq!(average_ranks(&[3.0, 1.0, 3.0, 2.0, -0.0, 0.0]), [5.5, 3.0, 5.5, 4.0, 1.5, 1.5]);
    }

    #[test]
    fn ranks_among_draws_make_others_of_the_same_distribution_normal() {
        let mut rng = stream(1, 0);
        let mut draws = || {
            let mut values = vec![0.0; 4000];
            fill_standard_normal(&mut rng, &mut values);
            values.into_iter().map(f64::exp).collect::<Vec<f64>>()
        };
        let ranks = Ranks::among(draws().into_iter());
        let scores: Vec<f64> = draws().into_iter().map(|value| ranks.score(value)).collect();
        let (mean, sd) = moments(&scores);
        assert!(mean.abs() < 0.07 && (sd - 1.0).abs() < 0.07, "{mean} {sd}");
        let (lowest, highest) = (ranks.score(-1.0), ranks.score(1e9));
        // Of exp(z): Q′ = Q.
        assert!((ranks.stretch() - 1.313).abs() < 0.1, "{}", ranks.stretch());
        assert!((lowest + highest).abs() < 1e-9 && highest > 3.5 && highest < 4.0, "{lowest} {highest}");
    }

    #[test]
    fn scores_are_symmetric_and_keep_the_order() {
        let scores = normal_scores(&Array2::from_shape_vec((1, 4), vec![9.0, -7.0, 100.0, 8.0]).unwrap());
        assert!((scores[[0, 1]] + scores[[0, 2]]).abs() < 1e-14 && (scores[[0, 0]] + scores[[0, 3]]).abs() < 1e-14);
        // scipy.stats.norm.ppf((4 - 3/8) / (4 + 1/4))
        assert!((scores[[0, 2]] - 1.049131397963971).abs() < 1e-12);
    }
}
