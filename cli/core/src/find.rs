//! Which signatures an image has, without judging them: beside it and in the local store.

use crate::store::Store;
use crate::verification::Reason;
use crate::verify::gather::{Pages, list_in_store};
use crate::verify::resolve;
use sigtool_sdk::Result;
use sigtool_sdk::connection::Handle;
use sigtool_sdk::types::{Artifact, DigestAlgorithm, StoredSignature};

/// What was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The image.
    pub artifact: Artifact,
    /// Its signatures, each once, those beside it first.
    pub signatures: Vec<FoundSignature>,
    /// Why there may be more.
    pub failures: Vec<Reason>,
    /// Remarks for the user.
    pub notes: Vec<String>,
}

/// A signature of the image.
#[derive(Clone, Debug)]
pub struct FoundSignature {
    /// The signature, and where it lies.
    pub stored: StoredSignature,
    /// Whether it lies in the local store, maybe besides.
    pub in_store: bool,
}

/// Finds the signatures of an image.
///
/// # Errors
///
/// The image itself cannot be had.
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
    for (listed, in_store) in std::iter::once((beside, false)).chain(kept.map(|k| (k, true))) {
        failures.extend(listed.failures.into_iter().chain(listed.unread));
        notes.extend(listed.notes);
        for stored in listed.found {
            // What was attached lies in the local store too.
            let same = |other: &&mut FoundSignature| is_same(&stored, &other.stored);
            match signatures.iter_mut().find(same) {
                Some(known) => known.in_store |= in_store,
                None => signatures.push(FoundSignature { stored, in_store }),
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
