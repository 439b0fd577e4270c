//! Backends that misbehave. Whatever one does, the user gets an error that names it and what it was doing, no signature is
//! written, no secret is shown, and sigtool lives.

mod executable;
mod file;
mod library;

use sigtool_sdk::testing::contains_secret;
use sigtool_tests::Sandbox;
use sigtool_tests::rogues::{ALL, ARTIFACT, Built, Moment, Rogue};
use snapbox::cmd::OutputAssert;
use snapbox::{Data, IntoData};

/// The password that each rogue may ask for.
const PASSWORD: &str = "canary-password-7f3a91";

/// A variable that no rogue declares.
const VARIABLE: &str = "canary-variable-0c55e2";

/// For rogues that give no answer: long enough for an honest answer on a very busy machine.
const SOON: &[&str] = &["--timeout", "6s"];

/// Whose move it is when a backend misbehaves, in the words that people read; the tests of each rogue say `[AUTHOR]` for it.
const AUTHOR: &str = "this is for the backend's author to mend";

/// Where a backend runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    InProcess,
    Isolated,
}

/// A sandbox with an artifact, and a profile that signs with this backend, recorded and all.
pub(super) fn prepare(rogue: Rogue, place: Place) -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sigtool"));
    let backend = rogue.place(&sandbox);
    sandbox.pin(&backend);
    if place == Place::InProcess {
        sandbox.append_config("isolation = \"in-process\"\n");
    }
    add_profile(&sandbox, rogue);
    sandbox
}

/// The profile, and the artifact to sign with it.
fn add_profile(sandbox: &Sandbox, rogue: Rogue) {
    let id = rogue.id();
    let password = if matches!(rogue.built, Built::Rust) {
        ""
    } else {
        ", password = { env = \"ROGUE_PASSWORD\" }"
    };
    sandbox.append_config(&format!(
        "[profile.rogue]\nsigner = {{ backend = \"{id}\"{password} }}\n"
    ));
    sandbox.write("artifact.txt", ARTIFACT);
}

/// `sigtool sign --profile rogue artifact.txt`, with secrets about.
fn sign(sandbox: &Sandbox, flags: &[&str]) -> OutputAssert {
    let command = sandbox
        .sigtool()
        .env("ROGUE_PASSWORD", PASSWORD)
        .env("CANARY_TOKEN", VARIABLE)
        .args(["sign", "--profile", "rogue", "artifact.txt"])
        .args(flags);
    let seen = sandbox.seen(command);
    let output = seen.get_output();
    for secret in [PASSWORD, VARIABLE] {
        let streams = [&output.stdout[..], b"\n", &output.stderr].concat();
        assert!(
            !contains_secret(&streams, secret.as_bytes()),
            "a secret is shown: {}",
            String::from_utf8_lossy(&streams)
        );
        assert!(sandbox.files_that_hold(secret.as_bytes()).is_empty());
    }
    seen
}

/// What the user sees of a rogue in a child process: an error, and no signature.
fn fails(rogue: Rogue, flags: &[&str], stderr: impl IntoData) {
    fails_at(Place::Isolated, rogue, flags, stderr.into_data());
}

/// The same in sigtool's own process, word for word.
fn fails_alike(rogue: Rogue, flags: &[&str], stderr: impl IntoData) {
    let stderr = stderr.into_data();
    fails_at(Place::Isolated, rogue, flags, stderr.clone());
    fails_at(Place::InProcess, rogue, flags, stderr);
}

fn fails_at(place: Place, rogue: Rogue, flags: &[&str], stderr: Data) {
    let sandbox = prepare(rogue, place);
    let seen = sign(&sandbox, flags);
    let text = String::from_utf8_lossy(&seen.get_output().stderr).into_owned();
    seen.code(3).stdout_eq("");
    snapbox::assert_data_eq!(text.replace(AUTHOR, "[AUTHOR]"), stderr);
    assert!(text.contains(rogue.id()), "its id is named: {text}");
    match rogue.at {
        Moment::Operation(operation) => {
            // A lie about the key is found when it signs.
            let named = [operation, "signer.sign"].map(|name| format!("`{name}`"));
            let is_named = named.iter().any(|name| text.contains(name));
            assert!(is_named, "{named:?} is named: {text}");
        }
        Moment::Start => assert!(text.contains("`start`"), "`start` is named: {text}"),
        Moment::Never | Moment::File | Moment::End => {}
    }
    nothing_signed(&sandbox);
}

/// Whether the working directory holds the artifact and nothing else.
fn nothing_signed(sandbox: &Sandbox) {
    let names: Vec<_> = std::fs::read_dir(sandbox.work())
        .expect("a readable folder")
        .map(|entry| entry.expect("a readable entry").file_name())
        .collect();
    assert_eq!(names, ["artifact.txt"]);
}

#[test]
fn every_rogue_of_the_gallery_has_its_test() {
    let library = include_str!("rogues/library.rs");
    let executable = include_str!("rogues/executable.rs");
    let file = include_str!("rogues/file.rs");
    for rogue in ALL {
        let (how, text) = match rogue.built {
            Built::C => ("c", library),
            Built::Python => ("python", executable),
            Built::Rust => ("rust", library),
            Built::Spoilt(_) => ("spoilt", file),
        };
        let called = format!("{how}(\"{}\")", rogue.name);
        assert!(text.contains(&called), "no test has {called}");
    }
}
