//! Adam (Kingma and Ba 2015, arXiv 1412.6980).

use super::mlp::real;
use ndarray::NdFloat;

/// The decay rates of the gradient's and the squared gradient's running means.
const DECAY: (f64, f64) = (0.9, 0.99);
const EPSILON: f64 = 1e-8;

/// The running means for one vector of parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Adam<F> {
    /// Steps so far.
    pub steps: i32,
    /// The running mean of gradients.
    pub first: Vec<F>,
    /// The running mean of squared gradients.
    pub second: Vec<F>,
}

impl<F: NdFloat> Adam<F> {
    /// The start, for `count` parameters.
    pub fn new(count: usize) -> Self {
        Self { steps: 0, first: vec![F::zero(); count], second: vec![F::zero(); count] }
    }

    /// Moves `parameters` against `gradient`, by about `rate` each.
    pub fn descend(&mut self, parameters: &mut [F], gradient: &[F], rate: f64) {
        self.steps = self.steps.saturating_add(1);
        let corrections = (1.0 - DECAY.0.powi(self.steps), 1.0 - DECAY.1.powi(self.steps));
        let (keep_first, keep_second): (F, F) = (real(DECAY.0), real(DECAY.1));
        let (add_first, add_second): (F, F) = (real(1.0 - DECAY.0), real(1.0 - DECAY.1));
        let rate: F = real(rate / corrections.0);
        let (scale, epsilon): (F, F) = (real(corrections.1.recip().sqrt()), real(EPSILON));
        let means = self.first.iter_mut().zip(&mut self.second);
        for ((parameter, &gradient), (first, second)) in parameters.iter_mut().zip(gradient).zip(means) {
            *first = keep_first * *first + add_first * gradient;
            *second = keep_second * *second + add_second * gradient * gradient;
            *parameter -= rate * *first / (second.sqrt() * scale + epsilon);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of the formulas of the paper, by hand in Python:
    /// p=[1.,-2.]; m=[0,0]; v=[0,0]
    /// for t in range(1,4):
    ///   g=[4*x**3 for x in p]
    ///   for i in range(2): m[i]=.9*m[i]+.1*g[i]; v[i]=.99*v[i]+.01*g[i]**2; \
    ///     p[i]-=.1*(m[i]/(1-.9**t))/(math.sqrt(v[i]/(1-.99**t))+1e-8)
    #[test]
    fn three_steps_are_the_papers() {
        let mut parameters = [1.0, -2.0];
        let mut adam = Adam::new(2);
        for _ in 0..3 {
            let gradient = parameters.map(|p: f64| 4.0 * p.powi(3));
            adam.descend(&mut parameters, &gradient, 0.1);
        }
        let expected = [0.7072725172210131, -1.7024539896411375];
        assert!(parameters.iter().zip(expected).all(|(p, e)| (p - e).abs() < 1e-12), "{parameters:?}");
    }
}
