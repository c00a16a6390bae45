//! `stanmatch suite work`: one job of a suite, from standard input, in a process that its coordinator may end.

use std::io;

use anyhow::Context;
use stanmatch::suite::{JobRequest, confine};
use stanmatch::toolchain::ModelLoadError;

use crate::cli::{Outcome, crash, fit};

pub fn run() -> anyhow::Result<Outcome> {
    let job: JobRequest =
        serde_json::from_reader(io::stdin().lock()).context("standard input is not a job of a suite")?;
    confine(job.coordinator, job.limits.megabytes).context("the worker's limits cannot be set")?;
    crash::is_watched();
    fit::run_job(job).or_else(|error| match error.downcast_ref() {
        Some(ModelLoadError::NotInstant { .. }) => Ok(Outcome::NotInstant),
        Some(ModelLoadError::Toolchain(error)) if error.is_of_program() => Ok(Outcome::InvalidProgram),
        Some(ModelLoadError::Toolchain(_) | ModelLoadError::NoModel { .. }) => Ok(Outcome::Environment),
        _ if error.chain().any(|cause| cause.downcast_ref().is_some_and(is_of_disk)) => Ok(Outcome::Environment),
        _ => Err(error),
    })
}

/// Whether a file could not be written for want of space or of permission.
fn is_of_disk(error: &io::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | ReadOnlyFilesystem | PermissionDenied)
}
