//! cosign's own signature of an image: a JSON payload that names the image's digest, and the raw signature over it.
//!
//! The payload follows Red Hat's [simple signing], as cosign's code writes it (`sigstore/pkg/signature/payload`); where cosign's
//! `SIGNATURE_SPEC.md` differs, the code is right.
//!
//! [simple signing]: https://www.redhat.com/en/blog/container-image-signing

use super::malformed::Malformed;
use super::statement::annotations;
use serde::Serialize;
use sigtool_sdk::json::{self, Shape};
use sigtool_sdk::types::{Digest, SignedPayload};
use std::collections::BTreeMap;

/// What `critical.type` says in every such payload.
pub const TYPE: &str = "cosign container image signature";

/// cosign's specification writes `docker-manifest-digest` with a capital letter, its code does not, and it reads both.
const SHAPE: Shape = Shape::Open(&[
    (
        "critical",
        Shape::Closed(&[
            (
                "identity",
                Shape::Closed(&[("docker-reference", Shape::Free)]),
            ),
            (
                "image",
                Shape::Closed(&[
                    ("docker-manifest-digest", Shape::Free),
                    ("Docker-manifest-digest", Shape::Free),
                ]),
            ),
            ("type", Shape::Free),
        ]),
    ),
    ("optional", Shape::Free),
]);

/// A payload, decoded and not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimpleSigning {
    /// The image's digest.
    pub digest: Digest,
    /// The repository that the image was signed in, which identifies nothing.
    pub docker_reference: String,
    /// What sort of payload it says it is.
    pub kind: String,
    /// What was signed along with the digest.
    pub annotations: BTreeMap<String, serde_json::Value>,
}

impl SimpleSigning {
    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// It is not JSON, or names no digest, or two.
    pub fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let malformed = |what: String| Malformed::new("the payload", what);
        let value = json::parse(payload, SHAPE).map_err(|e| malformed(e.to_string()))?;
        let critical = &value["critical"];
        let image = &critical["image"];
        let digest = match (
            image["docker-manifest-digest"].as_str(),
            image["Docker-manifest-digest"].as_str(),
        ) {
            (Some(digest), None) | (None, Some(digest)) => digest,
            (None, None) => {
                return Err(malformed("it names no `docker-manifest-digest`".to_owned()));
            }
            (Some(_), Some(_)) => {
                return Err(malformed("it names two digests".to_owned()));
            }
        };
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        Ok(Self {
            digest: digest
                .parse()
                .map_err(|e| malformed(format!("its `docker-manifest-digest`: {e}")))?,
            docker_reference: text(&critical["identity"]["docker-reference"]),
            kind: text(&critical["type"]),
            annotations: annotations(&value["optional"]),
        })
    }
}

/// The payload that signs an image, byte for byte as cosign writes it.
///
/// `docker_reference` is the repository without tag and digest: `ghcr.io/acme/app`.
#[must_use]
pub fn encode_payload(
    docker_reference: &str,
    digest: &Digest,
    annotations: &BTreeMap<String, String>,
) -> Vec<u8> {
    #[derive(Serialize)]
    struct Payload<'a> {
        critical: Critical<'a>,
        optional: Option<&'a BTreeMap<String, String>>,
    }
    #[derive(Serialize)]
    struct Critical<'a> {
        identity: BTreeMap<&'static str, &'a str>,
        image: BTreeMap<&'static str, String>,
        #[serde(rename = "type")]
        kind: &'static str,
    }
    let payload = Payload {
        critical: Critical {
            identity: BTreeMap::from([("docker-reference", docker_reference)]),
            image: BTreeMap::from([("docker-manifest-digest", digest.to_string())]),
            kind: TYPE,
        },
        optional: Some(annotations).filter(|a| !a.is_empty()),
    };
    let text = serde_json::to_string(&payload)
        .unwrap_or_else(|e| unreachable!("texts always encode: {e}"));
    // As Go's encoder does, which has web pages in mind.
    text.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
        .into_bytes()
}

/// A payload and its signature in one file, as `cosign download signature` prints them.
#[must_use]
pub fn encode_signed_payload(payload: Vec<u8>, signature: &[u8]) -> Vec<u8> {
    let signed = SignedPayload {
        base64_signature: signature.into(),
        payload: payload.into(),
        ..SignedPayload::default()
    };
    serde_json::to_vec(&signed).unwrap_or_else(|e| unreachable!("bytes always encode: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest() -> Digest {
        format!("sha256:{}", "ab".repeat(32)).parse().unwrap()
    }

    #[test]
    fn the_payload_is_cosigns_to_the_byte() {
        let hex = "ab".repeat(32);
        let plain = encode_payload("ghcr.io/acme/app", &digest(), &BTreeMap::new());
        assert_eq!(
            String::from_utf8(plain).unwrap(),
            format!(
                r#"{{"critical":{{"identity":{{"docker-reference":"ghcr.io/acme/app"}},"image":{{"docker-manifest-digest":"sha256:{hex}"}},"type":"cosign container image signature"}},"optional":null}}"#
            )
        );
        let annotations = BTreeMap::from([
            ("z".to_owned(), "1".to_owned()),
            ("a".to_owned(), "<&>".to_owned()),
        ]);
        let annotated = encode_payload("r", &digest(), &annotations);
        let text = String::from_utf8(annotated.clone()).unwrap();
        assert!(
            text.ends_with(r#""optional":{"a":"\u003c\u0026\u003e","z":"1"}}"#),
            "{text}"
        );
        let read = SimpleSigning::decode(&annotated).unwrap();
        let annotations = annotations
            .into_iter()
            .map(|(k, v)| (k, v.into()))
            .collect();
        assert_eq!((read.digest, read.annotations), (digest(), annotations));
        assert_eq!(read.kind, TYPE);
    }

    #[test]
    fn a_payload_that_two_readers_would_read_differently_is_refused() {
        let hex = "ab".repeat(32);
        for (image, what) in [
            (String::new(), "names no"),
            (
                r#""docker-manifest-digest":"sha256:AB""#.to_owned(),
                "digest",
            ),
            (
                format!(
                    r#""docker-manifest-digest":"sha256:{hex}","Docker-manifest-digest":"sha256:{hex}""#
                ),
                "two digests",
            ),
        ] {
            let payload = format!(r#"{{"critical":{{"image":{{{image}}}}}}}"#);
            let error = SimpleSigning::decode(payload.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(what), "{error}");
        }
        let named = format!(r#""docker-manifest-digest":"sha256:{hex}""#);
        for (payload, what) in [
            (
                format!(
                    r#"{{"critical":{{"image":{{{named},"DOCKER-MANIFEST-DIGEST":"sha256:{hex}"}}}}}}"#
                ),
                "another spelling of `docker-manifest-digest`",
            ),
            (
                format!(r#"{{"critical":{{"image":{{{named}}}}},"Critical":{{}}}}"#),
                "another spelling of `critical`",
            ),
            (
                format!(r#"{{"critical":{{"image":{{{named}}},"Type":""}}}}"#),
                "another spelling of `type`",
            ),
            (
                format!(r#"{{"critical":{{"image":{{{named}}},"more":1}}}}"#),
                "`more` in `critical` is not known",
            ),
            (
                format!(r#"{{"critical":{{"image":{{{named},"more":1}}}}}}"#),
                "`more` in `critical.image` is not known",
            ),
            (
                format!(r#"{{"critical":{{"image":{{{named}}}}},"optional":{{"a":"1","a":"2"}}}}"#),
                "`a` stands twice in `optional`",
            ),
        ] {
            let error = SimpleSigning::decode(payload.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(what), "{error}");
        }
        let lenient = format!(
            r#"{{"critical":{{"image":{{{named}}}}},"optional":{{"a":"1","A":"2","critical":"3"}},"more":1}}"#
        );
        let read = SimpleSigning::decode(lenient.as_bytes()).unwrap();
        assert_eq!(read.annotations.len(), 3);
        let capital = format!(
            r#"{{"critical":{{"image":{{"Docker-manifest-digest":"sha256:{hex}"}}}},"optional":{{"timestamp":12}}}}"#
        );
        let read = SimpleSigning::decode(capital.as_bytes()).unwrap();
        assert_eq!(read.annotations["timestamp"], 12);
    }
}
