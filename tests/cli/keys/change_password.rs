//! `sigtool key change-password`: the key stays, all else is written anew.

use super::{generate, key, mode, read, sandbox, sign};
use sigtool_tests::foreign;
use sigtool_tests::peers::need;
use snapbox::str;

#[test]
fn a_password_is_changed_and_the_key_stays_the_same() {
    let sandbox = sandbox();
    generate(&sandbox, "release", "old");
    let public = read(&sandbox, "release.pub");
    key(&sandbox, ["change-password", "release.key"])
        .envs([("SIGTOOL_PASSWORD", "old"), ("SIGTOOL_NEW_PASSWORD", "new")])
        .assert()
        .success()
        .stderr_eq("")
        .stdout_eq(str![[r#"
changed the password of release.key (ecdsa-p256), protected by a password

"#]]);
    assert_eq!(mode(&sandbox.work().join("release.key")), 0o600);
    assert_eq!(read(&sandbox, "release.pub"), public);
    sign(&sandbox, "release.key")
        .env("SIGTOOL_PASSWORD", "old")
        .assert()
        .code(3);
    key(&sandbox, ["export-public", "release.key"])
        .env("SIGTOOL_PASSWORD", "new")
        .assert()
        .success()
        .stdout_eq(public);
}

#[test]
fn the_variable_with_the_present_password_is_not_taken_for_the_next_one() {
    let sandbox = sandbox();
    generate(&sandbox, "release", "old");
    let before = read(&sandbox, "release.key");
    key(&sandbox, ["change-password", "release.key"])
        .env("SIGTOOL_PASSWORD", "old")
        .assert()
        .code(3)
        .stderr_eq(str![[r#"
error: no new password of release.key is given, and there is no terminal to ask on
  hint: set SIGTOOL_NEW_PASSWORD, pipe it to `--password-stdin`, or run it on a terminal; an empty variable means none, which protects nothing

"#]]);
    assert_eq!(read(&sandbox, "release.key"), before);
}

#[test]
fn both_passwords_can_come_in_lines_of_a_pipe() {
    let sandbox = sandbox();
    generate(&sandbox, "release", "old");
    key(&sandbox, ["change-password", "release.key"])
        .stdin("old\nnew\n")
        .assert()
        .success();
    sign(&sandbox, "release.key")
        .env("SIGTOOL_PASSWORD", "new")
        .assert()
        .success();
}

#[test]
fn a_link_to_a_key_stays_a_link_when_the_password_changes() {
    let sandbox = sandbox();
    generate(&sandbox, "release", "old");
    std::os::unix::fs::symlink("release.key", sandbox.work().join("link.key")).unwrap();
    key(&sandbox, ["change-password", "link.key"])
        .envs([("SIGTOOL_PASSWORD", "old"), ("SIGTOOL_NEW_PASSWORD", "new")])
        .assert()
        .success();
    assert!(sandbox.work().join("link.key").is_symlink());
    sign(&sandbox, "release.key")
        .env("SIGTOOL_PASSWORD", "new")
        .assert()
        .success();
}

#[test]
fn a_key_whose_password_cannot_be_changed_here_is_told_with_the_way_out() {
    let Some(_) = need("openssl") else { return };
    let sandbox = sandbox();
    foreign::p256_key(&sandbox.work().join("theirs.pem"), None);
    let text = read(&sandbox, "theirs.pem");
    let change = |which| {
        key(&sandbox, ["change-password", which])
            .envs([("THEIRS", text.as_str()), ("SIGTOOL_NEW_PASSWORD", "new")])
            .assert()
            .code(2)
    };
    change("theirs.pem").stderr_eq(str![[r#"
error: `theirs.pem` is not in cosign's encrypted format, the only one whose password is changed
  hint: make a copy in that format with `sigtool key import`

"#]]);
    change("env:THEIRS").stderr_eq(str![[r#"
error: `env:THEIRS` is not a file, so its password cannot be changed here
  hint: change it where the key is kept

"#]]);
    assert_eq!(read(&sandbox, "theirs.pem"), text);
}
