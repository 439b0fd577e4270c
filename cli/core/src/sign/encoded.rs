//! A signature as it will be written.

use sigtool_sdk::types::{Artifact, ArtifactKind, Bytes, SignatureFormat};

/// A signature as it will be written.
pub(super) struct Encoded {
    pub(super) format: SignatureFormat,
    pub(super) content: Vec<u8>,
    /// The raw signature in it.
    pub(super) signature: Bytes,
}

/// Whether it is signed by a statement about its digest, and not by its bytes.
pub(super) fn is_image(artifact: &Artifact) -> bool {
    artifact.kind == ArtifactKind::ContainerImage
}
