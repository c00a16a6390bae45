//! What to do on the command line about an error of the library, whose words know no flags.

use stanmatch::engine::sivi::SiviError;
use stanmatch::engine::{DriverError, EngineError, StateError};
use stanmatch::fit::{FitError, FitOption};
use stanmatch::init::InitError;

/// The error with the flag that it is about, and what to do.
pub fn with_remedy(error: FitError) -> anyhow::Error {
    let remedy = match &error {
        FitError::OptionValue { option, allowed, value } => {
            return anyhow::anyhow!("--{} must be {allowed}, not {value}", option.code());
        }
        FitError::OptionOfMethod { option, method } => return unused(*option, method),
        FitError::UnusedArgument { option, method } => return unused(*option, method),
        FitError::LearningRate(rate) => {
            return anyhow::anyhow!("--learning-rate must be a positive number, not {rate}");
        }
        FitError::InitOfMethod { init, method } => {
            return anyhow::anyhow!("the method {method} does not start with --init {init}: leave --init out");
        }
        FitError::PathsOfInit { init } => {
            return anyhow::anyhow!("--paths does not apply to --init {init}: leave it out");
        }
        FitError::Engine(EngineError::Rank { rank, dim }) => {
            return anyhow::anyhow!(
                "--rank must be less than the dimension, {dim}, not {rank}: for a full covariance use --method bam"
            );
        }
        FitError::Init(error) => of_init(error),
        FitError::Engine(EngineError::Driver(DriverError::NoUsableDraws(_))) => "start elsewhere with --init",
        FitError::Engine(EngineError::Driver(DriverError::Stuck(_))) => {
            "start elsewhere with --init, or check the gradient with --check-gradient"
        }
        FitError::Engine(EngineError::State(StateError::Engine { .. }))
        | FitError::State(StateError::Engine { .. }) => "give the saved fit's --method",
        FitError::Engine(EngineError::State(_)) | FitError::State(_) => "begin without --resume",
        FitError::Sivi(SiviError::State(_)) => "give the saved fit's posterior and options, or begin without --resume",
        FitError::Sivi(SiviError::NoUsableDraws) => "start elsewhere with --init",
        FitError::Sivi(SiviError::NoProducts(_)) => "use --method bam",
        FitError::NotResumable { .. } | FitError::BudgetOfSteps { .. } => {
            if matches!(error, FitError::NotResumable { .. }) { "leave --resume out" } else { "leave --budget out" }
        }
        FitError::Budget { .. } => "raise --budget or leave it out",
        _ => return error.into(),
    };
    anyhow::anyhow!("{error}: {remedy}")
}

fn unused(option: FitOption, method: &str) -> anyhow::Error {
    anyhow::anyhow!("--{} does not apply to the method {method}: leave it out", option.code())
}

fn of_init(error: &InitError) -> &'static str {
    match error {
        InitError::NoStart { .. } => "give initial values with --init FILE",
        InitError::NoGaussian => "check its priors, or start elsewhere with --init random or --init FILE",
        InitError::Unusable(_) => "give other values with --init FILE",
    }
}
