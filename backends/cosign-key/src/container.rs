//! cosign's encrypted private key: PEM around JSON around a NaCl secretbox of PKCS#8, the key of the box by scrypt.
//!
//! Written by `encrypted.Encrypt` of [go-securesystemslib]. The text of the JSON is compact, its fields in this order.
//!
//! [go-securesystemslib]: https://github.com/secure-systems-lab/go-securesystemslib/blob/main/encrypted/encrypted.go

use super::failure::{KeyError, shown};
use super::pem;
use crypto_secretbox::aead::AeadInPlace as _;
use crypto_secretbox::{KeyInit as _, Nonce, Tag, XSalsa20Poly1305};
use serde::{Deserialize, Serialize};
use sigtool_sdk::types::Bytes;
use zeroize::Zeroizing;

/// The PEM labels that are read: the one that is written since cosign 2, and the older one.
pub(crate) const LABELS: [&str; 2] = [LABEL, "ENCRYPTED COSIGN PRIVATE KEY"];
/// The PEM label that is written.
const LABEL: &str = "ENCRYPTED SIGSTORE PRIVATE KEY";

const KDF: &str = "scrypt";
const CIPHER: &str = "nacl/secretbox";
const SALT_LENGTH: usize = 32;
const NONCE_LENGTH: usize = 24;
const TAG_LENGTH: usize = 16;

/// The binary logarithms of the costs that are accepted: 32768, 65536 and 131072, as in cosign. With `r` = 8 the largest
/// takes 128 MiB; a hostile file could otherwise ask for any amount.
const ACCEPTED_LOG_N: std::ops::RangeInclusive<u8> = 15..=17;
/// The cost that is written: `N` = 65536, 64 MiB.
const WRITTEN_LOG_N: u8 = 16;
const R: u32 = 8;
const P: u32 = 1;

/// An encrypted key whose parameters have been checked, so that trying a password is safe.
#[derive(Debug)]
pub(crate) struct Container {
    log_n: u8,
    salt: Vec<u8>,
    nonce: [u8; NONCE_LENGTH],
    tag: [u8; TAG_LENGTH],
    ciphertext: Vec<u8>,
}

#[derive(Deserialize, Serialize)]
struct Json {
    kdf: Kdf,
    cipher: Cipher,
    /// The tag first, as in NaCl.
    ciphertext: Bytes,
}

#[derive(Deserialize, Serialize)]
struct Kdf {
    name: String,
    params: Params,
    salt: Bytes,
}

#[derive(Deserialize, Serialize)]
struct Params {
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
}

#[derive(Deserialize, Serialize)]
struct Cipher {
    name: String,
    nonce: Bytes,
}

impl Container {
    /// Reads what stands in the PEM block, and checks all that does not need the password.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, KeyError> {
        let json: Json = serde_json::from_slice(json).map_err(|e| {
            if e.is_eof() {
                KeyError::Truncated("the JSON in it has no end")
            } else {
                KeyError::Damaged(format!("the JSON in it is malformed ({e})"))
            }
        })?;
        let log_n = json.kdf.check()?;
        let nonce = json.cipher.check()?;
        let (tag, ciphertext) = json
            .ciphertext
            .split_first_chunk()
            .ok_or(KeyError::Truncated("its ciphertext is too short"))?;
        Ok(Self {
            log_n,
            salt: json.kdf.salt.0,
            nonce,
            tag: *tag,
            ciphertext: ciphertext.to_vec(),
        })
    }

    /// Decrypts it to PKCS#8 DER. Takes a quarter of a second and up to 128 MiB.
    pub(crate) fn open(&self, password: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let mut plaintext = Zeroizing::new(self.ciphertext.clone());
        secretbox(password, &self.salt, self.log_n)
            .decrypt_in_place_detached(
                &Nonce::from(self.nonce),
                &[],
                &mut plaintext,
                &Tag::from(self.tag),
            )
            .map_err(|_| KeyError::WrongPassword)?;
        Ok(plaintext)
    }
}

impl Kdf {
    /// The binary logarithm of its cost.
    fn check(&self) -> Result<u8, KeyError> {
        if self.name != KDF {
            return Err(KeyError::UnsupportedKdf(shown(&self.name)));
        }
        let Params { n, r, p } = self.params;
        let log_n = ACCEPTED_LOG_N.into_iter().find(|log| 1 << log == n);
        match log_n {
            Some(log_n) if (r, p) == (R, P) => {
                expect_length("salt", &self.salt, SALT_LENGTH).map(|()| log_n)
            }
            _ => Err(KeyError::TooCostly(format!(
                "scrypt with N={n}, r={r}, p={p}; cosign writes N=32768, 65536 or 131072, r=8, p=1"
            ))),
        }
    }
}

impl Cipher {
    fn check(&self) -> Result<[u8; NONCE_LENGTH], KeyError> {
        if self.name != CIPHER {
            return Err(KeyError::UnsupportedCipher(shown(&self.name)));
        }
        expect_length("nonce", &self.nonce, NONCE_LENGTH)?;
        let mut nonce = [0; NONCE_LENGTH];
        nonce.copy_from_slice(&self.nonce);
        Ok(nonce)
    }
}

fn expect_length(what: &str, bytes: &[u8], expected: usize) -> Result<(), KeyError> {
    if bytes.len() == expected {
        return Ok(());
    }
    let found = bytes.len();
    Err(KeyError::Damaged(format!(
        "its {what} has {found} bytes, expected {expected}"
    )))
}

/// Encrypts PKCS#8 DER under a password, to the text of a key file.
pub(crate) fn seal(pkcs8: &[u8], password: &[u8]) -> String {
    let (mut salt, mut nonce) = (vec![0; SALT_LENGTH], [0; NONCE_LENGTH]);
    aws_lc_rs::rand::fill(&mut salt).expect("the system has random numbers");
    aws_lc_rs::rand::fill(&mut nonce).expect("the system has random numbers");
    seal_with(pkcs8, password, salt, nonce, WRITTEN_LOG_N)
}

fn seal_with(
    pkcs8: &[u8],
    password: &[u8],
    salt: Vec<u8>,
    nonce: [u8; NONCE_LENGTH],
    log_n: u8,
) -> String {
    let mut buffer = Zeroizing::new(pkcs8.to_vec());
    let tag = secretbox(password, &salt, log_n)
        .encrypt_in_place_detached(&Nonce::from(nonce), &[], &mut buffer)
        .expect("a key is shorter than any limit of the cipher");
    let json = Json {
        kdf: Kdf {
            name: KDF.into(),
            params: Params {
                n: 1 << log_n,
                r: R,
                p: P,
            },
            salt: Bytes(salt),
        },
        cipher: Cipher {
            name: CIPHER.into(),
            nonce: nonce.to_vec().into(),
        },
        ciphertext: [&tag[..], &buffer].concat().into(),
    };
    let json = serde_json::to_vec(&json).expect("these fields are always JSON");
    pem::encode(LABEL, &json)
}

fn secretbox(password: &[u8], salt: &[u8], log_n: u8) -> XSalsa20Poly1305 {
    let params = scrypt::Params::new(log_n, R, P).expect("accepted costs are valid");
    let mut key = Zeroizing::new([0; 32]);
    scrypt::scrypt(password, salt, &params, &mut *key).expect("32 bytes are a valid length");
    XSalsa20Poly1305::new((&*key).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The JSON of a container that opens with `hello`, at the lowest cost.
    fn json() -> String {
        let text = seal_with(b"secret", b"hello", vec![1; 32], [2; 24], 15);
        let block = pem::blocks(text.as_bytes()).unwrap().remove(0);
        String::from_utf8(block.content.to_vec()).unwrap()
    }

    fn error(json: &str) -> KeyError {
        Container::parse(json.as_bytes()).unwrap_err()
    }

    #[test]
    fn the_json_is_what_cosign_writes() {
        let salt = format!("{}=", "AQEB".repeat(10) + "AQE");
        let nonce = "AgIC".repeat(8);
        let start = format!(
            r#"{{"kdf":{{"name":"scrypt","params":{{"N":32768,"r":8,"p":1}},"salt":"{salt}"}},"cipher":{{"name":"nacl/secretbox","nonce":"{nonce}"}},"ciphertext":""#
        );
        assert!(json().starts_with(&start), "{}", json());
    }

    #[test]
    fn only_the_right_password_opens_it() {
        let container = Container::parse(json().as_bytes()).unwrap();
        assert_eq!(*container.open(b"hello").unwrap(), b"secret");
        assert_eq!(container.open(b"").unwrap_err(), KeyError::WrongPassword);
    }

    #[test]
    fn a_cost_that_cosign_does_not_write_is_refused_before_any_work() {
        for (from, to) in [
            ("32768", "16384"),
            ("32768", "40000"),
            ("32768", "262144"),
            ("32768", "18446744073709551615"),
            ("\"r\":8", "\"r\":9"),
            ("\"p\":1", "\"p\":2"),
        ] {
            let error = error(&json().replace(from, to));
            assert!(matches!(error, KeyError::TooCostly(_)), "{to}: {error}");
        }
    }

    #[test]
    fn an_unknown_kdf_and_an_unknown_cipher_are_named() {
        assert_eq!(
            error(&json().replace("scrypt", "argon2id")),
            KeyError::UnsupportedKdf("argon2id".into())
        );
        assert_eq!(
            error(&json().replace("nacl/secretbox", "aes-gcm")),
            KeyError::UnsupportedCipher("aes-gcm".into())
        );
    }

    #[test]
    fn a_short_nonce_salt_or_ciphertext_is_no_panic() {
        assert!(matches!(
            error(&json().replace("AgIC", "")),
            KeyError::Damaged(_)
        ));
        assert!(matches!(
            error(&json().replace("AQEB", "")),
            KeyError::Damaged(_)
        ));
        let start = json();
        let start = start.split("ciphertext").next().unwrap();
        assert!(matches!(
            error(&format!("{start}ciphertext\":\"AAAA\"}}")),
            KeyError::Truncated(_)
        ));
        assert!(matches!(error(start), KeyError::Truncated(_)));
        assert!(matches!(error("[]"), KeyError::Damaged(_)));
    }
}
