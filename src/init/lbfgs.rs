//! L-BFGS towards a mode, with every point of the path kept: its end is the MAP, and along it Pathfinder looks for a
//! better place to begin.

use crate::model::Target;
use argmin::core::observers::{Observe, ObserverMode};
use argmin::core::{CostFunction, Error, Executor, Gradient, IterState, KV, LineSearch, Problem, Solver, State};
use argmin::core::{TerminationReason, TerminationStatus};
use argmin::solver::quasinewton::LBFGS;
use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex};

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

/// Maximises the log density from `start`, which must have a finite density, and returns the points in order, `start` first. The
/// path ends at a mode, after the iterations allowed, or where no step along the search direction leads up.
pub fn climb<T: Target + ?Sized>(target: &T, start: Point, options: LbfgsOptions) -> Vec<Point> {
    climb_until(target, start, options, &|_| false)
}

/// The same, but the path also ends where `stop` says so, which is asked after every iteration with the points so far.
pub fn climb_until<T: Target + ?Sized>(
    target: &T,
    start: Point,
    options: LbfgsOptions,
    stop: &dyn Fn(&[Point]) -> bool,
) -> Vec<Point> {
    // Scaled so that the first step, along the raw gradient, has at most length one.
    let steepness = start.score.iter().map(|s| s * s).sum::<f64>().sqrt();
    let scale = if steepness > 1.0 { steepness.recip() } else { 1.0 };
    let path = Arc::new(Mutex::new(vec![start.clone()]));
    let position = start.position.clone();
    let problem =
        Ascent { target, scale, last: RefCell::new(Some(start)), path: path.clone(), asked: Cell::new(1), stop };
    let solver = LBFGS::new(Bisection::default(), HISTORY)
        .with_tolerance_cost(options.tolerance * scale)
        .and_then(|solver| solver.with_tolerance_grad(f64::EPSILON))
        .expect("tolerances are positive");
    let recorder = Recorder { path: path.clone(), scale };
    // A run that fails has recorded its points all the same: the path ends there.
    let _ = Executor::new(problem, solver)
        .configure(|state| state.param(position).max_iters(options.max_iterations))
        .add_observer(recorder, ObserverMode::Always)
        .ctrlc(false)
        .timer(false)
        .run();
    std::mem::take(&mut *path.lock().expect("no observer panics"))
}

/// The scaled negative log density, which argmin minimises. argmin asks for value and gradient in two calls; one
/// evaluation of the target serves both.
struct Ascent<'a, T: ?Sized> {
    target: &'a T,
    scale: f64,
    last: RefCell<Option<Point>>,
    path: Arc<Mutex<Vec<Point>>>,
    /// The length of the path when `stop` was last asked.
    asked: Cell<usize>,
    stop: &'a dyn Fn(&[Point]) -> bool,
}

impl<T: Target + ?Sized> Ascent<'_, T> {
    fn at<R>(&self, position: &[f64], read: impl FnOnce(&Point) -> R) -> R {
        let mut last = self.last.borrow_mut();
        if let Some(point) = last.as_ref()
            && point.position == position
        {
            return read(point);
        }
        let mut score = vec![0.0; position.len()];
        let log_density = self.target.log_density_and_score(position, &mut score).unwrap_or(f64::NEG_INFINITY);
        read(last.insert(Point { position: position.to_vec(), score, log_density }))
    }

    /// Whether the path is to end: asked here since argmin's observers cannot end a run.
    fn is_stopped(&self) -> bool {
        let path = self.path.lock().expect("no observer panics");
        path.len() > self.asked.replace(path.len()) && (self.stop)(&path)
    }
}

impl<T: Target + ?Sized> CostFunction for Ascent<'_, T> {
    type Param = Vec<f64>;
    type Output = f64;
    fn cost(&self, position: &Vec<f64>) -> Result<f64, Error> {
        if self.is_stopped() {
            return Err(Error::msg("the path has gone far enough"));
        }
        Ok(self.at(position, |point| -self.scale * point.log_density))
    }
}

impl<T: Target + ?Sized> Gradient for Ascent<'_, T> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;
    fn gradient(&self, position: &Vec<f64>) -> Result<Vec<f64>, Error> {
        Ok(self.at(position, |point| point.score.iter().map(|s| -self.scale * s).collect()))
    }
}

type PathState = IterState<Vec<f64>, Vec<f64>, (), (), (), f64>;

/// Keeps the iterates.
struct Recorder {
    path: Arc<Mutex<Vec<Point>>>,
    scale: f64,
}

impl Observe<PathState> for Recorder {
    fn observe_iter(&mut self, state: &PathState, _: &KV) -> Result<(), Error> {
        if let (Some(position), Some(gradient)) = (state.get_param(), state.get_gradient()) {
            let score = gradient.iter().map(|g| -g / self.scale).collect();
            let log_density = -state.get_cost() / self.scale;
            self.path.lock().expect("no observer panics").push(Point {
                position: position.clone(),
                score,
                log_density,
            });
        }
        Ok(())
    }
}

/// A line search by doubling and bisection for the weak Wolfe conditions (Lewis and Overton 2013). Unlike those that
/// interpolate it copes with rejected points, whose density is zero, and its steps keep the curvature positive.
#[derive(Debug, Clone, Default)]
struct Bisection {
    direction: Vec<f64>,
    origin: Vec<f64>,
    cost: f64,
    slope: f64,
    step: f64,
    lower: f64,
    upper: f64,
}

/// Sufficient decrease, Wolfe's c₁.
const DECREASE: f64 = 1e-4;
/// Curvature, Wolfe's c₂.
const CURVATURE: f64 = 0.9;
/// Trials of one line search; 2⁻⁶⁰ of a step is no step.
const TRIALS: u64 = 60;

impl LineSearch<Vec<f64>, f64> for Bisection {
    fn search_direction(&mut self, direction: Vec<f64>) {
        self.direction = direction;
    }
    fn initial_step_length(&mut self, step: f64) -> Result<(), Error> {
        self.step = step;
        Ok(())
    }
}

impl<O> Solver<O, PathState> for Bisection
where
    O: CostFunction<Param = Vec<f64>, Output = f64> + Gradient<Param = Vec<f64>, Gradient = Vec<f64>>,
{
    fn name(&self) -> &str {
        "bisection line search"
    }

    fn init(&mut self, _: &mut Problem<O>, mut state: PathState) -> Result<(PathState, Option<KV>), Error> {
        self.origin = state.take_param().ok_or_else(|| Error::msg("no point to search from"))?;
        let gradient = state.take_gradient().ok_or_else(|| Error::msg("no gradient to search along"))?;
        self.cost = state.get_cost();
        self.slope = dot(&gradient, &self.direction);
        if self.slope.is_nan() || self.slope >= 0.0 {
            return Err(Error::msg("the search direction leads down"));
        }
        (self.step, self.lower, self.upper) = (1.0, 0.0, f64::INFINITY);
        Ok((state.max_iters(TRIALS), None))
    }

    fn next_iter(&mut self, problem: &mut Problem<O>, state: PathState) -> Result<(PathState, Option<KV>), Error> {
        let position: Vec<f64> = self.origin.iter().zip(&self.direction).map(|(x, d)| x + self.step * d).collect();
        let cost = problem.cost(&position)?;
        // Written so that a cost that is not a number counts as no decrease.
        let enough = cost <= self.cost + DECREASE * self.step * self.slope;
        if !enough {
            self.upper = self.step;
        } else {
            let gradient = problem.gradient(&position)?;
            if dot(&gradient, &self.direction) >= CURVATURE * self.slope {
                let accepted = state.param(position).cost(cost).gradient(gradient);
                return Ok((accepted.terminate_with(TerminationReason::SolverConverged), None));
            }
            self.lower = self.step;
        }
        if state.get_iter() + 1 >= TRIALS {
            return Err(Error::msg("no step along the search direction leads up"));
        }
        self.step = if self.upper.is_finite() { 0.5 * (self.lower + self.upper) } else { 2.0 * self.step };
        Ok((state, None))
    }

    fn terminate(&mut self, _: &PathState) -> TerminationStatus {
        TerminationStatus::NotTerminated
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
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
