//! Executables that misbehave.

use super::{PASSWORD, Place, SOON, fails, prepare, sign};
use sigtool_tests::processes::{Process, wait_for};
use sigtool_tests::rogues::{Built, Rogue, find};
use snapbox::str;
use std::io::Read as _;
use std::process::Stdio;

fn python(name: &str) -> Rogue {
    find(name, Built::Python)
}

#[test]
fn an_executable_that_aborts() {
    fails(
        python("aborts"),
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
fn an_executable_that_answers_another_call() {
    fails(
        python("answers-another-call"),
        &[],
        str![[r#"
error: cannot sign `artifact.txt`
  caused by: the backend `dev.example.rogue` failed in `signer.sign`
  caused by: the backend broke the protocol: it answered call [..], which waits for no answer
  hint: [AUTHOR]

"#]],
    );
}

#[test]
fn an_executable_that_answers_twice() {
    fails(
        python("answers-twice"),
        &[],
        str![[r#"
error: cannot sign `artifact.txt`
  caused by: the backend `dev.example.rogue` failed in `signer.sign`
  caused by: the backend broke the protocol: it answered call [..], which waits for no answer
  hint: [AUTHOR]

"#]],
    );
}

#[test]
fn an_executable_that_asks_for_other_secrets() {
    fails(
        python("asks-for-other-secrets"),
        &[],
        str![[r#"
error: cannot sign `artifact.txt`
  caused by: the backend `dev.example.rogue` failed in `signer.sign`
  caused by: the host refused a request

"#]],
    );
}

#[test]
fn an_executable_that_asks_for_the_environment() {
    fails(
        python("asks-for-the-environment"),
        &[],
        str![[r#"
error: cannot sign `artifact.txt`
  caused by: the backend `dev.example.rogue` failed in `signer.sign`
  caused by: the host refused a request

"#]],
    );
}

#[test]
fn an_executable_that_asks_too_late() {
    fails(
        python("asks-too-late"),
        &[],
        str![[r#"
error: cannot sign `artifact.txt`
  caused by: the backend `dev.example.rogue` failed in `signer.sign`
  caused by: the host refused a request

"#]],
    );
}

#[test]
fn an_executable_that_claims_a_key() {
    fails(
        python("claims-a-key"),
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
fn an_executable_that_describes_another() {
    fails(
        python("describes-another"),
        &[],
        str![[r#"
error: its code says id dev.example.honest, its manifest dev.example.rogue
  caused by: the backend `dev.example.rogue` failed in `describe`
  hint: its author must make the two equal

"#]],
    );
}

#[test]
fn an_executable_that_dies_at_once() {
    fails(
        python("dies-at-once"),
        &[],
        str![[r#"
error: the backend `dev.example.rogue` failed in `start`
  caused by: the backend exited with code 1 before it said hello
  caused by: its last words:
    the last words of a rogue
  hint: [AUTHOR]

"#]],
    );
}

#[test]
fn an_executable_that_exits() {
    fails(
        python("exits"),
        &[],
        str![[r#"
error: cannot sign `artifact.txt`
  caused by: the backend `dev.example.rogue` failed in `signer.sign`
  caused by: the backend exited with code 0 before it answered
  caused by: its last words:
    the last words of a rogue
  hint: [AUTHOR]

"#]],
    );
}

#[test]
fn an_executable_that_floods_stderr() {
    fails(
        python("floods-stderr"),
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
fn an_executable_that_floods_stdout() {
    fails(
        python("floods-stdout"),
        &[],
        str![[r#"
error: cannot sign `artifact.txt`
  caused by: the backend `dev.example.rogue` failed in `signer.sign`
  caused by: the backend broke the protocol: what it sent is not a message
  caused by: it sent: all work and no play makes a dull backend
  hint: [AUTHOR]

"#]],
    );
}

#[test]
fn an_executable_that_floods_the_trace() {
    fails(
        python("floods-the-trace"),
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
fn an_executable_that_hangs() {
    fails(
        python("hangs"),
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
fn an_executable_that_prints_secrets() {
    fails(
        python("prints-secrets"),
        &[],
        str![[r#"
warning: dev.example.rogue: [secret]
error: cannot sign `artifact.txt`
  caused by: the backend `dev.example.rogue` failed in `signer.sign`
  caused by: the backend broke the protocol: what it sent is not a message
  caused by: it sent: [secret]
  hint: [AUTHOR]

"#]],
    );
}

#[test]
fn an_executable_that_returns_another_key() {
    fails(
        python("returns-another-key"),
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
fn an_executable_that_says_no_hello() {
    fails(
        python("says-no-hello"),
        &[],
        str![[r#"
error: the backend `dev.example.rogue` failed in `start`
  caused by: the backend broke the protocol: what it sent is not a hello
  caused by: it sent: Welcome to the rogue, version 1.0!
  hint: [AUTHOR]

"#]],
    );
}

#[test]
fn an_executable_that_says_nothing() {
    fails(
        python("says-nothing"),
        SOON,
        str![[r#"
error: the backend `dev.example.rogue` failed in `start`
  caused by: the backend did not say hello within 6s

"#]],
    );
}

#[test]
fn an_executable_that_segfaults() {
    fails(
        python("segfaults"),
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
fn an_executable_that_sends_an_endless_line() {
    fails(
        python("sends-an-endless-line"),
        &[],
        str![[r#"
error: cannot sign `artifact.txt`
  caused by: the backend `dev.example.rogue` failed in `signer.sign`
  caused by: the backend broke the protocol: a line of over 16 MiB
  hint: [AUTHOR]

"#]],
    );
}

#[test]
fn an_executable_that_sends_garbage() {
    fails(
        python("sends-garbage"),
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
fn an_executable_that_sends_half() {
    fails(
        python("sends-half"),
        &[],
        str![[r#"
error: cannot sign `artifact.txt`
  caused by: the backend `dev.example.rogue` failed in `signer.sign`
  caused by: the backend broke the protocol: what it sent is not a message
  caused by: it sent: {"id":[..],"ok":{"signature":"MEU
  hint: [AUTHOR]

"#]],
    );
}

#[test]
fn an_executable_that_signs_something_else() {
    fails(
        python("signs-something-else"),
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
fn an_executable_that_speaks_another_protocol() {
    fails(
        python("speaks-another-protocol"),
        &[],
        str![[r#"
error: the backend `dev.example.rogue` failed in `start`
  caused by: no protocol in common: the backend speaks [2], sigtool [1]

"#]],
    );
}

#[test]
fn an_executable_that_closes_stdout() {
    fails(
        python("closes-stdout"),
        &[],
        str![[r#"
error: cannot sign `artifact.txt`
  caused by: the backend `dev.example.rogue` failed in `signer.sign`
  caused by: the backend closed its output before it answered
  hint: [AUTHOR]

"#]],
    );
}

#[test]
fn an_executable_that_closes_stdout_at_once() {
    fails(
        python("closes-stdout-at-once"),
        &[],
        str![[r#"
error: the backend `dev.example.rogue` failed in `start`
  caused by: the backend closed its output before it said hello
  hint: [AUTHOR]

"#]],
    );
}

#[test]
fn an_executable_that_floods_requests() {
    fails(
        python("floods-requests"),
        &[],
        str![[r#"
error: cannot sign `artifact.txt`
  caused by: the backend `dev.example.rogue` failed in `signer.sign`
  caused by: the backend broke the protocol: it asked over 64 things without waiting for an answer
  hint: [AUTHOR]

"#]],
    );
}

#[test]
fn an_executable_that_leaves_a_child() {
    fails(
        python("leaves-a-child"),
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
fn what_an_executable_has_started_ends_with_it() {
    let sandbox = prepare(python("leaves-a-child"), Place::Isolated);
    sign(&sandbox, SOON).code(3);
    wait_for("the end of all", || {
        sandbox.processes().is_empty().then_some(())
    });
}

#[test]
fn an_honest_executable_signs() {
    let sandbox = prepare(python("honest"), Place::Isolated);
    sign(&sandbox, &[]).success().stdout_eq(str![[r#"
signed artifact.txt → artifact.txt.sigstore.json

"#]]);
}

#[test]
fn an_executable_that_stays_is_made_to_leave() {
    let sandbox = prepare(python("stays"), Place::Isolated);
    sign(&sandbox, &[]).success().stderr_eq("");
    assert_eq!(sandbox.processes(), []);
}

#[test]
fn a_secret_is_not_shown_with_verbose_either() {
    let sandbox = prepare(python("prints-secrets"), Place::Isolated);
    sign(&sandbox, &["-v"]).code(3).stdout_eq("");
}

#[test]
fn a_flood_fills_neither_the_terminal_nor_the_memory() {
    for name in ["floods-the-trace", "floods-stderr", "sends-an-endless-line"] {
        let sandbox = prepare(python(name), Place::Isolated);
        let mut sigtool = sandbox
            .process()
            .args(["sign", "-v", "--profile", "rogue"])
            .args(SOON)
            .arg("artifact.txt")
            .env("ROGUE_PASSWORD", PASSWORD)
            .stderr(Stdio::piped())
            .spawn()
            .expect("sigtool runs");
        let process = Process { pid: sigtool.id() };
        let (mut stderr, mut text) = (sigtool.stderr.take().expect("a pipe"), String::new());
        let reading = std::thread::spawn(move || {
            stderr.read_to_string(&mut text).expect("text");
            text
        });
        let (mut peak, mut end) = (0, None);
        wait_for("the end of sigtool", || {
            peak = process.peak_memory().unwrap_or(peak);
            end = sigtool.try_wait().expect("a child of ours");
            end
        });
        assert_eq!(end.and_then(|end| end.code()), Some(3), "{name}");
        let text = reading.join().expect("a thread that ends");
        let lines = text.lines().count();
        assert!(lines < 1100, "{name}: {lines} lines");
        // A line of a message may have 16 MiB, and is copied a few times.
        assert!(peak < 160 * 1024, "{name}: {peak} KiB");
    }
}
