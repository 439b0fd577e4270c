//! Where signatures go: beside the artifact, through its source; to files that the user named; to the local store.

use super::encoded::{Encoded, is_image};
use super::error::SignError;
use super::replace::Earlier;
use super::request::{Destination, Location, SigningRequest, Stored};
use super::signer::OpenSigner;
use crate::formats::signature_file::{SignatureFile, is_raw};
use crate::key;
use crate::output::{Output, Refused};
use crate::reference::repository;
use crate::store::{Entry, Store};
use crate::verify::gather::Candidate;
use sigtool_sdk::connection::Handle;
use sigtool_sdk::source::{Attach, AttachArgs};
use sigtool_sdk::types::{Artifact, DigestAlgorithm, SignatureFormat};
use std::path::{Path, PathBuf};

/// Readable by everyone: a signature is there to be shown.
const MODE: u32 = 0o644;

/// Each format once, and where it goes.
pub(super) struct Plan(Vec<Planned>);

struct Planned {
    format: SignatureFormat,
    file: Option<Output>,
    /// The signature that the file holds now, where that decides whether it may be replaced.
    in_file: Option<Candidate>,
    beside: bool,
    in_store: bool,
}

impl Plan {
    /// Decides where everything goes, and makes sure before anything is signed that no file that matters is overwritten.
    pub(super) fn new(request: &SigningRequest, artifact: &Artifact) -> Result<Self, SignError> {
        let Destination {
            attach,
            bundle,
            signature,
            overwrite,
        } = &request.destination;
        let absolute = |path: &Option<PathBuf>| std::path::absolute(path.as_ref()?).ok();
        if bundle.is_some() && absolute(bundle) == absolute(signature) {
            return Err(SignError::Destination(
                "the bundle and the detached signature cannot go to one file".to_owned(),
            ));
        }
        let image = is_image(artifact);
        let mut plan = Vec::new();
        for (format, file) in [
            (SignatureFormat::Bundle, bundle),
            (SignatureFormat::Cosign, signature),
        ] {
            let place = file
                .as_deref()
                .map(|file| check_destination(file, artifact, *overwrite))
                .transpose()?;
            let in_file = place
                .as_ref()
                .filter(|_| !overwrite)
                .and_then(|place| Some((place.path(), place.content()?)))
                .map(|(path, there)| Candidate::read(&path.to_string_lossy(), there));
            if file.is_some() || request.formats.contains(&format) {
                plan.push(Planned {
                    format,
                    in_file,
                    beside: if image { *attach } else { file.is_none() },
                    file: place,
                    in_store: image,
                });
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
        self.0.iter().map(|planned| planned.format)
    }

    /// The signatures that the named files hold now.
    pub(super) fn in_files(&self) -> impl Iterator<Item = &Candidate> {
        self.0.iter().filter_map(|planned| planned.in_file.as_ref())
    }

    /// The formats that the source is to keep.
    pub(super) fn formats_beside(&self) -> Vec<SignatureFormat> {
        let beside = self.0.iter().filter(|planned| planned.beside);
        beside.map(|planned| planned.format).collect()
    }
}

/// Looks at the place of a signature: a mistyped path must not cost the artifact itself, a key or a source file. Without `overwrite`
/// only a signature may lie there, and whose it is has still to be looked at.
///
/// # Errors
///
/// [`SignError::Taken`], which `overwrite` would answer, or [`SignError::Destination`], with what lies there.
pub fn check_destination(
    path: &Path,
    artifact: &Artifact,
    overwrite: bool,
) -> Result<Output, SignError> {
    let refused = |why: String| SignError::Destination(why);
    let same = |other: &PathBuf| {
        path.canonicalize()
            .is_ok_and(|path| other.canonicalize().is_ok_and(|other| path == other))
    };
    if artifact.path.as_ref().is_some_and(same) {
        return Err(refused(format!(
            "`{}` is the artifact itself",
            path.display()
        )));
    }
    let place = Output::look(path).map_err(|e| refused(e.to_string()))?;
    if place.is_free() || place.content().is_some_and(is_signature) {
        return Ok(place);
    }
    match place.check_replaceable() {
        Ok(()) if overwrite => Ok(place),
        Ok(()) => Err(SignError::Taken {
            path: path.to_owned(),
            what: "is not a signature",
        }),
        Err(error) if matches!(error.why, Refused::PrivateKey) => Err(refused(format!(
            "`{}` is there and is not a signature, but a private key, which is not replaced",
            path.display()
        ))),
        Err(error) => Err(refused(error.to_string())),
    }
}

/// Stricter than reading is: many texts are valid Base64.
fn is_signature(content: &[u8]) -> bool {
    match SignatureFile::decode(content) {
        Ok(SignatureFile::Bundle(_) | SignatureFile::SignedPayload(_)) => true,
        Ok(SignatureFile::Detached(raw)) => is_raw(&raw),
        Err(_) => false,
    }
}

/// All that it takes to put signatures in their places.
pub(super) struct Places<'a> {
    pub(super) source: &'a Handle,
    pub(super) signer: &'a OpenSigner,
    pub(super) store: Option<&'a Store>,
    pub(super) artifact: &'a Artifact,
    pub(super) earlier: &'a [Earlier<'a>],
    pub(super) append: bool,
}

impl Places<'_> {
    /// Puts every format wherever it goes, in place of this signer's earlier signatures.
    pub(super) fn put(
        &self,
        plan: &Plan,
        encoded: &[Encoded],
        notes: &mut Vec<String>,
    ) -> Result<Vec<Stored>, SignError> {
        let mut stored = Vec::new();
        match self.put_all(plan, encoded, &mut stored, notes) {
            Ok(()) => Ok(stored),
            Err(error) if stored.is_empty() => Err(error),
            Err(error) => Err(SignError::Partly {
                artifact: self.artifact.clone().into(),
                stored,
                error: error.into(),
            }),
        }
    }

    /// The local store comes last: what could not be pushed is not kept as if it had been.
    fn put_all(
        &self,
        plan: &Plan,
        encoded: &[Encoded],
        stored: &mut Vec<Stored>,
        notes: &mut Vec<String>,
    ) -> Result<(), SignError> {
        let planned = || plan.0.iter().zip(encoded);
        for (planned, encoded) in planned() {
            if let Some(file) = &planned.file {
                stored.push(write(file, encoded)?);
            }
        }
        for (_, encoded) in planned().filter(|(planned, _)| planned.beside) {
            stored.push(self.attach(encoded, notes)?);
        }
        for (planned, encoded) in planned().filter(|(planned, _)| planned.in_store) {
            let elsewhere = planned.beside || planned.file.is_some();
            stored.extend(self.keep(encoded, elsewhere, notes)?);
        }
        Ok(())
    }

    /// Keeps a signature in the local store. If it goes elsewhere too, a store that fails is no reason not to sign.
    fn keep(
        &self,
        encoded: &Encoded,
        elsewhere: bool,
        notes: &mut Vec<String>,
    ) -> Result<Option<Stored>, SignError> {
        let (Some(store), Some(digest)) =
            (self.store, self.artifact.digest(DigestAlgorithm::Sha256))
        else {
            return if elsewhere {
                Ok(None)
            } else {
                Err(SignError::Destination(
                    "without a local store the signature would go nowhere".to_owned(),
                ))
            };
        };
        let entry = Entry {
            digest,
            repository: repository(&self.artifact.reference),
            format: encoded.format,
            signer: &self.signer.id(),
            content: &encoded.content,
        };
        match store.put(&entry, self.append) {
            Ok(replaced) => Ok(Some(Stored {
                format: encoded.format,
                location: Location::Store,
                replaced,
                signature: encoded.signature.clone(),
            })),
            Err(error) if elsewhere => {
                notes.push(format!("not kept in the local store: {error}"));
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn attach(&self, encoded: &Encoded, notes: &mut Vec<String>) -> Result<Stored, SignError> {
        let replaces: Vec<String> = self
            .earlier
            .iter()
            .filter(|e| e.own)
            .filter_map(|e| e.id(encoded.format).map(str::to_owned))
            .collect();
        let replaced = !replaces.is_empty();
        let digest = self
            .artifact
            .digest(self.signer.digest())
            .cloned()
            .ok_or_else(|| SignError::NoBytes(self.artifact.reference.clone()))?;
        let attached = self
            .source
            .call::<Attach>(&AttachArgs {
                reference: self.artifact.reference.clone(),
                digest,
                format: encoded.format,
                content: encoded.content.as_slice().into(),
                hint: key::short_hint(self.signer.public_key()),
                replaces,
            })
            .map_err(|error| SignError::Source {
                operation: "source.attach",
                error: error.into(),
            })?;
        notes.extend(attached.notes);
        for unknown in self
            .earlier
            .iter()
            .filter(|e| e.unknown && e.id(encoded.format).is_some())
        {
            notes.push(format!(
                "`{}` was left alone: it is not a signature of this artifact by this key, and does not say whose it is; \
                 if it is out of date, remove it",
                unknown.candidate.location
            ));
        }
        Ok(Stored {
            format: encoded.format,
            location: Location::Beside(attached.location),
            replaced,
            signature: encoded.signature.clone(),
        })
    }
}

fn write(place: &Output, encoded: &Encoded) -> Result<Stored, SignError> {
    let path = place.path().to_owned();
    if let Err(error) = place.write(&encoded.content, MODE) {
        return Err(SignError::Write { path, error });
    }
    Ok(Stored {
        format: encoded.format,
        location: Location::File(path),
        replaced: place.content().is_some(),
        signature: encoded.signature.clone(),
    })
}
