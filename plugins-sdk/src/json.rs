//! JSON (RFC 8259), read strictly: what two readers would read differently is refused.
//!
//! `serde` keeps the last of two equal names, other readers the first. Go takes `Layers` for `layers`, and protocol buffers
//! `message_signature` for `messageSignature`. Whoever signs or verifies must not see another text than the next reader does.

use crate::text::{Instead, clean};
use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// How deep a value may nest. A bundle needs 8; a predicate some more; a stack holds thousands.
pub const MAX_DEPTH: usize = 64;

/// The longest name that a message shows, in characters.
const MAX_NAME: usize = 512;

/// Which names a value's objects hold, as far as they are known.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Anything. In its objects no name stands twice, and that is all.
    Free,
    /// A list of such values.
    List(&'static Self),
    /// An object with these names, and perhaps others, which are of no interest. None of those is a known name in another spelling.
    Open(&'static [(&'static str, Self)]),
    /// An object with these names and no others.
    Closed(&'static [(&'static str, Self)]),
}

/// Why a text is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct JsonError(String);

/// Reads one value. What is missing, or of another type than was expected, is for the caller to find.
///
/// # Errors
///
/// What is wrong, and where (a path of names): a name stands twice, or is not one of the [`Shape`]'s; nesting deeper than
/// [`MAX_DEPTH`]; something behind the value; not JSON.
pub fn parse(text: &[u8], shape: Shape) -> Result<Value, JsonError> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let read = Strict(Place::TOP).deserialize(&mut deserializer);
    let value = read
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|e| JsonError(e.to_string()))?;
    shape.check(&value)?;
    Ok(value)
}

/// Reads one value as what it stands for.
///
/// # Errors
///
/// As [`parse`], and what is missing or of another type than was expected.
pub fn decode<T: DeserializeOwned>(text: &[u8], shape: Shape) -> Result<T, JsonError> {
    serde_json::from_value(parse(text, shape)?).map_err(|e| JsonError(e.to_string()))
}

/// Whether readers that do not look at case, or read the JSON of protocol buffers, take two names for one. Case is Unicode's: Go
/// takes the long `ſ` for an `s`, and the Kelvin sign for a `k`.
fn is_spelling_of(name: &str, known: &str) -> bool {
    fn folded(name: &str) -> impl Iterator<Item = char> {
        let letters = name.chars().filter(|c| *c != '_');
        letters
            .flat_map(char::to_uppercase)
            .flat_map(char::to_lowercase)
    }
    folded(name).eq(folded(known))
}

impl Shape {
    /// Whether a value that was read as [`Shape::Free`] has this shape.
    ///
    /// # Errors
    ///
    /// As [`parse`].
    pub fn check(self, value: &Value) -> Result<(), JsonError> {
        self.check_at(Place::TOP, value)
    }

    fn check_at(self, place: Place<'_>, value: &Value) -> Result<(), JsonError> {
        match (self, value) {
            (Self::List(shape), Value::Array(values)) => (0..)
                .zip(values)
                .try_for_each(|(i, value)| shape.check_at(place.child(Step::Index(i)), value)),
            (Self::Open(_) | Self::Closed(_), Value::Object(fields)) => {
                fields.iter().try_for_each(|(name, value)| {
                    let shape = self.under(name).map_err(|why| {
                        JsonError(format!("the key `{}` in {place} {why}", shown(name)))
                    })?;
                    shape.check_at(place.child(Step::Key(name)), value)
                })
            }
            _ => Ok(()),
        }
    }

    /// The shape of what stands under a name, or why that name may not be there.
    fn under(self, name: &str) -> Result<Self, String> {
        let (Self::Open(names) | Self::Closed(names)) = self else {
            return Ok(Self::Free);
        };
        if let Some((_, shape)) = names.iter().find(|(known, _)| *known == name) {
            return Ok(*shape);
        }
        let other = names.iter().find(|(known, _)| is_spelling_of(name, known));
        match (other, self) {
            (Some((known, _)), _) => Err(format!(
                "is another spelling of `{known}`, so what it says depends on who reads it"
            )),
            (None, Self::Closed(_)) => {
                Err("is not known, so what it says depends on who reads it".to_owned())
            }
            (None, _) => Ok(Self::Free),
        }
    }
}

fn shown(name: &str) -> String {
    clean(name, Instead::Mark, MAX_NAME)
}

/// Where a value stands. The way there is kept as links: copied paths would multiply long keys by the depth.
#[derive(Clone, Copy)]
struct Place<'a> {
    parent: Option<&'a Self>,
    step: Step<'a>,
    depth: usize,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Index(usize),
    Key(&'a str),
}

impl Place<'static> {
    const TOP: Self = Self {
        parent: None,
        step: Step::Index(0),
        depth: 0,
    };
}

impl<'a> Place<'a> {
    fn child(&'a self, step: Step<'a>) -> Self {
        Self {
            parent: Some(self),
            step,
            depth: self.depth + 1,
        }
    }

    /// The keys from the top down.
    fn path(&self) -> String {
        let step = match self.step {
            Step::Index(index) => index.to_string(),
            Step::Key(key) => shown(key),
        };
        match self.parent {
            None => String::new(),
            Some(parent) if parent.parent.is_none() => step,
            Some(parent) => format!("{}.{step}", parent.path()),
        }
    }
}

/// In a message.
impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parent {
            None => f.write_str("the top level"),
            Some(_) => write!(f, "`{}`", self.path()),
        }
    }
}

/// Reads the value at a place.
struct Strict<'a>(Place<'a>);

impl Strict<'_> {
    fn check_depth<E: serde::de::Error>(&self) -> Result<(), E> {
        if self.0.depth >= MAX_DEPTH {
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
        while let Some(value) =
            seq.next_element_seed(Strict(self.0.child(Step::Index(values.len()))))?
        {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        self.check_depth()?;
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format!(
                    "the key `{}` stands twice in {}",
                    shown(&key),
                    self.0
                )));
            }
            let value = map.next_value_seed(Strict(self.0.child(Step::Key(&key))))?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(text: &[u8]) -> Result<Value, String> {
        parse(text, Shape::Free).map_err(|e| e.to_string())
    }

    #[test]
    fn a_key_that_stands_twice_is_refused_with_its_place() {
        let error = free(br#"{"a":{"b":[{"c":1,"c":1}]}}"#).unwrap_err();
        assert!(
            error.starts_with("the key `c` stands twice in `a.b.0`"),
            "{error}"
        );
        // The same key, once written with an escape.
        assert!(free(br#"{"sig":1,"\u0073ig":2}"#).is_err());
        assert!(free(br#"{"a":{"c":1},"b":{"c":1}}"#).is_ok());
        let error = free(br#"{"a":1,"a":1}"#).unwrap_err();
        assert!(error.contains("twice in the top level"), "{error}");
        // What differs in its spelling is two keys of a map.
        assert!(free(br#"{"a":1,"A":1,"a_":1}"#).is_ok());
    }

    const ENTRY: &[(&str, Shape)] = &[("mediaType", Shape::Free), ("map", Shape::Free)];
    const OPEN: Shape = Shape::Open(&[("list", Shape::List(&Shape::Open(ENTRY)))]);
    const CLOSED: Shape = Shape::Closed(&[("list", Shape::List(&Shape::Closed(ENTRY)))]);

    #[test]
    fn another_spelling_of_a_known_key_is_refused_where_that_key_is_known() {
        for shape in [OPEN, CLOSED] {
            for name in [
                "MediaType",
                "mediatype",
                "media_type",
                "_mediaType",
                "MEDIA_TYPE",
            ] {
                let alone = format!(r#"{{"list":[{{"{name}":1}}]}}"#);
                let beside =
                    format!(r#"{{"list":[{{"mediaType":1}},{{"mediaType":1,"{name}":1}}]}}"#);
                for text in [alone, beside] {
                    let error = parse(text.as_bytes(), shape).unwrap_err().to_string();
                    assert!(error.contains("spelling of `mediaType`"), "{error}");
                    assert!(error.contains("in `list."), "{error}");
                }
            }
            // Go folds these to `s` and `k`.
            assert!(parse("{\"li\u{17f}t\":[]}".as_bytes(), shape).is_err());
            // What a map holds is not known.
            let map = r#"{"list":[{"map":{"mediaType":1,"MediaType":1,"list":[],"x":{}}}]}"#;
            assert!(parse(map.as_bytes(), shape).is_ok());
        }
        assert!(is_spelling_of("\u{212a}ey", "key"));
    }

    #[test]
    fn an_unknown_key_is_refused_where_all_are_known() {
        for text in [r#"{"x":1}"#, r#"{"list":[{"list":[]}]}"#] {
            assert!(parse(text.as_bytes(), OPEN).is_ok());
            let error = parse(text.as_bytes(), CLOSED).unwrap_err().to_string();
            assert!(error.contains("is not known"), "{error}");
        }
        // Another type than was expected is for the caller to find.
        for text in ["[]", "1", r#"{"list":{}}"#, r#"{"list":[1]}"#] {
            assert!(parse(text.as_bytes(), CLOSED).is_ok());
        }
    }

    #[test]
    fn nesting_has_an_end() {
        let deep = |n: usize| [b"[".repeat(n), b"]".repeat(n)].concat();
        assert!(free(&deep(MAX_DEPTH)).is_ok());
        assert!(free(&deep(MAX_DEPTH + 1)).unwrap_err().contains("deeper"));
        assert!(free(&b"[".repeat(1_000_000)).is_err());
    }

    #[test]
    fn nothing_may_follow_the_value() {
        assert!(free(b"{} {}").is_err());
        assert_eq!(free(b" {}\n").unwrap(), serde_json::json!({}));
    }
}
