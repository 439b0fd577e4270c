//! The head of the chain: how many entries there are, and the hash of the last one.

use sigtool_sdk::types::{Digest, DigestAlgorithm};
use std::fmt;
use std::str::FromStr;

/// The end of a chain: `12:sha256:…`. Kept elsewhere, it proves later that the first twelve entries are still what they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// How many entries there are, and so the number of the last one.
    pub count: u64,
    /// The hash of the last one; of an empty ledger all zero.
    pub hash: Digest,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            count: 0,
            hash: Digest::sha256([0; 32]),
        }
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.count, self.hash)
    }
}

impl serde::Serialize for Head {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Head {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Head".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "The end of the ledger's chain: how many entries there are, and the hash of the last one.",
            "pattern": "^(0|[1-9][0-9]*):sha256:[0-9a-f]{64}$",
        })
    }
}

/// A text is not a head.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a head is a number and a hash, such as `12:sha256:…` with 64 hexadecimal digits")]
pub struct ParseHeadError;

impl FromStr for Head {
    type Err = ParseHeadError;

    /// Parses the number, a colon and the digest.
    ///
    /// # Errors
    ///
    /// Every other spelling is refused, leading zeros included.
    fn from_str(text: &str) -> Result<Self, ParseHeadError> {
        let (number, hash) = text.split_once(':').ok_or(ParseHeadError)?;
        let count: u64 = number.parse().map_err(|_| ParseHeadError)?;
        let hash: Digest = hash.parse().map_err(|_| ParseHeadError)?;
        if count.to_string() != number || hash.algorithm() != DigestAlgorithm::Sha256 {
            return Err(ParseHeadError);
        }
        Ok(Self { count, hash })
    }
}
