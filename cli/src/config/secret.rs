//! Secrets in the configuration: references to them, never the secrets themselves; and the hiding of what may be one.

use crate::config::key_text::SchemeAndName;
use crate::config::mask::{KINDS, is_variable_name};
use crate::config::value::{Data, Node, absolute};
use crate::error::CommandError;
use std::path::{Path, PathBuf};

/// Where a secret is kept. Written as a table with one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SecretReference {
    /// `{ env = "NAME" }`: an environment variable.
    Env(String),
    /// `{ file = "PATH" }`: a file, relative to the one that says so.
    File(PathBuf),
    /// `{ keyring = "NAME" }`: the keyring of the operating system.
    Keyring(String),
    /// `{ prompt = "TEXT" }`: the person, asked with this text.
    Prompt(String),
    /// `{ secret = "SCHEME://NAME" }`: a secret manager.
    Secret {
        /// The scheme of the backend that serves it.
        scheme: String,
        /// What the secret is called there.
        name: String,
    },
}

impl SecretReference {
    /// Reads the reference under `key`.
    ///
    /// # Errors
    ///
    /// A plain value is refused, and neither the message nor the line shown has it.
    pub(crate) fn read(node: &Node, key: &str, home: Option<&Path>) -> Result<Self, CommandError> {
        let Data::Table(table) = &node.data else {
            return Err(refused(node, key));
        };
        let mut entries = table.iter();
        let (Some((kind, value)), None) = (entries.next(), entries.next()) else {
            return Err(misspelt(node, key, "a reference to a secret has one key"));
        };
        let Data::String(text) = &value.data else {
            return Err(misspelt(value, key, "a reference to a secret is a string"));
        };
        if text.is_empty() {
            return Err(misspelt(value, key, "a reference to a secret is not empty"));
        }
        match kind.as_str() {
            "env" if !is_variable_name(text) => Err(misspelt(
                value,
                key,
                "this is not the name of an environment variable",
            )),
            "env" => Ok(Self::Env(text.clone())),
            "file" => Ok(Self::File(absolute(&value.base, home, text))),
            "keyring" => Ok(Self::Keyring(text.clone())),
            "prompt" => Ok(Self::Prompt(text.clone())),
            "secret" => match SchemeAndName::of(text) {
                Some(SchemeAndName { scheme, name }) if !name.is_empty() => Ok(Self::Secret {
                    scheme: scheme.to_owned(),
                    name: name.to_owned(),
                }),
                _ => Err(misspelt(
                    value,
                    key,
                    "a secret manager's secret is written `SCHEME://NAME`",
                )),
            },
            _ => Err(misspelt(
                value,
                key,
                &format!("a secret cannot be kept in `{kind}`"),
            )),
        }
    }
}

/// Whether a table has the form of a reference, so that a higher layer's replaces it whole.
pub(crate) fn has_form(keys: impl IntoIterator<Item = impl AsRef<str>>) -> bool {
    let mut keys = keys.into_iter().peekable();
    keys.peek().is_some() && keys.all(|k| KINDS.contains(&k.as_ref()))
}

/// The message for a secret that was written out.
fn refused(node: &Node, key: &str) -> CommandError {
    node.origin
        .error_hiding_value(
            format!(
                "`{key}` is a secret: it takes a reference, this is {}",
                node.data.type_name()
            ),
            "a reference belongs here",
        )
        .hint(spelling(key))
        .hint("if a real secret stands there, remove it and change it")
}

fn misspelt(node: &Node, key: &str, why: &str) -> CommandError {
    node.origin
        .error_hiding_value(format!("`{key}`: {why}"), "")
        .hint(spelling(key))
}

/// How to write a reference to a secret.
pub(crate) fn spelling(key: &str) -> String {
    let key = key.rsplit('.').next().unwrap_or(key);
    format!(
        "say where it is kept: `{key} = {{ prompt = \"TEXT\" }}`, or `{{ env = \"NAME\" }}`, `{{ file = \"PATH\" }}`, \
         `{{ keyring = \"NAME\" }}`, `{{ secret = \"SCHEME://…\" }}`"
    )
}
