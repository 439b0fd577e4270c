//! The signatures with a hint in their names, found without reading a large folder once for each of its files.
//!
//! A folder is read when it is first asked about. A small one is read again each time. The listing of a large one is kept, and
//! renewed when the folder has changed, but so seldom that reading it stays a twentieth of the time: our own signatures change
//! the folder each time, and 10,000 files would else cost 10,000 listings. What we write and remove ourselves is entered at once,
//! so only what others do meanwhile can be seen late, by [`PATIENCE`] times as long as the folder takes to read.

use crate::names::signed_by_hint;
use std::collections::HashMap;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Folders with no more entries are read anew each time, which takes some 0.1 ms.
const SMALL: usize = 512;

/// How many times as long as a listing takes it is good for, although the folder has changed.
const PATIENCE: u32 = 20;

/// Times of change tick in steps of up to some 10 ms: only after a longer while does an equal time mean an equal folder.
const TICK: Duration = Duration::from_millis(100);

/// Folders whose listings are kept at once.
const FOLDERS: usize = 64;

/// The listings of folders.
#[derive(Debug, Default)]
pub(crate) struct Siblings {
    folders: Mutex<HashMap<PathBuf, Arc<Mutex<Option<Listing>>>>>,
}

impl Siblings {
    /// The names of signatures with a hint that belong to the artifact `name` in `folder`, sorted.
    ///
    /// # Errors
    ///
    /// The folder cannot be read.
    pub(crate) fn of(&self, folder: &Path, name: &str) -> io::Result<Vec<String>> {
        let slot = self.slot(folder);
        // One thread reads a folder, those that want to know the same wait for it.
        let mut slot = locked(&slot);
        let changed = times(&std::fs::metadata(folder)?);
        if !slot
            .as_ref()
            .is_some_and(|listing| listing.is_good(changed))
        {
            *slot = Some(Listing::read(folder, changed, slot.as_ref())?);
        }
        let names = slot.as_ref().and_then(|listing| listing.names.get(name));
        Ok(names.cloned().unwrap_or_default())
    }

    /// Enters a signature that we have written.
    pub(crate) fn written(&self, folder: &Path, name: &str) {
        let Some(artifact) = signed_by_hint(name) else {
            return;
        };
        if let Some(listing) = locked(&self.slot(folder)).as_mut() {
            listing.enter(artifact, name);
        }
    }

    /// Takes out a signature that we have removed.
    pub(crate) fn removed(&self, folder: &Path, name: &str) {
        let Some(artifact) = signed_by_hint(name) else {
            return;
        };
        if let Some(names) = locked(&self.slot(folder))
            .as_mut()
            .and_then(|listing| listing.names.get_mut(artifact))
        {
            names.retain(|known| known != name);
        }
    }

    fn slot(&self, folder: &Path) -> Arc<Mutex<Option<Listing>>> {
        let mut folders = locked(&self.folders);
        if let Some(slot) = folders.get(folder) {
            return Arc::clone(slot);
        }
        if folders.len() >= FOLDERS {
            folders.clear();
        }
        Arc::clone(folders.entry(folder.to_owned()).or_default())
    }
}

/// A panic while a listing is held leaves it as it is: names, at worst some too few until it is renewed.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a folder held.
#[derive(Debug)]
struct Listing {
    /// From the name of an artifact to those of its signatures with a hint, sorted.
    names: HashMap<String, Vec<String>>,
    small: bool,
    /// When the folder had changed last, seconds and nanoseconds.
    changed: (i64, i64),
    read: Instant,
    took: Duration,
    /// The folder was the same a while after it was listed.
    settled: bool,
}

impl Listing {
    fn read(folder: &Path, changed: (i64, i64), before: Option<&Self>) -> io::Result<Self> {
        let read = Instant::now();
        let mut listing = Self {
            names: HashMap::new(),
            small: true,
            changed,
            read,
            took: Duration::ZERO,
            settled: before.is_some_and(|b| b.changed == changed && b.read.elapsed() >= TICK),
        };
        let mut entries = 0;
        for entry in std::fs::read_dir(folder)? {
            entries += 1;
            if let Some(name) = entry?.file_name().to_str()
                && let Some(artifact) = signed_by_hint(name)
            {
                listing.enter(artifact, name);
            }
        }
        listing.small = entries <= SMALL;
        listing.took = read.elapsed();
        Ok(listing)
    }

    fn is_good(&self, changed: (i64, i64)) -> bool {
        if self.small {
            return false;
        }
        if self.settled && self.changed == changed {
            return true;
        }
        let mut good_for = self.took * PATIENCE;
        if self.changed == changed {
            good_for = good_for.max(TICK);
        }
        self.read.elapsed() < good_for
    }

    fn enter(&mut self, artifact: &str, name: &str) {
        let names = self.names.entry(artifact.to_owned()).or_default();
        if let Err(place) = names.binary_search_by(|known| known.as_str().cmp(name)) {
            names.insert(place, name.to_owned());
        }
    }
}

fn times(metadata: &Metadata) -> (i64, i64) {
    (metadata.mtime(), metadata.mtime_nsec())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "app.0a1b2c3d.sig";

    #[test]
    fn a_small_folder_is_never_out_of_date() {
        let folder = tempfile::tempdir().unwrap();
        let siblings = Siblings::default();
        for _ in 0..50 {
            std::fs::write(folder.path().join(NAME), "").unwrap();
            assert_eq!(siblings.of(folder.path(), "app").unwrap(), [NAME]);
            std::fs::remove_file(folder.path().join(NAME)).unwrap();
            assert!(siblings.of(folder.path(), "app").unwrap().is_empty());
        }
    }

    #[test]
    fn in_a_large_folder_our_own_signatures_are_seen_at_once_and_others_soon() {
        let folder = tempfile::tempdir().unwrap();
        for i in 0..2 * SMALL {
            std::fs::write(folder.path().join(format!("file{i}")), "").unwrap();
        }
        let siblings = Siblings::default();
        let of = |name: &str| siblings.of(folder.path(), name).unwrap();
        assert!(of("app").is_empty());

        siblings.written(folder.path(), NAME);
        siblings.written(folder.path(), "app.00000000.sigstore.json");
        siblings.written(folder.path(), NAME);
        assert_eq!(of("app"), ["app.00000000.sigstore.json", NAME]);
        siblings.removed(folder.path(), NAME);
        assert_eq!(of("app"), ["app.00000000.sigstore.json"]);

        std::fs::write(folder.path().join("other.0a1b2c3d.sig"), "").unwrap();
        let started = Instant::now();
        while of("other").is_empty() {
            assert!(started.elapsed() < Duration::from_secs(20), "never seen");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_listing_in_use_is_good_while_nothing_changes() {
        let folder = tempfile::tempdir().unwrap();
        for i in 0..2 * SMALL {
            std::fs::write(folder.path().join(format!("file{i}")), "").unwrap();
        }
        let changed = times(&std::fs::metadata(folder.path()).unwrap());
        let mut listing = Listing::read(folder.path(), changed, None).unwrap();
        assert!(!listing.settled, "the same tick may still bring a change");
        listing.read = Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
        assert!(!listing.is_good(changed));
        let mut listing = Listing::read(folder.path(), changed, Some(&listing)).unwrap();
        assert!(listing.settled);
        listing.read = Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
        assert!(listing.is_good(changed));
        assert!(!listing.is_good((changed.0 + 1, changed.1)));
    }
}
