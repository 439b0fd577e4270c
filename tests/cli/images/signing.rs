//! Signing images: where the signature goes, what is told, and what is refused before anything is signed.

mod places;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sigtool_tests::peers::need;
use sigtool_tests::registry::Registry;
use sigtool_tests::{Sandbox, keys, person};
use snapbox::cmd::OutputAssert;
use snapbox::str;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

/// A registry with the image `app:v1`, a machine that signs, and another one. Both have the keys `a`, `b` and `ed`, and a profile that
/// signs with `a` and trusts `a`.
struct Stage {
    registry: Registry,
    here: Sandbox,
    elsewhere: Sandbox,
    digest: String,
}

impl Stage {
    /// None if the registry is missing.
    fn new() -> Option<Self> {
        let registry = Registry::olareg(&["--api-delete"])?;
        let [here, elsewhere] = [0, 1].map(|_| Sandbox::new(env!("CARGO_BIN_EXE_sigtool")));
        keys::put_with_profile(&here);
        keys::put_with_profile(&elsewhere);
        let digest = registry.push_image("app", "v1", 1);
        Some(Self {
            registry,
            here,
            elsewhere,
            digest,
        })
    }

    /// `127.0.0.1:PORT/app:v1`
    fn image(&self) -> String {
        self.named("app:v1")
    }

    fn named(&self, name: &str) -> String {
        format!("{}/{name}", self.registry.host())
    }

    /// What the tags begin with that belong to `app:v1`.
    fn tag(&self) -> String {
        self.digest.replace(':', "-")
    }

    /// What sigtool says here, with `[HOST]` for the registry, `[IMAGE]` and `[TAG]` for the digest of `app:v1`, and `[ROOT]` for the
    /// sandbox.
    fn run(&self, arguments: &[&str]) -> OutputAssert {
        self.seen(&self.here, self.here.sigtool().args(arguments))
    }

    fn run_elsewhere(&self, arguments: &[&str]) -> OutputAssert {
        self.seen(&self.elsewhere, self.elsewhere.sigtool().args(arguments))
    }

    fn seen(&self, sandbox: &Sandbox, command: snapbox::cmd::Command) -> OutputAssert {
        let output = command.output().unwrap();
        OutputAssert::new(output).with_assert(self.assert(sandbox))
    }

    fn assert(&self, sandbox: &Sandbox) -> snapbox::Assert {
        let mut redactions = snapbox::Redactions::new();
        let root = sandbox.root().to_owned();
        redactions.insert("[ROOT]", root).unwrap();
        redactions.insert("[HOST]", self.registry.host()).unwrap();
        redactions.insert("[IMAGE]", self.digest.clone()).unwrap();
        redactions.insert("[TAG]", self.tag()).unwrap();
        snapbox::Assert::new()
            .action_env("SNAPSHOTS")
            .redact_with(redactions)
    }

    /// Adds a line to the profile.
    fn put_in_profile(&self, line: &str) {
        let config = fs::read_to_string(self.here.config()).unwrap();
        let table = "[profile.default]\n";
        self.here
            .write_config(&config.replacen(table, &format!("{table}{line}\n"), 1));
    }

    /// How many bundles and how many signatures of cosign's form lie beside the image.
    fn beside(&self) -> (usize, usize) {
        let bundles = self.registry.referrers("app", &self.digest).len();
        let sig = self
            .registry
            .manifest("app", &format!("{}.sig", self.tag()));
        let layers = sig.map(|sig| sig["layers"].as_array().map_or(0, Vec::len));
        (bundles, layers.unwrap_or(0))
    }

    /// Copies a file to the other machine.
    fn hand_over(&self, file: &str) {
        let bytes = fs::read(self.here.work().join(file)).unwrap();
        self.elsewhere.write(file, bytes);
    }
}

// ---- the profile and the flags -------------------------------------------------------------------------------------------

#[test]
fn a_file_and_an_image_are_signed_in_one_call_by_one_profile() {
    let Some(stage) = Stage::new() else { return };
    let image = stage.image();
    stage.put_in_profile("attach = true");
    stage.here.write("app.tgz", "a chart, perhaps\n");
    stage
        .run(&["sign", "app.tgz", &image])
        .code(0)
        .stdout_eq(str![[r#"
signed app.tgz → app.tgz.sigstore.json
signed [HOST]/app:v1 ([IMAGE]) → [HOST]/app@sha256:[..]

"#]])
        .stderr_eq(str![[r#"
note: app.tgz: the kind of `app.tgz` is unknown: it is not a gzip file, although its name says so
2 artifacts signed

"#]]);
    assert_eq!(stage.beside(), (1, 0));
    stage
        .run(&["verify", "app.tgz", &image])
        .code(0)
        .stdout_eq(str![[r#"
valid app.tgz, signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)
valid [HOST]/app:v1 ([IMAGE]), signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)

"#]])
        .stderr_eq(str![[r#"
note: app.tgz: the kind of `app.tgz` is unknown: it is not a gzip file, although its name says so
2 artifacts valid

"#]]);
    stage.run_elsewhere(&["verify", &image]).code(0);
}

#[test]
fn no_attach_covers_the_profile_and_the_last_flag_counts() {
    let Some(stage) = Stage::new() else { return };
    let image = stage.image();
    stage.put_in_profile("attach = true");
    stage
        .run(&["sign", "--no-attach", &image])
        .code(0)
        .stdout_eq(str![[r#"
signed [HOST]/app:v1 ([IMAGE]) → the local store

"#]])
        .stderr_eq(str![[r#"
note: the signature is on this machine only: `--attach` pushes it beside the image, `sigtool inspect IMAGE --bundle FILE` writes it out

"#]]);
    stage.run(&["sign", "--attach", "--no-attach", &image]);
    assert_eq!(stage.beside(), (0, 0));
    stage.run(&["sign", "--no-attach", "--attach", &image]);
    assert_eq!(stage.beside(), (1, 0));
}

/// A clone must not make its user push, or claim, what they do not know of.
#[test]
fn what_the_projects_file_has_pushed_is_told() {
    let Some(stage) = Stage::new() else { return };
    stage.here.write(
        ".sigtool.toml",
        "[profile.default]\nattach = true\nannotations = { env = \"prod\" }\n",
    );
    stage
        .run(&["sign", &stage.image()])
        .code(0)
        .stderr_eq(str![[r#"
warning: signatures are pushed beside the images, because the project's file says so ([ROOT]/here/.sigtool.toml:2); `--no-attach` keeps them here
warning: `env=prod` is signed along, because the project's file says so ([ROOT]/here/.sigtool.toml:3)

"#]]);
    stage
        .run(&["sign", "--no-attach", &stage.image()])
        .code(0)
        .stderr_eq(str![[r#"
warning: `env=prod` is signed along, because the project's file says so ([ROOT]/here/.sigtool.toml:3)
note: the signature is on this machine only: `--attach` pushes it beside the image, `sigtool inspect IMAGE --bundle FILE` writes it out

"#]]);
}

#[test]
fn an_annotation_has_one_value() {
    let Some(stage) = Stage::new() else { return };
    for verb in ["sign", "verify"] {
        stage
            .run(&[verb, "-a", "env=dev", "-a", "env=prod", &stage.image()])
            .code(2)
            .stdout_eq("")
            .stderr_eq(str![[r#"
error: the annotation `env` is given twice: `dev` and `prod`
  hint: give it once

"#]]);
    }
    stage
        .run(&["sign", "-a", "env=dev", "-a", "env=dev", &stage.image()])
        .code(0);
}

#[test]
fn annotations_of_the_profile_are_signed_and_a_flag_covers_one() {
    let Some(stage) = Stage::new() else { return };
    let image = stage.image();
    stage.put_in_profile(r#"annotations = { team = "web", env = "dev" }"#);
    for format in ["bundle", "cosign"] {
        let format = format!("--signature-format={format}");
        let sign = ["sign", "--attach", &format, "-a", "env=prod", "-a", "n=1"];
        stage
            .run(&[&sign[..], &[&image]].concat())
            .code(0)
            .stderr_eq("");
        for signed in ["team=web", "env=prod", "n=1"] {
            let verify = ["verify", "-a", signed, "-a", "team=web", &image];
            stage.run_elsewhere(&verify).code(0);
        }
        // Only this one lies there now.
        let (bundles, layers) = stage.beside();
        assert_eq!(
            bundles + layers,
            if format.ends_with("bundle") { 1 } else { 2 }
        );
    }
    stage
        .run_elsewhere(&["verify", "-a", "env=dev", &image])
        .code(1)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: refused `[HOST]/app:v1`
  caused by: `[HOST]/app@sha256:[..]` is signed by the key `a.pub` (key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=), but not with the annotation `env=dev`: it says `env=prod`
  caused by: `[HOST]/app:[TAG].sig` is signed by the key `a.pub` (key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=), but not with the annotation `env=dev`: it says `env=prod`

"#]]);
    stage
        .run_elsewhere(&["verify", "-a", "owner=me", &image])
        .code(1)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: refused `[HOST]/app:v1`
  caused by: `[HOST]/app@sha256:[..]` is signed by the key `a.pub` (key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=), but not with the annotation `owner=me`: it has no `owner`
  caused by: `[HOST]/app:[TAG].sig` is signed by the key `a.pub` (key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=), but not with the annotation `owner=me`: it has no `owner`

"#]]);
    stage
        .run(&["sign", "-a", "env", &image])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: invalid value 'env' for '--annotations <KEY=VALUE>': `env` is not an annotation: write KEY=VALUE

For more information, try '--help'.

"#]]);
}

#[test]
fn what_is_for_images_is_refused_for_a_file() {
    let Some(stage) = Stage::new() else { return };
    let image = stage.image();
    stage.here.write("app.tgz", "a chart, perhaps\n");
    stage
        .run(&["sign", "--attach", "-a", "env=prod", &image, "app.tgz"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: `--annotations` is for images, and `app.tgz` is a file
  caused by: a file's signature has no place for them
  hint: sign `app.tgz` by itself, without `--annotations`

"#]]);
    stage
        .run(&["sign", "--attach", "--append", &image, "app.tgz"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: `--append` is for images, and `app.tgz` is a file
  caused by: beside a file each signer has one signature
  hint: sign `app.tgz` by itself, without `--append`

"#]]);
    stage
        .run(&["sign", "--attach", "app.tgz"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: `--attach` is for images, and `app.tgz` is a file
  caused by: a file's signature always lies beside it
  hint: sign `app.tgz` by itself, without `--attach`

"#]]);
    stage
        .run(&["verify", "-a", "env=prod", "app.tgz"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: `--annotations` is for images, and `app.tgz` is a file
  caused by: a file's signature has no place for them
  hint: verify `app.tgz` by itself, without `--annotations`

"#]]);
    // Nothing was signed.
    assert_eq!(stage.beside(), (0, 0));
    assert!(!stage.here.work().join("app.tgz.sigstore.json").exists());
    // What a profile says is for those it concerns.
    stage.put_in_profile(r#"annotations = { env = "dev" }"#);
    stage
        .run(&["sign", "app.tgz"])
        .code(0)
        .stdout_eq(str![[r#"
signed app.tgz → app.tgz.sigstore.json

"#]])
        .stderr_eq(str![[r#"
note: the profile's annotations are signed with images only: a file's signature has no place for them
note: app.tgz: the kind of `app.tgz` is unknown: it is not a gzip file, although its name says so

"#]]);
}

// ---- which artifact ------------------------------------------------------------------------------------------------------

#[test]
fn a_word_that_may_be_a_file_or_an_image_is_an_error_that_shows_both_spellings() {
    let Some(stage) = Stage::new() else { return };
    stage.here.write("app:1.2", "a file with a strange name\n");
    stage
        .run(&["sign", "app:1.2"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: `app:1.2` can be the file of that name, or the image `app:1.2`
  hint: for the file write `file:app:1.2`
  hint: for the image write `oci:app:1.2`

"#]]);
    stage
        .run(&["sign", "file:app:1.2"])
        .code(0)
        .stdout_eq(str![[r#"
signed file:app:1.2 (app:1.2) → app:1.2.sigstore.json

"#]])
        .stderr_eq("");
    stage
        .run(&["sign", "app"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: there is no file `app`
  hint: if the image of that name is meant, write `oci:app`

"#]]);
    stage
        .run(&["sign", "dist/app.tgz"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: there is no file `dist/app.tgz`

"#]]);
    // A file does not answer for the image that it is called like.
    for verb in ["sign", "verify"] {
        let word = "ghcr.io/acme/app";
        fs::create_dir_all(stage.here.work().join(word)).unwrap();
        let told = stage.run(&[verb, word]).code(2);
        let told = String::from_utf8_lossy(&told.get_output().stderr).into_owned();
        for spelling in ["file:", "oci:"] {
            assert!(told.contains(&format!("`{spelling}{word}`")), "{told}");
        }
    }
    for empty in ["oci:", "oci://", "file:"] {
        stage
            .run(&["sign", empty])
            .code(2)
            .stdout_eq("")
            .stderr_eq(str![[r#"
error: an artifact has an empty name

"#]]);
    }
}

#[test]
fn oci_says_that_an_image_is_meant() {
    let Some(stage) = Stage::new() else { return };
    for scheme in ["oci:", "oci://"] {
        let image = format!("{scheme}{}", stage.image());
        stage.run(&["sign", "--attach", &image]).code(0);
        stage.run_elsewhere(&["verify", &image]).code(0);
    }
    stage
        .run_elsewhere(&["verify", &format!("oci:{}", stage.image())])
        .code(0)
        .stdout_eq(str![[r#"
valid oci:[HOST]/app:v1 ([IMAGE]), signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)

"#]]);
    assert_eq!(stage.beside(), (1, 0));
}

#[test]
fn an_image_is_named_by_digest_with_or_without_a_tag() {
    let Some(stage) = Stage::new() else { return };
    let by_digest = stage.named(&format!("app@{}", stage.digest));
    stage
        .run(&["sign", "--attach", &by_digest])
        .code(0)
        .stdout_eq(str![[r#"
signed [HOST]/app@[IMAGE] → [HOST]/app@sha256:[..]

"#]])
        .stderr_eq("");
    // The tag says nothing then, and need not be there.
    let both = stage.named(&format!("app:none@{}", stage.digest));
    stage.run_elsewhere(&["verify", &both]).code(0);
    let missing = stage.named(&format!("app@sha256:{}", "0".repeat(64)));
    stage
        .run(&["sign", "--attach", &missing])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: cannot sign `[HOST]/app@sha256:0000000000000000000000000000000000000000000000000000000000000000`
  caused by: there is no image `[HOST]/app@sha256:0000000000000000000000000000000000000000000000000000000000000000`

"#]]);
}

#[test]
fn what_is_not_a_reference_is_told_with_the_right_spelling() {
    let Some(stage) = Stage::new() else { return };
    let sha512 = format!("app@sha512:{}", "0".repeat(128));
    for name in [
        "App:v1",
        "app:v 1",
        "app:-v1",
        "app@sha256:abc",
        "app@md5:d41d8cd98f00b204e9800998ecf8427e",
        "app//app:v1",
        &sha512,
    ] {
        stage
            .run(&["sign", &format!("oci:{}", stage.named(name))])
            .code(2)
            .stdout_eq("");
    }
    let refused = |name: &str| stage.run(&["sign", &format!("oci:{}", stage.named(name))]);
    refused("App:v1").code(2).stderr_eq(str![[r#"
error: `[HOST]/App:v1` is not a reference to an image
  caused by: a repository is written in lowercase letters

"#]]);
    refused("app:-v1").code(2).stderr_eq(str![[r#"
error: `[HOST]/app:-v1` is not a reference to an image
  caused by: `-v1` is not a tag: letters, digits, `_`, `.` and `-`, at most 128
  hint: write it as `ghcr.io/acme/app:1.2`

"#]]);
    refused("app@sha256:abc").code(2).stderr_eq(str![[r#"
error: `[HOST]/app@sha256:abc` is not a reference to an image
  caused by: a sha256 digest has 64 hexadecimal digits, this one has 3
  hint: write it as `ghcr.io/acme/app:1.2`

"#]]);
    refused(&sha512).code(2).stderr_eq(str![[r#"
error: cannot sign `oci:[HOST]/app@sha512:00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000`
  caused by: `[HOST]/app@sha512:00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000` is not a reference to an image
  caused by: its digest is a sha512 digest; registries are addressed by sha256 here
  hint: write it as `ghcr.io/acme/app:1.2`

"#]]);
    stage
        .run(&["sign", "oci:no_host:port/app"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: `no_host:port/app` is not a reference to an image
  caused by: its registry is not a host
  hint: write it as `ghcr.io/acme/app:1.2`

"#]]);
}

// ---- several -------------------------------------------------------------------------------------------------------------

#[test]
fn an_index_is_signed_with_each_of_its_images_when_that_is_asked_for() {
    let Some(stage) = Stage::new() else { return };
    let (_, children) = stage.registry.push_index("all", "v1", &["x", "y"]);
    let index = stage.named("all:v1");
    stage.run(&["sign", "--attach", &index]).code(0);
    let each: Vec<String> = children
        .iter()
        .map(|digest| stage.named(&format!("all@{digest}")))
        .collect();
    stage.run_elsewhere(&["verify", &index]).code(0);
    stage.run_elsewhere(&["verify", &each[0]]).code(1);
    stage
        .run_elsewhere(&["verify", "--recursive", &index])
        .code(1)
        .stdout_eq(str![[r#"
valid [HOST]/all:v1 (sha256:[..]), signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)

"#]])
        .stderr_eq(str![[r#"
error: refused `[HOST]/all@sha256:[..]`
  caused by: no signature found, neither beside the image nor in the local store; the machine that signed it may keep one
error: refused `[HOST]/all@sha256:[..]`
  caused by: no signature found, neither beside the image nor in the local store; the machine that signed it may keep one
1 artifact valid, 2 failed:
  [HOST]/all@sha256:[..] (refused)
  [HOST]/all@sha256:[..] (refused)

"#]]);
    stage
        .run(&["sign", "--attach", "--recursive", &index])
        .code(0)
        .stdout_eq(str![[r#"
signed again [HOST]/all:v1 (sha256:[..]) → [HOST]/all@sha256:[..]
signed [HOST]/all@sha256:[..] → [HOST]/all@sha256:[..]
signed [HOST]/all@sha256:[..] → [HOST]/all@sha256:[..]

"#]])
        .stderr_eq(str![[r#"
3 artifacts signed

"#]]);
    stage
        .run_elsewhere(&["verify", "--recursive", &index])
        .code(0)
        .stdout_eq(str![[r#"
valid [HOST]/all:v1 (sha256:[..]), signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)
valid [HOST]/all@sha256:[..], signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)
valid [HOST]/all@sha256:[..], signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)

"#]])
        .stderr_eq(str![[r#"
3 artifacts valid

"#]]);
    for image in &each {
        stage.run_elsewhere(&["verify", image]).code(0);
    }
    // A folder of signatures is written and read by the same names, with the tag where there is one.
    fs::create_dir(stage.here.work().join("out")).unwrap();
    let with =
        |verb: &'static str| [verb, "--recursive", "--bundle=out/", &index].map(str::to_owned);
    for verb in ["sign", "verify"] {
        let words = with(verb);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        stage.run(&words).code(0);
    }
    assert!(stage.here.work().join("out/all-v1.sigstore.json").exists());
    stage.run(&["verify", "--bundle=out/", &index]).code(0);
    // An image that is not an index is itself.
    stage
        .run(&["sign", "--attach", "--recursive", &stage.image()])
        .code(0)
        .stdout_eq(str![[r#"
signed [HOST]/app:v1 ([IMAGE]) → [HOST]/app@sha256:[..]

"#]])
        .stderr_eq("");
}

#[test]
fn one_image_that_is_not_there_does_not_lose_the_others() {
    let Some(stage) = Stage::new() else { return };
    stage.registry.push_image("web", "v1", 2);
    let [app, none, other, web] =
        ["app:v1", "app:none", "none:v1", "web:v1"].map(|name| stage.named(name));
    stage
        .run(&["sign", "--attach", &app, &none, &other, &web])
        .code(2)
        .stdout_eq(str![[r#"
signed [HOST]/app:v1 ([IMAGE]) → [HOST]/app@sha256:[..]
signed [HOST]/web:v1 (sha256:[..]) → [HOST]/web@sha256:[..]

"#]])
        .stderr_eq(str![[r#"
error: cannot sign `[HOST]/app:none`
  caused by: there is no image `[HOST]/app:none`
error: cannot sign `[HOST]/none:v1`
  caused by: there is no image `[HOST]/none:v1`
2 artifacts signed, 2 failed:
  [HOST]/app:none
  [HOST]/none:v1

"#]]);
    stage.run_elsewhere(&["verify", &app, &web]).code(0);
    stage
        .run(&["sign", "--attach", "--fail-fast", "--jobs=1", &none, &app])
        .code(2)
        .stdout_eq("");
}

#[test]
fn an_image_named_twice_is_signed_once() {
    let Some(stage) = Stage::new() else { return };
    let image = stage.image();
    stage
        .run(&["sign", "--attach", &image, &image])
        .code(0)
        .stdout_eq(str![[r#"
signed [HOST]/app:v1 ([IMAGE]) → [HOST]/app@sha256:[..]

"#]])
        .stderr_eq(str![[r#"
note: 1 artifact is named more than once

"#]]);
    // By two names: whichever comes second replaces what the first one wrote.
    stage.registry.push_image("app", "latest", 1);
    let latest = stage.named("app:latest");
    stage.run(&["sign", "--attach", "--jobs=1", &image, &latest]);
    assert_eq!(stage.beside(), (1, 0));
    stage.run(&["sign", "--attach", "--jobs=4", &image, &latest]);
    assert!(stage.beside().0 >= 1);
    stage.run_elsewhere(&["verify", &image, &latest]).code(0);
}

// ---- for programs --------------------------------------------------------------------------------------------------------

#[test]
fn json_says_all_that_was_done() {
    let Some(stage) = Stage::new() else { return };
    let (image, none) = (stage.image(), stage.named("app:none"));
    let both = [
        "sign",
        "--format=json",
        "--attach",
        "--signature-format=both",
    ];
    stage
        .run(&[&both[..], &[&image, &none]].concat())
        .code(2)
        .stdout_eq(str![[r#"
[{"artifact":"[HOST]/app:v1","status":"signed","resolved":{"reference":"[HOST]/app@[IMAGE]","name":"[HOST]/app","version":"v1","kind":"container-image","digests":["[IMAGE]"],"size":397,"media_type":"application/vnd.oci.image.manifest.v1+json"},"signer":{"backend":"cosign-key","algorithm":"ecdsa-p256","key_hint":"I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=","key_id":"[ROOT]/here/a.key"},"signatures":[{"format":"bundle","place":"beside","location":"[HOST]/app@sha256:[..]","replaced":false,"signature":"[..]"},{"format":"cosign","place":"beside","location":"[HOST]/app:[TAG].sig","replaced":false,"signature":"[..]"},{"format":"bundle","place":"store","location":"the local store","replaced":false,"signature":"[..]"},{"format":"cosign","place":"store","location":"the local store","replaced":false,"signature":"[..]"}],"head":"[..]"}
,{"artifact":"[HOST]/app:none","status":"failed","head":"[..]","error":{"kind":"input","message":"cannot sign `[HOST]/app:none`","causes":["there is no image `[HOST]/app:none`"],"code":"not-found"}}
]

"#]]);
    stage
        .run(&["sign", "--format=jsonl", &image])
        .code(0)
        .stdout_eq(str![[r#"
{"artifact":"[HOST]/app:v1","status":"signed","resolved":{"reference":"[HOST]/app@[IMAGE]","name":"[HOST]/app","version":"v1","kind":"container-image","digests":["[IMAGE]"],"size":397,"media_type":"application/vnd.oci.image.manifest.v1+json"},"signer":{"backend":"cosign-key","algorithm":"ecdsa-p256","key_hint":"I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=","key_id":"[ROOT]/here/a.key"},"signatures":[{"format":"bundle","place":"store","location":"the local store","replaced":true,"signature":"[..]"}],"head":"[..]"}

"#]]);
    stage
        .run(&["sign", "--format=jsonl", "--bundle=app.json", &image])
        .code(0)
        .stdout_eq(str![[r#"
{"artifact":"[HOST]/app:v1","status":"signed","resolved":{"reference":"[HOST]/app@[IMAGE]","name":"[HOST]/app","version":"v1","kind":"container-image","digests":["[IMAGE]"],"size":397,"media_type":"application/vnd.oci.image.manifest.v1+json"},"signer":{"backend":"cosign-key","algorithm":"ecdsa-p256","key_hint":"I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=","key_id":"[ROOT]/here/a.key"},"signatures":[{"format":"bundle","place":"file","location":"[ROOT]/here/app.json","replaced":false,"signature":"[..]"},{"format":"bundle","place":"store","location":"the local store","replaced":true,"signature":"[..]"}],"head":"[..]"}

"#]]);
    stage
        .run_elsewhere(&["verify", "--format=json", &image])
        .code(0)
        .stdout_eq(str![[r#"
[{"artifact":"[HOST]/app:v1","status":"valid","resolved":{"reference":"[HOST]/app@[IMAGE]","name":"[HOST]/app","version":"v1","kind":"container-image","digests":["[IMAGE]"],"size":397,"media_type":"application/vnd.oci.image.manifest.v1+json"},"verification":{"verdict":"valid","signers":[{"name":"a.pub","key_hint":"I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=","algorithm":"ecdsa-p256","signatures":["[HOST]/app@sha256:[..]"]}]},"checked":[{"location":"[HOST]/app@sha256:[..]","format":"Sigstore bundle v0.3","signer":{"name":"a.pub","key_hint":"I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY="},"unverified_key_hint":"I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=","unverified_log_entries":0}],"head":"[..]"}
]

"#]]);
    stage
        .run_elsewhere(&["verify", "--format=jsonl", "--key=b.pub", &image])
        .code(1)
        .stdout_eq(str![[r#"
{"artifact":"[HOST]/app:v1","status":"refused","resolved":{"reference":"[HOST]/app@[IMAGE]","name":"[HOST]/app","version":"v1","kind":"container-image","digests":["[IMAGE]"],"size":397,"media_type":"application/vnd.oci.image.manifest.v1+json"},"verification":{"verdict":"refused","reasons":[{"code":"wrong-key","signature":"[HOST]/app@sha256:[..]","unverified_key_hint":"I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=","trusted":[{"name":"b.pub","key_hint":"eUeeM4sYtiIAzPKdwrd0smw0nUCZSii4ADSywb/hA+k="}]},{"code":"wrong-key","signature":"[HOST]/app:[TAG].sig","trusted":[{"name":"b.pub","key_hint":"eUeeM4sYtiIAzPKdwrd0smw0nUCZSii4ADSywb/hA+k="}]}]},"checked":[{"location":"[HOST]/app@sha256:[..]","format":"Sigstore bundle v0.3","reason":{"code":"wrong-key","signature":"[HOST]/app@sha256:[..]","unverified_key_hint":"I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=","trusted":[{"name":"b.pub","key_hint":"eUeeM4sYtiIAzPKdwrd0smw0nUCZSii4ADSywb/hA+k="}]},"unverified_key_hint":"I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=","unverified_log_entries":0},{"location":"[HOST]/app:[TAG].sig","format":"cosign signature","reason":{"code":"wrong-key","signature":"[HOST]/app:[TAG].sig","trusted":[{"name":"b.pub","key_hint":"eUeeM4sYtiIAzPKdwrd0smw0nUCZSii4ADSywb/hA+k="}]},"unverified_log_entries":0}],"head":"[..]","notes":["`--key` says whose signatures count, in place of the profile `default` (~/.config/sigtool/config.toml:1)"]}

"#]]);
    stage
        .run_elsewhere(&["inspect", "--format=json", &image])
        .code(0)
        .stdout_eq(str![[r#"
{
  "artifact": "[HOST]/app:v1",
  "resolved": {
    "reference": "[HOST]/app@[IMAGE]",
    "name": "[HOST]/app",
    "version": "v1",
    "kind": "container-image",
    "digests": [
      "[IMAGE]"
    ],
    "size": 397,
    "media_type": "application/vnd.oci.image.manifest.v1+json"
  },
  "signatures": [
    {
      "format": "bundle",
      "location": "[HOST]/app@sha256:[..]",
      "inspection": {
        "kind": "bundle",
        "format": "v0.3",
        "unverified_key_hint": "I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=",
        "unverified_envelope": {
          "payload_type": "application/vnd.in-toto+json",
          "payload_length": [..],
          "predicate_type": "https://sigstore.dev/cosign/sign/v1",
          "subjects": [
            {
              "name": "[HOST]/app",
              "digests": [
                "[IMAGE]"
              ]
            }
          ]
        },
        "signature": {
          "length": [..],
          "looks_like": "ECDSA (DER)"
        },
        "timestamps": 0
      }
    },
    {
      "format": "cosign",
      "location": "[HOST]/app:[TAG].sig",
      "inspection": {
        "kind": "signed-payload",
        "unverified_digest": "[IMAGE]",
        "unverified_docker_reference": "[HOST]/app",
        "signature": {
          "length": [..],
          "looks_like": "ECDSA (DER)"
        }
      }
    }
  ]
}

"#]]);
}

#[test]
fn jsonl_is_an_object_a_line_in_the_order_of_the_command_line() {
    let Some(stage) = Stage::new() else { return };
    let names = ["app:v1", "app:none", "web:v1"];
    stage.registry.push_image("web", "v1", 2);
    let images = names.map(|name| stage.named(name));
    let images: Vec<&str> = images.iter().map(String::as_str).collect();
    let sign = [&["sign", "--attach", "--format=jsonl"][..], &images].concat();
    let output = stage.run(&sign).code(2);
    let text = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    let rows: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let said: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row["artifact"].as_str().unwrap(),
                row["status"].as_str().unwrap(),
            )
        })
        .collect();
    let expected: Vec<_> = images
        .into_iter()
        .zip(["signed", "failed", "signed"])
        .collect();
    assert_eq!(said, expected);
}

#[test]
fn a_quiet_run_says_errors_only() {
    let Some(stage) = Stage::new() else { return };
    stage
        .run(&["sign", "--quiet", &stage.image()])
        .code(0)
        .stdout_eq("")
        .stderr_eq("");
}

// ---- where nothing can be kept, and where nobody can be asked -------------------------------------------------------------

#[test]
fn without_a_home_a_signature_must_go_elsewhere() {
    let Some(stage) = Stage::new() else { return };
    let image = stage.image();
    let run = |arguments: &[&str]| {
        let mut command = stage.here.sigtool();
        for variable in ["HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
            command = command.env_remove(variable);
        }
        let command = command
            .args(["sign", "--no-history", "--key=a.key"])
            .args(arguments);
        stage.seen(&stage.here, command)
    };
    run(&[&image]).code(3).stdout_eq("").stderr_eq(str![[r#"
error: there is no place to keep the signature in
  caused by: there is no HOME, so there is no place for it
  hint: push it beside the image: add `--attach`
  hint: or write it to a file: `--bundle FILE`

"#]]);
    assert_eq!(stage.beside(), (0, 0));
    run(&["--attach", &image])
        .code(0)
        .stdout_eq(str![[r#"
signed [HOST]/app:v1 ([IMAGE]) → [HOST]/app@sha256:[..]

"#]])
        .stderr_eq(str![[r#"
note: the signatures are not kept in the local store: there is no HOME, so there is no place for it

"#]]);
    run(&["--bundle=app.json", &image])
        .code(0)
        .stdout_eq(str![[r#"
signed [HOST]/app:v1 ([IMAGE]) → app.json

"#]])
        .stderr_eq(str![[r#"
note: the signatures are not kept in the local store: there is no HOME, so there is no place for it

"#]]);
    stage.run_elsewhere(&["verify", &image]).code(0);
}

#[test]
fn where_the_state_is_not_to_be_written_a_signature_must_go_elsewhere() {
    let Some(stage) = Stage::new() else { return };
    let image = stage.image();
    let Some(sigtool) = person::ordinary(&stage.here) else {
        return;
    };
    let state = stage.here.home().join(".local/state");
    fs::set_permissions(&state, fs::Permissions::from_mode(0o555)).unwrap();
    let run = |arguments: &[&str]| {
        let sign = ["sign", "--no-history"];
        let output = sigtool().args(sign).args(arguments).output().unwrap();
        OutputAssert::new(output).with_assert(stage.assert(&stage.here))
    };
    run(&[&image]).code(3).stdout_eq("").stderr_eq(str![[r#"
error: there is no place to keep the signature in
  caused by: cannot make the folder `[ROOT]/home/.local/state/sigtool`: Permission denied (os error 13)
  hint: push it beside the image: add `--attach`
  hint: or write it to a file: `--bundle FILE`

"#]]);
    run(&["--attach", &image])
        .code(0)
        .stdout_eq(str![[r#"
signed [HOST]/app:v1 ([IMAGE]) → [HOST]/app@sha256:[..]

"#]])
        .stderr_eq(str![[r#"
note: the signatures are not kept in the local store: cannot make the folder `[ROOT]/home/.local/state/sigtool`: Permission denied (os error 13)

"#]]);
    assert_eq!(stage.beside(), (1, 0));
    run(&["--attach", &image]).code(0);
    assert_eq!(stage.beside(), (1, 0));
    fs::set_permissions(&state, fs::Permissions::from_mode(0o755)).unwrap();
    stage.run_elsewhere(&["verify", &image]).code(0);
}

#[test]
fn a_store_that_can_only_be_read_is_read() {
    let Some(stage) = Stage::new() else { return };
    let image = stage.image();
    let Some(sigtool) = person::ordinary(&stage.here) else {
        return;
    };
    let signed = sigtool().args(["sign", &image]).output().unwrap();
    assert!(signed.status.success(), "{signed:?}");
    let folder = stage.here.home().join(".local/state/sigtool");
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::set_permissions(path, fs::Permissions::from_mode(0o444)).unwrap();
        }
    }
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    let verified = sigtool().args(["verify", &image]).output().unwrap();
    assert_eq!(verified.status.code(), Some(0), "{verified:?}");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn offline_nothing_is_asked_and_nothing_is_told() {
    let Some(stage) = Stage::new() else { return };
    let image = stage.image();
    stage
        .run(&["sign", "--offline", "--attach", &image])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: cannot sign `[HOST]/app:v1`
  caused by: cannot read `[HOST]/app:v1`
  caused by: the network is needed to reach `[HOST]`, and `--offline` is set

"#]]);
    stage
        .run(&["verify", "--offline", &image])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: cannot verify `[HOST]/app:v1`
  caused by: cannot read `[HOST]/app:v1`
  caused by: the network is needed to reach `[HOST]`, and `--offline` is set

"#]]);
    stage
        .run(&["inspect", "--offline", &image])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: cannot inspect `[HOST]/app:v1`
  caused by: cannot read `[HOST]/app:v1`
  caused by: the network is needed to reach `[HOST]`, and `--offline` is set

"#]]);
    stage
        .run(&["sign", "--offline", "--recursive", &image])
        .code(3);
}

#[test]
fn offline_no_socket_is_opened() {
    let (Some(stage), Some(strace)) = (Stage::new(), need("strace")) else {
        return;
    };
    let image = stage.image();
    let by_digest = stage.named(&format!("app@{}", stage.digest));
    let calls = |arguments: &[&str]| {
        let process = stage.here.process();
        let seen = stage.here.root().join("seen");
        let mut watched = Command::new(&strace);
        watched
            .args(["-f", "-qq", "-e", "trace=%network", "-e", "signal=none"])
            .arg("-o")
            .arg(&seen)
            .arg(process.get_program())
            .args(arguments)
            .env_clear()
            .envs(process.get_envs().filter_map(|(n, v)| Some((n, v?))))
            .current_dir(stage.here.work())
            .stdin(Stdio::null());
        let output = watched.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("PTRACE"), "nothing can be watched: {said}");
        let calls = fs::read_to_string(seen).unwrap();
        // A thread that ended with its process while strace looked was in no call.
        let calls = calls.lines().filter(|line| !line.contains("???("));
        let calls: Vec<String> = calls.map(str::to_owned).collect();
        (output.status.code(), calls)
    };
    for command in [
        &["sign", "--attach"][..],
        &["sign"],
        &["sign", "--recursive"],
        &["verify"],
        &["inspect"],
    ] {
        for reference in [&image, &by_digest] {
            let arguments = [command, &["--offline", reference]].concat();
            let (code, calls) = calls(&arguments);
            assert_eq!(code, Some(3), "{arguments:?}");
            assert!(calls.is_empty(), "{arguments:?}:\n{}", calls.join("\n"));
        }
    }
    let (code, calls) = calls(&["sign", "--attach", &image]);
    assert_eq!(code, Some(0));
    let is_socket = |call: &String| call.contains("socket(AF_INET");
    assert!(calls.iter().any(is_socket), "a socket would be seen");
}
