//! What is signed.

use super::{Digest, DigestAlgorithm};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// The kind of an artifact, found by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ArtifactKind {
    /// An image, or anything else that has a manifest in an OCI registry. It is signed by a statement about the digest of that
    /// manifest; every other kind by its bytes.
    ContainerImage,
    /// A packaged Helm chart (`.tgz` with a `Chart.yaml`).
    HelmChart,
    /// A Java archive.
    Jar,
    /// A YAML manifest.
    Manifest,
    /// A Java web archive.
    War,
    /// Anything else, and kinds of later versions.
    #[serde(other)]
    Unknown,
}

impl ArtifactKind {
    /// The name on the wire and in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ContainerImage => "container-image",
            Self::HelmChart => "helm-chart",
            Self::Jar => "jar",
            Self::Manifest => "manifest",
            Self::War => "war",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for ArtifactKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that is signed, identified by its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Artifact {
    /// How the source names it, in full: a path, or a registry reference with its digest. Given back to the source in later calls.
    pub reference: String,
    /// What it is called: a chart's name, a jar's title, else the file's name.
    pub name: String,
    /// Its version, if its content tells one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its kind.
    pub kind: ArtifactKind,
    /// One digest for each algorithm that was asked for.
    pub digests: Vec<Digest>,
    /// Its size in bytes.
    pub size: u64,
    /// The media type, where the source knows one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Where its bytes can be read on this machine, if they can. Keys that sign the payload itself (Ed25519) need it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
}

impl Artifact {
    /// The digest by this algorithm, if it was asked for.
    #[must_use]
    pub fn digest(&self, algorithm: DigestAlgorithm) -> Option<&Digest> {
        self.digests.iter().find(|d| d.algorithm() == algorithm)
    }
}
