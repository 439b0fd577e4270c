//! Waiting for a backend, with an end.

use crate::interrupt::{self, GLANCE, INTERRUPTED};
use serde::de::IgnoredAny;
use sigtool_sdk::connection::Calls;
use sigtool_sdk::message::Reply;
use sigtool_sdk::{Error, ErrorCode, Result};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;
use zeroize::Zeroizing;

/// How long a call may take to end after it was cancelled.
const GRACE: Duration = Duration::from_secs(2);

/// How long a backend may be silent if nobody said.
const DEFAULT_PATIENCE: Duration = Duration::from_secs(300);

/// Waits for an answer as long as the backend gives signs of life and nobody presses Ctrl-C, then cancels the call and leaves it.
pub(super) fn wait(
    calls: &Calls,
    answer: &Receiver<Result<Zeroizing<Vec<u8>>>>,
    id: u64,
    deadline: Option<Duration>,
    cancel: impl FnOnce(),
) -> Result<Waited> {
    let patience = deadline.unwrap_or(DEFAULT_PATIENCE);
    let died = || {
        Error::new(
            ErrorCode::Internal,
            "the backend ended the call without an answer",
        )
    };
    let cancelled = loop {
        let left = calls.remaining(id, patience).min(GLANCE);
        match answer.recv_timeout(left) {
            Ok(answer) => {
                let cancelled = None;
                return Ok(Waited { answer, cancelled });
            }
            Err(RecvTimeoutError::Disconnected) => return Err(died()),
            Err(RecvTimeoutError::Timeout) if interrupt::requested() => break interrupted(),
            Err(RecvTimeoutError::Timeout) if calls.remaining(id, patience).is_zero() => {
                break silent(patience);
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    };
    calls.cancel(id);
    cancel();
    match answer.recv_timeout(GRACE) {
        Ok(answer) => Ok(Waited {
            answer,
            cancelled: Some(cancelled),
        }),
        Err(RecvTimeoutError::Disconnected) => Err(died()),
        Err(RecvTimeoutError::Timeout) => Err(cancelled),
    }
}

fn silent(patience: Duration) -> Error {
    Error::new(
        ErrorCode::Timeout,
        format!("no answer and no sign of life for {} s", patience.as_secs()),
    )
    .hint("if it needs longer, say so with `--timeout 10m`")
}

/// What a call that Ctrl-C has cancelled ends with.
pub(super) fn interrupted() -> Error {
    Error::new(ErrorCode::Cancelled, INTERRUPTED)
}

/// An answer, and why the call had been cancelled before, if it had.
pub(super) struct Waited {
    answer: Result<Zeroizing<Vec<u8>>>,
    cancelled: Option<Error>,
}

impl Waited {
    /// The reply. A backend that says "cancelled" was cancelled by its host: the person is told why.
    pub(super) fn reply(self) -> Result<Zeroizing<Vec<u8>>> {
        let reply = self.answer?;
        let Some(cancelled) = self.cancelled else {
            return Ok(reply);
        };
        let ended: Option<Reply<IgnoredAny>> = serde_json::from_slice(&reply).ok();
        match ended.and_then(|reply| reply.err) {
            Some(error) if error.code == ErrorCode::Cancelled => Err(cancelled),
            _ => Ok(reply),
        }
    }
}
