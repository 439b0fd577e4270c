//! The kind `secret`: key material and passwords by reference. Provisional: no backend serves it yet.

use crate::error::{Error, Result};
use crate::host::Call;
use crate::message::{Empty, Operation as _, operations};
use crate::types::Secret;
use serde::{Deserialize, Serialize};

/// Keeps secrets.
pub trait SecretStore: Send + Sync {
    /// The secret of this name.
    ///
    /// # Errors
    ///
    /// `not-found` if there is none.
    fn get(&self, call: &Call, args: SecretArgs) -> Result<SecretValue>;

    /// Keeps a secret, in place of one of that name. Capability `secret.put`.
    ///
    /// # Errors
    ///
    /// `access-denied` if it may not be written.
    fn put(&self, _call: &Call, _args: PutArgs) -> Result<Empty> {
        Err(Error::unsupported(PutSecret::NAME))
    }

    /// The names of the secrets. Capability `secret.list`.
    ///
    /// # Errors
    ///
    /// `unsupported` if it cannot tell.
    fn list(&self, _call: &Call) -> Result<SecretNames> {
        Err(Error::unsupported(ListSecrets::NAME))
    }

    /// Removes a secret. Capability `secret.remove`.
    ///
    /// # Errors
    ///
    /// `not-found` if there is none.
    fn remove(&self, _call: &Call, _args: SecretArgs) -> Result<Empty> {
        Err(Error::unsupported(RemoveSecret::NAME))
    }
}

/// Which secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SecretArgs {
    /// Its name, in the store's own way of naming.
    pub name: String,
}

/// A secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SecretValue {
    /// Its bytes.
    pub value: Secret,
}

/// The arguments of `secret.put`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PutArgs {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub value: Secret,
}

/// The reply of `secret.list`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SecretNames {
    /// The names, sorted.
    pub names: Vec<String>,
}

operations! {
    /// The secret of a name.
    GetSecret "secret.get" @PROVISIONAL SecretArgs => SecretValue;
    /// Keeps a secret.
    PutSecret "secret.put" @PROVISIONAL PutArgs => Empty;
    /// The names of the secrets.
    ListSecrets "secret.list" @PROVISIONAL Empty => SecretNames;
    /// Removes a secret.
    RemoveSecret "secret.remove" @PROVISIONAL SecretArgs => Empty;
}
