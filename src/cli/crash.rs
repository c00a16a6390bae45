//! What is said when a crash inside a model's constructor ends the process. Stan's code runs in this process, and a
//! hostile program or malformed data may be more than it can take.

use std::mem;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering::SeqCst};

use libc::{c_int, sigaction};
use serde::Serialize;

use super::exit_code::FAILED;

/// The signals of a crash, with their names.
const SIGNALS: [(c_int, &str); 5] = [
    (libc::SIGSEGV, "SIGSEGV"),
    (libc::SIGBUS, "SIGBUS"),
    (libc::SIGILL, "SIGILL"),
    (libc::SIGFPE, "SIGFPE"),
    (libc::SIGABRT, "SIGABRT"),
];

/// Makes the document that stands for a failure on standard output of a sentence.
static DOCUMENT: OnceLock<Box<dyn Fn(String) -> Option<String> + Send + Sync>> = OnceLock::new();

/// Whether somebody else says what became of this process.
static IS_WATCHED: AtomicBool = AtomicBool::new(false);

/// What a handler writes; null while there is none.
static LAST_WORDS: AtomicPtr<LastWords> = AtomicPtr::new(ptr::null_mut());

/// For each of [`SIGNALS`], what goes to standard error and to standard output.
struct LastWords([(Vec<u8>, Vec<u8>); SIGNALS.len()]);

/// From now on a crash is also a JSON document, which `document` makes of a sentence, where `json` asks for one.
pub fn answer_with<D: Serialize>(json: bool, document: impl Fn(String) -> D + Send + Sync + 'static) {
    if json {
        // Only one command runs in a process.
        let _ = DOCUMENT.set(Box::new(move |sentence| serde_json::to_string_pretty(&document(sentence)).ok()));
    }
}

/// From now on a crash ends this process by its signal: a coordinator sees that, and says it.
pub fn is_watched() {
    IS_WATCHED.store(true, SeqCst);
}

/// Whether somebody else says what becomes of this process.
pub fn is_worker() -> bool {
    IS_WATCHED.load(SeqCst)
}

/// As long as it lives, a crash ends the process with code 1 and a sentence that says while what.
pub struct Guard {
    previous: Vec<(c_int, sigaction)>,
}

/// Guards the making of `what`, such as "a model of model.stan".
pub fn guard(what: &str) -> Guard {
    if is_worker() || !LAST_WORDS.load(SeqCst).is_null() {
        return Guard { previous: Vec::new() };
    }
    LAST_WORDS.store(Box::into_raw(Box::new(LastWords(SIGNALS.map(|(_, name)| last_words(what, name))))), SeqCst);
    let mut action = zeroed_action();
    action.sa_sigaction = handle as extern "C" fn(c_int) as usize;
    // The stack may be what overflowed: Rust gives each of its threads another one for handlers.
    action.sa_flags = libc::SA_ONSTACK | libc::SA_RESETHAND;
    let previous = SIGNALS.iter().filter_map(|&(signal, _)| {
        let mut before = zeroed_action();
        // SAFETY: both structures live to the end of the call, and the handler calls only what handlers may call.
        (unsafe { libc::sigaction(signal, &action, &mut before) } == 0).then_some((signal, before))
    });
    Guard { previous: previous.collect() }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.previous.is_empty() {
            return;
        }
        for (signal, before) in &self.previous {
            // SAFETY: the structure is what the system returned for this signal.
            unsafe { libc::sigaction(*signal, before, ptr::null_mut()) };
        }
        // The words are never freed: a handler may be writing them on another thread.
        LAST_WORDS.store(ptr::null_mut(), SeqCst);
    }
}

/// The sentence of a crash, and its document where one is asked for.
fn last_words(what: &str, signal: &str) -> (Vec<u8>, Vec<u8>) {
    let sentence = format!(
        "Stan's code crashed ({signal}) while making {what}: the program or its data may be malformed in a way that \
         Stan does not detect; try another --toolchain"
    );
    let document = DOCUMENT.get().and_then(|document| document(sentence.clone()));
    let document = document.map(|document| document + "\n").unwrap_or_default();
    (format!("error: {sentence}\n").into_bytes(), document.into_bytes())
}

extern "C" fn handle(signal: c_int) {
    // SAFETY: null, or a box that is never freed.
    let words = unsafe { LAST_WORDS.load(SeqCst).as_ref() };
    let place = SIGNALS.iter().position(|&(known, _)| known == signal);
    if let (Some(LastWords(words)), Some(place)) = (words, place) {
        let (error, output) = &words[place];
        for (file, bytes) in [(libc::STDERR_FILENO, error), (libc::STDOUT_FILENO, output)] {
            // SAFETY: `write` may be called from a handler, and the bytes are as many as it is told.
            unsafe { libc::write(file, bytes.as_ptr().cast(), bytes.len()) };
        }
    }
    super::interrupt::end(FAILED)
}

/// A structure without handler, flags and mask.
fn zeroed_action() -> sigaction {
    // SAFETY: the structure of C has no invalid patterns of bits.
    unsafe { mem::zeroed() }
}
