//! The options that choose a posterior, and opening it: from a name or files to a target that can be evaluated.

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use stanmatch::database::Posterior;
use stanmatch::program::Program;
use stanmatch::random::stan_seed;
use stanmatch::toolchain::{Description, Loaded, StanModel};

use super::crash;
use super::database_options::ProgramOptions;
use super::toolchain_options::ToolchainOptions;

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

impl PosteriorOptions {
    /// Finds the program and its data, and makes them a model. `seed` is for random numbers in `transformed data`.
    pub fn open(&self, seed: u64) -> anyhow::Result<Opened> {
        Ok(self.open_while(seed, |_| ())?.0)
    }

    /// The same, while a thread of its own reads something else from the database's entry, where there is one.
    pub fn open_while<T: Send>(
        &self,
        seed: u64,
        read: impl FnOnce(&Posterior) -> T + Send,
    ) -> anyhow::Result<(Opened, Option<T>)> {
        let (name, posterior, program, data) = match (&self.model, &self.posterior) {
            (Some(library), _) if Program::is_library(library) => return Ok((self.load(library, seed)?, None)),
            (Some(model), _) => {
                let program = Program::file(model)?;
                (program.name().to_owned(), None, program, self.data_text()?)
            }
            (None, name) => {
                let database = self.database.open()?;
                let posterior = database.posterior(name.as_deref().unwrap_or_default())?;
                let (program, data) = (posterior.program()?, posterior.data()?);
                (posterior.name.clone(), Some(posterior), program, data)
            }
        };
        let (loaded, read) = thread::scope(|scope| {
            let read = posterior.as_ref().map(|posterior| scope.spawn(move || read(posterior)));
            let loaded = self.toolchain.load(&program, &data, seed);
            (loaded, read.map(|read| read.join().unwrap_or_else(|panic| resume_unwind(panic))))
        });
        let Loaded { model: target, toolchain } = loaded?;
        let model = program.name().to_owned();
        let source = program.source().to_owned();
        Ok((Opened { name, model, source, posterior, target, toolchain }, read))
    }

    /// Loads a library that was compiled elsewhere.
    fn load(&self, library: &Path, seed: u64) -> anyhow::Result<Opened> {
        let toolchain = Description::of_library(library);
        let library = std::path::absolute(library)?;
        let _guard = crash::guard(&format!("a model of {}", library.display()));
        let target = StanModel::load(&library, &self.data_text()?, stan_seed(seed))?;
        let name = library.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Opened { model: name.clone(), name, source: String::new(), posterior: None, target, toolchain })
    }

    /// The data of `--model`.
    fn data_text(&self) -> anyhow::Result<String> {
        match &self.data {
            None => Ok(String::new()),
            Some(path) => std::fs::read_to_string(path)
                .with_context(|| format!("the data file {} cannot be read", path.display())),
        }
    }
}

/// A bar on standard error that counts iterations; nothing in a pipe.
pub fn iteration_bar(total: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} iterations  {msg} {elapsed}");
    ProgressBar::new(total as u64).with_style(style.expect("a valid template"))
}
