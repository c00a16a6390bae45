//! Ctrl-C, and the signals by which a scheduler ends a job.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
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

/// Who ends the process.
static ENDING: Ending = Ending(AtomicU8::new(Ending::NOBODY));

/// Who ends the process: whoever is first says what became of it.
struct Ending(AtomicU8);

impl Ending {
    const NOBODY: u8 = 0;
    /// The main thread, which has a result.
    const MAIN: u8 = 1;
    /// Another thread.
    const OTHER: u8 = 2;

    /// Whether `who` is the first.
    fn claim(&self, who: u8) -> bool {
        self.0.compare_exchange(Self::NOBODY, who, SeqCst, SeqCst).is_ok()
    }
}

/// For another thread than the main one: whether it may end the process, as the main one has no result yet.
pub fn take_over() -> bool {
    ENDING.claim(Ending::OTHER)
}

/// Kills the compilers that run and removes half-written files. The caller then ends the process.
pub fn clean_up() {
    ENDING.0.store(Ending::OTHER, SeqCst);
    toolchain::interrupt();
    files::remove_unfinished();
}

/// Before the main thread says what became of its command. Holds it where another thread ends the process already: the
/// failure that it has seen, a compiler that was killed, is not what the user should be told.
pub fn give_way() {
    if thread::current().name() != Some("main") || ENDING.claim(Ending::MAIN) {
        return;
    }
    while ENDING.0.load(SeqCst) == Ending::OTHER {
        thread::park();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_says_what_became_of_the_process() {
        for (first, second) in [(Ending::MAIN, Ending::OTHER), (Ending::OTHER, Ending::MAIN)] {
            let ending = Ending(AtomicU8::new(Ending::NOBODY));
            assert!(ending.claim(first) && !ending.claim(second) && !ending.claim(first));
            assert_eq!(ending.0.load(SeqCst), first);
        }
    }
}
