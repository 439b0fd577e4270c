//! Which signatures an artifact has, without judging them: beside it and in the local store.

use crate::signature::SignatureFile;
use crate::store::Store;
use crate::verification::Reason;
use crate::verify::check::repository;
use crate::verify::gather::{Pages, list_in_store};
use crate::verify::resolve;
use sigtool_sdk::Result;
use sigtool_sdk::connection::Handle;
use sigtool_sdk::types::{Artifact, Bytes, DigestAlgorithm, StoredSignature};

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
    /// The signature, and where it lies.
    pub stored: StoredSignature,
    /// Whether it was made on this machine, for this repository: the local store has it.
    pub own: bool,
}

impl FoundSignature {
    /// The raw signature, if it can be read, and the hint of the key that it names, which nobody has checked.
    #[must_use]
    pub fn unverified(&self) -> (Option<Bytes>, Option<String>) {
        match SignatureFile::decode(&self.stored.content) {
            Ok(SignatureFile::Bundle(bundle)) => {
                let hint = bundle.unverified_hint().map(str::to_owned);
                (Some(bundle.content.signature().into()), hint)
            }
            Ok(SignatureFile::Detached(raw)) => (Some(raw.into()), None),
            Ok(SignatureFile::SignedPayload(signed)) => (Some(signed.base64_signature), None),
            Err(_) => (None, None),
        }
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
    let beside = beside.map(|stored| FoundSignature { stored, own: false });
    let here = repository(&artifact);
    let kept = kept.map(|kept| {
        kept.map(|kept| FoundSignature {
            own: kept.repository == here,
            stored: kept.stored,
        })
    });
    for listed in std::iter::once(beside).chain(kept) {
        failures.extend(listed.failures.into_iter().chain(listed.unread));
        notes.extend(listed.notes);
        for one in listed.found {
            // What was attached lies in the local store too.
            let same = |other: &&mut FoundSignature| is_same(&one.stored, &other.stored);
            match signatures.iter_mut().find(same) {
                Some(known) => known.own |= one.own,
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
