//! What helps where a toolchain, or a part of one, does not serve.

use super::InstallSource;

/// What helps where a toolchain, or a part of one, does not serve.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// [Installing](super::install) a toolchain.
    Install(InstallSource),
    /// Installing it in place of the one that is there.
    Reinstall(InstallSource),
    /// Compiling Stan's headers of httpstan: [`Toolchain::prepare`](super::Toolchain::prepare).
    PrecompileHeaders,
    /// Something outside this library, such as a command of the system's.
    Elsewhere(&'static str),
}
