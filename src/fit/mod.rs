//! One fit as a whole: a place to begin, an engine, importance sampling from what it found, and a verdict.

mod importance;
mod options;
mod phase;

pub use importance::{Importance, importance};
pub use options::{FitOptions, Init, Method};
pub use phase::Phase;

use crate::compare::TOLERANCE;
use crate::diagnostics::pareto_k_threshold;
use crate::draws::Draws;
use crate::engine::{Bam, DriverError, DriverOptions, Engine, Gsm, TraceRow, run};
use crate::family::DenseGaussian;
use crate::init::{InitError, PathOptions, given_point, laplace, map, path, random_point};
use crate::random::{Rng, fill_standard_normal, stream};
use crate::sample::{ConstrainError, constrain};
use crate::target::{Counted, Counts, StanTarget, Target};
use ndarray::{Array1, Array2};
use phase::Phases;
use thiserror::Error;

/// What a fit arrived at.
pub struct Fit {
    /// Draws of parameters, transformed parameters and generated quantities, on the constrained scale.
    pub draws: Draws,
    /// The same draws on the unconstrained scale, draws × D.
    pub unconstrained: Array2<f64>,
    /// How many independent draws the draws are worth.
    pub effective_draws: f64,
    /// The Gaussian that the engine fitted, on the unconstrained scale.
    pub family: DenseGaussian,
    /// Whether the answer can be trusted, and what speaks against it.
    pub verdict: Verdict,
    /// What each phase cost.
    pub phases: Vec<Phase>,
    /// What was seen at each iteration of the engine.
    pub trace: Vec<TraceRow>,
}

/// The diagnostics of a fit. All that apply must agree for it to be trusted.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The shape of the importance weights' tail.
    pub pareto_k: f64,
    /// The evidence lower bound of the Gaussian; NaN where a draw of it was rejected.
    pub elbo: f64,
    /// The score divergence per dimension at the end, smoothed; NaN where no engine ran.
    pub score_divergence: f64,
    /// Whether the engine's score divergence stopped falling.
    pub converged: bool,
    /// What speaks against the answer, one sentence each; empty for a fit to be trusted.
    pub objections: Vec<String>,
}

/// Why there is no fit.
#[derive(Debug, Error)]
pub enum FitError {
    /// No place to begin.
    #[error(transparent)]
    Init(#[from] InitError),
    /// The engine gave up.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// Draws could not be brought to the constrained scale.
    #[error(transparent)]
    Constrain(#[from] ConstrainError),
    /// An option has a value that makes no sense.
    #[error("{option} must be {allowed}, not {value}")]
    Option {
        /// The option's name on the command line.
        option: &'static str,
        /// Which values it may have.
        allowed: &'static str,
        /// The value that it has.
        value: usize,
    },
    /// The program has no parameters.
    #[error("the program has no parameters, so there is nothing to fit")]
    NoParameters,
    /// The initial values are not as many as the program's parameters.
    #[error("{given} initial values were given for {dim} unconstrained parameters")]
    InitLength {
        /// How many were given.
        given: usize,
        /// The dimension.
        dim: usize,
    },
}

/// The parts of a fit that draw random numbers, each from a stream of its own; the walks of `path` come last.
mod streams {
    pub const ENGINE: usize = 0;
    pub const IMPORTANCE: usize = 1;
    pub const DRAWS: usize = 2;
    pub const INIT: usize = 3;
}

/// Fits a Gaussian to the posterior `target`, and corrects its draws by importance sampling where that can be trusted.
/// `observe` sees each iteration of the engine. The result depends on the options alone, not on the number of threads.
pub fn fit(target: &StanTarget, options: &FitOptions, observe: &mut dyn FnMut(&TraceRow)) -> Result<Fit, FitError> {
    options.check()?;
    if target.dim() == 0 {
        return Err(FitError::NoParameters);
    }
    let counted = Counted::new(target);
    let mut phases = Phases::new(&counted);
    let start = phases.run(options.init.name(), || begin(&counted, options))?;

    let mut trace = Vec::new();
    let driver = DriverOptions {
        batch: options.batch,
        max_iterations: options.iterations,
        budget: options.budget,
        ..DriverOptions::default()
    };
    let outcome = phases.run(options.method.name(), || {
        let mut engine: Box<dyn Engine> = match options.method {
            Method::Bam => Box::new(Bam::new(start)),
            Method::Gsm => Box::new(Gsm::new(start)),
        };
        run(engine.as_mut(), &counted, &driver, &mut stream(options.seed, streams::ENGINE), &mut |row| {
            trace.push(*row);
            observe(row);
        })
    })?;

    let family = outcome.family;
    let importance =
        phases.run("psis", || importance(target, &counted, &family, &mut stream(options.seed, streams::IMPORTANCE)));
    let mut objections = Vec::new();
    if !outcome.converged {
        objections.push(format!(
            "the score divergence was still falling after {} iterations: allow more with --iterations or --budget",
            outcome.iterations
        ));
    }
    let threshold = pareto_k_threshold(importance.draws());
    let trusted = importance.is_trusted();
    if !trusted {
        objections.push(format!(
            "Pareto k is {:.2}, above {threshold:.2}: the Gaussian is too far from the posterior to be corrected, and its own draws are given",
            importance.pareto_k()
        ));
    } else if importance.monte_carlo_error() > TOLERANCE / 3.0 {
        objections.push(format!(
            "the Monte Carlo error of a mean or standard deviation is {:.3} standard deviations even after {} importance draws",
            importance.monte_carlo_error(),
            importance.draws()
        ));
    }

    let mut rng = stream(options.seed, streams::DRAWS);
    let (unconstrained, effective_draws) = if trusted {
        let drawn = importance.resample(options.draws, &mut rng);
        let worth = (importance.effective_draws().recip() + (options.draws as f64).recip()).recip();
        (drawn, worth)
    } else {
        (plain_draws(&family, options.draws, &mut rng), options.draws as f64)
    };
    let draws = phases.run("draws", || constrain(target, &[unconstrained.view()], options.seed))?;

    let window = driver.window.min(trace.len());
    let recent = trace[trace.len() - window..].iter().map(|row| row.score_divergence);
    let verdict = Verdict {
        pareto_k: importance.pareto_k(),
        elbo: importance.elbo(),
        score_divergence: recent.sum::<f64>() / window as f64,
        converged: outcome.converged,
        objections,
    };
    Ok(Fit { draws, unconstrained, effective_draws, family, verdict, phases: phases.finish(), trace })
}

impl Fit {
    /// Evaluations over all phases.
    pub fn counts(&self) -> Counts {
        self.phases.iter().fold(Counts::default(), |total, phase| total + phase.counts)
    }

    /// Seconds over all phases.
    pub fn seconds(&self) -> f64 {
        self.phases.iter().map(|phase| phase.seconds).sum()
    }
}

/// The Gaussian to begin with.
fn begin<T: Target>(target: &T, options: &FitOptions) -> Result<DenseGaussian, FitError> {
    let unit = |position: Vec<f64>| {
        let sds = Array1::ones(position.len());
        DenseGaussian::diagonal(Array1::from(position), &sds)
    };
    let (seed, first) = (options.seed, streams::INIT);
    Ok(match &options.init {
        Init::Path => path(target, &PathOptions::default(), seed, first)?.0,
        Init::Map => map(target, seed, first)?,
        Init::Laplace => laplace(target, seed, first)?,
        Init::Random => unit(random_point(target, &mut stream(seed, first))?.position),
        Init::Zero => unit(given_point(target, vec![0.0; target.dim()])?.position),
        Init::Point(position) if position.len() != target.dim() => {
            return Err(FitError::InitLength { given: position.len(), dim: target.dim() });
        }
        Init::Point(position) => unit(given_point(target, position.clone())?.position),
    })
}

/// Draws of the Gaussian itself.
fn plain_draws(family: &DenseGaussian, count: usize, rng: &mut Rng) -> Array2<f64> {
    let mut noise = Array2::zeros((count, family.dim()));
    fill_standard_normal(rng, noise.as_slice_mut().expect("a fresh array is contiguous"));
    let mut draws = Array2::zeros(noise.dim());
    family.draws(noise.view(), draws.view_mut());
    draws
}
