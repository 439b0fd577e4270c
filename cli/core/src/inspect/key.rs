//! What key files say. Of a private key its algorithm and its public half, of a container the way it is locked; never a secret.

use crate::key;
use crate::key::{KeyHint, public_key_of_spki, short_hint};
use crate::text::printable;
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair,
};
use serde::Serialize;
use sigtool_sdk::json::{self, Shape};
use sigtool_sdk::pem::shown_label;
use sigtool_sdk::types::{KeyAlgorithm, PublicKey};
use x509_cert::der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef, UintRef};
use x509_cert::der::{Decode as _, Reader as _};
use x509_cert::spki::AlgorithmIdentifierRef;
use zeroize::Zeroizing;

/// What a public key tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PublicKeyFacts {
    /// Its algorithm.
    pub algorithm: KeyAlgorithm,
    /// How bundles name it: the Base64 of the SHA-256 of its `SubjectPublicKeyInfo`.
    pub key_hint: KeyHint,
    /// How file names of signatures name it: the first eight hexadecimal digits of the same.
    pub short_hint: String,
    /// The key as PEM.
    pub pem: String,
}

/// What a private key that lies open tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PrivateKeyFacts {
    /// How it is written: the label of the PEM block, or `DER`.
    pub label: String,
    /// Its public half, if its algorithm is one of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_key: Option<PublicKeyFacts>,
}

/// How a private key is locked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ContainerFacts {
    /// How it is written: the label of the PEM block, or `DER`.
    pub label: String,
    /// How the password becomes a key, with its parameters: `scrypt (N 65536, r 8, p 1)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_derivation: Option<String>,
    /// What it is encrypted with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cipher: Option<String>,
}

impl PublicKeyFacts {
    pub(super) fn of(key: &PublicKey) -> Self {
        Self {
            algorithm: key.algorithm,
            key_hint: KeyHint::of(key),
            short_hint: short_hint(key),
            pem: key::to_pem(key),
        }
    }
}

/// A private key.
pub(super) enum Private {
    /// Under a password.
    Locked(ContainerFacts),
    /// Lying open.
    Open(PrivateKeyFacts),
}

/// A PEM block whose label says that it is a private key. Its bytes are wiped.
pub(super) fn private(block: pem::Pem) -> Result<Private, String> {
    let tag = block.tag().to_owned();
    let cipher = block
        .headers()
        .get("DEK-Info")
        .map(|dek| printable(dek.split(',').next().unwrap_or_default()));
    let contents = Zeroizing::new(block.into_contents());
    let label = shown_label(&tag);
    match (tag.as_str(), cipher) {
        ("ENCRYPTED SIGSTORE PRIVATE KEY" | "ENCRYPTED COSIGN PRIVATE KEY", _) => {
            cosign_container(label, &contents).map(Private::Locked)
        }
        ("ENCRYPTED PRIVATE KEY", _) => pkcs8_container(label, &contents)
            .map(Private::Locked)
            .ok_or_else(|| "malformed encrypted PKCS#8".to_owned()),
        (_, Some(cipher)) => Ok(Private::Locked(ContainerFacts {
            label,
            key_derivation: Some("MD5, once (the traditional format of OpenSSL)".to_owned()),
            cipher: Some(cipher),
        })),
        (_, None) => Ok(Private::Open(PrivateKeyFacts {
            label,
            public_key: public_half(&contents),
        })),
    }
}

/// A private key in DER, locked or open; none if it is neither.
pub(super) fn private_der(der: &[u8]) -> Option<Private> {
    let label = || "DER".to_owned();
    if let Some(facts) = pkcs8_container(label(), der) {
        return Some(Private::Locked(facts));
    }
    let public_key = Some(public_half(der)?);
    Some(Private::Open(PrivateKeyFacts {
        label: label(),
        public_key,
    }))
}

/// The public half of PKCS#8 (RFC 5958), SEC1 (RFC 5915) or PKCS#1 (RFC 8017). The library wipes what it read.
fn public_half(der: &[u8]) -> Option<PublicKeyFacts> {
    let of = |key: &dyn AsDer<PublicKeyX509Der<'static>>| {
        let spki = key.as_der().ok()?;
        public_key_of_spki(spki.as_ref())
            .ok()
            .map(|key| PublicKeyFacts::of(&key))
    };
    for algorithm in [
        &ECDSA_P256_SHA256_ASN1_SIGNING,
        &ECDSA_P384_SHA384_ASN1_SIGNING,
        &ECDSA_P521_SHA512_ASN1_SIGNING,
    ] {
        if let Ok(pair) = EcdsaKeyPair::from_private_key_der(algorithm, der) {
            return of(pair.public_key());
        }
    }
    if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
        return of(pair.public_key());
    }
    let pair = RsaKeyPair::from_pkcs8(der)
        .or_else(|_| RsaKeyPair::from_der(der))
        .ok()?;
    of(pair.public_key())
}

/// cosign's container: JSON that says how it is locked (see go-securesystemslib `encrypted`).
fn cosign_container(label: String, contents: &[u8]) -> Result<ContainerFacts, String> {
    let container = json::parse(contents, Shape::Free)
        .map_err(|e| printable(&format!("the JSON in the PEM block is malformed: {e}")))?;
    let text = |value: &serde_json::Value| value.as_str().map(printable);
    let parameters = &container["kdf"]["params"];
    let key_derivation = text(&container["kdf"]["name"]).map(|name| {
        let of = |p: &str| {
            parameters[p]
                .as_u64()
                .map_or("?".to_owned(), |n| n.to_string())
        };
        format!("{name} (N {}, r {}, p {})", of("N"), of("r"), of("p"))
    });
    Ok(ContainerFacts {
        label,
        key_derivation,
        cipher: text(&container["cipher"]["name"]),
    })
}

/// `EncryptedPrivateKeyInfo` (RFC 5958) with the schemes of RFC 8018 and RFC 7914.
fn pkcs8_container(label: String, der: &[u8]) -> Option<ContainerFacts> {
    let scheme = AnyRef::from_der(der)
        .ok()?
        .sequence(|reader| {
            let scheme = reader.decode::<AlgorithmIdentifierRef<'_>>()?;
            reader.decode::<&OctetStringRef>()?;
            Ok::<_, x509_cert::der::Error>(scheme)
        })
        .ok()?;
    let parts = scheme.parameters.and_then(|p| {
        p.sequence(|reader| {
            Ok::<_, x509_cert::der::Error>((
                reader.decode::<AlgorithmIdentifierRef<'_>>()?,
                reader.decode::<AlgorithmIdentifierRef<'_>>()?,
            ))
        })
        .ok()
    });
    Some(match parts {
        Some((derivation, cipher)) if scheme.oid == PBES2 => ContainerFacts {
            label,
            key_derivation: Some(derivation_name(&derivation)),
            cipher: Some(cipher_name(cipher.oid)),
        },
        _ => ContainerFacts {
            label,
            key_derivation: Some(scheme.oid.to_string()),
            cipher: None,
        },
    })
}

const PBES2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.13");
const PBKDF2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.12");
const SCRYPT: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11591.4.11");

fn derivation_name(derivation: &AlgorithmIdentifierRef<'_>) -> String {
    let numbers = derivation.parameters.map_or_else(Vec::new, numbers);
    match (derivation.oid, numbers.as_slice()) {
        (PBKDF2, [iterations, ..]) => format!("PBKDF2 ({iterations} iterations)"),
        (SCRYPT, [n, r, p, ..]) => format!("scrypt (N {n}, r {r}, p {p})"),
        (other, _) => other.to_string(),
    }
}

/// The numbers at the top of a sequence that begins with a salt.
fn numbers(parameters: AnyRef<'_>) -> Vec<u64> {
    let mut rest = parameters.value();
    let mut numbers = Vec::new();
    while let Ok((part, after)) = AnyRef::from_der_partial(rest) {
        rest = after;
        if let Ok(number) = part.decode_as::<UintRef<'_>>()
            && number.as_bytes().len() <= 8
        {
            let value = number.as_bytes().iter();
            numbers.push(value.fold(0, |n, b| n << 8 | u64::from(*b)));
        }
    }
    numbers
}

fn cipher_name(id: ObjectIdentifier) -> String {
    match id.to_string().as_str() {
        "2.16.840.1.101.3.4.1.2" => "AES-128-CBC".to_owned(),
        "2.16.840.1.101.3.4.1.22" => "AES-192-CBC".to_owned(),
        "2.16.840.1.101.3.4.1.42" => "AES-256-CBC".to_owned(),
        "1.2.840.113549.3.7" => "3DES-CBC".to_owned(),
        other => other.to_owned(),
    }
}
