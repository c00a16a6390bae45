//! The JSON documents that the program writes and reads, one definition each: `fit.json`, `sample.json`, `family.json`,
//! the document of `stanmatch compare` and the lines of a run file. Nothing is computed here.
//!
//! A document is a contract. Its `schema` names its version; keys are added to it, never renamed or removed. A key whose
//! value does not apply, or is a number that is not finite, is there and null, which is `None` here; a document of an
//! older version may lack a key, which reads as `None` too. JSON Schemas of these documents are in
//! docs/reference/schemas, generated from these types. Documents that only people and their scripts read, such as those
//! of `doctor`, `check-model`, `toolchain list` and `suite diff`, are defined where they are printed.

mod comparison;
mod family;
mod fit;
mod run;
mod sample;
mod saved_family;
#[cfg(test)]
mod schemas;
mod status;
mod toolchain;

pub use comparison::{COMPARE_SCHEMA, CompareDocument, ComparedParameter, ComparisonDocument};
pub use family::FamilyDocument;
pub use fit::{
    FIT_SCHEMA, FindingRecord, FitDocument, FitParameter, ModeParameter, ModeRecord, ModesRecord, PhaseCost,
};
pub use run::{
    Expectation, Failure, FailureKind, JobRecord, ParameterRecord, RUN_SCHEMA, RunHeader, RunToolchain,
    ToolchainVersion,
};
pub use sample::{SAMPLE_SCHEMA, SampleDocument, SampleParameter};
pub use saved_family::{OtherFit, SavedCovariance, SavedFamily, SavedFamilyError};
pub use status::Status;
pub use toolchain::ToolchainRecord;

/// The version of stanmatch that every document carries.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A number as a document has it: none where it is not finite.
pub fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
