//! Beginning a new chain where the old one is broken. The old files stay, under other names, and the first entry tells of them.

use super::error::LedgerError;
use super::finding::Finding;
use super::head::Head;
use super::head_file::Written;
use super::sqlite::{self, LAYOUT};
use crate::state::{Layout, State, StateError};
use rusqlite::Connection;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// A ledger that was begun anew.
#[derive(Debug)]
pub struct Restarted {
    /// The head of the new chain.
    pub head: Head,
    /// What the head of the old one was, if that is known.
    pub old_head: Option<Head>,
    /// The old ledger and its head, as far as they were there.
    pub moved_to: Vec<PathBuf>,
    /// What was wrong with the old one, in words.
    pub found: Vec<String>,
}

/// What is wrong with a ledger, and how far its entries go. What SQLite cannot read is wrong; what nobody may read is an error.
pub(super) fn wrong(
    path: &Path,
    written: &Result<Option<Written>, Finding>,
) -> Result<(Option<Head>, Vec<String>), LedgerError> {
    let proven = State::open_to_read(path, &LAYOUT).and_then(|state| {
        let Some(state) = state else { return Ok(None) };
        let written = written.as_ref().ok().and_then(Option::as_ref);
        let prove = |connection: &Connection, layout: &Layout| {
            sqlite::prove(connection, layout, written, None)
        };
        state.read::<_, StateError>(prove).map(Some)
    });
    match proven {
        Ok(Some(mut proof)) => {
            proof.tell(written.as_ref().err().cloned());
            let found = proof.findings.iter().map(ToString::to_string);
            Ok((Some(proof.head), found.collect()))
        }
        Ok(None) => Ok((
            None,
            match written {
                Ok(Some(written)) if written.last.count > 0 => {
                    vec![LedgerError::Gone(written.last.clone()).to_string()]
                }
                Ok(_) => Vec::new(),
                Err(finding) => vec![finding.to_string()],
            },
        )),
        Err(error) if error.is_damaged() || matches!(error, StateError::Altered { .. }) => {
            Ok((None, vec![error.to_string()]))
        }
        Err(error) => Err(error.into()),
    }
}

/// Gives each of the old files a second name, which stays when its first is taken.
pub(super) fn keep(path: &Path, moment: &str) -> Result<Vec<PathBuf>, LedgerError> {
    let mut kept = Vec::new();
    for ending in ["db", "db-wal", "head"] {
        let old = path.with_extension(ending);
        let new = path.with_file_name(format!("ledger-{moment}.{ending}"));
        match fs::hard_link(&old, &new) {
            Ok(()) => kept.push(new),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(unusable(new, error)),
        }
    }
    Ok(kept)
}

/// Whether there is such a file.
pub(super) fn is_there(path: &Path) -> Result<bool, LedgerError> {
    path.try_exists()
        .map_err(|error| unusable(path.to_owned(), error))
}

/// Puts a new ledger in the place of the old one. The head first: until the ledger is there too, nothing looks whole.
pub(super) fn put_in_place(new: &Path, path: &Path) -> Result<(), LedgerError> {
    replace(&new.with_extension("head"), &path.with_extension("head"))?;
    for log in ["db-wal", "db-shm"] {
        remove(&path.with_extension(log))?;
    }
    replace(new, path)
}

fn replace(new: &Path, old: &Path) -> Result<(), LedgerError> {
    fs::rename(new, old).map_err(|error| unusable(old.to_owned(), error))
}

fn remove(path: &Path) -> Result<(), LedgerError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(unusable(path.to_owned(), error)),
        _ => Ok(()),
    }
}

fn unusable(path: PathBuf, error: std::io::Error) -> LedgerError {
    StateError::Unusable { path, error }.into()
}
