//! Suites: many posteriors fitted by many configurations with several seeds, in worker processes, held against a
//! baseline.
//!
//! A [`Manifest`] says what is asked; a [`Plan`] is what that means for a database: cells (a posterior and a
//! configuration of `fit`) times seeds. Each job is a pure function of program, data, options and seed, runs in a
//! process of its own and yields one [`JobRecord`], a line of a [`RunFile`].

mod baseline;
mod cell;
mod error;
mod executor;
mod junit;
mod manifest;
mod markdown;
mod page;
mod pair;
mod plan;
mod record;
mod run_file;
mod statistics;
mod verdict;
mod worker;

pub use baseline::Baseline;
pub use cell::{CellRecords, CellSummary, ParameterSummary, cells};
pub use error::SuiteError;
pub use executor::{Executor, Observer};
pub use junit::junit;
pub use manifest::{Configuration, Expectation, Limits, Manifest, Tolerance};
pub use markdown::{markdown, summary};
pub use page::{SuitePageError, suite_page};
pub use plan::{Cell, Job, Overrides, Plan, Shard, Source, fit_folder};
pub use record::{Failure, FailureKind, JobRecord, ParameterRecord, Status};
pub use run_file::{Header, Run, RunFile, merge};
pub use statistics::Sample;
pub use verdict::{CellVerdict, FALSE_ALARM_RATE, Judgement, Sensitivity, Verdict};
pub use worker::confine;
