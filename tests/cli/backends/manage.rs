//! `sigtool backend list|show|path|pin`: what a backend is, without running it.

use super::{C_SIGNER, sandbox, with_c_signer};
use sigtool_tests::terminal::{self, line};
use sigtool_tests::{Sandbox, foreign, peers};
use snapbox::str;
use std::fs;
use std::path::{Path, PathBuf};

fn backend(sandbox: &Sandbox, words: &[&str]) -> snapbox::cmd::OutputAssert {
    sandbox.seen(sandbox.sigtool().arg("backend").args(words))
}

#[test]
fn backends_are_listed_with_what_they_do() {
    let (sandbox, _) = with_c_signer();
    backend(&sandbox, &["list"])
        .success()
        .stderr_eq("")
        .stdout_eq(str![[r#"
cosign-key            0.1.0     signer           Signs with key pairs in files, in the formats of cosign and OpenSSL
dev.example.c-signer  1.0.0     signer           signs with an ECDSA P-256 key in a PEM file, by OpenSSL
local-stage           0.1.0     source           Files as artifacts: Helm charts, YAML manifests, jar, war and anything else
oci                   0.1.0     source           Images in OCI registries, with their signatures beside them

"#]]);
}

#[test]
fn a_program_gets_the_list_as_json() {
    let (sandbox, _) = with_c_signer();
    backend(&sandbox, &["list", "--format", "json"])
        .success()
        .stderr_eq("")
        .stdout_eq(str![[r#"
[{"id":"cosign-key","version":"0.1.0","summary":"Signs with key pairs in files, in the formats of cosign and OpenSSL","kinds":["signer"],"schemes":["file","env"],"path":"[..]/libsigtool_backend_cosign_key.so","first_party":true,"isolation":"in-process"}
,{"id":"dev.example.c-signer","version":"1.0.0","summary":"signs with an ECDSA P-256 key in a PEM file, by OpenSSL","kinds":["signer"],"schemes":[],"path":"[ROOT]/backends/signer-[..].so","first_party":false,"isolation":"process","sha256":"[..]"}
,{"id":"local-stage","version":"0.1.0","summary":"Files as artifacts: Helm charts, YAML manifests, jar, war and anything else","kinds":["source"],"schemes":["file"],"path":"[..]/libsigtool_backend_local_stage.so","first_party":true,"isolation":"in-process"}
,{"id":"oci","version":"0.1.0","summary":"Images in OCI registries, with their signatures beside them","kinds":["source"],"schemes":["oci"],"path":"[..]/libsigtool_backend_oci.so","first_party":true,"isolation":"in-process"}
]

"#]]);
}

#[test]
fn a_backend_that_cannot_be_used_does_not_hide_the_others() {
    let (sandbox, c_signer) = with_c_signer();
    fs::remove_file(c_signer).unwrap();
    backend(&sandbox, &["list"])
        .code(3)
        .stderr_eq(str![[r#"
error: the backend `dev.example.c-signer` cannot be used
  caused by: there is no file `[ROOT]/backends/signer-[..].so`
  caused by: declared at ~/.config/sigtool/config.toml:1

"#]])
        .stdout_eq(str![[r#"
cosign-key            0.1.0     signer           Signs with key pairs in files, in the formats of cosign and OpenSSL
local-stage           0.1.0     source           Files as artifacts: Helm charts, YAML manifests, jar, war and anything else
oci                   0.1.0     source           Images in OCI registries, with their signatures beside them

"#]]);
}

#[test]
fn what_a_backend_of_someone_else_declares_is_shown() {
    let (sandbox, _) = with_c_signer();
    backend(&sandbox, &["show", C_SIGNER])
        .success()
        .stderr_eq("")
        .stdout_eq(str![[r#"
id           dev.example.c-signer
version      1.0.0
summary      signs with an ECDSA P-256 key in a PEM file, by OpenSSL
file         [ROOT]/backends/signer-[..].so
kinds        signer
runs         in a process of its own
network      no
tokens       no
secrets      signer.password (else SIGTOOL_PASSWORD or COSIGN_PASSWORD)
prompts      no
pages        no
environment  none
sha256       [..]
setting      signer.key: the PEM file of the private key (a path, required)
setting      signer.password: the password of the key, if it has one (a reference to a secret)

"#]]);
}

#[test]
fn what_sigtools_own_backend_declares_is_shown() {
    backend(&sandbox(), &["show", "local-stage"])
        .success()
        .stderr_eq("")
        .stdout_eq(str![[r#"
id           local-stage
version      0.1.0
summary      Files as artifacts: Helm charts, YAML manifests, jar, war and anything else
file         [..]/libsigtool_backend_local_stage.so
kinds        source
schemes      file
capabilities source.attach, source.detach
runs         in sigtool's process (it is sigtool's own)

"#]]);
}

#[test]
fn a_program_gets_the_whole_manifest_as_json() {
    let (sandbox, _) = with_c_signer();
    backend(&sandbox, &["show", C_SIGNER, "--format", "json"])
        .success()
        .stderr_eq("")
        .stdout_eq(str![[r#"
{
  "id": "dev.example.c-signer",
  "version": "1.0.0",
  "summary": "signs with an ECDSA P-256 key in a PEM file, by OpenSSL",
  "kinds": [
    "signer"
  ],
  "schemes": [],
  "path": "[ROOT]/backends/signer-[..].so",
  "first_party": false,
  "isolation": "process",
  "sha256": "[..]",
  "manifest": {
    "manifest": 1,
    "id": "dev.example.c-signer",
    "version": "1.0.0",
    "summary": "signs with an ECDSA P-256 key in a PEM file, by OpenSSL",
    "kinds": [
      "signer"
    ],
    "schemes": [],
    "capabilities": [],
    "max_in_flight": 1,
    "environment": [],
    "permissions": {
      "network": false,
      "identity_token": false,
      "prompt": false,
      "open_url": false
    },
    "config": {
      "signer": {
        "key": {
          "type": "path",
          "summary": "the PEM file of the private key",
          "required": true
        },
        "password": {
          "type": "secret",
          "summary": "the password of the key, if it has one",
          "required": false
        }
      }
    }
  }
}

"#]]);
}

#[test]
fn a_misspelt_id_is_answered_with_the_right_one() {
    backend(&sandbox(), &["show", "cosing-key"])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: there is no backend `cosing-key`
  hint: did you mean `cosign-key`?
  hint: there are: cosign-key, local-stage, oci

"#]]);
}

#[test]
fn the_folders_are_listed() {
    backend(&sandbox(), &["path"]).success().stdout_eq(str![[r#"
[..]: sigtool's own backends
/usr/local/lib/sigtool/backends[..]: declared backends without a `path`
/usr/lib/sigtool/backends[..]: declared backends without a `path`
[ROOT]/home/.local/share/sigtool/backends[..]: declared backends without a `path`

"#]]);
}

/// A library that leaves a file behind when it is loaded.
const TRACER: &str = r#"
#include "sigtool.h"
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

SIGTOOL_MANIFEST("manifest = 1\nid = \"dev.example.tracer\"\nversion = \"1.0.0\"\nsummary = \"leaves a trace\"\n"
                 "kinds = [\"signer\"]\nenvironment = [\"TRACE_FILE\"]\n");

__attribute__((constructor)) static void leave_a_trace(void) {
    const char *file = getenv("TRACE_FILE");
    if (file) close(open(file, O_CREAT | O_WRONLY, 0600));
}

SIGTOOL_EXPORT const sigtool_backend_v1_table *sigtool_backend_v1(void);
SIGTOOL_EXPORT const sigtool_backend_v1_table *sigtool_backend_v1(void) {
    return NULL;
}
"#;

/// A library, and an executable, that leave a file behind when they run.
fn tracers(sandbox: &Sandbox) -> [(PathBuf, &'static str); 2] {
    let source = sandbox.write("tracer/tracer.c", TRACER);
    let library = sandbox.place(&foreign::compile_c(&source, &[], &[]));
    let script = sandbox.write("tracer/tracer", "#!/bin/sh\n: >\"$TRACE_FILE\"\n");
    sandbox.write(
        "tracer/tracer.toml",
        "manifest = 1\nid = \"dev.example.script\"\nversion = \"1.0.0\"\nsummary = \"leaves a trace\"\n\
         kinds = [\"signer\"]\nenvironment = [\"TRACE_FILE\"]\n",
    );
    let executable = sandbox.place(&script);
    [
        (library, "dev.example.tracer"),
        (executable, "dev.example.script"),
    ]
}

#[test]
fn listing_showing_and_recording_run_nothing() {
    let sandbox = sandbox();
    let trace = sandbox.work().join("trace");
    let run = |words: &[&str]| {
        let sigtool = sandbox.sigtool().env("TRACE_FILE", &trace);
        sigtool.args(words).assert()
    };
    for (path, id) in tracers(&sandbox) {
        let path = path.to_str().unwrap();
        run(&["backend", "pin", "--yes", path]).success();
        sandbox.append_config(&format!(
            "[profile.\"{id}\"]\nsigner = {{ backend = \"{id}\" }}\n"
        ));
        for words in [
            &["backend", "list"][..],
            &["backend", "show", id],
            &["backend", "path"],
            &["profile", "show", id],
            &["config", "check"],
            &["key", "list"],
        ] {
            run(words).success();
            assert!(!trace.exists(), "`{words:?}` has run {id}");
        }
        // The trace would be there: checking runs it, and says so.
        run(&["backend", "check", id]).code(3);
        assert!(trace.exists(), "{id} leaves no trace");
        fs::remove_file(&trace).unwrap();
    }
}

#[test]
fn recording_shows_what_is_declared_and_asks() {
    let sandbox = sandbox();
    let library = sandbox.place(&foreign::c_signer());
    backend(&sandbox, &["pin", library.to_str().unwrap()])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
id           dev.example.c-signer
version      1.0.0
summary      signs with an ECDSA P-256 key in a PEM file, by OpenSSL
file         [ROOT]/backends/signer-[..].so
kinds        signer
runs         in a process of its own
network      no
tokens       no
secrets      signer.password (else SIGTOOL_PASSWORD or COSIGN_PASSWORD)
prompts      no
pages        no
environment  none
setting      signer.key: the PEM file of the private key (a path, required)
setting      signer.password: the password of the key, if it has one (a reference to a secret)
sha256       [..]
error: a question needs an answer, and there is no terminal to ask on
  caused by: record the backend `dev.example.c-signer`, so that profiles can use it?
  hint: to answer yes, add `--yes`

"#]]);
    assert!(!sandbox.config().exists());
}

#[test]
fn saying_no_records_nothing() {
    let Some(python) = peers::need("python3") else {
        return;
    };
    let sandbox = sandbox();
    let library = sandbox.place(&foreign::c_signer());
    let pin = |answer| {
        let arguments = ["backend", "pin", library.to_str().unwrap()];
        let answers = [line("so that profiles can use it? [y/N]", answer)];
        terminal::run(&sandbox, &python, &answers, &[], &arguments)
    };
    let said = pin("n");
    assert_eq!(said.code, Some(130), "{said}");
    assert!(said.text.contains("nothing was recorded"), "{said}");
    assert!(!sandbox.config().exists());
    pin("y").expect_success("saying yes records it");
    assert!(sandbox.config().exists());
}

#[test]
fn recording_writes_the_path_and_the_digest_and_keeps_comments() {
    let sandbox = sandbox();
    let library = sandbox.place(&foreign::c_signer());
    let before = "# mine\nformat = \"text\" # for people\n\n[alias]\n# often\ns = [\"sign\"]\n";
    sandbox.write_config(before);
    let pin = &["pin", "--yes", library.to_str().unwrap()];
    backend(&sandbox, pin)
        .success()
        .stdout_eq(str![[r#"
recorded `dev.example.c-signer` in [ROOT]/home/.config/sigtool/config.toml

"#]])
        .stderr_eq(str![[r#"
id           dev.example.c-signer
version      1.0.0
summary      signs with an ECDSA P-256 key in a PEM file, by OpenSSL
file         [ROOT]/backends/signer-[..].so
kinds        signer
runs         in a process of its own
network      no
tokens       no
secrets      signer.password (else SIGTOOL_PASSWORD or COSIGN_PASSWORD)
prompts      no
pages        no
environment  none
setting      signer.key: the PEM file of the private key (a path, required)
setting      signer.password: the password of the key, if it has one (a reference to a secret)
sha256       [..]

"#]]);
    let after = fs::read_to_string(sandbox.config()).unwrap();
    let sha256 = sha256_of(&library);
    let path = library.display();
    assert_eq!(
        after,
        format!("{before}\n[backend.\"{C_SIGNER}\"]\npath = \"{path}\"\nsha256 = \"{sha256}\"\n")
    );
}

fn sha256_of(path: &Path) -> String {
    let mut sha256 = sigtool_core::digest::Sha256::default();
    sha256.update(&fs::read(path).unwrap());
    sha256.finish_hex()
}

#[test]
fn a_relative_path_is_recorded_as_an_absolute_one() {
    let sandbox = sandbox();
    let library = sandbox.place(&foreign::c_signer());
    let name = library.file_name().unwrap().to_str().unwrap();
    let relative = format!("../backends/{name}");
    backend(&sandbox, &["pin", "--yes", &relative]).success();
    let config = fs::read_to_string(sandbox.config()).unwrap();
    assert!(
        config.contains(&format!("path = \"{}\"", library.display())),
        "{config}"
    );
}

#[test]
fn a_changed_backend_is_used_once_it_is_recorded_again() {
    let (sandbox, library) = with_c_signer();
    let config = fs::read_to_string(sandbox.config()).unwrap();
    sandbox
        .write_config(&config.replace("sha256 =", "isolation = \"in-process\" # fast\nsha256 ="));
    let old = sha256_of(&library);
    // What is appended to a library changes its digest, and nothing else.
    let bytes = [fs::read(&library).unwrap(), b"\n".to_vec()].concat();
    fs::write(&library, bytes).unwrap();
    let sign = || sandbox.seen(sandbox.sigtool().args(["sign", "-p", "c", "app.txt"]));
    sign().code(3).stdout_eq("").stderr_eq(str![[r#"
error: the backend `dev.example.c-signer` is not the one that was recorded, so it is not run
  caused by: `[ROOT]/backends/signer-[..].so` has sha256 [..]
  caused by: recorded is [..]
  hint: find out who changed it; if it was you: sigtool backend pin [ROOT]/backends/signer-[..].so

"#]]);
    let pin = &["pin", "--yes", library.to_str().unwrap()];
    backend(&sandbox, pin).success().stderr_eq(str![[r#"
id           dev.example.c-signer
version      1.0.0
summary      signs with an ECDSA P-256 key in a PEM file, by OpenSSL
file         [ROOT]/backends/signer-[..].so
kinds        signer
runs         in sigtool's process
network      no
tokens       no
secrets      signer.password (else SIGTOOL_PASSWORD or COSIGN_PASSWORD)
prompts      no
pages        no
environment  none
setting      signer.key: the PEM file of the private key (a path, required)
setting      signer.password: the password of the key, if it has one (a reference to a secret)
sha256       [..]
before       [..]

"#]]);
    sign().success();
    let config = fs::read_to_string(sandbox.config()).unwrap();
    assert!(
        config.contains("isolation = \"in-process\" # fast\n"),
        "{config}"
    );
    assert!(!config.contains(&old), "{config}");
}
