//! Adam (Kingma and Ba 2015, arXiv 1412.6980).
//!
//! Its moments are arrays of double precision that are saved with the engine, and its steps are
//! returned, since an engine discards a step whose result is not finite. Semi-implicit families
//! train in place on flat vectors of either precision ([`crate::engine::sivi`]), with constants of
//! their own.

use crate::linalg::array_serde;
use ndarray::{Array, Dimension, Zip};
use serde::{Deserialize, Serialize};

/// The decay of the mean of gradients, β₁: the paper's.
const FIRST: f64 = 0.9;
/// The decay of the mean of their squares, β₂: the paper's, which averages over a thousand
/// iterations. ADVI's gradients have little variance near convergence.
const SECOND: f64 = 0.999;
/// Keeps the division defined: the paper's ε.
const EPSILON: f64 = 1e-8;

/// Means of the gradients of a parameter array so far, and of their squares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Adam<D: Dimension> {
    #[serde(with = "array_serde")]
    first: Array<f64, D>,
    #[serde(with = "array_serde")]
    second: Array<f64, D>,
    steps: i32,
}

impl<D: Dimension> Adam<D> {
    /// For parameters of this shape.
    pub fn new(shape: D) -> Self {
        Self { first: Array::zeros(shape.clone()), second: Array::zeros(shape), steps: 0 }
    }

    /// Whether it is for parameters of this shape; one read from a file may not be.
    pub fn fits(&self, shape: D) -> bool {
        self.first.raw_dim() == shape && self.second.raw_dim() == shape && self.steps >= 0
    }

    /// What to add to the parameters to ascend along `gradient`.
    pub fn increment(&mut self, gradient: &Array<f64, D>, rate: f64) -> Array<f64, D> {
        self.steps += 1;
        let (first_scale, second_scale) = (1.0 - FIRST.powi(self.steps), 1.0 - SECOND.powi(self.steps));
        Zip::from(&mut self.first).and(&mut self.second).and(gradient).map_collect(|first, second, &gradient| {
            *first = FIRST * *first + (1.0 - FIRST) * gradient;
            *second = SECOND * *second + (1.0 - SECOND) * gradient * gradient;
            rate * (*first / first_scale) / ((*second / second_scale).sqrt() + EPSILON)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Ix1, array};

    #[test]
    fn the_first_step_has_the_rates_size_and_the_gradients_sign() {
        let increment = Adam::new(Ix1(2)).increment(&array![1e-3, -1e3], 0.1);
        assert!((&increment - &array![0.1, -0.1]).iter().all(|d| d.abs() < 1e-5), "{increment}");
    }

    #[test]
    fn a_concave_function_is_maximised() {
        let mut x = array![3.0, -2.0];
        let mut adam = Adam::new(Ix1(2));
        for step in 0..2000 {
            let gradient = (array![1.0, 5.0] - &x) * array![1.0, 100.0];
            x += &adam.increment(&gradient, 0.1 * (1.0 - step as f64 / 2000.0));
        }
        assert!((&x - &array![1.0, 5.0]).iter().all(|d| d.abs() < 1e-3), "{x}");
    }
}
