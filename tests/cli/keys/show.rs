//! `sigtool key list`, `show` and `export-public`.

use super::{PASSWORD, generate, json, key, read, sandbox};
use snapbox::str;

#[test]
fn the_keys_of_profiles_and_of_init_are_listed_and_none_is_unlocked() {
    let sandbox = sandbox();
    key(&sandbox, ["list"])
        .assert()
        .success()
        .stdout_eq("")
        .stderr_eq(str![[r#"
no profile names a key; make one with `sigtool init` or `sigtool key generate`

"#]]);
    sandbox.sigtool().args(["init", "--yes"]).assert().success();
    sandbox.append_config(
        "[profile.ci]\nsigner = { backend = \"cosign-key\", key = \"env:CI_KEY\" }\n\
         [profile.prod]\nsigner = { backend = \"cosign-key\", key = \"/keys/release.key\" }\n\
         [profile.stage]\nsigner = { backend = \"cosign-key\", key = \"/keys/release.key\" }\n",
    );
    key(&sandbox, ["list"])
        .assert()
        .success()
        .stderr_eq("")
        .stdout_eq(str![[r#"
/keys/release.key  (profile prod, stage)
env:CI_KEY  (profile ci)
~/.local/share/sigtool/keys/default.key  (profile default)

"#]]);
    let listed = json(key(&sandbox, ["list"]));
    assert_eq!(listed[0]["key"], "/keys/release.key");
    assert_eq!(listed[0]["profiles"], serde_json::json!(["prod", "stage"]));
}

#[test]
fn a_key_is_shown_with_its_algorithm_its_hint_and_how_it_is_kept() {
    let sandbox = sandbox();
    generate(&sandbox, "release", PASSWORD);
    let show = |which: &str| key(&sandbox, ["show", which]).env("SIGTOOL_PASSWORD", PASSWORD);
    show("release.key").assert().success().stdout_eq(str![[r#"
key         release.key
algorithm   ecdsa-p256
key hint    [..]=
protection  protected by a password
-----BEGIN PUBLIC KEY-----
[..]
[..]
-----END PUBLIC KEY-----

"#]]);
    show("release.pub").assert().success().stdout_eq(str![[r#"
key         release.pub
...
protection  public key only
...
"#]]);
    let (private, public) = (json(show("release.key")), json(show("release.pub")));
    assert_eq!(private["key"], "release.key");
    assert_eq!(private["algorithm"], "ecdsa-p256");
    assert_eq!(private["protection"], "encrypted");
    assert_eq!(private["public_key"], read(&sandbox, "release.pub"));
    assert_eq!(private["key_hint"], public["key_hint"]);
}

#[test]
fn without_a_name_the_key_of_the_profile_is_shown() {
    let sandbox = sandbox();
    key(&sandbox, ["show"]).assert().code(2).stderr_eq(str![[r#"
error: which key?
  caused by: none is named, and no profile in use has one
  hint: name it: a path, or SCHEME:REST such as env:VARIABLE

"#]]);
    sandbox.sigtool().args(["init", "--yes"]).assert().success();
    key(&sandbox, ["show"])
        .assert()
        .success()
        .stdout_eq(str![[r#"
key         [..]/home/.local/share/sigtool/keys/default.key
algorithm   ecdsa-p256
key hint    [..]=
protection  not protected: its password is empty, anyone who has the file can sign
...
"#]]);
}

#[test]
fn the_public_key_is_exported_to_stdout_or_to_a_file() {
    let sandbox = sandbox();
    generate(&sandbox, "release", PASSWORD);
    let public = read(&sandbox, "release.pub");
    let export =
        || key(&sandbox, ["export-public", "release.key"]).env("SIGTOOL_PASSWORD", PASSWORD);
    export()
        .assert()
        .success()
        .stdout_eq(public.clone())
        .stderr_eq("");
    export()
        .arg("--output=copy.pub")
        .assert()
        .success()
        .stdout_eq("wrote copy.pub\n");
    assert_eq!(read(&sandbox, "copy.pub"), public);
    assert_eq!(json(export())["public_key"], public);
    // With the key as a flag, as cosign has it; and from a public key, which needs no password.
    for arguments in [["--key", "release.key"], ["--key", "release.pub"]] {
        key(&sandbox, ["export-public"])
            .args(arguments)
            .env("SIGTOOL_PASSWORD", PASSWORD)
            .assert()
            .success()
            .stdout_eq(public.clone());
    }
}

#[test]
fn a_report_of_a_made_key_is_json_where_that_is_asked_for() {
    let sandbox = sandbox();
    let made = json(
        key(&sandbox, ["generate", "--output-key-prefix=release"])
            .env("SIGTOOL_PASSWORD", PASSWORD),
    );
    let work = sandbox.work();
    assert_eq!(made["key"], work.join("release.key").to_str().unwrap());
    assert_eq!(made["algorithm"], "ecdsa-p256");
    assert_eq!(made["protection"], "encrypted");
    assert_eq!(made["public_key"], read(&sandbox, "release.pub"));
    assert_eq!(made["files"][1], work.join("release.pub").to_str().unwrap());
    let imported = json(
        key(
            &sandbox,
            ["import", "--key=release.key", "--output-key-prefix=copy"],
        )
        .envs([("SIGTOOL_PASSWORD", PASSWORD), ("SIGTOOL_NEW_PASSWORD", "")]),
    );
    assert_eq!(imported["protection"], "encrypted-with-empty-password");
    assert_eq!(imported["public_key"], made["public_key"]);
}
