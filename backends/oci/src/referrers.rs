//! Signatures that point at an image: manifests with a `subject`, listed by the registry, or in an index under the fallback tag
//! `sha256-<digest>` where a registry keeps no such lists.

use crate::conversation::Conversation;
use crate::document::{Document, Entry};
use crate::failure::integrity;
use crate::found::{Found, MAX_REPLY, in_parallel, take};
use crate::id::Id;
use crate::lock::Locks;
use crate::manifest::{Descriptor, Manifest, Part, Subject, encode, media, rfc3339, sha256};
use crate::registry::PutManifest;
use crate::sig_tag;
use crate::tagged::{Change, Round, Tagged};
use serde::Serialize;
use serde_json::Value;
use sigtool_sdk::source::MAX_SIGNATURE;
use sigtool_sdk::types::{Bytes, Digest, SignatureFormat, StoredSignature};
use sigtool_sdk::{Error, ErrorCode, Result};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;

/// What bundles say about in their annotations.
const PREDICATE_TYPE: &str = "dev.sigstore.bundle.predicateType";
/// What a bundle of cosign says about an image that is signed, and not attested.
const SIGN: &str = "https://sigstore.dev/cosign/sign/v1";
const CREATED: &str = "org.opencontainers.image.created";

/// The tag of the index that stands in for the registry's own list.
pub(crate) fn fallback_tag(subject: &Digest) -> String {
    format!("sha256-{}", subject.to_hex())
}

/// The entries of the fallback index. What is not an index lists nothing, as the distribution specification says.
///
/// # Errors
///
/// Those of the registry.
pub(crate) fn fallback(conversation: &Conversation, subject: &Digest) -> Result<Vec<Value>> {
    let index = conversation.beside(subject, &fallback_tag(subject))?;
    let index = index.filter(Manifest::is_index);
    Ok(index.map_or_else(Vec::new, |index| index.list("manifests").to_vec()))
}

/// The entries of what the fallback tag names, where it is to be written.
///
/// # Errors
///
/// `integrity`: it names something else, which others need and would lose.
fn entries(index: &Manifest) -> Result<&[Value]> {
    if index.is_index() {
        return Ok(index.list("manifests"));
    }
    let what = "the tag of the image's referrers names something else than their list";
    let kind = format!("it names `{}`, a {}", index.digest, index.media_type);
    Err(integrity(what)
        .because(kind)
        .hint("give that another tag, or sign with `--signature-format cosign`"))
}

/// Reads the signatures among the entries of a list, the newest first: the part that begins at `from`. Nothing else is downloaded.
pub(crate) fn read(
    conversation: &Conversation,
    entries: &[Value],
    from: usize,
    id: fn(Digest) -> Id,
    wants: impl Fn(SignatureFormat) -> bool + Sync,
) -> Found {
    let mut found = Found::default();
    let mut candidates = Vec::new();
    for entry in entries.iter().filter(|entry| may_be_wanted(entry, &wants)) {
        match Descriptor::parse(entry) {
            Ok(descriptor) => candidates.push(descriptor),
            Err(error) => found.failures.push(error),
        }
    }
    // Times as RFC 3339 writes them in UTC are in the order of their text. Those of one second are in an order too: the next part is read
    // from a list that the registry may have shuffled.
    candidates.sort_by_cached_key(|candidate| {
        let created = candidate.annotation(CREATED).map(str::to_owned);
        (Reverse(created), candidate.digest.to_hex())
    });
    found.bound(conversation, &mut candidates, from);
    let budget = AtomicUsize::new(MAX_REPLY);
    let read = |candidate: &Descriptor| read_one(conversation, candidate, id, &wants, &budget);
    for outcome in in_parallel(&candidates, read) {
        match outcome {
            Ok(one) => {
                found.signatures.extend(one.signatures);
                found.failures.extend(one.failures);
            }
            Err(error) => found.failures.push(error),
        }
    }
    found
}

/// Whether an entry may be a signature, as far as the list tells. One without a type may be anything.
fn may_be_wanted(entry: &Value, wants: &impl Fn(SignatureFormat) -> bool) -> bool {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let media_type = text(entry.get("mediaType"));
    let predicate = text(entry.get("annotations").and_then(|a| a.get(PREDICATE_TYPE)));
    if predicate.is_some_and(|predicate| predicate != SIGN) {
        return false;
    }
    // cosign v2 lists the type of the configuration, which is that of nothing.
    let artifact_type = text(entry.get("artifactType")).filter(|t| t != media::EMPTY);
    match artifact_type {
        Some(artifact_type) => format_of(&artifact_type).is_some_and(wants),
        None => media_type.is_none_or(|media_type| media_type == media::OCI_MANIFEST),
    }
}

/// The format of signatures that an artifact type stands for.
fn format_of(artifact_type: &str) -> Option<SignatureFormat> {
    if artifact_type.starts_with(media::ANY_BUNDLE) {
        Some(SignatureFormat::Bundle)
    } else {
        (artifact_type == media::COSIGN_REFERRER).then_some(SignatureFormat::Cosign)
    }
}

/// Reads what an entry names: one bundle, or signatures of cosign's own.
fn read_one(
    conversation: &Conversation,
    entry: &Descriptor,
    id: fn(Digest) -> Id,
    wants: &impl Fn(SignatureFormat) -> bool,
    budget: &AtomicUsize,
) -> Result<Found> {
    let location = conversation.repository.pinned(&entry.digest).to_string();
    let Some(manifest) = conversation.manifest(&entry.digest.to_string())? else {
        return Err(Error::new(
            ErrorCode::NotFound,
            format!("`{location}` is listed as a signature, and is not there"),
        ));
    };
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let artifact_type = text(manifest.json.get("artifactType"))
        .or_else(|| text(manifest.json.get("config").and_then(|c| c.get("mediaType"))))
        .or_else(|| entry.artifact_type.clone());
    let format = artifact_type.as_deref().and_then(format_of);
    let Some(format) = format.filter(|format| wants(*format)) else {
        return Ok(Found::default());
    };
    if format == SignatureFormat::Cosign {
        let layers = sig_tag::Layers {
            manifest: &manifest,
            location: &location,
            name: Id::Part,
        };
        let mut found = layers.read_all(conversation, budget);
        if let ([signature], [_]) = (&mut found.signatures[..], manifest.list("layers")) {
            // It is alone there, and can be removed with the manifest.
            signature.id = id(entry.digest.clone()).to_string();
        }
        return Ok(found);
    }
    let annotations = manifest.json.get("annotations");
    if text(annotations.and_then(|a| a.get(PREDICATE_TYPE))).is_some_and(|p| p != SIGN) {
        return Ok(Found::default());
    }
    let [layer] = manifest.list("layers") else {
        return Err(
            integrity(format!("`{location}` is not a bundle")).because(format!(
                "it has {} layers instead of one",
                manifest.list("layers").len()
            )),
        );
    };
    let layer = Descriptor::parse(layer)?;
    if !layer.media_type.starts_with(media::ANY_BUNDLE) {
        return Err(integrity(format!("`{location}` holds no bundle")));
    }
    take(budget, layer.size, &location)?;
    Ok(Found {
        signatures: vec![StoredSignature {
            id: id(entry.digest.clone()).to_string(),
            format,
            content: Bytes(conversation.blob(&layer, MAX_SIGNATURE)?),
            location,
        }],
        ..Found::default()
    })
}

/// The manifest of a bundle, in cosign's order of fields.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BundleManifest<'a> {
    schema_version: u8,
    media_type: &'a str,
    config: Part<'a>,
    layers: [Part<'a>; 1],
    annotations: BTreeMap<&'a str, String>,
    subject: Part<'a>,
    artifact_type: &'a str,
}

/// The blob that stands where a manifest needs one and has nothing to say.
pub(crate) const EMPTY_BLOB: &[u8] = b"{}";

/// The manifest of a bundle that signs an image.
fn bundle_manifest(
    image: (&Digest, &Subject),
    bundle: &[u8],
    created_seconds: u64,
) -> Result<Vec<u8>> {
    let (digest, subject) = image;
    encode(&BundleManifest {
        schema_version: 2,
        media_type: media::OCI_MANIFEST,
        config: Part {
            artifact_type: Some(media::BUNDLE),
            ..Part::of(media::EMPTY, EMPTY_BLOB)
        },
        layers: [Part::of(media::BUNDLE, bundle)],
        annotations: annotations(created_seconds),
        subject: Part {
            media_type: &subject.media_type,
            size: subject.size,
            digest: digest.to_string(),
            annotations: BTreeMap::new(),
            artifact_type: None,
        },
        artifact_type: media::BUNDLE,
    })
}

fn annotations(created_seconds: u64) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("dev.sigstore.bundle.content", "dsse-envelope".to_owned()),
        (PREDICATE_TYPE, SIGN.to_owned()),
        (CREATED, rfc3339(created_seconds)),
    ])
}

/// Publishes a bundle, in place of the entries of the fallback index that are `dropped`. What it is now called.
///
/// # Errors
///
/// Those of the registry. Until the manifest is written, nothing is to be seen.
pub(crate) fn publish(
    conversation: &Conversation,
    locks: &Locks,
    image: (&Digest, &Subject),
    bundle: &[u8],
    dropped: &[Digest],
) -> Result<Id> {
    let created = conversation.call.now_ms()? / 1000;
    conversation.ensure_blob(EMPTY_BLOB)?;
    conversation.push_blob(bundle)?;
    let manifest = bundle_manifest(image, bundle, created)?;
    let digest = sha256(&manifest);
    let lock = locks.hold_image(conversation, image.0)?;
    let put = conversation.put_manifest(&digest.to_string(), media::OCI_MANIFEST, &manifest)?;
    drop(lock);
    let noted = match put {
        PutManifest::Done { subject } => subject,
        PutManifest::LacksParts(error) => return Err(error),
    };
    if noted {
        conversation.learn_referrers(true);
    } else if conversation.keeps_referrers().is_none() {
        // Some keep lists and do not say so here. What the list is now is of no interest; without one, the tag is written.
        let _ = conversation.referrers(image.0);
    }
    if conversation.keeps_referrers() == Some(true) {
        return Ok(Id::Referrer(digest));
    }
    let entry = Part {
        artifact_type: Some(media::BUNDLE),
        annotations: annotations(created),
        ..Part::of(media::OCI_MANIFEST, &manifest)
    };
    let entry = serde_json::to_value(entry)
        .map_err(|e| Error::new(ErrorCode::Internal, "cannot encode an entry").because(e))?;
    change_fallback(conversation, locks, image.0, Some(&entry), dropped)?;
    Ok(Id::Fallback(digest))
}

/// An empty index, to be filled.
fn new_index() -> Result<Document> {
    let mut index = Document::default();
    index.set("schemaVersion", &2)?;
    index.set("mediaType", &media::OCI_INDEX)?;
    Ok(index)
}

/// Adds an entry to the fallback index and drops others. Entries of other tools stay as they are.
///
/// # Errors
///
/// Those of the registry.
pub(crate) fn change_fallback(
    conversation: &Conversation,
    locks: &Locks,
    subject: &Digest,
    added: Option<&Value>,
    dropped: &[Digest],
) -> Result<()> {
    let names =
        |entry: &Value, digest: &str| entry.get("digest").and_then(Value::as_str) == Some(digest);
    let added_digest = added.and_then(|entry| entry.get("digest")?.as_str());
    let dropped: Vec<String> = dropped
        .iter()
        .map(ToString::to_string)
        .filter(|digest| Some(digest.as_str()) != added_digest)
        .collect();
    let is_done = |entries: &[Value]| {
        added_digest.is_none_or(|added| entries.iter().any(|e| names(e, added)))
            && !entries.iter().any(|e| dropped.iter().any(|d| names(e, d)))
    };
    let plan = |round: Round| {
        if let Some(now) = round.now
            && is_done(entries(now)?)
            && !round.prune
        {
            return Ok(Change::Nothing);
        }
        let mut index = match round.now {
            Some(now) => Document::of(now)?,
            None => new_index()?,
        };
        let mut list = index.list("manifests")?;
        list.retain(|e| !dropped.iter().any(|d| names(&e.value, d)));
        if round.prune {
            list = with_their_manifests(conversation, list)?;
        }
        if let (Some(entry), Some(digest)) = (added, added_digest)
            && !list.iter().any(|e| names(&e.value, digest))
        {
            list.push(Entry::new(entry)?);
        }
        let empty = list.is_empty();
        index.set("manifests", &list)?;
        Ok(Change::Write {
            media_type: round
                .now
                .map_or(media::OCI_INDEX, |now| &now.media_type)
                .to_owned(),
            bytes: index.encode()?,
            empty,
        })
    };
    let tagged = Tagged {
        conversation,
        locks,
        subject,
        tag: fallback_tag(subject),
    };
    tagged.change(plan, |now| {
        is_done(now.map_or(&[], |now| now.list("manifests")))
    })
}

/// The entries whose manifests are there.
fn with_their_manifests(conversation: &Conversation, list: Vec<Entry>) -> Result<Vec<Entry>> {
    let mut kept = Vec::new();
    for entry in list {
        let there = match Descriptor::parse(&entry.value) {
            Ok(descriptor) => conversation.has_manifest(&descriptor.digest)?,
            Err(_) => true,
        };
        if there {
            kept.push(entry);
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::found::{MAX_SIGNATURES, PART};
    use crate::testing::{Answer, Asked, Fixture, INDEX, OCI, TestRegistry, answer_of};
    use serde_json::json;
    use std::collections::BTreeSet;
    use std::sync::atomic::Ordering;

    const BUNDLES: &[SignatureFormat] = &[SignatureFormat::Bundle];

    #[test]
    fn a_manifest_is_byte_for_byte_as_cosign_writes_it() {
        let image = sha256(b"image");
        let subject = Subject {
            media_type: OCI.to_owned(),
            size: 5,
        };
        let manifest = bundle_manifest((&image, &subject), b"bundle", 1_704_067_200).unwrap();
        let expected = format!(
            concat!(
                r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","#,
                r#""config":{{"mediaType":"application/vnd.oci.empty.v1+json","size":2,"#,
                r#""digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","#,
                r#""artifactType":"application/vnd.dev.sigstore.bundle.v0.3+json"}},"#,
                r#""layers":[{{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","size":6,"digest":"{}"}}],"#,
                r#""annotations":{{"dev.sigstore.bundle.content":"dsse-envelope","#,
                r#""dev.sigstore.bundle.predicateType":"https://sigstore.dev/cosign/sign/v1","#,
                r#""org.opencontainers.image.created":"2024-01-01T00:00:00Z"}},"#,
                r#""subject":{{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":5,"digest":"{}"}},"#,
                r#""artifactType":"application/vnd.dev.sigstore.bundle.v0.3+json"}}"#,
            ),
            sha256(b"bundle"),
            image
        );
        assert_eq!(String::from_utf8(manifest).unwrap(), expected);
    }

    #[test]
    fn what_other_tools_wrote_into_the_fallback_index_stays() {
        let fixture = Fixture::new(TestRegistry::start(false));
        let memory = &fixture.registry.memory;
        let image = fixture.registry.image();
        let tag = image.split_once('@').unwrap().1.replace(':', "-");
        let other = json!({
            "mediaType": OCI, "digest": sha256(b"sbom").to_string(), "size": 4,
            "artifactType": "application/spdx+json", "annotations": { "a": "b" },
            "x-unknown": [1, { "deep": null }], "data": "e30=",
        });
        let index = json!({
            "schemaVersion": 2, "mediaType": INDEX, "manifests": [other, "not even an entry"],
            "annotations": { "by": "another tool" }, "x-future": true,
        });
        memory.keep(&tag, INDEX, index.to_string());
        let id = fixture
            .attach(&image, SignatureFormat::Bundle, b"{}", &[])
            .unwrap()
            .id;
        let mut now = memory.tagged(&tag).unwrap();
        let entry = now["manifests"].as_array_mut().unwrap().pop().unwrap();
        assert_eq!(now, index);
        assert_eq!(
            format!("fallback:{}", entry["digest"].as_str().unwrap()),
            id
        );
        assert_eq!(entry["artifactType"], media::BUNDLE);
        assert_eq!(entry["annotations"][PREDICATE_TYPE], SIGN);
        fixture.detach(&image, &id).unwrap();
        assert_eq!(memory.tagged(&tag).unwrap(), index);
    }

    /// A manifest with this type and this predicate, in the list of the image.
    fn refer(
        fixture: &Fixture,
        image: &str,
        artifact_type: &str,
        predicate: Option<&str>,
    ) -> String {
        let blob = format!("{artifact_type} {predicate:?}");
        let layer = fixture.registry.memory.keep_blob(blob.as_bytes());
        let mut manifest = json!({
            "schemaVersion": 2, "mediaType": OCI, "artifactType": artifact_type,
            "config": { "mediaType": media::EMPTY, "digest": sha256(b"{}").to_string(), "size": 2 },
            "layers": [{ "mediaType": artifact_type, "digest": layer, "size": blob.len() }],
            "subject": { "mediaType": OCI, "size": 1, "digest": image.split_once('@').unwrap().1 },
        });
        if let Some(predicate) = predicate {
            manifest["annotations"] = json!({ PREDICATE_TYPE: predicate });
        }
        fixture
            .registry
            .memory
            .keep(&blob, OCI, manifest.to_string())
    }

    #[test]
    fn only_what_may_be_a_signature_is_downloaded() {
        let fixture = Fixture::new(TestRegistry::start(true));
        let image = fixture.registry.image();
        let wanted = [
            refer(&fixture, &image, media::BUNDLE, Some(SIGN)),
            refer(&fixture, &image, media::BUNDLE, None),
            refer(
                &fixture,
                &image,
                "application/vnd.dev.sigstore.bundle+json;version=0.3",
                None,
            ),
        ];
        refer(
            &fixture,
            &image,
            media::BUNDLE,
            Some("https://spdx.dev/Document"),
        );
        refer(&fixture, &image, "application/spdx+json", None);
        refer(&fixture, &image, media::COSIGN_REFERRER, None);
        let reply = fixture.page(&image, BUNDLES, None).unwrap();
        assert!(reply.failures.is_empty(), "{:?}", reply.failures);
        let mut found: Vec<String> = reply.signatures.iter().map(|s| s.id.clone()).collect();
        let mut expected = wanted.each_ref().map(|digest| format!("referrer:{digest}"));
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
        let requests = fixture.registry.requests();
        assert_eq!(requests.len(), 1 + 2 * wanted.len(), "{requests:?}");
    }

    /// An entry that does not say what it is may be a signature: it is told, and never taken for none.
    #[test]
    fn an_entry_that_cannot_be_read_is_a_failure() {
        let fixture = Fixture::new(TestRegistry::start(false));
        let image = fixture.registry.image();
        let tag = image.split_once('@').unwrap().1.replace(':', "-");
        let other = json!({ "mediaType": OCI, "artifactType": "application/x-sbom", "size": "?" });
        let entries = json!([7, {}, { "digest": "sha256:x" }, { "mediaType": OCI }, other]);
        let index = json!({ "mediaType": INDEX, "manifests": entries });
        fixture.registry.memory.keep(&tag, INDEX, index.to_string());
        let reply = fixture.page(&image, BUNDLES, None).unwrap();
        assert_eq!(reply.failures.len(), 4, "{:?}", reply.failures);
    }

    #[test]
    fn what_is_listed_and_cannot_be_had_is_a_failure_beside_the_others() {
        let fixture = Fixture::new(TestRegistry::start(true));
        let memory = &fixture.registry.memory;
        let image = fixture.registry.image();
        let good = refer(&fixture, &image, media::BUNDLE, None);
        // Without its blob.
        let bare = refer(&fixture, &image, media::BUNDLE, Some(SIGN));
        let blob = format!("{} {:?}", media::BUNDLE, Some(SIGN));
        memory
            .blobs
            .lock()
            .unwrap()
            .remove(&sha256(blob.as_bytes()).to_string());
        // With another blob of the same length.
        let name = "application/vnd.dev.sigstore.bundle+json;version=0.3";
        refer(&fixture, &image, name, None);
        let digest = sha256(format!("{name} None").as_bytes()).to_string();
        if let Some(kept) = memory.blobs.lock().unwrap().get_mut(&digest) {
            kept.reverse();
        }
        // With two layers, and with none.
        for layers in [json!([{}, {}]), json!([])] {
            let manifest = json!({
                "mediaType": OCI, "artifactType": media::BUNDLE, "layers": layers,
                "subject": { "digest": image.split_once('@').unwrap().1 },
            });
            memory.keep(&layers.to_string(), OCI, manifest.to_string());
        }
        let reply = fixture.page(&image, BUNDLES, None).unwrap();
        assert_eq!(reply.signatures.len(), 1);
        assert_eq!(reply.signatures[0].id, format!("referrer:{good}"));
        assert_eq!(reply.failures.len(), 4, "{:?}", reply.failures);
        let texts: Vec<String> = reply.failures.iter().map(ToString::to_string).collect();
        for why in ["does not have it", "what came has", "2 layers", "0 layers"] {
            assert!(texts.iter().any(|text| text.contains(why)), "{texts:?}");
        }
        assert!(!texts.iter().any(|text| text.contains(&bare)));
    }

    #[test]
    fn a_manifest_that_is_listed_and_gone_is_a_failure() {
        let fixture = Fixture::new(TestRegistry::with(true, |asked, _| {
            let gone = asked.path.contains("/manifests/sha256:");
            gone.then(|| Answer::error(404, "MANIFEST_UNKNOWN"))
        }));
        let image = fixture.registry.image();
        refer(&fixture, &image, media::BUNDLE, None);
        let reply = fixture.page(&image, BUNDLES, None).unwrap();
        assert!(reply.signatures.is_empty());
        assert_eq!(reply.failures[0].code, ErrorCode::NotFound);
    }

    /// A fallback index of so many entries whose manifests are not there; the image.
    fn with_entries(fixture: &Fixture, count: usize) -> String {
        let image = fixture.registry.image();
        let tag = image.split_once('@').unwrap().1.replace(':', "-");
        let entry = |n: usize| {
            json!({
                "mediaType": OCI, "digest": sha256(&n.to_le_bytes()).to_string(), "size": 8,
                "artifactType": media::BUNDLE,
            })
        };
        let entries: Vec<Value> = (0..count).map(entry).collect();
        let index = json!({ "mediaType": INDEX, "manifests": entries });
        fixture.registry.memory.keep(&tag, INDEX, index.to_string());
        image
    }

    #[test]
    fn many_signatures_are_read_part_by_part() {
        let fixture = Fixture::new(TestRegistry::start(false));
        let image = with_entries(&fixture, 130);
        let first = fixture.page(&image, BUNDLES, None).unwrap();
        assert_eq!(first.failures.len(), PART);
        assert_eq!(fixture.registry.requests().len(), 2 + PART);
        let (pages, all) = fixture.list(&image, BUNDLES);
        assert_eq!(pages, ["referrers+64", "referrers+128"]);
        let told: BTreeSet<String> = all.failures.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 130, "each once");
        assert!(fixture.page(&image, BUNDLES, Some("referrers+x")).is_err());
        let behind = fixture.page(&image, BUNDLES, Some("referrers+9999"));
        assert!(behind.unwrap().next_page.is_none());
    }

    #[test]
    fn more_signatures_than_anybody_needs_are_not_all_downloaded() {
        let fixture = Fixture::new(TestRegistry::start(false));
        let image = with_entries(&fixture, MAX_SIGNATURES + 1);
        let (_, all) = fixture.list(&image, BUNDLES);
        assert_eq!(all.failures.len(), MAX_SIGNATURES + 1);
        let told = "1001 signatures of one image, and only 1000 of them were looked at";
        let message = &all.failures[0].message;
        assert!(message.contains(told), "{message}");
        let requests = fixture.registry.requests();
        let manifests = requests.iter().filter(|r| *r == "GET manifests");
        assert_eq!(manifests.count(), MAX_SIGNATURES);
    }

    /// GitLab's registry: it keeps no lists, and takes the tag for the digest.
    fn gitlab() -> TestRegistry {
        TestRegistry::with(false, |asked, memory| {
            let (path, tag) = asked.path.rsplit_once('/')?;
            let hex = tag.strip_prefix("sha256-").filter(|hex| hex.len() == 64)?;
            let missing = asked.method == "GET" && memory.tagged(tag).is_none();
            missing.then(|| {
                let image = Asked {
                    path: format!("{path}/sha256:{hex}"),
                    ..asked.clone()
                };
                answer_of(&image, memory, false)
            })
        })
    }

    #[test]
    fn the_image_itself_is_not_the_list_of_what_refers_to_it() {
        let fixture = Fixture::new(gitlab());
        let one = fixture.registry.image();
        let index = json!({
            "mediaType": INDEX,
            "manifests": [{ "mediaType": OCI, "size": 1, "digest": one.split_once('@').unwrap().1 }],
        });
        let digest = fixture
            .registry
            .memory
            .keep("all", INDEX, index.to_string());
        let all = format!("{}@{digest}", fixture.registry.repository());
        for image in [one, all] {
            let (_, found) = fixture.list(&image, &[]);
            assert!(found.signatures.is_empty() && found.failures.is_empty());
            for (format, list) in [
                (SignatureFormat::Bundle, "manifests"),
                (SignatureFormat::Cosign, "layers"),
            ] {
                let content = crate::testing::signed_payload(1);
                fixture.attach(&image, format, &content, &[]).unwrap();
                let mut tag = image.split_once('@').unwrap().1.replace(':', "-");
                if format == SignatureFormat::Cosign {
                    tag.push_str(".sig");
                }
                let now = fixture.registry.memory.tagged(&tag).unwrap();
                assert_eq!(now[list].as_array().unwrap().len(), 1, "{now}");
            }
            let (_, found) = fixture.list(&image, &[]);
            assert_eq!(found.signatures.len(), 2);
        }
    }

    #[test]
    fn what_is_no_index_lists_nothing_and_is_not_written_over() {
        let fixture = Fixture::new(TestRegistry::start(false));
        let image = fixture.registry.image();
        let tag = image.split_once('@').unwrap().1.replace(':', "-");
        let other = json!({ "mediaType": OCI, "layers": [], "config": {} });
        fixture.registry.memory.keep(&tag, OCI, other.to_string());
        let (_, found) = fixture.list(&image, BUNDLES);
        assert!(found.signatures.is_empty() && found.failures.is_empty());
        let error = fixture.attach(&image, SignatureFormat::Bundle, b"{}", &[]);
        let error = error.unwrap_err();
        assert!(error.message.contains("something else"), "{error}");
        assert_eq!(fixture.registry.memory.tagged(&tag).unwrap(), other);
        fixture
            .attach(
                &image,
                SignatureFormat::Cosign,
                &crate::testing::signed_payload(1),
                &[],
            )
            .unwrap();
    }

    #[test]
    fn a_list_in_pages_is_read_to_its_end_and_not_on_another_host() {
        for (next, total) in [("/v2/app/referrers/p2", 2), ("https://evil.example/p2", 0)] {
            let fixture = Fixture::new(TestRegistry::with(true, move |asked, _| {
                let name = asked.path.strip_prefix("/v2/app/referrers/")?;
                let entry = json!({
                    "mediaType": OCI, "size": 1, "digest": sha256(name.as_bytes()).to_string(),
                    "artifactType": media::BUNDLE,
                });
                let index = json!({ "manifests": [entry] }).to_string();
                let answer = Answer::new(200).header("Content-Type", INDEX).body(index);
                Some(match name {
                    "p2" => answer,
                    _ => answer.header("Link", format!("<{next}>; rel=\"next\"")),
                })
            }));
            let image = fixture.registry.image();
            match fixture.page(&image, BUNDLES, None) {
                Ok(reply) => assert_eq!(reply.failures.len(), total),
                Err(error) => assert!(total == 0 && error.to_string().contains("elsewhere")),
            }
        }
    }

    #[test]
    fn a_list_without_an_end_is_given_up() {
        for (circle, told) in [(true, "leads back"), (false, "1000 pages")] {
            let pages = AtomicUsize::new(0);
            let fixture = Fixture::new(TestRegistry::with(true, move |asked, _| {
                asked.path.contains("/referrers/").then(|| {
                    let page = pages.fetch_add(usize::from(!circle), Ordering::Relaxed);
                    Answer::new(200)
                        .header("Content-Type", INDEX)
                        .header("Link", format!("</v2/app/referrers/{page}>; rel=next"))
                        .body(r#"{"manifests":[]}"#)
                })
            }));
            let image = fixture.registry.image();
            let error = fixture.page(&image, BUNDLES, None).unwrap_err();
            assert!(error.to_string().contains(told), "{error}");
        }
    }
}
