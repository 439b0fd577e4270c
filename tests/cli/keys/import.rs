//! `sigtool key import`: keys of others, in files of ours.

use super::{PASSWORD, generate, key, mode, read, sandbox, sign};
use sigtool_tests::foreign;
use sigtool_tests::peers::need;
use snapbox::str;

#[test]
fn a_key_of_openssl_is_taken_over_under_a_new_password() {
    let Some(_) = need("openssl") else { return };
    let sandbox = sandbox();
    foreign::p256_key(&sandbox.work().join("theirs.pem"), None);
    key(
        &sandbox,
        ["import", "--key=theirs.pem", "--output-key-prefix=ours"],
    )
    .env("SIGTOOL_PASSWORD", PASSWORD)
    .assert()
    .success()
    .stdout_eq(str![[r#"
imported ours.key and ours.pub (ecdsa-p256), protected by a password

"#]]);
    assert_eq!(mode(&sandbox.work().join("ours.key")), 0o600);
    key(&sandbox, ["export-public", "theirs.pem"])
        .assert()
        .success()
        .stdout_eq(read(&sandbox, "ours.pub"));
    sign(&sandbox, "ours.key")
        .env("SIGTOOL_PASSWORD", PASSWORD)
        .assert()
        .success();
}

#[test]
fn an_encrypted_key_is_taken_over_from_its_old_password_to_a_new_one() {
    let Some(_) = need("openssl") else { return };
    let sandbox = sandbox();
    foreign::p256_key(&sandbox.work().join("theirs.pem"), Some("old"));
    key(
        &sandbox,
        ["import", "--key=theirs.pem", "--output-key-prefix=ours"],
    )
    .envs([("SIGTOOL_PASSWORD", "old"), ("SIGTOOL_NEW_PASSWORD", "new")])
    .assert()
    .success()
    .stderr_eq("");
    sign(&sandbox, "ours.key")
        .env("SIGTOOL_PASSWORD", "new")
        .assert()
        .success();
    sign(&sandbox, "ours.key")
        .env("SIGTOOL_PASSWORD", "old")
        .assert()
        .code(3);
}

#[test]
fn a_key_is_taken_over_from_a_variable() {
    let Some(_) = need("openssl") else { return };
    let sandbox = sandbox();
    foreign::ed25519_key(&sandbox.work().join("theirs.pem"));
    let text = read(&sandbox, "theirs.pem");
    for (reference, name) in [("env:THEIRS", "a"), ("env://THEIRS", "b")] {
        key(
            &sandbox,
            ["import", "--key", reference, "--output-key-prefix", name],
        )
        .envs([("THEIRS", text.as_str()), ("SIGTOOL_PASSWORD", PASSWORD)])
        .assert()
        .success();
    }
    assert_eq!(read(&sandbox, "a.pub"), read(&sandbox, "b.pub"));
    key(&sandbox, ["import", "--key=env:NOT_SET"])
        .assert()
        .code(2)
        .stderr_eq(str![[r#"
error: the environment variable `NOT_SET` is not set

"#]]);
}

#[test]
fn what_cannot_be_taken_over_is_told_and_nothing_is_made() {
    let sandbox = sandbox();
    generate(&sandbox, "there", PASSWORD);
    let import = |from| {
        key(
            &sandbox,
            ["import", "--output-key-prefix=ours", "--key", from],
        )
        .env("SIGTOOL_PASSWORD", PASSWORD)
        .assert()
        .code(2)
    };
    import("there.pub").stderr_eq(str![[r#"
error: cannot import the key `ours`
  caused by: the key to import is a public key, expected the private one
  hint: give the private key that belongs to it

"#]]);
    import("gone.key").stderr_eq(str![[r#"
error: cannot read the key `[..]/here/gone.key`
  caused by: there is no such file or folder

"#]]);
    import(".").stderr_eq(str![[r#"
error: cannot read the key `[..]/here/.`
  caused by: it is a folder, expected a regular file

"#]]);
    import("hsm:1").stderr_eq(str![[r#"
error: keys of the form `hsm:` cannot be taken over into files

"#]]);
    assert!(!sandbox.work().join("ours.key").exists());
    assert!(!sandbox.work().join("ours.pub").exists());
    key(
        &sandbox,
        ["import", "--key=there.key", "--output-key-prefix=there"],
    )
    .env("SIGTOOL_PASSWORD", PASSWORD)
    .assert()
    .code(2)
    .stderr_eq(str![[r#"
error: cannot import the key `there`
  caused by: `[..]/here/there.key` exists, and a key is not replaced unless you say so
...
"#]]);
}
