//! How images are named: `ghcr.io/acme/app:1.2`, as [distribution] reads it, and short names as Docker does.
//!
//! `oci_spec::distribution::Reference` reads the same, by a regular expression that takes 37 ms to build, more than signing takes,
//! and that lets letters outside ASCII into a tag. Everything that gets into a URL is checked here, character by character.
//!
//! [distribution]: https://github.com/distribution/reference/blob/main/reference.go

use super::super::authority::is_authority;
use super::super::{Digest, ParseDigestError};
use crate::text::quoted;
use std::fmt;
use std::str::FromStr;

/// Docker Hub, as cosign names it in payloads.
pub const DOCKER_HUB: &str = "index.docker.io";
/// Where Docker Hub is reached.
const DOCKER_HUB_ADDRESS: &str = "registry-1.docker.io";
/// The other names of Docker Hub.
const DOCKER_HUB_ALIASES: [&str; 2] = ["docker.io", DOCKER_HUB_ADDRESS];

/// The tag that is meant where neither a tag nor a digest is named.
const LATEST: &str = "latest";

/// The longest repository, host included, in bytes, as distribution sets it.
const MAX_NAME: usize = 255;
/// The longest tag, in bytes, as the distribution specification sets it.
const MAX_TAG: usize = 128;

/// An image, or anything else that has a manifest in a registry: `repository[:tag][@digest]`.
///
/// It exists only if every part can stand in a request. Equal repositories have one spelling: it prints the registry's host in
/// lowercase letters, and Docker Hub in full (`index.docker.io/library/alpine`). What it prints reads as the same again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageRef {
    repository: Repository,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl ImageRef {
    /// Where it is kept.
    #[must_use]
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The tag that is written.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The tag that is written, or `latest` where there is no digest either.
    #[must_use]
    pub fn tag_or_latest(&self) -> Option<&str> {
        match (&self.tag, &self.digest) {
            (None, None) => Some(LATEST),
            (tag, _) => tag.as_deref(),
        }
    }

    /// The digest that is written. With it the tag is only a remark.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The same repository and digest, by another tag or none.
    ///
    /// # Errors
    ///
    /// [`ParseImageError::Tag`].
    pub fn with_tag(mut self, tag: Option<&str>) -> Result<Self, ParseImageError> {
        self.tag = tag.map(parse_tag).transpose()?;
        Ok(self)
    }
}

impl FromStr for ImageRef {
    type Err = ParseImageError;

    fn from_str(text: &str) -> Result<Self, ParseImageError> {
        if let Some((scheme, rest)) = text.split_once("://") {
            return Err(ParseImageError::Scheme {
                scheme: scheme.to_owned(),
                rest: rest.to_owned(),
            });
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse()?)),
            None => (text, None),
        };
        let (name, tag) = split_tag(rest);
        Ok(Self {
            repository: name.parse()?,
            tag: tag.map(parse_tag).transpose()?,
            digest,
        })
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.repository.fmt(f)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

/// A repository of a registry: `ghcr.io/acme/app`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    host: String,
    path: String,
}

impl Repository {
    /// The registry, as users and payloads name it.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Where the registry is reached: a host, and a port if it has one.
    #[must_use]
    pub fn address(&self) -> &str {
        if self.host == DOCKER_HUB {
            DOCKER_HUB_ADDRESS
        } else {
            &self.host
        }
    }

    /// The repository within its registry: `acme/app`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The last part of its path, by which people call it: `app`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// The manifest of this digest in it.
    #[must_use]
    pub fn pinned(&self, digest: &Digest) -> ImageRef {
        ImageRef {
            repository: self.clone(),
            tag: None,
            digest: Some(digest.clone()),
        }
    }
}

impl FromStr for Repository {
    type Err = ParseImageError;

    /// Reads a name without tag and digest; without a registry it is at Docker Hub.
    fn from_str(name: &str) -> Result<Self, ParseImageError> {
        let (host, path) = match name.split_once('/') {
            Some((first, rest)) if names_a_host(first) => (first, rest),
            _ => (DOCKER_HUB, name),
        };
        if !is_authority(host) {
            return Err(ParseImageError::Host);
        }
        if path.is_empty() {
            return Err(ParseImageError::Empty);
        }
        let host = canonical_registry(host);
        let path = match (host.as_str(), path.contains('/')) {
            (DOCKER_HUB, false) => format!("library/{path}"),
            _ => path.to_owned(),
        };
        // As it is written out in full, so that what is printed can be read again.
        if host.len() + 1 + path.len() > MAX_NAME {
            return Err(ParseImageError::TooLong);
        }
        if !path.split('/').all(is_component) {
            return Err(if path.bytes().any(|b| b.is_ascii_uppercase()) {
                ParseImageError::Uppercase
            } else {
                ParseImageError::Repository
            });
        }
        Ok(Self { host, path })
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.path)
    }
}

/// Why a text does not name an image. It continues a sentence that begins with the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseImageError {
    /// What stands behind the `@` is not a digest.
    #[error(transparent)]
    Digest(#[from] ParseDigestError),
    /// There is nothing but a registry.
    #[error("it names no repository")]
    Empty,
    /// What stands where the registry does cannot be one.
    #[error("its registry is not a host")]
    Host,
    /// A character that no repository has.
    #[error("a repository is written in lowercase letters, digits, `.`, `_`, `-` and `/`")]
    Repository,
    /// A scheme before it.
    #[error("a registry is named without a scheme")]
    Scheme {
        /// The scheme, without `://`.
        scheme: String,
        /// What stands behind it.
        rest: String,
    },
    /// What stands behind the colon is not a tag.
    #[error("{} is not a tag: letters, digits, `_`, `.` and `-`, at most {MAX_TAG}", quoted(.0))]
    Tag(String),
    /// It is longer than registries take.
    #[error("it has more than {MAX_NAME} characters")]
    TooLong,
    /// Uppercase letters in the repository.
    #[error("a repository is written in lowercase letters")]
    Uppercase,
}

impl ParseImageError {
    /// How an image is named instead.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Uppercase => None,
            Self::Scheme { scheme, rest } => {
                Some(format!("leave out `{scheme}://`: {}", quoted(rest)))
            }
            _ => Some("write it as `ghcr.io/acme/app:1.2`".to_owned()),
        }
    }
}

/// Whether the name of an image begins with its registry. One that does not is at Docker Hub.
#[must_use]
pub fn names_registry(word: &str) -> bool {
    word.split_once('/')
        .is_some_and(|(first, _)| names_a_host(first))
}

/// The one spelling of a registry's host.
#[must_use]
pub fn canonical_registry(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    if DOCKER_HUB_ALIASES.contains(&host.as_str()) {
        DOCKER_HUB.to_owned()
    } else {
        host
    }
}

/// Whether what stands before the first slash is a registry's host, and not a part of the path at Docker Hub.
fn names_a_host(first: &str) -> bool {
    first.contains(['.', ':', '[']) || first == "localhost"
}

/// Lowercase letters and digits, separated by one dot, one or two underscores, or hyphens.
fn is_component(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separators = text.split(is_word).filter(|s| !s.is_empty());
    text.starts_with(is_word)
        && text.ends_with(is_word)
        && separators.into_iter().all(|separator| {
            matches!(separator, "." | "_" | "__") || separator.bytes().all(|b| b == b'-')
        })
}

fn parse_tag(tag: &str) -> Result<String, ParseImageError> {
    let mut bytes = tag.bytes();
    let first = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let is_tag = tag.len() <= MAX_TAG
        && bytes.next().is_some_and(first)
        && bytes.all(|b| first(b) || b == b'.' || b == b'-');
    match is_tag {
        true => Ok(tag.to_owned()),
        false => Err(ParseImageError::Tag(tag.to_owned())),
    }
}

/// A colon behind the last slash begins a tag; one before it a port.
fn split_tag(text: &str) -> (&str, Option<&str>) {
    let last = text.rfind('/').map_or(0, |slash| slash + 1);
    match text[last..].find(':') {
        Some(colon) => (&text[..last + colon], Some(&text[last + colon + 1..])),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    /// What a reference is read as: repository, address, tag, digest.
    fn read(
        text: &str,
    ) -> Result<(String, String, Option<String>, Option<String>), ParseImageError> {
        text.parse().map(|image: ImageRef| {
            (
                image.repository().to_string(),
                image.repository().address().to_owned(),
                image.tag_or_latest().map(str::to_owned),
                image.digest().map(Digest::to_string),
            )
        })
    }

    #[test]
    fn a_reference_is_read_as_docker_and_cosign_read_it() {
        let hub = "registry-1.docker.io";
        let pinned = |name: &str| format!("{name}@{DIGEST}");
        for (text, repository, address, tag, digest) in [
            (
                "ghcr.io/acme/app:1.2",
                "ghcr.io/acme/app",
                "ghcr.io",
                Some("1.2"),
                false,
            ),
            (
                "ghcr.io/acme/app",
                "ghcr.io/acme/app",
                "ghcr.io",
                Some("latest"),
                false,
            ),
            (
                "alpine",
                "index.docker.io/library/alpine",
                hub,
                Some("latest"),
                false,
            ),
            (
                "alpine:3.20",
                "index.docker.io/library/alpine",
                hub,
                Some("3.20"),
                false,
            ),
            (
                "acme/app",
                "index.docker.io/acme/app",
                hub,
                Some("latest"),
                false,
            ),
            (
                "docker.io/alpine",
                "index.docker.io/library/alpine",
                hub,
                Some("latest"),
                false,
            ),
            (
                "index.docker.io/library/alpine",
                "index.docker.io/library/alpine",
                hub,
                Some("latest"),
                false,
            ),
            (
                "registry-1.docker.io/acme/app",
                "index.docker.io/acme/app",
                hub,
                Some("latest"),
                false,
            ),
            (
                "localhost/app",
                "localhost/app",
                "localhost",
                Some("latest"),
                false,
            ),
            (
                "localhost:5000/app",
                "localhost:5000/app",
                "localhost:5000",
                Some("latest"),
                false,
            ),
            (
                "[::1]:5000/a/b:c",
                "[::1]:5000/a/b",
                "[::1]:5000",
                Some("c"),
                false,
            ),
            (
                "GHCR.io/acme/app:V1",
                "ghcr.io/acme/app",
                "ghcr.io",
                Some("V1"),
                false,
            ),
            // Without a slash, what is behind the colon is a tag.
            (
                "test.com:5000",
                "index.docker.io/library/test.com",
                hub,
                Some("5000"),
                false,
            ),
            (
                "a--b_c_d__e/f.g:_x.y-z",
                "index.docker.io/a--b_c_d__e/f.g",
                hub,
                Some("_x.y-z"),
                false,
            ),
            (
                &pinned("ghcr.io/acme/app"),
                "ghcr.io/acme/app",
                "ghcr.io",
                None,
                true,
            ),
            (
                &pinned("ghcr.io/acme/app:1.2"),
                "ghcr.io/acme/app",
                "ghcr.io",
                Some("1.2"),
                true,
            ),
        ] {
            let expected = (
                repository.to_owned(),
                address.to_owned(),
                tag.map(str::to_owned),
                digest.then(|| DIGEST.to_owned()),
            );
            assert_eq!(read(text).unwrap(), expected, "{text}");
            // The same again, as a later call gets it.
            assert_eq!(read(repository).unwrap().0, repository);
        }
    }

    #[test]
    fn what_is_no_reference_says_why() {
        let upper = DIGEST.to_uppercase();
        let long = "a/".repeat(200);
        for (text, why) in [
            ("", "no repository"),
            ("ghcr.io/", "no repository"),
            ("oci:ghcr.io/acme/app", "not a host"),
            ("https://ghcr.io/acme/app", "without a scheme"),
            ("//ghcr.io/acme/app", "a repository is written"),
            ("ghcr.io/Acme/app", "lowercase letters"),
            ("Acme", "lowercase letters"),
            ("ghcr.io/acme/", "a repository is written"),
            ("ghcr.io//app", "a repository is written"),
            ("ghcr.io/a..b", "a repository is written"),
            ("ghcr.io/a___b", "a repository is written"),
            ("ghcr.io/-a", "a repository is written"),
            ("ghcr.io/../../etc/passwd", "a repository is written"),
            ("ghcr.io/a?x=y", "a repository is written"),
            ("ghcr.io/a%2e%2e", "a repository is written"),
            ("ghcr.io/a b", "a repository is written"),
            ("ghcr.io/é", "a repository is written"),
            ("user:secret@ghcr.io/app", "a digest begins with"),
            ("ghcr.io:99999/app", "not a host"),
            ("ghcr.io:0/app", "not a host"),
            ("ghcr.io:+80/app", "not a host"),
            ("ghcr.io:/app", "not a host"),
            ("gh_cr.io/app", "not a host"),
            (".io/app", "not a host"),
            ("[::1/app", "not a host"),
            ("[]/app", "not a host"),
            ("[::g]:1/app", "not a host"),
            ("app:", "not a tag"),
            ("app:é", "not a tag"),
            ("app:.x", "not a tag"),
            ("app/b:\u{1b}[2J", "not a tag"),
            ("app:a b", "not a tag"),
            ("app@", "a digest begins with"),
            ("app@sha256:abc", "64 hexadecimal digits"),
            (&format!("app@{upper}"), "a digest begins with"),
            (&format!("app@{DIGEST}@{DIGEST}"), "hexadecimal"),
            (&format!("ghcr.io/{long}a"), "255 characters"),
            (&format!("app:{}", "a".repeat(129)), "not a tag"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.to_string().contains(why), "{text}: {error}");
            assert!(!error.to_string().contains('\u{1b}'), "{error}");
        }
    }

    /// Texts out of the pieces that names are made of, right and wrong.
    fn random_texts(count: usize) -> impl Iterator<Item = String> {
        let pieces = [
            "a",
            "A",
            "b1",
            "/",
            "/",
            ":",
            "@",
            "[",
            "]",
            "[::1]",
            ".",
            "-",
            "_",
            "__",
            "é",
            "\0",
            "sha256:",
            "oci:",
            "localhost",
            "docker.io",
            "library",
            "GHCR.io",
            ":5000/",
            "@",
            DIGEST,
        ];
        let mut seed = 1_u64;
        let mut below = move |end: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(seed >> 33).unwrap() % end
        };
        (0..count).map(move |_| {
            (0..=below(9))
                .map(|_| pieces[below(pieces.len())])
                .collect()
        })
    }

    #[test]
    fn what_is_printed_reads_as_the_same_again() {
        let mut read = 0;
        for text in random_texts(100_000) {
            let Ok(image) = text.parse::<ImageRef>() else {
                continue;
            };
            read += 1;
            let printed = image.to_string();
            assert_eq!(printed.parse::<ImageRef>().as_ref(), Ok(&image), "{text}");
            let repository = image.repository();
            assert_eq!(
                repository.to_string().parse::<Repository>().as_ref(),
                Ok(repository)
            );
            let (host, path) = (repository.host(), repository.path());
            assert!(printed.starts_with(&format!("{host}/{path}")), "{text}");
            assert!(is_authority(host) && is_authority(repository.address()));
        }
        assert!(read > 5_000, "only {read} of them were names of images");
    }

    #[test]
    fn parts_are_put_together_as_they_are_read() {
        let image: ImageRef = format!("ghcr.io/acme/app:1.2@{DIGEST}").parse().unwrap();
        assert_eq!(image.repository().name(), "app");
        let pinned = image.clone().with_tag(None).unwrap();
        assert_eq!(pinned.to_string(), format!("ghcr.io/acme/app@{DIGEST}"));
        assert_eq!(image.repository().pinned(&DIGEST.parse().unwrap()), pinned);
        assert_eq!(pinned.clone().with_tag(Some("1.2")).unwrap(), image);
        assert!(pinned.with_tag(Some("1:2")).is_err());
    }
}
