//! What is written: draws and their descriptions, in the formats of CmdStan and posteriordb.

mod posteriordb;

pub use posteriordb::{Provenance, draws_json, write_reference};
