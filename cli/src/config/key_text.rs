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

    /// The scheme before the colon, if it is no path. One letter before a colon is a drive, and so a path.
    pub(crate) fn scheme(&self) -> Option<&str> {
        let (scheme, _) = self.text.split_once(':')?;
        let letters = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        (scheme.len() > 1
            && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(letters))
        .then_some(scheme)
    }

    /// What stands behind the scheme: `VAR` of `env:VAR` and of cosign's `env://VAR`.
    pub(crate) fn rest(&self) -> &str {
        let rest = self.scheme().map_or(self.text.as_str(), |scheme| {
            &self.text[scheme.len() + ":".len()..]
        });
        rest.strip_prefix("//").unwrap_or(rest)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::origin::Origin;
    use crate::config::value::Data;

    fn text(text: &str) -> Node {
        Node::new(
            Data::String(text.into()),
            Origin::Flag("--config x".into()),
            &Path::new("/home/ann/here").into(),
        )
    }

    #[test]
    fn a_path_resolves_against_the_file_that_holds_it_and_a_scheme_is_no_path() {
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
