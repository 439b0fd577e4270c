//! The ledger: an entry for every signing, attaching and verifying, each chained to the one before by its digest. One SQLite file,
//! shared by all processes of a user, and beside it the head of the chain, so that a tail that was cut off is missed.
//!
//! An entry is a line of JSON. Its hash is the SHA-256 of that line, which holds the hash of the entry before.

mod chain;
mod entry;
mod head;
mod query;

pub use chain::{Finding, Proof};
pub use entry::{
    Action, Attempt, Entry, Event, EventArtifact, EventSignature, EventSigner, Execution,
};
pub use head::{Head, ParseHeadError};
pub use query::{Current, Known, Named, Query, Recorded, Since};

use crate::state::{Alteration, Earlier, Layout, Opened, State, StateError};
use chain::prove;
use head::HeadFile;
use rusqlite::{Connection, OptionalExtension as _, params};
use sigtool_sdk::{Error, ErrorCode};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// What is looked up stands in the entry itself, and in an index over it; nothing is kept twice but `current`, which says where
/// the signatures are that no later signing has replaced: `item` is the place of the signature in its entry.
static LAYOUT: Layout = Layout {
    what: "the ledger",
    migrations: &[FIRST],
};

/// The tables of version 1.
const FIRST: &str = "
CREATE TABLE entry (
  number INTEGER PRIMARY KEY,
  body TEXT NOT NULL,
  hash TEXT NOT NULL,
  time TEXT AS (body ->> '$.time') VIRTUAL,
  digest TEXT AS (body ->> '$.artifact.digest') VIRTUAL,
  name TEXT AS (body ->> '$.artifact.name') VIRTUAL,
  reference TEXT AS (body ->> '$.artifact.reference') VIRTUAL
) STRICT;
CREATE INDEX entry_by_time ON entry (time);
CREATE INDEX entry_by_digest ON entry (digest);
CREATE INDEX entry_by_name ON entry (name);
CREATE INDEX entry_by_reference ON entry (reference);
CREATE TABLE current (
  slot TEXT NOT NULL,
  number INTEGER NOT NULL,
  item INTEGER NOT NULL,
  PRIMARY KEY (slot, number, item)
) STRICT, WITHOUT ROWID;
CREATE INDEX current_by_number ON current (number, item);
";

/// The ledger of this user on this machine.
#[derive(Debug)]
pub struct Ledger {
    state: State,
    head: Mutex<HeadFile>,
}

/// Why the ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Its file, or that of the head, cannot be read or written.
    #[error(transparent)]
    State(StateError),
    /// An entry cannot be read: it is not what was entered.
    #[error(
        "entry {number} of the ledger cannot be read: somebody changed it, or a later version of sigtool made it"
    )]
    Entry {
        /// Its number.
        number: u64,
    },
    /// The file of the head does not say what a head is.
    #[error("`{path}` is no head of a ledger: {error}", path = path.display())]
    Head {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: ParseHeadError,
    },
    /// There is a head and no ledger.
    #[error("the ledger is gone: of {} entries, as its head says, there is none", .0.count)]
    Gone(Head),
    /// The chain has no longer what its head says it had. Nothing is entered, or the evidence would be gone.
    #[error("the ledger is broken: {0}")]
    Broken(Finding),
}

impl From<StateError> for LedgerError {
    fn from(error: StateError) -> Self {
        match error {
            StateError::Altered { alteration, .. } => Self::Broken(match alteration {
                Alteration::NoVersion => Finding::NoVersion,
                Alteration::Table { name } => Finding::TableChanged { name },
            }),
            error => Self::State(error),
        }
    }
}

impl From<LedgerError> for Error {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::State(error) => error.into(),
            error => Self::new(ErrorCode::Integrity, error.to_string()),
        }
    }
}

impl Ledger {
    /// Opens the ledger, and makes it if it is not there.
    ///
    /// # Errors
    ///
    /// It cannot be read and written, or has been cut off, or has lost its head: an entry more would hide that. One of an earlier
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
        // The head first: what others enter meanwhile is no contradiction.
        let finding = match head.read()? {
            Some(known) => state.with(|connection| contradicts(connection, &known))?,
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
        let mut file = self.head.lock().unwrap_or_else(PoisonError::into_inner);
        let mut turn = file.lock()?;
        let known = turn.read()?.unwrap_or_default();
        let head = self.state.write(|transaction| {
            let (mut head, time) = last_and_now(transaction)?;
            if let Some(finding) = contradicts(transaction, &known)? {
                return Ok(Err(LedgerError::Broken(finding)));
            }
            for event in events {
                head = enter(transaction, &head, &time, event)?;
            }
            Ok(Ok(head))
        })?;
        // The other way round, a process that was killed in between would look like a chain that was cut.
        turn.write(&head)?;
        Ok(head)
    }

    /// The chain's head.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn head(&self) -> Result<Head, LedgerError> {
        Ok(self.state.with(|connection| last_and_now(connection))?.0)
    }
}

/// Brings a ledger of an earlier version to this one, if its chain is whole.
fn migrate(earlier: Earlier, head: &mut HeadFile, layout: &Layout) -> Result<State, LedgerError> {
    // In the order in which everybody takes turns: the head's first.
    let mut turn = head.lock()?;
    let written = turn.read()?;
    earlier.migrate(|connection| {
        let proof = prove(connection, layout, written, None)?;
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
    let last = state.with(|connection| last_and_now(connection))?.0;
    match known {
        Some(_) => Ok(None),
        None if last.count == 0 => turn.write(&last).map(|()| None),
        None => Ok(Some(Finding::NoHead)),
    }
}

/// What the chain no longer has, though its head was written after it.
fn contradicts(connection: &Connection, known: &Head) -> rusqlite::Result<Option<Finding>> {
    let (last, _) = last_and_now(connection)?;
    if known.count == 0 || last == *known {
        return Ok(None);
    }
    let found: Option<String> = connection
        .prepare_cached("SELECT hash FROM entry WHERE number = ?1")?
        .query_row([known.count], |row| row.get(0))
        .optional()?;
    Ok(match found {
        Some(hash) if hash == known.hash.to_string() => None,
        Some(_) => Some(Finding::OtherHead {
            expected: known.clone(),
        }),
        None => Some(Finding::CutOff {
            found: last.count,
            expected: known.clone(),
        }),
    })
}

/// The head as the entries have it, and the time, in one question: each costs a moment of every run.
fn last_and_now(connection: &Connection) -> rusqlite::Result<(Head, String)> {
    let mut query = connection.prepare_cached(
        "SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), number, hash FROM (SELECT 1)
         LEFT JOIN (SELECT number, hash FROM entry ORDER BY number DESC LIMIT 1)",
    )?;
    query.query_row([], |row| {
        let count: Option<u64> = row.get(1)?;
        // What is no digest is no head either; the next entry would say so of this one.
        let hash: Option<String> = row.get(2)?;
        let hash = hash.and_then(|hash| hash.parse().ok());
        let head = Head {
            count: count.unwrap_or_default(),
            hash: hash.unwrap_or_else(|| Head::default().hash),
        };
        Ok((head, row.get(0)?))
    })
}

fn enter(
    connection: &Connection,
    head: &Head,
    time: &str,
    event: &Event,
) -> rusqlite::Result<Head> {
    let entry = Entry {
        number: head.count + 1,
        previous: head.hash.clone(),
        time: time.to_owned(),
        event: event.clone(),
    };
    let body = serde_json::to_string(&entry)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let hash = chain::hash(&body);
    connection
        .prepare_cached("INSERT INTO entry (number, body, hash) VALUES (?1, ?2, ?3)")?
        .execute(params![entry.number, body, hash.to_string()])?;
    settle(connection, "current", &entry)?;
    Ok(Head {
        count: entry.number,
        hash,
    })
}

/// Makes the signatures of an entry the current ones, in place of those that they replaced.
fn settle(connection: &Connection, table: &str, entry: &Entry) -> rusqlite::Result<()> {
    let event = &entry.event;
    if !event.is_signing() {
        return Ok(());
    }
    let slots = event.signatures.iter().map(|s| event.slot(s));
    for (item, slot) in slots.enumerate() {
        if !event.append {
            let text = format!("DELETE FROM {table} WHERE slot = ?1");
            connection.prepare_cached(&text)?.execute([&slot])?;
        }
        let text = format!("INSERT INTO {table} (slot, number, item) VALUES (?1, ?2, ?3)");
        connection
            .prepare_cached(&text)?
            .execute(params![slot, entry.number, item])?;
    }
    Ok(())
}

#[cfg(test)]
mod migration_tests;
#[cfg(test)]
mod tests;
