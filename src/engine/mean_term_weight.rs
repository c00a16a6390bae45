//! The weight of batch and match's mean terms. It is not in the paper;
//! docs/contribute/decisions/003-mean-terms.md has the measurements.
//!
//! Beside the batch's covariances, the paper's U and V have terms of the mean score ḡ and of the
//! draws' mean: they explain a mean score in part by a covariance that is too large along it. If a
//! batch has no more draws than there are dimensions, these terms shrink the covariance along the
//! direction in which the mean must move, by as much as the batch's covariances widen it, and the
//! mean, which moves in proportion to the covariance, stalls: from the standard normal to a
//! Gaussian with D = 512 and B = 32 the score divergence is 0.005 per dimension after 300
//! iterations and the Kullback–Leibler divergence 226, nearly all of it in one direction of the
//! mean. While successive batches push the mean in similar directions it is the mean that is wrong,
//! and the terms get less weight.

use super::Batch;
use crate::linalg::array_serde;
use ndarray::{Array1, Zip};
use serde::{Deserialize, Serialize};

/// Two batches push the mean in similar directions if the cosine of the angle between their mean
/// residuals is larger than this: at most 60°. This and the constants below were not compared with
/// other values; what is measured is that fits with these weights arrive where fits without do not
/// (003-mean-terms.md).
const SIMILAR: f64 = 0.5;
/// The factor by which the weight falls with a batch that pushes in a similar direction as the one
/// before.
const FALL: f64 = 1.5;
/// The factor by which it rises with a batch that does not, up to 1.
const RISE: f64 = 2.0;
/// The smallest weight, after eleven similar batches in a row.
const LEAST: f64 = 1.0 / 64.0;

/// The weight of the mean terms, learned from the batches so far. It is 1, as in the paper, if
/// batches have more draws than there are dimensions, so that their covariances have full rank.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeanTermWeight {
    weight: f64,
    /// The last batch's mean residual h̄ + ε̄ in q's coordinates; empty before the first.
    #[serde(with = "array_serde")]
    last: Array1<f64>,
    /// The weight and the mean residual that replace these if the step succeeds.
    #[serde(skip)]
    next_weight: f64,
    #[serde(skip)]
    next: Array1<f64>,
}

impl Default for MeanTermWeight {
    fn default() -> Self {
        Self { weight: 1.0, last: Array1::zeros(0), next_weight: 1.0, next: Array1::zeros(0) }
    }
}

impl MeanTermWeight {
    /// Whether it is one of `dim` dimensions; one read from a file may not be.
    pub fn fits(&self, dim: usize) -> bool {
        (self.last.is_empty() || self.last.len() == dim) && (LEAST..=1.0).contains(&self.weight)
    }

    /// Whether the last batches did not push the mean in similar directions.
    pub fn is_settled(&self) -> bool {
        self.weight == 1.0
    }

    /// The weight for a step with `batch`.
    pub fn weigh(&mut self, batch: &Batch) -> f64 {
        let (noise, scores) = (batch.noise(), batch.whitened_scores());
        let (size, dim) = noise.dim();
        if size > dim {
            *self = Self::default();
            return 1.0;
        }
        if self.next.len() != dim {
            self.next = Array1::zeros(dim);
        }
        self.next.fill(0.0);
        for (noise, score) in noise.rows().into_iter().zip(scores.rows()) {
            Zip::from(&mut self.next).and(&noise).and(&score).for_each(|sum, e, h| *sum += e + h);
        }
        let similar = self.last.len() == dim && {
            let lengths = self.next.dot(&self.next).sqrt() * self.last.dot(&self.last).sqrt();
            self.next.dot(&self.last) > SIMILAR * lengths
        };
        self.next_weight = if similar { (self.weight / FALL).max(LEAST) } else { (self.weight * RISE).min(1.0) };
        self.next_weight
    }

    /// Remembers the batch of the last [`MeanTermWeight::weigh`]: its step succeeded.
    pub fn learn(&mut self) {
        self.weight = self.next_weight;
        std::mem::swap(&mut self.last, &mut self.next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::batch_of;
    use crate::gaussian::DenseGaussian;
    use crate::model::Gaussian;
    use crate::random::stream;
    use ndarray::Array2;

    /// The weights of twenty batches of `size` draws from the standard normal, for a Gaussian at
    /// `mean` everywhere.
    fn weights(mean: f64, size: usize) -> Vec<f64> {
        let dim = 40;
        let target = Gaussian::new(Array1::from_elem(dim, mean), Array2::eye(dim) * 2.0);
        let mut weights = MeanTermWeight::default();
        let weigh = |seed| {
            let weight = weights.weigh(&batch_of(&DenseGaussian::standard(dim), &target, size, seed));
            weights.learn();
            weight
        };
        (0..20).map(weigh).collect()
    }

    #[test]
    fn the_weight_falls_while_the_mean_is_off() {
        assert_eq!(weights(3.0, 4)[0], 1.0);
        assert_eq!(weights(3.0, 4)[19], LEAST);
    }

    #[test]
    fn it_is_the_papers_if_the_mean_is_right_or_batches_are_large() {
        assert!(weights(0.0, 4).iter().sum::<f64>() > 19.0);
        assert_eq!(weights(3.0, 41), [1.0; 20]);
    }

    #[test]
    fn a_step_that_failed_does_not_count() {
        let target = Gaussian::with_condition_number(9, 2.0, &mut stream(1, 0));
        let batch = batch_of(&DenseGaussian::standard(9), &target, 2, 1);
        let mut weights = MeanTermWeight::default();
        assert_eq!([weights.weigh(&batch), weights.weigh(&batch)], [1.0; 2]);
        weights.learn();
        assert_eq!([weights.weigh(&batch), weights.weigh(&batch)], [1.0 / FALL; 2]);
        assert!(weights.is_settled());
        weights.learn();
        assert!(!weights.is_settled());
    }
}
