//! Offline means that no socket is opened, not even to ask the name service who the user is.

use sigtool_tests::Sandbox;
use sigtool_tests::foreign::{c_signer, ed25519_key, p256_key};
use sigtool_tests::peers::need;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Watches every system call of a program and its children that has to do with a network.
struct Watch {
    sandbox: Sandbox,
    strace: PathBuf,
    environment: BTreeMap<String, String>,
}

impl Watch {
    /// None if `strace` is missing.
    fn new() -> Option<Self> {
        let strace = need("strace")?;
        need("openssl")?;
        let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sigtool"));
        let environment = sandbox
            .process()
            .get_envs()
            .filter_map(|(name, value)| Some((text(name), text(value?))))
            .chain([("SIGTOOL_PASSWORD".to_owned(), "sesame".to_owned())])
            .collect();
        sandbox.write("app.txt", "an artifact\n");
        Some(Self {
            sandbox,
            strace,
            environment,
        })
    }

    /// Runs a program, and gives its exit code and the calls that were seen.
    fn run(&self, program: &Path, arguments: &[&str], stdin: &str) -> (Option<i32>, Vec<String>) {
        let seen = self.sandbox.root().join("seen");
        fs::write(self.sandbox.root().join("stdin"), stdin).unwrap();
        let output = Command::new(&self.strace)
            .args([
                "-f",
                "-qq",
                "-e",
                "trace=%network",
                "-e",
                "signal=none",
                "-o",
            ])
            .arg(&seen)
            .arg(program)
            .args(arguments)
            .env_clear()
            .envs(&self.environment)
            .current_dir(self.sandbox.work())
            .stdin(fs::File::open(self.sandbox.root().join("stdin")).unwrap())
            .stdout(Stdio::piped())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            !said.contains("PTRACE"),
            "nothing can be watched here: {said}"
        );
        let calls = fs::read_to_string(seen).unwrap();
        let calls = calls
            .lines()
            // A thread that ended with its process while strace looked: it was in no call.
            .filter(|line| !line.contains("???("))
            .map(str::to_owned)
            .collect();
        (output.status.code(), calls)
    }

    /// Runs sigtool, which ends with this code and makes no such call.
    #[track_caller]
    fn sigtool(&self, code: i32, arguments: &[&str]) {
        self.sigtool_with(code, arguments, "");
    }

    #[track_caller]
    fn sigtool_with(&self, code: i32, arguments: &[&str], stdin: &str) {
        let (ended, calls) = self.run(Path::new(env!("CARGO_BIN_EXE_sigtool")), arguments, stdin);
        assert_eq!(ended, Some(code), "{arguments:?}");
        assert!(calls.is_empty(), "{arguments:?}:\n{}", calls.join("\n"));
    }
}

fn text(text: &std::ffi::OsStr) -> String {
    text.to_str().expect("the sandbox is UTF-8").to_owned()
}

#[test]
fn a_socket_would_be_seen() {
    let (Some(watch), Some(python)) = (Watch::new(), need("python3")) else {
        return;
    };
    let open = "import socket; socket.socket().close()";
    let (_, calls) = watch.run(&python, &["-c", open], "");
    assert!(
        calls.iter().any(|c| c.contains("socket(AF_INET")),
        "{calls:?}"
    );
}

#[test]
fn signing_and_verifying_open_no_socket() {
    let Some(watch) = Watch::new() else { return };
    let work = watch.sandbox.work();
    p256_key(&work.join("plain.key"), None);
    p256_key(&work.join("pbes2.key"), Some("sesame"));
    ed25519_key(&work.join("ed25519.key"));
    watch.sigtool(0, &["key", "generate", "--output-key-prefix=encrypted"]);
    watch.sigtool(
        0,
        &[
            "key",
            "generate",
            "--algorithm=rsa-2048",
            "--output-key-prefix=rsa",
        ],
    );
    for key in [
        "plain.key",
        "pbes2.key",
        "ed25519.key",
        "encrypted.key",
        "rsa.key",
    ] {
        let public = format!("{key}.pub");
        watch.sigtool(0, &["key", "export-public", key, "--output", &public]);
        watch.sigtool(
            0,
            &["sign", "--key", key, "--signature-format=both", "app.txt"],
        );
        watch.sigtool(0, &["verify", "--key", &public, "app.txt"]);
    }
    // A policy that is not met, a changed artifact, and no signature.
    watch.sigtool(0, &["key", "generate", "--output-key-prefix=other"]);
    watch.sigtool(1, &["verify", "--key=other.pub", "app.txt"]);
    watch.sandbox.write("app.txt", "another artifact\n");
    watch.sigtool(1, &["verify", "--key=encrypted.pub", "app.txt"]);
    watch.sandbox.write("new.txt", "a new artifact\n");
    watch.sigtool(1, &["verify", "--key=encrypted.pub", "new.txt"]);
}

#[test]
fn no_form_of_output_opens_a_socket() {
    let Some(watch) = Watch::new() else { return };
    watch.sigtool(0, &["init", "--yes"]);
    for flags in [
        &["--format=json"][..],
        &["--format=jsonl"],
        &["--verbose"],
        &["-vv", "--color=always"],
        &["--quiet"],
        &["--offline"],
    ] {
        for command in [
            &["sign", "app.txt"][..],
            &["verify", "app.txt"],
            &["inspect", "app.txt.sigstore.json"],
            &["key", "list"],
            &["profile", "list"],
            &["config", "explain"],
            &["backend", "list"],
        ] {
            watch.sigtool(0, &[command, flags].concat());
        }
    }
    watch.sigtool(0, &["--version"]);
    watch.sigtool(0, &["--list"]);
    watch.sigtool(2, &["no-such-command"]);
}

#[test]
fn many_artifacts_open_no_socket() {
    let Some(watch) = Watch::new() else { return };
    watch.sigtool(0, &["init", "--yes"]);
    for n in 0..50 {
        watch
            .sandbox
            .write(&format!("folder/{n}.txt"), n.to_string());
    }
    watch.sigtool(0, &["sign", "--recursive", "--jobs=8", "folder"]);
    watch.sigtool(0, &["verify", "--recursive", "--jobs=8", "folder"]);
    watch.sigtool_with(0, &["sign", "--bundle=out.json", "-"], "from a pipe\n");
    watch.sigtool_with(0, &["verify", "--bundle=out.json", "-"], "from a pipe\n");
    watch.sigtool_with(0, &["sign", "--from-file=-"], "app.txt\n");
}

#[test]
fn who_the_user_is_is_not_asked_where_the_home_folder_is_unknown() {
    let Some(mut watch) = Watch::new() else {
        return;
    };
    watch.sigtool(0, &["key", "generate"]);
    watch
        .environment
        .retain(|name, _| name != "HOME" && !name.starts_with("XDG_"));
    watch.sigtool(3, &["sign", "--key=sigtool.key", "app.txt"]);
    watch.sigtool(0, &["sign", "--no-history", "--key=sigtool.key", "app.txt"]);
    watch.sigtool(0, &["verify", "--key=sigtool.pub", "app.txt"]);
    watch.sigtool(3, &["init", "--yes"]);
}

#[test]
fn the_process_of_an_isolated_backend_opens_no_socket_either() {
    let Some(watch) = Watch::new() else { return };
    let sandbox = &watch.sandbox;
    let key = sandbox.work().join("theirs.pem");
    p256_key(&key, None);
    let backend = sandbox.place(&c_signer());
    sandbox.pin(&backend);
    sandbox.append_config(&format!(
        "[profile.theirs]\nsigner = {{ backend = \"dev.example.c-signer\", key = \"{}\" }}\n",
        key.display()
    ));
    watch.sigtool(0, &["sign", "--offline", "--profile=theirs", "app.txt"]);
}

#[test]
fn the_program_and_its_backends_do_not_even_know_how_to_open_a_socket() {
    let Some(nm) = need("nm") else { return };
    let program = PathBuf::from(env!("CARGO_BIN_EXE_sigtool"));
    let libraries = ["sigtool-backend-cosign-key", "sigtool-backend-local-stage"];
    for file in [program]
        .into_iter()
        .chain(libraries.map(sigtool_tests::library))
    {
        let output = Command::new(&nm)
            .args(["--dynamic", "--undefined-only", "--format=posix"])
            .arg(&file)
            .output()
            .unwrap();
        let symbols = String::from_utf8(output.stdout).unwrap();
        assert!(symbols.contains("read@"), "{}: {symbols}", file.display());
        let names = symbols.lines().filter_map(|l| l.split(['@', ' ']).next());
        let network: Vec<_> = names
            // Of the engine of completion, to know whose `~` is where HOME is not set. Completion answers nothing then, and never
            // calls it: `completions::completing_opens_no_socket_and_runs_nothing`.
            .filter(|name| *name != "getpwuid_r")
            .filter(|name| {
                ["socket", "connect", "bind", "listen", "accept", "accept4"].contains(name)
                    || ["getaddrinfo", "gethostby", "getpw", "getgr", "res_"]
                        .iter()
                        .any(|start| name.starts_with(start))
            })
            .collect();
        assert!(network.is_empty(), "{}: {network:?}", file.display());
    }
}
