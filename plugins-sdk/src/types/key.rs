//! Keys: how they are named, and their public half.

use super::{Bytes, KeyAlgorithm};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PublicKey {
    /// Its algorithm.
    pub algorithm: KeyAlgorithm,
    /// The DER of its `SubjectPublicKeyInfo` (RFC 5280 section 4.1.2.7).
    pub spki: Bytes,
}

/// How a configuration names a key, as the host hands it to a backend.
///
/// The user writes a path, or `scheme:rest`. The host resolves what it can: a path against the file that holds it, and a
/// reference whose bytes another party holds (`env:`, `keyring:`, …) into a pointer for [`Call::secret`](crate::Call::secret).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KeyReference {
    /// What the user wrote; for messages.
    pub name: String,
    /// The absolute path, if the key is a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// The pointer to ask the host for the key's bytes, if the host can get them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// A key that a signer offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KeyInfo {
    /// The name to use in a key reference.
    pub name: String,
    /// Its algorithm, if that is known without unlocking it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<KeyAlgorithm>,
    /// The public key, if that is known without unlocking it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<PublicKey>,
    /// How it is kept: `encrypted`, `plain`, `hardware`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protection: Option<String>,
}
