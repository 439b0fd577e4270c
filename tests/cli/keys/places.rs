//! Where keys are: files and variables.

use super::{PASSWORD, generate, key, read, sandbox, sign};
use snapbox::str;
use std::fs;

#[test]
fn a_key_in_a_file_is_named_by_its_path_or_as_a_file() {
    let sandbox = sandbox();
    generate(&sandbox, "release", "");
    let absolute = sandbox.work().join("release.key");
    let absolute = absolute.to_str().unwrap();
    for reference in [
        "release.key",
        "./release.key",
        "../here/release.key",
        "file:release.key",
        absolute,
        &format!("file:{absolute}"),
        &format!("file://{absolute}"),
    ] {
        sign(&sandbox, reference).assert().success();
        key(&sandbox, ["export-public", reference])
            .assert()
            .success()
            .stdout_eq(read(&sandbox, "release.pub"));
    }
}

#[test]
fn a_key_in_a_variable_is_named_as_cosign_names_it() {
    let sandbox = sandbox();
    generate(&sandbox, "release", PASSWORD);
    let text = read(&sandbox, "release.key");
    // A variable set without care has its lines joined by spaces.
    for (reference, text) in [
        ("env:RELEASE_KEY", text.clone()),
        ("env://RELEASE_KEY", text.clone()),
        ("env:RELEASE_KEY", text.replace('\n', " ")),
    ] {
        sign(&sandbox, reference)
            .envs([
                ("RELEASE_KEY", text.as_str()),
                ("SIGTOOL_PASSWORD", PASSWORD),
            ])
            .assert()
            .success();
    }
    sign(&sandbox, "env:RELEASE_KEY")
        .assert()
        .code(2)
        .stderr_eq(str![[r#"
error: the environment variable `RELEASE_KEY` is not set

"#]]);
    sandbox
        .sigtool()
        .args(["verify", "--key=env:RELEASE_PUB", "app.txt"])
        .env("RELEASE_PUB", read(&sandbox, "release.pub"))
        .assert()
        .success();
}

#[test]
fn a_scheme_that_no_backend_serves_is_told_with_those_that_are() {
    let sandbox = sandbox();
    sign(&sandbox, "hsm:slot-1")
        .assert()
        .code(2)
        .stderr_eq(str![[r#"
error: no backend serves keys of the form `hsm:`
  hint: there are: env, file
  hint: for a file of that name write `file:hsm:slot-1`

"#]]);
    generate(&sandbox, "hsm:slot-1", "");
    sign(&sandbox, "file:hsm:slot-1.key").assert().success();
}

#[test]
fn a_tilde_in_the_configuration_is_the_home_folder() {
    let sandbox = sandbox();
    generate(&sandbox, "release", PASSWORD);
    fs::rename(
        sandbox.work().join("release.key"),
        sandbox.home().join("release.key"),
    )
    .unwrap();
    fs::rename(
        sandbox.work().join("release.pub"),
        sandbox.home().join("release.pub"),
    )
    .unwrap();
    fs::write(sandbox.home().join("password"), "sesame\n").unwrap();
    sandbox.write_config(
        "default_profile = \"prod\"\n\
         [profile.prod]\n\
         signer = { backend = \"cosign-key\", key = \"~/release.key\", password = { file = \"~/password\" } }\n\
         verify.keys = [\"~/release.pub\"]\n",
    );
    sandbox
        .sigtool()
        .args(["sign", "app.txt"])
        .assert()
        .success();
    sandbox
        .sigtool()
        .args(["verify", "app.txt"])
        .assert()
        .success();
}
