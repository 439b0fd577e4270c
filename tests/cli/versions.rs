//! What an earlier version left: a ledger and a local store of version 1, in `data/state-of-version-1`, as later versions find them.

use crate::custody::tamper;
use serde_json::Value;
use sigtool_tests::images::MANIFEST;
use sigtool_tests::registry::Registry;
use sigtool_tests::{Sandbox, keys, person, tests_folder};
use snapbox::str;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

const STATE: [&str; 3] = ["ledger.db", "ledger.head", "signatures.db"];

fn data() -> PathBuf {
    tests_folder().join("cli/data/state-of-version-1")
}

/// A sandbox with the keys of the tests and the state of version 1.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sigtool"));
    keys::put(&sandbox);
    fs::create_dir_all(state(&sandbox)).unwrap();
    for file in STATE {
        fs::copy(data().join(file), state(&sandbox).join(file)).unwrap();
    }
    sandbox
}

fn state(sandbox: &Sandbox) -> PathBuf {
    sandbox.home().join(".local/state/sigtool")
}

fn content(folder: &Path) -> Vec<Vec<u8>> {
    STATE
        .map(|file| fs::read(folder.join(file)).unwrap())
        .to_vec()
}

fn told(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    let command = sandbox.sigtool().args(arguments).args(["--format", "json"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Requires that all that was said then is said now; a later version may say more.
fn require_said(then: &Value, now: &Value, place: &str) {
    match (then, now) {
        (Value::Object(then), Value::Object(now)) => {
            for (key, value) in then {
                let now = now.get(key).unwrap_or(&Value::Null);
                require_said(value, now, &format!("{place}.{key}"));
            }
        }
        (Value::Array(then), Value::Array(now)) => {
            assert_eq!(then.len(), now.len(), "{place}");
            for (i, (then, now)) in then.iter().zip(now).enumerate() {
                require_said(then, now, &format!("{place}[{i}]"));
            }
        }
        _ => assert_eq!(then, now, "{place}"),
    }
}

/// What `history`, `overview` and `history --verify` said when the state was made, they still say.
fn require_all_said(sandbox: &Sandbox) {
    for (name, arguments) in [
        ("history", &["history"][..]),
        ("overview", &["overview"]),
        ("proof", &["history", "--verify"]),
    ] {
        let then = fs::read(data().join("said").join(format!("{name}.json"))).unwrap();
        let then = serde_json::from_slice(&then).unwrap();
        require_said(&then, &told(sandbox, arguments), name);
    }
}

#[test]
fn what_an_earlier_version_entered_is_told_as_it_told_it() {
    let sandbox = sandbox();
    require_all_said(&sandbox);
    let head = fs::read_to_string(data().join("ledger.head")).unwrap();
    let head = head.trim();
    told(&sandbox, &["history", "--verify", "--head", head]);
    sandbox.write("new.txt", "new");
    let signed = told(&sandbox, &["sign", "--key", "a.key", "new.txt"]);
    assert!(signed[0]["head"].as_str().unwrap().starts_with("23:"));
    told(&sandbox, &["history", "--verify", "--head", head]);
}

#[test]
fn what_an_earlier_version_signed_is_verified() {
    let sandbox = sandbox();
    for file in fs::read_dir(data().join("shop")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), sandbox.work().join(file.file_name())).unwrap();
    }
    let both = ["--key", "a.pub", "--key", "ed.pub", "--require", "all"];
    told(&sandbox, &[&["verify", "app.txt"][..], &both].concat());
    told(&sandbox, &["verify", "shop-2.1.0.tgz", "--key", "a.pub"]);
    fs::remove_file(sandbox.work().join("shop-2.1.0.tgz.sigstore.json")).unwrap();
    told(&sandbox, &["verify", "shop-2.1.0.tgz", "--key", "a.pub"]);
}

#[test]
fn an_image_is_verified_by_what_an_earlier_version_kept() {
    let sandbox = sandbox();
    let Some(registry) = Registry::docker() else {
        return;
    };
    let made = data().join("images/worker");
    for blob in ["layer", "config.json"] {
        registry.push_blob("acme/worker", &fs::read(made.join(blob)).unwrap());
    }
    let manifest = fs::read_to_string(made.join("manifest.json")).unwrap();
    registry.push_manifest("acme/worker", "2.1", MANIFEST, &manifest);
    let image = format!("{}/acme/worker:2.1", registry.host());
    let verify = ["verify", &image, "--key", "a.pub", "--key", "ed.pub"];
    let verified = &told(&sandbox, &[&verify[..], &["--require", "all"]].concat())[0];
    assert_eq!(verified["status"], "valid", "{verified}");
    let annotated = ["verify", &image, "--key", "a.pub"];
    told(
        &sandbox,
        &[&annotated[..], &["--annotations", "stage=test"]].concat(),
    );
    // What is signed now is kept beside it.
    told(&sandbox, &["sign", "--key", "b.key", &image]);
    told(&sandbox, &["verify", &image, "--key", "b.pub"]);
    told(&sandbox, &verify);
}

#[test]
fn where_nothing_can_be_written_the_state_is_read_as_it_is() {
    let sandbox = sandbox();
    let state = state(&sandbox);
    let Some(sigtool) = person::ordinary(&sandbox) else {
        return;
    };
    let before = content(&state);
    for file in STATE {
        let file = state.join(file);
        fs::set_permissions(file, fs::Permissions::from_mode(0o400)).unwrap();
    }
    fs::set_permissions(&state, fs::Permissions::from_mode(0o500)).unwrap();
    let output = sigtool().args(["history", "--verify"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let head = fs::read_to_string(data().join("ledger.head")).unwrap();
    let said = format!("whole: 22 entries, head {head}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), said);
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(content(&state), before);
    assert_eq!(fs::read_dir(&state).unwrap().count(), STATE.len());
}

#[test]
fn what_a_later_version_made_is_left_alone_and_not_called_broken() {
    let sandbox = sandbox();
    tamper(&sandbox, "PRAGMA user_version = 99");
    let before = content(&state(&sandbox));
    sandbox.write("app.txt", "app");
    let run = |arguments: &[&str]| sandbox.seen(sandbox.sigtool().args(arguments));
    run(&["sign", "--key", "a.key", "app.txt"]).code(3).stderr_eq(str![[r#"
error: nothing is signed: the ledger cannot be written
  caused by: the ledger `[..]/ledger.db` was made by a later version of sigtool (its version is 99, this one knows 1)
  hint: to sign without an entry in the history, add `--no-history`

"#]]);
    for arguments in [&["history"][..], &["history", "--verify"], &["overview"]] {
        run(arguments).code(3).stderr_eq(str![[r#"
error: cannot read the ledger
  caused by: the ledger `[..]/ledger.db` was made by a later version of sigtool (its version is 99, this one knows 1)

"#]]);
    }
    assert_eq!(content(&state(&sandbox)), before);
}
