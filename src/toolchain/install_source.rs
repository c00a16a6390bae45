//! What a toolchain is installed from.

use std::path::PathBuf;

/// What a toolchain is installed from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum InstallSource {
    /// The wheel of stanli, fetched by pip.
    Stanli,
    /// The wheel of httpstan, fetched by pip.
    Httpstan,
    /// The wheel of stanli or httpstan in this file.
    Wheel(PathBuf),
    /// BridgeStan's sources, fetched from GitHub by the crate bridgestan.
    BridgeStan,
}
