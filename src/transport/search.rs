//! The search for a map's structure: drivers one by one, an order of the others, then pairs, each
//! accepted only where it makes the residual smaller at points that it was not fitted to.

use super::frame::frame;
use super::pairs::PairShares;
use super::regression::Regression;
use super::{MapFitOptions, Structure, TriangularMap};
use crate::linalg::NotPositiveDefinite;
use crate::random::Rng;
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rand::seq::SliceRandom;
use rayon::prelude::*;

/// Drivers at most.
const MOST_DRIVERS: usize = 3;
/// Coordinates that are tried as the next driver, and in more dimensions than these, where a trial takes a second.
const CANDIDATES: usize = 5;
const FEW_CANDIDATES: usize = 3;
const MANY: usize = 40;
/// A trial ends there where an iteration lowers the objective by less than this, a hundredth of what decides.
const COARSE: f64 = 1e-3;
/// A driver is accepted where the held-out residual falls below this share of what it was.
const DRIVER_GAIN: f64 = 0.9;
/// Likewise another order, and pairs.
const ORDER_GAIN: f64 = 0.93;
const PAIR_GAIN: f64 = 0.93;
/// Iterations of the fit that tries a driver, and of the one that tries pairs.
const DRIVER_ITERATIONS: u64 = 40;
const PAIR_ITERATIONS: u64 = 80;
/// Points that a trial is fitted to, and as many that it is judged by.
const MOST_POINTS: usize = 400;
/// A mean of log(1 + ‖R‖²/D) that neither a search nor another fit needs to lower.
pub const NEGLIGIBLE: f64 = 0.002;
/// What a point counts where the residual is not finite.
const WORST: f64 = 1e12;
/// What the moments' covariance gets added, relative to the squared scales, so that it is positive definite.
const RIDGE: f64 = 1e-6;

/// What a search found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The Gaussian of the points' moments, standardised by their quantiles, in the structure that was
    /// found: where a fit begins.
    pub start: TriangularMap,
    /// The mean of log(1 + ‖R‖²/D) at held-out points that a map of this structure had after a trial fit.
    pub residual: f64,
    /// That of a map without drivers and pairs.
    pub linear_residual: f64,
}

/// Searches for a structure from the target's `scores` (n × D) at the rows of `points` (n × D), n ≥ 4.
/// `constrained` (of length D) marks coordinates of constrained parameters, which are usually scales. The search
/// for pairs also tries an order in which they come first.
pub fn search(
    points: ArrayView2<'_, f64>,
    scores: ArrayView2<'_, f64>,
    constrained: &[bool],
    rng: &mut Rng,
) -> Result<Found, NotPositiveDefinite> {
    let trial = Trial::new(points, scores, rng);
    let dim = points.ncols();
    let linear_residual = trial.residual(Structure::linear(dim), DRIVER_ITERATIONS)?;
    let mut best = (Structure::linear(dim), linear_residual);
    // With fewer points a regression explains everything.
    if linear_residual > NEGLIGIBLE && points.nrows() >= 2 * (dim + 1) {
        let mut regression = Regression::new(points, scores, &trial.moments.frame);
        let shares = PairShares::new(&regression);
        let candidates = if dim > MANY { FEW_CANDIDATES } else { CANDIDATES };
        while best.0.drivers().len() < MOST_DRIVERS.min(dim.saturating_sub(1)) {
            let drivers = best.0.drivers().to_vec();
            let tried = regression.best_drivers(&drivers, candidates).into_iter().map(|candidate| {
                let drivers: Vec<usize> = drivers.iter().copied().chain([candidate]).collect();
                Structure::with_drivers(dim, &drivers)
            });
            let Some((structure, residual)) = trial.best(tried.collect(), DRIVER_ITERATIONS)? else { break };
            if residual >= DRIVER_GAIN * best.1 {
                break;
            }
            let newest = structure.drivers()[drivers.len()];
            regression.include(regression.products(newest));
            best = (structure, residual);
        }
        let drivers = best.0.drivers().to_vec();
        let mut others: Vec<usize> = (0..dim).filter(|coordinate| !drivers.contains(coordinate)).collect();
        let connections = regression.connections();
        others.sort_by(|&a, &b| connections[b].total_cmp(&connections[a]));
        let connected = Structure::ordered(&drivers, &others).expect("each coordinate once");
        if connected != best.0 {
            let residual = trial.residual(connected.clone(), DRIVER_ITERATIONS)?;
            if residual < ORDER_GAIN * best.1 {
                best = (connected, residual);
            }
        }
        let order = shares.order(&others);
        let (first, last): (Vec<usize>, Vec<usize>) = order.iter().partition(|&&coordinate| constrained[coordinate]);
        let orders = if first.is_empty() { vec![order] } else { vec![order, [first, last].concat()] };
        let mut structures: Vec<Structure> =
            orders.iter().filter_map(|order| shares.structure(&drivers, order)).collect();
        structures.dedup();
        if let Some((structure, residual)) = trial.best(structures, PAIR_ITERATIONS)?
            && residual < PAIR_GAIN * best.1
        {
            best = (structure, residual);
        }
    }
    Ok(Found { start: trial.moments.map(best.0)?, residual: best.1, linear_residual })
}

/// The mean of log(1 + ‖R‖²/D) at the rows of `points` (n × D) with the target's `scores` (n × D), what
/// is not finite counted as a large number.
pub fn mean_residual(map: &TriangularMap, points: ArrayView2<'_, f64>, scores: ArrayView2<'_, f64>) -> f64 {
    let residuals = map.pull_back(points, scores, Array2::zeros(points.dim()).view_mut());
    let log = |&residual: &f64| if residual.is_finite() { residual } else { WORST }.ln_1p();
    residuals.iter().map(log).sum::<f64>() / residuals.len() as f64
}

/// Moments and frame of points, from which every trial starts.
struct Moments {
    frame: (Array1<f64>, Array1<f64>),
    mean: Array1<f64>,
    covariance: Array2<f64>,
}

impl Moments {
    fn new(points: ArrayView2<'_, f64>) -> Self {
        let frame = frame(points);
        let mean = points.mean_axis(Axis(0)).expect("there are points");
        let deviations = &points - &mean;
        let mut covariance = deviations.t().dot(&deviations) / points.nrows() as f64;
        covariance.diag_mut().zip_mut_with(&frame.1, |variance, scale| *variance += RIDGE * scale * scale);
        Self { frame, mean, covariance }
    }

    fn map(&self, structure: Structure) -> Result<TriangularMap, NotPositiveDefinite> {
        TriangularMap::gaussian(structure, self.frame.clone(), &self.mean, &self.covariance)
    }
}

/// Points to fit to and others to judge by.
struct Trial {
    moments: Moments,
    fitted: (Array2<f64>, Array2<f64>),
    held_out: (Array2<f64>, Array2<f64>),
}

impl Trial {
    fn new(points: ArrayView2<'_, f64>, scores: ArrayView2<'_, f64>, rng: &mut Rng) -> Self {
        let mut rows: Vec<usize> = (0..points.nrows()).collect();
        rows.shuffle(rng);
        let (fitted, held_out) = rows.split_at(rows.len() / 2);
        let part = |rows: &[usize]| {
            let rows = &rows[..rows.len().min(MOST_POINTS)];
            (points.select(Axis(0), rows), scores.select(Axis(0), rows))
        };
        Self { moments: Moments::new(points), fitted: part(fitted), held_out: part(held_out) }
    }

    /// The residual at the held-out points after a fit to the others.
    fn residual(&self, structure: Structure, max_iterations: u64) -> Result<f64, NotPositiveDefinite> {
        let mut map = self.moments.map(structure)?;
        let usual = MapFitOptions::default();
        let tolerance = if map.dim() > MANY { COARSE } else { usual.tolerance };
        let options = MapFitOptions { max_iterations, tolerance, ..usual };
        map.fit(self.fitted.0.view(), self.fitted.1.view(), options);
        Ok(mean_residual(&map, self.held_out.0.view(), self.held_out.1.view()))
    }

    /// The structure with the smallest residual, the first of them where they are equal.
    fn best(
        &self,
        structures: Vec<Structure>,
        max_iterations: u64,
    ) -> Result<Option<(Structure, f64)>, NotPositiveDefinite> {
        let tried = structures.into_par_iter().map(|structure| {
            let residual = self.residual(structure.clone(), max_iterations)?;
            Ok((structure, residual))
        });
        let tried: Vec<(Structure, f64)> = tried.collect::<Result<_, NotPositiveDefinite>>()?;
        Ok(tried.into_iter().min_by(|a, b| a.1.total_cmp(&b.1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Banana, EvaluationError, Gaussian, Target};
    use crate::random::stream;
    use crate::transport::testing::{Exact, FUNNEL, Hierarchy, Scales};

    fn found(target: &impl Exact, constrained: &[bool]) -> Found {
        let (points, scores) = target.draws(1200, 1);
        search(points.view(), scores.view(), constrained, &mut stream(2, 0)).unwrap()
    }

    #[test]
    fn the_scale_of_a_hierarchy_and_the_bent_coordinate_of_a_banana_are_drivers() {
        let hierarchy = Hierarchy { dim: 20, spread: 1.0, centre: Some(5.0), power: 1.0 };
        for (name, found) in [
            ("funnel", found(&FUNNEL, &[false; 10])),
            ("hierarchy", found(&hierarchy, &[false; 20])),
            ("banana", found(&Banana, &[false; 2])),
        ] {
            assert_eq!(found.start.structure().drivers(), [0], "{name}");
            assert!(
                found.residual < 0.3 * found.linear_residual,
                "{name}: {} of {}",
                found.residual,
                found.linear_residual
            );
        }
    }

    /// The hierarchy with its mean behind those who share it: given the scale, they are independent after it.
    #[test]
    fn a_common_mean_comes_before_those_that_share_it() {
        struct MeanLast(Hierarchy);
        impl Target for MeanLast {
            fn dim(&self) -> usize {
                self.0.dim
            }
            fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
                self.log_density_and_score(x, &mut vec![0.0; x.len()])
            }
            fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
                let mut turned = x.to_vec();
                turned[1..].rotate_right(1);
                let value = self.0.log_density_and_score(&turned, score);
                score[1..].rotate_left(1);
                value
            }
        }
        impl Exact for MeanLast {
            fn draw(&self, rng: &mut Rng) -> Vec<f64> {
                let mut x = self.0.draw(rng);
                x[1..].rotate_left(1);
                x
            }
        }
        let hierarchy = Hierarchy { dim: 10, spread: 1.0, centre: Some(3.0), power: 1.0 };
        let found = found(&MeanLast(hierarchy), &[false; 10]);
        let structure = found.start.structure();
        assert_eq!((structure.drivers(), structure.order()[1]), (&[0][..], 9), "{structure:?}");
    }

    #[test]
    fn scales_of_their_own_are_pairs() {
        let target = Scales(8);
        let mut constrained = [false; 16];
        constrained[8..].fill(true);
        let found = found(&target, &constrained);
        let structure = found.start.structure();
        assert!(structure.drivers().is_empty(), "{structure:?}");
        let order = structure.order();
        for position in 0..16 {
            let parents: Vec<usize> = structure.pairs(position).iter().map(|&parent| order[parent]).collect();
            let coordinate = order[position];
            assert!(coordinate >= 8 || parents.contains(&(coordinate + 8)), "{coordinate}: {parents:?}");
        }
        assert!(found.residual < 0.5 * found.linear_residual, "{} of {}", found.residual, found.linear_residual);
    }

    #[test]
    fn a_gaussian_has_neither() {
        struct Normal(Gaussian);
        impl Target for Normal {
            fn dim(&self) -> usize {
                self.0.dim()
            }
            fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
                self.0.log_density(x)
            }
            fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
                self.0.log_density_and_score(x, score)
            }
        }
        impl Exact for Normal {
            fn draw(&self, rng: &mut Rng) -> Vec<f64> {
                let gaussian =
                    crate::gaussian::DenseGaussian::from_covariance(self.0.mean().clone(), self.0.covariance());
                let noise = crate::random::standard_normal(rng, (1, self.dim()));
                let mut draw = Array2::zeros(noise.dim());
                crate::gaussian::GaussianApproximation::draws(&gaussian.unwrap(), noise.view(), draw.view_mut());
                draw.into_raw_vec_and_offset().0
            }
        }
        let target = Normal(Gaussian::with_condition_number(6, 100.0, &mut stream(1, 0)));
        let structure = found(&target, &[false; 6]).start.structure().clone();
        assert_eq!(structure, Structure::linear(6));
    }

    #[test]
    fn a_search_is_reproducible_and_copes_with_few_points() {
        let (points, scores) = FUNNEL.draws(300, 1);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| search(points.view(), scores.view(), &[false; 10], &mut stream(2, 0)).unwrap())
        };
        let (one, three) = (run(1), run(3));
        assert_eq!((one.start, one.residual), (three.start, three.residual));
        let (points, scores) = FUNNEL.draws(8, 1);
        let found = search(points.view(), scores.view(), &[false; 10], &mut stream(2, 0)).unwrap();
        assert_eq!(found.start.structure(), &Structure::linear(10));
    }
}
