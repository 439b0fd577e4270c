//! How artifacts are named.

/// The repository of an image: its reference without the digest.
pub(crate) fn repository(reference: &str) -> &str {
    reference
        .split_once('@')
        .map_or(reference, |(name, _)| name)
}
