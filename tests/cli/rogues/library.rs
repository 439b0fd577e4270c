//! Shared libraries that misbehave. In a child process nothing that they do can end sigtool. What does not kill a process is told
//! in the same words in sigtool's own, where the user's configuration lets them run there.

use super::{Place, SOON, fails, fails_alike, nothing_signed, prepare, sign};
use sigtool_tests::rogues::{Built, Rogue, find};
use snapbox::str;

fn c(name: &str) -> Rogue {
    find(name, Built::C)
}

fn rust(name: &str) -> Rogue {
    find(name, Built::Rust)
}

#[test]
fn a_library_that_aborts() {
    fails(
        c("aborts"),
        &[],
        str![[r#"
error: cannot sign `artifact.txt`
  caused by: the backend `dev.example.rogue` failed in `signer.sign`
  caused by: the backend was ended by signal 6 (abort) before it answered
  hint: [AUTHOR]

"#]],
    );
}

#[test]
fn a_library_that_aborts_at_load() {
    fails(
        c("aborts-at-load"),
        &[],
        str![[r#"
error: the backend `dev.example.rogue` failed in `start`
  caused by: the backend was ended by signal 6 (abort) before it said hello
  hint: [AUTHOR]

"#]],
    );
}

#[test]
fn a_library_that_answers_another_call() {
    fails_alike(
        c("answers-another-call"),
        &[],
        str![[r#"
error: cannot sign `artifact.txt`
  caused by: the backend `dev.example.rogue` failed in `signer.sign`
  caused by: the backend broke the protocol: it answered call [..], and this is call [..]
  hint: [AUTHOR]

"#]],
    );
}

#[test]
fn a_library_that_asks_for_other_secrets() {
    fails_alike(
        c("asks-for-other-secrets"),
        &[],
        str![[r#"
error: cannot sign `artifact.txt`
  caused by: the backend `dev.example.rogue` failed in `signer.sign`
  caused by: the host refused a request

"#]],
    );
}

#[test]
fn a_library_that_asks_for_the_environment() {
    fails_alike(
        c("asks-for-the-environment"),
        &[],
        str![[r#"
error: cannot sign `artifact.txt`
  caused by: the backend `dev.example.rogue` failed in `signer.sign`
  caused by: the host refused a request

"#]],
    );
}

#[test]
fn a_library_that_asks_too_late() {
    fails_alike(
        c("asks-too-late"),
        &[],
        str![[r#"
error: cannot sign `artifact.txt`
  caused by: the backend `dev.example.rogue` failed in `signer.sign`
  caused by: the host refused a request

"#]],
    );
}

#[test]
fn a_library_that_claims_a_future_major() {
    fails_alike(
        c("claims-a-future-major"),
        &[],
        str![[r#"
error: the backend `dev.example.rogue` failed in `start`
  caused by: the library cannot be used
  caused by: it is built for backend ABI 2, this sigtool speaks 1

"#]],
    );
}

#[test]
fn a_library_that_claims_a_key() {
    fails_alike(
        c("claims-a-key"),
        &[],
        str![[r#"
error: cannot sign `artifact.txt`
  caused by: the backend `dev.example.rogue` failed in `signer.sign`
  caused by: the signer returned a signature that its key does not verify
  hint: nothing was written; [AUTHOR]

"#]],
    );
}

#[test]
fn a_library_that_describes_another() {
    fails_alike(
        c("describes-another"),
        &[],
        str![[r#"
error: its code says id dev.example.honest, its manifest dev.example.rogue
  caused by: the backend `dev.example.rogue` failed in `describe`
  hint: its author must make the two equal

"#]],
    );
}

#[test]
fn a_library_that_exits() {
    fails(
        c("exits"),
        &[],
        str![[r#"
error: cannot sign `artifact.txt`
  caused by: the backend `dev.example.rogue` failed in `signer.sign`
  caused by: the backend exited with code 0 before it answered
  hint: [AUTHOR]

"#]],
    );
}

#[test]
fn a_library_that_exports_nothing() {
    fails_alike(
        c("exports-nothing"),
        &[],
        str![[r#"
error: the backend `dev.example.rogue` failed in `start`
  caused by: the library cannot be used
  caused by: it does not export `sigtool_backend_v1`, so it is not a backend of sigtool

"#]],
    );
}

#[test]
fn a_library_that_fails_to_start() {
    fails_alike(
        c("fails-to-start"),
        &[],
        str![[r#"
error: the backend `dev.example.rogue` failed in `start`
  caused by: the device is not plugged in

"#]],
    );
}

#[test]
fn a_library_that_floods() {
    fails(
        c("floods"),
        SOON,
        str![[r#"
warning: dev.example.rogue: all work and no play makes a dull backend
...
warning: `dev.example.rogue` says too much: no more of it is shown
error: cannot sign `artifact.txt`
  caused by: the backend `dev.example.rogue` failed in `signer.sign`
  caused by: no answer and no sign of life for 6 s
  hint: if it needs longer, say so with `--timeout 10m`

"#]],
    );
}

#[test]
fn a_library_that_hangs() {
    fails_alike(
        c("hangs"),
        SOON,
        str![[r#"
error: cannot sign `artifact.txt`
  caused by: the backend `dev.example.rogue` failed in `signer.sign`
  caused by: no answer and no sign of life for 6 s
  hint: if it needs longer, say so with `--timeout 10m`

"#]],
    );
}

#[test]
fn a_library_that_has_a_short_table() {
    fails_alike(
        c("has-a-short-table"),
        &[],
        str![[r#"
error: the backend `dev.example.rogue` failed in `start`
  caused by: the library cannot be used
  caused by: its table has 40 bytes, at least 88 are needed

"#]],
    );
}

#[test]
fn a_library_that_has_another_magic() {
    fails_alike(
        c("has-another-magic"),
        &[],
        str![[r#"
error: the backend `dev.example.rogue` failed in `start`
  caused by: the library cannot be used
  caused by: its entry function returns something that is not a backend table (wrong magic number)

"#]],
    );
}

#[test]
fn a_library_that_has_no_table() {
    fails_alike(
        c("has-no-table"),
        &[],
        str![[r#"
error: the backend `dev.example.rogue` failed in `start`
  caused by: the library cannot be used
  caused by: its entry function returns nothing: its own manifest may be malformed

"#]],
    );
}

#[test]
fn a_library_that_is_of_the_future() {
    fails_alike(
        c("is-of-the-future"),
        &[],
        str![[r#"
error: the backend `dev.example.rogue` failed in `start`
  caused by: the library cannot be used
  caused by: it is built for backend ABI 2, this sigtool speaks 1: update sigtool

"#]],
    );
}

#[test]
fn a_library_that_lacks_a_function() {
    fails_alike(
        c("lacks-a-function"),
        &[],
        str![[r#"
error: the backend `dev.example.rogue` failed in `start`
  caused by: the library cannot be used
  caused by: its table lacks a function that every backend has

"#]],
    );
}

#[test]
fn a_library_that_needs_a_newer_minor() {
    fails_alike(
        c("needs-a-newer-minor"),
        &[],
        str![[r#"
error: the backend `dev.example.rogue` failed in `start`
  caused by: the library cannot be used
  caused by: it needs minor version 9 of backend ABI 1, this sigtool has 0: update sigtool

"#]],
    );
}

#[test]
fn a_library_that_prints_secrets() {
    fails(
        c("prints-secrets"),
        &[],
        str![[r#"
warning: dev.example.rogue: {"hid":1,"ok":{"value":"[secret]","origin":"ROGUE_PASSWORD","more":false}}
warning: dev.example.rogue: [secret]
error: cannot sign `artifact.txt`
  caused by: the backend `dev.example.rogue` failed in `signer.sign`
  caused by: [secret] is wrong
  caused by: [secret]

"#]],
    );
}

#[test]
fn a_library_that_returns_another_key() {
    fails_alike(
        c("returns-another-key"),
        &[],
        str![[r#"
error: cannot sign `artifact.txt`
  caused by: the backend `dev.example.rogue` failed in `signer.sign`
  caused by: the signer returned another key ([..]) than it announced ([..])
  hint: nothing was written; [AUTHOR]

"#]],
    );
}

#[test]
fn a_library_that_segfaults() {
    fails(
        c("segfaults"),
        &[],
        str![[r#"
error: cannot sign `artifact.txt`
  caused by: the backend `dev.example.rogue` failed in `signer.sign`
  caused by: the backend was ended by signal 11 (segmentation fault) before it answered
  hint: [AUTHOR]

"#]],
    );
}

#[test]
fn a_library_that_sends_garbage() {
    fails_alike(
        c("sends-garbage"),
        &[],
        str![[r#"
error: cannot sign `artifact.txt`
  caused by: the backend `dev.example.rogue` failed in `signer.sign`
  caused by: the backend broke the protocol: what it sent is not a message
  caused by: it sent: �� not JSON at all
  hint: [AUTHOR]

"#]],
    );
}

#[test]
fn a_library_that_sends_half() {
    fails_alike(
        c("sends-half"),
        &[],
        str![[r#"
error: cannot sign `artifact.txt`
  caused by: the backend `dev.example.rogue` failed in `signer.sign`
  caused by: the backend broke the protocol: what it sent is not a message
  caused by: it sent: {"id":7,"ok":{"signature":"ME
  hint: [AUTHOR]

"#]],
    );
}

#[test]
fn a_library_that_sends_nothing() {
    fails_alike(
        c("sends-nothing"),
        &[],
        str![[r#"
error: cannot sign `artifact.txt`
  caused by: the backend `dev.example.rogue` failed in `signer.sign`
  caused by: the backend broke the protocol in `call`
  caused by: no reply, or one of over 16 MiB
  hint: [AUTHOR]

"#]],
    );
}

#[test]
fn a_library_that_sends_too_much() {
    fails_alike(
        c("sends-too-much"),
        &[],
        str![[r#"
error: cannot sign `artifact.txt`
  caused by: the backend `dev.example.rogue` failed in `signer.sign`
  caused by: the backend broke the protocol in `call`
  caused by: no reply, or one of over 16 MiB
  hint: [AUTHOR]

"#]],
    );
}

#[test]
fn a_library_that_signs_something_else() {
    fails_alike(
        c("signs-something-else"),
        &[],
        str![[r#"
error: cannot sign `artifact.txt`
  caused by: the backend `dev.example.rogue` failed in `signer.sign`
  caused by: the signer returned a signature that its key does not verify
  hint: nothing was written; [AUTHOR]

"#]],
    );
}

#[test]
fn a_library_that_speaks_another_protocol() {
    fails_alike(
        c("speaks-another-protocol"),
        &[],
        str![[r#"
error: the backend `dev.example.rogue` failed in `start`
  caused by: no protocol in common: `sigtool` speaks [1], `dev.example.rogue` speaks [2]

"#]],
    );
}

#[test]
fn a_library_that_returns_an_unknown_status() {
    fails_alike(
        c("unknown-status"),
        &[],
        str![[r#"
error: cannot sign `artifact.txt`
  caused by: the backend `dev.example.rogue` failed in `signer.sign`
  caused by: the backend broke the protocol in `call`
  caused by: status -7
  hint: [AUTHOR]

"#]],
    );
}

#[test]
fn a_library_that_panics() {
    fails_alike(
        rust("panics"),
        &[],
        str![[r#"
error: cannot sign `artifact.txt`
  caused by: the backend `dev.example.panics` failed in `signer.sign`
  caused by: the backend panicked
  caused by: a rogue was asked to sign sha256:[..] at tests/rogues/panics/src/lib.rs:[..]
  hint: [AUTHOR]

"#]],
    );
}

#[test]
fn an_honest_library_signs_in_both_places() {
    for place in [Place::Isolated, Place::InProcess] {
        let sandbox = prepare(c("honest"), place);
        sign(&sandbox, &[]).success().stdout_eq(str![[r#"
signed artifact.txt → artifact.txt.sigstore.json

"#]]);
    }
}

#[test]
fn a_library_that_panicked_serves_nothing_more_and_the_other_artifacts_are_named() {
    for place in [Place::Isolated, Place::InProcess] {
        let sandbox = prepare(rust("panics"), place);
        sandbox.write("second.txt", "a second artifact\n");
        let seen = sign(&sandbox, &["second.txt", "--jobs", "1"]);
        seen.code(3).stdout_eq("").stderr_eq(str![[r#"
error: cannot sign `artifact.txt`
  caused by: the backend `dev.example.panics` failed in `signer.sign`
  caused by: the backend panicked
  caused by: a rogue was asked to sign sha256:[..] at tests/rogues/panics/src/lib.rs:[..]
  hint: this is for the backend's author to mend
error: cannot sign `second.txt`
  caused by: the backend `dev.example.panics` failed in `signer.sign`
  caused by: the backend panicked
  caused by: in an earlier call
  hint: this is for the backend's author to mend
0 artifacts signed, 2 failed:
  artifact.txt
  second.txt

"#]]);
    }
}

#[test]
fn a_library_that_died_is_the_reason_for_every_artifact_after() {
    let sandbox = prepare(c("aborts"), Place::Isolated);
    sandbox.write("second.txt", "a second artifact\n");
    let seen = sign(&sandbox, &["second.txt", "--jobs", "1"]);
    seen.code(3).stdout_eq("").stderr_eq(str![[r#"
error: cannot sign `artifact.txt`
  caused by: the backend `dev.example.rogue` failed in `signer.sign`
  caused by: the backend was ended by signal 6 (abort) before it answered
  hint: this is for the backend's author to mend
error: cannot sign `second.txt`
  caused by: the backend `dev.example.rogue` failed in `signer.sign`
  caused by: the backend was ended by signal 6 (abort) before it answered
  hint: this is for the backend's author to mend
0 artifacts signed, 2 failed:
  artifact.txt
  second.txt

"#]]);
}

#[test]
fn a_secret_is_not_shown_with_verbose_either() {
    // `sign` looks for it. In its own process sigtool cannot keep a library from writing to stdout by itself: that is one reason
    // why others' libraries run in a child.
    let sandbox = prepare(c("prints-secrets"), Place::Isolated);
    sign(&sandbox, &["-v"]).code(3).stdout_eq("");
    nothing_signed(&sandbox);
}
