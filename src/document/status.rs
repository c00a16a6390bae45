//! Whether there is a result, and whether it can be trusted.

use serde::{Deserialize, Serialize};

/// Whether there is a result, and whether it can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Every diagnostic that applies agrees.
    Ok,
    /// A diagnostic does not agree.
    Flagged,
    /// There is no result.
    #[default]
    Failed,
}

impl Status {
    /// Its name in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Flagged => "flagged",
            Self::Failed => "failed",
        }
    }
}
