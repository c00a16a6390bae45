//! What can be asked of a fit.

use super::{FitError, FitOption};
use crate::engine::sivi::SiviObjective;
use crate::engine::{BatchAndMatch, BatchMatchAndPatch, EngineMethod, EngineOption, EngineSettings, Schedule};
use crate::init::PathOptions;
use std::path::PathBuf;

/// What is asked of a fit.
#[derive(Debug, Clone, PartialEq)]
pub struct FitOptions {
    /// The method, with what may be asked of it.
    pub method: Method,
    /// Draws to return; at least 2.
    pub draws: usize,
    /// The seed of all random numbers.
    pub seed: u64,
}

impl Default for FitOptions {
    fn default() -> Self {
        Self { method: Method::default(), draws: 4000, seed: 1 }
    }
}

/// The name of the method that fits a triangular map.
pub(super) const MAP: &str = "map";

/// How a posterior is fitted.
#[derive(Debug, Clone, PartialEq)]
pub enum Method {
    /// Batch and match (above [`LARGEST_DENSE`] dimensions batch, match and patch). Where its result cannot be trusted
    /// a triangular map follows, in at most 150 dimensions, and then Markov chains.
    Auto(GaussianOptions),
    /// A Gaussian by an engine.
    Engine(&'static dyn EngineMethod, GaussianOptions),
    /// Pathfinder: the best local Gaussian of each of several optimisation paths, and importance sampling from their
    /// mixture.
    Pathfinder {
        /// How many paths; at least 1.
        paths: usize,
    },
    /// Laplace's approximation, and importance sampling from it.
    Laplace,
    /// NUTS with Stan's defaults.
    Nuts(NutsFitOptions),
    /// A semi-implicit family.
    SemiImplicit(SemiImplicitOptions),
    /// A triangular map, and importance sampling from it.
    Map(MapOptions),
}

impl Default for Method {
    fn default() -> Self {
        Self::Auto(GaussianOptions::default())
    }
}

/// What is asked of a fit of a Gaussian.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GaussianOptions {
    /// Where the engine starts.
    pub init: Init,
    /// What is asked of the engine.
    pub engine: EngineSettings,
}

/// What is asked of NUTS as a method.
#[derive(Debug, Clone, PartialEq)]
pub struct NutsFitOptions {
    /// Where the chains start: [`Init::Random`], [`Init::Zero`] or [`Init::Point`].
    pub init: Init,
    /// At most so many gradient evaluations, which bounds the trajectories.
    pub budget: Option<u64>,
}

impl Default for NutsFitOptions {
    fn default() -> Self {
        Self { init: Init::Random, budget: None }
    }
}

/// What is asked of a fit of a triangular map.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MapOptions {
    /// Where batch and match starts, whose Gaussian the exploration begins at.
    pub init: Init,
    /// Rounds of transitions and fits, at most; none for the usual number, and more while the draws cannot be trusted.
    pub rounds: Option<usize>,
    /// At most so many gradient evaluations, those of the init included.
    pub budget: Option<u64>,
}

/// What is asked of a fit of a semi-implicit family. None stands for the engine's own choice.
#[derive(Debug, Clone, PartialEq)]
pub struct SemiImplicitOptions {
    /// What is optimised.
    pub objective: SiviObjective,
    /// Where the Gaussian that gives the coordinates starts.
    pub init: Init,
    /// Draws per batch; an even number.
    pub batch: Option<usize>,
    /// Steps of the training.
    pub steps: Option<usize>,
    /// Adam's step size, constant but for a stepwise decay.
    pub learning_rate: Option<f64>,
    /// At most so many gradient evaluations, those of the init included.
    pub budget: Option<u64>,
    /// The file in which the fit keeps its state while it runs.
    pub keep_state: Option<PathBuf>,
}

impl SemiImplicitOptions {
    /// The defaults with this objective.
    pub fn new(objective: SiviObjective) -> Self {
        Self {
            objective,
            init: Init::default(),
            batch: None,
            steps: None,
            learning_rate: None,
            budget: None,
            keep_state: None,
        }
    }
}

/// Where a fit starts.
#[derive(Debug, Clone, PartialEq)]
pub enum Init {
    /// The local Gaussian with the best evidence lower bound along several optimisation paths (Pathfinder).
    Path {
        /// How many paths; at least 1.
        paths: usize,
    },
    /// The MAP, with the covariance that L-BFGS estimated on the way.
    Map,
    /// Laplace's approximation at the MAP.
    Laplace,
    /// A random point with unit covariance.
    Random,
    /// The origin of the unconstrained scale with unit covariance.
    Zero,
    /// A given point of the unconstrained scale with unit covariance.
    Point(Vec<f64>),
}

impl Default for Init {
    fn default() -> Self {
        Self::Path { paths: PathOptions::default().paths }
    }
}

impl Init {
    /// The init of this name, with its defaults; none where there is no such init.
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::default(), Self::Map, Self::Laplace, Self::Random, Self::Zero];
        all.into_iter().find(|init| init.name() == name)
    }

    /// Its name in documents and on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Path { .. } => "path",
            Self::Map => "map",
            Self::Laplace => "laplace",
            Self::Random => "random",
            Self::Zero => "zero",
            Self::Point(_) => "file",
        }
    }
}

/// The largest dimension in which [`Method::Auto`] fits a full covariance, and runs chains from it: an iteration costs
/// O(D²B), some 0.1 s here, and chains in these coordinates O(D²) for each gradient.
pub const LARGEST_DENSE: usize = 2000;

impl Method {
    /// Its name in documents and on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Auto(_) => "auto",
            Self::Engine(engine, _) => engine.name(),
            Self::Pathfinder { .. } => "pathfinder",
            Self::Laplace => "laplace",
            Self::Nuts(_) => "nuts",
            Self::SemiImplicit(options) => options.objective.name(),
            Self::Map(_) => MAP,
        }
    }

    /// Where it starts.
    pub fn init(&self) -> Init {
        match self {
            Self::Auto(options) | Self::Engine(_, options) => options.init.clone(),
            Self::Pathfinder { paths } => Init::Path { paths: *paths },
            Self::Laplace => Init::Laplace,
            Self::Nuts(options) => options.init.clone(),
            Self::SemiImplicit(options) => options.init.clone(),
            Self::Map(options) => options.init.clone(),
        }
    }

    /// At most so many gradient evaluations.
    pub fn budget(&self) -> Option<u64> {
        match self {
            Self::Auto(options) | Self::Engine(_, options) => options.engine.budget,
            Self::Pathfinder { .. } | Self::Laplace => None,
            Self::Nuts(options) => options.budget,
            Self::SemiImplicit(options) => options.budget,
            Self::Map(options) => options.budget,
        }
    }
}

/// The engine with which [`Method::Auto`] begins in `dim` dimensions.
pub fn auto_engine(dim: usize) -> &'static dyn EngineMethod {
    if dim > LARGEST_DENSE { &BatchMatchAndPatch } else { &BatchAndMatch }
}

impl FitOptions {
    /// Fails on a value that makes no sense, or that the method ignores. `dim` is the posterior's dimension, where it
    /// is known.
    ///
    /// # Errors
    /// On the first such value.
    pub fn check(&self, dim: Option<usize>) -> Result<(), FitError> {
        at_least_two(self.draws)?;
        let init = self.method.init();
        if let Init::Path { paths } = init {
            at_least_one(FitOption::Paths, Some(paths))?;
        }
        if let (Init::Point(position), Some(dim)) = (&init, dim)
            && position.len() != dim
        {
            return Err(FitError::InitLength { given: position.len(), dim });
        }
        match &self.method {
            Method::Auto(options) => self.check_engine(&BatchAndMatch, &options.engine),
            Method::Engine(engine, options) => self.check_engine(*engine, &options.engine),
            Method::Nuts(_) if matches!(init, Init::Path { .. } | Init::Map | Init::Laplace) => {
                Err(FitError::InitOfMethod { init: init.name(), method: self.method.name() })
            }
            Method::SemiImplicit(options) => {
                at_least_one(FitOption::Iterations, options.steps)?;
                learning_rate(options.learning_rate)?;
                match options.batch {
                    Some(value) if value == 0 || value % 2 == 1 => {
                        let allowed = if value == 0 { "at least 2" } else { "even for a semi-implicit fit" };
                        Err(FitError::OptionValue { option: FitOption::Batch, allowed, value })
                    }
                    _ => Ok(()),
                }
            }
            Method::Map(options) => at_least_one(FitOption::Iterations, options.rounds),
            Method::Pathfinder { .. } | Method::Laplace | Method::Nuts(_) => Ok(()),
        }
    }

    fn check_engine(&self, engine: &dyn EngineMethod, settings: &EngineSettings) -> Result<(), FitError> {
        at_least_one(FitOption::Batch, settings.batch)?;
        at_least_one(FitOption::Iterations, settings.iterations)?;
        at_least_one(FitOption::Averaging, settings.averaging)?;
        learning_rate(settings.learning_rate.initial)?;
        let has = |option| engine.options().contains(&option);
        let ignored = [
            (FitOption::Rank, settings.rank.is_some() && !has(EngineOption::Rank)),
            (FitOption::LearningRate, settings.learning_rate.initial.is_some() && !has(EngineOption::LearningRate)),
            (
                FitOption::Schedule,
                settings.learning_rate.schedule != Schedule::Constant && !has(EngineOption::LearningRate),
            ),
        ];
        match ignored.into_iter().find(|(_, ignored)| *ignored) {
            Some((option, _)) => Err(FitError::OptionOfMethod { option, method: self.method.name() }),
            None => Ok(()),
        }
    }
}

fn at_least_one(option: FitOption, value: Option<usize>) -> Result<(), FitError> {
    match value {
        Some(0) => Err(FitError::OptionValue { option, allowed: "at least 1", value: 0 }),
        _ => Ok(()),
    }
}

fn at_least_two(value: usize) -> Result<(), FitError> {
    let option = FitOption::Draws;
    if value < 2 { Err(FitError::OptionValue { option, allowed: "at least 2", value }) } else { Ok(()) }
}

fn learning_rate(value: Option<f64>) -> Result<(), FitError> {
    match value {
        Some(rate) if !(rate.is_finite() && rate > 0.0) => Err(FitError::LearningRate(rate)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{GaussianScoreMatching, LearningRate};

    fn check(method: Method) -> Result<(), String> {
        FitOptions { method, ..FitOptions::default() }.check(Some(3)).map_err(|error| error.to_string())
    }

    #[test]
    fn no_option_can_be_given_that_the_method_ignores() {
        let ranked = GaussianOptions {
            engine: EngineSettings { rank: Some(2), ..EngineSettings::default() },
            ..GaussianOptions::default()
        };
        let rated = GaussianOptions {
            engine: EngineSettings {
                learning_rate: LearningRate { initial: Some(0.1), ..LearningRate::default() },
                ..EngineSettings::default()
            },
            ..GaussianOptions::default()
        };
        assert_eq!(check(Method::Engine(&BatchMatchAndPatch, ranked.clone())), Ok(()));
        let error = check(Method::Engine(&BatchAndMatch, ranked.clone())).unwrap_err();
        assert!(error.contains("`rank`") && error.contains("bam"), "{error}");
        assert!(check(Method::Auto(ranked)).unwrap_err().contains("auto"));
        assert_eq!(check(Method::Engine(&BatchAndMatch, rated.clone())), Ok(()));
        assert!(check(Method::Engine(&GaussianScoreMatching, rated)).unwrap_err().contains("`learning-rate`"));
    }

    #[test]
    fn values_without_sense_are_refused() {
        assert!(check(Method::Pathfinder { paths: 0 }).unwrap_err().contains("`paths` must be at least 1"));
        let nuts = |init| check(Method::Nuts(NutsFitOptions { init, budget: None }));
        assert!(nuts(Init::Map).unwrap_err().contains("map"));
        assert!(nuts(Init::Point(vec![0.0; 2])).unwrap_err().contains("2 initial values"));
        assert_eq!(nuts(Init::Point(vec![0.0; 3])), Ok(()));
        let odd = SemiImplicitOptions { batch: Some(7), ..SemiImplicitOptions::new(SiviObjective::ScoreMatching) };
        assert!(check(Method::SemiImplicit(odd)).unwrap_err().contains("even"));
        assert!(FitOptions { draws: 1, ..FitOptions::default() }.check(None).is_err());
    }
}
