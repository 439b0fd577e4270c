//! A key as it is written.

use crate::config::value::Node;
use crate::config::value::absolute;
use crate::error::CommandError;
use crate::pasted::is_private_key;
use std::path::{Path, PathBuf};

/// The public keys under `keys`.
pub(crate) fn key_texts(
    node: &Node,
    key: &str,
    home: Option<&Path>,
) -> Result<Vec<super::value::Located<KeyText>>, CommandError> {
    node.array(key)?
        .iter()
        .map(|item| {
            let text = KeyText::read(item, key, home)?;
            Ok(super::value::Located::new(text, &item.origin))
        })
        .collect()
}

/// The public keys under `keys` in the policy of the machine: absolute paths, or the keys' own text. Neither a variable nor a home folder
/// of whoever runs sigtool has a part in what nothing overrides.
pub(crate) fn machine_keys(
    node: &Node,
    key: &str,
) -> Result<Vec<super::value::Located<PolicyKey>>, CommandError> {
    let read = |item: &Node| {
        let text = item.string(key)?;
        let policy_key = if text.contains("-----BEGIN PUBLIC KEY-----") && !is_private_key(text) {
            PolicyKey::Text(text.to_owned())
        } else if Path::new(text).is_absolute() {
            PolicyKey::Reference(KeyText::read(item, key, None)?)
        } else {
            return Err(item.origin.error_hiding_value(
                format!("`{key}` of a machine's policy takes absolute paths, or the text of a public key"),
                "neither of these",
            ));
        };
        Ok(super::value::Located::new(policy_key, &item.origin))
    };
    node.array(key)?.iter().map(read).collect()
}

/// A public key that a policy lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PolicyKey {
    /// Where it is.
    Reference(KeyText),
    /// The key itself, in PEM.
    Text(String),
}

/// A key reference as it was written, and the folder that a path in it is relative to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyText {
    /// A path, or `scheme:rest`.
    pub(crate) text: String,
    /// The folder.
    pub(crate) base: PathBuf,
}

impl KeyText {
    /// Reads the key reference under `key`.
    ///
    /// # Errors
    ///
    /// A key that was pasted in place of its reference is refused and not shown.
    pub(crate) fn read(node: &Node, key: &str, home: Option<&Path>) -> Result<Self, CommandError> {
        let text = node.string(key)?;
        if text.contains(['\n', '\0']) || text.contains("-----BEGIN") || is_private_key(text) {
            return Err(node.origin.error_hiding_value(
                format!("`{key}` takes a key reference, not a key"),
                "a path, or `scheme:name`, belongs here",
            ));
        }
        if text.is_empty() {
            return Err(node.origin.error(
                format!("`{key}` is empty"),
                "a path, or `scheme:name`, belongs here",
            ));
        }
        let text = match (text.strip_prefix("~/"), home) {
            (Some(rest), Some(home)) => home.join(rest).to_string_lossy().into_owned(),
            _ => text.to_owned(),
        };
        Ok(Self {
            text,
            base: node.base.to_path_buf(),
        })
    }

    /// The scheme before the colon, if it is not a path.
    pub(crate) fn scheme(&self) -> Option<&str> {
        Some(SchemeAndName::of(&self.text)?.scheme)
    }

    /// What stands behind the scheme; without one all of it.
    pub(crate) fn rest(&self) -> &str {
        SchemeAndName::of(&self.text).map_or(&self.text, |parts| parts.name)
    }

    /// The absolute path, if it is one: written plainly, or behind `file:`.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        match self.scheme() {
            None => Some(absolute(&self.base, None, &self.text)),
            Some("file") => {
                let path = &self.text["file:".len()..];
                // `file:///a` is the URL of `/a`.
                Some(absolute(
                    &self.base,
                    None,
                    path.strip_prefix("//").unwrap_or(path),
                ))
            }
            Some(_) => None,
        }
    }
}

/// What another party keeps: `SCHEME:NAME`, or as a URL and cosign write it, `SCHEME://NAME`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SchemeAndName<'t> {
    /// Says who keeps it: `env`, or the scheme of a backend.
    pub(crate) scheme: &'t str,
    /// What that party calls it.
    pub(crate) name: &'t str,
}

impl<'t> SchemeAndName<'t> {
    /// Takes a reference apart; none if it is a path. One letter before a colon is a drive, and so a path.
    pub(crate) fn of(text: &'t str) -> Option<Self> {
        let (scheme, rest) = text.split_once(':')?;
        let letters = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        let is_scheme = scheme.len() > 1
            && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(letters);
        is_scheme.then(|| Self {
            scheme,
            name: rest.strip_prefix("//").unwrap_or(rest),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::origin::Origin;
    use crate::config::secret::SecretReference;
    use crate::config::value::Data;

    fn text(text: &str) -> Node {
        Node::new(
            Data::String(text.into()),
            Origin::Flag("--config x".into()),
            &Path::new("/home/ann/here").into(),
        )
    }

    #[test]
    fn a_key_and_a_secret_mean_the_same_name_however_it_is_written() {
        for (written, expected) in [
            ("shelf:release.key", Some(("shelf", "release.key"))),
            ("shelf://release.key", Some(("shelf", "release.key"))),
            (
                "vaultkv://kv/cosign#key",
                Some(("vaultkv", "kv/cosign#key")),
            ),
            ("vaultkv:kv/cosign#key", Some(("vaultkv", "kv/cosign#key"))),
            ("awskms:///alias/x", Some(("awskms", "/alias/x"))),
            ("gcpsm://p/s:7", Some(("gcpsm", "p/s:7"))),
            ("shelf:a//b", Some(("shelf", "a//b"))),
            ("shelf:////a", Some(("shelf", "//a"))),
            ("release.key", None),
            ("C:/release.key", None),
            ("./a:b", None),
            ("1a:b", None),
            ("a b:c", None),
        ] {
            let key = KeyText::read(&text(written), "key", None).unwrap();
            let parts = expected.map(|(scheme, name)| SchemeAndName { scheme, name });
            assert_eq!(key.scheme(), parts.map(|parts| parts.scheme), "{written}");
            assert_eq!(key.rest(), parts.map_or(written, |p| p.name), "{written}");
            let table = std::collections::BTreeMap::from([("secret".to_owned(), text(written))]);
            let node = Node::new(
                Data::Table(table),
                Origin::BuiltIn,
                &Path::new("/home/ann/here").into(),
            );
            let secret = SecretReference::read(&node, "password", None).ok();
            let expected = parts.map(|parts| SecretReference::Secret {
                scheme: parts.scheme.to_owned(),
                name: parts.name.to_owned(),
            });
            assert_eq!(secret, expected, "{written}");
        }
    }

    #[test]
    fn a_path_resolves_against_the_file_that_holds_it_and_a_scheme_is_not_a_path() {
        let path = |value: &str| {
            KeyText::read(&text(value), "key", Some(Path::new("/home/ann")))
                .unwrap()
                .path()
        };
        assert_eq!(path("a.pub"), Some("/home/ann/here/a.pub".into()));
        assert_eq!(path("./a:b"), Some("/home/ann/here/a:b".into()));
        assert_eq!(path("/a"), Some("/a".into()));
        assert_eq!(path("~/a"), Some("/home/ann/a".into()));
        assert_eq!(path("C:/a"), Some("/home/ann/here/C:/a".into()));
        assert_eq!(path("env:KEY"), None);
        assert_eq!(path("awskms:///alias/x"), None);
    }

    #[test]
    fn a_key_that_was_pasted_is_not_shown() {
        let error =
            KeyText::read(&text("-----BEGIN PRIVATE KEY-----\nhunter2"), "key", None).unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}
