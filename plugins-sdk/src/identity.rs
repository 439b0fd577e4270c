//! The kind `identity`: an OIDC identity token for an audience. Provisional: no backend serves it yet.

use crate::error::Result;
use crate::host::Call;
use crate::message::operations;
use crate::types::Secret;
use serde::{Deserialize, Serialize};

/// Gets identity tokens.
pub trait Identity: Send + Sync {
    /// A token for this audience.
    ///
    /// # Errors
    ///
    /// - `not-found`: this machine has no such identity; the host tries the profile's next one.
    /// - `auth-required`: there is one, but someone must log in.
    fn token(&self, call: &Call, args: TokenArgs) -> Result<IdentityToken>;
}

/// The arguments of `identity.token`.
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

operations! {
    /// An identity token.
    Token "identity.token" @PROVISIONAL TokenArgs => IdentityToken;
}
