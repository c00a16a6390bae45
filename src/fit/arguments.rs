//! What is asked of a fit as a flat list of names and values, as a command line, a manifest or a notebook gives it.

use super::options::MAP;
use super::{
    FitError, FitOption, FitOptions, GaussianOptions, Init, MapOptions, Method, NutsFitOptions, SemiImplicitOptions,
};
use crate::engine::sivi::SiviObjective;
use crate::engine::{ENGINES, EngineOption, EngineSettings, LearningRate, Schedule, engine};
use crate::init::PathOptions;
use serde::{Deserialize, Serialize};

/// The arguments of a fit. What is not given is the method's own choice; what the method has no use for is refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct FitArguments {
    /// The method's name, one of [`method_names`].
    pub method: String,
    /// Where it starts: the name of an [`Init`], or a file of parameter values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<String>,
    /// Optimisation paths, of the init `path` and the method `pathfinder`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paths: Option<usize>,
    /// Draws per batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<usize>,
    /// The rank of a covariance that is low-rank plus diagonal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<usize>,
    /// At most so many iterations of the engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iterations: Option<usize>,
    /// Iterations that are averaged on the plateau.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub averaging: Option<usize>,
    /// The learning rate to begin with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// How the learning rate changes over the iterations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// At most so many gradient evaluations, those of the init included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<u64>,
    /// Draws to return.
    pub draws: usize,
    /// The seed of all random numbers.
    pub seed: u64,
}

impl Default for FitArguments {
    fn default() -> Self {
        let FitOptions { method, draws, seed } = FitOptions::default();
        Self {
            method: method.name().into(),
            init: None,
            paths: None,
            batch: None,
            rank: None,
            iterations: None,
            averaging: None,
            learning_rate: None,
            schedule: None,
            budget: None,
            draws,
            seed,
        }
    }
}

/// Every method's name with a line that says what it is, in the order in which a list shows them.
pub fn method_names() -> Vec<(&'static str, &'static str)> {
    let auto =
        ("auto", "Batch and match, then a triangular map, short chains and NUTS while the result cannot be trusted");
    let engines = ENGINES.into_iter().map(|engine| (engine.name(), engine.summary()));
    let others = [
        ("pathfinder", "Importance sampling from the best local Gaussian of each of several optimisation paths"),
        ("laplace", "Importance sampling from Laplace's approximation"),
        ("nuts", "NUTS from random points, with Stan's defaults"),
        (MAP, "A triangular map fitted to the scores that short chains meet, for funnels, bananas and hierarchies"),
        (
            SiviObjective::ScoreMatching.name(),
            "A semi-implicit family for curved or multimodal posteriors, by score matching; takes minutes",
        ),
        (SiviObjective::SurrogateElbo.name(), "The same family by a surrogate evidence lower bound"),
    ];
    [auto].into_iter().chain(engines).chain(others).collect()
}

impl FitArguments {
    /// The options that these arguments stand for. `point` is the unconstrained point of the file that
    /// [`init`](Self::init) names, where it names one; it may be empty where the options are only checked.
    ///
    /// # Errors
    /// Where a value makes no sense, there is no such method, or the method has no use for an argument.
    pub fn options(&self, point: Option<Vec<f64>>) -> Result<FitOptions, FitError> {
        let objective = [SiviObjective::ScoreMatching, SiviObjective::SurrogateElbo]
            .into_iter()
            .find(|it| it.name() == self.method);
        let method = match (self.method.as_str(), engine(&self.method), objective) {
            ("auto", ..) => {
                self.refuse(&[(FitOption::Rank, self.rank.is_some())])?;
                Method::Auto(self.gaussian(point)?)
            }
            (_, Some(engine), _) => {
                let has = |option| engine.options().contains(&option);
                let no_rate = !has(EngineOption::LearningRate);
                self.refuse(&[
                    (FitOption::Rank, self.rank.is_some() && !has(EngineOption::Rank)),
                    (FitOption::LearningRate, self.learning_rate.is_some() && no_rate),
                    (FitOption::Schedule, self.schedule.is_some() && no_rate),
                ])?;
                Method::Engine(engine, self.gaussian(point)?)
            }
            ("pathfinder", ..) => {
                self.refuse_other_init("pathfinder", &Init::default())?;
                self.refuse_engine()?;
                Method::Pathfinder { paths: self.paths.unwrap_or(PathOptions::default().paths) }
            }
            ("laplace", ..) => {
                self.refuse_other_init("laplace", &Init::Laplace)?;
                self.refuse(&[(FitOption::Paths, self.paths.is_some())])?;
                self.refuse_engine()?;
                Method::Laplace
            }
            ("nuts", ..) => {
                self.refuse_engine_but_bounds()?;
                self.refuse(&[(FitOption::Iterations, self.iterations.is_some())])?;
                Method::Nuts(NutsFitOptions { init: self.init_or(Init::Random, point)?, budget: self.budget })
            }
            (MAP, ..) => {
                self.refuse_engine_but_bounds()?;
                let init = self.init_or(Init::default(), point)?;
                Method::Map(MapOptions { init, rounds: self.iterations, budget: self.budget })
            }
            (_, _, Some(objective)) => {
                self.refuse(&[
                    (FitOption::Rank, self.rank.is_some()),
                    (FitOption::Averaging, self.averaging.is_some()),
                    (FitOption::Schedule, self.schedule.is_some_and(|schedule| schedule != Schedule::Constant)),
                ])?;
                Method::SemiImplicit(SemiImplicitOptions {
                    init: self.init_or(Init::default(), point)?,
                    batch: self.batch,
                    steps: self.iterations,
                    learning_rate: self.learning_rate,
                    budget: self.budget,
                    ..SemiImplicitOptions::new(objective)
                })
            }
            _ => return Err(FitError::UnknownMethod { name: self.method.clone() }),
        };
        let options = FitOptions { method, draws: self.draws, seed: self.seed };
        options.check(None)?;
        Ok(options)
    }

    /// The file that [`init`](Self::init) names; none where it names an [`Init`].
    pub fn init_file(&self) -> Option<&str> {
        self.init.as_deref().filter(|name| Init::named(name).is_none())
    }

    fn gaussian(&self, point: Option<Vec<f64>>) -> Result<GaussianOptions, FitError> {
        let schedule = self.schedule.unwrap_or(Schedule::Constant);
        let engine = EngineSettings {
            batch: self.batch,
            iterations: self.iterations,
            averaging: self.averaging,
            budget: self.budget,
            rank: self.rank,
            learning_rate: LearningRate { initial: self.learning_rate, schedule },
            reference: None,
        };
        Ok(GaussianOptions { init: self.init_or(Init::default(), point)?, engine })
    }

    fn init_or(&self, default: Init, point: Option<Vec<f64>>) -> Result<Init, FitError> {
        let init = match (&self.init, point) {
            (None, _) => default,
            (Some(name), point) => match Init::named(name) {
                Some(init) => init,
                None => Init::Point(point.unwrap_or_default()),
            },
        };
        match (init, self.paths) {
            (Init::Path { .. }, Some(paths)) => Ok(Init::Path { paths }),
            (init, Some(_)) => Err(FitError::PathsOfInit { init: init.name() }),
            (init, None) => Ok(init),
        }
    }

    /// Fails where another init than the method's own was given.
    fn refuse_other_init(&self, method: &'static str, own: &Init) -> Result<(), FitError> {
        match &self.init {
            Some(name) if name != own.name() => {
                let init = Init::named(name).unwrap_or(Init::Point(Vec::new())).name();
                Err(FitError::InitOfMethod { init, method })
            }
            _ => Ok(()),
        }
    }

    fn refuse_engine(&self) -> Result<(), FitError> {
        self.refuse(&[(FitOption::Budget, self.budget.is_some()), (FitOption::Iterations, self.iterations.is_some())])?;
        self.refuse_engine_but_bounds()
    }

    fn refuse_engine_but_bounds(&self) -> Result<(), FitError> {
        self.refuse(&[
            (FitOption::Batch, self.batch.is_some()),
            (FitOption::Rank, self.rank.is_some()),
            (FitOption::Averaging, self.averaging.is_some()),
            (FitOption::LearningRate, self.learning_rate.is_some()),
            (FitOption::Schedule, self.schedule.is_some()),
        ])
    }

    /// Fails on the first option that was given.
    fn refuse(&self, options: &[(FitOption, bool)]) -> Result<(), FitError> {
        match options.iter().find(|(_, given)| *given) {
            Some(&(option, _)) => Err(FitError::UnusedArgument { option, method: self.method.clone() }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(method: &str) -> FitArguments {
        FitArguments { method: method.into(), ..FitArguments::default() }
    }

    #[test]
    fn every_method_has_options_of_its_name() {
        for (name, _) in method_names() {
            assert_eq!(arguments(name).options(None).unwrap().method.name(), name);
        }
        let error = arguments("bamm").options(None).unwrap_err().to_string();
        assert!(error.contains("bamm"), "{error}");
    }

    #[test]
    fn the_defaults_are_those_of_the_options() {
        assert_eq!(FitArguments::default().options(None).unwrap(), FitOptions::default());
    }

    #[test]
    fn what_a_method_ignores_is_refused() {
        let refused = |arguments: FitArguments| match arguments.options(None) {
            Err(FitError::UnusedArgument { option, .. }) => Some(option),
            Err(other) => panic!("{other}"),
            Ok(_) => None,
        };
        assert_eq!(refused(FitArguments { rank: Some(3), ..arguments("gsm") }), Some(FitOption::Rank));
        assert_eq!(refused(FitArguments { rank: Some(3), ..arguments("auto") }), Some(FitOption::Rank));
        assert_eq!(refused(FitArguments { rank: Some(3), ..arguments("pbam") }), None);
        assert_eq!(refused(FitArguments { budget: Some(3), ..arguments("laplace") }), Some(FitOption::Budget));
        assert_eq!(refused(FitArguments { budget: Some(3), ..arguments("nuts") }), None);
        assert_eq!(refused(FitArguments { batch: Some(3), ..arguments("nuts") }), Some(FitOption::Batch));
        let schedule = Some(Schedule::Cosine);
        assert_eq!(refused(FitArguments { schedule, ..arguments("gsm") }), Some(FitOption::Schedule));
        assert_eq!(refused(FitArguments { schedule, ..arguments("sivi-sm") }), Some(FitOption::Schedule));
        let paths = FitArguments { paths: Some(8), init: Some("map".into()), ..arguments("bam") };
        assert!(matches!(paths.options(None), Err(FitError::PathsOfInit { init: "map" })));
    }

    #[test]
    fn an_init_that_is_no_name_is_a_file() {
        let of_file = FitArguments { init: Some("inits.json".into()), ..arguments("nuts") };
        assert_eq!(of_file.init_file(), Some("inits.json"));
        let options = of_file.options(Some(vec![1.0, 2.0])).unwrap();
        assert_eq!(options.method.init(), Init::Point(vec![1.0, 2.0]));
        assert_eq!(FitArguments { init: Some("map".into()), ..arguments("bam") }.init_file(), None);
    }

    #[test]
    fn arguments_are_read_from_documents_as_they_are_written() {
        let given = FitArguments { batch: Some(8), schedule: Some(Schedule::Cosine), ..arguments("bam") };
        let text = serde_json::to_string(&given).unwrap();
        assert_eq!(serde_json::from_str::<FitArguments>(&text).unwrap(), given);
        assert!(text.contains(r#""schedule":"cosine""#) && !text.contains("rank"), "{text}");
        assert!(serde_json::from_str::<FitArguments>(r#"{"steps": 3}"#).is_err());
    }
}
