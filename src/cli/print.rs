//! Standard output, which may be a pipe that somebody closes, and what is said on standard error.

use std::fmt::Display;
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

/// Says something on standard error after `lead`, such as `error: `, in as many lines as it has, without what would
/// steer the terminal.
pub fn say(lead: &str, message: impl Display) {
    let steers = |c: char| c.is_control() && c != '\n' && c != '\t';
    eprintln!("{lead}{}", message.to_string().replace(steers, REPLACEMENT));
}

/// A name or a sentence from a file, on one line and without what would steer the terminal.
pub fn printable(text: &str) -> String {
    text.replace(char::is_control, REPLACEMENT)
}

/// What stands for a character that is not shown.
const REPLACEMENT: &str = "\u{fffd}";
