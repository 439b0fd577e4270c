//! One artifact that was asked for.

use crate::error::CommandError;
use sigtool_sdk::types::{Artifact, ImageRef, Reference};
use std::path::PathBuf;

/// One artifact that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// As the user named it, or as it was found in a folder.
    pub(crate) shown: String,
    /// What its source is asked for. A file has the path that it has whichever way it is written.
    pub(crate) reference: Reference,
    /// It came from standard input and lies in a temporary file.
    pub(crate) from_stdin: bool,
    /// How it was come upon.
    pub(crate) found: Found,
}

/// How an artifact was come upon. Only who names it by itself has surely thought of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Found {
    /// It was named by itself.
    #[default]
    ByName,
    /// In a list.
    InList,
    /// In a folder, or by a pattern: with what lies there.
    InFolder,
}

impl Item {
    /// A file, or what the profile's own source serves in place of files.
    pub(crate) fn file(shown: impl Into<String>, reference: impl Into<PathBuf>) -> Self {
        Self {
            shown: shown.into(),
            reference: Reference::File(reference.into()),
            from_stdin: false,
            found: Found::ByName,
        }
    }

    /// An image.
    pub(crate) fn image(shown: impl Into<String>, image: ImageRef) -> Self {
        Self {
            shown: shown.into(),
            reference: Reference::Image(image),
            from_stdin: false,
            found: Found::ByName,
        }
    }

    /// The source that serves it.
    pub(crate) fn source(&self) -> SourceOf {
        match &self.reference {
            Reference::File(_) => SourceOf::Files,
            Reference::Image(_) => SourceOf::Images,
        }
    }

    /// Names the artifact as the user did: the temporary file that standard input was kept in is nobody's business.
    pub(crate) fn name_in(&self, artifact: &mut Artifact) {
        if self.from_stdin {
            artifact.reference = self.shown.clone();
            artifact.path = None;
        }
    }
}

/// A word that names no artifact.
#[derive(Clone, Debug)]
pub(crate) struct Missed {
    /// As the user wrote it.
    pub(crate) shown: String,
    pub(crate) error: CommandError,
}

/// Which source an artifact comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SourceOf {
    /// That of files; a third-party source of the profile's takes its place.
    Files,
    /// That of images.
    Images,
}
