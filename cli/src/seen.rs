//! What has been seen before, in eight bytes each: of a hundred thousand artifacts the names would fill the memory.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

/// How many are kept as a set, whose room is cheap while it is small, before they are sorted in.
const FRESH: usize = 4096;

/// A set of digests under a key that nobody knows, so that nobody can name two things that have the same.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    key: RandomState,
    sorted: Vec<u64>,
    fresh: HashSet<u64>,
}

impl Seen {
    pub(crate) fn contains(&self, what: &str) -> bool {
        self.has(self.key.hash_one(what))
    }

    /// Whether it is new.
    pub(crate) fn insert(&mut self, what: &str) -> bool {
        let digest = self.key.hash_one(what);
        if self.has(digest) {
            return false;
        }
        self.fresh.insert(digest);
        if self.fresh.len() == FRESH {
            self.sorted.extend(self.fresh.drain());
            self.sorted.sort_unstable();
        }
        true
    }

    fn has(&self, digest: u64) -> bool {
        self.fresh.contains(&digest) || self.sorted.binary_search(&digest).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_new_once() {
        let mut seen = Seen::default();
        for _ in 0..2 {
            let known = seen.contains("0");
            for number in 0..3 * FRESH + 1 {
                let name = number.to_string();
                assert_eq!(seen.insert(&name), !known, "{name}");
                assert!(seen.contains(&name));
            }
        }
        assert!(!seen.contains("another"));
    }
}
