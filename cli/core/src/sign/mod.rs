//! Signing an artifact: resolve, sign, verify as a stranger would, store. Nothing unverified is written.

mod content;
mod encoded;
mod error;
mod make;
mod places;
mod replace;
mod request;
mod signer;

pub use error::SignError;
pub use places::check_destination;
pub use request::{Destination, Location, Place, SignedArtifact, SigningRequest, Stored};
pub use signer::OpenSigner;

use crate::resolve::{prove, resolve};
use crate::store::Store;
use crate::trust::TrustedKey;
use crate::verify::Reason;
use crate::verify::check::{self, Outcome};
use crate::verify::gather::{Candidate, Gathered, Pages};
use crate::verify::payload::Challenges;
use content::{Content, content};
use encoded::{Encoded, is_image};
use error::misbehaved;
use make::make;
use sigtool_sdk::connection::Handle;
use sigtool_sdk::types::{Artifact, DigestAlgorithm};
use sigtool_sdk::{Error, ErrorCode};
use std::collections::BTreeMap;
use std::sync::PoisonError;

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
    let of_artifact = |e: Error| SignError::Artifact(e.into());
    let (mut artifact, notes) =
        resolve(source, &request.reference, &digests(signer)).map_err(of_artifact)?;
    prove(&request.reference, &mut artifact, request.is_own).map_err(of_artifact)?;
    let warning = look_into(&artifact, &request)?;
    let reference = artifact.reference.clone();
    let turn = signer.turns.of(&reference);
    let signed = {
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        sign_resolved(source, signer, store, &request, artifact, notes)
    };
    signer.turns.end(&reference, &turn);
    signed.map(|signed| SignedArtifact { warning, ..signed })
}

/// Refuses a file whose signature would sign something else, and a private key that nobody has named. Gives what to warn of.
fn look_into(artifact: &Artifact, request: &SigningRequest) -> Result<Option<String>, SignError> {
    let Some(path) = artifact.path.as_deref().filter(|_| !is_image(artifact)) else {
        return Ok(None);
    };
    match content(path) {
        Content::Envelope => Err(SignError::OtherKind("the statement in it")),
        Content::ImagePayload => Err(SignError::OtherKind("the image that it names")),
        Content::PrivateKey if !request.is_named => Err(SignError::PrivateKey),
        Content::PrivateKey => Ok(Some("it is a private key".to_owned())),
        Content::Other => Ok(None),
    }
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
        in_file.check_replaceable()?;
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
        warning: None,
        notes,
    })
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
    let name = "the signer's key".to_owned();
    let keys = [TrustedKey::new(name, signer.public_key().clone())];
    let candidates: Vec<Candidate> = encoded
        .iter()
        .map(|e| Candidate::read("the new signature", &e.content))
        .chain(earlier.iter().cloned())
        .collect();
    let mut outcomes = check::check(
        &keys,
        &BTreeMap::new(),
        artifact,
        // What was signed is judged as a stranger would: the bytes are read anew.
        &Challenges::default(),
        &candidates,
    )
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
