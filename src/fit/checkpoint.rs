//! A semi-implicit fit on file while it runs, so that it can be stopped and resumed: what follows is what would have
//! followed without the stop.

use super::{FIT_DOCUMENT, FitError, FitOption};
use crate::engine::sivi::{SiviError, SiviOptions, TrainingState};
use crate::engine::{SavedState, StateOrigin, TraceRow, state_document};
use crate::files;
use crate::gaussian::{DenseGaussian, GaussianApproximation};
use ndarray::{Array1, Array2, Axis};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Less than this is lost when a fit is stopped.
const EVERY: Duration = Duration::from_secs(5);

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
    /// What was asked for; none in files of versions that did not say it.
    asked: Option<Asked>,
    mean: Vec<f64>,
    factor: Vec<Vec<f64>>,
    trace: Vec<Block>,
    training: TrainingState,
}

/// What decides how many steps a fit has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Asked {
    steps: usize,
    budget: Option<u64>,
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

/// The fit in `dim` dimensions that was saved as `state`, if it was asked for `options` and `budget`. How many steps it
/// has decides what it does in each, so that it cannot have more.
pub fn continued(
    state: SavedState,
    dim: usize,
    options: &SiviOptions,
    budget: Option<u64>,
) -> Result<Resumed, FitError> {
    let file = state.file().to_owned();
    let refuse = |reason: &str| FitError::from(SiviError::State(format!("{}: {reason}", file.display())));
    let saved: Saved = state.parsed(options.objective.name())?;
    if saved.mean.len() != dim {
        return Err(refuse("it is of another posterior"));
    }
    let other = |option, saved: Option<u64>, asked: Option<u64>| {
        let shown = |value: Option<u64>| value.map_or("none".to_owned(), |value| value.to_string());
        FitError::OptionOfState { file: file.clone(), option, saved: shown(saved), asked: shown(asked) }
    };
    if let Some(asked) = saved.asked {
        if asked.steps != options.steps {
            return Err(other(FitOption::Iterations, Some(asked.steps as u64), Some(options.steps as u64)));
        }
        if asked.budget != budget {
            return Err(other(FitOption::Budget, asked.budget, budget));
        }
    }
    // With a budget the fit has as many steps as that paid for.
    let steps = if budget.is_some() { saved.training.options.steps } else { options.steps };
    if saved.training.options != (SiviOptions { steps, ..options.clone() }) {
        return Err(refuse("it is of a fit with other options"));
    }
    let step = saved.training.step;
    if saved.trace.last().map_or(step > 0, |block| block.step >= step) {
        return Err(refuse("its trace is not one of its steps"));
    }
    let factor = Array2::from_shape_vec((dim, dim), saved.factor.concat())
        .map_err(|_| refuse("its coordinates are not D × D"))?;
    let coordinates = DenseGaussian::from_factor(Array1::from(saved.mean), factor)
        .map_err(|_| refuse("its coordinates are singular"))?;
    Ok(Resumed { coordinates, trace: saved.trace, training: saved.training })
}

/// Keeps a state on file.
pub struct Keeper {
    path: Option<PathBuf>,
    origin: Option<StateOrigin>,
    asked: Asked,
    /// When it was last saved.
    last: Option<Instant>,
}

impl Keeper {
    /// Keeps the state of a fit of `origin`, which was asked for so many steps within `budget`, in `path`; none for not
    /// at all.
    pub fn new(path: Option<&Path>, origin: impl FnOnce() -> StateOrigin, steps: usize, budget: Option<u64>) -> Self {
        let (origin, asked) = (path.map(|_| origin()), Asked { steps, budget });
        Self { path: path.map(Path::to_owned), origin, asked, last: None }
    }

    /// Whether it is time to save: at once for the first time, so that a file that cannot be written is no surprise
    /// later.
    pub fn is_due(&self) -> bool {
        self.path.is_some() && self.last.is_none_or(|last| last.elapsed() > EVERY)
    }

    /// Saves; an earlier file is replaced in one step. The document of an earlier fit beside it goes first, as a folder
    /// that has one holds one whole fit.
    pub fn save(
        &mut self,
        coordinates: &DenseGaussian,
        trace: &[Block],
        training: TrainingState,
    ) -> Result<(), FitError> {
        let (Some(path), Some(origin)) = (&self.path, &self.origin) else { return Ok(()) };
        let saved = Saved {
            asked: Some(self.asked),
            mean: coordinates.mean().to_vec(),
            factor: coordinates.factor().axis_iter(Axis(0)).map(|row| row.to_vec()).collect(),
            trace: trace.to_vec(),
            training,
        };
        let name = saved.training.options.objective.name();
        let write = || {
            if self.last.is_none() {
                files::remove(&path.with_file_name(FIT_DOCUMENT))?;
            }
            files::write(path, &state_document(name, origin, &saved)?)
        };
        write().map_err(|source| FitError::StateUnwritable { path: path.clone(), source })?;
        self.last = Some(Instant::now());
        Ok(())
    }
}
