//! Where the configuration comes from, and what was found there.

use super::origin::Layer;
use super::schema::Setting;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Where the configuration comes from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inputs {
    /// `/etc/sigtool`.
    pub(crate) system_dir: PathBuf,
    /// `$XDG_CONFIG_HOME/sigtool/config.toml`; none without a home folder.
    pub(crate) user_file: Option<PathBuf>,
    /// Absolute.
    pub(crate) working_dir: PathBuf,
    pub(crate) home: Option<PathBuf>,
    /// Every variable whose name begins with `SIGTOOL_`.
    pub(crate) environment: BTreeMap<String, String>,
    /// Each `--config`: `KEY=VALUE`, the value TOML or a bare word; or a file.
    pub(crate) overrides: Vec<String>,
    /// Each flag that is a setting, with its value.
    pub(crate) flags: Vec<(&'static Setting, toml::Value)>,
}

/// A file that was looked for.
#[derive(Clone, Debug)]
pub(crate) struct LookedAt {
    pub(crate) layer: Layer,
    pub(crate) path: PathBuf,
    pub(crate) state: FileState,
}

/// What became of a file that was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FileState {
    /// It is there, and was not read: the reason.
    Ignored(String),
    Missing,
    Read,
    /// It is there, and is wrong.
    Wrong,
}
