//! The kind `log`: a transparency log. Provisional: no backend serves it yet.

use crate::error::Result;
use crate::host::Call;
use crate::message::operations;
use crate::types::{Bytes, Digest, Verifier};
use serde::{Deserialize, Serialize};

/// Enters signatures in a transparency log.
pub trait Log: Send + Sync {
    /// Enters a signature. "Already there" is success.
    ///
    /// # Errors
    ///
    /// `unavailable` if the log did not answer; the signature is then not used.
    fn record(&self, call: &Call, args: RecordArgs) -> Result<Recorded>;
}

/// The arguments of `log.record`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RecordArgs {
    /// The digest of the payload that was signed.
    pub digest: Digest,
    /// The signature.
    pub signature: Bytes,
    /// What verifies it.
    pub verifier: Verifier,
    /// The DSSE envelope as JSON, if the payload is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envelope: Option<String>,
}

/// The reply of `log.record`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Recorded {
    /// The entry with its proofs: a `TransparencyLogEntry` of Sigstore's protobuf specs, as JSON.
    pub entry: serde_json::Value,
    /// Where a person can look at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

operations! {
    /// Enters a signature in the log.
    Record "log.record" @PROVISIONAL RecordArgs => Recorded;
}
