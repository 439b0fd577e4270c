//! The ledger in SQLite: its tables, and what is entered in them.

mod look_up;
mod replay;

pub(super) use look_up::{artifacts, entries, names};
#[cfg(test)]
pub(super) use look_up::{select_current, select_entries, select_verified};
pub(super) use replay::prove;

use super::chain::hash;
use super::entry::{Entry, Event};
use super::finding::Finding;
use super::head::Head;
use crate::state::Layout;
use rusqlite::{Connection, OptionalExtension as _, Result, params};

/// What is looked up stands in the entry itself, and in an index over it; nothing is kept twice but `current`, which says where
/// the signatures are that no later signing has replaced: `item` is the place of the signature in its entry.
pub(super) static LAYOUT: Layout = Layout {
    what: "the ledger",
    migrations: &[FIRST],
};

/// The tables of version 1.
pub(super) const FIRST: &str = "
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

/// What the chain no longer has, though its head was written after it.
pub(super) fn contradicts(
    connection: &Connection,
    last: &Head,
    known: &Head,
) -> Result<Option<Finding>> {
    if known.count == 0 || last == known {
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

/// The head as the entries have it.
pub(super) fn last(connection: &Connection) -> Result<Head> {
    let last = connection
        .prepare_cached("SELECT number, hash FROM entry ORDER BY number DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (count, hash): (u64, String) = last.unwrap_or_default();
    Ok(Head {
        count,
        // A text that is not a digest is not a head either; the next entry would say so of this one.
        hash: hash.parse().unwrap_or_else(|_| Head::default().hash),
    })
}

/// Enters an event after the last entry, and gives the new head.
pub(super) fn enter(
    connection: &Connection,
    head: &Head,
    time: &str,
    event: &Event,
) -> Result<Head> {
    let entry = Entry {
        number: head.count + 1,
        previous: head.hash.clone(),
        time: time.to_owned(),
        event: event.clone(),
    };
    let body = serde_json::to_string(&entry)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let hash = hash(&body);
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
fn settle(connection: &Connection, table: &str, entry: &Entry) -> Result<()> {
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
