//! Encrypted PKCS#8 (`ENCRYPTED PRIVATE KEY`), by PBES2 of [RFC 8018]: what `openssl pkcs8 -topk8` and `openssl genpkey` write.
//!
//! [RFC 8018]: https://www.rfc-editor.org/rfc/rfc8018#section-6.2

use super::failure::KeyError;
use pkcs8::der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef};
use pkcs8::der::{self, Decode as _, Reader as _};
use pkcs8::pkcs5;
use pkcs8::pkcs5::pbes2::{
    EncryptionScheme, Kdf, PBES2_OID, Parameters, Pbkdf2Params, ScryptParams,
};
use pkcs8::{AlgorithmIdentifierRef, PrivateKeyInfoRef};
use zeroize::Zeroizing;

/// Several times what any tool writes (OpenSSL 2048, password managers up to a million); takes a few seconds.
const MAX_ITERATIONS: u32 = 10_000_000;
/// Twice the largest that cosign allows itself, in bytes: `128 * N * r` of scrypt.
const MAX_SCRYPT_MEMORY: u64 = 256 * 1024 * 1024;
/// How often that memory may be filled: `p` of scrypt. Every tool writes 1.
const MAX_SCRYPT_PASSES: u16 = 4;

/// An encrypted key whose cost has been checked, so that trying a password is safe.
#[derive(Debug)]
pub(crate) struct EncryptedPkcs8 {
    parameters: Parameters,
    ciphertext: Vec<u8>,
}

impl EncryptedPkcs8 {
    /// Reads it, and checks all that does not need the password.
    pub(crate) fn parse(der: &[u8]) -> Result<Self, KeyError> {
        let (scheme, ciphertext) = parts(der)?;
        if scheme.oid != PBES2_OID {
            return Err(KeyError::UnsupportedCipher(name(scheme.oid)));
        }
        let parameters = parameters(scheme)?;
        match &parameters.kdf {
            Kdf::Pbkdf2(params) => check_pbkdf2(params)?,
            Kdf::Scrypt(params) => check_scrypt(params)?,
            other => return Err(KeyError::UnsupportedKdf(name(other.oid()))),
        }
        Ok(Self {
            parameters,
            ciphertext: ciphertext.to_vec(),
        })
    }

    /// Decrypts it to PKCS#8 DER.
    pub(crate) fn open(&self, password: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let mut buffer = Zeroizing::new(self.ciphertext.clone());
        let plaintext = self
            .parameters
            .decrypt_in_place(password, &mut buffer)
            .map_err(|e| match e {
                pkcs5::Error::DecryptFailed => KeyError::WrongPassword,
                other => KeyError::Damaged(other.to_string()),
            })?;
        // CBC has no tag: one wrong password in 256 leaves padding that looks right, and garbage before it.
        PrivateKeyInfoRef::from_der(plaintext).map_err(|_| KeyError::WrongPassword)?;
        Ok(Zeroizing::new(plaintext.to_vec()))
    }
}

/// `EncryptedPrivateKeyInfo` of RFC 5958, its scheme still unread, so that an unknown one can be named.
fn parts(der: &[u8]) -> Result<(AlgorithmIdentifierRef<'_>, &[u8]), KeyError> {
    AnyRef::from_der(der)
        .and_then(|any| {
            any.sequence(|fields| {
                let scheme = fields.decode()?;
                let ciphertext: &OctetStringRef = fields.decode()?;
                Ok::<_, der::Error>((scheme, ciphertext.as_bytes()))
            })
        })
        .map_err(|e| malformed(&e))
}

/// `PBES2-params` of RFC 8018 appendix A.4.
fn parameters(scheme: AlgorithmIdentifierRef<'_>) -> Result<Parameters, KeyError> {
    let parameters = scheme.parameters.unwrap_or(AnyRef::NULL);
    let (kdf, cipher) = parameters
        .sequence(|fields| {
            let kdf: AlgorithmIdentifierRef<'_> = fields.decode()?;
            let cipher: AlgorithmIdentifierRef<'_> = fields.decode()?;
            Ok::<_, der::Error>((kdf, cipher))
        })
        .map_err(|e| malformed(&e))?;
    Ok(Parameters {
        kdf: Kdf::try_from(kdf).map_err(|e| match e.kind() {
            der::ErrorKind::OidUnknown { oid } => KeyError::UnsupportedKdf(name(oid)),
            _ => malformed(&e),
        })?,
        encryption: EncryptionScheme::try_from(cipher).map_err(|e| match e.kind() {
            der::ErrorKind::OidUnknown { oid } => KeyError::UnsupportedCipher(name(oid)),
            _ => malformed(&e),
        })?,
    })
}

fn check_pbkdf2(params: &Pbkdf2Params) -> Result<(), KeyError> {
    match params.iteration_count {
        1..=MAX_ITERATIONS => Ok(()),
        found => Err(KeyError::TooCostly(format!(
            "PBKDF2 with {found} iterations, expected 1 to {MAX_ITERATIONS}"
        ))),
    }
}

fn check_scrypt(params: &ScryptParams) -> Result<(), KeyError> {
    let (n, r, p) = (
        params.cost_parameter,
        params.block_size,
        params.parallelization,
    );
    let memory = n.saturating_mul(u64::from(r)).saturating_mul(128);
    // The shape of `n` is checked here, since the crate that goes on with it panics at 0.
    let sound = n.is_power_of_two() && n > 1 && r > 0 && p > 0;
    if sound && memory <= MAX_SCRYPT_MEMORY && p <= MAX_SCRYPT_PASSES {
        return Ok(());
    }
    Err(KeyError::TooCostly(format!(
        "scrypt with N={n}, r={r}, p={p}, expected at most 256 MiB and p={MAX_SCRYPT_PASSES}"
    )))
}

fn malformed(error: &der::Error) -> KeyError {
    match error.kind() {
        der::ErrorKind::Incomplete { .. } => KeyError::Truncated("the encrypted PKCS#8 has no end"),
        _ => KeyError::Damaged("it is not encrypted PKCS#8 (RFC 8018)".into()),
    }
}

/// The names of the old schemes that one still meets.
fn name(oid: ObjectIdentifier) -> String {
    match oid.to_string().as_str() {
        "1.2.840.113549.1.5.3" => "pbeWithMD5AndDES-CBC".into(),
        "1.2.840.113549.1.5.10" => "pbeWithSHA1AndDES-CBC".into(),
        "1.2.840.113549.1.12.1.3" => "pbeWithSHA1And3-KeyTripleDES-CBC".into(),
        "1.2.840.113549.1.12.1.6" => "pbeWithSHA1And40BitRC2-CBC".into(),
        "1.3.14.3.2.7" => "DES-CBC".into(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pem;
    use crate::testing::data;
    use der::Encode as _;
    use pkcs8::EncryptedPrivateKeyInfoRef;

    fn der(file: &str) -> Vec<u8> {
        pem::blocks(&data(file)).unwrap()[0].content.to_vec()
    }

    #[test]
    fn keys_of_openssl_old_and_new_open_with_their_password() {
        for file in [
            "test-key-p256-pbes2-password-hello.pem",
            "test-key-p256-pbes2-3des-sha1-password-hello.pem",
            "test-key-p256-pbes2-scrypt-password-hello.pem",
        ] {
            let key = EncryptedPkcs8::parse(&der(file)).unwrap();
            assert!(key.open(b"hello").is_ok(), "{file}");
            assert_eq!(
                key.open(b"wrong").unwrap_err(),
                KeyError::WrongPassword,
                "{file}"
            );
        }
    }

    #[test]
    fn a_key_in_the_scheme_of_the_nineties_is_refused_by_name() {
        let error =
            EncryptedPkcs8::parse(&der("test-key-p256-pbes1-password-hello.pem")).unwrap_err();
        assert_eq!(
            error,
            KeyError::UnsupportedCipher("pbeWithSHA1And3-KeyTripleDES-CBC".into())
        );
    }

    #[test]
    fn an_unknown_kdf_and_an_unknown_cipher_are_named() {
        let good = der("test-key-p256-pbes2-scrypt-password-hello.pem");
        // The identifiers of scrypt and of AES-256-CBC, their last number changed.
        for (oid, error) in [
            (
                &[0x2b, 6, 1, 4, 1, 0xda, 0x47, 4, 11][..],
                KeyError::UnsupportedKdf("1.3.6.1.4.1.11591.4.99".into()),
            ),
            (
                &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 42],
                KeyError::UnsupportedCipher("2.16.840.1.101.3.4.1.99".into()),
            ),
        ] {
            let place = good.windows(oid.len()).position(|w| w == oid).unwrap();
            let mut bad = good.clone();
            bad[place + oid.len() - 1] = 99;
            assert_eq!(EncryptedPkcs8::parse(&bad).unwrap_err(), error);
        }
    }

    #[test]
    fn a_hostile_cost_is_refused_before_any_work() {
        let der = der("test-key-p256-pbes2-scrypt-password-hello.pem");
        let info = EncryptedPrivateKeyInfoRef::from_der(&der).unwrap();
        let good = info.encryption_algorithm.pbes2().unwrap();
        for (n, r, p) in [(0, 8, 1), (3, 8, 1), (1 << 40, 8, 1), (16384, 8, 5000)] {
            let mut bad = good.clone();
            let mut params = *good.kdf.scrypt().unwrap();
            (
                params.cost_parameter,
                params.block_size,
                params.parallelization,
            ) = (n, r, p);
            bad.kdf = Kdf::Scrypt(params);
            let text = EncryptedPrivateKeyInfoRef {
                encryption_algorithm: pkcs5::EncryptionScheme::Pbes2(bad),
                encrypted_data: info.encrypted_data,
            }
            .to_der()
            .unwrap();
            let error = EncryptedPkcs8::parse(&text).unwrap_err();
            assert!(matches!(error, KeyError::TooCostly(_)), "{n}: {error}");
        }
    }

    #[test]
    fn a_key_cut_off_is_told_so() {
        let der = der("test-key-p256-pbes2-password-hello.pem");
        let error = EncryptedPkcs8::parse(&der[..der.len() - 20]).unwrap_err();
        assert!(matches!(error, KeyError::Truncated(_)), "{error}");
    }
}
