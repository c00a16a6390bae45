//! Child processes that end with us: each leads a process group, which an interruption kills as a whole.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};

struct Children {
    interrupted: bool,
    groups: Vec<Pid>,
}

static CHILDREN: Mutex<Children> = Mutex::new(Children { interrupted: false, groups: Vec::new() });

fn children() -> MutexGuard<'static, Children> {
    CHILDREN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Options of another program by their long names.
pub(super) trait LongOptions {
    /// Adds the option `name`, which takes no value.
    fn flag(&mut self, name: &str) -> &mut Self;

    /// Adds the option `name` with its value.
    fn option(&mut self, name: &str, value: impl AsRef<OsStr>) -> &mut Self;
}

/// As GNU's conventions write them: two dashes, the name, and the value behind an equals sign.
impl LongOptions for Command {
    fn flag(&mut self, name: &str) -> &mut Self {
        self.arg(["-", "-", name].concat())
    }

    fn option(&mut self, name: &str, value: impl AsRef<OsStr>) -> &mut Self {
        let mut argument = OsString::from(["-", "-", name, "="].concat());
        argument.push(value);
        self.arg(argument)
    }
}

/// Runs `command` to its end with no input and returns what it printed.
pub(super) fn run(command: &mut Command) -> io::Result<Output> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let (child, group) = {
        // Held while spawning, so that an interruption sees every child.
        let mut children = children();
        if children.interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let child = command.spawn()?;
        let group = Pid::from_child(&child);
        children.groups.push(group);
        (child, group)
    };
    let output = child.wait_with_output();
    children().groups.retain(|other| *other != group);
    output
}

/// Kills every child process of this module and lets no other begin. For a handler of Ctrl-C, before it ends the process.
pub fn interrupt() {
    let mut children = children();
    children.interrupted = true;
    for group in children.groups.drain(..) {
        // A child that has just ended needs no signal.
        let _ = kill_process_group(group, Signal::KILL);
    }
}
