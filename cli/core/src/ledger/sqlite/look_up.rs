//! Looking things up: entries, the newest first; signatures that are still current; names.

use super::moment::Moment;
use crate::ledger::entry::{Entry, EventArtifact};
use crate::ledger::error::LedgerError;
use crate::ledger::finding::Finding;
use crate::ledger::query::{Current, Known, Named, Query, Recorded, Since};
use rusqlite::types::Value;
use rusqlite::{Connection, Result, params, params_from_iter};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// What was found, or the entry that cannot be read.
type Found<T> = Result<T, LedgerError>;

/// Hands out entries, the newest first, for as long as it is told to go on.
pub(in crate::ledger) fn entries(
    moment: &mut Moment<'_>,
    query: &Query,
    mut take: impl FnMut(Recorded) -> ControlFlow<()>,
) -> Result<Found<()>> {
    let (text, values) = select_entries(query);
    let mut query = moment.connection.prepare(&text)?;
    let mut rows = query.query(params_from_iter(values))?;
    while let Some(row) = rows.next()? {
        match moment.read(row)? {
            Ok(None) => {}
            Ok(Some(recorded)) => {
                if take(recorded).is_break() {
                    break;
                }
            }
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(()))
}

/// Hands out artifacts with their current signatures, the last signed first, as long as it is told to go on. After them come those
/// of these names that were only verified.
pub(in crate::ledger) fn artifacts(
    moment: &mut Moment<'_>,
    named: Option<&[Named]>,
    mut take: impl FnMut(Known) -> ControlFlow<()>,
) -> Result<Found<()>> {
    match named {
        None => moment.walk_all()?,
        Some(named) => compare_current(moment, named)?,
    }
    let current = select_current(named);
    for (text, values) in std::iter::once(current).chain(named.map(select_verified)) {
        let mut query = moment.connection.prepare(&text)?;
        let mut rows = query.query(params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            let known = match moment.read(row)? {
                Ok(None) => Ok(None),
                Ok(Some(recorded)) => known(moment, &recorded.entry, row.get(3)?)?,
                Err(error) => Err(error),
            };
            match known {
                Ok(None) => {}
                Ok(Some(known)) => {
                    if take(known).is_break() {
                        return Ok(Ok(()));
                    }
                }
                Err(error) => return Ok(Err(error)),
            }
        }
    }
    Ok(Ok(()))
}

/// The names and references of artifacts that begin like this, each once.
pub(in crate::ledger) fn names(
    connection: &Connection,
    prefix: &str,
    limit: usize,
) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for column in ["name", "reference"] {
        // From one to the next by the index, however many entries each has.
        let text = format!(
            "WITH RECURSIVE found(text) AS (
               SELECT min({column}) FROM entry WHERE {column} >= ?1
               UNION ALL
               SELECT (SELECT min({column}) FROM entry WHERE {column} > text) FROM found
               WHERE substr(text, 1, length(?1)) = ?1
             ) SELECT text FROM found WHERE substr(text, 1, length(?1)) = ?1 LIMIT ?2"
        );
        let mut query = connection.prepare(&text)?;
        for name in query.query_map(params![prefix, limit], |row| row.get(0))? {
            names.push(name?);
        }
    }
    names.sort();
    names.dedup();
    Ok(names)
}

/// The query for entries, and what stands in for its question marks.
pub(in crate::ledger) fn select_entries(query: &Query) -> (String, Vec<Value>) {
    let (mut conditions, mut values) = (Vec::new(), Vec::new());
    let since = query.since.as_ref().map(Since::moment);
    let order = match since {
        None => "number DESC",
        // As the index has it. It is the same order unless a clock was set back.
        Some(_) => "time DESC, number DESC",
    };
    if let Some(artifacts) = &query.artifacts {
        conditions.push(any_of(artifacts, &mut values));
    }
    if let Some(since) = since {
        conditions.push("time >= ?".to_owned());
        values.push(since.into());
    }
    if let Some(names) = &query.signer {
        let called = "value ->> '$.name' = ? OR value ->> '$.key_id' = ? \
             OR substr(value ->> '$.key_hint', 1, length(?)) = ?";
        let any = vec![called; names.len()].join(" OR ");
        conditions.push(format!(
            "EXISTS (SELECT 1 FROM json_each(body, '$.signers') WHERE {any})"
        ));
        for name in names {
            values.extend(std::iter::repeat_n(name.clone().into(), 4));
        }
    }
    let conditions = match &conditions[..] {
        [] => String::new(),
        all => format!("WHERE {}", all.join(" AND ")),
    };
    let limit = query.limit.map_or(-1, |l| i64::try_from(l).unwrap_or(-1));
    values.push(limit.into());
    let text =
        format!("SELECT number, body, hash FROM entry {conditions} ORDER BY {order} LIMIT ?");
    (text, values)
}

/// The query for current signatures.
pub(in crate::ledger) fn select_current(artifacts: Option<&[Named]>) -> (String, Vec<Value>) {
    let mut values = Vec::new();
    let condition = match artifacts {
        Some(artifacts) => format!("WHERE {}", any_of(artifacts, &mut values)),
        None => String::new(),
    };
    let text = format!(
        "SELECT number, body, hash, item FROM current JOIN entry USING (number) {condition} ORDER BY number DESC, item"
    );
    (text, values)
}

/// The query for the last verifications: one for each digest and reference, and no item.
pub(in crate::ledger) fn select_verified(artifacts: &[Named]) -> (String, Vec<Value>) {
    let mut values = Vec::new();
    let condition = any_of(artifacts, &mut values);
    let text = format!(
        "SELECT max(number), body, hash, NULL FROM entry WHERE {condition} AND body ->> '$.action' = 'verify' \
         GROUP BY digest, reference ORDER BY 1 DESC"
    );
    (text, values)
}

/// The artifact of an entry, if this is the place to tell of it: where the first of its current signatures is, which is the
/// signature `item` of that entry; and if it has none, at its last verification.
fn known(
    moment: &mut Moment<'_>,
    newest: &Entry,
    item: Option<usize>,
) -> Result<Found<Option<Known>>> {
    let artifact = &newest.event.artifact;
    let mut query = moment.connection.prepare_cached(
        "SELECT number, body, hash, item FROM current JOIN entry USING (number) WHERE digest = ? ORDER BY number DESC, item",
    )?;
    let mut rows = query.query([&artifact.digest])?;
    let mut signatures = Vec::new();
    while let Some(row) = rows.next()? {
        let entry = match moment.read(row)? {
            Ok(None) => continue,
            Ok(Some(recorded)) => recorded.entry,
            Err(error) => return Ok(Err(error)),
        };
        if !entry.event.artifact.is_same(artifact) {
            continue;
        }
        let this: usize = row.get(3)?;
        if signatures.is_empty() && (entry.number, Some(this)) != (newest.number, item) {
            return Ok(Ok(None));
        }
        let signature = entry.event.signatures.get(this).cloned();
        signatures.extend(signature.map(|signature| Current { entry, signature }));
    }
    let verified = match verified(moment, artifact)? {
        Ok(verified) => verified,
        Err(error) => return Ok(Err(error)),
    };
    let last = verified.as_ref().map(|entry| entry.number);
    let is_told_here = item.is_some() || last == Some(newest.number);
    Ok(Ok(is_told_here.then(|| Known {
        artifact: artifact.clone(),
        signatures,
        verified,
    })))
}

/// The last verification of an artifact.
fn verified(moment: &mut Moment<'_>, artifact: &EventArtifact) -> Result<Found<Option<Entry>>> {
    let mut query = moment.connection.prepare_cached(
        "SELECT number, body, hash FROM entry WHERE digest = ? AND body ->> '$.action' = 'verify' ORDER BY number DESC",
    )?;
    let mut rows = query.query([&artifact.digest])?;
    while let Some(row) = rows.next()? {
        match moment.read(row)? {
            // What has the same digest may be an image in another repository.
            Ok(Some(recorded)) if recorded.entry.event.artifact.is_same(artifact) => {
                return Ok(Ok(Some(recorded.entry)));
            }
            Ok(_) => {}
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(None))
}

/// The condition that an entry is about one of these artifacts.
fn any_of(artifacts: &[Named], values: &mut Vec<Value>) -> String {
    let mut conditions = Vec::new();
    for Named { text, version } in artifacts {
        let Some(version) = version else {
            for column in ["digest", "name", "reference"] {
                conditions.push(format!("{column} = ?"));
                values.push(text.clone().into());
            }
            continue;
        };
        conditions.push("(name = ? AND body ->> '$.artifact.version' = ?)".to_owned());
        values.extend([text.clone().into(), version.clone().into()]);
    }
    match &conditions[..] {
        [] => "0".to_owned(),
        all => format!("({})", all.join(" OR ")),
    }
}

/// Compares the current signatures of these artifacts with their entries, by indexes alone. Where an entry of another artifact has
/// taken a place, what was there before is not current.
fn compare_current(moment: &mut Moment<'_>, named: &[Named]) -> Result<()> {
    let places = places(moment, named)?;
    let connection = moment.connection;
    let (text, values) = select_slots(named);
    let mut query = connection.prepare(&text)?;
    let mut rows = query.query(params_from_iter(values))?;
    while let Some(row) = rows.next()? {
        let (slot, number): (String, i64) = (row.get(0)?, row.get(1)?);
        if !places.contains_key(&slot) {
            moment.find(Finding::of_current(number));
        }
    }
    let mut in_slot = connection
        .prepare_cached("SELECT number, item FROM current WHERE slot = ?1 ORDER BY number, item")?;
    for (slot, entered) in places {
        let found = in_slot.query_map([&slot], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let found: Vec<(i64, i64)> = found.collect::<Result<_>>()?;
        let last = entered.last().copied().unwrap_or_default();
        let replaced = found.last().is_some_and(|(number, _)| *number > last.0);
        if !replaced && found != entered {
            moment.find(Finding::of_current(last.0));
        }
    }
    Ok(())
}

/// A signature in the table of current ones: the number of its entry, and its place in that entry.
type Item = (i64, i64);

/// Each place that signatures of these artifacts were put in, with those that no later one of theirs has replaced.
fn places(moment: &Moment<'_>, named: &[Named]) -> Result<BTreeMap<String, Vec<Item>>> {
    let mut values = Vec::new();
    let condition = any_of(named, &mut values);
    let text = format!("SELECT number, body FROM entry WHERE {condition} ORDER BY number");
    let mut query = moment.connection.prepare(&text)?;
    let mut rows = query.query(params_from_iter(values))?;
    let mut places: BTreeMap<String, Vec<Item>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        let body = row.get_ref(1)?.as_bytes().unwrap_or_default();
        let Ok(Entry { event, .. }) = serde_json::from_slice(body) else {
            continue;
        };
        for (slot, item) in event.slots().zip(0..) {
            let entered = places.entry(slot).or_default();
            if !event.append {
                entered.clear();
            }
            entered.push((number, item));
        }
    }
    Ok(places)
}

/// The query for the places of current signatures.
pub(in crate::ledger) fn select_slots(artifacts: &[Named]) -> (String, Vec<Value>) {
    let mut values = Vec::new();
    let condition = any_of(artifacts, &mut values);
    let text =
        format!("SELECT slot, number FROM current JOIN entry USING (number) WHERE {condition}");
    (text, values)
}
