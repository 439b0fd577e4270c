//! Where the signature of an image goes: to this machine, beside the image, into files, and to another machine.

use super::*;

#[test]
fn a_signature_that_is_not_attached_stays_on_this_machine_and_it_is_said() {
    let Some(stage) = Stage::new() else { return };
    let image = stage.image();
    stage
        .run(&["sign", &image])
        .code(0)
        .stdout_eq(str![[r#"
signed [HOST]/app:v1 ([IMAGE]) → the local store

"#]])
        .stderr_eq(str![[r#"
note: the signature is on this machine only: `--attach` pushes it beside the image, `sigtool inspect IMAGE --bundle FILE` writes it out

"#]]);
    assert_eq!(stage.beside(), (0, 0));
    stage
        .run(&["verify", &image])
        .code(0)
        .stdout_eq(str![[r#"
valid [HOST]/app:v1 ([IMAGE]), signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)

"#]])
        .stderr_eq("");
    stage
        .run_elsewhere(&["verify", &image])
        .code(1)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: refused `[HOST]/app:v1`
  caused by: no signature found, neither beside the image nor in the local store; the machine that signed it may keep one

"#]]);
}

#[test]
fn an_attached_signature_is_valid_for_everyone() {
    let Some(stage) = Stage::new() else { return };
    let image = stage.image();
    stage
        .run(&["sign", "--attach", &image])
        .code(0)
        .stdout_eq(str![[r#"
signed [HOST]/app:v1 ([IMAGE]) → [HOST]/app@sha256:[..]

"#]])
        .stderr_eq("");
    assert_eq!(stage.beside(), (1, 0));
    stage
        .run_elsewhere(&["verify", &image])
        .code(0)
        .stdout_eq(str![[r#"
valid [HOST]/app:v1 ([IMAGE]), signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)

"#]])
        .stderr_eq("");
    stage
        .run(&["sign", "--attach", "--signature-format=both", &image])
        .code(0)
        .stdout_eq(str![[r#"
signed again [HOST]/app:v1 ([IMAGE]) → [HOST]/app@sha256:[..], [HOST]/app:[TAG].sig

"#]])
        .stderr_eq("");
    assert_eq!(stage.beside(), (1, 1));
}

#[test]
fn a_signature_is_written_out_later_and_taken_to_another_machine() {
    let Some(stage) = Stage::new() else { return };
    let image = stage.image();
    let inspect = ["inspect", &image];
    stage
        .run(&inspect)
        .code(0)
        .stdout_eq(str![[r#"
[HOST]/app:v1 ([IMAGE]): 0 signatures

"#]])
        .stderr_eq("");
    stage.run(&["sign", &image]).code(0);
    stage
        .run(&inspect)
        .code(0)
        .stdout_eq(str![[r#"
[HOST]/app:v1 ([IMAGE]): 1 signature

local store, entry 1
Sigstore bundle v0.3, not verified
  key hint           I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=
  signature          [..] bytes, looks like ECDSA (DER)
  log entries        0
  signed timestamps  0
envelope, not verified
  payload type  application/vnd.in-toto+json
  payload       [..] bytes
  claims        https://sigstore.dev/cosign/sign/v1
  subject       [IMAGE] ([HOST]/app)

"#]])
        .stderr_eq("");
    stage
        .run(&["inspect", &image, "--bundle=app.json"])
        .code(0)
        .stdout_eq(str![[r#"
[HOST]/app:v1 ([IMAGE]): 1 signature

local store, entry 1
Sigstore bundle v0.3, not verified
  key hint           I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=
  signature          [..] bytes, looks like ECDSA (DER)
  log entries        0
  signed timestamps  0
envelope, not verified
  payload type  application/vnd.in-toto+json
  payload       [..] bytes
  claims        https://sigstore.dev/cosign/sign/v1
  subject       [IMAGE] ([HOST]/app)

written to app.json

"#]])
        .stderr_eq("");
    stage.hand_over("app.json");
    stage
        .run_elsewhere(&["verify", "--bundle=app.json", &image])
        .code(0)
        .stdout_eq(str![[r#"
valid [HOST]/app:v1 ([IMAGE]), signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)

"#]])
        .stderr_eq("");
    stage
        .run(&["inspect", &image, "--signature=app.sig"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: there is no cosign signature to write to `app.sig`
  caused by: neither the registry nor the local store has one

"#]]);
    stage.run(&["sign", "--signature-format=cosign", &image]);
    stage
        .run(&["inspect", &image, "--signature=app.sig"])
        .code(0);
    stage.hand_over("app.sig");
    stage
        .run_elsewhere(&["verify", "--signature=app.sig", &image])
        .code(0);
}

#[test]
fn of_several_signers_each_signature_is_written_into_a_folder() {
    let Some(stage) = Stage::new() else { return };
    let image = stage.image();
    stage.run(&["sign", "--attach", &image]).code(0);
    for key in ["b.key", "ed.key"] {
        stage.run(&["sign", "--key", key, &image]).code(0);
    }
    stage
        .run(&["inspect", &image, "--bundle=app.json"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: `--bundle app.json` names one file, and there are 3 bundles
  caused by: [HOST]/app@sha256:[..], local store, entry 3, local store, entry 2
  hint: name a folder: --bundle app.json/

"#]]);
    stage
        .run(&["inspect", &image, "--bundle=out/"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: `--bundle out/`: there is no folder `out`
  hint: make it: mkdir -p out

"#]]);
    let out = stage.here.work().join("out");
    fs::create_dir(&out).unwrap();
    stage
        .run(&["inspect", &image, "--bundle=out/"])
        .code(0)
        .stderr_eq("");
    let files: Vec<_> = fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(files.len(), 3, "{files:?}");
    // Each is one signer's.
    for key in ["a.pub", "b.pub", "ed.pub"] {
        let valid = files.iter().filter(|file| {
            let bundle = format!("--bundle={}", file.display());
            let verify = ["verify", "--key", key, &bundle, &image];
            let output = stage.elsewhere.sigtool().args(verify).output().unwrap();
            output.status.success()
        });
        assert_eq!(valid.count(), 1, "{key}");
    }
}

/// The machine that signed last knows which one is meant.
#[test]
fn for_one_file_the_signature_of_this_machine_is_chosen() {
    let Some(stage) = Stage::new() else { return };
    let image = stage.image();
    let attach = ["sign", "--attach", "--key", "b.key", &image];
    stage.run_elsewhere(&attach).code(0);
    stage
        .run(&["sign", "--attach", "--signature-format=both", &image])
        .code(0);
    stage
        .run(&["inspect", &image, "--bundle=app", "--signature=./app"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: `--bundle` and `--signature` name one file

"#]]);
    // Nothing is written unless all can be.
    stage
        .run(&["inspect", &image, "--bundle=app.json", "--signature=no/"])
        .code(2);
    assert!(!stage.here.work().join("app.json").exists());
    stage
        .run(&[
            "inspect",
            &image,
            "--bundle=app.json",
            "--signature=app.sig",
        ])
        .code(0);
    for flag in ["--bundle=app.json", "--signature=app.sig"] {
        stage.run(&["verify", "--key=a.pub", flag, &image]).code(0);
    }
    // What somebody else signed may be the only copy of it.
    stage
        .run(&["sign", "--key=b.key", "--bundle=b.json", &image])
        .code(0);
    let before = fs::read(stage.here.work().join("b.json")).unwrap();
    for verb in ["sign", "inspect"] {
        stage
            .run(&[verb, "--bundle=b.json", &image])
            .code(2)
            .stdout_eq("");
    }
    assert_eq!(fs::read(stage.here.work().join("b.json")).unwrap(), before);
    stage
        .run(&["sign", "--key=b.key", "--bundle=b.json", &image])
        .code(0);
}

/// The same image in two repositories is signed for each.
#[test]
fn an_image_in_two_repositories_keeps_both_signatures() {
    let Some(stage) = Stage::new() else { return };
    stage.registry.push_image("prod", "v1", 1);
    for name in ["app:v1", "prod:v1"] {
        let image = stage.named(name);
        let output = stage.run(&["sign", &image]).code(0);
        let said = String::from_utf8_lossy(&output.get_output().stdout).into_owned();
        assert!(
            said.starts_with("signed ") && !said.starts_with("signed again"),
            "{said}"
        );
    }
    // Each is written out by the name of its own repository, and all of them into a folder.
    for name in ["app:v1", "prod:v1"] {
        let image = stage.named(name);
        stage
            .run(&["inspect", &image, &format!("--bundle={name}.json")])
            .code(0);
        let bundle = fs::read(stage.here.work().join(format!("{name}.json"))).unwrap();
        let bundle: Value = serde_json::from_slice(&bundle).unwrap();
        let payload = bundle["dsseEnvelope"]["payload"].as_str().unwrap();
        let statement: Value = serde_json::from_slice(&STANDARD.decode(payload).unwrap()).unwrap();
        let (repository, _) = image.rsplit_once(':').unwrap();
        assert_eq!(statement["subject"][0]["name"], repository);
    }
    fs::create_dir(stage.here.work().join("out")).unwrap();
    stage
        .run(&["inspect", &stage.named("prod:v1"), "--bundle=out/"])
        .code(0);
    let files = fs::read_dir(stage.here.work().join("out")).unwrap();
    assert_eq!(files.count(), 2);
}

/// A file beside the pushed signature adds a form, and takes none away.
#[test]
fn a_named_file_takes_no_form_from_what_is_pushed() {
    let Some(stage) = Stage::new() else { return };
    stage.put_in_profile("attach = true\nsignature_format = \"cosign\"");
    stage
        .run(&["sign", "--bundle=app.json", &stage.image()])
        .code(0);
    assert_eq!(stage.beside(), (1, 1));
    assert!(stage.here.work().join("app.json").exists());
}

#[test]
fn a_named_file_is_written_and_the_registry_is_left_alone() {
    let Some(stage) = Stage::new() else { return };
    let image = stage.image();
    stage
        .run(&["sign", "--bundle=app.json", &image])
        .code(0)
        .stdout_eq(str![[r#"
signed [HOST]/app:v1 ([IMAGE]) → app.json

"#]])
        .stderr_eq("");
    stage
        .run(&["sign", "--signature=app.sig", &image])
        .code(0)
        .stdout_eq(str![[r#"
signed [HOST]/app:v1 ([IMAGE]) → app.sig

"#]])
        .stderr_eq("");
    assert_eq!(stage.beside(), (0, 0));
    for (flag, file) in [("--bundle", "app.json"), ("--signature", "app.sig")] {
        stage.hand_over(file);
        stage
            .run_elsewhere(&["verify", flag, file, &image])
            .code(0)
            .stdout_eq(str![[r#"
valid [HOST]/app:v1 ([IMAGE]), signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)

"#]]);
    }
}
