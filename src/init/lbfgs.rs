//! L-BFGS towards a mode, with every point of the path kept: its end is the MAP, and along it Pathfinder looks for a
//! better place to begin.

use crate::minimise::{Iterate, LbfgsSettings, path};
use crate::model::Target;

/// Pairs of steps and gradient changes that L-BFGS and the inverse-Hessian estimate remember (JMLR 23, 2022).
pub const HISTORY: usize = 6;

/// A point of an optimisation path.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The position on the unconstrained scale.
    pub position: Vec<f64>,
    /// The score there.
    pub score: Vec<f64>,
    /// The log density there.
    pub log_density: f64,
}

/// How an optimisation path is bounded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LbfgsOptions {
    /// Iterations, at most.
    pub max_iterations: u64,
    /// The path ends when an iteration raises the log density by less than this, in nats.
    pub tolerance: f64,
}

/// Maximises the log density from `start`, which must have a finite density, and returns the points in order, `start`
/// first. The path ends at a mode, after the iterations allowed, or where no step along the search direction leads up.
pub fn climb<T: Target + ?Sized>(target: &T, start: Point, options: LbfgsOptions) -> Vec<Point> {
    climb_until(target, start, options, |_, _, _| false)
}

/// The same, but the path also ends where `stop` says so, which is asked after every iteration with the last point, its
/// log density and the number of iterations.
pub fn climb_until<T: Target + ?Sized>(
    target: &T,
    start: Point,
    options: LbfgsOptions,
    stop: impl Fn(&[f64], f64, usize) -> bool,
) -> Vec<Point> {
    let LbfgsOptions { max_iterations, tolerance } = options;
    let settings = LbfgsSettings { history: HISTORY, max_iterations, tolerance };
    let negative = |position: &[f64], gradient: &mut [f64]| {
        let log_density = target.log_density_and_score(position, gradient).unwrap_or(f64::NEG_INFINITY);
        negate(gradient);
        -log_density
    };
    let Point { position, score: mut gradient, log_density } = start;
    negate(&mut gradient);
    let start = Iterate { position, value: -log_density, gradient };
    let iterates =
        path(negative, start, settings, |iterate, iterations| stop(&iterate.position, -iterate.value, iterations));
    let points = iterates.into_iter().map(|Iterate { position, value, gradient: mut score }| {
        negate(&mut score);
        Point { position, score, log_density: -value }
    });
    points.collect()
}

fn negate(values: &mut [f64]) {
    values.iter_mut().for_each(|value| *value = -*value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Banana, CountingTarget, EvaluationError, Gaussian};
    use crate::random::stream;

    fn start(target: &dyn Target, position: Vec<f64>) -> Point {
        let mut score = vec![0.0; position.len()];
        let log_density = target.log_density_and_score(&position, &mut score).unwrap();
        Point { position, score, log_density }
    }

    const OPTIONS: LbfgsOptions = LbfgsOptions { max_iterations: 500, tolerance: 1e-12 };

    #[test]
    fn the_path_ends_at_a_gaussians_mean() {
        let gaussian = Gaussian::with_condition_number(20, 1e4, &mut stream(1, 0));
        let target = CountingTarget::new(&gaussian);
        let path = climb(&target, start(&gaussian, vec![1.5; 20]), OPTIONS);
        assert!(path.windows(2).all(|pair| pair[1].log_density > pair[0].log_density));
        let end = path.last().unwrap();
        assert!(end.position.iter().zip(gaussian.mean()).all(|(x, m)| (x - m).abs() < 1e-3), "{end:?}");
        assert_eq!(target.counts().density_evaluations, 0);
        assert!(
            target.counts().gradient_evaluations < 2 * path.len() as u64,
            "one evaluation must serve value and gradient"
        );
    }

    #[test]
    fn the_points_hold_their_own_densities_and_scores() {
        for point in climb(&Banana, start(&Banana, vec![1.9, -1.0]), OPTIONS) {
            let fresh = start(&Banana, point.position.clone());
            assert!((fresh.log_density - point.log_density).abs() < 1e-9);
            assert!(fresh.score.iter().zip(&point.score).all(|(a, b)| (a - b).abs() < 1e-9));
        }
    }

    /// −x − 1/x on x > 0, nothing elsewhere: the first step from far out leaves the support.
    struct HalfLine;
    impl Target for HalfLine {
        fn dim(&self) -> usize {
            1
        }
        fn log_density(&self, x: &[f64]) -> Result<f64, EvaluationError> {
            self.log_density_and_score(x, &mut [0.0])
        }
        fn log_density_and_score(&self, x: &[f64], score: &mut [f64]) -> Result<f64, EvaluationError> {
            if x[0] <= 0.0 {
                return Err(EvaluationError::NotFinite);
            }
            score[0] = -1.0 + x[0].powi(-2);
            Ok(-x[0] - 1.0 / x[0])
        }
    }

    #[test]
    fn rejected_points_are_avoided() {
        let path = climb(&HalfLine, start(&HalfLine, vec![0.99]), OPTIONS);
        assert!((path.last().unwrap().position[0] - 1.0).abs() < 1e-5);
        let path = climb(&HalfLine, start(&HalfLine, vec![40.0]), OPTIONS);
        assert!((path.last().unwrap().position[0] - 1.0).abs() < 1e-5);
    }
}
