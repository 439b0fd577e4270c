//! What a bundle holds, whichever format it has. Nothing of it is verified.

use crate::formats::dsse::Envelope;
use serde::Serialize;
use sigtool_sdk::types::{Digest, PublicKey};

/// A bundle, decoded and not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// Which format it has.
    pub format: BundleFormat,
    /// Who, as it says, signed.
    pub unverified_signer: UnverifiedSigner,
    /// The signature and what it is over.
    pub content: Content,
    /// What, as it says, a transparency log recorded.
    pub unverified_log_entries: Vec<UnverifiedLogEntry>,
    /// Signed timestamps (RFC 3161, DER).
    pub timestamps: Vec<Vec<u8>>,
}

/// The formats of bundles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum BundleFormat {
    /// cosign's own, before Sigstore bundles.
    Cosign,
    /// Sigstore bundle v0.1.
    #[serde(rename = "v0.1")]
    V0_1,
    /// Sigstore bundle v0.2.
    #[serde(rename = "v0.2")]
    V0_2,
    /// Sigstore bundle v0.3.
    #[serde(rename = "v0.3")]
    V0_3,
}

impl std::fmt::Display for BundleFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Cosign => "cosign bundle",
            Self::V0_1 => "Sigstore bundle v0.1",
            Self::V0_2 => "Sigstore bundle v0.2",
            Self::V0_3 => "Sigstore bundle v0.3",
        })
    }
}

/// Who a bundle says signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnverifiedSigner {
    /// Certificates, DER, the signer's first.
    Certificate(Vec<Vec<u8>>),
    /// A key pair.
    PublicKey {
        /// The hint that names the key; the formats allow it to be missing.
        hint: Option<String>,
        /// The key itself, which only cosign's older bundles hold. Never a reason to trust it.
        key: Option<PublicKey>,
    },
}

/// A signature and what it is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A DSSE envelope around a statement.
    Envelope(Envelope),
    /// The artifact itself.
    Message {
        /// The artifact's digest, as the bundle says.
        unverified_digest: Option<Digest>,
        /// The raw signature.
        signature: Vec<u8>,
    },
}

impl Content {
    /// The raw signature.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        match self {
            Self::Envelope(envelope) => &envelope.signature,
            Self::Message { signature, .. } => signature,
        }
    }
}

/// An entry of a transparency log, as a bundle carries it. Its proofs are not checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UnverifiedLogEntry {
    /// Its index in the log.
    pub index: u64,
    /// Its kind and version: `hashedrekord 0.0.1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// When the log says it took it in, in seconds since 1970-01-01 UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub integrated_time: Option<i64>,
}

impl Bundle {
    /// The hint that names the signer's key, if the bundle says one.
    #[must_use]
    pub fn unverified_hint(&self) -> Option<&str> {
        match &self.unverified_signer {
            UnverifiedSigner::PublicKey { hint, .. } => hint.as_deref(),
            UnverifiedSigner::Certificate(_) => None,
        }
    }
}
