//! Control-Z at a prompt: the terminal is as it was while the program is stopped, and the question is asked again when it goes on.

use crate::interrupt::{GLANCE, is_ignored};
use rustix::process::{getppid, getsid};
use signal_hook::consts::{SIGCONT, SIGTSTP};
use signal_hook::{flag, low_level};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// What the signals are noted in, for the whole process.
struct Signals {
    /// Control-Z was pressed.
    stop: Arc<AtomicBool>,
    /// The program goes on after it was stopped, by whatever.
    on: Arc<AtomicBool>,
    /// No question is asked: Control-Z stops the program as it does by itself.
    elsewhere: Arc<AtomicBool>,
}

static SIGNALS: OnceLock<Signals> = OnceLock::new();

/// While it lives, Control-Z is noted for the one who asks.
pub(super) struct Stops(&'static Signals);

impl Stops {
    pub(super) fn at_prompt() -> Self {
        let signals = SIGNALS.get_or_init(|| {
            let new = || Arc::new(AtomicBool::new(false));
            let (stop, on, elsewhere) = (new(), new(), new());
            if !is_ignored(SIGTSTP) {
                // A handler that cannot be set leaves the signal what it was.
                let _ = flag::register_conditional_default(SIGTSTP, Arc::clone(&elsewhere));
                let _ = flag::register(SIGTSTP, Arc::clone(&stop));
                let _ = flag::register(SIGCONT, Arc::clone(&on));
            }
            Signals {
                stop,
                on,
                elsewhere,
            }
        });
        signals.elsewhere.store(false, Ordering::Relaxed);
        signals.stop.store(false, Ordering::Relaxed);
        signals.on.store(false, Ordering::Relaxed);
        Self(signals)
    }

    /// Whether the program is to be stopped, or has been.
    pub(super) fn is_asked(&self) -> bool {
        self.0.stop.load(Ordering::Relaxed) || self.0.on.load(Ordering::Relaxed)
    }

    /// Stops the program, if that was asked for. Comes back when it goes on.
    pub(super) fn stop(&self) {
        let Signals { stop, on, .. } = self.0;
        // Without a shell that could make it go on, the system does not stop a program either.
        if stop.swap(false, Ordering::Relaxed) && has_shell() {
            let _ = low_level::emulate_default_handler(SIGTSTP);
            let since = Instant::now();
            while !on.load(Ordering::Relaxed) && since.elapsed() < GLANCE {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        stop.store(false, Ordering::Relaxed);
        on.store(false, Ordering::Relaxed);
    }
}

impl Drop for Stops {
    fn drop(&mut self) {
        self.0.elsewhere.store(true, Ordering::Relaxed);
    }
}

/// Whether what started this process is at the same terminal.
fn has_shell() -> bool {
    let of_parent = getppid().and_then(|parent| getsid(Some(parent)).ok());
    of_parent.is_some() && of_parent == getsid(None).ok()
}
