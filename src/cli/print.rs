//! Standard output, which may be a pipe that somebody closes.

use std::io::{self, Write};

use anyhow::Context;
use serde::Serialize;

/// Prints `text`. A reader that has seen enough, such as `head`, is no failure.
pub fn text(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}

/// Prints `document` as JSON on lines of its own.
pub fn json(document: &impl Serialize) -> anyhow::Result<()> {
    text(&(serde_json::to_string_pretty(document)? + "\n"))
}
