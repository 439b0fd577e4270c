//! Which signatures an image has, without judging them: beside it and in the local store.

use crate::store::Store;
use crate::verification::Reason;
use crate::verify::gather::{Listed, Pages, list_in_store};
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
    pub signatures: Vec<StoredSignature>,
    /// Why there may be more.
    pub failures: Vec<Reason>,
    /// Remarks for the user.
    pub notes: Vec<String>,
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
    let (mut signatures, mut failures) = (Vec::<StoredSignature>::new(), Vec::new());
    for listed in std::iter::once(beside).chain(kept) {
        let Listed {
            signatures: some,
            failures: whole,
            unread,
            notes: more,
        } = listed;
        // What was attached lies in the local store too.
        let new = some
            .into_iter()
            .filter(|s: &StoredSignature| !signatures.iter().any(|other| is_same(s, other)))
            .collect::<Vec<_>>();
        signatures.extend(new);
        failures.extend(whole.into_iter().chain(unread));
        notes.extend(more);
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
