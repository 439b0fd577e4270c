//! The settings of the kind `signer`, as the host hands them over: paths absolute, secrets as pointers.

use crate::failure::Subject;
use serde::Deserialize;
use sigtool_sdk::types::{KeyReference, SecretReference};
use sigtool_sdk::{Error, ErrorCode, Result};

/// Where the password is asked if the settings do not name a place: the host then goes through its usual ones.
const PASSWORD: &str = "/password";
/// The same for the password of a key that is made.
const NEW_PASSWORD: &str = "/new_password";

/// The settings. The host has checked them against the manifest.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Config {
    /// The key. Absent only while keys are made, which name theirs.
    #[serde(default)]
    key: Option<KeyReference>,
    #[serde(default)]
    password: Option<SecretReference>,
    #[serde(default)]
    new_password: Option<SecretReference>,
}

impl Config {
    /// The key that is configured, if there is one.
    pub(crate) fn key(&self) -> Option<&KeyReference> {
        self.key.as_ref()
    }

    /// The key that is configured; `asked` is the one that a request names, if it names one.
    ///
    /// # Errors
    ///
    /// - `invalid-config`: there is none.
    /// - `not-found`: the request is about another key.
    pub(crate) fn the_key(&self, asked: Option<&str>) -> Result<&KeyReference> {
        let Some(key) = self.key() else {
            return Err(
                Error::new(ErrorCode::InvalidConfig, "the signer has no key")
                    .at(Subject::FIELD)
                    .hint("name one with `--key`, or in the profile: key = \"release.key\"")
                    .hint("make one with `sigtool key generate --output-key-prefix release`"),
            );
        };
        match asked {
            Some(asked) if asked != key.name => Err(Error::new(
                ErrorCode::NotFound,
                format!(
                    "this signer was opened with the key `{}`, not with `{asked}`",
                    key.name
                ),
            )),
            _ => Ok(key),
        }
    }

    /// Where to ask for the password of the key.
    pub(crate) fn password(&self) -> &str {
        self.password.as_ref().map_or(PASSWORD, |s| &s.secret)
    }

    /// Where to ask for the password of a key that is made.
    pub(crate) fn new_password(&self) -> &str {
        self.new_password
            .as_ref()
            .map_or(NEW_PASSWORD, |s| &s.secret)
    }
}
