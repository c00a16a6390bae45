//! One worker process: started, watched, ended when it goes beyond its limits.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal};

use super::Limits;

/// A document longer than this is none.
const MAX_OUTPUT: u64 = 256 << 20;
/// How much of what a worker says on standard error is kept.
const LAST_WORDS: usize = 2000;
/// The time before a worker is first looked at; it doubles from one look to the next.
const FIRST_LOOK: Duration = Duration::from_millis(1);
/// The longest time between two looks.
const LATER_LOOKS: Duration = Duration::from_millis(10);
/// How far the address space may outrun the limit of resident memory: libraries and reserved pages count there too.
pub(super) const HEADROOM_MEGABYTES: u64 = 2048;

/// The code with which a worker ends that can make no instant model, where one was asked for.
pub const NOT_INSTANT: i32 = 4;
/// The code with which a worker ends whose program is not valid.
pub const INVALID_PROGRAM: i32 = 5;
/// The code with which a worker ends that lacks something of the machine: a toolchain, or space on a disk.
pub const ENVIRONMENT: i32 = 6;

/// How a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It exited.
    Exit(i32),
    /// This signal ended it.
    Signal(i32),
    /// It was ended at the limit of time.
    Time,
    /// It was ended at the limit of memory.
    Memory,
    /// It was ended because the run stops.
    Stopped,
}

/// What became of a worker.
#[derive(Debug)]
pub(super) struct Outcome {
    pub ending: Ending,
    /// Its standard output.
    pub output: Vec<u8>,
    /// The end of its standard error.
    pub last_words: String,
    pub seconds: f64,
}

impl Outcome {
    /// Whether the last words are those with which Rust or C++ abort for want of memory.
    pub fn is_out_of_memory(&self) -> bool {
        ["memory allocation of ", "std::bad_alloc"].iter().any(|words| self.last_words.contains(words))
    }
}

/// For a worker, as soon as it knows its job: end when the coordinator, process `parent`, ends, however it does; and
/// never let the address space outrun the limit of memory by much.
///
/// # Errors
/// When the system refuses, or the coordinator has ended already.
pub fn confine(parent: i32, megabytes: u64) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have ended before the request took effect.
    if rustix::process::getppid().map(Pid::as_raw_pid) != Some(parent) {
        return Err(io::Error::other("the coordinator of this worker has ended"));
    }
    let bytes = megabytes.saturating_add(HEADROOM_MEGABYTES).saturating_mul(1 << 20);
    // The system's own limit cannot be raised.
    let bytes = rustix::process::getrlimit(Resource::As).maximum.map_or(bytes, |hard| hard.min(bytes));
    rustix::process::setrlimit(Resource::As, Rlimit { current: Some(bytes), maximum: Some(bytes) })?;
    // A crash must not fill the disk.
    rustix::process::setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(())
}

/// Runs `command` with `input` on its standard input, to its end or to its limits. `stop` ends it too.
pub(super) fn run(command: &mut Command, input: &[u8], limits: &Limits, stop: &AtomicBool) -> io::Result<Outcome> {
    let start = Instant::now();
    // A group of its own: a Ctrl-C at the terminal is for the coordinator alone to act on.
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        // A worker that ends without reading it says why in another way. Its standard input ends with the job.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input)));
        let output = scope.spawn(|| read_all(stdout));
        let last_words = scope.spawn(|| read_end(stderr));
        let ending = watch(&mut child, limits, start, stop);
        let output = output.join().unwrap_or_default();
        let last_words = last_words.join().unwrap_or_default();
        Ok(Outcome { ending: ending?, output, last_words, seconds: start.elapsed().as_secs_f64() })
    })
}

/// Waits for `child`, and ends it at its limits.
fn watch(child: &mut Child, limits: &Limits, start: Instant, stop: &AtomicBool) -> io::Result<Ending> {
    let mut pause = FIRST_LOOK;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(ending(status));
        }
        let over = if stop.load(Relaxed) {
            Some(Ending::Stopped)
        } else if start.elapsed().as_secs_f64() > limits.seconds {
            Some(Ending::Time)
        } else if resident_kilobytes(child.id()) > limits.megabytes.saturating_mul(1024) {
            Some(Ending::Memory)
        } else {
            None
        };
        if let Some(over) = over {
            end(child)?;
            return Ok(over);
        }
        thread::sleep(pause);
        pause = (2 * pause).min(LATER_LOOKS);
    }
}

/// Kills a worker and what is in its process group, and collects it. A compiler that it has started leads a group of
/// its own.
fn end(child: &mut Child) -> io::Result<()> {
    // Not yet collected, so that the number is still this worker's.
    let _ = rustix::process::kill_process_group(Pid::from_child(child), Signal::KILL);
    child.wait().map(|_| ())
}

fn ending(status: ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Exit(code),
        (None, signal) => Ending::Signal(signal.unwrap_or_default()),
    }
}

/// The resident memory of a process; 0 where the system does not tell.
fn resident_kilobytes(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    resident.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn read_all(stream: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        // What cannot be read is missed where the document is parsed.
        let _ = stream.by_ref().take(MAX_OUTPUT).read_to_end(&mut bytes);
        let _ = io::copy(&mut stream, &mut io::sink());
    }
    bytes
}

/// The last bytes of `stream`, which may be long.
fn read_end(stream: Option<impl Read>) -> String {
    let mut kept = Vec::new();
    let mut buffer = [0; 8192];
    let Some(mut stream) = stream else { return String::new() };
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        kept.extend_from_slice(&buffer[..count]);
        if kept.len() > 4 * LAST_WORDS {
            kept.drain(..kept.len() - LAST_WORDS);
        }
    }
    String::from_utf8_lossy(&kept[kept.len().saturating_sub(LAST_WORDS)..]).into_owned()
}

/// A signal's name.
pub(super) fn signal_name(signal: i32) -> String {
    let known = [
        (Signal::SEGV, "SIGSEGV"),
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::FPE, "SIGFPE"),
        (Signal::ILL, "SIGILL"),
        (Signal::KILL, "SIGKILL, perhaps by the system for want of memory"),
        (Signal::TERM, "SIGTERM"),
        (Signal::INT, "SIGINT"),
        (Signal::XCPU, "SIGXCPU"),
        (Signal::XFSZ, "SIGXFSZ"),
    ];
    let name = known.iter().find(|(known, _)| known.as_raw() == signal).map(|(_, name)| *name);
    name.map_or_else(|| format!("signal {signal}"), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_aborts_for_want_of_memory_says_so() {
        let aborts = |words: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", "echo \"$0\" >&2; kill -ABRT $$", words]);
            let outcome = run(&mut command, b"", &Limits::default(), &AtomicBool::new(false)).unwrap();
            assert_eq!(outcome.ending, Ending::Signal(Signal::ABORT.as_raw()));
            outcome.is_out_of_memory()
        };
        assert!(aborts("memory allocation of 16000000000 bytes failed"));
        assert!(aborts("terminate called after throwing an instance of 'std::bad_alloc'"));
        assert!(!aborts("an assertion does not hold"));
    }
}
