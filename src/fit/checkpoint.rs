//! A semi-implicit fit on file while it runs, so that it can be stopped and resumed: what follows is what would have
//! followed without the stop.

use super::FitError;
use crate::engine::sivi::{SiviError, SiviOptions, TrainingState};
use crate::engine::{SavedState, TraceRow, state_document};
use crate::files;
use crate::gaussian::{DenseGaussian, GaussianApproximation};
use crate::model::Model;
use ndarray::{Array1, Array2, Axis};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Less than this is lost when a fit is stopped.
const EVERY: Duration = Duration::from_secs(5);
/// By how much, relative to its size, the log density at one point may differ between two machines.
const SAME: f64 = 1e-6;

/// What the steps of a part of the training came to.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Block {
    /// The first step.
    pub step: usize,
    /// Gradient evaluations up to its end, those of the init included.
    pub gradient_evaluations: u64,
    /// The mean loss.
    pub loss: f64,
    /// Draws that the program rejected.
    pub rejected: usize,
}

impl Block {
    /// As a line of a fit's trace; the loss is a score divergence or minus a lower bound.
    pub fn row(&self, is_divergence: bool) -> TraceRow {
        let Self { step, gradient_evaluations, loss, rejected } = *self;
        let (score_divergence, elbo) = if is_divergence { (loss, f64::NAN) } else { (f64::NAN, -loss) };
        TraceRow { iteration: step, gradient_evaluations, score_divergence, elbo, rejected, errors: None }
    }
}

/// Everything of a semi-implicit fit in progress, its coordinates included.
#[derive(Serialize, Deserialize)]
struct Saved {
    names: Vec<String>,
    /// At the mean: another posterior has another.
    log_density: f64,
    mean: Vec<f64>,
    factor: Vec<Vec<f64>>,
    trace: Vec<Block>,
    training: TrainingState,
}

/// What a file holds of an earlier run.
pub struct Resumed {
    /// The Gaussian that is the standard normal in the family's coordinates.
    pub coordinates: DenseGaussian,
    /// The trace so far.
    pub trace: Vec<Block>,
    /// The training.
    pub training: TrainingState,
}

/// The fit of `target` that was saved as `state`. Unless `bounded` by a budget, the fit must have been asked for
/// `options`.
pub fn continued(
    state: SavedState,
    target: &dyn Model,
    options: &SiviOptions,
    bounded: bool,
) -> Result<Resumed, FitError> {
    let file = state.file().display().to_string();
    let refuse = |reason: &str| FitError::from(SiviError::State(format!("{file}: {reason}")));
    let saved: Saved = state.parsed(options.objective.name())?;
    let other = || refuse("it is of another posterior");
    if saved.names != target.unconstrained_names() || saved.mean.len() != target.dim() {
        return Err(other());
    }
    let log_density = height(target, &saved.mean);
    if (log_density - saved.log_density).abs() > SAME * log_density.abs().max(1.0) {
        return Err(other());
    }
    let asked =
        SiviOptions { steps: if bounded { saved.training.options.steps } else { options.steps }, ..options.clone() };
    if saved.training.options != asked {
        return Err(refuse("it is of a fit with other options"));
    }
    let dim = saved.mean.len();
    let factor = Array2::from_shape_vec((dim, dim), saved.factor.concat())
        .map_err(|_| refuse("its coordinates are not D × D"))?;
    let coordinates = DenseGaussian::from_factor(Array1::from(saved.mean), factor)
        .map_err(|_| refuse("its coordinates are singular"))?;
    Ok(Resumed { coordinates, trace: saved.trace, training: saved.training })
}

/// The log density at `point`, a number even where the program rejects it, as JSON has no others.
fn height(target: &dyn Model, point: &[f64]) -> f64 {
    target.log_density(point).unwrap_or(f64::MIN)
}

/// Keeps a state on file.
pub struct Keeper {
    path: Option<PathBuf>,
    /// When it was last saved.
    last: Option<Instant>,
}

impl Keeper {
    /// Keeps in `path`; none for not at all.
    pub fn new(path: Option<&Path>) -> Self {
        Self { path: path.map(Path::to_owned), last: None }
    }

    /// Whether it is time to save: at once for the first time, so that a file that cannot be written is no surprise
    /// later.
    pub fn is_due(&self) -> bool {
        self.path.is_some() && self.last.is_none_or(|last| last.elapsed() > EVERY)
    }

    /// Saves; an earlier file is replaced in one step.
    pub fn save(
        &mut self,
        target: &dyn Model,
        coordinates: &DenseGaussian,
        trace: &[Block],
        training: TrainingState,
    ) -> Result<(), FitError> {
        let Some(path) = &self.path else { return Ok(()) };
        let mean = coordinates.mean().to_vec();
        let saved = Saved {
            names: target.unconstrained_names(),
            log_density: height(target, &mean),
            mean,
            factor: coordinates.factor().axis_iter(Axis(0)).map(|row| row.to_vec()).collect(),
            trace: trace.to_vec(),
            training,
        };
        let name = saved.training.options.objective.name();
        let write = || files::write(path, &state_document(name, &saved)?);
        write().map_err(|source| FitError::StateUnwritable { path: path.clone(), source })?;
        self.last = Some(Instant::now());
        Ok(())
    }
}
