//! Stan for compiled models, as the PyPI package httpstan carries it, with our bridge.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::flags::{LINK, compile_flags};
use super::options::CompileOptions;
use super::wheel::{MARKER, Wheel};
use super::{InstallSource, Remedy, ToolchainError, bridge, cache};

/// The version of the package, the only one whose checksum we know.
const VERSION: &str = "4.17.0";

/// The version of Stan, Stan Math and stanc in the package.
pub(super) const STAN_VERSION: &str = "2.39.0";

/// The wheel for CPython 3.12 on Linux. Any wheel of the version holds the same Stan; this one is fetched whatever the
/// local Python is.
pub(super) static WHEEL: Wheel = Wheel {
    package: "httpstan",
    version: VERSION,
    python: ["cp", "cp312"],
    platform: "manylinux2014_x86_64",
    sha256: "7f73e29a415718ddc45e4703c0253a9d4adc6a21aa7110ccf36821a0f94202cd",
};

/// The installed package.
#[derive(Debug, Clone)]
pub(super) struct Httpstan {
    folder: PathBuf,
}

impl Httpstan {
    /// Where the package is installed, or would be.
    pub(super) fn home() -> Result<PathBuf, ToolchainError> {
        Ok(cache::cache_directory()?.join("toolchains").join(format!("httpstan-{VERSION}")))
    }

    /// Requires the platform that the package's wheel is for.
    pub(super) fn check_platform() -> Result<(), ToolchainError> {
        if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            return Ok(());
        }
        let platform = format!("{} on {}", std::env::consts::OS, std::env::consts::ARCH);
        Err(ToolchainError::Platform { platform })
    }

    /// The installed package.
    pub(super) fn find() -> Result<Self, ToolchainError> {
        Self::check_platform()?;
        let folder = Self::home()?;
        if !folder.join(MARKER).is_file() {
            let remedy = Remedy::Install(InstallSource::Httpstan);
            return Err(ToolchainError::Missing { wanted: "Stan toolchain", remedy });
        }
        // The folder's own name enters the libraries, which look there for TBB.
        let folder = folder.canonicalize().map_err(|error| ToolchainError::writing(&folder, error))?;
        Ok(Self { folder })
    }

    /// Whether compiling takes a file of the wheel: headers, libraries and stanc.
    pub(super) fn is_needed(name: &str) -> bool {
        let headers = name.starts_with("include/") && !name.starts_with("include/pybind11/");
        headers || name.starts_with("lib/") || name == "stanc"
    }

    /// Makes the unpacked wheel in `folder` ready for use, or says what it lacks.
    pub(super) fn finish(folder: &Path) -> Result<(), String> {
        let stanc = folder.join("stanc");
        if !stanc.is_file() || !folder.join("include/stan").is_dir() || !folder.join("lib").is_dir() {
            return Err("it holds no stanc, no headers of Stan or no libraries".to_owned());
        }
        // The archive does not carry the bit.
        fs::set_permissions(&stanc, fs::Permissions::from_mode(0o755)).map_err(|error| error.to_string())
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn stanc(&self) -> PathBuf {
        self.folder.join("stanc")
    }

    /// All that decides how a program becomes a library, except the program and the compiler.
    pub(super) fn fingerprint(&self, options: &CompileOptions) -> String {
        let mut lines = vec![STAN_VERSION.to_owned(), self.folder.display().to_string()];
        lines.extend(compile_flags(options).map(str::to_owned));
        lines.extend(LINK.map(str::to_owned));
        lines.extend(bridge::SOURCES.iter().map(|(name, text)| format!("{name}\n{text}")));
        lines.join("\n")
    }

    /// What every compilation begins with: flags and include folders.
    pub(super) fn compile_arguments(&self, options: &CompileOptions) -> Vec<String> {
        let include = format!("-I{}", self.folder.join("include").display());
        compile_flags(options).map(str::to_owned).chain([include]).collect()
    }
}
