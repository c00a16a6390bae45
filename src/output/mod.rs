//! What is written: draws and their descriptions, in the formats of CmdStan and posteriordb.

mod cmdstan_csv;
mod cmdstan_init;
mod fit_draws;
mod posteriordb;
mod saved_fit;
mod stale;
mod stan_json;

pub use cmdstan_csv::CmdstanCsv;
pub use posteriordb::{Provenance, draws_json, write_reference, zipped_draws};
pub use saved_fit::{STATE, SavedFit, trace_csv};
pub use stale::{is_chain, remove_stale};
pub use stan_json::variables_json;
