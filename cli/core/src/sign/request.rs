//! What is to be signed, where the signature goes, and what came of it.

use serde::{Deserialize, Serialize};
use sigtool_sdk::types::{Artifact, Bytes, PublicKey, SignatureFormat};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What is to be signed, and where the signature goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SigningRequest {
    /// How the source names the artifact: an absolute path for a file.
    pub reference: String,
    /// The name to report, in place of the one that was detected.
    pub name: Option<String>,
    /// The version to report, in place of the one that was detected.
    pub version: Option<String>,
    /// How the signature is written; each format once.
    pub formats: Vec<SignatureFormat>,
    /// Where it goes.
    pub destination: Destination,
    /// What is signed along with the digest of an image. A file's signature has no place for it.
    pub annotations: BTreeMap<String, String>,
    /// Whether this key's earlier signatures are kept beside the new one.
    pub append: bool,
    /// Whether the source is one of sigtool's own. What another's says of a file is checked by reading the file.
    pub is_own: bool,
    /// Whether the user named it by itself. A private key that was only come upon is not signed.
    pub is_named: bool,
}

/// Where signatures go. A file's lies beside the file unless a place is named for its format. An image's lies in the local store,
/// and besides wherever this says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Destination {
    /// Push it beside the image.
    pub attach: bool,
    /// Write the bundle to this file. It adds its format to those of the request.
    pub bundle: Option<PathBuf>,
    /// Write cosign's own signature to this file. It adds its format to those of the request.
    pub signature: Option<PathBuf>,
    /// Replace what lies in those files, whatever it is, but a private key.
    pub overwrite: bool,
}

/// What signing an artifact gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedArtifact {
    /// The artifact, with the digests that were needed.
    pub artifact: Artifact,
    /// The key that signed.
    pub public_key: PublicKey,
    /// The signer's own name for the key.
    pub key_id: Option<String>,
    /// The version of the key, where the signer rotates keys under one name.
    pub key_version: Option<String>,
    /// What was written, and where.
    pub stored: Vec<Stored>,
    /// What to look at, although it was signed.
    pub warning: Option<String>,
    /// Remarks for the user.
    pub notes: Vec<String>,
}

/// A signature that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// How it is written.
    pub format: SignatureFormat,
    /// Where it lies.
    pub location: Location,
    /// Whether it took the place of an earlier one.
    pub replaced: bool,
    /// The raw signature.
    pub signature: Bytes,
}

/// Where a signature lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// Beside the artifact, at what its source calls the place: a path, or a reference.
    Beside(String),
    /// In a file that the user named.
    File(PathBuf),
    /// In the local store.
    Store,
}

impl Location {
    /// What sort of place that is.
    #[must_use]
    pub fn place(&self) -> Place {
        match self {
            Self::Beside(_) => Place::Beside,
            Self::File(_) => Place::File,
            Self::Store => Place::Store,
        }
    }
}

/// The sorts of places that signatures lie in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Place {
    /// Beside the artifact, where its source keeps them.
    Beside,
    /// A file that the user named.
    File,
    /// The local store.
    Store,
}
