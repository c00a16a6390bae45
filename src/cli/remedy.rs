//! What to do on the command line about an error of the library, whose words know no flags and no commands.

use std::error::Error;

use stanmatch::database::DatabaseError;
use stanmatch::document::SavedFamilyError;
use stanmatch::engine::sivi::SiviError;
use stanmatch::engine::{DriverError, EngineError, StateError};
use stanmatch::fit::{FitError, FitOption};
use stanmatch::init::InitError;
use stanmatch::reference::{ReferenceError, ReferenceFailure};
use stanmatch::report::LoadError;
use stanmatch::suite::SuiteError;
use stanmatch::toolchain::{InstallSource, ModelLoadError, Remedy, ToolchainError};

use super::crash;

/// An error as a sentence that says what to do, where the command line knows that.
pub fn explained(error: &anyhow::Error) -> String {
    let mut sentence = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        // Many an error says in its own words what is behind it.
        if !sentence.contains(&cause) {
            sentence = format!("{sentence}: {cause}");
        }
    }
    match error.chain().find_map(of_cause) {
        Some(remedy) => format!("{sentence}: {remedy}"),
        None => sentence,
    }
}

/// What to do about what is behind an error.
fn of_cause(cause: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = cause.downcast_ref() {
        return of_database(error);
    }
    if let Some(error) = cause.downcast_ref() {
        return of_reference(error);
    }
    if let Some(error) = cause.downcast_ref() {
        return of_suite(error);
    }
    let is_of_saved_fit = matches!(
        cause.downcast_ref(),
        Some(LoadError::Unreadable { .. } | LoadError::Json { .. } | LoadError::Trace { .. })
    ) || matches!(cause.downcast_ref(), Some(SavedFamilyError::Unreadable { .. }));
    if is_of_saved_fit {
        return Some("`stanmatch fit --output` saves one".to_owned());
    }
    if let Some(error) = cause.downcast_ref() {
        return of_model(error);
    }
    of_toolchain(cause.downcast_ref()?)
}

fn of_database(error: &DatabaseError) -> Option<String> {
    match error {
        DatabaseError::UnknownPosterior { near, .. } if near.is_empty() => {
            Some("`stanmatch db list` shows the names of all".to_owned())
        }
        DatabaseError::MissingProgram { model, .. } => {
            Some(format!("give a folder that holds {model}.stan with --models"))
        }
        DatabaseError::NotEmbedded => Some("give one with --posteriordb".to_owned()),
        _ => None,
    }
}

fn of_reference(error: &ReferenceError) -> Option<String> {
    let ReferenceError::Checks { failures, .. } = error else { return None };
    let mut flags: Vec<String> = failures.iter().filter_map(ReferenceFailure::option).map(flag).collect();
    flags.dedup();
    (!flags.is_empty()).then(|| format!("raise {}", flags.join(" and ")))
}

fn of_suite(error: &SuiteError) -> Option<String> {
    let remedy = match error {
        SuiteError::Database(error) => return of_database(error),
        SuiteError::DatabaseGiven(_) => "leave --posteriordb out, or set `database = \"given\"` in the manifest",
        SuiteError::NoDatabaseGiven(_) => "give one with --posteriordb",
        SuiteError::Stopped { .. } => "free some space, then continue with --resume",
        SuiteError::Exists(_) => "continue it with --resume, or give --output another name",
        SuiteError::Unrelated { .. } => "`stanmatch suite accept` makes a new baseline from a run",
        _ => return None,
    };
    Some(remedy.to_owned())
}

/// What to do about a program that became no model. [`ModelLoadError::NoModel`] has its cause in the chain of errors.
fn of_model(error: &ModelLoadError) -> Option<String> {
    match error {
        ModelLoadError::Toolchain(error) => of_toolchain(error),
        // The coordinator of a suite lets it be compiled.
        ModelLoadError::NotInstant { .. } if crash::is_worker() => None,
        ModelLoadError::NotInstant { .. } => Some("leave --toolchain out, or use --toolchain httpstan".to_owned()),
        _ => None,
    }
}

fn of_toolchain(error: &ToolchainError) -> Option<String> {
    let remedy = match error {
        ToolchainError::Missing { remedy, .. } => format!("`{}` installs one", of_part(remedy)),
        ToolchainError::Platform { .. } => format!("`{}` fetches one", install(&InstallSource::BridgeStan)),
        ToolchainError::Unloadable { .. } => {
            format!("`{}` installs it again", of_part(&Remedy::Reinstall(InstallSource::Stanli)))
        }
        ToolchainError::NoLibraries => "compile with --toolchain httpstan or bridgestan".to_owned(),
        ToolchainError::NotBridgeStan { .. } => "set BRIDGESTAN or --bridgestan to one".to_owned(),
        ToolchainError::UnknownWheel { .. } => {
            "fetch the version that `stanmatch toolchain install --help` names".to_owned()
        }
        ToolchainError::Command { command, .. } if command == "python3" => "--wheel takes the file".to_owned(),
        _ => return None,
    };
    Some(remedy)
}

/// What to type for a toolchain that lacks a part.
pub fn of_part(remedy: &Remedy) -> String {
    match remedy {
        Remedy::Install(source) => install(source),
        Remedy::Reinstall(source) => format!("{} --force", install(source)),
        Remedy::PrecompileHeaders => format!("{} --precompile-headers", install(&InstallSource::Httpstan)),
        Remedy::Elsewhere(command) => (*command).to_owned(),
        _ => "stanmatch doctor".to_owned(),
    }
}

fn install(source: &InstallSource) -> String {
    let options = match source {
        InstallSource::Stanli => String::new(),
        InstallSource::Httpstan => " --from httpstan".to_owned(),
        InstallSource::BridgeStan => " --from bridgestan".to_owned(),
        InstallSource::Wheel(file) => format!(" --wheel {}", file.display()),
        _ => " --help".to_owned(),
    };
    format!("stanmatch toolchain install{options}")
}

/// The flag that sets an option of the library.
fn flag(option: &str) -> String {
    format!("--{}", option.replace('_', "-"))
}

/// The error with the flag that it is about, and what to do.
pub fn with_remedy(error: FitError) -> anyhow::Error {
    if let FitError::Rejected { error, rejections } = error {
        return anyhow::anyhow!("{}. The program said: {rejections}", with_remedy(*error));
    }
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
                "--rank must be less than the dimension {dim}, but is {rank}: for a full covariance use --method bam"
            );
        }
        FitError::Init(error) => of_init(error),
        FitError::Engine(EngineError::Driver(DriverError::NoUsableDraws(_))) => "start elsewhere with --init",
        FitError::Engine(EngineError::Driver(DriverError::Stuck(_))) => {
            "start elsewhere with --init, or check the gradient with --check-gradient"
        }
        FitError::Engine(EngineError::State(StateError::Engine { .. }))
        | FitError::State(StateError::Engine { .. }) => "give the saved fit's --method",
        FitError::State(StateError::Seed { .. }) => "give the saved fit's --seed",
        FitError::Engine(EngineError::State(StateError::Rank { .. })) => "give the saved fit's --rank",
        FitError::OptionOfState { option, .. } => {
            return anyhow::anyhow!("{error}: give the saved fit's --{}", option.code());
        }
        FitError::Engine(EngineError::State(_)) | FitError::State(_) => "begin without --resume",
        FitError::Sivi(SiviError::State(_)) => "give the saved fit's posterior and options, or begin without --resume",
        FitError::Sivi(SiviError::NoUsableDraws) => "start elsewhere with --init",
        FitError::Sivi(SiviError::NoProducts(_)) => "use --method bam",
        FitError::NotResumable { .. } | FitError::BudgetOfSteps { .. } => {
            if matches!(error, FitError::NotResumable { .. }) { "leave --resume out" } else { "leave --budget out" }
        }
        FitError::Budget { .. }
        | FitError::BudgetOfChains { .. }
        | FitError::Engine(EngineError::Driver(DriverError::Budget { .. })) => "raise --budget or leave it out",
        FitError::Map(_) => "start elsewhere with --init",
        FitError::TooManyParameters { .. } => "use --method auto",
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
