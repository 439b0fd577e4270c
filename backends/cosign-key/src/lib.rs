//! Signs with a key pair in a file, or in a variable: cosign's encrypted keys, and what OpenSSL writes.
//!
//! From the outside in:
//!
//! - `backend`: opens the one kind that this backend serves, `signer`.
//! - `config`: the settings, as the host hands them over.
//! - `signer`: the verbs, `sign` first. Reads and unlocks the key once, and keeps it.
//! - `unlock`: asks for the password until one fits.
//! - `files`: reads key files safely, and writes them all or not at all.
//! - `formats`: from the text of a key to what is stored in it; `pem`, `container` (cosign's own) and `pbes2` (OpenSSL's) below it.
//! - `private_key`: an unlocked key, which signs; `ed25519` below it, for payloads larger than memory.
//! - `failure`: everything that can be wrong with a key, and what to do about it.

mod backend;
mod config;
mod container;
mod ed25519;
mod failure;
mod files;
mod formats;
mod pbes2;
mod pem;
mod private_key;
mod signer;
#[cfg(test)]
mod testing;
mod unlock;

use backend::CosignKey;

sigtool_sdk::export_backend!(CosignKey);
