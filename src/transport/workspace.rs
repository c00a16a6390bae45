//! Buffers for evaluating a map at some points, again and again without allocating.

use super::TriangularMap;
use super::conditionals::Conditionals;
use super::points::Points;
use super::pull_back::PullBack;
use super::table::Table;
use ndarray::{ArrayView2, ArrayViewMut2};

/// A map at some points. It fits maps of any structure and any number of points, and allocates only
/// where it has to grow.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    points: Points,
    conditionals: Conditionals,
    scores: Table,
    pull_back: PullBack,
}

impl Workspace {
    /// Evaluates `map` at the points x = T(u) of the rows u of `noise` (n × D).
    pub fn set_noise(&mut self, map: &TriangularMap, noise: ArrayView2<'_, f64>) {
        self.conditionals.of_noise(map, noise, &mut self.points);
    }

    /// Evaluates `map` at the rows x of `points` (n × D).
    pub fn set_points(&mut self, map: &TriangularMap, points: ArrayView2<'_, f64>) {
        self.points.set(map, points);
        self.conditionals.of_points(map, &self.points);
    }

    /// Writes the points to the rows of `out` (n × D).
    pub fn points(&self, map: &TriangularMap, mut out: ArrayViewMut2<'_, f64>) {
        for (position, &coordinate) in map.structure().order().iter().enumerate() {
            let (location, scale) = (map.location()[coordinate], map.scale()[coordinate]);
            let values = out.column_mut(coordinate).into_iter().zip(self.points.w.row(position));
            values.for_each(|(x, w)| *x = location + scale * w);
        }
    }

    /// Writes the noise of the points to the rows of `out` (n × D).
    pub fn noise(&self, out: ArrayViewMut2<'_, f64>) {
        self.conditionals.noise(out);
    }

    /// Writes log |det ∂T/∂u| of each point to `out`.
    pub fn log_dets(&self, map: &TriangularMap, out: &mut [f64]) {
        self.conditionals.log_dets(map, out);
        let of_scale = map.log_det_scale();
        out.iter_mut().for_each(|value| *value += of_scale);
    }

    /// Pulls back the target's `scores` (n × D) at the points.
    pub fn pull_back(&mut self, map: &TriangularMap, scores: ArrayView2<'_, f64>) {
        standardise_scores(map, scores, &mut self.scores);
        self.pull_back.of(map, &self.points, &self.conditionals, &self.scores);
    }

    /// Writes the scores that were pulled back to the rows of `out` (n × D).
    pub fn pulled_scores(&self, out: ArrayViewMut2<'_, f64>) {
        self.pull_back.scores(&self.conditionals, out);
    }

    /// Writes ‖R‖²/D of each point to `out`.
    pub fn residuals(&self, out: &mut [f64]) {
        self.pull_back.squared_residuals(out);
        let dim = self.points.w.rows() as f64;
        out.iter_mut().for_each(|value| *value /= dim);
    }
}

/// Takes the rows of `scores` (n × D, in the original coordinates) standardised, in the map's order.
pub(super) fn standardise_scores(map: &TriangularMap, scores: ArrayView2<'_, f64>, out: &mut Table) {
    out.reshape(map.dim(), scores.nrows());
    for (position, &coordinate) in map.structure().order().iter().enumerate() {
        let scale = map.scale()[coordinate];
        let values = out.row_mut(position).iter_mut().zip(scores.column(coordinate));
        values.for_each(|(value, score)| *value = scale * score);
    }
}
