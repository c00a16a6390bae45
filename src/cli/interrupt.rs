//! Ctrl-C, and the signals by which a scheduler ends a job.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use stanmatch::{files, toolchain};

use super::exit_code::INTERRUPTED;

/// From now on an interruption kills the compilers that run, removes half-written files and ends the process.
pub fn handle() {
    let set = ctrlc::set_handler(|| {
        clean_up();
        if let Some(message) = LAST_WORDS.get() {
            eprintln!("{message}");
        }
        end(INTERRUPTED);
    });
    if let Err(error) = set {
        eprintln!("warning: Ctrl-C may leave temporary files behind ({error})");
    }
}

/// Ends the process at once, with neither destructors nor `atexit`: other threads may be inside a model or BLAS, whose
/// static objects must not be destroyed under them.
pub fn end(status: i32) -> ! {
    // SAFETY: `_exit` takes any status and touches no memory of this process.
    unsafe { libc::_exit(status) }
}

/// What to say when an interruption ends the process.
static LAST_WORDS: OnceLock<String> = OnceLock::new();

/// From now on an interruption ends with `message` on standard error.
pub fn say_at_end(message: String) {
    // Only one command runs in a process.
    let _ = LAST_WORDS.set(message);
}

/// Whether another thread than the main one is ending the process.
static ENDING: AtomicBool = AtomicBool::new(false);

/// Kills the compilers that run and removes half-written files. The caller then ends the process.
pub fn clean_up() {
    ENDING.store(true, SeqCst);
    toolchain::interrupt();
    files::remove_unfinished();
}

/// Holds the main thread while another one ends the process: the failure that it has seen, a compiler that was killed,
/// is not what the user should be told.
pub fn give_way() {
    while ENDING.load(SeqCst) && thread::current().name() == Some("main") {
        thread::park();
    }
}
