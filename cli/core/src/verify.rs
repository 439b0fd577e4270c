//! Verifying an artifact: the signatures of a file are found and read first, so that its bytes are read once for all of them; those
//! of an image place by place, until there are enough.

pub(crate) mod check;
pub(crate) mod gather;

use crate::policy::Policy;
use crate::signature::SignatureFile;
use crate::store::Store;
use crate::verification::{NamedKey, Reason, Signer, Verification};
use check::Outcome;
use gather::{Candidate, Gathered, Pages};
use serde::Serialize;
use sigtool_sdk::connection::Handle;
use sigtool_sdk::source::{Resolve, ResolveArgs};
use sigtool_sdk::types::{Artifact, DigestAlgorithm, SignatureFormat};
use sigtool_sdk::{Error, ErrorCode, Result};

/// A file of signatures that the user gave; its format is told by its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenSignature {
    /// How the user named it; for messages.
    pub label: String,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// What verifying an artifact gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// The artifact, with the digests that were needed.
    pub artifact: Artifact,
    /// The verdict.
    pub verification: Verification,
    /// Every signature that was looked at.
    pub checked: Vec<CheckedSignature>,
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
    /// Signatures that the user gave. If there is none, those are looked at that the source and the store keep.
    pub given: &'a [GivenSignature],
    /// The local store, if there is one, or why it cannot be read; for artifacts with such references only.
    pub store: Result<Option<&'a Store>>,
    /// What is demanded.
    pub policy: &'a Policy,
}

/// A place where signatures are looked for.
enum Place<'a> {
    Beside(&'static [SignatureFormat]),
    Given,
    InStore(&'a Result<Option<&'a Store>>),
}

impl VerifyingRequest<'_> {
    /// In the order in which they are asked, until the policy is met. A place of its own for each format: one that fails does
    /// not keep the next from being asked.
    fn places(&self) -> Vec<Place<'_>> {
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

    /// What a place holds, in parts. The bytes of a file are read once, so that its signatures are all wanted before.
    fn look<'a>(
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

    fn nothing_found(&self) -> Reason {
        if self.pins && self.given.is_empty() {
            Reason::NoSignatureHere
        } else {
            Reason::NoSignature
        }
    }
}

/// Verifies an artifact against a policy.
///
/// # Errors
///
/// The artifact itself cannot be had: it is missing, is no artifact, or changed meanwhile. All that concerns signatures is in
/// the verdict.
pub fn verify_artifact(source: &Handle, request: &VerifyingRequest<'_>) -> Result<Verified> {
    let mut seen = Seen::default();
    let artifact = if request.pins {
        // A manifest is small: every digest that a signature may be about, at once.
        let (mut artifact, notes) = resolve(source, request.reference, &DigestAlgorithm::ALL)?;
        seen.notes.extend(notes);
        for place in request.places() {
            for gathered in request.look(source, &place, Some(&artifact)) {
                seen.check(request.policy, &artifact, gathered)?;
                if seen.is_enough(request.policy) {
                    break;
                }
            }
            if seen.is_enough(request.policy) {
                break;
            }
        }
        // The others were asked for in case that a statement names them.
        artifact
            .digests
            .retain(|digest| digest.algorithm() == DigestAlgorithm::Sha256);
        artifact
    } else {
        let mut gathered = Gathered::default();
        for place in request.places() {
            for part in request.look(source, &place, None) {
                gathered.extend(part);
            }
        }
        let digests = check::wanted_digests(request.policy.keys(), &gathered.found);
        let (artifact, notes) = resolve(source, request.reference, &digests)?;
        gathered.notes.extend(notes);
        seen.check(request.policy, &artifact, gathered)?;
        artifact
    };
    let (verification, more) = decide(
        request.policy,
        &seen.checked,
        seen.failures,
        request.nothing_found(),
    );
    seen.notes.extend(more);
    Ok(Verified {
        artifact,
        verification,
        checked: seen.checked,
        notes: seen.notes,
    })
}

/// What has been looked at so far.
#[derive(Default)]
struct Seen {
    checked: Vec<CheckedSignature>,
    failures: Vec<Reason>,
    notes: Vec<String>,
    /// What was attached lies in the local store too, and is looked at once.
    files: Vec<SignatureFile>,
}

impl Seen {
    fn check(&mut self, policy: &Policy, artifact: &Artifact, found: Gathered) -> Result<()> {
        let Gathered {
            found: mut candidates,
            failures,
            unread,
            notes,
        } = found;
        for failure in failures.into_iter().chain(unread) {
            // A place may be asked once for each format.
            if !self.failures.contains(&failure) {
                self.failures.push(failure);
            }
        }
        self.notes.extend(notes);
        candidates.retain(|candidate| match &candidate.file {
            Ok(file) if candidate.is_in_store() => !self.files.contains(file),
            Ok(file) => {
                self.files.push(file.clone());
                true
            }
            Err(_) => true,
        });
        let outcomes = check::check(policy.keys(), policy.annotations(), artifact, &candidates)?;
        self.checked.extend(report(policy, &candidates, &outcomes));
        Ok(())
    }

    fn is_enough(&self, policy: &Policy) -> bool {
        signers(policy, &self.checked).len() >= policy.required()
    }
}

/// Asks the source for an artifact with these digests, once.
pub(crate) fn resolve(
    source: &Handle,
    reference: &str,
    digests: &[DigestAlgorithm],
) -> Result<(Artifact, Vec<String>)> {
    let resolved = source.call::<Resolve>(&ResolveArgs {
        reference: reference.to_owned(),
        digests: digests.to_vec(),
        recursive: false,
        page: None,
    })?;
    let artifact = resolved.artifact.ok_or_else(|| {
        Error::new(
            ErrorCode::InvalidRequest,
            format!("`{reference}` is not one artifact, but holds others"),
        )
    })?;
    match digests.iter().find(|d| artifact.digest(**d).is_none()) {
        None => Ok((artifact, resolved.notes)),
        Some(missing) => Err(Error::new(
            ErrorCode::Internal,
            format!("the source was asked for the {missing} digest and did not give it"),
        )),
    }
}

fn report(
    policy: &Policy,
    candidates: &[Candidate],
    outcomes: &[Outcome],
) -> Vec<CheckedSignature> {
    let names = check::named(policy.keys());
    candidates
        .iter()
        .zip(outcomes)
        .map(|(candidate, outcome)| CheckedSignature {
            location: candidate.location.clone(),
            format: candidate.format_name(),
            signer: outcome.key().map(|key| names[key].clone()),
            reason: outcome.reason().cloned(),
            unverified_key_hint: candidate
                .bundle()
                .and_then(|b| b.unverified_hint().map(str::to_owned)),
            unverified_log_entries: candidate
                .bundle()
                .map_or(0, |b| b.unverified_log_entries.len()),
        })
        .collect()
}

/// From the signatures and the places that failed to the verdict, and what to remark beside it.
fn decide(
    policy: &Policy,
    checked: &[CheckedSignature],
    failures: Vec<Reason>,
    nothing_found: Reason,
) -> (Verification, Vec<String>) {
    let signers = signers(policy, checked);
    let (open, closed): (Vec<Reason>, Vec<Reason>) = checked
        .iter()
        .filter_map(|c| c.reason.clone())
        .partition(Reason::is_inconclusive);
    let open: Vec<Reason> = failures.into_iter().chain(open).collect();
    if signers.len() >= policy.required() {
        let notes = closed.iter().chain(&open).map(ToString::to_string);
        return (Verification::Valid { signers }, notes.collect());
    }
    let mut reasons = Vec::new();
    if !signers.is_empty() {
        reasons.push(not_enough(policy, &signers));
    }
    reasons.extend(closed);
    if !open.is_empty() {
        let reasons = open.into_iter().chain(reasons).collect();
        return (Verification::Inconclusive { reasons }, Vec::new());
    }
    if reasons.is_empty() {
        reasons.push(nothing_found);
    }
    (Verification::Refused { reasons }, Vec::new())
}

/// The distinct trusted keys that made a signature, in the policy's order.
fn signers(policy: &Policy, checked: &[CheckedSignature]) -> Vec<Signer> {
    check::named(policy.keys())
        .into_iter()
        .zip(policy.keys())
        .filter_map(|(named, trusted)| {
            let signatures: Vec<String> = checked
                .iter()
                .filter(|c| c.signer.as_ref() == Some(&named))
                .map(|c| c.location.clone())
                .collect();
            (!signatures.is_empty()).then_some(Signer {
                name: named.name,
                key_hint: named.key_hint,
                algorithm: trusted.key.algorithm,
                signatures,
            })
        })
        .collect()
}

fn not_enough(policy: &Policy, signers: &[Signer]) -> Reason {
    let (signed, missing) = check::named(policy.keys())
        .into_iter()
        .partition(|named| signers.iter().any(|s| s.key_hint == named.key_hint));
    Reason::NotEnoughSigners {
        required: policy.required(),
        signed,
        missing,
    }
}

#[cfg(test)]
mod tests;
