//! The options that choose a Stan toolchain, and compiling with a progress line.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use stanmatch::program::Program;
use stanmatch::toolchain::{Choice, CompileOptions, Compiled, Progress, Toolchain, ToolchainError};

/// Which Stan toolchain compiles the model.
#[derive(clap::Args, Clone)]
pub struct ToolchainOptions {
    /// The kind of toolchain; auto uses a BridgeStan folder if one is given, otherwise what is installed
    #[arg(long, value_enum, default_value_t = Kind::Auto, help_heading = "Toolchain")]
    toolchain: Kind,

    /// An official BridgeStan folder to compile with
    #[arg(long, value_name = "DIR", env = "BRIDGESTAN", help_heading = "Toolchain")]
    bridgestan: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Auto,
    Httpstan,
    Bridgestan,
}

impl ToolchainOptions {
    /// Which toolchain the options choose.
    pub fn choice(&self) -> Choice {
        let folder = self.bridgestan.clone().filter(|folder| !folder.as_os_str().is_empty());
        match (self.toolchain, folder) {
            (Kind::Httpstan, _) => Choice::Httpstan,
            (Kind::Auto, None) => Choice::Auto,
            (Kind::Auto | Kind::Bridgestan, folder) => Choice::BridgeStan(folder),
        }
    }

    /// The toolchain that the options choose.
    pub fn find(&self) -> Result<Toolchain, ToolchainError> {
        Toolchain::find(&self.choice())
    }
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
    pub fn show(&self, progress: Progress<'_>) {
        match progress {
            Progress::Downloading(what) => self.line(format!("Fetching {what}")),
            Progress::Unpacking(what) => self.line(format!("Unpacking {what}")),
            Progress::Bridge => self.line("Compiling the bridge to Stan (once, about 20 s)".to_owned()),
            Progress::Headers => self.line("Compiling Stan's headers (once, about 20 s)".to_owned()),
            Progress::Compiling(name) => self.line(format!("Compiling {name} (about 20 s)")),
            Progress::Warning(message) => self.bar.suspend(|| eprintln!("{message}")),
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
