//! What goes wrong on a machine: full disks, folders that cannot be written, files that change, processes that are killed.

use serde_json::Value;
use sigtool_tests::{Sandbox, keys, peers, person};
use snapbox::str;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A sandbox with a profile that signs with `a` and trusts it, and a file.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sigtool"));
    keys::put_with_profile(&sandbox);
    sandbox.write("app.txt", "app");
    sandbox
}

fn text(output: &Output) -> (Option<i32>, String) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), said)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Runs a script of the shell in which `$1` is sigtool, with small file systems of its own. None if this user may not mount any.
fn with_mounts(sandbox: &Sandbox, script: &str) -> Option<Output> {
    let may = |arguments: &[&str]| {
        let probe = Command::new("unshare")
            .args(arguments)
            .args(["sh", "-c", "mount -t tmpfs -o size=64k none /mnt"])
            .output();
        probe.is_ok_and(|probe| probe.status.success())
    };
    let ways = [&["--mount"][..], &["--user", "--map-root-user", "--mount"]];
    let Some(way) = ways.into_iter().find(|way| may(way)) else {
        peers::skip("this user may not mount file systems, so that no disk can be filled");
        return None;
    };
    let program = sandbox.process();
    let mut command = Command::new("unshare");
    command.env_clear().current_dir(sandbox.work());
    for (name, value) in program.get_envs() {
        command.env(name, value.unwrap());
    }
    let output = command
        .args(way)
        .args(["sh", "-c", script, "sh", env!("CARGO_BIN_EXE_sigtool")])
        .output()
        .unwrap();
    Some(output)
}

// ---- full disks ----------------------------------------------------------------------------------------------------------

#[test]
fn a_full_disk_beside_the_file_is_an_error_and_the_earlier_signature_stays() {
    let sandbox = sandbox();
    let script = r#"
        mkdir full && mount -t tmpfs -o size=64k none full && cd full
        echo app > app.txt; "$1" sign --quiet app.txt || exit 99
        cp app.txt.sigstore.json ../before
        cat /dev/zero > filler 2> /dev/null
        "$1" sign --no-history app.txt; code=$?
        cmp app.txt.sigstore.json ../before && ls -A
        exit $code"#;
    let Some(output) = with_mounts(&sandbox, script) else {
        return;
    };
    let (code, said) = text(&output);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("no space is left"), "{said}");
    let left = String::from_utf8(output.stdout).unwrap();
    assert_eq!(left, "app.txt\napp.txt.sigstore.json\nfiller\n");
}

#[test]
fn a_ledger_without_space_is_no_reason_to_lose_it() {
    let sandbox = sandbox();
    let script = r#"
        mkdir -p state && mount -t tmpfs -o size=512k none state && export XDG_STATE_HOME="$PWD/state"
        "$1" sign --quiet app.txt || exit 99
        cat /dev/zero > state/filler 2> /dev/null
        "$1" sign app.txt; code=$?
        rm state/filler
        "$1" history --verify && "$1" sign --quiet app.txt && "$1" history --verify --format jsonl
        exit $code"#;
    let Some(output) = with_mounts(&sandbox, script) else {
        return;
    };
    let (code, said) = text(&output);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("full"), "{said}");
    assert!(said.contains("--no-history"), "{said}");
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.starts_with("whole: 1 entry"), "{told}\n{said}");
    assert!(
        told.contains("\"status\":\"whole\",\"head\":\"2:"),
        "{told}\n{said}"
    );
}

#[test]
fn a_run_stops_at_the_first_artifact_that_cannot_be_entered() {
    let sandbox = sandbox();
    let script = r#"
        mkdir -p state many && mount -t tmpfs -o size=512k none state && export XDG_STATE_HOME="$PWD/state"
        for i in $(seq 400); do echo $i > many/$i.txt; done
        "$1" --jobs 2 sign --recursive many; code=$?
        ls many/*.sigstore.json | wc -l
        exit $code"#;
    let Some(output) = with_mounts(&sandbox, script) else {
        return;
    };
    let (code, said) = text(&output);
    assert_eq!(code, Some(3), "{said}");
    let lost = said.matches("but it is not in the history").count();
    assert!((1..=2).contains(&lost), "{said}");
    assert!(said.contains("not tried"), "{said}");
    let told = String::from_utf8(output.stdout).unwrap();
    let signed = told.matches("signed many/").count();
    assert_eq!(told.lines().last().unwrap(), (signed + lost).to_string());
}

// ---- what may not be written ---------------------------------------------------------------------------------------------

#[test]
fn beside_a_file_in_a_folder_that_may_only_be_read_no_signature_is_written_and_the_error_says_where_to()
 {
    let sandbox = sandbox();
    fs::create_dir(sandbox.work().join("theirs")).unwrap();
    sandbox.write("theirs/app.txt", "app");
    let Some(sigtool) = person::ordinary(&sandbox) else {
        return;
    };
    let folder = sandbox.work().join("theirs");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    let output = sigtool()
        .args(["sign", "theirs/app.txt", "app.txt"])
        .output()
        .unwrap();
    sandbox
        .seen_output(output)
        .code(3)
        .stdout_eq(str![[r#"
signed app.txt → app.txt.sigstore.json

"#]])
        .stderr_eq(str![[r#"
error: cannot sign `theirs/app.txt`
  caused by: cannot write `theirs/app.txt.sigstore.json`
  caused by: in the folder `theirs`: permission denied: its mode is 0555, [..]
  hint: write the signature elsewhere with `--bundle FILE`
1 artifact signed, 1 failed:
  theirs/app.txt

"#]]);
    let bundle = ["sign", "--bundle", "app.json", "theirs/app.txt"];
    assert!(sigtool().args(bundle).output().unwrap().status.success());
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn in_a_home_that_may_only_be_read_signing_says_what_it_lacks() {
    let sandbox = sandbox();
    let Some(sigtool) = person::ordinary(&sandbox) else {
        return;
    };
    let state = sandbox.home().join(".local/state");
    fs::set_permissions(&state, fs::Permissions::from_mode(0o555)).unwrap();
    let run = |arguments: &[&str]| sandbox.seen_output(sigtool().args(arguments).output().unwrap());
    run(&["sign", "app.txt"])
        .code(3)
        .stdout_eq(str![""])
        .stderr_eq(str![[r#"
error: nothing is signed: the ledger cannot be written
  caused by: cannot make the folder `[ROOT]/home/.local/state/sigtool`: Permission denied (os error 13)
  hint: to sign without an entry in the history, add `--no-history`

"#]]);
    run(&["sign", "--no-history", "app.txt"])
        .code(0)
        .stderr_eq(str![""]);
    run(&["verify", "app.txt"]).code(0).stderr_eq(str![[r#"
note: not entered in the history: cannot make the folder `[ROOT]/home/.local/state/sigtool`: Permission denied (os error 13)

"#]]);
    run(&["history"]).code(0).stderr_eq(str![[r#"
note: nothing has been signed or verified here yet, or never with a history

"#]]);
    fs::set_permissions(&state, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Renaming does not reach from one file system to another.
#[test]
fn a_home_on_another_file_system_is_as_good() {
    let sandbox = sandbox();
    let script = r#"
        mkdir away && mount -t tmpfs none away
        export HOME="$PWD/away" XDG_STATE_HOME="$PWD/away/state" XDG_CACHE_HOME="$PWD/away/cache"
        "$1" sign app.txt && "$1" sign app.txt && "$1" verify app.txt && "$1" history --verify"#;
    let Some(output) = with_mounts(&sandbox, script) else {
        return;
    };
    let (code, said) = text(&output);
    assert_eq!(code, Some(0), "{said}");
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("whole: 3 entries"), "{told}");
}

// ---- files that change ---------------------------------------------------------------------------------------------------

#[test]
fn a_file_that_grows_while_it_is_signed_is_not_signed() {
    let sandbox = sandbox();
    let path = sandbox.work().join("grows.log");
    fs::write(&path, vec![b'x'; 64 << 20]).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let output = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                std::io::Write::write_all(&mut file, b"one more line\n").unwrap();
            }
        });
        let output = sandbox
            .process()
            .args(["sign", "grows.log", "app.txt"])
            .output()
            .unwrap();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        output
    });
    let (code, said) = text(&output);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("changed while it was read"), "{said}");
    let signed = ["app.txt.sigstore.json", "grows.log.sigstore.json"];
    let there = signed.map(|name| sandbox.work().join(name).exists());
    assert_eq!(there, [true, false]);
}

// ---- processes that are killed -------------------------------------------------------------------------------------------

/// `kill -9` at random moments of a batch, again and again: the ledger opens and its chain holds, no half-written file is there, and
/// running again finishes.
#[test]
fn a_batch_that_is_killed_leaves_a_whole_ledger_and_whole_signatures() {
    const TIMES: u64 = 200;
    const FILES: usize = 40;
    let sandbox = sandbox();
    let stage = sandbox.work().join("stage");
    fs::create_dir(&stage).unwrap();
    for file in 0..FILES {
        fs::write(stage.join(format!("{file}.txt")), file.to_string()).unwrap();
    }
    let seed = u64::from(std::process::id());
    let mut random = Random(seed);
    let mut interrupted = 0;
    let mut last = 0;
    for turn in 0..TIMES {
        if turn % 5 == 0 {
            signatures(&stage).for_each(|path| fs::remove_file(path).unwrap());
        }
        let mut process = sandbox
            .process()
            .args(["sign", "--recursive", "--quiet", "stage"])
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_micros(random.below(120_000)));
        process.kill().unwrap();
        interrupted += usize::from(!process.wait().unwrap().success());
        for path in signatures(&stage) {
            let bundle = fs::read(&path).unwrap();
            let whole = serde_json::from_slice::<Value>(&bundle).is_ok();
            assert!(whole, "seed {seed}, turn {turn}: {}", path.display());
        }
        if turn % 40 == 39 {
            let proof = proof(&sandbox);
            assert_eq!(
                proof["status"], "whole",
                "seed {seed}, turn {turn}: {proof}"
            );
            let head = proof["head"].as_str().unwrap();
            let count: u64 = head.split_once(':').unwrap().0.parse().unwrap();
            assert!(count >= last, "seed {seed}, turn {turn}: an entry was lost");
            last = count;
        }
    }
    assert!(
        interrupted > 50,
        "seed {seed}: only {interrupted} runs were killed before their end"
    );
    let verified = ["verify", "--recursive", "--quiet", "stage"];
    sandbox
        .sigtool()
        .args(["sign", "--recursive", "--quiet", "stage"])
        .assert()
        .code(0);
    sandbox.sigtool().args(verified).assert().code(0);
    let stray: Vec<String> = names(&stage)
        .into_iter()
        .filter(|name| !name.ends_with(".txt") && !name.ends_with(".txt.sigstore.json"))
        .collect();
    assert!(stray.is_empty(), "seed {seed}: {stray:?}");
    assert_eq!(signatures(&stage).count(), FILES);
}

fn signatures(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let names = names(folder)
        .into_iter()
        .filter(|n| n.ends_with(".sigstore.json"));
    names
        .map(|name| folder.join(name))
        .collect::<Vec<_>>()
        .into_iter()
}

fn proof(sandbox: &Sandbox) -> Value {
    let prove = ["history", "--verify", "--format", "json"];
    let output = sandbox.sigtool().args(prove).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Marsaglia's xorshift: moments need no better ones, and a seed repeats them.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
