//! The words and the seam that sigtool's backends are written against.
//!
//! A backend implements [`Backend`] and the traits of the kinds it serves ([`signer::Signer`], [`source::Source`], …), has a
//! manifest `sigtool-backend.toml` beside its `Cargo.toml`, and is exported by [`export_backend!`]. Artifacts never cross the
//! seam: a digest, a path or a descriptor does. Stdout belongs to the host.
//!
//! Backends in other languages speak the same messages: as a shared library through `include/sigtool.h`, or as an executable
//! over its pipes (see [`stdio`]).

pub mod abi;
mod backend;
pub mod connection;
mod error;
pub mod file;
pub mod host;
pub mod identity;
pub mod json;
pub mod log;
pub mod manifest;
pub mod message;
mod new_file;
mod panic;
pub mod pem;
pub mod redact;
#[cfg(feature = "schema")]
pub mod schema;
pub mod secret;
pub mod services;
pub mod signer;
pub mod source;
pub mod stdio;
#[cfg(feature = "testing")]
pub mod testing;
pub mod text;
pub mod timestamp;
pub mod trust;
pub mod types;

pub use backend::{Backend, Instance, configuration};
pub use error::{Error, ErrorCode, Result};
pub use host::Call;
pub use manifest::{Kind, Manifest};
pub use new_file::NewFile;
