//! Reading entries at one moment: each is looked at, beside its neighbours, before it is handed out.

use super::end::{last, look};
use super::replay;
use crate::ledger::chain::Walk;
use crate::ledger::error::LedgerError;
use crate::ledger::finding::Finding;
use crate::ledger::head::Head;
use crate::ledger::head_file::Written;
use crate::ledger::query::Recorded;
use crate::state::Layout;
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

/// The ledger as it is at one moment, in a transaction of the caller's, and what is wrong with what was read of it.
pub(in crate::ledger) struct Moment<'a> {
    pub(super) connection: &'a Connection,
    written: Option<Written>,
    last: Head,
    /// The first thing that is wrong.
    finding: Option<Finding>,
}

impl<'a> Moment<'a> {
    /// Looks at the tables and at the end of the chain. A file with other tables than sigtool's is not read at all; of a chain that
    /// does not end as its head says the entries are.
    pub(in crate::ledger) fn begin(
        connection: &'a Connection,
        layout: &Layout,
        written: Result<Option<Written>, Finding>,
    ) -> Result<Result<Self, Finding>> {
        let (written, finding) = match written {
            Ok(written) => (written, None),
            Err(finding) => (None, Some(finding)),
        };
        let finding = match look(connection, layout, written.as_ref())? {
            Err(finding @ Finding::TableChanged { .. }) => return Ok(Err(finding)),
            Err(found) => Some(finding.unwrap_or(found)),
            Ok(_) => finding,
        };
        Ok(Ok(Self {
            connection,
            last: last(connection)?,
            written,
            finding,
        }))
    }

    /// Reads a row of `number, body, hash`. Nothing if it is not the entry that it was. The inner error is that of an entry which
    /// is what it was, and cannot be read.
    pub(super) fn read(&mut self, row: &Row<'_>) -> Result<Result<Option<Recorded>, LedgerError>> {
        let number: i64 = row.get(0)?;
        if !self.is_in_its_place(number, row)? {
            return Ok(Ok(None));
        }
        let (count, body, hash): (u64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let (Ok(entry), Ok(hash)) = (serde_json::from_str(&body), hash.parse()) else {
            return Ok(Err(LedgerError::Entry { number: count }));
        };
        let head = Head { count, hash };
        Ok(Ok(Some(Recorded { entry, body, head })))
    }

    /// Walks from the entry before to the one after. Whether nothing is wrong with the entry between them.
    fn is_in_its_place(&mut self, number: i64, row: &Row<'_>) -> Result<bool> {
        let before = self
            .connection
            .prepare_cached(
                "SELECT number, hash FROM entry WHERE number < ?1 ORDER BY number DESC LIMIT 1",
            )?
            .query_row(params![number], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let (count, hash): (i64, String) = before.unwrap_or_default();
        let heads = self.written.iter().flat_map(Written::heads).cloned();
        let mut walk = Walk::towards(heads.collect());
        walk.go_on_from(Head {
            count: count.try_into().unwrap_or_default(),
            hash: hash.parse().unwrap_or_else(|_| Head::default().hash),
        });
        step(&mut walk, number, row)?;
        let mut after = self.connection.prepare_cached(
            "SELECT number, body, hash FROM entry WHERE number > ?1 ORDER BY number LIMIT 1",
        )?;
        let mut after = after.query([number])?;
        if let Some(after) = after.next()? {
            step(&mut walk, after.get(0)?, after)?;
        }
        let found = walk.proof().findings;
        let is_good = number > 0 && !found.iter().any(|finding| is_about(finding, number));
        found.into_iter().for_each(|finding| self.find(finding));
        Ok(is_good)
    }

    /// Compares the whole chain with the current signatures.
    pub(super) fn walk_all(&mut self) -> Result<()> {
        let mut walk = Walk::default();
        replay::chain(&mut walk, self.connection, self.written.as_ref())?;
        let found = walk.proof().findings;
        found.into_iter().for_each(|finding| self.find(finding));
        Ok(())
    }

    pub(super) fn find(&mut self, finding: Finding) {
        self.finding.get_or_insert(finding);
    }

    /// The head, if nothing was wrong.
    pub(in crate::ledger) fn end(self) -> Result<Head, LedgerError> {
        match self.finding {
            None => Ok(self.last),
            Some(finding) => Err(LedgerError::Broken(finding)),
        }
    }
}

fn step(walk: &mut Walk, number: i64, row: &Row<'_>) -> Result<()> {
    // What is not text is not an entry either.
    let body = row.get_ref(1)?.as_bytes().unwrap_or_default();
    let hash = row.get_ref(2)?.as_str().unwrap_or_default();
    walk.step(number, body, hash);
    Ok(())
}

/// Whether a finding says of an entry that it is not what it was.
fn is_about(finding: &Finding, number: i64) -> bool {
    let number = u64::try_from(number).unwrap_or_default();
    match finding {
        Finding::Changed { number: of } | Finding::Moved { number: of, .. } => *of == number,
        Finding::NotTheNext { number: next } => *next == number + 1,
        Finding::OtherHead { expected } => expected.count == number,
        _ => false,
    }
}
