//! Verifying files: the policy that must be given, and each reason to refuse or not to know.

mod policy;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sigtool_tests::{Sandbox, keys};
use snapbox::cmd::OutputAssert;
use snapbox::str;

/// A sandbox with the keys `a`, `b` and `ed`, and a file that `a` has signed.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sigtool"));
    keys::put(&sandbox);
    sandbox.write("app.txt", "an app\n");
    sign(&sandbox, &["--key", "a.key", "app.txt"]);
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

fn verify(sandbox: &Sandbox, arguments: &[&str]) -> OutputAssert {
    sandbox.sigtool().arg("verify").args(arguments).assert()
}

/// The only row of the report.
fn row(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    let output = verify(sandbox, &[&["--format", "json"], arguments].concat());
    let rows: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 1, "{rows}");
    rows[0].clone()
}

/// The code of each reason.
fn codes(row: &Value) -> Vec<&str> {
    let reasons = row["verification"]["reasons"].as_array().unwrap();
    reasons
        .iter()
        .map(|r| r["code"].as_str().unwrap())
        .collect()
}

const BUNDLE: &str = "app.txt.sigstore.json";

/// Changes the bundle of `app.txt`.
fn edit(sandbox: &Sandbox, change: impl FnOnce(&mut Value)) {
    let path = sandbox.work().join(BUNDLE);
    let mut bundle: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut bundle);
    std::fs::write(path, bundle.to_string()).unwrap();
}

#[test]
fn a_good_signature_by_a_trusted_key_is_valid() {
    let sandbox = sandbox();
    verify(&sandbox, &["--key", "a.pub", "app.txt"])
        .code(0)
        .stdout_eq(str![[r#"
valid app.txt, signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)

"#]])
        .stderr_eq("");
    let row = row(&sandbox, &["--key", "a.pub", "app.txt"]);
    let bundle = sandbox.work().join(BUNDLE);
    let hint = "I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=";
    assert_eq!(
        (&row["artifact"], &row["status"]),
        (&json!("app.txt"), &json!("valid"))
    );
    assert_eq!(
        row["verification"],
        json!({
            "verdict": "valid",
            "signers": [{
                "name": "a.pub", "key_hint": hint, "algorithm": "ecdsa-p256", "signatures": [bundle],
            }],
        })
    );
    assert_eq!(
        row["checked"],
        json!([{
            "location": bundle,
            "format": "Sigstore bundle v0.3",
            "signer": { "name": "a.pub", "key_hint": hint },
            "unverified_key_hint": hint,
            "unverified_log_entries": 0,
        }])
    );
}

#[test]
fn a_policy_must_be_given() {
    let sandbox = sandbox();
    verify(&sandbox, &["app.txt"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: verifying needs a policy: whose signatures count?
  caused by: no profile is in use
  hint: name a public key: sigtool verify --key release.pub ARTIFACT
  hint: or put it in a profile: [profile.NAME.verify] keys = ["release.pub"]

"#]]);
    sandbox.write_config("[profile.default]\n");
    verify(&sandbox, &["app.txt"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: verifying needs a policy: whose signatures count?
  caused by: the profile `default` does not say whom it trusts
  hint: name a public key: sigtool verify --key release.pub ARTIFACT
  hint: or put it in a profile: [profile.NAME.verify] keys = ["release.pub"]

"#]]);
    let row = row(&sandbox, &["app.txt"]);
    assert_eq!(
        (&row["status"], &row["error"]["kind"]),
        (&json!("failed"), &json!("input"))
    );
}

#[test]
fn another_key_is_refused() {
    let sandbox = sandbox();
    verify(&sandbox, &["--key", "b.pub", "app.txt"])
        .code(1)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: refused `app.txt`
  caused by: `app.txt.sigstore.json` is signed by another key (key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=); trusted: `b.pub` (key hint eUeeM4sYtiIAzPKdwrd0smw0nUCZSii4ADSywb/hA+k=)

"#]]);
    let row = row(&sandbox, &["--key", "b.pub", "app.txt"]);
    assert_eq!(row["status"], "refused");
    assert_eq!(row["verification"]["verdict"], "refused");
    assert_eq!(codes(&row), ["wrong-key"]);
}

#[test]
fn of_several_signatures_by_other_keys_it_is_said_once_who_is_trusted() {
    let sandbox = sandbox();
    sign(&sandbox, &["--key", "b.key", "app.txt"]);
    verify(&sandbox, &["--key", "ed.pub", "app.txt"])
        .code(1)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: refused `app.txt`
  caused by: `app.txt.sigstore.json` is signed by another key (key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)
  caused by: `app.txt.79479e33.sigstore.json` is signed by another key (key hint eUeeM4sYtiIAzPKdwrd0smw0nUCZSii4ADSywb/hA+k=)
  caused by: trusted: `ed.pub` (key hint eSr0KzSDA3Z4butxlzguF1rD7mvRW3urA3osWYpkwpI=)

"#]]);
}

#[test]
fn a_changed_artifact_is_refused() {
    let sandbox = sandbox();
    sandbox.write("app.txt", "another app\n");
    verify(&sandbox, &["--key", "a.pub", "app.txt"])
        .code(1)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: refused `app.txt`
  caused by: the artifact has changed: in `app.txt.sigstore.json` the key `a.pub` (key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=) signed sha256:a4c6e70b90fd263c324cc0f892345b9f3b003c95d06117d23bffeb3049fbac88, the artifact is sha256:774281e5110675e4618cf2ec84a16b11df26f10739ddfb78241ff5ead2a9bca8

"#]]);
    assert_eq!(
        codes(&row(&sandbox, &["--key", "a.pub", "app.txt"])),
        ["changed-artifact"]
    );
}

#[test]
fn a_changed_artifact_is_refused_for_a_key_that_signs_the_bytes_themselves() {
    let sandbox = sandbox();
    sign(
        &sandbox,
        &["--key", "ed.key", "--bundle", "ed.json", "app.txt"],
    );
    sandbox.write("app.txt", "another app\n");
    verify(&sandbox, &["--key", "ed.pub", "--bundle", "ed.json", "app.txt"])
        .code(1)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: refused `app.txt`
  caused by: `ed.json` says that the key `ed.pub` (key hint eSr0KzSDA3Z4butxlzguF1rD7mvRW3urA3osWYpkwpI=) signed sha256:a4c6e70b90fd263c324cc0f892345b9f3b003c95d06117d23bffeb3049fbac88; the artifact is sha256:774281e5110675e4618cf2ec84a16b11df26f10739ddfb78241ff5ead2a9bca8

"#]]);
}

#[test]
fn a_wrong_digest_in_a_good_signature_is_refused() {
    let sandbox = sandbox();
    edit(&sandbox, |bundle| {
        let digest = &mut bundle["messageSignature"]["messageDigest"]["digest"];
        *digest = json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    });
    verify(&sandbox, &["--key", "a.pub", "app.txt"])
        .code(1)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: refused `app.txt`
  caused by: `app.txt.sigstore.json` is a good signature of the artifact by the key `a.pub` (key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=), but says the digest sha256:0000000000000000000000000000000000000000000000000000000000000000; the artifact is sha256:a4c6e70b90fd263c324cc0f892345b9f3b003c95d06117d23bffeb3049fbac88

"#]]);
    assert_eq!(
        codes(&row(&sandbox, &["--key", "a.pub", "app.txt"])),
        ["wrong-digest"]
    );
}

#[test]
fn a_damaged_signature_is_refused() {
    let sandbox = sandbox();
    edit(&sandbox, |bundle| {
        // Well-formed, and made by nobody.
        bundle["messageSignature"]["signature"] = json!(
            "MEUCIQDtHG2ZV5HhFUKdM2nSLNb4bJjsVSuJ7TuWtZpzXaFY7wIgQyfl2rRZSmsGrYWKi5BuZ3yd7wJGoFpDjwrhvhZQbQs="
        );
    });
    verify(&sandbox, &["--key", "a.pub", "app.txt"])
        .code(1)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: refused `app.txt`
  caused by: `app.txt.sigstore.json` names the key `a.pub` (key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=) and this artifact, but that key did not make it: it is damaged or forged

"#]]);
    assert_eq!(
        codes(&row(&sandbox, &["--key", "a.pub", "app.txt"])),
        ["bad-signature"]
    );
}

#[test]
fn a_malformed_bundle_is_refused() {
    let sandbox = sandbox();
    for (content, says) in [
        (
            "{",
            str![[r#"
error: refused `app.txt`
  caused by: `app.txt.sigstore.json` is malformed: EOF while parsing an object at line 1 column 1 (in the JSON)

"#]],
        ),
        (
            "not a signature\n",
            str![[r#"
error: refused `app.txt`
  caused by: `app.txt.sigstore.json` is malformed: it is neither JSON nor the Base64 of a signature

"#]],
        ),
        (
            "",
            str![[r#"
error: refused `app.txt`
  caused by: `app.txt.sigstore.json` is malformed: it is empty

"#]],
        ),
        (
            "{\"mediaType\":\"application/vnd.dev.sigstore.bundle.v0.3+json\"}",
            str![[r#"
error: refused `app.txt`
  caused by: `app.txt.sigstore.json` is malformed: one of `messageSignature`, `dsseEnvelope` was expected (in the bundle)

"#]],
        ),
        (
            "{\"mediaType\":\"text/plain\"}",
            str![[r#"
error: refused `app.txt`
  caused by: `app.txt.sigstore.json` is malformed: `text/plain` is not a version that is known here; v0.1, v0.2 and v0.3 are (in mediaType)

"#]],
        ),
    ] {
        sandbox.write(BUNDLE, content);
        verify(&sandbox, &["--key", "a.pub", "app.txt"])
            .code(1)
            .stdout_eq("")
            .stderr_eq(says);
        assert_eq!(
            codes(&row(&sandbox, &["--key", "a.pub", "app.txt"])),
            ["malformed"]
        );
    }
}

#[test]
fn a_duplicated_json_key_is_refused() {
    let sandbox = sandbox();
    let path = sandbox.work().join(BUNDLE);
    let bundle = std::fs::read_to_string(&path).unwrap();
    let twice = bundle.replacen('{', "{\"mediaType\":\"text/plain\",", 1);
    std::fs::write(path, twice).unwrap();
    verify(&sandbox, &["--key", "a.pub", "app.txt"]).code(1).stdout_eq("").stderr_eq(str![[r#"
error: refused `app.txt`
  caused by: `app.txt.sigstore.json` is malformed: the key `mediaType` stands twice in the top level at line 1 column 37 (in the JSON)

"#]]);
    assert_eq!(
        codes(&row(&sandbox, &["--key", "a.pub", "app.txt"])),
        ["malformed"]
    );
}

#[test]
fn without_a_signature_it_is_refused() {
    let sandbox = sandbox();
    std::fs::remove_file(sandbox.work().join(BUNDLE)).unwrap();
    verify(&sandbox, &["--key", "a.pub", "app.txt"])
        .code(1)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: refused `app.txt`
  caused by: no signature found beside the artifact

"#]]);
    assert_eq!(
        codes(&row(&sandbox, &["--key", "a.pub", "app.txt"])),
        ["no-signature"]
    );
}

#[test]
fn a_signed_statement_of_another_sort_is_not_a_signature() {
    let sandbox = sandbox();
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {},
        "subject": [{ "name": "app.txt", "digest": { "sha256":
            "a4c6e70b90fd263c324cc0f892345b9f3b003c95d06117d23bffeb3049fbac88" } }],
    });
    let envelope = envelope(&sandbox, &statement.to_string());
    edit(&sandbox, |bundle| {
        let fields = bundle.as_object_mut().unwrap();
        fields.remove("messageSignature");
        fields.insert("dsseEnvelope".to_owned(), envelope);
    });
    verify(&sandbox, &["--key", "a.pub", "app.txt"]).code(1).stdout_eq("").stderr_eq(str![[r#"
error: refused `app.txt`
  caused by: `app.txt.sigstore.json` is signed, but is not a signature of the artifact: it claims `https://slsa.dev/provenance/v1`

"#]]);
    assert_eq!(
        codes(&row(&sandbox, &["--key", "a.pub", "app.txt"])),
        ["not-a-signature"]
    );
}

/// A DSSE envelope that `a` has signed, with openssl: sigtool refuses to sign a pre-authentication encoding as a file.
fn envelope(sandbox: &Sandbox, payload: &str) -> Value {
    const TYPE: &str = "application/vnd.in-toto+json";
    let pae = format!("DSSEv1 {} {TYPE} {} {payload}", TYPE.len(), payload.len());
    sandbox.write("pae", pae);
    let signing = std::process::Command::new("openssl")
        .args(["dgst", "-sha256", "-sign", "a.key", "pae"])
        .current_dir(sandbox.work())
        .output()
        .unwrap();
    assert!(signing.status.success(), "{signing:?}");
    let signature = STANDARD.encode(signing.stdout);
    json!({
        "payload": STANDARD.encode(payload),
        "payloadType": TYPE,
        "signatures": [{ "sig": signature }],
    })
}

#[test]
fn a_detached_signature_does_not_say_whose_fault_it_is() {
    let sandbox = sandbox();
    sign(
        &sandbox,
        &["--key", "a.key", "--signature", "app.sig", "app.txt"],
    );
    let given = |key: &str| {
        verify(
            &sandbox,
            &["--key", key, "--signature", "app.sig", "app.txt"],
        )
    };
    given("a.pub").code(0).stdout_eq(str![[r#"
valid app.txt, signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)

"#]]);
    given("b.pub").code(1).stdout_eq("").stderr_eq(str![[r#"
error: refused `app.txt`
  caused by: `app.sig` does not verify with `b.pub` (key hint eUeeM4sYtiIAzPKdwrd0smw0nUCZSii4ADSywb/hA+k=): another key made it, or the artifact has changed since; such a signature does not say which

"#]]);
    let row = row(
        &sandbox,
        &["--key", "b.pub", "--signature", "app.sig", "app.txt"],
    );
    assert_eq!(codes(&row), ["does-not-verify"]);
}

#[test]
fn several_keys_are_alternatives_unless_more_is_required() {
    let sandbox = sandbox();
    let keys = |require: &[&str]| {
        let keys = ["--key", "b.pub", "--key", "a.pub", "app.txt"];
        verify(&sandbox, &[require, &keys].concat())
    };
    keys(&[]).code(0);
    keys(&["--require", "any"]).code(0);
    keys(&["--require", "1"]).code(0);
    keys(&["--require", "2"]).code(1).stdout_eq("").stderr_eq(str![[r#"
error: refused `app.txt`
  caused by: 2 distinct signers are required, 1 found: `a.pub` (key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=); no signature by `b.pub` (key hint eUeeM4sYtiIAzPKdwrd0smw0nUCZSii4ADSywb/hA+k=)

"#]]);
    keys(&["--require", "all"]).code(1);
    let asked = [
        "--key",
        "b.pub",
        "--key",
        "a.pub",
        "--require",
        "all",
        "app.txt",
    ];
    assert_eq!(codes(&row(&sandbox, &asked)), ["not-enough-signers"]);
    sign(&sandbox, &["--key", "b.key", "app.txt"]);
    keys(&["--require", "all"]).code(0).stdout_eq(str![[r#"
valid app.txt, signed by b.pub (ecdsa-p384, key hint eUeeM4sYtiIAzPKdwrd0smw0nUCZSii4ADSywb/hA+k=) and a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)

"#]]).stderr_eq("");
    keys(&["--require", "2"]).code(0);
}

#[test]
fn a_requirement_that_can_never_or_always_be_met_is_not_a_policy() {
    let sandbox = sandbox();
    let require = |text: &str| {
        let keys = [
            "--key",
            "a.pub",
            "--key",
            "a.pub",
            "--require",
            text,
            "app.txt",
        ];
        verify(&sandbox, &keys).code(2).stdout_eq("")
    };
    require("2").stderr_eq(str![[r#"
error: this policy cannot be used
  caused by: the policy requires 2 signers, but lists only 1

"#]]);
    require("0").stderr_eq(str![[r#"
error: `0` is not a requirement: write `any`, `all` or a number from 1 on

"#]]);
    require("most").stderr_eq(str![[r#"
error: `most` is not a requirement: write `any`, `all` or a number from 1 on

"#]]);
}

#[test]
fn what_is_not_a_public_key_is_told() {
    let sandbox = sandbox();
    let key = |text: &str| {
        verify(&sandbox, &["--key", text, "app.txt"])
            .code(2)
            .stdout_eq("")
    };
    key("gone.pub").stderr_eq(str![[r#"
error: cannot use the key `gone.pub`
  caused by: there is no such file or folder

"#]]);
    key("a.key").stderr_eq(str![[r#"
error: cannot use the key `a.key`
  caused by: this is a private key (`PRIVATE KEY`), not a public key
  hint: make the public key with `sigtool key export-public --key FILE`, and give that

"#]]);
    key("app.txt").stderr_eq(str![[r#"
error: cannot use the key `app.txt`
  caused by: this is not a public key: a PEM block `PUBLIC KEY` was expected

"#]]);
    key(".").stderr_eq(str![[r#"
error: cannot use the key `.`
  caused by: it is a folder, expected a regular file

"#]]);
    key("env:GONE").stderr_eq(str![[r#"
error: cannot use the key `env:GONE`
  caused by: the environment variable `GONE` is not set

"#]]);
    key("awskms:///alias/release").stderr_eq(str![[r#"
error: cannot use the key `awskms:///alias/release`
  caused by: public keys of the form `awskms:` are not served

"#]]);
}

#[test]
fn a_public_key_may_be_in_a_variable() {
    let sandbox = sandbox();
    let pem = std::fs::read_to_string(sandbox.work().join("a.pub")).unwrap();
    for key in ["env:RELEASE", "env://RELEASE"] {
        let command = sandbox.sigtool().env("RELEASE", &pem);
        command
            .args(["verify", "--key", key, "app.txt"])
            .assert()
            .code(0);
    }
}

#[test]
fn the_profile_says_whom_it_trusts() {
    let sandbox = sandbox();
    sign(&sandbox, &["--key", "ed.key", "app.txt"]);
    let profile = |require: &str| {
        sandbox.write_config(&format!(
            "[profile.default.verify]\nkeys = [\"WORK/a.pub\", \"WORK/b.pub\", \"WORK/ed.pub\"]\n{require}"
        ).replace("WORK", &sandbox.work().display().to_string()));
    };
    profile("");
    verify(&sandbox, &["app.txt"]).code(0).stdout_eq(str![[r#"
valid app.txt, signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=) and ed.pub (ed25519, key hint eSr0KzSDA3Z4butxlzguF1rD7mvRW3urA3osWYpkwpI=)

"#]]).stderr_eq("");
    profile("require = 2\n");
    verify(&sandbox, &["app.txt"]).code(0);
    profile("require = \"all\"\n");
    verify(&sandbox, &["app.txt"]).code(1);
    verify(&sandbox, &["--require", "any", "app.txt"]).code(0);
    profile("require = 4\n");
    verify(&sandbox, &["app.txt"])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: `profile.default.verify` requires 4 signers and lists 3
 --> ~/.config/sigtool/config.toml:3:11
  |
3 | require = 4
  |           ^ at most 3

"#]]);
}

#[test]
fn an_identity_in_the_policy_is_not_ignored_by_a_version_that_cannot_check_it() {
    let sandbox = sandbox();
    sandbox.write_config(
        "[profile.default.verify]\nidentities = [{ subject = \"a@example.com\", issuer = \"https://i.example\" }]\n",
    );
    verify(&sandbox, &["app.txt"]).code(3).stdout_eq("").stderr_eq(str![[r#"
error: this version verifies keys only, and the policy lists the identity `a@example.com` of https://i.example
 --> ~/.config/sigtool/config.toml:2:27
  |
2 | identities = [{ subject = "a@example.com", issuer = "https://i.example" }]
  |                           ^^^^^^^^^^^^^^^ an identity

"#]]);
}

#[test]
fn the_policy_of_the_machine_is_a_ceiling_that_no_flag_lifts() {
    let sandbox = sandbox();
    let etc = sandbox.home().join("etc");
    std::fs::create_dir(&etc).unwrap();
    let policy = "[verify]\nkeys = [\"WORK/b.pub\"]\n";
    let work = sandbox.work().display().to_string();
    std::fs::write(etc.join("policy.toml"), policy.replace("WORK", &work)).unwrap();
    let verify = |arguments: &[&str]| {
        let command = sandbox
            .sigtool()
            .env("SIGTOOL_TEST_ETC", &etc)
            .arg("verify");
        command.args(["--key", "a.pub"]).args(arguments).assert()
    };
    verify(&["app.txt"]).code(1).stdout_eq("").stderr_eq(str![[r#"
error: refused `app.txt`
  caused by: the policy of this machine demands more: ~/etc/policy.toml:2
  caused by: `app.txt.sigstore.json` is signed by another key (key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=); trusted: `b.pub` (key hint eUeeM4sYtiIAzPKdwrd0smw0nUCZSii4ADSywb/hA+k=)

"#]]);
    let output = verify(&["--format", "jsonl", "app.txt"]).code(1);
    let row: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    assert!(
        row["demanded_by"]
            .as_str()
            .unwrap()
            .ends_with("policy.toml:2"),
        "{row}"
    );
    sign(&sandbox, &["--key", "b.key", "app.txt"]);
    verify(&["app.txt"]).code(0).stdout_eq(str![[r#"
valid app.txt, signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)

"#]]);
}

#[test]
fn a_place_that_cannot_be_read_leaves_it_open() {
    let sandbox = sandbox();
    // Nobody can read a link to itself, root included.
    let second = "app.txt.01234567.sigstore.json";
    std::os::unix::fs::symlink(second, sandbox.work().join(second)).unwrap();
    verify(&sandbox, &["--key", "b.pub", "app.txt"])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: could not tell whether `app.txt` is signed as the policy demands
  caused by: could not look beside the artifact: `app.txt.01234567.sigstore.json` is a symbolic link in a circle
  caused by: `app.txt.sigstore.json` is signed by another key (key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=); trusted: `b.pub` (key hint eUeeM4sYtiIAzPKdwrd0smw0nUCZSii4ADSywb/hA+k=)

"#]]);
    let row = row(&sandbox, &["--key", "b.pub", "app.txt"]);
    assert_eq!(row["status"], "inconclusive");
    assert_eq!(codes(&row)[0], "place-failed");
}

#[test]
fn a_good_signature_beside_a_bad_one_is_valid_with_a_note() {
    let sandbox = sandbox();
    sandbox.write("app.txt.sig", "not a signature");
    verify(&sandbox, &["--key", "a.pub", "app.txt"])
        .code(0)
        .stdout_eq(str![[r#"
valid app.txt, signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)

"#]])
        .stderr_eq(str![[r#"
note: app.txt: `app.txt.sig` is malformed: it is neither JSON nor the Base64 of a signature

"#]]);
    let row = row(&sandbox, &["--key", "a.pub", "app.txt"]);
    assert_eq!(row["status"], "valid");
    assert_eq!(row["notes"].as_array().unwrap().len(), 1);
}

#[test]
fn signatures_of_other_signers_are_a_line_and_not_a_list() {
    let sandbox = sandbox();
    sign(
        &sandbox,
        &["--key", "b.key", "--signature-format", "both", "app.txt"],
    );
    verify(&sandbox, &["--key", "a.pub", "app.txt"])
        .code(0)
        .stdout_eq(str![[r#"
valid app.txt, signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)

"#]])
        .stderr_eq(str![[r#"
note: app.txt: 2 signatures beside it do not count: not by a key of the policy (`--verbose` lists them)

"#]]);
}

#[test]
fn a_given_signature_is_the_only_one_that_is_looked_at() {
    let sandbox = sandbox();
    sandbox.write("empty.json", "");
    verify(
        &sandbox,
        &["--key", "a.pub", "--bundle", "empty.json", "app.txt"],
    )
    .code(1);
    verify(
        &sandbox,
        &["--key", "a.pub", "--bundle", "gone.json", "app.txt"],
    )
    .code(2)
    .stdout_eq("")
    .stderr_eq(str![[r#"
error: cannot read the signature `gone.json`
  caused by: there is no such file or folder

"#]]);
    verify(
        &sandbox,
        &[
            "--key",
            "a.pub",
            "--bundle",
            "gone.json",
            "app.txt",
            "a.pub",
        ],
    )
    .code(2)
    .stdout_eq("")
    .stderr_eq(str![[r#"
error: `--bundle gone.json` names one file, and there are 2 artifacts
  hint: name a folder: --bundle gone.json/

"#]]);
}

#[test]
fn standard_input_is_verified_with_a_signature_that_is_named() {
    let sandbox = sandbox();
    let verify = |stdin: &'static str, arguments: &[&str]| {
        let command = sandbox.sigtool().args(["verify", "--key", "a.pub", "-"]);
        command.args(arguments).stdin(stdin).assert()
    };
    verify("an app\n", &["--bundle", BUNDLE])
        .code(0)
        .stdout_eq(str![[r#"
valid -, signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)

"#]])
        .stderr_eq("");
    verify("another\n", &["--bundle", BUNDLE])
        .code(1)
        .stdout_eq("");
    verify("an app\n", &[])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: cannot verify `-`
  caused by: standard input has no signatures beside it
  hint: name one: --bundle FILE, or --signature FILE

"#]]);
}

#[test]
fn a_missing_artifact_is_an_input_error_and_not_a_refusal() {
    let sandbox = sandbox();
    verify(&sandbox, &["--key", "a.pub", "gone.txt"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: there is no file `gone.txt`

"#]]);
    let row = row(&sandbox, &["--key", "a.pub", "gone.txt"]);
    assert_eq!(
        (&row["status"], &row["error"]["code"]),
        (&json!("failed"), &json!("not-found"))
    );
}

#[test]
fn a_line_end_in_a_name_forges_no_line() {
    const VALID: &str = "valid evil.txt, signed by release.pub (ecdsa-p256, key hint AAAA)";
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sigtool"));
    keys::put_with_profile(&sandbox);
    sandbox.write("good.txt", "good");
    sandbox.write(".sigtool.toml", "[profile.\"x\\nerror: forged\"]\n");
    sign(&sandbox, &["good.txt"]);
    let bundle = std::fs::read(sandbox.work().join("good.txt.sigstore.json")).unwrap();
    let named = format!("good.txt\n{VALID}\nvalid x");
    sandbox.write(&named, "good");
    sandbox.write(&format!("{named}.sigstore.json"), bundle);
    sandbox.write("bad\nerror: forged", "bad");
    sandbox.write("bad\nerror: forged.sigstore.json", "{}");
    std::os::unix::fs::symlink(".", sandbox.work().join("to\nnote: forged")).unwrap();
    let commands: [&[&str]; 20] = [
        &["verify", "--recursive", "."],
        &["verify", &named],
        &["verify", "bad\nerror: forged", "good.txt"],
        &["verify", "good.txt", "gone\nerror: forged"],
        &["verify", "--key", "gone.pub\nerror: forged", "good.txt"],
        &[
            "sign",
            "--name",
            "a\nsigned root.bin → root.bin.sigstore.json",
            "good.txt",
        ],
        &["sign", "--recursive", "."],
        &["sign", "--key", "gone\nerror: forged", "good.txt"],
        &["sign", "good.txt", "--bundle", "gone\nerror: forged/x"],
        &["history"],
        &["history", "gone\nerror: forged"],
        &["overview"],
        &["overview", &named],
        &["inspect", "bad\nerror: forged.sigstore.json"],
        &["inspect", "bad\nerror: forged"],
        &["config", "explain"],
        &["profile", "list"],
        &["key", "show", "gone\nerror: forged"],
        &["gone\nerror: forged"],
        &["sign", "--gone\nerror: forged"],
    ];
    let begins = ["valid evil", "signed root", "error: forged", "note: forged"];
    for arguments in commands {
        let output = sandbox.sigtool().args(arguments).output().unwrap();
        for text in [output.stdout, output.stderr] {
            let text = String::from_utf8(text).unwrap();
            let forged = text
                .lines()
                .find(|line| begins.iter().any(|b| line.starts_with(b)));
            assert_eq!(forged, None, "{arguments:?}: {text}");
        }
    }
}

/// One limit wherever a signature lies, and beyond it nobody can tell. SECURITY.md: "Ambiguous and oversized input is refused".
#[test]
fn a_signature_of_any_size_has_one_verdict_beside_the_file_and_by_name() {
    let sandbox = sandbox();
    let path = sandbox.work().join(BUNDLE);
    let bundle = std::fs::read(&path).unwrap();
    for (size, code) in [(2 << 20, 0), (8 << 20, 0), ((8 << 20) + 1, 3)] {
        let mut padded = bundle.clone();
        padded.resize(size, b' ');
        std::fs::write(&path, &padded).unwrap();
        verify(&sandbox, &["--key", "a.pub", "app.txt"]).code(code);
        verify(&sandbox, &["--key", "a.pub", "--bundle", BUNDLE, "app.txt"]).code(code);
    }
}

/// SECURITY.md: "Ambiguous and oversized input is refused".
#[test]
fn a_bundle_that_two_readers_would_read_differently_is_refused() {
    let sandbox = sandbox();
    edit(&sandbox, |b| {
        b["message_signature"] = b["messageSignature"].clone();
    });
    verify(&sandbox, &["--key", "a.pub", "app.txt"])
        .code(1)
        .stderr_eq(str![[r#"
...
  caused by: `app.txt.sigstore.json` is malformed: the key `message_signature` in the top level is another spelling of `messageSignature`, so what it says depends on who reads it (in the JSON)
...
"#]]);
}
