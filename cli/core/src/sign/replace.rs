//! Which of the signatures beside an artifact are this signer's earlier ones, to be replaced.
//!
//! A signature is this signer's if its key made it: for this artifact, or for the bytes that the artifact once was, which a
//! bundle proves by the digest it declares. An Ed25519 bundle of other bytes proves nothing without them; if it names this key
//! and declares another digest than the artifact's, it is of no use to anyone here and counts as this signer's.
//!
//! A `.sig` says neither its key nor its digest. It is this signer's if it verifies for the artifact as it is, or for a digest
//! that one of this signer's own bundles beside it declares. Else it may be another signer's good signature, and stays; the
//! source then gives the new one a name with this key's hint. A file of such a name is this signer's whatever it holds, unless
//! it names another key: so the next rebuild replaces it.

use super::error::SignError;
use crate::formats::bundle::{BundleFormat, Content, UnverifiedSigner};
use crate::formats::dsse::Envelope;
use crate::formats::signature_file::SignatureFile;
use crate::formats::statement::{SIGNATURE_PREDICATE, Statement};
use crate::key;
use crate::verify::Reason;
use crate::verify::check::Outcome;
use crate::verify::gather::Candidate;
use sigtool_sdk::types::{Digest, PublicKey, SignatureFormat};
use std::path::PathBuf;

/// An earlier signature, and what to do with it.
pub(super) struct Earlier<'a> {
    pub(super) candidate: &'a Candidate,
    /// Whether it is this signer's.
    pub(super) own: bool,
    /// Whether nobody can say whose it is: it is left alone, and the user is told.
    pub(super) unknown: bool,
}

impl Earlier<'_> {
    /// The source's id of it, if it is kept in this format.
    pub(super) fn id(&self, format: SignatureFormat) -> Option<&str> {
        let (id, _) = self
            .candidate
            .stored
            .as_ref()
            .filter(|(_, kept)| *kept == format && self.is_written_as(format))?;
        Some(id)
    }

    /// Requires that a file which the user named may be replaced unasked: only if it holds this signer's own. A bare signature of
    /// other bytes does not say whose it is, and may be the only copy of somebody else's.
    pub(super) fn check_replaceable(&self) -> Result<(), SignError> {
        if self.own {
            return Ok(());
        }
        Err(SignError::Taken {
            path: PathBuf::from(&self.candidate.location),
            what: match self.unknown {
                true => "holds a signature that does not say whose it is",
                false => "holds the signature of another key",
            },
        })
    }

    /// cosign's older bundle may lie where a Sigstore bundle does; it is never written, so never replaced.
    fn is_written_as(&self, format: SignatureFormat) -> bool {
        match &self.candidate.file {
            Ok(SignatureFile::Bundle(bundle)) => {
                format == SignatureFormat::Bundle && bundle.format != BundleFormat::Cosign
            }
            Ok(SignatureFile::Detached(_) | SignatureFile::SignedPayload(_)) => {
                format == SignatureFormat::Cosign
            }
            Err(_) => true,
        }
    }
}

/// Tells this signer's earlier signatures from others'. `outcomes` are those of checking them with this key alone.
pub(super) fn own<'a>(
    key: &PublicKey,
    earlier: &'a [Candidate],
    outcomes: &[Outcome],
) -> Vec<Earlier<'a>> {
    let slot = format!(".{}.", key::short_hint(key));
    let made: Vec<bool> = earlier
        .iter()
        .zip(outcomes)
        .map(|(candidate, outcome)| is_made_by_key(key, candidate, outcome))
        .collect();
    let former: Vec<&Digest> = earlier
        .iter()
        .zip(&made)
        .filter(|(_, made)| **made)
        .filter_map(|(candidate, _)| message(candidate)?.0)
        .collect();
    earlier
        .iter()
        .zip(outcomes)
        .zip(made)
        .map(|((candidate, outcome), made)| {
            let proven = made
                || matches!(outcome.reason(), Some(Reason::OtherArtifact { .. }))
                || is_of_former(key, candidate, &former);
            let nameless = matches!(
                outcome.reason(),
                Some(Reason::DoesNotVerify { .. } | Reason::Malformed { .. })
            );
            let own = proven || nameless && file_name(&candidate.location).contains(&slot);
            Earlier {
                candidate,
                own,
                unknown: nameless && !own,
            }
        })
        .collect()
}

/// Whether this key has verifiably made it: for the artifact, or for what it says itself.
fn is_made_by_key(key: &PublicKey, candidate: &Candidate, outcome: &Outcome) -> bool {
    if matches!(
        outcome,
        Outcome::Good(_) | Outcome::Bad(Reason::WrongDigest { .. })
    ) {
        return true;
    }
    if let Ok(SignatureFile::SignedPayload(signed)) = &candidate.file {
        return signed.cert.is_none()
            && key::verify_payload(key, &signed.payload, &signed.base64_signature).is_ok();
    }
    match (message(candidate), candidate.bundle().map(|b| &b.content)) {
        (Some((Some(digest), signature)), _) => key::verify_digest(key, digest, signature).is_ok(),
        (None, Some(Content::Envelope(envelope))) => is_signing_statement(key, envelope),
        _ => false,
    }
}

/// The digest that a bundle of a key pair declares, and its signature.
fn message(candidate: &Candidate) -> Option<(Option<&Digest>, &[u8])> {
    let bundle = candidate.bundle()?;
    match (&bundle.content, &bundle.unverified_signer) {
        (
            Content::Message {
                unverified_digest,
                signature,
            },
            UnverifiedSigner::PublicKey { .. },
        ) => Some((unverified_digest.as_ref(), signature)),
        _ => None,
    }
}

/// Whether the key made an envelope that is a signature; claims of other sorts are never replaced.
fn is_signing_statement(key: &PublicKey, envelope: &Envelope) -> bool {
    let claims_signature = Statement::decode(envelope)
        .ok()
        .flatten()
        .is_some_and(|s| s.predicate_type == SIGNATURE_PREDICATE);
    claims_signature && key::verify_payload(key, &envelope.to_signed(), &envelope.signature).is_ok()
}

/// Whether a detached signature is this key's, over what the artifact was before.
fn is_of_former(key: &PublicKey, candidate: &Candidate, former: &[&Digest]) -> bool {
    match &candidate.file {
        Ok(SignatureFile::Detached(signature)) => former
            .iter()
            .any(|digest| key::verify_digest(key, digest, signature).is_ok()),
        _ => false,
    }
}

fn file_name(location: &str) -> &str {
    location.rsplit(['/', '\\']).next().unwrap_or(location)
}
