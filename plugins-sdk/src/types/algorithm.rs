//! Key algorithms, and what a key of each one signs.

use super::DigestAlgorithm;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The algorithm of a key, which decides what it signs and how its signatures look.
///
/// ECDSA signatures are ASN.1 DER (RFC 3279 section 2.2.3), RSA signatures PKCS#1 v1.5 (RFC 8017 section 8.2), Ed25519
/// signatures 64 bytes (RFC 8032).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum KeyAlgorithm {
    /// ECDSA over NIST P-256: the default, accepted by every verifier.
    #[serde(rename = "ecdsa-p256")]
    EcdsaP256,
    /// ECDSA over NIST P-384.
    #[serde(rename = "ecdsa-p384")]
    EcdsaP384,
    /// ECDSA over NIST P-521.
    #[serde(rename = "ecdsa-p521")]
    EcdsaP521,
    /// Ed25519, pure.
    #[serde(rename = "ed25519")]
    Ed25519,
    /// RSA with a modulus of 2048 bits.
    #[serde(rename = "rsa-2048")]
    Rsa2048,
    /// RSA with a modulus of 3072 bits.
    #[serde(rename = "rsa-3072")]
    Rsa3072,
    /// RSA with a modulus of 4096 bits.
    #[serde(rename = "rsa-4096")]
    Rsa4096,
}

/// What a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signs {
    /// The digest of the payload, by this algorithm.
    Digest(DigestAlgorithm),
    /// The payload itself, whole.
    Payload,
}

impl KeyAlgorithm {
    /// Every algorithm, in the order of the enum.
    pub const ALL: [Self; 7] = [
        Self::EcdsaP256,
        Self::EcdsaP384,
        Self::EcdsaP521,
        Self::Ed25519,
        Self::Rsa2048,
        Self::Rsa3072,
        Self::Rsa4096,
    ];

    /// What a key of this algorithm signs when we make signatures.
    ///
    /// SHA-256 for every curve and modulus, although the algorithm registry of Sigstore pairs P-384 with SHA-384: cosign
    /// refuses anything but SHA-256 from a key in a file unless it is told otherwise (measured with 3.1.2).
    #[must_use]
    pub fn signs(self) -> Signs {
        match self {
            Self::Ed25519 => Signs::Payload,
            _ => Signs::Digest(DigestAlgorithm::Sha256),
        }
    }

    /// The name on the wire, in `--algorithm` and in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "ecdsa-p256",
            Self::EcdsaP384 => "ecdsa-p384",
            Self::EcdsaP521 => "ecdsa-p521",
            Self::Ed25519 => "ed25519",
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa3072 => "rsa-3072",
            Self::Rsa4096 => "rsa-4096",
        }
    }
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is not a key algorithm.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no key algorithm `{0}`: use one of ecdsa-p256, ecdsa-p384, ecdsa-p521, ed25519, rsa-2048, rsa-3072, rsa-4096"
)]
pub struct ParseKeyAlgorithmError(pub String);

impl FromStr for KeyAlgorithm {
    type Err = ParseKeyAlgorithmError;

    fn from_str(text: &str) -> Result<Self, ParseKeyAlgorithmError> {
        Self::ALL
            .into_iter()
            .find(|a| a.as_str() == text)
            .ok_or_else(|| ParseKeyAlgorithmError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_and_the_command_line_use_one_name() {
        for algorithm in KeyAlgorithm::ALL {
            assert_eq!(
                serde_json::to_string(&algorithm).unwrap(),
                format!("\"{algorithm}\"")
            );
            assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
        }
    }
}
