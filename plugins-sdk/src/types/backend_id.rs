//! The ids of backends.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

/// The longest id, in bytes.
const MAX_ID: usize = 64;

/// A backend's id: a plain word for one of sigtool's own, reverse DNS for those of others. It can be a part of a file name.
///
/// It exists only if it is one, so that whoever has it asks no more. It reads as a `str` wherever a text is wanted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendId(Cow<'static, str>);

impl BackendId {
    /// An id that stands in the code.
    ///
    /// # Panics
    ///
    /// It is not one: in a constant the compiler says so.
    #[must_use]
    pub const fn from_static(id: &'static str) -> Self {
        assert!(is_id(id.as_bytes()), "not a backend id");
        Self(Cow::Borrowed(id))
    }

    /// Whether it is one of sigtool's own: only theirs have no dot.
    #[must_use]
    pub fn is_first_party(&self) -> bool {
        !self.0.contains('.')
    }

    /// The id as a text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is not the id of a backend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a backend id: lowercase letters, digits, `-` and `.`, at most 64, a letter first"
)]
pub struct ParseBackendIdError(pub String);

impl FromStr for BackendId {
    type Err = ParseBackendIdError;

    /// # Errors
    ///
    /// Everything but lowercase letters, digits, `-` and single `.`, at most 64, a letter first.
    fn from_str(text: &str) -> Result<Self, ParseBackendIdError> {
        if is_id(text.as_bytes()) {
            Ok(Self(text.to_owned().into()))
        } else {
            Err(ParseBackendIdError(text.to_owned()))
        }
    }
}

/// Lowercase letters, digits, `-` and single `.`, a letter first.
const fn is_id(text: &[u8]) -> bool {
    if text.is_empty() || text.len() > MAX_ID || !text[0].is_ascii_lowercase() {
        return false;
    }
    let mut at = 1;
    while at < text.len() {
        let may_stand = match text[at] {
            b'.' => text[at - 1] != b'.',
            byte => byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-',
        };
        if !may_stand {
            return false;
        }
        at += 1;
    }
    true
}

impl Deref for BackendId {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for BackendId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// So that a map with ids as its keys can be asked by a text.
impl std::borrow::Borrow<str> for BackendId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for BackendId {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for BackendId {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl PartialEq<String> for BackendId {
    fn eq(&self, other: &String) -> bool {
        self.0 == *other
    }
}

impl From<BackendId> for String {
    fn from(id: BackendId) -> Self {
        id.0.into_owned()
    }
}

impl fmt::Display for BackendId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Serialize for BackendId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for BackendId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for BackendId {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "BackendId".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        String::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_leave_its_folder() {
        for text in [
            "../a",
            "a/b",
            "A",
            "",
            "a..b",
            ".a",
            "1a",
            "é",
            &"a".repeat(65),
        ] {
            assert_eq!(
                text.parse::<BackendId>(),
                Err(ParseBackendIdError(text.to_owned()))
            );
        }
        assert!("a".repeat(64).parse::<BackendId>().is_ok());
    }

    #[test]
    fn only_a_plain_word_is_first_party() {
        let is_ours = |text: &str| text.parse::<BackendId>().unwrap().is_first_party();
        assert!(is_ours("local-stage"));
        assert!(!is_ours("dev.acme.hsm"));
    }

    #[test]
    fn it_is_a_text_on_the_wire_and_a_wrong_one_is_not_read() {
        let id: BackendId = serde_json::from_str(r#""dev.acme.hsm""#).unwrap();
        assert_eq!(id, "dev.acme.hsm");
        assert_eq!(serde_json::to_string(&id).unwrap(), r#""dev.acme.hsm""#);
        let error = serde_json::from_str::<BackendId>(r#""../a""#).unwrap_err();
        assert!(error.to_string().starts_with("`../a` is not a backend id"));
    }
}
