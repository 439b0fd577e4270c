//! What is said of a backend.

use crate::host::{Found, Isolation, Owner};
use crate::report::lossy;
use serde::Serialize;
use sigtool_sdk::{Kind, Manifest};

/// A backend.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Row<'a> {
    /// Its id.
    pub(crate) id: &'a str,
    /// Its version.
    pub(crate) version: &'a str,
    /// What it does, in a line.
    pub(crate) summary: &'a str,
    /// The kinds it serves.
    pub(crate) kinds: &'a [Kind],
    /// The schemes of references that it serves, without colon.
    schemes: &'a [String],
    /// The shared library or executable.
    path: String,
    /// Whether it is shipped with sigtool.
    first_party: bool,
    /// Where it runs.
    isolation: Isolation,
    /// The recorded SHA-256, in hexadecimal digits; of a third-party backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<&'a str>,
}

/// A backend, and all that it declares.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Shown<'a> {
    #[serde(flatten)]
    pub(crate) row: Row<'a>,
    /// Its manifest.
    pub(crate) manifest: &'a Manifest,
}

/// A folder that backends are looked for in.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Folder {
    /// The folder.
    pub(crate) path: String,
    /// Whether it is there.
    pub(crate) exists: bool,
    /// What is looked for in it, as people are told.
    pub(crate) holds: &'static str,
}

/// A backend that was recorded.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Pinned<'a> {
    /// Its id.
    pub(crate) id: &'a str,
    /// The shared library or executable.
    pub(crate) path: String,
    /// Its SHA-256, in hexadecimal digits.
    pub(crate) sha256: &'a str,
    /// The configuration file in which it is recorded.
    pub(crate) file: String,
}

impl<'a> Row<'a> {
    pub(crate) fn of(found: &'a Found) -> Self {
        let manifest = &found.manifest;
        Self {
            id: &manifest.id,
            version: &manifest.version,
            summary: &manifest.summary,
            kinds: &manifest.kinds,
            schemes: &manifest.schemes,
            path: lossy(&found.path),
            first_party: found.owner == Owner::FirstParty,
            isolation: found.isolation,
            sha256: found.sha256.as_deref(),
        }
    }
}
