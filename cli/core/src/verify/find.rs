//! Which signatures an artifact has, without judging them: beside it and in the local store.

use super::gather::{Pages, list_in_store};
use super::reason::Reason;
use crate::formats::bundle::Content;
use crate::formats::signature_file::SignatureFile;
use crate::limits::MAX_BUNDLE;
use crate::reference::repository;
use crate::resolve::resolve;
use crate::store::Store;
use sigtool_sdk::Result;
use sigtool_sdk::connection::Handle;
use sigtool_sdk::file::{ReadError, read_regular};
use sigtool_sdk::types::{
    Artifact, Bytes, Digest, DigestAlgorithm, SignatureFormat, StoredSignature,
};
use std::path::Path;

/// What was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The artifact.
    pub artifact: Artifact,
    /// Its signatures, each once, those beside it first.
    pub signatures: Vec<FoundSignature>,
    /// Why there may be more.
    pub failures: Vec<Reason>,
    /// Remarks for the user.
    pub notes: Vec<String>,
}

/// A signature of the artifact.
#[derive(Clone, Debug)]
pub struct FoundSignature {
    /// The signature, and where it lies first.
    pub stored: StoredSignature,
    /// Every place beside the artifact that it lies in; none if only the local store has it.
    pub beside: Vec<String>,
    /// Whether it was made on this machine, for this repository: the local store has it.
    pub own: bool,
}

/// What a signature says of itself, which nobody has checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unverified {
    /// The raw signature, if it can be read.
    pub signature: Option<Bytes>,
    /// The hint of the key that it names.
    pub key_hint: Option<String>,
    /// The digest of the file that it signs.
    pub digest: Option<Digest>,
}

impl FoundSignature {
    /// What it says of itself.
    #[must_use]
    pub fn unverified(&self) -> Unverified {
        let Ok(file) = SignatureFile::decode(&self.stored.content) else {
            return Unverified::default();
        };
        let mut unverified = Unverified {
            signature: Some(file.raw().into()),
            ..Unverified::default()
        };
        if let SignatureFile::Bundle(bundle) = file {
            unverified.key_hint = bundle.unverified_hint().map(str::to_owned);
            unverified.digest = match bundle.content {
                Content::Message {
                    unverified_digest, ..
                } => unverified_digest,
                Content::Envelope(_) => None,
            };
        }
        unverified
    }
}

/// Finds the signatures of an artifact.
///
/// # Errors
///
/// The artifact itself cannot be had.
pub fn find_signatures(
    source: &Handle,
    store: &Result<Option<&Store>>,
    reference: &str,
) -> Result<Found> {
    let (artifact, mut notes) = resolve(source, reference, &[DigestAlgorithm::Sha256])?;
    let digest = artifact.digest(DigestAlgorithm::Sha256);
    let kept = digest.map(|digest| list_in_store(store, digest));
    let beside = Pages::new(source, &artifact.reference, digest, &[]).all();
    let (mut signatures, mut failures) = (Vec::<FoundSignature>::new(), Vec::new());
    let beside = beside.map(|stored| FoundSignature {
        beside: vec![stored.location.clone()],
        stored,
        own: false,
    });
    let here = repository(&artifact.reference);
    let kept = kept.map(|kept| {
        kept.map(|kept| FoundSignature {
            own: kept.repository == here,
            stored: kept.stored,
            beside: Vec::new(),
        })
    });
    for listed in std::iter::once(beside).chain(kept) {
        failures.extend(listed.failures.into_iter().chain(listed.unread));
        notes.extend(listed.notes);
        for one in listed.found {
            // What was attached lies in the local store too.
            let same = |other: &&mut FoundSignature| is_same(&one.stored, &other.stored);
            match signatures.iter_mut().find(same) {
                Some(known) => {
                    known.own |= one.own;
                    known.beside.extend(one.beside);
                }
                None => signatures.push(one),
            }
        }
    }
    Ok(Found {
        artifact,
        signatures,
        failures,
        notes,
    })
}

fn is_same(one: &StoredSignature, other: &StoredSignature) -> bool {
    one.format == other.format && one.content == other.content
}

/// Whether a file holds a signature; none if that cannot be told.
#[must_use]
pub fn holds(path: &Path, format: SignatureFormat, signature: &[u8]) -> Option<bool> {
    match read_regular(path, MAX_BUNDLE as u64) {
        Ok(content) => Some(SignatureFile::decode(&content).is_ok_and(|file| {
            let is_bundle = matches!(file, SignatureFile::Bundle(_));
            is_bundle == (format == SignatureFormat::Bundle) && file.raw() == signature
        })),
        // Something else stands there.
        Err(ReadError::NotRegular(_) | ReadError::TooLarge { .. }) => Some(false),
        Err(error) => error.is_missing().then_some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_holds_the_signature_that_can_be_read_from_it_in_its_format() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt.sig");
        let (cosign, bundle) = (SignatureFormat::Cosign, SignatureFormat::Bundle);
        assert_eq!(holds(&path, cosign, &[1, 2, 3]), Some(false), "not there");
        assert_eq!(holds(&path.join("x"), cosign, &[1]), Some(false));
        fs::write(&path, "AQID\n").unwrap();
        assert_eq!(holds(&path, cosign, &[1, 2, 3]), Some(true));
        assert_eq!(holds(&path, bundle, &[1, 2, 3]), Some(false));
        assert_eq!(holds(&path, cosign, &[1, 2, 4]), Some(false));
        fs::write(&path, "no signature").unwrap();
        assert_eq!(holds(&path, cosign, &[1, 2, 3]), Some(false));
        assert_eq!(holds(folder.path(), cosign, &[1]), Some(false), "a folder");
        // Nobody can tell where a link to itself leads.
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("a.txt.sig", &path).unwrap();
        assert_eq!(holds(&path, cosign, &[1, 2, 3]), None);
    }
}
