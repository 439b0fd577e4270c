//! Text of services and addresses, made fit to be shown.

use crate::Url;
use sigtool_sdk::text::words;

/// The most that others' words may take in an error, in characters.
const MAX_SAID: usize = 300;

/// A service's own words on one line, without anything that a terminal would obey, and not long. `None` if nothing is left.
pub(crate) fn clean(said: &str) -> Option<String> {
    words(said, MAX_SAID)
}

/// An address as it may be shown: no user, no password, no fragment, and of the query only the names.
pub(crate) fn shown(url: &Url) -> String {
    let mut text = format!("{}://{}{}", url.scheme(), authority(url), url.path());
    if let Some(query) = url.query() {
        let names = query.split('&').map(|pair| match pair.split_once('=') {
            Some((name, _)) => format!("{name}=…"),
            // It may be a value.
            None => "…".to_owned(),
        });
        text.push('?');
        text.push_str(&names.collect::<Vec<_>>().join("&"));
    }
    text
}

/// Host and port as they stand in the address, the port only if it is not the usual one.
pub(crate) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_cannot_fill_the_terminal() {
        let long = clean(&"ä".repeat(301)).unwrap();
        assert_eq!(long.chars().count(), 301);
        assert!(long.ends_with("ä…"));
        assert_eq!(clean(&"ä".repeat(300)).unwrap().chars().count(), 300);
    }

    #[test]
    fn an_address_is_shown_without_what_is_nobodys_business() {
        for (url, text) in [
            ("https://app.example/v2/", "https://app.example/v2/"),
            ("https://app.example:443/?", "https://app.example/?…"),
            (
                "http://u:p@[::1]:5000/a?b=c&d#e",
                "http://[::1]:5000/a?b=…&…",
            ),
        ] {
            assert_eq!(shown(&Url::parse(url).unwrap()), text);
        }
    }
}
