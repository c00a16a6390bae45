//! What can be said of a family without a density: importance weights that are exact in expectation, and two estimates
//! of the score divergence, one through the critic and one that does without it.

use super::elbo::log_mean_exp;
use super::evaluate::{Evaluator, rows};
use super::mlp::{Mlp, Tape};
use super::{SemiImplicit, SiviError};
use crate::gaussian::LN_2PI;
use crate::linalg::{cholesky_factor, inverse};
use crate::model::Target;
use crate::random::{Rng, fill_standard_normal};
use ndarray::{Array1, Array2, ArrayView1};
use rand::{Rng as _, RngExt, SeedableRng};
use rayon::prelude::*;

/// Draws among which the values of z to begin a search with are found.
const BANK: usize = 1000;
/// Searches per point.
const STARTS: usize = 3;
/// Gauss–Newton iterations per search.
const ITERATIONS: usize = 8;
/// Values of z per point.
const VALUES: usize = 128;
/// The share of values of z that come from N(0, I), whatever the searches found.
const DEFENSIVE: f64 = 0.1;

/// Estimates of the density of a semi-implicit family, q(x) = ∫ q(x | z) N(z; 0, I) dz, by importance sampling of z
/// from a mixture that depends on x alone: Gaussians around the z that explain x best, and N(0, I).
pub struct SemiImplicitDensity<'a> {
    family: &'a SemiImplicit<f64>,
    sds: Vec<f64>,
    bank_z: Array2<f64>,
    bank_means: Array2<f64>,
}

/// A Gaussian on the space of z.
struct Component {
    mean: Array1<f64>,
    precision: Array2<f64>,
    factor: Array2<f64>,
    log_det_factor: f64,
}

/// What importance sampling says at one point.
struct Estimate {
    log_density: f64,
    /// ‖S − ∇log q‖² from products (S − g₁)·(S − g₂) with two independent estimates g of ∇log q.
    squared_difference: f64,
}

impl<'a> SemiImplicitDensity<'a> {
    /// Prepares for `family`.
    pub fn new(family: &'a SemiImplicit<f64>, rng: &mut Rng) -> Self {
        let mut bank_z = Array2::zeros((BANK, family.latent()));
        fill_standard_normal(rng, bank_z.as_slice_mut().expect("a fresh array is contiguous"));
        let mut tape = Tape::new(family.mean.shape(), BANK);
        family.mean.forward(bank_z.view(), &mut tape);
        Self { family, sds: family.sds(), bank_z, bank_means: tape.outputs }
    }

    /// log N(x; μ, σ²) for a row μ of means.
    fn log_conditional(&self, x: &[f64], mean: ArrayView1<'_, f64>) -> f64 {
        let terms = x.iter().zip(mean).zip(&self.sds).map(|((x, m), sd)| -0.5 * ((x - m) / sd).powi(2) - sd.ln());
        terms.sum::<f64>() - 0.5 * self.sds.len() as f64 * LN_2PI
    }

    /// The Gaussian around the z that explains `x` best, found from the bank's row `start` by damped Gauss–Newton
    /// steps.
    fn search(&self, x: &[f64], start: usize, tape: &mut Tape<f64>) -> Option<Component> {
        let mean = &self.family.mean;
        let mut evaluate = |z: &Array1<f64>| {
            mean.forward(z.view().insert_axis(ndarray::Axis(0)), tape);
            self.log_conditional(x, tape.outputs.row(0)) - 0.5 * z.dot(z)
        };
        let mut z = self.bank_z.row(start).to_owned();
        let mut height = evaluate(&z);
        let sds = ArrayView1::from(&self.sds);
        let mut precision = Array2::eye(z.len());
        let mut covariance = precision.clone();
        for iteration in 0..=ITERATIONS {
            mean.forward(z.view().insert_axis(ndarray::Axis(0)), tape);
            let scaled = mean.jacobian(tape, 0) / sds;
            precision = scaled.dot(&scaled.t());
            precision.diag_mut().mapv_inplace(|d| d + 1.0);
            covariance = inverse(precision.clone())?;
            if iteration == ITERATIONS {
                break;
            }
            let residual = (&ArrayView1::from(x) - &tape.outputs.row(0)) / sds;
            let step = covariance.dot(&(scaled.dot(&residual) - &z));
            let mut length = 1.0;
            let moved = loop {
                let candidate = &z + &(&step * length);
                mean.forward(candidate.view().insert_axis(ndarray::Axis(0)), tape);
                let there = self.log_conditional(x, tape.outputs.row(0)) - 0.5 * candidate.dot(&candidate);
                if there > height {
                    let gain = there - height;
                    (z, height) = (candidate, there);
                    break gain > 1e-3;
                }
                length /= 2.0;
                if length < 0.05 {
                    break false;
                }
            };
            if !moved && iteration > 0 {
                break;
            }
        }
        let factor = cholesky_factor(&covariance).ok()?;
        let log_det_factor = factor.diag().iter().map(|d| d.ln()).sum();
        Some(Component { mean: z, precision, factor, log_det_factor })
    }

    /// The mixture that z is drawn from: a function of `x` alone, as the weights' exactness asks.
    fn proposal(&self, x: &[f64], tape: &mut Tape<f64>) -> Vec<Component> {
        let mut nearest: Vec<(f64, usize)> = (self.bank_means.rows().into_iter().enumerate())
            .map(|(row, mean)| (x.iter().zip(mean).map(|(x, m)| (x - m).powi(2)).sum(), row))
            .collect();
        nearest.select_nth_unstable_by(STARTS, |a, b| a.0.total_cmp(&b.0));
        nearest[..STARTS].iter().filter_map(|&(_, row)| self.search(x, row, tape)).collect()
    }

    fn log_proposal(components: &[Component], z: ArrayView1<'_, f64>) -> f64 {
        let normal = -0.5 * z.len() as f64 * LN_2PI;
        let defensive = if components.is_empty() { 1.0 } else { DEFENSIVE };
        let mut logs = vec![defensive.ln() - 0.5 * z.dot(&z)];
        let share = ((1.0 - DEFENSIVE) / components.len().max(1) as f64).ln();
        logs.extend(components.iter().map(|component| {
            let deviation = &z - &component.mean;
            share - 0.5 * deviation.dot(&component.precision.dot(&deviation)) - component.log_det_factor
        }));
        let count = logs.len() as f64;
        normal + log_mean_exp(&mut logs) + count.ln()
    }

    /// The density at `x`, a draw that came from `own`, and the difference from the target's `score` there.
    ///
    /// With z₀ the value that x came from among the values, p(x)/q̂(x) has the expectation that p(x)/q(x) has, for any
    /// proposal: weights with it are exact, only noisier.
    fn estimate(&self, x: &[f64], own: ArrayView1<'_, f64>, score: &[f64], rng: &mut Rng) -> Estimate {
        let latent = own.len();
        let components = self.proposal(x, &mut Tape::new(self.family.mean.shape(), 1));
        let mut values = Array2::zeros((VALUES + 1, latent));
        values.row_mut(0).assign(&own);
        let mut normal = vec![0.0; latent];
        for mut value in values.rows_mut().into_iter().skip(1) {
            fill_standard_normal(rng, &mut normal);
            let from_prior = components.is_empty() || rng.random_range(0.0..1.0) < DEFENSIVE;
            if from_prior {
                value.assign(&ArrayView1::from(&normal));
            } else {
                let component = &components[rng.random_range(0..components.len())];
                value.assign(&(&component.factor.dot(&ArrayView1::from(&normal)) + &component.mean));
            }
        }
        let mut tape = Tape::new(self.family.mean.shape(), VALUES + 1);
        self.family.mean.forward(values.view(), &mut tape);
        let logs: Vec<f64> = (values.rows().into_iter().zip(tape.outputs.rows()))
            .map(|(z, mean)| {
                let prior = -0.5 * (z.dot(&z) + latent as f64 * LN_2PI);
                self.log_conditional(x, mean) + prior - Self::log_proposal(&components, z)
            })
            .collect();
        let half = VALUES / 2;
        let difference = |range: std::ops::Range<usize>| -> Array1<f64> {
            let mut shares = logs[range.clone()].to_vec();
            log_mean_exp(&mut shares);
            let mean_of = |d: usize| range.clone().zip(&shares).map(|(k, s)| s * tape.outputs[[k, d]]).sum::<f64>();
            (0..x.len()).map(|d| score[d] + (x[d] - mean_of(d)) / self.sds[d].powi(2)).collect()
        };
        // Each estimate of ∇log q has a bias of the order of one over its values; the product's is the square of that,
        // and is extrapolated away.
        let product =
            |first: std::ops::Range<usize>, second: std::ops::Range<usize>| difference(first).dot(&difference(second));
        let quarter = half / 2;
        let of_halves = product(1..1 + half, 1 + half..1 + 2 * half);
        let of_quarters: f64 = (0..2)
            .map(|it| 1 + it * half)
            .map(|first| 0.5 * product(first..first + quarter, first + quarter..first + half))
            .sum();
        let squared_difference = (4.0 * of_halves - of_quarters) / 3.0;
        Estimate { log_density: log_mean_exp(&mut logs.clone()), squared_difference }
    }
}

/// What fresh draws say of a semi-implicit fit.
pub struct FreshDrawsCheck {
    /// Draws of the family in its own coordinates, count × D.
    pub draws: Array2<f64>,
    /// log p − log q of each, with an estimate of q that makes importance weights exact in expectation.
    pub log_ratios: Vec<f64>,
    /// The evidence lower bound, estimated from the same weights; NaN where a draw was rejected.
    pub elbo: f64,
    /// The score divergence per dimension through the critic: a bound from below.
    pub critic_divergence: f64,
    /// The score divergence per dimension by importance sampling of z, without the critic.
    pub score_divergence: f64,
    /// Draws that the target rejected.
    pub rejected: usize,
}

/// Judges `family` with `count` fresh draws. The result depends on `rng` alone, not on the number of threads.
///
/// # Errors
/// Where the target rejects every draw.
pub fn judge<T: Target + ?Sized>(
    target: &T,
    family: &SemiImplicit<f64>,
    critic: Option<&Mlp<f64>>,
    count: usize,
    rng: &mut Rng,
) -> Result<FreshDrawsCheck, SiviError> {
    let density = SemiImplicitDensity::new(family, rng);
    let (draws, z) = family.draws(count, rng);
    let dim = family.dim();
    let mut evaluator = Evaluator::new(count);
    let mut scores = Array2::zeros(draws.dim());
    evaluator.scores(target, &draws, &mut scores);
    let usable = evaluator.usable();
    let used = usable.iter().filter(|&&usable| usable).count();
    if used == 0 {
        return Err(SiviError::NoUsableDraws);
    }
    let seeds: Vec<u64> = (0..count).map(|_| rng.next_u64()).collect();
    let points: Vec<(&[f64], &[f64])> = rows(&draws).zip(rows(&scores)).collect();
    let estimates: Vec<Estimate> = (0..count)
        .into_par_iter()
        .map(|row| {
            let (x, score) = points[row];
            density.estimate(x, z.row(row), score, &mut Rng::seed_from_u64(seeds[row]))
        })
        .collect();
    let log_ratios: Vec<f64> = evaluator
        .log_densities()
        .iter()
        .zip(&estimates)
        .map(|(log_p, estimate)| log_p - estimate.log_density)
        .collect();
    let per_dimension = dim as f64;
    let nested: Vec<f64> = estimates.iter().map(|estimate| estimate.squared_difference / per_dimension).collect();
    let through_critic: Vec<f64> = match critic {
        None => vec![f64::NAN; count],
        Some(critic) => {
            let mut tape = Tape::new(critic.shape(), count);
            critic.forward(draws.view(), &mut tape);
            let mut means = Tape::new(family.mean.shape(), count);
            family.mean.forward(z.view(), &mut means);
            let term = |row: usize, d: usize| {
                let pull = (draws[[row, d]] - means.outputs[[row, d]]) / density.sds[d].powi(2);
                let f = tape.outputs[[row, d]];
                f * (2.0 * (scores[[row, d]] + pull) - f)
            };
            (0..count).map(|row| (0..dim).map(|d| term(row, d)).sum::<f64>() / per_dimension).collect()
        }
    };
    let mean =
        |value: &dyn Fn(usize) -> f64| (0..count).filter(|&row| usable[row]).map(value).sum::<f64>() / used as f64;
    let score_divergence = mean(&|row| nested[row]);
    let critic_divergence = mean(&|row| through_critic[row]);
    let elbo = log_ratios.iter().sum::<f64>() / count as f64;
    let rejected = count - used;
    Ok(FreshDrawsCheck { draws, log_ratios, elbo, critic_divergence, score_divergence, rejected })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::psis;
    use crate::model::Gaussian;
    use crate::random::stream;
    use ndarray::array;

    /// A linear family is a Gaussian whose density is known: weights, divergence and bound must be those of it.
    #[test]
    fn a_linear_family_is_judged_as_the_gaussian_that_it_is() {
        let mut family = SemiImplicit::<f64>::standard_normal(2, 3, 4, 0.2, &mut stream(1, 0));
        family.mean.parameters.fill(0.0);
        family.mean.set_skip((1.0_f64 - 0.04).sqrt());
        let target = Gaussian::new(array![0.3, 0.0], array![[1.2, 0.2], [0.2, 0.9]]);
        let count = 4000;
        let judgement = judge(&target, &family, None, count, &mut stream(2, 0)).unwrap();
        let psis = psis(&judgement.log_ratios);
        assert!(psis.pareto_k < 0.5, "{}", psis.pareto_k);
        // Under the weights the draws have the target's moments.
        let weights = Array1::from(psis.weights);
        let mean = judgement.draws.t().dot(&weights);
        assert!((&mean - target.mean()).iter().all(|d| d.abs() < 0.06), "{mean}");
        let weighted = &judgement.draws * &weights.insert_axis(ndarray::Axis(1));
        let covariance = judgement.draws.t().dot(&weighted)
            - mean.clone().insert_axis(ndarray::Axis(1)).dot(&mean.insert_axis(ndarray::Axis(0)));
        assert!((&covariance - target.covariance()).iter().all(|d| d.abs() < 0.1), "{covariance}");
        // E ‖S + x‖² and E[log p − log q] for x ~ N(0, I), from the draws themselves.
        let (mut divergence, mut elbo) = (0.0, 0.0);
        for x in rows(&judgement.draws) {
            let mut score = [0.0; 2];
            let log_p = target.log_density_and_score(x, &mut score).unwrap();
            divergence += (0..2).map(|d| (score[d] + x[d]).powi(2)).sum::<f64>() / (2 * count) as f64;
            elbo += (log_p + LN_2PI + 0.5 * (x[0] * x[0] + x[1] * x[1])) / count as f64;
        }
        // Its Monte Carlo error here is 0.02.
        let estimate = judgement.score_divergence;
        assert!((estimate - divergence).abs() < 0.06, "{estimate} and {divergence}");
        assert!((judgement.elbo - elbo).abs() < 0.02, "{} and {elbo}", judgement.elbo);
    }
}
