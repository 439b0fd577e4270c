//! Signatures, as signers return them and as sources keep them.

use super::{Bytes, CertificateChain, KeyAlgorithm, PublicKey};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What checks a signature: exactly one of a public key and a certificate chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Verifier {
    /// A key of its own.
    PublicKey(PublicKey),
    /// A key that a certificate authority vouches for.
    CertificateChain(CertificateChain),
}

/// What a signer returns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Signed {
    /// The raw signature, encoded as [`KeyAlgorithm`] says.
    pub signature: Bytes,
    /// The algorithm of the key that signed.
    pub algorithm: KeyAlgorithm,
    /// What verifies it. The host does so before it uses the signature.
    pub verifier: Verifier,
    /// The signer's own name for the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// The version of the key, where the signer rotates keys under one name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_version: Option<String>,
}

/// How a signature is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SignatureFormat {
    /// A Sigstore bundle (`*.sigstore.json`).
    Bundle,
    /// cosign's own: for a file the Base64 of the raw signature (`.sig`), for an image a simple-signing payload and the
    /// signature over it.
    Cosign,
    /// A format of a later version; left alone.
    #[serde(other)]
    Other,
}

impl SignatureFormat {
    /// The name on the wire and in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bundle => "bundle",
            Self::Cosign => "cosign",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for SignatureFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A signature that lies beside an artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StoredSignature {
    /// The source's name for it, to give back in `source.attach` and `source.detach`.
    pub id: String,
    /// How it is kept.
    pub format: SignatureFormat,
    /// The place, as a user would name it: a path, or a registry reference.
    pub location: String,
    /// The bytes: as in [`AttachArgs`](crate::source::AttachArgs).
    pub content: Bytes,
}
