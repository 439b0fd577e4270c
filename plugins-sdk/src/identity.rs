//! The kind `identity`: an OIDC identity token for an audience. Provisional: no backend serves it yet.

use crate::error::Result;
use crate::host::Call;
use crate::message::operations;
use crate::types::{IdentityToken, TokenArgs};

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

operations! {
    /// An identity token.
    Token "identity.token" @PROVISIONAL TokenArgs => IdentityToken;
}
