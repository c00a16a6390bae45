//! Importance sampling from a mixture of Gaussians, one for each mode.

use super::Search;
use crate::fit::Problem;
use crate::fit::draw_limit::affordable;
use crate::fit::weighted_draws::{WeightedDraws, constrained_parameters, log_densities};
use crate::gaussian::{GaussianApproximation, GaussianMixture, MixtureDraws, NotPositiveDefinite, Shares, log_sum_exp};
use crate::init::Mode;
use crate::random::Rng;
use ndarray::{Array1, Array2};

/// Draws for a first estimate of the shares, from which the allocation of the others follows.
const PILOT: usize = 1000;
/// Draws to begin with.
const FIRST: usize = 4000;
/// Draws at most; fewer where they would not fit into memory.
const MOST: usize = 32_000;
/// How often the components may be moved.
const ROUNDS: usize = 4;

/// Weighted draws of a mixture, and what they say of its components.
pub struct MixtureImportance<G> {
    mixture: GaussianMixture<G>,
    weighted: WeightedDraws,
    shares: Shares,
    elbo: f64,
}

/// Draws with what was evaluated at them.
struct Drawn {
    draws: MixtureDraws,
    log_densities: Vec<f64>,
}

impl<G: GaussianApproximation> MixtureImportance<G> {
    /// Weighs draws of the mixture of `gaussians`, one for each mode of `search`, by the density of the whole proposal.
    ///
    /// While the weights cannot be trusted, each component is moved to the mean and covariance of the weighted draws that
    /// belong to it (population Monte Carlo; Cappé, Douc, Guillin, Marin and Robert, 2008), and the round with the smallest
    /// k̂ counts. Trusted draws are doubled while a mean or a standard deviation is not yet precise.
    ///
    /// # Errors
    /// Where a component has no inverse in floating point.
    pub fn new(
        problem: Problem<'_>,
        gaussians: Vec<G>,
        search: &Search<'_>,
        rng: &mut Rng,
    ) -> Result<Self, NotPositiveDefinite> {
        let log_weights: Vec<f64> = search.found.modes.iter().map(|mode| mode.log_weight).collect();
        let guess = GaussianMixture::new(gaussians, &log_weights);
        let pilot = drawn(problem, &guess, PILOT.min(affordable(PILOT, guess.dim())), rng)?;
        let mut best = Self::weigh(problem, reweighed(&guess, &pilot), search, rng)?;
        let elbo = best.elbo;
        for _ in 0..ROUNDS {
            if best.weighted.is_trusted() {
                break;
            }
            let Some(moved) = best.moved() else { break };
            let next = Self::weigh(problem, moved, search, rng)?;
            if next.weighted.pareto_k() >= best.weighted.pareto_k() {
                break;
            }
            best = next;
        }
        best.elbo = elbo;
        Ok(best)
    }

    /// Draws from `mixture`, and continues while it pays.
    fn weigh(
        problem: Problem<'_>,
        mixture: GaussianMixture<G>,
        search: &Search<'_>,
        rng: &mut Rng,
    ) -> Result<Self, NotPositiveDefinite> {
        let [first, most] = [FIRST, MOST].map(|count| affordable(count, mixture.dim()));
        let mut all = drawn(problem, &mixture, first, rng)?;
        loop {
            let parameters = constrained_parameters(problem.model, &all.draws.draws);
            let weighted = WeightedDraws::new(all.draws.draws.clone(), parameters, all.log_ratios());
            let enough = weighted.is_precise() && weighted.knows_variances();
            let count = all.draws.draws.nrows();
            if !weighted.is_trusted() || enough || 2 * count > most {
                let shares = with_symmetries(&all, weighted.weights(), search);
                let elbo = all.elbo(&mixture);
                return Ok(Self { mixture, weighted, shares, elbo });
            }
            all.append(drawn(problem, &mixture, count, rng)?);
        }
    }

    /// The mixture with each component moved to the draws that belong to it; none where too few carry the weight for any.
    fn moved(&self) -> Option<GaussianMixture<G>> {
        let (draws, weights) = (self.weighted.draws(), self.weighted.weights());
        let dim = draws.ncols() as f64;
        let moved = |(index, gaussian): (usize, &G)| {
            let belongs = self.shares.belongs.column(index);
            let own: Array1<f64> = belongs.iter().zip(weights).map(|(b, w)| b * w).collect();
            let total = own.sum();
            let effective = total * total / own.dot(&own);
            // As for a single Gaussian: the covariance of n draws is D²/4n nats from the true one.
            let is_known = effective >= (2.0 * dim).max(0.25 * dim * dim);
            is_known.then(|| gaussian.of_moments(draws, (own / total).view())).flatten()
        };
        let moved: Vec<Option<G>> = self.mixture.components().iter().enumerate().map(moved).collect();
        if moved.iter().all(Option::is_none) {
            return None;
        }
        let stayed = self.mixture.components();
        let gaussians = moved.into_iter().zip(stayed).map(|(moved, stayed)| moved.unwrap_or_else(|| stayed.clone()));
        Some(GaussianMixture::new(gaussians.collect(), &self.log_shares()))
    }

    fn log_shares(&self) -> Vec<f64> {
        self.shares.shares.iter().map(|share| share.ln()).collect()
    }

    /// The draws with their weights.
    pub fn weighted(&self) -> &WeightedDraws {
        &self.weighted
    }

    /// The components.
    pub fn gaussians(&self) -> &[G] {
        self.mixture.components()
    }

    /// The posterior's share in each component, with its standard error.
    pub fn shares(&self) -> impl Iterator<Item = (f64, f64)> {
        self.shares.shares.iter().copied().zip(self.shares.standard_errors.iter().copied())
    }

    /// The evidence lower bound of the mixture of Gaussians; −∞ where a draw of theirs was rejected.
    pub fn elbo(&self) -> f64 {
        self.elbo
    }

    /// The component that each row of `points` most probably belongs to.
    ///
    /// # Errors
    /// Where a component has no inverse in floating point.
    pub fn members(&self, points: &Array2<f64>) -> Result<Vec<usize>, NotPositiveDefinite> {
        GaussianMixture::new(self.mixture.components().to_vec(), &self.log_shares()).members(points.view())
    }
}

/// Some `count` draws of the proposal.
fn drawn<G: GaussianApproximation>(
    problem: Problem<'_>,
    mixture: &GaussianMixture<G>,
    count: usize,
    rng: &mut Rng,
) -> Result<Drawn, NotPositiveDefinite> {
    let draws = mixture.sample(count, rng)?;
    let log_densities = log_densities(problem.target, &draws.draws);
    Ok(Drawn { draws, log_densities })
}

/// The mixture with the weights that the draws of a guess give its components.
fn reweighed<G: GaussianApproximation>(guess: &GaussianMixture<G>, pilot: &Drawn) -> GaussianMixture<G> {
    let log_ratios = pilot.log_ratios();
    let total = log_sum_exp(log_ratios.iter().copied());
    let weights: Vec<f64> = log_ratios.iter().map(|log| (log - total).exp()).collect();
    let log_shares: Vec<f64> = pilot.draws.shares(&weights).shares.iter().map(|share| share.ln()).collect();
    GaussianMixture::new(guess.components().to_vec(), &log_shares)
}

impl Drawn {
    /// log p − log q.
    fn log_ratios(&self) -> Vec<f64> {
        self.log_densities.iter().zip(&self.draws.log_proposal).map(|(p, q)| p - q).collect()
    }

    /// Those of other draws after these.
    fn append(&mut self, more: Self) {
        self.draws.append(more.draws);
        self.log_densities.extend(more.log_densities);
    }

    /// E[log p − log q] under the mixture of Gaussians q, stratum by stratum.
    fn elbo<G: GaussianApproximation>(&self, mixture: &GaussianMixture<G>) -> f64 {
        let log_weights: Vec<f64> = mixture.weights().iter().map(|weight| weight.ln()).collect();
        let (mut counts, mut sums) = (vec![0.0; log_weights.len()], vec![0.0; log_weights.len()]);
        let rows = self.draws.log_components.rows().into_iter().zip(&self.log_densities);
        for (index, (row, log_density)) in rows.enumerate().filter(|(index, _)| self.draws.of_gaussian[*index]) {
            let log_q = log_sum_exp(row.iter().zip(&log_weights).map(|(log, weight)| log + weight));
            counts[self.draws.strata[index]] += 1.0;
            sums[self.draws.strata[index]] += log_density - log_q;
        }
        mixture.weights().iter().zip(counts.iter().zip(&sums)).map(|(weight, (count, sum))| weight * sum / count).sum()
    }
}

/// The shares, equal among modes that are images of one another.
fn with_symmetries(drawn: &Drawn, weights: &[f64], search: &Search<'_>) -> Shares {
    let group = |(index, mode): (usize, &Mode)| mode.image.as_ref().map_or(index, |image| image.of);
    let groups: Vec<usize> = search.found.modes.iter().enumerate().map(group).collect();
    drawn.draws.equal_within(drawn.draws.shares(weights), &groups, weights)
}
