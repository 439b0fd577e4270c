//! What registries keep: manifests and indexes of the [OCI image specification] and of Docker, bounded, with their digests proved.
//!
//! [OCI image specification]: https://github.com/opencontainers/image-spec

use super::failure::{integrity, invalid};
use super::reference::digest_of;
use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use jiff::SignedDuration;
use jiff::civil::date;
use serde::Serialize;
use serde_json::{Map, Value};
use sigtool_sdk::json::{self, Shape};
use sigtool_sdk::text::quoted;
use sigtool_sdk::types::{Digest, DigestAlgorithm};
use sigtool_sdk::{Error, ErrorCode, Result};
use std::collections::BTreeMap;

/// The longest manifest, in bytes: what the distribution specification asks registries to take at least.
pub(crate) const MAX_MANIFEST: usize = 4 * 1024 * 1024;

/// Media types.
pub(crate) mod media {
    pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    pub(super) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
    pub(crate) const DOCKER_INDEX: &str =
        "application/vnd.docker.distribution.manifest.list.v2+json";
    pub(crate) const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    pub(crate) const EMPTY: &str = "application/vnd.oci.empty.v1+json";
    /// What bundles of every version begin with.
    pub(crate) const ANY_BUNDLE: &str = "application/vnd.dev.sigstore.bundle";
    pub(crate) const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
    pub(crate) const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
    /// cosign's own signatures as a referrer.
    pub(crate) const COSIGN_REFERRER: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";
    /// What manifests of before 2016 begin with.
    pub(super) const DOCKER_SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1";
}

/// What we ask for when we ask for a manifest.
pub(crate) const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, \
    application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json";

/// The fields of manifests and indexes that the specification and Docker define, in one: what one reader takes for a manifest must
/// not be an index for the next (CVE-2021-41190). The specification demands that other fields are ignored.
const SHAPE: Shape = Shape::Open(&[
    ("schemaVersion", Shape::Free),
    ("mediaType", Shape::Free),
    ("artifactType", Shape::Free),
    ("config", DESCRIPTOR),
    ("layers", Shape::List(&DESCRIPTOR)),
    ("manifests", Shape::List(&DESCRIPTOR)),
    ("subject", DESCRIPTOR),
    ("annotations", Shape::Free),
]);

const DESCRIPTOR: Shape = Shape::Open(&[
    ("mediaType", Shape::Free),
    ("digest", Shape::Free),
    ("size", Shape::Free),
    ("urls", Shape::Free),
    ("annotations", Shape::Free),
    ("data", Shape::Free),
    ("artifactType", Shape::Free),
    ("platform", Shape::Free),
]);

/// A manifest or an index, as a registry gave it.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    /// Exactly what the digest is of.
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: Digest,
    pub(crate) media_type: String,
    pub(crate) json: Map<String, Value>,
}

impl Manifest {
    /// Reads a manifest. `content_type` is what the registry calls it.
    ///
    /// # Errors
    ///
    /// - `integrity`: it is not a JSON object, or is two things at once, or would be another thing to another reader.
    /// - `invalid-request`: Docker's schema 1.
    pub(crate) fn parse(bytes: Vec<u8>, content_type: Option<&str>) -> Result<Self> {
        let json: Map<String, Value> = json::decode(&bytes, SHAPE)
            .map_err(|e| integrity("what the registry sent is not a manifest").because(e))?;
        let media_type = media_type(&json, content_type)?;
        Ok(Self {
            digest: sha256(&bytes),
            bytes,
            media_type,
            json,
        })
    }

    /// Whether it lists other manifests.
    pub(crate) fn is_index(&self) -> bool {
        is_index(&self.media_type)
    }

    /// What it lists: the manifests of an index, the layers of a manifest.
    pub(crate) fn list(&self, name: &str) -> &[Value] {
        self.json
            .get(name)
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }

    pub(crate) fn descriptor(&self) -> Subject {
        Subject {
            media_type: self.media_type.clone(),
            size: self.bytes.len() as u64,
        }
    }
}

fn is_index(media_type: &str) -> bool {
    [media::OCI_INDEX, media::DOCKER_INDEX].contains(&media_type)
}

/// What a manifest says it is, and the registry calls it: one thing, or nobody knows what was signed (CVE-2021-41190).
fn media_type(json: &Map<String, Value>, content_type: Option<&str>) -> Result<String> {
    let own = json.get("mediaType").and_then(Value::as_str);
    // Some registries call everything `application/json` or `text/plain`.
    let called = content_type
        .map(|t| t.split(';').next().unwrap_or(t).trim())
        .filter(|t| t.starts_with("application/vnd."));
    if let (Some(own), Some(called)) = (own, called)
        && own != called
    {
        return Err(integrity(format!(
            "a manifest calls itself {}, and the registry calls it {}",
            quoted(own),
            quoted(called)
        )));
    }
    let version = json.get("schemaVersion").and_then(Value::as_u64);
    let known = own.or(called);
    if version == Some(1) || known.is_some_and(|t| t.starts_with(media::DOCKER_SCHEMA_1)) {
        return Err(invalid("the image has a manifest of Docker's schema 1")
            .because("its digest does not cover its layers in a way that could be signed")
            .hint("push it again with a Docker of this decade"));
    }
    let (is_index, is_manifest) = (json.contains_key("manifests"), json.contains_key("layers"));
    if is_index && is_manifest {
        return Err(integrity(
            "a manifest lists both manifests and layers, so what it is depends on who reads it",
        ));
    }
    let media_type = match known {
        Some(known) => known,
        None if is_index => media::OCI_INDEX,
        None => media::OCI_MANIFEST,
    };
    let list = match media_type {
        media::OCI_INDEX | media::DOCKER_INDEX => "manifests",
        media::OCI_MANIFEST | media::DOCKER_MANIFEST => "layers",
        // What other things have is their own affair.
        other => return Ok(other.to_owned()),
    };
    // A page of a proxy may be JSON too. Go writes an empty list as `null`.
    match json.get(list) {
        Some(Value::Array(_) | Value::Null) => Ok(media_type.to_owned()),
        _ => Err(integrity(format!(
            "what the registry sent is not a manifest: it has no `{list}`"
        ))),
    }
}

/// What is known of the manifest that a signature is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) media_type: String,
    pub(crate) size: u64,
}

/// An entry of an index, or a layer of a manifest, as far as it is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) artifact_type: Option<String>,
    pub(crate) annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// # Errors
    ///
    /// `integrity`: it has no media type, no size or no digest by SHA-256.
    pub(crate) fn parse(value: &Value) -> Result<Self> {
        let parsed: oci_spec::image::Descriptor = serde_json::from_value(value.clone())
            .map_err(|e| integrity("the registry lists something malformed").because(e))?;
        Ok(Self {
            media_type: parsed.media_type().to_string(),
            digest: digest_of(parsed.digest().as_ref())?,
            size: parsed.size(),
            artifact_type: parsed.artifact_type().as_ref().map(ToString::to_string),
            annotations: parsed
                .annotations()
                .clone()
                .unwrap_or_default()
                .into_iter()
                .collect(),
        })
    }

    /// Whether it is one of an index.
    pub(crate) fn is_index(&self) -> bool {
        is_index(&self.media_type)
    }

    pub(crate) fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.get(name).map(String::as_str)
    }
}

/// A reference to bytes in the JSON order of Go, which is also cosign's.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Part<'a> {
    pub(crate) media_type: &'a str,
    pub(crate) size: u64,
    pub(crate) digest: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<&'a str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) artifact_type: Option<&'a str>,
}

impl<'a> Part<'a> {
    /// A reference to these bytes.
    pub(crate) fn of(media_type: &'a str, bytes: &[u8]) -> Self {
        Self {
            media_type,
            size: bytes.len() as u64,
            digest: sha256(bytes).to_string(),
            annotations: BTreeMap::new(),
            artifact_type: None,
        }
    }
}

/// JSON without spaces.
pub(crate) fn encode(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value)
        .map_err(|e| Error::new(ErrorCode::Internal, "cannot encode a manifest").because(e))
}

/// The digest of bytes by the algorithm that registries use.
pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    digest_by(DigestAlgorithm::Sha256, bytes)
}

/// The digest of bytes.
pub(crate) fn digest_by(algorithm: DigestAlgorithm, bytes: &[u8]) -> Digest {
    let with = match algorithm {
        DigestAlgorithm::Sha256 => &SHA256,
        DigestAlgorithm::Sha384 => &SHA384,
        DigestAlgorithm::Sha512 => &SHA512,
    };
    let digest = digest::digest(with, bytes).as_ref().to_vec();
    match Digest::new(algorithm, digest) {
        Ok(digest) => digest,
        // The algorithm of the library has the length of ours; `expect` is not used in backends.
        Err(_) => unreachable!("a digest has its algorithm's length"),
    }
}

/// Seconds since 1970-01-01 UTC as RFC 3339 writes them, to the end of the year 9999.
pub(crate) fn rfc3339(seconds: u64) -> String {
    let since = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    format!("{}Z", date(1970, 1, 1).at(0, 0, 0, 0).saturating_add(since))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{IMAGE, INDEX, OCI};
    use serde_json::json;

    #[test]
    fn a_time_is_written_as_rfc_3339() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (68_169_599, "1972-02-28T23:59:59Z"),
            (68_169_600, "1972-02-29T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_704_067_199, "2023-12-31T23:59:59Z"),
            (1_704_067_200, "2024-01-01T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
    }

    #[test]
    fn a_manifest_is_one_thing_or_it_is_refused() {
        let parse = |text: &str, called: Option<&str>| Manifest::parse(text.into(), called);
        for (text, called, media_type) in [
            (IMAGE, Some(OCI), OCI),
            (IMAGE, Some("application/json; charset=utf-8"), OCI),
            (IMAGE, None, OCI),
            (r#"{"manifests":[]}"#, None, INDEX),
            (r#"{"manifests":[]}"#, Some("text/plain"), INDEX),
            (
                r#"{"layers":[]}"#,
                Some("application/vnd.oci.image.manifest.v1+json; x"),
                OCI,
            ),
        ] {
            assert_eq!(
                parse(text, called).unwrap().media_type,
                media_type,
                "{text}"
            );
        }
        let deep = "[".repeat(100_000);
        for (text, called, why) in [
            ("", None, "not a manifest"),
            ("[]", None, "not a manifest"),
            ("<html>", Some(OCI), "not a manifest"),
            (deep.as_str(), Some(OCI), "not a manifest"),
            (IMAGE, Some(INDEX), "the registry calls it"),
            (
                r#"{"manifests":[],"layers":[]}"#,
                None,
                "depends on who reads it",
            ),
            (r#"{"schemaVersion":1}"#, None, "schema 1"),
            (
                "{}",
                Some("application/vnd.docker.distribution.manifest.v1+prettyjws"),
                "schema 1",
            ),
        ] {
            let error = parse(text, called).unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
        }
    }

    /// SECURITY.md: "Ambiguous and oversized input is refused". CVE-2021-41190, by case and by repetition too.
    #[test]
    fn a_manifest_that_two_readers_would_read_differently_is_refused() {
        for (text, why) in [
            (r#"{"layers":[],"layers":[]}"#, "stands twice"),
            (
                r#"{"layers":[],"config":{},"config":{}}"#,
                "stands twice in the top level",
            ),
            (
                r#"{"layers":[],"mediaType":"a","mediaType":"a"}"#,
                "stands twice",
            ),
            (
                r#"{"layers":[{"digest":"a","digest":"b"}]}"#,
                "stands twice in `layers.0`",
            ),
            (
                r#"{"layers":[],"annotations":{"a":"1","a":"2"}}"#,
                "stands twice in `annotations`",
            ),
            (
                r#"{"manifests":[],"Layers":[]}"#,
                "another spelling of `layers`",
            ),
            (
                r#"{"layers":[],"MediaType":"x"}"#,
                "another spelling of `mediaType`",
            ),
            (
                r#"{"layers":[{"Digest":"x"}]}"#,
                "`Digest` in `layers.0` is another",
            ),
            (
                r#"{"manifests":[{"MEDIATYPE":"x"}]}"#,
                "in `manifests.0` is another",
            ),
            (r#"{"layers":[],"config":{"Digest":"x"}}"#, "in `config`"),
            (r#"{"layers":[],"subject":{"Size":1}}"#, "in `subject`"),
            ("{\"manifests\":[],\"layer\u{17f}\":[]}", "`layers`"),
        ] {
            let error = Manifest::parse(text.into(), None).unwrap_err();
            assert_eq!(error.code, ErrorCode::Integrity);
            assert!(
                error.to_string().contains(why) || error.causes[0].contains(why),
                "{error:?}"
            );
        }
        let lenient = r#"{"layers":[{"x":1,"platform":{"os":"a","OS":"b"}}],"x-unknown":{"layers":[]},"annotations":{"a":"1","A":"2","layers":"3"}}"#;
        assert!(Manifest::parse(lenient.into(), None).is_ok());
    }

    #[test]
    fn an_entry_without_a_digest_by_sha_256_is_malformed() {
        let good = json!({ "mediaType": OCI, "size": 3, "digest": sha256(b"abc").to_string() });
        assert_eq!(Descriptor::parse(&good).unwrap().digest, sha256(b"abc"));
        for (name, value) in [
            ("digest", json!("sha256:abc")),
            (
                "digest",
                json!(digest_by(DigestAlgorithm::Sha512, b"abc").to_string()),
            ),
            ("digest", json!("sha256:../../../etc/passwd")),
            ("digest", json!(null)),
            ("size", json!(-1)),
            ("size", json!("3")),
            ("mediaType", json!(7)),
            ("annotations", json!({ "a": 1 })),
        ] {
            let mut bad = good.clone();
            bad[name] = value;
            assert!(Descriptor::parse(&bad).is_err(), "{bad}");
        }
        assert!(Descriptor::parse(&json!(null)).is_err());
    }
}
