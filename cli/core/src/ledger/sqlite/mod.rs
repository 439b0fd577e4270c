//! The ledger in SQLite: its tables, and what is entered in them.

mod look_up;
mod moment;
mod replay;
mod settle;

pub(super) use look_up::{artifacts, entries, names};
#[cfg(test)]
pub(super) use look_up::{select_current, select_entries, select_slots, select_verified};
pub(super) use moment::Moment;
pub(super) use replay::prove;

use super::chain::hash;
use super::entry::{Entry, Event};
use super::finding::Finding;
use super::head::Head;
use super::head_file::Written;
use crate::state::Layout;
use rusqlite::{Connection, OptionalExtension as _, params};
use settle::settle;

/// What SQLite gives, or its error.
type Result<T, E = rusqlite::Error> = std::result::Result<T, E>;

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

/// What speaks against the file before anything in it is looked at: that it is not as sigtool makes it, or does not end as the file of
/// the head says. Gives the last entry's head otherwise.
pub(super) fn look(
    connection: &Connection,
    layout: &Layout,
    known: Option<&Written>,
) -> Result<Result<Head, Finding>> {
    if let Some(name) = layout.changed(connection)?.pop_first() {
        return Ok(Err(Finding::TableChanged { name }));
    }
    let last = last(connection)?;
    Ok(contradicts(connection, &last, known)?.map_or(Ok(last), Err))
}

/// What speaks against the end of the chain. It is whole if the last entry is one that the file of the head names.
pub(super) fn contradicts(
    connection: &Connection,
    last: &Head,
    known: Option<&Written>,
) -> Result<Option<Finding>> {
    let Some(known) = known else {
        return Ok((last.count > 0).then_some(Finding::NoHead));
    };
    if known.heads().any(|head| head == last) {
        return Ok(None);
    }
    let (found, expected) = (last.count, known.last.clone());
    let hash: Option<String> = connection
        .prepare_cached("SELECT hash FROM entry WHERE number = ?1")?
        .query_row([expected.count], |row| row.get(0))
        .optional()?;
    Ok(Some(match hash {
        None if expected.count > found => Finding::CutOff { found, expected },
        Some(hash) if hash != expected.hash.to_string() => Finding::OtherHead { expected },
        _ if expected.count < found => Finding::HeadBehind { found, expected },
        _ => Finding::OtherHead { expected },
    }))
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
