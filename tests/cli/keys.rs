//! `sigtool key`, and where the password of a key comes from.

mod broken;
mod change_password;
mod formats;
mod generate;
mod import;
mod passwords;
mod places;
mod show;
mod terminal;

use serde_json::Value;
use sigtool_tests::Sandbox;
use snapbox::cmd::Command;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

/// The password of the keys that are made here.
const PASSWORD: &str = "sesame";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sigtool"));
    sandbox.write("app.txt", "an artifact\n");
    sandbox
}

/// `sigtool key VERB …`
fn key<'a>(sandbox: &Sandbox, arguments: impl IntoIterator<Item = &'a str>) -> Command {
    sandbox.sigtool().arg("key").args(arguments)
}

/// Makes `NAME.key` and `NAME.pub`, ECDSA P-256, with this password.
fn generate(sandbox: &Sandbox, name: &str, password: &str) {
    key(sandbox, ["generate", "--output-key-prefix", name])
        .env("SIGTOOL_NEW_PASSWORD", password)
        .assert()
        .success();
}

/// `sigtool sign --key KEY app.txt`
fn sign(sandbox: &Sandbox, key: &str) -> Command {
    sandbox.sigtool().args(["sign", "--key", key, "app.txt"])
}

fn read(sandbox: &Sandbox, name: &str) -> String {
    fs::read_to_string(sandbox.work().join(name)).unwrap()
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn json(command: Command) -> Value {
    let output = command.arg("--format=json").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A profile `p` whose signer has the key `release.key` of the working directory, and this in addition.
fn profile(sandbox: &Sandbox, more: &str) {
    sandbox.write_config(&format!(
        "default_profile = \"p\"\n[profile.p]\nsigner = {{ backend = \"cosign-key\", key = \"{}\"{more} }}\n",
        sandbox.work().join("release.key").display()
    ));
}
