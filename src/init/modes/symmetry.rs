//! Maps under which a posterior stays the same: exchanging what an index of its parameters numbers, and changing signs.
//! Modes come in orbits of these, of equal weight.

use crate::gaussian::{Approximation, DenseGaussian};
use crate::init::LocalGaussian;
use crate::linalg::log_determinant;
use crate::model::{Model, Target};
use crate::random::Stream;
use ndarray::{Array1, Array2};
use rand::RngExt;

mod candidates;

use candidates::{Change, candidates};

/// A map of the unconstrained space onto itself under which the posterior is the same.
pub struct Symmetry<'a> {
    description: String,
    map: Map<'a>,
}

enum Map<'a> {
    /// y_j = sign · x_index for the j-th (index, sign).
    Rearranged(Vec<(usize, f64)>),
    /// Through the constrained scale, where it rearranges the parameters.
    Constrained(&'a dyn Model, Change),
}

/// Changes that are tried at most.
const TRIES: usize = 64;
/// Exchanges of one index with the first that are tried where that with the second is a symmetry.
const MOST_EXCHANGES: usize = 16;
/// Points at which the density is compared.
const POINTS: usize = 2;
/// By how much log densities may differ, relative to the square root of their size above one.
const EQUAL: f64 = 1e-6;
/// Maps that do not merely rearrange unconstrained parameters have a Jacobian, which is computed by differences in at most
/// so many dimensions.
const LARGEST_JACOBIAN: usize = 64;
/// Steps of those differences, on the unconstrained scale.
const STEP: f64 = 1e-5;

/// The symmetries of `model` among the exchanges of the first with another index of all axes of one length, and the sign
/// changes of unbounded parameters, from the density of `target`, the model's own, at two random points: each try takes
/// one or two densities.
pub fn symmetries<'a, T: Target + ?Sized>(model: &'a dyn Model, target: &T, seed: u64) -> Vec<Symmetry<'a>> {
    // The first stream with an odd number, which no path's end has.
    let mut rng = Stream::ModePath(1).of(seed);
    let log_density = |x: &[f64]| target.log_density(x).ok();
    let points: Vec<Vec<f64>> =
        (0..POINTS).map(|_| (0..model.dim()).map(|_| rng.random_range(-1.0..1.0)).collect()).collect();
    let Some(heights) = points.iter().map(|x| log_density(x)).collect::<Option<Vec<f64>>>() else { return Vec::new() };
    let is_symmetry = |map: &Map<'_>| {
        points.iter().zip(&heights).all(|(x, height)| {
            let Some(y) = map.apply(x) else { return false };
            let Some(difference) = log_density(&y).map(|log_density| log_density - height) else { return false };
            let allowed = EQUAL * height.abs().max(1.0).sqrt();
            let jacobian = || match map {
                Map::Rearranged(_) => Some(0.0),
                Map::Constrained(..) => log_determinant(&map.jacobian(x)?),
            };
            jacobian().is_some_and(|log_det| (difference + log_det).abs() < allowed)
        })
    };
    let mut found: Vec<Symmetry<'a>> = Vec::new();
    for candidate in candidates(model).into_iter().take(TRIES) {
        let Some(map) = Map::of(model, candidate.change, &points) else { continue };
        if !is_symmetry(&map) {
            continue;
        }
        found.push(Symmetry { description: candidate.description, map });
        for other in candidate.others.into_iter().take(MOST_EXCHANGES) {
            if let Some(map) = Map::of(model, other.change, &points).filter(is_symmetry) {
                found.push(Symmetry { description: other.description, map });
            }
        }
    }
    found
}

impl Symmetry<'_> {
    /// What it does, in words that follow "under": `exchanging mu[1] with mu[2]`.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The image of `x`, of length D; none where the program rejects it.
    pub fn apply(&self, x: &[f64]) -> Option<Vec<f64>> {
        self.map.apply(x)
    }

    /// The image of a Gaussian, to first order about its mean; none where that is not one.
    pub fn image(&self, gaussian: &LocalGaussian) -> Option<LocalGaussian> {
        let mean = Array1::from(self.apply(gaussian.mean().as_slice()?)?);
        match (&self.map, gaussian) {
            (Map::Rearranged(elements), LocalGaussian::Factored { covariance, .. }) => {
                Some(LocalGaussian::Factored { mean, covariance: covariance.rearranged(elements) })
            }
            (_, gaussian) => {
                let family = gaussian.clone().dense();
                let factor = self.jacobian(gaussian.mean().as_slice()?)?.dot(&family.factor());
                DenseGaussian::from_factor(mean, factor).ok().map(LocalGaussian::Dense)
            }
        }
    }

    /// The image of a fitted Gaussian, likewise.
    pub fn image_of_approximation(&self, approximation: &Approximation) -> Option<Approximation> {
        match (&self.map, approximation) {
            (_, Approximation::Dense(gaussian)) => {
                Some(self.image(&LocalGaussian::Dense(gaussian.clone()))?.dense().into())
            }
            (Map::Rearranged(elements), Approximation::LowRank(gaussian)) => Some(gaussian.rearranged(elements).into()),
            // In so many dimensions only rearrangements are symmetries.
            (Map::Constrained(..), Approximation::LowRank(_)) => None,
        }
    }

    /// The derivatives of the image of `x` by x, D × D.
    pub fn jacobian(&self, x: &[f64]) -> Option<Array2<f64>> {
        self.map.jacobian(x)
    }
}

impl<'a> Map<'a> {
    /// The map of a change of the parameters; the simplest that does the same at `points`. None where it cannot be
    /// applied there, or is not simple in too many dimensions.
    fn of(model: &'a dyn Model, change: Change, points: &[Vec<f64>]) -> Option<Self> {
        let map = Self::Constrained(model, change);
        let images = points.iter().map(|x| map.apply(x)).collect::<Option<Vec<_>>>()?;
        match rearrangement(&points[0], &images[0]) {
            Some(elements) => {
                let simple = Self::Rearranged(elements);
                let agrees = |(x, image): (&Vec<f64>, &Vec<f64>)| {
                    simple.apply(x).is_some_and(|y| y.iter().zip(image).all(|(a, b)| is_equal(*a, *b)))
                };
                points.iter().zip(&images).all(agrees).then_some(simple)
            }
            None => (model.dim() <= LARGEST_JACOBIAN).then_some(map),
        }
    }

    fn apply(&self, x: &[f64]) -> Option<Vec<f64>> {
        match self {
            Self::Rearranged(elements) => Some(elements.iter().map(|&(index, sign)| sign * x[index]).collect()),
            Self::Constrained(model, change) => {
                let mut parameters = vec![0.0; model.parameter_count()];
                model.constrain_parameters(x, &mut parameters).ok()?;
                let image = model.unconstrain(&change.apply(&parameters)).ok()?;
                image.iter().all(|e| e.is_finite()).then_some(image)
            }
        }
    }

    fn jacobian(&self, x: &[f64]) -> Option<Array2<f64>> {
        let dim = x.len();
        let mut jacobian = Array2::zeros((dim, dim));
        match self {
            Self::Rearranged(elements) => {
                for (row, &(index, sign)) in elements.iter().enumerate() {
                    jacobian[[row, index]] = sign;
                }
            }
            Self::Constrained(..) => {
                let mut x = x.to_vec();
                for column in 0..dim {
                    let centre = x[column];
                    let mut at = |offset: f64| {
                        x[column] = centre + offset;
                        self.apply(&x)
                    };
                    let (above, below) = (at(STEP)?, at(-STEP)?);
                    x[column] = centre;
                    for row in 0..dim {
                        jacobian[[row, column]] = (above[row] - below[row]) / (2.0 * STEP);
                    }
                }
            }
        }
        Some(jacobian)
    }
}

fn is_equal(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9 * a.abs().max(1.0)
}

/// How `image` rearranges the elements of `x`, which differ, and changes their signs; none where it does more.
fn rearrangement(x: &[f64], image: &[f64]) -> Option<Vec<(usize, f64)>> {
    let mut is_used = vec![false; x.len()];
    let mut element = |(place, &y): (usize, &f64)| {
        let matches = |&index: &usize| !is_used[index] && (is_equal(y, x[index]) || is_equal(y, -x[index]));
        // Most stay where they are.
        let index = std::iter::once(place).chain(0..x.len()).find(matches)?;
        is_used[index] = true;
        Some((index, if is_equal(y, x[index]) { 1.0 } else { -1.0 }))
    };
    image.iter().enumerate().map(&mut element).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gaussian::GaussianApproximation;
    use crate::init::FactoredCovariance;
    use crate::model::{Density, EvaluationError, Generator, Unconstrained};

    fn found<'a>(model: &'a dyn Model) -> Vec<Symmetry<'a>> {
        symmetries(model, &model, 1)
    }

    fn described(model: &dyn Model) -> Vec<String> {
        found(model).iter().map(|symmetry| symmetry.description().to_owned()).collect()
    }

    fn model<F: Fn(&[f64]) -> f64 + Sync>(names: &[&str], log_density: F) -> Unconstrained<impl Target> {
        let density = Density::new(names.len(), move |x: &[f64], _: &mut [f64]| log_density(x));
        Unconstrained::with_names(density, names.iter().map(|name| (*name).into()).collect()).unwrap()
    }

    #[test]
    fn exchangeable_components_are_exchanged_together() {
        // Means and log scales of two groups; the scales alone are not exchangeable, since the means are not.
        let term = |m: f64, s: f64| -(m - 1.0).powi(4) * s.exp() - s * s + s;
        let names = ["mu[1]", "mu[2]", "log_sigma[1]", "log_sigma[2]", "tau"];
        let pair = model(&names, |x| term(x[0], x[2]) + term(x[1], x[3]) + x[0] * x[1] - x[4].powi(2) + x[4]);
        assert_eq!(described(&pair), ["exchanging mu[1] with mu[2] and log_sigma[1] with log_sigma[2]"]);
        let symmetry = &found(&pair)[0];
        assert_eq!(symmetry.apply(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap(), [2.0, 1.0, 4.0, 3.0, 5.0]);
    }

    #[test]
    fn three_have_two_exchanges_and_a_different_one_none() {
        let names = ["mu[1]", "mu[2]", "mu[3]"];
        let same = model(&names, |x| -x.iter().map(|x| (x - 0.3).powi(4)).sum::<f64>() + x.iter().product::<f64>());
        assert_eq!(described(&same), ["exchanging mu[1] with mu[2]", "exchanging mu[1] with mu[3]"]);
        let different = model(&names, |x| -(x[0] - 1.0).powi(2) - x[1].powi(2) - (x[2] + 0.2).powi(2));
        assert_eq!(described(&different), Vec::<String>::new());
    }

    #[test]
    fn signs_change_together() {
        let names = ["load[1]", "load[2]", "score[1]", "score[2]", "score[3]", "mu"];
        let factor = model(&names, |x| {
            let fit: f64 = [0.5, -1.0]
                .iter()
                .zip(&x[..2])
                .flat_map(|(y, l)| x[2..5].iter().map(move |s| (y + l * s).powi(2)))
                .sum();
            -fit - x[2] * x[3] + 0.3 * x[3] * x[4] - (x[5] - 1.0).powi(2)
        });
        assert_eq!(described(&factor), ["changing the signs of load and score"]);
    }

    #[test]
    fn rows_and_columns_of_one_matrix_are_exchanged_together() {
        let names = ["mu[1]", "mu[2]", "trans[1,1]", "trans[1,2]", "trans[2,1]", "trans[2,2]"];
        let chain = model(&names, |x| {
            let row = |m: f64, stay: f64, go: f64| -(m - stay).powi(2) - (go - 0.5).powi(4) * (1.0 + m * m) - m * go;
            row(x[0], x[2], x[3]) + row(x[1], x[5], x[4]) - x[0] * x[1]
        });
        let expected = "exchanging mu[1] with mu[2], trans[1, :] with trans[2, :] and trans[:, 1] with trans[:, 2]";
        assert_eq!(described(&chain), [expected]);
    }

    /// (p, 1 − p) with p = logistic(x), as a Stan simplex has it, and a density that is the same for both elements.
    struct Simplex;
    impl Target for Simplex {
        fn dim(&self) -> usize {
            2
        }
        fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
            let mut parameters = [0.0; 3];
            self.constrain_parameters(x, &mut parameters)?;
            // The Jacobian of stick breaking is the product of the elements.
            Ok(3.0 * parameters.iter().map(|p| p.ln()).sum::<f64>())
        }
        fn log_density_and_score(&self, x: &[f64], _: &mut [f64]) -> Result<f64, EvaluationError> {
            self.log_density(x)
        }
    }
    impl Model for Simplex {
        fn names(&self) -> &[String] {
            static NAMES: std::sync::LazyLock<[String; 3]> =
                std::sync::LazyLock::new(|| [1, 2, 3].map(|i| format!("p[{i}]")));
            &*NAMES
        }
        fn parameter_count(&self) -> usize {
            3
        }
        fn unconstrained_names(&self) -> Vec<String> {
            vec!["p[1]".into(), "p[2]".into()]
        }
        /// By stick breaking.
        fn constrain_parameters(&self, x: &[f64], out: &mut [f64]) -> Result<(), EvaluationError> {
            let part = x.iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect::<Vec<f64>>();
            out.copy_from_slice(&[part[0], (1.0 - part[0]) * part[1], (1.0 - part[0]) * (1.0 - part[1])]);
            Ok(())
        }
        fn generator(&self, _: u32) -> Result<Box<dyn Generator + '_>, EvaluationError> {
            Err(EvaluationError::NotFinite)
        }
        fn unconstrain(&self, p: &[f64]) -> Result<Vec<f64>, EvaluationError> {
            let logit = |p: f64| (p / (1.0 - p)).ln();
            Ok(vec![logit(p[0]), logit(p[1] / (1.0 - p[0]))])
        }
    }

    /// Exchanging elements of a simplex is no rearrangement of the unconstrained parameters: its Jacobian counts.
    #[test]
    fn elements_of_a_simplex_are_exchanged_with_their_jacobian() {
        let symmetries = found(&Simplex);
        let described: Vec<&str> = symmetries.iter().map(|symmetry| symmetry.description()).collect();
        assert_eq!(described, ["exchanging p[1] with p[2]", "exchanging p[1] with p[3]"]);
        let gaussian = LocalGaussian::unit(vec![0.4, -0.2]);
        let there = symmetries[0].image(&gaussian).unwrap();
        let back = symmetries[0].image(&there).unwrap().dense();
        assert!((back.covariance() - Array2::<f64>::eye(2)).iter().all(|e| e.abs() < 1e-6));
    }

    #[test]
    fn the_image_of_a_factored_gaussian_is_that_of_the_dense_one() {
        let names = ["a[1]", "a[2]", "b"];
        let pair = model(&names, |x| -x[0].powi(4) - x[1].powi(4) - x[0] * x[1] - (x[2] - 0.1).powi(2));
        let symmetry = found(&pair).into_iter().find(|it| it.description().starts_with("exchanging")).unwrap();
        let covariance = FactoredCovariance::diagonal(Array1::from(vec![1.0, 2.0, 3.0]));
        let factored = LocalGaussian::Factored { mean: Array1::from(vec![0.1, 0.2, 0.3]), covariance };
        let dense = LocalGaussian::Dense(factored.clone().dense());
        let [a, b] = [factored, dense].map(|gaussian| symmetry.image(&gaussian).unwrap().dense());
        assert_eq!(a.mean(), b.mean());
        assert!((a.covariance() - b.covariance()).iter().all(|e| e.abs() < 1e-12));
        assert_eq!(a.sds().to_vec(), [2.0, 1.0, 3.0]);
    }
}
