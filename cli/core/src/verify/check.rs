//! Checking signatures with keys, and saying precisely why one is not good.
//!
//! Digests come from the source's one pass over the bytes. Ed25519 signs the bytes themselves: all such signatures are checked
//! together, in one more pass of constant memory, which also makes sure that the bytes are still those of the digest.

use super::gather::Candidate;
use super::reason::Reason;
use crate::formats::bundle::{Bundle, Content, UnverifiedSigner};
use crate::formats::dsse::Envelope;
use crate::formats::malformed::Malformed;
use crate::formats::signature_file::SignatureFile;
use crate::formats::simple_signing::{self, SimpleSigning};
use crate::formats::statement::{SIGNATURE_PREDICATE, Statement, Subject};
use crate::key::{self, Ed25519Verifier};
use crate::reference::repository;
use crate::text::printable;
use crate::trust::{NamedKey, TrustedKey};
use sigtool_sdk::types::{
    Artifact, ArtifactKind, Digest, DigestAlgorithm, KeyAlgorithm, SignedPayload,
};
use sigtool_sdk::{Error, ErrorCode, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read as _;

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
/// `annotations` are those that each must say.
///
/// # Errors
///
/// `integrity`: the artifact changed after it was hashed.
pub(crate) fn check(
    keys: &[TrustedKey],
    annotations: &BTreeMap<String, String>,
    artifact: &Artifact,
    candidates: &[Candidate],
) -> Result<Vec<Outcome>> {
    let checker = Checker {
        keys,
        annotations,
        artifact,
    };
    let payload = checker.payload_pass(candidates)?;
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

/// A signature that is verified while the bytes are read, and the candidates that hold it.
struct Stream<'c> {
    of: Vec<usize>,
    key: usize,
    signature: &'c [u8],
    verifier: Ed25519Verifier,
}

/// What the pass over the bytes found: which key made which signature, or why there was no pass.
#[derive(Default)]
struct PayloadPass {
    asked: Vec<usize>,
    made: Vec<(usize, usize)>,
    failed: Option<String>,
}

/// The same for one signature.
struct PayloadResult<'a> {
    key: Option<usize>,
    failed: Option<&'a str>,
}

impl PayloadPass {
    fn of(&self, candidate: usize) -> PayloadResult<'_> {
        PayloadResult {
            key: self
                .made
                .iter()
                .find(|(c, _)| *c == candidate)
                .map(|(_, key)| *key),
            failed: self
                .failed
                .as_deref()
                .filter(|_| self.asked.contains(&candidate)),
        }
    }
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
        match &bundle.content {
            Content::Envelope(envelope) => self.envelope(at, envelope, hint),
            Content::Message { .. } if self.is_image() => {
                not_a_signature(at, "the bytes of a file")
            }
            Content::Message {
                unverified_digest,
                signature,
            } => self.message(at, signature, unverified_digest.as_ref(), hint, payload),
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
            .map(|subject| self.annotated(at.clone(), key, &subject.annotations));
        if let Some(first) = about.next() {
            // One of several may say the annotations that are demanded.
            let good = |outcome: &Outcome| matches!(outcome, Outcome::Good(_));
            return if good(&first) {
                first
            } else {
                about.find(good).unwrap_or(first)
            };
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
    fn annotated(&self, at: String, key: usize, said: &BTreeMap<String, String>) -> Outcome {
        let missing = self
            .annotations
            .iter()
            .find(|(name, wanted)| said.get(*name) != Some(*wanted));
        match missing {
            None => Outcome::Good(key),
            Some((name, wanted)) => Outcome::Bad(Reason::OtherAnnotation {
                signature: at,
                key: self.keys[key].named().clone(),
                annotation: name.clone(),
                wanted: wanted.clone(),
                found: said.get(name).map(|found| printable(found)),
            }),
        }
    }

    /// Every digest that we know must be the artifact's, and there must be at least one.
    fn is_artifact(&self, subject: &Subject) -> bool {
        !subject.digests.is_empty()
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

    /// Checks every Ed25519 signature over the artifact, whichever key, in one pass over the bytes.
    fn payload_pass(&self, candidates: &[Candidate]) -> Result<PayloadPass> {
        if self.is_image() {
            return Ok(PayloadPass::default());
        }
        let mut streams = self.streams(candidates);
        if streams.is_empty() {
            return Ok(PayloadPass::default());
        }
        let mut pass = PayloadPass {
            asked: streams.iter().flat_map(|s| s.of.clone()).collect(),
            ..PayloadPass::default()
        };
        let read = read_again(self.artifact, |bytes| {
            for stream in &mut streams {
                stream.verifier.update(bytes);
            }
        })?;
        match read {
            Ok(()) => {
                pass.made = streams
                    .into_iter()
                    .filter_map(|s| s.verifier.finish().ok().map(|()| (s.of, s.key)))
                    .flat_map(|(of, key)| of.into_iter().map(move |index| (index, key)))
                    .collect();
            }
            Err(why) => pass.failed = Some(why),
        }
        Ok(pass)
    }

    /// A verifier for each Ed25519 signature and key. One signature in two places is verified once: signing a file again with
    /// the same key gives the same signature again.
    fn streams<'c>(&self, candidates: &'c [Candidate]) -> Vec<Stream<'c>> {
        let mut streams: Vec<Stream<'c>> = Vec::new();
        for (index, candidate) in candidates.iter().enumerate() {
            let Some(signature) = message_signature(candidate) else {
                continue;
            };
            for (key, trusted) in self.keys.iter().enumerate() {
                if trusted.key().algorithm != KeyAlgorithm::Ed25519 {
                    continue;
                }
                let is_same = |s: &&mut Stream<'c>| s.key == key && s.signature == signature;
                if let Some(same) = streams.iter_mut().find(is_same) {
                    same.of.push(index);
                } else if let Ok(verifier) = Ed25519Verifier::new(trusted.key(), signature) {
                    streams.push(Stream {
                        of: vec![index],
                        key,
                        signature,
                        verifier,
                    });
                }
            }
        }
        streams
    }
}

fn not_a_signature(at: String, claims: &str) -> Outcome {
    Outcome::Bad(Reason::NotASignature {
        signature: at,
        claims: printable(claims),
    })
}

/// The raw signature, if it is over the artifact itself.
fn message_signature(candidate: &Candidate) -> Option<&[u8]> {
    match &candidate.file {
        Ok(SignatureFile::Detached(signature)) => Some(signature),
        Ok(SignatureFile::Bundle(bundle)) => match &bundle.content {
            Content::Message { signature, .. }
                if matches!(bundle.unverified_signer, UnverifiedSigner::PublicKey { .. }) =>
            {
                Some(signature)
            }
            _ => None,
        },
        Ok(SignatureFile::SignedPayload(_)) | Err(_) => None,
    }
}

/// Reads the artifact's bytes a second time. The inner error says why that cannot be done.
///
/// # Errors
///
/// `integrity`: they are not the bytes that were hashed.
fn read_again(
    artifact: &Artifact,
    mut take: impl FnMut(&[u8]),
) -> Result<std::result::Result<(), String>> {
    let Some(path) = &artifact.path else {
        return Ok(Err(
            "its source gives a digest, but no bytes to read".to_owned()
        ));
    };
    let changed = || {
        Error::new(
            ErrorCode::Integrity,
            format!("`{}` changed while it was verified", artifact.reference),
        )
        .hint("try again when nothing writes to it")
    };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(e) => return Ok(Err(format!("cannot open `{}`: {e}", path.display()))),
    };
    let mut digest = aws_lc_rs::digest::Context::new(key::hash(DigestAlgorithm::Sha256));
    let mut buffer = vec![0; 256 * 1024];
    let mut left = artifact.size;
    loop {
        let n = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(e) => return Ok(Err(format!("cannot read `{}`: {e}", path.display()))),
        };
        // A file that grows, or a device in its place, has an end here too.
        left = left.checked_sub(n as u64).ok_or_else(changed)?;
        digest.update(&buffer[..n]);
        take(&buffer[..n]);
    }
    let same = artifact
        .digest(DigestAlgorithm::Sha256)
        .is_some_and(|d| d.as_bytes() == digest.finish().as_ref());
    if same { Ok(Ok(())) } else { Err(changed()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::TestKey;

    #[test]
    fn one_signature_in_two_places_is_verified_once_and_good_in_both() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"app").unwrap();
        let artifact = Artifact {
            reference: file.path().display().to_string(),
            name: "app".to_owned(),
            version: None,
            kind: ArtifactKind::Unknown,
            digests: vec![key::digest_of(DigestAlgorithm::Sha256, b"app")],
            size: 3,
            media_type: None,
            path: Some(file.path().to_owned()),
        };
        let signer = TestKey::generate(KeyAlgorithm::Ed25519);
        let other = TestKey::generate(KeyAlgorithm::Ed25519);
        let keys =
            [&other, &signer].map(|key| TrustedKey::new("a key".to_owned(), key.public_key()));
        let candidate = |signature: Vec<u8>| Candidate {
            location: "app.sig".to_owned(),
            file: Ok(SignatureFile::Detached(signature)),
            stored: None,
        };
        let good = signer.sign(b"app");
        let candidates = [
            candidate(good.clone()),
            candidate(signer.sign(b"another")),
            candidate(good),
        ];
        let checker = Checker {
            keys: &keys,
            annotations: &BTreeMap::new(),
            artifact: &artifact,
        };
        // Two signatures, each by two keys.
        assert_eq!(checker.streams(&candidates).len(), 4);
        let pass = checker.payload_pass(&candidates).unwrap();
        let keys: Vec<_> = (0..3).map(|index| pass.of(index).key).collect();
        assert_eq!(keys, [Some(1), None, Some(1)]);
    }
}
