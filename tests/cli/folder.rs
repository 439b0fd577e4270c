//! A folder's verdict covers the folder: what is not looked at is told, and what poses as a signature is refused.

use serde_json::Value;
use sigtool_tests::{Sandbox, keys};
use snapbox::cmd::OutputAssert;
use snapbox::str;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;

/// A sandbox with a profile that signs with `a`, and a folder with one signed file.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sigtool"));
    keys::put_with_profile(&sandbox);
    sandbox.write("rel/a.txt", "good");
    run(&sandbox, &["sign", "--quiet", "rel/a.txt"]).code(0);
    sandbox
}

fn run(sandbox: &Sandbox, arguments: &[&str]) -> OutputAssert {
    sandbox.sigtool().args(arguments).assert()
}

fn rows(sandbox: &Sandbox, code: i32, arguments: &[&str]) -> Vec<Value> {
    let arguments = [arguments, &["--format", "json"]].concat();
    let output = run(sandbox, &arguments).code(code).get_output().clone();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// SECURITY.md: "A folder's verdict covers the folder."
#[test]
fn a_file_that_is_named_like_a_signature_is_refused_if_it_signs_nothing() {
    let sandbox = sandbox();
    for name in ["rel/run.sh.sig", "rel/x.sigstore.json"] {
        sandbox.write(name, "#!/bin/sh\n");
    }
    for what in [&["--recursive", "rel"][..], &["rel/*"]] {
        let verify = [&["verify"], what].concat();
        run(&sandbox, &verify)
            .code(1)
            .stdout_eq(str![[r#"
valid rel/a.txt, signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)

"#]])
            .stderr_eq(str![[r#"
error: refused `rel/run.sh.sig`
  caused by: it is named like a signature, and no artifact in its folder is signed by it
  hint: verify what it signs by name, or remove it
error: refused `rel/x.sigstore.json`
  caused by: it is named like a signature, and no artifact in its folder is signed by it
  hint: verify what it signs by name, or remove it
1 artifact valid, 2 failed:
  rel/run.sh.sig (refused)
  rel/x.sigstore.json (refused)

"#]]);
        let rows = rows(&sandbox, 1, &verify);
        let told: Vec<_> = rows
            .iter()
            .map(|r| {
                (
                    r["artifact"].as_str().unwrap(),
                    r["status"].as_str().unwrap(),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("rel/a.txt", "valid"),
                ("rel/run.sh.sig", "refused"),
                ("rel/x.sigstore.json", "refused")
            ]
        );
        // Signing leaves it alone, and names it.
        run(&sandbox, &[&["sign"], what].concat())
            .code(0)
            .stdout_eq(str![[r#"
signed again rel/a.txt → rel/a.txt.sigstore.json
not looked at: rel/run.sh.sig (it is named like a signature, and there is no artifact of that name)
not looked at: rel/x.sigstore.json (it is named like a signature, and there is no artifact of that name)

"#]])
            .stderr_eq(str![[r#"
1 artifact signed, 2 not looked at

"#]]);
    }
    // Nothing else in the folder is no reason to pass it over.
    sandbox.write("odd/run.sh.sig", "#!/bin/sh\n");
    run(&sandbox, &["verify", "-r", "odd"]).code(1);
    run(&sandbox, &["sign", "-r", "odd"])
        .code(2)
        .stderr_eq(str![[r#"
error: there is nothing to sign in `odd`
  caused by: `odd/run.sh.sig` is not looked at: it is named like a signature, and there is no artifact of that name

"#]]);
}

#[test]
fn a_file_beside_an_artifact_that_only_poses_as_its_signature_is_refused() {
    let sandbox = sandbox();
    sandbox.write("rel/a.txt.sig", "#!/bin/sh\n");
    run(&sandbox, &["verify", "--quiet", "-r", "rel"])
        .code(1)
        .stderr_eq(str![[r#"
error: refused what lies beside `rel/a.txt` as its signature
  caused by: `rel/a.txt.sig` is malformed: it is neither JSON nor the Base64 of a signature
  hint: verify what it signs by name, or remove it

"#]]);
    // What cannot be read may be one.
    std::fs::remove_file(sandbox.work().join("rel/a.txt.sig")).unwrap();
    symlink("a.txt.sig", sandbox.work().join("rel/a.txt.sig")).unwrap();
    run(&sandbox, &["verify", "--quiet", "-r", "rel"])
        .code(3)
        .stderr_eq(str![[r#"
error: could not tell whether what lies beside `rel/a.txt` is its signature
  caused by: could not look beside the artifact: `rel/a.txt.sig` is a symbolic link in a circle
  hint: verify what it signs by name, or remove it
warning: 1 not looked at in folders: see them without `--quiet`

"#]]);
    run(&sandbox, &["verify", "--quiet", "rel/a.txt"]).code(0);
}

#[test]
fn a_signature_with_another_name_is_tried_for_what_has_none() {
    let sandbox = sandbox();
    sandbox.write("rel/b.txt", "b");
    run(
        &sandbox,
        &[
            "sign",
            "--quiet",
            "--bundle",
            "rel/release.sigstore.json",
            "rel/b.txt",
        ],
    )
    .code(0);
    run(&sandbox, &["verify", "--recursive", "rel"])
        .code(0)
        .stdout_eq(str![[r#"
valid rel/a.txt, signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)
valid rel/b.txt, signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)

"#]])
        .stderr_eq(str![[r#"
note: rel/b.txt: signed by `rel/release.sigstore.json`, which has another name
2 artifacts valid

"#]]);
    // One by somebody else fits nothing.
    run(
        &sandbox,
        &[
            "sign",
            "--quiet",
            "--key",
            "b.key",
            "--bundle",
            "rel/release.sigstore.json",
            "--overwrite",
            "rel/b.txt",
        ],
    );
    sandbox.write("rel/b.txt", "changed");
    run(&sandbox, &["verify", "--recursive", "rel"])
        .code(1)
        .stderr_eq(str![[r#"
error: refused `rel/b.txt`
  caused by: no signature found beside the artifact
error: refused `rel/release.sigstore.json`
  caused by: it is named like a signature, and no artifact in its folder is signed by it
  hint: verify what it signs by name, or remove it
1 artifact valid, 2 failed:
  rel/b.txt (refused)
  rel/release.sigstore.json (refused)

"#]]);
}

#[test]
fn what_is_not_looked_at_is_told_and_with_strict_a_failure() {
    let sandbox = sandbox();
    sandbox.write("rel/.hidden", "evil");
    sandbox.write("rel/link.sig", "x");
    symlink("/etc/passwd", sandbox.work().join("rel/link")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(sandbox.work().join("rel/s")).unwrap();
    run(&sandbox, &["verify", "--recursive", "rel"])
        .code(0)
        .stdout_eq(str![[r#"
valid rel/a.txt, signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)
not looked at: rel/.hidden (its name begins with a dot)
not looked at: rel/link (it is a symbolic link)
not looked at: rel/link.sig (it is named like a signature of something that is not looked at)
not looked at: rel/s (it is a pipe, a socket or a device)

"#]])
        .stderr_eq(str![[r#"
1 artifact valid, 4 not looked at

"#]]);
    run(&sandbox, &["verify", "--quiet", "--recursive", "rel"])
        .code(0)
        .stdout_eq(str![])
        .stderr_eq(str![[r#"
warning: 4 not looked at in folders: see them without `--quiet`

"#]]);
    run(&sandbox, &["verify", "--strict", "--recursive", "rel"])
        .code(3)
        .stdout_eq(str![[r#"
valid rel/a.txt, signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)

"#]])
        .stderr_eq(str![[r#"
error: `rel/.hidden` is not looked at
  caused by: its name begins with a dot
error: `rel/link` is not looked at
  caused by: it is a symbolic link
error: `rel/link.sig` is not looked at
  caused by: it is named like a signature of something that is not looked at
error: `rel/s` is not looked at
  caused by: it is a pipe, a socket or a device
1 artifact valid, 4 failed:
  rel/.hidden (could not tell)
  rel/link (could not tell)
  rel/link.sig (could not tell)
  rel/s (could not tell)

"#]]);
    run(&sandbox, &["sign", "--strict", "--recursive", "rel"]).code(2);
    for (code, strict) in [(0, &[][..]), (3, &["--strict"])] {
        let rows = rows(&sandbox, code, &[&["verify", "-r", "rel"], strict].concat());
        assert_eq!(rows.len(), 5);
        assert_eq!(rows[1]["artifact"], "rel/.hidden");
        assert_eq!(rows[1]["status"], "not-looked-at");
        assert_eq!(rows[1]["reason"], "its name begins with a dot");
        assert_eq!(rows[1]["error"].is_object(), code == 3);
    }
    let rows = rows(&sandbox, 0, &["sign", "-r", "rel"]);
    assert_eq!(rows[2]["status"], "not-looked-at");
}

#[test]
fn a_name_that_is_not_text_fails_in_a_folder_too() {
    let sandbox = sandbox();
    let name = OsStr::from_bytes(b"rel/caf\xe9.txt");
    if std::fs::write(sandbox.work().join(name), "evil").is_err() {
        return; // This file system takes text only.
    }
    std::fs::create_dir(sandbox.work().join(OsStr::from_bytes(b"rel/d\xff"))).unwrap();
    run(&sandbox, &["sign", "--recursive", "rel"])
        .code(2)
        .stdout_eq(str![[r#"
signed again rel/a.txt → rel/a.txt.sigstore.json

"#]]);
    run(&sandbox, &["verify", "--quiet", "-r", "rel"])
        .code(2)
        .stderr_eq(str![[r#"
error: `rel/caf/xE9.txt` is not UTF-8
  caused by: a backend and a report get it as text
  hint: rename `rel/caf/xE9.txt`
error: `rel/d/xFF` is not UTF-8
  caused by: a backend and a report get it as text
  hint: rename `rel/d/xFF`

"#]]);
    let rows = rows(&sandbox, 2, &["verify", "-r", "rel"]);
    let told: Vec<_> = rows
        .iter()
        .map(|r| r["artifact"].as_str().unwrap())
        .collect();
    assert_eq!(told, [r"rel/caf\xE9.txt", r"rel/d\xFF", "rel/a.txt"]);
}

/// A private key in a folder that is released is a finding.
#[test]
fn a_private_key_is_signed_only_if_it_is_named() {
    let sandbox = sandbox();
    let key = std::fs::read(sandbox.work().join("b.key")).unwrap();
    sandbox.write("rel/b.key", key);
    sandbox.write("list", "rel/b.key\nrel/a.txt\n");
    for what in [
        &["--recursive", "rel"][..],
        &["rel/*"],
        &["--from-file", "list"],
    ] {
        run(&sandbox, &[&["sign"], what].concat())
            .code(2)
            .stdout_eq(str![[r#"
signed again rel/a.txt → rel/a.txt.sigstore.json

"#]])
            .stderr_eq(str![[r#"
error: cannot sign `rel/b.key`
  caused by: it is a private key
  hint: move it away from what is released, or sign it by its name if it is meant
1 artifact signed, 1 failed:
  rel/b.key

"#]]);
    }
    run(&sandbox, &["sign", "--quiet", "rel/b.key"])
        .code(0)
        .stderr_eq(str![[r#"
warning: rel/b.key: it is a private key

"#]]);
}

/// SECURITY.md: "Only a signature is a signature."
#[test]
fn a_file_that_is_the_payload_of_another_kind_is_not_signed() {
    let sandbox = sandbox();
    sandbox.write("data.bin", "DSSEv1 28 application/vnd.in-toto+json 2 {}");
    run(&sandbox, &["sign", "data.bin"])
        .code(2)
        .stderr_eq(str![[r#"
error: cannot sign `data.bin`
  caused by: these are the bytes that sign the statement in it: signed as a file, they would make it signed
  hint: sign what it is about, or an archive with the file in it

"#]]);
    sandbox.write(
        "notes.json",
        r#"{"Critical":{"image":{"docker-manifest-digest":"sha256:00"}}}"#,
    );
    for key in ["a.key", "b.key"] {
        run(&sandbox, &["sign", "--key", key, "--signature-format", "cosign", "notes.json"])
            .code(2)
            .stderr_eq(str![[r#"
error: cannot sign `notes.json`
  caused by: these are the bytes that sign the image that it names: signed as a file, they would make it signed
  hint: sign what it is about, or an archive with the file in it

"#]]);
    }
    sandbox
        .sigtool()
        .args(["sign", "--bundle", "x.json", "-"])
        .stdin("DSSEv1 1 x 0 ")
        .assert()
        .code(2);
}
