//! Draws from files that other tools wrote: CmdStan's CSV and posteriordb's JSON, plain or zipped.

mod bounded;
mod ordered;
mod posteriordb_json;

pub use bounded::{LARGEST_TEXT, ReadError, json_text, read_file};
pub use ordered::Ordered;
pub use posteriordb_json::{DrawsJsonError, parse as parse_posteriordb_json};
