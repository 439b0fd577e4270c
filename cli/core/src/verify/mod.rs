//! Verifying an artifact: the signatures of a file are found and read first, so that its bytes are read once for all of them; those
//! of an image place by place, until there are enough.

pub(crate) mod check;
pub mod find;
pub(crate) mod gather;
pub(crate) mod payload;
mod reason;
mod request;
mod verdict;
mod words;

pub use gather::GivenSignature;
pub use reason::Reason;
pub use request::{CheckedSignature, Verified, VerifyingRequest};
pub use verdict::{Signer, Verification};

use crate::formats::signature_file::SignatureFile;
use crate::resolve::{Proof, prove, resolve, resolve_prefixed};
use crate::trust::{Policy, TrustedKey};
use check::Outcome;
use gather::{Candidate, Gathered};
use payload::Challenges;
use sigtool_sdk::Result;
use sigtool_sdk::connection::Handle;
use sigtool_sdk::types::{Artifact, DigestAlgorithm};

/// Verifies an artifact against a policy.
///
/// # Errors
///
/// The artifact itself cannot be had: it is missing, is not an artifact, or changed meanwhile. All that concerns signatures is in
/// the verdict.
pub fn verify_artifact(source: &Handle, request: &VerifyingRequest<'_>) -> Result<Verified> {
    let mut seen = Seen::default();
    let (artifact, proof) = if request.pins {
        check_by_place(source, request, &mut seen)?
    } else {
        check_at_once(source, request, &mut seen)?
    };
    let (verification, more) = decide(
        request.policy,
        &seen.checked,
        seen.failures.clone(),
        request.nothing_found(),
    );
    seen.notes.extend(more);
    Ok(Verified {
        artifact,
        verification,
        checked: seen.checked,
        unread: seen.failures,
        proof,
        notes: seen.notes,
    })
}

/// The artifact first, then its signatures place by place, until there are enough.
fn check_by_place(
    source: &Handle,
    request: &VerifyingRequest<'_>,
    seen: &mut Seen,
) -> Result<(Artifact, Proof)> {
    // A manifest is small: every digest that a signature may be about, at once.
    let (mut artifact, notes) = resolve(source, request.reference, &DigestAlgorithm::ALL)?;
    seen.notes.extend(notes);
    let proof = prove(request.reference, &mut artifact, request.is_own)?;
    for place in request.places() {
        for gathered in request.look(source, &place, Some(&artifact)) {
            seen.check(request.policy, &artifact, &Challenges::default(), gathered)?;
            if seen.is_enough(request.policy) {
                break;
            }
        }
        if seen.is_enough(request.policy) {
            break;
        }
    }
    // The others were asked for in case a statement names them.
    artifact
        .digests
        .retain(|digest| digest.algorithm() == DigestAlgorithm::Sha256);
    Ok((artifact, proof))
}

/// All signatures first, then the artifact with whatever they take, in one pass of the source over its bytes.
fn check_at_once(
    source: &Handle,
    request: &VerifyingRequest<'_>,
    seen: &mut Seen,
) -> Result<(Artifact, Proof)> {
    let mut gathered = Gathered::default();
    for place in request.places() {
        for part in request.look(source, &place, None) {
            gathered.extend(part);
        }
    }
    let keys = request.policy.keys();
    let digests = check::wanted_digests(keys, &gathered.found);
    let prefixed = match request.is_own {
        true => payload::wanted(keys, &gathered.found),
        false => Vec::new(),
    };
    let mut answer = resolve_prefixed(source, request.reference, &digests, &prefixed)?;
    let proof = prove(request.reference, &mut answer.artifact, request.is_own)?;
    gathered.notes.extend(answer.notes);
    let challenges = Challenges::new(prefixed, answer.prefixed);
    seen.check(request.policy, &answer.artifact, &challenges, gathered)?;
    Ok((answer.artifact, proof))
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
    fn check(
        &mut self,
        policy: &Policy,
        artifact: &Artifact,
        challenges: &Challenges,
        found: Gathered,
    ) -> Result<()> {
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
        let outcomes = check::check(
            policy.keys(),
            policy.annotations(),
            artifact,
            challenges,
            &candidates,
        )?;
        self.checked.extend(report(policy, &candidates, &outcomes));
        Ok(())
    }

    fn is_enough(&self, policy: &Policy) -> bool {
        signers(policy, &self.checked).len() >= policy.required()
    }
}

fn report(
    policy: &Policy,
    candidates: &[Candidate],
    outcomes: &[Outcome],
) -> Vec<CheckedSignature> {
    candidates
        .iter()
        .zip(outcomes)
        .map(|(candidate, outcome)| CheckedSignature {
            location: candidate.location.clone(),
            format: candidate.format_name(),
            signer: outcome.key().map(|key| policy.keys()[key].named().clone()),
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

/// The distinct trusted signers that made a signature, in the policy's order.
fn signers(policy: &Policy, checked: &[CheckedSignature]) -> Vec<Signer> {
    let signed = |trusted: &TrustedKey| {
        let own = checked
            .iter()
            .filter(|c| c.signer.as_ref() == Some(trusted.named()));
        let signatures: Vec<String> = own.map(|c| c.location.clone()).collect();
        (!signatures.is_empty()).then(|| Signer::of(trusted, signatures))
    };
    policy.keys().iter().filter_map(signed).collect()
}

fn not_enough(policy: &Policy, signers: &[Signer]) -> Reason {
    let named = policy.keys().iter().map(|trusted| trusted.named().clone());
    let (signed, missing) =
        named.partition(|named| signers.iter().any(|s| s.key_hint == named.key_hint));
    Reason::NotEnoughSigners {
        required: policy.required(),
        signed,
        missing,
    }
}

#[cfg(test)]
mod tests;
