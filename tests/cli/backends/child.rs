//! The process that a backend of someone else runs in: what it is given, and when it ends.

use super::{C_SIGNER, sandbox, with_c_signer};
use sigtool_tests::Sandbox;
use sigtool_tests::processes::{Process, wait_for};
use sigtool_tests::rogues::{self, ARTIFACT, Built, ID};
use std::fs;
use std::process::{Child, Stdio};

/// sigtool, waiting for a signer that hangs, and that signer.
fn waiting(sandbox: &Sandbox, built: Built) -> (Child, Process) {
    let backend = rogues::find("hangs", built).place(sandbox);
    if matches!(built, Built::Python) {
        let manifest = backend.with_file_name("rogue-hangs.toml");
        let text = fs::read_to_string(&manifest).unwrap();
        let declared = text.replace("environment = [", "environment = [\"DECLARED\", ");
        fs::write(&manifest, declared).unwrap();
    }
    sandbox.pin(&backend);
    sandbox.append_config(&format!(
        "[profile.rogue]\nsigner = {{ backend = \"{ID}\" }}\n"
    ));
    sandbox.write("artifact.txt", ARTIFACT);
    let sigtool = sandbox
        .process()
        .args(["sign", "-v", "-p", "rogue", "artifact.txt"])
        .envs([("DECLARED", "yes"), ("UNDECLARED", "no"), ("LANG", "C")])
        .envs([
            ("SIGTOOL_PASSWORD", "no"),
            ("TZ", "UTC"),
            ("LD_PRELOAD_", "no"),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let parent = sigtool.id().to_string();
    let child = wait_for("a child of sigtool", || {
        let mut all = sandbox.processes().into_iter();
        all.find(|process| process.stat(4).as_ref() == Some(&parent))
    });
    // It has become the backend, and serves.
    sandbox.wait_until_a_rogue_hangs();
    (sigtool, child)
}

fn end(mut sigtool: Child) {
    sigtool.kill().unwrap();
    sigtool.wait().unwrap();
}

/// The names of its variables. For a moment it has none: while it becomes another program, as a script becomes its interpreter.
fn variables(process: &Process) -> Vec<String> {
    let name = |variable: &String| variable.split('=').next().unwrap_or_default().to_owned();
    wait_for("the variables of the child", || {
        let mut names: Vec<String> = process.environment().iter().map(name).collect();
        names.sort();
        (!names.is_empty()).then_some(names)
    })
}

#[test]
fn it_gets_a_scrubbed_environment() {
    let sandbox = sandbox();
    let (sigtool, child) = waiting(&sandbox, Built::C);
    let names = variables(&child);
    end(sigtool);
    assert_eq!(names, ["HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "TZ"]);
}

#[test]
fn it_gets_the_variables_that_its_manifest_declares() {
    let sandbox = sandbox();
    let (sigtool, child) = waiting(&sandbox, Built::Python);
    // Some systems start Python by a script, and that adds variables of its own.
    let names = variables(&child);
    end(sigtool);
    assert!(names.contains(&"DECLARED".to_owned()), "{names:?}");
    for name in ["UNDECLARED", "SIGTOOL_PASSWORD", "XDG_CONFIG_HOME"] {
        assert!(!names.contains(&name.to_owned()), "{names:?}");
    }
}

#[test]
fn it_has_a_session_of_its_own_and_leaves_no_core_file() {
    for built in [Built::Python, Built::C] {
        let sandbox = sandbox();
        let (sigtool, child) = waiting(&sandbox, built);
        let own = child.pid.to_string();
        let (group, session) = (child.stat(5), child.stat(6));
        let limit = child.limit("Max core file size").unwrap();
        end(sigtool);
        assert_eq!((group, session), (Some(own.clone()), Some(own)));
        let limit: Vec<_> = limit.split_whitespace().skip(4).collect();
        assert_eq!(limit, ["0", "0", "bytes"]);
    }
}

#[test]
fn it_ends_with_sigtool_however_that_ends() {
    for built in [Built::Python, Built::C] {
        let sandbox = sandbox();
        let (mut sigtool, child) = waiting(&sandbox, built);
        assert!(child.lives());
        // SIGKILL: sigtool cannot clean up.
        sigtool.kill().unwrap();
        sigtool.wait().unwrap();
        wait_for("the end of the backend", || (!child.lives()).then_some(()));
    }
}

#[test]
fn it_inherits_no_file_but_its_own() {
    let sandbox = sandbox();
    let (sigtool, child) = waiting(&sandbox, Built::C);
    let folder = format!("/proc/{}/fd", child.pid);
    let mut files: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .map(|path| path.to_string_lossy().into_owned())
        .filter(|path| !path.starts_with("pipe:") && path != "/dev/null")
        .collect();
    end(sigtool);
    files.sort();
    files.dedup();
    assert_eq!(files.len(), 1, "{files:?}");
    assert!(
        files[0].starts_with("/memfd:sigtool-dev.example.rogue"),
        "{files:?}"
    );
}

/// The honest executable, which first writes a line to `$TRACE_FILE`.
fn with_counter(sandbox: &Sandbox) {
    let backend = rogues::find("honest", Built::Python).place(sandbox);
    let script = fs::read_to_string(&backend).unwrap();
    let counted = script.replace(
        "def main():\n",
        "def main():\n    with open(os.environ[\"TRACE_FILE\"], \"a\") as trace:\n        trace.write(\"started\\n\")\n",
    );
    assert_ne!(script, counted);
    fs::write(&backend, counted).unwrap();
    let manifest = backend.with_file_name("rogue-honest.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let declared = text.replace("environment = [", "environment = [\"TRACE_FILE\", ");
    fs::write(&manifest, declared).unwrap();
    sandbox.pin(&backend);
    sandbox.append_config(&format!(
        "[profile.rogue]\nsigner = {{ backend = \"{ID}\" }}\n"
    ));
}

#[test]
fn one_serves_all_artifacts_of_a_run() {
    let sandbox = sandbox();
    with_counter(&sandbox);
    let names: Vec<String> = (1..=20).map(|i| format!("artifact-{i}.txt")).collect();
    for name in &names {
        sandbox.write(name, ARTIFACT);
    }
    let trace = sandbox.root().join("trace");
    sandbox
        .sigtool()
        .env("TRACE_FILE", &trace)
        .args(["sign", "-j", "4", "-p", "rogue"])
        .args(&names)
        .assert()
        .success();
    assert_eq!(fs::read_to_string(trace).unwrap(), "started\n");
    for name in names {
        assert!(sandbox.work().join(name + ".sigstore.json").exists());
    }
}

#[test]
fn it_is_not_started_if_nothing_needs_it() {
    let sandbox = sandbox();
    with_counter(&sandbox);
    sandbox.write("artifact.txt", ARTIFACT);
    let trace = sandbox.root().join("trace");
    let run = |words: &[&str]| {
        sandbox
            .sigtool()
            .env("TRACE_FILE", &trace)
            .env("SIGTOOL_NEW_PASSWORD", "")
            .args(words)
            .output()
            .unwrap()
    };
    assert!(
        run(&["key", "generate", "--output-key-prefix", "own"])
            .status
            .success()
    );
    assert!(
        run(&["sign", "-p", "rogue", "--key", "own.key", "artifact.txt"])
            .status
            .success()
    );
    assert!(!trace.exists());
}

#[test]
fn those_that_have_ended_are_not_left_as_zombies() {
    let (sandbox, _) = with_c_signer();
    // The suite starts and ends some dozens, one after another.
    let mut sigtool = sandbox
        .process()
        .args(["backend", "check", C_SIGNER])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let parent = sigtool.id().to_string();
    let (mut most, mut seen) = (0, 0);
    wait_for("the end of the suite", || {
        let children = children_of(&parent);
        seen = seen.max(children.len());
        let zombies = children.iter().filter(|child| !child.lives()).count();
        most = most.max(zombies);
        sigtool.try_wait().unwrap()
    });
    assert!(seen > 0, "it has children");
    assert!(most <= 4, "{most} zombies at once");
}

fn children_of(parent: &str) -> Vec<Process> {
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .map(|pid| Process { pid })
        .filter(|process| process.stat(4).as_deref() == Some(parent))
        .collect()
}
