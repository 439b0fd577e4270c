//! How the names of images are written: with a registry's host, a tag, or a digest.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Whether a word is written as images are: with a registry's host, a tag, or a digest.
pub(crate) fn looks_like_image(word: &str) -> bool {
    let has_host = word
        .split_once('/')
        .is_some_and(|(host, _)| host == "localhost" || is_domain(host));
    has_host || is_surely_image(word)
}

/// Whether an image's name begins with a registry's host, as registries' clients tell it; without one it is at Docker Hub.
pub(crate) fn names_host(word: &str) -> bool {
    word.split_once('/')
        .is_some_and(|(host, _)| host.contains(['.', ':']) || host == "localhost")
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

/// Whether it begins with an IPv6 address in brackets, as hosts are written.
fn is_ipv6(host: &str) -> bool {
    host.strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .is_some_and(|(address, _)| address.parse::<Ipv6Addr>().is_ok())
}

/// Whether it is written as few files are: with a tag, a digest, or a host's port.
pub(crate) fn is_surely_image(word: &str) -> bool {
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
