//! Executables that misbehave.

use super::{PASSWORD, Place, SOON, fails, prepare, sign};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sigtool_tests::peers::need;
use sigtool_tests::person::ordinary;
use sigtool_tests::processes::{Process, wait_for};
use sigtool_tests::rogues::{Built, Rogue, find};
use sigtool_tests::terminal::{self, password};
use snapbox::str;
use std::io::Read as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
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

/// What a rogue is told that asks for what its manifest does not declare, although it could be had.
///
/// SECURITY.md: "What a backend may ask for stands in its manifest".
fn is_denied(rogue: Rogue, words: &[&str], told: &str) {
    let sandbox = prepare(rogue, Place::Isolated);
    sandbox.append_config(&format!(
        "[profile.source]\ninherits = \"rogue\"\nsource = {{ backend = \"{}\" }}\n",
        rogue.id()
    ));
    let command = sandbox.sigtool().args(words).arg("artifact.txt");
    let command = [
        "SIGTOOL_PASSWORD",
        "COSIGN_PASSWORD",
        "SIGTOOL_NEW_PASSWORD",
    ]
    .iter()
    .fold(command, |command, name| command.env(name, PASSWORD));
    let seen = sandbox.seen(command.env("https_proxy", format!("http://{PASSWORD}@proxy.example")));
    let stderr = String::from_utf8_lossy(&seen.get_output().stderr).into_owned();
    seen.failure().stdout_eq("");
    assert!(stderr.contains(told), "{stderr}");
    assert!(!stderr.contains(PASSWORD), "{stderr}");
    super::nothing_signed(&sandbox);
}

const SIGN: &[&str] = &["sign", "--profile", "rogue"];

#[test]
fn an_executable_that_asks_a_person() {
    let told = "`dev.example.rogue` does not declare that it asks people";
    is_denied(python("asks-a-person"), SIGN, told);
}

#[test]
fn an_executable_that_asks_for_a_new_password() {
    let told =
        "`dev.example.rogue` does not declare a secret at `/new_password` for the kind signer";
    is_denied(python("asks-for-a-new-password"), SIGN, told);
}

#[test]
fn an_executable_that_asks_for_a_password_as_a_variable_that_it_declares() {
    let told = "`dev.example.rogue` may not have the environment variable `SIGTOOL_PASSWORD`";
    is_denied(python("asks-for-a-password-as-a-variable"), SIGN, told);
}

#[test]
fn an_executable_that_asks_for_a_token() {
    let told = "`dev.example.rogue` does not declare that it needs identity tokens";
    is_denied(python("asks-for-a-token"), SIGN, told);
}

#[test]
fn an_executable_that_asks_for_the_network() {
    let told = "`dev.example.rogue` does not declare the network";
    is_denied(python("asks-for-the-network"), SIGN, told);
}

#[test]
fn an_executable_that_opens_a_page() {
    let told = "`dev.example.rogue` does not declare that it opens pages";
    is_denied(python("opens-a-page"), SIGN, told);
}

#[test]
fn an_executable_that_asks_as_a_source_for_what_it_declares_as_a_signer() {
    let told = "`dev.example.rogue` does not declare a secret at `/password` for the kind source";
    let words = ["sign", "--profile", "source"];
    is_denied(python("asks-as-a-source"), &words, told);
}

/// SECURITY.md: "what is shown for one of somebody else's carries its name".
#[test]
fn a_question_for_an_executable_carries_its_id() {
    let sandbox = prepare(python("prints-secrets"), Place::Isolated);
    sandbox.append_config(
        "[profile.person.signer]\nbackend = \"dev.example.rogue\"\npassword = { prompt = \"PIN of the device\" }\n",
    );
    let Some(python) = need("python3") else {
        return;
    };
    let answers = [password("dev.example.rogue: PIN of the device: ", PASSWORD)];
    let words = ["sign", "--profile", "person", "artifact.txt"];
    let said = terminal::run(&sandbox, &python, &answers, &[], &words);
    assert!(
        !said.is_success() && !said.text.contains(PASSWORD),
        "{said}"
    );
}

#[test]
fn an_executable_that_asks_too_early_gets_nothing_and_signs() {
    let sandbox = prepare(python("asks-too-early"), Place::Isolated);
    sandbox
        .sigtool()
        .args(SIGN)
        .arg("artifact.txt")
        .env("SIGTOOL_PASSWORD", PASSWORD)
        .env("ROGUE_PASSWORD", PASSWORD)
        .assert()
        .success();
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

/// A secret that every spelling changes.
const AWKWARD: &str = "tok-SECRET-9f8e/7+d=6\"x y";

/// What of a secret may not be seen: its parts too, in any spelling, as far as they tell something.
fn tells_nothing(seen: &std::process::Output) -> String {
    let said = [&seen.stdout[..], b"\n", &seen.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let lower = said.to_lowercase();
    let hex = "746f6b2d534543524554";
    for part in [
        "tok-secret",
        "secret-9f8e",
        "-9f8e",
        hex,
        "b2stu0vduku",
        "rrlvnfq1jfv",
        "zwstu0vduk",
    ] {
        assert!(!lower.contains(part), "{part}: {said}");
    }
    said
}

/// SECURITY.md: "in Base64 wherever it begins, in hexadecimal digits, percent-encoded and as JSON escapes it".
#[test]
fn a_secret_is_shown_in_no_spelling() {
    let sandbox = prepare(python("spells-secrets"), Place::Isolated);
    let sign = sandbox.sigtool().args(SIGN).arg("artifact.txt");
    let seen = sandbox.seen(sign.env("ROGUE_PASSWORD", AWKWARD));
    let said = tells_nothing(seen.get_output());
    assert!(said.contains("[secret]"), "{said}");
    seen.code(3);
}

/// SECURITY.md: "before it is cut".
#[test]
fn a_secret_that_a_cut_would_go_through_is_taken_out() {
    for name in ["straddles", "splits-stderr"] {
        let rogue = match name {
            "straddles" => python("straddles"),
            _ => python("splits-stderr"),
        };
        let sandbox = prepare(rogue, Place::Isolated);
        let sign = sandbox.sigtool().args(SIGN).args(["-v", "artifact.txt"]);
        let seen = sandbox.seen(sign.env("ROGUE_PASSWORD", AWKWARD));
        tells_nothing(seen.get_output());
        seen.code(3);
    }
}

/// SECURITY.md: "in replies that succeed too", and "of its remarks some are shown".
#[test]
fn a_secret_in_an_answer_is_neither_shown_nor_kept() {
    let sandbox = prepare(python("tells-secrets"), Place::Isolated);
    sandbox.append_config(
        "[profile.source]\ninherits = \"rogue\"\nsource = { backend = \"dev.example.rogue\", token = { env = \"ROGUE_TOKEN\" } }\n",
    );
    let run = |words: &[&str]| {
        let run = sandbox
            .sigtool()
            .args(words)
            .env("ROGUE_PASSWORD", PASSWORD);
        sandbox.seen(run.env("ROGUE_TOKEN", AWKWARD))
    };
    for format in ["text", "json"] {
        let words = ["sign", "-p", "source", "--format", format, "artifact.txt"];
        let seen = run(&words);
        let said = tells_nothing(seen.get_output());
        seen.success();
        assert!(said.contains("shelf/[secret]"), "{said}");
        let remarks = said.matches("all work and no play").count();
        assert!(remarks <= 60, "{remarks} remarks");
    }
    let history = sandbox.sigtool().args(["history", "--format", "json"]);
    let seen = sandbox.seen(history);
    tells_nothing(seen.get_output());
    assert!(sandbox.files_that_hold(b"tok-SECRET").is_empty());
}

/// SECURITY.md: "no other process of yours can read our memory", and "held until the run ends, scrambled".
#[test]
fn a_password_that_was_used_is_not_found_in_the_memory() {
    let sandbox = prepare(python("hangs-as-a-source"), Place::Isolated);
    let generate = ["key", "generate", "--output-key-prefix", "own"];
    let generate = sandbox.sigtool().args(generate);
    generate.env("SIGTOOL_PASSWORD", AWKWARD).assert().success();
    sandbox.write("password", AWKWARD);
    let work = sandbox.work().display().to_string();
    sandbox.append_config(&format!(
        "[profile.stuck]\nsource = {{ backend = \"dev.example.rogue\" }}\n\
         signer = {{ backend = \"cosign-key\", key = \"{work}/own.key\", password = {{ file = \"{work}/password\" }} }}\n"
    ));
    let Some(sigtool) = ordinary(&sandbox) else {
        return;
    };
    let words = ["sign", "--profile", "stuck", "artifact.txt"];
    let mut stuck = sigtool().args(words).spawn().expect("sigtool runs");
    let mark = sandbox.root().join("tmp/rogue-waits");
    wait_for("a backend that hangs", || mark.exists().then_some(()));
    let process = std::path::PathBuf::from(format!("/proc/{}", stuck.id()));
    let memory = process.join("mem");
    let owner = memory.metadata().expect("a process that runs").uid();
    assert_eq!(owner, 0, "its memory is root's");
    for spelling in [AWKWARD.to_owned(), STANDARD.encode(AWKWARD)] {
        // Only root can look.
        if let Some(memory) = memory_of(&process) {
            let found = memory
                .windows(spelling.len())
                .any(|part| part == spelling.as_bytes());
            assert!(!found, "{spelling}");
        }
    }
    stuck.kill().expect("a child of ours");
    stuck.wait().expect("a child of ours");
}

/// What a process may write to, if we may read it.
fn memory_of(process: &std::path::Path) -> Option<Vec<u8>> {
    let memory = std::fs::File::open(process.join("mem")).ok()?;
    let mut bytes = Vec::new();
    for line in std::fs::read_to_string(process.join("maps")).ok()?.lines() {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        let (start, end) = (number(start)?, number(end)?);
        if rest.starts_with("rw") {
            let mut part = vec![0; usize::try_from(end - start).ok()?];
            // Some are there in name only.
            if memory.read_exact_at(&mut part, start).is_ok() {
                bytes.append(&mut part);
            }
        }
    }
    Some(bytes)
}

/// A password that is a word neither garbles what sigtool says nor is told by a gap.
#[test]
fn a_password_that_is_a_word_garbles_nothing() {
    let sandbox = super::file::fresh();
    sandbox.write("release.txt", "a release\n");
    let generate = ["key", "generate", "--output-key-prefix", "release"];
    let generate = sandbox.sigtool().args(generate);
    generate
        .env("SIGTOOL_PASSWORD", "release")
        .assert()
        .success();
    let sign = |password: &str| {
        let words = ["sign", "-v", "--key", "release.key", "release.txt"];
        let sign = sandbox.sigtool().args(words);
        let seen = sandbox.seen(sign.env("SIGTOOL_PASSWORD", password));
        String::from_utf8_lossy(&seen.get_output().stderr).into_owned()
    };
    for password in ["password", "wrong", "release", "artifact", "signature"] {
        let said = sign(password);
        assert!(!said.contains("[secret]"), "{password}: {said}");
    }
    assert!(sign("password").contains("wrong password for `release.key`"));
}
