//! Finding signatures: those that were given, or those beside an artifact.

use crate::bundle::Bundle;
use crate::limits::{MAX_PAGES, MAX_SIGNATURES};
use crate::signature::{Malformed, SignatureFile};
use crate::text::printable;
use crate::verification::Reason;
use crate::verify::GivenSignature;
use sigtool_sdk::connection::Handle;
use sigtool_sdk::source::{Signatures, SignaturesArgs};
use sigtool_sdk::types::{Digest, SignatureFormat, StoredSignature};

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

/// All that was found.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    pub(crate) candidates: Vec<Candidate>,
    /// Why more may be there than was found.
    pub(crate) failures: Vec<Reason>,
    /// Single files that could not be read beside others that could.
    pub(crate) unread: Vec<Reason>,
    pub(crate) notes: Vec<String>,
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

    /// Its format, in words.
    pub(crate) fn format_name(&self) -> Option<String> {
        match &self.file {
            Ok(SignatureFile::Bundle(bundle)) => Some(bundle.format.to_string()),
            Ok(SignatureFile::Detached(_)) => Some("detached signature".to_owned()),
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
            .candidates
            .push(Candidate::read(&signature.label, &signature.content));
    }
    gathered
}

/// Asks the source for what lies beside the artifact, page by page.
pub(crate) fn beside(source: &Handle, reference: &str, digest: Option<&Digest>) -> Gathered {
    let mut gathered = Gathered::default();
    let mut page = None;
    for _ in 0..MAX_PAGES {
        let args = SignaturesArgs {
            reference: reference.to_owned(),
            digest: digest.cloned(),
            page: page.take(),
        };
        let reply = match source.call::<Signatures>(&args) {
            Ok(reply) => reply,
            Err(error) => {
                gathered.failures.push(Reason::PlaceFailed {
                    place: "beside the artifact".to_owned(),
                    error,
                });
                return gathered;
            }
        };
        gathered.notes.extend(reply.notes);
        for error in reply.failures {
            gathered.unread.push(Reason::PlaceFailed {
                place: "beside the artifact".to_owned(),
                error,
            });
        }
        for stored in reply.signatures {
            if gathered.candidates.len() == MAX_SIGNATURES {
                gathered.failures.push(Reason::TooManySignatures {
                    limit: MAX_SIGNATURES,
                });
                return gathered;
            }
            gathered.take(stored);
        }
        match reply.next_page {
            Some(next) => page = Some(next),
            None => return gathered,
        }
    }
    gathered.failures.push(Reason::TooManySignatures {
        limit: MAX_SIGNATURES,
    });
    gathered
}

impl Gathered {
    fn take(&mut self, stored: StoredSignature) {
        if stored.format == SignatureFormat::Other {
            self.failures.push(Reason::UnknownFormat {
                signature: printable(&stored.location),
            });
            return;
        }
        let mut candidate = Candidate::read(&stored.location, &stored.content);
        candidate.stored = Some((stored.id, stored.format));
        self.candidates.push(candidate);
    }
}
