//! What is said of a profile.

use serde::Serialize;
use std::path::PathBuf;

/// A profile.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Row<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Whether it is the one in use.
    pub(crate) in_use: bool,
    /// The profile that it inherits from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) inherits: Option<&'a str>,
    /// Where it is defined.
    pub(crate) origin: String,
}

/// The profile that is used from now on.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Used<'a> {
    /// Its name.
    pub(crate) profile: &'a str,
}

/// What was made, or was there already.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Made<'a> {
    /// The profile.
    pub(crate) profile: &'a str,
    /// Whether it was made now.
    pub(crate) changed: bool,
    /// The configuration file that it is in, or would be.
    pub(crate) config_file: PathBuf,
    /// The private key, if it is in a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<PathBuf>,
    /// The public key that belongs to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) public_key: Option<PathBuf>,
    /// How a key that was made is kept: `encrypted`, `encrypted-with-empty-password`, or the backend's own word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) protection: Option<String>,
}
