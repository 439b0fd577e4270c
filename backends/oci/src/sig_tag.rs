//! cosign's own signatures: simple-signing payloads as the layers of a manifest, under the tag `sha256-<digest>.sig`.

use crate::conversation::Conversation;
use crate::document::{Document, Entry};
use crate::failure::{integrity, invalid};
use crate::found::{Found, PART, in_parallel, take};
use crate::id::{Id, layer_name};
use crate::lock::Locks;
use crate::manifest::{Descriptor, Manifest, Part, encode, media, sha256};
use crate::tagged::{Change, Round, Tagged};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pem::{EncodeConfig, LineEnding, Pem};
use serde::Serialize;
use serde_json::Value;
use sigtool_sdk::json::{self, Shape};
use sigtool_sdk::types::{
    Bytes, Digest, PayloadCertificate, SignatureFormat, SignedPayload, StoredSignature,
};
use sigtool_sdk::{Error, ErrorCode, Result};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::AtomicUsize;

/// The longest payload, in bytes. A common one has 250.
const MAX_PAYLOAD: usize = 1024 * 1024;

/// The keys of cosign's code; its specification names others for the certificate and the chain.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
const CHAIN: &str = "dev.sigstore.cosign/chain";
const BUNDLE: &str = "dev.sigstore.cosign/bundle";
const TIMESTAMP: &str = "dev.sigstore.cosign/rfc3161timestamp";

/// The tag of an image's signatures.
pub(crate) fn tag(subject: &Digest) -> String {
    format!("sha256-{}.sig", subject.to_hex())
}

/// A manifest of signatures, where users would look for it, and how its signatures are called: by the manifest and the layer.
pub(crate) struct Layers<'a> {
    pub(crate) manifest: &'a Manifest,
    pub(crate) location: &'a str,
    pub(crate) name: fn(Digest, String) -> Id,
}

impl Layers<'_> {
    /// Reads the signatures, the newest first: the part that begins at `from`.
    pub(crate) fn read(
        &self,
        conversation: &Conversation,
        from: usize,
        budget: &AtomicUsize,
    ) -> Found {
        let mut found = Found::default();
        let mut layers = self.layers(&mut found);
        found.bound(conversation, &mut layers, from);
        let payloads = payloads(conversation, &layers);
        for layer in &layers {
            let payload = payloads.get(&layer.digest).cloned();
            let payload = payload.unwrap_or_else(|| {
                Err(Error::new(
                    ErrorCode::Internal,
                    "a payload was not asked for",
                ))
            });
            match payload.and_then(|payload| self.signature(layer, payload, budget)) {
                Ok(signature) => found.signatures.push(signature),
                Err(error) => found.failures.push(error),
            }
        }
        found
    }

    /// All of them.
    pub(crate) fn read_all(&self, conversation: &Conversation, budget: &AtomicUsize) -> Found {
        let mut all = self.read(conversation, 0, budget);
        let mut from = 0;
        while all.more {
            from += PART;
            all.extend(self.read(conversation, from, budget));
        }
        all
    }

    /// What may be signatures.
    fn layers(&self, found: &mut Found) -> Vec<Descriptor> {
        if !matches!(
            self.manifest.json.get("layers"),
            Some(Value::Array(_) | Value::Null)
        ) {
            found.failures.push(integrity(format!(
                "`{}` is not a manifest of signatures: it has no layers",
                self.location
            )));
        }
        let mut layers = Vec::new();
        // cosign appends.
        for layer in self.manifest.list("layers").iter().rev() {
            // One that does not say what it is may be one.
            let media_type = layer.get("mediaType").and_then(Value::as_str);
            if media_type.is_some_and(|media_type| media_type != media::SIMPLE_SIGNING) {
                continue;
            }
            match Descriptor::parse(layer) {
                Ok(layer) => layers.push(layer),
                Err(error) => found.failures.push(error),
            }
        }
        layers
    }

    fn signature(
        &self,
        layer: &Descriptor,
        payload: Vec<u8>,
        budget: &AtomicUsize,
    ) -> Result<StoredSignature> {
        let (signature, content) = signed_payload(layer, payload)?;
        take(budget, content.len() as u64, self.location)?;
        let layer = layer_name(&signature, &layer.digest);
        let id = (self.name)(self.manifest.digest.clone(), layer);
        Ok(StoredSignature {
            id: id.to_string(),
            format: SignatureFormat::Cosign,
            location: self.location.to_owned(),
            content: Bytes(content),
        })
    }
}

fn is_signature(layer: &Value) -> bool {
    layer.get("mediaType").and_then(Value::as_str) == Some(media::SIMPLE_SIGNING)
}

/// The payloads of layers. Two signers of one image have the same, which is downloaded once.
fn payloads(
    conversation: &Conversation,
    layers: &[Descriptor],
) -> HashMap<Digest, Result<Vec<u8>>> {
    let mut distinct: Vec<&Descriptor> = Vec::new();
    for layer in layers {
        if !distinct.iter().any(|d| d.digest == layer.digest) {
            distinct.push(layer);
        }
    }
    let outcomes = in_parallel(&distinct, |layer| conversation.blob(layer, MAX_PAYLOAD));
    let digests = distinct.iter().map(|layer| layer.digest.clone());
    digests.zip(outcomes).collect()
}

/// A layer and its payload in the form that crosses the seam, and the signature as it is written in the layer.
fn signed_payload(layer: &Descriptor, payload: Vec<u8>) -> Result<(String, Vec<u8>)> {
    let malformed = |key: &str, why: &str| {
        integrity(format!(
            "the signature in the layer `{}` is malformed",
            layer.digest
        ))
        .because(format!("`{key}` {why}"))
    };
    // cosign 3 writes empty annotations where it has nothing to say.
    let annotation = |key: &str| layer.annotation(key).filter(|value| !value.is_empty());
    let value = |key: &str| {
        annotation(key)
            .map(|text| {
                json::parse(text.as_bytes(), Shape::Free)
                    .map_err(|e| malformed(key, &format!("is not JSON that can be read: {e}")))
            })
            .transpose()
    };
    let certificates = |key: &str| {
        annotation(key)
            .map(|text| {
                certificates(text).ok_or_else(|| malformed(key, "holds no certificate in PEM"))
            })
            .transpose()
    };
    let signature = annotation(SIGNATURE).ok_or_else(|| malformed(SIGNATURE, "is missing"))?;
    let raw = STANDARD
        .decode(signature)
        .map_err(|_| malformed(SIGNATURE, "is not Base64"))?;
    let content = SignedPayload {
        base64_signature: Bytes(raw),
        payload: Bytes(payload),
        cert: certificates(CERTIFICATE)?.and_then(|found| found.into_iter().next()),
        chain: certificates(CHAIN)?,
        bundle: value(BUNDLE)?,
        timestamp: value(TIMESTAMP)?,
    };
    Ok((signature.to_owned(), encode(&content)?))
}

/// The certificates in a text, or `None` if there is none.
fn certificates(text: &str) -> Option<Vec<PayloadCertificate>> {
    let found = pem::parse_many(text).ok()?;
    let all_certificates = found.iter().all(|block| block.tag() == "CERTIFICATE");
    (!found.is_empty() && all_certificates).then(|| {
        found
            .into_iter()
            .map(|block| PayloadCertificate {
                raw: Bytes(block.into_contents()),
            })
            .collect()
    })
}

/// A signature to be published.
struct Layer<'a> {
    payload: &'a [u8],
    part: Part<'a>,
    name: String,
}

impl<'a> Layer<'a> {
    fn new(signed: &'a SignedPayload) -> Result<Self> {
        let signature = STANDARD.encode(&*signed.base64_signature);
        if signature.is_empty() || signed.payload.is_empty() {
            return Err(invalid("a signature of an image without a payload"));
        }
        if signed.payload.len() > MAX_PAYLOAD {
            return Err(invalid("the payload is larger than 1 MiB"));
        }
        let name = layer_name(&signature, &sha256(&signed.payload));
        let mut annotations = BTreeMap::from([(SIGNATURE, signature)]);
        if let Some(certificate) = &signed.cert {
            annotations.insert(CERTIFICATE, armored(std::slice::from_ref(certificate)));
        }
        if let Some(chain) = signed.chain.as_deref().filter(|chain| !chain.is_empty()) {
            annotations.insert(CHAIN, armored(chain));
        }
        for (key, value) in [(BUNDLE, &signed.bundle), (TIMESTAMP, &signed.timestamp)] {
            if let Some(value) = value {
                annotations.insert(key, value.to_string());
            }
        }
        Ok(Self {
            payload: &signed.payload,
            part: Part {
                annotations,
                ..Part::of(media::SIMPLE_SIGNING, &signed.payload)
            },
            name,
        })
    }
}

fn armored(certificates: &[PayloadCertificate]) -> String {
    let blocks: Vec<Pem> = certificates
        .iter()
        .map(|certificate| Pem::new("CERTIFICATE", certificate.raw.0.clone()))
        .collect();
    let config = EncodeConfig::new().set_line_ending(LineEnding::LF);
    blocks
        .iter()
        .map(|block| pem::encode_config(block, config))
        .collect()
}

/// Publishes a signature in place of those of these names. What it is now called.
///
/// # Errors
///
/// - `invalid-request`: it is not a signature of an image.
/// - Those of the registry. Until the manifest is written, nothing is to be seen.
pub(crate) fn publish(
    conversation: &Conversation,
    locks: &Locks,
    subject: &Digest,
    content: &[u8],
    replaced: &[String],
) -> Result<Id> {
    let signed = SignedPayload::decode(content).map_err(|e| {
        invalid("what is to be attached is not a signature of an image in cosign's format")
            .because(e)
    })?;
    let layer = Layer::new(&signed)?;
    conversation.push_blob(layer.payload)?;
    change(conversation, locks, subject, Some(&layer), replaced)?;
    Ok(Id::Layer(layer.name))
}

/// Removes the signatures of these names. Others' stay as they are.
///
/// # Errors
///
/// Those of the registry.
pub(crate) fn remove(
    conversation: &Conversation,
    locks: &Locks,
    subject: &Digest,
    names: &[String],
) -> Result<()> {
    change(conversation, locks, subject, None, names)
}

/// Whether the tag has a signature of this name.
///
/// # Errors
///
/// Those of the registry.
pub(crate) fn has(conversation: &Conversation, subject: &Digest, name: &str) -> Result<bool> {
    let manifest = conversation.beside(subject, &tag(subject))?;
    let layers = manifest.as_ref().map_or(&[][..], |m| m.list("layers"));
    Ok(layers
        .iter()
        .any(|layer| name_of(layer).as_deref() == Some(name)))
}

/// The name of a signature in a manifest, if it is one.
fn name_of(layer: &Value) -> Option<String> {
    let parsed = Descriptor::parse(layer)
        .ok()
        .filter(|_| is_signature(layer))?;
    Some(layer_name(parsed.annotation(SIGNATURE)?, &parsed.digest))
}

fn change(
    conversation: &Conversation,
    locks: &Locks,
    subject: &Digest,
    added: Option<&Layer>,
    removed: &[String],
) -> Result<()> {
    let added_name = added.map(|layer| layer.name.as_str());
    let is_removed = |layer: &Value| -> bool {
        name_of(layer)
            .is_some_and(|name| Some(name.as_str()) != added_name && removed.contains(&name))
    };
    let is_added = |layer: &Value| name_of(layer).as_deref() == added_name;
    let is_done = |layers: &[Value]| {
        (added.is_none() || layers.iter().any(is_added)) && !layers.iter().any(is_removed)
    };
    let plan = |round: Round| {
        if round.now.is_some_and(Manifest::is_index) {
            return Err(integrity(
                "the tag of the signatures names no manifest of layers",
            ));
        }
        if is_done(round.now.map_or(&[], |now| now.list("layers"))) {
            return Ok(Change::Nothing);
        }
        let document = match round.now {
            Some(now) => Document::of(now)?,
            None => new_manifest()?,
        };
        let mut layers = document.list("layers")?;
        layers.retain(|layer| !is_removed(&layer.value));
        if let Some(added) = added
            && !layers.iter().any(|layer| is_added(&layer.value))
        {
            layers.push(Entry::new(&added.part)?);
        }
        let empty = layers.is_empty();
        let config = config(&layers)?;
        if !empty {
            conversation.push_blob(&config)?;
        }
        let (media_type, bytes) = manifest(round.now, document, &layers, &config)?;
        Ok(Change::Write {
            media_type,
            bytes,
            empty,
        })
    };
    let tagged = Tagged {
        conversation,
        locks,
        subject,
        tag: tag(subject),
    };
    tagged.change(plan, |now| {
        is_done(now.map_or(&[], |now| now.list("layers")))
    })
}

/// The configuration of a manifest of signatures, as cosign writes it: one entry of history a layer.
#[derive(Serialize)]
struct Config<'a> {
    architecture: &'a str,
    created: &'a str,
    history: Vec<History<'a>>,
    os: &'a str,
    rootfs: RootFs<'a>,
    config: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct History<'a> {
    created: &'a str,
}

#[derive(Serialize)]
struct RootFs<'a> {
    r#type: &'a str,
    diff_ids: Vec<&'a str>,
}

fn config(layers: &[Entry]) -> Result<Vec<u8>> {
    /// Go's zero time: cosign's signatures do not depend on when they are made.
    const CREATED: &str = "0001-01-01T00:00:00Z";
    encode(&Config {
        architecture: "",
        created: CREATED,
        history: layers
            .iter()
            .map(|_| History { created: CREATED })
            .collect(),
        os: "",
        rootfs: RootFs {
            r#type: "layers",
            // Payloads are not compressed.
            diff_ids: layers
                .iter()
                .map(|layer| {
                    layer
                        .value
                        .get("digest")
                        .and_then(Value::as_str)
                        .unwrap_or("")
                })
                .collect(),
        },
        config: BTreeMap::new(),
    })
}

/// A manifest of signatures that others have not begun, in cosign's order of fields.
fn new_manifest() -> Result<Document> {
    let mut manifest = Document::default();
    manifest.set("schemaVersion", &2)?;
    manifest.set("mediaType", &media::OCI_MANIFEST)?;
    Ok(manifest)
}

/// The manifest with these layers, as it was in all else; and its media type.
fn manifest(
    now: Option<&Manifest>,
    mut document: Document,
    layers: &[Entry],
    config: &[u8],
) -> Result<(String, Vec<u8>)> {
    // cosign writes Docker's media types if it is told to.
    let config_type = now
        .and_then(|now| now.json.get("config")?.get("mediaType")?.as_str())
        .unwrap_or(media::OCI_CONFIG);
    document.set("config", &Part::of(config_type, config))?;
    document.set("layers", &layers)?;
    let media_type = now.map_or(media::OCI_MANIFEST, |now| &now.media_type);
    Ok((media_type.to_owned(), document.encode()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fixture, INDEX, OCI, TestRegistry, signed_payload as signed};
    use serde_json::json;

    const COSIGN: &[SignatureFormat] = &[SignatureFormat::Cosign];

    #[test]
    fn the_configuration_is_byte_for_byte_as_cosign_writes_it() {
        let digest = sha256(b"payload").to_string();
        let layer = || Entry::new(&json!({ "digest": digest })).unwrap();
        let one = config(&[layer()]).unwrap();
        let expected = format!(
            r#"{{"architecture":"","created":"0001-01-01T00:00:00Z","history":[{{"created":"0001-01-01T00:00:00Z"}}],"os":"","rootfs":{{"type":"layers","diff_ids":["{digest}"]}},"config":{{}}}}"#
        );
        assert_eq!(String::from_utf8(one.clone()).unwrap(), expected);
        // What cosign's own have, as seen in public registries.
        assert_eq!(one.len(), 233);
        assert_eq!(config(&[layer(), layer()]).unwrap().len(), 342);
    }

    #[test]
    fn a_new_manifest_is_byte_for_byte_as_cosign_writes_it() {
        let signed: SignedPayload = serde_json::from_slice(&signed(7)).unwrap();
        let layer = Layer::new(&signed).unwrap();
        let layers = [Entry::new(&layer.part).unwrap()];
        let (_, bytes) = manifest(None, new_manifest().unwrap(), &layers, b"{}").unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let begins = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":2,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},"layers":["#;
        assert!(text.starts_with(begins), "{text}");
        let (size, digest) = (signed.payload.len(), sha256(&signed.payload));
        let layer = serde_json::to_string(&layer.part).unwrap();
        let signature = STANDARD.encode([7; 70]);
        assert_eq!(
            layer,
            format!(
                r#"{{"mediaType":"application/vnd.dev.cosign.simplesigning.v1+json","size":{size},"digest":"{digest}","annotations":{{"dev.cosignproject.cosign/signature":"{signature}"}}}}"#
            )
        );
    }

    #[test]
    fn all_that_crosses_the_seam_comes_back() {
        let certificate = |n: u8| PayloadCertificate {
            raw: vec![n; 100].into(),
        };
        let full = SignedPayload {
            base64_signature: vec![1; 70].into(),
            payload: b"{}".as_slice().into(),
            cert: Some(certificate(1)),
            chain: Some(vec![certificate(2), certificate(3)]),
            bundle: Some(json!({ "SignedEntryTimestamp": "x", "Payload": { "logIndex": 1 } })),
            timestamp: Some(json!({ "SignedRFC3161Timestamp": "y" })),
        };
        let fixture = Fixture::new(TestRegistry::start(false));
        let image = fixture.registry.image();
        let content = serde_json::to_vec(&full).unwrap();
        fixture
            .attach(&image, SignatureFormat::Cosign, &content, &[])
            .unwrap();
        let (_, reply) = fixture.list(&image, COSIGN);
        let back: SignedPayload = serde_json::from_slice(&reply.signatures[0].content).unwrap();
        assert_eq!(back, full);
        let tag = image.split_once('@').unwrap().1.replace(':', "-") + ".sig";
        let written = fixture.registry.memory.tagged(&tag).unwrap();
        let pem = written["layers"][0]["annotations"][CERTIFICATE]
            .as_str()
            .unwrap();
        assert!(pem.starts_with("-----BEGIN CERTIFICATE-----\n") && !pem.contains('\r'));
    }

    /// A `.sig` manifest as another tool wrote it.
    fn others(fixture: &Fixture, image: &str) -> (String, Value) {
        let payload = fixture.registry.memory.keep_blob(b"theirs");
        let tag = image.split_once('@').unwrap().1.replace(':', "-") + ".sig";
        let layer = |annotations: Value| {
            json!({
                "mediaType": media::SIMPLE_SIGNING, "size": 6, "digest": payload,
                "annotations": annotations, "x-unknown": { "z": 1, "a": [2] },
            })
        };
        let manifest = json!({
            "schemaVersion": 2, "mediaType": OCI,
            "config": { "mediaType": "application/vnd.docker.container.image.v1+json", "size": 2, "digest": "sha256:x" },
            "layers": [
                layer(json!({ SIGNATURE: "AQID", CERTIFICATE: "", CHAIN: "", BUNDLE: "", "other": "kept" })),
                { "mediaType": "application/x-unknown", "digest": "sha512:…", "size": 1 },
                layer(json!({ SIGNATURE: "not Base64!" })),
                layer(json!({ SIGNATURE: "AQIE", CERTIFICATE: "no PEM" })),
                layer(json!({ SIGNATURE: "AQIF", BUNDLE: "{" })),
                layer(json!({})),
            ],
            "annotations": { "by": "another tool" },
        });
        fixture
            .registry
            .memory
            .keep(&tag, OCI, manifest.to_string());
        (tag, manifest)
    }

    #[test]
    fn the_layers_of_others_stay_as_they_are_and_in_their_order() {
        let fixture = Fixture::new(TestRegistry::start(false));
        let image = fixture.registry.image();
        let (tag, before) = others(&fixture, &image);
        let attach = |number: u8, replaces: &[&str]| {
            let content = signed(number);
            fixture
                .attach(&image, SignatureFormat::Cosign, &content, replaces)
                .unwrap()
                .id
        };
        let one = attach(1, &[]);
        let two = attach(2, &[]);
        let three = attach(3, &[&one]);
        let now = fixture.registry.memory.tagged(&tag).unwrap();
        let layers = now["layers"].as_array().unwrap();
        let theirs = before["layers"].as_array().unwrap();
        assert_eq!(layers[..theirs.len()], theirs[..]);
        let ours: Vec<String> = layers[theirs.len()..]
            .iter()
            .map(|layer| format!("sig:{}", name_of(layer).unwrap()))
            .collect();
        assert_eq!(ours, [two.clone(), three.clone()]);
        assert_eq!(now["annotations"], before["annotations"]);
        let config = &now["config"];
        assert_eq!(config["mediaType"], before["config"]["mediaType"]);
        let blobs = fixture.registry.memory.blobs.lock().unwrap();
        let config: Value =
            serde_json::from_slice(&blobs[config["digest"].as_str().unwrap()]).unwrap();
        assert_eq!(
            config["rootfs"]["diff_ids"].as_array().unwrap().len(),
            layers.len()
        );
        drop(blobs);
        for id in [two, three] {
            fixture.detach(&image, &id).unwrap();
        }
        assert_eq!(
            fixture.registry.memory.tagged(&tag).unwrap()["layers"],
            before["layers"]
        );
    }

    #[test]
    fn a_malformed_layer_is_a_failure_and_an_empty_annotation_is_none() {
        let fixture = Fixture::new(TestRegistry::start(false));
        let image = fixture.registry.image();
        let (tag, _) = others(&fixture, &image);
        let reply = fixture.page(&image, COSIGN, None).unwrap();
        assert_eq!(reply.signatures.len(), 1);
        let found = &reply.signatures[0];
        assert_eq!(
            found.location,
            format!("{}:{tag}", fixture.registry.repository())
        );
        let content: SignedPayload = serde_json::from_slice(&found.content).unwrap();
        assert_eq!(
            (&*content.base64_signature, &*content.payload),
            (&[1, 2, 3][..], &b"theirs"[..])
        );
        assert!(content.cert.is_none() && content.chain.is_none() && content.bundle.is_none());
        assert_eq!(reply.failures.len(), 4, "{:?}", reply.failures);
        // One manifest, and one payload for all layers.
        assert_eq!(
            fixture.registry.requests(),
            ["GET manifests/tag.sig", "GET blobs"]
        );
    }

    /// What cannot be read may be a signature: it is told, and never taken for none.
    #[test]
    fn a_tag_that_names_something_odd_is_a_failure() {
        for (media_type, manifest) in [
            (INDEX, json!({ "mediaType": INDEX, "manifests": [] })),
            (OCI, json!({ "mediaType": OCI, "layers": [{ "size": 1 }] })),
            (OCI, json!({ "mediaType": OCI, "layers": ["x"] })),
        ] {
            let fixture = Fixture::new(TestRegistry::start(false));
            let image = fixture.registry.image();
            let tag = image.split_once('@').unwrap().1.replace(':', "-") + ".sig";
            let memory = &fixture.registry.memory;
            memory.keep(&tag, media_type, manifest.to_string());
            let reply = fixture.page(&image, COSIGN, None).unwrap();
            assert_eq!(reply.failures.len(), 1, "{manifest}");
        }
    }

    #[test]
    fn the_last_signature_takes_the_tag_with_it() {
        let fixture = Fixture::new(TestRegistry::start(false));
        let image = fixture.registry.image();
        let content = signed(1);
        let id = fixture
            .attach(&image, SignatureFormat::Cosign, &content, &[])
            .unwrap()
            .id;
        fixture.detach(&image, &id).unwrap();
        assert_eq!(fixture.registry.memory.tags.lock().unwrap().len(), 1);
        let error = fixture.detach(&image, &id).unwrap_err();
        assert_eq!(error.code, ErrorCode::NotFound);
    }

    #[test]
    fn what_is_no_signature_of_an_image_is_not_published() {
        let fixture = Fixture::new(TestRegistry::start(false));
        let image = fixture.registry.image();
        for content in [
            "",
            "{}",
            "MEUCIQ==",
            r#"{"Base64Signature":"","Payload":""}"#,
        ] {
            let attached = fixture.attach(&image, SignatureFormat::Cosign, content.as_bytes(), &[]);
            assert_eq!(
                attached.unwrap_err().code,
                ErrorCode::InvalidRequest,
                "{content}"
            );
        }
        assert!(fixture.registry.requests().is_empty());
    }

    #[test]
    fn cosigns_own_signatures_as_referrers_are_read() {
        let fixture = Fixture::new(TestRegistry::start(true));
        let image = fixture.registry.image();
        let payload = fixture.registry.memory.keep_blob(b"payload");
        let layer = |signature: &str| {
            json!({
                "mediaType": media::SIMPLE_SIGNING, "size": 7, "digest": payload,
                "annotations": { SIGNATURE: signature },
            })
        };
        let refer = |layers: Value| {
            let manifest = json!({
                "mediaType": OCI, "artifactType": media::COSIGN_REFERRER, "layers": layers,
                "subject": { "digest": image.split_once('@').unwrap().1 },
            });
            fixture
                .registry
                .memory
                .keep(&layers.to_string(), OCI, manifest.to_string())
        };
        let single = refer(json!([layer("AQID")]));
        let double = refer(json!([layer("AQIE"), layer("AQIF")]));
        let (pages, reply) = fixture.list(&image, COSIGN);
        assert_eq!(pages, ["referrers", "fallback-tag"]);
        let mut ids: Vec<&str> = reply.signatures.iter().map(|s| s.id.as_str()).collect();
        ids.sort_unstable();
        assert_eq!(ids.len(), 3);
        assert!(ids[0].starts_with(&format!("part:{double}:")) && ids[1].starts_with("part:"));
        assert_eq!(ids[2], format!("referrer:{single}"));
        let error = fixture.detach(&image, ids[0]).unwrap_err();
        assert!(error.to_string().contains("with others"), "{error}");
        fixture.detach(&image, ids[2]).unwrap();
    }
}
