//! `sigtool inspect`: what a file contains, in words and in JSON, without judging it.

use serde_json::{Value, json};
use sigtool_tests::{Sandbox, keys, tests_folder};
use snapbox::cmd::OutputAssert;
use snapbox::str;

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sigtool"));
    keys::put(&sandbox);
    sandbox.write("app.txt", "an app\n");
    sandbox
}

fn sign(sandbox: &Sandbox, arguments: &[&str]) {
    sandbox
        .sigtool()
        .arg("sign")
        .args(arguments)
        .assert()
        .success();
}

fn inspect(sandbox: &Sandbox, file: &str) -> OutputAssert {
    sandbox.sigtool().args(["inspect", file]).assert()
}

fn facts(sandbox: &Sandbox, file: &str) -> Value {
    let output = sandbox
        .sigtool()
        .args(["inspect", "--format", "json", file])
        .assert();
    serde_json::from_slice(&output.get_output().stdout).unwrap()
}

/// Copies a file of the tests into the working directory.
fn put(sandbox: &Sandbox, name: &str, file: &str) {
    let folder = tests_folder().join("../backends/cosign-key/tests-data");
    sandbox.write(name, std::fs::read(folder.join(file)).unwrap());
}

#[test]
fn a_bundle_says_who_claims_to_have_signed_what() {
    let sandbox = sandbox();
    sign(&sandbox, &["--key", "ed.key", "app.txt"]);
    inspect(&sandbox, "app.txt.sigstore.json")
        .code(0)
        .stdout_eq(str![[r#"
Sigstore bundle v0.3, not verified
  key hint           eSr0KzSDA3Z4butxlzguF1rD7mvRW3urA3osWYpkwpI=
  artifact digest    sha256:a4c6e70b90fd263c324cc0f892345b9f3b003c95d06117d23bffeb3049fbac88
  signature          64 bytes, looks like Ed25519
  log entries        0
  signed timestamps  0

"#]])
        .stderr_eq("");
    assert_eq!(
        facts(&sandbox, "app.txt.sigstore.json"),
        json!({
            "name": "app.txt.sigstore.json",
            "kind": "bundle",
            "format": "v0.3",
            "unverified_key_hint": "eSr0KzSDA3Z4butxlzguF1rD7mvRW3urA3osWYpkwpI=",
            "unverified_digest":
                "sha256:a4c6e70b90fd263c324cc0f892345b9f3b003c95d06117d23bffeb3049fbac88",
            "signature": { "length": 64, "looks_like": "Ed25519" },
            "timestamps": 0,
        })
    );
}

#[test]
fn a_detached_signature_says_how_little_it_says() {
    let sandbox = sandbox();
    sign(
        &sandbox,
        &["--key", "ed.key", "--signature", "app.sig", "app.txt"],
    );
    inspect(&sandbox, "app.sig")
        .code(0)
        .stdout_eq(str![[r#"
detached signature
  signature  64 bytes, looks like Ed25519
  signer     not said; verify it with `sigtool verify --signature`

"#]])
        .stderr_eq("");
    assert_eq!(
        facts(&sandbox, "app.sig"),
        json!({
            "name": "app.sig",
            "kind": "detached-signature",
            "length": 64,
            "looks_like": "Ed25519",
        })
    );
}

#[test]
fn a_public_key_says_its_algorithm_and_its_hints() {
    let sandbox = sandbox();
    inspect(&sandbox, "a.pub")
        .code(0)
        .stdout_eq(str![[r#"
public key
  algorithm   ecdsa-p256
  key hint    I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=
  short hint  23f76c7e
  PEM         -----BEGIN PUBLIC KEY-----
              MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEht/giTQmGn9A0WS1savbLhQ1mhBv
              E4cP1t4PYOTBD1DEcMQ6chEXDE7qI7MxZrxbkCALalO4qScSZ42CF2yZIA==
              -----END PUBLIC KEY-----

"#]])
        .stderr_eq("");
    let facts = facts(&sandbox, "a.pub");
    assert_eq!(facts["kind"], "public-key");
    assert_eq!(facts["algorithm"], "ecdsa-p256");
    assert_eq!(facts["short_hint"], "23f76c7e");
    let pem = std::fs::read_to_string(sandbox.work().join("a.pub")).unwrap();
    assert_eq!(facts["pem"], pem);
}

#[test]
fn a_private_key_says_how_it_is_kept_and_nothing_secret() {
    let sandbox = sandbox();
    put(
        &sandbox,
        "cosign.key",
        "test-key-p256-cosign-password-hello.key",
    );
    put(
        &sandbox,
        "pkcs8.pem",
        "test-key-p256-pbes2-password-hello.pem",
    );
    inspect(&sandbox, "a.key")
        .code(0)
        .stdout_eq(str![[r#"
private key, not encrypted
  written as  PRIVATE KEY
  algorithm   ecdsa-p256
  key hint    I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=

"#]])
        .stderr_eq("");
    inspect(&sandbox, "cosign.key")
        .code(0)
        .stdout_eq(str![[r#"
private key, encrypted
  written as      ENCRYPTED SIGSTORE PRIVATE KEY
  key derivation  scrypt (N 65536, r 8, p 1)
  cipher          nacl/secretbox

"#]])
        .stderr_eq("");
    inspect(&sandbox, "pkcs8.pem")
        .code(0)
        .stdout_eq(str![[r#"
private key, encrypted
  written as      ENCRYPTED PRIVATE KEY
  key derivation  PBKDF2 (2048 iterations)
  cipher          AES-256-CBC

"#]])
        .stderr_eq("");
    assert_eq!(facts(&sandbox, "a.key")["kind"], "private-key");
    assert_eq!(
        facts(&sandbox, "cosign.key")["kind"],
        "encrypted-private-key"
    );
    let pem = std::fs::read_to_string(sandbox.work().join("a.key")).unwrap();
    let secret = pem.lines().nth(1).unwrap();
    assert!(!facts(&sandbox, "a.key").to_string().contains(secret));
}

#[test]
fn a_certificate_says_what_it_claims() {
    let sandbox = sandbox();
    put(&sandbox, "release.crt", "test-key-p256.crt.pem");
    inspect(&sandbox, "release.crt")
        .code(0)
        .stdout_eq(str![[r#"
certificate of an authority, not verified
  subject        CN=test
  authority      CN=test
  valid from     2026-11-23T19:55:01Z
  valid until    2126-10-30T19:55:01Z
  key algorithm  ecdsa-p256
  key hint       I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=
  fingerprint    sha256:4d49f5148b3635a5d3d1243b8b94f08353a7ded8abf5ab82f326f5caf22e342f

"#]])
        .stderr_eq("");
    let facts = facts(&sandbox, "release.crt");
    assert_eq!(facts["kind"], "certificates");
    assert_eq!(
        facts["unverified_certificates"].as_array().unwrap().len(),
        1
    );
}

#[test]
fn standard_input_can_be_inspected() {
    let sandbox = sandbox();
    let pem = std::fs::read(sandbox.work().join("ed.pub")).unwrap();
    let command = sandbox.sigtool().args(["inspect", "-"]).stdin(pem);
    command.assert().code(0).stdout_eq(str![[r#"
public key
  algorithm   ed25519
  key hint    eSr0KzSDA3Z4butxlzguF1rD7mvRW3urA3osWYpkwpI=
  short hint  792af42b
  PEM         -----BEGIN PUBLIC KEY-----
              MCowBQYDK2VwAyEAUjlCQJaSjclEMJTTffnrdBobclMoIOj3sv1cY/sDu8Q=
              -----END PUBLIC KEY-----

"#]]);
}

#[test]
fn what_is_not_ours_is_told() {
    let sandbox = sandbox();
    inspect(&sandbox, "app.txt").code(2).stdout_eq("").stderr_eq(str![[r#"
error: `app.txt` cannot be inspected: it is not a bundle, a signature, a key or a certificate that is known here

"#]]);
    sandbox.write("notes", "precious\n");
    inspect(&sandbox, "notes")
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: `notes` cannot be inspected: it is the Base64 of 6 bytes, and no signature looks like that

"#]]);
    sandbox.write("broken.json", "{\"mediaType\":");
    inspect(&sandbox, "broken.json").code(2).stdout_eq("").stderr_eq(str![[r#"
error: `broken.json` cannot be inspected: EOF while parsing a value at line 1 column 13 (in the JSON)

"#]]);
    inspect(&sandbox, "/dev/zero")
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: cannot inspect `/dev/zero`
  caused by: it is a character device, expected a regular file

"#]]);
    inspect(&sandbox, ".")
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: cannot inspect `.`
  caused by: it is a folder, expected a regular file

"#]]);
    inspect(&sandbox, "gone")
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: there is no file `gone`
  hint: if the image of that name is meant, write `oci:gone`

"#]]);
    let large = std::fs::File::create(sandbox.work().join("large")).unwrap();
    large.set_len(1 << 40).unwrap();
    inspect(&sandbox, "large")
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: cannot inspect `large`
  caused by: it is larger than 16 MiB

"#]]);
}

#[test]
fn who_inspects_an_artifact_is_shown_to_its_signature() {
    let sandbox = sandbox();
    sign(&sandbox, &["--key", "a.key", "app.txt"]);
    inspect(&sandbox, "app.txt").code(2).stdout_eq("").stderr_eq(str![[r#"
error: `app.txt` cannot be inspected: it is not a bundle, a signature, a key or a certificate that is known here
  hint: its signature lies beside it: sigtool inspect app.txt.sigstore.json

"#]]);
}

#[test]
fn a_failure_is_an_object_in_json_too() {
    let sandbox = sandbox();
    let facts = facts(&sandbox, "gone");
    assert_eq!(
        (&facts["status"], &facts["error"]["kind"]),
        (&json!("failed"), &json!("input"))
    );
}
