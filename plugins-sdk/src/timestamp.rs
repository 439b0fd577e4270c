//! The kind `timestamp`: a timestamp authority (RFC 3161). Provisional: no backend serves it yet.

use crate::error::Result;
use crate::host::Call;
use crate::message::operations;
use crate::types::{Bytes, Digest};
use serde::{Deserialize, Serialize};

/// Gets signed timestamps.
pub trait Timestamp: Send + Sync {
    /// A timestamp over a signature.
    ///
    /// # Errors
    ///
    /// `unavailable` if the authority did not answer.
    fn stamp(&self, call: &Call, args: StampArgs) -> Result<Stamped>;
}

/// The arguments of `timestamp.stamp`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StampArgs {
    /// The digest of the raw signature bytes.
    pub digest: Digest,
}

/// The reply of `timestamp.stamp`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Stamped {
    /// The authority's answer: a DER `TimeStampResp` (RFC 3161 section 2.4.2).
    pub timestamp: Bytes,
}

operations! {
    /// A timestamp over a signature.
    Stamp "timestamp.stamp" @PROVISIONAL StampArgs => Stamped;
}
