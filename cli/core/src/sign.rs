//! Signing an artifact: resolve, sign, verify as a stranger would, store. Nothing unverified is written.

mod places;
mod replace;

pub use places::{Place, Stored, check_destination};

use crate::bundle::{encode_envelope, encode_message_signature, signing_statement};
use crate::key::{self, KeyError};
use crate::policy::TrustedKey;
use crate::signature::encode_detached;
use crate::simple_signing::{encode_payload, encode_signed_payload};
use crate::state::StateError;
use crate::store::Store;
use crate::verification::Reason;
use crate::verify::check::{self, Outcome};
use crate::verify::gather::{Candidate, Gathered, Pages};
use crate::verify::resolve;
use sigtool_sdk::connection::Handle;
use sigtool_sdk::signer::{GetPublicKey, Payload, PublicKeyArgs, PublicKeyReply, Sign, SignArgs};
use sigtool_sdk::types::{
    Artifact, ArtifactKind, Bytes, Digest, DigestAlgorithm, PublicKey, SignatureFormat, Signed,
    Signs, Verifier,
};
use sigtool_sdk::{Error, ErrorCode};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

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
}

/// A signer that has been opened, and the key it announced: asked once for a whole run, used by many threads.
#[derive(Debug)]
pub struct OpenSigner {
    handle: Handle,
    announced: PublicKeyReply,
    turns: Turns,
}

/// Two tags of one image, signed at the same time, would each take the other's signature for none: one after the other.
#[derive(Debug, Default)]
struct Turns(Mutex<HashMap<String, Arc<Mutex<()>>>>);

impl Turns {
    fn of(&self, reference: &str) -> Arc<Mutex<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry(reference.to_owned()).or_default())
    }

    /// Forgets a turn that nobody else waits for.
    fn end(&self, reference: &str, turn: &Arc<Mutex<()>>) {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Ours, and the one in the table.
        if Arc::strong_count(turn) <= 2 {
            turns.remove(reference);
        }
    }
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
    /// Remarks for the user.
    pub notes: Vec<String>,
}

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The artifact cannot be had.
    #[error("{0}")]
    Artifact(Box<Error>),
    /// The signature cannot go where it should.
    #[error("{0}")]
    Destination(String),
    /// The key signs bytes, and the source has none to read.
    #[error(
        "an Ed25519 key signs the bytes themselves, and the source gives only a digest of `{0}`"
    )]
    NoBytes(String),
    /// The source failed where signatures are kept.
    #[error("{operation} failed: {error}")]
    Source {
        /// The operation: `source.signatures`, `source.attach`.
        operation: &'static str,
        /// What it said.
        error: Box<Error>,
    },
    /// The signer failed.
    #[error("{operation} failed: {error}")]
    Signer {
        /// The operation: `signer.public_key`, `signer.sign`.
        operation: &'static str,
        /// What it said.
        error: Box<Error>,
    },
    /// The signer did something else than it was asked; nothing was written.
    #[error("{operation}: {what}")]
    SignerMisbehaved {
        /// The operation: `signer.public_key`, `signer.sign`.
        operation: &'static str,
        /// What it did.
        what: String,
    },
    /// The image's signature can be kept nowhere.
    #[error("{0}")]
    Store(#[from] StateError),
    /// Something failed after a part had been written.
    #[error("{error}")]
    Partly {
        /// The artifact.
        artifact: Box<Artifact>,
        /// What was written before.
        stored: Vec<Stored>,
        /// What failed then.
        error: Box<Self>,
    },
    /// A file cannot be written.
    #[error("cannot write `{path}`: {error}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
}

impl SignError {
    /// What the host should do, in the terms of the seam.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Artifact(error) | Self::Source { error, .. } | Self::Signer { error, .. } => {
                error.code
            }
            Self::Destination(_) | Self::NoBytes(_) => ErrorCode::InvalidRequest,
            Self::Partly { error, .. } => error.code(),
            Self::Store(_) => ErrorCode::Unavailable,
            Self::SignerMisbehaved { .. } => ErrorCode::Integrity,
            Self::Write { error, .. } => match error.kind() {
                std::io::ErrorKind::PermissionDenied => ErrorCode::AccessDenied,
                std::io::ErrorKind::NotFound | std::io::ErrorKind::InvalidInput => {
                    ErrorCode::InvalidRequest
                }
                _ => ErrorCode::Other,
            },
        }
    }
}

impl OpenSigner {
    /// Asks an opened signer for its key.
    ///
    /// # Errors
    ///
    /// The signer's, or that what it announces is no key that can verify.
    pub fn open(handle: Handle) -> Result<Self, SignError> {
        const OPERATION: &str = "signer.public_key";
        let announced = handle
            .call::<GetPublicKey>(&PublicKeyArgs::default())
            .map_err(|error| SignError::Signer {
                operation: OPERATION,
                error: error.into(),
            })?;
        key::check(&announced.public_key).map_err(|error: KeyError| {
            SignError::SignerMisbehaved {
                operation: OPERATION,
                what: format!("the signer announced an unusable key: {error}"),
            }
        })?;
        Ok(Self {
            handle,
            announced,
            turns: Turns::default(),
        })
    }

    /// The key that signs.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.announced.public_key
    }

    /// How the key is kept: `encrypted`, `plain`, `hardware`, …
    #[must_use]
    pub fn protection(&self) -> Option<&str> {
        self.announced.protection.as_deref()
    }

    /// The digest that stands for the artifact: the one that the key signs, or beside an Ed25519 signature SHA-256.
    #[must_use]
    pub fn digest(&self) -> DigestAlgorithm {
        match (self.public_key().algorithm.signs(), self.announced.digest) {
            (Signs::Payload, _) => DigestAlgorithm::Sha256,
            (Signs::Digest(_), Some(own)) => own,
            (Signs::Digest(usual), None) => usual,
        }
    }

    /// Has a file signed.
    fn sign_bytes(&self, artifact: &Artifact) -> Result<Signed, SignError> {
        let digest = artifact
            .digest(self.digest())
            .cloned()
            .ok_or_else(|| SignError::NoBytes(artifact.reference.clone()))?;
        let payload = match self.public_key().algorithm.signs() {
            Signs::Digest(_) => None,
            Signs::Payload => match &artifact.path {
                Some(path) => Some(Payload::Path(path.clone())),
                None => return Err(SignError::NoBytes(artifact.reference.clone())),
            },
        };
        self.sign(digest, payload)
    }

    /// Has a payload signed that was made here.
    fn sign_payload(&self, payload: &[u8]) -> Result<Signed, SignError> {
        let algorithm = self.digest();
        let digest = aws_lc_rs::digest::digest(key::hash(algorithm), payload);
        let digest = Digest::new(algorithm, digest.as_ref().to_vec())
            .map_err(|e| misbehaved(e.to_string()))?;
        let payload = match self.public_key().algorithm.signs() {
            Signs::Digest(_) => None,
            Signs::Payload => Some(Payload::Bytes(payload.into())),
        };
        self.sign(digest, payload)
    }

    /// Requires the answer to be what was announced. The signature itself is not verified yet.
    fn sign(&self, digest: Digest, payload: Option<Payload>) -> Result<Signed, SignError> {
        let signed = self
            .handle
            .call::<Sign>(&SignArgs {
                key: None,
                digest,
                payload,
            })
            .map_err(|error| SignError::Signer {
                operation: SIGN,
                error: error.into(),
            })?;
        match &signed.verifier {
            Verifier::PublicKey(key) if key != self.public_key() => Err(misbehaved(format!(
                "the signer returned another key ({}) than it announced ({})",
                key::key_hint(key),
                key::key_hint(self.public_key())
            ))),
            Verifier::CertificateChain(_) => Err(misbehaved(
                "the signer announced a key and returned a certificate".to_owned(),
            )),
            Verifier::PublicKey(key) if key.algorithm != signed.algorithm => {
                Err(misbehaved(format!(
                    "the signer returned an {} signature for an {} key",
                    signed.algorithm, key.algorithm
                )))
            }
            Verifier::PublicKey(_) => Ok(signed),
        }
    }
}

const SIGN: &str = "signer.sign";

fn misbehaved(what: String) -> SignError {
    SignError::SignerMisbehaved {
        operation: SIGN,
        what,
    }
}

/// Signs an artifact and stores the signature, in place of this key's earlier ones. `store` is where an image's signature is kept.
///
/// # Errors
///
/// See [`SignError`]. Only [`SignError::Partly`] leaves something written, and names it.
pub fn sign_artifact(
    source: &Handle,
    signer: &OpenSigner,
    store: Option<&Store>,
    request: SigningRequest,
) -> Result<SignedArtifact, SignError> {
    let (artifact, notes) = resolve(source, &request.reference, &digests(signer))
        .map_err(|e| SignError::Artifact(e.into()))?;
    let reference = artifact.reference.clone();
    let turn = signer.turns.of(&reference);
    let signed = {
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        sign_resolved(source, signer, store, &request, artifact, notes)
    };
    signer.turns.end(&reference, &turn);
    signed
}

/// Signs an artifact that nobody else signs meanwhile.
fn sign_resolved(
    source: &Handle,
    signer: &OpenSigner,
    store: Option<&Store>,
    request: &SigningRequest,
    mut artifact: Artifact,
    mut notes: Vec<String>,
) -> Result<SignedArtifact, SignError> {
    let plan = places::Plan::new(request, &artifact)?;
    let mut earlier = earlier(source, &artifact, &plan)?;
    let beside = earlier.len();
    earlier.extend(plan.in_files().cloned());
    let made = make(signer, &artifact, &plan, &request.annotations)?;
    let outcomes = verify_as_stranger(signer, &artifact, &made.encoded, &earlier)?;
    let mut own = replace::own(signer.public_key(), &earlier, &outcomes);
    for in_file in own.split_off(beside) {
        notes.extend(in_file.check_replaceable()?);
    }
    if request.append {
        own.clear();
    }
    let places = places::Places {
        source,
        signer,
        store,
        artifact: &artifact,
        earlier: &own,
        append: request.append,
    };
    let stored = places.put(&plan, &made.encoded, &mut notes)?;
    artifact.name = request.name.clone().unwrap_or(artifact.name);
    artifact.version = request.version.clone().or(artifact.version);
    Ok(SignedArtifact {
        artifact,
        public_key: signer.public_key().clone(),
        key_id: made.key_id,
        key_version: made.key_version,
        stored,
        notes,
    })
}

/// A signature as it will be written.
struct Encoded {
    format: SignatureFormat,
    content: Vec<u8>,
    /// The raw signature in it.
    signature: Bytes,
}

/// The signatures of an artifact, in every format of the plan, and what the signer said of its key.
#[derive(Default)]
struct Made {
    encoded: Vec<Encoded>,
    key_id: Option<String>,
    key_version: Option<String>,
}

impl Made {
    fn add(&mut self, format: SignatureFormat, content: Vec<u8>, signed: &Signed) {
        self.encoded.push(Encoded {
            format,
            content,
            signature: signed.signature.clone(),
        });
        self.key_id.clone_from(&signed.key_id);
        self.key_version.clone_from(&signed.key_version);
    }
}

/// One signature serves all formats of a file. Each format of an image has a payload of its own.
fn make(
    signer: &OpenSigner,
    artifact: &Artifact,
    plan: &places::Plan,
    annotations: &BTreeMap<String, String>,
) -> Result<Made, SignError> {
    let mut made = Made::default();
    if is_image(artifact) {
        for format in plan.formats() {
            let (content, signed) = sign_image(signer, artifact, format, annotations)?;
            made.add(format, content, &signed);
        }
        return Ok(made);
    }
    let signed = signer.sign_bytes(artifact)?;
    for format in plan.formats() {
        let content = encode(signer, artifact, format, &signed.signature);
        made.add(format, content, &signed);
    }
    Ok(made)
}

/// Whether it is signed by a statement about its digest, and not by its bytes.
fn is_image(artifact: &Artifact) -> bool {
    artifact.kind == ArtifactKind::ContainerImage
}

fn sign_image(
    signer: &OpenSigner,
    artifact: &Artifact,
    format: SignatureFormat,
    annotations: &BTreeMap<String, String>,
) -> Result<(Vec<u8>, Signed), SignError> {
    let digest = artifact
        .digest(DigestAlgorithm::Sha256)
        .ok_or_else(|| SignError::NoBytes(artifact.reference.clone()))?;
    let repository = check::repository(artifact);
    if format == SignatureFormat::Bundle {
        let mut envelope = signing_statement(repository, digest, annotations);
        let signed = signer.sign_payload(&envelope.to_signed())?;
        envelope.signature = signed.signature.to_vec();
        return Ok((encode_envelope(signer.public_key(), &envelope), signed));
    }
    let payload = encode_payload(repository, digest, annotations);
    let signed = signer.sign_payload(&payload)?;
    Ok((encode_signed_payload(payload, &signed.signature), signed))
}

fn encode(
    signer: &OpenSigner,
    artifact: &Artifact,
    format: SignatureFormat,
    signature: &Bytes,
) -> Vec<u8> {
    match (format, artifact.digest(signer.digest())) {
        (SignatureFormat::Bundle, Some(digest)) => {
            encode_message_signature(signer.public_key(), digest, signature)
        }
        _ => encode_detached(signature),
    }
}

/// What the key signs; SHA-256, by which the artifact is known; and what finding this key's earlier `.sig` takes.
fn digests(signer: &OpenSigner) -> Vec<DigestAlgorithm> {
    let mut digests = vec![DigestAlgorithm::Sha256, signer.digest()];
    digests.dedup();
    digests
}

/// What lies beside the artifact already. Not knowing it is an error: another signer's signature could be lost.
fn earlier(
    source: &Handle,
    artifact: &Artifact,
    plan: &places::Plan,
) -> Result<Vec<Candidate>, SignError> {
    let beside = plan.formats_beside();
    if beside.is_empty() {
        return Ok(Vec::new());
    }
    // An old `.sig` of a file is known by the bundle beside it; those of an image say themselves what they are.
    let formats = if is_image(artifact) { &beside[..] } else { &[] };
    let Gathered {
        found: candidates,
        failures,
        ..
    } = Gathered::read(
        Pages::new(
            source,
            &artifact.reference,
            artifact.digest(DigestAlgorithm::Sha256),
            formats,
        )
        .all(),
    );
    for failure in failures {
        match failure {
            Reason::PlaceFailed { error, .. } => {
                return Err(SignError::Source {
                    operation: "source.signatures",
                    error: error.into(),
                });
            }
            Reason::TooManySignatures { .. } => {
                return Err(SignError::Destination(failure.to_string()));
            }
            // A format of a later version is left alone.
            _ => {}
        }
    }
    Ok(candidates)
}

/// Decodes what was encoded and verifies it with nothing but the announced key, and looks at what lay there before in the same
/// pass over the bytes. Gives the outcomes of the earlier ones.
fn verify_as_stranger(
    signer: &OpenSigner,
    artifact: &Artifact,
    encoded: &[Encoded],
    earlier: &[Candidate],
) -> Result<Vec<Outcome>, SignError> {
    let keys = [TrustedKey {
        key: signer.public_key().clone(),
        name: "the signer's key".to_owned(),
    }];
    let candidates: Vec<Candidate> = encoded
        .iter()
        .map(|e| Candidate::read("the new signature", &e.content))
        .chain(earlier.iter().cloned())
        .collect();
    let mut outcomes = check::check(&keys, &BTreeMap::new(), artifact, &candidates)
        .map_err(|e| SignError::Artifact(e.into()))?;
    let earlier_outcomes = outcomes.split_off(encoded.len());
    match outcomes.iter().find_map(Outcome::reason) {
        None => Ok(earlier_outcomes),
        Some(Reason::PayloadUnreadable { error, .. }) => {
            let error = Error::new(ErrorCode::Unavailable, error.clone());
            Err(SignError::Artifact(error.into()))
        }
        Some(_) => Err(misbehaved(
            "the signer returned a signature that its key does not verify".to_owned(),
        )),
    }
}

#[cfg(test)]
mod image_tests;
#[cfg(test)]
mod tests;
