//! What sigtool remembers between its runs: SQLite files, shared by all processes of a user.

mod error;
mod layout;

pub use error::{Alteration, StateError};
pub(crate) use layout::Layout;

use layout::user_version;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Transaction, TransactionBehavior};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a process waits for another one's turn. A turn takes a millisecond.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// How long to wait before it is tried again.
pub(crate) const PAUSE: Duration = Duration::from_micros(300);

/// Half a MiB of pages at hand: the system holds the rest for us.
const SETTINGS: &str = "PRAGMA synchronous = NORMAL; PRAGMA cache_size = -512;";

/// A file of the state, opened.
#[derive(Debug)]
pub(crate) struct State {
    path: PathBuf,
    layout: &'static Layout,
    connection: Mutex<Connection>,
}

/// A file of the state, opened to be written.
#[derive(Debug)]
pub(crate) enum Opened {
    /// Of the version that is known here.
    Current(State),
    /// Of an earlier one.
    Earlier(Earlier),
}

/// A file of an earlier version, which takes nothing before it is migrated.
#[derive(Debug)]
pub(crate) struct Earlier(State);

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

impl State {
    /// Opens the file, and makes it if it is not there.
    ///
    /// # Errors
    ///
    /// It cannot be read and written, or is of a later version.
    pub(crate) fn open(path: &Path, layout: &'static Layout) -> Result<Opened, StateError> {
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
            match state.prepare()? {
                version if version == layout.version() => Ok(Opened::Current(state)),
                _ => Ok(Opened::Earlier(Earlier(state))),
            }
        })
    }

    /// Opens the file to read it, as it is; none if it is not there. It may be of an earlier version.
    ///
    /// # Errors
    ///
    /// It is there and cannot be read, or is of a later version.
    pub(crate) fn open_to_read(
        path: &Path,
        layout: &'static Layout,
    ) -> Result<Option<Self>, StateError> {
        match path.symlink_metadata() {
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            // One who may not look does not know that there is none.
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
            0 if !state.with(|connection| has_tables(connection))? => Ok(None),
            version => state.check(version).map(|()| Some(state)),
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
        // A query is planned once, and not anew for each value that it is asked with.
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

    /// Reads what is there at one moment. Another process may have migrated the file since it was opened.
    pub(crate) fn read<T, E: From<StateError>>(
        &self,
        work: impl FnOnce(&Connection, &Layout) -> rusqlite::Result<T>,
    ) -> Result<T, E> {
        self.with(|connection| {
            let moment = connection.transaction()?;
            if let Err(error) = self.check(user_version(&moment)?) {
                return Ok(Err(error.into()));
            }
            work(&moment, self.layout).map(Ok)
        })?
    }

    /// Writes, all of it or nothing. Other processes wait meanwhile; one of a later version may have migrated the file before.
    pub(crate) fn write<T, E: From<StateError>>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<Result<T, E>>,
    ) -> Result<T, E> {
        self.with(|connection| {
            let turn = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            if let Err(error) = self.check(user_version(&turn)?) {
                return Ok(Err(error.into()));
            }
            let done = work(&turn)?;
            if done.is_ok() {
                turn.commit()?;
            }
            Ok(done)
        })?
    }

    /// Gives the version of the file, which is made if it has no tables.
    fn prepare(&self) -> Result<i64, StateError> {
        self.with(|connection| connection.execute_batch(SETTINGS))?;
        let version = match self.version()? {
            0 => self.with(|connection| make(connection, self.layout))?,
            version => version,
        };
        self.check(version).map(|()| version)
    }

    /// Whether a version is one that can be worked with.
    fn check(&self, version: i64) -> Result<(), StateError> {
        let known = self.layout.version();
        if version > known {
            return Err(StateError::Newer {
                what: self.layout.what,
                path: self.path.clone(),
                version,
                known,
            });
        }
        if version < 1 {
            return Err(self.altered(Alteration::NoVersion));
        }
        Ok(())
    }

    fn altered(&self, alteration: Alteration) -> StateError {
        StateError::Altered {
            what: self.layout.what,
            path: self.path.clone(),
            alteration,
        }
    }

    fn version(&self) -> Result<i64, StateError> {
        self.with(|connection| user_version(connection))
    }
}

impl Earlier {
    /// Brings the file to the version that is known here, in one transaction: if it is as its own version made it, and `is_whole` has
    /// nothing against what is in it. Otherwise it stays as it is.
    ///
    /// # Errors
    ///
    /// What is wrong with it, or that it cannot be written.
    pub(crate) fn migrate<E: From<StateError>>(
        self,
        is_whole: impl FnOnce(&Connection) -> rusqlite::Result<Result<(), E>>,
    ) -> Result<State, E> {
        let Self(state) = self;
        state.write(|turn| {
            let version = user_version(turn)?;
            let (_, missing) = state.layout.split_at(version);
            // Another process may have been first.
            if missing.is_empty() {
                return Ok(Ok(()));
            }
            if let Some(name) = state.layout.changed(turn)?.pop_first() {
                return Ok(Err(state.altered(Alteration::Table { name }).into()));
            }
            if let Err(error) = is_whole(turn)? {
                return Ok(Err(error));
            }
            for migration in missing {
                turn.execute_batch(migration)?;
            }
            turn.pragma_update(None, "user_version", state.layout.version())?;
            Ok(Ok(()))
        })?;
        Ok(state)
    }
}

/// Makes the tables if there are none, and gives the version of those that are there then. A file that has tables stays as it is.
/// Write-ahead: readers do not wait for writers, and a killed
/// process loses nothing; a power cut may lose the last entries.
fn make(connection: &mut Connection, layout: &Layout) -> rusqlite::Result<i64> {
    if has_tables(connection)? {
        return user_version(connection);
    }
    connection.execute_batch("PRAGMA journal_mode = WAL;")?;
    let turn = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been first.
    if !has_tables(&turn)? {
        for migration in layout.migrations {
            turn.execute_batch(migration)?;
        }
        turn.pragma_update(None, "user_version", layout.version())?;
    }
    let version = user_version(&turn)?;
    turn.commit().map(|()| version)
}

fn has_tables(connection: &Connection) -> rusqlite::Result<bool> {
    let first = connection.query_row("SELECT 1 FROM sqlite_schema LIMIT 1", [], |_| Ok(()));
    first.optional().map(|first| first.is_some())
}

/// Opening a named pipe would wait for its other end.
pub(crate) fn require_regular(path: &Path) -> std::io::Result<()> {
    match path.metadata() {
        Ok(facts) if facts.is_file() => Ok(()),
        Ok(_) => Err(std::io::Error::other("it is not a regular file")),
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
    // SQLite keeps it beside what a link points to.
    let path = path.canonicalize();
    let mut log = path.unwrap_or_default().into_os_string();
    log.push("-wal");
    Path::new(&log).metadata().is_ok_and(|log| log.len() > 0)
}

/// The address of a file that nobody writes. Two slashes at its beginning would be those of a host.
fn immutable(path: &Path) -> PathBuf {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_lies_beside_what_a_link_points_to() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, link) = (folder.path().join("real.db"), folder.path().join("link.db"));
        std::fs::write(&file, "").expect("a file");
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        assert!(!has_log(&link));
        std::fs::write(folder.path().join("real.db-wal"), "x").expect("a log");
        assert!(has_log(&link) && has_log(&file));
        let folder = folder.path().canonicalize().expect("a folder");
        let twice = PathBuf::from(format!("/{}", link.display()));
        let address = format!("file:{}/real.db?immutable=1", folder.display());
        assert_eq!(immutable(&twice), PathBuf::from(address));
    }
}
