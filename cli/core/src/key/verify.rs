//! Verifying one signature with one key: ECDSA (FIPS 186-5) and RSA PKCS#1 v1.5 (RFC 8017) over a digest, Ed25519 over the bytes
//! and Ed25519ph over their SHA-512 (RFC 8032).

use super::error::KeyError;
use super::parse::public_key_of_spki;
use aws_lc_rs::digest;
use aws_lc_rs::signature::{self, ParsedPublicKey, VerificationAlgorithm};
use ed25519_dalek::VerifyingKey;
use ed25519_dalek::hazmat::raw_verify;
use sha2::digest::consts::U64;
use sha2::digest::{FixedOutput, HashMarker, Output, OutputSizeUser, Update};
use sigtool_sdk::types::{Digest, DigestAlgorithm, KeyAlgorithm, PublicKey};
use x509_cert::spki::SubjectPublicKeyInfoRef;

/// Why a signature is not good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// It is not a signature of this by that key.
    #[error("the signature does not verify")]
    DoesNotVerify,
    /// The key itself cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// The digest that a key of this algorithm signs by the registry of Sigstore (`SHA-384` for P-384), which other tools follow.
#[must_use]
pub fn usual_digest(algorithm: KeyAlgorithm) -> DigestAlgorithm {
    match algorithm {
        KeyAlgorithm::EcdsaP384 => DigestAlgorithm::Sha384,
        // For Ed25519 the digest of Ed25519ph.
        KeyAlgorithm::EcdsaP521 | KeyAlgorithm::Ed25519 => DigestAlgorithm::Sha512,
        _ => DigestAlgorithm::Sha256,
    }
}

/// Verifies a signature over a digest: ECDSA and RSA with SHA-256, which cosign takes for every key, and with the key's
/// [usual digest](usual_digest); Ed25519ph with SHA-512.
///
/// # Errors
///
/// The signature does not verify; always so for Ed25519 with another digest, whose signatures are over the bytes themselves (see
/// [`Ed25519Verifier`]).
pub fn verify_digest(
    key: &PublicKey,
    digest: &Digest,
    signature: &[u8],
) -> Result<(), SignatureError> {
    match verification(key.algorithm, digest.algorithm()) {
        Some((with, of)) => {
            let key = ParsedPublicKey::new(with, &*key.spki)
                .map_err(|_| KeyError::Malformed("not a key of its algorithm".to_owned()))?;
            digest::Digest::import_less_safe(digest.as_bytes(), of)
                .and_then(|digest| key.verify_digest_sig(&digest, signature))
                .map_err(|_| SignatureError::DoesNotVerify)
        }
        None if key.algorithm == KeyAlgorithm::Ed25519
            && digest.algorithm() == DigestAlgorithm::Sha512 =>
        {
            let signature = ed25519_signature(signature)?;
            ed25519(key)?
                .verify_prehashed_strict(Prehashed::of(digest), None, &signature)
                .map_err(|_| SignatureError::DoesNotVerify)
        }
        None => Err(SignatureError::DoesNotVerify),
    }
}

/// Verifies a signature over bytes that are at hand: by SHA-256, then by the key's usual digest; Ed25519 and Ed25519ph.
///
/// # Errors
///
/// The signature does not verify.
pub fn verify_payload(
    key: &PublicKey,
    payload: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    if key.algorithm == KeyAlgorithm::Ed25519 {
        let mut verifier = Ed25519Verifier::new(key, signature)?;
        verifier.update(payload);
        if verifier.finish().is_ok() {
            return Ok(());
        }
    } else if verify_digest(key, &digest_of(DigestAlgorithm::Sha256, payload), signature).is_ok() {
        return Ok(());
    }
    let usual = digest_of(usual_digest(key.algorithm), payload);
    verify_digest(key, &usual, signature)
}

/// The digest of bytes that are at hand.
pub(crate) fn digest_of(algorithm: DigestAlgorithm, bytes: &[u8]) -> Digest {
    let value = digest::digest(hash(algorithm), bytes);
    Digest::new(algorithm, value.as_ref().to_vec())
        .unwrap_or_else(|_| unreachable!("the library's digests have the algorithm's length"))
}

/// The library's name for a digest algorithm.
pub(crate) fn hash(algorithm: DigestAlgorithm) -> &'static digest::Algorithm {
    match algorithm {
        DigestAlgorithm::Sha256 => &digest::SHA256,
        DigestAlgorithm::Sha384 => &digest::SHA384,
        DigestAlgorithm::Sha512 => &digest::SHA512,
    }
}

/// Verifies an Ed25519 signature over bytes that come piece by piece, in constant memory.
///
/// As strict as `verify_strict`: neither the key nor the signature's point may have small order, and the scalar is reduced.
///
/// The bytes are hashed by aws-lc, which takes a twelfth less time than the library's own SHA-512; the library gets the hash.
pub struct Ed25519Verifier {
    key: VerifyingKey,
    signature: ed25519_dalek::Signature,
    /// SHA-512 of the signature's point, the key, and the bytes so far.
    challenge: digest::Context,
}

impl std::fmt::Debug for Ed25519Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ed25519Verifier")
    }
}

impl Ed25519Verifier {
    /// Begins with one key and one signature.
    ///
    /// # Errors
    ///
    /// The key is not an Ed25519 key, or the signature cannot be good whatever the bytes are.
    pub fn new(key: &PublicKey, signature: &[u8]) -> Result<Self, SignatureError> {
        let key = ed25519(key)?;
        let signature = ed25519_signature(signature)?;
        let point = VerifyingKey::from_bytes(signature.r_bytes())
            .map_err(|_| SignatureError::DoesNotVerify)?;
        if point.is_weak() {
            return Err(SignatureError::DoesNotVerify);
        }
        // It refuses a scalar that is not reduced, before anything is read.
        key.verify_stream(&signature)
            .map_err(|_| SignatureError::DoesNotVerify)?;
        let mut verifier = Self {
            key,
            signature,
            challenge: digest::Context::new(hash(DigestAlgorithm::Sha512)),
        };
        verifier.challenge.update(&verifier.prefix());
        Ok(verifier)
    }

    /// What is hashed before the bytes: the signature's point and the key.
    #[must_use]
    pub fn prefix(&self) -> [u8; 64] {
        let mut prefix = [0; 64];
        prefix[..32].copy_from_slice(self.signature.r_bytes());
        prefix[32..].copy_from_slice(self.key.as_bytes());
        prefix
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.challenge.update(bytes);
    }

    /// Ends after the last byte.
    ///
    /// # Errors
    ///
    /// The signature does not verify.
    pub fn finish(self) -> Result<(), SignatureError> {
        judge(&self.key, self.challenge.finish().as_ref(), &self.signature)
    }

    /// Ends with the SHA-512 of [`prefix`](Self::prefix) and the bytes, which somebody else computed; none may have been given to
    /// `update`.
    ///
    /// # Errors
    ///
    /// The signature does not verify; always so with a digest of another algorithm.
    pub fn finish_with(self, challenge: &Digest) -> Result<(), SignatureError> {
        if challenge.algorithm() != DigestAlgorithm::Sha512 {
            return Err(SignatureError::DoesNotVerify);
        }
        judge(&self.key, challenge.as_bytes(), &self.signature)
    }
}

/// The equation of RFC 8032, from the hash of point, key and bytes.
fn judge(
    key: &VerifyingKey,
    challenge: &[u8],
    signature: &ed25519_dalek::Signature,
) -> Result<(), SignatureError> {
    raw_verify::<Prehashed>(key, challenge, signature).map_err(|_| SignatureError::DoesNotVerify)
}

fn ed25519_signature(bytes: &[u8]) -> Result<ed25519_dalek::Signature, SignatureError> {
    ed25519_dalek::Signature::from_slice(bytes).map_err(|_| SignatureError::DoesNotVerify)
}

fn ed25519(key: &PublicKey) -> Result<VerifyingKey, SignatureError> {
    let key = public_key_of_spki(&key.spki)?;
    let bytes: Option<[u8; 32]> = SubjectPublicKeyInfoRef::try_from(&*key.spki)
        .ok()
        .filter(|_| key.algorithm == KeyAlgorithm::Ed25519)
        .and_then(|spki| spki.subject_public_key.as_bytes()?.try_into().ok());
    bytes
        .and_then(|b| VerifyingKey::from_bytes(&b).ok())
        .ok_or_else(|| KeyError::Malformed("not an Ed25519 key".to_owned()).into())
}

/// How the library verifies a digest with a key; none for Ed25519.
fn verification(
    key: KeyAlgorithm,
    digest: DigestAlgorithm,
) -> Option<(
    &'static dyn VerificationAlgorithm,
    &'static digest::Algorithm,
)> {
    use DigestAlgorithm as D;
    use KeyAlgorithm as K;
    let with: &'static dyn VerificationAlgorithm = match (key, digest) {
        (K::EcdsaP256, D::Sha256) => &signature::ECDSA_P256_SHA256_ASN1,
        (K::EcdsaP384, D::Sha256) => &signature::ECDSA_P384_SHA256_ASN1,
        (K::EcdsaP384, D::Sha384) => &signature::ECDSA_P384_SHA384_ASN1,
        (K::EcdsaP521, D::Sha256) => &signature::ECDSA_P521_SHA256_ASN1,
        (K::EcdsaP521, D::Sha512) => &signature::ECDSA_P521_SHA512_ASN1,
        (K::Rsa2048 | K::Rsa3072 | K::Rsa4096, D::Sha256) => &signature::RSA_PKCS1_2048_8192_SHA256,
        _ => return None,
    };
    Some((with, hash(digest)))
}

/// A SHA-512 that has been computed already, in the shape that the library asks for.
#[derive(Clone)]
struct Prehashed([u8; 64]);

impl Prehashed {
    /// A digest of another length gives zeros, which nobody has signed.
    fn of(digest: &Digest) -> Self {
        Self(digest.as_bytes().try_into().unwrap_or([0; 64]))
    }
}

impl Default for Prehashed {
    fn default() -> Self {
        Self([0; 64])
    }
}

impl HashMarker for Prehashed {}

impl Update for Prehashed {
    /// Takes a whole digest in one piece. The library first gives what it thinks is to be hashed before it: a point and a key, each
    /// half as long, which are in the digest already.
    fn update(&mut self, bytes: &[u8]) {
        if let Ok(whole) = bytes.try_into() {
            self.0 = whole;
        }
    }
}

impl OutputSizeUser for Prehashed {
    type OutputSize = U64;
}

impl FixedOutput for Prehashed {
    fn finalize_into(self, out: &mut Output<Self>) {
        out.copy_from_slice(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::TestKey;

    #[test]
    fn every_algorithm_verifies_its_own_and_nothing_else() {
        for algorithm in KeyAlgorithm::ALL {
            let (key, other) = (TestKey::generate(algorithm), TestKey::generate(algorithm));
            let signature = key.sign(b"payload");
            let public = key.public_key();
            assert_eq!(verify_payload(&public, b"payload", &signature), Ok(()));
            assert!(verify_payload(&public, b"Payload", &signature).is_err());
            assert!(verify_payload(&other.public_key(), b"payload", &signature).is_err());
            let mut damaged = signature.clone();
            *damaged.last_mut().unwrap() ^= 1;
            assert!(verify_payload(&public, b"payload", &damaged).is_err());
            assert!(verify_payload(&public, b"payload", &[]).is_err());
        }
    }

    #[test]
    fn sha_256_and_the_usual_digest_verify_with_ecdsa_and_rsa_and_no_other() {
        for algorithm in KeyAlgorithm::ALL {
            if algorithm == KeyAlgorithm::Ed25519 {
                continue;
            }
            let key = TestKey::generate(algorithm);
            for of in [
                DigestAlgorithm::Sha256,
                DigestAlgorithm::Sha384,
                DigestAlgorithm::Sha512,
            ] {
                let digest = digest_of(of, b"payload");
                let Some(signature) = key.sign_digest(&digest) else {
                    continue;
                };
                let known = of == DigestAlgorithm::Sha256 || of == usual_digest(algorithm);
                let verified = verify_digest(&key.public_key(), &digest, &signature);
                assert_eq!(verified.is_ok(), known, "{algorithm} {of}");
                assert!(
                    verify_digest(&key.public_key(), &digest_of(of, b"other"), &signature).is_err()
                );
            }
        }
    }

    #[test]
    fn ed25519ph_is_verified_from_the_digest_alone() {
        // RFC 8032 section 7.3: the test vector of Ed25519ph, over `abc`.
        let mut spki = hex::decode("302a300506032b6570032100").unwrap();
        spki.extend(
            hex::decode("ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf")
                .unwrap(),
        );
        let key = super::super::parse_public_key(&spki).unwrap();
        let signature = hex::decode(concat!(
            "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41",
            "31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406"
        ))
        .unwrap();
        let digest = digest_of(DigestAlgorithm::Sha512, b"abc");
        assert_eq!(verify_digest(&key, &digest, &signature), Ok(()));
        assert_eq!(verify_payload(&key, b"abc", &signature), Ok(()));
        assert!(
            verify_digest(
                &key,
                &digest_of(DigestAlgorithm::Sha512, b"abd"),
                &signature
            )
            .is_err()
        );
        assert!(
            verify_digest(
                &key,
                &digest_of(DigestAlgorithm::Sha256, b"abc"),
                &signature
            )
            .is_err()
        );
    }

    #[test]
    fn ed25519_is_verified_piece_by_piece() {
        let key = TestKey::generate(KeyAlgorithm::Ed25519);
        let signature = key.sign(b"one two three");
        let mut verifier = Ed25519Verifier::new(&key.public_key(), &signature).unwrap();
        for piece in [b"one ".as_slice(), b"two ", b"three"] {
            verifier.update(piece);
        }
        assert_eq!(verifier.finish(), Ok(()));
    }

    #[test]
    fn a_streamed_ed25519_signature_is_judged_as_the_library_judges_it() {
        let key = TestKey::generate(KeyAlgorithm::Ed25519);
        let public = key.public_key();
        let theirs = ed25519(&public).unwrap();
        for length in [0, 1, 63, 64, 65, 128, 1000] {
            let bytes = vec![7; length];
            let good = key.sign(&bytes);
            for changed in [None, Some(0), Some(31), Some(32), Some(63)] {
                let mut signature = good.clone();
                if let Some(at) = changed {
                    signature[at] ^= 1;
                }
                let expected = ed25519_signature(&signature)
                    .and_then(|s| {
                        let judged = theirs.verify_strict(&bytes, &s);
                        judged.map_err(|_| SignatureError::DoesNotVerify)
                    })
                    .is_ok();
                let ours = Ed25519Verifier::new(&public, &signature).and_then(|mut verifier| {
                    verifier.update(&bytes);
                    verifier.finish()
                });
                assert_eq!(ours.is_ok(), expected, "{length} {changed:?}");
                let hashed = Ed25519Verifier::new(&public, &signature).and_then(|verifier| {
                    let hashed = [&verifier.prefix(), &bytes[..]].concat();
                    verifier.finish_with(&digest_of(DigestAlgorithm::Sha512, &hashed))
                });
                assert_eq!(hashed.is_ok(), expected, "{length} {changed:?}");
                assert_eq!(expected, changed.is_none());
            }
        }
    }

    #[test]
    fn another_digest_than_that_of_prefix_and_bytes_verifies_nothing() {
        let key = TestKey::generate(KeyAlgorithm::Ed25519);
        let signature = key.sign(b"payload");
        let judged = |algorithm, hashed: fn(&[u8]) -> Vec<u8>| {
            let verifier = Ed25519Verifier::new(&key.public_key(), &signature).unwrap();
            let hashed = hashed(&verifier.prefix());
            verifier.finish_with(&digest_of(algorithm, &hashed)).is_ok()
        };
        let right: fn(&[u8]) -> Vec<u8> = |prefix| [prefix, b"payload"].concat();
        assert!(judged(DigestAlgorithm::Sha512, right));
        assert!(!judged(DigestAlgorithm::Sha384, right));
        assert!(!judged(DigestAlgorithm::Sha256, right));
        assert!(!judged(DigestAlgorithm::Sha512, |_| b"payload".to_vec()));
        assert!(!judged(DigestAlgorithm::Sha512, |p| [p, b"Payload"].concat()));
    }

    #[test]
    fn an_ed25519_signature_with_a_point_of_small_order_is_refused() {
        let key = TestKey::generate(KeyAlgorithm::Ed25519);
        let mut signature = key.sign(b"payload");
        signature[..32].fill(0);
        signature[0] = 1;
        assert!(Ed25519Verifier::new(&key.public_key(), &signature).is_err());
    }
}
