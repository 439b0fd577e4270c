//! An unlocked private key: signs, and knows its public half.

use super::ed25519;
use super::failure::KeyError;
use aws_lc_rs::digest::{Digest as AwsDigest, SHA256, SHA384};
use aws_lc_rs::encoding::{AsDer as _, EcPrivateKeyRfc5915Der, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA256_ASN1_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair as _, RSA_PKCS1_SHA256,
};
use ed25519_dalek::SigningKey;
use pkcs8::der::asn1::{AnyRef, ContextSpecific, ObjectIdentifier, OctetStringRef, UintRef};
use pkcs8::der::{self, Decode as _, Encode as _, Reader as _, TagNumber};
use pkcs8::{AlgorithmIdentifierRef, DecodePrivateKey as _, PrivateKeyInfoRef};
use sigtool_sdk::signer::Payload;
use sigtool_sdk::types::{Digest, DigestAlgorithm, KeyAlgorithm, PublicKey};
use sigtool_sdk::{Call, Error, ErrorCode, Result};
use std::fmt;
use zeroize::Zeroizing;

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// What stands before the 32 bytes of an Ed25519 key in PKCS#8 v1 (RFC 8410 section 7): the form that Go writes.
const ED25519_PKCS8: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
/// What stands before the 32 bytes of an Ed25519 public key in its SPKI (RFC 8410 section 4).
const ED25519_SPKI: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// An unlocked private key of a supported algorithm. Wiped when dropped.
pub(crate) struct PrivateKey {
    algorithm: KeyAlgorithm,
    pair: Pair,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Box<SigningKey>),
    Rsa(rsa::KeyPair),
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.algorithm)
    }
}

// ---- where keys come from ------------------------------------------------------------------------------------------------

impl PrivateKey {
    /// Makes a key.
    pub(crate) fn generate(algorithm: KeyAlgorithm) -> Result<Self> {
        let failed = |_| {
            Error::new(
                ErrorCode::Internal,
                format!("cannot make a key: {algorithm}"),
            )
        };
        let rsa = |size| rsa::KeyPair::generate(size).map(Pair::Rsa);
        let pair = match algorithm {
            KeyAlgorithm::EcdsaP256 | KeyAlgorithm::EcdsaP384 | KeyAlgorithm::EcdsaP521 => {
                EcdsaKeyPair::generate(ecdsa(algorithm)).map(Pair::Ecdsa)
            }
            KeyAlgorithm::Ed25519 => {
                let mut seed = Zeroizing::new([0; 32]);
                aws_lc_rs::rand::fill(&mut *seed)
                    .map(|()| Pair::Ed25519(Box::new(SigningKey::from_bytes(&seed))))
            }
            KeyAlgorithm::Rsa2048 => rsa(KeySize::Rsa2048),
            KeyAlgorithm::Rsa3072 => rsa(KeySize::Rsa3072),
            KeyAlgorithm::Rsa4096 => rsa(KeySize::Rsa4096),
        };
        let pair = pair.map_err(failed)?;
        Ok(Self { algorithm, pair })
    }

    /// Reads PKCS#8 DER (RFC 5208, RFC 5958). A public half that stands in it must fit.
    pub(crate) fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let info = PrivateKeyInfoRef::from_der(der).map_err(|e| not_pkcs8(&e, der))?;
        match info.algorithm.oid {
            EC_PUBLIC_KEY => {
                let curve = info.algorithm.parameters.map(curve).transpose()?;
                let algorithm = curve.ok_or_else(no_curve)?;
                EcdsaKeyPair::from_pkcs8(ecdsa(algorithm), der)
                    .map(|pair| Self::new(algorithm, Pair::Ecdsa(pair)))
                    .map_err(|_| KeyError::Inconsistent)
            }
            ED25519 => SigningKey::from_pkcs8_der(der)
                .map(|key| Self::new(KeyAlgorithm::Ed25519, Pair::Ed25519(Box::new(key))))
                .map_err(|_| KeyError::Inconsistent),
            RSA_ENCRYPTION => {
                let algorithm = rsa_size(info.private_key.as_bytes())?;
                rsa::KeyPair::from_pkcs8(der)
                    .map(|pair| Self::new(algorithm, Pair::Rsa(pair)))
                    .map_err(|_| KeyError::Inconsistent)
            }
            other => Err(KeyError::UnsupportedAlgorithm(algorithm_name(other))),
        }
    }

    /// Reads an `ECPrivateKey` of SEC 1 (RFC 5915): OpenSSL's `EC PRIVATE KEY`.
    pub(crate) fn from_sec1(der: &[u8]) -> Result<Self, KeyError> {
        let parameters = sec1_curve(der)?.ok_or_else(no_curve)?;
        Self::from_pkcs8(&wrap(EC_PUBLIC_KEY, parameters, der)?)
    }

    /// Reads an `RSAPrivateKey` of PKCS#1 (RFC 8017 appendix A.1.2): OpenSSL's `RSA PRIVATE KEY`.
    pub(crate) fn from_pkcs1(der: &[u8]) -> Result<Self, KeyError> {
        rsa_size(der)?;
        Self::from_pkcs8(&wrap(RSA_ENCRYPTION, AnyRef::NULL, der)?)
    }

    fn new(algorithm: KeyAlgorithm, pair: Pair) -> Self {
        Self { algorithm, pair }
    }
}

/// Puts an older format into PKCS#8.
fn wrap(
    oid: ObjectIdentifier,
    parameters: AnyRef<'_>,
    key: &[u8],
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let algorithm = AlgorithmIdentifierRef {
        oid,
        parameters: Some(parameters),
    };
    OctetStringRef::new(key)
        .and_then(|key| PrivateKeyInfoRef::new(algorithm, key).to_der())
        .map(Zeroizing::new)
        .map_err(|e| malformed(&e))
}

/// The parameters of an `ECPrivateKey`, if it has some.
fn sec1_curve(der: &[u8]) -> Result<Option<AnyRef<'_>>, KeyError> {
    AnyRef::from_der(der)
        .and_then(|any| {
            any.sequence(|fields| {
                let _version: u8 = fields.decode()?;
                let _private: &OctetStringRef = fields.decode()?;
                let curve = ContextSpecific::<AnyRef<'_>>::decode_explicit(fields, TagNumber(0))?;
                // The public key: looked at by whoever reads the result.
                ContextSpecific::<AnyRef<'_>>::decode_explicit(fields, TagNumber(1))?;
                Ok::<_, der::Error>(curve.map(|c| c.value))
            })
        })
        .map_err(|e| malformed(&e))
}

fn curve(parameters: AnyRef<'_>) -> Result<KeyAlgorithm, KeyError> {
    let oid: ObjectIdentifier = parameters
        .decode_as()
        .map_err(|_| KeyError::UnsupportedCurve("given by explicit parameters".into()))?;
    match oid.to_string().as_str() {
        "1.2.840.10045.3.1.7" => Ok(KeyAlgorithm::EcdsaP256),
        "1.3.132.0.34" => Ok(KeyAlgorithm::EcdsaP384),
        "1.3.132.0.35" => Ok(KeyAlgorithm::EcdsaP521),
        "1.3.132.0.10" => Err(KeyError::UnsupportedCurve("secp256k1".into())),
        "1.3.132.0.33" => Err(KeyError::UnsupportedCurve("P-224".into())),
        other => Err(KeyError::UnsupportedCurve(other.to_owned())),
    }
}

/// The algorithm of an `RSAPrivateKey`, by the length of its modulus.
fn rsa_size(pkcs1: &[u8]) -> Result<KeyAlgorithm, KeyError> {
    let mut fields = der::SliceReader::new(pkcs1).map_err(|e| malformed(&e))?;
    let bits = AnyRef::decode(&mut fields)
        .and_then(|any| {
            let mut fields = der::SliceReader::new(any.value())?;
            let _version: u8 = fields.decode()?;
            let modulus: UintRef<'_> = fields.decode()?;
            Ok(bit_length(modulus.as_bytes()))
        })
        .map_err(|e| malformed(&e))?;
    match bits {
        2048 => Ok(KeyAlgorithm::Rsa2048),
        3072 => Ok(KeyAlgorithm::Rsa3072),
        4096 => Ok(KeyAlgorithm::Rsa4096),
        _ => Err(KeyError::UnsupportedRsa(bits)),
    }
}

/// The bits of a big-endian number without leading zero bytes.
fn bit_length(number: &[u8]) -> usize {
    let leading = number.first().map_or(0, |b| b.leading_zeros() as usize);
    number.len() * 8 - leading
}

fn not_pkcs8(error: &der::Error, der: &[u8]) -> KeyError {
    if sec1_curve(der).is_ok() {
        return KeyError::NotPkcs8("an EC key in the older format SEC 1");
    }
    if rsa_size(der).is_ok() {
        return KeyError::NotPkcs8("an RSA key in the older format PKCS#1");
    }
    match error.kind() {
        der::ErrorKind::Incomplete { .. } => malformed(error),
        _ => KeyError::NotPkcs8("something else"),
    }
}

fn malformed(error: &der::Error) -> KeyError {
    match error.kind() {
        der::ErrorKind::Incomplete { .. } => KeyError::Truncated("the DER in it has no end"),
        kind => KeyError::Damaged(format!("the DER in it is malformed ({kind})")),
    }
}

fn no_curve() -> KeyError {
    KeyError::Damaged("it names no curve".into())
}

/// The names of the algorithms that one still meets.
fn algorithm_name(oid: ObjectIdentifier) -> String {
    match oid.to_string().as_str() {
        "1.2.840.10040.4.1" => "DSA".into(),
        "1.2.840.113549.1.1.10" => "RSA restricted to PSS".into(),
        "1.3.101.110" => "X25519, which cannot sign".into(),
        "1.3.101.113" => "Ed448".into(),
        other => other.to_owned(),
    }
}

// ---- what keys give ------------------------------------------------------------------------------------------------------

impl PrivateKey {
    /// The public half.
    pub(crate) fn public_key(&self) -> Result<PublicKey> {
        let spki = match &self.pair {
            Pair::Ecdsa(pair) => spki(pair.public_key().as_der())?,
            Pair::Ed25519(key) => [&ED25519_SPKI[..], key.verifying_key().as_bytes()].concat(),
            Pair::Rsa(pair) => spki(pair.public_key().as_der())?,
        };
        Ok(PublicKey {
            algorithm: self.algorithm,
            spki: spki.into(),
        })
    }

    /// PKCS#8 DER, as Go's `x509.ParsePKCS8PrivateKey` reads it.
    pub(crate) fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>> {
        let failed = || Error::new(ErrorCode::Internal, "cannot encode the private key");
        match &self.pair {
            Pair::Ecdsa(pair) => {
                // Not `to_pkcs8v1`, which leaves a copy in memory that nobody wipes.
                let sec1: EcPrivateKeyRfc5915Der<'_> =
                    pair.private_key().as_der().map_err(|_| failed())?;
                let curve = sec1_curve(sec1.as_ref()).ok().flatten();
                wrap(EC_PUBLIC_KEY, curve.ok_or_else(failed)?, sec1.as_ref()).map_err(|_| failed())
            }
            Pair::Ed25519(key) => {
                let mut der = Zeroizing::new(Vec::with_capacity(48));
                der.extend(ED25519_PKCS8);
                der.extend(key.as_bytes());
                Ok(der)
            }
            Pair::Rsa(pair) => {
                let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| failed())?;
                Ok(Zeroizing::new(der.as_ref().to_vec()))
            }
        }
    }

    /// Signs a SHA-256 digest; with Ed25519 the payload, which the digest must fit.
    pub(crate) fn sign(
        &self,
        call: &Call,
        digest: &Digest,
        payload: Option<&Payload>,
    ) -> Result<Vec<u8>> {
        match &self.pair {
            Pair::Ecdsa(pair) => {
                let digest = self.ecdsa_digest(digest)?;
                let signature = pair.sign_digest(&digest).map_err(|_| self.failed())?;
                Ok(signature.as_ref().to_vec())
            }
            Pair::Ed25519(key) => ed25519::sign(call, key, digest, payload),
            Pair::Rsa(pair) => {
                let digest = self.sha256(digest)?;
                let digest =
                    AwsDigest::import_less_safe(digest, &SHA256).map_err(|_| self.failed())?;
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign_digest(&RSA_PKCS1_SHA256, &digest, &mut signature)
                    .map_err(|_| self.failed())?;
                Ok(signature)
            }
        }
    }

    /// The digest as the library wants it for this curve.
    fn ecdsa_digest(&self, digest: &Digest) -> Result<AwsDigest> {
        let digest = self.sha256(digest)?;
        let imported = if self.algorithm == KeyAlgorithm::EcdsaP384 {
            // The library pairs P-384 with SHA-384 only. ECDSA takes a digest as a number (FIPS 186-5 section 6.4.1), and
            // zeros in front leave a number as it is: this signs SHA-256.
            let mut padded = [0; 48];
            padded[16..].copy_from_slice(digest);
            AwsDigest::import_less_safe(&padded, &SHA384)
        } else {
            AwsDigest::import_less_safe(digest, &SHA256)
        };
        imported.map_err(|_| self.failed())
    }

    fn sha256<'d>(&self, digest: &'d Digest) -> Result<&'d [u8]> {
        if digest.algorithm() == DigestAlgorithm::Sha256 {
            return Ok(digest.as_bytes());
        }
        Err(Error::new(
            ErrorCode::InvalidRequest,
            format!(
                "a key of the algorithm {} signs sha256 digests here, not {}",
                self.algorithm,
                digest.algorithm()
            ),
        ))
    }

    /// The key's algorithm.
    pub(crate) fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    fn failed(&self) -> Error {
        Error::new(
            ErrorCode::Internal,
            format!("cannot sign with the {} key", self.algorithm),
        )
    }
}

fn spki(der: Result<PublicKeyX509Der<'_>, aws_lc_rs::error::Unspecified>) -> Result<Vec<u8>> {
    der.map(|der| der.as_ref().to_vec())
        .map_err(|_| Error::new(ErrorCode::Internal, "cannot encode the public key"))
}

fn ecdsa(algorithm: KeyAlgorithm) -> &'static EcdsaSigningAlgorithm {
    match algorithm {
        KeyAlgorithm::EcdsaP384 => &ECDSA_P384_SHA384_ASN1_SIGNING,
        KeyAlgorithm::EcdsaP521 => &ECDSA_P521_SHA256_ASN1_SIGNING,
        _ => &ECDSA_P256_SHA256_ASN1_SIGNING,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeHost, sha256, verify};

    #[test]
    fn a_key_of_every_algorithm_signs_and_survives_being_stored() {
        let host = FakeHost::default();
        let payload = Payload::Bytes(b"payload".to_vec().into());
        for algorithm in KeyAlgorithm::ALL {
            let key = PrivateKey::generate(algorithm).unwrap();
            let again = PrivateKey::from_pkcs8(&key.to_pkcs8().unwrap()).unwrap();
            let public = key.public_key().unwrap();
            assert_eq!(again.public_key().unwrap(), public);
            assert_eq!(public.algorithm, algorithm);
            let signature = again
                .sign(&host.call(), &sha256(b"payload"), Some(&payload))
                .unwrap();
            assert!(verify(&public, b"payload", &signature), "{algorithm}");
            assert!(!verify(&public, b"another", &signature), "{algorithm}");
        }
    }

    #[test]
    fn a_digest_of_another_algorithm_is_refused() {
        let digest = Digest::new(DigestAlgorithm::Sha512, vec![1; 64]).unwrap();
        for algorithm in [
            KeyAlgorithm::EcdsaP256,
            KeyAlgorithm::EcdsaP521,
            KeyAlgorithm::Rsa2048,
        ] {
            let key = PrivateKey::generate(algorithm).unwrap();
            let error = key
                .sign(&FakeHost::default().call(), &digest, None)
                .unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidRequest);
        }
    }

    #[test]
    fn an_ed25519_key_is_stored_as_go_stores_it() {
        let key = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap();
        assert_eq!(key.to_pkcs8().unwrap().len(), 48);
    }

    #[test]
    fn a_key_whose_public_half_is_another_ones_is_refused() {
        for algorithm in [
            KeyAlgorithm::EcdsaP256,
            KeyAlgorithm::EcdsaP384,
            KeyAlgorithm::EcdsaP521,
        ] {
            let mine = PrivateKey::generate(algorithm).unwrap();
            let other = PrivateKey::generate(algorithm).unwrap();
            let (mut der, other) = (mine.to_pkcs8().unwrap(), other.to_pkcs8().unwrap());
            // The point is the last thing in it.
            let point = der.len() - 60;
            der[point..].copy_from_slice(&other[point..]);
            let error = PrivateKey::from_pkcs8(&der).unwrap_err();
            assert_eq!(error, KeyError::Inconsistent, "{algorithm}");
        }
    }

    #[test]
    fn an_rsa_key_with_a_changed_number_is_refused() {
        let key = PrivateKey::generate(KeyAlgorithm::Rsa2048).unwrap();
        let good = key.to_pkcs8().unwrap();
        for place in [60, 400, good.len() - 1] {
            let mut der = good.clone();
            der[place] ^= 1;
            let error = PrivateKey::from_pkcs8(&der).unwrap_err();
            assert_eq!(error, KeyError::Inconsistent, "{place}");
        }
    }

    #[test]
    fn an_ed25519_key_whose_public_half_is_another_ones_is_refused() {
        let key = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap();
        let other = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap();
        let v2 = |public: &PrivateKey| {
            let mut der = key.to_pkcs8().unwrap().to_vec();
            der[1] += 35;
            der[4] = 1;
            der.extend([0x81, 0x21, 0x00]);
            der.extend(&public.public_key().unwrap().spki[12..]);
            PrivateKey::from_pkcs8(&der)
        };
        assert!(v2(&key).is_ok());
        assert_eq!(v2(&other).unwrap_err(), KeyError::Inconsistent);
    }
}
