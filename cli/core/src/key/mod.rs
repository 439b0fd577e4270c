//! Public keys: reading them from files, naming them, and verifying with them.

mod error;
mod hint;
mod parse;
mod verify;

pub use error::KeyError;
pub use hint::KeyHint;
pub use parse::parse_public_key;
pub(crate) use parse::{pem_blocks, public_key_of_spki};
#[cfg(test)]
pub(crate) use verify::digest_of;
pub(crate) use verify::hash;
pub use verify::{Ed25519Verifier, SignatureError, usual_digest, verify_digest, verify_payload};

use aws_lc_rs::digest;
use sigtool_sdk::types::PublicKey;

/// The key as PEM `PUBLIC KEY`, laid out as Go does: 64 columns, line feeds, one at the end.
#[must_use]
pub fn to_pem(key: &PublicKey) -> String {
    pem::encode_config(
        &pem::Pem::new("PUBLIC KEY", key.spki.0.clone()),
        pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF),
    )
}

/// Eight lowercase hexadecimal digits that tell signers apart in file names: the first of the same SHA-256.
#[must_use]
pub fn short_hint(key: &PublicKey) -> String {
    hex::encode(&digest::digest(&digest::SHA256, &key.spki).as_ref()[..4])
}

/// Whether a key from elsewhere (a backend, a configuration) is what it says: its bytes are a `SubjectPublicKeyInfo` in the one
/// spelling that [`parse_public_key`] gives, and of the algorithm that it announces.
///
/// # Errors
///
/// What is wrong with it.
pub fn check(key: &PublicKey) -> Result<(), KeyError> {
    let parsed = public_key_of_spki(&key.spki)?;
    if parsed.algorithm != key.algorithm {
        return Err(KeyError::Differs {
            announced: key.algorithm,
            found: parsed.algorithm,
        });
    }
    if parsed.spki != key.spki {
        return Err(KeyError::Malformed(
            "it is not written as RFC 5280 and RFC 5480 demand".to_owned(),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::TestKey;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use sigtool_sdk::types::KeyAlgorithm;

    #[test]
    fn a_key_says_its_algorithm_its_pem_and_its_hint() {
        for algorithm in KeyAlgorithm::ALL {
            let key = TestKey::generate(algorithm).public_key();
            check(&key).unwrap();
            let pem = to_pem(&key);
            assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\n") && pem.ends_with("-----\n"));
            assert!(pem.lines().all(|line| line.len() <= 64));
            assert_eq!(parse_public_key(pem.as_bytes()), Ok(key.clone()));
            assert_eq!(
                parse_public_key(&key.spki),
                Ok(key.clone()),
                "DER is read too"
            );
            assert_eq!(
                STANDARD.decode(KeyHint::of(&key).as_str()).unwrap().len(),
                32
            );
            assert_eq!(
                short_hint(&key),
                hex::encode(&STANDARD.decode(KeyHint::of(&key).as_str()).unwrap()[..4])
            );
        }
    }

    #[test]
    fn a_key_of_another_algorithm_than_announced_is_refused() {
        let mut key = TestKey::generate(KeyAlgorithm::EcdsaP256).public_key();
        key.algorithm = KeyAlgorithm::EcdsaP384;
        assert!(matches!(check(&key), Err(KeyError::Differs { .. })));
    }

    #[test]
    fn a_weak_ed25519_key_is_refused() {
        let mut spki = TestKey::generate(KeyAlgorithm::Ed25519).public_key().spki.0;
        let start = spki.len() - 32;
        spki[start..].fill(0);
        spki[start] = 1; // The neutral element.
        assert_eq!(parse_public_key(&spki), Err(KeyError::Weak));
    }
}
