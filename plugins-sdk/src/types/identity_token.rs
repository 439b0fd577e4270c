//! Identity tokens, as a backend asks its host for one and the host asks another backend.

use super::Secret;
use serde::{Deserialize, Serialize};

/// The arguments of `identity.token`, and of `host.identity_token`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenArgs {
    /// Whom the token is for, for example `sigstore`.
    pub audience: String,
}

/// An identity token, and what it says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IdentityToken {
    /// The token (OpenID Connect Core 1.0 section 2).
    pub token: Secret,
    /// The claim `iss`, not checked by anyone yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unverified_issuer: Option<String>,
    /// The claim `email` or `sub`, not checked by anyone yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unverified_subject: Option<String>,
    /// When it ends, in milliseconds since 1970-01-01 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<u64>,
}
