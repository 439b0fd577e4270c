//! A backend in this process. Its calls run on threads of their own, so that one that hangs can be left behind.

use super::child::checked;
use super::queue::Workers;
use crate::interrupt::{self, GLANCE, INTERRUPTED};
use serde::de::IgnoredAny;
use sigtool_sdk::abi::{Plugin, Table};
use sigtool_sdk::connection::{Calls, Connection};
use sigtool_sdk::message::{Hello, Reply};
use sigtool_sdk::services::Services;
use sigtool_sdk::{Error, ErrorCode, Result};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;
use zeroize::Zeroizing;

/// How long a call may take to end after it was cancelled.
const GRACE: Duration = Duration::from_secs(2);

/// How long a backend may be silent if nobody said.
const DEFAULT_PATIENCE: Duration = Duration::from_secs(300);

/// An instance in this process.
#[derive(Debug)]
pub(super) struct InProcess {
    plugin: Arc<Plugin>,
    calls: Arc<Calls>,
    workers: Workers,
}

impl InProcess {
    /// Makes an instance of a loaded library.
    pub(super) fn start(table: Table, hello: &Hello, trace: Arc<dyn Services>) -> Result<Self> {
        let calls = Calls::new(trace);
        let channel = Arc::clone(&calls);
        let plugin = table.create(hello, channel)?;
        Ok(Self {
            plugin: Arc::new(plugin),
            calls,
            workers: Workers::default(),
        })
    }

    /// What the backend said first.
    pub(super) fn hello(&self) -> &Hello {
        self.plugin.hello()
    }
}

impl Connection for InProcess {
    fn carry(
        &self,
        id: u64,
        request: &[u8],
        deadline: Option<Duration>,
        services: &Arc<dyn Services>,
    ) -> Result<Zeroizing<Vec<u8>>> {
        self.calls.begin(id, services);
        let request = Zeroizing::new(request.to_vec());
        let (plugin, calls) = (Arc::clone(&self.plugin), Arc::clone(&self.calls));
        let answer = self.workers.run(move || {
            let answer = plugin.call(id, &request);
            calls.end(id);
            answer
        });
        let waited = wait(&self.calls, &answer, id, deadline, || {
            self.plugin.cancel(id);
        })?;
        checked(id, waited.reply()?)
    }
}

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

/// What a call ends with that Ctrl-C has cancelled.
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
