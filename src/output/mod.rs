//! What is written: draws and their descriptions, in the formats of CmdStan and posteriordb.

mod cmdstan_csv;
mod posteriordb;

pub use cmdstan_csv::CmdstanCsv;
pub use posteriordb::{Provenance, draws_json, write_reference};
