//! Where the chain ends, and whether that is where it should.

use crate::ledger::finding::Finding;
use crate::ledger::head::Head;
use crate::ledger::head_file::Written;
use crate::state::Layout;
use rusqlite::{Connection, OptionalExtension as _, Result};

/// What speaks against the file before anything in it is looked at: that it is not as sigtool makes it, or does not end as the file of
/// the head says. Gives the last entry's head otherwise.
pub(in crate::ledger) fn look(
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
pub(in crate::ledger) fn contradicts(
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
pub(in crate::ledger) fn last(connection: &Connection) -> Result<Head> {
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
