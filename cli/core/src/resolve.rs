//! Asking a source for one artifact.

use sigtool_sdk::connection::Handle;
use sigtool_sdk::source::{Resolve, ResolveArgs};
use sigtool_sdk::types::{Artifact, DigestAlgorithm};
use sigtool_sdk::{Error, ErrorCode, Result};

/// Asks the source for an artifact with these digests, once.
pub(crate) fn resolve(
    source: &Handle,
    reference: &str,
    digests: &[DigestAlgorithm],
) -> Result<(Artifact, Vec<String>)> {
    let resolved = source.call::<Resolve>(&ResolveArgs {
        reference: reference.to_owned(),
        digests: digests.to_vec(),
        ..ResolveArgs::default()
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
