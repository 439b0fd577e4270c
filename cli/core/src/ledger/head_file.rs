//! The file of the head, beside the ledger. A process that writes the ledger holds a lock on it.

use super::error::LedgerError;
use super::head::{Head, ParseHeadError};
use crate::state::{PATIENCE, PAUSE, StateError, require_regular};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// How the file of the head ends, in place of the ledger's own ending.
const ENDING: &str = "head";

/// No head is longer: a number of twenty digits, and a digest.
const LONGEST: usize = 200;

/// The file, opened.
#[derive(Debug)]
pub(super) struct HeadFile {
    path: PathBuf,
    /// None if it is not there; only when reading.
    file: Option<File>,
}

impl HeadFile {
    /// Opens the file beside a ledger, and makes it if it is not there.
    pub(super) fn open(ledger: &Path) -> Result<Self, LedgerError> {
        let path = ledger.with_extension(ENDING);
        require_regular(&path).map_err(|error| unusable(&path, error))?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(&path) {
            Ok(file) => Ok(Self {
                path,
                file: Some(file),
            }),
            Err(error) => Err(unusable(&path, error)),
        }
    }

    /// Opens the file to read it, if it is there.
    pub(super) fn open_to_read(ledger: &Path) -> Result<Self, LedgerError> {
        let path = ledger.with_extension(ENDING);
        require_regular(&path).map_err(|error| unusable(&path, error))?;
        match File::open(&path) {
            Ok(file) => Ok(Self {
                path,
                file: Some(file),
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Ok(Self { path, file: None })
            }
            Err(error) => Err(unusable(&path, error)),
        }
    }

    /// What it says when nobody writes it; nothing in a new one, and where it is missing.
    pub(super) fn read(&mut self) -> Result<Option<Head>, LedgerError> {
        self.lock_by(File::try_lock_shared)?.read()
    }

    fn read_now(&mut self) -> Result<Option<Head>, LedgerError> {
        let Some(file) = &mut self.file else {
            return Ok(None);
        };
        let mut text = Vec::with_capacity(2 * LONGEST);
        file.seek(SeekFrom::Start(0))
            .and_then(|_| file.take(LONGEST as u64).read_to_end(&mut text))
            .map_err(|error| unusable(&self.path, error))?;
        if text.is_empty() {
            return Ok(None);
        }
        let text = String::from_utf8(text).map_err(|_| ParseHeadError);
        text.and_then(|text| text.trim_end().parse())
            .map(Some)
            .map_err(|error| LedgerError::Head {
                path: self.path.clone(),
                error,
            })
    }

    /// Waits until no other process writes the ledger.
    pub(super) fn lock(&mut self) -> Result<Turn<'_>, LedgerError> {
        self.lock_by(File::try_lock)
    }

    fn lock_by(
        &mut self,
        lock: impl Fn(&File) -> Result<(), TryLockError>,
    ) -> Result<Turn<'_>, LedgerError> {
        let since = Instant::now();
        loop {
            let locked = self.file.as_ref().map_or(Ok(()), &lock);
            match locked {
                Ok(()) => return Ok(Turn(self)),
                Err(TryLockError::WouldBlock) if since.elapsed() < PATIENCE => {
                    std::thread::sleep(PAUSE);
                }
                Err(error) => return Err(unusable(&self.path, error.into())),
            }
        }
    }
}

/// The right to write the ledger, or to read its head while nobody writes, until it is dropped. A head read while it is written
/// can be half of one and half of another.
pub(super) struct Turn<'a>(&'a mut HeadFile);

impl Turn<'_> {
    pub(super) fn read(&mut self) -> Result<Option<Head>, LedgerError> {
        self.0.read_now()
    }

    /// In place: it is shorter than a block, and never gets shorter.
    pub(super) fn write(&mut self, head: &Head) -> Result<(), LedgerError> {
        let Some(file) = &mut self.0.file else {
            return Ok(());
        };
        let text = format!("{head}\n");
        file.seek(SeekFrom::Start(0))
            .and_then(|_| file.write_all(text.as_bytes()))
            .map_err(|error| unusable(&self.0.path, error))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(file) = &self.0.file {
            let _ = file.unlock();
        }
    }
}

fn unusable(path: &Path, error: std::io::Error) -> LedgerError {
    LedgerError::State(StateError::Unusable {
        path: path.to_owned(),
        error,
    })
}
