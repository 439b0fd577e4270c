//! The ledger: an entry for every signing, attaching and verifying, each chained to the one before by its digest. One SQLite file,
//! shared by all processes of a user, and beside it the head of the chain, so that a tail that was cut off is missed.
//!
//! An entry is a line of JSON. Its hash is the SHA-256 of that line, which holds the hash of the entry before.

mod chain;
mod entry;
mod error;
mod finding;
mod head;
mod head_file;
mod query;
mod restart;
mod sqlite;

pub use entry::{
    Action, Attempt, Entry, Event, EventArtifact, EventSignature, EventSigner, Execution,
};
pub use error::LedgerError;
pub use finding::{Finding, Proof};
pub use head::{Head, ParseHeadError};
pub use query::{Current, Known, Named, Query, Recorded, Since};
pub use restart::Restarted;

use crate::state::{Earlier, Layout, Opened, State};
use crate::time;
use head_file::{HeadFile, Written};
use sqlite::{LAYOUT, Moment};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The ledger of this user on this machine.
#[derive(Debug)]
pub struct Ledger {
    state: State,
    head: Mutex<HeadFile>,
}

impl Ledger {
    /// Opens the ledger, and makes it if it is not there.
    ///
    /// # Errors
    ///
    /// It cannot be read and written, or has been cut off, or has lost its head: another entry would hide that. One of an earlier
    /// version, which is migrated, has to be whole.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        Self::open_as(path, &LAYOUT)
    }

    fn open_as(path: &Path, layout: &'static Layout) -> Result<Self, LedgerError> {
        let opened = State::open(path, layout)?;
        let mut head = HeadFile::open(path)?;
        let state = match opened {
            Opened::Current(state) => state,
            Opened::Earlier(earlier) => migrate(earlier, &mut head, layout)?,
        };
        begin(&state, &mut head)?;
        Ok(Self {
            state,
            head: Mutex::new(head),
        })
    }

    /// Opens the ledger to read it; none if it is not there, and never was.
    ///
    /// # Errors
    ///
    /// It is there and cannot be read.
    pub fn open_to_read(path: &Path) -> Result<Option<Self>, LedgerError> {
        Self::open_to_read_as(path, &LAYOUT)
    }

    fn open_to_read_as(path: &Path, layout: &'static Layout) -> Result<Option<Self>, LedgerError> {
        let head = HeadFile::open_to_read(path);
        match State::open_to_read(path, layout)? {
            Some(state) => Ok(Some(Self {
                state,
                head: Mutex::new(head?),
            })),
            None => match head?.lock_to_read()?.read()? {
                Some(written) if written.last.count > 0 => Err(LedgerError::Gone(written.last)),
                _ => Ok(None),
            },
        }
    }

    /// Enters what happened, all of it or nothing, and gives the chain's new head. Other threads and processes wait meanwhile.
    ///
    /// # Errors
    ///
    /// It cannot be written, or the chain has been tampered with.
    pub fn append(&self, events: &[Event]) -> Result<Head, LedgerError> {
        let mut file = self.head_file();
        let mut turn = file.lock()?;
        let known = turn.read()?;
        let head = self.state.write(|transaction| {
            let last = sqlite::last(transaction)?;
            if let Some(finding) = sqlite::contradicts(transaction, &last, known.as_ref())? {
                return Ok(Err(LedgerError::Broken(finding)));
            }
            let time = time::in_milliseconds(time::now());
            let mut head = last.clone();
            for event in events {
                head = match sqlite::enter(transaction, &head, &time, event)? {
                    Ok(head) => head,
                    Err(finding) => return Ok(Err(LedgerError::Broken(finding))),
                };
            }
            let coming = Some(head.clone());
            Ok(turn.write(&Written { last, coming }).map(|()| head))
        })?;
        turn.write(&Written {
            last: head.clone(),
            coming: None,
        })?;
        Ok(head)
    }

    /// Looks at every entry. `anchor` is a head that was kept elsewhere: without one, a ledger that was written anew as a whole,
    /// its head included, looks whole.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn prove(&self, anchor: Option<&Head>) -> Result<Proof, LedgerError> {
        self.at_one_moment(|connection, layout, written| {
            let (written, finding) = match written {
                Ok(written) => (written, None),
                Err(finding) => (None, Some(finding)),
            };
            let mut proof = sqlite::prove(connection, layout, written.as_ref(), anchor)?;
            proof.tell(finding);
            Ok(proof)
        })
    }

    /// Hands out entries, the newest first, for as long as it is told to go on, and gives the chain's head.
    ///
    /// # Errors
    ///
    /// They cannot be read; or, after all that are what they were, the first thing that is wrong with what was read.
    pub fn entries(
        &self,
        query: &Query,
        take: impl FnMut(Recorded) -> ControlFlow<()>,
    ) -> Result<Head, LedgerError> {
        self.read(|moment| sqlite::entries(moment, query, take))
    }

    /// Hands out artifacts with their current signatures, the last signed first, as long as it is told to go on. After them come
    /// those of these names that were only verified.
    ///
    /// # Errors
    ///
    /// See [`entries`](Self::entries).
    pub fn artifacts(
        &self,
        named: Option<&[Named]>,
        take: impl FnMut(Known) -> ControlFlow<()>,
    ) -> Result<Head, LedgerError> {
        self.read(|moment| sqlite::artifacts(moment, named, take))
    }

    /// The names and references of artifacts that begin like this, each once.
    ///
    /// # Errors
    ///
    /// They cannot be read.
    pub fn names(&self, prefix: &str, limit: usize) -> Result<Vec<String>, LedgerError> {
        Ok(self
            .state
            .with(|connection| sqlite::names(connection, prefix, limit))?)
    }

    /// Moves a broken ledger and its head aside, and begins a chain whose first entry, made from `event`, names the old head and what
    /// was found. Killed on the way, it leaves a ledger that is broken still.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Whole`] of one that is not broken. It cannot be read or written, or is of a later version.
    pub fn restart(path: &Path, event: Event) -> Result<Restarted, LedgerError> {
        if !restart::is_there(path)? && !restart::is_there(&path.with_extension("head"))? {
            return Err(LedgerError::Whole);
        }
        let mut file = HeadFile::open(path)?;
        let mut turn = file.lock()?;
        // What another process has begun anew meanwhile has another head.
        if !turn.is_in_place()? {
            drop(turn);
            return Self::restart(path, event);
        }
        let written = turn.known()?;
        let (entered, found) = restart::wrong(path, &written)?;
        if found.is_empty() {
            return Err(LedgerError::Whole);
        }
        let old_head = match written {
            Ok(Some(written)) => Some(written.last),
            _ => entered.filter(|head| head.count > 0),
        };
        let moment = time::in_milliseconds(time::now()).replace([':', '.'], "-");
        let moved_to = restart::keep(path, &moment)?;
        let event = Event {
            old_head: old_head.as_ref().map(ToString::to_string),
            reasons: found.clone(),
            artifact: EventArtifact {
                reference: moved_to
                    .first()
                    .unwrap_or(&path.to_owned())
                    .display()
                    .to_string(),
                ..EventArtifact::default()
            },
            ..event
        };
        let new = path.with_file_name(format!("ledger-new-{moment}.db"));
        let head = Self::open(&new)?.append(&[event])?;
        restart::put_in_place(&new, path)?;
        Ok(Restarted {
            head,
            old_head,
            moved_to,
            found,
        })
    }

    /// Reads what is handed out, and looks at it.
    fn read(
        &self,
        work: impl FnOnce(&mut Moment<'_>) -> rusqlite::Result<Result<(), LedgerError>>,
    ) -> Result<Head, LedgerError> {
        self.at_one_moment(|connection, layout, written| {
            let mut moment = match Moment::begin(connection, layout, written)? {
                Ok(moment) => moment,
                Err(finding) => return Ok(Err(LedgerError::Broken(finding))),
            };
            let done = work(&mut moment)?;
            Ok(done.and_then(|()| moment.end()))
        })?
    }

    /// Gives the ledger and what the file of its head says, both as they are at a moment when nobody writes; others may go on then.
    fn at_one_moment<T>(
        &self,
        work: impl FnOnce(
            &rusqlite::Connection,
            &Layout,
            Result<Option<Written>, Finding>,
        ) -> rusqlite::Result<T>,
    ) -> Result<T, LedgerError> {
        let mut file = self.head_file();
        let mut turn = file.lock_to_read()?;
        let written = turn.known()?;
        self.state.read(|connection, layout| {
            // The version was read: from here on this is what the ledger was then.
            drop(turn);
            work(connection, layout, written)
        })
    }

    fn head_file(&self) -> MutexGuard<'_, HeadFile> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Brings a ledger of an earlier version to this one, if its chain is whole.
fn migrate(earlier: Earlier, head: &mut HeadFile, layout: &Layout) -> Result<State, LedgerError> {
    // In the order in which everybody takes turns: the head's first.
    let mut turn = head.lock()?;
    let written = turn.read()?;
    earlier.migrate(|connection| {
        let proof = sqlite::prove(connection, layout, written.as_ref(), None)?;
        Ok(match proof.findings.into_iter().next() {
            None => Ok(()),
            Some(finding) => Err(LedgerError::Broken(finding)),
        })
    })
}

/// Looks whether anything speaks against the ledger, and writes the head of one that has no entry yet: so one with entries always
/// has a head, wherever a process is killed.
fn begin(state: &State, head: &mut HeadFile) -> Result<(), LedgerError> {
    let mut turn = head.lock()?;
    let known = turn.read()?;
    let last = state
        .read::<_, LedgerError>(|connection, layout| {
            sqlite::look(connection, layout, known.as_ref())
        })?
        .map_err(LedgerError::Broken)?;
    match known {
        Some(_) => Ok(()),
        None => turn.write(&Written { last, coming: None }),
    }
}

#[cfg(test)]
mod migration_tests;
#[cfg(test)]
mod tests;
