//! What is written: draws and their descriptions, in the formats of CmdStan and posteriordb.

mod cmdstan_csv;
mod fit_document;
mod posteriordb;
mod saved_fit;

pub use cmdstan_csv::CmdstanCsv;
pub use fit_document::{FIT_SCHEMA, FitDocument, ParameterSummary, PhaseDocument};
pub use posteriordb::{Provenance, draws_json, write_reference};
pub use saved_fit::{save_fit, trace_csv};
