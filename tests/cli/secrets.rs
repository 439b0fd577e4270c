//! No secret is found anywhere: not on the screen, not in a report, not in a process's arguments or environment, not in a file.
//!
//! Each run is watched by `strace`, so that also a file that is gone again at the end, or a terminal that is written to directly,
//! would be seen. Searched for are the password and the private key, as they are, in hexadecimal digits and in Base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sigtool_sdk::testing::contains_secret;
use sigtool_tests::Sandbox;
use sigtool_tests::foreign::ed25519_key;
use sigtool_tests::peers::need;
use sigtool_tests::processes::wait_for;
use sigtool_tests::rogues::{self, Built};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The password: nothing else has these letters.
const PASSWORD: &str = "canary-Xq7w9Kd2-password";

/// A sandbox with keys in it, and what must not get out of them.
struct Watch {
    sandbox: Sandbox,
    strace: PathBuf,
    environment: BTreeMap<String, String>,
    /// What it is called, and what it is.
    secrets: Vec<(&'static str, Vec<u8>)>,
}

/// What was seen of a run.
struct Seen {
    code: Option<i32>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// All that was written, wherever it went.
    written: Vec<u8>,
    /// The arguments and the environment of every program that was started.
    started: Vec<u8>,
}

impl Watch {
    /// `plain.key`, and `locked.key` with the password: both the same Ed25519 key. None if a tool is missing.
    fn new() -> Option<Self> {
        let (strace, _) = (need("strace")?, need("openssl")?);
        let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sigtool"));
        sandbox.write("app.txt", "an artifact\n");
        let plain = sandbox.work().join("plain.key");
        ed25519_key(&plain);
        let environment = sandbox.process();
        let environment = environment
            .get_envs()
            .filter_map(|(name, value)| {
                Some((name.to_str()?.to_owned(), value?.to_str()?.to_owned()))
            })
            .collect();
        let secrets = vec![
            ("the password", PASSWORD.as_bytes().to_vec()),
            ("the private key", seed(&fs::read_to_string(plain).unwrap())),
        ];
        let watch = Self {
            sandbox,
            strace,
            environment,
            secrets,
        };
        let import = [
            "key",
            "import",
            "--key=plain.key",
            "--output-key-prefix=locked",
        ];
        watch.quiet(0, &import, &[("SIGTOOL_PASSWORD", PASSWORD)], "");
        Some(watch)
    }

    /// Runs a program.
    fn run(
        &self,
        program: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
        stdin: &str,
    ) -> Seen {
        // Outside of the sandbox, since it holds what is searched for there.
        let trace = tempfile::NamedTempFile::new().unwrap();
        let mut child = Command::new(&self.strace)
            .args([
                "-f",
                "-qq",
                "-v",
                "-xx",
                "-s",
                "1000000",
                "-e",
                "signal=none",
            ])
            .args([
                "-e",
                "trace=execve,write,writev,pwrite64,pwritev,sendto,sendmsg",
            ])
            .arg("-o")
            .arg(trace.path())
            .arg(program)
            .args(arguments)
            .env_clear()
            .envs(&self.environment)
            .envs(environment.iter().copied())
            .current_dir(self.sandbox.work())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It fits into the pipe, and need not be read.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let output = child.wait_with_output().unwrap();
        let trace = fs::read_to_string(trace.path()).unwrap();
        let (started, written): (Vec<&str>, Vec<&str>) =
            trace.lines().partition(|line| line.contains("execve("));
        Seen {
            code: output.status.code(),
            stdout: output.stdout,
            stderr: output.stderr,
            written: strings(written),
            // The first is sigtool itself, which was given secrets.
            started: strings(started.into_iter().skip(1)),
        }
    }

    /// Runs sigtool, which ends with this code and lets nothing out. Gives what it said on stderr.
    #[track_caller]
    fn quiet(
        &self,
        code: i32,
        arguments: &[&str],
        environment: &[(&str, &str)],
        stdin: &str,
    ) -> String {
        let (ended, said) = self.quiet_at_any_end(arguments, environment, stdin);
        assert_eq!(ended, Some(code), "{arguments:?}: {said}");
        said
    }

    /// The same, however it ends. Gives the exit code too.
    #[track_caller]
    fn quiet_at_any_end(
        &self,
        arguments: &[&str],
        environment: &[(&str, &str)],
        stdin: &str,
    ) -> (Option<i32>, String) {
        let program = Path::new(env!("CARGO_BIN_EXE_sigtool"));
        let seen = self.run(program, arguments, environment, stdin);
        for (what, secret) in &self.secrets {
            for (place, bytes) in [
                ("on stdout", &seen.stdout),
                ("on stderr", &seen.stderr),
                ("in what was written", &seen.written),
                ("in what was started", &seen.started),
            ] {
                assert!(
                    !contains_secret(bytes, secret),
                    "{arguments:?}: {what} is {place}: {}",
                    String::from_utf8_lossy(bytes)
                );
            }
        }
        let said = String::from_utf8_lossy(&seen.stderr).into_owned();
        (seen.code, said)
    }

    /// No file has a secret but these of the working directory, which had it from the start.
    #[track_caller]
    fn nothing_is_left_but(&self, files: &[&str]) {
        let mut expected: Vec<_> = files.iter().map(|f| self.sandbox.work().join(f)).collect();
        let mut found: Vec<_> = self
            .secrets
            .iter()
            .flat_map(|(_, secret)| self.sandbox.files_that_hold(secret))
            .collect();
        found.sort();
        found.dedup();
        expected.sort();
        assert_eq!(found, expected);
    }

    /// The private key in PEM, as people paste it.
    fn pem(&self) -> String {
        fs::read_to_string(self.sandbox.work().join("plain.key")).unwrap()
    }
}

/// The secret 32 bytes at the end of an Ed25519 key in PKCS#8 (RFC 8410).
fn seed(pem: &str) -> Vec<u8> {
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(body).unwrap();
    der[der.len() - 32..].to_vec()
}

/// The strings in lines of `strace -xx`, a line each.
fn strings<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let mut all = Vec::new();
    for line in lines {
        for string in line.split('"').skip(1).step_by(2) {
            let bytes = string.split("\\x").skip(1);
            all.extend(bytes.filter_map(|digits| u8::from_str_radix(digits, 16).ok()));
            all.push(b'\n');
        }
    }
    all
}

#[test]
fn what_gets_out_is_found() {
    let Some(watch) = Watch::new() else { return };
    let seed = &watch.secrets[1].1;
    let leak = "printf %s \"$SECRET\"; printf %s \"$SECRET\" > file; rm file; \
                /bin/echo \"$SECRET\" > /dev/null; cat plain.key >&2; cp plain.key copy.key";
    let secret = [("SECRET", PASSWORD)];
    let seen = watch.run(Path::new("/bin/sh"), &["-c", leak], &secret, "");
    let password = PASSWORD.as_bytes();
    for bytes in [&seen.stdout, &seen.started, &seen.written] {
        assert!(contains_secret(bytes, password));
    }
    for bytes in [&seen.stderr, &seen.written] {
        assert!(contains_secret(bytes, seed));
    }
    assert_eq!(watch.sandbox.files_that_hold(seed).len(), 2);
}

// ---- what goes well ------------------------------------------------------------------------------------------------------

#[test]
fn signing_with_a_password_from_any_place_lets_nothing_out() {
    let Some(watch) = Watch::new() else { return };
    let file = watch.sandbox.write("password.txt", format!("{PASSWORD}\n"));
    let key = watch.sandbox.work().join("locked.key");
    let config = |place: &str| {
        watch.sandbox.write_config(&format!(
            "default_profile = \"p\"\n[profile.p]\nsigner = {{ backend = \"cosign-key\", key = \"{}\"{place} }}\n",
            key.display()
        ));
    };
    for flags in [
        &[][..],
        &["--verbose"],
        &["-vv", "--format=json"],
        &["--format=jsonl"],
    ] {
        let sign = [&["sign", "--signature-format=both", "app.txt"], flags].concat();
        config("");
        watch.quiet(0, &sign, &[("SIGTOOL_PASSWORD", PASSWORD)], "");
        watch.quiet(0, &sign, &[("COSIGN_PASSWORD", PASSWORD)], "");
        watch.quiet(0, &sign, &[], &format!("{PASSWORD}\n"));
        config(", password = { env = \"RELEASE_PASSWORD\" }");
        watch.quiet(0, &sign, &[("RELEASE_PASSWORD", PASSWORD)], "");
        config(&format!(", password = {{ file = \"{}\" }}", file.display()));
        watch.quiet(0, &sign, &[], "");
    }
    let text = fs::read_to_string(key).unwrap();
    let variables = [("KEY", text.as_str()), ("SIGTOOL_PASSWORD", PASSWORD)];
    watch.quiet(
        0,
        &["sign", "-vv", "--key=env:KEY", "app.txt"],
        &variables,
        "",
    );
    watch.nothing_is_left_but(&["password.txt", "plain.key"]);
}

#[test]
fn a_plain_key_stays_where_it_is() {
    let Some(watch) = Watch::new() else { return };
    let pem = watch.pem();
    watch.quiet(0, &["sign", "-vv", "--key=plain.key", "app.txt"], &[], "");
    watch.quiet(
        0,
        &["sign", "-vv", "--key=env:KEY", "app.txt"],
        &[("KEY", &pem)],
        "",
    );
    for command in [
        &["key", "show", "plain.key"][..],
        &["key", "export-public", "plain.key"],
        &["inspect", "plain.key"],
    ] {
        for format in ["text", "json"] {
            watch.quiet(0, &[command, &["-v", "--format", format]].concat(), &[], "");
        }
    }
    watch.nothing_is_left_but(&["plain.key"]);
}

#[test]
fn managing_keys_lets_nothing_out() {
    let Some(watch) = Watch::new() else { return };
    let (old, new) = (
        ("SIGTOOL_PASSWORD", PASSWORD),
        ("SIGTOOL_NEW_PASSWORD", PASSWORD),
    );
    for (name, flag) in [("a", "-vv"), ("b", "--format=json")] {
        watch.quiet(
            0,
            &["key", "generate", "--output-key-prefix", name, flag],
            &[old],
            "",
        );
        let private = format!("{name}.key");
        for command in [
            &["key", "show", &private][..],
            &["key", "export-public", &private],
            &["key", "change-password", &private],
            &["inspect", &private],
        ] {
            watch.quiet(0, &[command, &[flag]].concat(), &[old, new], "");
        }
    }
    let twice = format!("{PASSWORD}\n{PASSWORD}\n");
    watch.quiet(0, &["key", "change-password", "a.key"], &[], &twice);
    watch.quiet(0, &["init", "--yes"], &[old], "");
    watch.quiet(0, &["sign", "app.txt"], &[old], "");
    watch.quiet(0, &["key", "list"], &[old], "");
    watch.nothing_is_left_but(&["plain.key"]);
}

#[test]
fn commands_that_need_no_secret_show_none_of_those_around_them() {
    let Some(watch) = Watch::new() else { return };
    let file = watch.sandbox.write("password.txt", PASSWORD);
    watch.sandbox.write_config(&format!(
        "default_profile = \"p\"\n[profile.p]\n\
         signer = {{ backend = \"cosign-key\", key = \"env:KEY\", password = {{ file = \"{}\" }} }}\n",
        file.display()
    ));
    let pem = watch.pem();
    let environment = [
        ("SIGTOOL_PASSWORD", PASSWORD),
        ("COSIGN_PASSWORD", PASSWORD),
        ("SIGTOOL_PASSWROD", PASSWORD),
        ("KEY", pem.as_str()),
    ];
    for command in [
        &["config", "explain"][..],
        &["config", "check"],
        &["config", "path"],
        &["profile", "show", "p"],
        &["profile", "list"],
        &["backend", "list"],
        &["backend", "show", "cosign-key"],
        &["backend", "check", "cosign-key"],
        &["key", "list"],
        &["history"],
        &["history", "--verify"],
        &["overview"],
        &["--list"],
        &["--version"],
    ] {
        for format in ["text", "json"] {
            let arguments = [command, &["--verbose", "--format", format]].concat();
            watch.quiet(0, &arguments, &environment, "");
        }
    }
    watch.nothing_is_left_but(&["password.txt", "plain.key"]);
}

// ---- what fails ----------------------------------------------------------------------------------------------------------

#[test]
fn a_wrong_password_is_not_shown() {
    let Some(watch) = Watch::new() else { return };
    let other = ("SIGTOOL_PASSWORD", "another");
    watch.quiet(
        0,
        &["key", "generate", "--output-key-prefix=other"],
        &[other],
        "",
    );
    let wrong = ("SIGTOOL_PASSWORD", PASSWORD);
    for flag in ["-vv", "--format=json"] {
        for command in [
            &["sign", "--key=other.key", "app.txt"][..],
            &["key", "show", "other.key"],
            &["key", "change-password", "other.key"],
            &["key", "import", "--key=other.key"],
        ] {
            let said = watch.quiet(3, &[command, &[flag]].concat(), &[wrong], "");
            assert!(said.contains("wrong password"), "{said}");
        }
    }
    watch.quiet(
        3,
        &["sign", "--key=other.key", "app.txt"],
        &[],
        &format!("{PASSWORD}\n"),
    );
    watch.nothing_is_left_but(&["plain.key"]);
}

#[test]
fn a_broken_key_is_not_shown() {
    let Some(watch) = Watch::new() else { return };
    let pem = watch.pem();
    let body = pem.lines().nth(1).unwrap();
    let framed = |label: &str, body: &str| {
        format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
    };
    let broken = [
        pem.replace("-----END PRIVATE KEY-----\n", ""),
        pem.replace("END PRIVATE", "END PUBLIC"),
        framed("PRIVATE KEY", &format!("{body}!")),
        framed("PRIVATE KEY", &format!("AAAA{body}")),
        framed("RSA PRIVATE KEY", body),
        framed("EC PRIVATE KEY", body),
        framed("ENCRYPTED SIGSTORE PRIVATE KEY", body),
        framed("ENCRYPTED PRIVATE KEY", body),
        framed("PUBLIC KEY", body),
        framed(&format!("PRIVATE KEY {body}"), "AAAA"),
        pem.repeat(2),
        body.to_owned(),
        pem.replace('\n', "\u{7}"),
    ];
    for (n, text) in broken.iter().enumerate() {
        let name = format!("broken-{n}.key");
        watch.sandbox.write(&name, text);
        for command in [
            &["sign", "-vv", "--key", &name, "app.txt"][..],
            &["sign", "-vv", "--key=env:KEY", "app.txt"],
            &["key", "show", "--format=json", &name],
            &["key", "import", "--output-key-prefix=new", "--key", &name],
            &["verify", "--key", &name, "app.txt"],
            &["verify", "--key=env:KEY", "app.txt"],
            &["inspect", &name],
            &["inspect", "--format=json", &name],
        ] {
            let environment = [("KEY", text.as_str()), ("SIGTOOL_PASSWORD", "none")];
            let (code, said) = watch.quiet_at_any_end(command, &environment, "");
            let failed = code == Some(2) || code == Some(3);
            assert!(failed || command[0] == "inspect", "{command:?}: {said}");
        }
        fs::remove_file(watch.sandbox.work().join(name)).unwrap();
    }
    watch.nothing_is_left_but(&["plain.key"]);
}

#[test]
fn a_key_that_was_pasted_where_its_name_belongs_is_not_repeated() {
    let Some(watch) = Watch::new() else { return };
    let pem = watch.pem();
    let base64 = pem.lines().nth(1).unwrap();
    watch.quiet(0, &["sign", "--key=plain.key", "app.txt"], &[], "");
    for pasted in [pem.as_str(), &pem.replace('\n', " "), base64] {
        for command in [
            &["sign", "--key", pasted, "app.txt"][..],
            &["verify", "--key", pasted, "app.txt"],
            &["key", "show", pasted],
            &["key", "export-public", "--key", pasted],
            &["key", "change-password", pasted],
            &["key", "import", "--key", pasted],
        ] {
            // With `-v` too, and with `env:` before it.
            watch.quiet(2, command, &[], "");
            watch.quiet(2, &[command, &["-vv", "--format=json"]].concat(), &[], "");
        }
        let variable = format!("env:{pasted}");
        watch.quiet(2, &["sign", "--key", &variable, "app.txt"], &[], "");
        watch.quiet(2, &["key", "import", "--key", &variable], &[], "");
        watch.quiet(2, &["verify", "--key", &variable, "app.txt"], &[], "");
    }
    watch.nothing_is_left_but(&["plain.key"]);
}

#[test]
fn a_secret_that_was_written_into_the_configuration_is_not_shown() {
    let Some(watch) = Watch::new() else { return };
    let pem = watch.pem();
    let pasted = pem.replace('\n', "\\n");
    let signer = |settings: &str| {
        format!(
            "default_profile = \"p\"\n[profile.p]\nsigner = {{ backend = \"cosign-key\", {settings} }}\n"
        )
    };
    let wrong = [
        // As a plain value, in every type; and in what is not a reference.
        signer(&format!("key = \"a.key\", password = \"{PASSWORD}\"")),
        signer(&format!("key = \"a.key\", password = [\"{PASSWORD}\"]")),
        signer(&format!(
            "key = \"a.key\", password = {{ value = \"{PASSWORD}\" }}"
        )),
        signer(&format!(
            "key = \"a.key\", password = {{ env = [\"{PASSWORD}\"] }}"
        )),
        signer(&format!(
            "key = \"a.key\", password = {{ env = \"P={PASSWORD}\" }}"
        )),
        signer(&format!(
            "key = \"a.key\", password = {{ file = \"f\", env = \"{PASSWORD}\" }}"
        )),
        // Misspelt.
        signer(&format!("key = \"a.key\", pasword = \"{PASSWORD}\"")),
        signer(&format!("key = \"a.key\", passphrase = \"{PASSWORD}\"")),
        signer(&format!(
            "key = \"a.key\", key_password = {{ value = \"{PASSWORD}\" }}"
        )),
        format!(
            "[profile.p.signer]\nbackend = \"cosign-key\"\n\n[profile.p.signer.password]\nplain = \"{PASSWORD}\"\n"
        ),
        format!("password = \"{PASSWORD}\"\n"),
        format!("[profile.p]\ntoken = \"{PASSWORD}\"\n"),
        // A key in place of its name.
        signer(&format!("key = \"{pasted}\"")),
        format!(
            "[profile.p]\nsigner = {{ backend = \"cosign-key\", key = \"\"\"\n{pem}\"\"\" }}\n"
        ),
        format!("[profile.p.verify]\nkeys = [\"{pasted}\"]\n"),
        // Not TOML at all.
        format!("[profile.p]\npassword = {PASSWORD}\n"),
        format!("[profile.p\npassword = \"{PASSWORD}\"\n"),
        format!("[profile.p]\npassword = \"{PASSWORD}\n"),
        format!("password: {PASSWORD}\n"),
    ];
    let project = watch.sandbox.work().join(".sigtool.toml");
    for toml in &wrong {
        for in_project in [false, true] {
            if in_project {
                fs::write(&project, toml).unwrap();
            } else {
                watch.sandbox.write_config(toml);
            }
            for command in [
                &["sign", "--profile=p", "app.txt"][..],
                &["verify", "--profile=p", "app.txt"],
                &["config", "check"],
                &["config", "explain"],
                &["config", "explain", "--format=json"],
                &["config", "set", "profile.p.attach", "true"],
                &["profile", "show", "p"],
                &["key", "list"],
                &["init", "--yes"],
            ] {
                let arguments = [command, &["--verbose"]].concat();
                let program = Path::new(env!("CARGO_BIN_EXE_sigtool"));
                // What was written may be the configuration itself.
                let seen = watch.run(program, &arguments, &[], "");
                for (what, secret) in &watch.secrets {
                    for bytes in [&seen.stdout, &seen.stderr, &seen.started] {
                        assert!(
                            !contains_secret(bytes, secret),
                            "{arguments:?}: {what} is shown: {}\nof {toml}",
                            String::from_utf8_lossy(bytes)
                        );
                    }
                }
            }
            let _ = fs::remove_file(&project);
        }
        fs::remove_file(watch.sandbox.config()).unwrap();
    }
}

#[test]
fn a_secret_on_the_command_line_is_not_repeated() {
    let Some(watch) = Watch::new() else { return };
    for value in [
        format!("profile.p.signer.password={PASSWORD}"),
        format!("profile.p.signer.password=\"{PASSWORD}\""),
        format!(
            "profile.p.signer={{backend=\"cosign-key\", key=\"a.key\", password=\"{PASSWORD}\"}}"
        ),
        format!(
            "profile.p.signer={{backend=\"cosign-key\", key=\"a.key\", pasword=\"{PASSWORD}\"}}"
        ),
        format!("password={PASSWORD}"),
        format!("profile.p.token={PASSWORD}"),
    ] {
        let sign = ["sign", "-vv", "--profile=p", "--config", &value, "app.txt"];
        let (code, said) = watch.quiet_at_any_end(&sign, &[], "");
        assert!(code == Some(2) || code == Some(3), "{said}");
        assert!(said.contains("--config"), "{said}");
    }
    watch
        .sandbox
        .write_config("[profile.p]\nsigner = { backend = \"cosign-key\", key = \"a.key\" }\n");
    let set = ["config", "set", "profile.p.signer.password", PASSWORD];
    let said = watch.quiet(2, &set, &[], "");
    assert!(said.contains("takes a reference"), "{said}");
    // Flags that do not exist.
    watch.quiet(
        2,
        &["sign", &format!("--password={PASSWORD}"), "app.txt"],
        &[],
        "",
    );
    watch.quiet(
        2,
        &[
            "sign",
            "--key=a.key",
            &format!("--passphrase={PASSWORD}"),
            "app.txt",
        ],
        &[],
        "",
    );
    watch.nothing_is_left_but(&["plain.key"]);
}

// ---- backends of others --------------------------------------------------------------------------------------------------

#[test]
fn a_backend_that_prints_its_password_is_not_heard() {
    for built in [Built::C, Built::Python] {
        let Some(watch) = Watch::new() else { return };
        let rogue = rogues::find("prints-secrets", built);
        let placed = rogue.place(&watch.sandbox);
        watch.sandbox.write("app.txt", rogues::ARTIFACT);
        watch.sandbox.pin(&placed);
        watch.sandbox.append_config(&format!(
            "[profile.p]\nsigner = {{ backend = \"{}\", password = {{ env = \"P\" }} }}\n",
            rogue.id()
        ));
        for flags in [&[][..], &["-vv"], &["-vv", "--format=json"]] {
            let program = Path::new(env!("CARGO_BIN_EXE_sigtool"));
            let arguments = [&["sign", "--profile=p", "app.txt"], flags].concat();
            let seen = watch.run(program, &arguments, &[("P", PASSWORD)], "");
            // The backend is given the password through a pipe, and may write it: sigtool must not pass it on.
            for (place, bytes) in [
                ("stdout", &seen.stdout),
                ("stderr", &seen.stderr),
                ("an argument or a variable", &seen.started),
            ] {
                assert!(
                    !contains_secret(bytes, PASSWORD.as_bytes()),
                    "the password of {rogue:?} is in {place}: {}",
                    String::from_utf8_lossy(bytes)
                );
            }
            let said = String::from_utf8_lossy(&seen.stderr);
            assert!(flags.is_empty() || said.contains("[secret]"), "{said}");
        }
        watch.nothing_is_left_but(&["plain.key"]);
    }
}

#[test]
fn a_backend_of_others_is_not_given_the_environment() {
    let Some(watch) = Watch::new() else { return };
    let rogue = rogues::find("honest", Built::Python);
    let placed = rogue.place(&watch.sandbox);
    watch.sandbox.write("app.txt", rogues::ARTIFACT);
    watch.sandbox.pin(&placed);
    watch.sandbox.append_config(&format!(
        "[profile.p]\nsigner = {{ backend = \"{}\" }}\n",
        rogue.id()
    ));
    let pem = watch.pem();
    let environment = [
        ("SIGTOOL_PASSWORD", PASSWORD),
        ("COSIGN_PASSWORD", PASSWORD),
        ("MY_KEY", pem.as_str()),
    ];
    watch.quiet(
        0,
        &["sign", "-vv", "--profile=p", "app.txt"],
        &environment,
        "",
    );
}

// ---- crashes -------------------------------------------------------------------------------------------------------------

/// sigtool, started where core files of any size are allowed, as far as they can be.
fn start_with_core_files(sandbox: &Sandbox, arguments: &[&str]) -> Child {
    let variables = sandbox.process();
    let variables = variables.get_envs().filter_map(|(k, v)| Some((k, v?)));
    Command::new("sh")
        .args(["-c", "ulimit -c unlimited; exec \"$0\" \"$@\""])
        .arg(env!("CARGO_BIN_EXE_sigtool"))
        .args(arguments)
        .env_clear()
        .envs(variables)
        .current_dir(sandbox.work())
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Waits until this many processes of the sandbox may leave no core file, and can no longer allow themselves one.
fn wait_for_limits(sandbox: &Sandbox, processes: usize) {
    wait_for("processes without core files", || {
        let limits = sandbox.processes().into_iter();
        let limits = limits.filter_map(|p| p.limit("Max core file size"));
        let none = limits.filter(|line| {
            let numbers: Vec<&str> = line.split_whitespace().skip(4).take(2).collect();
            numbers == ["0", "0"]
        });
        (none.count() == processes).then_some(())
    });
}

#[test]
fn a_crash_leaves_no_core_file() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sigtool"));
    sandbox.write("app.txt", "an artifact\n");
    sandbox
        .sigtool()
        .args(["key", "generate"])
        .env("SIGTOOL_PASSWORD", PASSWORD)
        .assert()
        .success();
    // It waits for a password that does not come.
    let mut sigtool = start_with_core_files(&sandbox, &["sign", "--key=sigtool.key", "app.txt"]);
    wait_for_limits(&sandbox, 1);
    let kill = Command::new("kill")
        .args(["-ABRT", &sigtool.id().to_string()])
        .status()
        .unwrap();
    assert!(kill.success());
    let end = sigtool.wait().unwrap();
    assert_eq!(end.signal(), Some(6));
    assert!(!end.core_dumped());
}

#[test]
fn the_process_of_a_backend_leaves_no_core_file_either() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sigtool"));
    let rogue = rogues::find("hangs", Built::C);
    let placed = rogue.place(&sandbox);
    sandbox.write("app.txt", rogues::ARTIFACT);
    sandbox.pin(&placed);
    sandbox.append_config(&format!(
        "[profile.p]\nsigner = {{ backend = \"{}\" }}\n",
        rogue.id()
    ));
    let mut sigtool = start_with_core_files(&sandbox, &["sign", "--profile=p", "app.txt"]);
    // sigtool and its child.
    wait_for_limits(&sandbox, 2);
    sigtool.kill().unwrap();
    sigtool.wait().unwrap();
}
