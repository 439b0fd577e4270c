//! Backends as their user meets them: listed, recorded, checked and used, sigtool's own and those of others.

mod child;
mod contract;
mod manage;
mod policy;
mod signing;

use sigtool_tests::{Sandbox, foreign};
use std::path::PathBuf;

const C_SIGNER: &str = "dev.example.c-signer";
const PYTHON_SIGNER: &str = "dev.example.python-signer";
const SH_SOURCE: &str = "dev.example.sh-source";

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_sigtool"))
}

/// The signer in C, recorded, with a key, its public half, and a profile `c`; and an artifact.
fn with_c_signer() -> (Sandbox, PathBuf) {
    let sandbox = sandbox();
    let backend = sandbox.place(&foreign::c_signer());
    add_c_signer(&sandbox, &backend);
    sandbox.write("app.txt", "an app\n");
    (sandbox, backend)
}

fn add_c_signer(sandbox: &Sandbox, backend: &std::path::Path) {
    sandbox.pin(backend);
    foreign::p256_key(&sandbox.work().join("c.key"), None);
    public_half(sandbox, "c");
    let key = sandbox.work().join("c.key");
    sandbox.append_config(&format!(
        "[profile.c]\nsigner = {{ backend = \"{C_SIGNER}\", key = \"{}\" }}\n",
        key.display()
    ));
}

/// The same with the signer in Python, and a profile `python`.
fn add_python_signer(sandbox: &Sandbox) -> PathBuf {
    let backend = sandbox.place(&foreign::python_signer());
    sandbox.pin(&backend);
    foreign::ed25519_key(&sandbox.work().join("python.key"));
    public_half(sandbox, "python");
    let key = sandbox.work().join("python.key");
    sandbox.append_config(&format!(
        "[profile.python]\nsigner = {{ backend = \"{PYTHON_SIGNER}\", key = \"{}\" }}\n",
        key.display()
    ));
    backend
}

/// Writes `NAME.pub` beside `NAME.key`, by OpenSSL.
fn public_half(sandbox: &Sandbox, name: &str) {
    let made = std::process::Command::new("openssl")
        .args(["pkey", "-pubout", "-in", &format!("{name}.key")])
        .args(["-out", &format!("{name}.pub")])
        .current_dir(sandbox.work())
        .status();
    assert!(made.expect("`openssl` runs: install it").success());
}
