//! JSON (RFC 8259), read strictly: no key twice in an object, no endless nesting, nothing after the value.
//!
//! `serde` keeps the last of two equal keys, other readers the first: two readers of one text would see two signatures.

use crate::limits::MAX_DEPTH;
use crate::text::printable;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// Whether a file is meant to be a JSON object. The bytes of a raw signature may begin like one, but are not UTF-8 then.
pub(crate) fn is_object(content: &[u8]) -> bool {
    content.trim_ascii_start().first() == Some(&b'{') && std::str::from_utf8(content).is_ok()
}

/// Reads one JSON value.
///
/// # Errors
///
/// A text that says what is wrong, where (a path of keys), and in which line and column.
pub(crate) fn parse(text: &[u8]) -> Result<Value, String> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let top = Strict {
        parent: None,
        step: Step::Index(0),
        depth: 0,
    };
    let value = top
        .deserialize(&mut deserializer)
        .map_err(|e| e.to_string())?;
    deserializer.end().map_err(|e| e.to_string())?;
    Ok(value)
}

/// A value at a place. The way there is kept as links: copied paths would multiply long keys by the depth.
#[derive(Clone, Copy)]
struct Strict<'a> {
    parent: Option<&'a Self>,
    step: Step<'a>,
    depth: usize,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Index(usize),
    Key(&'a str),
}

impl<'a> Strict<'a> {
    fn child(&'a self, step: Step<'a>) -> Self {
        Self {
            parent: Some(self),
            step,
            depth: self.depth + 1,
        }
    }

    /// The keys from the top down, for a message.
    fn place(&self) -> String {
        let step = match self.step {
            Step::Index(index) => index.to_string(),
            Step::Key(key) => printable(key),
        };
        match self.parent {
            None => String::new(),
            Some(parent) if parent.parent.is_none() => step,
            Some(parent) => format!("{}.{step}", parent.place()),
        }
    }

    fn check_depth<E: serde::de::Error>(&self) -> Result<(), E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        self.check_depth()?;
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(self.child(Step::Index(values.len())))? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        self.check_depth()?;
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if object.contains_key(&key) {
                let place = match self.place().as_str() {
                    "" => "the top level".to_owned(),
                    path => format!("`{path}`"),
                };
                return Err(A::Error::custom(format!(
                    "the key `{}` stands twice in {place}",
                    printable(&key)
                )));
            }
            let value = map.next_value_seed(self.child(Step::Key(&key)))?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_stands_twice_is_refused_with_its_place() {
        let error = parse(br#"{"a":{"b":[{"c":1,"c":1}]}}"#).unwrap_err();
        assert!(
            error.starts_with("the key `c` stands twice in `a.b.0`"),
            "{error}"
        );
        // The same key, once written with an escape.
        assert!(parse(br#"{"sig":1,"\u0073ig":2}"#).is_err());
        assert!(parse(br#"{"a":{"c":1},"b":{"c":1}}"#).is_ok());
        let error = parse(br#"{"a":1,"a":1}"#).unwrap_err();
        assert!(error.contains("twice in the top level"), "{error}");
    }

    #[test]
    fn nesting_has_an_end() {
        let deep = |n: usize| [b"[".repeat(n), b"]".repeat(n)].concat();
        assert!(parse(&deep(MAX_DEPTH)).is_ok());
        assert!(parse(&deep(MAX_DEPTH + 1)).unwrap_err().contains("deeper"));
        assert!(parse(&b"[".repeat(1_000_000)).is_err());
    }

    #[test]
    fn nothing_may_follow_the_value() {
        assert!(parse(b"{} {}").is_err());
        assert_eq!(parse(b" {}\n").unwrap(), serde_json::json!({}));
    }
}
