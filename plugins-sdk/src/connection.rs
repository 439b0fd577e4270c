//! The host's way to a backend, whatever carries the messages.

use crate::error::{Error, ErrorCode, Result};
use crate::host::{Channel, TraceLevel};
use crate::manifest::Kind;
use crate::message::{Open, OpenArgs, Operation, OutgoingRequest, Reply, Text};
use crate::services::{Services, answer};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// A running backend, as the host sees it: a shared library in this process, a child process, or an instance in a test.
pub trait Connection: Send + Sync {
    /// Carries one request there and its reply back, lending `services` meanwhile.
    ///
    /// # Errors
    ///
    /// The transport failed: the backend died, hung past its deadline, panicked, or sent what is not a message.
    fn carry(
        &self,
        id: u64,
        request: &[u8],
        deadline: Option<Duration>,
        services: &Arc<dyn Services>,
    ) -> Result<Zeroizing<Vec<u8>>>;
}

static NEXT_CALL: AtomicU64 = AtomicU64::new(1);

/// How long a throttled call is tried again if nobody said how long to wait.
const THROTTLED_PATIENCE: Duration = Duration::from_secs(60);

/// How many causes and hints of an error count: more than anyone reads.
const MAX_LINES: usize = 20;

/// How long to wait before a throttled call is tried again, if the service did not say.
const THROTTLED_PAUSE: Duration = Duration::from_secs(1);

/// Calls an operation. A throttled one is tried again when the service said to come back, as long as `deadline` allows.
///
/// # Errors
///
/// The backend's, or the transport's.
pub fn call<O: Operation>(
    connection: &dyn Connection,
    services: &Arc<dyn Services>,
    deadline: Option<Duration>,
    handle: Option<u64>,
    args: &O::Args,
) -> Result<O::Reply> {
    let mut left = deadline.unwrap_or(THROTTLED_PATIENCE);
    loop {
        let result = call_once::<O>(connection, services, deadline, handle, args)
            .map(|reply| clean::<O>(reply, &**services))
            .map_err(|error| without_secrets(error, &**services));
        let Err(error) = &result else { return result };
        let pause = error
            .retry_after_ms
            .map_or(THROTTLED_PAUSE, Duration::from_millis);
        if error.code != ErrorCode::Throttled || pause > left {
            return result;
        }
        services.trace(
            TraceLevel::Info,
            &format!(
                "`{}` is throttled: again in {} ms",
                O::NAME,
                pause.as_millis()
            ),
        );
        if !sleep(pause, &**services) {
            return result;
        }
        // A pause of nothing must not make an endless loop.
        left = left.saturating_sub(pause.max(Duration::from_millis(10)));
    }
}

/// Sleeps this long, unless the host is about to end. Tells whether it has slept to the end.
fn sleep(time: Duration, services: &dyn Services) -> bool {
    // How often it is looked whether the host is about to end.
    const SLICE: Duration = Duration::from_millis(50);
    let end = Instant::now() + time;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if services.is_ending() || left.is_zero() {
            return left.is_zero();
        }
        std::thread::sleep(left.min(SLICE));
    }
}

/// Makes what a reply says fit to be shown: a backend may put what it was lent into it, by mistake or by intent.
fn clean<O: Operation>(mut reply: O::Reply, services: &dyn Services) -> O::Reply {
    for text in O::texts(&mut reply) {
        match text {
            Text::Shown(text) => *text = services.without_secrets(text),
            Text::Remarks(remarks) => *remarks = services.remarks(std::mem::take(remarks)),
            Text::Failures(failures) => {
                for failure in failures {
                    *failure = without_secrets(failure.clone(), services);
                }
            }
            Text::Used(text) => services.passes(text),
        }
    }
    reply
}

fn without_secrets(mut error: Error, services: &dyn Services) -> Error {
    error.causes.truncate(MAX_LINES);
    error.hints.truncate(MAX_LINES);
    error.message = services.without_secrets(&error.message);
    for text in error.causes.iter_mut().chain(&mut error.hints) {
        *text = services.without_secrets(text);
    }
    if let Some(field) = &error.field {
        services.passes(field);
    }
    error
}

fn call_once<O: Operation>(
    connection: &dyn Connection,
    services: &Arc<dyn Services>,
    deadline: Option<Duration>,
    handle: Option<u64>,
    args: &O::Args,
) -> Result<O::Reply> {
    let id = NEXT_CALL.fetch_add(1, Ordering::Relaxed);
    let request = OutgoingRequest {
        id,
        op: O::NAME,
        handle,
        args,
        deadline_ms: deadline.map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX)),
    };
    let text = Zeroizing::new(
        serde_json::to_vec(&request)
            .map_err(|e| Error::new(ErrorCode::Internal, "cannot encode a request").because(e))?,
    );
    let reply = connection.carry(id, &text, deadline, services)?;
    Reply::<O::Reply>::decode(O::NAME, &reply)
}

/// An opened kind of a backend.
#[derive(Clone)]
pub struct Handle {
    connection: Arc<dyn Connection>,
    services: Arc<dyn Services>,
    handle: u64,
    deadline: Option<Duration>,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}

impl Handle {
    /// Opens a kind with its settings.
    ///
    /// # Errors
    ///
    /// The backend's, or the transport's.
    pub fn open(
        connection: Arc<dyn Connection>,
        services: Arc<dyn Services>,
        kind: Kind,
        configuration: serde_json::Value,
        deadline: Option<Duration>,
    ) -> Result<Self> {
        let args = OpenArgs {
            kind,
            configuration,
        };
        let opened = call::<Open>(&*connection, &services, deadline, None, &args)?;
        Ok(Self {
            connection,
            services,
            handle: opened.handle,
            deadline,
        })
    }

    /// Calls an operation of that kind.
    ///
    /// # Errors
    ///
    /// The backend's, or the transport's.
    pub fn call<O: Operation>(&self, args: &O::Args) -> Result<O::Reply> {
        call::<O>(
            &*self.connection,
            &self.services,
            self.deadline,
            Some(self.handle),
            args,
        )
    }
}

/// The calls that run on a connection, and what the host lends to each: the host's end of every transport.
///
/// A request that belongs to no running call is refused, so that a backend can ask for nothing behind the host's back.
pub struct Calls {
    running: Mutex<HashMap<u64, Arc<Running>>>,
    /// Who hears debug output: it may come at any time.
    trace: Arc<dyn Services>,
}

struct Running {
    services: Arc<dyn Services>,
    cancelled: AtomicBool,
    life: Mutex<Life>,
}

/// When the backend was last heard of, and whether the host is busy answering it (a person types a password).
struct Life {
    last: Instant,
    answering: u32,
}

impl std::fmt::Debug for Calls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Calls")
    }
}

impl Calls {
    /// No calls yet. `trace` hears debug output.
    #[must_use]
    pub fn new(trace: Arc<dyn Services>) -> Arc<Self> {
        Arc::new(Self {
            running: Mutex::default(),
            trace,
        })
    }

    /// Notes that a call begins, and what is lent to it.
    pub fn begin(&self, call: u64, services: &Arc<dyn Services>) {
        let running = Running {
            services: Arc::clone(services),
            cancelled: AtomicBool::new(false),
            life: Mutex::new(Life {
                last: Instant::now(),
                answering: 0,
            }),
        };
        self.lock().insert(call, Arc::new(running));
    }

    /// Notes that a call has ended.
    pub fn end(&self, call: u64) {
        self.lock().remove(&call);
    }

    /// Cancels a call: the backend sees it when it next asks.
    pub fn cancel(&self, call: u64) {
        if let Some(running) = self.lock().get(&call) {
            running.cancelled.store(true, Ordering::Release);
        }
    }

    /// How much longer to wait for a call, if the backend may be silent for `patience`; zero means no longer.
    #[must_use]
    pub fn remaining(&self, call: u64, patience: Duration) -> Duration {
        let Some(running) = self.lock().get(&call).cloned() else {
            return Duration::ZERO;
        };
        let life = running.life.lock().unwrap_or_else(PoisonError::into_inner);
        if life.answering > 0 {
            patience
        } else {
            patience.saturating_sub(life.last.elapsed())
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Running>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Channel for Calls {
    fn trace(&self, level: TraceLevel, message: &str) {
        self.trace.trace(level, message);
    }

    fn cancelled(&self, call: u64) -> bool {
        self.lock()
            .get(&call)
            .is_none_or(|running| running.cancelled.load(Ordering::Acquire))
    }

    fn request(&self, call: u64, request: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let running = self.lock().get(&call).cloned();
        let Some(running) = running else {
            let message = format!("call {call} has ended, or never was");
            return Err(Error::new(ErrorCode::InvalidRequest, message));
        };
        let mark = |change: i32| {
            let mut life = running.life.lock().unwrap_or_else(PoisonError::into_inner);
            life.last = Instant::now();
            life.answering = life.answering.saturating_add_signed(change);
        };
        mark(1);
        let answer = answer(&*running.services, request);
        mark(-1);
        Ok(answer)
    }
}

/// An instance in this very process, without a boundary: for tests of backends and of what drives them.
#[cfg(feature = "testing")]
#[derive(Debug)]
pub struct Direct {
    instance: crate::Instance,
    calls: Arc<Calls>,
}

#[cfg(feature = "testing")]
impl Direct {
    /// A connection to this instance.
    #[must_use]
    pub fn new(instance: crate::Instance, trace: Arc<dyn Services>) -> Self {
        Self {
            instance,
            calls: Calls::new(trace),
        }
    }
}

#[cfg(feature = "testing")]
impl Connection for Direct {
    fn carry(
        &self,
        id: u64,
        request: &[u8],
        _deadline: Option<Duration>,
        services: &Arc<dyn Services>,
    ) -> Result<Zeroizing<Vec<u8>>> {
        self.calls.begin(id, services);
        let reply = self.instance.serve(&*self.calls, request);
        self.calls.end(id);
        Ok(Zeroizing::new(reply))
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::message::{Describe, Empty};
    use crate::testing::FakeHost;

    /// Is throttled so many times before it answers.
    struct Busy(AtomicU64);

    impl Connection for Busy {
        fn carry(
            &self,
            id: u64,
            _request: &[u8],
            _deadline: Option<Duration>,
            _services: &Arc<dyn Services>,
        ) -> Result<Zeroizing<Vec<u8>>> {
            let left = self.0.load(Ordering::Relaxed);
            if left == 0 {
                let text =
                    format!(r#"{{"id":{id},"ok":{{"id":"a","version":"1","kinds":["signer"]}}}}"#);
                return Ok(Zeroizing::new(text.into_bytes()));
            }
            self.0.store(left - 1, Ordering::Relaxed);
            let mut error = Error::new(ErrorCode::Throttled, "slow down");
            error.retry_after_ms = Some(1);
            Err(error)
        }
    }

    #[test]
    fn a_throttled_call_is_tried_again_while_the_deadline_allows() {
        let host: Arc<dyn Services> = Arc::new(FakeHost::new());
        let deadline = Some(Duration::from_millis(35));
        let calls = |times| {
            call::<Describe>(
                &Busy(AtomicU64::new(times)),
                &host,
                deadline,
                None,
                &Empty {},
            )
        };
        assert_eq!(calls(2).unwrap().id, "a");
        assert_eq!(calls(20).unwrap_err().code, ErrorCode::Throttled);
    }
}
