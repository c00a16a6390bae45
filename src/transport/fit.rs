//! Fitting a map's coefficients to scores.

use super::TriangularMap;
use super::objective::Objective;
use crate::minimise::{Iterate, LbfgsSettings, minimum};
use ndarray::ArrayView2;

/// Pairs of steps and gradient changes that L-BFGS remembers: a map has many coefficients, and few
/// iterations.
const HISTORY: usize = 20;

/// How a map is fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MapFitOptions {
    /// λ, the penalty on the squares of the nonlinear coefficients.
    pub penalty: f64,
    /// Iterations of L-BFGS at most.
    pub max_iterations: u64,
    /// The fit ends when an iteration lowers the objective by less than this.
    pub tolerance: f64,
}

impl Default for MapFitOptions {
    fn default() -> Self {
        Self { penalty: 1e-3, max_iterations: 60, tolerance: 1e-9 }
    }
}

/// What a fit was like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MapFit {
    /// The objective at the end: the mean of log(1 + ‖R‖²/D), and the penalty.
    pub objective: f64,
    /// Iterations of L-BFGS.
    pub iterations: u64,
}

impl TriangularMap {
    /// Fits the coefficients, from where they are, to the target's `scores` (n × D) at the rows of
    /// `points` (n × D): minimises the mean of log(1 + ‖R‖²/D) plus `penalty` times the squares of the
    /// coefficients (a hundredth of it for the linear ones, none for the conditional locations' and log
    /// scales' constants). The points need not be draws of anything. None, and an unchanged map, where the
    /// objective is not finite to begin with. The result is the same for any number of threads.
    pub fn fit(
        &mut self,
        points: ArrayView2<'_, f64>,
        scores: ArrayView2<'_, f64>,
        options: MapFitOptions,
    ) -> Option<MapFit> {
        assert_eq!(points.dim(), scores.dim(), "a score for each point");
        let mut objective = Objective::new(self, points, scores, options.penalty);
        let position = self.coefficients.packed();
        let mut gradient = vec![0.0; position.len()];
        let value = objective.evaluate(&position, &mut gradient);
        if !value.is_finite() {
            return None;
        }
        let start = Iterate { position, value, gradient };
        let MapFitOptions { max_iterations, tolerance, .. } = options;
        let settings = LbfgsSettings { history: HISTORY, max_iterations, tolerance };
        let end = minimum(|position, gradient| objective.evaluate(position, gradient), start, settings);
        self.set_coefficients(&end.position);
        Some(MapFit { objective: end.value, iterations: end.iterations })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Banana, Target};
    use crate::transport::Structure;
    use crate::transport::testing::{Exact, FUNNEL, Hierarchy};
    use ndarray::{Array1, Array2, Axis};

    const HIERARCHY: Hierarchy = Hierarchy { dim: 20, spread: 1.0, centre: Some(5.0), power: 1.0 };

    /// The mean of ‖R‖²/D over exact draws.
    fn residual(map: &TriangularMap, target: &impl Exact, seed: u64) -> f64 {
        let (draws, scores) = target.draws(500, seed);
        let mut pulled = Array2::zeros(draws.dim());
        map.pull_back(draws.view(), scores.view(), pulled.view_mut()).mean().unwrap()
    }

    /// The standard normal's map with the first coordinate as driver.
    fn standard(target: &impl Target) -> TriangularMap {
        let dim = target.dim();
        let frame = (Array1::zeros(dim), Array1::ones(dim));
        let structure = Structure::with_drivers(dim, &[0]);
        TriangularMap::gaussian(structure, frame, &Array1::zeros(dim), &Array2::eye(dim)).unwrap()
    }

    #[test]
    fn funnel_hierarchy_and_banana_are_maps() {
        let mut funnel = standard(&FUNNEL);
        funnel.coefficients.log_scales[0] = 3f64.ln();
        funnel.coefficients.scale_features.column_mut(0).fill(0.5);
        assert!(residual(&funnel, &FUNNEL, 1) < 1e-20);

        let mut hierarchy = standard(&HIERARCHY);
        hierarchy.coefficients.log_scales[1] = 5f64.ln();
        let terms = hierarchy.structure().terms();
        for position in 2..HIERARCHY.dim {
            hierarchy.coefficients.linear[[terms * position, 1]] = 1.0;
            // Each position has one parent, the driver: its pair is the position before.
            hierarchy.coefficients.scale_features[[position - 1, 0]] = 1.0;
        }
        assert!(residual(&hierarchy, &HIERARCHY, 1) < 1e-20);

        let mut banana = standard(&Banana);
        banana.coefficients.offsets[1] = -1.0;
        banana.coefficients.log_scales[1] = 0.5 * (1.0 - 0.81_f64).ln();
        banana.coefficients.location_features.assign(&ndarray::array![[0.9, 0.0, 0.0, 0.0, -1.0]]);
        assert!(residual(&banana, &Banana, 1) < 1e-20);
    }

    /// Fits the map whose driver is the first coordinate from the moments of 1 000 exact draws.
    fn fitted(target: &impl Exact) -> (f64, f64) {
        let (draws, scores) = target.draws(1000, 3);
        let mean = draws.mean_axis(Axis(0)).unwrap();
        let deviations = &draws - &mean;
        let covariance = deviations.t().dot(&deviations) / draws.nrows() as f64;
        let frame = (mean.clone(), covariance.diag().mapv(f64::sqrt));
        let structure = Structure::with_drivers(target.dim(), &[0]);
        let mut map = TriangularMap::gaussian(structure, frame, &mean, &covariance).unwrap();
        let before = residual(&map, target, 4);
        let options = MapFitOptions { max_iterations: 200, ..MapFitOptions::default() };
        map.fit(draws.view(), scores.view(), options).unwrap();
        (before, residual(&map, target, 4))
    }

    /// Exactly for the banana, whose map has few coefficients; for the others the penalty and the necks
    /// leave a part of what the Gaussian of the same moments leaves.
    #[test]
    fn a_fit_finds_them() {
        for (name, (before, after), share) in [
            ("funnel", fitted(&FUNNEL), 1e-3),
            ("hierarchy", fitted(&HIERARCHY), 1e-2),
            ("banana", fitted(&Banana), 1e-6),
        ] {
            assert!(after < share * before, "{name}: {before} before, {after} after");
        }
    }

    #[test]
    fn what_is_not_finite_is_not_fitted() {
        let mut map = standard(&Banana);
        let before = map.clone();
        let points = Array2::zeros((3, 2));
        assert_eq!(map.fit(points.view(), Array2::from_elem((3, 2), f64::NAN).view(), MapFitOptions::default()), None);
        assert_eq!(map, before);
    }
}
