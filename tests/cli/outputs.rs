//! Where something is written because somebody named the place: nothing is replaced unasked, and a private key never.
//!
//! SECURITY.md: "Nothing is replaced unasked." And what becomes of a run whose standard output takes nothing more.

use sigtool_tests::{Sandbox, keys};
use snapbox::str;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Output, Stdio};

/// A sandbox with the keys `a`, `b` and `ed`, a profile that signs with `a`, a file, and one that is not to be lost.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sigtool"));
    keys::put_with_profile(&sandbox);
    sandbox.write("app.txt", "an app\n");
    sandbox.write("notes", "precious\n");
    sandbox
}

fn read(sandbox: &Sandbox, name: &str) -> Vec<u8> {
    fs::read(sandbox.work().join(name)).unwrap()
}

/// Runs sigtool, which ends with this code. Gives what it said on stderr.
#[track_caller]
fn run(sandbox: &Sandbox, code: i32, line: &str) -> String {
    let words = line.split(' ');
    let ran = sandbox
        .sigtool()
        .env("SIGTOOL_NEW_PASSWORD", "")
        .args(words)
        .output()
        .unwrap();
    let said = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(code), "{line}: {said}");
    said
}

#[test]
fn a_public_key_is_written_over_no_file_unless_one_says_so() {
    let sandbox = sandbox();
    sandbox
        .sigtool()
        .args(["key", "export-public", "a.key", "-o", "notes"])
        .assert()
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: `notes` is there already
  hint: name another file, or replace it with `--overwrite`

"#]]);
    assert_eq!(read(&sandbox, "notes"), b"precious\n");
    run(&sandbox, 0, "key export-public a.key -o new.pub");
    run(&sandbox, 2, "key export-public b.key -o new.pub");
    // The same key again changes nothing.
    run(&sandbox, 0, "key export-public a.key -o new.pub");
    assert_eq!(read(&sandbox, "new.pub"), read(&sandbox, "a.pub"));
    run(&sandbox, 0, "key export-public a.key -o notes --overwrite");
    assert_eq!(read(&sandbox, "notes"), read(&sandbox, "a.pub"));
    let said = run(&sandbox, 2, "key export-public a.key -o gone/a.pub");
    assert!(said.contains("there is no folder `gone`"), "{said}");
}

#[test]
fn nothing_that_is_written_replaces_a_private_key() {
    let sandbox = sandbox();
    run(&sandbox, 0, "key generate --output-key-prefix locked");
    let names = ["a.key", "b.key", "ed.key", "locked.key"];
    let before = names.map(|name| read(&sandbox, name));
    for name in names {
        for line in [
            format!("key export-public {name} -o {name}"),
            format!("key export-public a.key -o {name} --overwrite"),
            format!("sign --bundle {name} app.txt"),
            format!("sign --bundle {name} --overwrite app.txt"),
            format!("sign --signature {name} --overwrite app.txt"),
        ] {
            let said = run(&sandbox, 2, &line);
            assert!(said.contains("private key"), "{line}: {said}");
            assert!(!said.contains("--overwrite"), "{line}: {said}");
        }
    }
    assert_eq!(names.map(|name| read(&sandbox, name)), before);
    // Nor where a public one would go.
    fs::copy(
        sandbox.work().join("ed.key"),
        sandbox.work().join("locked.pub"),
    )
    .unwrap();
    let said = run(
        &sandbox,
        2,
        "key generate --output-key-prefix locked --overwrite",
    );
    assert!(said.contains("locked.pub` holds a private key"), "{said}");
    assert_eq!(read(&sandbox, "locked.pub"), read(&sandbox, "ed.key"));
}

#[test]
fn a_link_and_a_device_are_neither_replaced_nor_followed() {
    let sandbox = sandbox();
    symlink("notes", sandbox.work().join("link")).unwrap();
    symlink("/dev/null", sandbox.work().join("null")).unwrap();
    symlink("gone", sandbox.work().join("dangling")).unwrap();
    for name in ["link", "null", "dangling", "/dev/null", "."] {
        for line in [
            format!("key export-public a.key --overwrite -o {name}"),
            format!("sign --overwrite --bundle {name} app.txt"),
            format!("sign --overwrite --signature {name} app.txt"),
        ] {
            let said = run(&sandbox, 2, &line);
            let kinds = ["a symbolic link", "a character device", "a folder"];
            let told = kinds.iter().any(|kind| said.contains(kind));
            assert!(told, "{line}: {said}");
        }
    }
    for name in ["link", "null", "dangling"] {
        assert!(sandbox.work().join(name).is_symlink());
    }
    assert_eq!(read(&sandbox, "notes"), b"precious\n");
}

#[test]
fn a_dash_is_standard_output() {
    let sandbox = sandbox();
    sandbox
        .sigtool()
        .args(["key", "export-public", "a.key", "-o", "-"])
        .assert()
        .success()
        .stdout_eq(String::from_utf8(read(&sandbox, "a.pub")).unwrap());
    assert!(!sandbox.work().join("-").exists());
}

#[test]
fn a_signature_is_written_over_ones_own_earlier_one_and_over_nothing_else() {
    let sandbox = sandbox();
    run(&sandbox, 0, "sign --bundle out.json app.txt");
    run(&sandbox, 0, "sign --bundle out.json app.txt");
    sandbox.write("app.txt", "a newer app\n");
    run(&sandbox, 0, "sign --bundle out.json app.txt");
    run(&sandbox, 0, "sign --signature out.sig app.txt");
    run(&sandbox, 0, "sign --signature out.sig app.txt");
    sandbox.write("other", "precious too\n");
    let names = ["out.json", "out.sig", "notes", "other"];
    for line in [
        "sign --key b.key --bundle out.json app.txt",
        "sign --key b.key --signature out.sig app.txt",
        "sign --bundle notes app.txt",
        "sign --signature other app.txt",
    ] {
        let before = names.map(|name| read(&sandbox, name));
        let said = run(&sandbox, 2, line);
        assert!(
            said.contains("or replace it with `--overwrite`"),
            "{line}: {said}"
        );
        let after = names.map(|name| read(&sandbox, name));
        assert_eq!(after, before, "{line}");
        run(&sandbox, 0, &format!("{line} --overwrite"));
    }
    // One that says neither its key nor its digest may be somebody else's.
    sandbox.write("app.txt", "the newest app\n");
    let said = run(&sandbox, 2, "sign --signature out.sig app.txt");
    assert!(said.contains("does not say whose it is"), "{said}");
    run(&sandbox, 0, "sign --signature out.sig --overwrite app.txt");
}

#[test]
fn a_key_that_is_replaced_is_kept() {
    let sandbox = sandbox();
    let generate = "key generate --output-key-prefix release";
    run(&sandbox, 0, generate);
    let (key, public) = (read(&sandbox, "release.key"), read(&sandbox, "release.pub"));
    let said = run(&sandbox, 0, &format!("{generate} --overwrite"));
    assert!(said.contains("is kept as `release.old`"), "{said}");
    assert_eq!(read(&sandbox, "release.old"), key);
    run(&sandbox, 0, "sign --key release.old app.txt");
    run(&sandbox, 1, "verify --key release.pub app.txt");
    sandbox.write("former.pub", &public);
    run(&sandbox, 0, "verify --key former.pub app.txt");
    // The next one does not push it out.
    let now = read(&sandbox, "release.key");
    let import = "key import --key ed.key --output-key-prefix release --overwrite";
    let said = run(&sandbox, 0, import);
    assert!(said.contains("is kept as `release.old.2`"), "{said}");
    assert_eq!(read(&sandbox, "release.old"), key);
    assert_eq!(read(&sandbox, "release.old.2"), now);
}

/// Runs sigtool with a standard output that nobody reads.
fn unread(sandbox: &Sandbox, line: &str) -> (Option<i32>, String) {
    let mut command = sandbox.process();
    command.args(line.split(' ')).stdin(Stdio::null());
    let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    drop(child.stdout.take());
    ended(child.wait_with_output().unwrap())
}

/// Runs sigtool with a standard output that is full.
fn full(sandbox: &Sandbox, line: &str) -> (Option<i32>, String) {
    let full = fs::OpenOptions::new().write(true).open("/dev/full");
    let mut command = sandbox.process();
    command
        .env("SIGTOOL_NEW_PASSWORD", "")
        .args(line.split(' '));
    command.stdin(Stdio::null()).stdout(full.unwrap());
    ended(command.output().unwrap())
}

fn ended(output: Output) -> (Option<i32>, String) {
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said)
}

/// How many signatures lie there, each of which is in the history.
#[track_caller]
fn signed(sandbox: &Sandbox) -> usize {
    let names = fs::read_dir(sandbox.work()).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let signatures = names.filter(|name| name.ends_with(".sigstore.json"));
    let signatures = signatures.count();
    let history = sandbox.sigtool().args(["history", "--format=jsonl"]);
    let history = String::from_utf8(history.output().unwrap().stdout).unwrap();
    let entries = history
        .lines()
        .filter(|line| line.contains(r#""action":"sign","result":"done""#));
    assert_eq!(entries.count(), signatures, "{history}");
    sandbox
        .sigtool()
        .args(["history", "--verify"])
        .assert()
        .success();
    signatures
}

#[test]
fn a_reader_that_leaves_ends_the_run_in_good_order() {
    let sandbox = sandbox();
    let (code, said) = unread(&sandbox, "sign --jobs 1 app.txt notes a.pub");
    assert_eq!(
        said,
        "stopped, since the output cannot be written: 1 artifact signed\n2 artifacts not tried\n"
    );
    assert_eq!(code, Some(141));
    assert_eq!(signed(&sandbox), 1);
    // Of several at once what has begun is finished.
    let names: Vec<String> = (0..100).map(|n| format!("{n}.txt")).collect();
    for name in &names {
        sandbox.write(name, name);
    }
    let (code, said) = unread(&sandbox, &format!("sign --jobs 4 {}", names.join(" ")));
    assert_eq!(code, Some(141), "{said}");
    assert!(signed(&sandbox) < 100, "{said}");
    // Who only looks needs no message, and a refusal is the more serious.
    assert_eq!(unread(&sandbox, "history"), (Some(141), String::new()));
    assert_eq!(unread(&sandbox, "--help"), (Some(141), String::new()));
    let (code, _) = unread(&sandbox, "verify --key b.pub app.txt");
    assert_eq!(code, Some(1));
}

#[test]
fn an_output_that_is_full_is_an_error_and_what_was_done_is_entered() {
    let sandbox = sandbox();
    let (code, said) = full(&sandbox, "sign --jobs 1 app.txt notes");
    assert_eq!(
        said,
        "stopped, since the output cannot be written: 1 artifact signed\n1 artifact not tried\n\
         error: cannot write to standard output\n  caused by: no space left on device\n  \
         hint: what was done stays done: `sigtool history` has what was signed and verified\n"
    );
    assert_eq!(code, Some(3));
    assert_eq!(signed(&sandbox), 1);
    for line in [
        "verify app.txt",
        "history",
        "history --format json",
        "inspect a.pub",
        "key show a.pub",
        "key generate --output-key-prefix made",
        "sign --quiet --format json notes",
        "completions bash",
        "config explain",
        "--help",
        "--version",
        "--list",
    ] {
        let (code, said) = full(&sandbox, line);
        let told = said.contains("error: cannot write to standard output\n");
        assert!(told && code == Some(3), "{line}: {code:?} {said}");
    }
    assert!(sandbox.work().join("made.pub").exists());
    assert_eq!(signed(&sandbox), 2);
    let (code, said) = full(&sandbox, "verify --key b.pub app.txt");
    assert_eq!(code, Some(1), "{said}");
}
