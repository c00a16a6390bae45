//! Ctrl-C, and the signals by which a scheduler ends a job.

use std::process::exit;

use stanmatch::{files, toolchain};

/// What shells report of a program that SIGINT ended.
const INTERRUPTED: i32 = 130;

/// From now on an interruption kills the compilers that run, removes half-written files and ends the process.
pub fn handle() {
    let set = ctrlc::set_handler(|| {
        toolchain::interrupt();
        files::remove_unfinished();
        exit(INTERRUPTED);
    });
    if let Err(error) = set {
        eprintln!("warning: Ctrl-C may leave temporary files behind ({error})");
    }
}
