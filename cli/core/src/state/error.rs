//! Why what is remembered cannot be used.

use sigtool_sdk::{Error, ErrorCode};
use std::io::ErrorKind;
use std::path::PathBuf;

/// Why what is remembered cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Its folder cannot be made, or is not to be written in.
    #[error("cannot make the folder `{path}`: {error}", path = path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It cannot be told whether it is there, or a file beside it cannot be used.
    #[error("`{path}` cannot be used: {error}", path = path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Somebody has changed it.
    #[error("{what} `{path}` is not as sigtool made it: {alteration}", path = path.display())]
    Altered {
        /// What it is.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        alteration: Alteration,
    },
    /// A later sigtool made it.
    #[error(
        "{what} `{path}` was made by a later version of sigtool (its version is {version}, this one knows {known})",
        path = path.display()
    )]
    Newer {
        /// What it is.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Its version.
        version: i64,
        /// The version that is known here.
        known: i64,
    },
    /// SQLite says so.
    #[error("cannot use {what} `{path}`: {}", words(error), path = path.display())]
    Sqlite {
        /// What it is.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What it says.
        error: rusqlite::Error,
    },
}

impl StateError {
    /// Whether the file is damaged, so that nobody can read it.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        let Self::Sqlite { error, .. } = self else {
            return false;
        };
        matches!(
            error.sqlite_error_code(),
            Some(DatabaseCorrupt | NotADatabase)
        )
    }

    /// Whether it is another process's turn.
    pub(super) fn is_busy(&self) -> bool {
        use rusqlite::ErrorCode::DatabaseBusy;
        matches!(self, Self::Sqlite { error, .. } if error.sqlite_error_code() == Some(DatabaseBusy))
    }
}

/// What somebody has changed in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alteration {
    /// It has tables, and says no version.
    NoVersion,
    /// Something in it is not as its version made it.
    Table {
        /// Its name.
        name: String,
    },
}

impl std::fmt::Display for Alteration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoVersion => f.write_str("it has tables, and no version"),
            Self::Table { name } => write!(f, "`{name}` in it has been changed"),
        }
    }
}

/// What SQLite says, in words that say more than its own.
fn words(error: &rusqlite::Error) -> String {
    use rusqlite::ErrorCode as Code;
    let words = match error.sqlite_error_code() {
        Some(Code::CannotOpen) => "it cannot be opened",
        Some(Code::DatabaseBusy) => "another process keeps it locked",
        Some(Code::DatabaseCorrupt | Code::NotADatabase) => "it is damaged",
        Some(Code::DiskFull) => "its disk is full",
        Some(Code::ReadOnly) => "it may only be read",
        Some(Code::SystemIoFailure) => "it cannot be read or written: its disk is full or failing",
        _ => return error.to_string(),
    };
    words.to_owned()
}

impl From<StateError> for Error {
    fn from(error: StateError) -> Self {
        let code = match &error {
            StateError::Folder { error, .. } | StateError::Unusable { error, .. }
                if error.kind() == ErrorKind::PermissionDenied =>
            {
                ErrorCode::AccessDenied
            }
            _ => ErrorCode::Unavailable,
        };
        Self::new(code, error.to_string())
    }
}
