//! `stanmatch fit`: one posterior from the program to draws that say whether to trust them.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::ValueEnum;
use clap::builder::{PossibleValue, PossibleValuesParser};
use indicatif::ProgressBar;
use stanmatch::compare::{Comparison, compare, eubo};
use stanmatch::document::{ComparisonDocument, FitDocument, ToolchainRecord, finite};
use stanmatch::draws::Draws;
use stanmatch::engine::sivi::SiviOptions;
use stanmatch::engine::{Moments, SavedState, Schedule, TraceRow};
use stanmatch::fit::{
    Fit, FitArguments, FitOptions, MOST_MAP_ROUNDS, Method, Observer, QuantitySummary, SemiImplicitOptions,
    auto_engine, fit, method_names, resume,
};
use stanmatch::init::random_point;
use stanmatch::model::{Model, Target, check_gradient};
use stanmatch::output::{STATE, SavedFit, trace_csv};
use stanmatch::random::Stream;
use stanmatch::sample::{unconstrain, undefined_generated_quantities};
use stanmatch::suite::JobRequest;
use stanmatch::toolchain::StanModel;

use super::initial_values::initial_point;
use super::nuts_options::Threads;
use super::posterior_options::{PosteriorOptions, PosteriorRequest, iteration_bar};
use super::remedy::{explained, with_remedy};
use super::{Outcome, comparison_table, crash, documented, interrupt, output_file, print, sparkline, table};

/// Fit a posterior and report whether the answer can be trusted
///
/// Prints a summary of the draws, their comparison with reference draws if the posterior has any, and the verdict.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    posterior: PosteriorOptions,

    /// The method
    #[arg(long, default_value = "auto", value_parser = methods())]
    method: String,

    /// Where to start: path, map, laplace, random, zero, or a JSON file of parameter values in CmdStan's format
    /// [default: path; random for nuts]
    #[arg(long, value_name = "INIT")]
    init: Option<String>,

    /// Resume the fit saved in this folder. With the same options and more iterations or a larger budget, the result
    /// equals that of an uninterrupted run. A fit by sivi-sm or sivi saves its state in the folder of --output while it
    /// runs, so it can be stopped with Ctrl-C. It can be resumed only with the iterations and the budget that it had
    #[arg(long, value_name = "DIR", conflicts_with_all = ["init", "paths"])]
    resume: Option<PathBuf>,

    /// Number of optimisation paths of the method pathfinder and of --init path [default: 4]
    #[arg(long)]
    paths: Option<usize>,

    /// Draws per batch [default: a quarter of the dimension, from 16 to 128 for bam and to 32 for pbam; 128 for sivi-sm
    /// and sivi; 16 for others]
    #[arg(long)]
    batch: Option<usize>,

    /// Rank K of the low-rank plus diagonal covariance of pbam and advi-lowrank; less than the dimension, 0 for a
    /// diagonal covariance [default: 32, or the dimension less 1 if that is smaller]
    #[arg(long, value_name = "K")]
    rank: Option<usize>,

    /// Maximum number of iterations of the engine [default: 500; 14 rounds for map, and up to twice 10 more while its
    /// draws cannot be trusted; 40000 for sivi-sm and sivi]
    #[arg(long)]
    iterations: Option<usize>,

    /// The initial learning rate of the engine [default: batch size times dimension for bam and pbam, the best of a
    /// grid for advi, 0.001 for sivi-sm and sivi]
    #[arg(long, value_name = "RATE")]
    learning_rate: Option<f64>,

    /// How the learning rate changes over the iterations [default: constant]
    #[arg(long, value_enum)]
    schedule: Option<ScheduleName>,

    /// Maximum number of gradient evaluations, those of the init included
    #[arg(long, value_name = "GRADIENTS")]
    budget: Option<u64>,

    /// Number of draws to return
    #[arg(long, default_value_t = FitOptions::default().draws)]
    draws: usize,

    /// Seed of all random numbers
    #[arg(long, default_value_t = FitOptions::default().seed)]
    seed: u64,

    #[command(flatten)]
    threads: Threads,

    /// Stop after this many seconds, compilation included
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<f64>,

    /// Write the score divergence, the evidence lower bound and, if the posterior has reference draws, the errors at
    /// each iteration to this CSV file
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,

    /// Compare the program's gradient with finite differences first, and stop if they disagree
    #[arg(long)]
    check_gradient: bool,

    /// End with exit code 3 if the draws are outside tolerance of the reference draws
    #[arg(long)]
    check: bool,

    /// Save the fit in this folder: its document, its draws as CmdStan CSV and posteriordb JSON, its trace and the
    /// fitted Gaussian
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,

    /// Also save metrics, and initial values for this many chains (4 if no number is given), so that CmdStan's sampler
    /// can start from the fit
    #[arg(long, value_name = "CHAINS", requires = "output", num_args = 0..=1, require_equals = true, default_missing_value = "4")]
    cmdstan_init: Option<NonZeroUsize>,

    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// The methods' names, with a line for each.
fn methods() -> PossibleValuesParser {
    method_names().into_iter().map(|(name, summary)| PossibleValue::new(name).help(summary)).collect::<Vec<_>>().into()
}

#[derive(Clone, Copy, ValueEnum)]
enum ScheduleName {
    /// Constant
    Constant,
    /// Divided by the number of the iteration
    Inverse,
    /// Linear to zero
    Linear,
    /// Half a cosine wave to zero
    Cosine,
    /// Rises while the score divergence falls, and falls when it rises
    Adaptive,
}

impl From<ScheduleName> for Schedule {
    fn from(name: ScheduleName) -> Self {
        match name {
            ScheduleName::Constant => Self::Constant,
            ScheduleName::Inverse => Self::Inverse,
            ScheduleName::Linear => Self::Linear,
            ScheduleName::Cosine => Self::Cosine,
            ScheduleName::Adaptive => Self::Adaptive,
        }
    }
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let asked = arguments.fit();
    crash::answer_with(arguments.json, move |message| failed(&asked, message));
    if let Some(seconds) = arguments.timeout {
        let limit = Duration::try_from_secs_f64(seconds).context("--timeout must be a positive number of seconds")?;
        let (json, asked) = (arguments.json, arguments.fit());
        thread::spawn(move || give_up_after(limit, json, &asked));
    }
    carry_out(&arguments.request())
}

/// Does what one job of a suite asks for, and prints its document.
pub fn run_job(job: JobRequest) -> anyhow::Result<Outcome> {
    let asked = job.fit.clone();
    crash::answer_with(true, move |message| failed(&asked, message));
    let posterior = PosteriorRequest { source: job.posterior, toolchain: job.toolchain };
    if job.load_only {
        let opened = posterior.open_while(job.fit.seed, |_| ());
        return documented(true, opened, |message| failed(&job.fit, message)).map(|_| Outcome::Done);
    }
    carry_out(&Request {
        posterior,
        fit: job.fit,
        threads: job.threads,
        resume: None,
        trace: None,
        check_gradient: false,
        check: false,
        output: job.output,
        cmdstan_init: None,
        json: true,
    })
}

/// What is to be done, whoever asks: the command line, or the coordinator of a suite.
struct Request {
    posterior: PosteriorRequest,
    fit: FitArguments,
    threads: usize,
    /// The folder of the saved fit to continue.
    resume: Option<PathBuf>,
    trace: Option<PathBuf>,
    check_gradient: bool,
    check: bool,
    output: Option<PathBuf>,
    cmdstan_init: Option<NonZeroUsize>,
    json: bool,
}

fn carry_out(request: &Request) -> anyhow::Result<Outcome> {
    let fitted = documented(request.json, fit_posterior(request), |message| failed(&request.fit, message))?;
    interrupt::give_way();
    if request.json {
        print::json(&fitted.document)?;
    } else {
        fitted.document.messages.iter().for_each(|message| print::say("note: ", message));
        print::text(&shown(&fitted))?;
    }
    let outside = fitted.comparison.is_some_and(|comparison| !comparison.within_tolerance);
    Ok(if request.check && outside { Outcome::OutsideTolerance } else { Outcome::Done })
}

/// The document of a fit that failed, with what was asked for.
fn failed(asked: &FitArguments, message: String) -> FitDocument {
    FitDocument {
        method: Some(asked.method.clone()),
        init: asked.options(None).ok().map(|options| options.method.init().name().to_owned()),
        seed: Some(asked.seed),
        ..FitDocument::failed(message)
    }
}

/// A fit, its comparison with reference draws where there are any, and the document of both.
struct Fitted {
    document: FitDocument,
    fit: Fit,
    summaries: Vec<QuantitySummary>,
    comparison: Option<Comparison>,
}

/// Ends the process when the time is up: a program's own code cannot be interrupted in any other way.
fn give_up_after(limit: Duration, json: bool, asked: &FitArguments) {
    thread::sleep(limit);
    if !interrupt::take_over() {
        return;
    }
    interrupt::clean_up();
    let error = anyhow::anyhow!("no result within the {} seconds that --timeout allows", limit.as_secs_f64());
    if let Err(error) = documented::<(), _>(json, Err(error), |message| failed(asked, message)) {
        print::say("error: ", explained(&error));
    }
    interrupt::end(1)
}

impl Arguments {
    fn request(&self) -> Request {
        Request {
            posterior: self.posterior.request(),
            fit: self.fit(),
            threads: self.threads.count(),
            resume: self.resume.clone(),
            trace: self.trace.clone(),
            check_gradient: self.check_gradient,
            check: self.check,
            output: self.output.clone(),
            cmdstan_init: self.cmdstan_init,
            json: self.json,
        }
    }

    /// What is asked of the fit.
    fn fit(&self) -> FitArguments {
        FitArguments {
            method: self.method.clone(),
            init: self.init.clone(),
            paths: self.paths,
            batch: self.batch,
            rank: self.rank,
            iterations: self.iterations,
            averaging: None,
            learning_rate: self.learning_rate,
            schedule: self.schedule.map(Schedule::from),
            budget: self.budget,
            draws: self.draws,
            seed: self.seed,
        }
    }
}

fn fit_posterior(request: &Request) -> anyhow::Result<Fitted> {
    let asked = &request.fit;
    // What makes no sense is refused before anything is compiled.
    asked.options(None).map_err(with_remedy)?;
    let required = request.check;
    let (opened, reference) = request.posterior.open_while(asked.seed, |posterior| {
        if required { posterior.required_reference().map(Some) } else { posterior.reference() }
    })?;
    let point = asked.init_file().map(|file| initial_point(file, &opened.target, asked.seed)).transpose()?;
    let mut options = asked.options(point).map_err(with_remedy)?;
    if let Method::SemiImplicit(of_family) = &mut options.method {
        keep_state(request, of_family);
    }
    let reference = match reference {
        Some(reference) => reference?,
        None if request.check => bail!("--check needs a posterior of a database, with reference draws"),
        None => None,
    };
    let state = request.resume.as_ref().map(|folder| SavedState::load(&folder.join(STATE))).transpose()?;
    // Fails only where a pool exists already, which a process that has just started does not have.
    rayon::ThreadPoolBuilder::new().num_threads(request.threads).build_global()?;
    let reference_points = reference.as_ref().and_then(|reference| unconstrain(&opened.target, &reference.draws).ok());
    if let Method::Auto(of_gaussian) | Method::Engine(_, of_gaussian) = &mut options.method {
        of_gaussian.engine.reference = reference_points.as_ref().map(|points| Moments::of(points.view()));
    }
    if request.check_gradient {
        assert_gradient(&opened.target, asked.seed)?;
    }

    let progress = Progress(iteration_bar(most_iterations(&options.method, opened.target.dim())));
    let result = match state {
        Some(state) => resume(&opened.target, &options, state, &progress),
        None => fit(&opened.target, &options, &progress),
    };
    progress.0.finish_and_clear();
    let result = result.map_err(with_remedy)?;
    let points = [result.unconstrained.view()];
    let mut messages = undefined_generated_quantities(&opened.target, &result.draws, &points, asked.seed);
    // The Gaussian of one of several modes is not what the draws were weighed from.
    let has_one_mode = result.modes.as_ref().is_none_or(|modes| modes.modes.len() < 2);
    let approximation = result.approximation.as_ref().filter(|_| has_one_mode);
    let bound = reference_points.and_then(|points| eubo(&opened.target, approximation?, points.view()));
    let comparison = match reference.map(|reference| compare(&result.draws, &reference)) {
        Some(Ok(comparison)) => Some(comparison),
        Some(Err(error)) if request.check => return Err(error.into()),
        Some(Err(error)) => {
            messages.push(format!("there is no comparison with reference draws: {error}"));
            None
        }
        None => None,
    };
    let summaries = result.summaries();
    let mut document = FitDocument::of_fit(&opened.name, &opened.model, &options, &result, &summaries);
    document.normalized = Some(opened.target.is_normalized());
    document.eubo = bound.and_then(|bound| finite(bound.value));
    document.eubo_mcse = bound.and_then(|bound| finite(bound.mcse));
    document.messages.extend(messages);
    document.comparison = comparison.as_ref().map(ComparisonDocument::from);
    document.toolchain = Some(ToolchainRecord::from(&opened.toolchain));
    if let Some(path) = &request.trace {
        output_file::write(path, trace_csv(&result.trace))?;
    }
    if let Some(folder) = &request.output {
        let (target, program, cmdstan_chains) = (&opened.target, opened.source.as_str(), request.cmdstan_init);
        SavedFit { document: &document, fit: &result, target, program, cmdstan_chains }
            .write(folder)
            .with_context(|| format!("the fit cannot be saved in {}", folder.display()))?;
    }
    Ok(Fitted { document, fit: result, summaries, comparison })
}

/// A semi-implicit fit takes minutes: while it runs it keeps its state in the folder that it is to be saved in, or was.
fn keep_state(request: &Request, options: &mut SemiImplicitOptions) {
    if let Some(folder) = request.output.as_ref().or(request.resume.as_ref()) {
        options.keep_state = Some(folder.join(STATE));
        interrupt::say_at_end(format!("stopped: continue with --resume {}", folder.display()));
    }
}

/// At most so many iterations of the engine.
fn most_iterations(method: &Method, dim: usize) -> usize {
    match method {
        Method::Auto(options) => options.engine.driver(auto_engine(dim), dim).max_iterations,
        Method::Engine(engine, options) => options.engine.driver(*engine, dim).max_iterations,
        Method::SemiImplicit(options) => options.steps.unwrap_or(SiviOptions::default().steps),
        Method::Map(options) => options.rounds.unwrap_or(MOST_MAP_ROUNDS),
        Method::Pathfinder { .. } | Method::Laplace | Method::Nuts(_) => 0,
    }
}

/// A bar on standard error.
struct Progress(ProgressBar);

impl Observer for Progress {
    fn phase(&self, name: &'static str) -> ControlFlow<()> {
        self.0.reset();
        self.0.unset_length();
        self.0.set_message(name);
        ControlFlow::Continue(())
    }

    fn iteration(&self, row: &TraceRow) -> ControlFlow<()> {
        self.0.set_message(format!("score divergence {:.2e} ", row.score_divergence));
        self.0.inc(1);
        ControlFlow::Continue(())
    }

    fn transition(&self) -> ControlFlow<()> {
        self.0.inc(1);
        ControlFlow::Continue(())
    }
}

/// Compares the gradient with finite differences at a random point.
fn assert_gradient(target: &StanModel, seed: u64) -> anyhow::Result<()> {
    let point = random_point(target, &mut Stream::Path(0).of(seed)).map_err(|error| with_remedy(error.into()))?;
    let Some(worst) = check_gradient(target, &point.position).context("the gradient cannot be checked")? else {
        return Ok(());
    };
    let name = &target.unconstrained_names()[worst.element];
    if worst.error > 1.0 || worst.error.is_nan() {
        bail!(
            "the program's gradient is wrong: its element for {name} is {}, but finite differences give {}",
            worst.score,
            worst.difference
        );
    }
    Ok(())
}

fn shown(fitted: &Fitted) -> String {
    let Fitted { document, fit, summaries, comparison } = fitted;
    let table = match comparison {
        Some(comparison) => comparison_table::shown(comparison, Some(&fit.draws)),
        None => summary_table(summaries, &fit.draws),
    };
    let (verdict, counts) = (&fit.verdict, fit.counts());
    format!(
        "{table}\n{}: Pareto k {}, score divergence {} per dimension, ELBO {}{}\n\
         {} gradient and {} density evaluations in {:.2} s ({}, D = {})\n",
        document.status.name(),
        table::fixed(verdict.pareto_k, 2),
        table::number(verdict.score_divergence),
        if verdict.elbo.abs() < 1e9 { table::fixed(verdict.elbo, 2) } else { table::number(verdict.elbo) },
        if document.normalized == Some(false) { " up to a constant" } else { "" },
        counts.gradient_evaluations,
        counts.density_evaluations,
        fit.seconds(),
        document.method.as_deref().unwrap_or_default(),
        fit.unconstrained.ncols(),
    )
}

fn summary_table(summaries: &[QuantitySummary], draws: &Draws) -> String {
    let header = ["parameter", "mean", "sd", "mcse", "5 %", "50 %", "95 %"];
    let rows = summaries.iter().map(|it| {
        let mut row = vec![print::printable(&it.name)];
        row.extend([it.mean, it.sd, it.mcse, it.q5, it.q50, it.q95].map(table::number));
        row
    });
    let mut table = table::table(&header, rows);
    sparkline::add(&mut table, summaries.iter().map(|it| it.name.as_str()), draws);
    format!("{table}\n")
}
