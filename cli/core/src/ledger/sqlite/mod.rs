//! The ledger in SQLite: its tables, and what is entered in them.

mod end;
mod look_up;
mod moment;
mod replay;
mod settle;

pub(super) use end::{contradicts, last, look};
pub(super) use look_up::{artifacts, entries, names};
#[cfg(test)]
pub(super) use look_up::{select_current, select_entries, select_slots, select_verified};
pub(super) use moment::Moment;
pub(super) use replay::prove;

use super::chain::hash;
use super::entry::{Entry, Event};
use super::finding::Finding;
use super::head::Head;
use crate::state::Layout;
use rusqlite::{Connection, Result, params};
use settle::settle;

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

/// Enters an event after the last entry, and gives the new head; or what has kept it from being the last entry now, such as a trigger.
pub(super) fn enter(
    connection: &Connection,
    head: &Head,
    time: &str,
    event: &Event,
) -> Result<Result<Head, Finding>> {
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
    let number = entry.number;
    let entered = Head {
        count: number,
        hash,
    };
    Ok(match last(connection)? == entered {
        true => Ok(entered),
        false => Err(Finding::NotEntered { number }),
    })
}
