//! What is to be verified, where its signatures may be, and what came of it.

use super::gather::{self, Gathered, GivenSignature, Pages};
use super::reason::Reason;
use super::verdict::Verification;
use crate::resolve::Proof;
use crate::store::Store;
use crate::trust::{NamedKey, Policy};
use serde::Serialize;
use sigtool_sdk::Result;
use sigtool_sdk::connection::Handle;
use sigtool_sdk::types::{Artifact, DigestAlgorithm, SignatureFormat};

/// What verifying an artifact gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// The artifact, with the digests that were needed.
    pub artifact: Artifact,
    /// The verdict.
    pub verification: Verification,
    /// Every signature that was looked at.
    pub checked: Vec<CheckedSignature>,
    /// What may be signatures too and could not be read.
    pub unread: Vec<Reason>,
    /// What stands behind the artifact's digests.
    #[serde(skip)]
    pub proof: Proof,
    /// Remarks for the user: what did not count beside a good signature, what the source said.
    pub notes: Vec<String>,
}

/// A signature that was looked at, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CheckedSignature {
    /// Where it is, as a user would name it.
    pub location: String,
    /// Its format, as far as it could be read: `Sigstore bundle v0.3`, `detached signature`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// The trusted key that made it; none if it does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<NamedKey>,
    /// Why it does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The key that it names. Only `signer` is proven.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unverified_key_hint: Option<String>,
    /// How many log entries it carries. They are not checked: a key needs no log.
    pub unverified_log_entries: usize,
}

/// What is to be verified, and where its signatures may be.
#[derive(Clone, Debug)]
pub struct VerifyingRequest<'a> {
    /// What the source takes: an absolute path for a file.
    pub reference: &'a str,
    /// Whether such a reference may come to name another artifact, as an image's tag may; the source then resolves it to one that
    /// does not (capability `source.pins`).
    pub pins: bool,
    /// Whether the source is one of sigtool's own. Of a file that another's source serves, an Ed25519 signature is verified over bytes
    /// that are read here.
    pub is_own: bool,
    /// Signatures that the user gave. If there are none, those that the source and the store keep are looked at.
    pub given: &'a [GivenSignature],
    /// The local store, if there is one, or why it cannot be read; for artifacts with such references only.
    pub store: Result<Option<&'a Store>>,
    /// What is demanded.
    pub policy: &'a Policy,
}

/// A place where signatures are looked for.
pub(super) enum Place<'a> {
    Beside(&'static [SignatureFormat]),
    Given,
    InStore(&'a Result<Option<&'a Store>>),
}

impl VerifyingRequest<'_> {
    /// In the order in which they are asked, until the policy is met. A place of its own for each format: one that fails does
    /// not keep the next from being asked.
    pub(super) fn places(&self) -> Vec<Place<'_>> {
        if !self.given.is_empty() {
            return vec![Place::Given];
        }
        if !self.pins {
            return vec![Place::Beside(&[])];
        }
        vec![
            Place::Beside(&[SignatureFormat::Bundle]),
            Place::Beside(&[SignatureFormat::Cosign]),
            Place::InStore(&self.store),
        ]
    }

    /// What a place holds, in parts. The bytes of a file are read once, so all its signatures are wanted before.
    pub(super) fn look<'a>(
        &'a self,
        source: &'a Handle,
        place: &Place<'a>,
        artifact: Option<&'a Artifact>,
    ) -> Box<dyn Iterator<Item = Gathered> + 'a> {
        let digest = artifact.and_then(|a| a.digest(DigestAlgorithm::Sha256));
        let reference = artifact.map_or(self.reference, |a| &a.reference);
        match (place, digest) {
            (Place::Beside(formats), Some(_)) => {
                Box::new(Pages::new(source, reference, digest, formats).map(Gathered::read))
            }
            (Place::Beside(formats), None) => {
                let all = Pages::new(source, reference, None, formats).all();
                Box::new(std::iter::once(Gathered::read(all)))
            }
            (Place::Given, _) => Box::new(std::iter::once(gather::given(self.given))),
            (Place::InStore(store), Some(digest)) => {
                let kept = gather::list_in_store(store, digest);
                let kept = kept.map(|kept| kept.stored);
                Box::new(std::iter::once(Gathered::read(kept)))
            }
            (Place::InStore(_), None) => Box::new(std::iter::empty()),
        }
    }

    pub(super) fn nothing_found(&self) -> Reason {
        if self.pins && self.given.is_empty() {
            Reason::NoSignatureHere
        } else {
            Reason::NoSignature
        }
    }
}
