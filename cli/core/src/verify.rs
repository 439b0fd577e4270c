//! Verifying an artifact: its signatures are found and read first, so that its bytes are read once for all of them.

pub(crate) mod check;
pub(crate) mod gather;

use crate::policy::Policy;
use crate::verification::{NamedKey, Reason, Signer, Verification};
use check::Outcome;
use gather::{Candidate, Gathered};
use serde::Serialize;
use sigtool_sdk::connection::Handle;
use sigtool_sdk::source::{Resolve, ResolveArgs};
use sigtool_sdk::types::{Artifact, DigestAlgorithm};
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

/// Verifies an artifact against a policy.
///
/// The signatures are those given, or if none is given, those that the source keeps beside the artifact. `reference` is what
/// the source takes for both: an absolute path for a file.
///
/// # Errors
///
/// The artifact itself cannot be had: it is missing, is no artifact, or changed meanwhile. All that concerns signatures is in
/// the verdict.
pub fn verify_artifact(
    source: &Handle,
    reference: &str,
    given: &[GivenSignature],
    policy: &Policy,
) -> Result<Verified> {
    let gathered = if given.is_empty() {
        gather::beside(source, reference, None)
    } else {
        gather::given(given)
    };
    let Gathered {
        candidates,
        mut failures,
        unread,
        mut notes,
    } = gathered;
    failures.extend(unread);
    let digests = check::wanted_digests(policy.keys(), &candidates);
    let (artifact, more) = resolve(source, reference, &digests)?;
    notes.extend(more);
    let outcomes = check::check(policy.keys(), &artifact, &candidates)?;
    let checked = report(policy, &candidates, &outcomes);
    let (verification, more) = decide(policy, &checked, failures);
    notes.extend(more);
    Ok(Verified {
        artifact,
        verification,
        checked,
        notes,
    })
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
        reasons.push(Reason::NoSignature);
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
