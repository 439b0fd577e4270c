//! The local store: signatures by the digest of what they sign, so that one that was pushed nowhere can be verified on this
//! machine, and written out later. One SQLite file, shared by all processes of a user.

use crate::limits::{MAX_BUNDLE, MAX_IN_STORE, MAX_STORE_READ};
use crate::state::{Layout, Opened, State, StateError};
use crate::trust::SignerId;
use rusqlite::{Connection, params};
use sigtool_sdk::types::{Digest, SignatureFormat, StoredSignature};
use std::path::Path;

/// What ids of signatures in the store begin with. No source gives such ids.
pub(crate) const STORE_ID: &str = "store:";

/// `signer` is a [`SignerId`]. In a repository one signer has one signature of an image in a format, unless it appends; the same
/// image in another repository has its own, for a signature of cosign's says which repository it is about.
static LAYOUT: Layout = Layout {
    what: "the local store",
    migrations: &[FIRST],
};

/// The tables of version 1.
const FIRST: &str = "
CREATE TABLE signature (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  digest TEXT NOT NULL,
  repository TEXT NOT NULL,
  format TEXT NOT NULL,
  signer TEXT NOT NULL,
  content BLOB NOT NULL,
  stored_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX signature_by_digest ON signature (digest, repository, format, signer);
";

/// The store of this user on this machine.
#[derive(Debug)]
pub struct Store(State);

/// A signature to be kept.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The digest of what is signed.
    pub digest: &'a Digest,
    /// Where it lies: `ghcr.io/acme/app`.
    pub repository: &'a str,
    /// How the signature is written.
    pub format: SignatureFormat,
    /// Who made it.
    pub signer: &'a SignerId,
    /// Its bytes.
    pub content: &'a [u8],
}

/// A signature that is kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Where the image lay when it was signed: `ghcr.io/acme/app`.
    pub repository: String,
    /// The signature.
    pub stored: StoredSignature,
}

/// What the store has of an artifact, as far as it is read.
#[derive(Clone, Debug, Default)]
pub struct InStore {
    /// The signatures, the latest first.
    pub kept: Vec<Kept>,
    /// Where entries lie that are too large to be read, and how many bytes each has.
    pub too_large: Vec<(String, u64)>,
    /// Whether there are more entries than were looked at.
    pub more: bool,
}

impl Store {
    /// Opens the store, and makes it if it is not there.
    ///
    /// # Errors
    ///
    /// It cannot be read and written.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        Self::open_as(path, &LAYOUT)
    }

    fn open_as(path: &Path, layout: &'static Layout) -> Result<Self, StateError> {
        match State::open(path, layout)? {
            Opened::Current(state) => Ok(Self(state)),
            Opened::Earlier(earlier) => earlier.migrate(|_| Ok(Ok(()))).map(Self),
        }
    }

    /// Opens the store to read it; none if it is not there.
    ///
    /// # Errors
    ///
    /// It is there and cannot be read.
    pub fn open_to_read(path: &Path) -> Result<Option<Self>, StateError> {
        Ok(State::open_to_read(path, &LAYOUT)?.map(Self))
    }

    /// Keeps a signature, in place of the same signer's earlier one in this format unless `append` is set. Tells whether there was
    /// one.
    ///
    /// # Errors
    ///
    /// It cannot be written; the store is as before then.
    pub fn put(&self, entry: &Entry<'_>, append: bool) -> Result<bool, StateError> {
        self.0.write(|turn| {
            let digest = entry.digest.to_string();
            let (format, signer) = (entry.format.as_str(), entry.signer.to_string());
            let replaced = if append {
                0
            } else {
                turn.execute(
                    "DELETE FROM signature WHERE digest = ?1 AND repository = ?2 AND format = ?3 AND signer = ?4",
                    params![digest, entry.repository, format, signer],
                )?
            };
            turn.execute(
                "INSERT INTO signature (digest, repository, format, signer, content, stored_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, CAST(unixepoch('subsec') * 1000 AS INTEGER))",
                params![digest, entry.repository, format, signer, entry.content],
            )?;
            Ok(Ok(replaced > 0))
        })
    }

    /// The signatures of an artifact. Their sizes are known before they are read: somebody may have put anything there.
    ///
    /// # Errors
    ///
    /// They cannot be read.
    pub fn signatures(&self, digest: &Digest) -> Result<InStore, StateError> {
        self.0.with(|connection| {
            // SQLite knows the length of a blob without reading it.
            let mut sizes = connection.prepare_cached(
                "SELECT id, length(content) FROM signature WHERE digest = ?1 ORDER BY id DESC LIMIT ?2",
            )?;
            let looked_at = i64::try_from(MAX_IN_STORE).unwrap_or(i64::MAX);
            let rows = sizes.query_map(params![digest.to_string(), looked_at + 1], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
            let mut entries: Vec<(i64, u64)> = rows.collect::<rusqlite::Result<_>>()?;
            let mut found = InStore {
                more: entries.len() > MAX_IN_STORE,
                ..InStore::default()
            };
            entries.truncate(MAX_IN_STORE);
            let mut left = MAX_STORE_READ as u64;
            for (id, size) in entries {
                if size > left.min(MAX_BUNDLE as u64) {
                    found.too_large.push((location(id), size));
                } else {
                    left -= size;
                    found.kept.push(read(connection, id)?);
                }
            }
            Ok(found)
        })
    }
}

fn location(id: i64) -> String {
    format!("local store, entry {id}")
}

/// Reads one entry.
fn read(connection: &Connection, id: i64) -> rusqlite::Result<Kept> {
    let mut query = connection
        .prepare_cached("SELECT repository, format, content FROM signature WHERE id = ?1")?;
    query.query_row([id], |row| {
        let stored = StoredSignature {
            id: format!("{STORE_ID}{id}"),
            format: match row.get_ref(1)?.as_str()? {
                "bundle" => SignatureFormat::Bundle,
                "cosign" => SignatureFormat::Cosign,
                _ => SignatureFormat::Other,
            },
            location: location(id),
            content: row.get::<_, Vec<u8>>(2)?.into(),
        };
        Ok(Kept {
            repository: row.get(0)?,
            stored,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyHint;

    fn digest(byte: &str) -> Digest {
        format!("sha256:{}", byte.repeat(32)).parse().unwrap()
    }

    fn put(store: &Store, signer: &str, content: &str, append: bool) -> bool {
        put_in("ghcr.io/acme/app", store, signer, content, append)
    }

    fn put_in(repository: &str, store: &Store, signer: &str, content: &str, append: bool) -> bool {
        let entry = Entry {
            digest: &digest("ab"),
            repository,
            format: SignatureFormat::Bundle,
            signer: &SignerId::Key(KeyHint::for_tests(signer)),
            content: content.as_bytes(),
        };
        store.put(&entry, append).unwrap()
    }

    fn contents(store: &Store) -> Vec<String> {
        let found = store.signatures(&digest("ab")).unwrap();
        found
            .kept
            .iter()
            .map(|kept| String::from_utf8(kept.stored.content.to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn a_signer_has_one_signature_and_others_keep_theirs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/signatures.db");
        assert!(Store::open_to_read(&path).unwrap().is_none());
        let store = Store::open(&path).unwrap();
        assert!(!put(&store, "alice", "a1", false));
        assert!(!put(&store, "bob", "b1", false));
        assert!(put(&store, "alice", "a2", false));
        assert_eq!(contents(&store), ["a2", "b1"]);
        assert!(!put(&store, "alice", "a3", true));
        assert_eq!(contents(&store), ["a3", "a2", "b1"]);
        assert!(store.signatures(&digest("cd")).unwrap().kept.is_empty());
        drop(store);
        let again = Store::open_to_read(&path).unwrap().unwrap();
        assert_eq!(contents(&again), ["a3", "a2", "b1"]);
    }

    #[test]
    fn an_image_in_two_repositories_has_two_signatures() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("signatures.db")).unwrap();
        assert!(!put_in("ghcr.io/acme/dev", &store, "alice", "a1", false));
        assert!(!put_in("ghcr.io/acme/prod", &store, "alice", "a2", false));
        assert_eq!(contents(&store), ["a2", "a1"]);
        assert!(put_in("ghcr.io/acme/dev", &store, "alice", "a3", false));
        assert_eq!(contents(&store), ["a3", "a2"]);
    }

    /// SECURITY.md: "Ambiguous and oversized input is refused". Of an entry that is too large only the size is read.
    #[test]
    fn an_entry_that_is_too_large_is_told_and_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("signatures.db")).unwrap();
        put(&store, "alice", "a1", false);
        let largest = "x".repeat(MAX_BUNDLE);
        put(&store, "bob", &largest, false);
        store
            .0
            .with(|c| {
                c.execute(
                    "INSERT INTO signature (digest, repository, format, signer, content, stored_ms)
                     SELECT digest, repository, format, 'eve', zeroblob(20000000), 0 FROM signature LIMIT 1",
                    [],
                )
            })
            .unwrap();
        let found = store.signatures(&digest("ab")).unwrap();
        assert_eq!(found.kept.len(), 2);
        assert_eq!(
            found.too_large,
            [("local store, entry 3".to_owned(), 20_000_000)]
        );
        // So many that each fits and all of them do not.
        for signer in 0..MAX_STORE_READ / MAX_BUNDLE {
            put(&store, &signer.to_string(), &largest, false);
        }
        let found = store.signatures(&digest("ab")).unwrap();
        assert_eq!(found.kept.len(), MAX_STORE_READ / MAX_BUNDLE);
        assert_eq!(found.too_large.len(), 3);
    }

    #[test]
    fn eight_writers_at_once_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signatures.db");
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    let store = Store::open(path).unwrap();
                    for turn in 0..25 {
                        put(&store, &writer.to_string(), &turn.to_string(), true);
                    }
                });
            }
        });
        assert_eq!(contents(&Store::open(&path).unwrap()).len(), 200);
    }

    #[test]
    fn a_store_of_a_later_version_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signatures.db");
        let store = Store::open(&path).unwrap();
        store
            .0
            .with(|c| c.pragma_update(None, "user_version", 7))
            .unwrap();
        drop(store);
        for error in [
            Store::open(&path).unwrap_err(),
            Store::open_to_read(&path).unwrap_err(),
        ] {
            assert!(error.to_string().contains("later version"), "{error}");
        }
    }

    /// What a version to come might add.
    static NEXT: Layout = Layout {
        what: "the local store",
        migrations: &[
            FIRST,
            "ALTER TABLE signature ADD COLUMN note TEXT; CREATE INDEX signature_by_signer ON signature (signer);",
        ],
    };

    /// A copy of the store of version 1, and what it has of each digest in it.
    fn of_version_1() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signatures.db");
        std::fs::copy(crate::fake::of_version_1("signatures.db"), &path).unwrap();
        (folder, path)
    }

    fn everything(store: &Store) -> Vec<(String, StoredSignature)> {
        let digests: Vec<String> = store
            .0
            .with(|c| {
                let mut query = c.prepare("SELECT DISTINCT digest FROM signature ORDER BY 1")?;
                query.query_map([], |row| row.get(0))?.collect()
            })
            .unwrap();
        let of = |digest: &String| store.signatures(&digest.parse().unwrap()).unwrap().kept;
        let kept = digests.iter().flat_map(of);
        kept.map(|kept| (kept.repository, kept.stored)).collect()
    }

    #[test]
    fn a_migrated_store_has_what_it_had_before() {
        let (_folder, path) = of_version_1();
        let before = everything(&Store::open_to_read(&path).unwrap().unwrap());
        assert!(before.len() > 4, "{before:?}");
        let old = std::fs::read(&path).unwrap();
        let unchanged = Store(State::open_to_read(&path, &NEXT).unwrap().unwrap());
        assert_eq!(everything(&unchanged), before);
        drop(unchanged);
        assert_eq!(
            std::fs::read(&path).unwrap(),
            old,
            "reading changes nothing"
        );
        let store = Store::open_as(&path, &NEXT).unwrap();
        assert_eq!(everything(&store), before);
        assert!(!put(&store, "alice", "a1", false));
        drop(store);
        assert_eq!(
            everything(&Store::open_as(&path, &NEXT).unwrap()).len(),
            before.len() + 1
        );
        let error = Store::open(&path).unwrap_err();
        assert!(error.to_string().contains("later version"), "{error}");
    }

    #[test]
    fn a_store_that_was_altered_is_not_migrated() {
        let (_folder, path) = of_version_1();
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch(
                "CREATE TRIGGER t AFTER INSERT ON signature BEGIN DELETE FROM signature; END",
            )
            .unwrap();
        drop(connection);
        let old = std::fs::read(&path).unwrap();
        let error = Store::open_as(&path, &NEXT).unwrap_err();
        assert!(
            error.to_string().contains("`t` in it has been changed"),
            "{error}"
        );
        assert_eq!(std::fs::read(&path).unwrap(), old);
    }

    /// A link to nothing, and a name that is too long: neither is a store without signatures.
    #[cfg(unix)]
    #[test]
    fn a_store_that_cannot_be_looked_into_is_an_error_and_not_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signatures.db");
        std::os::unix::fs::symlink("nothing", &path).unwrap();
        assert!(Store::open_to_read(&path).is_err());
        let too_long = folder.path().join("x".repeat(300));
        assert!(Store::open_to_read(&too_long).is_err());
        let below_a_file = folder.path().join("file/signatures.db");
        std::fs::write(folder.path().join("file"), "").unwrap();
        assert!(Store::open_to_read(&below_a_file).unwrap().is_none());
    }

    #[test]
    fn a_broken_store_is_an_error_and_not_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signatures.db");
        std::fs::write(
            &path,
            "no database at all, but long enough to be read as one".repeat(99),
        )
        .unwrap();
        assert!(Store::open(&path).is_err());
        assert!(Store::open_to_read(&path).is_err());
    }
}
