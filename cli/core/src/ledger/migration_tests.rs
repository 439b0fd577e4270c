//! A ledger that an earlier version made, kept in `tests/cli/data/state-of-version-1`, opened by this version and by one to come.

use super::sqlite::FIRST;
use super::*;
use rusqlite::Connection;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

/// What a version to come might add: a fact that entries have already, to look them up by.
static NEXT: Layout = Layout {
    what: "the ledger",
    migrations: &[
        FIRST,
        "ALTER TABLE entry ADD COLUMN action TEXT AS (body ->> '$.action') VIRTUAL;
         CREATE INDEX entry_by_action ON entry (action);",
    ],
};

/// One that fails when half of it is done.
static FAILING: Layout = Layout {
    what: "the ledger",
    migrations: &[
        FIRST,
        "CREATE TABLE half (done INTEGER) STRICT; DELETE FROM current; CREATE INDEX other_half ON nothing (done);",
    ],
};

/// A copy of the ledger of version 1.
struct Copy(TempDir);

impl Copy {
    fn new() -> Self {
        let copy = Self(tempfile::tempdir().unwrap());
        for file in ["ledger.db", "ledger.head"] {
            fs::copy(crate::fake::of_version_1(file), copy.0.path().join(file)).unwrap();
        }
        copy
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("ledger.db")
    }

    fn content(&self) -> Vec<u8> {
        fs::read(self.path()).unwrap()
    }

    fn tamper(&self, statements: &str) {
        let connection = Connection::open(self.path()).unwrap();
        connection.execute_batch(statements).unwrap();
    }

    fn version(&self) -> i64 {
        let connection = Connection::open(self.path()).unwrap();
        connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap()
    }
}

/// All that a ledger says: its entries, its current signatures and verifications by artifact, and what proving it gives.
type Said = (Vec<Recorded>, Vec<Known>, Proof);

fn said(ledger: &Ledger) -> Said {
    let (mut entries, mut artifacts) = (Vec::new(), Vec::new());
    ledger
        .entries(&Query::default(), |recorded| {
            entries.push(recorded);
            ControlFlow::Continue(())
        })
        .unwrap();
    ledger
        .artifacts(None, |known| {
            artifacts.push(known);
            ControlFlow::Continue(())
        })
        .unwrap();
    (entries, artifacts, ledger.prove(None).unwrap())
}

fn said_by_version_1() -> Said {
    let copy = Copy::new();
    let said = said(&Ledger::open_to_read(&copy.path()).unwrap().unwrap());
    let (entries, artifacts, proof) = &said;
    assert!(entries.len() > 10 && artifacts.len() > 3, "{said:?}");
    assert_eq!(proof.head.count, entries.len() as u64);
    assert_eq!(proof.findings, []);
    said
}

#[test]
fn a_migrated_ledger_says_what_it_said_before() {
    let copy = Copy::new();
    let before = said_by_version_1();
    let ledger = Ledger::open_as(&copy.path(), &NEXT).unwrap();
    assert_eq!(said(&ledger), before);
    assert_eq!(copy.version(), 2);
    let again = before.0[0].entry.event.clone();
    let head = ledger.append(&[again]).unwrap();
    assert_eq!(head.count, before.2.head.count + 1);
    drop(ledger);
    let ledger = Ledger::open_as(&copy.path(), &NEXT).unwrap();
    let proof = ledger.prove(Some(&before.2.head)).unwrap();
    assert_eq!((proof.head, proof.findings), (head, vec![]));
}

#[test]
fn a_new_ledger_has_all_versions_tables() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let ledger = Ledger::open_as(&path, &NEXT).unwrap();
    let event = said_by_version_1().0[0].entry.event.clone();
    ledger.append(&[event]).unwrap();
    assert_eq!(ledger.prove(None).unwrap().findings, []);
}

#[test]
fn a_ledger_of_an_earlier_version_is_read_as_it_is() {
    let copy = Copy::new();
    let before = copy.content();
    fs::set_permissions(
        copy.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o400),
    )
    .unwrap();
    let ledger = Ledger::open_to_read_as(&copy.path(), &NEXT)
        .unwrap()
        .unwrap();
    assert_eq!(said(&ledger), said_by_version_1());
    drop(ledger);
    assert_eq!(copy.content(), before);
}

#[test]
fn a_ledger_that_was_altered_is_not_migrated() {
    for (statements, finding) in [
        (
            "DROP INDEX entry_by_name",
            "`entry_by_name` in the ledger's file is not as sigtool makes it",
        ),
        (
            "CREATE INDEX entry_by_action ON entry (body ->> '$.action')",
            "`entry_by_action` in the ledger's file is not as sigtool makes it",
        ),
        (
            "UPDATE entry SET body = replace(body, 'refused', 'valid') WHERE body ->> '$.result' = 'refused' AND number < 9",
            "entry 6 has been changed",
        ),
        (
            "DELETE FROM entry WHERE number = 2",
            "entry 2 has been removed",
        ),
        (
            "DELETE FROM current WHERE number = 2",
            "the list of current signatures does not agree with entry 2",
        ),
        (
            "DELETE FROM entry WHERE number > 1; DELETE FROM current WHERE number > 1",
            "are missing at the end",
        ),
    ] {
        let copy = Copy::new();
        copy.tamper(statements);
        let before = copy.content();
        let error = Ledger::open_as(&copy.path(), &NEXT)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("the ledger is broken: ") && error.contains(finding),
            "{statements}: {error}"
        );
        assert_eq!(copy.content(), before, "{statements}");
        // It can still be read, and says what is wrong with it.
        let ledger = Ledger::open_to_read_as(&copy.path(), &NEXT).unwrap();
        let proof = ledger.unwrap().prove(None).unwrap();
        let findings: Vec<String> = proof.findings.iter().map(ToString::to_string).collect();
        assert!(findings.iter().any(|f| f.contains(finding)), "{findings:?}");
    }
}

#[test]
fn a_ledger_that_has_lost_its_head_is_not_migrated() {
    let copy = Copy::new();
    fs::remove_file(copy.path().with_extension("head")).unwrap();
    let before = copy.content();
    let error = Ledger::open_as(&copy.path(), &NEXT).unwrap_err();
    assert!(
        matches!(error, LedgerError::Broken(Finding::NoHead)),
        "{error}"
    );
    assert_eq!(copy.content(), before);
}

#[test]
fn a_ledger_of_a_later_version_is_refused_and_not_called_broken() {
    let copy = Copy::new();
    let open = Ledger::open(&copy.path()).unwrap();
    let read = Ledger::open_to_read(&copy.path()).unwrap().unwrap();
    drop(Ledger::open_as(&copy.path(), &NEXT).unwrap());
    let event = said_by_version_1().0[0].entry.event.clone();
    for error in [
        Ledger::open(&copy.path()).unwrap_err(),
        Ledger::open_to_read(&copy.path()).unwrap_err(),
        // It was opened before.
        open.append(&[event]).unwrap_err(),
        read.prove(None).unwrap_err(),
    ] {
        let text = error.to_string();
        assert!(
            text.contains("was made by a later version of sigtool"),
            "{text}"
        );
        assert!(matches!(error, LedgerError::State(_)), "{text}");
    }
}

#[test]
fn a_migration_that_fails_leaves_the_ledger_as_it_was() {
    let copy = Copy::new();
    let error = Ledger::open_as(&copy.path(), &FAILING).unwrap_err();
    assert!(error.to_string().contains("nothing"), "{error}");
    let ledger = Ledger::open(&copy.path()).unwrap();
    assert_eq!(said(&ledger), said_by_version_1());
    drop(ledger);
    assert_eq!(copy.version(), 1);
}

#[test]
fn processes_that_migrate_at_once_lose_nothing() {
    let copy = Copy::new();
    let before = said_by_version_1();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let ledger = Ledger::open_as(&copy.path(), &NEXT).unwrap();
                ledger.append(&[before.0[0].entry.event.clone()]).unwrap();
            });
        }
    });
    let ledger = Ledger::open_as(&copy.path(), &NEXT).unwrap();
    let proof = ledger.prove(Some(&before.2.head)).unwrap();
    assert_eq!(
        (proof.head.count, proof.findings),
        (before.2.head.count + 8, vec![])
    );
}
