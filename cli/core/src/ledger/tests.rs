use super::chain::hash;
use super::*;
use crate::key::KeyHint;
use crate::sign::Place;
use rusqlite::{Connection, params};
use sigtool_sdk::types::{ArtifactKind, KeyAlgorithm, SignatureFormat};
use std::path::PathBuf;
use tempfile::TempDir;

struct World {
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("ledger.db")
    }

    fn open(&self) -> Ledger {
        Ledger::open(&self.path()).unwrap()
    }

    /// A ledger of this many entries, of artifacts `a1`, `a2`, …
    fn with(count: usize) -> Self {
        let world = Self::new();
        let events: Vec<_> = (1..=count)
            .map(|i| signing(&format!("a{i}"), "alice"))
            .collect();
        world.open().append(&events).unwrap();
        world
    }

    /// What an attacker does to the file.
    fn tamper(&self, statements: &str) {
        let connection = Connection::open(self.path()).unwrap();
        connection.execute_batch(statements).unwrap();
    }

    /// Changes an entry and its hash.
    fn make_anew(&self, number: u64) {
        let connection = Connection::open(self.path()).unwrap();
        let select = "SELECT body FROM entry WHERE number = ?1";
        let body: String = connection
            .query_row(select, [number], |row| row.get(0))
            .unwrap();
        let body = body.replace("alice", "clara");
        let update = "UPDATE entry SET body = ?1, hash = ?2 WHERE number = ?3";
        let values = params![body, hash(&body).to_string(), number];
        connection.execute(update, values).unwrap();
    }

    fn read(&self) -> Ledger {
        Ledger::open_to_read(&self.path()).unwrap().unwrap()
    }

    fn findings(&self) -> Vec<String> {
        let proof = self.read().prove(None).unwrap();
        proof.findings.iter().map(ToString::to_string).collect()
    }
}

fn signing(name: &str, signer: &str) -> Event {
    let digest = hash(name).to_string();
    Event {
        action: Action::Sign,
        result: Attempt::Done,
        artifact: EventArtifact {
            reference: format!("/stage/{name}"),
            name: Some(name.to_owned()),
            version: None,
            kind: Some(ArtifactKind::Unknown),
            digest: Some(digest),
            size: Some(6),
        },
        signers: vec![EventSigner {
            name: Some(format!("{signer}.key")),
            key_hint: KeyHint::for_tests(signer),
            algorithm: KeyAlgorithm::EcdsaP256,
            backend: Some("cosign-key".to_owned()),
            key_id: None,
            key_version: None,
        }],
        signatures: vec![EventSignature {
            format: SignatureFormat::Bundle,
            place: Place::Beside,
            location: format!("/stage/{name}.sigstore.json"),
            replaced: false,
            signature: b"signature".as_slice().into(),
        }],
        append: false,
        old_head: None,
        reasons: Vec::new(),
        profile: None,
        execution: Execution::default(),
        tool: "sigtool 0.1.0".to_owned(),
    }
}

fn of_image(repository: &str, signer: &str, append: bool) -> Event {
    let mut event = signing("app", signer);
    let digest = event.artifact.digest.clone().unwrap();
    event.artifact.reference = format!("{repository}@{digest}");
    event.artifact.kind = Some(ArtifactKind::ContainerImage);
    event.signatures[0].location = format!("{repository}:sha256-app.sig");
    event.append = append;
    event
}

fn numbers(ledger: &Ledger, query: &Query) -> Vec<u64> {
    let mut numbers = Vec::new();
    ledger
        .entries(query, |recorded| {
            numbers.push(recorded.entry.number);
            ControlFlow::Continue(())
        })
        .unwrap();
    numbers
}

/// The entries of the current signatures of each artifact.
fn current(ledger: &Ledger, artifact: Option<&str>) -> Vec<Vec<u64>> {
    let artifact = artifact.map(|a| vec![Named::any_version(a)]);
    let mut current = Vec::new();
    ledger
        .artifacts(artifact.as_deref(), |known| {
            current.push(known.signatures.iter().map(|c| c.entry.number).collect());
            ControlFlow::Continue(())
        })
        .unwrap();
    current
}

#[test]
fn entries_are_chained_from_the_first_one_on() {
    let world = World::new();
    assert!(Ledger::open_to_read(&world.path()).unwrap().is_none());
    let ledger = world.open();
    let first = ledger.append(&[signing("a", "alice")]).unwrap();
    let second = ledger.append(&[signing("b", "alice")]).unwrap();
    assert_eq!((first.count, second.count), (1, 2));
    let mut all = Vec::new();
    ledger
        .entries(&Query::default(), |recorded| {
            all.push(recorded);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(all[0].entry.previous, first.hash);
    assert_eq!(all[1].entry.previous, Head::default().hash);
    assert_eq!(all[0].head, second);
    assert_eq!(hash(&all[0].body), second.hash);
    assert_eq!(
        serde_json::to_string(&all[0].entry).unwrap(),
        all[0].body,
        "an entry is written as it was read"
    );
    let proof = ledger.prove(Some(&first)).unwrap();
    assert_eq!((proof.head, proof.findings), (second, vec![]));
}

#[test]
fn a_head_has_one_spelling() {
    let head = World::with(3).open().prove(None).unwrap().head;
    assert_eq!(head.to_string().parse(), Ok(head.clone()));
    let text = head.to_string();
    for wrong in [
        text.replace("3:", "03:"),
        text.replace("3:", ""),
        text.to_uppercase(),
        format!("{text} "),
        "3:sha512:ab".to_owned(),
    ] {
        assert_eq!(wrong.parse::<Head>(), Err(ParseHeadError), "{wrong}");
    }
}

#[test]
fn every_kind_of_tampering_is_found_and_named() {
    let swap = "UPDATE entry SET number = -number WHERE number IN (3, 4);
                UPDATE entry SET number = 7 + number WHERE number < 0;";
    for (statements, finding) in [
        (
            "DELETE FROM entry WHERE number = 3",
            "entry 3 has been removed",
        ),
        (
            "DELETE FROM entry WHERE number IN (3, 4)",
            "entries 3 to 4 have been removed",
        ),
        (
            "DELETE FROM entry WHERE number = 1",
            "entry 1 has been removed",
        ),
        (
            "UPDATE entry SET body = replace(body, 'a3', 'b3') WHERE number = 3",
            "entry 3 has been changed",
        ),
        (
            "UPDATE entry SET hash = 'sha256:00' WHERE number = 3",
            "entry 3 has been changed",
        ),
        (swap, "entry 4 stands in the place of entry 3"),
        (
            "DELETE FROM entry WHERE number = 6",
            "entry 6 is missing at the end",
        ),
        (
            "DELETE FROM entry WHERE number > 4",
            "entries 5 to 6 are missing at the end",
        ),
        ("DELETE FROM entry", "entries 1 to 6 are missing at the end"),
        (
            "DELETE FROM current WHERE number = 2",
            "the list of current signatures does not agree with entry 2",
        ),
        (
            "UPDATE current SET number = 1 WHERE number = 2",
            "the list of current signatures does not agree with entry 1",
        ),
    ] {
        let world = World::with(6);
        assert!(world.findings().is_empty());
        world.tamper(statements);
        let findings = world.findings();
        assert!(
            findings.iter().any(|f| f == finding),
            "{statements}: {findings:?}"
        );
    }
}

/// What is shown is what was entered, and what is not is a failure, as it is for those who prove the chain.
#[test]
fn nothing_that_was_tampered_with_is_handed_out() {
    for (statements, shown, finding) in [
        (
            "UPDATE entry SET body = replace(body, 'alice', 'clara') WHERE number = 3",
            &[6, 5, 4, 2, 1][..],
            "entry 3 has been changed",
        ),
        (
            "UPDATE entry SET body = '{}' WHERE number = 6",
            &[5, 4, 3, 2, 1],
            "entry 6 has been changed",
        ),
        (
            "DELETE FROM entry WHERE number = 3",
            &[6, 5, 4, 2, 1],
            "entry 3 has been removed",
        ),
        (
            "DELETE FROM entry WHERE number < 3",
            &[6, 5, 4, 3],
            "entries 1 to 2 have been removed",
        ),
        (
            "DELETE FROM entry WHERE number = 6",
            &[5, 4, 3, 2, 1],
            "entry 6 is missing at the end",
        ),
        (
            "DELETE FROM entry",
            &[],
            "entries 1 to 6 are missing at the end",
        ),
        (
            "UPDATE entry SET number = 9 WHERE number = 1; UPDATE entry SET number = 1 WHERE number = 2; UPDATE entry SET number = 2 WHERE number = 9",
            &[6, 5, 4, 3],
            "entry 2 has been replaced",
        ),
        (
            "CREATE TRIGGER t BEFORE INSERT ON entry BEGIN SELECT raise(IGNORE); END",
            &[],
            "`t` in the ledger's file is not as sigtool makes it",
        ),
        (
            "ALTER TABLE entry RENAME TO other; CREATE VIEW entry AS SELECT * FROM other",
            &[],
            "in the ledger's file is not as sigtool makes it",
        ),
    ] {
        let world = World::with(6);
        world.tamper(statements);
        let ledger = world.read();
        let mut told = Vec::new();
        let read = ledger.entries(&Query::default(), |recorded| {
            told.push(recorded.entry.number);
            ControlFlow::Continue(())
        });
        assert_eq!(told, shown, "{statements}");
        let error = read.unwrap_err().to_string();
        assert!(error.contains(finding), "{statements}: {error}");
        let read = ledger.artifacts(None, |_| ControlFlow::Continue(()));
        let error = read.unwrap_err().to_string();
        assert!(
            error.starts_with("the ledger is broken"),
            "{statements}: {error}"
        );
    }
    // One that was made anew is told by the one after it, and the last one by the head.
    for (number, finding) in [
        (3, "entry 3 has been replaced"),
        (6, "entry 6 is not the one that it was"),
    ] {
        let world = World::with(6);
        world.make_anew(number);
        let one = Query {
            artifacts: Some(vec![Named::any_version(format!("a{number}"))]),
            ..Query::default()
        };
        let read = world
            .read()
            .entries(&one, |recorded| panic!("{recorded:?}"));
        let error = read.unwrap_err().to_string();
        assert!(error.contains(finding), "{error}");
    }
}

/// What the overview of one artifact shows is compared with its entries.
#[test]
fn a_current_signature_that_is_not_one_is_not_told_of_its_artifact() {
    for (statements, of) in [
        ("DELETE FROM current WHERE number = 3", "a1"),
        ("UPDATE current SET number = 1 WHERE number = 3", "a1"),
        (
            "INSERT INTO current SELECT slot, 1, 0 FROM current WHERE number = 3",
            "a1",
        ),
        ("INSERT INTO current VALUES ('file /else', 3, 0)", "a1"),
        (
            "UPDATE current SET slot = 'file /else' WHERE number = 2",
            "a2",
        ),
        ("UPDATE current SET item = 1 WHERE number = 2", "a2"),
    ] {
        let world = World::with(2);
        world.open().append(&[signing("a1", "alice")]).unwrap();
        let named = [Named::any_version(of)];
        let read = || {
            world
                .read()
                .artifacts(Some(&named), |_| ControlFlow::Continue(()))
        };
        read().unwrap();
        world.tamper(statements);
        let error = read().unwrap_err().to_string();
        assert!(
            error.contains("the list of current signatures does not agree"),
            "{statements}: {error}"
        );
    }
    // What another artifact's signature has replaced is not current, and nothing is wrong with that.
    let world = World::with(1);
    let mut changed = signing("b", "alice");
    changed.signatures[0].location = "/stage/a1.sigstore.json".to_owned();
    world.open().append(&[changed]).unwrap();
    assert_eq!(current(&world.read(), Some("a1")), Vec::<Vec<u64>>::new());
}

/// SECURITY.md: "a ledger that was cut takes no entry that would hide it", nor one that it would lose.
#[test]
fn a_trigger_that_swallows_an_entry_is_found_by_who_enters_it() {
    for trigger in [
        "BEFORE INSERT ON entry BEGIN SELECT raise(IGNORE); END",
        "BEFORE INSERT ON entry WHEN new.body LIKE '%evil%' BEGIN SELECT raise(IGNORE); END",
        "AFTER INSERT ON entry WHEN new.body LIKE '%evil%' BEGIN DELETE FROM entry WHERE number = new.number; END",
    ] {
        let world = World::with(2);
        let open = world.open();
        world.tamper(&format!("CREATE TRIGGER t {trigger}"));
        for events in [
            vec![signing("evil", "alice")],
            vec![signing("evil", "alice"), signing("b", "alice")],
            vec![signing("b", "alice"), signing("evil", "alice")],
        ] {
            let error = open.append(&events).unwrap_err();
            assert!(
                matches!(error, LedgerError::Broken(Finding::NotEntered { .. })),
                "{error}"
            );
        }
        let error = Ledger::open(&world.path()).unwrap_err();
        assert!(
            matches!(error, LedgerError::Broken(Finding::TableChanged { .. })),
            "{error}"
        );
        world.tamper("DROP TRIGGER t");
        assert_eq!(numbers(&world.read(), &Query::default()), [2, 1]);
    }
}

/// Changing an entry with its hash means changing all that follow, and the head, and then an older head tells.
#[test]
fn an_entry_that_was_made_anew_does_not_fit_to_what_follows() {
    let world = World::with(6);
    let head = world.open().prove(None).unwrap().head;
    let connection = Connection::open(world.path()).unwrap();
    let rewrite = |number: u64, body: &str| {
        let hash = hash(body).to_string();
        connection
            .execute(
                "UPDATE entry SET body = ?1, hash = ?2 WHERE number = ?3",
                params![body, hash, number],
            )
            .unwrap();
    };
    let body = |number: u64| -> String {
        connection
            .query_row("SELECT body FROM entry WHERE number = ?1", [number], |r| {
                r.get(0)
            })
            .unwrap()
    };
    rewrite(3, &body(3).replace("sigtool 0.1.0", "sigtool 0.2.0"));
    assert_eq!(
        world.findings()[0],
        "entry 4 was not made after the one before it: entry 3 has been replaced"
    );
    let mut before = hash(body(3));
    for number in 4..=6 {
        let mut entry: Entry = serde_json::from_str(&body(number)).unwrap();
        entry.previous = before;
        let text = serde_json::to_string(&entry).unwrap();
        before = hash(&text);
        rewrite(number, &text);
    }
    assert!(world.findings()[0].starts_with("entry 6 is not the one that it was"));
    let proof = world.read().prove(Some(&head)).unwrap();
    assert_eq!(
        proof.findings.len(),
        1,
        "told once, though two heads say so"
    );
    let ledger = Ledger::open_to_read(&world.path()).unwrap().unwrap();
    let new = ledger.prove(None).unwrap().head;
    std::fs::write(world.path().with_extension("head"), format!("{new}\n")).unwrap();
    assert!(
        world.findings().is_empty(),
        "a full rewrite needs an anchor"
    );
    let proof = world.open().prove(Some(&head)).unwrap();
    assert_eq!(proof.findings, [Finding::OtherHead { expected: head }]);
}

/// What hides an entry from those who look it up, and leaves the chain alone.
#[test]
fn what_entries_are_looked_up_by_is_proved_too() {
    let world = World::with(8);
    world.tamper(
        "PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = replace(sql, 'digest TEXT AS (body', 'digest TEXT AS (iif(number = 3, NULL, body)')
         WHERE name = 'entry';",
    );
    world.tamper("REINDEX");
    let changed = "`entry` in the ledger's file is not as sigtool makes it";
    assert_eq!(world.findings(), [changed]);

    for (statement, name) in [
        (
            "CREATE TRIGGER t AFTER INSERT ON entry BEGIN DELETE FROM entry WHERE number = new.number; END",
            "t",
        ),
        ("DROP TABLE current", "current"),
        ("DROP INDEX entry_by_name", "entry_by_name"),
    ] {
        let world = World::with(3);
        world.tamper(statement);
        let changed = format!("`{name}` in the ledger's file is not as sigtool makes it");
        assert_eq!(world.findings()[0], changed);
    }

    let world = World::with(8);
    let connection = Connection::open(world.path()).unwrap();
    let page: u64 = connection
        .query_row(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'entry_by_digest'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    drop(connection);
    // A leaf without keys (file format of SQLite, 1.6), in the place of the index.
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(world.path())
        .unwrap();
    let empty = [0x0a, 0, 0, 0, 0, 0x10, 0, 0];
    std::os::unix::fs::FileExt::write_all_at(&file, &empty, (page - 1) * 4096).unwrap();
    let found = world.findings();
    assert!(
        found
            .iter()
            .all(|f| f.starts_with("what entries are looked up by does not agree with them: "))
            && found.iter().any(|f| f.contains("entry_by_digest")),
        "{found:?}"
    );
}

#[test]
fn what_is_not_an_entry_is_named() {
    for (statement, finding) in [
        (
            "UPDATE entry SET number = -3 WHERE number = 3",
            "`-3` stands among the entries, whose numbers begin at 1",
        ),
        (
            "UPDATE entry SET number = 0 WHERE number = 3",
            "`0` stands among the entries, whose numbers begin at 1",
        ),
        (
            "INSERT INTO current VALUES ('x', -1, 0)",
            "`-1` stands among the entries, whose numbers begin at 1",
        ),
        (
            "UPDATE entry SET body = CAST(replace(CAST(body AS BLOB), x'616c696365', x'61ff696365') AS TEXT) WHERE number = 3",
            "entry 3 has been changed",
        ),
        (
            "UPDATE entry SET hash = CAST(x'ff' AS TEXT) WHERE number = 3",
            "entry 3 has been changed",
        ),
    ] {
        let world = World::with(5);
        world.tamper(statement);
        assert_eq!(world.findings()[0], finding, "{statement}");
    }
}

/// However much is wrong before, what is missing at the end is told, and how much else there is.
#[test]
fn many_findings_hide_no_other() {
    let world = World::with(40);
    let anchor = world.open().prove(None).unwrap().head;
    world.tamper("UPDATE entry SET body = replace(body, 'alice', 'clara'); DELETE FROM entry WHERE number > 35");
    let ledger = Ledger::open_to_read(&world.path()).unwrap().unwrap();
    let proof = ledger.prove(Some(&anchor)).unwrap();
    let cut = Finding::CutOff {
        found: 35,
        expected: anchor,
    };
    assert_eq!(proof.findings.iter().filter(|f| **f == cut).count(), 1);
    assert_eq!(proof.findings.len(), 21, "{:?}", proof.findings);
    assert!(proof.more >= 15, "{}", proof.more);
}

#[test]
fn a_ledger_without_its_version_is_neither_empty_nor_written() {
    let world = World::with(2);
    world.tamper("PRAGMA journal_mode = DELETE; PRAGMA user_version = 0");
    std::fs::remove_file(world.path().with_extension("head")).unwrap();
    let before = std::fs::read(world.path()).unwrap();
    let opened = [
        Ledger::open(&world.path()).map(Some),
        Ledger::open_to_read(&world.path()),
    ];
    for error in opened.map(Result::unwrap_err) {
        assert!(
            matches!(error, LedgerError::Broken(Finding::NoVersion)),
            "{error}"
        );
    }
    assert!(before == std::fs::read(world.path()).unwrap());
}

#[test]
fn a_named_pipe_is_neither_a_ledger_nor_a_head() {
    for name in ["ledger.db", "ledger.head"] {
        let world = World::with(1);
        let path = world.folder.path().join(name);
        std::fs::remove_file(&path).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            0o600.into(),
            0,
        )
        .unwrap();
        let opened = [
            Ledger::open(&world.path()).map(Some),
            Ledger::open_to_read(&world.path()),
        ];
        for error in opened.map(Result::unwrap_err) {
            assert!(
                error.to_string().ends_with("it is not a regular file"),
                "{error}"
            );
        }
    }
}

#[test]
fn a_ledger_that_was_cut_takes_no_entry_that_would_hide_it() {
    let world = World::with(6);
    let open = world.open();
    world.tamper("DELETE FROM entry WHERE number > 4");
    assert!(open.append(&[signing("b", "alice")]).is_err());
    let error = Ledger::open(&world.path()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the ledger is broken: entries 5 to 6 are missing at the end"
    );
    assert_eq!(world.findings()[0], "entries 5 to 6 are missing at the end");
}

#[test]
fn a_ledger_that_has_gone_is_not_an_empty_one() {
    let world = World::with(2);
    std::fs::remove_file(world.path()).unwrap();
    let error = Ledger::open_to_read(&world.path()).unwrap_err();
    assert!(
        matches!(error, LedgerError::Gone(Head { count: 2, .. })),
        "{error}"
    );
    assert!(Ledger::open(&world.path()).is_err());
}

#[test]
fn a_missing_head_is_found() {
    let world = World::with(2);
    std::fs::remove_file(world.path().with_extension("head")).unwrap();
    let ledger = Ledger::open_to_read(&world.path()).unwrap().unwrap();
    assert_eq!(ledger.prove(None).unwrap().findings, [Finding::NoHead]);
    for _ in 0..2 {
        let error = Ledger::open(&world.path()).unwrap_err();
        assert!(
            matches!(error, LedgerError::Broken(Finding::NoHead)),
            "{error}"
        );
    }
}

/// SECURITY.md: "An entry that was removed, changed, moved or cut off is found and named."
#[test]
fn a_head_is_that_of_the_last_entry_or_a_finding_for_all() {
    let world = World::with(3);
    let (heads, open) = (heads(&world), world.open());
    let zero = Head::default();
    let other = Head {
        count: 3,
        hash: hash("other"),
    };
    let after = Head {
        count: 4,
        ..other.clone()
    };
    for (written, finding) in [
        (
            format!("{zero}\n"),
            "entries 1 to 3 stand after the head that was written last",
        ),
        (
            format!("{}\n", heads[1]),
            "entries 2 to 3 stand after the head that was written last",
        ),
        (
            format!("{} {}\n", heads[0], heads[2]),
            "entries 1 to 3 stand after the head that was written last",
        ),
        (format!("{other}\n"), "entry 3 is not the one that it was"),
        (format!("{after}\n"), "entry 4 is missing at the end"),
        (
            "nonsense".to_owned(),
            "the file of the head beside the ledger is missing, or holds no head",
        ),
        (
            format!("{} {} {}\n", heads[2], heads[2], heads[3]),
            "the file of the head beside the ledger is missing, or holds no head",
        ),
        (
            String::new(),
            "the file of the head beside the ledger is missing, or holds no head",
        ),
    ] {
        std::fs::write(world.path().with_extension("head"), &written).unwrap();
        let found = world.findings();
        assert!(found[0].starts_with(finding), "{written}: {found:?}");
        let read = world
            .read()
            .entries(&Query::default(), |_| ControlFlow::Continue(()));
        assert!(read.unwrap_err().to_string().contains(finding), "{written}");
        let read = world.read().artifacts(None, |_| ControlFlow::Continue(()));
        assert!(read.unwrap_err().to_string().contains(finding), "{written}");
        assert!(Ledger::open(&world.path()).is_err(), "{written}");
        assert!(open.append(&[signing("b", "alice")]).is_err(), "{written}");
    }
}

/// What is left by a process that is killed before or after the entry is in the file, and what comes of it.
#[test]
fn while_an_entry_is_written_the_head_may_be_the_last_or_the_coming_one() {
    let coming = Head {
        count: 4,
        hash: hash("what was not entered"),
    };
    for case in 0..4 {
        let world = World::with(3);
        let heads = heads(&world);
        let written = match case {
            0 => format!("{} {coming}\n", heads[3]),
            1 => format!("{} {}\n", heads[2], heads[3]),
            // The end of the longer line was not cut off.
            2 => format!("{}\n{}\n", heads[3], &heads[3].to_string()[5..]),
            // Several were entered at once.
            _ => format!("{} {}", heads[1], heads[3]),
        };
        std::fs::write(world.path().with_extension("head"), &written).unwrap();
        assert!(world.findings().is_empty(), "{written}");
        assert_eq!(numbers(&world.read(), &Query::default()), [3, 2, 1]);
        assert_eq!(current(&world.read(), None).len(), 3, "{written}");
        let head = world.open().append(&[signing("b", "alice")]).unwrap();
        let now = std::fs::read_to_string(world.path().with_extension("head")).unwrap();
        assert_eq!((head.count, now), (4, format!("{head}\n")));
        assert!(world.findings().is_empty(), "{written}");
    }
}

/// The heads after each entry, from that of none on.
fn heads(world: &World) -> Vec<Head> {
    let mut heads = vec![Head::default()];
    let read = world.open().entries(&Query::default(), |recorded| {
        heads.insert(1, recorded.head);
        ControlFlow::Continue(())
    });
    read.unwrap();
    heads
}

#[test]
fn a_head_of_something_else_is_an_error_that_says_so() {
    let world = World::with(1);
    for nonsense in [&b"nonsense"[..], b"\xff"] {
        std::fs::write(world.path().with_extension("head"), nonsense).unwrap();
        let error = Ledger::open(&world.path()).unwrap_err();
        assert!(
            error.to_string().contains("is not the head of a ledger"),
            "{error}"
        );
        let ledger = Ledger::open_to_read(&world.path()).unwrap().unwrap();
        assert_eq!(ledger.prove(None).unwrap().findings, [Finding::NoHead]);
    }
}

#[test]
fn eight_writers_at_once_lose_nothing_and_keep_the_chain() {
    let world = World::new();
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let path = world.path();
            scope.spawn(move || {
                for turn in 0..25 {
                    // Opened anew, as by processes that come and go: one that looks for the head must not see half of it.
                    let ledger = Ledger::open(&path).unwrap();
                    ledger
                        .append(&[signing(&format!("{writer}-{turn}"), "alice")])
                        .unwrap();
                }
            });
        }
    });
    let proof = world.open().prove(None).unwrap();
    assert_eq!((proof.head.count, proof.findings), (200, vec![]));
}

#[test]
fn an_artifact_is_found_by_digest_name_and_reference() {
    let world = World::with(30);
    let ledger = world.open();
    ledger.append(&[signing("a7", "bob")]).unwrap();
    let digest = hash("a7").to_string();
    for word in ["a7", "/stage/a7", digest.as_str()] {
        let query = Query {
            artifacts: Some(vec![Named::any_version(word)]),
            ..Query::default()
        };
        assert_eq!(numbers(&ledger, &query), [31, 7], "{word}");
    }
    let none = Query {
        artifacts: Some(vec![Named::any_version("a")]),
        ..Query::default()
    };
    assert!(numbers(&ledger, &none).is_empty());
}

#[test]
fn entries_are_chosen_by_signer_time_and_number() {
    let world = World::with(3);
    let ledger = world.open();
    ledger.append(&[signing("b", "bob")]).unwrap();
    let by = |signer: &str| Query {
        signer: Some(vec![signer.to_owned()]),
        ..Query::default()
    };
    assert_eq!(numbers(&ledger, &by("bob")), [4]);
    assert_eq!(numbers(&ledger, &by("ali")), [3, 2, 1]);
    assert_eq!(numbers(&ledger, &by("alice.key")), [3, 2, 1]);
    assert!(numbers(&ledger, &by("alice.")).is_empty());
    let since = |since: Since| Query {
        since: Some(since),
        ..Query::default()
    };
    let hour = Since::Ago(std::time::Duration::from_secs(3600));
    assert_eq!(numbers(&ledger, &since(hour)).len(), 4);
    let at = |text: &str| since(Since::at(text).unwrap());
    for no_time in [
        "now",
        "12:00",
        "2451545",
        "2026-13-01",
        "2026-11-25T99:00:00Z",
        "2026",
    ] {
        assert_eq!(Since::at(no_time), None, "{no_time}");
    }
    assert!(numbers(&ledger, &at("2999-01-01")).is_empty());
    assert_eq!(numbers(&ledger, &at("2020-01-01T00:00:00+02:00")).len(), 4);
    let limited = Query {
        limit: Some(2),
        ..Query::default()
    };
    assert_eq!(numbers(&ledger, &limited), [4, 3]);
}

#[test]
fn a_file_has_one_current_signature_at_a_place() {
    let world = World::new();
    let ledger = world.open();
    ledger
        .append(&[
            signing("a", "alice"),
            signing("b", "alice"),
            signing("a", "bob"),
        ])
        .unwrap();
    assert_eq!(current(&ledger, None), [[3], [2]]);
    let mut elsewhere = signing("a", "alice");
    elsewhere.signatures[0].location = "/stage/a.0a1b2c3d.sigstore.json".to_owned();
    ledger.append(&[elsewhere]).unwrap();
    assert_eq!(current(&ledger, Some("a")), [[4, 3]]);
    let mut verifying = signing("a", "alice");
    verifying.action = Action::Verify;
    ledger.append(&[verifying]).unwrap();
    assert_eq!(current(&ledger, Some("a")), [[4, 3]]);
    ledger
        .artifacts(None, |known| {
            let verified = known.verified.map(|entry| entry.number);
            let expected = (known.artifact.name.as_deref() == Some("a")).then_some(5);
            assert_eq!(verified, expected);
            ControlFlow::Continue(())
        })
        .unwrap();
}

#[test]
fn an_image_has_one_current_signature_of_each_signer_in_each_repository() {
    let world = World::new();
    let ledger = world.open();
    let (dev, prod) = ("ghcr.io/acme/dev", "ghcr.io/acme/prod");
    for (event, expected) in [
        (of_image(dev, "alice", false), vec![vec![1]]),
        (of_image(dev, "bob", false), vec![vec![2, 1]]),
        (of_image(prod, "alice", false), vec![vec![3], vec![2, 1]]),
        (of_image(dev, "alice", false), vec![vec![4, 2], vec![3]]),
        (of_image(dev, "alice", true), vec![vec![5, 4, 2], vec![3]]),
        (of_image(dev, "alice", false), vec![vec![6, 2], vec![3]]),
    ] {
        ledger.append(&[event]).unwrap();
        assert_eq!(current(&ledger, None), expected);
    }
    assert!(ledger.prove(None).unwrap().findings.is_empty());
}

#[test]
fn a_verification_is_of_an_artifact_and_not_of_all_that_have_its_digest() {
    let world = World::new();
    let ledger = world.open();
    let verifying = |repository| Event {
        action: Action::Verify,
        signatures: Vec::new(),
        ..of_image(repository, "alice", false)
    };
    let digest = hash("app").to_string();
    let mut renamed = signing("b", "alice");
    renamed.action = Action::Verify;
    renamed.artifact.reference = "/elsewhere/b".to_owned();
    let mut first = renamed.clone();
    first.artifact.reference = "/stage/b".to_owned();
    ledger
        .append(&[
            of_image("ghcr.io/acme/dev", "alice", false),
            of_image("ghcr.io/acme/prod", "alice", false),
            verifying("ghcr.io/acme/prod"),
            verifying("ghcr.io/acme/dev"),
            verifying("ghcr.io/acme/third"),
            verifying("ghcr.io/acme/dev"),
            first,
            renamed,
        ])
        .unwrap();
    let known = |named: Option<&str>| {
        let named = named.map(|text| [Named::any_version(text)]);
        let mut all = Vec::new();
        let taken = ledger.artifacts(named.as_ref().map(|n| &n[..]), |known| {
            let signed = known.signatures.iter().map(|s| s.entry.number);
            all.push((
                known.artifact.repository().to_owned(),
                signed.collect::<Vec<_>>(),
                known.verified.map(|entry| entry.number),
            ));
            ControlFlow::Continue(())
        });
        taken.unwrap();
        all
    };
    let (dev, prod) = ("ghcr.io/acme/dev", "ghcr.io/acme/prod");
    let signed = [
        (prod.to_owned(), vec![2], Some(3)),
        (dev.to_owned(), vec![1], Some(6)),
    ];
    assert_eq!(known(None), signed);
    let named = known(Some(&digest));
    assert_eq!(named[..2], signed);
    let third = "ghcr.io/acme/third".to_owned();
    assert_eq!(named[2..], [(third, vec![], Some(5))]);
    // A file is one artifact wherever it is.
    let file = ("/elsewhere/b".to_owned(), vec![], Some(8));
    assert_eq!(known(Some("b")), [file]);
}

#[test]
fn names_are_found_by_their_beginning() {
    let world = World::with(12);
    let ledger = world.open();
    assert_eq!(ledger.names("a1", 10).unwrap(), ["a1", "a10", "a11", "a12"]);
    assert_eq!(ledger.names("/stage/a9", 10).unwrap(), ["/stage/a9"]);
    assert_eq!(ledger.names("", 3).unwrap().len(), 6);
    assert!(ledger.names("zz", 10).unwrap().is_empty());
}

/// However many entries there are, none is looked at in vain.
#[test]
fn an_artifact_is_looked_up_by_indexes_alone() {
    let ledger = World::with(1).open();
    let artifacts = vec![
        Named::any_version("a1"),
        Named {
            text: "shop".to_owned(),
            version: Some("1.0".to_owned()),
        },
    ];
    let of_artifact = Query {
        artifacts: Some(artifacts.clone()),
        ..Query::default()
    };
    let lately = sqlite::select_entries(&Query {
        since: Since::at("2026-11-25"),
        ..Query::default()
    });
    for (text, values) in [
        sqlite::select_entries(&of_artifact),
        sqlite::select_current(Some(&artifacts)),
        sqlite::select_slots(&artifacts),
        sqlite::select_verified(&artifacts),
        lately,
    ] {
        let plan: Vec<String> = ledger
            .state
            .with(|connection| {
                let mut query = connection.prepare(&format!("EXPLAIN QUERY PLAN {text}"))?;
                let rows = query.query_map(rusqlite::params_from_iter(values), |r| r.get(3))?;
                rows.collect()
            })
            .unwrap();
        assert!(
            plan.iter().any(|step| step.contains("USING INDEX")),
            "{plan:?}"
        );
        assert!(
            !plan.iter().any(|step| step.starts_with("SCAN")),
            "{plan:?}"
        );
    }
}

#[test]
fn what_a_later_version_enters_is_read() {
    let world = World::with(1);
    let entry = world.open().prove(None).unwrap().head;
    let body = format!(
        r#"{{"number":2,"previous":"{}","time":"2030-01-01T00:00:00.000Z","action":"rotate","result":"splendid","artifact":{{"reference":"x"}},"execution":{{}},"tool":"sigtool 9","new":1}}"#,
        entry.hash
    );
    let hash = hash(&body);
    world.tamper(&format!(
        "INSERT INTO entry (number, body, hash) VALUES (2, '{body}', '{hash}')"
    ));
    std::fs::write(world.path().with_extension("head"), format!("2:{hash}\n")).unwrap();
    assert!(world.findings().is_empty());
    let mut seen = None;
    let ledger = Ledger::open_to_read(&world.path()).unwrap().unwrap();
    ledger
        .entries(&Query::default(), |recorded| {
            seen = Some(recorded);
            ControlFlow::Break(())
        })
        .unwrap();
    let seen = seen.unwrap();
    assert_eq!((seen.entry.event.action, seen.body), (Action::Other, body));
}

#[test]
fn of_many_that_begin_a_broken_ledger_anew_one_does() {
    let world = World::with(3);
    world.tamper("DELETE FROM entry WHERE number = 2");
    let path = world.path();
    let begin = || Ledger::restart(&path, signing("new", "alice"));
    let all = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(begin)).collect();
        let joined = threads.into_iter().map(|thread| thread.join().unwrap());
        joined.collect::<Vec<_>>()
    });
    let begun = all.iter().filter(|begun| begun.is_ok()).count();
    let whole = |begun: &&Result<_, _>| matches!(begun, Err(LedgerError::Whole));
    assert_eq!((begun, all.iter().filter(whole).count()), (1, 7), "{all:?}");
    let proof = world.open().prove(None).unwrap();
    assert!(proof.findings.is_empty(), "{:?}", proof.findings);
    assert_eq!(proof.head.count, 1);
}
