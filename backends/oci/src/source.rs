//! The kind `source`, verb by verb.

use crate::config::Config;
use crate::conversation::{Conversation, Registries};
use crate::failure::invalid;
use crate::found::{Found, MAX_REPLY, PART};
use crate::id::Id;
use crate::lock::Locks;
use crate::manifest::{Descriptor, Manifest, Subject, digest_by};
use crate::reference;
use crate::referrers;
use crate::registry::{Deleted, Referrers};
use crate::sig_tag;
use sigtool_sdk::message::Empty;
use sigtool_sdk::source::{
    AttachArgs, Attached, DetachArgs, ResolveArgs, Resolved, SignaturesArgs, SignaturesReply,
    Source,
};
use sigtool_sdk::text::quoted;
use sigtool_sdk::types::{Artifact, ArtifactKind, Digest, Repository, SignatureFormat};
use sigtool_sdk::{Call, Error, ErrorCode, Result};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, PoisonError};

/// How deep indexes within indexes are followed.
const MAX_DEPTH: usize = 4;

/// How many manifests an index may have, with all those within it.
const MAX_CHILDREN: usize = 1000;

/// Images in registries, and the signatures beside them.
pub(crate) struct Images {
    registries: Registries,
    locks: Locks,
    /// Where all signatures lie, if not beside their images.
    attach_to: Option<Repository>,
    /// What was resolved: attaching needs the media type and the size of the manifest, and later calls only have its reference.
    subjects: Mutex<HashMap<String, Subject>>,
}

impl Images {
    /// Opens nothing yet.
    ///
    /// # Errors
    ///
    /// `invalid-config`.
    pub(crate) fn new(call: &Call, config: Config) -> Result<Self> {
        Ok(Self {
            registries: Registries::new(call, &config)?,
            locks: Locks::default(),
            attach_to: config.attach_to()?,
            subjects: Mutex::default(),
        })
    }

    /// The repository in which the signatures of an image lie.
    fn place<'a>(&'a self, image: &'a Repository) -> &'a Repository {
        self.attach_to.as_ref().unwrap_or(image)
    }

    /// The manifest that a pinned reference names, as a signature says it.
    fn subject(&self, conversation: &Conversation, digest: &Digest) -> Result<Subject> {
        let reference = conversation.repository.pinned(digest).to_string();
        if let Some(subject) = self.subjects().get(&reference) {
            return Ok(subject.clone());
        }
        let manifest = conversation
            .manifest(&digest.to_string())?
            .ok_or_else(|| missing(&reference))?;
        let subject = manifest.descriptor();
        self.subjects().insert(reference, subject.clone());
        Ok(subject)
    }

    fn subjects(&self) -> std::sync::MutexGuard<'_, HashMap<String, Subject>> {
        self.subjects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for Images {
    fn resolve(&self, call: &Call, args: ResolveArgs) -> Result<Resolved> {
        let image = reference::image(&args.reference)?;
        let (repository, tag) = (image.repository(), image.tag_or_latest());
        let what = format!("pulling {}", args.reference);
        let conversation = self.registries.at(call, repository, what);
        let manifest = match (image.digest(), tag) {
            (Some(digest), _) => conversation.manifest(&digest.to_string())?,
            (None, tag) => conversation.manifest(tag.unwrap_or("latest"))?,
        };
        let manifest = manifest.ok_or_else(|| missing(&args.reference))?;
        let pinned = repository.pinned(&manifest.digest).to_string();
        self.subjects()
            .insert(pinned.clone(), manifest.descriptor());
        let children = match args.recursive && manifest.is_index() {
            true => children(&conversation, &manifest)?,
            false => Vec::new(),
        };
        let digests = args.digests.iter();
        Ok(Resolved {
            artifact: Some(Artifact {
                reference: pinned,
                name: repository.to_string(),
                version: tag.map(str::to_owned),
                kind: ArtifactKind::ContainerImage,
                digests: digests
                    .map(|algorithm| digest_by(*algorithm, &manifest.bytes))
                    .collect(),
                size: manifest.bytes.len() as u64,
                media_type: Some(manifest.media_type),
                path: None,
            }),
            children,
            ..Resolved::default()
        })
    }

    fn signatures(&self, call: &Call, args: SignaturesArgs) -> Result<SignaturesReply> {
        let (repository, digest) = reference::pinned(&args.reference)?;
        let what = format!("pulling the signatures of {}", args.reference);
        let conversation = self.registries.at(call, self.place(&repository), what);
        let order = Page::order(&args.formats);
        let part = match args.page.as_deref() {
            None => Part::first(order[0]),
            Some(name) => Part::parse(name)
                .ok_or_else(|| invalid(format!("there is no page {}", quoted(name))))?,
        };
        let wants = |format| args.formats.is_empty() || args.formats.contains(&format);
        let (found, passed) = match part.read(&conversation, &digest, wants) {
            Err(error) if part.page.is_besides(order) => {
                call.check()?;
                (Found::failed(error), &[][..])
            }
            read => read?,
        };
        let mut others = order.iter().skip_while(|other| **other != part.page);
        let next = match found.more {
            true => Some(part.next()),
            false => others
                .find(|other| **other != part.page && !passed.contains(other))
                .map(|page| Part::first(*page)),
        };
        Ok(SignaturesReply {
            signatures: found.signatures,
            failures: found.failures,
            next_page: next.map(|part| part.name()),
            notes: Vec::new(),
        })
    }

    fn attach(&self, call: &Call, args: AttachArgs) -> Result<Attached> {
        let (repository, digest) = reference::pinned(&args.reference)?;
        let replaced = Id::parse_all(&args.replaces)?;
        if replaced.iter().any(|id| names_the_image(id, &digest)) {
            return Err(invalid("the image itself is not one of its signatures"));
        }
        if args.digest.algorithm() == digest.algorithm() && args.digest != digest {
            return Err(invalid(format!(
                "the signature is of `{}`, and is to be attached to `{}`",
                args.digest, args.reference
            )));
        }
        let what = format!("pushing the signature of {}", args.reference);
        let place = self.place(&repository);
        let conversation = self.registries.at(call, place, what.clone()).writing();
        let id = match args.format {
            SignatureFormat::Bundle => {
                let subject = match &self.attach_to {
                    None => self.subject(&conversation, &digest)?,
                    Some(_) => {
                        self.subject(&self.registries.at(call, &repository, what), &digest)?
                    }
                };
                let dropped = fallback_digests(&replaced);
                let image = (&digest, &subject);
                referrers::publish(&conversation, &self.locks, image, &args.content, &dropped)?
            }
            SignatureFormat::Cosign => sig_tag::publish(
                &conversation,
                &self.locks,
                &digest,
                &args.content,
                &layer_names(&replaced),
            )?,
            SignatureFormat::Other => {
                return Err(invalid("images have no signatures of this format"));
            }
        };
        let old: Vec<Id> = replaced.into_iter().filter(|old| !same(old, &id)).collect();
        let notes = retire(&conversation, &self.locks, &digest, &old, &id);
        Ok(Attached {
            location: location(place, &digest, &id),
            id: id.to_string(),
            notes,
        })
    }

    fn detach(&self, call: &Call, args: DetachArgs) -> Result<Empty> {
        let (repository, digest) = reference::pinned(&args.reference)?;
        let id = Id::parse(&args.id)?;
        let what = format!("removing a signature of {}", args.reference);
        let conversation = self.registries.at(call, self.place(&repository), what);
        let conversation = conversation.writing();
        if !is_there(&conversation, &digest, &id)? {
            return Err(Error::new(
                ErrorCode::NotFound,
                format!("`{}` has no signature `{id}`", args.reference),
            ));
        }
        match &id {
            Id::Fallback(old) => {
                let old = std::slice::from_ref(old);
                referrers::change_fallback(&conversation, &self.locks, &digest, None, old)?;
                forget(&conversation, old);
            }
            Id::Layer(name) => {
                let name = std::slice::from_ref(name);
                sig_tag::remove(&conversation, &self.locks, &digest, name)?;
            }
            Id::Part(..) => {
                return Err(invalid(format!("cannot remove `{id}`")).because(TOGETHER));
            }
            Id::Referrer(old) => {
                let _lock = self.locks.hold_image(&conversation, &digest)?;
                if let Deleted::Refused(error) = conversation.delete_manifest(old)? {
                    return Err(error);
                }
            }
        }
        Ok(Empty {})
    }
}

const TOGETHER: &str = "it lies in one manifest with others";

fn missing(reference: &str) -> Error {
    Error::new(
        ErrorCode::NotFound,
        format!("there is no image {}", quoted(reference)),
    )
}

/// The manifests within an index, each once, those of indexes within it too.
fn children(conversation: &Conversation, index: &Manifest) -> Result<Vec<String>> {
    let what = || conversation.repository.pinned(&index.digest);
    let mut seen = HashSet::from([index.digest.clone()]);
    let mut children = Vec::new();
    let mut indexes = VecDeque::from([(index.clone(), 1)]);
    while let Some((index, depth)) = indexes.pop_front() {
        for entry in index.list("manifests") {
            let entry = Descriptor::parse(entry)?;
            if !seen.insert(entry.digest.clone()) {
                continue;
            }
            let pinned = conversation.repository.pinned(&entry.digest).to_string();
            children.push(pinned.clone());
            if children.len() > MAX_CHILDREN {
                return Err(invalid(format!(
                    "`{}` lists more than {MAX_CHILDREN} manifests",
                    what()
                )));
            }
            if !entry.is_index() {
                continue;
            }
            if depth == MAX_DEPTH {
                return Err(invalid(format!(
                    "the indexes in `{}` are nested more than {MAX_DEPTH} deep",
                    what()
                )));
            }
            let name = entry.digest.to_string();
            let nested = conversation
                .manifest(&name)?
                .ok_or_else(|| missing(&pinned))?;
            indexes.push_back((nested, depth + 1));
        }
    }
    Ok(children)
}

/// Where signatures are looked for, in steps that a host may end when it has what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Page {
    /// The registry's own list; where it keeps none, the fallback tag.
    Referrers,
    /// The fallback tag, where the registry keeps a list too: older signatures may only be there.
    FallbackTag,
    /// cosign's `.sig` tag.
    SigTag,
}

impl Page {
    /// The pages in which signatures of these formats may be, the likeliest first.
    fn order(formats: &[SignatureFormat]) -> &'static [Self] {
        match formats {
            [SignatureFormat::Cosign] => &[Self::SigTag, Self::Referrers, Self::FallbackTag],
            _ if !formats.is_empty() && !formats.contains(&SignatureFormat::Cosign) => {
                &[Self::Referrers, Self::FallbackTag]
            }
            _ => &[Self::Referrers, Self::FallbackTag, Self::SigTag],
        }
    }

    /// Whether signatures of these formats have their place elsewhere, and may be here besides. It is then *could not tell* what is here,
    /// and no reason not to look at the others, nor not to sign: Artifactory refuses a tag that is not there, Harbor had no lists.
    fn is_besides(self, order: &[Self]) -> bool {
        // The fallback tag has a page of its own where the list has answered.
        self == Self::FallbackTag || self != Self::SigTag && order[0] == Self::SigTag
    }

    fn name(self) -> &'static str {
        match self {
            Self::Referrers => "referrers",
            Self::FallbackTag => "fallback-tag",
            Self::SigTag => "sig",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Referrers, Self::FallbackTag, Self::SigTag]
            .into_iter()
            .find(|page| page.name() == name)
    }
}

/// A part of a page: so much of it as is read in one call.
#[derive(Clone, Copy)]
struct Part {
    page: Page,
    /// How many signatures are before it.
    from: usize,
}

impl Part {
    fn first(page: Page) -> Self {
        Self { page, from: 0 }
    }

    fn next(self) -> Self {
        Self {
            from: self.from + PART,
            ..self
        }
    }

    /// `referrers`, and behind that `referrers+64`.
    fn name(self) -> String {
        match self.from {
            0 => self.page.name().to_owned(),
            from => format!("{}+{from}", self.page.name()),
        }
    }

    fn parse(name: &str) -> Option<Self> {
        let (page, from) = match name.split_once('+') {
            Some((page, from)) => (page, from.parse().ok()?),
            None => (name, 0),
        };
        Some(Self {
            page: Page::parse(page)?,
            from,
        })
    }

    /// What is in a part, and which other pages it makes superfluous.
    fn read(
        self,
        conversation: &Conversation,
        digest: &Digest,
        wants: impl Fn(SignatureFormat) -> bool + Sync,
    ) -> Result<(Found, &'static [Page])> {
        let from = self.from;
        let mut unclear = None;
        if self.page == Page::Referrers {
            match conversation.referrers(digest)? {
                Referrers::Listed(entries) => {
                    let found = referrers::read(conversation, &entries, from, Id::Referrer, wants);
                    return Ok((found, &[]));
                }
                Referrers::Unclear(error) => unclear = Some(error),
                Referrers::Unknown => {}
            }
        }
        if self.page != Page::SigTag {
            let entries = referrers::fallback(conversation, digest)?;
            let mut found = referrers::read(conversation, &entries, from, Id::Fallback, wants);
            found.failures.extend(unclear.filter(|_| from == 0));
            return Ok((found, &[Page::FallbackTag]));
        }
        let tag = sig_tag::tag(digest);
        let Some(manifest) = conversation.beside(digest, &tag)? else {
            return Ok((Found::default(), &[]));
        };
        let layers = sig_tag::Layers {
            manifest: &manifest,
            location: &format!("{}:{tag}", conversation.repository),
            name: |_, layer| Id::Layer(layer),
        };
        let found = layers.read(conversation, from, &AtomicUsize::new(MAX_REPLY));
        Ok((found, &[]))
    }
}

/// Whether a signature is beside the image.
fn is_there(conversation: &Conversation, subject: &Digest, id: &Id) -> Result<bool> {
    let lists = |entries: &[serde_json::Value], digest: &Digest| {
        let digest = digest.to_string();
        entries
            .iter()
            .any(|e| e.get("digest").and_then(serde_json::Value::as_str) == Some(&digest))
    };
    Ok(match id {
        Id::Fallback(digest) => lists(&referrers::fallback(conversation, subject)?, digest),
        Id::Layer(name) => sig_tag::has(conversation, subject, name)?,
        Id::Part(digest, _) | Id::Referrer(digest) => match conversation.referrers(subject)? {
            Referrers::Listed(entries) => lists(&entries, digest),
            Referrers::Unclear(error) => return Err(error),
            Referrers::Unknown => false,
        },
    })
}

/// Removes replaced signatures, now that the new one is there. What cannot be removed is not a reason to fail: remarks about it.
fn retire(
    conversation: &Conversation,
    locks: &Locks,
    subject: &Digest,
    old: &[Id],
    new: &Id,
) -> Vec<String> {
    let stays = |id: &Id, error: &Error| {
        format!("the older signature `{id}` stays beside the new one: {error}")
    };
    let remove = |digest: &Digest| {
        let _lock = locks.hold_image(conversation, subject)?;
        conversation.delete_manifest(digest)
    };
    let mut notes = Vec::new();
    for id in old {
        match id {
            Id::Referrer(digest) => match remove(digest) {
                Ok(Deleted::Done | Deleted::Gone) => {}
                Ok(Deleted::Refused(error)) | Err(error) => notes.push(stays(id, &error)),
            },
            Id::Part(..) => notes.push(format!(
                "the older signature `{id}` stays beside the new one: {TOGETHER}"
            )),
            Id::Fallback(_) | Id::Layer(_) => {}
        }
    }
    let (entries, layers) = (fallback_digests(old), layer_names(old));
    // What lies where the new one lies was replaced when that was written.
    if !entries.is_empty() {
        let dropped = match new {
            Id::Fallback(_) => Ok(()),
            _ => referrers::change_fallback(conversation, locks, subject, None, &entries),
        };
        match dropped {
            Ok(()) => forget(conversation, &entries),
            Err(error) => {
                notes.extend(entries.into_iter().map(|e| stays(&Id::Fallback(e), &error)));
            }
        }
    }
    if !layers.is_empty()
        && !matches!(new, Id::Layer(_))
        && let Err(error) = sig_tag::remove(conversation, locks, subject, &layers)
    {
        notes.extend(layers.into_iter().map(|l| stays(&Id::Layer(l), &error)));
    }
    notes
}

/// Removes manifests that nothing lists any more. They do no harm where they stay.
fn forget(conversation: &Conversation, digests: &[Digest]) {
    for digest in digests {
        let _ = conversation.delete_manifest(digest);
    }
}

fn fallback_digests(ids: &[Id]) -> Vec<Digest> {
    let digest = |id: &Id| match id {
        Id::Fallback(digest) => Some(digest.clone()),
        _ => None,
    };
    ids.iter().filter_map(digest).collect()
}

fn layer_names(ids: &[Id]) -> Vec<String> {
    let name = |id: &Id| match id {
        Id::Layer(name) => Some(name.clone()),
        _ => None,
    };
    ids.iter().filter_map(name).collect()
}

fn names_the_image(id: &Id, image: &Digest) -> bool {
    match id {
        Id::Fallback(digest) | Id::Part(digest, _) | Id::Referrer(digest) => digest == image,
        Id::Layer(_) => false,
    }
}

/// Whether two names are of the same manifest or layer: a signature that does not depend on chance, made twice within a second.
fn same(old: &Id, new: &Id) -> bool {
    match (old, new) {
        (Id::Fallback(a) | Id::Referrer(a), Id::Fallback(b) | Id::Referrer(b)) => a == b,
        _ => old == new,
    }
}

/// The place of a signature, as a user would name it.
fn location(repository: &Repository, image: &Digest, id: &Id) -> String {
    match id {
        Id::Fallback(digest) | Id::Part(digest, _) | Id::Referrer(digest) => {
            repository.pinned(digest).to_string()
        }
        Id::Layer(_) => format!("{repository}:{}", sig_tag::tag(image)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{
        Answer, Fixture, IMAGE, INDEX, OCI, TestRegistry, answer_of, signed_payload,
    };
    use serde_json::{Value, json};
    use std::time::Duration;

    const BUNDLE: SignatureFormat = SignatureFormat::Bundle;
    const COSIGN: SignatureFormat = SignatureFormat::Cosign;

    #[test]
    fn signatures_may_lie_in_another_repository() {
        // The registry of the tests has one repository: what is asked of the other one is answered as if it were that.
        let registry = TestRegistry::with(true, |asked, memory| {
            let path = asked.path.strip_prefix("/v2/signatures/")?;
            let there = crate::testing::Asked {
                path: format!("/v2/app/{path}"),
                ..asked.clone()
            };
            Some(answer_of(&there, memory, true))
        });
        let elsewhere = format!("{}/signatures", registry.address());
        let settings = json!({ "plain_http": ["127.0.0.1"], "attach_to": elsewhere });
        let fixture = Fixture::with(registry, &settings, |host| host);
        let image = fixture.registry.image();
        for format in [BUNDLE, COSIGN] {
            let attached = fixture
                .attach(&image, format, &signed_payload(1), &[])
                .unwrap();
            assert!(attached.location.starts_with(&elsewhere), "{attached:?}");
            let (_, found) = fixture.list(&image, &[format]);
            assert_eq!(found.signatures.len(), 1);
            assert!(found.signatures[0].location.starts_with(&elsewhere));
            fixture.detach(&image, &attached.id).unwrap();
        }
        let asked = fixture.registry.asked();
        let here: Vec<&str> = asked
            .iter()
            .filter(|a| a.path.starts_with("/v2/app/manifests/"))
            .map(|a| a.method.as_str())
            .collect();
        assert_eq!(here, ["GET"], "only the image is read there");
    }

    #[test]
    fn an_image_is_resolved_by_one_request() {
        let fixture = Fixture::new(TestRegistry::start(true));
        let pinned = fixture.registry.image();
        let repository = fixture.registry.repository();
        let digest = pinned.split_once('@').unwrap().1;
        for (reference, version) in [
            (format!("{repository}:v1"), Some("v1")),
            (pinned.clone(), None),
            (format!("{repository}:v1@{digest}"), Some("v1")),
        ] {
            let resolved = fixture.resolve(&reference, true).unwrap();
            assert!(resolved.children.is_empty() && resolved.next_page.is_none());
            let artifact = resolved.artifact.unwrap();
            assert_eq!(artifact.reference, pinned);
            assert_eq!(artifact.name, repository);
            assert_eq!(artifact.version.as_deref(), version);
            assert_eq!(artifact.kind, ArtifactKind::ContainerImage);
            assert_eq!(artifact.digests[0].to_string(), digest);
            assert_eq!(artifact.size, IMAGE.len() as u64);
            assert_eq!(artifact.media_type.as_deref(), Some(OCI));
            assert_eq!(artifact.path, None);
            assert_eq!(fixture.registry.requests().len(), 1);
        }
        let error = fixture
            .resolve(&format!("{repository}:v2"), false)
            .unwrap_err();
        assert_eq!(error.code, ErrorCode::NotFound);
        assert!(error.message.contains(":v2"), "{error}");
    }

    fn index(entries: &[Value]) -> String {
        json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries }).to_string()
    }

    fn entry(media_type: &str, digest: &str) -> Value {
        json!({ "mediaType": media_type, "digest": digest, "size": 1 })
    }

    #[test]
    fn an_index_gives_what_is_in_it_once_with_the_indexes_within_it() {
        let fixture = Fixture::new(TestRegistry::start(true));
        let memory = &fixture.registry.memory;
        let [a, b, c] = ["a", "b", "c"].map(|text| memory.keep(text, OCI, text));
        let inner = memory.keep("inner", INDEX, index(&[entry(OCI, &b), entry(OCI, &c)]));
        let entries = [
            entry(OCI, &a),
            entry(INDEX, &inner),
            entry(OCI, &a),
            entry(OCI, &b),
        ];
        memory.keep("v1", INDEX, index(&entries));
        let reference = format!("{}:v1", fixture.registry.repository());
        let resolved = fixture.resolve(&reference, true).unwrap();
        let expected =
            [&a, &inner, &b, &c].map(|d| format!("{}@{d}", fixture.registry.repository()));
        assert_eq!(resolved.children, expected);
        let artifact = resolved.artifact.unwrap();
        assert_eq!(artifact.media_type.as_deref(), Some(INDEX));
        assert_eq!(fixture.registry.requests().len(), 2);
        assert!(
            fixture
                .resolve(&reference, false)
                .unwrap()
                .children
                .is_empty()
        );
    }

    #[test]
    fn an_index_that_is_too_large_or_too_deep_is_refused() {
        let fixture = Fixture::new(TestRegistry::start(true));
        let memory = &fixture.registry.memory;
        let digest = |n: usize| crate::manifest::sha256(&n.to_le_bytes()).to_string();
        let many: Vec<Value> = (0..=MAX_CHILDREN).map(|n| entry(OCI, &digest(n))).collect();
        memory.keep("many", INDEX, index(&many));
        memory.keep("enough", INDEX, index(&many[1..]));
        let mut deep = memory.keep("0", INDEX, index(&[]));
        for depth in 1..=MAX_DEPTH {
            deep = memory.keep(&depth.to_string(), INDEX, index(&[entry(INDEX, &deep)]));
        }
        memory.keep("odd", INDEX, index(&[json!({ "digest": "sha512:x" })]));
        let resolve = |tag: &str| {
            let reference = format!("{}:{tag}", fixture.registry.repository());
            fixture.resolve(&reference, true)
        };
        assert_eq!(resolve("enough").unwrap().children.len(), MAX_CHILDREN);
        assert!(
            resolve("many")
                .unwrap_err()
                .to_string()
                .contains("more than 1000")
        );
        assert_eq!(resolve("3").unwrap().children.len(), 3);
        assert!(resolve("4").unwrap_err().to_string().contains("deep"));
        assert_eq!(resolve("odd").unwrap_err().code, ErrorCode::Integrity);
    }

    #[test]
    fn a_signature_takes_as_few_requests_as_there_can_be() {
        for (referrers, format, expected) in [
            (
                true,
                BUNDLE,
                vec![
                    "POST blobs/uploads/",
                    "PUT blobs/uploads/1",
                    "PUT manifests",
                ],
            ),
            (
                false,
                BUNDLE,
                vec![
                    "POST blobs/uploads/",
                    "PUT blobs/uploads/1",
                    "PUT manifests",
                    "GET manifests/tag",
                    "PUT manifests/tag",
                    "GET manifests/tag",
                ],
            ),
            (
                true,
                COSIGN,
                vec![
                    "POST blobs/uploads/",
                    "PUT blobs/uploads/1",
                    "GET manifests/tag.sig",
                    "POST blobs/uploads/",
                    "PUT blobs/uploads/1",
                    "PUT manifests/tag.sig",
                    "GET manifests/tag.sig",
                ],
            ),
        ] {
            let fixture = Fixture::new(TestRegistry::start(referrers));
            let image = fixture.registry.image();
            fixture.resolve(&image, false).unwrap();
            let attach = |number| fixture.attach(&image, format, &signed_payload(number), &[]);
            attach(1).unwrap();
            fixture.registry.requests();
            attach(2).unwrap();
            assert_eq!(fixture.registry.requests(), expected);
        }
    }

    #[test]
    fn the_answer_to_the_first_push_tells_whether_there_are_referrers() {
        for (referrers, probes) in [(true, 0), (false, 1)] {
            let fixture = Fixture::new(TestRegistry::start(referrers));
            let image = fixture.registry.image();
            // Without `resolve`: media type and size are asked for.
            let attached = fixture.attach(&image, BUNDLE, b"{}", &[]).unwrap();
            assert_eq!(attached.id.starts_with("referrer:"), referrers);
            let place = format!("{}@", fixture.registry.repository());
            assert!(attached.location.starts_with(&place), "{attached:?}");
            let requests = fixture.registry.requests();
            let asked = requests.iter().filter(|r| r.contains("referrers")).count();
            assert_eq!(asked, probes, "{requests:?}");
            let (_, found) = fixture.list(&image, &[BUNDLE]);
            assert_eq!(found.signatures[0].id, attached.id);
            assert_eq!(&*found.signatures[0].content, b"{}");
        }
        // One that keeps lists and does not say so.
        let fixture = Fixture::new(TestRegistry::with(true, |asked, memory| {
            (asked.method == "PUT" && asked.path.contains("/manifests/")).then(|| {
                memory.keep("x", OCI, asked.body.clone());
                Answer::new(201)
            })
        }));
        let image = fixture.registry.image();
        let attached = fixture.attach(&image, BUNDLE, b"{}", &[]).unwrap();
        assert!(attached.id.starts_with("referrer:"), "{attached:?}");
    }

    #[test]
    fn a_new_signature_takes_the_place_of_the_old_one() {
        for (referrers, format) in [
            (true, BUNDLE),
            (false, BUNDLE),
            (true, COSIGN),
            (false, COSIGN),
        ] {
            let fixture = Fixture::new(TestRegistry::start(referrers));
            let image = fixture.registry.image();
            let attach = |number, replaces: &[&str]| {
                fixture
                    .attach(&image, format, &signed_payload(number), replaces)
                    .unwrap()
            };
            let mine = attach(1, &[]);
            let theirs = attach(2, &[]);
            let new = attach(3, &[&mine.id]);
            assert!(new.notes.is_empty(), "{new:?}");
            let ids = || {
                let (_, found) = fixture.list(&image, &[format]);
                assert!(found.failures.is_empty(), "{:?}", found.failures);
                let mut ids: Vec<String> = found.signatures.into_iter().map(|s| s.id).collect();
                ids.sort();
                ids
            };
            let mut expected = [new.id.clone(), theirs.id.clone()];
            expected.sort();
            assert_eq!(ids(), expected);
            // The very same again, within the same second, in its own place.
            let again = attach(3, &[&new.id]);
            assert_eq!(again.id, new.id);
            assert_eq!(ids(), expected);
            fixture.detach(&image, &new.id).unwrap();
            assert_eq!(ids(), [theirs.id]);
            let error = fixture.detach(&image, &new.id).unwrap_err();
            assert_eq!(error.code, ErrorCode::NotFound);
        }
    }

    #[test]
    fn an_old_signature_that_may_not_be_removed_stays_and_is_told_of() {
        for status in [400, 401, 403, 405] {
            let fixture = Fixture::new(TestRegistry::with(true, move |asked, _| {
                (asked.method == "DELETE").then(|| Answer::error(status, "UNSUPPORTED"))
            }));
            let image = fixture.registry.image();
            let attach = |number, replaces: &[&str]| {
                fixture
                    .attach(&image, BUNDLE, &signed_payload(number), replaces)
                    .unwrap()
            };
            let old = attach(1, &[]);
            let new = attach(2, &[&old.id]);
            assert_eq!(new.notes.len(), 1);
            let note = &new.notes[0];
            assert!(
                note.contains(&old.id) && note.contains("stays beside"),
                "{note}"
            );
            let (_, found) = fixture.list(&image, &[BUNDLE]);
            assert_eq!(found.signatures.len(), 2);
            fixture.detach(&image, &new.id).unwrap_err();
        }
        // One that is gone already is as good as removed.
        let fixture = Fixture::new(TestRegistry::start(true));
        let image = fixture.registry.image();
        let gone = format!("referrer:sha256:{}", "0".repeat(64));
        let new = fixture.attach(&image, BUNDLE, b"{}", &[&gone]).unwrap();
        assert!(new.notes.is_empty());
    }

    #[test]
    fn a_registry_that_removes_nothing_keeps_empty_lists() {
        for format in [BUNDLE, COSIGN] {
            let fixture = Fixture::new(TestRegistry::with(false, |asked, _| {
                (asked.method == "DELETE").then(|| Answer::error(405, "UNSUPPORTED"))
            }));
            let image = fixture.registry.image();
            let id = fixture
                .attach(&image, format, &signed_payload(1), &[])
                .unwrap()
                .id;
            fixture.detach(&image, &id).unwrap();
            let (_, found) = fixture.list(&image, &[]);
            assert!(found.signatures.is_empty() && found.failures.is_empty());
        }
    }

    #[test]
    fn a_signature_in_the_fallback_index_is_replaced_by_one_in_the_list() {
        // A registry that learnt to keep lists.
        let before = Fixture::new(TestRegistry::start(false));
        let image = before.registry.image();
        let old = before.attach(&image, BUNDLE, b"{}", &[]).unwrap().id;
        let after = Fixture::new(TestRegistry::start(true));
        let memory = &after.registry.memory;
        *memory.manifests.lock().unwrap() =
            before.registry.memory.manifests.lock().unwrap().clone();
        *memory.blobs.lock().unwrap() = before.registry.memory.blobs.lock().unwrap().clone();
        *memory.tags.lock().unwrap() = before.registry.memory.tags.lock().unwrap().clone();
        let image = after.registry.image();
        let attached = after.attach(&image, BUNDLE, b"{ }", &[&old]).unwrap();
        assert!(attached.notes.is_empty(), "{attached:?}");
        let (pages, found) = after.list(&image, &[BUNDLE]);
        assert_eq!(pages, ["fallback-tag"]);
        let ids: Vec<&str> = found.signatures.iter().map(|s| s.id.as_str()).collect();
        assert_eq!(ids, [attached.id]);
    }

    #[test]
    fn nothing_is_pushed_for_a_request_that_is_wrong() {
        let fixture = Fixture::new(TestRegistry::start(true));
        let image = fixture.registry.image();
        let itself = format!("referrer:{}", image.split_once('@').unwrap().1);
        for id in ["", "no-such-signature", "/etc/passwd", &itself] {
            for format in [BUNDLE, COSIGN] {
                let attached = fixture.attach(&image, format, &signed_payload(1), &[id]);
                assert_eq!(
                    attached.unwrap_err().code,
                    ErrorCode::InvalidRequest,
                    "{id}"
                );
            }
            let error = fixture.detach(&image, id).unwrap_err();
            let code = if id == itself {
                ErrorCode::NotFound
            } else {
                ErrorCode::InvalidRequest
            };
            assert_eq!(error.code, code, "{id}");
        }
        let attached = fixture.attach(&image, SignatureFormat::Other, b"{}", &[]);
        assert_eq!(attached.unwrap_err().code, ErrorCode::InvalidRequest);
        let tag = format!("{}:v1", fixture.registry.repository());
        let error = fixture.page(&tag, &[], None).unwrap_err();
        assert!(error.to_string().contains("names no digest"), "{error}");
        let error = fixture.page(&image, &[], Some("elsewhere")).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidRequest);
        let requests = fixture.registry.requests();
        assert_eq!(requests, ["GET referrers"], "only `detach` looks");
    }

    #[test]
    fn pages_come_likeliest_first_and_only_where_the_formats_can_be() {
        let fixture = Fixture::new(TestRegistry::start(true));
        let image = fixture.registry.image();
        for (formats, pages) in [
            (vec![], vec!["fallback-tag", "sig"]),
            (vec![BUNDLE], vec!["fallback-tag"]),
            (vec![COSIGN], vec!["referrers", "fallback-tag"]),
            (vec![BUNDLE, COSIGN], vec!["fallback-tag", "sig"]),
        ] {
            assert_eq!(fixture.list(&image, &formats).0, pages, "{formats:?}");
        }
    }

    #[test]
    fn a_push_says_what_it_does_and_how_far_it_is() {
        let fixture = Fixture::new(TestRegistry::start(true));
        let image = fixture.registry.image();
        fixture.attach(&image, BUNDLE, &[b' '; 5000], &[]).unwrap();
        let told = fixture.told();
        let what = format!("pushing the signature of {image}");
        assert_eq!(told[0], (what.clone(), 0));
        let (message, pushed) = told.last().unwrap();
        assert_eq!(*message, what);
        assert!(*pushed > 5000, "the signature and what lists it: {told:?}");
    }

    #[test]
    fn a_pull_says_what_it_does_and_how_much_has_come() {
        let slow = TestRegistry::with(true, |asked, memory| {
            let is_pull = asked.method == "GET" && asked.path.contains("/blobs/");
            let pause = Duration::from_secs(1);
            is_pull.then(|| answer_of(asked, memory, true).with_pause(pause))
        });
        let fixture = Fixture::new(slow);
        let image = fixture.registry.image();
        fixture.attach(&image, BUNDLE, b"{}", &[]).unwrap();
        let pushed = fixture.told().len();
        fixture.page(&image, &[BUNDLE], None).unwrap();
        let told = &fixture.told()[pushed..];
        let what = format!("pulling the signatures of {image}");
        assert_eq!(told[0], (what.clone(), 0));
        let (message, pulled) = told.last().unwrap();
        assert_eq!(*message, what);
        assert!(*pulled > 0, "{told:?}");
    }
}
