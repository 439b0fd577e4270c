//! What a backend is opened with.

use crate::config::origin::Origin;
use crate::error::{CommandError, Failure};
use crate::host::blame::failed;
use sigtool_sdk::types::BackendId;
use sigtool_sdk::{Error, Kind};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Where a secret of a backend's configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SecretSource {
    /// An environment variable.
    Variable(String),
    /// A file; the end of its last line is not part of the secret.
    File(PathBuf),
    /// An empty password, where the user said so.
    Empty,
    /// A person, with this text.
    Prompt(String),
    /// A backend of the kind `secret`: the one that serves the scheme.
    Store {
        /// `keyring`, or what stands before the colon of a reference.
        scheme: String,
        /// What stands behind it.
        name: String,
    },
}

/// What to open: a kind of a backend, with its settings.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) backend: BackendId,
    pub(crate) kind: Kind,
    pub(crate) configuration: serde_json::Value,
    /// Where the secrets of the configuration come from, by JSON pointer.
    pub(crate) secrets: BTreeMap<String, SecretSource>,
    /// Whether a new password may come from the variables that hold the present one.
    pub(crate) new_password_may_be_old: bool,
    /// What the profile lends to it.
    pub(crate) lent: Lent,
    /// Where each setting stands, by JSON pointer.
    pub(crate) origins: BTreeMap<String, Origin>,
}

/// The backends of a profile that others may use by way of the host.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lent {
    pub(crate) secret: Option<Box<Opening>>,
    pub(crate) identity: Option<Box<Opening>>,
}

impl Opening {
    /// A backend with no settings.
    pub(crate) fn plain(backend: BackendId, kind: Kind) -> Self {
        Self {
            backend,
            kind,
            configuration: serde_json::Value::Object(serde_json::Map::new()),
            secrets: BTreeMap::new(),
            new_password_may_be_old: true,
            lent: Lent::default(),
            origins: BTreeMap::new(),
        }
    }

    /// An error of this backend. One about a setting shows where that stands.
    pub(crate) fn failed(&self, operation: &str, error: Error) -> CommandError {
        let origin = error
            .field
            .as_ref()
            .and_then(|field| self.origins.get(field));
        let setting = error.field.clone();
        let mut shown = failed(&self.backend, operation, error);
        if let Some(origin) = origin {
            return origin.blame(shown);
        }
        if let Some(field) = setting {
            // It comes from a flag, or for a source from `[network]`: it has no place of its own to be shown.
            if self.kind == Kind::Source {
                let field = field.trim_start_matches('/');
                shown = shown.because(format!("the setting is `{field}`"));
            }
            shown.failure = Failure::Input;
        }
        shown
    }
}
