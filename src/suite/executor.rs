//! Running a plan: programs compiled once, then a worker process per job, some at a time.

use std::collections::{BTreeMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use super::worker::{self, Ending, HEADROOM_MEGABYTES, signal_name};
use super::{Job, Plan, RunFile, Source, SuiteError, fit_folder, job_result};
use crate::document::{FailureKind, JobRecord};
use crate::program::Program;

/// Compilers at a time, at the most: each takes more than a gigabyte of memory.
const COMPILERS: usize = 4;

/// Sees a run as it goes on.
pub trait Observer {
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
    /// More arguments for every `fit`, such as those that choose a toolchain.
    pub arguments: Vec<OsString>,
    /// The folder in which the fit of each cell's first seed is saved.
    pub save_fits: Option<PathBuf>,
    /// Compiles a program into the cache, or says why it cannot.
    pub compile: &'a (dyn Fn(&Program) -> Result<(), String> + Sync),
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
        observer: &dyn Observer,
    ) -> Result<(), SuiteError> {
        let broken = self.compile_all(plan, jobs, observer);
        observer.running(jobs.len());
        let (stop, next) = (AtomicBool::new(false), AtomicUsize::new(0));
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..self.workers.clamp(1, jobs.len().max(1)) {
                let sender = sender.clone();
                let (stop, next, broken) = (&stop, &next, &broken);
                scope.spawn(move || {
                    while let Some(&job) = jobs.get(next.fetch_add(1, Relaxed)) {
                        let Some(record) = self.job(plan, job, broken, stop) else { break };
                        if stop.load(Relaxed) || sender.send(record).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(sender);
            let mut written = Ok(());
            for record in receiver {
                if written.is_ok() {
                    written = run_file.append(&record);
                    match written {
                        Ok(()) => observer.done(&record),
                        Err(_) => stop.store(true, Relaxed),
                    }
                }
            }
            written
        })
    }

    /// Compiles the programs of `jobs`; returns what is wrong, by posterior.
    pub fn compile_all(&self, plan: &Plan, jobs: &[Job], observer: &dyn Observer) -> BTreeMap<String, String> {
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
                Err(reason) => {
                    broken.insert(cell.posterior.clone(), reason);
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
                        if let Err(reason) = (self.compile)(program) {
                            let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
                            failures.extend(posteriors.iter().map(|name| (name.clone(), reason.clone())));
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

    /// Runs one job; None when the run stops first.
    fn job(&self, plan: &Plan, job: Job, broken: &BTreeMap<String, String>, stop: &AtomicBool) -> Option<JobRecord> {
        let cell = &plan.cells[job.cell];
        let failed = |kind, message| job_result::failed(cell, job, kind, message);
        if let Some(reason) = broken.get(&cell.posterior) {
            return Some(failed(FailureKind::Compile, reason.clone()));
        }
        let mut command = Command::new(&self.program);
        command
            .args(["suite", "work", "--parent", &std::process::id().to_string()])
            .args(["--megabytes", &cell.limits.megabytes.to_string(), "--json"])
            .args(&self.arguments)
            .args(self.saved_in(plan, job).iter().flat_map(|folder| [OsStr::new("--output"), folder.as_os_str()]))
            .args(plan.arguments(job))
            // What a fit would take from the environment is said in its arguments, or not at all.
            .env_remove("POSTERIORDB")
            .env("OPENBLAS_NUM_THREADS", "1");
        let outcome = match worker::run(&mut command, &cell.limits, stop) {
            Ok(outcome) => outcome,
            Err(error) => return Some(failed(FailureKind::Worker, format!("no worker could be started: {error}"))),
        };
        let record = match outcome.ending {
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
        Some(JobRecord { wall_seconds: outcome.seconds, ..record })
    }
}
