//! From the text of a key to what is stored in it: the PEM labels, and what each one means.

use super::container::{self, Container};
use super::failure::KeyError;
use super::files::MAX_KEY_FILE;
use super::pbes2::EncryptedPkcs8;
use super::pem::{self, Block};
use super::private_key::PrivateKey;
use sigtool_sdk::pem::{is_private_key_label, shown_label};

/// A private key as it is stored.
#[derive(Debug)]
pub(crate) enum StoredKey {
    /// Without a password: PKCS#8, SEC 1, PKCS#1.
    Plain(PrivateKey),
    /// Under a password.
    Locked(LockedKey),
}

/// A key under a password.
#[derive(Debug)]
pub(crate) enum LockedKey {
    /// cosign's own.
    Container(Container),
    /// OpenSSL's.
    EncryptedPkcs8(EncryptedPkcs8),
}

impl LockedKey {
    /// Decrypts it; takes a while.
    pub(crate) fn open(&self, password: &[u8]) -> Result<PrivateKey, KeyError> {
        let pkcs8 = match self {
            Self::Container(container) => container.open(password)?,
            Self::EncryptedPkcs8(encrypted) => encrypted.open(password)?,
        };
        PrivateKey::from_pkcs8(&pkcs8)
    }
}

/// Reads the text of a private key, in any format. A file with several blocks, such as OpenSSL's `EC PARAMETERS` before the
/// key or a certificate behind it, must hold one private key.
pub(crate) fn parse(text: &[u8]) -> Result<StoredKey, KeyError> {
    if text.len() as u64 > MAX_KEY_FILE {
        return Err(KeyError::TooLarge(MAX_KEY_FILE));
    }
    let mut blocks = pem::blocks(text)?;
    let keys = blocks
        .iter()
        .filter(|b| is_private_key_label(&b.label))
        .count();
    match keys {
        0 => Err(no_private_key(&blocks)),
        1 => {
            let place = blocks.iter().position(|b| is_private_key_label(&b.label));
            stored_key(&blocks.swap_remove(place.unwrap_or_default()))
        }
        several => Err(KeyError::SeveralKeys(several)),
    }
}

fn stored_key(block: &Block) -> Result<StoredKey, KeyError> {
    if block.legacy_encryption {
        return Err(KeyError::LegacyEncryption);
    }
    let content = &block.content;
    let locked = StoredKey::Locked;
    match block.label.as_str() {
        label if container::LABELS.contains(&label) => {
            Container::parse(content).map(|key| locked(LockedKey::Container(key)))
        }
        "ENCRYPTED PRIVATE KEY" => {
            EncryptedPkcs8::parse(content).map(|key| locked(LockedKey::EncryptedPkcs8(key)))
        }
        "PRIVATE KEY" => PrivateKey::from_pkcs8(content).map(StoredKey::Plain),
        "EC PRIVATE KEY" => PrivateKey::from_sec1(content).map(StoredKey::Plain),
        "RSA PRIVATE KEY" => PrivateKey::from_pkcs1(content).map(StoredKey::Plain),
        "DSA PRIVATE KEY" => Err(KeyError::UnsupportedAlgorithm("DSA".into())),
        "OPENSSH PRIVATE KEY" => Err(KeyError::OpenSsh),
        other => Err(KeyError::UnsupportedBlock(shown_label(other))),
    }
}

/// What was given in place of a private key.
fn no_private_key(blocks: &[Block]) -> KeyError {
    let labels = || blocks.iter().map(|b| b.label.as_str());
    if labels().any(|l| l.ends_with("PUBLIC KEY")) {
        KeyError::PublicKey
    } else if labels().any(|l| l.ends_with("CERTIFICATE")) {
        KeyError::Certificate
    } else {
        KeyError::UnsupportedBlock(labels().next().map(shown_label).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{data, open, public};
    use sigtool_sdk::types::KeyAlgorithm;

    #[test]
    fn keys_of_openssl_sign_as_they_are() {
        for (file, algorithm) in [
            ("test-key-p256-pkcs8.pem", KeyAlgorithm::EcdsaP256),
            (
                "test-key-p256-sec1-with-parameters.pem",
                KeyAlgorithm::EcdsaP256,
            ),
            ("test-key-p384-sec1.pem", KeyAlgorithm::EcdsaP384),
            ("test-key-p521-sec1.pem", KeyAlgorithm::EcdsaP521),
            ("test-key-ed25519-pkcs8.pem", KeyAlgorithm::Ed25519),
            ("test-key-rsa-2048-pkcs1.pem", KeyAlgorithm::Rsa2048),
            ("test-key-rsa-3072-pkcs8.pem", KeyAlgorithm::Rsa3072),
            ("test-key-rsa-4096-pkcs8.pem", KeyAlgorithm::Rsa4096),
        ] {
            assert_eq!(open(file).unwrap().algorithm(), algorithm, "{file}");
        }
    }

    #[test]
    fn one_key_in_many_formats_is_one_key() {
        let expected = pem::blocks(&data("test-key-p256.pub.pem")).unwrap();
        for file in [
            "test-key-p256-pkcs8.pem",
            "test-key-p256-sec1-with-parameters.pem",
            "test-key-p256-pbes2-password-hello.pem",
            "test-key-p256-cosign-password-hello.key",
        ] {
            assert_eq!(public(file).spki.0, *expected[0].content, "{file}");
        }
    }

    #[test]
    fn what_cosign_imported_is_the_key_that_it_was_given() {
        for (imported, original) in [
            (
                "test-key-p384-cosign-password-hello.key",
                "test-key-p384-sec1.pem",
            ),
            (
                "test-key-p521-cosign-password-hello.key",
                "test-key-p521-sec1.pem",
            ),
            (
                "test-key-ed25519-cosign-password-hello.key",
                "test-key-ed25519-pkcs8.pem",
            ),
            (
                "test-key-rsa-2048-cosign-password-hello.key",
                "test-key-rsa-2048-pkcs1.pem",
            ),
        ] {
            assert_eq!(public(imported), public(original), "{imported}");
        }
    }

    #[test]
    #[allow(clippy::print_stderr)]
    fn the_vectors_of_cosign_open_as_in_cosign() {
        let vectors = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../../shared/vectors/cosign-keys");
        if !vectors.is_dir() {
            eprintln!("SKIPPED: there are no vectors of cosign's keys beside this checkout");
            return;
        }
        let open = |file: &str| match parse(&std::fs::read(vectors.join(file)).unwrap()) {
            Ok(StoredKey::Locked(key)) => key.open(b"hello"),
            Ok(StoredKey::Plain(_)) => panic!("{file} is not encrypted"),
            Err(error) => Err(error),
        };
        for (file, spki) in [
            (
                "pemcosignkey.key",
                "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAECYtspttZZ7e9PMd8wyU2CWDlpEXNbqTve0ZBuOXu9xTjtm7Z107cVLCCk96Ma4D0tesnKeCPwrcspLz7GNZJSw==",
            ),
            (
                "pemsigstorekey.key",
                "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE7z9gA/tqa9iHt/f9F3ulyVi4lwqULfHWfhG2mK4eyJ8LDcLstb+VVhxj3pkMjc3fNo+sSfiIY2NLR7c+DG1V4w==",
            ),
        ] {
            let key = open(file).unwrap().public_key().unwrap();
            assert_eq!(key.spki.to_base64(), spki, "{file}");
        }
        assert_eq!(
            open("pemcosigneckey.key").unwrap_err(),
            KeyError::NotPkcs8("an EC key in the older format SEC 1")
        );
    }

    #[test]
    fn each_thing_that_is_no_usable_private_key_is_told_by_what_it_is() {
        for (file, error) in [
            ("test-key-p256.pub.pem", KeyError::PublicKey),
            ("test-key-p256.crt.pem", KeyError::Certificate),
            ("test-key-p256-openssh.pem", KeyError::OpenSsh),
            (
                "test-key-p256-legacy-encryption-password-hello.pem",
                KeyError::LegacyEncryption,
            ),
            (
                "test-key-p256-explicit-curve.pem",
                KeyError::UnsupportedCurve("given by explicit parameters".into()),
            ),
            (
                "test-key-secp256k1-sec1.pem",
                KeyError::UnsupportedCurve("secp256k1".into()),
            ),
            (
                "test-key-rsa-1024-pkcs1.pem",
                KeyError::UnsupportedRsa(1024),
            ),
            (
                "test-key-ed448-pkcs8.pem",
                KeyError::UnsupportedAlgorithm("Ed448".into()),
            ),
        ] {
            assert_eq!(open(file).unwrap_err(), error, "{file}");
        }
        let request = pem::encode("CERTIFICATE REQUEST", b"x");
        assert_eq!(
            parse(request.as_bytes()).unwrap_err(),
            KeyError::UnsupportedBlock("CERTIFICATE REQUEST".into())
        );
    }

    #[test]
    fn a_certificate_beside_the_key_is_no_hindrance_and_a_second_key_is() {
        let mut both = data("test-key-p256.crt.pem");
        both.extend(data("test-key-p256-pkcs8.pem"));
        assert!(matches!(parse(&both), Ok(StoredKey::Plain(_))));
        both.extend(data("test-key-ed25519-pkcs8.pem"));
        assert_eq!(parse(&both).unwrap_err(), KeyError::SeveralKeys(2));
    }

    #[test]
    fn a_key_with_a_hole_is_told_to_be_cut_off() {
        for (file, label) in [
            ("test-key-p256-pkcs8.pem", "PRIVATE KEY"),
            ("test-key-p384-sec1.pem", "EC PRIVATE KEY"),
            ("test-key-rsa-2048-pkcs1.pem", "RSA PRIVATE KEY"),
            (
                "test-key-p256-cosign-password-hello.key",
                "ENCRYPTED SIGSTORE PRIVATE KEY",
            ),
        ] {
            let content = pem::blocks(&data(file)).unwrap().remove(0).content;
            for length in [content.len() / 3, content.len() / 2, content.len() - 1] {
                let text = pem::encode(label, &content[..length]);
                let error = parse(text.as_bytes()).unwrap_err();
                assert!(matches!(error, KeyError::Truncated(_)), "{file}: {error}");
            }
        }
    }
}
