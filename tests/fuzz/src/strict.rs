//! What is signed or verified, as we read it, against readers that are lenient: what both accept must mean the same.
//!
//! The lenient readers stand for those of others: they take the first or the last of two equal names, do not look at case (Go), and
//! take `media_type` for `mediaType` (protocol buffers). What they made of a text is written anew and read by us again.

use crate::image;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use sigtool_core::formats::bundle::Bundle;
use sigtool_core::formats::dsse::Envelope;
use sigtool_core::formats::simple_signing::SimpleSigning;
use sigtool_core::formats::statement::{Statement, signing_statement};
use sigtool_sdk::types::{Digest, DigestAlgorithm, SignedPayload};
use std::collections::BTreeMap;
use std::fmt::Debug;

/// The names that are read in any format.
const KNOWN: &[&str] = &[
    "Base64Signature",
    "Payload",
    "Cert",
    "Chain",
    "Raw",
    "critical",
    "identity",
    "docker-reference",
    "image",
    "docker-manifest-digest",
    "type",
    "optional",
    "_type",
    "subject",
    "name",
    "digest",
    "sha256",
    "sha384",
    "sha512",
    "annotations",
    "predicateType",
    "predicate",
    "mediaType",
    "verificationMaterial",
    "publicKey",
    "hint",
    "certificate",
    "x509CertificateChain",
    "certificates",
    "rawBytes",
    "tlogEntries",
    "messageSignature",
    "messageDigest",
    "algorithm",
    "signature",
    "dsseEnvelope",
    "payload",
    "payloadType",
    "signatures",
    "sig",
    "layers",
    "manifests",
    "size",
    "artifactType",
    "config",
    "schemaVersion",
];

/// What these hold is the author's own.
const FREE: &[&str] = &["annotations", "optional", "predicate", "platform"];

#[derive(Clone, Copy)]
enum Wins {
    First,
    Last,
}

/// Any text: each of our readers that accepts it reads the same from what lenient readers make of it.
pub(crate) fn strict(bytes: &[u8]) {
    same(bytes, |text| Bundle::decode(text).ok());
    same(bytes, |text| SimpleSigning::decode(text).ok());
    same(bytes, |text| {
        SignedPayload::decode(text)
            .ok()
            .map(|s| (s.base64_signature, s.payload, s.cert))
    });
    same(bytes, |text| {
        Statement::decode(&envelope(text)).ok().flatten()
    });
    same(bytes, image::facts);
}

fn same<T: Debug + PartialEq>(bytes: &[u8], read: impl Fn(&[u8]) -> Option<T>) {
    let Some(ours) = read(bytes) else {
        return;
    };
    let text = std::str::from_utf8(bytes).expect("JSON is UTF-8");
    for wins in [Wins::First, Wins::Last] {
        let theirs = lenient(text.trim(), wins, false);
        assert_eq!(read(theirs.as_bytes()).as_ref(), Some(&ours), "{theirs}");
    }
}

fn envelope(payload: &[u8]) -> Envelope {
    let none = Digest::new(DigestAlgorithm::Sha256, vec![0; 32]).expect("a digest");
    Envelope {
        payload: payload.to_vec(),
        ..signing_statement("", &none, &BTreeMap::new())
    }
}

/// The text as a lenient reader understands it, with each name once, as we know it.
fn lenient(text: &str, wins: Wins, free: bool) -> String {
    match text.as_bytes().first() {
        Some(b'{') => {
            let Fields(fields) = serde_json::from_str(text).expect("what we read is JSON");
            let mut kept: Vec<(String, String)> = Vec::new();
            for (name, value) in fields {
                let name = if free { name } else { known(name) };
                let value = lenient(value.get(), wins, free || FREE.contains(&name.as_str()));
                match (kept.iter_mut().find(|(other, _)| *other == name), wins) {
                    (Some(_), Wins::First) => {}
                    (Some((_, kept)), Wins::Last) => *kept = value,
                    (None, _) => kept.push((name, value)),
                }
            }
            let fields = kept
                .iter()
                .map(|(name, value)| format!("{}:{value}", serde_json::Value::from(name.as_str())));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        Some(b'[') => {
            let values: Vec<Box<RawValue>> =
                serde_json::from_str(text).expect("what we read is JSON");
            let values = values.iter().map(|value| lenient(value.get(), wins, free));
            format!("[{}]", values.collect::<Vec<_>>().join(","))
        }
        _ => text.to_owned(),
    }
}

/// The name that a lenient reader takes this one for.
fn known(name: String) -> String {
    let folded = |name: &str| {
        name.replace('_', "")
            .replace('\u{17f}', "s")
            .replace('\u{212a}', "k")
            .to_ascii_lowercase()
    };
    if KNOWN.contains(&name.as_str()) {
        return name;
    }
    let other = KNOWN.iter().find(|known| folded(known) == folded(&name));
    other.map_or(name, |known| (*known).to_owned())
}

/// The fields of an object, in their order, those too that stand twice.
struct Fields(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Fields;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}
