//! Promises of sources.

use super::probe::{Probe, Stop, Verdict, ok, refused};
use super::{
    PREFIX, Promise, SourceFixture, Subject, artifact_digests, artifact_digests_after_prefix,
};
use crate::error::ErrorCode;
use crate::manifest::Kind;
use crate::message::Empty;
use crate::source::{
    Attach, AttachArgs, Attached, Detach, DetachArgs, Prefixed, Resolve, ResolveArgs, Resolved,
    Signatures, SignaturesArgs,
};
use crate::types::{Artifact, Bytes, Digest, DigestAlgorithm, SignatureFormat, StoredSignature};

pub(super) const PROMISES: &[Promise] = &[
    Promise {
        name: "an_artifact_has_every_digest_asked_for",
        promise: "`source.resolve` gives each digest that is asked for, and each is right",
        kind: Some(Kind::Source),
        check: an_artifact_has_every_digest_asked_for,
    },
    Promise {
        name: "a_digest_after_a_prefix_is_right",
        promise: "if `source.resolve` gives digests of a prefix and the artifact, it gives each that is asked for, and each is right",
        kind: Some(Kind::Source),
        check: a_digest_after_a_prefix_is_right,
    },
    Promise {
        name: "an_artifact_is_the_same_twice",
        promise: "`source.resolve` gives the same for the same bytes, and takes its own reference back",
        kind: Some(Kind::Source),
        check: an_artifact_is_the_same_twice,
    },
    Promise {
        name: "an_unknown_reference_is_not_found",
        promise: "a reference that names nothing gets `not-found`",
        kind: Some(Kind::Source),
        check: an_unknown_reference_is_not_found,
    },
    Promise {
        name: "an_unsigned_artifact_has_no_signatures",
        promise: "`source.signatures` of an unsigned artifact is an empty list, not an error",
        kind: Some(Kind::Source),
        check: an_unsigned_artifact_has_no_signatures,
    },
    Promise {
        name: "signatures_can_be_put_replaced_and_removed",
        promise: "what `source.attach` puts is listed byte for byte, replaced when its id is named, and gone after `source.detach`",
        kind: Some(Kind::Source),
        check: signatures_can_be_put_replaced_and_removed,
    },
    Promise {
        name: "an_unknown_signature_is_refused",
        promise: "`source.attach` and `source.detach` refuse ids that they never gave, and touch nothing",
        kind: Some(Kind::Source),
        check: an_unknown_signature_is_refused,
    },
];

/// An opened source.
struct Opened<'a> {
    probe: Probe,
    handle: u64,
    fixture: &'a SourceFixture,
}

fn open<'a>(subject: &'a Subject<'_>) -> Result<Opened<'a>, Stop> {
    let fixture = subject
        .fixture
        .source
        .as_ref()
        .ok_or_else(|| Stop::skipped("there are no settings and no artifact to try it with"))?;
    let probe = Probe::new(subject)?;
    let handle = ok("`open`", probe.open(Kind::Source, &fixture.configuration))?;
    Ok(Opened {
        probe,
        handle,
        fixture,
    })
}

impl Opened<'_> {
    fn resolve(&self, reference: &str, digests: &[DigestAlgorithm]) -> Result<Artifact, Stop> {
        self.resolved(&ResolveArgs {
            reference: reference.to_owned(),
            digests: digests.to_vec(),
            ..ResolveArgs::default()
        })?
        .artifact
        .ok_or_else(|| Stop::differs("`source.resolve`", "an artifact", "none"))
    }

    fn resolved(&self, args: &ResolveArgs) -> Result<Resolved, Stop> {
        let resolved = self.probe.call::<Resolve>(Some(self.handle), args);
        ok("`source.resolve`", resolved)
    }

    /// The artifact, with the digests that the fixture knows.
    fn artifact(&self) -> Result<Artifact, Stop> {
        let digests: Vec<_> = self.fixture.digests.iter().map(|d| d.algorithm()).collect();
        self.resolve(&self.fixture.reference, &digests)
    }

    fn signatures(&self, artifact: &Artifact) -> Result<Vec<StoredSignature>, Stop> {
        let mut all = Vec::new();
        let mut page = None;
        // More pages than one signature can fill end a list that has no end.
        for _ in 0..100 {
            let args = SignaturesArgs {
                reference: artifact.reference.clone(),
                digest: artifact.digests.first().cloned(),
                formats: Vec::new(),
                page,
            };
            let reply = self.probe.call::<Signatures>(Some(self.handle), &args);
            let reply = ok("`source.signatures`", reply)?;
            all.extend(reply.signatures);
            page = reply.next_page;
            if page.is_none() {
                return Ok(all);
            }
        }
        Err(Stop::differs(
            "`source.signatures`",
            "an end of the list",
            "100 pages",
        ))
    }

    fn attach_args(
        &self,
        artifact: &Artifact,
        content: &[u8],
        replaces: &[&str],
    ) -> Result<AttachArgs, Stop> {
        let digest = artifact
            .digests
            .first()
            .cloned()
            .ok_or_else(|| Stop::differs("`source.resolve`", "a digest", "none"))?;
        Ok(AttachArgs {
            reference: artifact.reference.clone(),
            digest,
            format: SignatureFormat::Bundle,
            content: content.into(),
            hint: "0123abcd".to_owned(),
            replaces: replaces.iter().map(|&id| id.to_owned()).collect(),
        })
    }

    fn attach(
        &self,
        artifact: &Artifact,
        content: &[u8],
        replaces: &[&str],
    ) -> Result<Attached, Stop> {
        let args = self.attach_args(artifact, content, replaces)?;
        ok(
            "`source.attach`",
            self.probe.call::<Attach>(Some(self.handle), &args),
        )
    }

    fn detach(&self, artifact: &Artifact, id: &str) -> Result<Empty, crate::Error> {
        let args = DetachArgs {
            reference: artifact.reference.clone(),
            id: id.to_owned(),
        };
        self.probe.call::<Detach>(Some(self.handle), &args)
    }
}

fn an_artifact_has_every_digest_asked_for(subject: &Subject<'_>) -> Verdict {
    let opened = open(subject)?;
    let all: Vec<_> = opened
        .fixture
        .digests
        .iter()
        .map(|d| d.algorithm())
        .collect();
    let singly = all.iter().map(std::slice::from_ref);
    for asked in singly.chain([&all[..]]) {
        let artifact = opened.resolve(&opened.fixture.reference, asked)?;
        for algorithm in asked {
            let expected = opened
                .fixture
                .digests
                .iter()
                .find(|d| d.algorithm() == *algorithm);
            let found = artifact.digest(*algorithm);
            if found != expected {
                let text =
                    |d: Option<&Digest>| d.map_or_else(|| "none".to_owned(), ToString::to_string);
                let what = format!("the {algorithm} digest of `{}`", opened.fixture.reference);
                return Err(Stop::differs(&what, text(expected), text(found)));
            }
        }
    }
    Ok(())
}

fn a_digest_after_a_prefix_is_right(subject: &Subject<'_>) -> Verdict {
    let opened = open(subject)?;
    let (asked, expected): (Vec<Prefixed>, Vec<Digest>) =
        known_prefixed(&opened.fixture.digests).into_iter().unzip();
    let args = ResolveArgs {
        reference: opened.fixture.reference.clone(),
        digests: asked.iter().map(|a| a.algorithm).collect(),
        prefixed: asked,
        ..ResolveArgs::default()
    };
    let found = opened.resolved(&args)?.prefixed;
    if found.is_empty() {
        return Err(Stop::skipped("it gives no digests after a prefix"));
    }
    if found == expected {
        return Ok(());
    }
    let text = |digests: &[Digest]| {
        let digests: Vec<String> = digests.iter().map(ToString::to_string).collect();
        digests.join(", ")
    };
    let what = format!("the digests after a prefix of `{}`", args.reference);
    Err(Stop::differs(&what, text(&expected), text(&found)))
}

/// What can be asked for with an answer that is known: with nothing before it each digest of the artifact; and if the artifact is
/// the suite's own, those with a prefix.
fn known_prefixed(digests: &[Digest]) -> Vec<(Prefixed, Digest)> {
    let ask = |prefix: &[u8], digest: &Digest| {
        let asked = Prefixed {
            algorithm: digest.algorithm(),
            prefix: Bytes::from(prefix),
        };
        (asked, digest.clone())
    };
    let known = artifact_digests();
    let is_own = digests.iter().all(|digest| known.contains(digest));
    let after = artifact_digests_after_prefix();
    let after = after.iter().filter(|_| is_own).map(|d| ask(PREFIX, d));
    after.chain(digests.iter().map(|d| ask(b"", d))).collect()
}

fn an_artifact_is_the_same_twice(subject: &Subject<'_>) -> Verdict {
    let opened = open(subject)?;
    let first = opened.artifact()?;
    let digests: Vec<_> = first.digests.iter().map(|d| d.algorithm()).collect();
    for second in [
        opened.artifact()?,
        opened.resolve(&first.reference, &digests)?,
    ] {
        if second != first {
            let text = |a: &Artifact| serde_json::to_string(a).unwrap_or_default();
            return Err(Stop::differs(
                "the second `source.resolve`",
                text(&first),
                text(&second),
            ));
        }
    }
    Ok(())
}

fn an_unknown_reference_is_not_found(subject: &Subject<'_>) -> Verdict {
    let opened = open(subject)?;
    let args = ResolveArgs {
        reference: opened.fixture.missing.clone(),
        digests: vec![DigestAlgorithm::Sha256],
        ..ResolveArgs::default()
    };
    let resolved = opened.probe.call::<Resolve>(Some(opened.handle), &args);
    refused(
        "`source.resolve` of nothing",
        resolved,
        &[ErrorCode::NotFound],
    )
}

fn an_unsigned_artifact_has_no_signatures(subject: &Subject<'_>) -> Verdict {
    let opened = open(subject)?;
    let found = opened.signatures(&opened.artifact()?)?.len();
    if found == 0 {
        Ok(())
    } else {
        Err(Stop::differs(
            "the signatures of an unsigned artifact",
            "none",
            found,
        ))
    }
}

/// Something that looks like a bundle from afar; a source does not read what it keeps.
fn content(which: u32) -> Vec<u8> {
    format!(
        "{{\"mediaType\":\"application/vnd.dev.sigstore.bundle.v0.3+json\",\"contract\":{which}}}\n"
    )
    .into_bytes()
}

fn signatures_can_be_put_replaced_and_removed(subject: &Subject<'_>) -> Verdict {
    let opened = open(subject)?;
    let artifact = opened.artifact()?;
    let can_detach = subject.manifest.can("source.detach");
    if !subject.manifest.can("source.attach") {
        let args = opened.attach_args(&artifact, &content(1), &[])?;
        let attached = opened.probe.call::<Attach>(Some(opened.handle), &args);
        return refused(
            "`source.attach` without the capability",
            attached,
            &[ErrorCode::Unsupported],
        );
    }
    let first = opened.attach(&artifact, &content(1), &[])?;
    listed(&opened, &artifact, &[(&first.id, 1)])?;
    let second = opened.attach(&artifact, &content(2), &[&first.id])?;
    listed(&opened, &artifact, &[(&second.id, 2)])?;
    if !can_detach {
        let detached = opened.detach(&artifact, &second.id);
        return refused(
            "`source.detach` without the capability",
            detached,
            &[ErrorCode::Unsupported],
        );
    }
    ok("`source.detach`", opened.detach(&artifact, &second.id))?;
    listed(&opened, &artifact, &[])?;
    refused(
        "`source.detach` of what is gone",
        opened.detach(&artifact, &second.id),
        &[ErrorCode::NotFound],
    )
}

/// A failed promise, unless exactly these signatures are there.
fn listed(opened: &Opened<'_>, artifact: &Artifact, expected: &[(&str, u32)]) -> Verdict {
    let found = opened.signatures(artifact)?;
    let same = found.len() == expected.len()
        && expected.iter().all(|(id, which)| {
            found.iter().any(|s| {
                s.id == *id && s.content.0 == content(*which) && s.format == SignatureFormat::Bundle
            })
        });
    if same {
        return Ok(());
    }
    let names = |ids: &[&str]| {
        if ids.is_empty() {
            "none".to_owned()
        } else {
            ids.join(", ")
        }
    };
    let expected: Vec<&str> = expected.iter().map(|(id, _)| *id).collect();
    let found: Vec<&str> = found.iter().map(|s| s.id.as_str()).collect();
    Err(Stop::differs(
        "the signatures of the artifact",
        format!("{}, with the content that was put", names(&expected)),
        names(&found),
    ))
}

fn an_unknown_signature_is_refused(subject: &Subject<'_>) -> Verdict {
    let opened = open(subject)?;
    let artifact = opened.artifact()?;
    let unknown = [
        "no-such-signature",
        "../../../etc/passwd",
        "/etc/passwd",
        "",
    ];
    if !subject.manifest.can("source.attach") {
        return Err(Stop::skipped("it keeps no signatures"));
    }
    for id in unknown {
        let args = opened.attach_args(&artifact, &content(1), &[id])?;
        let attached = opened.probe.call::<Attach>(Some(opened.handle), &args);
        refused(
            &format!("`source.attach` in place of the unknown `{id}`"),
            attached,
            &[ErrorCode::InvalidRequest, ErrorCode::NotFound],
        )?;
        if subject.manifest.can("source.detach") {
            refused(
                &format!("`source.detach` of the unknown `{id}`"),
                opened.detach(&artifact, id),
                &[ErrorCode::InvalidRequest, ErrorCode::NotFound],
            )?;
        }
    }
    listed(&opened, &artifact, &[])
}
