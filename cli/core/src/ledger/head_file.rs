//! The file of the head, beside the ledger. A process that writes the ledger holds a lock on it.
//!
//! It says how the chain ends. While something is entered it says how it will end too: whenever a process is killed, the last entry is
//! one of the two.

use super::error::LedgerError;
use super::finding::Finding;
use super::head::{Head, ParseHeadError};
use crate::state::{PATIENCE, PAUSE, StateError, require_regular};
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;

/// How the file of the head ends, in place of the ledger's own ending.
const ENDING: &str = "head";

/// Two heads are no longer: each a number of twenty digits, and a digest.
const LONGEST: usize = 200;

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    /// The head after what was entered last.
    pub(super) last: Head,
    /// The head after what is being entered now, or was when the process was killed.
    pub(super) coming: Option<Head>,
}

impl Written {
    /// The heads that the last entry may have.
    pub(super) fn heads(&self) -> impl Iterator<Item = &Head> {
        std::iter::once(&self.last).chain(&self.coming)
    }
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.last.fmt(f)?;
        self.coming.iter().try_for_each(|head| write!(f, " {head}"))
    }
}

impl FromStr for Written {
    type Err = ParseHeadError;

    /// Parses one head, or two with a space between them.
    fn from_str(text: &str) -> Result<Self, ParseHeadError> {
        let (last, coming) = match text.split_once(' ') {
            Some((last, coming)) => (last, Some(coming.parse()?)),
            None => (text, None),
        };
        Ok(Self {
            last: last.parse()?,
            coming,
        })
    }
}

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
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self { path, file: None }),
            Err(error) => Err(unusable(&path, error)),
        }
    }

    fn read(&mut self) -> Result<Option<Written>, LedgerError> {
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
        // Below the line there may be the rest of a longer one, of a process that was killed before it cut it off.
        let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = std::str::from_utf8(line).map_err(|_| ParseHeadError);
        line.and_then(|line| line.trim_end().parse())
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

    /// Waits too, and lets others read meanwhile.
    pub(super) fn lock_to_read(&mut self) -> Result<Turn<'_>, LedgerError> {
        self.lock_by(File::try_lock_shared)
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
                Err(TryLockError::WouldBlock) => {
                    let held = "another sigtool keeps it locked; try again once that has ended";
                    return Err(unusable(&self.path, std::io::Error::other(held)));
                }
                Err(TryLockError::Error(error)) => return Err(unusable(&self.path, error)),
            }
        }
    }
}

/// The right to write the ledger, or to read what its head and its last entry are at one moment, until it is dropped.
pub(super) struct Turn<'a>(&'a mut HeadFile);

impl Turn<'_> {
    /// What the file says; nothing in a new one, and where it is missing.
    pub(super) fn read(&mut self) -> Result<Option<Written>, LedgerError> {
        self.0.read()
    }

    /// What the file says; what is not a head is a finding.
    pub(super) fn known(&mut self) -> Result<Result<Option<Written>, Finding>, LedgerError> {
        match self.read() {
            Ok(written) => Ok(Ok(written)),
            Err(LedgerError::Head { .. }) => Ok(Err(Finding::NoHead)),
            Err(error) => Err(error),
        }
    }

    /// Whether the file still has its name: a ledger that is begun anew gets another.
    pub(super) fn is_in_place(&self) -> Result<bool, LedgerError> {
        let Some(file) = &self.0.file else {
            return Ok(true);
        };
        let failed = |error| unusable(&self.0.path, error);
        let (open, named) = (file.metadata().map_err(failed)?, self.0.path.metadata());
        match named {
            Ok(named) => Ok((open.dev(), open.ino()) == (named.dev(), named.ino())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    /// In place: it is shorter than a block.
    pub(super) fn write(&mut self, written: &Written) -> Result<(), LedgerError> {
        let Some(file) = &mut self.0.file else {
            return Ok(());
        };
        let text = format!("{written}\n");
        file.seek(SeekFrom::Start(0))
            .and_then(|_| file.write_all(text.as_bytes()))
            .and_then(|()| file.set_len(text.len() as u64))
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
