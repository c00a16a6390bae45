//! Pathfinder (Zhang, Carpenter, Gelman and Vehtari, JMLR 23, 2022): draws of the best local Gaussian of each of
//! several optimisation paths, weighed as draws of the Gaussians' mixture.

use super::answer::Answer;
use super::draw_limit::affordable;
use super::modes::{self, compared_with_draws};
use super::phase::Phases;
use super::weighted_draws::{WeightedDraws, constrained_parameters, log_densities};
use super::{Finding, Fit, FitError, Problem, Proposal, Verdict};
use crate::gaussian::{Approximation, LN_2PI};
use crate::init::{LocalGaussian, PathGaussian};
use crate::model::Target;
use crate::random::{Rng, Stream, fill_standard_normal};
use ndarray::{Array2, s};

/// Directions that are kept of a Gaussian too large for its factor: as many as L-BFGS has, two for each step it
/// remembers.
const DIRECTIONS: usize = 12;

/// Multi-path Pathfinder, or with one path the single-path one. As many draws as are asked for come from each path, or
/// as fit into a fit's memory.
///
/// Unlike in the paper and in Stan a draw is weighed by the density of the mixture, not by that of its own path: draws
/// of a path that has found less than the others then do not count for more than they are worth.
pub(super) fn fit(problem: Problem<'_>, count: usize, mut phases: Phases<'_>) -> Result<Fit, FitError> {
    let Problem { model, target, draws, draws_asked, seed, .. } = problem;
    let search = phases.run("path", || modes::search(problem, count))?;
    let gaussians = search.found.first.clone();
    let (weighted, elbo) = phases.run("psis", || {
        let of_each = draws_of_each(draws_asked, gaussians.len(), model.dim().max(model.names().len()));
        let (draws, log_ratios, elbo) = Mixture(&gaussians).weighed(target, of_each, &mut Stream::Importance.of(seed));
        let parameters = constrained_parameters(model, &draws);
        (WeightedDraws::new(draws, parameters, log_ratios), elbo)
    });
    let mut verdict = Verdict { elbo, ..Verdict::default() };
    let judgement = weighted.judge(Proposal::PathfinderMixture, model.names());
    verdict.pareto_k = judgement.pareto_k;
    verdict.pareto_k_of_variances = judgement.pareto_k_of_variances;
    verdict.objections.extend(judgement.objection);
    verdict.notes.extend((draws < draws_asked).then_some(Finding::FewerDraws { count: draws }));
    verdict.notes.extend(judgement.caution);
    let lost = count - gaussians.len();
    verdict.notes.extend((lost > 0).then_some(Finding::PathsLost { lost, paths: count }));
    let answer = Answer::resampled(problem, &weighted, &mut Stream::Draws.of(seed), &mut phases)?;
    let modes = compared_with_draws(problem, &search, answer.unconstrained.view(), &mut verdict);
    let best = gaussians.into_iter().next().map(|best| saved(best.into(), &mut Stream::Loadings.of(seed)));
    Ok(Fit { modes: Some(modes), ..Fit::new(answer, verdict, best, phases.finish()) })
}

/// As many of the draws that were asked for of each path as a table of those of all `paths` may hold.
fn draws_of_each(asked: usize, paths: usize, quantities: usize) -> usize {
    affordable(asked.saturating_mul(paths), quantities).div_ceil(paths.max(1))
}

/// The Gaussian in full where its D × D factor may be kept, else as a diagonal and its largest directions.
fn saved(gaussian: LocalGaussian, rng: &mut Rng) -> Approximation {
    let dim = gaussian.dim();
    if affordable(dim, dim) == dim { gaussian.dense().into() } else { gaussian.low_rank(DIRECTIONS, rng).into() }
}

/// An equal mixture of Gaussians, the best of them first.
struct Mixture<'a>(&'a [PathGaussian]);

impl Mixture<'_> {
    /// `count` draws of each Gaussian, with log p − log q under the mixture's density q, and the evidence lower bound
    /// of the first Gaussian alone.
    fn weighed<T: Target>(&self, target: &T, count: usize, rng: &mut Rng) -> (Array2<f64>, Vec<f64>, f64) {
        let mut draws = Array2::zeros((count * self.0.len(), target.dim()));
        fill_standard_normal(rng, draws.as_slice_mut().expect("a fresh array is contiguous"));
        for (index, gaussian) in self.0.iter().enumerate() {
            let mut rows = draws.slice_mut(s![index * count..(index + 1) * count, ..]);
            for mut row in rows.rows_mut() {
                let draw = gaussian.covariance.multiply(row.view()) + &gaussian.mean;
                row.assign(&draw);
            }
        }
        let log_p = log_densities(target, &draws);
        let log_q: Vec<Vec<f64>> = self.0.iter().map(|gaussian| log_density(gaussian, &draws)).collect();
        let elbo = (0..count).map(|row| log_p[row] - log_q[0][row]).sum::<f64>() / count as f64;
        let log_ratios = log_p.iter().enumerate().map(|(row, log_p)| {
            let largest = log_q.iter().map(|log_q| log_q[row]).fold(f64::NEG_INFINITY, f64::max);
            let total: f64 = log_q.iter().map(|log_q| (log_q[row] - largest).exp()).sum();
            log_p - largest - (total / log_q.len() as f64).ln()
        });
        let log_ratios = log_ratios.collect();
        (draws, log_ratios, elbo)
    }
}

/// The normalised log density at each row of `points`.
fn log_density(gaussian: &PathGaussian, points: &Array2<f64>) -> Vec<f64> {
    let noise = gaussian.covariance.whiten((points - &gaussian.mean).view());
    let constant = -0.5 * LN_2PI * points.ncols() as f64 - gaussian.covariance.log_det();
    noise.rows().into_iter().map(|noise| constant - 0.5 * noise.dot(&noise)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gaussian::GaussianApproximation;
    use crate::init::FactoredCovariance;
    use crate::model::{Gaussian, Mixture as Target};
    use crate::random::stream;
    use ndarray::{Array1, arr1};

    fn gaussian(mean: [f64; 2], sds: [f64; 2]) -> (PathGaussian, Gaussian) {
        let covariance = FactoredCovariance::diagonal(arr1(&sds));
        let exact = Gaussian::new(arr1(&mean), Array2::from_diag(&Array1::from_iter(sds.map(|sd| sd * sd))));
        (PathGaussian { mean: arr1(&mean), covariance, elbo: 0.0 }, exact)
    }

    /// 8 000 dimensions have a factor of 512 MB.
    #[test]
    fn the_draws_of_all_paths_fit_into_memory() {
        assert_eq!(draws_of_each(4000, 4, 100), 4000);
        assert!(draws_of_each(4000, 4, 10_000) * 4 * 10_000 < 4000 * 10_000);
        assert_eq!(draws_of_each(4000, 0, 100), 0);
    }

    #[test]
    fn a_large_gaussian_keeps_its_variances() {
        let sds = Array1::from_shape_fn(8000, |i| 1.0 + i as f64);
        let local = |sds: Array1<f64>| LocalGaussian::Factored {
            mean: Array1::zeros(sds.len()),
            covariance: FactoredCovariance::diagonal(sds),
        };
        let Approximation::LowRank(family) = saved(local(sds.clone()), &mut stream(1, 0)) else {
            panic!("it is dense")
        };
        assert!((family.sds() / sds - 1.0).iter().all(|error| error.abs() < 1e-3));
        assert!(matches!(saved(local(Array1::ones(3)), &mut stream(1, 0)), Approximation::Dense(_)));
    }

    /// Where the posterior is the mixture itself all weights are equal.
    #[test]
    fn the_mixtures_own_draws_weigh_the_same() {
        let ((first, a), (second, b)) = (gaussian([-3.0, 0.0], [1.0, 2.0]), gaussian([4.0, 1.0], [0.5, 1.0]));
        let target = Target(vec![a, b]);
        let (draws, log_ratios, _) = Mixture(&[first, second]).weighed(&target, 500, &mut stream(1, 0));
        assert!(log_ratios.iter().all(|ratio| ratio.abs() < 1e-9));
        let mean = draws.column(0).mean().unwrap();
        assert!((mean - 0.5).abs() < 0.1, "{mean}");
    }

    /// A Gaussian's own evidence lower bound is 0; another's is minus the Kullback-Leibler divergence.
    #[test]
    fn the_evidence_lower_bound_is_that_of_the_first() {
        let ((first, exact), (second, _)) = (gaussian([0.0, 0.0], [1.0, 2.0]), gaussian([0.0, 1.0], [1.0, 2.0]));
        let elbo = |order: &[PathGaussian]| Mixture(order).weighed(&exact, 20_000, &mut stream(1, 0)).2;
        assert!(elbo(&[first.clone(), second.clone()]).abs() < 1e-9);
        assert!((elbo(&[second, first]) + 0.125).abs() < 0.02);
    }
}
