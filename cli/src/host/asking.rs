//! Who can be asked for a secret: a person on the terminal, or whoever writes to standard input; and what is said when nobody can.

use super::services::HostSettings;
use crate::interrupt::{self, INTERRUPTED};
use crate::output::person;
use rustix::fs::{FileType, fstat};
use sigtool_sdk::types::Secret;
use sigtool_sdk::{Error, ErrorCode, Result};
use std::io;
use std::sync::atomic::Ordering;

impl HostSettings {
    /// Whether a person can be asked: on the terminal, wherever standard input comes from, but not in CI.
    pub(super) fn can_ask(&self) -> bool {
        !self.in_ci && person::is_there()
    }

    /// Whether standard input may be read for a password unasked: never a file, which is an artifact more likely.
    pub(super) fn has_piped_line(&self) -> bool {
        let kind = fstat(io::stdin()).map(|facts| FileType::from_raw_mode(facts.st_mode));
        let is_pipe = matches!(kind, Ok(FileType::Fifo | FileType::Socket));
        is_pipe && !self.stdin_taken.load(Ordering::Relaxed)
    }

    pub(super) fn nobody(&self, what: &str) -> Error {
        let what = what.trim_start_matches("the ");
        let why = match self.in_ci {
            true => "in CI nobody is asked",
            false => "there is no terminal to ask on",
        };
        Error::new(
            ErrorCode::AuthRequired,
            format!("no {what} is given, and {why}"),
        )
    }

    pub(super) fn typed(&self, text: &str) -> Result<Secret> {
        let line = person::hidden_line(text, self.timeout);
        match line.map_err(|e| self.unreadable("the terminal", &e))? {
            Some(mut line) => Ok(Secret::new(std::mem::take(&mut *line))),
            None => Err(Error::new(ErrorCode::Declined, "no password was typed")),
        }
    }

    pub(super) fn typed_line(&self) -> Result<String> {
        let line = person::line(self.timeout, || ());
        let line = line.map_err(|e| self.unreadable("the terminal", &e))?;
        Ok(String::from_utf8_lossy(&line.unwrap_or_default()).into_owned())
    }

    pub(super) fn unreadable(&self, what: &str, error: &io::Error) -> Error {
        if interrupt::requested() {
            return Error::new(ErrorCode::Cancelled, INTERRUPTED);
        }
        match (error.kind(), self.timeout) {
            (io::ErrorKind::TimedOut, Some(patience)) => Error::new(
                ErrorCode::Timeout,
                format!("nothing came from {what} within {patience:?}"),
            )
            .hint("if it needs longer, say so with `--timeout 10m`"),
            _ => Error::new(ErrorCode::Unavailable, format!("cannot read {what}")).because(error),
        }
    }
}
