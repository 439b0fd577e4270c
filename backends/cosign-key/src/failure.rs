//! Where failures become errors of the SDK, as users read them: everything that can be wrong with a key, and what to do about it.

use sigtool_sdk::text::{Instead, clean, typed};
use sigtool_sdk::types::KeyReference;
use sigtool_sdk::{Error, ErrorCode};
use std::path::PathBuf;

/// What is wrong with a private key. The texts continue a sentence that begins with the key's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyError {
    #[error("is a certificate, expected a private key")]
    Certificate,
    #[error("is damaged: {0}")]
    Damaged(String),
    #[error("is empty, expected a private key")]
    Empty,
    #[error("is damaged: its numbers do not belong together, so its public half would not fit")]
    Inconsistent,
    #[error(
        "is encrypted in OpenSSL's legacy way (`Proc-Type: 4,ENCRYPTED`), which is too weak to be read here"
    )]
    LegacyEncryption,
    #[error("is a binary (DER) file, expected PEM text")]
    NotPemButDer,
    #[error("is UTF-16 text, expected PEM in ASCII")]
    NotPemButUtf16,
    #[error("is not a PEM file: it has no line `-----BEGIN …-----`")]
    NotPem,
    #[error("is not PKCS#8: it holds {0}")]
    NotPkcs8(&'static str),
    #[error("is an OpenSSH private key, expected PEM in the formats of cosign or OpenSSL")]
    OpenSsh,
    #[error("is a public key, expected the private one")]
    PublicKey,
    #[error("holds {0} private keys, expected one")]
    SeveralKeys(usize),
    #[error("is too large: more than {0} bytes, and no key is that long")]
    TooLarge(u64),
    #[error("would take too long to unlock: {0}")]
    TooCostly(String),
    #[error("is cut off: {0}")]
    Truncated(&'static str),
    #[error("has a key of an algorithm that is not supported: {0}; expected ECDSA, Ed25519 or RSA")]
    UnsupportedAlgorithm(String),
    #[error("has a PEM block `{0}`, which is not a private key that is known here")]
    UnsupportedBlock(String),
    #[error("is encrypted with the cipher `{0}`, which is not known here")]
    UnsupportedCipher(String),
    #[error("is an ECDSA key on the curve {0}, expected P-256, P-384 or P-521")]
    UnsupportedCurve(String),
    #[error("makes its encryption key with `{0}`, which is not known here")]
    UnsupportedKdf(String),
    #[error("is an RSA key of {0} bits, expected 2048, 3072 or 4096")]
    UnsupportedRsa(usize),
    /// Or a damaged ciphertext: nobody can tell them apart.
    #[error("has another password")]
    WrongPassword,
}

impl KeyError {
    /// The error for the user.
    pub(crate) fn about(self, subject: &Subject) -> Error {
        let code = match self {
            Self::Damaged(_) | Self::Inconsistent | Self::Truncated(_) => ErrorCode::Integrity,
            Self::WrongPassword => ErrorCode::AuthRequired,
            _ if subject.field.is_some() => ErrorCode::InvalidConfig,
            _ => ErrorCode::InvalidRequest,
        };
        let mut error = Error::new(code, format!("{} {self}", subject.text));
        if code == ErrorCode::InvalidConfig {
            error.field = subject.field.map(str::to_owned);
        }
        self.hints(subject).into_iter().fold(error, Error::hint)
    }

    fn hints(&self, subject: &Subject) -> Vec<String> {
        let file = subject.file();
        match self {
            Self::Certificate => {
                vec!["give the private key that belongs to the certificate".into()]
            }
            Self::Damaged(_) | Self::Inconsistent | Self::Truncated(_) => {
                vec!["take the key from a backup".into()]
            }
            Self::LegacyEncryption => vec![format!(
                "convert it: openssl pkcs8 -topk8 -in {file} -out {file}.pem"
            )],
            Self::NotPemButDer => vec![format!(
                "convert it: openssl pkey -inform DER -in {file} -out {file}.pem"
            )],
            Self::NotPemButUtf16 => vec![
                "PowerShell's `>` writes UTF-16: write it with `Out-File -Encoding ascii`".into(),
            ],
            Self::OpenSsh => vec![
                "convert a copy of it (ECDSA and RSA only): ssh-keygen -p -m PKCS8 -f COPY".into(),
                "or make a new key with `sigtool key generate --output-key-prefix release`".into(),
            ],
            Self::PublicKey => vec![subject.private_half().map_or_else(
                || "give the private key that belongs to it".into(),
                |path| format!("the private key is probably {path}"),
            )],
            Self::UnsupportedCipher(_) | Self::UnsupportedKdf(_) => vec![format!(
                "convert it: openssl pkcs8 -topk8 -v2 aes-256-cbc -in {file} -out {file}.pem"
            )],
            Self::UnsupportedCurve(_) | Self::UnsupportedAlgorithm(_) | Self::UnsupportedRsa(_) => {
                vec![
                    "make a new key with `sigtool key generate --output-key-prefix release`".into(),
                ]
            }
            _ => Vec::new(),
        }
    }
}

/// Which key an error is about.
#[derive(Debug)]
pub(crate) struct Subject {
    /// What it is called.
    name: String,
    /// How a sentence names it.
    text: String,
    /// Where it stands in the configuration, if it does.
    field: Option<&'static str>,
    /// Where it lies, if it is a file.
    path: Option<PathBuf>,
}

impl Subject {
    /// The setting that names the key.
    pub(crate) const FIELD: &'static str = "/key";

    /// The key of the configuration.
    pub(crate) fn configured(key: &KeyReference) -> Self {
        Self {
            name: key.name.clone(),
            text: format!("`{}`", key.name),
            field: Some(Self::FIELD),
            path: key.path.clone(),
        }
    }

    /// The key that is to be imported.
    pub(crate) fn imported() -> Self {
        Self {
            name: "the key to import".into(),
            text: "the key to import".into(),
            field: None,
            path: None,
        }
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// How a sentence names it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// How a command names it.
    fn file(&self) -> String {
        self.path.as_ref().map_or_else(|| "FILE".into(), typed)
    }

    /// The private key beside a public one, if there is one.
    fn private_half(&self) -> Option<String> {
        let path = self.path.as_ref()?.with_extension("key");
        path.is_file().then(|| typed(&path))
    }
}

/// The longest that is shown of a text out of a key file, in characters. The names that stand there have a dozen.
const MAX_SHOWN: usize = 40;

/// A text out of a key file, fit to be shown.
pub(crate) fn shown(text: &str) -> String {
    clean(text, Instead::Escape, MAX_SHOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_cannot_write_on_the_terminal() {
        assert_eq!(shown("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(shown(&"x".repeat(99)), "x".repeat(40) + "…");
    }

    #[test]
    fn a_wrong_kind_of_key_points_at_the_setting_and_a_broken_one_does_not() {
        let key = KeyReference {
            name: "a.pub".into(),
            path: Some("/nowhere/a.pub".into()),
            secret: None,
        };
        let subject = Subject::configured(&key);
        let error = KeyError::PublicKey.about(&subject);
        assert_eq!(error.code, ErrorCode::InvalidConfig);
        assert_eq!(error.field.as_deref(), Some("/key"));
        assert_eq!(
            error.message,
            "`a.pub` is a public key, expected the private one"
        );
        let error = KeyError::Inconsistent.about(&subject);
        assert_eq!((error.code, error.field), (ErrorCode::Integrity, None));
        let error = KeyError::OpenSsh.about(&Subject::imported());
        assert_eq!(error.code, ErrorCode::InvalidRequest);
    }
}
