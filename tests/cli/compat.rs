//! What was released once: the SDK as it was packed (`tests/compat`), and whether what is here today still understands it.

use sigtool_tests::peers::need;
use sigtool_tests::{Sandbox, growth, libraries_folder, tests_folder};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The files of the SDK that is kept, by their paths in it.
fn kept() -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = tests_folder().join("compat").read_dir().unwrap();
    let packed: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "crate"))
        .collect();
    let [packed] = &packed[..] else {
        panic!("one SDK is kept: {packed:?}");
    };
    sigtool_tests::archives::unpacked(&std::fs::read(packed).unwrap())
}

fn text(files: &BTreeMap<PathBuf, Vec<u8>>, path: impl AsRef<Path>) -> String {
    let bytes = files.get(path.as_ref()).expect("a file of the SDK");
    String::from_utf8(bytes.clone()).unwrap()
}

/// The folder of the SDK as it is today.
fn sdk() -> PathBuf {
    tests_folder().join("../plugins-sdk")
}

#[test]
fn every_message_is_an_extension_of_what_was_released() {
    let mut found = Vec::new();
    let mut compared = 0;
    let kept = kept();
    for (path, content) in &kept {
        if !path.starts_with("schemas") {
            continue;
        }
        let before: serde_json::Value = serde_json::from_slice(content).unwrap();
        // What does not exist any more accepts nothing.
        let after = std::fs::read(sdk().join(path)).unwrap_or_else(|_| b"{}".to_vec());
        let after = serde_json::from_slice(&after).unwrap();
        let broken = growth::message(&before, &after);
        found.extend(
            broken
                .iter()
                .map(|what| format!("{}: {what}", path.display())),
        );
        compared += 1;
    }
    assert!(compared >= 43, "{compared} schemas were kept");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_header_declares_what_was_released() {
    let path = "include/sigtool.h";
    let today = std::fs::read_to_string(sdk().join(path)).unwrap();
    let found = growth::header(&text(&kept(), path), &today);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Writes a file unless it is there already: Cargo builds again what is newer.
fn lay(path: &Path, content: &[u8]) {
    if std::fs::read(path).is_ok_and(|found| found == content) {
        return;
    }
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

/// The library of `compat/backend`, built against the kept SDK and nothing of today's. The folder outlives the test, so that the next
/// one builds nothing.
fn backend_of_the_kept_sdk() -> PathBuf {
    let folder = libraries_folder().join("../../compat");
    for (path, content) in kept() {
        lay(&folder.join("sigtool-sdk").join(path), &content);
    }
    for file in [
        "Cargo.toml",
        "Cargo.lock",
        "sigtool-backend.toml",
        "src/lib.rs",
    ] {
        let content = std::fs::read(tests_folder().join("compat/backend").join(file)).unwrap();
        lay(&folder.join("backend").join(file), &content);
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--locked", "--target-dir", "../target"])
        // The flags that today's crates are built with are not its own.
        .env_remove("RUSTFLAGS")
        .current_dir(folder.join("backend"))
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    folder.join("target/debug/libsigtool_backend_kept.so")
}

#[test]
fn a_backend_that_was_built_against_the_released_sdk_signs_wherever_it_runs() {
    let Some(openssl) = need("openssl") else {
        return;
    };
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sigtool"));
    let openssl = |arguments: &[&str]| {
        let mut command = Command::new(&openssl);
        let output = command.args(arguments).current_dir(sandbox.work()).output();
        assert!(output.unwrap().status.success(), "{arguments:?}");
    };
    openssl(&[
        "genpkey",
        "-algorithm",
        "ED25519",
        "-outform",
        "DER",
        "-out",
        "my.key",
    ]);
    openssl(&[
        "pkey", "-inform", "DER", "-in", "my.key", "-pubout", "-out", "my.pub",
    ]);
    sandbox.write("app.txt", "an app\n");
    let backend = sandbox.place(&backend_of_the_kept_sdk());
    sandbox.pin(&backend);
    let works = |arguments: &[&str]| {
        sandbox.sigtool().args(arguments).assert().code(0);
    };
    let signer = "profile.mine.signer={ backend = \"dev.example.kept\", key = \"my.key\" }";
    for isolation in ["", "isolation = \"in-process\"\n"] {
        sandbox.append_config(isolation);
        works(&["sign", "--config", signer, "--profile", "mine", "app.txt"]);
        works(&["verify", "--key", "my.pub", "app.txt"]);
        std::fs::remove_file(sandbox.work().join("app.txt.sigstore.json")).unwrap();
    }
}
