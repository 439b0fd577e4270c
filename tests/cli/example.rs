//! The backend that the SDK's README shows, used as its reader would use it.

use sigtool_tests::{Sandbox, library};
use std::process::Command;

/// A key as the README says to make it, and the settings to check the backend with.
fn with_key() -> Option<(Sandbox, std::path::PathBuf)> {
    let openssl = sigtool_tests::peers::need("openssl")?;
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sigtool"));
    let key = sandbox.work().join("my.key");
    let made = Command::new(openssl)
        .args([
            "genpkey",
            "-algorithm",
            "EC",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        ])
        .args(["-outform", "DER", "-out"])
        .arg(&key)
        .output()
        .expect("openssl runs");
    assert!(made.status.success(), "{made:?}");
    sandbox.write("with.toml", "[signer]\nkey = \"my.key\"\n");
    let backend = sandbox.place(&library("sigtool-example-file-signer"));
    Some((sandbox, backend))
}

#[test]
fn the_example_of_the_sdk_keeps_every_promise_wherever_it_runs() {
    let Some((sandbox, backend)) = with_key() else {
        return;
    };
    for isolation in ["process", "in-process"] {
        sandbox
            .sigtool()
            .args([
                "backend",
                "check",
                "--with",
                "with.toml",
                "--isolation",
                isolation,
            ])
            .arg(&backend)
            .assert()
            .code(0);
    }
}

#[test]
fn the_example_of_the_sdk_signs_once_it_is_pinned() {
    let Some((sandbox, backend)) = with_key() else {
        return;
    };
    sandbox.write("app.txt", "an app\n");
    sandbox
        .sigtool()
        .args(["backend", "pin", "--yes"])
        .arg(&backend)
        .assert()
        .code(0);
    let signer = "profile.mine.signer={ backend = \"dev.example.file-signer\", key = \"my.key\" }";
    sandbox
        .sigtool()
        .args(["sign", "--config", signer, "--profile", "mine", "app.txt"])
        .assert()
        .code(0);
    let openssl = sigtool_tests::peers::need("openssl").expect("it was there");
    let exported = Command::new(openssl)
        .args([
            "pkey", "-inform", "DER", "-in", "my.key", "-pubout", "-out", "my.pub",
        ])
        .current_dir(sandbox.work())
        .output()
        .expect("openssl runs");
    assert!(exported.status.success(), "{exported:?}");
    sandbox
        .sigtool()
        .args(["verify", "--key", "my.pub", "app.txt"])
        .assert()
        .code(0);
}
