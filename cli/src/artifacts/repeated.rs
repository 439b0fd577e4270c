//! What is named twice, and the signatures that are named beside their artifacts.

use super::item::{Item, Missed};
use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;

/// The artifacts that have been named, so that each is worked on once: two threads that sign one file would each take the other for
/// another signer.
pub(super) struct Named {
    /// None where nothing can be named twice.
    places: Option<Places>,
    /// How many artifacts were named again.
    repeated: usize,
    /// How many signatures were skipped.
    signatures: usize,
}

impl Named {
    /// With room for as many as there are words: while they are worked on, a table that grows would be moved again and again.
    pub(super) fn new(may_repeat: bool, words: usize) -> Self {
        Self {
            places: may_repeat.then(|| Places::with_room(words)),
            repeated: 0,
            signatures: 0,
        }
    }

    /// Leaves each of the first artifacts once, and none of the signatures that a shell's `dist/*` names with them, in whatever order.
    pub(super) fn first(&mut self, items: &mut VecDeque<Result<Item, Missed>>) {
        let Some(places) = &mut self.places else {
            return;
        };
        items.retain(|item| {
            let Ok(item) = item else { return true };
            let is_new = places.insert(&place(item));
            self.repeated += usize::from(!is_new);
            is_new
        });
        items.retain(|item| {
            let signs = matches!(item, Ok(item) if is_signature_of_any(item, places));
            self.signatures += usize::from(signs);
            !signs
        });
    }

    /// Whether a later one is to be worked on.
    pub(super) fn is_wanted(&mut self, item: &Result<Item, Missed>) -> bool {
        let (Some(places), Ok(item)) = (&mut self.places, item) else {
            return true;
        };
        if is_signature_of_any(item, places) {
            self.signatures += 1;
            return false;
        }
        let is_new = places.insert(&place(item));
        self.repeated += usize::from(!is_new);
        is_new
    }

    /// Remarks on what was left out since the last time.
    pub(super) fn take_notes(&mut self) -> impl Iterator<Item = String> + use<> {
        let repeated = repeated_note(std::mem::take(&mut self.repeated));
        let signatures = signatures_note(std::mem::take(&mut self.signatures));
        [repeated, signatures].into_iter().flatten()
    }
}

/// What has been named, by two keyed hashes of 64 bits: the names of a hundred thousand files would take several times the memory. The
/// keys are drawn anew in each run, so that nobody can choose two names that would be taken for one.
struct Places {
    keys: [RandomState; 2],
    seen: HashSet<[u64; 2]>,
}

impl Places {
    fn with_room(count: usize) -> Self {
        Self {
            keys: [RandomState::new(), RandomState::new()],
            seen: HashSet::with_capacity(count),
        }
    }

    /// Whether it is new.
    fn insert(&mut self, place: &str) -> bool {
        self.seen.insert(self.hashes(place))
    }

    fn contains(&self, place: &str) -> bool {
        self.seen.contains(&self.hashes(place))
    }

    fn hashes(&self, place: &str) -> [u64; 2] {
        self.keys.each_ref().map(|key| key.hash_one(place))
    }
}

/// Whether a file is, by its name, a signature of one of these.
fn is_signature_of_any(item: &Item, places: &Places) -> bool {
    let path = item.reference.path().and_then(Path::to_str);
    path.is_some_and(|path| artifacts_of(path).any(|artifact| places.contains(artifact)))
}

fn repeated_note(count: usize) -> Option<String> {
    match count {
        0 => None,
        1 => Some("1 artifact is named more than once".to_owned()),
        count => Some(format!("{count} artifacts are named more than once")),
    }
}

fn signatures_note(count: usize) -> Option<String> {
    match count {
        0 => None,
        1 => Some("1 signature is skipped: its artifact is named too".to_owned()),
        count => Some(format!(
            "{count} signatures are skipped: their artifacts are named too"
        )),
    }
}

/// What an item names, however it is written: by its digest an image is the same with any tag.
fn place(item: &Item) -> String {
    match item.reference.image() {
        Some(image) => match image.digest() {
            Some(digest) => image.repository().pinned(digest).to_string(),
            None => image.to_string(),
        },
        None => item.reference.to_string(),
    }
}

/// The artifacts that a file of this name may be a signature of: `app.tgz` for `app.tgz.sig` and `app.tgz.0123abcd.sig`.
pub(super) fn artifacts_of(name: &str) -> impl Iterator<Item = &str> {
    let stem = SIGNATURE_ENDINGS
        .iter()
        .find_map(|ending| name.strip_suffix(ending));
    let is_hint = |hint: &str| hint.len() == 8 && hint.bytes().all(|b| b.is_ascii_hexdigit());
    let shorter = stem
        .and_then(|stem| stem.rsplit_once('.'))
        .filter(|(_, hint)| is_hint(hint))
        .map(|(shorter, _)| shorter);
    stem.into_iter().chain(shorter)
}

const SIGNATURE_ENDINGS: [&str; 2] = [".sigstore.json", ".sig"];

pub(super) fn is_signature(path: &Path) -> bool {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
    SIGNATURE_ENDINGS
        .iter()
        .any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_known_by_the_name_of_its_artifact() {
        let of = |name: &'static str| artifacts_of(name).collect::<Vec<_>>();
        assert_eq!(of("/d/a.tgz.sig"), ["/d/a.tgz"]);
        assert_eq!(of("/d/a.0123abcd.sigstore.json"), ["/d/a.0123abcd", "/d/a"]);
        assert!(of("/d/a.json").is_empty());
    }
}
