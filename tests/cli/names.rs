//! Names that are not UTF-8: each is a failure that tells it, and loses nothing else.

use serde_json::Value;
use sigtool_tests::{Sandbox, keys};
use snapbox::cmd::OutputAssert;
use snapbox::str;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

/// A sandbox with a profile that signs with `a`, and two files in a folder, one of which is named in Latin-1. `None` where the file
/// system takes text only.
fn sandbox() -> Option<Sandbox> {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sigtool"));
    keys::put_with_profile(&sandbox);
    sandbox.write("rel/a.txt", "good");
    std::fs::write(sandbox.work().join(latin()), "evil").ok()?;
    Some(sandbox)
}

fn latin() -> PathBuf {
    OsStr::from_bytes(b"rel/caf\xe9.txt").into()
}

fn run(sandbox: &Sandbox, arguments: &[impl AsRef<OsStr>]) -> OutputAssert {
    sandbox.sigtool().args(arguments).assert()
}

#[test]
fn a_pattern_that_matches_one_signs_the_others() {
    let Some(sandbox) = sandbox() else { return };
    for pattern in ["rel/*.txt", "rel/*", "**/*.txt"] {
        run(&sandbox, &["sign", pattern])
            .code(2)
            .stdout_eq(str![[r#"
signed[..] rel/a.txt → rel/a.txt.sigstore.json

"#]])
            .stderr_eq(str![[r#"
error: `rel/caf/xE9.txt` is not UTF-8
  caused by: a backend and a report get it as text
  hint: rename `rel/caf/xE9.txt`
1 artifact signed, 1 failed:
  rel/caf/xE9.txt

"#]]);
    }
    run(&sandbox, &["verify", "rel/a*"]).code(0);
    run(&sandbox, &["verify", "--quiet", "rel/*"]).code(2);
    // One that has no match is told as such.
    run(&sandbox, &["verify", "rel/*.jar"])
        .code(2)
        .stderr_eq(str![[r#"
error: no artifact matches `rel/*.jar`

"#]]);
}

#[test]
fn a_word_and_a_line_of_a_list_may_be_one() {
    let Some(sandbox) = sandbox() else { return };
    let latin = latin();
    let words = [
        OsStr::new("sign"),
        latin.as_os_str(),
        OsStr::new("rel/a.txt"),
    ];
    run(&sandbox, &words).code(2).stdout_eq(str![[r#"
signed rel/a.txt → rel/a.txt.sigstore.json

"#]]);
    sandbox.write("list", b"rel/caf\xe9.txt\nrel/a.txt\nrel/\xff*\n");
    let listed = ["verify", "--format", "jsonl", "--from-file", "list"];
    let output = run(&sandbox, &listed).code(2).get_output().stdout.clone();
    let rows = String::from_utf8(output).unwrap();
    let rows: Vec<Value> = rows
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let row = |row: &Value| (row["artifact"].clone(), row["status"].clone());
    assert_eq!(row(&rows[0]), (r"rel/caf\xE9.txt".into(), "failed".into()));
    assert_eq!(row(&rows[1]), ("rel/a.txt".into(), "valid".into()));
    assert_eq!(row(&rows[2]), (r"rel/\xFF*".into(), "failed".into()));
}

#[test]
fn another_word_that_is_one_is_named() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sigtool"));
    let key = OsStr::from_bytes(b"k\xff.key");
    let words = [
        OsStr::new("sign"),
        OsStr::new("--key"),
        key,
        OsStr::new("f"),
    ];
    run(&sandbox, &words).code(2).stderr_eq(str![[r#"
error: `k/xFF.key` is not UTF-8
  caused by: a backend and a report get it as text
  hint: rename `k/xFF.key`

"#]]);
}

#[test]
fn a_working_folder_whose_path_is_one_is_told_and_no_bug() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sigtool"));
    keys::put_with_profile(&sandbox);
    let folder = sandbox.work().join(OsStr::from_bytes(b"w\xff"));
    if std::fs::create_dir(&folder).is_err() {
        return; // This file system takes text only.
    }
    std::fs::write(folder.join("f.txt"), "x").unwrap();
    for name in ["a.key", "a.pub"] {
        std::fs::copy(sandbox.work().join(name), folder.join(name)).unwrap();
    }
    let told = |words: &[&str]| {
        let output = sandbox.sigtool().args(words).current_dir(&folder).assert();
        let output = output.code(2).get_output().clone();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.contains(r"/here/w\xFF` is not UTF-8") || said.contains(r"hint: rename `/"),
            "{said}"
        );
        assert!(said.contains(r"/here/w\xFF"), "{said}");
    };
    told(&["sign", "--key", "a.key", "f.txt"]);
    told(&["sign", "f.txt"]);
    told(&["sign", "--recursive", "."]);
    told(&["verify", "f.txt"]);
    told(&["key", "show", "a.key"]);
    told(&["key", "generate", "--output-key-prefix", "k"]);
    // What needs no text works.
    sandbox
        .sigtool()
        .args(["inspect", "a.pub"])
        .current_dir(&folder)
        .assert()
        .code(0);
}
