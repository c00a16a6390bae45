//! The C++ compiler.

use std::path::Path;
use std::process::Command;

use super::{ToolchainError, process};

/// A message of more lines repeats itself: one C++ mistake in a Stan model is reported once per template.
const MAX_LINES: usize = 30;

const REMEDY: &str = "install a C++ compiler (on Debian and Ubuntu `apt-get install g++`), or name one in CXX";

/// A C++ compiler that runs, with its version.
#[derive(Debug, Clone)]
pub(super) struct Compiler {
    command: String,
    version: String,
}

impl Compiler {
    /// The compiler that the environment variable CXX names, g++ without it.
    pub(super) fn find() -> Result<Self, ToolchainError> {
        let command = std::env::var("CXX").ok().filter(|c| !c.trim().is_empty()).unwrap_or_else(|| "g++".to_owned());
        let output = process::run(Command::new(&command).arg("--version"))
            .map_err(|error| ToolchainError::running(&command, REMEDY, error))?;
        let version = String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().trim().to_owned();
        Ok(Self { command, version })
    }

    pub(super) fn command(&self) -> &str {
        &self.command
    }

    /// The first line that the compiler prints about itself.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// Runs the compiler in `folder`, where it writes; `what` is named when it fails.
    pub(super) fn run<A: AsRef<std::ffi::OsStr>>(
        &self,
        folder: &Path,
        what: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<(), ToolchainError> {
        let mut command = Command::new(&self.command);
        // The compiler's messages are searched below; its temporary files belong where there is room for the results.
        command.args(arguments).current_dir(folder).env("LC_ALL", "C").env("TMPDIR", folder);
        let output =
            process::run(&mut command).map_err(|error| ToolchainError::running(&self.command, REMEDY, error))?;
        if output.status.success() {
            return Ok(());
        }
        let message = String::from_utf8_lossy(&output.stderr);
        if message.contains("No space left on device") {
            return Err(ToolchainError::DiskFull { folder: folder.to_owned() });
        }
        let mut shown: String = message.lines().take(MAX_LINES).collect::<Vec<_>>().join("\n");
        if shown.is_empty() {
            shown = format!("it ended with {}", output.status);
        }
        Err(ToolchainError::Compiler { compiler: self.command.clone(), what: what.to_owned(), message: shown })
    }
}
