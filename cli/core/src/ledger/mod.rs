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
mod sqlite;

pub use entry::{
    Action, Attempt, Entry, Event, EventArtifact, EventSignature, EventSigner, Execution,
};
pub use error::LedgerError;
pub use finding::{Finding, Proof};
pub use head::{Head, ParseHeadError};
pub use query::{Current, Known, Named, Query, Recorded, Since};

use crate::state::{Earlier, Layout, Opened, State};
use crate::time;
use head_file::HeadFile;
use sqlite::LAYOUT;
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
        // The head first: what others enter meanwhile does not contradict it.
        let finding = match head.read()? {
            Some(known) => state.with(|connection| {
                let last = sqlite::last(connection)?;
                sqlite::contradicts(connection, &last, &known)
            })?,
            None => begin(&state, &mut head)?,
        };
        match finding {
            Some(finding) => Err(LedgerError::Broken(finding)),
            None => Ok(Self {
                state,
                head: Mutex::new(head),
            }),
        }
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
            None => match head?.read()? {
                Some(head) if head.count > 0 => Err(LedgerError::Gone(head)),
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
        let known = turn.read()?.unwrap_or_default();
        let head = self.state.write(|transaction| {
            let mut head = sqlite::last(transaction)?;
            if let Some(finding) = sqlite::contradicts(transaction, &head, &known)? {
                return Ok(Err(LedgerError::Broken(finding)));
            }
            let time = time::in_milliseconds(time::now());
            for event in events {
                head = sqlite::enter(transaction, &head, &time, event)?;
            }
            Ok(Ok(head))
        })?;
        // The other way round, a process killed in between would leave what looks like a chain that was cut.
        turn.write(&head)?;
        Ok(head)
    }

    /// The chain's head.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn head(&self) -> Result<Head, LedgerError> {
        Ok(self.state.with(|connection| sqlite::last(connection))?)
    }

    /// Looks at every entry. `anchor` is a head that was kept elsewhere: without one, a ledger that was written anew as a whole,
    /// its head included, looks whole.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn prove(&self, anchor: Option<&Head>) -> Result<Proof, LedgerError> {
        // The head first: what is entered meanwhile does not look like a cut.
        let written = match self.head_file().read() {
            Err(LedgerError::Head { .. }) => None,
            written => written?,
        };
        self.state
            .read(|connection, layout| sqlite::prove(connection, layout, written, anchor))
    }

    /// Hands out entries, the newest first, for as long as it is told to go on.
    ///
    /// # Errors
    ///
    /// They cannot be read.
    pub fn entries(
        &self,
        query: &Query,
        take: impl FnMut(Recorded) -> ControlFlow<()>,
    ) -> Result<(), LedgerError> {
        self.state
            .with(|connection| sqlite::entries(connection, query, take))?
    }

    /// Hands out artifacts with their current signatures, the last signed first, as long as it is told to go on. After them come
    /// those of these names that were only verified.
    ///
    /// # Errors
    ///
    /// They cannot be read.
    pub fn artifacts(
        &self,
        named: Option<&[Named]>,
        take: impl FnMut(Known) -> ControlFlow<()>,
    ) -> Result<(), LedgerError> {
        self.state
            .with(|connection| sqlite::artifacts(connection, named, take))?
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
        let proof = sqlite::prove(connection, layout, written, None)?;
        Ok(match proof.findings.into_iter().next() {
            None => Ok(()),
            Some(finding) => Err(LedgerError::Broken(finding)),
        })
    })
}

/// Writes the head of a ledger that has no entry yet, so that one with entries always has a head, wherever a process is killed.
fn begin(state: &State, head: &mut HeadFile) -> Result<Option<Finding>, LedgerError> {
    let mut turn = head.lock()?;
    // Another process may have been first.
    let known = turn.read()?;
    let last = state.with(|connection| sqlite::last(connection))?;
    match known {
        Some(_) => Ok(None),
        None if last.count == 0 => turn.write(&last).map(|()| None),
        None => Ok(Some(Finding::NoHead)),
    }
}

#[cfg(test)]
mod migration_tests;
#[cfg(test)]
mod tests;
