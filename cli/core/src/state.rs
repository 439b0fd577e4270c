//! What sigtool remembers between its runs: SQLite files, shared by all processes of a user.

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, TransactionBehavior};
use sigtool_sdk::{Error, ErrorCode};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a process waits for another one's turn. A turn takes a millisecond.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// How long to wait before it is tried again.
pub(crate) const PAUSE: Duration = Duration::from_micros(300);

/// Half a MiB of pages at hand: what is more, the system holds for us.
const SETTINGS: &str = "PRAGMA synchronous = NORMAL; PRAGMA cache_size = -512;";

/// What a file is for, and what is in it.
#[derive(Debug)]
pub(crate) struct Layout {
    /// What messages call it: `the local store`.
    pub(crate) what: &'static str,
    /// The version of the tables, in SQLite's `user_version`; from 1.
    pub(crate) version: i64,
    /// What makes the tables.
    pub(crate) tables: &'static str,
}

/// A file of the state, opened.
#[derive(Debug)]
pub(crate) struct State {
    path: PathBuf,
    layout: &'static Layout,
    connection: Mutex<Connection>,
}

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
    /// Somebody has changed it: it has tables, and says no version.
    #[error("{what} `{path}` is not as sigtool made it: it has tables, and no version", path = path.display())]
    Altered {
        /// What it is.
        what: &'static str,
        /// The file.
        path: PathBuf,
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
    /// Whether it is another process's turn.
    fn is_busy(&self) -> bool {
        use rusqlite::ErrorCode::DatabaseBusy;
        matches!(self, Self::Sqlite { error, .. } if error.sqlite_error_code() == Some(DatabaseBusy))
    }
}

/// Opens, and opens again while others make the file or are the last to close it: SQLite does not wait for them by itself.
fn patiently<T>(open: impl Fn() -> Result<T, StateError>) -> Result<T, StateError> {
    let since = Instant::now();
    loop {
        match open() {
            Err(error) if error.is_busy() && since.elapsed() < PATIENCE => {
                std::thread::sleep(PAUSE);
            }
            done => return done,
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

impl State {
    /// Opens the file, and makes it if it is not there.
    ///
    /// # Errors
    ///
    /// It cannot be read and written.
    pub(crate) fn open(path: &Path, layout: &'static Layout) -> Result<Self, StateError> {
        if let Some(folder) = path.parent() {
            make_private(folder).map_err(|error| StateError::Folder {
                path: folder.to_owned(),
                error,
            })?;
        }
        require_regular(path).map_err(|error| unusable(path, error))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        patiently(|| {
            let state = Self::connect(path, flags, path, layout)?;
            state.prepare()?;
            Ok(state)
        })
    }

    /// Opens the file to read it; none if it is not there.
    ///
    /// # Errors
    ///
    /// It is there and cannot be read.
    pub(crate) fn open_to_read(
        path: &Path,
        layout: &'static Layout,
    ) -> Result<Option<Self>, StateError> {
        match path.symlink_metadata() {
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            // Whoever must not look does not know that there is none.
            Err(error) => return Err(unusable(path, error)),
            Ok(_) => require_regular(path).map_err(|error| unusable(path, error))?,
        }
        patiently(|| Self::look(path, layout))
    }

    fn look(path: &Path, layout: &'static Layout) -> Result<Option<Self>, StateError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
        let opened = Self::connect(path, flags, path, layout);
        let state = match opened.and_then(|state| state.version().map(|_| state)) {
            Ok(state) => state,
            Err(error) if error.is_busy() => return Err(error),
            // Where nothing can be written, SQLite has no place for what its readers share. Nobody else writes there either, unless
            // something is still in the log of a writer.
            Err(error) if has_log(path) => return Err(error),
            Err(_) => {
                let uri = immutable(path);
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
                Self::connect(&uri, flags, path, layout)?
            }
        };
        match state.version()? {
            0 if state.with(|connection| has_tables(connection))? => Err(state.altered()),
            0 => Ok(None),
            version if version == layout.version => Ok(Some(state)),
            version => Err(state.newer(version)),
        }
    }

    /// Works with the file; one thread at a time.
    pub(crate) fn with<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StateError> {
        let mut connection = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        work(&mut connection).map_err(|error| StateError::Sqlite {
            what: self.layout.what,
            path: self.path.clone(),
            error,
        })
    }

    fn connect(
        file: &Path,
        flags: OpenFlags,
        path: &Path,
        layout: &'static Layout,
    ) -> Result<Self, StateError> {
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let failed = |error| StateError::Sqlite {
            what: layout.what,
            path: path.to_owned(),
            error,
        };
        let connection = Connection::open_with_flags(file, flags).map_err(failed)?;
        connection.busy_timeout(PATIENCE).map_err(failed)?;
        // A question is planned once, and not anew for each value that it is asked with.
        connection
            .set_db_config(
                rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG,
                true,
            )
            .map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            layout,
            connection: Mutex::new(connection),
        })
    }

    /// Makes the tables if they are not there. Write-ahead: readers do not wait for writers, and a killed process loses nothing; a
    /// power cut may lose the last entries.
    fn prepare(&self) -> Result<(), StateError> {
        let Layout {
            version: known,
            tables,
            ..
        } = *self.layout;
        let version = self.version()?;
        if version > known {
            return Err(self.newer(version));
        }
        let is_made = self.with(|connection| {
            if version == known {
                return connection.execute_batch(SETTINGS).map(|()| true);
            }
            connection.execute_batch("PRAGMA journal_mode = WAL;")?;
            connection.execute_batch(SETTINGS)?;
            let turn = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            // Another process may have been first.
            if !has_tables(&turn)? {
                turn.execute_batch(tables)?;
                turn.pragma_update(None, "user_version", known)?;
            }
            let version: i64 = turn.pragma_query_value(None, "user_version", |row| row.get(0))?;
            turn.commit().map(|()| version == known)
        })?;
        if is_made { Ok(()) } else { Err(self.altered()) }
    }

    fn altered(&self) -> StateError {
        StateError::Altered {
            what: self.layout.what,
            path: self.path.clone(),
        }
    }

    fn version(&self) -> Result<i64, StateError> {
        self.with(|connection| {
            connection.pragma_query_value(None, "user_version", |row| row.get(0))
        })
    }

    fn newer(&self, version: i64) -> StateError {
        StateError::Newer {
            what: self.layout.what,
            path: self.path.clone(),
            version,
            known: self.layout.version,
        }
    }
}

fn has_tables(connection: &Connection) -> rusqlite::Result<bool> {
    let first = connection.query_row("SELECT 1 FROM sqlite_schema LIMIT 1", [], |_| Ok(()));
    first.optional().map(|first| first.is_some())
}

/// The tables, indexes, views and triggers that are not as `layout` makes them.
pub(crate) fn changed_tables(
    connection: &Connection,
    layout: &Layout,
) -> rusqlite::Result<BTreeSet<String>> {
    let made = Connection::open_in_memory()?;
    made.execute_batch(layout.tables)?;
    let (made, found) = (schema(&made)?, schema(connection)?);
    let changed = made.symmetric_difference(&found);
    Ok(changed.map(|[name, ..]| name.clone()).collect())
}

/// Name, kind, table and definition of all that there is.
fn schema(connection: &Connection) -> rusqlite::Result<BTreeSet<[String; 4]>> {
    let mut query = connection
        .prepare("SELECT name, type, tbl_name, coalesce(sql, '') FROM main.sqlite_schema")?;
    let rows = query.query_map([], |row| {
        Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?])
    })?;
    rows.collect()
}

/// Opening a named pipe would wait for its other end.
pub(crate) fn require_regular(path: &Path) -> std::io::Result<()> {
    match path.metadata() {
        Ok(facts) if facts.is_file() => Ok(()),
        Ok(_) => Err(std::io::Error::other("it is no regular file")),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn unusable(path: &Path, error: std::io::Error) -> StateError {
    StateError::Unusable {
        path: path.to_owned(),
        error,
    }
}

/// A folder for this user alone: what somebody signs is nobody else's business.
fn make_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Whether a writer's log holds what is not in the file yet.
fn has_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    Path::new(&log).metadata().is_ok_and(|log| log.len() > 0)
}

/// The address of a file that nobody writes.
fn immutable(path: &Path) -> PathBuf {
    let escaped: String = path
        .to_string_lossy()
        .chars()
        .map(|c| match c {
            '%' => "%25".to_owned(),
            '?' => "%3f".to_owned(),
            '#' => "%23".to_owned(),
            c => c.to_string(),
        })
        .collect();
    PathBuf::from(format!("file:{escaped}?immutable=1"))
}
