//! The exit codes. Wrong usage is clap's 2; docs/reference/exit-codes.md says what users may rely on.

use std::process::ExitCode;

use stanmatch::suite::{ENVIRONMENT, INVALID_PROGRAM, NOT_INSTANT};

/// The code of a command that did what was asked.
const DONE: i32 = 0;
/// The code of a command that failed.
pub const FAILED: i32 = 1;
/// The code when draws are outside tolerance, or a suite has regressed.
const REGRESSED: i32 = 3;
/// What shells report of a program that SIGINT ended.
pub const INTERRUPTED: i32 = 130;

/// How a command ended, when nothing stopped it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It did what was asked.
    Done,
    /// It failed, and has said so.
    Failed,
    /// The draws are outside tolerance of the reference.
    OutsideTolerance,
    /// A suite has regressed, or did not come to what it was expected to.
    Regressed,
    /// A suite's worker can make no instant model; only its coordinator sees the code.
    NotInstant,
    /// A suite's worker was given a program that is not valid; only its coordinator sees the code.
    InvalidProgram,
    /// A suite's worker lacks something of the machine; only its coordinator sees the code.
    Environment,
}

impl Outcome {
    /// The code that says so.
    pub fn exit_code(self) -> ExitCode {
        let code = match self {
            Self::Done => DONE,
            Self::Failed => FAILED,
            Self::OutsideTolerance | Self::Regressed => REGRESSED,
            Self::NotInstant => NOT_INSTANT,
            Self::InvalidProgram => INVALID_PROGRAM,
            Self::Environment => ENVIRONMENT,
        };
        ExitCode::from(code as u8)
    }
}
