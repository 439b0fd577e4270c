//! Ctrl-C and its like: no half-written file, and a report of what was done.

use super::rogues::{Place, prepare};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sigtool_tests::processes::{Process, wait_for};
use sigtool_tests::rogues::{Built, find};
use sigtool_tests::terminal::{self, password};
use sigtool_tests::{Sandbox, keys, peers};
use std::fs::{File, read_dir};
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Far less than hashing a [`LARGE`] file takes, and more than a busy machine is late by.
const SOON: Duration = Duration::from_secs(20);

/// A file with a hole of this size takes minutes to hash.
const LARGE: u64 = 1 << 40;

/// A sandbox with a profile, and three artifacts of which the second one takes very long.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sigtool"));
    keys::put_with_profile(&sandbox);
    sandbox.write("a.txt", "a");
    let large = sandbox.write("b.bin", "");
    let large = File::options().write(true).open(large).unwrap();
    large.set_len(LARGE).unwrap();
    sandbox.write("c.txt", "c");
    sandbox
}

fn start(mut command: Command) -> Child {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    piped.stderr(Stdio::piped()).spawn().unwrap()
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Waits until the first artifact is done and the second one is under way.
fn wait_until_under_way(sandbox: &Sandbox, child: &Child) {
    let first = sandbox.work().join("a.txt.sigstore.json");
    wait_for("the first signature", || first.exists().then_some(()));
    let second = sandbox.work().join("b.bin").canonicalize().unwrap();
    let process = Process { pid: child.id() };
    wait_for("the second artifact to be read", || {
        process.has_open(&second).then_some(())
    });
}

/// Waits until the signal is noted rather than deadly.
fn wait_until_watching(child: &Child, signal: Signal) {
    wait_for("a handler of the signal", || {
        has(child, "SigCgt", signal).then_some(())
    });
}

/// Whether the signal was sent and nobody has taken it yet.
fn is_pending(child: &Child, signal: Signal) -> bool {
    has(child, "ShdPnd", signal)
}

/// Whether one of a process's sets of signals (`/proc/PID/status`, proc(5)) has this one.
fn has(child: &Child, set: &str, signal: Signal) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
    let status = status.unwrap_or_default();
    let mut lines = status.lines().filter_map(|line| line.split_once(':'));
    let bits = lines.find(|(name, _)| *name == set);
    let bits = bits.and_then(|(_, bits)| u64::from_str_radix(bits.trim(), 16).ok());
    bits.is_some_and(|bits| bits >> (signal.as_raw() - 1) & 1 == 1)
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

fn names(sandbox: &Sandbox) -> Vec<String> {
    let entries = read_dir(sandbox.work()).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with(['a', 'b', 'c', 'e']) || name.contains(".sigstore"))
        .collect();
    names.sort();
    names
}

#[test]
fn a_run_that_is_interrupted_says_what_was_done() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let sandbox = sandbox();
        let mut command = sandbox.process();
        command.args(["sign", "--jobs", "1", "a.txt", "b.bin", "c.txt"]);
        let child = start(command);
        wait_until_under_way(&sandbox, &child);
        let pressed = Instant::now();
        send(&child, signal);
        let output = child.wait_with_output().unwrap();
        assert!(pressed.elapsed() < SOON);
        let (stdout, stderr) = texts(&output);
        assert_eq!(stdout, "signed a.txt → a.txt.sigstore.json\n");
        assert_eq!(
            stderr,
            "error: cannot sign `b.bin`\n  caused by: interrupted\n\
             interrupted: 1 artifact signed, 1 failed:\n  b.bin (interrupted)\n1 artifact not tried\n"
        );
        assert_eq!(output.status.code(), Some(130));
        assert_eq!(names(&sandbox), ["a.txt.sigstore.json"]);
    }
}

#[test]
fn what_programs_read_is_whole() {
    let sandbox = sandbox();
    for verb in ["sign", "verify"] {
        let mut command = sandbox.process();
        command.args([verb, "--jobs", "1", "--format", "json"]);
        command.args(["a.txt", "b.bin", "c.txt"]);
        if verb == "verify" {
            std::fs::copy(
                sandbox.work().join("a.txt.sigstore.json"),
                sandbox.work().join("b.bin.sigstore.json"),
            )
            .unwrap();
        }
        let child = start(command);
        wait_until_under_way(&sandbox, &child);
        send(&child, Signal::INT);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130));
        let (stdout, stderr) = texts(&output);
        let rows: Vec<Value> = serde_json::from_str(&stdout).unwrap();
        assert_eq!(rows.len(), 2, "{stdout}");
        assert_eq!(rows[1]["status"], "failed");
        assert_eq!(rows[1]["error"]["kind"], "cancelled");
        assert!(stderr.contains("1 artifact not tried"), "{stderr}");
    }
}

#[test]
fn a_backend_that_does_not_listen_is_ended() {
    let sandbox = prepare(find("hangs", Built::Python), Place::Isolated);
    let mut command = sandbox.process();
    command.env("ROGUE_PASSWORD", "secret");
    command.args(["sign", "--profile", "rogue", "artifact.txt"]);
    let child = start(command);
    sandbox.wait_until_a_rogue_hangs();
    send(&child, Signal::INT);
    let output = child.wait_with_output().unwrap();
    let (_, stderr) = texts(&output);
    assert!(stderr.contains("interrupted"), "{stderr}");
    assert_eq!(output.status.code(), Some(130));
    wait_for("the end of the backend", || {
        sandbox.processes().is_empty().then_some(())
    });
}

#[test]
fn a_second_ctrl_c_ends_at_once() {
    let sandbox = prepare(find("hangs", Built::Python), Place::Isolated);
    let mut command = sandbox.process();
    command.env("ROGUE_PASSWORD", "secret");
    command.args(["sign", "--profile", "rogue", "artifact.txt"]);
    let mut child = start(command);
    sandbox.wait_until_a_rogue_hangs();
    send(&child, Signal::INT);
    wait_for("the first one to be noted", || {
        (!is_pending(&child, Signal::INT)).then_some(())
    });
    assert!(
        child.try_wait().unwrap().is_none(),
        "the backend got no time"
    );
    send(&child, Signal::INT);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    // At once: had it waited for the backend, it would have reported.
    assert_eq!(texts(&output), (String::new(), String::new()));
    wait_for("the end of the backend", || {
        sandbox.processes().is_empty().then_some(())
    });
}

#[test]
fn waiting_for_standard_input_ends_too() {
    for arguments in [&["sign", "--from-file", "-"][..], &["sign", "-"]] {
        let sandbox = sandbox();
        let mut command = sandbox.process();
        command.args(arguments);
        let mut child = start(command);
        let mut input = child.stdin.take().unwrap();
        input.write_all(b"a.txt\n").unwrap();
        wait_until_watching(&child, Signal::INT);
        send(&child, Signal::INT);
        let output = child.wait_with_output().unwrap();
        drop(input);
        let (_, stderr) = texts(&output);
        assert_eq!(stderr, "error: interrupted\n");
        assert_eq!(output.status.code(), Some(130));
        let spool = read_dir(sandbox.root().join("tmp")).unwrap();
        assert_eq!(spool.count(), 0, "{arguments:?}");
        assert!(names(&sandbox).is_empty());
    }
}

#[test]
fn a_list_that_nobody_writes_is_waited_for_until_a_signal() {
    let sandbox = sandbox();
    let made = Command::new("mkfifo")
        .arg(sandbox.work().join("list"))
        .status();
    assert!(made.unwrap().success());
    let mut command = sandbox.process();
    command.args(["verify", "--from-file", "list"]);
    let child = start(command);
    wait_until_watching(&child, Signal::TERM);
    send(&child, Signal::TERM);
    let output = child.wait_with_output().unwrap();
    assert_eq!(texts(&output).1, "error: interrupted\n");
    assert_eq!(output.status.code(), Some(130));
}

#[test]
fn a_signal_that_is_switched_off_stays_off() {
    let sandbox = sandbox();
    let plain = sandbox.process();
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            "trap '' HUP; exec \"$0\" sign --jobs 1 a.txt b.bin c.txt",
        ])
        .arg(plain.get_program())
        .env_clear()
        .envs(plain.get_envs().filter_map(|(k, v)| Some((k, v?))))
        .current_dir(sandbox.work());
    let mut child = start(command);
    wait_until_under_way(&sandbox, &child);
    // What is ignored never arrives.
    assert!(has(&child, "SigIgn", Signal::HUP));
    assert!(has(&child, "SigCgt", Signal::INT));
    send(&child, Signal::HUP);
    assert!(child.try_wait().unwrap().is_none());
    send(&child, Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn at_a_prompt_the_terminal_shows_again_what_is_typed() {
    let Some(python) = peers::need("python3") else {
        return;
    };
    let sandbox = sandbox();
    let generate = ["key", "generate"];
    let answers = [password("new password of", "\u{3}")];
    let said = terminal::run(&sandbox, &python, &answers, &[], &generate);
    assert!(said.text.contains("interrupted"), "{said}");
    assert!(!said.text.contains("shows nothing"), "{said}");
    assert_eq!(said.code, Some(130), "{said}");
    assert!(!sandbox.work().join("sigtool.key").exists());
}

#[test]
fn other_commands_end_by_the_signal() {
    let sandbox = sandbox();
    let mut command = sandbox.process();
    command.args(["inspect", "-"]);
    let child = start(command);
    let process = Process { pid: child.id() };
    wait_for("reading", || (process.stat(3)? == "S").then_some(()));
    send(&child, Signal::INT);
    let status = child.wait_with_output().unwrap().status;
    // Shells say 130.
    assert_eq!(status.signal(), Some(2));
}
