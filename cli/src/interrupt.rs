//! Ctrl-C, and the other signals that ask a program to end: the first one ends a run in good order, a second one at once.

use crate::error::{CommandError, Failure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// How often what waits looks whether it should go on waiting.
pub(crate) const GLANCE: Duration = Duration::from_millis(50);

static REQUESTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From now on the first signal is noted, for [`requested`] to tell. Before, it ends the program, as it does by itself.
pub(crate) fn watch() {
    REQUESTED.get_or_init(|| {
        let requested = Arc::new(AtomicBool::new(false));
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            if is_ignored(signal) {
                continue;
            }
            // In this order: when the first signal comes, the flag that makes it the last is not set yet. A handler that cannot be
            // set leaves the signal what it was.
            let now = i32::from(Failure::Cancelled.exit_code());
            let _ = flag::register_conditional_shutdown(signal, now, Arc::clone(&requested));
            let _ = flag::register(signal, Arc::clone(&requested));
        }
        requested
    });
}

/// Whether a signal asks for the end of the run: what is under way is cancelled.
pub(crate) fn requested() -> bool {
    REQUESTED
        .get()
        .is_some_and(|requested| requested.load(Ordering::Relaxed))
}

/// Whether the first signal is noted: a run is under way that has something to finish.
pub(crate) fn is_watched() -> bool {
    REQUESTED.get().is_some()
}

/// Set when what is under way is to be finished, and nothing is to follow.
static NOTHING_MORE: AtomicBool = AtomicBool::new(false);

/// From now on nothing new is begun.
pub(crate) fn begin_nothing_more() {
    NOTHING_MORE.store(true, Ordering::Relaxed);
}

/// Whether nothing new is begun.
pub(crate) fn is_over() -> bool {
    requested() || NOTHING_MORE.load(Ordering::Relaxed)
}

/// An error if the run should end.
pub(crate) fn check() -> Result<(), CommandError> {
    if requested() { Err(error()) } else { Ok(()) }
}

/// What a run that has nothing to report ends with.
pub(crate) fn error() -> CommandError {
    CommandError::new(Failure::Cancelled, INTERRUPTED)
}

/// What happened, in a word.
pub(crate) const INTERRUPTED: &str = "interrupted";

/// Whether whoever started us has switched this signal off: `nohup`, and shells for what they run in the background.
pub(crate) fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bits = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
    bits.unwrap_or_default() >> (signal - 1) & 1 == 1
}

/// A stream that may be silent for long: reading it ends when the run should end.
pub(crate) struct Patient<'a, F> {
    from: F,
    /// What is looked at again and again while nothing comes; its error ends the reading.
    glance: Box<dyn FnMut() -> io::Result<()> + Send + 'a>,
}

impl<'a, F> Patient<'a, F> {
    /// Waits with an eye on something else too.
    pub(crate) fn with(from: F, glance: impl FnMut() -> io::Result<()> + Send + 'a) -> Self {
        let glance = Box::new(glance);
        Self { from, glance }
    }

    /// Calls `tell` once if nothing at all has come for so long that a person would wonder.
    pub(crate) fn telling(from: F, tell: impl Fn() + Send + 'a) -> Self {
        Self::with(from, telling(tell))
    }
}

/// A glance that calls `tell` once, when a person would wonder why nothing happens.
pub(crate) fn telling(tell: impl Fn() + Send) -> impl FnMut() -> io::Result<()> + Send {
    let since = Instant::now();
    let mut told = false;
    move || {
        if !told && since.elapsed() >= WONDER {
            told = true;
            tell();
        }
        Ok(())
    }
}

/// How long nothing has to come before it is said what is waited for.
const WONDER: Duration = Duration::from_secs(2);

impl<F: AsFd> io::Read for Patient<'_, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let glance = Timespec::try_from(GLANCE).ok();
        loop {
            if is_over() {
                // Not of the kind `Interrupted`: that one is tried again.
                return Err(io::Error::other(INTERRUPTED));
            }
            let mut waits = [PollFd::new(&self.from, PollFlags::IN)];
            match poll(&mut waits, glance.as_ref()) {
                Ok(0) | Err(rustix::io::Errno::INTR) => (self.glance)()?,
                // What cannot be waited for is read at once.
                Ok(_) | Err(_) => match rustix::io::read(&self.from, &mut *buffer) {
                    Err(rustix::io::Errno::AGAIN) => {}
                    read => return Ok(read?),
                },
            }
        }
    }
}
