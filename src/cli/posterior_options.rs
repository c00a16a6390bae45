//! The options that choose a posterior, and opening it: from a name or files to a target that can be evaluated.

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use stanmatch::database::{Database, Posterior};
use stanmatch::program::Program;
use stanmatch::random::stan_seed;
use stanmatch::suite::PosteriorSource;
use stanmatch::toolchain::{Choice, Description, Loaded, StanModel};

use super::crash;
use super::database_options::ProgramOptions;
use super::toolchain_options::{ToolchainOptions, load_model};

/// Which posterior is meant.
#[derive(clap::Args, Clone)]
pub struct PosteriorOptions {
    /// The posterior's name or alias in the database
    #[arg(required_unless_present = "model", conflicts_with = "model")]
    posterior: Option<String>,

    /// A Stan program, or a compiled library with BridgeStan's interface (.so), instead of a posterior of the database
    #[arg(long, value_name = "FILE.stan")]
    model: Option<PathBuf>,

    /// The data of the program that --model names, as a JSON object; leave it out for a program without data
    #[arg(long, value_name = "FILE.json", requires = "model", conflicts_with = "posterior")]
    data: Option<PathBuf>,

    #[command(flatten)]
    database: ProgramOptions,

    #[command(flatten)]
    toolchain: ToolchainOptions,
}

/// A posterior that can be evaluated.
pub struct Opened {
    /// The posterior's name, or the program's when it came from a file.
    pub name: String,
    /// The program's name.
    pub model: String,
    /// The program's text; empty for a library that was compiled elsewhere.
    pub source: String,
    /// The database's entry; None for a program from a file.
    pub posterior: Option<Posterior>,
    /// The program with its data.
    pub target: StanModel,
    /// What made it.
    pub toolchain: Description,
}

/// A posterior to be opened, and what makes its model.
pub struct PosteriorRequest {
    /// Where it comes from.
    pub source: PosteriorSource,
    /// Which toolchain makes its model.
    pub toolchain: Choice,
}

impl PosteriorOptions {
    /// Finds the program and its data, and makes them a model. `seed` is for random numbers in `transformed data`.
    pub fn open(&self, seed: u64) -> anyhow::Result<Opened> {
        Ok(self.request().open_while(seed, |_| ())?.0)
    }

    /// What the options ask for.
    pub fn request(&self) -> PosteriorRequest {
        let source = match &self.model {
            Some(program) => PosteriorSource::Files { program: program.clone(), data: self.data.clone() },
            None => {
                let (posteriordb, models) = self.database.folders();
                PosteriorSource::Database { name: self.posterior.clone().unwrap_or_default(), posteriordb, models }
            }
        };
        PosteriorRequest { source, toolchain: self.toolchain.choice() }
    }
}

impl PosteriorRequest {
    /// Finds the program and its data, and makes them a model, while a thread of its own reads something else from the
    /// database's entry, where there is one. `seed` is for random numbers in `transformed data`.
    pub fn open_while<T: Send>(
        &self,
        seed: u64,
        read: impl FnOnce(&Posterior) -> T + Send,
    ) -> anyhow::Result<(Opened, Option<T>)> {
        let (name, posterior, program, data) = match &self.source {
            PosteriorSource::Files { program, data } if Program::is_library(program) => {
                return Ok((load(program, &data_text(data.as_deref())?, seed)?, None));
            }
            PosteriorSource::Files { program, data } => {
                let program = Program::file(program)?;
                (program.name().to_owned(), None, program, data_text(data.as_deref())?)
            }
            PosteriorSource::Database { name, posteriordb, models } => {
                let database = Database::open(posteriordb.as_deref(), models.as_deref())?;
                let posterior = database.posterior(name)?;
                let (program, data) = (posterior.program()?, posterior.data()?);
                (posterior.name.clone(), Some(posterior), program, data)
            }
        };
        let (loaded, read) = thread::scope(|scope| {
            let read = posterior.as_ref().map(|posterior| scope.spawn(move || read(posterior)));
            let loaded = load_model(&self.toolchain, &program, &data, seed);
            (loaded, read.map(|read| read.join().unwrap_or_else(|panic| resume_unwind(panic))))
        });
        let Loaded { model: target, toolchain } = loaded?;
        let model = program.name().to_owned();
        let source = program.source().to_owned();
        Ok((Opened { name, model, source, posterior, target, toolchain }, read))
    }
}

/// Loads a library that was compiled elsewhere.
fn load(library: &Path, data: &str, seed: u64) -> anyhow::Result<Opened> {
    let library = std::path::absolute(library)?;
    let toolchain = Description::of_library(&library);
    let _guard = crash::guard(&format!("a model of {}", library.display()));
    let target = StanModel::load(&library, data, stan_seed(seed))?;
    let name = library.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Opened { model: name.clone(), name, source: String::new(), posterior: None, target, toolchain })
}

/// The text of the data file; none for a program without data.
fn data_text(data: Option<&Path>) -> anyhow::Result<String> {
    match data {
        None => Ok(String::new()),
        Some(path) => {
            std::fs::read_to_string(path).with_context(|| format!("the data file {} cannot be read", path.display()))
        }
    }
}

/// A bar on standard error that counts iterations; nothing in a pipe.
pub fn iteration_bar(total: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} iterations  {msg} {elapsed}");
    ProgressBar::new(total as u64).with_style(style.expect("a valid template"))
}
