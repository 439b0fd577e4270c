//! Proving that the chain is whole: nothing removed, changed, moved or cut off.

use super::{Entry, Head, Ledger, LedgerError, settle};
use crate::state::Layout;
use aws_lc_rs::digest::{SHA256, digest};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use sigtool_sdk::types::Digest;
use std::fmt;

/// How many findings are told of entries: who changed one entry changed what follows.
const MAX_FINDINGS: usize = 20;

/// What looking at the whole chain gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// The chain's head.
    pub head: Head,
    /// What is wrong; nothing if the chain is whole.
    pub findings: Vec<Finding>,
    /// How much more is wrong with entries.
    pub more: u64,
}

impl Proof {
    /// Where there never was an entry. A head that was kept elsewhere contradicts that.
    #[must_use]
    pub fn of_nothing(anchor: Option<&Head>) -> Self {
        let cut = anchor.filter(|head| head.count > 0).cloned();
        Self {
            head: Head::default(),
            findings: cut
                .map(|expected| Finding::CutOff { found: 0, expected })
                .into_iter()
                .collect(),
            more: 0,
        }
    }

    /// Where there is a ledger that cannot be looked into.
    #[must_use]
    pub fn of(finding: Finding) -> Self {
        Self {
            head: Head::default(),
            findings: vec![finding],
            more: 0,
        }
    }
}

/// Something that is wrong with the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Finding {
    /// An entry is not what its hash says.
    Changed {
        /// Its number.
        number: u64,
    },
    /// Entries are missing at the end.
    CutOff {
        /// How many there are.
        found: u64,
        /// The head that was written after the last one, or that was asked for.
        expected: Head,
    },
    /// What the overview is made from does not agree with the entries.
    IndexChanged {
        /// The entry whose signature is missing among the current ones, or is there and should not be.
        number: u64,
    },
    /// What entries are looked up by does not agree with them, so that some would not be found.
    LookupChanged {
        /// What SQLite says of it.
        what: String,
    },
    /// An entry stands in the place of another.
    Moved {
        /// Where it stands.
        number: u64,
        /// The number it was made with.
        made_as: u64,
    },
    /// An entry was made after another one than stands before it.
    NotTheNext {
        /// Its number.
        number: u64,
    },
    /// The entry that a head names is another one now.
    OtherHead {
        /// The head.
        expected: Head,
    },
    /// What stands among the entries has no number that an entry can have.
    NoEntry {
        /// The number that it has.
        row: i64,
    },
    /// The file of the head is missing, or says no head.
    NoHead,
    /// The file of the ledger does not say any more which version made it.
    NoVersion,
    /// Entries are missing between two others.
    Removed {
        /// The first of them.
        first: u64,
        /// The last of them.
        last: u64,
    },
    /// A table, an index or something else in the ledger's file is not as sigtool makes it.
    TableChanged {
        /// Its name.
        name: String,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { number } => write!(f, "entry {number} has been changed"),
            Self::CutOff { found, expected } if *found + 1 == expected.count => {
                write!(f, "entry {} is missing at the end", expected.count)
            }
            Self::CutOff { found, expected } => write!(
                f,
                "entries {} to {} are missing at the end",
                found + 1,
                expected.count
            ),
            Self::IndexChanged { number } => write!(
                f,
                "the list of current signatures does not agree with entry {number}"
            ),
            Self::LookupChanged { what } => {
                write!(
                    f,
                    "what entries are looked up by does not agree with them: {what}"
                )
            }
            Self::Moved { number, made_as } => {
                write!(f, "entry {made_as} stands in the place of entry {number}")
            }
            Self::NotTheNext { number } => write!(
                f,
                "entry {number} was not made after the one before it: entry {} has been replaced",
                number - 1
            ),
            Self::OtherHead { expected } => write!(
                f,
                "entry {} is not the one that it was: its hash was {}",
                expected.count, expected.hash
            ),
            Self::NoEntry { row } => {
                write!(
                    f,
                    "`{row}` stands among the entries, whose numbers begin at 1"
                )
            }
            Self::NoHead => {
                f.write_str("the file of the head beside the ledger is missing, or holds no head")
            }
            Self::NoVersion => f.write_str("the ledger has lost the number of its version"),
            Self::Removed { first, last } if first == last => {
                write!(f, "entry {first} has been removed")
            }
            Self::Removed { first, last } => {
                write!(f, "entries {first} to {last} have been removed")
            }
            Self::TableChanged { name } => {
                write!(
                    f,
                    "`{name}` in the ledger's file is not as sigtool makes it"
                )
            }
        }
    }
}

/// The hash of an entry: the SHA-256 of its line.
pub(super) fn hash(body: impl AsRef<[u8]>) -> Digest {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, body.as_ref()).as_ref());
    Digest::sha256(bytes)
}

impl Ledger {
    /// Looks at every entry. `anchor` is a head that was kept elsewhere: without one, a ledger that was written anew as a whole,
    /// its head included, looks whole.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn prove(&self, anchor: Option<&Head>) -> Result<Proof, LedgerError> {
        // The head first: what is entered meanwhile is no cut.
        let written = self
            .head
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .read();
        let written = match written {
            Err(LedgerError::Head { .. }) => None,
            written => written?,
        };
        self.state
            .read(|connection, layout| prove(connection, layout, written, anchor))
    }
}

/// Looks at every entry, in a transaction of the caller's. `written` is what the file of the head says.
pub(super) fn prove(
    connection: &Connection,
    layout: &Layout,
    written: Option<Head>,
    anchor: Option<&Head>,
) -> rusqlite::Result<Proof> {
    let mut walk = Walk::default();
    let beside = written.as_ref().filter(|head| head.count > 0);
    walk.anchors = beside.into_iter().chain(anchor).cloned().collect();
    walk.everything(connection, layout)?;
    if written.is_none() && walk.head.count > 0 {
        walk.tell(Finding::NoHead);
    }
    Ok(Proof {
        head: walk.head,
        findings: walk.findings,
        more: walk.more,
    })
}

/// What makes a chain of entries, whatever else later versions enter.
#[derive(Deserialize)]
struct Link {
    number: u64,
    previous: Digest,
}

#[derive(Default)]
struct Walk {
    head: Head,
    anchors: Vec<Head>,
    findings: Vec<Finding>,
    more: u64,
}

impl Walk {
    /// One of many findings of a kind.
    fn find(&mut self, finding: Finding) {
        match self.findings.len() < MAX_FINDINGS {
            true => self.tell(finding),
            false => self.more += u64::from(!self.findings.contains(&finding)),
        }
    }

    /// A finding that is told however many there are.
    fn tell(&mut self, finding: Finding) {
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    fn everything(&mut self, connection: &Connection, layout: &Layout) -> rusqlite::Result<()> {
        let changed = layout.changed(connection)?;
        let is_as_made = changed.is_empty();
        let changed = changed.into_iter();
        self.findings
            .extend(changed.map(|name| Finding::TableChanged { name }));
        let walked = match self.all(connection) {
            Ok(()) if is_as_made => self.lookups(connection),
            walked => walked,
        };
        match walked {
            // What was changed may keep SQLite from seeing what else is wrong.
            Err(_) if !self.findings.is_empty() => Ok(()),
            walked => walked,
        }
    }

    fn all(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        connection.execute_batch(
            "DROP TABLE IF EXISTS temp.replayed;
             CREATE TEMP TABLE replayed (slot TEXT, number INTEGER, item INTEGER, PRIMARY KEY (slot, number, item)) WITHOUT ROWID;",
        )?;
        let mut query =
            connection.prepare("SELECT number, body, hash FROM entry ORDER BY number")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let row_number: i64 = row.get(0)?;
            let Some(number) = u64::try_from(row_number).ok().filter(|number| *number > 0) else {
                self.find(Finding::NoEntry { row: row_number });
                continue;
            };
            // What is no text is no entry.
            let body = row.get_ref(1)?.as_bytes().unwrap_or_default();
            let stored = row.get_ref(2)?.as_str().unwrap_or_default();
            if let Some(entry) = self.entry(number, body, stored) {
                settle(connection, "temp.replayed", &entry)?;
            }
        }
        for expected in std::mem::take(&mut self.anchors) {
            let found = self.head.count;
            if expected.count > found {
                self.tell(Finding::CutOff { found, expected });
            }
        }
        self.index(connection)
    }

    /// Looks at one entry, and gives it if it can be read.
    fn entry(&mut self, number: u64, body: &[u8], stored: &str) -> Option<Entry> {
        if number > self.head.count + 1 {
            self.find(Finding::Removed {
                first: self.head.count + 1,
                last: number - 1,
            });
        }
        let hash = hash(body);
        let has_gap = number != self.head.count + 1;
        match serde_json::from_slice::<Link>(body) {
            Ok(link) if hash.to_string() == stored => {
                if link.number != number {
                    let made_as = link.number;
                    self.find(Finding::Moved { number, made_as });
                } else if !has_gap && link.previous != self.head.hash {
                    self.find(Finding::NotTheNext { number });
                }
            }
            _ => self.find(Finding::Changed { number }),
        }
        for expected in self.anchors.clone() {
            if expected.count == number && expected.hash != hash {
                self.tell(Finding::OtherHead { expected });
            }
        }
        // What comes next was made after what this entry was.
        let hash = stored.parse().unwrap_or(hash);
        self.head = Head {
            count: number,
            hash,
        };
        let entry = serde_json::from_slice::<Entry>(body).ok();
        entry.filter(|entry| entry.number == number)
    }

    fn index(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let mut query = connection.prepare(
            "SELECT number FROM (SELECT * FROM current EXCEPT SELECT * FROM temp.replayed)
             UNION SELECT number FROM (SELECT * FROM temp.replayed EXCEPT SELECT * FROM current) ORDER BY 1 LIMIT 20",
        )?;
        let numbers = query.query_map([], |row| row.get(0))?;
        for number in numbers {
            let row: i64 = number?;
            self.find(match u64::try_from(row) {
                Ok(number) => Finding::IndexChanged { number },
                Err(_) => Finding::NoEntry { row },
            });
        }
        Ok(())
    }

    /// The indexes by which entries are looked up. SQLite makes each key anew and compares.
    fn lookups(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let mut query = connection.prepare("PRAGMA main.integrity_check(20)")?;
        let said = query.query_map([], |row| row.get::<_, String>(0))?;
        for what in said {
            let what = what?;
            if what != "ok" {
                self.find(Finding::LookupChanged { what });
            }
        }
        Ok(())
    }
}
