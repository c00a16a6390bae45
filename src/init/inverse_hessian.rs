//! The inverse-Hessian estimate of Pathfinder (Zhang, Carpenter, Gelman and Vehtari, JMLR 23, 2022, algorithm 3): a
//! diagonal from all of a path's steps, corrected by the last few.

use super::lbfgs::{HISTORY, Point};
use crate::gaussian::{DenseGaussian, Update};
use crate::linalg::{cholesky_factor, qr, solve_lower, solve_upper};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, concatenate, stack};
use std::collections::VecDeque;

/// The estimate as it grows along an optimisation path: −H ≈ (∇² log p)⁻¹.
#[derive(Debug, Clone)]
pub struct InverseHessian {
    diagonal: Array1<f64>,
    /// Oldest first.
    pairs: VecDeque<Pair>,
}

/// A step and the change of the negative score over it.
type Pair = (Array1<f64>, Array1<f64>);

/// Curvature, relative to the gradient's change, below which a step says nothing.
const FLAT: f64 = 1e-12;

impl InverseHessian {
    /// The identity, of dimension `dim`: what is known before the first step.
    pub fn identity(dim: usize) -> Self {
        Self { diagonal: Array1::ones(dim), pairs: VecDeque::with_capacity(HISTORY) }
    }

    /// Learns from the step between two points of a path, unless the density does not curve downwards along it.
    pub fn learn(&mut self, from: &Point, to: &Point) {
        let step = &ArrayView1::from(&to.position) - &ArrayView1::from(&from.position);
        let change = &ArrayView1::from(&from.score) - &ArrayView1::from(&to.score);
        let curvature = step.dot(&change);
        if curvature.is_nan() || curvature <= FLAT * change.dot(&change) {
            return;
        }
        // The diagonal update of Gilbert and Lemaréchal (1989).
        let a: f64 = change.iter().zip(&self.diagonal).map(|(z, d)| z * z * d).sum();
        let c: f64 = step.iter().zip(&self.diagonal).map(|(s, d)| s * s / d).sum();
        for ((diagonal, z), s) in self.diagonal.iter_mut().zip(&change).zip(&step) {
            let precision = (a / *diagonal + z * z - a * (s / *diagonal).powi(2) / c) / curvature;
            *diagonal = precision.recip();
        }
        if self.pairs.len() == HISTORY {
            self.pairs.pop_front();
        }
        self.pairs.push_back((step, change));
    }

    /// The estimate as a covariance in factored form; none where it is not positive definite.
    pub fn factored(&self) -> Option<FactoredCovariance> {
        let sds = self.diagonal.mapv(f64::sqrt);
        if !sds.iter().all(|sd| sd.is_finite() && *sd > 0.0) {
            return None;
        }
        if self.pairs.is_empty() {
            return Some(FactoredCovariance::diagonal(sds));
        }
        let log_det_sds: f64 = sds.iter().map(|sd| sd.ln()).sum();
        // In coordinates scaled by the diagonal: I + B γ Bᵀ with B = [Z, S], the compact form of BFGS.
        let columns = |pick: fn(&Pair) -> &Array1<f64>, scale: fn(f64, f64) -> f64| {
            let scaled: Vec<Array1<f64>> = (self.pairs.iter())
                .map(|pair| ndarray::Zip::from(pick(pair)).and(&sds).map_collect(|&v, &sd| scale(v, sd)))
                .collect();
            stack(Axis(1), &scaled.iter().map(|column| column.view()).collect::<Vec<_>>())
                .expect("columns have one length")
        };
        let changes = columns(|pair| &pair.1, |v, sd| v * sd);
        let steps = columns(|pair| &pair.0, |v, sd| v / sd);
        let products = steps.t().dot(&changes);
        let count = self.pairs.len();
        let triangle = Array2::from_shape_fn((count, count), |(i, j)| if i <= j { products[[i, j]] } else { 0.0 });
        let inverse = solve_upper(&triangle, &Array2::eye(count))?;
        let mut inner = changes.t().dot(&changes);
        inner.diag_mut().scaled_add(1.0, &products.diag());
        let corner = inverse.t().dot(&inner).dot(&inverse);
        let middle = concatenate![
            Axis(0),
            concatenate![Axis(1), Array2::zeros((count, count)), -&inverse],
            concatenate![Axis(1), -inverse.t().to_owned(), corner]
        ];
        let (basis, triangle) = qr(&concatenate![Axis(1), changes, steps])?;
        let mut covariance = triangle.dot(&middle).dot(&triangle.t());
        covariance.diag_mut().mapv_inplace(|d| d + 1.0);
        let mut change = cholesky_factor(&covariance).ok()?;
        let log_det_inner: f64 = change.diag().iter().map(|d| d.ln()).sum();
        if !log_det_inner.is_finite() {
            return None;
        }
        change.diag_mut().mapv_inplace(|d| d - 1.0);
        Some(FactoredCovariance { sds, basis, change, log_det: log_det_sds + log_det_inner, log_det_inner })
    }
}

/// A covariance F Fᵀ with F = diag(sds) (I + E change Eᵀ), E an orthonormal basis of a few directions.
#[derive(Debug, Clone, PartialEq)]
pub struct FactoredCovariance {
    sds: Array1<f64>,
    basis: Array2<f64>,
    change: Array2<f64>,
    log_det: f64,
    log_det_inner: f64,
}

impl FactoredCovariance {
    /// The diagonal covariance with the standard deviations `sds`, which must be positive.
    pub fn diagonal(sds: Array1<f64>) -> Self {
        let (basis, change) = (Array2::zeros((sds.len(), 0)), Array2::zeros((0, 0)));
        Self { log_det: sds.iter().map(|sd| sd.ln()).sum(), log_det_inner: 0.0, sds, basis, change }
    }

    /// The diagonal part, of length D.
    pub fn sds(&self) -> &Array1<f64> {
        &self.sds
    }

    /// The orthonormal basis E, D × r.
    pub fn basis(&self) -> &Array2<f64> {
        &self.basis
    }

    /// The change within the basis, r × r.
    pub fn change(&self) -> &Array2<f64> {
        &self.change
    }

    /// log |det F|.
    pub fn log_det(&self) -> f64 {
        self.log_det
    }

    /// F ε.
    pub fn multiply(&self, noise: ArrayView1<'_, f64>) -> Array1<f64> {
        let inner = &noise + &self.basis.dot(&self.change.dot(&self.basis.t().dot(&noise)));
        inner * &self.sds
    }

    /// F⁻¹ v for each row v of `rows` (n × D).
    pub fn whiten(&self, rows: ArrayView2<'_, f64>) -> Array2<f64> {
        let mut whitened = &rows / &self.sds;
        if self.change.is_empty() {
            return whitened;
        }
        let mut triangle = self.change.clone();
        triangle.diag_mut().mapv_inplace(|d| d + 1.0);
        let within = whitened.dot(&self.basis).reversed_axes();
        let solved =
            solve_lower(&triangle, &within).expect("a Cholesky factor with a finite determinant has an inverse");
        whitened += &(solved - within).t().dot(&self.basis.t());
        whitened
    }

    /// Fᵀ v.
    pub fn multiply_transposed(&self, v: ArrayView1<'_, f64>) -> Array1<f64> {
        let scaled = &v * &self.sds;
        &scaled + &self.basis.dot(&self.change.t().dot(&self.basis.t().dot(&scaled)))
    }

    /// F Fᵀ v.
    pub fn covariance_times(&self, v: ArrayView1<'_, f64>) -> Array1<f64> {
        self.multiply(self.multiply_transposed(v).view())
    }

    /// The covariance of `scale` · x, where x has this one.
    pub fn scaled(&self, scale: f64) -> Self {
        let log_det = self.log_det + self.sds.len() as f64 * scale.ln();
        Self { sds: &self.sds * scale, log_det, ..self.clone() }
    }

    /// The covariance of y, where y_j = sign · x_index for the j-th (index, sign) of `elements` and x has this one.
    pub fn rearranged(&self, elements: &[(usize, f64)]) -> Self {
        let indices: Vec<usize> = elements.iter().map(|&(index, _)| index).collect();
        let mut basis = self.basis.select(Axis(0), &indices);
        for (mut row, &(_, sign)) in basis.rows_mut().into_iter().zip(elements) {
            row *= sign;
        }
        Self { sds: self.sds.select(Axis(0), &indices), basis, ..self.clone() }
    }

    /// The Gaussian with this covariance.
    pub fn gaussian(&self, mean: Array1<f64>) -> DenseGaussian {
        let mut family = DenseGaussian::diagonal(mean, &self.sds);
        let mut factor = self.change.clone();
        factor.diag_mut().mapv_inplace(|d| d + 1.0);
        let update = Update { shift: Array1::zeros(factor.nrows()), factor, log_det: self.log_det_inner };
        family.apply(Some(self.basis.view()), &update);
        family
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gaussian::GaussianApproximation;
    use crate::init::{LbfgsOptions, climb};
    use crate::model::{Gaussian, Target};
    use crate::random::stream;
    use ndarray_linalg::{Determinant, Norm};

    fn optimisation_path(target: &Gaussian) -> Vec<Point> {
        let dim = target.dim();
        let mut score = vec![0.0; dim];
        let log_density = target.log_density_and_score(&vec![1.0; dim], &mut score).unwrap();
        let start = Point { position: vec![1.0; dim], score, log_density };
        climb(target, start, LbfgsOptions { max_iterations: 200, tolerance: 1e-12 })
    }

    /// With as many pairs as dimensions BFGS recovers a quadratic's inverse Hessian.
    #[test]
    fn a_small_gaussians_covariance_is_found() {
        let target = Gaussian::with_condition_number(3, 20.0, &mut stream(6, 0));
        let path = optimisation_path(&target);
        let mut estimate = InverseHessian::identity(3);
        path.windows(2).for_each(|pair| estimate.learn(&pair[0], &pair[1]));
        let family = estimate.factored().unwrap().gaussian(Array1::zeros(3));
        let error = (&family.covariance() - target.covariance()).norm_l2() / target.covariance().norm_l2();
        assert!(error < 0.05, "{error}");
    }

    /// Every BFGS estimate satisfies the secant equation of its latest pair: H change = step.
    #[test]
    fn the_latest_step_is_explained() {
        let target = Gaussian::with_condition_number(30, 1e3, &mut stream(6, 0));
        let path = optimisation_path(&target);
        let mut estimate = InverseHessian::identity(30);
        for pair in path.windows(2).take(12) {
            estimate.learn(&pair[0], &pair[1]);
            let (step, change) = estimate.pairs.back().unwrap().clone();
            let image = estimate.factored().unwrap().covariance_times(change.view());
            assert!((&image - &step).norm_l2() < 1e-8 * step.norm_l2());
        }
    }

    /// F⁻¹ v for each row v, by the family.
    fn solved(family: &DenseGaussian, rows: ArrayView2<'_, f64>) -> Array2<f64> {
        family.noise((&rows + &family.mean()).view()).unwrap()
    }

    #[test]
    fn the_dense_gaussian_is_the_factored_covariance() {
        let target = Gaussian::with_condition_number(30, 1e3, &mut stream(6, 0));
        let path = optimisation_path(&target);
        let mut estimate = InverseHessian::identity(30);
        path.windows(2).take(9).for_each(|pair| estimate.learn(&pair[0], &pair[1]));
        let factored = estimate.factored().unwrap();
        let family = factored.gaussian(Array1::zeros(30));
        let v = Array1::from_shape_fn(30, |i| (i as f64).sin());
        assert!((factored.covariance_times(v.view()) - family.covariance().dot(&v)).norm_l2() < 1e-9);
        assert!((factored.multiply(v.view()) - family.factor().dot(&v)).norm_l2() < 1e-9);
        let rows = stack![Axis(0), v, v.mapv(|e| e * e)];
        assert!((factored.whiten(rows.view()) - solved(&family, rows.view())).norm_l2() < 1e-9);
        let (_, log_det) = family.factor().to_owned().sln_det().unwrap();
        assert!((factored.log_det() - log_det).abs() < 1e-9);
        assert!((family.log_det_factor() - log_det).abs() < 1e-9);
    }
}
