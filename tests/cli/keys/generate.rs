//! `sigtool key generate`: two files, never in the place of others.

use super::{PASSWORD, generate, key, mode, read, sandbox};
use snapbox::str;
use std::fs;
use std::path::Path;

#[test]
fn a_key_pair_is_two_files_and_nobody_else_can_read_the_private_one() {
    let sandbox = sandbox();
    // Even where everything that is made is open to everyone.
    let made = std::process::Command::new("sh")
        .args(["-c", "umask 000; exec \"$0\" key generate"])
        .arg(env!("CARGO_BIN_EXE_sigtool"))
        .env_clear()
        .envs(
            sandbox
                .process()
                .get_envs()
                .filter_map(|(k, v)| Some((k, v?))),
        )
        .env("SIGTOOL_PASSWORD", PASSWORD)
        .current_dir(sandbox.work())
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let (private, public) = (
        sandbox.work().join("sigtool.key"),
        sandbox.work().join("sigtool.pub"),
    );
    assert_eq!((mode(&private), mode(&public)), (0o600, 0o644));
    let text = read(&sandbox, "sigtool.key");
    assert!(text.starts_with("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n"));
    assert!(text.ends_with("\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n"));
    assert!(read(&sandbox, "sigtool.pub").starts_with("-----BEGIN PUBLIC KEY-----\n"));
}

#[test]
fn making_a_key_says_which_files_it_made_and_whether_a_password_protects_them() {
    let sandbox = sandbox();
    key(&sandbox, ["generate"])
        .env("SIGTOOL_PASSWORD", PASSWORD)
        .assert()
        .success()
        .stdout_eq(str![[r#"
made sigtool.key and sigtool.pub (ecdsa-p256), protected by a password

"#]])
        .stderr_eq("");
    key(&sandbox, ["generate", "--output-key-prefix=release", "--algorithm=ed25519"])
        .env("COSIGN_PASSWORD", "")
        .assert()
        .success()
        .stdout_eq(str![[r#"
made release.key and release.pub (ed25519), not protected: its password is empty, anyone who has the file can sign

"#]]);
}

#[test]
fn a_key_is_made_where_the_prefix_says() {
    let sandbox = sandbox();
    fs::create_dir(sandbox.work().join("keys")).unwrap();
    generate(&sandbox, "keys/a", PASSWORD);
    generate(
        &sandbox,
        sandbox.home().join("b.c").to_str().unwrap(),
        PASSWORD,
    );
    for path in [sandbox.work().join("keys/a"), sandbox.home().join("b.c")] {
        for ending in ["key", "pub"] {
            let file = format!("{}.{ending}", path.display());
            assert!(Path::new(&file).is_file(), "{file}");
        }
    }
}

#[test]
fn a_key_is_not_replaced_unless_one_says_so() {
    let sandbox = sandbox();
    generate(&sandbox, "release", PASSWORD);
    let before = (read(&sandbox, "release.key"), read(&sandbox, "release.pub"));
    let again = || {
        key(&sandbox, ["generate", "--output-key-prefix=release"]).env("SIGTOOL_PASSWORD", "other")
    };
    again().assert().code(2).stdout_eq("").stderr_eq(str![[r#"
error: cannot generate the key `release`
  caused by: `[..]/here/release.key` exists, and a key is not replaced unless you say so
  hint: choose another name, or move the old key away
  hint: to replace it, say `--overwrite`: the old key is kept as `release.old`

"#]]);
    assert_eq!(
        before,
        (read(&sandbox, "release.key"), read(&sandbox, "release.pub"))
    );

    again()
        .arg("--overwrite")
        .assert()
        .success()
        .stderr_eq("note: the key that was there is kept as `release.old`\n");
    assert_eq!(before.0, read(&sandbox, "release.old"));
    assert_eq!(mode(&sandbox.work().join("release.old")), 0o600);
    assert_ne!(before.0, read(&sandbox, "release.key"));
    assert_ne!(before.1, read(&sandbox, "release.pub"));
    assert_eq!(mode(&sandbox.work().join("release.key")), 0o600);
}

#[test]
fn a_public_key_that_is_there_alone_is_not_replaced_either() {
    let sandbox = sandbox();
    sandbox.write("release.pub", "somebody's\n");
    key(&sandbox, ["generate", "--output-key-prefix=release"])
        .env("SIGTOOL_PASSWORD", PASSWORD)
        .assert()
        .code(2)
        .stderr_eq(str![[r#"
error: cannot generate the key `release`
  caused by: `[..]/here/release.pub` exists, and a key is not replaced unless you say so
  hint: choose another name, or move the old key away
  hint: to replace it, say `--overwrite`: the old key is kept as `release.old`

"#]]);
    assert_eq!(read(&sandbox, "release.pub"), "somebody's\n");
    assert!(!sandbox.work().join("release.key").exists());
}

#[test]
fn a_folder_that_is_not_there_is_told_before_anyone_types_a_password() {
    let sandbox = sandbox();
    key(&sandbox, ["generate", "--output-key-prefix=keys/release"])
        .assert()
        .code(2)
        .stderr_eq(str![[r#"
error: cannot generate the key `keys/release`
  caused by: there is no folder `[..]/here/keys`
  hint: mkdir -p [..]/here/keys

"#]]);
}

#[test]
fn an_unknown_algorithm_is_refused_with_those_that_are_known() {
    let sandbox = sandbox();
    key(&sandbox, ["generate", "--algorithm=dsa"])
        .assert()
        .code(2)
        .stderr_eq(str![[r#"
error: invalid value 'dsa' for '--algorithm <ALGORITHM>': there is no key algorithm `dsa`: use one of ecdsa-p256, ecdsa-p384, ecdsa-p521, ed25519, rsa-2048, rsa-3072, rsa-4096
...
"#]]);
}

#[test]
fn without_a_password_or_anyone_to_ask_no_key_is_made() {
    let sandbox = sandbox();
    key(&sandbox, ["generate"])
        .assert()
        .code(3)
        .stderr_eq(str![[r#"
error: cannot generate the key `sigtool`
  caused by: no new password of [..]/here/sigtool.key is given, and there is no terminal to ask on
  hint: set SIGTOOL_NEW_PASSWORD, pipe it to `--password-stdin`, or run it on a terminal; an empty variable means none, which protects nothing

"#]]);
    assert_eq!(
        fs::read_dir(sandbox.work()).unwrap().count(),
        1,
        "only app.txt"
    );
}
