//! A host with its port, as addresses and names of images have them: `ghcr.io`, `localhost:5000`, `[::1]:5000`.

use std::net::{IpAddr, Ipv6Addr};

/// The longest host, in bytes, as names in DNS are bounded.
const MAX_HOST: usize = 255;

/// Whether a text is a domain or an IP address, with a port if it has one. An IPv6 address stands in brackets.
#[must_use]
pub fn is_authority(text: &str) -> bool {
    let Some((host, port)) = split_port(text) else {
        return false;
    };
    let is_host =
        is_bracketed_ipv6(host) || host.len() <= MAX_HOST && host.split('.').all(is_label);
    is_host && port.is_none_or(is_port)
}

/// Whether a host, with or without a port, is this machine: `localhost`, or an address of its loopback device, however they are written.
#[must_use]
pub fn is_loopback(authority: &str) -> bool {
    let Some((host, _)) = split_port(authority) else {
        return false;
    };
    let ip = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = |ip: IpAddr| ip.to_canonical().is_loopback();
    host.eq_ignore_ascii_case("localhost") || ip.parse().is_ok_and(is_loopback)
}

/// `host:port` into its parts, neither of them checked. The colons of an IPv6 address stand within brackets, which stay.
#[must_use]
pub fn split_port(text: &str) -> Option<(&str, Option<&str>)> {
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

/// Whether it is an IPv6 address in brackets.
pub(super) fn is_bracketed_ipv6(host: &str) -> bool {
    host.strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
}

/// Whether it is a number that a port can have.
#[must_use]
pub fn is_port(text: &str) -> bool {
    // Digits alone: the parser of numbers takes a sign, too.
    text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

/// A part of a domain, between its dots.
fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for host in [
            "localhost",
            "localhost:5000",
            "127.0.0.1",
            "127.9.9.9:80",
            "[::1]:5000",
            "LocalHost:5000",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]:5000",
        ] {
            assert!(is_authority(host) && is_loopback(host), "{host}");
        }
        for host in [
            "ghcr.io",
            "10.0.0.1:5000",
            "localhost.example.com",
            "[::2]",
            "128.0.0.1",
        ] {
            assert!(is_authority(host) && !is_loopback(host), "{host}");
        }
    }

    #[test]
    fn what_names_no_host_or_no_port_is_refused() {
        for text in [
            "", ":80", "a:", "a:0", "a:+80", "a:99999", "a:b:c", "a_b", ".a", "a.", "-a", "[::1",
            "[]", "[::g]:1", "[::1]x", "::1", "é", "user@a",
        ] {
            assert!(!is_authority(text), "{text}");
        }
    }
}
