//! What is wrong with a ledger: nothing must be removed, changed, moved or cut off.

use super::head::Head;
use serde::Serialize;
use std::fmt;

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

    /// Tells what else is wrong.
    pub(super) fn tell(&mut self, finding: Option<Finding>) {
        let new = finding.filter(|finding| !self.findings.contains(finding));
        self.findings.extend(new);
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
    /// Entries stand after the one that the head names.
    HeadBehind {
        /// How many there are.
        found: u64,
        /// The head that was written after the last one.
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
    /// An entry was not written as it was made: something in the ledger's file has kept it from that.
    NotEntered {
        /// Its number.
        number: u64,
    },
    /// An entry was made after another one than the one that stands before it.
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
    /// The file of the head is missing, or does not hold a head.
    NoHead,
    /// The file of the ledger no longer says which version made it.
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
            Self::CutOff { found, expected } => {
                let are = of_entries(f, found + 1, expected.count, ["is", "are"])?;
                write!(f, "{are} missing at the end")
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
            Self::HeadBehind { found, expected } => {
                let stand = of_entries(f, expected.count + 1, *found, ["stands", "stand"])?;
                write!(f, "{stand} after the head that was written last")
            }
            Self::Removed { first, last } => {
                let have = of_entries(f, *first, *last, ["has", "have"])?;
                write!(f, "{have} been removed")
            }
            of_the_file => of_the_file.of_the_file(f),
        }
    }
}

impl Finding {
    /// Of a row in the table of current signatures that names this entry.
    pub(super) fn of_current(row: i64) -> Self {
        match u64::try_from(row) {
            Ok(number) => Self::IndexChanged { number },
            Err(_) => Self::NoEntry { row },
        }
    }

    /// Of what is beside the entries: what they are looked up by, and the file of the head.
    fn of_the_file(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
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
            Self::NoEntry { row } => {
                write!(
                    f,
                    "`{row}` stands among the entries, whose numbers begin at 1"
                )
            }
            Self::NoHead => {
                f.write_str("the file of the head beside the ledger is missing, or holds no head")
            }
            Self::NotEntered { number } => write!(
                f,
                "entry {number} did not get into the ledger's file as it was made"
            ),
            Self::NoVersion => f.write_str("the ledger has lost the number of its version"),
            Self::TableChanged { name } => {
                write!(
                    f,
                    "`{name}` in the ledger's file is not as sigtool makes it"
                )
            }
            // Said above.
            Self::Changed { .. }
            | Self::CutOff { .. }
            | Self::HeadBehind { .. }
            | Self::Moved { .. }
            | Self::NotTheNext { .. }
            | Self::OtherHead { .. }
            | Self::Removed { .. } => Ok(()),
        }
    }
}

/// Names entries, and gives the verb that one or several of them take.
fn of_entries(
    f: &mut fmt::Formatter<'_>,
    first: u64,
    last: u64,
    [of_one, of_several]: [&'static str; 2],
) -> Result<&'static str, fmt::Error> {
    if first == last {
        write!(f, "entry {first} ").map(|()| of_one)
    } else {
        write!(f, "entries {first} to {last} ").map(|()| of_several)
    }
}
