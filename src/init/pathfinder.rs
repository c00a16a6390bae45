//! Pathfinder's search for a place to begin (Zhang, Carpenter, Gelman and Vehtari, JMLR 23, 2022): of all local
//! Gaussians along several optimisation paths, the one with the best evidence lower bound.

use super::LocalGaussian;
use super::inverse_hessian::{FactoredCovariance, InverseHessian};
use super::lbfgs::{LbfgsOptions, Point, climb};
use super::random_init::{InitError, random_point};
use crate::gaussian::LN_2PI;
use crate::model::Target;
use crate::random::{Stream, standard_normal};
use ndarray::{Array1, Array2, ArrayView1};
use rayon::prelude::*;

/// How many paths there are, and how closely they are looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PathOptions {
    /// Optimisation paths, each from a random point.
    pub paths: usize,
    /// At most so many points of a path are looked at, spread evenly over it.
    pub points: usize,
    /// Draws for the evidence lower bound at a point.
    pub elbo_draws: usize,
    /// The bounds of a path.
    pub climb: LbfgsOptions,
}

impl Default for PathOptions {
    fn default() -> Self {
        Self { paths: 4, points: 60, elbo_draws: 15, climb: LbfgsOptions { max_iterations: 200, tolerance: 1e-4 } }
    }
}

/// A local Gaussian on a path, with its evidence lower bound.
#[derive(Debug, Clone, PartialEq)]
pub struct PathGaussian {
    /// The mean, of length D.
    pub mean: Array1<f64>,
    /// The covariance.
    pub covariance: FactoredCovariance,
    /// The evidence lower bound.
    pub elbo: f64,
}

impl From<PathGaussian> for LocalGaussian {
    fn from(PathGaussian { mean, covariance, .. }: PathGaussian) -> Self {
        Self::Factored { mean, covariance }
    }
}

/// A path from a point to where it ends, and the Gaussians along it.
#[derive(Debug, Clone)]
pub(super) struct PathRun {
    /// Where it began.
    pub start: Vec<f64>,
    /// Its last point.
    pub end: Point,
    /// Whether it ended at a mode, not after the iterations allowed.
    pub is_converged: bool,
    /// The local Gaussian with the best lower bound; none where no point gives one.
    pub best: Option<PathGaussian>,
    /// The local Gaussian at the end, if it has a lower bound.
    pub last: Option<PathGaussian>,
    /// The estimate of the covariance at the end, if it is one.
    covariance: Option<FactoredCovariance>,
}

/// Halvings of a Gaussian that reaches over an edge of the support: one of 2⁻²⁰ of its width is a point.
const HALVINGS: i32 = 20;

impl PathRun {
    /// Looks along a path, whose points are not empty, at up to `points` of them.
    pub fn along<T: Target + ?Sized>(
        target: &T,
        path: Vec<Point>,
        is_converged: bool,
        points: usize,
        noise: &Array2<f64>,
    ) -> Self {
        let Along { best, last, covariance } = Along::path(target, &path, points, noise);
        let start = path[0].position.clone();
        let end = path.into_iter().next_back().expect("a path has a first point");
        Self { start, end, is_converged, best, last, covariance }
    }

    /// The same with a Gaussian around its end that is narrow enough for all its draws to have a density, where none along
    /// it is: beyond an edge of the support there is none.
    fn narrowed<T: Target + ?Sized>(self, target: &T, noise: &Array2<f64>) -> Self {
        let gaussian = self.covariance.as_ref().and_then(|covariance| {
            (1..=HALVINGS).find_map(|halvings| {
                let covariance = covariance.scaled(0.5_f64.powi(halvings));
                bounded(target, Array1::from(self.end.position.clone()), covariance, noise)
            })
        });
        Self { best: gaussian.clone(), last: gaussian, ..self }
    }

    /// The best lower bound; −∞ where there is none.
    pub fn elbo(&self) -> f64 {
        self.best.as_ref().map_or(f64::NEG_INFINITY, |best| best.elbo)
    }
}

/// The noise of the draws for all lower bounds. All points are compared on the same noise: their differences are then far
/// less noisy than the values.
pub(super) fn elbo_noise(dim: usize, options: &PathOptions, seed: u64) -> Array2<f64> {
    standard_normal(&mut Stream::Path(0).of(seed), (options.elbo_draws, dim))
}

/// The paths from random points, in order.
///
/// They run on rayon's threads, each with a stream of `seed` of its own, so the result does not depend on the threads. A path that cannot start is left out; if none has a usable Gaussian, an error of one is returned.
pub(super) fn first_paths<T: Target + ?Sized>(
    target: &T,
    options: &PathOptions,
    noise: &Array2<f64>,
    seed: u64,
) -> Result<Vec<PathRun>, InitError> {
    let runs: Vec<Result<PathRun, InitError>> = (0..options.paths)
        .into_par_iter()
        .map(|index| {
            let start = random_point(target, &mut Stream::Path(1 + index).of(seed))?;
            let path = climb(target, start, options.climb);
            let is_converged = path.len() as u64 <= options.climb.max_iterations;
            Ok(PathRun::along(target, path, is_converged, options.points, noise))
        })
        .collect();
    // Where one path arrived and has no Gaussian, that is what is wrong, not that another could not start.
    let mut failure = None;
    let mut started = Vec::new();
    for run in runs {
        match run {
            Ok(run) => started.push(run),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    let has_gaussian = |runs: &[PathRun]| runs.iter().any(|run| run.best.is_some());
    if !has_gaussian(&started) {
        started = started.into_iter().map(|run| run.narrowed(target, noise)).collect();
    }
    let no_gaussian = if started.is_empty() { failure.unwrap_or(InitError::NoGaussian) } else { InitError::NoGaussian };
    if has_gaussian(&started) { Ok(started) } else { Err(no_gaussian) }
}

/// The best local Gaussian of each path from a random point, the best of all first.
///
/// # Errors
/// Where no path has a usable Gaussian; a path without one is left out.
pub fn paths<T: Target + ?Sized>(target: &T, options: &PathOptions, seed: u64) -> Result<Vec<PathGaussian>, InitError> {
    let noise = elbo_noise(target.dim(), options, seed);
    let runs = first_paths(target, options, &noise, seed)?;
    let mut found: Vec<PathGaussian> = runs.into_iter().filter_map(|run| run.best).collect();
    found.sort_by(|a, b| b.elbo.total_cmp(&a.elbo));
    Ok(found)
}

/// The best local Gaussian of all paths, and its evidence lower bound.
///
/// ```
/// use stanmatch::gaussian::GaussianApproximation;
/// use stanmatch::init::{PathOptions, path};
/// use stanmatch::model::Density;
///
/// // Independent normal variables about 1 with standard deviations 1, 2 and 3.
/// let normal = Density::new(3, |x: &[f64], gradient: &mut [f64]| {
///     let mut log_density = 0.0;
///     for (i, (x, element)) in x.iter().zip(gradient).enumerate() {
///         let variance = ((i + 1) * (i + 1)) as f64;
///         *element = (1.0 - x) / variance;
///         log_density -= 0.5 * (x - 1.0) * (x - 1.0) / variance;
///     }
///     log_density
/// });
/// let (gaussian, elbo) = path(&normal, &PathOptions::default(), 1)?;
/// assert!(gaussian.dense().mean().iter().all(|mean| (mean - 1.0).abs() < 0.2) && elbo.is_finite());
/// # Ok::<(), stanmatch::init::InitError>(())
/// ```
pub fn path<T: Target + ?Sized>(
    target: &T,
    options: &PathOptions,
    seed: u64,
) -> Result<(LocalGaussian, f64), InitError> {
    let best = paths(target, options, seed)?.swap_remove(0);
    let elbo = best.elbo;
    Ok((best.into(), elbo))
}

/// The local Gaussians along a path.
struct Along {
    /// The one with the best lower bound.
    best: Option<PathGaussian>,
    /// The one at its end.
    last: Option<PathGaussian>,
    /// The covariance at its end, whether or not draws have a density.
    covariance: Option<FactoredCovariance>,
}

impl Along {
    /// Looks at up to `points` points of a path, the last one among them.
    fn path<T: Target + ?Sized>(target: &T, path: &[Point], points: usize, noise: &Array2<f64>) -> Self {
        let mut estimate = InverseHessian::identity(target.dim());
        let (mut best, mut last): (Option<PathGaussian>, Option<PathGaussian>) = (None, None);
        let steps = path.len().saturating_sub(1);
        for (index, pair) in path.windows(2).enumerate() {
            estimate.learn(&pair[0], &pair[1]);
            // Looked at where the count of points due passes a whole number; the last point always is.
            let due = |index: usize| index * points.min(steps) / steps;
            if due(index + 1) == due(index) {
                continue;
            }
            last = local_gaussian(target, &pair[1], &estimate, noise);
            if let Some(local) = &last
                && best.as_ref().is_none_or(|best| local.elbo > best.elbo)
            {
                best = last.clone();
            }
        }
        // A path of one point has learned no covariance.
        let covariance = if steps > 0 { estimate.factored() } else { None };
        Self { best, last, covariance }
    }
}

/// The Gaussian that the estimate of the inverse Hessian gives at a point; none where it is not one, or a draw of it is
/// rejected.
fn local_gaussian<T: Target + ?Sized>(
    target: &T,
    point: &Point,
    estimate: &InverseHessian,
    noise: &Array2<f64>,
) -> Option<PathGaussian> {
    let covariance = estimate.factored()?;
    let mean = &ArrayView1::from(&point.position) + &covariance.covariance_times(ArrayView1::from(&point.score));
    bounded(target, mean, covariance, noise)
}

/// The Gaussian with its lower bound; none where a draw of it is rejected.
fn bounded<T: Target + ?Sized>(
    target: &T,
    mean: Array1<f64>,
    covariance: FactoredCovariance,
    noise: &Array2<f64>,
) -> Option<PathGaussian> {
    let elbo = lower_bound(target, &mean, &covariance, noise);
    elbo.is_finite().then_some(PathGaussian { mean, covariance, elbo })
}

/// E[log p − log q] over the draws of the rows of `noise`; −∞ where a draw is rejected.
fn lower_bound<T: Target + ?Sized>(
    target: &T,
    mean: &Array1<f64>,
    covariance: &FactoredCovariance,
    noise: &Array2<f64>,
) -> f64 {
    let mut total = 0.0;
    for noise in noise.rows() {
        let draw = mean + &covariance.multiply(noise);
        match target.log_density(draw.as_slice().expect("a fresh vector is contiguous")) {
            Ok(log_density) => total += log_density + 0.5 * noise.dot(&noise),
            Err(_) => return f64::NEG_INFINITY,
        }
    }
    total / noise.nrows() as f64 + covariance.log_det() + 0.5 * LN_2PI * mean.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gaussian::GaussianApproximation;
    use crate::model::{CountingTarget, Gaussian};
    use crate::random::stream;
    use ndarray_linalg::Norm;

    #[test]
    fn a_gaussian_is_found_with_its_evidence() {
        let target = Gaussian::with_condition_number(5, 10.0, &mut stream(3, 0));
        let (family, elbo) = path(&target, &PathOptions::default(), 1).unwrap();
        assert!(elbo > -0.5, "the log evidence is 0, the bound {elbo}");
        assert!((&family.dense().mean() - &target.mean().view()).norm_l2() < 0.2);
    }

    /// log p grows without bound as v falls: the path's end is useless, a point on the way is not.
    struct Neck;
    impl Target for Neck {
        fn dim(&self) -> usize {
            6
        }
        fn log_density(&self, x: &[f64]) -> Result<f64, crate::model::EvaluationError> {
            self.log_density_and_score(x, &mut [0.0; 6])
        }
        fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, crate::model::EvaluationError> {
            let (v, rest) = (x[0], &x[1..]);
            let squares: f64 = rest.iter().map(|e| e * e).sum();
            let precision = (-2.0 * v).exp();
            score[0] = -v / 100.0 - 5.0 + squares * precision;
            score[1..].iter_mut().zip(rest).for_each(|(s, e)| *s = -e * precision);
            Ok(-v * v / 200.0 - 5.0 * v - 0.5 * squares * precision)
        }
    }

    /// Six independent Rayleigh variables: x exp(−x²/2) on x > 0, nothing elsewhere. A local Gaussian has a draw beyond an
    /// edge in most cases.
    struct Quadrant;
    impl Target for Quadrant {
        fn dim(&self) -> usize {
            6
        }
        fn log_density(&self, x: &[f64]) -> Result<f64, crate::model::EvaluationError> {
            self.log_density_and_score(x, &mut [0.0; 6])
        }
        fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, crate::model::EvaluationError> {
            if x.iter().any(|x| *x <= 0.0) {
                return Err(crate::model::EvaluationError::NotFinite);
            }
            score.iter_mut().zip(x).for_each(|(s, x)| *s = 1.0 / x - x);
            Ok(x.iter().map(|x| x.ln() - 0.5 * x * x).sum())
        }
    }

    #[test]
    fn hard_edges_have_a_gaussian_with_every_seed() {
        for seed in 1..=20 {
            match path(&Quadrant, &PathOptions::default(), seed) {
                Ok((gaussian, elbo)) => {
                    assert!(elbo.is_finite());
                    assert!(gaussian.dense().mean().iter().all(|x| (0.0..3.0).contains(x)), "seed {seed}");
                }
                // One random point in 64 has a density.
                Err(error) => assert!(matches!(error, InitError::NoStart { .. }), "seed {seed}: {error}"),
            }
        }
    }

    #[test]
    fn the_best_point_is_not_the_end_of_an_unbounded_path() {
        let start = random_point(&Neck, &mut stream(1, 1)).unwrap();
        let end = climb(&Neck, start, PathOptions::default().climb).pop().unwrap();
        let (_, elbo) = path(&Neck, &PathOptions::default(), 1).unwrap();
        assert!(elbo.is_finite());
        assert!(end.position[0] < -1.0, "{end:?}");
    }

    #[test]
    fn the_points_looked_at_are_bounded_and_threads_do_not_matter() {
        let target = CountingTarget::new(Gaussian::with_condition_number(30, 1e4, &mut stream(3, 0)));
        let options = PathOptions { points: 7, paths: 3, ..PathOptions::default() };
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| path(&target, &options, 1)).unwrap()
        };
        let (one, one_elbo) = run(1);
        assert!(target.counts().density_evaluations <= 3 * 7 * 15, "{:?}", target.counts());
        let (two, two_elbo) = run(2);
        assert_eq!((one, one_elbo), (two, two_elbo));
    }
}
