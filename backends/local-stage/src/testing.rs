//! A host for the tests of this crate: says nothing, remembers progress, cancels when told.

use sigtool_sdk::host::{Channel, Progress, TraceLevel};
use sigtool_sdk::message::{Empty, Reply, Request};
use sigtool_sdk::{Call, Result};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Runs something with a call that is never cancelled.
pub(crate) fn with_call<T>(run: impl FnOnce(&Call) -> T) -> T {
    let host = Host::default();
    run(&host.call())
}

/// The host.
pub(crate) struct Host {
    checks: AtomicUsize,
    cancel_at: AtomicUsize,
    cancel_from: Mutex<Option<Instant>>,
    progress: Mutex<Vec<String>>,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            checks: AtomicUsize::new(0),
            cancel_at: AtomicUsize::new(usize::MAX),
            cancel_from: Mutex::new(None),
            progress: Mutex::default(),
        }
    }
}

impl Host {
    pub(crate) fn call(&self) -> Call<'_> {
        Call::new(self, 1, None)
    }

    /// The call counts as cancelled after this many looks.
    pub(crate) fn cancel_after(&self, checks: usize) {
        self.cancel_at.store(checks, Ordering::Relaxed);
    }

    /// The call counts as cancelled after this time.
    pub(crate) fn cancel_after_time(&self, time: Duration) {
        *self.cancel_from.lock().unwrap() = Some(Instant::now() + time);
    }

    /// How often the backend has looked whether the call is cancelled.
    pub(crate) fn checks(&self) -> usize {
        self.checks.load(Ordering::Relaxed)
    }

    /// The messages of the progress that was shown.
    pub(crate) fn progress(&self) -> Vec<String> {
        self.progress.lock().unwrap().clone()
    }
}

impl Channel for Host {
    fn trace(&self, _level: TraceLevel, _message: &str) {}

    fn cancelled(&self, _call: u64) -> bool {
        let checks = self.checks.fetch_add(1, Ordering::Relaxed);
        let due = self.cancel_from.lock().unwrap();
        checks >= self.cancel_at.load(Ordering::Relaxed) || due.is_some_and(|t| t <= Instant::now())
    }

    fn request(&self, _call: u64, request: &[u8]) -> Result<zeroize::Zeroizing<Vec<u8>>> {
        let request: Request<'_> = serde_json::from_slice(request).unwrap();
        assert_eq!(request.op, "host.progress");
        let progress: Progress = request.decode().unwrap();
        self.progress.lock().unwrap().push(progress.message);
        Ok(Reply::encode(request.id, Ok(Empty {})).into())
    }
}
