//! A Stan program: its source, its name, and where its `#include`s are looked for.

mod generated_quantities;
mod includes;
#[cfg(feature = "toolchain")]
mod sizes;
mod tokens;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Programs are written by people; a longer file is not one.
const MAX_BYTES: u64 = 16 << 20;

/// A Stan program before translation.
#[derive(Debug, Clone)]
pub struct Program {
    name: String,
    shown: String,
    source: String,
    include_directories: Vec<PathBuf>,
}

/// Why a file gives no program.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// It cannot be read.
    #[error("cannot read {}: {reason}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// It is too long to be one.
    #[error("{} is longer than {limit} bytes, so it is not taken for a Stan program", file.display())]
    TooLong {
        /// The file.
        file: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
}

impl Program {
    /// Reads the program of a `.stan` file. Its name is the file's without the extension, and its folder is where
    /// `#include`s are looked for.
    pub fn file(path: impl AsRef<Path>) -> Result<Self, ProgramError> {
        let path = path.as_ref();
        let unreadable = |reason| ProgramError::Unreadable { file: path.to_owned(), reason };
        let size = fs::metadata(path).map_err(unreadable)?.len();
        if size > MAX_BYTES {
            return Err(ProgramError::TooLong { file: path.to_owned(), limit: MAX_BYTES });
        }
        let source = fs::read_to_string(path).map_err(unreadable)?;
        let folder = std::path::absolute(path).map_err(unreadable)?.parent().map(Path::to_owned);
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, shown: path.display().to_string(), source, include_directories: folder.into_iter().collect() })
    }

    /// A program whose source is at hand, such as one compiled into the binary.
    pub fn embedded(name: impl Into<String>, source: impl Into<String>) -> Self {
        let name = name.into();
        Self { shown: name.clone(), name, source: source.into(), include_directories: Vec::new() }
    }

    /// Looks for `#include`s in `directory` too, after those known so far.
    pub fn with_include_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.include_directories.push(directory.into());
        self
    }

    /// Whether a file is not a program but a library that was compiled from one: it ends in `.so`.
    pub fn is_library(path: &Path) -> bool {
        path.extension().is_some_and(|extension| extension == "so")
    }

    /// The name and text of every file that the program includes, directly or through another. One that is not found is
    /// left out: stanc says so.
    pub fn included(&self) -> Vec<(String, String)> {
        includes::included(&self.source, &self.include_directories)
    }

    /// The program's name: a file's name without `.stan`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The program's text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The program without its generated quantities; none where its own file has no such block.
    pub fn without_generated_quantities(&self) -> Option<Self> {
        let end = generated_quantities::start(&self.source)?;
        Some(Self { source: self.source[..end].to_owned(), ..self.clone() })
    }

    /// Whether the program's own file declares `name` as data.
    #[cfg(feature = "toolchain")]
    pub(crate) fn is_data(&self, name: &str) -> bool {
        sizes::is_data(&self.source, name)
    }

    /// The data variables that stand alone as the size of a data variable or a parameter in the program's own file: they
    /// must not be negative.
    #[cfg(feature = "toolchain")]
    pub(crate) fn plain_sizes(&self) -> Vec<&str> {
        sizes::plain_sizes(&self.source)
    }

    /// How messages call the program: the path as it was given, or the name of an embedded one.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Where `#include`s are looked for, in this order.
    pub fn include_directories(&self) -> &[PathBuf] {
        &self.include_directories
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_named() {
        let error = Program::file("no/such/program.stan").unwrap_err();
        // A chain of errors says the reason once.
        assert!(std::error::Error::source(&error).is_none());
        let error = error.to_string();
        assert!(error.contains("no/such/program.stan"), "{error}");
    }
}
