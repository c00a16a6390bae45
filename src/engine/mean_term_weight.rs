//! How far batch and match may read a mean score as a matter of the covariance.
//!
//! The paper's U and V have, beside the batch's covariances, terms of the mean score ḡ and of the draws' mean: a mean
//! score is explained in part by a covariance that is too large along it. Where a batch has fewer draws than there are
//! dimensions, these terms then shrink the covariance along the way to the target's mean, by as much as the batch's
//! covariances widen it, and the mean, which moves in proportion to the covariance, crawls: from the standard normal to
//! a Gaussian with D = 512 and B = 32 the score divergence is 0.005 per dimension after 300 iterations and the
//! Kullback–Leibler divergence 226, nearly all of it in one direction of the mean. When successive batches agree about
//! where the mean should go, it is the mean that is wrong, and the terms are given less weight.

use super::Batch;
use crate::linalg::array_serde;
use ndarray::{Array1, Zip};
use serde::{Deserialize, Serialize};

/// Batches agree when the cosine of the angle between their mean residuals is larger than this.
const AGREEING: f64 = 0.5;
/// By how much the weight falls with a batch that agrees with the one before, and rises with one that does not.
const FALL: f64 = 1.5;
const RISE: f64 = 2.0;
/// The weight stays above this.
const LEAST: f64 = 1.0 / 64.0;

/// The weight of the mean terms, learned from the batches so far. It is 1, as in the paper, where batches have more
/// draws than there are dimensions, so that their covariances speak of all of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeanTermWeight {
    weight: f64,
    /// The last batch's mean residual h̄ + ε̄ in q's coordinates; empty before the first.
    #[serde(with = "array_serde")]
    last: Array1<f64>,
    /// The weight and the mean residual that count from the next step on.
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

    /// Whether the last batches did not agree.
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
        let agree = self.last.len() == dim && {
            let lengths = self.next.dot(&self.next).sqrt() * self.last.dot(&self.last).sqrt();
            self.next.dot(&self.last) > AGREEING * lengths
        };
        self.next_weight = if agree { (self.weight / FALL).max(LEAST) } else { (self.weight * RISE).min(1.0) };
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

    /// The weights of twenty batches of `size` draws from the standard normal, for a Gaussian at `mean` everywhere.
    fn weights(mean: f64, size: usize) -> Vec<f64> {
        let dim = 40;
        let target = Gaussian::new(Array1::from_elem(dim, mean), Array2::eye(dim) * 2.0);
        let mut agreement = MeanTermWeight::default();
        let weigh = |seed| {
            let weight = agreement.weigh(&batch_of(&DenseGaussian::standard(dim), &target, size, seed));
            agreement.learn();
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
    fn it_is_the_papers_where_the_mean_is_right_or_batches_are_large() {
        assert!(weights(0.0, 4).iter().sum::<f64>() > 19.0);
        assert_eq!(weights(3.0, 41), [1.0; 20]);
    }

    #[test]
    fn a_step_that_failed_does_not_count() {
        let target = Gaussian::with_condition_number(9, 2.0, &mut stream(1, 0));
        let batch = batch_of(&DenseGaussian::standard(9), &target, 2, 1);
        let mut agreement = MeanTermWeight::default();
        assert_eq!([agreement.weigh(&batch), agreement.weigh(&batch)], [1.0; 2]);
        agreement.learn();
        assert_eq!([agreement.weigh(&batch), agreement.weigh(&batch)], [1.0 / FALL; 2]);
        assert!(agreement.is_settled());
        agreement.learn();
        assert!(!agreement.is_settled());
    }
}
