//! The client as backends see it, against real sockets on this machine.

mod answers;
mod connections;
mod environment;
mod proxies;
mod redirects;
mod retries;
mod tls;
