//! Changing what a tag names so that nobody's entry is lost.
//!
//! Registries have no compare-and-swap: two that read, change and write at the same time lose what the first one wrote. On one
//! machine a lock keeps them apart. Between machines, each looks again a random time after writing, longer than the slowest answer
//! so far takes, and does it again if its entry is gone.

use crate::conversation::Conversation;
use crate::lock::Locks;
use crate::manifest::Manifest;
use crate::registry::{Deleted, PutManifest};
use sigtool_sdk::types::Digest;
use sigtool_sdk::{Error, ErrorCode, Result};

/// How often a change is made before somebody else is too busy there.
const MAX_ROUNDS: usize = 10;

/// A document that is named by a tag and lists what belongs to an image.
pub(crate) struct Tagged<'a> {
    pub(crate) conversation: &'a Conversation<'a>,
    pub(crate) locks: &'a Locks,
    /// The image.
    pub(crate) subject: &'a Digest,
    pub(crate) tag: String,
}

/// What a document is to become.
pub(crate) enum Change {
    /// It is as it should be.
    Nothing,
    Write {
        media_type: String,
        bytes: Vec<u8>,
        /// Nothing is listed any more: it is removed where the registry removes, and else written.
        empty: bool,
    },
}

/// What a plan is made for.
pub(crate) struct Round<'a> {
    /// The document as it is, if there is one.
    pub(crate) now: Option<&'a Manifest>,
    /// The registry refuses documents that list what it does not have: such entries are to be left out.
    pub(crate) prune: bool,
}

impl Tagged<'_> {
    /// Makes a change, alone on this machine, until `done` finds it there.
    ///
    /// # Errors
    ///
    /// Those of the registry; `unavailable` if others undo it again and again.
    pub(crate) fn change(
        &self,
        plan: impl Fn(Round) -> Result<Change>,
        done: impl Fn(Option<&Manifest>) -> bool,
    ) -> Result<()> {
        let conversation = self.conversation;
        let _lock = self.locks.hold_image(conversation, self.subject)?;
        let mut now = conversation.beside(self.subject, &self.tag)?;
        let mut prune = false;
        let mut trouble = None;
        for _ in 0..MAX_ROUNDS {
            let round = Round {
                now: now.as_ref(),
                prune,
            };
            let Change::Write {
                media_type,
                bytes,
                empty,
            } = plan(round)?
            else {
                return Ok(());
            };
            if !(empty && self.remove(now.as_ref())?) {
                match conversation.put_manifest(&self.tag, &media_type, &bytes)? {
                    PutManifest::Done { .. } => trouble = None,
                    PutManifest::LacksParts(error) => {
                        prune = true;
                        trouble = Some(error);
                    }
                }
            }
            if trouble.is_none() {
                conversation.pause()?;
            }
            let seen = conversation.beside(self.subject, &self.tag)?;
            if trouble.is_none() && done(seen.as_ref()) {
                return Ok(());
            }
            // What was there a moment ago is not given up because one answer does not know it.
            now = seen.or(now);
        }
        let what = format!("cannot write `{}:{}`", conversation.repository, self.tag);
        Err(trouble.unwrap_or_else(|| {
            Error::new(ErrorCode::Unavailable, what)
                .because(format!("others have undone it {MAX_ROUNDS} times"))
                .hint("try again in a moment")
        }))
    }

    /// Whether the document is removed. Some registries remove nothing.
    fn remove(&self, now: Option<&Manifest>) -> Result<bool> {
        Ok(match now {
            None => true,
            Some(now) => matches!(
                self.conversation.delete_manifest(&now.digest)?,
                Deleted::Done | Deleted::Gone
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{
        Answer, Asked, Fixture, INDEX, Memory, OCI, TestRegistry, signed_payload,
    };
    use serde_json::json;
    use sigtool_sdk::types::SignatureFormat;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Another machine that wrote at the same moment: what we put there is overwritten, this many times.
    fn overwritten(times: usize) -> impl Fn(&Asked, &Memory) -> Option<Answer> + Send + Sync {
        let count = AtomicUsize::new(0);
        move |asked, memory| {
            let (_, tag) = asked.path.split_once("/manifests/sha256-")?;
            if asked.method != "PUT" || count.fetch_add(1, Ordering::SeqCst) >= times {
                return None;
            }
            let theirs = json!({ "manifests": [{ "digest": "theirs" }], "mediaType": INDEX });
            let layers = json!({ "layers": [{ "digest": "theirs" }], "mediaType": OCI });
            match tag.ends_with(".sig") {
                true => memory.keep(&format!("sha256-{tag}"), OCI, layers.to_string()),
                false => memory.keep(&format!("sha256-{tag}"), INDEX, theirs.to_string()),
            };
            Some(Answer::new(201))
        }
    }

    #[test]
    fn what_another_machine_overwrote_is_written_again_beside_it() {
        for format in [SignatureFormat::Bundle, SignatureFormat::Cosign] {
            let fixture = Fixture::new(TestRegistry::with(false, overwritten(3)));
            let image = fixture.registry.image();
            let content = signed_payload(1);
            let attached = fixture.attach(&image, format, &content, &[]).unwrap();
            let mut tag = image.split_once('@').unwrap().1.replace(':', "-");
            let mut list = "manifests";
            if format == SignatureFormat::Cosign {
                tag.push_str(".sig");
                list = "layers";
            }
            let now = fixture.registry.memory.tagged(&tag).unwrap();
            let entries = now[list].as_array().unwrap();
            assert_eq!(entries.len(), 2, "{now}");
            assert_eq!(entries[0]["digest"], "theirs");
            let (_, found) = fixture.list(&image, &[format]);
            assert_eq!(found.signatures[0].id, attached.id);
        }
    }

    #[test]
    fn a_place_where_others_never_stop_writing_is_an_error() {
        let fixture = Fixture::new(TestRegistry::with(false, overwritten(usize::MAX)));
        let image = fixture.registry.image();
        let attached = fixture.attach(&image, SignatureFormat::Bundle, b"{}", &[]);
        let error = attached.unwrap_err();
        assert_eq!(error.code, ErrorCode::Unavailable);
        assert!(error.to_string().contains("10 times"), "{error}");
    }

    #[test]
    fn two_signers_at_once_never_lose_one() {
        for format in [SignatureFormat::Bundle, SignatureFormat::Cosign] {
            let fixture = Fixture::new(TestRegistry::start(false));
            let image = fixture.registry.image();
            std::thread::scope(|scope| {
                for number in 0..16 {
                    let (fixture, image) = (&fixture, &image);
                    let content = signed_payload(number);
                    scope.spawn(move || fixture.attach(image, format, &content, &[]).unwrap());
                }
            });
            let (_, found) = fixture.list(&image, &[format]);
            assert_eq!(found.signatures.len(), 16);
        }
    }

    #[test]
    fn an_entry_whose_manifest_is_gone_does_not_keep_ours_out() {
        // As Debian's registry does: an index with an entry that it does not have is refused.
        let fixture = Fixture::new(TestRegistry::with(false, |asked, _| {
            let refused = asked.method == "PUT"
                && asked.path.contains("/manifests/sha256-")
                && String::from_utf8_lossy(&asked.body).contains(&"0".repeat(64));
            refused.then(|| Answer::error(400, "MANIFEST_BLOB_UNKNOWN"))
        }));
        let image = fixture.registry.image();
        let tag = image.split_once('@').unwrap().1.replace(':', "-");
        let gone =
            json!({ "mediaType": OCI, "size": 1, "digest": format!("sha256:{}", "0".repeat(64)) });
        let index = json!({ "mediaType": INDEX, "manifests": [gone] });
        fixture.registry.memory.keep(&tag, INDEX, index.to_string());
        fixture
            .attach(&image, SignatureFormat::Bundle, b"{}", &[])
            .unwrap();
        let now = fixture.registry.memory.tagged(&tag).unwrap();
        assert_eq!(now["manifests"].as_array().unwrap().len(), 1, "{now}");
    }

    /// A proxy's page says nothing about what is gone: nobody's entry is dropped for it.
    #[test]
    fn an_entry_that_a_page_stands_in_for_is_not_dropped() {
        let fixture = Fixture::new(TestRegistry::with(false, |asked, _| {
            let is_index = asked.path.contains("/manifests/sha256-");
            match asked.method.as_str() {
                "PUT" if is_index => Some(Answer::error(400, "MANIFEST_BLOB_UNKNOWN")),
                "HEAD" if asked.path.contains("/manifests/") => {
                    Some(Answer::new(404).header("Content-Type", "text/html"))
                }
                _ => None,
            }
        }));
        let image = fixture.registry.image();
        let tag = image.split_once('@').unwrap().1.replace(':', "-");
        let theirs =
            json!({ "mediaType": OCI, "size": 1, "digest": format!("sha256:{}", "0".repeat(64)) });
        let index = json!({ "mediaType": INDEX, "manifests": [theirs] });
        fixture.registry.memory.keep(&tag, INDEX, index.to_string());
        let attached = fixture.attach(&image, SignatureFormat::Bundle, b"{}", &[]);
        assert_eq!(attached.unwrap_err().code, ErrorCode::Unavailable);
        assert_eq!(fixture.registry.memory.tagged(&tag).unwrap(), index);
    }
}
