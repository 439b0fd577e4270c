//! The manifest of a backend, `sigtool-backend.toml`: what it is, said without running it.
//!
//! A shared library carries it in a section of its object file, [`SECTION`], put there by
//! [`export_backend!`](crate::export_backend); an executable has it beside itself, as `<executable>.toml`.

use crate::types::{BackendId, ParseBackendIdError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The section of an object file that holds the manifest (ELF; on macOS `__DATA,__sigtool`).
pub const SECTION: &str = ".sigtool";

/// The longest manifest, in bytes: many times what any backend has to say.
pub const MAX_MANIFEST: usize = 256 * 1024;

/// The kinds of backends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Kind {
    /// Gets OIDC identity tokens.
    Identity,
    /// Enters signatures in a transparency log.
    Log,
    /// Keeps secrets.
    Secret,
    /// Holds keys and signs.
    Signer,
    /// Finds artifacts and keeps signatures beside them.
    Source,
    /// Gets signed timestamps.
    Timestamp,
    /// Gets the trusted root.
    Trust,
}

impl Kind {
    /// Every kind, in the order of the enum.
    pub const ALL: [Self; 7] = [
        Self::Identity,
        Self::Log,
        Self::Secret,
        Self::Signer,
        Self::Source,
        Self::Timestamp,
        Self::Trust,
    ];

    /// The name on the wire, in manifests and in profiles.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Log => "log",
            Self::Secret => "secret",
            Self::Signer => "signer",
            Self::Source => "source",
            Self::Timestamp => "timestamp",
            Self::Trust => "trust",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a backend says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Manifest {
    /// The version of this format: 1.
    pub manifest: u32,
    /// The id: a plain word for a first-party backend, reverse DNS for others; `[a-z0-9.-]`, at most 64 characters.
    pub id: BackendId,
    /// Its version.
    pub version: String,
    /// What it does, in a line.
    pub summary: String,
    /// The kinds it serves.
    pub kinds: Vec<Kind>,
    /// The schemes of key references (or artifact references) that it serves, without colon.
    #[serde(default)]
    pub schemes: Vec<String>,
    /// What it can do beyond the verbs that its kinds demand.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// How many calls it takes at once.
    #[serde(default = "one")]
    pub max_in_flight: u32,
    /// The environment variables it may ask the host for.
    #[serde(default)]
    pub environment: Vec<String>,
    /// What it needs beyond the messages.
    #[serde(default)]
    pub permissions: Permissions,
    /// Its settings, kind by kind: the keys that its table in a profile may have.
    #[serde(default)]
    pub config: BTreeMap<Kind, BTreeMap<String, Setting>>,
}

fn one() -> u32 {
    1
}

/// What a backend needs beyond the messages. Shown when it is pinned; refused where it is not allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Permissions {
    /// It opens sockets. Refused under `--offline` for third-party backends.
    #[serde(default)]
    pub network: bool,
    /// It asks the host for identity tokens.
    #[serde(default)]
    pub identity_token: bool,
    /// It asks the person with `host.prompt`. Passwords that its settings declare need no permission.
    #[serde(default)]
    pub prompt: bool,
    /// It has pages opened in the person's browser.
    #[serde(default)]
    pub open_url: bool,
}

/// One setting of a backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Setting {
    /// What is written there.
    #[serde(rename = "type")]
    pub kind: SettingType,
    /// What it is for, in a line.
    #[serde(default)]
    pub summary: String,
    /// Whether it must be there.
    #[serde(default)]
    pub required: bool,
}

/// The types of settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SettingType {
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer,
    /// A key reference: a path, or `scheme:rest`.
    Key,
    /// A path, relative to the file that holds it.
    Path,
    /// A reference to a secret, such as `{ env = "X" }`; never the secret itself.
    Secret,
    /// A text.
    String,
    /// A list of texts.
    Strings,
    /// A table; its keys are the backend's own business.
    Table,
}

impl fmt::Display for SettingType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boolean => "true or false",
            Self::Integer => "a whole number",
            Self::Key => "a key reference",
            Self::Path => "a path",
            Self::Secret => "a reference to a secret",
            Self::String => "a string",
            Self::Strings => "a list of strings",
            Self::Table => "a table",
        })
    }
}

/// Why a text is not a manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not TOML, or not these keys.
    #[error("{0}")]
    Malformed(String),
    /// A format of the future.
    #[error("the manifest has format {0}, this sigtool reads format 1")]
    Format(u32),
    /// The id has other characters, or too many.
    #[error(transparent)]
    Id(#[from] ParseBackendIdError),
    /// No kind at all.
    #[error("the backend serves no kind")]
    NoKind,
}

impl Manifest {
    /// Parses a manifest. Unknown keys are ignored, since later versions may add some.
    ///
    /// # Errors
    ///
    /// See [`ManifestError`].
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        /// What every format has.
        #[derive(Deserialize)]
        struct Head {
            manifest: u32,
            id: String,
        }
        let malformed = |e: toml::de::Error| ManifestError::Malformed(e.to_string());
        let head: Head = toml::from_str(text).map_err(malformed)?;
        if head.manifest != 1 {
            return Err(ManifestError::Format(head.manifest));
        }
        head.id.parse::<BackendId>()?;
        let manifest: Self = toml::from_str(text).map_err(malformed)?;
        if manifest.kinds.is_empty() {
            return Err(ManifestError::NoKind);
        }
        Ok(manifest)
    }

    /// Whether it can do something beyond the verbs that its kinds demand.
    #[must_use]
    pub fn can(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|c| c == capability)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str =
        "manifest = 1\nid = \"a\"\nversion = \"1\"\nsummary = \"s\"\nkinds = [\"signer\"]\n";

    #[test]
    fn a_key_of_the_future_is_ignored() {
        let manifest = Manifest::parse(&format!("{MINIMAL}colour = \"red\"\n")).unwrap();
        assert_eq!(manifest.kinds, [Kind::Signer]);
        assert_eq!(manifest.max_in_flight, 1);
    }

    #[test]
    fn a_format_of_the_future_is_refused() {
        let text = MINIMAL.replace("manifest = 1", "manifest = 2");
        assert_eq!(Manifest::parse(&text), Err(ManifestError::Format(2)));
        let changed = "manifest = 2\nid = \"a\"\nkinds = \"signer\"\n";
        assert_eq!(Manifest::parse(changed), Err(ManifestError::Format(2)));
    }

    #[test]
    fn a_wrong_id_is_said_alone_without_the_text_around_it() {
        let text = MINIMAL.replace("id = \"a\"", "id = \"../a\"");
        let error = Manifest::parse(&text).unwrap_err();
        assert!(error.to_string().starts_with("`../a` is not a backend id"));
    }
}
