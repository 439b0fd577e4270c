//! One artifact that was asked for.

use crate::error::CommandError;
use sigtool_sdk::types::Artifact;

/// One artifact that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// As the user named it, or as it was found in a folder.
    pub(crate) shown: String,
    /// For the source: the path that a file has whichever way it is written, or an image without `oci:`.
    pub(crate) reference: String,
    /// The source that serves it.
    pub(crate) source: SourceOf,
    /// It came from standard input and lies in a temporary file.
    pub(crate) from_stdin: bool,
}

impl Item {
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
