//! Where signatures go: beside the artifact, through its source, or to files that the user named.

use super::replace::Earlier;
use super::{Destination, Encoded, OpenSigner, SignError, SigningRequest};
use crate::key;
use crate::limits::MAX_BUNDLE;
use crate::signature::{SignatureFile, is_raw};
use crate::write::atomic_write;
use serde::Serialize;
use sigtool_sdk::connection::Handle;
use sigtool_sdk::source::{Attach, AttachArgs};
use sigtool_sdk::types::{Artifact, SignatureFormat};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Readable by everyone: a signature is there to be shown.
const MODE: u32 = 0o644;

/// A signature that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stored {
    /// How it is written.
    pub format: SignatureFormat,
    /// Where, as a user would name it.
    pub location: String,
    /// Whether it took the place of an earlier one.
    pub replaced: bool,
}

/// Each format once, with the file that the user named for it.
pub(super) struct Plan(Vec<(SignatureFormat, Option<PathBuf>)>);

impl Plan {
    /// Decides where everything goes, and makes sure before anything is signed that no file that matters is overwritten.
    pub(super) fn new(request: &SigningRequest, artifact: &Artifact) -> Result<Self, SignError> {
        let (bundle, signature) = match &request.destination {
            Destination::Beside => (None, None),
            Destination::To { bundle, signature } => (bundle.clone(), signature.clone()),
        };
        if bundle.is_some() && bundle == signature {
            return Err(SignError::Destination(
                "the bundle and the detached signature cannot go to one file".to_owned(),
            ));
        }
        let mut plan = Vec::new();
        for (format, path) in [
            (SignatureFormat::Bundle, bundle),
            (SignatureFormat::Cosign, signature),
        ] {
            if let Some(path) = &path {
                check_destination(path, artifact)?;
            }
            if path.is_some() || request.formats.contains(&format) {
                plan.push((format, path));
            }
        }
        if plan.is_empty() {
            return Err(SignError::Destination(
                "no signature format was chosen: `bundle`, `cosign` or `both`".to_owned(),
            ));
        }
        Ok(Self(plan))
    }

    pub(super) fn formats(&self) -> impl Iterator<Item = SignatureFormat> + '_ {
        self.0.iter().map(|(format, _)| *format)
    }

    pub(super) fn writes_beside(&self) -> bool {
        self.0.iter().any(|(_, path)| path.is_none())
    }
}

/// A mistyped path must not cost the artifact itself, a key or a source file: only a signature may be overwritten.
fn check_destination(path: &Path, artifact: &Artifact) -> Result<(), SignError> {
    let refused = |why: &str| {
        Err(SignError::Destination(format!(
            "`{}` {why}",
            path.display()
        )))
    };
    let Ok(there) = path.metadata() else {
        return Ok(());
    };
    if there.is_dir() {
        return refused("is a folder; name the file to write");
    }
    if !there.is_file() {
        return refused("is not a regular file");
    }
    let same = |other: &PathBuf| path.canonicalize().ok() == other.canonicalize().ok();
    if artifact.path.as_ref().is_some_and(same) {
        return refused("is the artifact itself");
    }
    let mut content = Vec::new();
    let read = File::open(path)
        .and_then(|file| file.take(MAX_BUNDLE as u64 + 1).read_to_end(&mut content));
    match read {
        Err(e) => refused(&format!("is there and cannot be read: {e}")),
        Ok(_) if content.is_empty() || is_signature(&content) => Ok(()),
        Ok(_) => refused("is there and is no signature; remove it first, or name another file"),
    }
}

/// Stricter than reading is: many a text is valid Base64.
fn is_signature(content: &[u8]) -> bool {
    match SignatureFile::decode(content) {
        Ok(SignatureFile::Bundle(_)) => true,
        Ok(SignatureFile::Detached(raw)) => is_raw(&raw),
        Err(_) => false,
    }
}

/// Writes every format, in place of this signer's earlier signatures.
pub(super) fn store(
    source: &Handle,
    signer: &OpenSigner,
    artifact: &Artifact,
    plan: &Plan,
    encoded: &[Encoded],
    earlier: &[Earlier<'_>],
    notes: &mut Vec<String>,
) -> Result<Vec<Stored>, SignError> {
    plan.0
        .iter()
        .zip(encoded)
        .map(|((_, path), encoded)| match path {
            Some(path) => write(path, encoded),
            None => attach(source, signer, artifact, encoded, earlier, notes),
        })
        .collect()
}

fn write(path: &Path, encoded: &Encoded) -> Result<Stored, SignError> {
    let replaced = path.exists();
    atomic_write(path, &encoded.content, MODE).map_err(|error| SignError::Write {
        path: path.to_owned(),
        error,
    })?;
    Ok(Stored {
        format: encoded.format,
        location: path.display().to_string(),
        replaced,
    })
}

fn attach(
    source: &Handle,
    signer: &OpenSigner,
    artifact: &Artifact,
    encoded: &Encoded,
    earlier: &[Earlier<'_>],
    notes: &mut Vec<String>,
) -> Result<Stored, SignError> {
    let replaces: Vec<String> = earlier
        .iter()
        .filter(|e| e.own)
        .filter_map(|e| e.id(encoded.format).map(str::to_owned))
        .collect();
    let replaced = !replaces.is_empty();
    let digest = artifact
        .digest(signer.digest())
        .cloned()
        .ok_or_else(|| SignError::NoBytes(artifact.reference.clone()))?;
    let attached = source
        .call::<Attach>(&AttachArgs {
            reference: artifact.reference.clone(),
            digest,
            format: encoded.format,
            content: encoded.content.as_slice().into(),
            hint: key::short_hint(signer.public_key()),
            replaces,
        })
        .map_err(|error| SignError::Source {
            operation: "source.attach",
            error: error.into(),
        })?;
    notes.extend(attached.notes);
    for unknown in earlier
        .iter()
        .filter(|e| e.unknown && e.id(encoded.format).is_some())
    {
        notes.push(format!(
            "`{}` was left alone: it is no signature of this artifact by this key, and does not say whose it is; \
             if it is out of date, remove it",
            unknown.candidate.location
        ));
    }
    Ok(Stored {
        format: encoded.format,
        location: attached.location,
        replaced,
    })
}
