//! The one configured HTTP client of backends: proxies, private certificate authorities, client certificates, deadlines, retries
//! with back-off and `Retry-After`, bounded answers, redirects that take no credentials along, redacted debug output, and no
//! socket under `--offline`.
//!
//! It blocks, and is called from plain threads: a backend that uses it needs no async runtime. One [`Client`] serves many threads
//! and keeps one pool of connections.

#![forbid(unsafe_code)]

mod authorities;
mod client;
mod diagnosis;
mod except;
mod exchange;
mod failure;
mod message;
mod pem;
mod proxy;
mod redirect;
mod retry;
mod settings;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod text;
mod trace;
mod tunnel;

pub use client::Client;
pub use failure::{Failure, FailureKind};
pub use message::{Request, Response};
pub use reqwest::header;
pub use reqwest::{Method, StatusCode, Url};
pub use settings::Tls;
