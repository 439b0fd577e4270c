//! A fresh instance with a fake host, and what the checks expect of its answers.

use super::Subject;
use crate::connection::Connection;
use crate::error::{Error, ErrorCode};
use crate::manifest::Kind;
use crate::message::{Open, OpenArgs, Operation, OutgoingRequest, Reply};
use crate::services::Services;
use crate::testing::{FakeHost, contains_secret};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a backend may be silent in a test: longer than any of these calls takes, even in an interpreter on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why a check ended early.
#[derive(Debug)]
pub(super) enum Stop {
    Failed(String),
    Skipped(String),
}

pub(super) type Verdict = Result<(), Stop>;

impl Stop {
    pub(super) fn failed(why: impl Into<String>) -> Self {
        Self::Failed(why.into())
    }

    pub(super) fn skipped(why: impl Into<String>) -> Self {
        Self::Skipped(why.into())
    }

    /// The usual sentence.
    pub(super) fn differs(
        what: &str,
        expected: impl std::fmt::Display,
        found: impl std::fmt::Display,
    ) -> Self {
        Self::Failed(format!("{what}: expected {expected}, found {found}"))
    }
}

/// An instance under test.
pub(super) struct Probe {
    connection: Arc<dyn Connection>,
    pub(super) host: Arc<FakeHost>,
    services: Arc<dyn Services>,
    /// All that came back, for the search for secrets.
    heard: Mutex<Vec<Vec<u8>>>,
    next: AtomicU64,
}

/// A reply, not yet decoded for an operation.
pub(super) struct RawReply {
    pub(super) id: u64,
    pub(super) result: Result<Value, Error>,
}

impl Probe {
    /// A fresh instance, with a host that lends nothing.
    pub(super) fn new(subject: &Subject<'_>) -> Result<Self, Stop> {
        Self::with(subject, FakeHost::new())
    }

    /// A fresh instance with this host.
    pub(super) fn with(subject: &Subject<'_>, host: FakeHost) -> Result<Self, Stop> {
        let host = Arc::new(host.lends_to(subject.manifest));
        let services: Arc<dyn Services> = Arc::clone(&host) as Arc<dyn Services>;
        let connection = (subject.connect)(&services)
            .map_err(|e| Stop::failed(format!("expected a running backend, found: {e}")))?;
        Ok(Self {
            connection,
            host,
            services,
            heard: Mutex::default(),
            next: AtomicU64::new(1),
        })
    }

    /// Sends text as it is. No reply at all breaks every promise.
    pub(super) fn send(&self, id: u64, text: &[u8]) -> Result<RawReply, Stop> {
        let shown: String = String::from_utf8_lossy(text).chars().take(80).collect();
        let reply = self
            .carry(id, text)
            .map_err(|e| Stop::differs(&format!("the request `{shown}`"), "a reply", e))?;
        let reply: Reply<Value> = serde_json::from_slice(&reply).map_err(|e| {
            Stop::differs(
                &format!("the request `{shown}`"),
                "a reply",
                format!("text that is not one ({e})"),
            )
        })?;
        let result = match (reply.ok, reply.err) {
            (Some(ok), None) => Ok(ok),
            (None, Some(err)) => Err(err),
            _ => {
                return Err(Stop::differs(
                    &format!("the reply to `{shown}`"),
                    "exactly one of `ok` and `err`",
                    "neither or both",
                ));
            }
        };
        Ok(RawReply {
            id: reply.id,
            result,
        })
    }

    /// Sends a request made of a JSON value; sets its `id`, and expects it in the reply.
    pub(super) fn send_json(&self, mut request: Value) -> Result<RawReply, Stop> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        request["id"] = json!(id);
        let reply = self.send(id, request.to_string().as_bytes())?;
        if reply.id != id {
            let what = format!("the `id` of the reply to `{}`", request["op"]);
            return Err(Stop::differs(&what, id, reply.id));
        }
        Ok(reply)
    }

    /// Calls an operation.
    pub(super) fn call<O: Operation>(
        &self,
        handle: Option<u64>,
        args: &O::Args,
    ) -> Result<O::Reply, Error> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let request = OutgoingRequest {
            id,
            op: O::NAME,
            handle,
            args,
            deadline_ms: Some(20_000),
        };
        let text = serde_json::to_vec(&request)
            .map_err(|e| Error::new(ErrorCode::Internal, "cannot encode a request").because(e))?;
        let reply = self.carry(id, &text)?;
        Reply::<O::Reply>::decode(O::NAME, &reply)
    }

    /// Opens a kind.
    pub(super) fn open(&self, kind: Kind, configuration: &Value) -> Result<u64, Error> {
        let args = OpenArgs {
            kind,
            configuration: configuration.clone(),
        };
        self.call::<Open>(None, &args).map(|opened| opened.handle)
    }

    fn carry(&self, id: u64, text: &[u8]) -> Result<Vec<u8>, Error> {
        let reply = self
            .connection
            .carry(id, text, Some(PATIENCE), &self.services);
        let said = match &reply {
            Ok(reply) => reply.to_vec(),
            Err(error) => serde_json::to_vec(error).unwrap_or_default(),
        };
        self.heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(said);
        reply.map(|mut reply| std::mem::take(&mut *reply))
    }

    /// An error if this secret was said anywhere.
    pub(super) fn find_no(&self, secret: &[u8]) -> Verdict {
        if let Some(event) = self.host.leaks(secret).first() {
            let place = match event {
                crate::testing::Event::Trace(..) => "a trace",
                crate::testing::Event::Prompt(_) => "a question to the person",
                crate::testing::Event::CachePut(..) => "its cache",
                _ => "a request to the host",
            };
            return Err(Stop::differs(
                "a secret",
                "in no message",
                format!("in {place}"),
            ));
        }
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.iter().any(|said| contains_secret(said, secret)) {
            return Err(Stop::differs(
                "a secret",
                "in no message",
                "in a reply or an error",
            ));
        }
        Ok(())
    }
}

/// The value, or a failed promise.
pub(super) fn ok<T>(what: &str, result: Result<T, Error>) -> Result<T, Stop> {
    result.map_err(|e| Stop::differs(what, "success", format!("the error `{}`: {e}", e.code)))
}

/// A failed promise, unless the result is an error with one of these codes.
pub(super) fn refused<T>(what: &str, result: Result<T, Error>, codes: &[ErrorCode]) -> Verdict {
    let expected = || {
        let names: Vec<String> = codes.iter().map(|c| format!("`{c}`")).collect();
        format!("the error {}", names.join(" or "))
    };
    match result {
        Err(error) if codes.contains(&error.code) => Ok(()),
        Err(e) => Err(Stop::differs(
            what,
            expected(),
            format!("the error `{}`: {e}", e.code),
        )),
        Ok(_) => Err(Stop::differs(what, expected(), "success")),
    }
}
