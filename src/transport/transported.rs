//! A target seen in the coordinates u of x = T(u), in which a map's distribution is the standard normal.

use super::TriangularMap;
use super::workspace::Workspace;
use crate::linalg::{row, row_mut};
use crate::model::{EvaluationError, Target};
use ndarray::{ArrayView2, ArrayViewMut2};
use std::cell::RefCell;

thread_local! {
    /// Points, scores and the workspace of a map: evaluations come by the thousand, from several threads.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

#[derive(Default)]
struct Scratch {
    workspace: Workspace,
    /// Points and scores on the original scale, and log determinants there.
    x: Vec<f64>,
    score: Vec<f64>,
    log_dets: Vec<f64>,
}

/// `inner` in the coordinates u of x = T(u). Its log density includes log |det ∂T/∂u|, so that it is the
/// density of u, and an ELBO or a normalising constant means the same in both coordinates.
pub struct Transported<T> {
    inner: T,
    map: TriangularMap,
}

impl<T: Target> Transported<T> {
    /// Views `inner` in the coordinates of `map`, which has its dimension.
    pub fn new(inner: T, map: TriangularMap) -> Self {
        assert_eq!(map.dim(), inner.dim(), "the map must have the target's dimension");
        Self { inner, map }
    }

    /// The map whose distribution is the standard normal in these coordinates.
    pub fn map(&self) -> &TriangularMap {
        &self.map
    }

    /// The point x of u, written to `x`.
    pub fn original(&self, u: &[f64], x: &mut [f64]) {
        self.at(u, |scratch| x.copy_from_slice(&scratch.x));
    }

    /// Evaluates the map at u.
    fn at<R>(&self, u: &[f64], evaluate: impl FnOnce(&mut Scratch) -> R) -> R {
        // Taken out, not borrowed: a transported target may hold another.
        let mut scratch = SCRATCH.take();
        scratch.x.resize(self.dim(), 0.0);
        scratch.score.resize(self.dim(), 0.0);
        scratch.workspace.set_noise(&self.map, row(u));
        scratch.workspace.points(&self.map, row_mut(&mut scratch.x));
        let result = evaluate(&mut scratch);
        SCRATCH.set(scratch);
        result
    }

    fn log_det(&self, scratch: &Scratch) -> f64 {
        let mut log_det = [0.0];
        scratch.workspace.log_dets(&self.map, &mut log_det);
        log_det[0]
    }
}

fn finite(value: f64) -> Result<f64, EvaluationError> {
    if value.is_finite() { Ok(value) } else { Err(EvaluationError::NotFinite) }
}

impl<T: Target> Target for Transported<T> {
    fn dim(&self) -> usize {
        self.map.dim()
    }

    fn log_density(&self, u: &[f64]) -> Result<f64, EvaluationError> {
        self.at(u, |scratch| {
            let log_det = finite(self.log_det(scratch))?;
            Ok(self.inner.log_density(&scratch.x)? + log_det)
        })
    }

    fn log_density_and_score(&self, u: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
        self.at(u, |scratch| {
            let log_det = finite(self.log_det(scratch))?;
            let value = self.inner.log_density_and_score(&scratch.x, &mut scratch.score)?;
            scratch.workspace.pull_back(&self.map, row(&scratch.score));
            scratch.workspace.pulled_scores(row_mut(score));
            // Where the target's score overflows in these coordinates, a trajectory has diverged.
            if score.iter().all(|s| s.is_finite()) { Ok(value + log_det) } else { Err(EvaluationError::NotFinite) }
        })
    }

    /// The map is evaluated at all points together.
    fn log_densities_and_scores(
        &self,
        points: ArrayView2<'_, f64>,
        mut scores: ArrayViewMut2<'_, f64>,
        log_densities: &mut [f64],
        rejected: &mut dyn FnMut(EvaluationError),
    ) {
        let mut scratch = SCRATCH.take();
        let Scratch { workspace, x, score, log_dets } = &mut scratch;
        x.resize(points.len(), 0.0);
        score.resize(points.len(), 0.0);
        log_dets.resize(points.nrows(), 0.0);
        let mut x = ArrayViewMut2::from_shape(points.dim(), x).expect("as many numbers");
        let mut score = ArrayViewMut2::from_shape(points.dim(), score).expect("as many numbers");
        workspace.set_noise(&self.map, points);
        workspace.points(&self.map, x.view_mut());
        workspace.log_dets(&self.map, log_dets);
        for (value, log_det) in log_densities.iter_mut().zip(&*log_dets) {
            // What is no point is not shown to the target.
            if *value > f64::NEG_INFINITY && !log_det.is_finite() {
                *value = f64::NEG_INFINITY;
                rejected(EvaluationError::NotFinite);
            }
        }
        self.inner.log_densities_and_scores(x.view(), score.view_mut(), log_densities, rejected);
        workspace.pull_back(&self.map, score.view());
        workspace.pulled_scores(scores.view_mut());
        let rows = log_densities.iter_mut().zip(scores.rows_mut()).zip(&*log_dets);
        for ((value, mut score), log_det) in rows {
            if *value > f64::NEG_INFINITY {
                *value += log_det;
                // Where the target's score overflows in these coordinates, a trajectory has diverged.
                if !score.iter().all(|s| s.is_finite()) {
                    *value = f64::NEG_INFINITY;
                    rejected(EvaluationError::NotFinite);
                }
            }
            if *value == f64::NEG_INFINITY {
                score.fill(0.0);
            }
        }
        SCRATCH.set(scratch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CountingTarget, Gaussian, StudentT, check_gradient};
    use crate::random::{fill_standard_normal, standard_normal, stream};
    use crate::transport::testing::random_map;
    use ndarray::Array2;

    #[test]
    fn the_score_is_the_gradient_in_the_new_coordinates() {
        let mut rng = stream(1, 0);
        let shape = Gaussian::with_condition_number(6, 10.0, &mut rng);
        let target = Transported::new(StudentT { degrees: 4.0, shape }, random_map(6, 2, 0.15, 3));
        let mut u = vec![0.0; 6];
        for _ in 0..10 {
            fill_standard_normal(&mut rng, &mut u);
            let worst = check_gradient(&target, &u).unwrap().unwrap();
            assert!(worst.error < 1.0, "{worst:?}");
            let value = target.log_density_and_score(&u, &mut [0.0; 6]).unwrap();
            assert!((target.log_density(&u).unwrap() - value).abs() < 1e-12);
        }
    }

    #[test]
    fn many_points_together_are_each_alone() {
        let gaussian = Gaussian::with_condition_number(5, 10.0, &mut stream(1, 0));
        let target = CountingTarget::new(Transported::new(gaussian, random_map(5, 2, 0.15, 3)));
        let mut points = standard_normal(&mut stream(2, 0), (4, 5));
        points.row_mut(1).fill(1e300);
        let (mut scores, mut log_densities) = (Array2::zeros(points.dim()), [0.0, 0.0, f64::NEG_INFINITY, 0.0]);
        let mut rejected = Vec::new();
        target
            .log_densities_and_scores(points.view(), scores.view_mut(), &mut log_densities, &mut |e| rejected.push(e));
        assert_eq!((rejected, target.counts().gradient_evaluations), (vec![EvaluationError::NotFinite], 3));
        assert_eq!(log_densities[1..3], [f64::NEG_INFINITY; 2]);
        assert!(scores.row(1).iter().all(|score| *score == 0.0));
        for row in [0, 3] {
            let mut score = [0.0; 5];
            let value = target.log_density_and_score(&points.row(row).to_vec(), &mut score).unwrap();
            assert!((log_densities[row] - value).abs() < 1e-12);
            assert!(scores.row(row).iter().zip(score).all(|(a, b)| (a - b).abs() < 1e-12 * (1.0 + b.abs())));
        }
    }

    /// A map's own density.
    struct Own(TriangularMap);
    impl Target for Own {
        fn dim(&self) -> usize {
            self.0.dim()
        }
        fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
            Ok(self.0.log_densities(row(x))[0])
        }
        fn log_density_and_score(&self, x: &[f64], _: &mut [f64]) -> Result<f64, EvaluationError> {
            self.log_density(x)
        }
    }

    #[test]
    fn a_maps_own_density_is_the_standard_normals() {
        let map = random_map(20, 2, 0.05, 3);
        let target = Transported::new(Own(map.clone()), map);
        let mut u = vec![0.0; 20];
        fill_standard_normal(&mut stream(2, 0), &mut u);
        let squared: f64 = u.iter().map(|u| u * u).sum();
        let expected = -0.5 * (squared + 20.0 * (2.0 * std::f64::consts::PI).ln());
        assert!((target.log_density(&u).unwrap() - expected).abs() < 1e-9);
        let mut x = vec![0.0; 20];
        target.original(&u, &mut x);
        let mut back = vec![0.0; 20];
        target.map().noise(row(&x), row_mut(&mut back));
        assert!(back.iter().zip(&u).all(|(back, u)| (back - u).abs() < 1e-10));
    }

    #[test]
    fn points_beyond_all_numbers_are_rejected() {
        let gaussian = Gaussian::with_condition_number(2, 1.0, &mut stream(1, 0));
        let target = Transported::new(gaussian, random_map(2, 1, 0.5, 3));
        assert_eq!(target.log_density_and_score(&[1e300, 1e300], &mut [0.0; 2]), Err(EvaluationError::NotFinite));
        assert_eq!(target.log_density(&[f64::NAN, 0.0]), Err(EvaluationError::NotFinite));
    }
}
