//! The kind `trust`: where the trusted root comes from. Provisional: no backend serves it yet.

use crate::error::Result;
use crate::host::Call;
use crate::message::operations;
use serde::{Deserialize, Serialize};

/// Gets the trusted root.
pub trait Trust: Send + Sync {
    /// The trusted root and the signing configuration.
    ///
    /// # Errors
    ///
    /// `unavailable` if what is kept is older than allowed and there is no way to refresh it.
    fn roots(&self, call: &Call, args: RootsArgs) -> Result<Roots>;
}

/// The arguments of `trust.roots`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RootsArgs {
    /// How old what is kept may be, in seconds; absent means the backend's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_s: Option<u64>,
    /// Whether only what is kept may be used.
    #[serde(default)]
    pub offline: bool,
}

/// The reply of `trust.roots`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Roots {
    /// A `TrustedRoot` of Sigstore's protobuf specs, as JSON.
    pub trusted_root: serde_json::Value,
    /// A `SigningConfig`, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_config: Option<serde_json::Value>,
}

operations! {
    /// The trusted root.
    GetRoots "trust.roots" @PROVISIONAL RootsArgs => Roots;
}
