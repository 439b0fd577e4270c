//! Checking signatures with keys, and saying precisely why one is not good.
//!
//! Digests come from the source's one pass over the bytes. Ed25519 signs the bytes themselves: see [`super::payload`].

use super::gather::Candidate;
use super::payload::{self, Challenges, PayloadPass, PayloadResult};
use super::reason::Reason;
use crate::formats::bundle::{Bundle, BundleFormat, Content, UnverifiedSigner};
use crate::formats::dsse::Envelope;
use crate::formats::malformed::Malformed;
use crate::formats::signature_file::SignatureFile;
use crate::formats::simple_signing::{self, SimpleSigning};
use crate::formats::statement::{SIGNATURE_PREDICATE, Statement, Subject, printable_annotation};
use crate::key;
use crate::reference::repository;
use crate::text::printable;
use crate::trust::{NamedKey, TrustedKey};
use serde_json::Value;
use sigtool_sdk::Result;
use sigtool_sdk::types::{
    Artifact, ArtifactKind, Digest, DigestAlgorithm, KeyAlgorithm, SignedPayload,
};
use std::collections::{BTreeMap, BTreeSet};

/// What became of a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It does not count.
    Bad(Reason),
    /// The key of this index made it, for this artifact.
    Good(usize),
}

impl Outcome {
    pub(crate) fn key(&self) -> Option<usize> {
        match self {
            Self::Good(key) => Some(*key),
            Self::Bad(_) => None,
        }
    }

    pub(crate) fn reason(&self) -> Option<&Reason> {
        match self {
            Self::Good(_) => None,
            Self::Bad(reason) => Some(reason),
        }
    }
}

/// The digests of the artifact that checking these signatures needs; SHA-256 always, by which artifacts are known.
pub(crate) fn wanted_digests(
    keys: &[TrustedKey],
    candidates: &[Candidate],
) -> Vec<DigestAlgorithm> {
    let mut wanted = BTreeSet::from([DigestAlgorithm::Sha256]);
    for candidate in candidates {
        match &candidate.file {
            Ok(SignatureFile::Bundle(bundle)) => match &bundle.content {
                Content::Message {
                    unverified_digest: Some(digest),
                    ..
                } => {
                    wanted.insert(digest.algorithm());
                }
                Content::Message { .. } => wanted.extend(usual_digests(keys)),
                Content::Envelope(envelope) => wanted.extend(subject_digests(envelope)),
            },
            Ok(SignatureFile::Detached(_)) => wanted.extend(usual_digests(keys)),
            Ok(SignatureFile::SignedPayload(_)) | Err(_) => {}
        }
    }
    wanted.into_iter().collect()
}

fn usual_digests(keys: &[TrustedKey]) -> impl Iterator<Item = DigestAlgorithm> {
    keys.iter().map(|k| key::usual_digest(k.key().algorithm))
}

fn subject_digests(envelope: &Envelope) -> Vec<DigestAlgorithm> {
    match Statement::decode(envelope) {
        Ok(Some(statement)) => statement
            .subjects
            .iter()
            .flat_map(|s| s.digests.iter().map(Digest::algorithm))
            .collect(),
        _ => Vec::new(),
    }
}

/// Checks signatures of an artifact whose digests are those of [`wanted_digests`]. One outcome for each, in their order.
/// `annotations` are those that each must say, `challenges` what the source hashed for [`payload::wanted`].
///
/// # Errors
///
/// `integrity`: the artifact changed after it was hashed.
pub(crate) fn check(
    keys: &[TrustedKey],
    annotations: &BTreeMap<String, String>,
    artifact: &Artifact,
    challenges: &Challenges,
    candidates: &[Candidate],
) -> Result<Vec<Outcome>> {
    let checker = Checker {
        keys,
        annotations,
        artifact,
    };
    // Nothing signs the bytes of an image.
    let payload = if checker.is_image() {
        PayloadPass::default()
    } else {
        payload::pass(keys, artifact, challenges, candidates)?
    };
    Ok(candidates
        .iter()
        .enumerate()
        .map(|(index, candidate)| checker.outcome(candidate, &payload.of(index)))
        .collect())
}

struct Checker<'a> {
    keys: &'a [TrustedKey],
    annotations: &'a BTreeMap<String, String>,
    artifact: &'a Artifact,
}

impl Checker<'_> {
    /// One signature, all keys.
    fn outcome(&self, candidate: &Candidate, payload: &PayloadResult<'_>) -> Outcome {
        let at = candidate.location.clone();
        match &candidate.file {
            Err(what) => Outcome::Bad(Reason::Malformed {
                signature: at,
                what: what.clone(),
            }),
            Ok(SignatureFile::Detached(signature)) if self.is_image() => {
                self.plain_payload(at, signature)
            }
            Ok(SignatureFile::Detached(signature)) => {
                self.message(at, signature, None, None, payload)
            }
            Ok(SignatureFile::Bundle(bundle)) => self.bundle(at, bundle, payload),
            Ok(SignatureFile::SignedPayload(signed)) => self.signed_payload(at, signed),
        }
    }

    /// All keys that are trusted, for a reason to name.
    fn names(&self) -> Vec<NamedKey> {
        self.keys.iter().map(|k| k.named().clone()).collect()
    }

    /// An image is signed by a statement about its digest, everything else by its bytes.
    fn is_image(&self) -> bool {
        self.artifact.kind == ArtifactKind::ContainerImage
    }

    fn bundle(&self, at: String, bundle: &Bundle, payload: &PayloadResult<'_>) -> Outcome {
        if matches!(bundle.unverified_signer, UnverifiedSigner::Certificate(_)) {
            return Outcome::Bad(Reason::CertificateSigned { signature: at });
        }
        let hint = bundle.unverified_hint();
        let outcome = match &bundle.content {
            Content::Envelope(envelope) => self.envelope(at.clone(), envelope, hint),
            Content::Message { .. } if self.is_image() => {
                return not_a_signature(at, "the bytes of a file");
            }
            Content::Message {
                unverified_digest: None,
                signature,
            } if bundle.format != BundleFormat::Cosign => {
                self.undeclared(at.clone(), signature, hint, payload)
            }
            Content::Message {
                unverified_digest,
                signature,
            } => {
                let declared = unverified_digest.as_ref();
                self.message(at.clone(), signature, declared, hint, payload)
            }
        };
        match (&outcome, &bundle.unverified_signer) {
            // cosign verifies with the key in the bundle, and wants it to be the one that is trusted.
            (Outcome::Good(key), UnverifiedSigner::PublicKey { key: Some(own), .. })
                if own != self.keys[*key].key() =>
            {
                Outcome::Bad(self.wrong_or_damaged(at, hint))
            }
            _ => outcome,
        }
    }

    /// A Sigstore bundle that does not say which digest was signed: cosign writes and takes it with Ed25519 alone, which signs the
    /// bytes themselves.
    fn undeclared(
        &self,
        at: String,
        signature: &[u8],
        hint: Option<&str>,
        payload: &PayloadResult<'_>,
    ) -> Outcome {
        match (payload.key, payload.failed) {
            (Some(key), _) => Outcome::Good(key),
            (None, Some(error)) => Outcome::Bad(Reason::PayloadUnreadable {
                signature: at,
                error: error.to_owned(),
            }),
            (None, None) if signature.len() == ed25519_dalek::SIGNATURE_LENGTH => {
                Outcome::Bad(self.silent_failure(at, hint))
            }
            (None, None) => Outcome::Bad(Reason::Malformed {
                signature: at,
                what: Malformed::new(
                    "messageSignature",
                    "it has no `messageDigest`, which only a signature by Ed25519 may lack",
                ),
            }),
        }
    }

    /// A signature over the artifact itself.
    fn message(
        &self,
        at: String,
        signature: &[u8],
        declared: Option<&Digest>,
        hint: Option<&str>,
        payload: &PayloadResult<'_>,
    ) -> Outcome {
        let found = declared.and_then(|d| self.artifact.digest(d.algorithm()));
        let other = declared.zip(found).filter(|(d, f)| d != f);
        let maker = payload
            .key
            .or_else(|| self.maker(signature, |key| self.digests(key, declared)));
        match (maker, other) {
            (Some(key), None) => Outcome::Good(key),
            (Some(key), Some((declared, found))) => Outcome::Bad(Reason::WrongDigest {
                signature: at,
                key: self.keys[key].named().clone(),
                declared: declared.clone(),
                found: found.clone(),
            }),
            (None, _) if payload.failed.is_some() => Outcome::Bad(Reason::PayloadUnreadable {
                signature: at,
                error: payload.failed.unwrap_or_default().to_owned(),
            }),
            (None, Some((declared, found))) => {
                Outcome::Bad(self.other_digest(at, signature, declared, found, hint))
            }
            (None, None) if declared.is_none() => Outcome::Bad(self.silent_failure(at, hint)),
            (None, None) => Outcome::Bad(self.wrong_or_damaged(at, hint)),
        }
    }

    /// A bundle for other bytes: proven, said, or by a stranger.
    fn other_digest(
        &self,
        at: String,
        signature: &[u8],
        declared: &Digest,
        found: &Digest,
        hint: Option<&str>,
    ) -> Reason {
        if let Some(key) = self.maker(signature, |_| vec![declared]) {
            return Reason::ChangedArtifact {
                signature: at,
                key: self.keys[key].named().clone(),
                signed: declared.clone(),
                found: found.clone(),
            };
        }
        match self.hinted(hint) {
            Some(key) if self.keys[key].key().algorithm == KeyAlgorithm::Ed25519 => {
                Reason::OtherArtifact {
                    signature: at,
                    key: self.keys[key].named().clone(),
                    unverified_signed: declared.clone(),
                    found: found.clone(),
                }
            }
            _ => self.wrong_or_damaged(at, hint),
        }
    }

    /// Nothing says which digest was signed, so wrong key and changed artifact look alike, unless a stranger's key is named.
    fn silent_failure(&self, at: String, hint: Option<&str>) -> Reason {
        if hint.is_some() && self.hinted(hint).is_none() {
            return self.wrong_or_damaged(at, hint);
        }
        Reason::DoesNotVerify {
            signature: at,
            trusted: self.names(),
        }
    }

    fn wrong_or_damaged(&self, at: String, hint: Option<&str>) -> Reason {
        match self.hinted(hint) {
            Some(key) => Reason::BadSignature {
                signature: at,
                key: self.keys[key].named().clone(),
            },
            None => Reason::WrongKey {
                signature: at,
                unverified_key_hint: hint.map(str::to_owned),
                trusted: self.names(),
            },
        }
    }

    /// A signature over a statement that names the artifact.
    fn envelope(&self, at: String, envelope: &Envelope, hint: Option<&str>) -> Outcome {
        let signed = envelope.to_signed();
        let made =
            |k: &TrustedKey| key::verify_payload(k.key(), &signed, &envelope.signature).is_ok();
        let Some(key) = self.keys.iter().position(made) else {
            return Outcome::Bad(self.wrong_or_damaged(at, hint));
        };
        match Statement::decode(envelope) {
            Err(what) => Outcome::Bad(Reason::Malformed {
                signature: at,
                what,
            }),
            Ok(None) => not_a_signature(at, &envelope.payload_type),
            Ok(Some(statement)) if statement.predicate_type != SIGNATURE_PREDICATE => {
                not_a_signature(at, &statement.predicate_type)
            }
            Ok(Some(statement)) => self.statement(at, key, &statement),
        }
    }

    /// A good statement: is it about this artifact?
    fn statement(&self, at: String, key: usize, statement: &Statement) -> Outcome {
        let mut about = statement
            .subjects
            .iter()
            .filter(|subject| self.is_artifact(subject))
            .map(|subject| &subject.annotations);
        if let Some(first) = about.next() {
            if about.any(|other| other != first) {
                return Outcome::Bad(Reason::Malformed {
                    signature: at,
                    what: Malformed::new(
                        "the statement's subjects",
                        "the artifact is two of them, with different annotations",
                    ),
                });
            }
            return self.annotated(at, key, first);
        }
        let other = statement
            .subjects
            .iter()
            .flat_map(|s| &s.digests)
            .find_map(|d| Some((d, self.artifact.digest(d.algorithm())?)));
        Outcome::Bad(match other {
            Some((signed, found)) => Reason::ChangedArtifact {
                signature: at,
                key: self.keys[key].named().clone(),
                signed: signed.clone(),
                found: found.clone(),
            },
            None => Reason::Malformed {
                signature: at,
                what: Malformed::new(
                    "the statement's subjects",
                    "none has a sha256, sha384 or sha512 digest",
                ),
            },
        })
    }

    /// cosign's own signature of an image, with its payload.
    fn signed_payload(&self, at: String, signed: &SignedPayload) -> Outcome {
        if signed.cert.is_some() {
            return Outcome::Bad(Reason::CertificateSigned { signature: at });
        }
        let made = |trusted: &TrustedKey| {
            key::verify_payload(trusted.key(), &signed.payload, &signed.base64_signature).is_ok()
        };
        let Some(key) = self.keys.iter().position(made) else {
            return Outcome::Bad(self.wrong_or_damaged(at, None));
        };
        match SimpleSigning::decode(&signed.payload) {
            Err(what) => Outcome::Bad(Reason::Malformed {
                signature: at,
                what,
            }),
            Ok(payload) if !self.is_image() || payload.kind != simple_signing::TYPE => {
                not_a_signature(at, &payload.kind)
            }
            // Registries and cosign know an image by this one.
            Ok(payload) if payload.digest.algorithm() != DigestAlgorithm::Sha256 => {
                not_a_signature(at, &payload.digest.to_string())
            }
            Ok(payload) => match self.artifact.digest(payload.digest.algorithm()) {
                Some(found) if *found != payload.digest => Outcome::Bad(Reason::ChangedArtifact {
                    signature: at,
                    key: self.keys[key].named().clone(),
                    signed: payload.digest,
                    found: found.clone(),
                }),
                Some(_) => self.annotated(at, key, &payload.annotations),
                None => not_a_signature(at, &payload.digest.to_string()),
            },
        }
    }

    /// A raw signature that was given for an image: over the payload that cosign makes where nobody asks for annotations.
    fn plain_payload(&self, at: String, signature: &[u8]) -> Outcome {
        let Some(digest) = self.artifact.digest(DigestAlgorithm::Sha256) else {
            return Outcome::Bad(self.silent_failure(at, None));
        };
        let repository = repository(&self.artifact.reference);
        let payload = simple_signing::encode_payload(repository, digest, &BTreeMap::new());
        let made =
            |trusted: &TrustedKey| key::verify_payload(trusted.key(), &payload, signature).is_ok();
        match self.keys.iter().position(made) {
            Some(key) => self.annotated(at, key, &BTreeMap::new()),
            None => Outcome::Bad(self.silent_failure(at, None)),
        }
    }

    /// A good signature, if it says every annotation that is demanded.
    fn annotated(&self, at: String, key: usize, said: &BTreeMap<String, Value>) -> Outcome {
        let missing = self.annotations.iter().find(|(name, wanted)| {
            said.get(*name).and_then(Value::as_str) != Some(wanted.as_str())
        });
        match missing {
            None => Outcome::Good(key),
            Some((name, wanted)) => Outcome::Bad(Reason::OtherAnnotation {
                signature: at,
                key: self.keys[key].named().clone(),
                annotation: name.clone(),
                wanted: wanted.clone(),
                found: said.get(name).map(printable_annotation),
            }),
        }
    }

    /// Every digest that we know must be the artifact's, and there must be at least one: of an image, that by which registries and
    /// cosign know it.
    fn is_artifact(&self, subject: &Subject) -> bool {
        let names_it = |d: &Digest| !self.is_image() || d.algorithm() == DigestAlgorithm::Sha256;
        subject.digests.iter().any(names_it)
            && subject
                .digests
                .iter()
                .all(|d| self.artifact.digest(d.algorithm()) == Some(d))
    }

    /// The first key that made a signature over one of these digests.
    fn maker<'d>(
        &self,
        signature: &[u8],
        digests: impl Fn(&TrustedKey) -> Vec<&'d Digest>,
    ) -> Option<usize> {
        self.keys.iter().position(|trusted| {
            digests(trusted)
                .into_iter()
                .any(|digest| key::verify_digest(trusted.key(), digest, signature).is_ok())
        })
    }

    /// The artifact's digests that a key may have signed: the declared one, else SHA-256 and the key's usual one.
    fn digests(&self, trusted: &TrustedKey, declared: Option<&Digest>) -> Vec<&Digest> {
        let algorithms = match declared {
            Some(digest) => vec![digest.algorithm()],
            None => vec![
                DigestAlgorithm::Sha256,
                key::usual_digest(trusted.key().algorithm),
            ],
        };
        algorithms
            .into_iter()
            .filter_map(|a| self.artifact.digest(a))
            .collect()
    }

    /// The trusted key that a hint names.
    fn hinted(&self, hint: Option<&str>) -> Option<usize> {
        let hint = hint?;
        self.keys.iter().position(|k| k.named().key_hint == *hint)
    }
}

fn not_a_signature(at: String, claims: &str) -> Outcome {
    Outcome::Bad(Reason::NotASignature {
        signature: at,
        claims: printable(claims),
    })
}
