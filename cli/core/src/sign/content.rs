//! What a file holds that is better not signed as one: a private key, or the very bytes that sign something of another kind.
//!
//! A signature of a file says nothing of its kind. One over the bytes of an envelope's encoding would be a signature of the statement in
//! it, and one over a payload of simple signing a signature of the image that it names.

use crate::inspect::{Inspected, inspect};
use crate::limits::MAX_KEY_FILE;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use sigtool_sdk::file::{Links, RegularFile};
use sigtool_sdk::pem::holds_private_key;
use std::cell::Cell;
use std::fmt;
use std::io::{self, BufReader, Read, Seek as _};
use std::path::Path;

/// The beginning of what a DSSE envelope's signature is over (DSSE v1, "Pre-Authentication Encoding").
const PAE: &[u8] = b"DSSEv1 ";

/// The longest payload of simple signing, in bytes: cosign reads none that is longer.
const MAX_PAYLOAD: u64 = 128 * 1024 * 1024;

/// What a file holds, as far as it matters to who signs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// What an envelope's signature is over.
    Envelope,
    /// What an image's signature is over.
    ImagePayload,
    /// A private key, locked or open.
    PrivateKey,
    /// Anything else.
    Other,
}

/// Looks into a file. One that cannot be read holds nothing: whoever reads it for signing says why.
pub(super) fn content(path: &Path) -> Content {
    read(path).unwrap_or(Content::Other)
}

fn read(path: &Path) -> Result<Content, io::Error> {
    let found = RegularFile::open(path, Links::Followed).map_err(io::Error::other)?;
    let mut file = found.into_file();
    let mut head = Vec::new();
    (&file)
        .take(MAX_KEY_FILE as u64 + 1)
        .read_to_end(&mut head)?;
    if head.starts_with(PAE) {
        return Ok(Content::Envelope);
    }
    if head.len() <= MAX_KEY_FILE && is_private_key(&head) {
        return Ok(Content::PrivateKey);
    }
    if head.trim_ascii_start().first() == Some(&b'{') {
        file.rewind()?;
        if is_image_payload(BufReader::new(file.take(MAX_PAYLOAD))) {
            return Ok(Content::ImagePayload);
        }
    }
    Ok(Content::Other)
}

/// Whether it has the first line of a private key, or is one in DER.
fn is_private_key(content: &[u8]) -> bool {
    let text = String::from_utf8_lossy(content);
    let begins = |line: &str| {
        let line = line.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        line.starts_with("-----BEGIN ")
            && (holds_private_key(line) || line.starts_with("-----BEGIN PGP PRIVATE KEY BLOCK"))
    };
    let is_der = || {
        let inspected = inspect(content, "").map(|inspection| inspection.content);
        let key = |content: &Inspected| {
            matches!(
                content,
                Inspected::PrivateKey(_) | Inspected::EncryptedPrivateKey(_)
            )
        };
        inspected.as_ref().is_ok_and(key)
    };
    text.lines().any(begins) || content.first() == Some(&0x30) && is_der()
}

/// Whether it is a JSON object with an object `critical` that has an `image`, in any capitals, as Go reads names. However lenient a
/// reader is elsewhere, without these it finds no image; what else is wrong with the text is its own affair.
fn is_image_payload(json: impl Read) -> bool {
    let found = Cell::new(false);
    let way = Member {
        names: &[b"critical", b"image"],
        found: &found,
    };
    // What is wrong behind it makes it no better.
    let _ = way.deserialize(&mut serde_json::Deserializer::from_reader(json));
    found.get()
}

/// Looks for a member by this way of names, and keeps nothing of what is read.
#[derive(Clone, Copy)]
struct Member<'a> {
    names: &'a [&'a [u8]],
    found: &'a Cell<bool>,
}

impl<'de> DeserializeSeed<'de> for Member<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        if self.names.is_empty() {
            self.found.set(true);
            return IgnoredAny::deserialize(reader).map(|_| ());
        }
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Member<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<Name>()? {
            if name.0.eq_ignore_ascii_case(self.names[0]) {
                let names = &self.names[1..];
                map.next_value_seed(Self { names, ..self })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// A name as its bytes: Go takes one that is not UTF-8.
struct Name(Vec<u8>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_byte_buf(NameVisitor).map(Self)
    }
}

struct NameVisitor;

impl Visitor<'_> for NameVisitor {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_bytes<E>(self, name: &[u8]) -> Result<Vec<u8>, E> {
        Ok(name.to_vec())
    }

    fn visit_str<E>(self, name: &str) -> Result<Vec<u8>, E> {
        Ok(name.as_bytes().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: impl AsRef<[u8]>) -> Content {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        content(file.path())
    }

    #[test]
    fn what_signs_an_image_is_known_however_it_is_written() {
        let image = r#"{"docker-manifest-digest":"sha256:00"}"#;
        for payload in [
            format!(r#"{{"critical":{{"image":{image},"type":"x"}},"optional":null}}"#),
            format!(
                " \n{{\"optional\":{{\"a\":[1,2.5,-3,true]}},\"Critical\":{{\"IMAGE\":{image}}}}}"
            ),
            format!(r#"{{"critical":7,"critical":{{}},"critical":{{"\u0069mage":{image}}}}}"#),
            format!(
                r#"{{"optional":"{}","critical":{{"image":{image}}}}}"#,
                "x".repeat(1 << 20)
            ),
            format!(
                "{{\"a\":{}{},\"critical\":{{\"image\":1}}}}",
                "[".repeat(999),
                "]".repeat(999)
            ),
        ] {
            assert_eq!(of(&payload), Content::ImagePayload, "{}", &payload[..60]);
        }
        let not_text = b"{\"\xff\":\"\xff\",\"critical\":{\"image\":{}}}";
        assert_eq!(of(not_text), Content::ImagePayload);
        for other in [
            r#"{"critical":{"type":"x"},"image":1}"#,
            r#"{"critical":["image"]}"#,
            r#"["critical",{"image":1}]"#,
            "{",
            "",
        ] {
            assert_eq!(of(other), Content::Other, "{other}");
        }
    }

    #[test]
    fn what_signs_a_statement_is_known_by_its_beginning() {
        assert_eq!(
            of("DSSEv1 28 application/vnd.in-toto+json 2 {}"),
            Content::Envelope
        );
        assert_eq!(of("DSSEv1"), Content::Other);
        assert_eq!(of("a DSSEv1 "), Content::Other);
    }

    #[test]
    fn a_private_key_is_known_and_a_text_about_one_is_not() {
        let label = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
        for key in [
            "PRIVATE KEY",
            "ENCRYPTED COSIGN PRIVATE KEY",
            "OPENSSH PRIVATE KEY",
        ] {
            assert_eq!(of(label(key)), Content::PrivateKey, "{key}");
            let bag = format!("\u{feff}Bag Attributes\r\n  {}", label(key));
            assert_eq!(of(bag), Content::PrivateKey, "{key}");
        }
        assert_eq!(of(label("PGP PRIVATE KEY BLOCK")), Content::PrivateKey);
        assert_eq!(of(label("PUBLIC KEY")), Content::Other);
        assert_eq!(
            of("a line that says `-----BEGIN PRIVATE KEY-----`"),
            Content::Other
        );
    }
}
