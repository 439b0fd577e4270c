//! Where passwords come from, in order.

use super::{PASSWORD, generate, key, profile, read, sandbox, sign};
use sigtool_tests::Sandbox;
use sigtool_tests::foreign::p256_key;
use sigtool_tests::peers::need;
use sigtool_tests::processes::wait_for;
use snapbox::str;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Output, Stdio};
use std::sync::{Arc, Mutex};

#[test]
fn the_password_is_taken_from_the_first_place_that_has_one() {
    let sandbox = sandbox();
    generate(&sandbox, "release", PASSWORD);
    let file = sandbox.write("password.txt", "sesame\r\n");
    let in_file = format!(", password = {{ file = \"{}\" }}", file.display());
    let (by_variable, nowhere) = (", password = { env = \"RELEASE_PASSWORD\" }", "");
    let (sigtool, cosign, own) = ("SIGTOOL_PASSWORD", "COSIGN_PASSWORD", "RELEASE_PASSWORD");
    for (more, environment, stdin, origin) in [
        (
            by_variable,
            &[(own, "sesame"), (sigtool, "badword"), (cosign, "badword")][..],
            "badword\n",
            own,
        ),
        (
            &in_file,
            &[(sigtool, "badword"), (cosign, "badword")],
            "badword\n",
            file.to_str().unwrap(),
        ),
        (
            nowhere,
            &[(sigtool, "sesame"), (cosign, "badword")],
            "badword\n",
            sigtool,
        ),
        (nowhere, &[(cosign, "sesame")], "badword\n", cosign),
        (nowhere, &[], "sesame\nbadword\n", "standard input"),
        (nowhere, &[], "sesame", "standard input"),
    ] {
        profile(&sandbox, more);
        let output = sandbox
            .sigtool()
            .args(["sign", "--verbose", "app.txt"])
            .envs(environment.iter().copied())
            .stdin(stdin)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{origin}: {said}");
        let unlocked = format!("release.key` with the password from {origin}\n");
        assert!(said.contains(&unlocked), "{origin}: {said}");
    }
}

#[test]
fn a_place_with_a_wrong_password_is_not_passed_over() {
    let sandbox = sandbox();
    generate(&sandbox, "release", PASSWORD);
    let (by_variable, nowhere) = (", password = { env = \"RELEASE_PASSWORD\" }", "");
    let (sigtool, cosign, own) = ("SIGTOOL_PASSWORD", "COSIGN_PASSWORD", "RELEASE_PASSWORD");
    for (more, environment, tried) in [
        (
            by_variable,
            &[(own, "badword"), (sigtool, "sesame"), (cosign, "sesame")][..],
            own,
        ),
        (
            nowhere,
            &[(sigtool, "badword"), (cosign, "sesame")],
            sigtool,
        ),
    ] {
        profile(&sandbox, more);
        let said = sandbox
            .sigtool()
            .args(["sign", "app.txt"])
            .envs(environment.iter().copied())
            .stdin("sesame\n")
            .assert()
            .code(3);
        said.stderr_eq(format!(
            "error: wrong password for `[..]/here/release.key`\n  \
             caused by: tried: {tried}\n  hint: give the right one by {tried}\n"
        ));
    }
}

#[test]
fn a_place_in_the_profile_that_has_no_password_is_an_error_not_the_next_place() {
    let sandbox = sandbox();
    let empty = sandbox.write("empty.txt", "\n");
    generate(&sandbox, "release", PASSWORD);
    for (place, why) in [
        (
            "env = \"RELEASE_PASSWORD\"",
            "the environment variable `RELEASE_PASSWORD` is not set",
        ),
        // A secret that a CI system does not have is an empty text.
        (
            "env = \"EMPTY\"",
            "the environment variable `EMPTY` is empty",
        ),
        (
            "file = \"empty.txt\"",
            "the secret in `[..]/empty.txt` is empty",
        ),
        (
            "file = \"gone.txt\"",
            "cannot read the secret in `[..]/gone.txt`",
        ),
    ] {
        let place = place.replace("empty.txt", empty.to_str().unwrap());
        profile(&sandbox, &format!(", password = {{ {place} }}"));
        let said = sandbox
            .sigtool()
            .args(["sign", "app.txt"])
            .env("EMPTY", "")
            .env("SIGTOOL_PASSWORD", PASSWORD)
            .assert()
            .code(2);
        said.stderr_eq(format!("error: {why}\n..."));
    }
}

#[test]
fn an_empty_password_is_tried_before_anyone_is_asked() {
    let sandbox = sandbox();
    generate(&sandbox, "release", "");
    sign(&sandbox, "release.key")
        .arg("--verbose")
        .assert()
        .success()
        .stderr_eq(str![[r#"
...
debug: cosign-key: unlocked `release.key` with the password from an empty password
...
"#]]);
}

#[test]
fn standard_input_is_no_place_for_a_password_where_it_is_the_artifact() {
    let sandbox = sandbox();
    generate(&sandbox, "release", PASSWORD);
    sandbox
        .sigtool()
        .args(["sign", "--key=release.key", "--bundle=out.json", "-"])
        .stdin("sesame\n")
        .assert()
        .code(3)
        .stderr_eq(str![[r#"
error: no password of release.key is given, and there is no terminal to ask on
  caused by: tried: an empty password
...
"#]]);
    assert!(!sandbox.work().join("out.json").exists());
}

#[test]
fn the_password_is_taken_once_for_a_whole_run() {
    let sandbox = sandbox();
    generate(&sandbox, "release", PASSWORD);
    let files: Vec<String> = (0..20).map(|n| format!("{n}.txt")).collect();
    for file in &files {
        sandbox.write(file, file);
    }
    let output = sandbox
        .sigtool()
        .args(["sign", "--verbose", "--key=release.key"])
        .args(&files)
        .stdin("sesame\nthe next line is nobody's\n")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert_eq!(said.matches("unlocked").count(), 1, "{said}");
    for file in &files {
        assert!(
            sandbox
                .work()
                .join(format!("{file}.sigstore.json"))
                .is_file()
        );
    }
}

#[test]
fn the_password_of_a_new_key_can_come_from_a_pipe() {
    let sandbox = sandbox();
    key(&sandbox, ["generate"])
        .stdin("sesame\n")
        .assert()
        .success()
        .stdout_eq(str![[r#"
made sigtool.key and sigtool.pub (ecdsa-p256), protected by a password

"#]]);
    sign(&sandbox, "sigtool.key")
        .env("COSIGN_PASSWORD", PASSWORD)
        .assert()
        .success();
}

#[test]
fn an_empty_variable_counts_as_not_set_where_a_key_is_unlocked() {
    let sandbox = sandbox();
    generate(&sandbox, "release", PASSWORD);
    let (sigtool, cosign) = ("SIGTOOL_PASSWORD", "COSIGN_PASSWORD");
    for (environment, origin) in [
        (&[(sigtool, ""), (cosign, PASSWORD)][..], cosign),
        (&[(cosign, "")], "standard input"),
        (&[(sigtool, ""), (cosign, "")], "standard input"),
    ] {
        let ran = sign(&sandbox, "release.key")
            .arg("--verbose")
            .envs(environment.iter().copied())
            .stdin("sesame\n")
            .assert()
            .success();
        let said = String::from_utf8_lossy(&ran.get_output().stderr).into_owned();
        assert!(said.contains(&format!("from {origin}\n")), "{said}");
    }
}

#[test]
fn an_empty_variable_for_a_new_password_means_none_and_that_is_told() {
    let sandbox = sandbox();
    let (new, sigtool, cosign) = (
        "SIGTOOL_NEW_PASSWORD",
        "SIGTOOL_PASSWORD",
        "COSIGN_PASSWORD",
    );
    for (name, environment) in [
        ("a", &[(new, "")][..]),
        ("b", &[(new, ""), (sigtool, PASSWORD)]),
        ("c", &[(cosign, "")]),
        ("d", &[(sigtool, ""), (cosign, "")]),
    ] {
        let made = |quiet: &str| {
            let prefix = format!("--output-key-prefix={name}{quiet}");
            key(&sandbox, ["generate", &prefix, quiet])
                .envs(environment.iter().copied())
                .assert()
                .success()
        };
        let loud = made("--color=never");
        let loud = String::from_utf8_lossy(&loud.get_output().stdout).into_owned();
        assert!(loud.contains("not protected"), "{loud}");
        let warning = "warning: [..].key is not protected: its password is empty, anyone who has the file can sign\n";
        made("--quiet").stdout_eq("").stderr_eq(warning);
    }
    // Of the present key's variable an empty one says nothing about a new one.
    for more in [&[(sigtool, "")][..], &[]] {
        key(&sandbox, ["generate"])
            .envs(more.iter().copied())
            .assert()
            .code(3);
    }
    generate(&sandbox, "release", PASSWORD);
    let change = |quiet: &[&str]| {
        key(&sandbox, ["change-password", "release.key"])
            .args(quiet)
            .envs([(sigtool, PASSWORD), (new, "")])
            .assert()
            .success()
    };
    change(&["--quiet"]).stderr_eq(
        "warning: release.key is not protected: its password is empty, anyone who has the file can sign\n",
    );
    // An empty password of cosign's is the present one, not the next one.
    let before = read(&sandbox, "release.key");
    key(&sandbox, ["change-password", "release.key"])
        .env(cosign, "")
        .assert()
        .code(3);
    assert_eq!(read(&sandbox, "release.key"), before);
}

/// Runs sigtool with this file as its standard input.
fn with_file(sandbox: &Sandbox, file: &str, arguments: &[&str]) -> Output {
    let file = File::open(sandbox.work().join(file)).unwrap();
    let mut command = sandbox.process();
    command.args(arguments).stdin(file).output().unwrap()
}

#[test]
fn a_file_is_read_for_a_password_only_where_that_is_said() {
    let sandbox = sandbox();
    generate(&sandbox, "release", PASSWORD);
    sandbox.write("password.txt", "sesame\nnext\n");
    let sign = ["sign", "--key=release.key", "app.txt"];
    let ran = with_file(&sandbox, "password.txt", &sign);
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(3), "{said}");
    assert!(said.contains("tried: an empty password\n"), "{said}");
    let asked = [&sign[..], &["--password-stdin"]].concat();
    let ran = with_file(&sandbox, "password.txt", &asked);
    assert!(ran.status.success(), "{ran:?}");
    let change = ["key", "change-password", "--password-stdin", "release.key"];
    assert!(
        with_file(&sandbox, "password.txt", &change)
            .status
            .success()
    );
    super::sign(&sandbox, "release.key")
        .env("SIGTOOL_PASSWORD", "next")
        .assert()
        .success();
}

#[test]
fn a_password_that_is_said_to_be_on_standard_input_is_taken_from_there() {
    let sandbox = sandbox();
    generate(&sandbox, "release", PASSWORD);
    profile(
        &sandbox,
        ", password = { prompt = \"The word of the week\" }",
    );
    let sign = |flag: &str, input: &'static str| {
        sandbox
            .sigtool()
            .args(["sign", flag, "app.txt"])
            .env("SIGTOOL_PASSWORD", "badword")
            .stdin(input)
            .assert()
    };
    sign("--password-stdin", "sesame\n").success();
    sign("--password-stdin", "badword\n").code(3);
    sign("--password-stdin", "").code(3);
    // Without it the profile's word holds; and there is no such variable.
    sign("--no-history", "sesame\n").code(3).stderr_eq(str![[r#"
error: no The word of the week is given, and there is no terminal to ask on
  hint: run it on a terminal, pipe the password of a key to `--password-stdin`, or name another place in the profile: `{ env = "NAME" }` or `{ file = "PATH" }`

"#]]);
    sandbox
        .sigtool()
        .args(["sign", "--password-stdin", "--bundle=out.json", "-"])
        .stdin("sesame\n")
        .assert()
        .code(2)
        .stderr_eq(str![[r#"
error: standard input can be given only once

"#]]);
}

#[test]
fn in_ci_nobody_is_asked_and_a_pipe_is_read() {
    let sandbox = sandbox();
    generate(&sandbox, "release", PASSWORD);
    for (name, value) in [("CI", "true"), ("GITHUB_ACTIONS", "true")] {
        let sign = || sign(&sandbox, "release.key").env(name, value);
        sign().stdin("sesame\n").assert().success();
        sign().assert().code(3).stderr_eq(str![[r#"
error: no password of release.key is given, and in CI nobody is asked
...
"#]]);
    }
}

/// What a program has said on stderr so far.
fn listen(child: &mut Child) -> Arc<Mutex<String>> {
    let said = Arc::new(Mutex::new(String::new()));
    let (mut stderr, heard) = (child.stderr.take().unwrap(), Arc::clone(&said));
    std::thread::spawn(move || {
        let mut byte = [0];
        while matches!(stderr.read(&mut byte), Ok(1)) {
            heard.lock().unwrap().push(char::from(byte[0]));
        }
    });
    said
}

#[test]
fn what_is_waited_for_is_said_when_nothing_comes() {
    let sandbox = sandbox();
    generate(&sandbox, "release", PASSWORD);
    generate(&sandbox, "open", "");
    for (arguments, waits, comes) in [
        (
            &["sign", "--key=release.key", "app.txt"][..],
            "note: waiting for the password of release.key: a line of standard input\n",
            "sesame\n",
        ),
        (
            &["sign", "--key=open.key", "--bundle=out.json", "-"],
            "note: waiting for the artifact on standard input\n",
            "an artifact",
        ),
        (
            &["sign", "--key=open.key", "--from-file=-"],
            "note: waiting for the list of artifacts on standard input\n",
            "app.txt\n",
        ),
    ] {
        let mut command = sandbox.process();
        let piped = command.args(arguments).stdin(Stdio::piped());
        let piped = piped.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let said = listen(&mut child);
        wait_for("what is waited for", || {
            said.lock().unwrap().contains(waits).then_some(())
        });
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(comes.as_bytes()).unwrap();
        drop(stdin);
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn waiting_for_a_password_ends_with_the_timeout() {
    let Some(_) = need("openssl") else { return };
    let sandbox = sandbox();
    // Which password fits is found in no time, unlike with a key of cosign's.
    p256_key(&sandbox.work().join("quick.pem"), Some(PASSWORD));
    let mut command = sandbox.process();
    command.args(["sign", "--timeout=3s", "--key=quick.pem", "app.txt"]);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = piped.stderr(Stdio::piped()).spawn().unwrap();
    let stdin = child.stdin.take();
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8_lossy(&output.stderr);
    let why = "nothing came from standard input within 3s\n  hint: if it needs longer";
    assert!(said.contains(why), "{said}");
}

#[test]
fn a_key_is_not_an_empty_text() {
    let sandbox = sandbox();
    for line in [
        "sign --key= app.txt",
        "verify --key= app.txt",
        "key show --key=",
        "key import --key=",
    ] {
        sandbox.sigtool().args(line.split(' ')).assert().code(2);
    }
    for (line, says) in [
        ("sign --key env:EMPTY app.txt", "`EMPTY` is empty"),
        ("verify --key env:EMPTY app.txt", "`EMPTY` is empty"),
        ("key import --key env:EMPTY", "`EMPTY` is empty"),
    ] {
        let ran = sandbox.sigtool().env("EMPTY", "").args(line.split(' '));
        let ran = ran.assert().code(2);
        let said = String::from_utf8_lossy(&ran.get_output().stderr).into_owned();
        assert!(said.contains(says), "{said}");
    }
}

/// As cosign takes it. A file and a pipe give the same bytes.
#[cfg(unix)]
#[test]
fn a_password_in_a_variable_may_be_any_bytes() {
    use std::os::unix::ffi::OsStrExt as _;
    let sandbox = sandbox();
    let bytes = b"p\xe9ssword\xff";
    key(&sandbox, ["generate"])
        .stdin([&bytes[..], b"\n"].concat())
        .assert()
        .success();
    let password = std::ffi::OsStr::from_bytes(bytes);
    for name in ["SIGTOOL_PASSWORD", "COSIGN_PASSWORD"] {
        sign(&sandbox, "sigtool.key")
            .env(name, password)
            .assert()
            .success();
        let shorter = std::ffi::OsStr::from_bytes(&bytes[..8]);
        let refused = sign(&sandbox, "sigtool.key").env(name, shorter).assert();
        refused.failure();
    }
}
