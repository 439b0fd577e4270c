//! Finding signatures: those that were given, or those beside an artifact.

use super::reason::Reason;
use crate::formats::bundle::Bundle;
use crate::formats::malformed::Malformed;
use crate::formats::signature_file::SignatureFile;
use crate::limits::{MAX_BUNDLE, MAX_IN_STORE, MAX_PAGES, MAX_SIGNATURES, MAX_STORE_READ};
use crate::store::{InStore, Kept, STORE_ID, Store};
use crate::text::printable;
use sigtool_sdk::connection::Handle;
use sigtool_sdk::source::{Signatures, SignaturesArgs};
use sigtool_sdk::types::{Digest, SignatureFormat, StoredSignature};
use sigtool_sdk::{Error, ErrorCode};

/// A file of signatures that the user gave; its format is told by its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenSignature {
    /// How the user named it; for messages.
    pub label: String,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// Something that may be a signature, read and not checked.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    /// Where it is, as a user would name it.
    pub(crate) location: String,
    /// What it holds.
    pub(crate) file: Result<SignatureFile, Malformed>,
    /// The source's name for it, and how the source says it is kept; none for one that was given.
    pub(crate) stored: Option<(String, SignatureFormat)>,
}

/// What one place or several gave.
#[derive(Debug)]
pub(crate) struct Looked<T> {
    pub(crate) found: Vec<T>,
    /// Why more may be there than was found.
    pub(crate) failures: Vec<Reason>,
    /// Single files that could not be read beside others that could.
    pub(crate) unread: Vec<Reason>,
    pub(crate) notes: Vec<String>,
}

/// Signatures as they are kept.
pub(crate) type Listed = Looked<StoredSignature>;

/// Signatures that have been read.
pub(crate) type Gathered = Looked<Candidate>;

impl<T> Default for Looked<T> {
    fn default() -> Self {
        Self {
            found: Vec::new(),
            failures: Vec::new(),
            unread: Vec::new(),
            notes: Vec::new(),
        }
    }
}

impl<T> Looked<T> {
    /// Adds what another part of a place, or another place, gave.
    pub(crate) fn extend(&mut self, other: Self) {
        self.found.extend(other.found);
        self.failures.extend(other.failures);
        self.unread.extend(other.unread);
        self.notes.extend(other.notes);
    }

    /// The same, with something else in place of what was found.
    pub(crate) fn map<U>(self, change: impl FnMut(T) -> U) -> Looked<U> {
        Looked {
            found: self.found.into_iter().map(change).collect(),
            failures: self.failures,
            unread: self.unread,
            notes: self.notes,
        }
    }
}

impl Candidate {
    /// Reads a file of signatures.
    pub(crate) fn read(location: &str, content: &[u8]) -> Self {
        Self {
            location: printable(location),
            file: SignatureFile::decode(content),
            stored: None,
        }
    }

    pub(crate) fn bundle(&self) -> Option<&Bundle> {
        match &self.file {
            Ok(SignatureFile::Bundle(bundle)) => Some(bundle),
            _ => None,
        }
    }

    /// Whether the local store keeps it.
    pub(crate) fn is_in_store(&self) -> bool {
        self.stored
            .as_ref()
            .is_some_and(|(id, _)| id.starts_with(STORE_ID))
    }

    /// Its format, in words.
    pub(crate) fn format_name(&self) -> Option<String> {
        match &self.file {
            Ok(SignatureFile::Bundle(bundle)) => Some(bundle.format.to_string()),
            Ok(SignatureFile::Detached(_)) => Some("detached signature".to_owned()),
            Ok(SignatureFile::SignedPayload(_)) => Some("cosign signature".to_owned()),
            Err(_) => None,
        }
    }
}

/// Reads what the user gave.
pub(crate) fn given(given: &[GivenSignature]) -> Gathered {
    let mut gathered = Gathered::default();
    for (i, signature) in given.iter().enumerate() {
        if i == MAX_SIGNATURES {
            gathered.failures.push(Reason::TooManySignatures {
                limit: MAX_SIGNATURES,
            });
            break;
        }
        gathered
            .found
            .push(Candidate::read(&signature.label, &signature.content));
    }
    gathered
}

/// What lies beside an artifact, page by page; only what is kept in these formats, if there are any.
pub(crate) struct Pages<'a> {
    source: &'a Handle,
    reference: &'a str,
    digest: Option<&'a Digest>,
    formats: &'a [SignatureFormat],
    /// The page to ask for; none once there are no more.
    next: Option<Option<String>>,
    /// How many pages, and how many signatures, have come.
    pages: usize,
    signatures: usize,
}

impl<'a> Pages<'a> {
    pub(crate) fn new(
        source: &'a Handle,
        reference: &'a str,
        digest: Option<&'a Digest>,
        formats: &'a [SignatureFormat],
    ) -> Self {
        Self {
            source,
            reference,
            digest,
            formats,
            next: Some(None),
            pages: 0,
            signatures: 0,
        }
    }

    /// All pages as one.
    pub(crate) fn all(self) -> Listed {
        let mut all = Listed::default();
        for page in self {
            all.extend(page);
        }
        all
    }

    /// A source may not know of formats, and give more.
    fn is_wanted(&self, stored: &StoredSignature) -> bool {
        self.formats.is_empty()
            || self.formats.contains(&stored.format)
            || stored.format == SignatureFormat::Other
    }
}

impl Iterator for Pages<'_> {
    type Item = Listed;

    fn next(&mut self) -> Option<Listed> {
        let failed = |error| Reason::PlaceFailed {
            place: "beside the artifact".to_owned(),
            error,
        };
        let mut listed = Listed::default();
        let page = self.next.take()?;
        let args = SignaturesArgs {
            reference: self.reference.to_owned(),
            digest: self.digest.cloned(),
            formats: self.formats.to_vec(),
            page,
        };
        let reply = match self.source.call::<Signatures>(&args) {
            Ok(reply) => reply,
            Err(error) => {
                listed.failures.push(failed(error));
                return Some(listed);
            }
        };
        listed.notes = reply.notes;
        listed.unread = reply.failures.into_iter().map(failed).collect();
        let mut signatures = reply.signatures;
        signatures.retain(|stored| self.is_wanted(stored));
        let more = reply.next_page.is_some();
        self.pages += 1;
        if self.signatures + signatures.len() > MAX_SIGNATURES || more && self.pages == MAX_PAGES {
            signatures.truncate(MAX_SIGNATURES - self.signatures);
            listed.failures.push(Reason::TooManySignatures {
                limit: MAX_SIGNATURES,
            });
        } else {
            self.next = reply.next_page.map(Some);
        }
        self.signatures += signatures.len();
        listed.found = signatures;
        Some(listed)
    }
}

/// What this machine keeps itself.
pub(crate) fn list_in_store(
    store: &sigtool_sdk::Result<Option<&Store>>,
    digest: &Digest,
) -> Looked<Kept> {
    let mut listed = Looked::default();
    let found = match store {
        Ok(None) => Ok(InStore::default()),
        Ok(Some(store)) => store.signatures(digest).map_err(Into::into),
        Err(error) => Err(error.clone()),
    };
    match found {
        Ok(found) => {
            if found.more {
                listed.failures.push(Reason::TooManySignatures {
                    limit: MAX_IN_STORE,
                });
            }
            let too_large = found.too_large.into_iter();
            listed.unread = too_large
                .map(|(at, size)| too_large_to_read(&at, size))
                .collect();
            listed.found = found.kept;
        }
        Err(error) => listed.failures.push(Reason::PlaceFailed {
            place: "in the local store".to_owned(),
            error,
        }),
    }
    listed
}

fn too_large_to_read(location: &str, size: u64) -> Reason {
    let what = format!(
        "{location}, has {size} bytes; a signature has at most {MAX_BUNDLE}, and those of one image {MAX_STORE_READ} together"
    );
    Reason::PlaceFailed {
        place: "in the local store".to_owned(),
        error: Error::new(ErrorCode::Integrity, what),
    }
}

impl Gathered {
    /// Reads what a place holds.
    pub(crate) fn read(listed: Listed) -> Self {
        let mut gathered = Self {
            found: Vec::new(),
            failures: listed.failures,
            unread: listed.unread,
            notes: listed.notes,
        };
        for stored in listed.found {
            gathered.take(stored);
        }
        gathered
    }

    fn take(&mut self, stored: StoredSignature) {
        if stored.format == SignatureFormat::Other {
            self.failures.push(Reason::UnknownFormat {
                signature: printable(&stored.location),
            });
            return;
        }
        let mut candidate = Candidate::read(&stored.location, &stored.content);
        candidate.stored = Some((stored.id, stored.format));
        self.found.push(candidate);
    }
}
