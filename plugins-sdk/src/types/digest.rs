//! Content digests, written `algorithm:hex` as in the [OCI image spec].
//!
//! [OCI image spec]: https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A digest algorithm of the SHA-2 family (FIPS 180-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum DigestAlgorithm {
    /// SHA-256, 32 bytes: what nearly everything uses.
    Sha256,
    /// SHA-384, 48 bytes.
    Sha384,
    /// SHA-512, 64 bytes.
    Sha512,
}

impl DigestAlgorithm {
    /// Every algorithm, in the order of the enum.
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    /// The length of a digest, in bytes.
    #[must_use]
    pub fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The name on the wire and before the colon of a digest.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }
}

impl fmt::Display for DigestAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An algorithm and the bytes it gave.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: DigestAlgorithm,
    bytes: Vec<u8>,
}

impl Digest {
    /// A digest of these bytes.
    ///
    /// # Errors
    ///
    /// The length is not the algorithm's.
    pub fn new(algorithm: DigestAlgorithm, bytes: Vec<u8>) -> Result<Self, ParseDigestError> {
        if bytes.len() != algorithm.length() {
            return Err(ParseDigestError::Length {
                algorithm,
                expected: algorithm.length() * 2,
                found: bytes.len() * 2,
            });
        }
        Ok(Self { algorithm, bytes })
    }

    /// A SHA-256 digest.
    #[must_use]
    pub fn sha256(bytes: [u8; 32]) -> Self {
        Self {
            algorithm: DigestAlgorithm::Sha256,
            bytes: bytes.to_vec(),
        }
    }

    /// Which algorithm gave it.
    #[must_use]
    pub fn algorithm(&self) -> DigestAlgorithm {
        self.algorithm
    }

    /// The digest itself.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Lowercase hexadecimal digits, without the algorithm.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::encode(&self.bytes)
    }
}

/// Why a text is not a digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseDigestError {
    /// No `algorithm:` that we know in front.
    #[error("a digest begins with `sha256:`, `sha384:` or `sha512:`")]
    Algorithm,
    /// Not lowercase hexadecimal digits.
    #[error("a digest is written in lowercase hexadecimal digits")]
    Digits,
    /// The wrong number of digits.
    #[error("a {algorithm} digest has {expected} hexadecimal digits, this one has {found}")]
    Length {
        /// The algorithm before the colon.
        algorithm: DigestAlgorithm,
        /// How many digits it has.
        expected: usize,
        /// How many there were.
        found: usize,
    },
}

impl FromStr for Digest {
    type Err = ParseDigestError;

    /// Parses `sha256:` and 64 lowercase hexadecimal digits, and the same for the other algorithms.
    ///
    /// # Errors
    ///
    /// Every other spelling is refused, uppercase included, so that equal digests are equal text.
    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        let (name, digits) = text.split_once(':').ok_or(ParseDigestError::Algorithm)?;
        let algorithm = match name {
            "sha256" => DigestAlgorithm::Sha256,
            "sha384" => DigestAlgorithm::Sha384,
            "sha512" => DigestAlgorithm::Sha512,
            _ => return Err(ParseDigestError::Algorithm),
        };
        if digits.len() != algorithm.length() * 2 {
            return Err(ParseDigestError::Length {
                algorithm,
                expected: algorithm.length() * 2,
                found: digits.len(),
            });
        }
        if digits.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(ParseDigestError::Digits);
        }
        let bytes = hex::decode(digits).map_err(|_| ParseDigestError::Digits)?;
        Ok(Self { algorithm, bytes })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm, self.to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Digest {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Digest".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^(sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_digests_have_one_spelling() {
        let text = format!("sha256:{}", "0a".repeat(32));
        let digest: Digest = text.parse().unwrap();
        assert_eq!(digest.to_string(), text);
        assert_eq!(
            text.to_uppercase().parse::<Digest>(),
            Err(ParseDigestError::Algorithm)
        );
        assert_eq!(
            format!("sha256:{}", "0A".repeat(32)).parse::<Digest>(),
            Err(ParseDigestError::Digits)
        );
    }

    #[test]
    fn a_short_digest_is_told_by_how_much() {
        let error = "sha256:0a".parse::<Digest>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "a sha256 digest has 64 hexadecimal digits, this one has 2"
        );
    }
}
