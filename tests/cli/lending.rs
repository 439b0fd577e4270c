//! What one backend is lent by another: secrets of a store, identity tokens of a profile. Always by way of the host.

use sigtool_tests::{Sandbox, foreign};
use snapbox::str;
use std::os::unix::fs::PermissionsExt as _;

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_sigtool"))
}

/// A sandbox with a pinned lender, a key and its password on its shelf, and this profile.
fn with_lender(profile: &str) -> Sandbox {
    let sandbox = sandbox();
    sandbox
        .sigtool()
        .env("SIGTOOL_PASSWORD", "a-password-on-the-shelf")
        .args(["key", "generate", "--output-key-prefix", "release"])
        .assert()
        .success();
    std::fs::create_dir(sandbox.work().join("shelf")).unwrap();
    let key = sandbox.work().join("release.key");
    std::fs::rename(key, sandbox.work().join("shelf/release.key")).unwrap();
    sandbox.write("shelf/release.password", "a-password-on-the-shelf");
    sandbox.write("token", "a.token.of-mine");
    sandbox.write("app.txt", "an app\n");
    let work = sandbox.work().display().to_string();
    sandbox.write_config(&profile.replace("WORK", &work));
    pin(&sandbox, &sandbox.place(&foreign::python_lender()));
    sandbox
}

fn pin(sandbox: &Sandbox, backend: &std::path::Path) {
    sandbox
        .sigtool()
        .args(["backend", "pin", "--yes"])
        .arg(backend)
        .assert()
        .success();
}

const STORE: &str = r#"
[profile.default]
secret = { backend = "dev.example.python-lender", folder = "WORK/shelf" }
signer = { backend = "cosign-key", key = "shelf:release.key", password = { secret = "shelf:release.password" } }
"#;

#[test]
fn a_key_and_its_password_come_from_a_secret_store_that_the_signer_does_not_know() {
    let sandbox = with_lender(STORE);
    sandbox
        .sigtool()
        .args(["sign", "app.txt"])
        .assert()
        .success();
    sandbox
        .sigtool()
        .args(["verify", "--key", "release.pub", "app.txt"])
        .assert()
        .success();
}

#[test]
fn a_secret_may_be_written_as_a_url() {
    let sandbox = with_lender(&STORE.replace("shelf:", "shelf://"));
    sandbox
        .sigtool()
        .args(["sign", "app.txt"])
        .assert()
        .success();
    sandbox
        .sigtool()
        .env("SIGTOOL_PASSWORD", "a-password-on-the-shelf")
        .args(["key", "show", "--key", "shelf://release.key"])
        .assert()
        .success();
}

#[test]
fn a_key_that_the_command_line_names_comes_from_the_profiles_store_too() {
    let store = "[profile.default]\nsecret = { backend = \"dev.example.python-lender\", folder = \"WORK/shelf\" }\n";
    let sandbox = with_lender(store);
    for words in [
        ["sign", "--key", "shelf:release.key", "app.txt"],
        ["verify", "--key", "release.pub", "app.txt"],
        ["key", "show", "--key", "shelf:release.key"],
    ] {
        sandbox
            .sigtool()
            .env("SIGTOOL_PASSWORD", "a-password-on-the-shelf")
            .args(words)
            .assert()
            .success();
    }
}

#[test]
fn a_secret_that_the_store_lacks_is_told_with_the_name_of_the_store() {
    let sandbox = with_lender(&STORE.replace("shelf:release.key", "shelf:relase.key"));
    sandbox
        .sigtool()
        .args(["sign", "app.txt"])
        .assert()
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: the backend `dev.example.python-lender` failed in `secret.get`
  caused by: there is no secret 'relase.key'

"#]]);
    assert!(!sandbox.work().join("app.txt.sigstore.json").exists());
}

#[test]
fn a_scheme_that_nobody_serves_is_told_with_what_can_be_written() {
    let sandbox = with_lender(&STORE.replace("shelf:release.password", "cellar:release.password"));
    sandbox
        .sigtool()
        .args(["sign", "app.txt"])
        .assert()
        .code(3)
        .stderr_eq(str![[r#"
error: the backend `cosign-key` failed in `signer.public_key`
  caused by: no backend serves secrets of the form `cellar:`
  hint: use `{ env = "NAME" }`, `{ file = "PATH" }` or `{ prompt = "TEXT" }`

"#]]);
}

/// A signer that asks for an identity token and says how long it is.
const ASKER: &str = r#"#!/usr/bin/env python3
import base64, json, sys
def say(x): print(json.dumps(x), flush=True)
def hear(): return json.loads(sys.stdin.readline() or "null")
say({"sigtool": {"protocol": [1], "id": "dev.example.asker", "version": "1"}})
hear()
while request := hear():
    op, id = request.get("op"), request.get("id")
    if op == "describe":
        say({"id": id, "ok": {"id": "dev.example.asker", "version": "1", "kinds": ["signer"]}})
    elif op == "open":
        say({"id": id, "ok": {"handle": 1}})
    else:
        say({"hid": 1, "call": id, "op": "host.identity_token", "args": {"audience": "sigstore"}})
        reply = hear()
        if "ok" in reply:
            token = base64.b64decode(reply["ok"]["token"])
            error = {"code": "other", "message": "got a token of %d bytes: %s" % (len(token), token.decode())}
            say({"id": id, "err": error})
        else:
            say({"id": id, "err": reply["err"]})
"#;

const IDENTITY: &str = r#"
[profile.default]
identity = { backend = "dev.example.python-lender", token_file = "WORK/token" }
signer = { backend = "dev.example.asker" }
"#;

fn with_asker() -> Sandbox {
    let sandbox = with_lender(IDENTITY);
    let asker = sandbox.write("asker", ASKER);
    std::fs::set_permissions(&asker, std::fs::Permissions::from_mode(0o755)).unwrap();
    let manifest = "manifest = 1\nid = \"dev.example.asker\"\nversion = \"1\"\nsummary = \"asks\"\nkinds = [\"signer\"]\n";
    sandbox.write(
        "asker.toml",
        format!("{manifest}[permissions]\nidentity_token = true\n"),
    );
    pin(&sandbox, &sandbox.place(&asker));
    sandbox
}

#[test]
fn a_backend_gets_no_identity_token_without_a_grant() {
    let sandbox = with_asker();
    sandbox
        .sigtool()
        .args(["sign", "app.txt"])
        .assert()
        .code(3)
        .stderr_eq(str![[r#"
error: `dev.example.asker` gets no identity token: no grant in your configuration
  caused by: the backend `dev.example.asker` failed in `signer.public_key`
  hint: if you trust it with your identity: [backend."dev.example.asker"] grants = ["identity-token"]

"#]]);
}

#[test]
fn a_backend_gets_an_identity_token_with_a_grant_and_cannot_show_it() {
    let sandbox = with_asker();
    sandbox
        .sigtool()
        .args(["config", "set", r#"backend."dev.example.asker".grants"#])
        .arg(r#"["identity-token"]"#)
        .assert()
        .success();
    // The token is an answer of the host's, so it is taken out of what the backend says.
    sandbox
        .sigtool()
        .args(["sign", "app.txt"])
        .assert()
        .code(3)
        .stderr_eq(str![[r#"
error: the backend `dev.example.asker` failed in `signer.public_key`
  caused by: got a token of 15 bytes: [secret]

"#]]);
}
