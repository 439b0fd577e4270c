//! Asking a source for one artifact.

use sigtool_sdk::connection::Handle;
use sigtool_sdk::source::{Prefixed, Resolve, ResolveArgs};
use sigtool_sdk::types::{Artifact, Digest, DigestAlgorithm};
use sigtool_sdk::{Error, ErrorCode, Result};

/// Asks the source for an artifact with these digests, once.
pub(crate) fn resolve(
    source: &Handle,
    reference: &str,
    digests: &[DigestAlgorithm],
) -> Result<(Artifact, Vec<String>)> {
    let answer = resolve_prefixed(source, reference, digests, &[])?;
    Ok((answer.artifact, answer.notes))
}

/// What a source said of an artifact.
pub(crate) struct Answer {
    pub(crate) artifact: Artifact,
    pub(crate) notes: Vec<String>,
    /// One for each that was asked for, or none at all.
    pub(crate) prefixed: Vec<Digest>,
}

/// The same, with digests of some bytes and the artifact's after them, which a source need not give.
pub(crate) fn resolve_prefixed(
    source: &Handle,
    reference: &str,
    digests: &[DigestAlgorithm],
    prefixed: &[Prefixed],
) -> Result<Answer> {
    let resolved = source.call::<Resolve>(&ResolveArgs {
        reference: reference.to_owned(),
        digests: digests.to_vec(),
        prefixed: prefixed.to_vec(),
        ..ResolveArgs::default()
    })?;
    let artifact = resolved.artifact.ok_or_else(|| {
        Error::new(
            ErrorCode::InvalidRequest,
            format!("`{reference}` is not one artifact, but holds others"),
        )
    })?;
    if let Some(missing) = digests.iter().find(|d| artifact.digest(**d).is_none()) {
        return Err(Error::new(
            ErrorCode::Internal,
            format!("the source was asked for the {missing} digest and did not give it"),
        ));
    }
    let asked = prefixed.iter().map(|asked| asked.algorithm);
    let given = resolved.prefixed.iter().map(Digest::algorithm);
    if !resolved.prefixed.is_empty() && !given.eq(asked) {
        return Err(Error::new(
            ErrorCode::Internal,
            "the source gave other digests after a prefix than it was asked for",
        ));
    }
    Ok(Answer {
        artifact,
        notes: resolved.notes,
        prefixed: resolved.prefixed,
    })
}
