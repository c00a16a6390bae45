//! What an approximation can do, for maps: draw, give its log density, and pull scores back to its own
//! coordinates.

use super::TriangularMap;
use super::workspace::Workspace;
use crate::gaussian::LN_2PI;
use ndarray::parallel::prelude::*;
use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2, Axis, s};
use rayon::prelude::*;
use std::ops::Range;

/// Points that are evaluated together: what a thread then works on stays in its cache.
pub(super) const CHUNK: usize = 64;

impl TriangularMap {
    /// The draws x = T(u) of the rows u of `noise` (n × D), written to the rows of `draws` (n × D), and
    /// log |det ∂T/∂u| of each. Where u is far out, a draw may not be finite.
    pub fn draws(&self, noise: ArrayView2<'_, f64>, draws: ArrayViewMut2<'_, f64>) -> Array1<f64> {
        self.in_chunks(draws, |workspace, rows, draws, log_dets| {
            workspace.set_noise(self, noise.slice(s![rows, ..]));
            workspace.points(self, draws);
            workspace.log_dets(self, log_dets);
        })
    }

    /// The noise u = T⁻¹(x) of the rows x of `points` (n × D), written to the rows of `noise` (n × D),
    /// and log |det ∂T⁻¹/∂x| of each.
    pub fn noise(&self, points: ArrayView2<'_, f64>, noise: ArrayViewMut2<'_, f64>) -> Array1<f64> {
        let log_dets = self.in_chunks(noise, |workspace, rows, noise, log_dets| {
            workspace.set_points(self, points.slice(s![rows, ..]));
            workspace.noise(noise);
            workspace.log_dets(self, log_dets);
        });
        -log_dets
    }

    /// The normalised log density at each row of `points` (n × D).
    pub fn log_densities(&self, points: ArrayView2<'_, f64>) -> Array1<f64> {
        let mut noise = Array2::zeros(points.dim());
        let mut values = self.noise(points, noise.view_mut());
        for (value, u) in values.iter_mut().zip(noise.rows()) {
            *value -= 0.5 * (u.dot(&u) + self.dim() as f64 * LN_2PI);
        }
        values
    }

    /// Pulls back a target's `scores` (n × D) at the rows x of `points` (n × D) to the coordinates u: writes the
    /// gradient of log p(T(u)) + log |det ∂T/∂u| in u to the rows of `pulled` (n × D), and returns
    /// ‖R‖²/D of each, R being the gradient plus u. The residual R is zero everywhere exactly when the
    /// map's density is the target's.
    pub fn pull_back(
        &self,
        points: ArrayView2<'_, f64>,
        scores: ArrayView2<'_, f64>,
        pulled: ArrayViewMut2<'_, f64>,
    ) -> Array1<f64> {
        self.in_chunks(pulled, |workspace, rows, pulled, residuals| {
            workspace.set_points(self, points.slice(s![rows.clone(), ..]));
            workspace.pull_back(self, scores.slice(s![rows, ..]));
            workspace.pulled_scores(pulled);
            workspace.residuals(residuals);
        })
    }

    /// Calls `evaluate` for ranges of rows, with those rows of `output` and a number for each to write, on
    /// rayon's threads, and returns the numbers.
    fn in_chunks(
        &self,
        mut output: ArrayViewMut2<'_, f64>,
        evaluate: impl Fn(&mut Workspace, Range<usize>, ArrayViewMut2<'_, f64>, &mut [f64]) + Sync,
    ) -> Array1<f64> {
        let mut values = vec![0.0; output.nrows()];
        let chunks = output.axis_chunks_iter_mut(Axis(0), CHUNK).into_par_iter().zip(values.par_chunks_mut(CHUNK));
        chunks.enumerate().for_each_init(Workspace::default, |workspace, (chunk, (output, values))| {
            let rows = chunk * CHUNK..chunk * CHUNK + output.nrows();
            evaluate(workspace, rows, output, values);
        });
        values.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gaussian::{DenseGaussian, GaussianApproximation};
    use crate::model::{Gaussian, Target};
    use crate::random::{standard_normal, stream};
    use crate::transport::Structure;
    use crate::transport::testing::random_map;
    use ndarray_linalg::Determinant;
    use proptest::prelude::*;

    fn drawn(map: &TriangularMap, noise: &Array2<f64>) -> (Array2<f64>, Array1<f64>) {
        let mut draws = Array2::zeros(noise.dim());
        let log_dets = map.draws(noise.view(), draws.view_mut());
        (draws, log_dets)
    }

    fn largest(values: impl IntoIterator<Item = f64>) -> f64 {
        values
            .into_iter()
            .fold(0.0, |most, value| if value.abs() > most || value.is_nan() { value.abs() } else { most })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        /// Of dimensions that make one block of positions and several, and more points than a chunk. Where a small
        /// difference of large numbers decides, rounding shows: the noise may be off by what a relative change of the
        /// points by 1e-12 makes.
        #[test]
        fn the_inverse_undoes_the_map(seed in 0u64..10_000, dim in 1usize..40, drivers in 0usize..4) {
            let map = random_map(dim, drivers.min(dim), 0.3 / (dim as f64).sqrt(), seed);
            let noise = standard_normal(&mut stream(seed, 1), (70, dim));
            let (draws, forward) = drawn(&map, &noise);
            // A random map may leave the range of numbers.
            prop_assume!(draws.iter().all(|x| x.abs() < 1e100));
            let mut back = Array2::zeros(noise.dim());
            let backward = map.noise(draws.view(), back.view_mut());
            let mut moved = Array2::zeros(noise.dim());
            let backward_moved = map.noise((&draws * (1.0 + 1e-12)).view(), moved.view_mut());
            let (error, rounding) = (largest(&back - &noise), largest(&moved - &back));
            prop_assert!(error < 1e-9 + rounding, "{error}, rounding {rounding}");
            prop_assert!(largest(&forward + &backward) < 1e-9 + largest(&backward_moved - &backward));
        }

        #[test]
        fn the_log_determinant_is_the_jacobians(seed in 0u64..10_000, dim in 1usize..7, drivers in 0usize..4) {
            let map = random_map(dim, drivers.min(dim), 0.15, seed);
            let noise = standard_normal(&mut stream(seed, 1), (1, dim));
            let (_, log_dets) = drawn(&map, &noise);
            // Of a random map whose factors leave the range of numbers, differences say nothing.
            prop_assume!(log_dets[0].abs() < 100.0);
            // Columns of the Jacobian by differences of fourth order.
            let by_differences = |step: f64| {
                let mut jacobian = Array2::zeros((dim, dim));
                for element in 0..dim {
                    let at = |steps: f64| {
                        let mut noise = noise.clone();
                        noise[[0, element]] += steps * step;
                        drawn(&map, &noise).0.remove_axis(Axis(0))
                    };
                    let slope = (8.0 * (at(1.0) - at(-1.0)) - (at(2.0) - at(-2.0))) / (12.0 * step);
                    jacobian.column_mut(element).assign(&slope);
                }
                jacobian.sln_det().unwrap().1
            };
            // The error of the differences is less than what twice the step changes.
            let (expected, coarse) = (by_differences(1e-3), by_differences(2e-3));
            prop_assert!(
                (log_dets[0] - expected).abs() < 1e-6 + (coarse - expected).abs(),
                "{} and {expected}, {coarse}", log_dets[0]
            );
        }

        /// Of a density whose scores are the same everywhere, log p(T(u)) is s · T(u).
        #[test]
        fn scores_are_pulled_back(seed in 0u64..10_000, dim in 1usize..25, drivers in 0usize..4) {
            let map = random_map(dim, drivers.min(dim), 0.3 / (dim as f64).sqrt(), seed);
            let noise = standard_normal(&mut stream(seed, 1), (3, dim));
            let scores = standard_normal(&mut stream(seed, 2), (3, dim));
            let (draws, _) = drawn(&map, &noise);
            // Of a random map that is steeper than differences and rounding can follow, they say nothing.
            prop_assume!(draws.iter().all(|x| x.abs() < 1e4));
            let mut pulled = Array2::zeros(noise.dim());
            let residuals = map.pull_back(draws.view(), scores.view(), pulled.view_mut());
            for element in 0..dim {
                let at = |change: f64| {
                    let mut noise = noise.clone();
                    noise.column_mut(element).mapv_inplace(|u| u + change);
                    let (draws, log_dets) = drawn(&map, &noise);
                    (&draws * &scores).sum_axis(Axis(1)) + log_dets
                };
                let by_differences =
                    |step: f64| (8.0 * (at(step) - at(-step)) - (at(2.0 * step) - at(-2.0 * step))) / (12.0 * step);
                // The error of the differences is less than what twice the step changes.
                let (expected, coarse) = (by_differences(1e-3), by_differences(2e-3));
                let error = largest(&expected - &pulled.column(element));
                let allowed = 1e-6 * (1.0 + largest(expected.iter().copied())) + largest(coarse - &expected);
                prop_assert!(error < allowed, "{error}, {allowed}");
            }
            let residual = &pulled + &noise;
            let expected = residual.map_axis(Axis(1), |row| row.dot(&row) / dim as f64);
            let allowed = 1e-8 * (1.0 + largest(expected.iter().copied()));
            prop_assert!(largest(residuals - expected) < allowed);
        }
    }

    #[test]
    fn without_its_nonlinear_part_it_is_the_gaussian() {
        let target = Gaussian::with_condition_number(20, 1e3, &mut stream(1, 0));
        let gaussian = DenseGaussian::from_covariance(target.mean().clone(), target.covariance()).unwrap();
        let structure = Structure::with_drivers(20, &[4, 17, 2]);
        let frame = (Array1::from_elem(20, 0.7), Array1::from_shape_fn(20, |i| 0.1 + i as f64));
        let map = TriangularMap::gaussian(structure, frame, target.mean(), target.covariance()).unwrap();
        let noise = standard_normal(&mut stream(2, 0), (100, 20));
        let mut points = Array2::zeros(noise.dim());
        gaussian.draws(noise.view(), points.view_mut());
        let densities = map.log_densities(points.view());
        let mut scores = Array2::zeros(noise.dim());
        for ((point, mut score), density) in points.rows().into_iter().zip(scores.rows_mut()).zip(densities) {
            let point = point.as_slice().unwrap();
            let expected = target.log_density_and_score(point, score.as_slice_mut().unwrap()).unwrap();
            assert!((density - expected).abs() < 1e-9, "{density} for {expected}");
        }
        let mut pulled = Array2::zeros(noise.dim());
        let residuals = map.pull_back(points.view(), scores.view(), pulled.view_mut());
        assert!(largest(residuals) < 1e-18, "the Gaussian's own scores leave no residual");
        // Its draws have the Gaussian's covariance: T is x = mean + C u.
        let (images, log_dets) = drawn(&map, &Array2::eye(20));
        let deviations = images - target.mean();
        assert!(largest(deviations.t().dot(&deviations) - target.covariance()) < 1e-10);
        assert!(largest(log_dets - gaussian.log_det_factor()) < 1e-10);
    }

    #[test]
    fn far_out_draws_are_not_finite_but_no_panic() {
        let map = random_map(3, 1, 0.5, 4);
        let (draws, _) = drawn(&map, &Array2::from_elem((2, 3), 1e300));
        assert!(draws.iter().any(|x| !x.is_finite()));
    }
}
