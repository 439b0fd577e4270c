//! Why something is not a public key that can verify.

use sigtool_sdk::types::KeyAlgorithm;

/// Why something is not a public key that can verify.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A certificate, which names a key but is not one.
    #[error("this is a certificate, not a public key")]
    Certificate,
    /// The key is of one algorithm, and says another.
    #[error("the key is announced as {announced}, but is {found}")]
    Differs {
        /// What was announced.
        announced: KeyAlgorithm,
        /// What the key's bytes say.
        found: KeyAlgorithm,
    },
    /// A private key, protected by a password.
    #[error("this is an encrypted private key (`{0}`), not a public key")]
    EncryptedPrivateKey(String),
    /// Bytes that are a key's, but broken.
    #[error("malformed public key: {0}")]
    Malformed(String),
    /// Several keys in one file: it would be unclear which is meant.
    #[error("the file holds {0} PEM blocks; one public key was expected")]
    Many(usize),
    /// Nothing that looks like a key.
    #[error("this is not a public key: {0}")]
    NotAKey(String),
    /// An OpenSSH public key.
    #[error("this is an OpenSSH public key; a PEM `PUBLIC KEY` was expected")]
    OpenSsh,
    /// A private key, lying open.
    #[error("this is a private key (`{0}`), not a public key")]
    PrivateKey(String),
    /// An RSA key of a size that is not used for signing artifacts.
    #[error("RSA keys of {0} bits are not supported; 2048, 3072 and 4096 are")]
    RsaSize(usize),
    /// An algorithm that is not one of ours.
    #[error(
        "keys of the algorithm {0} are not supported; ECDSA (P-256, P-384, P-521), Ed25519 and RSA are"
    )]
    UnsupportedAlgorithm(String),
    /// An Ed25519 key under which nearly every signature verifies.
    #[error("this Ed25519 key has small order: it would verify forged signatures")]
    Weak,
}

impl KeyError {
    /// What the user can do next, if there is something to type.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::EncryptedPrivateKey(_) | Self::PrivateKey(_) => Some(
                "make the public key with `sigtool key export-public --key FILE`, and give that",
            ),
            Self::Certificate => {
                Some("take the key out with `openssl x509 -pubkey -noout -in FILE`, and give that")
            }
            Self::OpenSsh => {
                Some("convert it with `ssh-keygen -e -m PKCS8 -f FILE`, and give that")
            }
            _ => None,
        }
    }
}
