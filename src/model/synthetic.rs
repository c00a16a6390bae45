//! Targets with known answers, for tests, benches and studies. Densities are normalised, but for
//! [`StudentT`].

use super::{EvaluationError, Target};
use crate::linalg::{cholesky_factor, inverse, log_determinant, qr};
use crate::random::{Rng, fill_standard_normal};
use ndarray::{Array1, Array2, ArrayView1};

const LN_2PI: f64 = 1.837_877_066_409_345_3;

/// A Gaussian with its mean, covariance and precision matrix.
#[derive(Debug, Clone)]
pub struct Gaussian {
    mean: Array1<f64>,
    covariance: Array2<f64>,
    precision: Array2<f64>,
    log_normaliser: f64,
}

impl Gaussian {
    /// N(mean, covariance).
    ///
    /// # Panics
    /// If `covariance` is not D × D, symmetric and positive definite.
    pub fn new(mean: Array1<f64>, covariance: Array2<f64>) -> Self {
        assert_eq!(covariance.dim(), (mean.len(), mean.len()), "the covariance must be D × D");
        assert!(cholesky_factor(&covariance).is_ok(), "the covariance must be positive definite");
        let log_det = log_determinant(&covariance).expect("a covariance has a determinant");
        let precision = inverse(covariance.clone()).expect("a covariance has an inverse");
        let log_normaliser = -0.5 * (log_det + mean.len() as f64 * LN_2PI);
        Self { mean, covariance, precision, log_normaliser }
    }

    /// A Gaussian in random directions whose covariance has eigenvalues spread evenly on the log scale from 1/√κ to √κ,
    /// and a standard normal mean.
    pub fn with_condition_number(dim: usize, condition_number: f64, rng: &mut Rng) -> Self {
        let mut directions = Array2::<f64>::zeros((dim, dim));
        fill_standard_normal(rng, directions.as_slice_mut().expect("a fresh array is contiguous"));
        let (directions, _) = qr(&directions).expect("a square matrix has a QR decomposition");
        let eigenvalue = |i: usize| {
            let position = if dim > 1 { i as f64 / (dim - 1) as f64 } else { 0.5 };
            condition_number.powf(position - 0.5)
        };
        let eigenvalues = Array1::from_shape_fn(dim, eigenvalue);
        let covariance = (&directions * &eigenvalues).dot(&directions.t());
        let precision = (&directions / &eigenvalues).dot(&directions.t());
        let mut mean = Array1::zeros(dim);
        fill_standard_normal(rng, mean.as_slice_mut().expect("a fresh array is contiguous"));
        let log_det: f64 = eigenvalues.iter().map(|e| e.ln()).sum();
        Self { mean, covariance, precision, log_normaliser: -0.5 * (log_det + dim as f64 * LN_2PI) }
    }

    /// The mean, of length D.
    pub fn mean(&self) -> &Array1<f64> {
        &self.mean
    }

    /// The covariance, D × D.
    pub fn covariance(&self) -> &Array2<f64> {
        &self.covariance
    }

    /// The squared Mahalanobis distance of `x` from the mean; `precision · (x − mean)` is written to `weighted`.
    fn distance(&self, x: &[f64], weighted: &mut [f64]) -> f64 {
        let deviation = &ArrayView1::from(x) - &self.mean;
        let mut weighted = ndarray::ArrayViewMut1::from(weighted);
        ndarray::linalg::general_mat_vec_mul(1.0, &self.precision, &deviation, 0.0, &mut weighted);
        deviation.dot(&weighted)
    }
}

impl Target for Gaussian {
    fn dim(&self) -> usize {
        self.mean.len()
    }

    fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
        self.log_density_and_score(x, &mut vec![0.0; x.len()])
    }

    fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
        let distance = self.distance(x, score);
        score.iter_mut().for_each(|s| *s = -*s);
        Ok(self.log_normaliser - 0.5 * distance)
    }
}

/// A multivariate Student-t up to its normalising constant: `shape` gives location and scale matrix.
#[derive(Debug, Clone)]
pub struct StudentT {
    /// Degrees of freedom ν.
    pub degrees: f64,
    /// The location as its mean, the scale matrix as its covariance.
    pub shape: Gaussian,
}

impl Target for StudentT {
    fn dim(&self) -> usize {
        self.shape.dim()
    }

    fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
        self.log_density_and_score(x, &mut vec![0.0; x.len()])
    }

    fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
        let distance = self.shape.distance(x, score);
        let exponent = self.degrees + self.dim() as f64;
        score.iter_mut().for_each(|s| *s *= -exponent / (self.degrees + distance));
        Ok(-0.5 * exponent * (distance / self.degrees).ln_1p())
    }
}

/// An equally weighted mixture of Gaussians.
#[derive(Debug, Clone)]
pub struct Mixture(pub Vec<Gaussian>);

impl Target for Mixture {
    fn dim(&self) -> usize {
        self.0[0].dim()
    }

    fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
        self.log_density_and_score(x, &mut vec![0.0; x.len()])
    }

    fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
        let mut scores = vec![vec![0.0; x.len()]; self.0.len()];
        let values = (self.0.iter().zip(&mut scores))
            .map(|(component, score)| component.log_density_and_score(x, score))
            .collect::<Result<Vec<f64>, _>>()?;
        let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = values.iter().map(|v| (v - largest).exp()).sum();
        score.fill(0.0);
        for (value, component) in values.iter().zip(&scores) {
            let responsibility = (value - largest).exp() / total;
            score.iter_mut().zip(component).for_each(|(s, c)| *s += responsibility * c);
        }
        Ok(largest + (total / self.0.len() as f64).ln())
    }
}

/// (x₁, x₂ + x₁² + 1) ~ N(0, [[1, 0.9], [0.9, 1]]).
#[derive(Debug, Clone, Copy)]
pub struct Banana;

impl Target for Banana {
    fn dim(&self) -> usize {
        2
    }

    fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
        self.log_density_and_score(x, &mut [0.0; 2])
    }

    fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
        let (rho, variance) = (0.9, 1.0 - 0.9 * 0.9);
        let (a, b) = (x[0], x[1] + x[0] * x[0] + 1.0);
        let (da, db) = (-(a - rho * b) / variance, -(b - rho * a) / variance);
        score[0] = da + 2.0 * x[0] * db;
        score[1] = db;
        Ok(-LN_2PI - 0.5 * f64::ln(variance) + 0.5 * (a * da + b * db))
    }
}

/// Gaussians seen through a sinh-arcsinh transform in each coordinate (Jones and Pewsey 2009): with z ~ N(0, Σ),
/// x_i = sinh((asinh z_i + skew) / tail). Tails are heavier than a Gaussian's where tail < 1.
#[derive(Debug, Clone)]
pub struct SinhArcsinh {
    /// Shifts mass to the right where positive.
    pub skew: f64,
    /// Tail weight; 1 leaves the Gaussian's tails.
    pub tail: f64,
    /// The Gaussian of z.
    pub base: Gaussian,
}

impl Target for SinhArcsinh {
    fn dim(&self) -> usize {
        self.base.dim()
    }

    fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
        self.log_density_and_score(x, &mut vec![0.0; x.len()])
    }

    fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
        let angle = |x: f64| self.tail * x.asinh() - self.skew;
        let z: Vec<f64> = x.iter().map(|&x| angle(x).sinh()).collect();
        let mut value = self.base.log_density_and_score(&z, score)?;
        for (score, &x) in score.iter_mut().zip(x) {
            let (root, angle) = (x.hypot(1.0), angle(x));
            let slope = self.tail * angle.cosh() / root;
            value += slope.ln();
            // d log slope / dx, where the slope is dz/dx.
            *score = *score * slope + self.tail * angle.tanh() / root - x / (root * root);
        }
        if value.is_finite() { Ok(value) } else { Err(EvaluationError::NotFinite) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::check_gradient;
    use crate::random::stream;
    use ndarray::array;

    #[test]
    fn scores_are_gradients() {
        let mut rng = stream(3, 0);
        let gaussian = Gaussian::with_condition_number(4, 100.0, &mut rng);
        let targets: Vec<Box<dyn Target>> = vec![
            Box::new(gaussian.clone()),
            Box::new(StudentT { degrees: 3.0, shape: gaussian.clone() }),
            Box::new(SinhArcsinh { skew: 0.4, tail: 0.7, base: gaussian.clone() }),
            Box::new(Mixture(vec![gaussian.clone(), Gaussian::with_condition_number(4, 3.0, &mut rng)])),
            Box::new(Banana),
        ];
        for target in targets {
            let mut x = vec![0.0; target.dim()];
            for _ in 0..5 {
                fill_standard_normal(&mut rng, &mut x);
                let worst = check_gradient(target.as_ref(), &x).unwrap().unwrap();
                assert!(worst.error < 1.0, "{worst:?}");
            }
        }
    }

    #[test]
    fn normalised_densities_integrate_to_one() {
        let targets: [(&str, Box<dyn Target>); 3] = [
            ("banana", Box::new(Banana)),
            (
                "mixture",
                Box::new(Mixture(vec![
                    Gaussian::new(array![-1.0, 0.0], array![[1.0, 0.3], [0.3, 0.5]]),
                    Gaussian::new(array![2.0, 0.5], array![[0.4, 0.0], [0.0, 2.0]]),
                ])),
            ),
            (
                "sinh-arcsinh",
                Box::new(SinhArcsinh {
                    skew: 0.3,
                    tail: 1.2,
                    base: Gaussian::new(array![0.0, 0.0], array![[1.0, 0.5], [0.5, 1.0]]),
                }),
            ),
        ];
        // The trapezoidal rule converges exponentially for a smooth density that vanishes at the ends.
        let (step, half_width) = (0.05, 600);
        for (name, target) in targets {
            let mut total = 0.0;
            for i in -half_width..=half_width {
                for j in -half_width..=half_width {
                    total += target.log_density(&[i as f64 * step, j as f64 * step]).map_or(0.0, f64::exp);
                }
            }
            assert!((total * step * step - 1.0).abs() < 1e-6, "{name}: {}", total * step * step);
        }
    }

    #[test]
    fn the_condition_number_is_the_covariances() {
        use ndarray_linalg::{EigValsh, UPLO};
        let gaussian = Gaussian::with_condition_number(6, 1e4, &mut stream(1, 0));
        let eigenvalues = gaussian.covariance().eigvalsh(UPLO::Lower).unwrap();
        assert!((eigenvalues[5] / eigenvalues[0] / 1e4 - 1.0).abs() < 1e-8);
    }
}
