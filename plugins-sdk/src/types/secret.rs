//! Secrets: never shown, wiped when dropped.

use super::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use zeroize::Zeroizing;

/// Bytes that must not be shown: a password, a PIN, a private key, an identity token.
///
/// `Debug` prints `Secret(…)`. It crosses the seam only as the answer of the host's `host.secret` and `host.identity_token`,
/// and of a backend's `secret.get` and `identity.token`, and where a backend tells of one with `host.conceal`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes over bytes; they are wiped when the secret is dropped.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes. Do not copy them into anything that is shown, logged or kept.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text.into_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use base64::Engine as _;
        let text =
            Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(self.0.as_slice()));
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // An error of the decoder names a position, never the text.
        Bytes::deserialize(deserializer).map(|bytes| Self::new(bytes.0))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Secret {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "contentEncoding": "base64", "writeOnly": true })
    }
}

/// Where a configuration has a secret: the pointer to ask the host with, in [`Call::secret`](crate::Call::secret).
///
/// The user's configuration holds a reference such as `{ env = "X" }`; the host keeps it and gives the backend this pointer,
/// so that a backend can ask for the secrets of its own configuration and for no others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SecretReference {
    /// A JSON pointer (RFC 6901) into the configuration, for example `/password`.
    pub secret: String,
}
