//! Files of an earlier run in the folder of a later one.

use crate::import::chain_number;
use std::fs;
use std::io;
use std::path::Path;

/// Removes from `folder` what `is_ours` by its name and is not among those `written`: readers take all chains of a
/// folder for one run.
pub fn remove_stale(folder: &Path, written: &[String], is_ours: impl Fn(&str) -> bool) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let stale = name.to_str().is_some_and(|name| is_ours(name) && !written.iter().any(|written| written == name));
        if stale {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Whether a file of this name is a chain in CmdStan's format.
pub fn is_chain(name: &str) -> bool {
    chain_number(name).is_some()
}

/// Whether there is nothing but a number between `lead` and `end`.
pub(super) fn is_numbered(name: &str, lead: &str, end: &str) -> bool {
    let number = name.strip_prefix(lead).and_then(|rest| rest.strip_suffix(end));
    number.is_some_and(|number| number.parse::<usize>().is_ok())
}
