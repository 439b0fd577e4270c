//! What is said of an artifact and all that is known of it.

use crate::app::App;
use crate::report::artifact::{artifact, moment, signer};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sigtool_core::ledger::{
    Attempt, Current, Entry, EventArtifact, EventSignature, EventSigner, Known,
};
use sigtool_core::sign::Place;
use sigtool_core::verify::find::holds;
use sigtool_sdk::types::{ArtifactKind, Bytes, SignatureFormat};
use std::path::Path;

/// An artifact, and what is known of its signatures.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Group {
    #[serde(flatten)]
    pub(crate) artifact: EventArtifact,
    /// Those that the ledger knows: the ones that no later one has replaced, and what else lies beside it. One in two places is there
    /// twice.
    pub(crate) signatures: Vec<Signature>,
    /// Signatures beside it that the ledger knows, and that are of something else, such as what the file held before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) of_other_content: Vec<Signature>,
    /// Signatures beside it that the ledger does not know. Nobody has verified them here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) foreign: Vec<Foreign>,
    /// The last time that it was verified here.
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<Verified>,
}

/// A signature that the ledger knows, in one place.
#[derive(Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Signature {
    /// Who signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) signer: Option<EventSigner>,
    /// When, as [RFC 3339](https://www.rfc-editor.org/rfc/rfc3339) in UTC.
    pub(crate) time: String,
    /// The number of the entry.
    pub(crate) entry: u64,
    /// How it is written.
    pub(crate) format: SignatureFormat,
    /// What sort of place it lies in.
    pub(crate) place: Place,
    /// Where: a path in full, a reference, or `the local store`.
    pub(crate) location: String,
    /// The signature itself.
    pub(crate) signature: Bytes,
    /// The SHA-256 digest of what was signed, if that is something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) signed_digest: Option<String>,
    /// Whether it still lies there; unknown where nobody looked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) present: Option<bool>,
}

/// A signature that the ledger does not know.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Foreign {
    /// How it is written.
    pub(crate) format: SignatureFormat,
    /// Where it lies.
    pub(crate) location: String,
    /// The key that it names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unverified_key_hint: Option<String>,
    /// The signature itself, if it could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) signature: Option<Bytes>,
}

/// A verification.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Verified {
    /// The verdict.
    result: Attempt,
    /// When, as [RFC 3339](https://www.rfc-editor.org/rfc/rfc3339) in UTC.
    time: String,
    /// The number of the entry.
    entry: u64,
}

impl Group {
    pub(crate) fn new(artifact: EventArtifact) -> Self {
        Self {
            artifact,
            signatures: Vec::new(),
            of_other_content: Vec::new(),
            foreign: Vec::new(),
            verified: None,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.signatures.is_empty()
            && self.of_other_content.is_empty()
            && self.foreign.is_empty()
            && self.verified.is_none()
    }

    /// Looks at the files that signatures were put in, wherever the artifact is now.
    pub(crate) fn look_at_files(&mut self) {
        let kind = self.artifact.kind;
        for signature in &mut self.signatures {
            if signature.present.is_none() && signature.is_in_file(kind) {
                let path = Path::new(&signature.location);
                signature.present = holds(path, signature.format, &signature.signature);
            }
        }
    }
}

impl Signature {
    pub(crate) fn new(entry: &Entry, signature: EventSignature) -> Self {
        Self {
            signer: entry.event.signers.first().cloned(),
            time: entry.time.clone(),
            entry: entry.number,
            format: signature.format,
            place: signature.place,
            location: signature.location,
            signature: signature.signature,
            signed_digest: None,
            present: None,
        }
    }

    /// Whether its location is a path, if it is of this kind of artifact.
    pub(crate) fn is_in_file(&self, kind: Option<ArtifactKind>) -> bool {
        match self.place {
            Place::Beside => kind != Some(ArtifactKind::ContainerImage),
            Place::File => true,
            Place::Store => false,
        }
    }
}

impl From<Known> for Group {
    fn from(known: Known) -> Self {
        let signatures = known.signatures.into_iter();
        let signatures =
            signatures.map(|Current { entry, signature }| Signature::new(&entry, signature));
        Self {
            signatures: signatures.collect(),
            verified: known.verified.map(|entry| Verified {
                result: entry.event.result,
                time: entry.time,
                entry: entry.number,
            }),
            ..Self::new(known.artifact)
        }
    }
}

pub(crate) fn text(app: &App, group: &Group) -> Vec<String> {
    let mut lines = vec![artifact(&group.artifact)];
    let mut heading = None;
    for signature in group.signatures.iter().chain(&group.of_other_content) {
        let by = signature
            .signer
            .as_ref()
            .map_or_else(|| "an unknown key".to_owned(), |who| signer(app, who));
        let this = (signature.entry, by.clone());
        if heading.as_ref() != Some(&this) {
            // A person who reads only the first words must not take it for a signature of this.
            let of = match &signature.signed_digest {
                Some(digest) => format!("of other content, {digest}, "),
                None => String::new(),
            };
            lines.push(format!(
                "  {of}signed by {by} on {} (entry {})",
                moment(&signature.time),
                signature.entry
            ));
            heading = Some(this);
        }
        let location = match signature.place {
            Place::Store => signature.location.clone(),
            _ => app.short(Path::new(&signature.location)),
        };
        let gone = match signature.present {
            Some(false) => ", where it is no longer",
            _ => "",
        };
        lines.push(format!(
            "    {} in {location}{gone}",
            signature.format.as_str()
        ));
        lines.push(format!("    {}", STANDARD.encode(&*signature.signature)));
    }
    for foreign in &group.foreign {
        let by = match &foreign.unverified_key_hint {
            Some(hint) => format!("key hint {hint}"),
            None => "an unnamed key".to_owned(),
        };
        lines.push(format!("  foreign: {by}, not verified"));
        lines.push(format!(
            "    {} in {}",
            foreign.format.as_str(),
            app.short(Path::new(&foreign.location))
        ));
        lines.extend(
            foreign
                .signature
                .iter()
                .map(|s| format!("    {}", STANDARD.encode(&**s))),
        );
    }
    if let Some(verified) = &group.verified {
        lines.push(format!(
            "  verified on {}: {} (entry {})",
            moment(&verified.time),
            verified.result.as_str(),
            verified.entry
        ));
    }
    lines
}
