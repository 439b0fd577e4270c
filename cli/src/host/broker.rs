//! What one backend lends to another, by way of the host: secrets from a store, identity tokens from a profile.
//!
//! So a new store or a new identity provider is one backend, and no signer knows of it.

use super::opening::Opening;
use crate::error::CommandError;
use sigtool_sdk::Manifest;
use sigtool_sdk::connection::Handle;
use sigtool_sdk::identity::Token;
use sigtool_sdk::secret::{GetSecret, SecretArgs};
use sigtool_sdk::types::{BackendId, IdentityToken, Secret, TokenArgs};
use sigtool_sdk::{Error, ErrorCode, Kind, Result};
use std::sync::{Arc, Weak};

/// All backends, as far as one of them may use them.
pub(super) trait Lender: Send + Sync {
    /// The manifest of a backend, read without running it.
    fn manifest(&self, id: &str) -> Option<Manifest>;

    /// The backend that serves a scheme of secrets.
    fn secret_store_for(
        &self,
        scheme: &str,
    ) -> std::result::Result<Option<BackendId>, CommandError>;

    /// Why backends that are there cannot be used.
    fn unusable(&self) -> Vec<String>;

    /// Opens a backend for another one. Nothing is lent to it in turn, so that there are no circles.
    fn open_lent(&self, opening: &Opening) -> std::result::Result<Handle, CommandError>;

    /// Whether a backend may be lent identity tokens: sigtool's own may, others by a grant of the user's.
    fn may_have_tokens(&self, id: &str) -> bool;
}

/// The way from one opened backend to the others of its profile.
#[derive(Clone)]
pub(super) struct Broker {
    pub(super) backends: Weak<dyn Lender>,
    /// The profile's secret store, if it names one.
    pub(super) store: Option<Opening>,
    /// The profile's identity, if it names one.
    pub(super) identity: Option<Opening>,
}

impl Broker {
    /// A secret from the store that serves the scheme: the profile's, else the one that declares it.
    pub(super) fn secret(&self, scheme: &str, name: &str) -> Result<Secret> {
        let backends = self.backends()?;
        let serves = |opening: &&Opening| {
            let manifest = backends.manifest(&opening.backend);
            manifest.is_some_and(|m| m.schemes.iter().any(|s| s == scheme))
        };
        let opening = match self.store.as_ref().filter(serves) {
            Some(opening) => opening.clone(),
            None => {
                let found = backends.secret_store_for(scheme).map_err(seam_error)?;
                let backend = found.ok_or_else(|| {
                    let message = format!("no backend serves secrets of the form `{scheme}:`");
                    let error = Error::new(ErrorCode::Unsupported, message);
                    let error = backends.unusable().iter().fold(error, Error::because);
                    error.hint("use `{ env = \"NAME\" }`, `{ file = \"PATH\" }` or `{ prompt = \"TEXT\" }`")
                })?;
                Opening::plain(backend, Kind::Secret)
            }
        };
        let backend = opening.backend.clone();
        let args = SecretArgs {
            name: name.to_owned(),
        };
        backends
            .open_lent(&opening)
            .map_err(seam_error)?
            .call::<GetSecret>(&args)
            .map(|got| got.value)
            .map_err(|error| named(&backend, "secret.get", error))
    }

    /// A token of the profile's identity, if the user has granted this backend tokens.
    pub(super) fn identity_token(&self, asker: &str, audience: &str) -> Result<IdentityToken> {
        let backends = self.backends()?;
        let denied = |why: &str| {
            Error::new(
                ErrorCode::AccessDenied,
                format!("`{asker}` gets no identity token: {why}"),
            )
        };
        if !backends.may_have_tokens(asker) {
            return Err(denied("no grant in your configuration").hint(format!(
                "if you trust it with your identity: [backend.\"{asker}\"] grants = [\"identity-token\"]"
            )));
        }
        let Some(opening) = self.identity.clone() else {
            return Err(denied("the profile names no `identity`"));
        };
        let backend = opening.backend.clone();
        let args = TokenArgs {
            audience: audience.to_owned(),
        };
        backends
            .open_lent(&opening)
            .map_err(seam_error)?
            .call::<Token>(&args)
            .map_err(|error| named(&backend, "identity.token", error))
    }

    fn backends(&self) -> Result<Arc<dyn Lender>> {
        self.backends
            .upgrade()
            .ok_or_else(|| Error::new(ErrorCode::Internal, "the run has ended"))
    }
}

/// An error of another backend, so that it is clear which one failed.
fn named(backend: &str, operation: &str, mut error: Error) -> Error {
    let message = format!("the backend `{backend}` failed in `{operation}`");
    let cause = std::mem::replace(&mut error.message, message);
    error.causes.insert(0, cause);
    error
}

/// An error of the host, on its way through a backend.
fn seam_error(error: CommandError) -> Error {
    let mut seam = Error::new(error.code.unwrap_or(ErrorCode::Other), error.message);
    seam.causes = error.causes;
    seam.hints = error.hints;
    seam
}
