//! Who is reached without a proxy: this machine, and whom `no_proxy` names, read as Go reads it ([`httpproxy`]), since Docker and cosign do.
//!
//! [`httpproxy`]: https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config

use crate::Url;
use ipnet::IpNet;
use sigtool_sdk::types::authority::{is_loopback, split_port};
use std::net::IpAddr;

/// The hosts of `no_proxy`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exceptions(Vec<Exception>);

/// One of them, with the port if it is for that alone.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Exception {
    /// `*`
    All,
    /// `corp.example`, and all below it.
    Domain(String, Option<u16>),
    /// `.corp.example` or `*.corp.example`: all below it, and not itself. Kept without the dot.
    Below(String, Option<u16>),
    /// `10.0.0.7`
    Address(IpAddr, Option<u16>),
    /// `10.0.0.0/8`
    Network(IpNet),
}

impl Exceptions {
    /// Reads a list that is separated by commas. What names no host is passed over.
    pub(crate) fn parse(list: &str) -> Self {
        Self(list.split(',').filter_map(Exception::parse).collect())
    }

    /// Whether an address is reached without a proxy.
    pub(crate) fn name(&self, url: &Url) -> bool {
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return false;
        };
        let host = host.trim_end_matches('.');
        // What this machine says to itself is nobody else's business: without TLS a proxy would read the password.
        if is_loopback(host) || host.ends_with(".localhost") {
            return true;
        }
        let address = address(host);
        // What is an address has no domain.
        let is_or_below =
            |domain: &str| address.is_none() && (host == domain || is_below(host, domain));
        let has = |only: &Option<u16>| only.is_none_or(|only| only == port);
        self.0.iter().any(|exception| match exception {
            Exception::All => true,
            Exception::Network(network) => address.is_some_and(|ip| network.contains(&ip)),
            Exception::Address(ip, only) => address == Some(*ip) && has(only),
            Exception::Domain(domain, only) => is_or_below(domain) && has(only),
            Exception::Below(domain, only) => is_or_below(domain) && host != domain && has(only),
        })
    }
}

impl Exception {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text == "*" {
            return Some(Self::All);
        }
        if let Ok(network) = text.parse::<IpNet>() {
            return Some(Self::Network(network));
        }
        // An IPv6 address without brackets has no port: all its colons are its own.
        if let Some(ip) = address(text) {
            return Some(Self::Address(ip, None));
        }
        let (host, port) = split_port(text)?;
        // A port that is none is that of nobody.
        let port = port.map(str::parse).transpose().ok()?;
        if let Some(ip) = address(host) {
            return Some(Self::Address(ip, port));
        }
        let below = host.strip_prefix('*').unwrap_or(host);
        let domain = |text: &str| Some(domain(text)).filter(|text| !text.is_empty());
        match below.strip_prefix('.') {
            Some(below) => Some(Self::Below(domain(below)?, port)),
            None => Some(Self::Domain(domain(host)?, port)),
        }
    }
}

fn is_below(host: &str, domain: &str) -> bool {
    let above = host.strip_suffix(domain);
    above.is_some_and(|above| above.ends_with('.'))
}

/// An IP address, in brackets or without; one of IPv4 that is written as IPv6 is of IPv4.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let ip: IpAddr = bare.unwrap_or(text).parse().ok()?;
    Some(ip.to_canonical())
}

/// A domain as addresses have it: in lower case, its other letters as IDNA writes them, without the dot at its end.
fn domain(text: &str) -> String {
    let text = text.trim_end_matches('.');
    let url = Url::parse(&format!("http://{text}/"));
    let host = url.ok().and_then(|url| Some(url.host_str()?.to_owned()));
    // What is an address only to a parser of addresses, such as `10.1`, is a name here.
    host.filter(|host| address(host).is_none())
        .unwrap_or_else(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_excepted(list: &str, url: &str) -> bool {
        Exceptions::parse(list).name(&Url::parse(url).unwrap())
    }

    /// The table of Go's own tests, and what it says in its documentation.
    #[test]
    fn a_list_is_read_as_go_reads_it() {
        for (list, url, expected) in [
            ("corp.test", "https://corp.test/", true),
            ("corp.test", "https://a.b.corp.test/", true),
            ("corp.test", "https://xcorp.test/", false),
            ("corp.test", "https://corp.test.evil.example/", false),
            (".corp.test", "https://a.corp.test/", true),
            (".corp.test", "https://corp.test/", false),
            ("*.corp.test", "https://a.corp.test/", true),
            ("*.corp.test", "https://corp.test/", false),
            ("*.corp.test:5000", "https://a.corp.test:5000/", true),
            ("corp.test:5000", "https://corp.test:5000/", true),
            ("corp.test:5000", "https://corp.test:5001/", false),
            ("corp.test:5000", "https://corp.test/", false),
            ("corp.test:443", "https://corp.test/", true),
            ("corp.test:443", "http://corp.test/", false),
            ("CORP.Test", "https://corp.test/", true),
            ("corp.test.", "https://corp.test/", true),
            ("corp.test", "https://corp.test./", true),
            ("bücher.example", "https://xn--bcher-kva.example/", true),
            ("*", "https://anything.example:99/", true),
            ("a.example, *", "https://anything.example/", true),
            (" a.example ,\tb.example", "https://b.example/", true),
            ("10.0.0.0/8", "https://10.1.2.3:5000/", true),
            ("10.0.0.0/8", "https://11.1.2.3/", false),
            ("10.0.0.7", "https://10.0.0.7:5000/", true),
            ("10.0.0.7:5000", "https://10.0.0.7:5000/", true),
            ("10.0.0.7:5000", "https://10.0.0.7/", false),
            ("10.0.0.7", "https://[::ffff:10.0.0.7]/", true),
            ("2001:db8::/32", "https://[2001:db8::5]:5000/", true),
            ("2001:db8::5", "https://[2001:db8::5]:5000/", true),
            ("2001:DB8:0::5", "https://[2001:db8::5]/", true),
            ("[2001:db8::5]", "https://[2001:db8::5]:5000/", true),
            ("[2001:db8::5]:5000", "https://[2001:db8::5]:5000/", true),
            ("[2001:db8::5]:5000", "https://[2001:db8::5]/", false),
            ("0.0.7", "https://10.0.0.7/", false),
            ("", "https://corp.test/", false),
            (",, ,", "https://corp.test/", false),
            (":5000", "https://corp.test:5000/", false),
            (".", "https://corp.test/", false),
            ("*.", "https://corp.test/", false),
            ("corp.test:http", "https://corp.test/", false),
            ("https://corp.test", "https://corp.test/", false),
        ] {
            assert_eq!(is_excepted(list, url), expected, "{list} and {url}");
        }
    }

    /// SECURITY.md: what is said to this machine never reaches a proxy.
    #[test]
    fn this_machine_is_excepted_in_every_spelling() {
        for host in [
            "localhost",
            "LocalHost",
            "localhost.",
            "app.localhost",
            "127.0.0.1",
            "127.9.9.9",
            "127.1",
            "0x7f.1",
            "2130706433",
            "[::1]",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
        ] {
            for scheme in ["http", "https"] {
                for list in ["", "example.com"] {
                    let url = format!("{scheme}://{host}:5000/v2/");
                    assert!(is_excepted(list, &url), "{url}");
                }
            }
        }
        for host in [
            "localhost.example.com",
            "mylocalhost",
            "128.0.0.1",
            "[::2]",
            "127.0.0.1.example.com",
        ] {
            assert!(!is_excepted("", &format!("http://{host}/")), "{host}");
        }
    }
}
