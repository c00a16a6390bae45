//! What one chain leaves behind.

use ndarray::Array2;
use std::time::Duration;

/// One chain's draws and how they came about.
#[derive(Debug, Clone)]
pub struct Chain {
    /// The kept draws on the unconstrained scale, draws × D.
    pub draws: Array2<f64>,
    /// The transition to each kept draw.
    pub transitions: Vec<Transition>,
    /// Iterations after the warm-up, kept or thinned away, whose trajectory diverged.
    pub divergences: usize,
    /// Iterations after the warm-up, kept or thinned away, whose trajectory was cut at the maximum depth.
    pub depth_limited: usize,
    /// The energy fraction of missing information of all iterations after the warm-up; see
    /// [`efmi`](crate::diagnostics::efmi()).
    pub efmi: f64,
    /// The step size that the warm-up arrived at.
    pub step_size: f64,
    /// The diagonal of the inverse metric that the warm-up arrived at; none for a low-rank metric.
    pub inverse_metric: Option<Vec<f64>>,
    /// Gradient evaluations up to the end of the warm-up.
    pub warmup_gradient_evaluations: u64,
    /// Gradient evaluations after the warm-up.
    pub gradient_evaluations: u64,
    /// How long the warm-up took.
    pub warmup_time: Duration,
    /// How long the iterations after the warm-up took.
    pub time: Duration,
}

/// How one draw came about; the columns that Stan's samplers write beside each draw.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    /// The log density at the draw, with Jacobian terms and, for compiled models, constants (`lp__`).
    pub log_density: f64,
    /// The mean acceptance probability over the trajectory (`accept_stat__`).
    pub acceptance: f64,
    /// The step size (`stepsize__`).
    pub step_size: f64,
    /// How often the trajectory was doubled (`treedepth__`).
    pub depth: u64,
    /// Leapfrog steps, each a gradient evaluation (`n_leapfrog__`).
    pub leapfrogs: u64,
    /// Whether the trajectory diverged (`divergent__`).
    pub divergent: bool,
    /// The Hamiltonian at the draw (`energy__`).
    pub energy: f64,
}
