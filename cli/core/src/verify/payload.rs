//! Ed25519 signatures, which are over the artifact's bytes themselves and not over a digest of them.
//!
//! Each takes one hash of those bytes with its point and the key before them, its challenge. A source that can makes it in its one
//! pass over the bytes. Otherwise all signatures are checked together in one more pass, of constant memory, which also makes sure
//! that the bytes are still those of the digest.

use super::gather::Candidate;
use crate::formats::bundle::{Content, UnverifiedSigner};
use crate::formats::signature_file::SignatureFile;
use crate::key::{self, Ed25519Verifier, SignatureError};
use crate::trust::TrustedKey;
use sigtool_sdk::source::{MAX_PREFIXED, Prefixed};
use sigtool_sdk::types::{Artifact, Bytes, Digest, DigestAlgorithm, KeyAlgorithm};
use sigtool_sdk::{Error, ErrorCode, Result};
use std::fs::File;
use std::io::Read as _;

/// What the source hashed: each prefix, and the digest of it and the artifact's bytes.
#[derive(Default)]
pub(crate) struct Challenges(Vec<(Bytes, Digest)>);

impl Challenges {
    /// From what [`wanted`] said, and the digests for it in the same order; or none.
    pub(super) fn new(asked: Vec<Prefixed>, given: Vec<Digest>) -> Self {
        let prefixes = asked.into_iter().map(|asked| asked.prefix);
        Self(prefixes.zip(given).collect())
    }

    fn of(&self, prefix: &[u8]) -> Option<&Digest> {
        let mut known = self.0.iter();
        known.find(|(p, _)| **p == *prefix).map(|(_, d)| d)
    }
}

/// What a source is to hash for these signatures, whichever key; nothing if there are more than it can be asked for: then the bytes
/// are read here.
pub(super) fn wanted(keys: &[TrustedKey], candidates: &[Candidate]) -> Vec<Prefixed> {
    let mut wanted = Vec::new();
    for stream in streams(keys, candidates) {
        let prefixed = Prefixed {
            algorithm: DigestAlgorithm::Sha512,
            prefix: stream.verifier.prefix().to_vec().into(),
        };
        if wanted.contains(&prefixed) {
            continue;
        }
        if wanted.len() == MAX_PREFIXED {
            return Vec::new();
        }
        wanted.push(prefixed);
    }
    wanted
}

/// A signature that is verified while the bytes are read, and the candidates that hold it.
struct Stream<'c> {
    of: Vec<usize>,
    key: usize,
    signature: &'c [u8],
    verifier: Ed25519Verifier,
}

/// What the hashes of the bytes proved: which key made which signature, or why the bytes could not be read.
#[derive(Default)]
pub(super) struct PayloadPass {
    asked: Vec<usize>,
    made: Vec<(usize, usize)>,
    failed: Option<String>,
}

/// The same for one signature.
pub(super) struct PayloadResult<'a> {
    pub(super) key: Option<usize>,
    pub(super) failed: Option<&'a str>,
}

impl PayloadPass {
    /// Takes what became of a signature that these candidates hold.
    fn judged(
        &mut self,
        of: Vec<usize>,
        key: usize,
        judged: std::result::Result<(), SignatureError>,
    ) {
        if judged.is_ok() {
            self.made.extend(of.into_iter().map(|index| (index, key)));
        }
    }

    pub(super) fn of(&self, candidate: usize) -> PayloadResult<'_> {
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

/// Checks every Ed25519 signature over the artifact, whichever key: from its challenge if the source gave one; all others in one
/// pass over the bytes.
pub(super) fn pass(
    keys: &[TrustedKey],
    artifact: &Artifact,
    challenges: &Challenges,
    candidates: &[Candidate],
) -> Result<PayloadPass> {
    let mut pass = PayloadPass::default();
    let mut unhashed = Vec::new();
    for stream in streams(keys, candidates) {
        match challenges.of(&stream.verifier.prefix()) {
            Some(challenge) => {
                let judged = stream.verifier.finish_with(challenge);
                pass.judged(stream.of, stream.key, judged);
            }
            None => unhashed.push(stream),
        }
    }
    if unhashed.is_empty() {
        return Ok(pass);
    }
    pass.asked = unhashed.iter().flat_map(|s| s.of.clone()).collect();
    let read = read_again(artifact, |bytes| {
        for stream in &mut unhashed {
            stream.verifier.update(bytes);
        }
    })?;
    match read {
        Ok(()) => {
            for stream in unhashed {
                let judged = stream.verifier.finish();
                pass.judged(stream.of, stream.key, judged);
            }
        }
        Err(why) => pass.failed = Some(why),
    }
    Ok(pass)
}

/// A verifier for each Ed25519 signature and key. One signature in two places is verified once: signing a file again with
/// the same key gives the same signature again.
fn streams<'c>(keys: &[TrustedKey], candidates: &'c [Candidate]) -> Vec<Stream<'c>> {
    let mut streams: Vec<Stream<'c>> = Vec::new();
    for (index, candidate) in candidates.iter().enumerate() {
        let Some(signature) = message_signature(candidate) else {
            continue;
        };
        for (key, trusted) in keys.iter().enumerate() {
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
    use sigtool_sdk::types::ArtifactKind;

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
        // Two signatures, each by two keys.
        assert_eq!(streams(&keys, &candidates).len(), 4);
        let pass = pass(&keys, &artifact, &Challenges::default(), &candidates).unwrap();
        let keys: Vec<_> = (0..3).map(|index| pass.of(index).key).collect();
        assert_eq!(keys, [Some(1), None, Some(1)]);
    }
}
