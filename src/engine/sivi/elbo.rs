//! The surrogate evidence lower bound of semi-implicit inference (Yin and Zhou 2018, arXiv 1805.11183), the baseline
//! that score matching is compared with.

use super::SiviError;
use super::evaluate::Evaluator;
use super::family::SemiImplicit;
use super::mlp::{Tape, double, real};
use super::objective::Value;
use crate::gaussian::LN_2PI;
use crate::model::Target;
use ndarray::{Array2, NdFloat};

/// Minus E [log p(x) − log (1/(K+1)) Σ_k q(x | z_k)] over draws x of q, with z_0 the value that x came from and K
/// others, which all draws of a batch share.
pub struct SurrogateElbo<F> {
    tape: Tape<F>,
    evaluator: Evaluator,
    points: Array2<f64>,
    scores: Array2<f64>,
    to_mean: Array2<F>,
    weights: Vec<f64>,
    /// The gradient in the parameters of μ.
    pub mean_gradient: Vec<F>,
    /// The gradient in log σ.
    pub log_sd_gradient: Vec<F>,
}

impl<F: NdFloat> SurrogateElbo<F> {
    /// Space for `batch` draws and `components` further values of z.
    pub fn new(family: &SemiImplicit<F>, batch: usize, components: usize) -> Self {
        let dim = family.dim();
        Self {
            tape: Tape::new(family.mean.shape(), batch + components),
            evaluator: Evaluator::new(batch),
            points: Array2::zeros((batch, dim)),
            scores: Array2::zeros((batch, dim)),
            to_mean: Array2::zeros((batch + components, dim)),
            weights: vec![0.0; components + 1],
            mean_gradient: vec![F::zero(); family.mean.shape().parameters()],
            log_sd_gradient: vec![F::zero(); dim],
        }
    }

    /// Evaluates minus the bound and its gradients, for a row of `noise` (B × D) per draw and B + K rows of `z`.
    ///
    /// # Errors
    /// Where the target rejects all draws, or the bound is not finite.
    pub fn evaluate<T: Target + ?Sized>(
        &mut self,
        family: &SemiImplicit<F>,
        target: &T,
        z: &Array2<F>,
        noise: &Array2<F>,
    ) -> Result<Value, SiviError> {
        let (batch, dim) = noise.dim();
        family.mean.forward(z.view(), &mut self.tape);
        let means = self.tape.outputs.mapv(double);
        let noise = noise.mapv(double);
        let sds: Vec<f64> = family.sds().into_iter().map(double).collect();
        for ((row, column), point) in self.points.indexed_iter_mut() {
            *point = means[[row, column]] + sds[column] * noise[[row, column]];
        }
        self.evaluator.scores(target, &self.points, &mut self.scores);
        let usable = self.evaluator.usable();
        let count = usable.iter().filter(|&&usable| usable).count();
        if count == 0 {
            return Err(SiviError::NoUsableDraws);
        }
        let normaliser = sds.iter().map(|sd| sd.ln()).sum::<f64>() + 0.5 * dim as f64 * LN_2PI;
        let weight = (count as f64).recip();
        let mut to_mean = Array2::<f64>::zeros(means.dim());
        let mut to_log_sd = vec![0.0; dim];
        let mut total = 0.0;
        for row in (0..batch).filter(|&row| usable[row]) {
            let component = |k: usize| if k == 0 { row } else { batch + k - 1 };
            let standardised = |k: usize, d: usize| (self.points[[row, d]] - means[[component(k), d]]) / sds[d];
            for (k, log) in self.weights.iter_mut().enumerate() {
                *log = -0.5 * (0..dim).map(|d| standardised(k, d).powi(2)).sum::<f64>();
            }
            let log_sum = log_mean_exp(&mut self.weights);
            total += self.evaluator.log_densities()[row] - (log_sum - normaliser);
            for d in 0..dim {
                let mut to_x = -self.scores[[row, d]];
                let mut spread = 0.0;
                for (k, share) in self.weights.iter().enumerate() {
                    let pull = share * standardised(k, d) / sds[d];
                    to_x -= pull;
                    to_mean[[component(k), d]] += weight * pull;
                    spread += share * standardised(k, d).powi(2);
                }
                to_mean[[row, d]] += weight * to_x;
                to_log_sd[d] += weight * (to_x * sds[d] * noise[[row, d]] + spread - 1.0);
            }
        }
        let loss = -total * weight;
        if !loss.is_finite() {
            return Err(SiviError::NotFinite);
        }
        self.to_mean.zip_mut_with(&to_mean, |to_mean, &value| *to_mean = real(value));
        self.log_sd_gradient.iter_mut().zip(to_log_sd).for_each(|(gradient, value)| *gradient = real(value));
        family.mean.backward(z.view(), self.to_mean.view(), &mut self.tape, &mut self.mean_gradient, None);
        Ok(Value { loss, rejected: batch - count })
    }
}

/// The logarithm of the mean of the exponentials; `logs` become their shares, which sum to one.
pub fn log_mean_exp(logs: &mut [f64]) -> f64 {
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return largest;
    }
    logs.iter_mut().for_each(|log| *log = (*log - largest).exp());
    let total: f64 = logs.iter().sum();
    logs.iter_mut().for_each(|share| *share /= total);
    largest + (total / logs.len() as f64).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Banana;
    use crate::random::{fill_standard_normal, stream};

    #[test]
    fn the_gradients_are_those_of_the_bound() {
        let mut rng = stream(4, 0);
        let mut family = SemiImplicit::<f64>::standard_normal(2, 3, 5, 0.4, &mut rng);
        family.mean.parameters.iter_mut().enumerate().for_each(|(i, p)| *p += 0.1 * (i as f64).sin());
        let (mut z, mut noise) = (Array2::zeros((4 + 6, 3)), Array2::zeros((4, 2)));
        fill_standard_normal(&mut rng, z.as_slice_mut().unwrap());
        fill_standard_normal(&mut rng, noise.as_slice_mut().unwrap());
        let mut bound = SurrogateElbo::new(&family, 4, 6);
        bound.evaluate(&family, &Banana, &z, &noise).unwrap();
        let analytic: Vec<f64> = bound.mean_gradient.iter().chain(&bound.log_sd_gradient).copied().collect();
        for (index, analytic) in analytic.into_iter().enumerate() {
            let mut value = |offset: f64| {
                let mut family = family.clone();
                let all = family.mean.parameters.iter_mut().chain(&mut family.log_sds);
                *all.into_iter().nth(index).unwrap() += offset;
                bound.evaluate(&family, &Banana, &z, &noise).unwrap().loss
            };
            let difference = (value(1e-5) - value(-1e-5)) / 2e-5;
            assert!(
                (analytic - difference).abs() < 1e-6 * difference.abs().max(1.0),
                "{index}: {analytic}, {difference}"
            );
        }
    }
}
