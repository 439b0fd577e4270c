//! For authors' tests: a host that follows a script, and the promises that every backend keeps.
//!
//! ```
//! # use sigtool_sdk::testing::{FakeHost, SecretAnswer};
//! let host = FakeHost::new()
//!     .secret("/password", [SecretAnswer::value("wrong"), SecretAnswer::value("hunter2")])
//!     .offline();
//! // … drive a backend with it, then look at what it asked for and said:
//! assert!(host.leaks(b"hunter2").is_empty());
//! ```

pub mod contract;
mod host;
mod leak;

pub use host::{Event, FakeHost, SecretAnswer};
pub use leak::contains_secret;
