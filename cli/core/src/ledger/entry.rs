//! What an entry of the ledger says: what, when, who, how, with which result, where the signature lies, and where it ran.

use crate::key::KeyHint;
use crate::reference::repository;
use crate::sign::{Place, Stored};
use crate::trust::SignerId;
use serde::{Deserialize, Serialize};
use sigtool_sdk::types::{
    Artifact, ArtifactKind, Bytes, Digest, DigestAlgorithm, KeyAlgorithm, SignatureFormat,
};

/// An entry, as a line of JSON in this order of fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Entry {
    /// Its number, from 1.
    pub number: u64,
    /// The hash of the entry before; of the first one all zero.
    pub previous: Digest,
    /// When it was entered: [RFC 3339](https://www.rfc-editor.org/rfc/rfc3339) in UTC with milliseconds.
    pub time: String,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened to one artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Event {
    /// What was done.
    pub action: Action,
    /// What became of it.
    pub result: Attempt,
    /// To what.
    pub artifact: EventArtifact,
    /// Who signed. Of a verification those whose signatures count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signers: Vec<EventSigner>,
    /// The signatures that were written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<EventSignature>,
    /// Whether the signer's earlier signatures were kept beside the new ones.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub append: bool,
    /// Of a ledger that was begun anew: the head of the one before, which was broken; its file is the artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_head: Option<String>,
    /// Why it was refused, could not be told or failed. Of a ledger that was begun anew: what was wrong with the one before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// The profile in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Where it ran.
    pub execution: Execution,
    /// What did it: `sigtool 0.1.0`.
    pub tool: String,
}

impl Event {
    /// The places of the signatures that there are since and were not before, in their order.
    pub(super) fn slots(&self) -> impl Iterator<Item = String> {
        let signed = self.signatures.iter();
        signed
            .filter(|_| self.action == Action::Sign)
            .map(|signature| self.slot(signature))
    }

    /// The place that only one signature has: a file, or for an image what one signer has in one format.
    fn slot(&self, signature: &EventSignature) -> String {
        let EventSignature {
            format,
            place,
            location,
            ..
        } = signature;
        let artifact = &self.artifact;
        if artifact.kind != Some(ArtifactKind::ContainerImage) || *place == Place::File {
            return format!("file {location}");
        }
        let signer = self.signers.first().map(|s| s.id().to_string());
        let place = match place {
            Place::Store => "store",
            _ => "beside",
        };
        format!(
            "{place} {}@{} {} {}",
            artifact.repository(),
            artifact.digest.as_deref().unwrap_or_default(),
            format.as_str(),
            signer.unwrap_or_default()
        )
    }
}

/// What is done to artifacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Action {
    /// A signature was pushed beside the image.
    Attach,
    /// The ledger was broken, and begun anew.
    Restart,
    /// A signature was made.
    Sign,
    /// Signatures were checked against a policy.
    Verify,
    /// Something that a later version does.
    #[serde(other)]
    Other,
}

impl Action {
    /// The name in entries and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Attach => "attach",
            Self::Restart => "restart",
            Self::Sign => "sign",
            Self::Verify => "verify",
            Self::Other => "other",
        }
    }
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Attempt {
    /// It was done.
    Done,
    /// It was not done, or only in part.
    Failed,
    /// It could not be told whether the policy is met.
    Inconclusive,
    /// The policy said no.
    Refused,
    /// The policy was met.
    Valid,
    /// Something that a later version tells.
    #[serde(other)]
    Other,
}

impl Attempt {
    /// The name in entries and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Inconclusive => "inconclusive",
            Self::Refused => "refused",
            Self::Valid => "valid",
            Self::Other => "other",
        }
    }
}

/// An artifact. What is not known of one that could not be read is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventArtifact {
    /// A path in full, or an image's repository and digest.
    pub reference: String,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ArtifactKind>,
    /// Its SHA-256 digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Its size in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

impl EventArtifact {
    /// An artifact that was read.
    #[must_use]
    pub fn new(artifact: &Artifact) -> Self {
        let digest = artifact.digest(DigestAlgorithm::Sha256);
        Self {
            reference: artifact.reference.clone(),
            name: Some(artifact.name.clone()),
            version: artifact.version.clone(),
            kind: Some(artifact.kind),
            digest: digest.map(ToString::to_string),
            size: Some(artifact.size),
        }
    }

    /// Whether both are one artifact: a file by its digest, an image by its digest in a repository.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let image = Some(ArtifactKind::ContainerImage);
        self.digest == other.digest
            && self.digest.is_some()
            && (self.kind == image) == (other.kind == image)
            && (self.kind != image || self.repository() == other.repository())
    }

    /// An image's reference without the digest.
    #[must_use]
    pub fn repository(&self) -> &str {
        repository(&self.reference)
    }
}

/// Who signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventSigner {
    /// How the user names the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The hint of the key: the Base64 of the SHA-256 of its public half.
    pub key_hint: KeyHint,
    /// Its algorithm.
    pub algorithm: KeyAlgorithm,
    /// The backend that signed with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// The backend's own name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// Its version, where the backend rotates keys under one name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_version: Option<String>,
}

impl EventSigner {
    /// Who that is.
    #[must_use]
    pub fn id(&self) -> SignerId {
        SignerId::Key(self.key_hint.clone())
    }
}

/// A signature that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventSignature {
    /// How it is written.
    pub format: SignatureFormat,
    /// What sort of place it lies in.
    pub place: Place,
    /// Where: a path in full, a reference, or `the local store`.
    pub location: String,
    /// Whether it took the place of an earlier one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replaced: bool,
    /// The signature itself.
    pub signature: Bytes,
}

impl EventSignature {
    /// A signature that was stored; `location` in full.
    #[must_use]
    pub fn new(stored: &Stored, location: String) -> Self {
        Self {
            format: stored.format,
            place: stored.location.place(),
            location,
            replaced: stored.replaced,
            signature: stored.signature.clone(),
        }
    }
}

/// Where it ran: in a CI system, or on somebody's machine. As the environment told it, which nobody has proven.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Execution {
    /// The CI system: `github-actions`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The page of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The project or repository that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The pipeline, workflow or job definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<String>,
    /// The run of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The stage in the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// The job or step in the stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// What set it off: `push`, `schedule`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    /// Who set it off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub triggered_by: Option<String>,
    /// The commit that is built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Its branch or tag, as the CI system writes it.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub git_ref: Option<String>,
    /// The machine, where there is no CI system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Its user, as the system names who runs the process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// What the variable `USER` says, where that is another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_variable: Option<String>,
}
