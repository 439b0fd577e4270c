//! A standard output that takes nothing more: its reader has left, or the disk is full.

use super::text;
use crate::error::{CommandError, Failure, why};
use crate::interrupt;
use std::io::{self, Write as _};
use std::sync::OnceLock;

/// Why nothing more is written; set once.
static LOST: OnceLock<Lost> = OnceLock::new();

enum Lost {
    /// Its reader has left, as in `sigtool … | head`: that needs no message.
    Closed,
    /// Why it cannot be written.
    Failed(String),
}

/// Whether nothing more is written.
pub(crate) fn is_lost() -> bool {
    LOST.get().is_some()
}

/// Notes that a result could not be written. Like Control-C this ends a run in good order: what has begun is finished, and entered. A
/// command that only looks ends at once.
pub(crate) fn lose(error: &io::Error) {
    let _ = LOST.set(match error.kind() {
        io::ErrorKind::BrokenPipe => Lost::Closed,
        _ => Lost::Failed(why(error)),
    });
    interrupt::begin_nothing_more();
    if !interrupt::is_watched() {
        std::process::exit(i32::from(end(0)));
    }
}

/// The exit code of a run that would end with this one, if all that it had to say had been written. Tells what was not.
pub(crate) fn end(code: u8) -> u8 {
    let failure = match LOST.get() {
        None => return code,
        Some(Lost::Closed) => Failure::OutputClosed,
        Some(Lost::Failed(why)) => {
            let mut error =
                CommandError::could_not_tell("cannot write to standard output").because(why);
            if interrupt::is_watched() {
                error = error.hint(
                    "what was done stays done: `sigtool history` has what was signed and verified",
                );
            }
            let _ = anstream::stderr().write_all(text::error(&error).as_bytes());
            error.failure
        }
    };
    let of_run = Failure::of_exit_code(code);
    Failure::most_serious(of_run.into_iter().chain([failure])).map_or(code, Failure::exit_code)
}
