//! What made a program a model.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

#[cfg(feature = "toolchain")]
use crate::toolchain::Description;

/// What made a program a model.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct ToolchainRecord {
    /// `stanli`, `httpstan`, `bridgestan`, or `library` for a library that was compiled elsewhere, of which the rest is not
    /// known.
    pub source: String,
    /// The folder of the toolchain.
    pub folder: PathBuf,
    /// The version of Stan and its mathematics library.
    pub stan_version: String,
    /// The version of the translator.
    pub stanc_version: String,
    /// The first line that the C++ compiler prints about itself; null for instant models.
    pub compiler: Option<String>,
}

#[cfg(feature = "toolchain")]
impl From<&Description> for ToolchainRecord {
    fn from(description: &Description) -> Self {
        let Description { source, folder, stan_version, stanc_version, compiler } = description;
        Self {
            source: (*source).to_owned(),
            folder: folder.clone(),
            stan_version: stan_version.clone(),
            stanc_version: stanc_version.clone(),
            compiler: compiler.clone(),
        }
    }
}
