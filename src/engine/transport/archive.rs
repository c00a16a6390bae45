//! The most recent points at which the target was evaluated, with their scores: a fit can use each again.

use ndarray::{Array1, Array2, ArrayView2, Axis};
use rand::seq::index::sample;
use serde::{Deserialize, Serialize};

use crate::linalg::array_serde;
use crate::random::Rng;

/// The share of log densities below the level that points are compared with.
const LEVEL: f64 = 0.9;

/// Points in the order in which they were evaluated.
#[derive(Debug, Clone)]
pub(super) struct Archive {
    dim: usize,
    points: Vec<f64>,
    scores: Vec<f64>,
    log_densities: Vec<f64>,
}

impl Archive {
    /// Without points of R^`dim`.
    pub fn new(dim: usize) -> Self {
        Self { dim, points: Vec::new(), scores: Vec::new(), log_densities: Vec::new() }
    }

    /// Adds a point.
    pub fn push(&mut self, point: &[f64], score: &[f64], log_density: f64) {
        self.points.extend_from_slice(point);
        self.scores.extend_from_slice(score);
        self.log_densities.push(log_density);
    }

    /// The number of points, n.
    pub fn len(&self) -> usize {
        self.log_densities.len()
    }

    /// Forgets all but the last `count` points.
    pub fn keep(&mut self, count: usize) {
        let first = self.len().saturating_sub(count);
        self.points.drain(..first * self.dim);
        self.scores.drain(..first * self.dim);
        self.log_densities.drain(..first);
    }

    /// The points, n × D.
    fn points(&self) -> ArrayView2<'_, f64> {
        ArrayView2::from_shape((self.len(), self.dim), &self.points).expect("D numbers a point")
    }

    /// The scores there, n × D.
    fn scores(&self) -> ArrayView2<'_, f64> {
        ArrayView2::from_shape((self.len(), self.dim), &self.scores).expect("D numbers a point")
    }

    /// The last `count` points and scores.
    pub fn last(&self, count: usize) -> (ArrayView2<'_, f64>, ArrayView2<'_, f64>) {
        let first = self.len().saturating_sub(count);
        (self.points().split_at(Axis(0), first).1, self.scores().split_at(Axis(0), first).1)
    }

    /// At most `most` of the last `count` points with their scores, in random order. Those whose log
    /// density is far below that of most, as where a chain began, are left out.
    pub fn recent(&self, count: usize, most: usize, rng: &mut Rng) -> (Array2<f64>, Array2<f64>) {
        let first = self.len().saturating_sub(count);
        let mut sorted = self.log_densities[first..].to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let level = sorted.get((LEVEL * sorted.len() as f64) as usize).copied().unwrap_or(f64::NEG_INFINITY);
        let least = level - depth(self.dim);
        let near: Vec<usize> = (first..self.len()).filter(|&row| self.log_densities[row] > least).collect();
        let rows: Vec<usize> =
            sample(rng, near.len(), most.min(near.len())).into_iter().map(|index| near[index]).collect();
        (self.points().select(Axis(0), &rows), self.scores().select(Axis(0), &rows))
    }
}

/// An archive on file.
#[derive(Serialize, Deserialize)]
pub(super) struct SavedArchive {
    #[serde(with = "array_serde")]
    points: Array2<f64>,
    #[serde(with = "array_serde")]
    scores: Array2<f64>,
    #[serde(with = "array_serde")]
    log_densities: Array1<f64>,
}

impl From<&Archive> for SavedArchive {
    fn from(archive: &Archive) -> Self {
        let (points, scores) = (archive.points().to_owned(), archive.scores().to_owned());
        Self { points, scores, log_densities: archive.log_densities.clone().into() }
    }
}

impl SavedArchive {
    /// The archive of points of R^`dim`; none where the parts do not fit.
    pub fn restored(self, dim: usize) -> Option<Archive> {
        let Self { points, scores, log_densities } = self;
        let count = log_densities.len();
        let numbers = |table: Array2<f64>| table.into_raw_vec_and_offset().0;
        let fits = points.dim() == (count, dim) && scores.dim() == (count, dim);
        fits.then(|| Archive {
            dim,
            points: numbers(points),
            scores: numbers(scores),
            log_densities: log_densities.to_vec(),
        })
    }
}

/// How far the log density of a point may lie below that of most to be of use: a normal's varies by √(D/2)
/// around D/2 below its mode's, and tails may be heavier than a normal's.
fn depth(dim: usize) -> f64 {
    let dim = dim as f64;
    dim + 10.0 * dim.sqrt() + 20.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::stream;

    #[test]
    fn recent_points_are_different_and_not_far_below_the_others() {
        let mut archive = Archive::new(1);
        for index in 0..100 {
            archive.push(&[index as f64], &[-(index as f64)], if index == 50 { -1e3 } else { -0.5 });
        }
        let (points, scores) = archive.recent(60, 30, &mut stream(1, 0));
        assert_eq!((points.dim(), &points + &scores), ((30, 1), Array2::zeros((30, 1))));
        let mut rows = points.into_raw_vec_and_offset().0;
        rows.sort_by(f64::total_cmp);
        rows.dedup();
        assert!(rows.len() == 30 && rows.iter().all(|&row| row >= 40.0 && row != 50.0), "{rows:?}");
        assert_eq!(archive.recent(60, 100, &mut stream(1, 0)).0.nrows(), 59);
        assert_eq!(archive.last(3).0.column(0).to_vec(), [97.0, 98.0, 99.0]);
        archive.keep(2);
        assert_eq!((archive.len(), archive.last(9).0.column(0).to_vec()), (2, vec![98.0, 99.0]));
        assert!(Archive::new(2).recent(10, 10, &mut stream(1, 0)).0.is_empty());
    }
}
