//! Where a target may have several modes: optimisation paths from several starts, the modes that they end in, and which of them a
//! set of draws covers. A family with one centre, and a score, which is local, can miss a mode and look well fitted.

use crate::gaussian::{DenseGaussian, GaussianApproximation};
use crate::init::{InitError, InverseHessian, LbfgsOptions, climb, random_point};
use crate::model::Target;
use crate::random::Stream;
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rayon::prelude::*;

const CLIMB: LbfgsOptions = LbfgsOptions { max_iterations: 500, tolerance: 1e-6 };

/// Ends of paths that are nearer than this to one another, in standard deviations, are one mode.
const APART: f64 = 1.0;

/// A mode with the Gaussian around it.
#[derive(Debug, Clone, PartialEq)]
pub struct Mode {
    /// The log density at the mode.
    pub log_density: f64,
    /// The Gaussian around the mode, with the covariance that L-BFGS estimated on the way there.
    pub gaussian: DenseGaussian,
    /// Optimisation paths that ended here.
    pub paths: usize,
}

impl Mode {
    /// The logarithm of the mass of this mode, were it Gaussian.
    fn log_mass(&self) -> f64 {
        self.log_density - self.gaussian.log_density_of_noise(0.0)
    }
}

/// The modes that `count` optimisation paths from random points end in, the heaviest first. Paths run on rayon's threads, each
/// with a stream of `seed` of its own. Paths whose start fails or that give no Gaussian are left out.
///
/// # Errors
/// Where no path gives a mode.
pub fn modes<T: Target + ?Sized>(target: &T, count: usize, seed: u64) -> Result<Vec<Mode>, InitError> {
    let ends: Vec<Result<Mode, InitError>> = (0..count)
        .into_par_iter()
        .map(|path| {
            let points = climb(target, random_point(target, &mut Stream::ModePath(path).of(seed))?, CLIMB);
            let mut estimate = InverseHessian::identity(target.dim());
            points.windows(2).for_each(|pair| estimate.learn(&pair[0], &pair[1]));
            let (end, covariance) = points.last().zip(estimate.factored()).ok_or(InitError::NoGaussian)?;
            let gaussian = covariance.gaussian(Array1::from(end.position.clone()));
            Ok(Mode { log_density: end.log_density, gaussian, paths: 1 })
        })
        .collect();
    let mut found: Vec<Mode> = Vec::new();
    let mut failure = None;
    for end in ends {
        match end {
            Err(error) => failure = failure.or(Some(error)),
            Ok(end) => match found.iter_mut().find(|mode| distance(&mode.gaussian, &end) < APART) {
                Some(mode) => mode.paths += 1,
                None => found.push(end),
            },
        }
    }
    found.sort_by(|a, b| b.log_mass().total_cmp(&a.log_mass()));
    if found.is_empty() { Err(failure.unwrap_or(InitError::NoGaussian)) } else { Ok(found) }
}

fn distance(gaussian: &DenseGaussian, mode: &Mode) -> f64 {
    let point = mode.gaussian.mean().insert_axis(Axis(0));
    gaussian.noise(point).map_or(f64::INFINITY, |noise| noise.iter().map(|n| n * n).sum::<f64>().sqrt())
}

/// The Gaussian with the mean and covariance of the mixture of all modes: wide enough to begin with for all of them.
pub fn moments(modes: &[Mode]) -> DenseGaussian {
    let largest = modes.iter().map(Mode::log_mass).fold(f64::NEG_INFINITY, f64::max);
    let masses: Array1<f64> = modes.iter().map(|mode| (mode.log_mass() - largest).exp()).collect();
    let total = masses.sum();
    let dim = modes[0].gaussian.dim();
    let (mut mean, mut covariance) = (Array1::zeros(dim), Array2::zeros((dim, dim)));
    for (mode, mass) in modes.iter().zip(&masses) {
        mean.scaled_add(mass / total, &mode.gaussian.mean());
    }
    for (mode, mass) in modes.iter().zip(&masses) {
        let deviation = &mode.gaussian.mean() - &mean;
        let spread = deviation.view().insert_axis(Axis(1)).dot(&deviation.view().insert_axis(Axis(0)));
        covariance.scaled_add(mass / total, &(mode.gaussian.covariance() + spread));
    }
    DenseGaussian::from_covariance(mean, &covariance).unwrap_or_else(|_| modes[0].gaussian.clone())
}

/// The share of the rows of `draws` (n × D) that lies nearest to each mode, in the modes' own Gaussians.
pub fn shares(modes: &[Mode], draws: ArrayView2<'_, f64>) -> Vec<f64> {
    let heights: Vec<Vec<f64>> = modes
        .iter()
        .map(|mode| match mode.gaussian.noise(draws) {
            Ok(noise) => noise.rows().into_iter().map(|n| mode.gaussian.log_density_of_noise(n.dot(&n))).collect(),
            Err(_) => vec![f64::NEG_INFINITY; draws.nrows()],
        })
        .collect();
    let mut counts = vec![0; modes.len()];
    let height = |mode: usize, draw: usize| heights[mode][draw];
    for draw in 0..draws.nrows() {
        let best = (0..modes.len()).max_by(|&a, &b| height(a, draw).total_cmp(&height(b, draw)));
        counts[best.expect("there is at least one mode")] += 1;
    }
    counts.into_iter().map(|count| count as f64 / draws.nrows() as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Gaussian, Mixture};
    use crate::random::stream;
    use ndarray::array;

    #[test]
    fn both_modes_are_found_and_spanned_and_told_apart() {
        let at = |x: f64| Gaussian::new(array![x, 0.0], Array2::eye(2));
        let found = modes(&Mixture(vec![at(-3.0), at(3.0)]), 8, 1).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found.iter().map(|mode| mode.paths).sum::<usize>(), 8);
        let wide = moments(&found);
        assert!(wide.mean()[0].abs() < 1.5 && (2.5..3.8).contains(&wide.sds()[0]), "{:?}", wide.sds());
        let draws = array![[-2.5, 0.3], [2.8, 0.1], [3.3, -1.0], [-3.0, 2.0]];
        assert_eq!(shares(&found, draws.view()), vec![0.5, 0.5]);
    }

    #[test]
    fn one_mode_is_one() {
        let target = Gaussian::with_condition_number(6, 50.0, &mut stream(2, 0));
        assert_eq!(modes(&target, 6, 1).unwrap().len(), 1);
    }
}
