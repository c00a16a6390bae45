//! Importance sampling from a triangular map, with heavy-tailed companions in both coordinates.

use super::super::draw_limit::affordable;
use super::super::weighted_draws::{WeightedDraws, constrained_parameters, log_densities};
use super::super::{Problem, monte_carlo_error::PRECISE};
use super::knowledge::{Knowledge, knowledge, least_known};
use crate::engine::transport::Explored;
use crate::gaussian::half_t::{HalfT, widen};
use crate::gaussian::{DenseGaussian, GaussianApproximation, log_sum_exp};
use crate::random::{Rng, standard_normal};
use crate::transport::TriangularMap;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};

/// Draws to begin with.
const FIRST: usize = 8000;
/// Draws, at most; fewer where they would not fit into memory.
const MOST: usize = 32_000;
/// One draw of so many comes from a Student-t with the chains' moments, whose tails do not depend on how the
/// map extrapolates.
const OF_CHAINS: usize = 10;
/// The variances of that one, relative to the chains'.
const WIDENING: f64 = 1.2;
/// Draws are doubled while k̂ of the weights, or of a variance's, is above this: then these have no variance, and Monte
/// Carlo errors are known badly. With 0.6 two of 40 fits of centred eight schools were wrong that stopped at 8000 draws.
const KNOWN: f64 = 0.5;

/// Weighted draws of a map, with what is known of them.
pub struct MapImportance {
    /// The draws.
    pub weighted: WeightedDraws,
    /// How well they know each parameter's variance; none of a parameter that does not vary.
    pub knowledge: Vec<Option<Knowledge>>,
    /// The evidence lower bound of the map; −∞ where one of its draws was rejected.
    pub elbo: f64,
    /// The mean log weight at the chains' states, less the one that the weighted draws have.
    pub gap: f64,
}

/// Draws from a mixture, in the map's coordinates half of the standard normal and half of a multivariate
/// Student-t with 7 degrees of freedom, and for a tenth in the original coordinates of a Student-t with the
/// moments of the chains' states, and weighs them by the posterior. Draws are doubled while they cannot be
/// trusted or are not precise.
pub fn map_importance(problem: Problem<'_>, explored: &Explored, rng: &mut Rng) -> MapImportance {
    let Problem { model, target, .. } = problem;
    let mixture = Mixture::new(explored);
    let dim = model.dim();
    let [first, most] = [FIRST, MOST].map(|count| affordable(count, dim));
    let mut draws = Array2::zeros((0, dim));
    let mut parameters = Array2::zeros((0, model.parameter_count()));
    let (mut log_ratios, mut log_weights_of_map): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    loop {
        let more = mixture.draw(draws.nrows().max(first), rng);
        let log_p = log_densities(target, &more.points);
        let log_p =
            log_p.iter().zip(&more.usable).map(|(log_p, usable)| if *usable { *log_p } else { f64::NEG_INFINITY });
        let log_p: Vec<f64> = log_p.collect();
        let same_width = "all draws have as many columns";
        parameters.append(Axis(0), constrained_parameters(model, &more.points).view()).expect(same_width);
        draws.append(Axis(0), more.points.view()).expect(same_width);
        log_ratios.extend(log_p.iter().zip(&more.log_mixture).map(|(p, q)| p - q));
        log_weights_of_map.extend(more.of_map.iter().map(|&(row, log_q)| log_p[row] - log_q));
        let weighted = WeightedDraws::new(draws, parameters, log_ratios);
        let knowledge = knowledge(&weighted, rng);
        let count = weighted.draws().nrows();
        let known = weighted.pareto_k() <= KNOWN
            && least_known(&knowledge).is_none_or(|(_, it)| it.pareto_k <= KNOWN)
            && knowledge.iter().flatten().all(|it| it.error <= PRECISE);
        if weighted.is_trusted() && known || 2 * count > most {
            let elbo = log_weights_of_map.iter().sum::<f64>() / log_weights_of_map.len() as f64;
            let gap = mixture.mean_log_weight(explored) - mean_log_weight(&weighted);
            return MapImportance { weighted, knowledge, elbo, gap };
        }
        (draws, parameters, log_ratios) = weighted.into_parts();
    }
}

/// The mean of the log weights under the weights.
fn mean_log_weight(weighted: &WeightedDraws) -> f64 {
    let pairs = weighted.weights().iter().zip(weighted.log_ratios()).filter(|(w, _)| **w > 0.0);
    pairs.map(|(w, log)| w * log).sum()
}

/// What is drawn from.
struct Mixture<'a> {
    map: &'a TriangularMap,
    /// The chains' moments, widened; none where they are not positive definite.
    chains: Option<DenseGaussian>,
}

/// Draws of a mixture.
struct MixtureDraws {
    /// n × D. What is not finite is replaced by zeros, and not usable.
    points: Array2<f64>,
    usable: Vec<bool>,
    log_mixture: Vec<f64>,
    /// The rows of draws of the map itself, with its log density there.
    of_map: Vec<(usize, f64)>,
}

impl<'a> Mixture<'a> {
    fn new(explored: &'a Explored) -> Self {
        let states = explored.states.view();
        let chains = states.mean_axis(Axis(0)).and_then(|mean| {
            let deviations = &states - &mean;
            let covariance = deviations.t().dot(&deviations) * (WIDENING / states.nrows() as f64);
            DenseGaussian::from_covariance(mean, &covariance).ok()
        });
        Self { map: &explored.map, chains }
    }

    fn draw(&self, count: usize, rng: &mut Rng) -> MixtureDraws {
        let dim = self.map.dim();
        let of_chains = if self.chains.is_some() { count / OF_CHAINS } else { 0 };
        let normals = (count - of_chains) / 2;
        let mut noise = standard_normal(rng, (count, dim));
        widen(noise.slice_mut(s![..of_chains, ..]), rng);
        widen(noise.slice_mut(s![of_chains + normals.., ..]), rng);
        let mut points = Array2::zeros((count, dim));
        let mut log_dets = Array1::zeros(count);
        if let Some(gaussian) = &self.chains {
            gaussian.draws(noise.slice(s![..of_chains, ..]), points.slice_mut(s![..of_chains, ..]));
            let rows = points.slice(s![..of_chains, ..]);
            let inverse = self.map.noise(rows, noise.slice_mut(s![..of_chains, ..]));
            log_dets.slice_mut(s![..of_chains]).assign(&-inverse);
        }
        let of_map = self.map.draws(noise.slice(s![of_chains.., ..]), points.slice_mut(s![of_chains.., ..]));
        log_dets.slice_mut(s![of_chains..]).assign(&of_map);
        let mut usable: Vec<bool> = Vec::with_capacity(count);
        for mut point in points.rows_mut() {
            let finite = point.iter().all(|x| x.is_finite());
            if !finite {
                point.fill(0.0);
            }
            usable.push(finite);
        }
        let log_mixture = self.log_density(points.view(), noise.view(), log_dets.view());
        usable.iter_mut().zip(&log_mixture).for_each(|(usable, log)| *usable &= log.is_finite());
        let half = HalfT::new(dim);
        let of_map = (of_chains..of_chains + normals).map(|row| {
            let u = noise.row(row);
            (row, half.normal(u.dot(&u)) - log_dets[row])
        });
        let log_mixture = log_mixture.into_iter().map(|log| if log.is_finite() { log } else { 0.0 }).collect();
        MixtureDraws { of_map: of_map.collect(), points, usable, log_mixture }
    }

    /// The log density at `points` (n × D), whose noise is `noise` (n × D), with log |det ∂T/∂u| there.
    fn log_density(
        &self,
        points: ArrayView2<'_, f64>,
        noise: ArrayView2<'_, f64>,
        log_dets: ArrayView1<'_, f64>,
    ) -> Vec<f64> {
        let half = HalfT::new(self.map.dim());
        let of_map = noise.rows().into_iter().zip(log_dets).map(|(u, log_det)| half.log_density(u.dot(&u)) - log_det);
        let Some((gaussian, standardised)) =
            self.chains.as_ref().and_then(|gaussian| Some((gaussian, gaussian.noise(points).ok()?)))
        else {
            return of_map.collect();
        };
        let share = (OF_CHAINS as f64).recip();
        let log_det = gaussian.log_det_factor();
        let of_chains = standardised.rows().into_iter().map(|z| half.student(z.dot(&z)) - log_det);
        let mixed =
            |(map, chains): (f64, f64)| log_sum_exp([map + (1.0 - share).ln(), chains + share.ln()].into_iter());
        of_map.zip(of_chains).map(mixed).collect()
    }

    /// The mean of log p − log q at the chains' states; NaN where there are none.
    fn mean_log_weight(&self, explored: &Explored) -> f64 {
        let states = explored.states.view();
        let mut noise = Array2::zeros(states.dim());
        let log_dets = -self.map.noise(states, noise.view_mut());
        let log_q = self.log_density(states, noise.view(), log_dets.view());
        let logs = explored.state_log_densities.iter().zip(log_q).map(|(log_p, log_q)| log_p - log_q);
        logs.sum::<f64>() / states.nrows() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{standard_normal, stream};
    use crate::transport::testing::random_map;

    fn explored(dim: usize) -> Explored {
        let map = random_map(dim, 1, 0.2, 3);
        let mut states = Array2::zeros((500, dim));
        map.draws(standard_normal(&mut stream(1, 0), (500, dim)).view(), states.view_mut());
        let state_log_densities = map.log_densities(states.view()).to_vec();
        Explored { map, states, state_log_densities, residual: 0.0, gradient_evaluations: 0 }
    }

    /// The mixture's density integrates to one: the mean of another density's ratios to it.
    #[test]
    fn the_mixtures_density_is_that_of_its_draws() {
        let explored = explored(2);
        let mixture = Mixture::new(&explored);
        assert!(mixture.chains.is_some());
        let draws = mixture.draw(40_000, &mut stream(2, 0));
        let log_map = explored.map.log_densities(draws.points.view());
        let ratios = log_map.iter().zip(&draws.log_mixture).map(|(map, mixture)| (map - mixture).exp());
        let mean = ratios.sum::<f64>() / 40_000.0;
        // The ratio is at most 20/9, so that its mean is within 0.02 at four standard errors.
        assert!((mean - 1.0).abs() < 0.02, "{mean}");
        assert!(draws.usable.iter().all(|usable| *usable));
        assert_eq!(draws.of_map.len(), 18_000);
        let (row, log_density) = draws.of_map[7];
        assert!((log_density - log_map[row]).abs() < 1e-8);
    }
}
