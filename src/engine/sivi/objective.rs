//! The minimax objective of SIVI-SM (Yu and Zhang 2023, arXiv 2308.10014) and its gradients.
//!
//! With q the semi-implicit family, S the target's score and f the critic,
//!
//! ```text
//! min over q, max over f:  E [ 2 f(x)ᵀ (S(x) + ε/σ) − ‖f(x)‖² ]
//! ```
//!
//! whose inner maximum, at f = S − ∇log q, is the Fisher divergence E ‖S − ∇log q‖². Two things keep the noise of the
//! gradients down: each z is used with ε and with −ε, so that the large terms f(x)ᵀ ε/σ cancel up to the change of f
//! between the two points; and both gradients come from the same forward and backward pass through f, the critic's step
//! being of the critic that the family has already seen.

use super::SiviError;
use super::evaluate::Evaluator;
use super::family::SemiImplicit;
use super::mlp::{Mlp, Tape, double, real};
use crate::model::Target;
use ndarray::{Array2, NdFloat, Zip};

/// Which divergence of q from p the family descends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Descent {
    /// The Fisher divergence: the exact gradient of the minimax objective.
    Fisher,
    /// Twice the Kullback–Leibler divergence, with the critic for S − ∇log q: its gradient is −2 E [f(x)ᵀ ∂x/∂φ], since
    /// the parameters' own part of ∇log q has no mean. It carries draws towards the target instead of away from where
    /// the scores differ.
    KullbackLeibler,
}

/// What one batch says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Value {
    /// The objective, per dimension: an estimate from below of the score divergence E ‖S − ∇log q‖² / D.
    pub loss: f64,
    /// Draws that the target rejected.
    pub rejected: usize,
}

/// The objective on batches of 2n draws: n values of z, each with both signs of its noise.
pub struct Objective<F> {
    mean_tape: Tape<F>,
    critic_tape: Tape<F>,
    evaluator: Evaluator,
    x: Array2<F>,
    points: Array2<f64>,
    scores: Array2<f64>,
    vectors: Array2<f64>,
    products: Array2<f64>,
    cotangent: Array2<F>,
    /// The critic's outputs before its last step.
    previous: Array2<F>,
    to_x: Array2<F>,
    to_mean: Array2<F>,
    /// The gradient in the parameters of μ.
    pub mean_gradient: Vec<F>,
    /// The gradient in log σ.
    pub log_sd_gradient: Vec<F>,
    /// The gradient in the critic's parameters of minus the objective, which a descent maximises.
    pub critic_gradient: Vec<F>,
}

impl<F: NdFloat> Objective<F> {
    /// Space for `pairs` values of z.
    pub fn new(family: &SemiImplicit<F>, critic: &Mlp<F>, pairs: usize) -> Self {
        let dim = family.dim();
        let double_table = || Array2::zeros((2 * pairs, dim));
        let table = || Array2::zeros((2 * pairs, dim));
        Self {
            mean_tape: Tape::new(family.mean.shape(), pairs),
            critic_tape: Tape::new(critic.shape(), 2 * pairs),
            evaluator: Evaluator::new(2 * pairs),
            x: table(),
            points: double_table(),
            scores: double_table(),
            vectors: double_table(),
            products: double_table(),
            cotangent: table(),
            previous: table(),
            to_x: table(),
            to_mean: Array2::zeros((pairs, dim)),
            mean_gradient: vec![F::zero(); family.mean.shape().parameters()],
            log_sd_gradient: vec![F::zero(); dim],
            critic_gradient: vec![F::zero(); critic.shape().parameters()],
        }
    }

    /// Evaluates the objective and all its gradients at the draws of `z` (n × m) and `noise` (n × D); `temper`
    /// multiplies the target's score. One score per draw, and to descend the Fisher divergence one Hessian-vector
    /// product.
    ///
    /// # Errors
    /// Where the target rejects all draws or has no Hessian-vector products, or the objective is not finite.
    #[expect(clippy::too_many_arguments, reason = "each is one letter of the formula")]
    pub fn evaluate<T: Target + ?Sized>(
        &mut self,
        family: &SemiImplicit<F>,
        critic: &Mlp<F>,
        target: &T,
        z: &Array2<F>,
        noise: &Array2<F>,
        temper: f64,
        descent: Descent,
    ) -> Result<Value, SiviError> {
        let (pairs, dim) = noise.dim();
        let sds = family.sds();
        let sign = |half: usize| if half == 0 { F::one() } else { -F::one() };
        family.mean.forward(z.view(), &mut self.mean_tape);
        for ((row, column), x) in self.x.indexed_iter_mut() {
            let (half, pair) = (row / pairs, row % pairs);
            *x = self.mean_tape.outputs[[pair, column]] + sign(half) * sds[column] * noise[[pair, column]];
        }
        self.points.zip_mut_with(&self.x, |point, &x| *point = double(x));
        self.evaluator.scores(target, &self.points, &mut self.scores);
        critic.forward(self.x.view(), &mut self.critic_tape);
        let f = &self.critic_tape.outputs;
        self.vectors.zip_mut_with(f, |vector, &f| *vector = double(f));
        if !self.evaluator.usable().contains(&true) {
            return Err(SiviError::NoUsableDraws);
        }
        if descent == Descent::Fisher {
            self.evaluator.products(target, &self.points, &self.vectors, &mut self.products)?;
        }

        let usable = self.evaluator.usable();
        let count = usable.iter().filter(|&&usable| usable).count();
        let weight: F = real(2.0 / count as f64);
        let mut loss = 0.0;
        self.log_sd_gradient.fill(F::zero());
        for ((row, column), cotangent) in self.cotangent.indexed_iter_mut() {
            let (half, pair) = (row / pairs, row % pairs);
            if !usable[row] {
                *cotangent = F::zero();
                continue;
            }
            let f = f[[row, column]];
            let score: F = real(temper * self.scores[[row, column]]);
            let pull = sign(half) * noise[[pair, column]] / sds[column];
            let residual = score + pull;
            *cotangent = weight * (residual - f);
            loss += double(f) * (2.0 * double(residual) - double(f));
            // ε/σ itself falls as σ grows.
            self.log_sd_gradient[column] -= weight * f * pull;
        }
        let loss = loss / (count * dim) as f64;
        if !loss.is_finite() {
            return Err(SiviError::NotFinite);
        }
        let (cotangent, to_x) = (self.cotangent.view(), Some(&mut self.to_x));
        critic.backward(self.x.view(), cotangent, &mut self.critic_tape, &mut self.critic_gradient, to_x);
        self.critic_gradient.iter_mut().for_each(|g| *g = -*g);
        match descent {
            Descent::Fisher => {
                let products = &self.products;
                self.to_x.zip_mut_with(products, |to_x, &product| *to_x += weight * real(temper * product));
            }
            Descent::KullbackLeibler => {
                self.log_sd_gradient.fill(F::zero());
                self.to_x.zip_mut_with(&self.critic_tape.outputs, |to_x, &f| *to_x = -weight * f);
                let rejected = usable.iter().enumerate().filter(|(_, usable)| !**usable);
                rejected.for_each(|(row, _)| self.to_x.row_mut(row).fill(F::zero()));
            }
        }
        for pair in 0..pairs {
            for (column, &sd) in sds.iter().enumerate() {
                let (plus, minus) = (self.to_x[[pair, column]], self.to_x[[pairs + pair, column]]);
                self.to_mean[[pair, column]] = plus + minus;
                self.log_sd_gradient[column] += (plus - minus) * sd * noise[[pair, column]];
            }
        }
        family.mean.backward(z.view(), self.to_mean.view(), &mut self.mean_tape, &mut self.mean_gradient, None);
        Ok(Value { loss, rejected: usable.len() - count })
    }

    /// The gradient in the critic's parameters alone, for a critic that has moved, at the draws of the last evaluation.
    pub fn follow(&mut self, critic: &Mlp<F>) {
        let count = self.evaluator.usable().iter().filter(|&&usable| usable).count();
        let weight: F = real(2.0 / count as f64);
        // The last cotangent holds weight · (S + ε/σ − f) with the old f.
        self.previous.assign(&self.critic_tape.outputs);
        critic.forward(self.x.view(), &mut self.critic_tape);
        let outputs = self.previous.rows().into_iter().zip(self.critic_tape.outputs.rows());
        let rows = self.cotangent.rows_mut().into_iter().zip(outputs).zip(self.evaluator.usable());
        for ((mut cotangent, (old, new)), _) in rows.filter(|(_, usable)| **usable) {
            Zip::from(&mut cotangent).and(old).and(new).for_each(|c, &old, &new| *c += weight * (old - new));
        }
        let cotangent = self.cotangent.view();
        critic.backward(self.x.view(), cotangent, &mut self.critic_tape, &mut self.critic_gradient, None);
        self.critic_gradient.iter_mut().for_each(|g| *g = -*g);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::sivi::mlp::Shape;
    use crate::model::Banana;
    use crate::random::{fill_standard_normal, stream};

    /// The gradients in all parameters of the family, and in the critic's, against fourth-order differences of the
    /// objective.
    #[test]
    fn the_gradients_are_those_of_the_objective() {
        let mut rng = stream(4, 0);
        let mut family = SemiImplicit::<f64>::standard_normal(2, 3, 7, 0.4, &mut rng);
        family.mean.parameters.iter_mut().enumerate().for_each(|(i, p)| *p += 0.1 * (i as f64).sin());
        let critic = Mlp::<f64>::random(Shape { inputs: 2, hidden: 6, outputs: 2 }, 1.0, &mut rng);
        let (mut z, mut noise) = (Array2::zeros((4, 3)), Array2::zeros((4, 2)));
        fill_standard_normal(&mut rng, z.as_slice_mut().unwrap());
        fill_standard_normal(&mut rng, noise.as_slice_mut().unwrap());
        let mut objective = Objective::new(&family, &critic, 4);
        let temper = 0.8;
        objective.evaluate(&family, &critic, &Banana, &z, &noise, temper, Descent::Fisher).unwrap();
        let analytic = [&objective.mean_gradient, &objective.log_sd_gradient, &objective.critic_gradient];
        let analytic: Vec<f64> = analytic.into_iter().flatten().copied().collect();

        let mut scratch = Objective::new(&family, &critic, 4);
        let mut check = |index: usize, analytic: f64, sign: f64| {
            let mut value = |offset: f64| {
                let (mut family, mut critic) = (family.clone(), critic.clone());
                let SemiImplicit { mean, log_sds } = &mut family;
                let all = mean.parameters.iter_mut().chain(log_sds).chain(&mut critic.parameters);
                *all.into_iter().nth(index).unwrap() += offset;
                2.0 * scratch.evaluate(&family, &critic, &Banana, &z, &noise, temper, Descent::Fisher).unwrap().loss
            };
            let h = 1e-3;
            let difference = (8.0 * (value(h) - value(-h)) - (value(2.0 * h) - value(-2.0 * h))) / (12.0 * h);
            let error = (sign * analytic - difference).abs() / difference.abs().max(1.0);
            assert!(error < 1e-5, "parameter {index}: {analytic} and {difference}");
        };
        let of_family = family.mean.parameters.len() + family.log_sds.len();
        for (index, &analytic) in analytic.iter().enumerate() {
            check(index, analytic, if index < of_family { 1.0 } else { -1.0 });
        }
    }

    #[test]
    fn a_further_step_of_the_critic_has_the_gradient_of_a_whole_evaluation() {
        let mut rng = stream(4, 0);
        let family = SemiImplicit::<f64>::standard_normal(2, 3, 7, 0.4, &mut rng);
        let [first, second] =
            [0, 1].map(|_| Mlp::<f64>::random(Shape { inputs: 2, hidden: 6, outputs: 2 }, 1.0, &mut rng));
        let (mut z, mut noise) = (Array2::zeros((4, 3)), Array2::zeros((4, 2)));
        fill_standard_normal(&mut rng, z.as_slice_mut().unwrap());
        fill_standard_normal(&mut rng, noise.as_slice_mut().unwrap());
        let mut followed = Objective::new(&family, &first, 4);
        followed.evaluate(&family, &first, &Banana, &z, &noise, 0.8, Descent::KullbackLeibler).unwrap();
        followed.follow(&second);
        let mut whole = Objective::new(&family, &second, 4);
        whole.evaluate(&family, &second, &Banana, &z, &noise, 0.8, Descent::KullbackLeibler).unwrap();
        let pairs = followed.critic_gradient.iter().zip(&whole.critic_gradient);
        assert!(pairs.clone().all(|(a, b)| (a - b).abs() < 1e-12 * b.abs().max(1.0)));
        assert!(pairs.into_iter().any(|(a, _)| a.abs() > 0.1), "the gradient does not vanish");
    }

    /// With a critic that is the same everywhere, the draws are carried along it and the noise stays as it is.
    #[test]
    fn the_family_follows_the_critic_down_the_kullback_leibler_divergence() {
        let mut rng = stream(4, 0);
        let family = SemiImplicit::<f64>::standard_normal(2, 3, 7, 0.4, &mut rng);
        let shape = Shape { inputs: 2, hidden: 6, outputs: 2 };
        let mut critic = Mlp::<f64>::random(shape, 0.0, &mut rng);
        let last_bias = shape.parameters() - 2 * 2 - 2;
        critic.parameters[last_bias..last_bias + 2].copy_from_slice(&[0.7, -1.1]);
        let (z, noise) = (Array2::ones((4, 3)), Array2::ones((4, 2)));
        let mut objective = Objective::new(&family, &critic, 4);
        objective.evaluate(&family, &critic, &Banana, &z, &noise, 1.0, Descent::KullbackLeibler).unwrap();
        let last_bias = family.mean.parameters.len() - 3 * 2 - 2;
        let gradient = &objective.mean_gradient[last_bias..last_bias + 2];
        assert!((gradient[0] + 1.4).abs() < 1e-12 && (gradient[1] - 2.2).abs() < 1e-12, "{gradient:?}");
        assert!(objective.log_sd_gradient.iter().all(|g| g.abs() < 1e-12));
    }
}
