//! The chain of custody: what is entered in the ledger, and what `history` and `overview` tell of it.

mod overview;

use serde_json::Value;
use sigtool_tests::http::Request;
use sigtool_tests::peers::need;
use sigtool_tests::registry::Registry;
use sigtool_tests::{Sandbox, images, keys, person};
use snapbox::cmd::OutputAssert;
use snapbox::str;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A sandbox with a profile that signs with `a` and trusts it, and a file.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sigtool"));
    keys::put_with_profile(&sandbox);
    sandbox.write("app.txt", "app");
    sandbox
}

fn run(sandbox: &Sandbox, arguments: &[&str]) -> OutputAssert {
    let command = sandbox
        .sigtool()
        .env("USER", "somebody else")
        .args(arguments);
    sandbox.seen(command)
}

fn done(sandbox: &Sandbox, arguments: &[&str]) {
    run(sandbox, arguments).code(0);
}

/// The results of a command, as objects.
fn rows(sandbox: &Sandbox, arguments: &[&str]) -> Vec<Value> {
    let command = sandbox.sigtool().args(arguments).args(["--format", "json"]);
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

fn numbers(sandbox: &Sandbox, arguments: &[&str]) -> Vec<u64> {
    let all = [&["history"], arguments].concat();
    let number = |row: &Value| row["number"].as_u64().unwrap();
    rows(sandbox, &all).iter().map(number).collect()
}

/// A registry, and an image in it whose signature lies beside it.
fn signed_image(sandbox: &Sandbox) -> Option<(Registry, String)> {
    let registry = Registry::olareg(&["--api-delete"])?;
    registry.push_image("app", "v1", 1);
    let image = format!("{}/app:v1", registry.host());
    done(sandbox, &["sign", "--attach", &image]);
    Some((registry, image))
}

fn ledger(sandbox: &Sandbox) -> PathBuf {
    sandbox.home().join(".local/state/sigtool/ledger.db")
}

/// What an attacker does to the ledger, with another SQLite than ours.
pub(crate) fn tamper(sandbox: &Sandbox, statements: &str) {
    let script =
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.executescript(sys.argv[2])";
    let status = Command::new("python3")
        .args(["-c", script])
        .arg(ledger(sandbox))
        .arg(statements)
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn signing_and_verifying_are_entries_with_what_when_who_and_where() {
    let sandbox = sandbox();
    done(&sandbox, &["sign", "app.txt"]);
    done(&sandbox, &["verify", "app.txt"]);
    sandbox.write("app.txt", "tampered");
    run(&sandbox, &["verify", "app.txt"]).code(1);
    let who = Command::new("id").arg("-un").output().unwrap();
    let who = String::from_utf8(who.stdout).unwrap();
    let signed = &rows(&sandbox, &["history"])[2]["execution"];
    assert_eq!(signed["user"], who.trim());
    assert_eq!(signed["user_variable"], "somebody else");
    run(&sandbox, &["history"]).code(0).stdout_eq(str![[r#"
3  [..]  verified, refused: app.txt (sha256:d121be3103007b41edf96f8262925f8c7d61894afe9a041843b631f69445bc57)
    because the artifact has changed: in `app.txt.sigstore.json` the key `a.pub` (key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=) signed sha256:a172cedcae47474b615c54d510a5d84a8dea3032e958587430b413538be3f333, the artifact is sha256:d121be3103007b41edf96f8262925f8c7d61894afe9a041843b631f69445bc57
    by [..] on [..], profile default

2  [..]  verified, valid: app.txt (sha256:a172cedcae47474b615c54d510a5d84a8dea3032e958587430b413538be3f333)
    by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)
    by [..] on [..], profile default

1  [..]  signed app.txt (sha256:a172cedcae47474b615c54d510a5d84a8dea3032e958587430b413538be3f333)
    by a.key (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)
    bundle in app.txt.sigstore.json
    by [..] on [..], profile default

"#]]);
}

#[test]
fn an_entry_is_the_line_that_its_hash_is_of() {
    let sandbox = sandbox();
    done(&sandbox, &["sign", "app.txt"]);
    done(&sandbox, &["verify", "app.txt"]);
    let output = sandbox
        .sigtool()
        .args(["history", "--format", "jsonl"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut after: Option<String> = None;
    for line in text.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let hash = row["hash"].as_str().unwrap();
        let entry = line.replace(&format!(",\"hash\":\"{hash}\""), "");
        assert_eq!(images::digest(entry.as_bytes()), hash);
        assert!(after.is_none_or(|previous| previous == hash));
        after = Some(row["previous"].as_str().unwrap().to_owned());
    }
    assert_eq!(after.unwrap(), format!("sha256:{}", "0".repeat(64)));
}

#[test]
fn results_tell_the_head_that_proves_them_later() {
    let sandbox = sandbox();
    let signed = rows(&sandbox, &["sign", "app.txt"]);
    let head = signed[0]["head"].as_str().unwrap();
    assert!(head.starts_with("1:sha256:"), "{head}");
    let verified = rows(&sandbox, &["verify", "app.txt"]);
    assert!(
        verified[0]["head"]
            .as_str()
            .unwrap()
            .starts_with("2:sha256:")
    );
    done(&sandbox, &["history", "--verify", "--head", head]);
    sandbox.write("app.txt", "tampered");
    sandbox.write("notes.txt", "precious");
    for (number, arguments) in [
        (3, &["verify", "app.txt"][..]),
        (4, &["verify", "."]),
        (5, &["sign", "."]),
        (6, &["sign", "app.txt", "--bundle", "notes.txt"]),
    ] {
        let failed = rows(&sandbox, arguments);
        let head = failed[0]["head"].as_str().unwrap();
        assert!(head.starts_with(&format!("{number}:sha256:")), "{head}");
        done(&sandbox, &["history", "--verify", "--head", head]);
    }
    assert!(
        rows(&sandbox, &["sign", "--no-history", "app.txt"])[0]
            .get("head")
            .is_none()
    );
}

#[test]
fn a_run_in_ci_is_named_by_its_address() {
    let sandbox = sandbox();
    let ci = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_SERVER_URL", "https://github.com"),
        ("GITHUB_REPOSITORY", "acme/shop"),
        ("GITHUB_RUN_ID", "77"),
        ("GITHUB_WORKFLOW", "release"),
        ("GITHUB_JOB", "sign"),
        ("GITHUB_EVENT_NAME", "push"),
        ("GITHUB_ACTOR", "alice"),
        ("GITHUB_SHA", "0a1b2c3d"),
        ("GITHUB_REF", "refs/tags/v1"),
    ];
    let mut command = sandbox.sigtool().args(["sign", "app.txt"]);
    for (name, value) in ci {
        command = command.env(name, value);
    }
    command.assert().code(0);
    let row = &rows(&sandbox, &["history"])[0];
    assert_eq!(
        row["execution"],
        serde_json::json!({
            "system": "github-actions",
            "url": "https://github.com/acme/shop/actions/runs/77",
            "project": "acme/shop",
            "pipeline": "release",
            "run": "77",
            "step": "sign",
            "trigger": "push",
            "triggered_by": "alice",
            "commit": "0a1b2c3d",
            "ref": "refs/tags/v1",
        })
    );
    run(&sandbox, &["custody"]).code(0).stdout_eq(str![[r#"
1  [..]  signed app.txt (sha256:a172cedcae47474b615c54d510a5d84a8dea3032e958587430b413538be3f333)
    by a.key (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)
    bundle in app.txt.sigstore.json
    in github-actions, project acme/shop, pipeline release, run 77, step sign, trigger push, triggered by alice, commit 0a1b2c3d, ref refs/tags/v1, profile default
    https://github.com/acme/shop/actions/runs/77

"#]]);
}

/// Names come from others: none may look like an entry.
#[test]
fn a_name_with_a_line_in_it_is_not_an_entry_of_its_own() {
    let sandbox = sandbox();
    sandbox.write("a\n9  2026-11-25 10:00:00Z  signed evil.txt", "evil");
    // The private keys that lie there are not signed.
    run(&sandbox, &["sign", "--recursive", "."]).code(2);
    for command in ["history", "overview"] {
        let output = sandbox.sigtool().arg(command).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("evil.txt"), "{text}");
        assert!(!text.lines().any(|line| line.starts_with('9')), "{text}");
    }
}

#[test]
fn entries_are_chosen_by_artifact_signer_time_and_number() {
    let sandbox = sandbox();
    sandbox.write("other.txt", "other");
    sandbox.write(
        "chart.tgz",
        sigtool_tests::archives::chart("shop", "1.10.0"),
    );
    done(&sandbox, &["sign", "app.txt", "--jobs", "1"]);
    done(&sandbox, &["sign", "other.txt"]);
    done(&sandbox, &["sign", "--key", "b.key", "app.txt"]);
    done(&sandbox, &["sign", "chart.tgz"]);
    let digest = images::digest(b"app");
    fs::copy(
        sandbox.work().join("app.txt"),
        sandbox.work().join("copy.txt"),
    )
    .unwrap();
    let path = sandbox.work().join("app.txt").display().to_string();
    for word in [
        "app.txt",
        "./app.txt",
        &path,
        "file:app.txt",
        &digest,
        "copy.txt",
    ] {
        assert_eq!(numbers(&sandbox, &[word]), [3, 1], "{word}");
    }
    for word in ["shop", "shop:1.10.0", "chart.tgz"] {
        assert_eq!(numbers(&sandbox, &[word]), [4], "{word}");
    }
    fs::remove_file(sandbox.work().join("app.txt")).unwrap();
    assert_eq!(numbers(&sandbox, &["app.txt"]), [3, 1]);
    assert!(numbers(&sandbox, &["shop:1.9.0"]).is_empty());
    assert_eq!(numbers(&sandbox, &["--signer", "b.key"]), [3]);
    assert_eq!(numbers(&sandbox, &["--signer", "I/dsfvoV"]), [4, 2, 1]);
    assert_eq!(numbers(&sandbox, &["--limit", "2"]), [4, 3]);
    assert_eq!(numbers(&sandbox, &["--since", "1h"]).len(), 4);
    assert_eq!(numbers(&sandbox, &["--since", "2020-01-01"]).len(), 4);
    assert!(numbers(&sandbox, &["--since", "2999-01-01T00:00:00+02:00"]).is_empty());
    run(&sandbox, &["history", "--since", "yesterday"])
        .code(2)
        .stderr_eq(str![[r#"
error: invalid value 'yesterday' for '--since <WHEN>': `yesterday` is not a time: write 90s, 30m, 24h, 7d, 2026-11-25 or 2026-11-25T10:00:00Z

For more information, try '--help'.

"#]]);
}

#[test]
fn without_an_entry_there_is_nothing_to_tell() {
    let sandbox = sandbox();
    run(&sandbox, &["history"])
        .code(0)
        .stdout_eq(str![""])
        .stderr_eq(str![[r#"
note: nothing has been signed or verified here yet, or never with a history

"#]]);
    run(&sandbox, &["overview"])
        .code(0)
        .stdout_eq(str![""])
        .stderr_eq(str![[r#"
note: nothing has been signed here yet, or never with a history

"#]]);
    run(&sandbox, &["history", "--verify"])
        .code(0)
        .stdout_eq(str![[r#"
whole: 0 entries, head 0:sha256:0000000000000000000000000000000000000000000000000000000000000000

"#]])
        .stderr_eq(str![""]);
    assert!(rows(&sandbox, &["history"]).is_empty());
    assert!(rows(&sandbox, &["overview"]).is_empty());
    assert!(!ledger(&sandbox).exists(), "looking makes no ledger");
    done(&sandbox, &["sign", "app.txt"]);
    run(&sandbox, &["history", "nothing.txt"])
        .code(0)
        .stdout_eq(str![""])
        .stderr_eq(str![[r#"
note: no entry is about that
0 of 1 entry, head 1:sha256:[..]

"#]]);
    run(&sandbox, &["overview", "nothing.txt"])
        .code(0)
        .stdout_eq(str![""])
        .stderr_eq(str![[r#"
note: no signature of `nothing.txt` is known here

"#]]);
}

#[test]
fn what_was_tampered_with_is_named_and_refused() {
    for (statements, named) in [
        (
            "DELETE FROM entry WHERE number = 2",
            "entry 2 has been removed",
        ),
        (
            "UPDATE entry SET body = replace(body, 'done', 'fine') WHERE number = 2",
            "entry 2 has been changed",
        ),
        (
            "UPDATE entry SET number = 9 WHERE number = 1; UPDATE entry SET number = 1 WHERE number = 2; UPDATE entry SET number = 2 WHERE number = 9",
            "entry 2 stands in the place of entry 1",
        ),
        (
            "DELETE FROM entry WHERE number = 3",
            "entry 3 is missing at the end",
        ),
        (
            "DELETE FROM current",
            "the list of current signatures does not agree with entry 3",
        ),
    ] {
        let sandbox = sandbox();
        for _ in 0..3 {
            done(&sandbox, &["sign", "app.txt"]);
        }
        done(&sandbox, &["history", "--verify"]);
        tamper(&sandbox, statements);
        let output = sandbox
            .sigtool()
            .args(["history", "--verify"])
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{statements}: {said}");
        assert!(said.contains(named), "{statements}: {said}");
    }
}

/// man/ledger.md: "`history` and `overview` look at what they show". What `history --verify` refuses is not shown as if nothing had happened, nor is a head told that somebody might keep.
#[test]
fn history_and_overview_show_no_entry_that_somebody_changed_and_fail() {
    for (statements, named) in [
        (
            "DELETE FROM entry WHERE number = 2",
            "entry 2 has been removed",
        ),
        (
            "DELETE FROM entry WHERE number = 3",
            "entry 3 is missing at the end",
        ),
        (
            "UPDATE entry SET body = replace(body, 'a.key', 'evil-release.key') WHERE number = 3",
            "entry 3 has been changed",
        ),
        (
            "CREATE TRIGGER t BEFORE INSERT ON entry BEGIN SELECT raise(IGNORE); END",
            "`t` in the ledger's file is not as sigtool makes it",
        ),
    ] {
        let sandbox = sandbox();
        for _ in 0..3 {
            done(&sandbox, &["sign", "app.txt"]);
        }
        tamper(&sandbox, statements);
        for arguments in [
            &["history"][..],
            &["history", "app.txt"],
            &["history", "--format", "jsonl"],
            &["overview"],
            &["overview", "app.txt"],
            &["overview", "--format", "json"],
        ] {
            let output = sandbox.sigtool().args(arguments).output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            let shown = String::from_utf8(output.stdout).unwrap();
            assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
            assert!(said.contains(named), "{arguments:?}: {said}");
            let all = format!("{said}{shown}");
            assert!(!all.contains("evil") && !all.contains("head 2:"), "{all}");
        }
    }
}

#[test]
fn a_head_that_is_not_that_of_the_last_entry_is_refused() {
    let sandbox = sandbox();
    done(&sandbox, &["sign", "app.txt"]);
    let head = ledger(&sandbox).with_extension("head");
    let first = fs::read_to_string(&head).unwrap();
    done(&sandbox, &["sign", "app.txt"]);
    for (written, named) in [
        (
            format!("0:sha256:{}\n", "0".repeat(64)),
            "stand after the head that was written last",
        ),
        (first, "stands after the head that was written last"),
    ] {
        fs::write(&head, written).unwrap();
        for arguments in [&["history"][..], &["overview"], &["history", "--verify"]] {
            let output = sandbox.sigtool().args(arguments).output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
            assert!(said.contains(named), "{arguments:?}: {said}");
        }
        run(&sandbox, &["sign", "app.txt"]).code(3);
    }
}

/// man/ledger.md: "A killed process loses nothing". Wherever it is killed, the ledger is whole, and signing goes on.
#[test]
fn a_process_that_is_killed_between_two_writes_leaves_a_whole_ledger() {
    let Some(strace) = need("strace") else {
        return;
    };
    let sandbox = sandbox();
    let sigtool = sandbox.process();
    for write in 1.. {
        let calls = "write,pwrite64,ftruncate";
        let kill = format!("inject={calls}:signal=KILL:when={write}");
        let mut traced = Command::new(&strace);
        traced.args(["-f", "-qq", "-o", "/dev/null", "-e", &kill]);
        for name in ["ledger.head", "ledger.db", "ledger.db-wal"] {
            traced.arg("-P").arg(ledger(&sandbox).with_file_name(name));
        }
        let environment = sigtool
            .get_envs()
            .filter_map(|(n, value)| Some((n, value?)));
        traced
            .arg(sigtool.get_program())
            .args(["sign", "app.txt"])
            .env_clear()
            .envs(environment)
            .current_dir(sandbox.work());
        let killed = traced.output().unwrap().status.code() != Some(0);
        done(&sandbox, &["history", "--verify"]);
        done(&sandbox, &["history"]);
        done(&sandbox, &["sign", "app.txt"]);
        if !killed {
            assert!(write > 4, "it was killed only {write} times");
            return;
        }
    }
}

#[test]
fn a_cut_ledger_is_refused_for_people_and_programs_and_takes_no_entry() {
    let sandbox = sandbox();
    for _ in 0..3 {
        done(&sandbox, &["sign", "app.txt"]);
    }
    let head = rows(&sandbox, &["verify", "app.txt"])[0]["head"].clone();
    tamper(&sandbox, "DELETE FROM entry WHERE number > 2");
    run(&sandbox, &["history", "--verify"])
        .code(1)
        .stdout_eq(str![""])
        .stderr_eq(str![[r#"
error: the ledger is broken
  caused by: entries 3 to 4 are missing at the end
  caused by: the list of current signatures does not agree with entry 2
  caused by: the list of current signatures does not agree with entry 3
  hint: what it says is no longer proof: compare it with a copy that was kept elsewhere

"#]]);
    run(&sandbox, &["history", "--verify", "--format", "jsonl"])
        .code(1)
        .stdout_eq(str![[r#"
{"status":"broken","head":"2:sha256:[..]","findings":[{"code":"cut-off","found":2,"expected":"4:sha256:[..]","message":"entries 3 to 4 are missing at the end"},{"code":"index-changed","number":2,"message":"the list of current signatures does not agree with entry 2"},{"code":"index-changed","number":3,"message":"the list of current signatures does not agree with entry 3"}]}

"#]]);
    run(&sandbox, &["sign", "app.txt"])
        .code(3)
        .stdout_eq(str![""])
        .stderr_eq(str![[r#"
error: nothing is signed: the ledger cannot be written
  caused by: the ledger is broken: entries 3 to 4 are missing at the end
  hint: see all that is wrong with it: sigtool history --verify
  hint: begin a new one, which keeps this one as evidence: sigtool history restart
  hint: to sign without an entry in the history, add `--no-history`

"#]]);
    run(&sandbox, &["verify", "app.txt"])
        .code(0)
        .stderr_eq(str![[r#"
note: not entered in the history: the ledger is broken: entries 3 to 4 are missing at the end

"#]]);
    // Somebody who can write both files leaves no trace here; a head that was kept elsewhere has one.
    let state = ledger(&sandbox);
    for file in ["ledger.db", "ledger.head"] {
        fs::remove_file(state.with_file_name(file)).unwrap();
    }
    done(&sandbox, &["history", "--verify"]);
    run(
        &sandbox,
        &["history", "--verify", "--head", head.as_str().unwrap()],
    )
    .code(1)
    .stderr_eq(str![[r#"
error: the ledger is broken
  caused by: entries 1 to 4 are missing at the end
  hint: what it says is no longer proof: compare it with a copy that was kept elsewhere

"#]]);
    run(&sandbox, &["history", "--verify", "--head", "4"])
        .code(2)
        .stderr_eq(str![[r#"
error: invalid value '4' for '--head <HEAD>': a head is a number and a hash, such as `12:sha256:…` with 64 hexadecimal digits

For more information, try '--help'.

"#]]);
}

/// man/ledger.md: "`sigtool history restart` moves it and its head aside".
#[test]
fn a_broken_ledger_is_begun_anew_and_the_old_one_kept() {
    let zero = format!("0:sha256:{}", "0".repeat(64));
    for (what, found) in [
        ("cut", "entry 2 is missing at the end"),
        (
            "behind",
            "entries 1 to 2 stand after the head that was written last",
        ),
        (
            "no head",
            "the file of the head beside the ledger is missing, or holds no head",
        ),
        (
            "nonsense for a head",
            "the file of the head beside the ledger is missing, or holds no head",
        ),
        ("gone", "entries 1 to 2 are missing at the end"),
        ("damaged", "it is damaged"),
        ("no version", "it has tables, and no version"),
    ] {
        let sandbox = sandbox();
        done(&sandbox, &["sign", "app.txt"]);
        let signed = rows(&sandbox, &["sign", "app.txt"]);
        let (db, head) = (ledger(&sandbox), ledger(&sandbox).with_extension("head"));
        match what {
            "cut" => tamper(&sandbox, "DELETE FROM entry WHERE number = 2"),
            "behind" => fs::write(&head, &zero).unwrap(),
            "no head" => fs::remove_file(&head).unwrap(),
            "nonsense for a head" => fs::write(&head, "nonsense").unwrap(),
            "gone" => fs::remove_file(&db).unwrap(),
            "damaged" => fs::write(&db, "not a ledger at all".repeat(500)).unwrap(),
            _ => tamper(&sandbox, "PRAGMA user_version = 0"),
        }
        let old = fs::read(&db).ok();
        let refused = sandbox
            .sigtool()
            .args(["sign", "app.txt"])
            .output()
            .unwrap();
        assert_eq!(refused.status.code(), Some(3), "{what}");
        let said = String::from_utf8(refused.stderr).unwrap();
        let offers = said.contains("sigtool history restart");
        assert!(offers, "{what}: {said}");
        let restart = sandbox
            .sigtool()
            .args(["history", "restart", "--format", "json"]);
        let output = restart.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{what}: {output:?}");
        let row: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(
            row["found"][0].as_str().unwrap().contains(found),
            "{what}: {row}"
        );
        if matches!(what, "cut" | "gone" | "damaged") {
            assert_eq!(row["old_head"], signed[0]["head"], "{what}");
        }
        let first = &rows(&sandbox, &["history"])[0];
        assert_eq!(
            (&first["number"], &first["action"]),
            (&1.into(), &"restart".into())
        );
        assert_eq!(
            (&first["reasons"], &first["old_head"]),
            (&row["found"], &row["old_head"])
        );
        let kept = row["moved_to"][0].as_str().unwrap();
        assert_eq!(first["artifact"]["reference"], kept);
        if let Some(old) = old.filter(|_| what == "damaged") {
            assert_eq!(fs::read(kept).unwrap(), old);
        }
        done(&sandbox, &["sign", "app.txt"]);
        done(&sandbox, &["history", "--verify"]);
        done(&sandbox, &["overview"]);
        assert_eq!(numbers(&sandbox, &[]), [2, 1], "{what}");
    }
}

#[test]
fn a_ledger_that_is_whole_is_not_begun_anew() {
    let sandbox = sandbox();
    for _ in 0..2 {
        let before = ledger(&sandbox).exists().then(|| numbers(&sandbox, &[]));
        run(&sandbox, &["history", "restart"])
            .code(2)
            .stdout_eq("")
            .stderr_eq(str![[r#"
error: the ledger is not broken
  hint: it stays as it is: sigtool history

"#]]);
        assert_eq!(
            ledger(&sandbox).exists().then(|| numbers(&sandbox, &[])),
            before
        );
        done(&sandbox, &["sign", "app.txt"]);
    }
}

#[test]
fn what_failed_is_entered_too() {
    let sandbox = sandbox();
    sandbox.write("notes.txt", "precious");
    run(&sandbox, &["sign", "--bundle", "notes.txt", "app.txt"]).code(2);
    let row = &rows(&sandbox, &["history"])[0];
    assert_eq!(
        (&row["action"], &row["result"]),
        (&"sign".into(), &"failed".into())
    );
    assert!(
        row["reasons"][0]
            .as_str()
            .unwrap()
            .starts_with("cannot sign")
    );
    // A file that was named and is not there was not signed in vain.
    run(&sandbox, &["sign", "nothing.txt"]).code(2);
    assert_eq!(numbers(&sandbox, &[]), [1]);
}

#[test]
fn where_the_ledger_cannot_be_written_nothing_is_signed_unless_no_history_is_wanted() {
    let sandbox = sandbox();
    done(&sandbox, &["sign", "app.txt"]);
    fs::remove_file(sandbox.work().join("app.txt.sigstore.json")).unwrap();
    let Some(sigtool) = person::ordinary(&sandbox) else {
        return;
    };
    let state = ledger(&sandbox).parent().unwrap().to_owned();
    let mode = |mode| fs::set_permissions(&state, fs::Permissions::from_mode(mode)).unwrap();
    for file in ["ledger.db", "ledger.head"] {
        let file = state.join(file);
        fs::set_permissions(file, fs::Permissions::from_mode(0o400)).unwrap();
    }
    mode(0o500);
    let said = |arguments: &[&str]| {
        let output = sigtool().args(arguments).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), stderr)
    };
    let (code, stderr) = said(&["sign", "app.txt"]);
    assert_eq!(code, 3, "{stderr}");
    assert!(
        stderr.contains("nothing is signed: the ledger cannot be written"),
        "{stderr}"
    );
    assert!(stderr.contains("--no-history"), "{stderr}");
    assert!(!sandbox.work().join("app.txt.sigstore.json").exists());
    assert_eq!(said(&["sign", "--no-history", "app.txt"]).0, 0);
    let (code, stderr) = said(&["verify", "app.txt"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("not entered in the history"), "{stderr}");
    assert_eq!(
        said(&["verify", "--no-history", "app.txt"]),
        (0, String::new())
    );
    // What is there can be read all the same.
    let (code, stderr) = said(&["history", "--verify"]);
    assert_eq!(code, 0, "{stderr}");
    mode(0o700);
}

#[test]
fn without_a_home_signing_says_what_is_missing() {
    let sandbox = sandbox();
    let arguments = ["sign", "--key", "a.key", "app.txt"];
    let homeless = |arguments: &[&str]| {
        let mut command = sandbox.sigtool().args(arguments);
        for variable in [
            "HOME",
            "XDG_CONFIG_HOME",
            "XDG_DATA_HOME",
            "XDG_STATE_HOME",
            "XDG_CACHE_HOME",
        ] {
            command = command.env_remove(variable);
        }
        sandbox.seen(command)
    };
    homeless(&arguments)
        .code(3)
        .stdout_eq(str![""])
        .stderr_eq(str![[r#"
error: nothing is signed: the ledger cannot be written
  caused by: there is no HOME, so there is no place for it
  hint: to sign without an entry in the history, add `--no-history`

"#]]);
    homeless(&[&arguments[..], &["--no-history"]].concat())
        .code(0)
        .stderr_eq(str![""]);
    homeless(&["verify", "--key", "a.pub", "app.txt"])
        .code(0)
        .stderr_eq(str![[r#"
note: not entered in the history: there is no HOME, so there is no place for it

"#]]);
    // Nobody knows whether there is one, so nothing can be called whole or empty.
    for question in [&["history"][..], &["history", "--verify"], &["overview"]] {
        homeless(question).code(3).stderr_eq(str![[r#"
error: cannot read the ledger
  caused by: there is no HOME, so there is no place for it
  hint: set HOME, or XDG_STATE_HOME to the folder that `sigtool` is in

"#]]);
    }
}

/// A copy taken beside the log of a writer would lack what is in it.
#[test]
fn two_files_are_the_whole_ledger_after_each_run() {
    let sandbox = sandbox();
    sandbox.write("other.txt", "other");
    sandbox.write("notes.txt", "precious");
    let state = ledger(&sandbox).parent().unwrap().to_owned();
    for (entries, code, arguments) in [
        (1, 0, &["sign", "app.txt"][..]),
        (2, 0, &["verify", "app.txt"]),
        (4, 0, &["sign", "app.txt", "other.txt"]),
        (5, 2, &["sign", "app.txt", "--bundle", "notes.txt"]),
        (6, 1, &["verify", "--key", "b.pub", "app.txt"]),
        (6, 0, &["history"]),
        (6, 0, &["overview", "app.txt"]),
        (6, 0, &["history", "--verify"]),
    ] {
        run(&sandbox, arguments).code(code);
        let files = fs::read_dir(&state).unwrap();
        let mut files: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
        files.sort();
        assert_eq!(files, ["ledger.db", "ledger.head"], "{arguments:?}");
        let elsewhere = self::sandbox();
        let copy = ledger(&elsewhere);
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        for file in files {
            fs::copy(state.join(&file), copy.with_file_name(&file)).unwrap();
        }
        let head = fs::read_to_string(state.join("ledger.head")).unwrap();
        assert!(head.starts_with(&format!("{entries}:")), "{head}");
        done(&elsewhere, &["history", "--verify", "--head", head.trim()]);
    }
}

/// Ten thousand entries, eight processes at once.
#[test]
fn processes_at_once_lose_no_entry_and_keep_the_chain() {
    const PROCESSES: usize = 8;
    const EACH: usize = 1250;
    let sandbox = sandbox();
    for process in 0..PROCESSES {
        let folder = sandbox.work().join(format!("stage{process}"));
        fs::create_dir(&folder).unwrap();
        for file in 0..EACH {
            fs::write(
                folder.join(format!("{file}.txt")),
                format!("{process} {file}"),
            )
            .unwrap();
        }
    }
    let start = |process: usize| {
        sandbox
            .process()
            .args(["sign", "--recursive", "--quiet", &format!("stage{process}")])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let running: Vec<_> = (0..PROCESSES).map(start).collect();
    for process in running {
        let output = process.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
    }
    let proof = sandbox
        .sigtool()
        .args(["history", "--verify", "--format", "json"])
        .output()
        .unwrap();
    let proof: Value = serde_json::from_slice(&proof.stdout).unwrap();
    assert_eq!(proof["status"], "whole", "{proof}");
    let head = proof["head"].as_str().unwrap();
    assert!(
        head.starts_with(&format!("{}:", PROCESSES * EACH)),
        "{head}"
    );
    assert_eq!(numbers(&sandbox, &["stage3/17.txt"]).len(), 1);
}

/// The places of the signatures that `overview` lists.
fn locations(sandbox: &Sandbox, arguments: &[&str]) -> Vec<String> {
    let all = [&["overview"], arguments].concat();
    let groups = rows(sandbox, &all);
    let signatures = groups.iter().flat_map(|group| {
        let signatures = group["signatures"].as_array().unwrap();
        signatures.iter().map(|s| s["location"].as_str().unwrap())
    });
    signatures.map(str::to_owned).collect()
}

#[test]
fn a_file_is_one_artifact_whichever_way_its_path_is_written() {
    let sandbox = sandbox();
    let work = sandbox.work();
    fs::create_dir(work.join("d")).unwrap();
    std::os::unix::fs::symlink(".", work.join("lnk")).unwrap();
    let below = sandbox.sigtool().args(["sign", "../app.txt"]);
    below.current_dir(work.join("d")).assert().code(0);
    for path in ["app.txt", "lnk/app.txt", "d/../lnk/app.txt", "./app.txt"] {
        done(&sandbox, &["sign", path]);
    }
    sandbox.write("d/e.txt", "e");
    done(&sandbox, &["sign", "--recursive", "lnk/d"]);
    done(&sandbox, &["sign", "d/e.txt"]);
    let work = work.canonicalize().unwrap();
    let beside = |name: &str| format!("{}/{name}.sigstore.json", work.display());
    assert_eq!(
        locations(&sandbox, &[]),
        [beside("d/e.txt"), beside("app.txt")]
    );
    for path in ["app.txt", "lnk/app.txt", "d/../app.txt"] {
        let [group] = &rows(&sandbox, &["overview", path])[..] else {
            panic!("{path}");
        };
        assert_eq!(group.get("foreign"), None, "{path}");
    }
    // Named from each other's folder, they are still named twice.
    let twice = run(&sandbox, &["sign", "app.txt", "lnk/app.txt"]).code(0);
    twice.stderr_eq("note: 1 artifact is named more than once\n");
}

#[test]
fn a_link_is_an_artifact_of_its_own() {
    let sandbox = sandbox();
    std::os::unix::fs::symlink("app.txt", sandbox.work().join("link.txt")).unwrap();
    done(&sandbox, &["sign", "app.txt", "link.txt"]);
    assert_eq!(locations(&sandbox, &[]).len(), 2);
    assert!(sandbox.work().join("link.txt.sigstore.json").exists());
}

#[test]
fn where_a_signature_was_written_to_is_one_place_too() {
    let sandbox = sandbox();
    fs::create_dir(sandbox.work().join("d")).unwrap();
    for bundle in ["x.json", "d/../x.json"] {
        done(&sandbox, &["sign", "app.txt", "--bundle", bundle]);
    }
    assert_eq!(locations(&sandbox, &[]).len(), 1);
}

#[test]
fn what_is_gone_is_found_by_each_of_its_names() {
    let sandbox = sandbox();
    let folder = sandbox.work().join("d");
    fs::create_dir_all(sandbox.work().join("@acme")).unwrap();
    fs::create_dir(&folder).unwrap();
    for name in ["q@1.txt", "@acme/p@1.0.tgz", "d/gone.txt"] {
        sandbox.write(name, name);
    }
    let below = sandbox.sigtool().args(["sign", "../q@1.txt"]);
    below.current_dir(&folder).assert().code(0);
    let both = ["./@acme/p@1.0.tgz", "d/../d/gone.txt"];
    done(&sandbox, &[&["sign", "--jobs", "1"], &both[..]].concat());
    fs::remove_file(sandbox.work().join("q@1.txt")).unwrap();
    fs::remove_dir_all(sandbox.work().join("@acme")).unwrap();
    fs::remove_dir_all(folder).unwrap();
    let whole = |name: &str| sandbox.work().join(name).display().to_string();
    for (number, names) in [
        (
            1,
            ["./q@1.txt", "q@1.txt", "file:q@1.txt", &whole("q@1.txt")],
        ),
        (
            2,
            [
                "@acme/p@1.0.tgz",
                "./@acme/p@1.0.tgz",
                "file:@acme/p@1.0.tgz",
                &whole("@acme/p@1.0.tgz"),
            ],
        ),
        (
            3,
            [
                "d/gone.txt",
                "file:d/gone.txt",
                "x/../d/gone.txt",
                &whole("d/../d/gone.txt"),
            ],
        ),
    ] {
        for name in names {
            assert_eq!(numbers(&sandbox, &[name]), [number], "{name}");
        }
    }
}

#[test]
fn longer_ago_than_any_time_is_since_ever() {
    let sandbox = sandbox();
    done(&sandbox, &["sign", "app.txt"]);
    for since in [
        "5000000d",
        "4294967295d",
        "18446744073709551615ms",
        "900000d",
        "9999999h",
    ] {
        assert_eq!(numbers(&sandbox, &["--since", since]), [1], "{since}");
    }
    run(&sandbox, &["history", "--since", "2026"]).code(2).stderr_eq(str![[r#"
error: invalid value '2026' for '--since <WHEN>': `2026` is not a time: write 90s, 30m, 24h, 7d, 2026-11-25 or 2026-11-25T10:00:00Z

For more information, try '--help'.

"#]]);
}

#[test]
fn nothing_is_said_of_entries_that_nobody_asked_for() {
    let sandbox = sandbox();
    done(&sandbox, &["sign", "app.txt"]);
    let none = run(&sandbox, &["history", "--limit", "0"]);
    none.code(0)
        .stdout_eq("")
        .stderr_eq("0 of 1 entry, head 1:sha256:[..]\n");
}

#[test]
fn a_key_is_found_by_its_path_and_by_what_history_prints() {
    let sandbox = sandbox();
    fs::create_dir(sandbox.home().join("keys")).unwrap();
    for name in ["a.key", "a.pub"] {
        let from = sandbox.work().join(name);
        fs::rename(from, sandbox.home().join("keys").join(name)).unwrap();
    }
    sandbox.write_config(
        "[profile.default.signer]\nbackend = \"cosign-key\"\nkey = \"~/keys/a.key\"\npassword = { env = \"SIGTOOL_PASSWORD\" }\n\
         [profile.default.verify]\nkeys = [\"~/keys/a.pub\"]\n",
    );
    done(&sandbox, &["sign", "app.txt"]);
    done(&sandbox, &["verify", "app.txt"]);
    let in_home = |name: &str| sandbox.home().join(name).display().to_string();
    for key in ["~/keys/a.key", &in_home("keys/a.key")] {
        assert_eq!(numbers(&sandbox, &["--signer", key]), [1], "{key}");
    }
    for key in ["~/keys/a.pub", &in_home("keys/a.pub")] {
        assert_eq!(numbers(&sandbox, &["--signer", key]), [2], "{key}");
    }

    // Below the working directory it is printed without the way there.
    keys::put_with_profile(&sandbox);
    done(&sandbox, &["sign", "app.txt"]);
    done(&sandbox, &["verify", "app.txt"]);
    for (number, key) in [(3, "a.key"), (4, "a.pub")] {
        let whole = sandbox.work().join(key).display().to_string();
        for key in [key, &whole] {
            assert_eq!(numbers(&sandbox, &["--signer", key]), [number], "{key}");
        }
    }
}
