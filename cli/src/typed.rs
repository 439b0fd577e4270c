//! The words that the user has typed: they are no secret to anyone who reads what follows, but for a login in an address.

use crate::error::CommandError;
use sigtool_sdk::text::quoted;

/// Those that hold a text, and of a flag with its value the value. They are read where the system keeps them, since they may be a
/// hundred thousand.
pub(crate) fn holding(text: &str) -> Vec<String> {
    let words = std::env::args_os()
        .skip(1)
        .filter_map(|word| word.into_string().ok());
    let mut holding: Vec<String> = words
        .map(|word| match word.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => value.to_owned(),
            _ => word,
        })
        .filter(|word| word.contains(text))
        .collect();
    holding.dedup();
    holding
}

/// A reference or an address without the user and the password in it; None if it has none.
pub(crate) fn without_login(word: &str) -> Option<String> {
    let (scheme, rest) = match word.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => match word.split_once(':') {
            Some((scheme @ ("oci" | "file"), rest)) => (format!("{scheme}:"), rest),
            _ => (String::new(), word),
        },
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (login, host) = rest[..end].rsplit_once('@')?;
    // What is pinned has its digest there.
    let is_digest = ["sha256:", "sha384:", "sha512:"]
        .iter()
        .any(|a| host.starts_with(a));
    let is_login = !is_digest && (login.contains(':') || scheme.contains("//"));
    is_login.then(|| format!("{scheme}…@{host}{}", &rest[end..]))
}

/// Refuses a reference with a login in it: what is refused is shown and kept as it was written.
///
/// # Errors
///
/// It has one. The message does not show it.
pub(crate) fn refuse_login(word: &str) -> Result<(), CommandError> {
    let Some(plain) = without_login(word) else {
        return Ok(());
    };
    Err(CommandError::input(format!(
        "{} has a user or a password in it, and a reference has neither",
        quoted(&plain)
    ))
    .hint("log in as Docker does, or set SIGTOOL_REGISTRY, SIGTOOL_REGISTRY_USERNAME and SIGTOOL_REGISTRY_PASSWORD")
    .hint("others may have seen it in the list of processes or in a log: change the password"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_found_and_nothing_else_is() {
        for (word, plain) in [
            ("https://u:pw@host/a/b:1", "https://…@host/a/b:1"),
            ("https://token@host/a", "https://…@host/a"),
            (
                "oci://u:pw@host:5000/a@sha256:00",
                "oci://…@host:5000/a@sha256:00",
            ),
            ("oci:u:pw@host/a", "oci:…@host/a"),
            ("u:p@w@host/a:1", "…@host/a:1"),
        ] {
            assert_eq!(without_login(word).as_deref(), Some(plain));
            assert!(!refuse_login(word).unwrap_err().message.contains("pw"));
        }
        for word in [
            "alpine@sha256:00",
            "alpine:3@sha256:00",
            "host:5000/a@sha256:00",
            "host/a@b:c",
            "name@example.com.txt",
            "./u:pw@host",
            "shelf://key",
        ] {
            assert_eq!(without_login(word), None, "{word}");
        }
    }
}
