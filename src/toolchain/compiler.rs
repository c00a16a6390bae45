//! The C++ compiler.

use std::io;
use std::path::Path;
use std::process::Command;

use super::ToolchainError;
use super::process::{self, LongOptions};

/// A message of more lines repeats itself: one C++ mistake in a Stan model is reported once per template.
const MAX_LINES: usize = 30;

const REMEDY: &str = "install a C++ compiler (on Debian and Ubuntu `apt-get install g++`), or name one in CXX";

/// A C++ compiler that runs, with its version.
#[derive(Debug, Clone)]
pub(super) struct Compiler {
    /// A program and the arguments that come before all others, as in `ccache g++`.
    words: Vec<String>,
    version: String,
}

impl Compiler {
    /// The compiler that the environment variable CXX names, taken apart at white space as make does; g++ without it.
    pub(super) fn find() -> Result<Self, ToolchainError> {
        let named = std::env::var("CXX").ok().filter(|named| !named.trim().is_empty());
        let words = named.as_deref().unwrap_or("g++").split_whitespace().map(str::to_owned).collect();
        let mut compiler = Self { words, version: String::new() };
        let failed = |error| ToolchainError::running(&compiler.shown(), REMEDY, error);
        let output = process::run(compiler.command().flag("version")).map_err(failed)?;
        if !output.status.success() {
            return Err(failed(io::Error::other(format!("asked for its version it ended with {}", output.status))));
        }
        compiler.version = String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().trim().to_owned();
        Ok(compiler)
    }

    /// The command, ready for arguments.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(self.program());
        command.args(&self.words[1..]);
        command
    }

    /// The program that the command begins with.
    pub(super) fn program(&self) -> &str {
        &self.words[0]
    }

    /// How messages call the compiler.
    pub(super) fn shown(&self) -> String {
        self.words.join(" ")
    }

    /// The first line that the compiler prints about itself.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// All of the compiler that decides what it makes: its version and, where the command is more than a program, all
    /// words of it. A program alone is known by its version, under whatever name it was called.
    pub(super) fn fingerprint(&self) -> String {
        let command = if self.words.len() > 1 { self.words.join("\n") } else { String::new() };
        [self.version.as_str(), &command].join("\n").trim_end().to_owned()
    }

    /// Runs the compiler in `folder`, where it writes; `what` is named when it fails.
    pub(super) fn run<A: AsRef<std::ffi::OsStr>>(
        &self,
        folder: &Path,
        what: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<(), ToolchainError> {
        let mut command = self.command();
        // The compiler's messages are searched below; its temporary files belong where there is space for the results.
        command.args(arguments).current_dir(folder).env("LC_ALL", "C").env("TMPDIR", folder);
        let output =
            process::run(&mut command).map_err(|error| ToolchainError::running(&self.shown(), REMEDY, error))?;
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
        Err(ToolchainError::Compiler { compiler: self.shown(), what: what.to_owned(), message: shown })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_make_another_compiler() {
        let fingerprint = |words: &[&str], version: &str| {
            let words = words.iter().map(|&word| word.to_owned()).collect();
            Compiler { words, version: version.to_owned() }.fingerprint()
        };
        let plain = fingerprint(&["g++"], "g++ 14");
        assert_eq!(plain, fingerprint(&["/usr/bin/g++"], "g++ 14"));
        let others = [
            fingerprint(&["g++"], "g++ 15"),
            fingerprint(&["g++", "-march=native"], "g++ 14"),
            fingerprint(&["g++", "-O0"], "g++ 14"),
            fingerprint(&["ccache", "g++"], "g++ 14"),
        ];
        assert!(others.iter().all(|other| *other != plain));
        assert_ne!(others[1], others[2]);
    }
}
