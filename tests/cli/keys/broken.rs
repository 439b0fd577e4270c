//! What can be wrong with a private key: each its own message.

use super::{PASSWORD, generate, read, sandbox, set_mode, sign};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use snapbox::str;
use std::fs;

#[test]
fn a_wrong_password_is_told_with_the_place_it_came_from() {
    let sandbox = sandbox();
    generate(&sandbox, "release", PASSWORD);
    sign(&sandbox, "release.key")
        .env("SIGTOOL_PASSWORD", "badword")
        .assert()
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: wrong password for `release.key`
  caused by: tried: SIGTOOL_PASSWORD
  hint: give the right one by SIGTOOL_PASSWORD

"#]]);
    sign(&sandbox, "release.key")
        .assert()
        .code(3)
        .stderr_eq(str![[r#"
error: no password of release.key is given, and there is no terminal to ask on
  caused by: tried: an empty password
  hint: set SIGTOOL_PASSWORD, pipe it to `--password-stdin`, or name a secret in the profile: `password = { file = "…" }`

"#]]);
    assert!(!sandbox.work().join("app.txt.sigstore.json").exists());
}

#[test]
fn a_public_key_in_place_of_the_private_one_is_told_with_the_private_one_beside_it() {
    let sandbox = sandbox();
    generate(&sandbox, "release", PASSWORD);
    sign(&sandbox, "release.pub")
        .assert()
        .code(2)
        .stderr_eq(str![[r#"
error: `release.pub` is a public key, expected the private one
  hint: the private key is probably [..]/here/release.key

"#]]);
    fs::remove_file(sandbox.work().join("release.key")).unwrap();
    sign(&sandbox, "release.pub")
        .assert()
        .code(2)
        .stderr_eq(str![[r#"
error: `release.pub` is a public key, expected the private one
  hint: give the private key that belongs to it

"#]]);
}

#[test]
fn a_key_that_is_cut_off_is_told_wherever_it_is_cut() {
    let sandbox = sandbox();
    generate(&sandbox, "release", PASSWORD);
    let text = read(&sandbox, "release.key");
    let lines: Vec<&str> = text.lines().collect();
    let [begin, body @ .., end] = &lines[..] else {
        panic!("{text}")
    };
    let cut = |text: String| {
        set_mode(&sandbox.write("cut.key", text), 0o600);
        sign(&sandbox, "cut.key")
            .env("SIGTOOL_PASSWORD", PASSWORD)
            .assert()
            .code(3)
    };
    cut(text[..200].to_owned()).stderr_eq(str![[r#"
error: `cut.key` is cut off: the line `-----END …-----` is missing
  hint: take the key from a backup

"#]]);
    cut([begin, body[0], body[1], end].join("\n")).stderr_eq(str![[r#"
error: `cut.key` is cut off: the JSON in it has no end
  hint: take the key from a backup

"#]]);
    cut([begin, &body[0][..63], end].join("\n")).stderr_eq(str![[r#"
error: `cut.key` is cut off: characters are missing between BEGIN and END
  hint: take the key from a backup

"#]]);
}

#[test]
fn an_unknown_way_to_derive_the_key_is_told_and_never_tried() {
    let sandbox = sandbox();
    for (from, to, said) in [
        (
            "scrypt",
            "argon9",
            str![[r#"
error: `odd.key` makes its encryption key with `argon9`, which is not known here
...
"#]],
        ),
        (
            "nacl/secretbox",
            "rot13",
            str![[r#"
error: `odd.key` is encrypted with the cipher `rot13`, which is not known here
...
"#]],
        ),
        (
            "65536",
            "1073741824",
            str![[r#"
error: `odd.key` would take too long to unlock: scrypt with N=1073741824, r=8, p=1; cosign writes N=32768, 65536 or 131072, r=8, p=1

"#]],
        ),
    ] {
        set_mode(
            &sandbox.write("odd.key", altered_container(from, to)),
            0o600,
        );
        sign(&sandbox, "odd.key")
            .env("SIGTOOL_PASSWORD", "hello")
            .assert()
            .code(2)
            .stderr_eq(said);
    }
}

/// A key in cosign's container, with one word of its JSON replaced.
fn altered_container(from: &str, to: &str) -> String {
    let sandbox = sandbox();
    generate(&sandbox, "honest", "hello");
    let text = read(&sandbox, "honest.key");
    let body: String = text.lines().filter(|l| !l.starts_with('-')).collect();
    let json = String::from_utf8(STANDARD.decode(body).unwrap()).unwrap();
    assert!(json.contains(from), "{json}");
    let body = STANDARD.encode(json.replacen(from, to, 1));
    let label = "ENCRYPTED SIGSTORE PRIVATE KEY";
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

#[test]
fn what_is_not_a_private_key_at_all_is_told_by_what_it_is() {
    let sandbox = sandbox();
    sandbox.write("empty.key", "");
    sandbox.write("text.key", "hello\n");
    sandbox.write("binary.key", b"\x30\x82\x01\x00\xff\xfe");
    sandbox.write(
        "ssh.key",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaA==\n-----END OPENSSH PRIVATE KEY-----\n",
    );
    fs::create_dir(sandbox.work().join("folder.key")).unwrap();
    let said = |name| sign(&sandbox, name).assert().code(2);
    said("empty.key").stderr_eq(str![[r#"
error: `empty.key` is empty, expected a private key

"#]]);
    said("text.key").stderr_eq(str![[r#"
error: `text.key` is not a PEM file: it has no line `-----BEGIN …-----`

"#]]);
    said("binary.key").stderr_eq(str![[r#"
error: `binary.key` is a binary (DER) file, expected PEM text
  hint: convert it: openssl pkey -inform DER -in [..]/here/binary.key -out [..]/here/binary.key.pem

"#]]);
    said("ssh.key").stderr_eq(str![[r#"
error: `ssh.key` is an OpenSSH private key, expected PEM in the formats of cosign or OpenSSL
  hint: convert a copy of it (ECDSA and RSA only): ssh-keygen -p -m PKCS8 -f COPY
  hint: or make a new key with `sigtool key generate --output-key-prefix release`

"#]]);
    said("folder.key").stderr_eq(str![[r#"
error: cannot read the private key `folder.key`
  caused by: it is a folder, expected a regular file
  hint: a key from a pipe or a variable is given as `env:VAR`

"#]]);
    said("gone.key").stderr_eq(str![[r#"
error: there is no key `gone.key`
  hint: a key is named by a path, or as `env:VAR` if the variable VAR holds its text
  hint: make one with `sigtool key generate --output-key-prefix release`

"#]]);
}

#[test]
fn a_key_without_its_ending_is_guessed() {
    let sandbox = sandbox();
    generate(&sandbox, "release", PASSWORD);
    sign(&sandbox, "release")
        .assert()
        .code(2)
        .stderr_eq(str![[r#"
error: there is no key `release`
  hint: did you mean `release.key`

"#]]);
}

#[test]
fn a_wrong_key_in_the_configuration_is_shown_where_it_stands() {
    let sandbox = sandbox();
    generate(&sandbox, "release", PASSWORD);
    let public = sandbox.work().join("release.pub");
    sandbox.write_config(&format!(
        "default_profile = \"prod\"\n\n[profile.prod]\nsigner = {{ backend = \"cosign-key\", key = \"{}\" }}\n",
        public.display()
    ));
    sandbox
        .sigtool()
        .args(["sign", "app.txt"])
        .assert()
        .code(3)
        .stderr_eq(str![[r#"
error: `[..]/here/release.pub` is a public key, expected the private one
...
4 | signer = { backend = "cosign-key", key = "[..]/here/release.pub" }
...
  hint: the private key is probably [..]/here/release.key

"#]]);
}

#[test]
fn a_key_that_others_can_get_at_signs_with_a_warning() {
    let sandbox = sandbox();
    generate(&sandbox, "release", "");
    let private = sandbox.work().join("release.key");
    for (bits, warned) in [
        (0o600, false),
        (0o400, false),
        (0o640, true),
        (0o644, true),
        (0o606, true),
    ] {
        set_mode(&private, bits);
        let output = sign(&sandbox, "release.key").output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        let warning = format!(
            "warning: others can read the private key `release.key` (mode {bits:04o}); type: chmod 600 {}\n",
            private.display()
        );
        assert_eq!(
            said,
            if warned { warning } else { String::new() },
            "{bits:o}"
        );
    }
}
