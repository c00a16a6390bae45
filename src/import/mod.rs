//! Draws from files that other tools wrote, CmdStan's CSV and posteriordb's JSON, plain or zipped.

mod archive;
mod cmdstan_csv;
mod files;
mod limited_read;
mod ordered_json;
mod posteriordb_json;

pub use archive::ArchiveError;
pub use cmdstan_csv::{CsvDraws, DrawsCsvError, read as read_cmdstan_csv};
pub use files::{ImportError, Imported, Reading, chain_number, read_draws};
pub use limited_read::{LARGEST_TEXT, ReadError, json_text, read_file};
pub use ordered_json::Ordered;
pub use posteriordb_json::{DrawsJsonError, parse as parse_posteriordb_json};
