//! Backends of others at work: what they sign, everyone accepts.

use super::{C_SIGNER, SH_SOURCE, add_c_signer, add_python_signer, sandbox, with_c_signer};
use serde_json::Value;
use sigtool_tests::peers::{Cosign, Form};
use sigtool_tests::rogues::{self, ARTIFACT, Built};
use sigtool_tests::{Sandbox, foreign};
use snapbox::str;
use std::fs;

/// Lets a library run in sigtool's own process.
fn in_process(sandbox: &Sandbox) {
    let config = fs::read_to_string(sandbox.config()).unwrap();
    let marker = format!("[backend.\"{C_SIGNER}\"]\n");
    let isolation = format!("{marker}isolation = \"in-process\"\n");
    sandbox.write_config(&config.replace(&marker, &isolation));
}

/// Signs with the profile in both forms, and has sigtool and both cosigns verify them.
fn everyone_accepts(sandbox: &Sandbox, profile: &str) {
    let sign = [
        "sign",
        "--signature-format",
        "both",
        "-p",
        profile,
        "app.txt",
    ];
    sandbox
        .seen(sandbox.sigtool().args(sign))
        .success()
        .stderr_eq("");
    let key = format!("{profile}.pub");
    let verify = |flags: &[&str]| {
        let verify = sandbox.sigtool().args(["verify", "--key", &key, "app.txt"]);
        verify.args(flags).assert().success();
    };
    verify(&["--bundle", "app.txt.sigstore.json"]);
    verify(&["--signature", "app.txt.sig"]);
    for cosign in Cosign::both().into_iter().flatten() {
        for (form, file) in [
            (Form::Bundle, "app.txt.sigstore.json"),
            (Form::Detached, "app.txt.sig"),
        ] {
            cosign
                .verify(sandbox, &key, form, file, "app.txt")
                .expect_success(&format!("{} verifies {file}", cosign.version));
        }
    }
}

#[test]
fn what_a_library_in_c_signs_is_accepted_by_everyone() {
    let (sandbox, _) = with_c_signer();
    everyone_accepts(&sandbox, "c");
    in_process(&sandbox);
    everyone_accepts(&sandbox, "c");
}

#[test]
fn what_an_executable_in_python_signs_is_accepted_by_everyone() {
    let sandbox = sandbox();
    sandbox.write("app.txt", "an app\n");
    add_python_signer(&sandbox);
    everyone_accepts(&sandbox, "python");
}

#[test]
fn a_library_gives_the_same_result_in_both_places() {
    let (sandbox, _) = with_c_signer();
    let sign = |place: &str| {
        let bundle = format!("{place}.json");
        let sign = ["sign", "-p", "c", "--format", "json", "-v", "app.txt"];
        let output = sandbox
            .sigtool()
            .args(sign)
            .args(["--bundle", &bundle])
            .output()
            .unwrap();
        let debug = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{debug}");
        assert!(
            debug.contains(&format!(".so ({place})")),
            "it runs where it should: {debug}"
        );
        let text = String::from_utf8(output.stdout).unwrap();
        let mut rows: Value = serde_json::from_str(&text.replace(&bundle, "BUNDLE")).unwrap();
        // Each time another one.
        rows[0]["head"].take();
        rows[0]["signatures"][0]["signature"].take();
        rows
    };
    let isolated = sign("process");
    in_process(&sandbox);
    assert_eq!(isolated, sign("in-process"));
}

#[test]
fn a_secret_of_the_profile_reaches_a_backend_in_both_places() {
    let sandbox = sandbox();
    let backend = sandbox.place(&foreign::c_signer());
    add_c_signer(&sandbox, &backend);
    sandbox.write("app.txt", "an app\n");
    let key = sandbox.work().join("locked.key");
    foreign::p256_key(&key, Some("a password for c"));
    sandbox.append_config(&format!(
        "[profile.locked]\nsigner = {{ backend = \"{C_SIGNER}\", key = \"{}\", password = {{ env = \"C_PASSWORD\" }} }}\n",
        key.display()
    ));
    for place in ["process", "in-process"] {
        if place == "in-process" {
            in_process(&sandbox);
        }
        let sign = |password: &str| {
            let sigtool = sandbox.sigtool().env("C_PASSWORD", password);
            sandbox.seen(sigtool.args(["sign", "-p", "locked", "app.txt"]))
        };
        sign("a password for c").success();
        sign("another").code(3).stdout_eq("").stderr_eq(str![[r#"
error: the password does not open the key
  caused by: the backend `dev.example.c-signer` failed in `signer.public_key`

"#]]);
    }
}

#[test]
fn a_key_that_is_not_there_is_told_in_the_backends_words() {
    let (sandbox, _) = with_c_signer();
    fs::remove_file(sandbox.work().join("c.key")).unwrap();
    sandbox
        .seen(sandbox.sigtool().args(["sign", "-p", "c", "app.txt"]))
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: cannot open the file of the key
  caused by: the backend `dev.example.c-signer` failed in `signer.public_key`

"#]]);
}

#[test]
fn a_setting_that_the_manifest_does_not_know_is_found_before_anything_runs() {
    let (sandbox, _) = with_c_signer();
    sandbox.append_config(&format!(
        "[profile.wrong]\nsigner = {{ backend = \"{C_SIGNER}\", kye = \"c.key\" }}\n"
    ));
    sandbox
        .seen(
            sandbox
                .sigtool()
                .args(["sign", "-v", "-p", "wrong", "app.txt"]),
        )
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: the backend `dev.example.c-signer` has no setting `kye`
 --> ~/.config/sigtool/config.toml:9:46
  |
9 | signer = { backend = "dev.example.c-signer", kye = … }
  |                                              ^^^ unknown
  hint: did you mean `key`?

"#]]);
}

#[test]
fn a_source_and_a_signer_of_others_work_together() {
    let (sandbox, _) = with_c_signer();
    sandbox.pin(&sandbox.place(&foreign::sh_source()));
    sandbox.append_config(&format!(
        "[profile.both]\ninherits = \"c\"\nsource = {{ backend = \"{SH_SOURCE}\" }}\n\
         [profile.both.verify]\nkeys = [\"{}\"]\n",
        sandbox.work().join("c.pub").display()
    ));
    let run = |words: &[&str]| sandbox.seen(sandbox.sigtool().args(words));
    let bundle = "app.txt.sigstore.json";
    run(&["sign", "-p", "both", "app.txt", "--bundle", bundle])
        .success()
        .stdout_eq(str![[r#"
signed app.txt → app.txt.sigstore.json

"#]])
        .stderr_eq("");
    run(&["verify", "-p", "both", "app.txt"])
        .success()
        .stdout_eq(str![[r#"
valid app.txt, signed by c.pub (ecdsa-p256, key hint [..])

"#]]);
    // It keeps no signatures itself.
    run(&["sign", "-p", "both", "app.txt"])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: cannot sign `app.txt`
  caused by: the backend `dev.example.sh-source` failed in `source.attach`
  caused by: this backend has no such operation
  hint: this source keeps no signatures: say where they go with `--bundle FILE` or `--signature FILE`

"#]]);
    run(&["sign", "-p", "both", "gone.txt", "--bundle", "b.json"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: cannot sign `gone.txt`
  caused by: the backend `dev.example.sh-source` failed in `source.resolve`
  caused by: there is no file [ROOT]/here/gone.txt

"#]]);
}

#[test]
fn a_key_reference_finds_its_backend_by_the_scheme() {
    let sandbox = sandbox();
    let backend = rogues::find("honest", Built::Python).place(&sandbox);
    let manifest = backend.with_file_name("rogue-honest.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let with_scheme =
        text.replace("kinds =", "schemes = [\"rogue\"]\nkinds =") + "key = { type = \"key\" }\n";
    fs::write(&manifest, with_scheme).unwrap();
    sandbox.pin(&backend);
    sandbox.write("artifact.txt", ARTIFACT);
    let run = |words: &[&str]| sandbox.seen(sandbox.sigtool().args(words));
    run(&["sign", "--key", "rogue:slot-1", "artifact.txt"])
        .success()
        .stdout_eq(str![[r#"
signed artifact.txt → artifact.txt.sigstore.json

"#]])
        .stderr_eq("");
    run(&["key", "show", "rogue:slot-1"])
        .success()
        .stdout_eq(str![[r#"
key         rogue:slot-1
algorithm   ecdsa-p256
key hint    6sM1NCFFG0kjNsVRLpF1SUIMb2KMqkXlRPgMEratdgE=
protection  unknown
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEtmAYfCxgKQH9xbJx88LkU1s1w3OD
NzcNx8eBvYOuI1hbLlQmJmYQwyOYtk+1tMwqQw74hxd9qqz2btzbYANorQ==
-----END PUBLIC KEY-----

"#]]);
    run(&["sign", "--key", "rouge:slot-1", "artifact.txt"])
        .code(2)
        .stderr_eq(str![[r#"
error: no backend serves keys of the form `rouge:`
  hint: there are: env, file, rogue
  hint: for a file of that name write `file:rouge:slot-1`

"#]]);
}

#[test]
fn profiles_with_different_backends_live_side_by_side() {
    let (sandbox, _) = with_c_signer();
    add_python_signer(&sandbox);
    let run = |words: &[&str]| sandbox.seen(sandbox.sigtool().args(words));
    let generate = ["key", "generate", "--output-key-prefix", "own"];
    let sigtool = sandbox.sigtool().env("SIGTOOL_NEW_PASSWORD", "");
    sigtool.args(generate).assert().success();
    for flags in [["-p", "c"], ["-p", "python"], ["--key", "own.key"]] {
        run(&["sign", "app.txt", flags[0], flags[1]]).success();
    }
    let keys = ["c.pub", "python.pub", "own.pub"].map(|key| ["--key", key]);
    let verify = sandbox
        .sigtool()
        .args(["verify", "app.txt", "--require", "all"]);
    sandbox
        .seen(verify.args(keys.concat()))
        .success()
        .stdout_eq(str![[r#"
valid app.txt, signed by c.pub (ecdsa-p256, key hint [..]) and python.pub (ed25519, key hint [..]) and own.pub (ecdsa-p256, key hint [..])

"#]]);
}
