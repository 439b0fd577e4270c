//! What is looked up: entries, the newest first; signatures that are still current.

use super::entry::{Entry, EventArtifact, EventSignature};
use super::head::Head;
use crate::time;
use std::time::Duration;

/// Which entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Of artifacts that one of these names; without it, of all artifacts.
    pub artifacts: Option<Vec<Named>>,
    /// Not before this.
    pub since: Option<Since>,
    /// Of a signer whose key hint begins with one of these, or whose key has one as its name; without it, of any signer.
    pub signer: Option<Vec<String>>,
    /// At most this many.
    pub limit: Option<u64>,
}

/// What an artifact may be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// A digest, a name, or a reference.
    pub text: String,
    /// With a version: only a name, of this version.
    pub version: Option<String>,
}

impl Named {
    /// Without a version.
    #[must_use]
    pub fn any_version(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            version: None,
        }
    }
}

/// A moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Since {
    /// This long ago.
    Ago(Duration),
    /// At this time, written as entries have it.
    At(String),
}

impl Since {
    /// A day such as `2026-11-25`, which begins in UTC, or a time as RFC 3339 has it; nothing if it is neither.
    #[must_use]
    pub fn at(text: &str) -> Option<Self> {
        time::parse(text).map(|time| Self::At(time::in_milliseconds(time)))
    }

    /// The moment, written as entries have it. Before all times that can be written is before all entries too.
    pub(super) fn moment(&self) -> String {
        match self {
            Self::At(time) => time.clone(),
            Self::Ago(ago) => time::before_now(*ago)
                .map(time::in_milliseconds)
                .unwrap_or_default(),
        }
    }
}

/// An entry, and the text that was hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// What it says.
    pub entry: Entry,
    /// The line itself.
    pub body: String,
    /// Its number and its hash.
    pub head: Head,
}

/// A signature that no later one has replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Current {
    /// The entry of its signing.
    pub entry: Entry,
    /// The signature.
    pub signature: EventSignature,
}

/// An artifact as the ledger knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// What it is.
    pub artifact: EventArtifact,
    /// Its current signatures, the last made first; none if it was only verified.
    pub signatures: Vec<Current>,
    /// The last time that it was verified.
    pub verified: Option<Entry>,
}
