//! Panics of a backend, caught on its own side: the only place where that works.
//!
//! Each shared library has its own copy of the standard library, so the host can neither catch a backend's panic nor silence
//! its panic hook.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `f`; a panic comes back as its text and place.
pub(crate) fn guarded<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    install_hook();
    catch_unwind(AssertUnwindSafe(f)).map_err(|payload| {
        // A payload whose own `Drop` panics must not get past this guard either.
        let _ = catch_unwind(AssertUnwindSafe(move || drop(payload)));
        LAST.with_borrow_mut(Option::take)
            .unwrap_or_else(|| "without a message".to_owned())
    })
}

/// Keeps a panic's text for the error, where the standard hook would print it into the user's terminal.
fn install_hook() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            let text = info
                .payload_as_str()
                .unwrap_or("a payload that is not text");
            let place = info
                .location()
                .map(|l| format!(" at {}:{}", l.file(), l.line()))
                .unwrap_or_default();
            LAST.with_borrow_mut(|last| *last = Some(format!("{text}{place}")));
        }));
    });
}
