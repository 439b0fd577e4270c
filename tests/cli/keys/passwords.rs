//! Where passwords come from, in order.

use super::{PASSWORD, generate, key, profile, sandbox, sign};
use snapbox::str;

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
        // A variable that is set to nothing is an answer: the empty password.
        (nowhere, &[(sigtool, ""), (cosign, "sesame")], sigtool),
        (nowhere, &[(cosign, "")], cosign),
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
    generate(&sandbox, "release", PASSWORD);
    for (place, why) in [
        (
            "env = \"RELEASE_PASSWORD\"",
            "the environment variable `RELEASE_PASSWORD` is not set",
        ),
        (
            "file = \"gone.txt\"",
            "cannot read the secret in `[..]/gone.txt`",
        ),
    ] {
        profile(&sandbox, &format!(", password = {{ {place} }}"));
        let said = sandbox
            .sigtool()
            .args(["sign", "app.txt"])
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
