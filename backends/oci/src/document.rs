//! A JSON document that others have written and we change: what we do not change stays as it stands, to the byte.

use crate::failure::integrity;
use crate::manifest::{Manifest, encode};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use sigtool_sdk::{Error, ErrorCode, Result};

/// The fields of an object, in their order.
#[derive(Default)]
pub(crate) struct Document(Vec<(String, Box<RawValue>)>);

/// An entry of a list: as it stands, and read.
pub(crate) struct Entry {
    raw: Box<RawValue>,
    pub(crate) value: Value,
}

impl Document {
    /// A manifest, which has been read strictly: nothing is twice in it.
    ///
    /// # Errors
    ///
    /// `integrity`: it is not an object.
    pub(crate) fn of(manifest: &Manifest) -> Result<Self> {
        serde_json::from_slice(&manifest.bytes)
            .map_err(|e| integrity("what the registry keeps there is not a JSON object").because(e))
    }

    /// The entries of a list; none if it is not there, or `null`.
    ///
    /// # Errors
    ///
    /// `integrity`: it is not a list.
    pub(crate) fn list(&self, name: &str) -> Result<Vec<Entry>> {
        let Some((_, list)) = self.0.iter().find(|(key, _)| key == name) else {
            return Ok(Vec::new());
        };
        let malformed = |e| integrity(format!("`{name}` is not a list")).because(e);
        let entries: Option<Vec<Box<RawValue>>> =
            serde_json::from_str(list.get()).map_err(malformed)?;
        entries
            .unwrap_or_default()
            .into_iter()
            .map(|raw| {
                let value = serde_json::from_str(raw.get()).map_err(malformed)?;
                Ok(Entry { raw, value })
            })
            .collect()
    }

    /// Puts a value in the place of a field, or behind the others.
    ///
    /// # Errors
    ///
    /// `internal`: it cannot be written.
    pub(crate) fn set(&mut self, name: &str, value: &impl Serialize) -> Result<()> {
        let value = raw(value)?;
        match self.0.iter_mut().find(|(key, _)| key == name) {
            Some((_, field)) => *field = value,
            None => self.0.push((name.to_owned(), value)),
        }
        Ok(())
    }

    /// # Errors
    ///
    /// `internal`: it cannot be written.
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        encode(self)
    }
}

impl Entry {
    /// A new entry.
    ///
    /// # Errors
    ///
    /// `internal`: it cannot be written.
    pub(crate) fn new(value: &impl Serialize) -> Result<Self> {
        let raw = raw(value)?;
        let value = serde_json::from_str(raw.get()).map_err(|e| cannot(&e))?;
        Ok(Self { raw, value })
    }
}

fn raw(value: &impl Serialize) -> Result<Box<RawValue>> {
    to_raw_value(value).map_err(|e| cannot(&e))
}

fn cannot(error: &serde_json::Error) -> Error {
    Error::new(ErrorCode::Internal, "cannot encode a manifest").because(error)
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.raw.serialize(serializer)
    }
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Document;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Document, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Document(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_changed_stays_as_it_stands() {
        let text = r#"{"z":1,"layers":[],"list":[ {"b":1.50,"a":{"y":1,"x":18446744073709551616}}],"a":null}"#;
        let manifest = Manifest::parse(text.into(), None).unwrap();
        let mut document = Document::of(&manifest).unwrap();
        assert_eq!(document.encode().unwrap(), text.as_bytes());
        let mut list = document.list("list").unwrap();
        list.push(Entry::new(&"new").unwrap());
        document.set("list", &list).unwrap();
        document.set("more", &1).unwrap();
        let expected = r#"{"z":1,"layers":[],"list":[{"b":1.50,"a":{"y":1,"x":18446744073709551616}},"new"],"a":null,"more":1}"#;
        assert_eq!(
            String::from_utf8(document.encode().unwrap()).unwrap(),
            expected
        );
        assert!(document.list("a").unwrap().is_empty());
        assert!(document.list("none").unwrap().is_empty());
        assert!(document.list("z").is_err());
    }
}
