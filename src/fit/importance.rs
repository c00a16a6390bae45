//! Importance sampling from a fitted Gaussian with a heavy-tailed companion: draws of the posterior itself where the two
//! are close, and k̂ where they are not.

use crate::diagnostics::{Psis, pareto_k_threshold, psis};
use crate::family::{Family, LN_2PI};
use crate::random::{Rng, fill_standard_normal};
use crate::target::{Counted, StanTarget, Target};
use ndarray::{Array2, ArrayView1, Axis, concatenate};
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_distr::{ChiSquared, Distribution};
use rayon::prelude::*;
use statrs::function::gamma::ln_gamma;

/// Degrees of freedom of the heavy-tailed companion.
const DEGREES: f64 = 7.0;
/// Draws to begin with, half of them from each component.
const FIRST: usize = 4000;
/// Draws at the most.
const MOST: usize = 32_000;
/// How often the proposal may be moved.
const ROUNDS: usize = 4;
/// The Monte Carlo error, in standard deviations, at which no more draws are made: a third of the tolerance of a comparison.
const PRECISE: f64 = crate::compare::TOLERANCE / 3.0;

/// Weighted draws.
pub struct Importance<F> {
    proposal: F,
    draws: Array2<f64>,
    psis: Psis,
    elbo: f64,
    monte_carlo_error: f64,
}

/// Draws from an equal mixture of a Gaussian and a multivariate Student-t with 7 degrees of freedom, both of q's location and
/// scale, and weighs them by the posterior (Pareto-smoothed; arXiv 1507.02646). The mixture's weights are at most twice those
/// of the better of its components: the t keeps the weights of heavy tails bounded, the Gaussian those of many dimensions.
///
/// While the weights cannot be trusted, the mixture is moved to the weighted draws' mean and covariance and drawn anew
/// (adaptive importance sampling; Paananen, Piironen, Bürkner and Vehtari, arXiv 1906.08850), and the round with the
/// smallest k̂ counts. Trusted draws are doubled while a parameter's mean or standard deviation is not yet precise.
pub fn importance<F: Family, T: Target>(
    model: &StanTarget,
    target: &Counted<T>,
    family: &F,
    rng: &mut Rng,
) -> Importance<F> {
    let mut best = Importance::draw(model, target, family, rng);
    let elbo = best.elbo;
    for _ in 0..ROUNDS {
        if best.is_trusted() {
            break;
        }
        let Some(moved) = best.moments() else { break };
        let next = Importance::draw(model, target, &moved, rng);
        if next.pareto_k() >= best.pareto_k() {
            break;
        }
        best = next;
    }
    best.elbo = elbo;
    best
}

impl<F: Family> Importance<F> {
    /// Draws from the mixture around `family`, and goes on while it pays.
    fn draw<T: Target>(model: &StanTarget, target: &Counted<T>, family: &F, rng: &mut Rng) -> Self {
        let mut draws = Array2::zeros((0, family.dim()));
        let mut parameters = Array2::zeros((0, model.parameter_count()));
        let mut log_ratios: Vec<f64> = Vec::new();
        let mut log_weights_of_gaussian: Vec<f64> = Vec::new();
        loop {
            let more = draws.nrows().max(FIRST);
            let (points, ratios, of_gaussian) = proposals(target, family, more, rng);
            parameters = concatenate![Axis(0), parameters, constrained_parameters(model, &points)];
            draws = concatenate![Axis(0), draws, points];
            log_ratios.extend(ratios);
            log_weights_of_gaussian.extend(of_gaussian);
            let psis = psis(&log_ratios);
            let monte_carlo_error = largest_error(&parameters, &psis.weights);
            let elbo = log_weights_of_gaussian.iter().sum::<f64>() / log_weights_of_gaussian.len() as f64;
            let weighted =
                Self { proposal: family.clone(), draws: draws.view().to_owned(), psis, elbo, monte_carlo_error };
            if !weighted.is_trusted() || monte_carlo_error <= PRECISE || draws.nrows() >= MOST {
                return weighted;
            }
        }
    }

    /// Whether k̂ allows to use the weights.
    pub fn is_trusted(&self) -> bool {
        self.pareto_k() <= pareto_k_threshold(self.draws())
    }

    /// What speaks against the weighted draws, if anything.
    pub fn objection(&self) -> Option<String> {
        let threshold = pareto_k_threshold(self.draws());
        if !self.is_trusted() {
            return Some(format!(
                "Pareto k is {:.2}, above {threshold:.2}: the Gaussian is too far from the posterior for importance sampling \
                 to correct it",
                self.pareto_k()
            ));
        }
        (self.monte_carlo_error > PRECISE).then(|| {
            format!(
                "the Monte Carlo error of a mean or standard deviation is {:.3} standard deviations even after {} importance draws",
                self.monte_carlo_error,
                self.draws()
            )
        })
    }

    /// The Gaussian of the weighted draws' mean and covariance; none where too few draws carry the weight.
    fn moments(&self) -> Option<F> {
        if self.effective_draws() < 2.0 * self.draws.ncols() as f64 {
            return None;
        }
        self.proposal.of_moments(self.draws.view(), ArrayView1::from(&self.psis.weights))
    }
}

/// `count` draws of the mixture, half from each component, with log p − log mixture, and log p − log q for those from q.
fn proposals<T: Target>(
    target: &Counted<T>,
    family: &impl Family,
    count: usize,
    rng: &mut Rng,
) -> (Array2<f64>, Vec<f64>, Vec<f64>) {
    let dim = family.dim();
    let mut noise = Array2::zeros((count, dim));
    fill_standard_normal(rng, noise.as_slice_mut().expect("a fresh array is contiguous"));
    let chi_squared = ChiSquared::new(DEGREES).expect("the degrees of freedom are positive");
    for mut row in noise.rows_mut().into_iter().skip(count / 2) {
        let widening = (DEGREES / chi_squared.sample(rng)).sqrt();
        row *= widening;
    }
    let mut draws = Array2::zeros((count, dim));
    family.draws(noise.view(), draws.view_mut());
    let log_densities: Vec<f64> = (0..count)
        .into_par_iter()
        .map(|row| {
            let draw = draws.row(row);
            target.log_density(draw.as_slice().expect("rows are contiguous")).unwrap_or(f64::NEG_INFINITY)
        })
        .collect();
    let constant = ln_gamma((DEGREES + dim as f64) / 2.0) - ln_gamma(DEGREES / 2.0) - 0.5 * dim as f64 * DEGREES.ln();
    let (mut ratios, mut of_q) = (Vec::with_capacity(count), Vec::with_capacity(count / 2));
    for (row, (noise, log_p)) in noise.rows().into_iter().zip(log_densities).enumerate() {
        let squared = noise.dot(&noise);
        let log_q = family.log_density_of_noise(squared);
        // Relative to the Gaussian: Γ-functions and π for (2π)^(−D/2) exp(−‖ε‖²/2).
        let log_t = log_q + 0.5 * (squared + dim as f64 * (LN_2PI - std::f64::consts::PI.ln())) + constant
            - 0.5 * (DEGREES + dim as f64) * (squared / DEGREES).ln_1p();
        let larger = log_q.max(log_t);
        let log_mixture = larger + (0.5 * ((log_q - larger).exp() + (log_t - larger).exp())).ln();
        ratios.push(log_p - log_mixture);
        if row < count / 2 {
            of_q.push(log_p - log_q);
        }
    }
    (draws, ratios, of_q)
}

/// The constrained parameters at each point; NaN where the program rejects it.
fn constrained_parameters(model: &StanTarget, points: &Array2<f64>) -> Array2<f64> {
    let mut parameters = Array2::zeros((points.nrows(), model.parameter_count()));
    for (point, mut row) in points.rows().into_iter().zip(parameters.rows_mut()) {
        let row = row.as_slice_mut().expect("rows are contiguous");
        if model.constrain_parameters(point.as_slice().expect("rows are contiguous"), row).is_err() {
            row.fill(f64::NAN);
        }
    }
    parameters
}

/// The largest Monte Carlo standard error of a weighted mean, in standard deviations, or of a log standard deviation, over
/// the columns (delta method on the self-normalised weights). Points of no weight do not count, whatever their values.
fn largest_error(columns: &Array2<f64>, weights: &[f64]) -> f64 {
    let error = |column: ArrayView1<f64>| {
        let weighted = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
            column.iter().zip(weights).filter(|(_, w)| **w > 0.0).map(|(&x, &w)| f(x, w)).sum()
        };
        let mean = weighted(&|x, w| w * x);
        let variance = weighted(&|x, w| w * (x - mean).powi(2));
        if variance <= 0.0 {
            return 0.0;
        }
        let of_mean = weighted(&|x, w| (w * (x - mean)).powi(2)) / variance;
        let of_variance = weighted(&|x, w| (w * ((x - mean).powi(2) - variance)).powi(2));
        of_mean.sqrt().max(0.5 * of_variance.sqrt() / variance)
    };
    columns
        .columns()
        .into_iter()
        .map(error)
        .fold(0.0, |largest, error| if error > largest || error.is_nan() { error } else { largest })
}

impl<F: Family> Importance<F> {
    /// The Gaussian around which the draws were made.
    pub fn proposal(&self) -> &F {
        &self.proposal
    }

    /// How many draws were weighed.
    pub fn draws(&self) -> usize {
        self.draws.nrows()
    }

    /// The shape of the weights' tail.
    pub fn pareto_k(&self) -> f64 {
        self.psis.pareto_k
    }

    /// The evidence lower bound of the Gaussian, from its half of the draws; −∞ where one was rejected.
    pub fn elbo(&self) -> f64 {
        self.elbo
    }

    /// How many independent draws the weighted draws are worth, 1/Σw².
    pub fn effective_draws(&self) -> f64 {
        self.psis.weights.iter().map(|w| w * w).sum::<f64>().recip()
    }

    /// `count` equally weighted draws in random order, by systematic resampling, which adds the least noise.
    pub fn resample(&self, count: usize, rng: &mut Rng) -> Array2<f64> {
        let offset: f64 = rng.random_range(0.0..1.0);
        let mut chosen = Vec::with_capacity(count);
        let (mut cumulative, mut row) = (self.psis.weights[0], 0);
        for index in 0..count {
            let position = (index as f64 + offset) / count as f64;
            while cumulative < position && row + 1 < self.psis.weights.len() {
                row += 1;
                cumulative += self.psis.weights[row];
            }
            chosen.push(row);
        }
        chosen.shuffle(rng);
        self.draws.select(Axis(0), &chosen)
    }
}
