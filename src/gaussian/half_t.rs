//! The proposal of importance sampling around a Gaussian: an equal mixture of it and a multivariate Student-t of its
//! location and scale. The t keeps the weights of heavy tails bounded, the Gaussian those of many dimensions.

use super::LN_2PI;
use crate::random::{Rng, standard_normal};
use ndarray::{Array2, ArrayViewMut2, s};
use rand_distr::{ChiSquared, Distribution};
use statrs::function::gamma::ln_gamma;

/// Degrees of freedom of the Student-t.
const DEGREES: f64 = 7.0;

/// Noise of `count` draws in `dim` dimensions, a row each: standard normal, and Student-t in the second half.
pub fn noise(count: usize, dim: usize, rng: &mut Rng) -> Array2<f64> {
    let mut noise = standard_normal(rng, (count, dim));
    widen(noise.slice_mut(s![count / 2.., ..]), rng);
    noise
}

/// Makes rows of standard normal noise (n × D) rows of Student-t noise.
pub fn widen(mut rows: ArrayViewMut2<'_, f64>, rng: &mut Rng) {
    let chi_squared = ChiSquared::new(DEGREES).expect("the degrees of freedom are positive");
    for mut row in rows.rows_mut() {
        let widening = (DEGREES / chi_squared.sample(rng)).sqrt();
        row *= widening;
    }
}

/// The log density of noise, given its squared norms; in the coordinates of draws it is less by log |det F|.
#[derive(Debug, Clone, Copy)]
pub struct HalfT {
    dim: f64,
    /// Of the Student-t, less what it has in common with the normal.
    constant: f64,
}

impl HalfT {
    /// In `dim` dimensions.
    pub fn new(dim: usize) -> Self {
        let dim = dim as f64;
        let constant = ln_gamma((DEGREES + dim) / 2.0) - ln_gamma(DEGREES / 2.0) - 0.5 * dim * DEGREES.ln();
        Self { dim, constant }
    }

    /// The log density at noise of this squared norm.
    pub fn log_density(&self, squared_norm: f64) -> f64 {
        self.log_density_beside(self.normal(squared_norm), squared_norm)
    }

    /// The same in other coordinates, given the log density `normal` that the normal half has in these.
    pub fn log_density_beside(&self, normal: f64, squared_norm: f64) -> f64 {
        let t = self.student_beside(normal, squared_norm);
        let larger = normal.max(t);
        larger + (0.5 * ((normal - larger).exp() + (t - larger).exp())).ln()
    }

    /// The log density of the normal half alone.
    pub fn normal(&self, squared_norm: f64) -> f64 {
        -0.5 * (squared_norm + self.dim * LN_2PI)
    }

    /// The log density of the Student-t half alone.
    pub fn student(&self, squared_norm: f64) -> f64 {
        self.student_beside(self.normal(squared_norm), squared_norm)
    }

    /// The same in other coordinates, given the log density `normal` that the normal half has in these.
    fn student_beside(&self, normal: f64, squared_norm: f64) -> f64 {
        // Relative to the normal: Γ-functions and π for (2π)^(−D/2) exp(−‖ε‖²/2).
        normal + 0.5 * (squared_norm + self.dim * (LN_2PI - std::f64::consts::PI.ln())) + self.constant
            - 0.5 * (DEGREES + self.dim) * (squared_norm / DEGREES).ln_1p()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::stream;

    /// By the trapezoidal rule in one dimension, and in polar coordinates in three.
    #[test]
    fn the_density_integrates_to_one() {
        let step = 1e-3;
        let integral = |dim: usize, sphere: f64| -> f64 {
            let density = HalfT::new(dim);
            let at = |i: usize| {
                let r = (i as f64 + 0.5) * step;
                sphere * r.powi(dim as i32 - 1) * density.log_density(r * r).exp()
            };
            (0..200_000).map(at).sum::<f64>() * step
        };
        assert!((integral(1, 2.0) - 1.0).abs() < 1e-6);
        assert!((integral(3, 4.0 * std::f64::consts::PI) - 1.0).abs() < 1e-5);
    }

    #[test]
    fn the_student_half_is_the_one_dimensional_student() {
        use statrs::distribution::{Continuous, StudentsT};
        let student = StudentsT::new(0.0, 1.0, DEGREES).unwrap();
        for x in [0.0, 0.7, -4.0] {
            assert!((HalfT::new(1).student(x * x) - student.ln_pdf(x)).abs() < 1e-12);
        }
    }

    /// A t with 7 degrees of freedom has variance 7/5.
    #[test]
    fn half_of_the_noise_is_wider() {
        let noise = noise(40_000, 2, &mut stream(1, 0));
        let variance =
            |rows: std::ops::Range<usize>| rows.map(|row| noise.row(row).dot(&noise.row(row))).sum::<f64>() / 40_000.0;
        assert!((variance(0..20_000) - 1.0).abs() < 0.03);
        assert!((variance(20_000..40_000) - 1.4).abs() < 0.05);
    }
}
