//! `stanmatch suite run`: every job of a manifest, in worker processes.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use stanmatch::document::{Failure, JobRecord, RunHeader, RunToolchain, Status, ToolchainVersion};
use stanmatch::program::Program;
use stanmatch::suite::{
    Baseline, Compile, Executor, Manifest, Overrides, Plan, Run, RunFile, RunObserver, Shard, compile_failure,
    run_header,
};
use stanmatch::toolchain::{Choice, CompileOptions, CompileProgress, Description, Toolchain, ToolchainError};

use super::verdict_output::{JudgeOptions, SCHEMA};
use crate::cli::remedy::explained;
use crate::cli::toolchain_options::ToolchainOptions;
use crate::cli::{Outcome, documented, failed, interrupt, print};

/// Run a suite
///
/// Each job runs in a process of its own and becomes a line of the run file. Ends with exit code 3 if something has
/// regressed since the baseline, or a job did not meet the manifest's expectation.
#[derive(clap::Args)]
pub struct Arguments {
    /// The manifest
    #[arg(value_name = "SUITE.toml")]
    manifest: PathBuf,

    /// The run file [default: the suite's name with .run.jsonl]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Continue an interrupted run
    #[arg(long)]
    resume: bool,

    /// The number of jobs at a time; the results do not depend on it [default: the number of processors]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,

    /// Run part I of N
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,

    /// Compile the programs that have no instant model into the cache, and stop
    #[arg(long, conflicts_with_all = ["output", "resume", "save_fits", "baseline", "junit", "markdown", "json"])]
    compile_only: bool,

    /// The number of seeds, instead of the manifest's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    seeds: Option<u64>,

    /// The first seed, instead of the manifest's
    #[arg(long, value_name = "SEED")]
    first_seed: Option<u64>,

    /// Save the fit of each case's first seed in this folder, for `suite report --fits`
    #[arg(long, value_name = "DIR")]
    save_fits: Option<PathBuf>,

    #[command(flatten)]
    judge: JudgeOptions,

    /// A posteriordb checkout or its folder `posterior_database`, if the manifest's database is `given` or a folder. If
    /// it is `given`, the environment variable POSTERIORDB does the same
    #[arg(long, value_name = "DIR")]
    posteriordb: Option<PathBuf>,

    /// A folder of Stan programs, named by model, for those that the database lacks
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,

    #[command(flatten)]
    toolchain: ToolchainOptions,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    if arguments.compile_only {
        return compile_all(arguments);
    }
    let (run, baseline) = documented(arguments.judge.json, execute(arguments), failed(SCHEMA))?;
    arguments.judge.judge(&run, baseline.as_ref())
}

/// Compiles what a run would compile.
fn compile_all(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let plan = plan(arguments)?;
    let compile = |program: &Program| compile(&arguments.toolchain, program);
    let broken = executor(arguments, &compile)?.prepare(&plan, &plan.jobs(arguments.shard), &Bar::new(0));
    broken.iter().for_each(|(posterior, reason)| print::say("", format_args!("{posterior}: {}", reason.message)));
    match broken.len() {
        0 => Ok(Outcome::Done),
        count => bail!("the programs of {count} posteriors do not compile"),
    }
}

fn plan(arguments: &Arguments) -> anyhow::Result<Plan> {
    let manifest = Manifest::read(&arguments.manifest)?;
    let plan = Plan::new(
        &manifest,
        &Overrides {
            posteriordb: arguments.posteriordb.clone().or_else(|| from_environment(&manifest)),
            models: arguments.models.clone(),
            seeds: arguments.seeds,
            first_seed: arguments.first_seed,
        },
    )?;
    plan.warnings.iter().for_each(|warning| print::say("warning: ", warning));
    Ok(plan)
}

fn executor<'a>(arguments: &Arguments, compile: &'a Compile<'a>) -> anyhow::Result<Executor<'a>> {
    let choice = arguments.toolchain.choice();
    Ok(Executor {
        program: std::env::current_exe().context("this program's own file cannot be found")?,
        workers: workers(arguments.jobs),
        instant: choice.is_instant(),
        // Without a toolchain to compile with the worker says so.
        toolchain: Toolchain::find(&choice).map(|it| it.choice()).unwrap_or_else(|_| choice.clone()),
        save_fits: arguments.save_fits.clone(),
        compile: (choice != Choice::Stanli).then_some(compile),
    })
}

/// What makes the models of a run.
fn run_toolchain(choice: &Choice) -> RunToolchain {
    let version = |it: Description| ToolchainVersion { source: it.source.to_owned(), stan_version: it.stan_version };
    RunToolchain {
        instant: choice.description().filter(|_| choice.is_instant()).map(version),
        compiled: Toolchain::find(choice).ok().map(|it| version(it.description())),
    }
}

/// Runs what is left to run, and returns the whole run and the baseline to compare it with.
fn execute(arguments: &Arguments) -> anyhow::Result<(Run, Option<Baseline>)> {
    let plan = plan(arguments)?;
    let cells = plan.cells.iter().map(|cell| (cell.posterior.as_str(), cell.configuration.as_str()));
    let baseline = arguments.judge.baseline(&plan.suite, cells)?;
    let path = arguments.output.clone().unwrap_or_else(|| PathBuf::from(format!("{}.run.jsonl", plan.suite)));
    let header = RunHeader {
        description: plan.description.clone(),
        toolchain: Some(run_toolchain(&arguments.toolchain.choice())),
        ..run_header(&plan.suite, plan.fingerprint()?, plan.cells.len(), plan.seeds.clone())
    };
    let (mut run_file, done) = RunFile::open(&path, &header, arguments.resume)?;
    let jobs = plan.remaining_jobs(arguments.shard, &done);
    interrupt::say_at_end(format!("stopped: continue with --resume; the jobs in {} are safe", path.display()));
    let compile = |program: &Program| compile(&arguments.toolchain, program);
    executor(arguments, &compile)?.run(&plan, &jobs, &mut run_file, &Bar::new(done.len() as u64))?;
    drop(run_file);
    eprintln!("the run is in {}", path.display());
    Ok((Run::read(&path)?, baseline))
}

/// The environment speaks to every command, so that a manifest that says what it wants does not listen to it.
fn from_environment(manifest: &Manifest) -> Option<PathBuf> {
    let folder = std::env::var_os("POSTERIORDB").filter(|folder| !folder.is_empty() && manifest.database == "given");
    folder.map(PathBuf::from)
}

fn workers(jobs: Option<NonZeroUsize>) -> usize {
    let available = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    jobs.map_or_else(available, NonZeroUsize::get)
}

fn compile(options: &ToolchainOptions, program: &Program) -> Result<(), Failure> {
    compiled(options, program).map_err(|error| {
        let kind = compile_failure(&error);
        Failure { kind, message: explained(&error.into()) }
    })
}

fn compiled(options: &ToolchainOptions, program: &Program) -> Result<(), ToolchainError> {
    let toolchain: Toolchain = options.find()?;
    let say = |progress: CompileProgress<'_>| {
        if let CompileProgress::Warning(message) = progress {
            print::say("", message);
        }
    };
    toolchain.compile(program, &CompileOptions::default(), &say).map(|_| ())
}

/// A bar on standard error with counts and the time left; nothing in a pipe.
struct Bar {
    bar: ProgressBar,
    /// How many jobs the run holds already.
    before: std::cell::Cell<u64>,
    failed: std::cell::Cell<u64>,
    flagged: std::cell::Cell<u64>,
}

impl Bar {
    /// A bar for a run that holds `before` jobs already.
    fn new(before: u64) -> Self {
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}, {eta} left");
        let bar = ProgressBar::new(0).with_style(style.expect("a valid template"));
        Self { bar, before: before.into(), failed: 0.into(), flagged: 0.into() }
    }
}

impl RunObserver for Bar {
    fn compiling(&self, programs: usize) {
        self.bar.reset();
        self.bar.set_length(programs as u64);
        self.bar.set_message("programs compiled");
    }

    fn compiled(&self) {
        self.bar.inc(1);
    }

    fn running(&self, jobs: usize) {
        self.bar.reset();
        self.bar.set_length(self.before.get() + jobs as u64);
        self.bar.set_position(self.before.get());
        self.bar.reset_eta();
        self.bar.set_message("jobs");
    }

    fn done(&self, record: &JobRecord) {
        self.before.set(self.before.get() + 1);
        match record.status {
            Status::Ok => {}
            Status::Flagged => self.flagged.set(self.flagged.get() + 1),
            Status::Failed => self.failed.set(self.failed.get() + 1),
        }
        self.bar.set_message(format!("jobs, {} flagged, {} failed", self.flagged.get(), self.failed.get()));
        self.bar.inc(1);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
