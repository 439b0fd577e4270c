//! Public keys from files: PEM (RFC 7468) and DER, `SubjectPublicKeyInfo` (RFC 5280, RFC 5480, RFC 8410) and PKCS#1 (RFC 8017).

use super::error::KeyError;
use crate::limits::MAX_KEY_FILE;
use crate::text::printable;
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA512_ASN1,
    EcdsaVerificationAlgorithm, ParsedPublicKey,
};
use sigtool_sdk::pem::{is_private_key_label, shown_label};
use sigtool_sdk::types::{KeyAlgorithm, PublicKey};
use std::borrow::Cow;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::der::asn1::{AnyRef, ObjectIdentifier, UintRef};
use x509_cert::spki::SubjectPublicKeyInfoRef;

const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// Reads one public key: PEM `PUBLIC KEY` or `RSA PUBLIC KEY`, or the DER of a `SubjectPublicKeyInfo`.
///
/// Equal keys are equal afterwards, however they were written.
///
/// # Errors
///
/// What the text is instead: a private key, a certificate, several keys, an algorithm that is not one of ours, …
pub fn parse_public_key(text: &[u8]) -> Result<PublicKey, KeyError> {
    if text.len() > MAX_KEY_FILE {
        return Err(KeyError::NotAKey(format!(
            "it has {} bytes, a key file at most {MAX_KEY_FILE}",
            text.len()
        )));
    }
    if text.first() == Some(&0x30) {
        return public_key_of_der(text);
    }
    if text.starts_with(b"ssh-") || text.starts_with(b"ecdsa-sha2-") {
        return Err(KeyError::OpenSsh);
    }
    let blocks = pem_blocks(text).map_err(KeyError::Malformed)?;
    // OpenSSL writes the curve into a block of its own before a key.
    let mut keys = blocks.iter().filter(|b| b.tag() != "EC PARAMETERS");
    let block = match (keys.next(), keys.count()) {
        (Some(block), 0) => block,
        (Some(_), more) => return Err(KeyError::Many(more + 1)),
        (None, _) => {
            return Err(KeyError::NotAKey(
                "a PEM block `PUBLIC KEY` was expected".to_owned(),
            ));
        }
    };
    match block.tag() {
        "PUBLIC KEY" => public_key_of_spki(block.contents()),
        "RSA PUBLIC KEY" => rsa_key(block.contents()),
        "CERTIFICATE" | "TRUSTED CERTIFICATE" => Err(KeyError::Certificate),
        tag if is_private_key_label(tag) && is_encrypted(block) => {
            Err(KeyError::EncryptedPrivateKey(shown_label(tag)))
        }
        tag if is_private_key_label(tag) => Err(KeyError::PrivateKey(shown_label(tag))),
        tag => Err(KeyError::NotAKey(format!(
            "it is a PEM block `{}`; `PUBLIC KEY` was expected",
            shown_label(tag)
        ))),
    }
}

/// The PEM blocks of a text; none if it is not PEM at all.
pub(crate) fn pem_blocks(text: &[u8]) -> Result<Vec<pem::Pem>, String> {
    pem::parse_many(tidy(text)).map_err(|e| printable(&e.to_string()))
}

/// A text with PEM blocks as the reader takes it, however it was pasted: with a byte order mark, with lines that are empty, joined by
/// spaces or ended by the two characters `\n`. Private keys are read as leniently, where they are read.
fn tidy(text: &[u8]) -> Cow<'_, [u8]> {
    const DASHES: &str = "-----";
    let Ok(pasted) = std::str::from_utf8(text) else {
        return text.into();
    };
    let mut tidy = String::with_capacity(pasted.len());
    let mut is_body = false;
    for (i, part) in pasted
        .trim_start_matches('\u{feff}')
        .split(DASHES)
        .enumerate()
    {
        if i > 0 {
            tidy.push_str(DASHES);
        }
        // A block with headers is no public key, and is told as it is.
        if is_body && !part.contains(':') {
            let body = part.replace(r"\n", "").replace(r"\r", "");
            tidy.push('\n');
            tidy.extend(body.split_whitespace());
            tidy.push('\n');
        } else if part.contains(r"\n") {
            tidy.push_str(&part.replace(r"\r", "").replace(r"\n", "\n"));
        } else {
            tidy.push_str(part);
        }
        is_body = part.starts_with("BEGIN ");
    }
    Cow::Owned(tidy.into_bytes())
}

/// PKCS#8 and cosign say it in the label, the traditional format of OpenSSL in a header.
fn is_encrypted(block: &pem::Pem) -> bool {
    block.tag().starts_with("ENCRYPTED ") || block.headers().get("DEK-Info").is_some()
}

/// DER without a label: says what it is, if it is not a public key.
fn public_key_of_der(der: &[u8]) -> Result<PublicKey, KeyError> {
    if SubjectPublicKeyInfoRef::try_from(der).is_ok() {
        return public_key_of_spki(der);
    }
    if Certificate::from_der(der).is_ok() {
        return Err(KeyError::Certificate);
    }
    // PKCS#8, SEC1 and PKCS#1 private keys alike begin with their version.
    let starts_with_version = AnyRef::from_der(der)
        .ok()
        .and_then(|any| AnyRef::from_der_partial(any.value()).ok())
        .is_some_and(|(first, _)| {
            use x509_cert::der::{Tag, Tagged as _};
            first.tag() == Tag::Integer && first.value().len() == 1
        });
    if starts_with_version {
        return Err(KeyError::PrivateKey("DER".to_owned()));
    }
    rsa_key(der)
        .map_err(|_| KeyError::NotAKey("it is DER, but no `SubjectPublicKeyInfo`".to_owned()))
}

/// The key in a DER `SubjectPublicKeyInfo`, which is spelt anew, so that equal keys are equal.
pub(crate) fn public_key_of_spki(der: &[u8]) -> Result<PublicKey, KeyError> {
    let spki = SubjectPublicKeyInfoRef::try_from(der)
        .map_err(|e| KeyError::Malformed(format!("not a `SubjectPublicKeyInfo`: {e}")))?;
    match spki.algorithm.oid {
        EC => ec_key(der, &spki),
        ED25519 => ed25519_key(der, &spki),
        RSA if !spki.algorithm.parameters.is_some_and(AnyRef::is_null) => Err(KeyError::Malformed(
            "the parameters of an RSA key are not NULL, as RFC 3279 demands".to_owned(),
        )),
        RSA => rsa_key(der),
        other => Err(KeyError::UnsupportedAlgorithm(other.to_string())),
    }
}

/// What an uncompressed point begins with (SEC 1 section 2.3.3).
const UNCOMPRESSED: u8 = 4;

fn ec_key(der: &[u8], spki: &SubjectPublicKeyInfoRef<'_>) -> Result<PublicKey, KeyError> {
    let curve = spki
        .algorithm
        .parameters
        .and_then(|p| p.decode_as::<ObjectIdentifier>().ok())
        .ok_or_else(|| KeyError::UnsupportedAlgorithm("ECDSA without a named curve".to_owned()))?;
    let (algorithm, verifies): (_, &'static EcdsaVerificationAlgorithm) = match curve {
        P256 => (KeyAlgorithm::EcdsaP256, &ECDSA_P256_SHA256_ASN1),
        P384 => (KeyAlgorithm::EcdsaP384, &ECDSA_P384_SHA384_ASN1),
        P521 => (KeyAlgorithm::EcdsaP521, &ECDSA_P521_SHA512_ASN1),
        other => {
            return Err(KeyError::UnsupportedAlgorithm(format!(
                "ECDSA over the curve {other}"
            )));
        }
    };
    // The library reads compressed and hybrid points too; cosign reads neither.
    if spki.subject_public_key.raw_bytes().first() != Some(&UNCOMPRESSED) {
        return Err(KeyError::Malformed(
            "the point of the key is compressed; write it uncompressed: openssl ec -pubin -in KEY -conv_form uncompressed".to_owned(),
        ));
    }
    let parsed = ParsedPublicKey::new(verifies, der)
        .map_err(|_| KeyError::Malformed("the point is not on its curve".to_owned()))?;
    spelt(algorithm, &parsed)
}

fn ed25519_key(der: &[u8], spki: &SubjectPublicKeyInfoRef<'_>) -> Result<PublicKey, KeyError> {
    let malformed = |why: &str| KeyError::Malformed(why.to_owned());
    if spki.algorithm.parameters.is_some() {
        return Err(malformed("an Ed25519 key has no parameters"));
    }
    let bytes: &[u8; 32] = spki
        .subject_public_key
        .as_bytes()
        .and_then(|b| b.try_into().ok())
        .ok_or_else(|| malformed("an Ed25519 key has 32 bytes"))?;
    let key = ed25519_dalek::VerifyingKey::from_bytes(bytes)
        .map_err(|_| malformed("the point is not on its curve"))?;
    if key.is_weak() {
        return Err(KeyError::Weak);
    }
    // Some points have two spellings; RFC 8032 section 5.1.3 allows one.
    if key.to_edwards().compress().as_bytes() != bytes {
        return Err(malformed("the point is not spelt as RFC 8032 demands"));
    }
    Ok(PublicKey {
        algorithm: KeyAlgorithm::Ed25519,
        spki: der.into(),
    })
}

/// From a `SubjectPublicKeyInfo` or the `RSAPublicKey` of PKCS#1.
fn rsa_key(der: &[u8]) -> Result<PublicKey, KeyError> {
    let key = aws_lc_rs::rsa::PublicKey::from_der(der)
        .map_err(|_| KeyError::Malformed("not an RSA public key that can verify".to_owned()))?;
    let algorithm = match modulus_bits(key.as_ref()) {
        2048 => KeyAlgorithm::Rsa2048,
        3072 => KeyAlgorithm::Rsa3072,
        4096 => KeyAlgorithm::Rsa4096,
        other => return Err(KeyError::RsaSize(other)),
    };
    spelt(algorithm, &key)
}

/// The size of the first number in an `RSAPublicKey`.
fn modulus_bits(pkcs1: &[u8]) -> usize {
    let modulus =
        AnyRef::from_der(pkcs1).and_then(|key| Ok(UintRef::from_der_partial(key.value())?.0));
    modulus.map_or(0, |n| {
        let bytes = n.as_bytes();
        bytes.len() * 8 - bytes.first().map_or(0, |b| b.leading_zeros() as usize)
    })
}

fn spelt(
    algorithm: KeyAlgorithm,
    key: &impl AsDer<PublicKeyX509Der<'static>>,
) -> Result<PublicKey, KeyError> {
    let der = key
        .as_der()
        .map_err(|_| KeyError::Malformed("it cannot be encoded".to_owned()))?;
    Ok(PublicKey {
        algorithm,
        spki: der.as_ref().into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::TestKey;

    fn pem_of(tag: &str, der: &[u8]) -> String {
        pem::encode(&pem::Pem::new(tag, der))
    }

    #[test]
    fn a_key_is_read_however_it_was_pasted() {
        let key = TestKey::generate(KeyAlgorithm::EcdsaP256);
        let text = crate::key::to_pem(&key.public_key());
        for text in [
            text.replace('\n', "\r\n"),
            text.replace('\n', "\n\n"),
            text.replace('\n', " "),
            text.replace('\n', r"\n"),
            text.replace('\n', r"\r\n"),
            format!("\u{feff}\n{text}"),
            format!("{}\n", text.replace('\n', "\n  ")),
        ] {
            assert_eq!(
                parse_public_key(text.as_bytes()),
                Ok(key.public_key()),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_not_a_public_key_is_named() {
        let private = TestKey::generate(KeyAlgorithm::EcdsaP256).private_der();
        let cases = [
            (
                pem_of("PRIVATE KEY", &private),
                KeyError::PrivateKey("PRIVATE KEY".to_owned()),
            ),
            (
                pem_of("EC PRIVATE KEY", &private),
                KeyError::PrivateKey("EC PRIVATE KEY".to_owned()),
            ),
            (
                pem_of("ENCRYPTED SIGSTORE PRIVATE KEY", b"{}"),
                KeyError::EncryptedPrivateKey("ENCRYPTED SIGSTORE PRIVATE KEY".to_owned()),
            ),
            (pem_of("CERTIFICATE", b"x"), KeyError::Certificate),
            (
                "ssh-ed25519 AAAAC3 me@example".to_owned(),
                KeyError::OpenSsh,
            ),
        ];
        for (text, expected) in cases {
            let error = parse_public_key(text.as_bytes()).unwrap_err();
            assert_eq!(error, expected);
            assert!(error.hint().is_some(), "{error}");
        }
        assert_eq!(
            parse_public_key(&private),
            Err(KeyError::PrivateKey("DER".to_owned()))
        );
        assert!(matches!(
            parse_public_key(b"hello"),
            Err(KeyError::NotAKey(_))
        ));
        assert!(matches!(parse_public_key(b""), Err(KeyError::NotAKey(_))));
    }

    #[test]
    fn two_keys_in_one_file_are_refused() {
        let one = super::super::to_pem(&TestKey::generate(KeyAlgorithm::EcdsaP256).public_key());
        assert_eq!(
            parse_public_key(format!("{one}{one}").as_bytes()),
            Err(KeyError::Many(2))
        );
    }

    #[test]
    fn pkcs1_and_spki_are_one_key() {
        let key = TestKey::generate(KeyAlgorithm::Rsa2048).public_key();
        let parsed = aws_lc_rs::rsa::PublicKey::from_der(&key.spki).unwrap();
        let pkcs1 = pem_of("RSA PUBLIC KEY", parsed.as_ref());
        assert_eq!(parse_public_key(pkcs1.as_bytes()), Ok(key));
    }

    /// What cosign refuses too: a compressed and a hybrid point, and RSA parameters that are not NULL.
    #[test]
    fn a_key_has_one_spelling() {
        let spki = TestKey::generate(KeyAlgorithm::EcdsaP256).public_key().spki;
        let at = spki.len() - 65;
        let mut hybrid = spki.0.clone();
        hybrid[at] = 6 | (hybrid[spki.len() - 1] & 1);
        let mut compressed = spki.0[..at + 33].to_vec();
        compressed[at] = 2 | (spki[spki.len() - 1] & 1);
        // The lengths of the sequence and of the bit string.
        compressed[1] -= 32;
        compressed[at - 2] -= 32;
        for key in [hybrid, compressed] {
            let error = parse_public_key(&key).unwrap_err();
            assert!(error.to_string().contains("compressed"), "{error}");
        }
        let mut rsa = TestKey::generate(KeyAlgorithm::Rsa2048).public_key().spki.0;
        let null = rsa.windows(2).position(|w| w == [5, 0]).unwrap();
        // Another tag of the same length.
        rsa[null] = 4;
        let error = parse_public_key(&rsa).unwrap_err();
        assert!(error.to_string().contains("NULL"), "{error}");
    }

    #[test]
    fn a_damaged_key_is_malformed() {
        let key = TestKey::generate(KeyAlgorithm::EcdsaP256).public_key();
        let mut spki = key.spki.0.clone();
        *spki.last_mut().unwrap() ^= 1;
        assert!(matches!(
            parse_public_key(&spki),
            Err(KeyError::Malformed(_))
        ));
        let mut longer = key.spki.0;
        longer.push(0);
        assert!(
            parse_public_key(&longer).is_err(),
            "nothing may follow the key"
        );
    }
}
