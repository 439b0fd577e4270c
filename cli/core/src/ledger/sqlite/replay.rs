//! Proving that the chain is whole, and all that is derived from it: every entry is read and settled anew.

use super::settle::settle;
use crate::ledger::chain::Walk;
use crate::ledger::finding::{Finding, Proof};
use crate::ledger::head::Head;
use crate::state::Layout;
use rusqlite::{Connection, Result};

/// Looks at every entry, in a transaction of the caller's. `written` is what the file of the head says.
pub(in crate::ledger) fn prove(
    connection: &Connection,
    layout: &Layout,
    written: Option<Head>,
    anchor: Option<&Head>,
) -> Result<Proof> {
    let has_head = written.is_some();
    let beside = written.filter(|head| head.count > 0);
    let mut walk = Walk::towards(beside.into_iter().chain(anchor.cloned()).collect());
    everything(&mut walk, connection, layout)?;
    if !has_head && walk.count() > 0 {
        walk.tell(Finding::NoHead);
    }
    Ok(walk.proof())
}

fn everything(walk: &mut Walk, connection: &Connection, layout: &Layout) -> Result<()> {
    let changed = layout.changed(connection)?;
    let is_as_made = changed.is_empty();
    for name in changed {
        walk.tell(Finding::TableChanged { name });
    }
    let walked = match entries(walk, connection) {
        Ok(()) if is_as_made => lookups(walk, connection),
        walked => walked,
    };
    match walked {
        // What was changed may keep SQLite from seeing what else is wrong.
        Err(_) if walk.has_findings() => Ok(()),
        walked => walked,
    }
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
    walk.arrive();
    current(walk, connection)
}

/// The current signatures, which must be those that settling every entry anew gives.
fn current(walk: &mut Walk, connection: &Connection) -> Result<()> {
    let mut query = connection.prepare(
        "SELECT number FROM (SELECT * FROM current EXCEPT SELECT * FROM temp.replayed)
         UNION SELECT number FROM (SELECT * FROM temp.replayed EXCEPT SELECT * FROM current) ORDER BY 1 LIMIT 20",
    )?;
    for number in query.query_map([], |row| row.get(0))? {
        let row: i64 = number?;
        walk.find(match u64::try_from(row) {
            Ok(number) => Finding::IndexChanged { number },
            Err(_) => Finding::NoEntry { row },
        });
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
