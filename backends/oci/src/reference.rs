//! References as users and the host give them, and digests as registries do: what this backend takes of them.

use super::failure::invalid;
use sigtool_sdk::text::quoted;
use sigtool_sdk::types::{Digest, DigestAlgorithm, ImageRef, ParseImageError, Repository};
use sigtool_sdk::{Error, ErrorCode, Result};

/// Reads a reference to an image.
///
/// # Errors
///
/// `invalid-request`, which says what is wrong with it.
pub(crate) fn image(text: &str) -> Result<ImageRef> {
    let image: ImageRef = text.parse().map_err(|why| not_an_image(text, &why))?;
    if let Some(digest) = image.digest() {
        only_sha256(digest).map_err(|why| {
            let error = invalid(format!("{} is not a reference to an image", quoted(text)));
            error.because(why).hint(EXAMPLE)
        })?;
    }
    Ok(image)
}

/// Reads a reference that names a digest, as `source.resolve` gives them.
///
/// # Errors
///
/// `invalid-request`: there is none in it.
pub(crate) fn pinned(text: &str) -> Result<(Repository, Digest)> {
    let image = image(text)?;
    match image.digest() {
        Some(digest) => Ok((image.repository().clone(), digest.clone())),
        None => Err(invalid(format!("{} names no digest", quoted(text)))),
    }
}

const EXAMPLE: &str = "write it as `ghcr.io/acme/app:1.2`";

fn not_an_image(text: &str, why: &ParseImageError) -> Error {
    let error = invalid(format!("{} is not a reference to an image", quoted(text))).because(why);
    match why.hint() {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// Reads a digest that a manifest can have here.
///
/// # Errors
///
/// Why it is not one, as a cause.
pub(crate) fn parse_digest(text: &str) -> Result<Digest, String> {
    let digest = text.parse::<Digest>().map_err(|error| error.to_string())?;
    only_sha256(&digest)?;
    Ok(digest)
}

fn only_sha256(digest: &Digest) -> Result<(), String> {
    match digest.algorithm() {
        DigestAlgorithm::Sha256 => Ok(()),
        other => Err(format!(
            "its digest is a {other} digest; registries are addressed by sha256 here"
        )),
    }
}

/// The same as an error of its own, for digests in what a registry says.
pub(crate) fn digest_of(text: &str) -> Result<Digest> {
    parse_digest(text).map_err(|why| {
        let message = format!("{} is not the digest of a manifest", quoted(text));
        Error::new(ErrorCode::Integrity, message).because(why)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_reference_says_why_and_how_it_is_written() {
        let sha512 = format!("app@sha512:{}", "0".repeat(128));
        for (text, why, hint) in [
            (
                "https://ghcr.io/app",
                "without a scheme",
                Some("leave out `https://`: `ghcr.io/app`"),
            ),
            ("ghcr.io/Acme/app", "lowercase letters", None),
            ("app:\u{1b}[2J", "is not a tag", Some(EXAMPLE)),
            (&sha512, "a sha512 digest", Some(EXAMPLE)),
        ] {
            let error = image(text).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidRequest, "{text}");
            assert!(error.causes[0].contains(why), "{error}");
            assert_eq!(error.hints.first().map(String::as_str), hint);
            assert!(!error.to_string().contains('\u{1b}'), "{error}");
        }
    }

    #[test]
    fn only_a_reference_with_a_digest_is_pinned() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        let (repository, found) = pinned(&format!("app:1@{digest}")).unwrap();
        assert_eq!(repository.to_string(), "index.docker.io/library/app");
        assert_eq!(found.to_string(), digest);
        assert!(
            pinned("app:1")
                .unwrap_err()
                .message
                .ends_with("names no digest")
        );
    }
}
