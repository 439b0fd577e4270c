//! Where something is written because somebody named the place: nothing is replaced unasked, and a private key never.
//!
//! SECURITY.md: "Nothing is replaced unasked."

use sigtool_tests::{Sandbox, keys};
use snapbox::str;
use std::fs;
use std::os::unix::fs::symlink;

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
    run(&sandbox, 2, "key export-public a.key -o new.pub");
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
    for line in [
        "sign --key b.key --bundle out.json app.txt",
        "sign --key b.key --signature out.sig app.txt",
        "sign --bundle notes app.txt",
        "sign --signature notes app.txt",
    ] {
        let before = ["out.json", "out.sig", "notes"].map(|name| read(&sandbox, name));
        let said = run(&sandbox, 2, line);
        assert!(
            said.contains("or replace it with `--overwrite`"),
            "{line}: {said}"
        );
        let after = ["out.json", "out.sig", "notes"].map(|name| read(&sandbox, name));
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
    // The next one would push it out: it is for its owner to move.
    let now = read(&sandbox, "release.key");
    for line in [
        generate,
        "key import --key ed.key --output-key-prefix release",
    ] {
        let said = run(&sandbox, 2, &format!("{line} --overwrite"));
        assert!(said.contains("release.old` is there already"), "{said}");
        assert!(!said.contains("say `--overwrite`"), "{said}");
    }
    assert_eq!(read(&sandbox, "release.old"), key);
    assert_eq!(read(&sandbox, "release.key"), now);
    fs::remove_file(sandbox.work().join("release.old")).unwrap();
    let import = "key import --key ed.key --output-key-prefix release --overwrite";
    run(&sandbox, 0, import);
    assert_eq!(read(&sandbox, "release.old"), now);
}
