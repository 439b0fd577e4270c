//! Looking things up: entries, the newest first; signatures that are still current; names.

use super::{Entry, EventArtifact, EventSignature, Head, Ledger, LedgerError};
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};
use std::ops::ControlFlow;
use std::time::Duration;

/// Which entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Of artifacts that one of these names. All artifacts if it is none.
    pub artifacts: Option<Vec<Named>>,
    /// Not before this.
    pub since: Option<Since>,
    /// Of a signer whose key hint begins with one of these, or whose key is called so. Any signer if it is none.
    pub signer: Option<Vec<String>>,
    /// At most so many.
    pub limit: Option<u64>,
}

/// What an artifact may be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// A digest, a name, or a reference.
    pub text: String,
    /// With a version: only a name, of this version.
    pub version: Option<String>,
}

impl Named {
    /// Without a version.
    #[must_use]
    pub fn any_version(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            version: None,
        }
    }
}

/// A moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Since {
    /// So long ago.
    Ago(Duration),
    /// At this time, written as entries have it.
    At(String),
}

/// How entries have times, in SQLite's words.
const FORM: &str = "%Y-%m-%dT%H:%M:%fZ";

impl Since {
    /// A day such as `2026-11-25`, which begins in UTC, or a time as RFC 3339 has it; nothing if it is neither.
    #[must_use]
    pub fn at(text: &str) -> Option<Self> {
        // SQLite knows more spellings, some of which nobody means.
        let is_date = text.len() >= 10
            && text.bytes().take(10).enumerate().all(|(i, byte)| match i {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        if !is_date {
            return None;
        }
        // It also takes the 31st of February for the 3rd of March.
        let question = "SELECT strftime(?1, ?2) WHERE date(substr(?2, 1, 10)) = substr(?2, 1, 10)";
        let connection = Connection::open_in_memory().ok()?;
        connection
            .query_row(question, params![FORM, text], |row| row.get(0))
            .ok()
            .map(Self::At)
    }
}

/// An entry, and the text that its hash is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// What it says.
    pub entry: Entry,
    /// The line itself.
    pub body: String,
    /// Its number and its hash.
    pub head: Head,
}

/// A signature that no later one has replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Current {
    /// The entry of its signing.
    pub entry: Entry,
    /// The signature.
    pub signature: EventSignature,
}

/// An artifact as the ledger knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// What it is.
    pub artifact: EventArtifact,
    /// Its current signatures, those made last first; none of one that was only verified.
    pub signatures: Vec<Current>,
    /// The last time that it was verified.
    pub verified: Option<Entry>,
}

impl Ledger {
    /// Hands out entries, the newest first, for as long as it is told to go on.
    ///
    /// # Errors
    ///
    /// They cannot be read.
    pub fn entries(
        &self,
        query: &Query,
        mut take: impl FnMut(Recorded) -> ControlFlow<()>,
    ) -> Result<(), LedgerError> {
        let since = query.since.as_ref().map(|since| self.moment(since));
        let (text, values) = select_entries(query, since.transpose()?);
        self.state.with(|connection| {
            let mut query = connection.prepare(&text)?;
            let mut rows = query.query(params_from_iter(values))?;
            while let Some(row) = rows.next()? {
                let recorded = match recorded(row)? {
                    Ok(recorded) => recorded,
                    Err(error) => return Ok(Err(error)),
                };
                if take(recorded).is_break() {
                    break;
                }
            }
            Ok(Ok(()))
        })?
    }

    /// Hands out artifacts with their current signatures, those signed last first, for as long as it is told to go on. After them
    /// those so named that were only verified.
    ///
    /// # Errors
    ///
    /// They cannot be read.
    pub fn artifacts(
        &self,
        named: Option<&[Named]>,
        mut take: impl FnMut(Known) -> ControlFlow<()>,
    ) -> Result<(), LedgerError> {
        let current = select_current(named);
        let questions = std::iter::once(current).chain(named.map(select_verified));
        self.state.with(|connection| {
            for (text, values) in questions {
                let mut query = connection.prepare(&text)?;
                let mut rows = query.query(params_from_iter(values))?;
                while let Some(row) = rows.next()? {
                    let known = match recorded(row)? {
                        Ok(recorded) => known(connection, &recorded.entry, row.get(3)?)?,
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
        })?
    }

    /// The names and references of artifacts that begin so, each once.
    ///
    /// # Errors
    ///
    /// They cannot be read.
    pub fn names(&self, prefix: &str, limit: usize) -> Result<Vec<String>, LedgerError> {
        let mut names = Vec::new();
        for column in ["name", "reference"] {
            // From one to the next by the index, however many entries have each.
            let text = format!(
                "WITH RECURSIVE found(text) AS (
                   SELECT min({column}) FROM entry WHERE {column} >= ?1
                   UNION ALL
                   SELECT (SELECT min({column}) FROM entry WHERE {column} > text) FROM found
                   WHERE substr(text, 1, length(?1)) = ?1
                 ) SELECT text FROM found WHERE substr(text, 1, length(?1)) = ?1 LIMIT ?2"
            );
            self.state.with(|connection| {
                let mut query = connection.prepare(&text)?;
                let found = query.query_map(params![prefix, limit], |row| row.get(0))?;
                for name in found {
                    names.push(name?);
                }
                Ok(())
            })?;
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// A moment as entries have it.
    fn moment(&self, since: &Since) -> Result<String, LedgerError> {
        match since {
            Since::At(time) => Ok(time.clone()),
            Since::Ago(ago) => {
                let before = format!("-{:.3} seconds", ago.as_secs_f64());
                let text = "SELECT strftime(?1, 'now', ?2)";
                let query = params![FORM, before];
                let moment: Option<String> = self
                    .state
                    .with(|c| c.query_row(text, query, |row| row.get(0)))?;
                // Before all times that SQLite knows is before all entries too.
                Ok(moment.unwrap_or_default())
            }
        }
    }
}

/// The question for entries, and what stands in for its question marks.
pub(super) fn select_entries(query: &Query, since: Option<String>) -> (String, Vec<Value>) {
    let (mut conditions, mut values) = (Vec::new(), Vec::new());
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

/// The question for current signatures.
pub(super) fn select_current(artifacts: Option<&[Named]>) -> (String, Vec<Value>) {
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

/// The question for the last verifications: one for each digest and reference, and no item.
pub(super) fn select_verified(artifacts: &[Named]) -> (String, Vec<Value>) {
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
    connection: &Connection,
    newest: &Entry,
    item: Option<usize>,
) -> rusqlite::Result<Result<Option<Known>, LedgerError>> {
    let artifact = &newest.event.artifact;
    let mut query = connection.prepare_cached(
        "SELECT number, body, hash, item FROM current JOIN entry USING (number) WHERE digest = ? ORDER BY number DESC, item",
    )?;
    let mut rows = query.query([&artifact.digest])?;
    let mut signatures = Vec::new();
    while let Some(row) = rows.next()? {
        let entry = match recorded(row)? {
            Ok(recorded) => recorded.entry,
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
    let verified = match verified(connection, artifact)? {
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
fn verified(
    connection: &Connection,
    artifact: &EventArtifact,
) -> rusqlite::Result<Result<Option<Entry>, LedgerError>> {
    let mut query = connection.prepare_cached(
        "SELECT number, body, hash FROM entry WHERE digest = ? AND body ->> '$.action' = 'verify' ORDER BY number DESC",
    )?;
    let mut rows = query.query([&artifact.digest])?;
    while let Some(row) = rows.next()? {
        match recorded(row)? {
            // What has the same digest may be an image in another repository.
            Ok(recorded) if !recorded.entry.event.artifact.is_same(artifact) => {}
            found => return Ok(found.map(|recorded| Some(recorded.entry))),
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

/// Reads a row of `number, body, hash`. The inner error is the entry's own, which somebody has changed.
fn recorded(row: &Row<'_>) -> rusqlite::Result<Result<Recorded, LedgerError>> {
    let count: u64 = row.get(0)?;
    let (body, hash): (String, String) = (row.get(1)?, row.get(2)?);
    let (Ok(entry), Ok(hash)) = (serde_json::from_str(&body), hash.parse()) else {
        return Ok(Err(LedgerError::Entry { number: count }));
    };
    Ok(Ok(Recorded {
        entry,
        body,
        head: Head { count, hash },
    }))
}
