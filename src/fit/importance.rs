//! Importance sampling from a fitted Gaussian with a heavy-tailed companion: draws of the posterior itself where the
//! two are close, and k̂ where they are not.

use super::draw_limit::affordable;
use super::weighted_draws::{WeightedDraws, constrained_parameters, log_densities};
use crate::gaussian::GaussianApproximation;
use crate::gaussian::half_t::{HalfT, noise};
use crate::model::{CountingTarget, Model, Target};
use crate::random::Rng;
use ndarray::{Array2, ArrayView1, Axis};
use rayon::prelude::*;

/// Draws to begin with, half of them from each component.
const FIRST: usize = 4000;
/// Draws, at most; fewer where they would not fit into memory.
const MOST: usize = 32_000;
/// How often the proposal may be moved.
const ROUNDS: usize = 4;

/// Weighted draws, and the Gaussian around which they were made.
#[derive(Debug)]
pub struct Importance<F> {
    proposal: F,
    weighted: WeightedDraws,
    elbo: f64,
}

/// Draws from an equal mixture of a Gaussian and a multivariate Student-t with 7 degrees of freedom, both of q's
/// location and scale, and weighs them by the posterior (Pareto-smoothed; arXiv 1507.02646). The mixture's weights are
/// at most twice those of the better of its components: the t keeps the weights of heavy tails bounded, the Gaussian
/// those of many dimensions.
///
/// While the weights cannot be trusted, the mixture is moved to the weighted draws' mean and covariance and drawn anew
/// (adaptive importance sampling; Paananen, Piironen, Bürkner and Vehtari, arXiv 1906.08850), and the round with the
/// smallest k̂ counts. Trusted draws are doubled while a parameter's mean or standard deviation is not yet precise, or
/// the tail of a variance hardly known.
///
/// ```
/// use ndarray::array;
/// use stanmatch::fit::importance;
/// use stanmatch::gaussian::DenseGaussian;
/// use stanmatch::model::{CountingTarget, Density, Model, Unconstrained};
/// use stanmatch::random::stream;
///
/// // A logistic variable, and a Gaussian that is near it.
/// let logistic = Unconstrained::new(Density::new(1, |x: &[f64], gradient: &mut [f64]| {
///     gradient[0] = -(0.5 * x[0]).tanh();
///     -2.0 * (0.5 * x[0]).cosh().ln()
/// }));
/// let gaussian = DenseGaussian::diagonal(array![0.1], &array![1.6]);
/// let target = CountingTarget::new(&logistic as &dyn Model);
/// let found = importance(&logistic, &target, &gaussian, &mut stream(1, 0));
///
/// let weighted = found.weighted();
/// assert!(weighted.is_trusted(), "k̂ is {}", weighted.pareto_k());
/// // The variance of a logistic variable is π²/3.
/// let squares = weighted.draws().column(0).mapv(|x| x * x);
/// let variance: f64 = weighted.weights().iter().zip(&squares).map(|(weight, square)| weight * square).sum();
/// assert!((variance - 3.29).abs() < 0.4);
/// ```
pub fn importance<F: GaussianApproximation, T: Target>(
    model: &dyn Model,
    target: &CountingTarget<T>,
    family: &F,
    rng: &mut Rng,
) -> Importance<F> {
    let mut best = Importance::draw(model, target, family, rng);
    let elbo = best.elbo;
    for _ in 0..ROUNDS {
        if best.weighted.is_trusted() {
            break;
        }
        let Some(moved) = best.moments() else { break };
        let next = Importance::draw(model, target, &moved, rng);
        if next.weighted.pareto_k() >= best.weighted.pareto_k() {
            break;
        }
        best = next;
    }
    best.elbo = elbo;
    best
}

impl<F: GaussianApproximation> Importance<F> {
    /// Draws from the mixture around `family`, and continues while it pays.
    fn draw<T: Target>(model: &dyn Model, target: &CountingTarget<T>, family: &F, rng: &mut Rng) -> Self {
        let [first, most] = [FIRST, MOST].map(|count| affordable(count, family.dim()));
        let mut draws = Array2::zeros((0, family.dim()));
        let mut parameters = Array2::zeros((0, model.parameter_count()));
        let mut log_ratios: Vec<f64> = Vec::new();
        let mut log_weights_of_gaussian: Vec<f64> = Vec::new();
        loop {
            let more = draws.nrows().max(first);
            let (points, ratios, of_gaussian) = proposals(target, family, more, rng);
            let same_width = "all draws have as many columns";
            parameters.append(Axis(0), constrained_parameters(model, &points).view()).expect(same_width);
            draws.append(Axis(0), points.view()).expect(same_width);
            log_ratios.extend(ratios);
            log_weights_of_gaussian.extend(of_gaussian);
            let weighted = WeightedDraws::new(draws, parameters, log_ratios);
            let elbo = log_weights_of_gaussian.iter().sum::<f64>() / log_weights_of_gaussian.len() as f64;
            let enough = weighted.is_precise() && weighted.knows_variances();
            if !weighted.is_trusted() || enough || 2 * weighted.draws().nrows() > most {
                return Self { proposal: family.clone(), weighted, elbo };
            }
            (draws, parameters, log_ratios) = weighted.into_parts();
        }
    }

    /// The Gaussian around which the draws were made.
    pub fn proposal(&self) -> &F {
        &self.proposal
    }

    /// The draws with their weights.
    pub fn weighted(&self) -> &WeightedDraws {
        &self.weighted
    }

    /// The evidence lower bound of the Gaussian, from its half of the draws; −∞ where one was rejected.
    pub fn elbo(&self) -> f64 {
        self.elbo
    }

    /// The Gaussian of the weighted draws' mean and covariance; none where too few draws carry the weight. The
    /// covariance of n draws is D²/4n nats from the true one, so that a full one in hundreds of dimensions would need
    /// more than there are.
    fn moments(&self) -> Option<F> {
        let (draws, weights) = (self.weighted.draws(), self.weighted.weights());
        let dim = draws.ncols() as f64;
        if self.weighted.effective_draws() < (2.0 * dim).max(0.25 * dim * dim) {
            return None;
        }
        self.proposal.of_moments(draws, ArrayView1::from(weights))
    }
}

/// `count` draws of the mixture, half from each component, with log p − log mixture, and log p − log q for those from
/// q.
fn proposals<T: Target>(
    target: &CountingTarget<T>,
    family: &impl GaussianApproximation,
    count: usize,
    rng: &mut Rng,
) -> (Array2<f64>, Vec<f64>, Vec<f64>) {
    let noise = noise(count, family.dim(), rng);
    let mut draws = Array2::zeros(noise.dim());
    family.draws(noise.view(), draws.view_mut());
    let log_densities = log_densities(target, &draws);
    let proposal = HalfT::new(family.dim());
    let log_ratios = |(noise, log_p): (ArrayView1<f64>, f64)| {
        let squared = noise.dot(&noise);
        let log_q = family.log_density_of_noise(squared);
        (log_p - proposal.log_density_beside(log_q, squared), log_p - log_q)
    };
    let log_ratios = noise.axis_iter(Axis(0)).into_par_iter().zip(log_densities).map(log_ratios);
    let (ratios, mut of_q): (Vec<f64>, Vec<f64>) = log_ratios.unzip();
    of_q.truncate(count / 2);
    (draws, ratios, of_q)
}
