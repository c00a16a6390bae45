//! Suites: many posteriors fitted by many configurations with several seeds, in worker processes, compared with a
//! baseline.
//!
//! A [`Manifest`] says what is asked; a [`Plan`] is what that means for a database: cells (a posterior and a
//! configuration of `fit`) times seeds. Each job is a pure function of program, data, options and seed, runs in a
//! process of its own and yields one [`JobRecord`](crate::document::JobRecord), a line of a [`RunFile`].
//!
//! ```
//! # #[cfg(feature = "embedded-posteriors")] {
//! use stanmatch::suite::{Manifest, Overrides, Plan};
//!
//! let folder = tempfile::tempdir()?;
//! let file = folder.path().join("suite.toml");
//! std::fs::write(&file, r#"
//!     name = "schools"
//!     database = "embedded"
//!     seeds = 4
//!
//!     [[methods]]
//!     method = ["bam", "gsm"]
//!
//!     [[posteriors]]
//!     select = ["eight_schools-*"]
//! "#)?;
//! let plan = Plan::new(&Manifest::read(&file)?, &Overrides::default())?;
//! // Two parameterisations by two methods, with four seeds each.
//! assert_eq!((plan.cells.len(), plan.jobs(None).len()), (4, 16));
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod baseline;
mod baseline_comparison;
mod case;
mod error;
mod executor;
mod html_report;
mod job;
mod job_result;
mod judgement;
mod junit;
mod manifest;
mod markdown;
mod plan;
mod run_file;
mod statistics;
mod verdict;
mod worker;

pub use baseline::Baseline;
pub use case::{CellRecords, CellSummary, ParameterSummary, cells};
pub use error::SuiteError;
pub use executor::{Compile, Executor, RunObserver, compile_failure};
pub use html_report::{SuitePageError, suite_page};
pub use job::{JobRequest, PosteriorSource};
pub use judgement::Judgement;
pub use junit::junit;
pub use manifest::{Configuration, Limits, Manifest, Tolerance};
pub use markdown::{markdown, summary};
pub use plan::{Cell, Job, Overrides, Plan, Shard, Source, fit_folder};
pub use run_file::{Run, RunFile, merge, run_header};
pub use statistics::Sample;
pub use verdict::{BaselineVerdict, CellVerdict, FALSE_ALARM_RATE, Sensitivity};
pub use worker::{ENVIRONMENT, INVALID_PROGRAM, NOT_INSTANT, confine};
