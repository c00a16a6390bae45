//! Minimising a smooth function by L-BFGS (argmin's), with a line search that copes with points where
//! the function has no value.

use argmin::core::observers::{Observe, ObserverMode};
use argmin::core::{CostFunction, Error, Executor, Gradient, IterState, KV, LineSearch, Problem, Solver, State};
use argmin::core::{TerminationReason, TerminationStatus};
use argmin::solver::quasinewton::LBFGS;
use std::cell::RefCell;
use std::sync::{Arc, Mutex};

/// A point with the function's value and gradient there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Iterate {
    pub position: Vec<f64>,
    pub value: f64,
    pub gradient: Vec<f64>,
}

/// How L-BFGS minimises, and when it ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LbfgsSettings {
    /// Pairs of steps and gradient changes that are remembered.
    pub history: usize,
    /// Iterations at most.
    pub max_iterations: u64,
    /// It ends when an iteration lowers the function by less than this.
    pub tolerance: f64,
}

/// Minimises `function`, which writes its gradient and returns its value, from `start`, where that is
/// finite, and returns the iterates in order, `start` first. It ends at a minimum, after the iterations
/// allowed, where no step along the search direction leads down, or where `stop` says so, which is asked after every
/// iteration with the last iterate and the number of iterations.
pub(crate) fn path(
    mut function: impl FnMut(&[f64], &mut [f64]) -> f64,
    start: Iterate,
    settings: LbfgsSettings,
    stop: impl Fn(&Iterate, usize) -> bool,
) -> Vec<Iterate> {
    let iterates = Arc::new(Mutex::new(vec![start.clone()]));
    let recorded = iterates.clone();
    let mut asked = 0;
    // Asked here since argmin's observers cannot end a run.
    let function = move |position: &[f64], gradient: &mut [f64]| {
        let iterates = recorded.lock().expect("no observer panics");
        let iterations = iterates.len() - 1;
        if iterations > std::mem::replace(&mut asked, iterations) && stop(&iterates[iterations], iterations) {
            return None;
        }
        drop(iterates);
        Some(function(position, gradient))
    };
    let (executor, scale) = executor(function, start, settings);
    let recorder = Recorder { iterates: iterates.clone(), scale };
    // A run that fails has recorded its points all the same: the path ends there.
    let _ = executor.add_observer(recorder, ObserverMode::Always).run();
    std::mem::take(&mut *iterates.lock().expect("no observer panics"))
}

/// Where a minimisation ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Minimum {
    pub position: Vec<f64>,
    pub value: f64,
    pub iterations: u64,
}

/// As [`path`], but only to its end.
pub(crate) fn minimum(
    mut function: impl FnMut(&[f64], &mut [f64]) -> f64,
    start: Iterate,
    settings: LbfgsSettings,
) -> Minimum {
    let mut end = Minimum { position: start.position.clone(), value: start.value, iterations: 0 };
    let (executor, scale) = executor(|position, gradient| Some(function(position, gradient)), start, settings);
    if let Ok(mut result) = executor.run()
        && let Some(position) = result.state.take_best_param()
    {
        let value = result.state.get_best_cost() / scale;
        end = Minimum { position, value, iterations: result.state.get_iter() };
    }
    end
}

type SearchState = IterState<Vec<f64>, Vec<f64>, (), (), (), f64>;
type Lbfgs = LBFGS<Bisection, Vec<f64>, Vec<f64>, f64>;

/// What runs L-BFGS, and the factor by which it sees the function. The run ends where the function is none.
fn executor<F: FnMut(&[f64], &mut [f64]) -> Option<f64>>(
    function: F,
    start: Iterate,
    settings: LbfgsSettings,
) -> (Executor<Scaled<F>, Lbfgs, SearchState>, f64) {
    // The first step, along the raw gradient, then has at most length one.
    let steepness = start.gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
    let scale = if steepness > 1.0 { steepness.recip() } else { 1.0 };
    let solver = LBFGS::new(Bisection::default(), settings.history)
        .with_tolerance_cost(settings.tolerance * scale)
        .and_then(|solver| solver.with_tolerance_grad(f64::EPSILON))
        .expect("tolerances are positive");
    let position = start.position.clone();
    let problem = Scaled { state: RefCell::new((function, start)), scale };
    let executor = Executor::new(problem, solver)
        .configure(|state| state.param(position).max_iters(settings.max_iterations))
        .ctrlc(false)
        .timer(false);
    (executor, scale)
}

/// The scaled function, with the last point at which it was evaluated: argmin asks for value and gradient
/// in two calls, which one evaluation serves.
struct Scaled<F> {
    state: RefCell<(F, Iterate)>,
    scale: f64,
}

impl<F: FnMut(&[f64], &mut [f64]) -> Option<f64>> Scaled<F> {
    fn at<R>(&self, position: &[f64], read: impl FnOnce(&Iterate) -> R) -> Result<R, Error> {
        let (function, last) = &mut *self.state.borrow_mut();
        if last.position != position {
            last.position.copy_from_slice(position);
            last.value = function(position, &mut last.gradient).ok_or_else(|| Error::msg("the path is long enough"))?;
        }
        Ok(read(last))
    }
}

impl<F: FnMut(&[f64], &mut [f64]) -> Option<f64>> CostFunction for Scaled<F> {
    type Param = Vec<f64>;
    type Output = f64;
    fn cost(&self, position: &Vec<f64>) -> Result<f64, Error> {
        self.at(position, |iterate| self.scale * iterate.value)
    }
}

impl<F: FnMut(&[f64], &mut [f64]) -> Option<f64>> Gradient for Scaled<F> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;
    fn gradient(&self, position: &Vec<f64>) -> Result<Vec<f64>, Error> {
        self.at(position, |iterate| iterate.gradient.iter().map(|g| self.scale * g).collect())
    }
}

/// Keeps the iterates.
struct Recorder {
    iterates: Arc<Mutex<Vec<Iterate>>>,
    scale: f64,
}

impl Observe<SearchState> for Recorder {
    fn observe_iter(&mut self, state: &SearchState, _: &KV) -> Result<(), Error> {
        if let (Some(position), Some(gradient)) = (state.get_param(), state.get_gradient()) {
            self.iterates.lock().expect("no observer panics").push(Iterate {
                position: position.clone(),
                value: state.get_cost() / self.scale,
                gradient: gradient.iter().map(|g| g / self.scale).collect(),
            });
        }
        Ok(())
    }
}

/// A line search by doubling and bisection for the weak Wolfe conditions (Lewis and Overton 2013). Unlike those that
/// interpolate it copes with points where the function is infinite, and its steps keep the curvature positive.
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

impl<O> Solver<O, SearchState> for Bisection
where
    O: CostFunction<Param = Vec<f64>, Output = f64> + Gradient<Param = Vec<f64>, Gradient = Vec<f64>>,
{
    fn name(&self) -> &str {
        "bisection line search"
    }

    fn init(&mut self, _: &mut Problem<O>, mut state: SearchState) -> Result<(SearchState, Option<KV>), Error> {
        self.origin = state.take_param().ok_or_else(|| Error::msg("no point to search from"))?;
        let gradient = state.take_gradient().ok_or_else(|| Error::msg("no gradient to search along"))?;
        self.cost = state.get_cost();
        self.slope = dot(&gradient, &self.direction);
        if self.slope.is_nan() || self.slope >= 0.0 {
            return Err(Error::msg("the search direction leads up"));
        }
        (self.step, self.lower, self.upper) = (1.0, 0.0, f64::INFINITY);
        Ok((state.max_iters(TRIALS), None))
    }

    fn next_iter(&mut self, problem: &mut Problem<O>, state: SearchState) -> Result<(SearchState, Option<KV>), Error> {
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
            return Err(Error::msg("no step along the search direction leads down"));
        }
        self.step = if self.upper.is_finite() { 0.5 * (self.lower + self.upper) } else { 2.0 * self.step };
        Ok((state, None))
    }

    fn terminate(&mut self, _: &SearchState) -> TerminationStatus {
        TerminationStatus::NotTerminated
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
