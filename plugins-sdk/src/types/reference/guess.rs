//! Whether a word that somebody typed is more likely an image or a file, by how it is written.

use super::super::authority::{is_bracketed_ipv6, split_port};
use std::net::Ipv4Addr;

/// Whether a word is written as images are: with a registry's host, a tag, or a digest. A folder such as `dist-1.2` is not a host.
#[must_use]
pub fn looks_like_image(word: &str) -> bool {
    let has_host = word
        .split_once('/')
        .is_some_and(|(host, _)| host == "localhost" || is_domain(host));
    has_host || is_surely_image(word)
}

/// Whether it is written as few files are: with a tag, a digest, or a host's port.
#[must_use]
pub fn is_surely_image(word: &str) -> bool {
    let parts = |text: &str| {
        text.split_once(':')
            .is_some_and(|(name, tag)| !name.is_empty() && !tag.is_empty())
    };
    let name = word.rsplit('/').next().unwrap_or(word);
    // An IPv6 address, or a name, and behind it a port.
    let has_port = word
        .split_once('/')
        .is_some_and(|(host, _)| is_ipv6(host) || !host.contains('[') && parts(host));
    !word.starts_with(['/', '.'])
        && !word.contains(['*', '?'])
        && (parts(name) || has_port || word.contains("@sha256:"))
}

/// Whether it is a domain or an IP address. Folders such as `dist-1.2` and `conf.d` are not: no top-level domain has one letter, or
/// digits.
fn is_domain(host: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let is_top = |label: &str| {
        label.starts_with("xn--")
            || label.len() > 1 && label.bytes().all(|b| b.is_ascii_alphabetic())
    };
    let has_top = host.rsplit_once('.').is_some_and(|(_, top)| is_top(top));
    host.parse::<Ipv4Addr>().is_ok() || is_ipv6(host) || has_top && host.split('.').all(is_label)
}

/// Whether it is an IPv6 address in brackets, with or without a port.
fn is_ipv6(host: &str) -> bool {
    split_port(host).is_some_and(|(host, _)| is_bracketed_ipv6(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_known_by_its_host_its_tag_or_its_digest() {
        for image in [
            "ghcr.io/acme/app",
            "localhost/app",
            "localhost:5000/app",
            "app:1.2",
            "acme/app:1.2",
            "app@sha256:00",
            "10.0.0.1/app",
            "[::1]/app",
            "[::1]:5000/app",
            "registry.acme.example/app",
        ] {
            assert!(looks_like_image(image), "{image}");
        }
        for file in [
            "app",
            "app.tgz",
            "dist/app.tgz",
            "./dist/app:1.2/x",
            "/tmp/a:b",
            ":b",
            "dist-1.2/sigtool",
            "out.v1/sub",
            "conf.d/x",
            "[ab].dd/x",
            "*.io/x",
        ] {
            assert!(!looks_like_image(file), "{file}");
        }
    }
}
