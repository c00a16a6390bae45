//! A Stan program: its source and its name.

use std::io;
use std::path::Path;

/// A Stan program before translation.
#[derive(Debug, Clone)]
pub struct Program {
    name: String,
    shown: String,
    source: String,
}

impl Program {
    /// Reads the program of a `.stan` file. Its name is the file's without the extension.
    pub fn file(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, shown: path.display().to_string(), source: std::fs::read_to_string(path)? })
    }

    /// A program whose source is at hand, such as one compiled into the binary.
    pub fn embedded(name: impl Into<String>, source: impl Into<String>) -> Self {
        let name = name.into();
        Self { shown: name.clone(), name, source: source.into() }
    }

    /// The program's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The program's text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// How messages call the program: the path as it was given, or the name of an embedded one.
    pub fn shown(&self) -> &str {
        &self.shown
    }
}
