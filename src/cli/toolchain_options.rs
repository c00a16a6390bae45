//! The options that choose a Stan toolchain, and compiling with a progress line.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::parser::ValueSource;
use clap::{ArgMatches, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use stanmatch::program::Program;
use stanmatch::random::stan_seed;
use stanmatch::toolchain::{
    Choice, CompileOptions, CompileProgress, Compiled, Description, Loaded, ModelLoadError, Toolchain, ToolchainError,
};

use super::{crash, print};

/// Which Stan toolchain makes the model.
#[derive(clap::Args, Clone)]
pub struct ToolchainOptions {
    /// The toolchain that makes the model
    #[arg(long, value_enum, default_value_t = Kind::Auto, help_heading = "Toolchain")]
    toolchain: Kind,

    /// An official BridgeStan folder to compile with
    #[arg(long, value_name = "DIR", env = "BRIDGESTAN", value_parser = folder(), help_heading = "Toolchain")]
    bridgestan: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// The BridgeStan folder if one is given; otherwise stanli, and for programs that stanli cannot handle the installed
    /// httpstan or BridgeStan
    Auto,
    /// Instant models, without a compiler
    Stanli,
    /// Compiled models, with Stan from the Python package httpstan
    Httpstan,
    /// Compiled models, by a BridgeStan folder
    Bridgestan,
}

/// A folder that an environment variable may leave empty, which stands for none.
pub fn folder() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// Whether the command line names a BridgeStan folder that its own choice of a toolchain would ignore. One that the
/// environment names is for the commands that use it.
pub fn ignores_bridgestan(matches: &ArgMatches) -> bool {
    if let Some((_, matches)) = matches.subcommand() {
        return ignores_bridgestan(matches);
    }
    let kind = matches.try_get_one::<Kind>("toolchain").ok().flatten();
    matches!(kind, Some(Kind::Stanli | Kind::Httpstan))
        && matches.value_source("bridgestan") == Some(ValueSource::CommandLine)
}

impl ToolchainOptions {
    /// Which toolchain the options choose.
    pub fn choice(&self) -> Choice {
        let folder = self.bridgestan.clone().filter(|folder| !folder.as_os_str().is_empty());
        match (self.toolchain, folder) {
            (Kind::Stanli, _) => Choice::Stanli,
            (Kind::Httpstan, _) => Choice::Httpstan,
            (Kind::Auto, None) => Choice::Auto,
            (Kind::Auto | Kind::Bridgestan, folder) => Choice::BridgeStan(folder),
        }
    }

    /// The toolchain that the options choose to compile with.
    pub fn find(&self) -> Result<Toolchain, ToolchainError> {
        Toolchain::find(&self.choice())
    }

    /// What makes the models of what the options choose.
    ///
    /// # Errors
    /// When nothing is installed that could.
    pub fn description(&self) -> Result<Description, ToolchainError> {
        let choice = self.choice();
        match choice.description().filter(|_| choice.is_instant()) {
            Some(instant) => Ok(instant),
            None => Toolchain::find(&choice).map(|it| it.description()),
        }
    }

    /// Makes `program` with `data` a model, as [`load_model`] does.
    pub fn load(&self, program: &Program, data: &str, seed: u64) -> Result<Loaded, ModelLoadError> {
        load_model(&self.choice(), program, data, seed)
    }
}

/// Makes `program` with `data` a model, with a spinner on a terminal while it is compiled and a plain line elsewhere.
/// Stan's seeds have 32 bits.
pub fn load_model(choice: &Choice, program: &Program, data: &str, seed: u64) -> Result<Loaded, ModelLoadError> {
    let _guard = crash::guard(&format!("a model of {}", program.shown()));
    let spinner = Spinner::new();
    let loaded = choice.load(program, data, stan_seed(seed), &|progress| spinner.show(progress));
    spinner.finish();
    loaded
}

/// Compiles `program`, or finds it in the cache, with a spinner on a terminal and a plain line elsewhere.
pub fn compile(toolchain: &Toolchain, program: &Program, options: &CompileOptions) -> Result<Compiled, ToolchainError> {
    let spinner = Spinner::new();
    let compiled = toolchain.compile(program, options, &|progress| spinner.show(progress));
    spinner.finish();
    compiled
}

/// A line on standard error that moves while a compiler runs. Hidden until there is something to show.
pub struct Spinner {
    bar: ProgressBar,
}

impl Spinner {
    /// A spinner that shows nothing yet.
    pub fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        bar.set_style(ProgressStyle::with_template("{spinner} {msg} {elapsed}").expect("a valid template"));
        Self { bar }
    }

    /// Shows what a compilation is about to do.
    pub fn show(&self, progress: CompileProgress<'_>) {
        match progress {
            CompileProgress::Downloading(what) => self.line(format!("Fetching {what}")),
            CompileProgress::Unpacking(what) => self.line(format!("Unpacking {what}")),
            CompileProgress::Bridge => self.line("Compiling the bridge to Stan (once, about 20 s)".to_owned()),
            CompileProgress::Headers => self.line("Compiling Stan's headers (once, about 20 s)".to_owned()),
            CompileProgress::Compiling(name) => self.line(format!("Compiling {name} (about 20 s)")),
            CompileProgress::Warning(message) => self.bar.suspend(|| eprintln!("{message}")),
            CompileProgress::NotInstant { program, reason } => self.bar.suspend(|| {
                print::say("note: ", format_args!("{program} is compiled, as it has no instant model ({reason})"));
            }),
            _ => {}
        }
    }

    /// Removes the line.
    pub fn finish(self) {
        self.bar.finish_and_clear();
    }

    fn line(&self, message: String) {
        if self.bar.is_hidden() {
            eprintln!("{message}");
        } else {
            self.bar.set_message(message);
            self.bar.enable_steady_tick(Duration::from_millis(100));
        }
    }
}
