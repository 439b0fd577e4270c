//! Who we are for a registry.

use sigtool_sdk::Result;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Who we are for a registry.
pub(crate) struct Credential {
    pub(crate) login: Login,
    /// Where it comes from, as users would look for it.
    pub(crate) origin: String,
}

/// What registries take. Wiped when dropped.
pub(crate) enum Login {
    /// Exchanged for tokens.
    IdentityToken(Zeroizing<String>),
    /// A user, and a password or access token.
    Password {
        username: Zeroizing<String>,
        password: Zeroizing<String>,
    },
    /// A token that the registry itself takes.
    RegistryToken(Zeroizing<String>),
}

/// What was found, or why nothing could be: neither a person nor a helper is asked twice.
pub(crate) type Outcome = Result<Option<Arc<Credential>>>;
