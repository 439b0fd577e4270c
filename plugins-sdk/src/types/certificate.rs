//! Certificate chains of keyless signers.

use super::Bytes;
use serde::{Deserialize, Serialize};

/// A certificate chain, the signer's own certificate first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CertificateChain {
    /// DER certificates (RFC 5280), the signer's first, the root last or absent.
    pub certificates: Vec<Bytes>,
    /// A detached signed certificate timestamp (RFC 6962), where the authority does not embed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sct: Option<Bytes>,
    /// When the signer's certificate ends, in milliseconds since 1970-01-01 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after_ms: Option<u64>,
    /// Who the token said we are; not checked by anyone yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unverified_identity: Option<String>,
}
