//! Which signatures are the current ones.

use crate::ledger::entry::Entry;
use rusqlite::{Connection, Result, params};

/// Makes the signatures of an entry the current ones, in place of those that they replaced.
pub(super) fn settle(connection: &Connection, table: &str, entry: &Entry) -> Result<()> {
    let event = &entry.event;
    for (item, slot) in event.slots().enumerate() {
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
