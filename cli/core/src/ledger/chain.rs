//! The chain of hashes, walked from the first entry on. It knows entries by their number, their line and their hash, wherever they are
//! kept.

use super::entry::Entry;
use super::finding::{Finding, Proof};
use super::head::Head;
use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;
use sigtool_sdk::types::Digest;

/// How many findings are told of entries: changing one entry changes what follows.
const MAX_FINDINGS: usize = 20;

/// The hash of an entry: the SHA-256 of its line.
pub(super) fn hash(body: impl AsRef<[u8]>) -> Digest {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, body.as_ref()).as_ref());
    Digest::sha256(bytes)
}

/// What makes a chain of entries, whatever else later versions enter.
#[derive(Deserialize)]
struct Link {
    number: u64,
    previous: Digest,
}

/// A walk along the chain.
#[derive(Default)]
pub(super) struct Walk {
    head: Head,
    anchors: Vec<Head>,
    findings: Vec<Finding>,
    more: u64,
}

impl Walk {
    /// Looks out for these heads on the way.
    pub(super) fn towards(anchors: Vec<Head>) -> Self {
        Self {
            anchors,
            ..Self::default()
        }
    }

    /// Goes on from this entry, which is the one before the next.
    pub(super) fn go_on_from(&mut self, entry: Head) {
        self.head = entry;
    }

    /// One of many findings of a kind.
    pub(super) fn find(&mut self, finding: Finding) {
        match self.findings.len() < MAX_FINDINGS {
            true => self.tell(finding),
            false => self.more += u64::from(!self.findings.contains(&finding)),
        }
    }

    /// A finding that is told however many there are.
    pub(super) fn tell(&mut self, finding: Finding) {
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    /// What is wrong so far.
    pub(super) fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Takes a step: looks at the next row, and gives the entry in it if it can be read.
    pub(super) fn step(&mut self, row: i64, body: &[u8], stored: &str) -> Option<Entry> {
        match u64::try_from(row) {
            Ok(number) if number > 0 => self.entry(number, body, stored),
            _ => {
                self.find(Finding::NoEntry { row });
                None
            }
        }
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
        // The next entry was made after this one as it was then.
        let hash = stored.parse().unwrap_or(hash);
        self.head = Head {
            count: number,
            hash,
        };
        let entry = serde_json::from_slice::<Entry>(body).ok();
        entry.filter(|entry| entry.number == number)
    }

    /// Has reached the end, where none of the heads may be missing.
    pub(super) fn arrive(&mut self) {
        for expected in std::mem::take(&mut self.anchors) {
            let found = self.head.count;
            if expected.count > found {
                self.tell(Finding::CutOff { found, expected });
            }
        }
    }

    /// What it gave, up to the last entry that it came to.
    pub(super) fn proof(self) -> Proof {
        Proof {
            head: self.head,
            findings: self.findings,
            more: self.more,
        }
    }
}
