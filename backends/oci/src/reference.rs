//! How images are named: `ghcr.io/acme/app:1.2`, as [distribution] reads it, and short names as Docker does.
//!
//! `oci_spec::distribution::Reference` reads the same, by a regular expression that takes 37 ms to build, more than signing takes,
//! and that lets letters outside ASCII into a tag. Everything that gets into a URL is checked here, character by character.
//!
//! [distribution]: https://github.com/distribution/reference/blob/main/reference.go

use super::failure::invalid;
use sigtool_sdk::text::quoted;
use sigtool_sdk::types::{Digest, DigestAlgorithm};
use sigtool_sdk::{Error, Result};
use std::fmt;
use std::net::Ipv6Addr;

/// Docker Hub, as cosign names it in payloads.
pub(crate) const DOCKER_HUB: &str = "index.docker.io";
/// Where Docker Hub is reached.
const DOCKER_HUB_ADDRESS: &str = "registry-1.docker.io";
/// The other names of Docker Hub.
const DOCKER_HUB_ALIASES: [&str; 2] = ["docker.io", DOCKER_HUB_ADDRESS];

/// The longest repository, host included, in bytes, as distribution sets it.
const MAX_NAME: usize = 255;
/// The longest tag, in bytes, as the distribution specification sets it.
const MAX_TAG: usize = 128;

/// An image, or anything else that has a manifest in a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) repository: Repository,
    pub(crate) tag: Option<String>,
    pub(crate) digest: Option<Digest>,
}

/// A repository of a registry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Repository {
    host: String,
    path: String,
}

impl Reference {
    /// Reads a reference. Without a tag and a digest, the tag is `latest`.
    ///
    /// # Errors
    ///
    /// `invalid-request`, which says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            let error =
                invalid(format!("{} is no reference to an image", quoted(text))).because(why);
            if why == UPPERCASE {
                return error;
            }
            error.hint("write it as `ghcr.io/acme/app:1.2`")
        };
        if let Some((scheme, rest)) = text.split_once("://") {
            return Err(
                invalid(format!("{} is no reference to an image", quoted(text)))
                    .because("a registry is named without a scheme")
                    .hint(format!("leave out `{scheme}://`: {}", quoted(rest))),
            );
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(parse_digest(digest).map_err(|why| wrong(&why))?)),
            None => (text, None),
        };
        let (name, tag) = split_tag(rest);
        let repository = Repository::parse(name).map_err(wrong)?;
        let tag = match tag {
            Some(tag) if is_tag(tag) => Some(tag.to_owned()),
            Some(tag) => {
                return Err(wrong(&format!(
                    "{} is no tag: letters, digits, `_`, `.` and `-`, at most {MAX_TAG}",
                    quoted(tag)
                )));
            }
            None if digest.is_none() => Some("latest".to_owned()),
            None => None,
        };
        Ok(Self {
            repository,
            tag,
            digest,
        })
    }

    /// Reads a reference that names a digest, as `source.resolve` gives them.
    ///
    /// # Errors
    ///
    /// `invalid-request`: there is none in it.
    pub(crate) fn pinned(text: &str) -> Result<(Repository, Digest)> {
        let reference = Self::parse(text)?;
        match reference.digest {
            Some(digest) => Ok((reference.repository, digest)),
            None => Err(invalid(format!("{} names no digest", quoted(text)))),
        }
    }
}

impl Repository {
    fn parse(name: &str) -> Result<Self, &'static str> {
        let (host, path) = match name.split_once('/') {
            Some((first, rest)) if names_a_host(first) => (first, rest),
            _ => (DOCKER_HUB, name),
        };
        if !is_host(host) {
            return Err("its registry is no host");
        }
        if path.is_empty() {
            return Err("it names no repository");
        }
        let host = canonical_host(host);
        let path = match (host.as_str(), path.contains('/')) {
            (DOCKER_HUB, false) => format!("library/{path}"),
            _ => path.to_owned(),
        };
        // As it is written out in full, so that what is pinned can be read again.
        if host.len() + 1 + path.len() > MAX_NAME {
            return Err("it has more than 255 characters");
        }
        if !path.split('/').all(is_component) {
            return Err(if path.bytes().any(|b| b.is_ascii_uppercase()) {
                UPPERCASE
            } else {
                "a repository is written in lowercase letters, digits, `.`, `_`, `-` and `/`"
            });
        }
        Ok(Self { host, path })
    }

    /// The registry, as users and payloads name it.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Where the registry is reached: a host, and a port if it has one.
    pub(crate) fn address(&self) -> &str {
        if self.host == DOCKER_HUB {
            DOCKER_HUB_ADDRESS
        } else {
            &self.host
        }
    }

    /// The repository within its registry.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The reference to a manifest in it, pinned.
    pub(crate) fn pinned(&self, digest: &Digest) -> String {
        format!("{self}@{digest}")
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.path)
    }
}

const UPPERCASE: &str = "a repository is written in lowercase letters";

/// The one spelling of a registry's name.
pub(crate) fn canonical_host(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    if DOCKER_HUB_ALIASES.contains(&host.as_str()) {
        DOCKER_HUB.to_owned()
    } else {
        host
    }
}

/// Whether a text is a host, with a port if it has one.
pub(crate) fn is_host(text: &str) -> bool {
    let Some((host, port)) = split_port(text) else {
        return false;
    };
    let good_port = port.is_none_or(|port| {
        port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|p| p > 0)
    });
    let good_host = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => host.len() <= MAX_NAME && host.split('.').all(is_label),
    };
    good_host && good_port
}

/// Whether a host, with or without a port, is this machine.
pub(crate) fn is_loopback(address: &str) -> bool {
    let Some((host, _)) = split_port(address) else {
        return false;
    };
    let ip = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || ip
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

/// `host:port` into its parts. The colons of an IPv6 address stand within brackets.
pub(crate) fn split_port(text: &str) -> Option<(&str, Option<&str>)> {
    let after = match text.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => text.find(':').unwrap_or(text.len()),
    };
    let (host, rest) = text.split_at_checked(after)?;
    match rest.strip_prefix(':') {
        Some(port) => Some((host, Some(port))),
        None => rest.is_empty().then_some((host, None)),
    }
}

fn names_a_host(first: &str) -> bool {
    first.contains(['.', ':', '[']) || first == "localhost"
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
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

fn is_tag(tag: &str) -> bool {
    let mut bytes = tag.bytes();
    let first = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= MAX_TAG
        && bytes.next().is_some_and(first)
        && bytes.all(|b| first(b) || b == b'.' || b == b'-')
}

/// A colon behind the last slash begins a tag; one before it a port.
fn split_tag(text: &str) -> (&str, Option<&str>) {
    let last = text.rfind('/').map_or(0, |slash| slash + 1);
    match text[last..].find(':') {
        Some(colon) => (&text[..last + colon], Some(&text[last + colon + 1..])),
        None => (text, None),
    }
}

/// A digest that a manifest can have here.
///
/// # Errors
///
/// Why it is none, as a cause.
pub(crate) fn parse_digest(text: &str) -> Result<Digest, String> {
    match text.parse::<Digest>() {
        Ok(digest) if digest.algorithm() == DigestAlgorithm::Sha256 => Ok(digest),
        Ok(digest) => Err(format!(
            "its digest is a {} digest; registries are addressed by sha256 here",
            digest.algorithm()
        )),
        Err(error) => Err(error.to_string()),
    }
}

/// The same as an error of its own, for digests in what a registry says.
pub(crate) fn digest_of(text: &str) -> Result<Digest> {
    parse_digest(text).map_err(|why| {
        Error::new(
            sigtool_sdk::ErrorCode::Integrity,
            format!("{} is no digest of a manifest", quoted(text)),
        )
        .because(why)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigtool_sdk::ErrorCode;

    const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    /// What a reference is read as: repository, address, tag, digest.
    fn read(text: &str) -> Result<(String, String, Option<String>, Option<String>)> {
        Reference::parse(text).map(|r| {
            (
                r.repository.to_string(),
                r.repository.address().to_owned(),
                r.tag,
                r.digest.map(|d| d.to_string()),
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
            ("oci:ghcr.io/acme/app", "no host"),
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
            ("ghcr.io:99999/app", "no host"),
            ("ghcr.io:0/app", "no host"),
            ("ghcr.io:+80/app", "no host"),
            ("ghcr.io:/app", "no host"),
            ("gh_cr.io/app", "no host"),
            (".io/app", "no host"),
            ("[::1/app", "no host"),
            ("[]/app", "no host"),
            ("[::g]:1/app", "no host"),
            ("app:", "no tag"),
            ("app:é", "no tag"),
            ("app:.x", "no tag"),
            ("app/b:\u{1b}[2J", "no tag"),
            ("app:a b", "no tag"),
            ("app@", "a digest begins with"),
            ("app@sha256:abc", "64 hexadecimal digits"),
            (&format!("app@{upper}"), "a digest begins with"),
            (
                &format!("app@sha512:{}", "0".repeat(128)),
                "a sha512 digest",
            ),
            (&format!("app@{DIGEST}@{DIGEST}"), "hexadecimal"),
            (&format!("ghcr.io/{long}a"), "255 characters"),
            (&format!("app:{}", "a".repeat(129)), "no tag"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidRequest, "{text}");
            assert!(error.to_string().contains(why), "{text}: {error}");
            assert!(!error.to_string().contains('\u{1b}'), "{error}");
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic() {
        let alphabet = [
            "a", "A", "/", ":", "@", "[", "]", ".", "-", "_", "é", "\0", "sha256:", "oci:",
        ];
        let mut seed = 1_u64;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..8 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                text.push_str(alphabet[usize::try_from(seed >> 33).unwrap() % alphabet.len()]);
            }
            if let Ok(reference) = Reference::parse(&text) {
                let again = Reference::parse(&reference.repository.to_string()).unwrap();
                assert_eq!(again.repository, reference.repository, "{text}");
            }
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for host in [
            "localhost",
            "localhost:5000",
            "127.0.0.1",
            "127.9.9.9:80",
            "[::1]:5000",
        ] {
            assert!(is_host(host) && is_loopback(host), "{host}");
        }
        for host in [
            "ghcr.io",
            "10.0.0.1:5000",
            "localhost.example.com",
            "[::2]",
            "128.0.0.1",
        ] {
            assert!(is_host(host) && !is_loopback(host), "{host}");
        }
    }
}
