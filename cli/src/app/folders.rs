//! Where this user's files lie.

use crate::error::CommandError;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Where this user's files lie.
#[derive(Clone, Debug, Default)]
pub(crate) struct UserFolders {
    pub(crate) home: Option<PathBuf>,
    pub(crate) config: Option<PathBuf>,
    pub(crate) data: Option<PathBuf>,
    pub(crate) cache: Option<PathBuf>,
    pub(crate) state: Option<PathBuf>,
}

impl UserFolders {
    /// By the XDG base directory specification. Without HOME there are none: asking the name service would open a socket.
    pub(crate) fn of(environment: &BTreeMap<String, String>) -> Self {
        let absolute = |name: &str| {
            environment
                .get(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let home = absolute("HOME");
        let xdg = |name: &str, default: &str| {
            absolute(name).or_else(|| home.as_ref().map(|home| home.join(default)))
        };
        Self {
            config: xdg("XDG_CONFIG_HOME", ".config").map(|d| d.join("sigtool")),
            data: xdg("XDG_DATA_HOME", ".local/share").map(|d| d.join("sigtool")),
            cache: xdg("XDG_CACHE_HOME", ".cache").map(|d| d.join("sigtool")),
            state: xdg("XDG_STATE_HOME", ".local/state").map(|d| d.join("sigtool")),
            home,
        }
    }

    /// The local store of signatures.
    pub(crate) fn store(&self) -> Option<PathBuf> {
        self.state.as_ref().map(|state| state.join("signatures.db"))
    }

    /// The ledger.
    pub(crate) fn ledger(&self) -> Option<PathBuf> {
        self.state.as_ref().map(|state| state.join("ledger.db"))
    }

    /// Where `init` puts keys.
    pub(crate) fn keys(&self) -> Option<PathBuf> {
        self.data.as_ref().map(|data| data.join("keys"))
    }
}

/// Where paths on the command line are relative to.
pub(crate) fn working_folder() -> Result<PathBuf, CommandError> {
    std::env::current_dir()
        .map_err(|e| CommandError::could_not_tell("cannot tell the working directory").because(e))
}
