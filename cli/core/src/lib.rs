//! What signing and verifying are: artifact, payload, signature, bundle, policy, verification.
//!
//! No terminal, no environment, no shared libraries, no network. Artifacts and keys are reached through the backends that the
//! caller has opened ([`sigtool_sdk::connection::Handle`]); the only files read here are artifacts whose bytes an Ed25519 key
//! signs (where their source did not hash them for that), and the only ones written are signatures that the user asked for at a path of
//! their own, and the local store.
#![forbid(unsafe_code)]

pub mod digest;
#[cfg(test)]
mod fake;
pub mod formats;
pub mod inspect;
pub mod key;
pub mod ledger;
pub mod limits;
pub mod output;
mod reference;
pub mod resolve;
pub mod sign;
pub mod state;
pub mod store;
mod text;
pub mod time;
pub mod trust;
pub mod verify;
pub mod write;

pub use inspect::{Inspection, inspect};
pub use ledger::Ledger;
pub use sign::{OpenSigner, SigningRequest, sign_artifact};
pub use store::Store;
pub use trust::{Policy, Require, TrustedKey};
pub use verify::{
    GivenSignature, Reason, Verification, Verified, VerifyingRequest, verify_artifact,
};
