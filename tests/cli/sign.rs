//! Signing files: what is written where, what is replaced, and what is told.

use serde_json::Value;
use sigtool_tests::archives::{chart, zip};
use sigtool_tests::{Sandbox, keys, person};
use snapbox::cmd::OutputAssert;
use snapbox::str;

/// A sandbox with the keys `a`, `b` and `ed`, a profile that signs with `a`, and a file.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sigtool"));
    keys::put_with_profile(&sandbox);
    sandbox.write("app.txt", "an app\n");
    sandbox
}

fn sign(sandbox: &Sandbox, arguments: &[&str]) -> OutputAssert {
    sandbox.sigtool().arg("sign").args(arguments).assert()
}

fn verify(sandbox: &Sandbox, arguments: &[&str]) -> OutputAssert {
    sandbox.sigtool().arg("verify").args(arguments).assert()
}

/// What lies in the working directory, without the keys.
fn files(sandbox: &Sandbox) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(sandbox.work())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with(".key") && !name.ends_with(".pub"))
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_is_signed_by_the_profile_and_its_signature_lies_beside_it() {
    let sandbox = sandbox();
    sign(&sandbox, &["app.txt"])
        .code(0)
        .stdout_eq(str![[r#"
signed app.txt → app.txt.sigstore.json

"#]])
        .stderr_eq(str![]);
    assert_eq!(files(&sandbox), ["app.txt", "app.txt.sigstore.json"]);
    verify(&sandbox, &["app.txt"])
        .code(0)
        .stdout_eq(str![[r#"
valid app.txt, signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)

"#]])
        .stderr_eq(str![]);
}

#[test]
fn a_key_on_the_command_line_needs_no_profile() {
    let sandbox = sandbox();
    std::fs::remove_file(sandbox.config()).unwrap();
    sign(&sandbox, &["--key", "ed.key", "app.txt"]).code(0);
    verify(&sandbox, &["--key", "ed.pub", "app.txt"]).code(0);
}

#[test]
fn without_a_key_and_a_profile_it_is_told_what_to_make() {
    let sandbox = sandbox();
    std::fs::remove_file(sandbox.config()).unwrap();
    sign(&sandbox, &["app.txt"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: nothing to sign with
  caused by: no profile is in use
  hint: make a key and a profile: sigtool init
  hint: or name a key: sigtool sign --key FILE ARTIFACT

"#]]);
}

#[test]
fn the_format_says_what_is_written() {
    let sandbox = sandbox();
    for (format, written) in [
        ("bundle", &["app.txt.sigstore.json"][..]),
        ("cosign", &["app.txt.sig"]),
        ("both", &["app.txt.sig", "app.txt.sigstore.json"]),
    ] {
        sign(&sandbox, &["--signature-format", format, "app.txt"]).code(0);
        assert_eq!(files(&sandbox)[1..], *written, "{format}");
        verify(&sandbox, &["app.txt"]).code(0);
        for name in written {
            std::fs::remove_file(sandbox.work().join(name)).unwrap();
        }
    }
    sign(&sandbox, &["--signature-format", "both", "app.txt"])
        .code(0)
        .stdout_eq(str![[r#"
signed app.txt → app.txt.sigstore.json, app.txt.sig

"#]]);
}

#[test]
fn a_profile_may_say_the_format_and_a_flag_covers_it() {
    let sandbox = sandbox();
    let both = "profile.default.signature_format=both";
    sign(&sandbox, &["--config", both, "app.txt"])
        .code(0)
        .stdout_eq(str![[r#"
signed app.txt → app.txt.sigstore.json, app.txt.sig

"#]]);
    sign(
        &sandbox,
        &["--config", both, "--signature-format", "cosign", "app.txt"],
    )
    .code(0)
    .stdout_eq(str![[r#"
signed again app.txt → app.txt.sig

"#]]);
}

#[test]
fn a_named_file_for_one_format_is_all_that_is_written() {
    let sandbox = sandbox();
    sign(&sandbox, &["--bundle", "here.json", "app.txt"])
        .code(0)
        .stdout_eq(str![[r#"
signed app.txt → here.json

"#]]);
    sign(&sandbox, &["--signature", "here.sig", "app.txt"])
        .code(0)
        .stdout_eq(str![[r#"
signed app.txt → here.sig

"#]]);
    assert_eq!(files(&sandbox), ["app.txt", "here.json", "here.sig"]);
    verify(&sandbox, &["--bundle", "here.json", "app.txt"]).code(0);
    verify(&sandbox, &["--signature", "here.sig", "app.txt"]).code(0);
    verify(&sandbox, &["app.txt"]).code(1);
}

#[test]
fn several_artifacts_need_a_folder_for_their_signatures() {
    let sandbox = sandbox();
    sandbox.write("two.txt", "2\n");
    sign(&sandbox, &["--bundle", "out.json", "app.txt", "two.txt"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: `--bundle out.json` names one file, and there are 2 artifacts
  hint: name a folder: --bundle out.json/

"#]]);
    sign(&sandbox, &["--bundle", "out/", "app.txt", "two.txt"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: `--bundle out/`: there is no folder `out`
  hint: make it: mkdir -p out

"#]]);
    std::fs::create_dir(sandbox.work().join("out")).unwrap();
    sign(
        &sandbox,
        &[
            "--bundle",
            "out/",
            "--signature",
            "out/",
            "app.txt",
            "two.txt",
        ],
    )
    .code(0)
    .stdout_eq(str![[r#"
signed app.txt → out/app.txt.sigstore.json, out/app.txt.sig
signed two.txt → out/two.txt.sigstore.json, out/two.txt.sig

"#]]);
    assert_eq!(files(&sandbox), ["app.txt", "out", "two.txt"]);
    verify(&sandbox, &["--bundle", "out/", "app.txt", "two.txt"]).code(0);
}

#[test]
fn two_artifacts_of_one_name_do_not_overwrite_each_others_signature() {
    let sandbox = sandbox();
    sandbox.write("linux/app", "1");
    sandbox.write("windows/app", "2");
    std::fs::create_dir(sandbox.work().join("out")).unwrap();
    sign(&sandbox, &["--bundle", "out/", "linux/app", "windows/app"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: `linux/app` and `windows/app` have one name, so that `out/app.sigstore.json` would be the signature of both
  hint: name them in two runs, with a folder each

"#]]);
    assert_eq!(sandbox.work().join("out").read_dir().unwrap().count(), 0);
}

#[test]
fn a_mistyped_destination_costs_no_file() {
    let sandbox = sandbox();
    sandbox.write("notes", "precious\n");
    for (to, says) in [
        ("app.txt", "`app.txt` is the artifact itself"),
        ("notes", "`notes` is there and is not a signature"),
        ("a.key", "`a.key` is there and is not a signature"),
        (".", "`.` is a folder"),
    ] {
        let output = sign(&sandbox, &["--bundle", to, "app.txt"])
            .code(2)
            .stdout_eq("");
        let output = output.get_output();
        assert!(
            String::from_utf8_lossy(&output.stderr).contains(says),
            "{output:?}"
        );
    }
    assert_eq!(
        std::fs::read(sandbox.work().join("notes")).unwrap(),
        b"precious\n"
    );
    assert_eq!(
        std::fs::read(sandbox.work().join("app.txt")).unwrap(),
        b"an app\n"
    );
    assert_eq!(files(&sandbox), ["app.txt", "notes"]);
}

#[test]
fn signing_again_replaces_ones_own_signature() {
    let sandbox = sandbox();
    let both = ["--signature-format", "both", "app.txt"];
    sign(&sandbox, &both).code(0);
    let bundle = sandbox.work().join("app.txt.sigstore.json");
    let first = std::fs::read(&bundle).unwrap();
    sign(&sandbox, &both)
        .code(0)
        .stdout_eq(str![[r#"
signed again app.txt → app.txt.sigstore.json, app.txt.sig

"#]])
        .stderr_eq("");
    assert_ne!(std::fs::read(&bundle).unwrap(), first);
    assert_eq!(
        files(&sandbox),
        ["app.txt", "app.txt.sig", "app.txt.sigstore.json"]
    );
    verify(&sandbox, &["app.txt"]).code(0).stderr_eq("");
}

#[test]
fn a_second_signer_gets_a_file_of_its_own_and_verify_reads_all() {
    let sandbox = sandbox();
    sign(&sandbox, &["app.txt"]).code(0);
    let first = std::fs::read(sandbox.work().join("app.txt.sigstore.json")).unwrap();
    sign(&sandbox, &["--key", "b.key", "app.txt"])
        .code(0)
        .stdout_eq(str![[r#"
signed app.txt → app.txt.79479e33.sigstore.json

"#]])
        .stderr_eq("");
    sign(&sandbox, &["--key", "b.key", "app.txt"])
        .code(0)
        .stdout_eq(str![[r#"
signed again app.txt → app.txt.79479e33.sigstore.json

"#]])
        .stderr_eq("");
    sign(&sandbox, &["--key", "ed.key", "app.txt"])
        .code(0)
        .stdout_eq(str![[r#"
signed app.txt → app.txt.792af42b.sigstore.json

"#]]);
    assert_eq!(files(&sandbox).len(), 4);
    assert_eq!(
        std::fs::read(sandbox.work().join("app.txt.sigstore.json")).unwrap(),
        first
    );
    let all = [
        "--key",
        "a.pub",
        "--key",
        "b.pub",
        "--key",
        "ed.pub",
        "--require",
        "all",
    ];
    verify(&sandbox, &[&all[..], &["app.txt"]].concat()).code(0).stdout_eq(str![[r#"
valid app.txt, signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=) and b.pub (ecdsa-p384, key hint eUeeM4sYtiIAzPKdwrd0smw0nUCZSii4ADSywb/hA+k=) and ed.pub (ed25519, key hint eSr0KzSDA3Z4butxlzguF1rD7mvRW3urA3osWYpkwpI=)

"#]]).stderr_eq(str![[r#"
note: `--key` says whose signatures count, in place of the profile `default` (~/.config/sigtool/config.toml:1)

"#]]);
}

#[test]
fn a_rebuilt_file_is_signed_again_in_place_of_the_outdated_signature() {
    let sandbox = sandbox();
    sign(&sandbox, &["app.txt"]).code(0);
    sign(&sandbox, &["--key", "ed.key", "app.txt"]).code(0);
    let others = std::fs::read_dir(sandbox.work()).unwrap().count();
    sandbox.write("app.txt", "a newer app\n");
    verify(&sandbox, &["app.txt"]).code(1);
    sign(&sandbox, &["app.txt"])
        .code(0)
        .stdout_eq(str![[r#"
signed again app.txt → app.txt.sigstore.json

"#]])
        .stderr_eq("");
    assert_eq!(std::fs::read_dir(sandbox.work()).unwrap().count(), others);
    verify(&sandbox, &["app.txt"]).code(0);
    // The other signer has not seen the newer one.
    verify(&sandbox, &["--key", "ed.pub", "app.txt"]).code(1);
}

#[test]
fn an_outdated_detached_signature_does_not_say_whose_it_is_and_is_left_alone() {
    let sandbox = sandbox();
    sign(&sandbox, &["--signature-format", "cosign", "app.txt"]).code(0);
    sandbox.write("app.txt", "a newer app\n");
    sign(&sandbox, &["--signature-format", "cosign", "app.txt"])
        .code(0)
        .stdout_eq(str![[r#"
signed app.txt → app.txt.23f76c7e.sig

"#]])
        .stderr_eq(str![[r#"
note: app.txt: `app.txt.sig` was left alone: it is not a signature of this artifact by this key, and does not say whose it is; if it is out of date, remove it

"#]]);
    verify(&sandbox, &["app.txt"]).code(0);
}

#[test]
fn what_is_detected_is_what_the_content_says() {
    let sandbox = sandbox();
    sandbox.write("anything.bin", chart("web-shop", "4.5.6"));
    sandbox.write(
        "deploy.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: front\n  labels:\n    app.kubernetes.io/version: '2.0'\n",
    );
    let pom = ("META-INF/maven/org.acme/billing/pom.properties", POM);
    sandbox.write("a.jar", zip(&[("META-INF/MANIFEST.MF", MANIFEST), pom]));
    let web = ("WEB-INF/web.xml", "<web-app/>\n");
    sandbox.write(
        "b.war",
        zip(&[("META-INF/MANIFEST.MF", MANIFEST), pom, web]),
    );
    sandbox.write("c.jar", zip(&[("META-INF/MANIFEST.MF", MANIFEST)]));
    sign(
        &sandbox,
        &[
            "anything.bin",
            "deploy.yaml",
            "a.jar",
            "b.war",
            "c.jar",
            "app.txt",
        ],
    )
    .code(0)
    .stdout_eq(str![[r#"
signed anything.bin (helm-chart web-shop 4.5.6) → anything.bin.sigstore.json
signed deploy.yaml (manifest front 2.0) → deploy.yaml.sigstore.json
signed a.jar (jar billing 7.8.9) → a.jar.sigstore.json
signed b.war (war billing 7.8.9) → b.war.sigstore.json
signed c.jar (jar Bills 1.2.3) → c.jar.sigstore.json
signed app.txt → app.txt.sigstore.json

"#]])
    .stderr_eq(str![[r#"
6 artifacts signed

"#]]);
}

#[test]
fn what_cannot_be_read_as_what_it_seems_is_signed_as_unknown_with_a_note() {
    let sandbox = sandbox();
    let chart = chart("web-shop", "4.5.6");
    sandbox.write("cut-1.0.0.tgz", &chart[..chart.len() / 2]);
    sign(&sandbox, &["cut-1.0.0.tgz"]).code(0).stdout_eq(str![[r#"
signed cut-1.0.0.tgz → cut-1.0.0.tgz.sigstore.json

"#]]).stderr_eq(str![[r#"
note: cut-1.0.0.tgz: the kind of `cut-1.0.0.tgz` is unknown: it holds no tar archive: incomplete deflate stream

"#]]);
    verify(&sandbox, &["cut-1.0.0.tgz"]).code(0);
}

#[test]
fn name_and_version_can_be_said() {
    let sandbox = sandbox();
    sandbox.write("a.tgz", chart("web-shop", "4.5.6"));
    sign(
        &sandbox,
        &["--name", "shop", "--artifact-version", "9", "a.tgz"],
    )
    .code(0)
    .stdout_eq(str![[r#"
signed a.tgz (helm-chart shop 9) → a.tgz.sigstore.json

"#]]);
    let row = &json(&sandbox, &["--name", "shop", "a.tgz"])[0]["resolved"];
    assert_eq!(
        (&row["name"], &row["version"]),
        (&"shop".into(), &"4.5.6".into())
    );
    sign(&sandbox, &["--name", "shop", "a.tgz", "app.txt"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: `--name` is for one artifact, and there are 2
  hint: sign that artifact by itself

"#]]);
}

#[test]
fn standard_input_is_signed_when_it_is_said_where_the_signature_goes() {
    let sandbox = sandbox();
    let signed = |arguments: &[&str]| {
        let command = sandbox.sigtool().arg("sign").args(arguments);
        command.stdin("an app\n").assert()
    };
    signed(&["-"]).code(2).stdout_eq("").stderr_eq(str![[r#"
error: standard input has no file to put a signature beside
  hint: say where it goes: --bundle FILE, or --signature FILE

"#]]);
    signed(&["-", "--bundle", "app.json"])
        .code(0)
        .stdout_eq(str![[r#"
signed - → app.json

"#]])
        .stderr_eq("");
    signed(&["-", "--signature", "app.sig"])
        .code(0)
        .stdout_eq(str![[r#"
signed - → app.sig

"#]]);
    verify(&sandbox, &["--bundle", "app.json", "app.txt"]).code(0);
    verify(&sandbox, &["--signature", "app.sig", "app.txt"]).code(0);
    // Where it was kept meanwhile is nobody's business, and is gone.
    assert_eq!(sandbox.root().join("tmp").read_dir().unwrap().count(), 0);
    let output = signed(&["-", "--bundle", "app.json", "--format", "jsonl"]);
    let row: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    assert_eq!(row["artifact"], "-");
    assert_eq!(row["resolved"]["reference"], "-");
    assert_eq!(row["resolved"].get("path"), None);
}

#[test]
fn what_is_not_a_regular_file_is_not_signed() {
    let sandbox = sandbox();
    let fifo = sandbox.work().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    std::fs::create_dir(sandbox.work().join("folder")).unwrap();
    std::os::unix::fs::symlink("nowhere", sandbox.work().join("link")).unwrap();
    sign(
        &sandbox,
        &["fifo", "/dev/zero", "folder", "link", "missing"],
    )
    .code(2)
    .stdout_eq("")
    .stderr_eq(str![[r#"
error: cannot sign `fifo`
  caused by: `fifo` is a named pipe
  caused by: only regular files can be signed
  hint: write its content to a file first, or pipe it in and name the artifact `-`
error: cannot sign `/dev/zero`
  caused by: `/dev/zero` is a character device
  caused by: only regular files can be signed
  hint: write its content to a file first, or pipe it in and name the artifact `-`
error: cannot sign `folder`
  caused by: `folder` is a folder
  hint: add `--recursive` to take every file in it
error: cannot sign `link`
  caused by: there is no file `link`
  caused by: it is a symbolic link to `nowhere`, which does not exist
error: there is no file `missing`
  hint: if the image of that name is meant, write `oci:missing`
0 artifacts signed, 5 failed:
  fifo
  /dev/zero
  folder
  link
  missing

"#]]);
    assert_eq!(files(&sandbox), ["app.txt", "fifo", "folder", "link"]);
}

#[test]
fn a_file_that_the_user_may_not_read_is_not_signed() {
    let sandbox = sandbox();
    let Some(person) = person::ordinary(&sandbox) else {
        return;
    };
    set_mode(&sandbox, "app.txt", 0o000);
    let output = person().args(["sign", "app.txt"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    snapbox::assert_data_eq!(
        String::from_utf8(output.stderr).unwrap(),
        str![[r#"
error: cannot sign `app.txt`
  caused by: cannot read `app.txt`
  caused by: permission denied: its mode is 0000, its owner [..]

"#]]
    );
    assert_eq!(files(&sandbox), ["app.txt"]);
}

#[test]
fn a_folder_that_the_user_may_not_write_to_leaves_the_choice_of_another() {
    let sandbox = sandbox();
    sandbox.write("theirs/app.txt", "an app\n");
    let Some(person) = person::ordinary(&sandbox) else {
        return;
    };
    set_mode(&sandbox, "theirs", 0o555);
    let output = person().args(["sign", "theirs/app.txt"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    snapbox::assert_data_eq!(
        String::from_utf8(output.stderr).unwrap(),
        str![[r#"
error: cannot sign `theirs/app.txt`
  caused by: cannot write `theirs/app.txt.sigstore.json`
  caused by: in the folder `theirs`: permission denied: its mode is 0555, its owner [..]
  hint: write the signature elsewhere with `--bundle FILE`

"#]]
    );
    let elsewhere = ["sign", "--bundle", "app.json", "theirs/app.txt"];
    let output = person().args(elsewhere).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    set_mode(&sandbox, "theirs", 0o755);
}

#[test]
fn a_name_that_can_mean_two_things_is_refused_with_both_spellings() {
    let sandbox = sandbox();
    sandbox.write("oci:app", "1");
    sandbox.write("file:app.txt", "2");
    sign(&sandbox, &["oci:app", "file:app.txt"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: `oci:app` can be the file of that name, or the image `app`
  hint: for the file write `file:oci:app`
  hint: for the image write `oci://app`
error: `file:app.txt` can be the file of that name, or the file `app.txt`
  hint: write `./file:app.txt` or `./app.txt`
0 artifacts signed, 2 failed:
  oci:app
  file:app.txt

"#]]);
    sign(&sandbox, &["file:oci:app", "./file:app.txt"])
        .code(0)
        .stdout_eq(str![[r#"
signed file:oci:app (oci:app) → oci:app.sigstore.json
signed ./file:app.txt → file:app.txt.sigstore.json

"#]]);
    sign(&sandbox, &["./oci:app"]).code(0);
}

#[test]
fn a_name_may_say_that_it_is_a_file() {
    let sandbox = sandbox();
    sandbox.write("app[1].txt", "1");
    sign(
        &sandbox,
        &["file:app.txt", "file:app[1].txt", "file:none.txt"],
    )
    .code(2)
    .stdout_eq(str![[r#"
signed file:app.txt (app.txt) → app.txt.sigstore.json
signed file:app[1].txt (app[1].txt) → app[1].txt.sigstore.json

"#]])
    .stderr_eq(str![[r#"
error: there is no file `none.txt`
2 artifacts signed, 1 failed:
  file:none.txt

"#]]);
}

#[test]
fn a_password_is_not_asked_for_if_there_is_nothing_to_sign() {
    let sandbox = sandbox();
    // Such a key cannot be opened here: the first thing said would be about its password.
    sign(&sandbox, &["--key", "none.key", "none.txt"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: there is no file `none.txt`

"#]]);
}

#[test]
fn json_is_one_array_with_a_row_for_each_artifact_the_failed_ones_included() {
    let sandbox = sandbox();
    let rows = json(&sandbox, &["app.txt", "none.txt", "*.nothing"]);
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 3);
    let (signed, missing, nothing) = (&rows[0], &rows[1], &rows[2]);
    assert_eq!(signed["artifact"], "app.txt");
    assert_eq!(signed["status"], "signed");
    let work = sandbox.work();
    assert_eq!(
        signed["resolved"],
        serde_json::json!({
            "reference": work.join("app.txt"),
            "path": work.join("app.txt"),
            "name": "app.txt",
            "kind": "unknown",
            "size": 7,
            "digests": ["sha256:a4c6e70b90fd263c324cc0f892345b9f3b003c95d06117d23bffeb3049fbac88"],
        })
    );
    assert_eq!(
        signed["signer"],
        serde_json::json!({
            "backend": "cosign-key",
            "algorithm": "ecdsa-p256",
            "key_hint": "I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=",
            "key_id": work.join("a.key"),
        })
    );
    assert_eq!(
        signed["signatures"],
        serde_json::json!([{
            "signature": signed["signatures"][0]["signature"],
            "format": "bundle",
            "place": "beside",
            "location": work.join("app.txt.sigstore.json"),
            "replaced": false,
        }])
    );
    assert_eq!(
        *missing,
        serde_json::json!({
            "artifact": "none.txt",
            "status": "failed",
            "error": { "kind": "input", "code": "not-found", "message": "there is no file `none.txt`" },
        })
    );
    assert_eq!(nothing["artifact"], "*.nothing");
    assert_eq!(
        nothing["error"]["message"],
        "no artifact matches `*.nothing`"
    );
}

#[test]
fn jsonl_is_an_object_a_line() {
    let sandbox = sandbox();
    let output = sign(&sandbox, &["--format", "jsonl", "app.txt", "none.txt"]).code(2);
    let text = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    let status: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["status"].clone())
        .collect();
    assert_eq!(status, ["signed", "failed"]);
}

#[test]
fn a_run_that_does_not_begin_is_told_in_json_too() {
    let sandbox = sandbox();
    sign(&sandbox, &["--format", "json", "--key", "none.key", "app.txt"])
        .code(2)
        .stdout_eq(str![[r#"
[{"status":"failed","error":{"kind":"input","message":"there is no key `none.key`","hints":["a key is named by a path, or as `env:VAR` if the variable VAR holds its text","make one with `sigtool key generate --output-key-prefix release`"],"code":"not-found"}}
]

"#]])
        .stderr_eq(str![[r#"
error: there is no key `none.key`
  hint: a key is named by a path, or as `env:VAR` if the variable VAR holds its text
  hint: make one with `sigtool key generate --output-key-prefix release`

"#]]);
    sign(&sandbox, &["--format", "jsonl", "--key", "none.key", "app.txt"])
        .code(2)
        .stdout_eq(str![[r#"
{"status":"failed","error":{"kind":"input","message":"there is no key `none.key`","hints":["a key is named by a path, or as `env:VAR` if the variable VAR holds its text","make one with `sigtool key generate --output-key-prefix release`"],"code":"not-found"}}

"#]]);
}

#[test]
fn results_are_on_stdout_and_all_else_on_stderr() {
    let sandbox = sandbox();
    sandbox.write("folder/.hidden", "");
    sandbox.write("folder/app", "");
    sign(&sandbox, &["--recursive", "folder", "app.txt", "none.txt"])
        .code(2)
        .stdout_eq(str![[r#"
signed folder/app → folder/app.sigstore.json
signed app.txt → app.txt.sigstore.json
not looked at: folder/.hidden (its name begins with a dot)

"#]])
        .stderr_eq(str![[r#"
error: there is no file `none.txt`
2 artifacts signed, 1 not looked at, 1 failed:
  none.txt

"#]]);
}

#[test]
fn a_quiet_run_says_errors_only() {
    let sandbox = sandbox();
    sign(&sandbox, &["--quiet", "app.txt"])
        .code(0)
        .stdout_eq("")
        .stderr_eq("");
    sign(&sandbox, &["--quiet", "app.txt", "none.txt"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: there is no file `none.txt`

"#]]);
    let output = sign(&sandbox, &["--quiet", "--format", "jsonl", "app.txt"]).code(0);
    assert!(!output.get_output().stdout.is_empty());
}

#[test]
fn a_verbose_run_says_what_is_done() {
    let sandbox = sandbox();
    let output = sign(&sandbox, &["--verbose", "app.txt"]).code(0);
    let said = String::from_utf8_lossy(&output.get_output().stderr);
    for backend in ["local-stage", "cosign-key"] {
        assert!(said.contains(&format!("debug: {backend}: ")), "{said}");
    }
}

#[test]
fn a_file_name_does_not_steer_the_terminal() {
    let sandbox = sandbox();
    sandbox.write("red\u{1b}[31m", "");
    let output = sign(
        &sandbox,
        &["--color", "never", "red\u{1b}[31m", "gone\u{1b}[31m"],
    )
    .code(2);
    let output = output.get_output();
    for stream in [&output.stdout, &output.stderr] {
        assert!(!stream.is_empty() && !stream.contains(&0x1b), "{output:?}");
    }
}

fn json(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    let output = sign(sandbox, &[&["--format", "json"], arguments].concat());
    serde_json::from_slice(&output.get_output().stdout).unwrap()
}

fn set_mode(sandbox: &Sandbox, name: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    let permissions = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(sandbox.work().join(name), permissions).unwrap();
}

const MANIFEST: &str =
    "Manifest-Version: 1.0\nImplementation-Title: Bills\nImplementation-Version: 1.2.3\n";
const POM: &str = "groupId=org.acme\nartifactId=billing\nversion=7.8.9\n";
