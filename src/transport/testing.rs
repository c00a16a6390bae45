//! What the tests of maps share.

use super::coefficients::Coefficients;
use super::{Structure, TriangularMap};
use crate::model::{Banana, EvaluationError, Target};
use crate::random::{Rng, fill_standard_normal, standard_normal, stream};
use ndarray::{Array1, Array2};
use rand::RngExt;

/// A map of a random structure, with drivers, pairs, any order and all coefficients of size `size`.
pub fn random_map(dim: usize, drivers: usize, size: f64, seed: u64) -> TriangularMap {
    let mut rng = stream(seed, 0);
    let mut order: Vec<usize> = (0..dim).collect();
    for last in (1..dim).rev() {
        order.swap(last, rng.random_range(0..=last));
    }
    let pairs: Vec<Vec<usize>> =
        (0..dim).map(|position| (drivers..position).filter(|_| rng.random_bool(0.3)).collect()).collect();
    let structure = Structure::new(order, drivers.min(dim), &pairs).unwrap();
    let mut packed = vec![0.0; Coefficients::count(&structure)];
    fill_standard_normal(&mut rng, &mut packed);
    packed.iter_mut().for_each(|value| *value *= size);
    let mut coefficients = Coefficients::zeros(&structure);
    coefficients.unpack(&packed);
    coefficients.mask(&structure);
    let frame = standard_normal(&mut rng, (2, dim));
    let (location, scale): (Array1<f64>, _) = (frame.row(0).to_owned(), frame.row(1).mapv(f64::exp));
    TriangularMap::new(structure, location, scale, coefficients).unwrap()
}

/// A target that can be drawn from.
pub trait Exact: Target {
    /// A draw.
    fn draw(&self, rng: &mut Rng) -> Vec<f64>;

    /// Draws and their scores, n × D each.
    fn draws(&self, count: usize, seed: u64) -> (Array2<f64>, Array2<f64>) {
        let mut rng = stream(seed, 0);
        let (mut draws, mut scores) = (Array2::zeros((count, self.dim())), Array2::zeros((count, self.dim())));
        for (mut draw, mut score) in draws.rows_mut().into_iter().zip(scores.rows_mut()) {
            draw.assign(&Array1::from(self.draw(&mut rng)));
            self.log_density_and_score(draw.as_slice().unwrap(), score.as_slice_mut().unwrap()).unwrap();
        }
        (draws, scores)
    }
}

fn normal(rng: &mut Rng, mean: f64, sd: f64) -> f64 {
    let mut value = [0.0];
    fill_standard_normal(rng, &mut value);
    mean + sd * value[0]
}

impl Exact for Banana {
    fn draw(&self, rng: &mut Rng) -> Vec<f64> {
        let first = normal(rng, 0.0, 1.0);
        vec![first, normal(rng, 0.9 * first, (1.0 - 0.81_f64).sqrt()) - first * first - 1.0]
    }
}

/// A centred hierarchy: log τ ~ N(0, `spread`), μ ~ N(0, `centre`), and the others ~ N(μ, τ^`power`).
/// Without μ, with a spread of 3 and a power of ½ it is Neal's funnel.
#[derive(Debug, Clone, Copy)]
pub struct Hierarchy {
    pub dim: usize,
    pub spread: f64,
    /// The standard deviation of μ, the second coordinate; none where the others have mean zero.
    pub centre: Option<f64>,
    pub power: f64,
}

/// Neal's funnel: v ~ N(0, 3), nine others ~ N(0, exp(v/2)).
pub const FUNNEL: Hierarchy = Hierarchy { dim: 10, spread: 3.0, centre: None, power: 0.5 };

impl Hierarchy {
    fn first(&self) -> usize {
        1 + usize::from(self.centre.is_some())
    }
}

impl Target for Hierarchy {
    fn dim(&self) -> usize {
        self.dim
    }

    fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
        self.log_density_and_score(x, &mut vec![0.0; x.len()])
    }

    fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
        score.fill(0.0);
        let mut value = -0.5 * (x[0] / self.spread).powi(2);
        score[0] = -x[0] / self.spread.powi(2);
        let mut mean = 0.0;
        if let Some(centre) = self.centre {
            mean = x[1];
            value -= 0.5 * (mean / centre).powi(2);
            score[1] = -mean / centre.powi(2);
        }
        let precision = (-2.0 * self.power * x[0]).exp();
        for element in self.first()..self.dim {
            let deviation = x[element] - mean;
            value -= 0.5 * deviation * deviation * precision + self.power * x[0];
            score[0] += self.power * (deviation * deviation * precision - 1.0);
            score[element] = -deviation * precision;
            if self.centre.is_some() {
                score[1] += deviation * precision;
            }
        }
        if value.is_finite() && score.iter().all(|s| s.is_finite()) {
            Ok(value)
        } else {
            Err(EvaluationError::NotFinite)
        }
    }
}

impl Exact for Hierarchy {
    fn draw(&self, rng: &mut Rng) -> Vec<f64> {
        let mut x = vec![normal(rng, 0.0, self.spread)];
        x.extend(self.centre.map(|centre| normal(rng, 0.0, centre)));
        let mean = self.centre.map_or(0.0, |_| x[1]);
        let sd = (self.power * x[0]).exp();
        x.extend((self.first()..self.dim).map(|_| normal(rng, mean, sd)));
        x
    }
}

/// Independent pairs: log scales λ_j ~ N(0, 1), the last half of the coordinates, and x_j ~ N(0, exp(λ_j)).
#[derive(Debug, Clone, Copy)]
pub struct Scales(pub usize);

impl Target for Scales {
    fn dim(&self) -> usize {
        2 * self.0
    }

    fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
        self.log_density_and_score(x, &mut vec![0.0; x.len()])
    }

    fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
        let (x, log_scales) = x.split_at(self.0);
        let mut value = 0.0;
        for (pair, (x, log_scale)) in x.iter().zip(log_scales).enumerate() {
            let precision = (-2.0 * log_scale).exp();
            value -= 0.5 * (x * x * precision + log_scale * log_scale) + log_scale;
            score[pair] = -x * precision;
            score[self.0 + pair] = x * x * precision - 1.0 - log_scale;
        }
        if value.is_finite() && score.iter().all(|s| s.is_finite()) {
            Ok(value)
        } else {
            Err(EvaluationError::NotFinite)
        }
    }
}

impl Exact for Scales {
    fn draw(&self, rng: &mut Rng) -> Vec<f64> {
        let log_scales: Vec<f64> = (0..self.0).map(|_| normal(rng, 0.0, 1.0)).collect();
        let x: Vec<f64> = log_scales.iter().map(|log_scale| normal(rng, 0.0, log_scale.exp())).collect();
        [x, log_scales].concat()
    }
}
