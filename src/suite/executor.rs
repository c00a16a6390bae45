//! Running a plan: a worker process per job, some at a time. Workers make instant models themselves; the programs that
//! have none are compiled once, after all other jobs, and then have their workers.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use serde_json::Value;

use super::worker::{
    self, ENVIRONMENT, Ending, HEADROOM_MEGABYTES, INVALID_PROGRAM, NOT_INSTANT, Outcome, signal_name,
};
use super::{Job, JobRequest, Plan, RunFile, Source, SuiteError, fit_folder, job_result};
use crate::document::{Failure, FailureKind, JobRecord};
use crate::program::Program;
use crate::toolchain::{Choice, ToolchainError};

/// At most so many compilers at a time: each takes more than a gigabyte of memory.
const COMPILERS: usize = 4;

/// Sees a run as it proceeds.
pub trait RunObserver {
    /// So many programs are compiled, or found in the cache.
    fn compiling(&self, programs: usize);
    /// One program more is.
    fn compiled(&self);
    /// So many jobs are about to run.
    fn running(&self, jobs: usize);
    /// One job more is done and on the disk.
    fn done(&self, record: &JobRecord);
}

/// How jobs are run.
pub struct Executor<'a> {
    /// The binary whose hidden command `suite work` is a worker.
    pub program: PathBuf,
    /// Jobs at a time.
    pub workers: usize,
    /// Whether instant models are tried first.
    pub instant: bool,
    /// Which toolchain compiles the programs that have none.
    pub toolchain: Choice,
    /// The folder in which the fit of each cell's first seed is saved.
    pub save_fits: Option<PathBuf>,
    /// Compiles a program into the cache, or says why it cannot; none where only instant models were asked for.
    pub compile: Option<&'a Compile<'a>>,
}

/// Compiles a program into the cache, or says why it cannot.
pub type Compile<'a> = dyn Fn(&Program) -> Result<(), Failure> + Sync + 'a;

/// Of which kind it is that a program could not be compiled.
pub fn compile_failure(error: &ToolchainError) -> FailureKind {
    if error.is_of_program() { FailureKind::Compile } else { FailureKind::Environment }
}

/// What makes a job's model.
#[derive(Clone, Copy)]
enum Making<'a> {
    /// The worker, instantly.
    Instant,
    /// A compiler, before the worker; what is wrong, by posterior.
    Compiled(&'a BTreeMap<String, Failure>),
}

/// What became of a job.
enum Done {
    /// It came to this.
    Record(Box<JobRecord>),
    /// Its program has to be compiled first; why, from the first job of its posterior.
    Later(Job, Option<String>),
}

impl fmt::Debug for Executor<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Executor");
        shown.field("program", &self.program).field("workers", &self.workers).field("instant", &self.instant);
        shown.field("toolchain", &self.toolchain).field("save_fits", &self.save_fits).finish_non_exhaustive()
    }
}

impl Executor<'_> {
    /// Runs `jobs` and adds each to `run_file` as it ends, in no particular order.
    ///
    /// # Errors
    /// When the run file takes no more lines: the jobs that run are ended then.
    pub fn run(
        &self,
        plan: &Plan,
        jobs: &[Job],
        run_file: &mut RunFile,
        observer: &dyn RunObserver,
    ) -> Result<(), SuiteError> {
        let (mut left, mut reasons) = (jobs.to_vec(), BTreeMap::new());
        if self.instant {
            observer.running(left.len());
            (left, reasons) = self.run_all(plan, &left, Making::Instant, run_file, observer)?;
        }
        if !left.is_empty() {
            let broken = self.compile_all(plan, &left, &reasons, observer);
            observer.running(left.len());
            self.run_all(plan, &left, Making::Compiled(&broken), run_file, observer)?;
        }
        Ok(())
    }

    /// Runs `jobs` and returns those whose programs have to be compiled first, and why, by posterior.
    fn run_all(
        &self,
        plan: &Plan,
        jobs: &[Job],
        making: Making<'_>,
        run_file: &mut RunFile,
        observer: &dyn RunObserver,
    ) -> Result<(Vec<Job>, BTreeMap<String, String>), SuiteError> {
        let (stop, next) = (AtomicBool::new(false), AtomicUsize::new(0));
        // Why the jobs of a posterior are for later.
        let not_instant = Mutex::new(BTreeMap::new());
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..self.workers.clamp(1, jobs.len().max(1)) {
                let sender = sender.clone();
                let (stop, next, not_instant) = (&stop, &next, &not_instant);
                scope.spawn(move || {
                    let lock = || not_instant.lock().unwrap_or_else(PoisonError::into_inner);
                    while let Some(&job) = jobs.get(next.fetch_add(1, Relaxed)) {
                        let posterior = &plan.cells[job.cell].posterior;
                        let done = if lock().contains_key(posterior) {
                            Some(Done::Later(job, None))
                        } else {
                            self.job(plan, job, making, stop)
                        };
                        let Some(done) = done else { break };
                        if let Done::Later(_, Some(reason)) = &done {
                            lock().insert(posterior.clone(), reason.clone());
                        }
                        if stop.load(Relaxed) || sender.send(done).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(sender);
            let (mut written, mut later) = (Ok(()), Vec::new());
            for done in receiver {
                match done {
                    Done::Later(job, _) => later.push(job),
                    Done::Record(record) if written.is_ok() => {
                        written = run_file.append(&record);
                        match written {
                            Ok(()) => observer.done(&record),
                            Err(_) => stop.store(true, Relaxed),
                        }
                    }
                    Done::Record(_) => {}
                }
            }
            later.sort_unstable();
            written.map(|()| later)
        })
        .map(|later| (later, not_instant.into_inner().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Compiles the programs of `jobs` that have no instant model; returns what is wrong, by posterior.
    pub fn prepare(&self, plan: &Plan, jobs: &[Job], observer: &dyn RunObserver) -> BTreeMap<String, Failure> {
        if !self.instant {
            return self.compile_all(plan, jobs, &BTreeMap::new(), observer);
        }
        let (mut left, mut reasons) = (Vec::new(), BTreeMap::new());
        let (mut broken, mut seen) = (BTreeMap::new(), HashSet::new());
        for &job in jobs.iter().filter(|job| seen.insert(&plan.cells[job.cell].posterior)) {
            let posterior = || plan.cells[job.cell].posterior.clone();
            let request = JobRequest { load_only: true, ..plan.request(job, Choice::Stanli, None) };
            let failure = match self.ask(plan, job, &request, &AtomicBool::new(false)) {
                Ok(outcome) if outcome.ending == Ending::Exit(NOT_INSTANT) && self.compile.is_some() => {
                    left.push(job);
                    reasons.insert(posterior(), messages(&outcome));
                    None
                }
                // What else is wrong is the result of the job.
                Ok(outcome) => before_the_fit(&outcome),
                Err(message) => Some(Failure { kind: FailureKind::Worker, message }),
            };
            broken.extend(failure.map(|failure| (posterior(), failure)));
        }
        broken.extend(self.compile_all(plan, &left, &reasons, observer));
        broken
    }

    /// Compiles the programs of `jobs`, for `reasons` by posterior; returns what is wrong, by posterior.
    fn compile_all(
        &self,
        plan: &Plan,
        jobs: &[Job],
        reasons: &BTreeMap<String, String>,
        observer: &dyn RunObserver,
    ) -> BTreeMap<String, Failure> {
        let mut broken = BTreeMap::new();
        // The posteriors of each program, which several may share.
        let mut programs: BTreeMap<String, (Program, Vec<String>)> = BTreeMap::new();
        let mut seen = HashSet::new();
        for job in jobs {
            let cell = &plan.cells[job.cell];
            if !seen.insert(&cell.posterior) {
                continue;
            }
            let program = match &cell.source {
                Source::Files { program, .. } if Program::is_library(program) => continue,
                Source::Files { program, .. } => Program::file(program).map_err(|error| error.to_string()),
                Source::Database(posterior) => posterior.program().map_err(|error| error.to_string()),
            };
            match program {
                Ok(program) => {
                    let key = format!("{}\n{}", program.shown(), program.source());
                    programs.entry(key).or_insert_with(|| (program, Vec::new())).1.push(cell.posterior.clone());
                }
                Err(message) => {
                    broken.insert(cell.posterior.clone(), Failure { kind: FailureKind::Compile, message });
                }
            }
        }
        observer.compiling(programs.len());
        let programs: Vec<_> = programs.into_values().collect();
        let (next, failures) = (AtomicUsize::new(0), Mutex::new(&mut broken));
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..self.workers.min(COMPILERS).clamp(1, programs.len().max(1)) {
                let sender = sender.clone();
                let (next, failures, programs) = (&next, &failures, &programs);
                scope.spawn(move || {
                    while let Some((program, posteriors)) = programs.get(next.fetch_add(1, Relaxed)) {
                        if let Some(Err(failure)) = self.compile.map(|compile| compile(program)) {
                            let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
                            let told = |name: &String| with_reason(&failure, reasons.get(name));
                            failures.extend(posteriors.iter().map(|name| (name.clone(), told(name))));
                        }
                        let _ = sender.send(());
                    }
                });
            }
            drop(sender);
            receiver.iter().for_each(|()| observer.compiled());
        });
        broken
    }

    /// Where the fit of a job is saved.
    fn saved_in(&self, plan: &Plan, job: Job) -> Option<PathBuf> {
        let cell = &plan.cells[job.cell];
        let folder = || fit_folder(&cell.posterior, &cell.configuration);
        self.save_fits.as_ref().filter(|_| plan.is_shown(job)).map(|fits| fits.join(folder()))
    }

    /// Lets a worker do `request`, which is that of `job`.
    ///
    /// # Errors
    /// When no worker could be started or asked, as a sentence.
    fn ask(&self, plan: &Plan, job: Job, request: &JobRequest, stop: &AtomicBool) -> Result<Outcome, String> {
        // A path may not be UTF-8.
        let request = serde_json::to_vec(request).map_err(|error| format!("the job cannot be handed over: {error}"))?;
        let mut command = Command::new(&self.program);
        command.args(["suite", "work"]).env("OPENBLAS_NUM_THREADS", "1");
        worker::run(&mut command, &request, &plan.cells[job.cell].limits, stop)
            .map_err(|error| format!("no worker could be started: {error}"))
    }

    /// What makes the model of a job.
    fn choice(&self, making: Making<'_>) -> Choice {
        match making {
            Making::Instant => Choice::Stanli,
            Making::Compiled(_) => self.toolchain.clone(),
        }
    }

    /// Runs one job; None when the run stops first.
    fn job(&self, plan: &Plan, job: Job, making: Making<'_>, stop: &AtomicBool) -> Option<Done> {
        let cell = &plan.cells[job.cell];
        let record = |record| Some(Done::Record(Box::new(record)));
        let failed = |kind, message| job_result::failed(cell, job, kind, message);
        if let Making::Compiled(broken) = making
            && let Some(Failure { kind, message }) = broken.get(&cell.posterior)
        {
            return record(failed(*kind, message.clone()));
        }
        let request = plan.request(job, self.choice(making), self.saved_in(plan, job));
        let outcome = match self.ask(plan, job, &request, stop) {
            Ok(outcome) => outcome,
            Err(reason) => return record(failed(FailureKind::Worker, reason)),
        };
        if outcome.ending == Ending::Exit(NOT_INSTANT) && self.compile.is_some() {
            return Some(Done::Later(job, Some(messages(&outcome))));
        }
        if let Some(Failure { kind, message }) = before_the_fit(&outcome) {
            return record(JobRecord { wall_seconds: outcome.seconds, ..failed(kind, message) });
        }
        let result = match outcome.ending {
            Ending::Stopped => return None,
            Ending::Time => failed(FailureKind::Time, format!("ended at the limit of {} s", cell.limits.seconds)),
            Ending::Memory => {
                failed(FailureKind::Memory, format!("ended at the limit of {} MB of memory", cell.limits.megabytes))
            }
            Ending::Signal(signal) if outcome.is_out_of_memory() => {
                let most = cell.limits.megabytes.saturating_add(HEADROOM_MEGABYTES);
                let message =
                    format!("ended by {}: it asked for more than {most} MB of addresses", signal_name(signal));
                failed(FailureKind::Memory, message)
            }
            Ending::Signal(signal) => failed(FailureKind::Signal, format!("ended by {}", signal_name(signal))),
            Ending::Exit(code) => match serde_json::from_slice(&outcome.output) {
                Ok(document) => job_result::of_document(cell, job, document),
                Err(_) => {
                    let said = outcome.last_words.trim().lines().last().unwrap_or("nothing").to_owned();
                    failed(FailureKind::Worker, format!("no result, exit code {code}; it said last: {said}"))
                }
            },
        };
        record(JobRecord { wall_seconds: outcome.seconds, ..result })
    }
}

/// What kept a worker from a fit, where it is no result of the fit.
fn before_the_fit(outcome: &Outcome) -> Option<Failure> {
    let kind = match outcome.ending {
        Ending::Exit(NOT_INSTANT | INVALID_PROGRAM) => FailureKind::Compile,
        Ending::Exit(ENVIRONMENT) => FailureKind::Environment,
        _ => return None,
    };
    Some(Failure { kind, message: messages(outcome) })
}

/// Why a program could not be compiled and, where that is the machine's fault, why it had to be.
fn with_reason(failure: &Failure, reason: Option<&String>) -> Failure {
    match reason {
        Some(reason) if failure.kind == FailureKind::Environment => {
            Failure { kind: failure.kind, message: format!("{reason}; {}", failure.message) }
        }
        _ => failure.clone(),
    }
}

/// The messages of a worker's document.
fn messages(outcome: &Outcome) -> String {
    let document: Value = serde_json::from_slice(&outcome.output).unwrap_or_default();
    let messages = document["messages"].as_array().into_iter().flatten();
    messages.filter_map(Value::as_str).collect::<Vec<_>>().join("; ")
}
