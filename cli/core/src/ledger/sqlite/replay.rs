//! Proving that the chain is whole, and all that is derived from it: every entry is read and settled anew.

use super::end::{contradicts, last};
use super::settle::settle;
use crate::ledger::chain::Walk;
use crate::ledger::finding::{Finding, Proof};
use crate::ledger::head::Head;
use crate::ledger::head_file::Written;
use crate::state::Layout;
use rusqlite::{Connection, Result};

/// Looks at every entry, in a transaction of the caller's. `written` is what the file of the head says.
pub(in crate::ledger) fn prove(
    connection: &Connection,
    layout: &Layout,
    written: Option<&Written>,
    anchor: Option<&Head>,
) -> Result<Proof> {
    let mut walk = Walk::towards(anchor.cloned().into_iter().collect());
    let changed = layout.changed(connection)?;
    let is_as_made = changed.is_empty();
    for name in changed {
        walk.tell(Finding::TableChanged { name });
    }
    let walked = match chain(&mut walk, connection, written) {
        Ok(()) if is_as_made => lookups(&mut walk, connection),
        walked => walked,
    };
    walk.arrive();
    match walked {
        // What was changed may keep SQLite from seeing what else is wrong.
        Err(_) if !walk.findings().is_empty() => Ok(walk.proof()),
        walked => walked.map(|()| walk.proof()),
    }
}

/// Walks the whole chain, up to its end, and compares the current signatures with it.
pub(super) fn chain(
    walk: &mut Walk,
    connection: &Connection,
    written: Option<&Written>,
) -> Result<()> {
    entries(walk, connection)?;
    if let Some(finding) = contradicts(connection, &last(connection)?, written)? {
        walk.tell(finding);
    }
    current(walk, connection)
}

fn entries(walk: &mut Walk, connection: &Connection) -> Result<()> {
    connection.execute_batch(
        "DROP TABLE IF EXISTS temp.replayed;
         CREATE TEMP TABLE replayed (slot TEXT, number INTEGER, item INTEGER, PRIMARY KEY (slot, number, item)) WITHOUT ROWID;",
    )?;
    let mut query = connection.prepare("SELECT number, body, hash FROM entry ORDER BY number")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        // What is not text is not an entry either.
        let body = row.get_ref(1)?.as_bytes().unwrap_or_default();
        let hash = row.get_ref(2)?.as_str().unwrap_or_default();
        if let Some(entry) = walk.step(row.get(0)?, body, hash) {
            settle(connection, "temp.replayed", &entry)?;
        }
    }
    Ok(())
}

/// The current signatures, which must be those that settling every entry anew gives.
fn current(walk: &mut Walk, connection: &Connection) -> Result<()> {
    let mut query = connection.prepare(
        "SELECT number FROM (SELECT * FROM current EXCEPT SELECT * FROM temp.replayed)
         UNION SELECT number FROM (SELECT * FROM temp.replayed EXCEPT SELECT * FROM current) ORDER BY 1 LIMIT 20",
    )?;
    for number in query.query_map([], |row| row.get(0))? {
        walk.find(Finding::of_current(number?));
    }
    Ok(())
}

/// The indexes by which entries are looked up. SQLite makes each key anew and compares.
fn lookups(walk: &mut Walk, connection: &Connection) -> Result<()> {
    let mut query = connection.prepare("PRAGMA main.integrity_check(20)")?;
    for what in query.query_map([], |row| row.get::<_, String>(0))? {
        let what = what?;
        if what != "ok" {
            walk.find(Finding::LookupChanged { what });
        }
    }
    Ok(())
}
