//! What is asked on a terminal.

use super::{PASSWORD, generate, profile, read, sandbox, sign};

use sigtool_tests::Sandbox;
use sigtool_tests::foreign::p256_key;
use sigtool_tests::peers::{Said, need};
use sigtool_tests::terminal::{self, Answer, line, nothing, password, stop};

/// Runs sigtool on a terminal; none if Python is missing.
fn run(sandbox: &Sandbox, answers: &[Answer<'_>], arguments: &[&str]) -> Option<Said> {
    let said = terminal::run(sandbox, &need("python3")?, answers, &[], arguments);
    for secret in [PASSWORD, "badword", "other"] {
        assert!(
            !said.text.contains(secret),
            "the terminal shows what was typed: {said}"
        );
    }
    Some(said)
}

#[test]
fn a_new_password_is_asked_twice() {
    let sandbox = sandbox();
    let answers = [
        password("new password of", PASSWORD),
        password("(again)", PASSWORD),
    ];
    let Some(said) = run(&sandbox, &answers, &["key", "generate"]) else {
        return;
    };
    said.expect_success("generate");
    assert!(said.text.contains("protected by a password"), "{said}");
    assert!(!said.text.contains("new new"), "{said}");
    sign(&sandbox, "sigtool.key")
        .env("SIGTOOL_PASSWORD", PASSWORD)
        .assert()
        .success();
}

#[test]
fn two_passwords_that_differ_make_no_key() {
    let sandbox = sandbox();
    let answers = [
        password("new password of", PASSWORD),
        password("(again)", "other"),
    ];
    let Some(said) = run(&sandbox, &answers, &["key", "generate"]) else {
        return;
    };
    assert!(!said.is_success());
    assert!(said.text.contains("the two passwords differ"), "{said}");
    assert!(!sandbox.work().join("sigtool.key").exists());
}

#[test]
fn the_password_is_asked_once_for_several_artifacts() {
    let sandbox = sandbox();
    generate(&sandbox, "release", PASSWORD);
    sandbox.write("b.txt", "b\n");
    sandbox.write("c.txt", "c\n");
    let sign = ["sign", "--key=release.key", "app.txt", "b.txt", "c.txt"];
    let answers = [password("password of release.key: ", PASSWORD)];
    let Some(said) = run(&sandbox, &answers, &sign) else {
        return;
    };
    said.expect_success("sign");
    assert_eq!(said.text.matches("password").count(), 1, "{said}");
    assert!(said.text.contains("signed c.txt"), "{said}");
}

#[test]
fn a_mistyped_password_is_asked_again() {
    let sandbox = sandbox();
    generate(&sandbox, "release", PASSWORD);
    let answers = [
        password("password of release.key: ", "badword"),
        password("password of release.key: ", PASSWORD),
    ];
    let Some(said) = run(
        &sandbox,
        &answers,
        &["sign", "--key=release.key", "app.txt"],
    ) else {
        return;
    };
    said.expect_success("sign");
}

#[test]
fn after_three_wrong_passwords_it_ends() {
    let sandbox = sandbox();
    generate(&sandbox, "release", PASSWORD);
    let answers = [password("password of release.key: ", "badword"); 3];
    let Some(said) = run(
        &sandbox,
        &answers,
        &["sign", "--key=release.key", "app.txt"],
    ) else {
        return;
    };
    assert_eq!(said.code, Some(3), "{said}");
    assert!(
        said.text
            .contains("tried: an empty password, the terminal (3 times)"),
        "{said}"
    );
}

#[test]
fn a_person_who_types_no_password_has_declined() {
    let sandbox = sandbox();
    generate(&sandbox, "release", PASSWORD);
    let answers = [nothing("password of release.key: ")];
    let Some(said) = run(
        &sandbox,
        &answers,
        &["sign", "--key=release.key", "app.txt"],
    ) else {
        return;
    };
    assert!(!said.is_success());
    assert!(said.text.contains("error: no password was typed"), "{said}");
}

#[test]
fn a_variable_is_asked_before_the_person() {
    let Some(python) = need("python3") else {
        return;
    };
    let sandbox = sandbox();
    generate(&sandbox, "release", PASSWORD);
    let sign = ["sign", "--key=release.key", "app.txt"];
    let environment = [("COSIGN_PASSWORD", PASSWORD)];
    let said = terminal::run(&sandbox, &python, &[], &environment, &sign);
    said.expect_success("sign");
    assert!(!said.text.contains("password"), "{said}");
}

#[test]
fn the_profile_may_say_what_to_ask() {
    let sandbox = sandbox();
    generate(&sandbox, "release", PASSWORD);
    profile(
        &sandbox,
        ", password = { prompt = \"The word of the week\" }",
    );
    let answers = [password("The word of the week: ", PASSWORD)];
    let Some(said) = run(&sandbox, &answers, &["sign", "app.txt"]) else {
        return;
    };
    said.expect_success("sign");
}

#[test]
fn changing_a_password_asks_for_the_old_one_and_twice_for_the_new_one() {
    let sandbox = sandbox();
    generate(&sandbox, "release", PASSWORD);
    let answers = [
        password("password of release.key: ", PASSWORD),
        password("new password of release.key: ", "other"),
        password("new password of release.key (again): ", "other"),
    ];
    let Some(said) = run(
        &sandbox,
        &answers,
        &["key", "change-password", "release.key"],
    ) else {
        return;
    };
    said.expect_success("change-password");
    sign(&sandbox, "release.key")
        .env("SIGTOOL_PASSWORD", "other")
        .assert()
        .success();
}

#[test]
fn a_key_that_is_refused_a_new_password_keeps_the_old_one() {
    let sandbox = sandbox();
    generate(&sandbox, "release", PASSWORD);
    let before = read(&sandbox, "release.key");
    let answers = [
        password("password of release.key: ", PASSWORD),
        nothing("new password of release.key: "),
    ];
    let Some(said) = run(
        &sandbox,
        &answers,
        &["key", "change-password", "release.key"],
    ) else {
        return;
    };
    assert!(!said.is_success());
    assert_eq!(read(&sandbox, "release.key"), before);
}

#[test]
fn init_asks_before_it_makes_anything_and_then_for_the_password() {
    let sandbox = sandbox();
    let answers = [line("[y/N]", "n")];
    let Some(said) = run(&sandbox, &answers, &["init"]) else {
        return;
    };
    assert_eq!(said.code, Some(130), "{said}");
    assert!(!sandbox.config().exists());
    let answers = [
        line("[y/N]", "y"),
        password("new password of", PASSWORD),
        password("(again)", PASSWORD),
    ];
    run(&sandbox, &answers, &["init"])
        .unwrap()
        .expect_success("init");
    sandbox
        .sigtool()
        .args(["sign", "app.txt"])
        .env("SIGTOOL_PASSWORD", PASSWORD)
        .assert()
        .success();
}

#[test]
fn a_person_is_asked_on_the_terminal_also_where_standard_input_is_a_pipe() {
    let Some(python) = need("python3") else {
        return;
    };
    let sandbox = sandbox();
    generate(&sandbox, "release", PASSWORD);
    let question = "password of release.key (standard input is not read for it): ";
    for line in [
        "cat app.txt | sigtool sign --key release.key --bundle out.json -",
        "ls app.txt | sigtool sign --key release.key --from-file -",
        "echo badword | sigtool sign --key release.key app.txt",
        "sigtool sign --key release.key app.txt < app.txt",
    ] {
        let answers = [password(question, PASSWORD)];
        let shell = "/bin/sh".as_ref();
        let said = terminal::run_in_shell(&sandbox, &python, shell, &answers, line);
        said.expect_success(line);
        assert!(!said.text.contains(PASSWORD), "{said}");
    }
}

#[test]
fn in_ci_nobody_is_asked_even_on_a_terminal() {
    let Some(python) = need("python3") else {
        return;
    };
    let sandbox = sandbox();
    generate(&sandbox, "release", PASSWORD);
    for (arguments, code) in [
        (&["sign", "--key=release.key", "app.txt"][..], 3),
        (&["init"], 2),
    ] {
        let environment = [("CI", "true")];
        let said = terminal::run(&sandbox, &python, &[], &environment, arguments);
        assert_eq!(said.code, Some(code), "{said}");
        assert!(said.text.contains("in CI nobody is asked"), "{said}");
    }
}

#[test]
fn a_prompt_ends_with_the_timeout() {
    let Some(_) = need("openssl") else { return };
    let sandbox = sandbox();
    // Which password fits is found in no time, unlike with a key of cosign's.
    p256_key(&sandbox.work().join("quick.pem"), Some(PASSWORD));
    let sign = ["sign", "--timeout=3s", "--key=quick.pem", "app.txt"];
    let Some(said) = run(&sandbox, &[], &sign) else {
        return;
    };
    assert_eq!(said.code, Some(3), "{said}");
    let why = "nothing came from the terminal within 3s";
    assert!(said.text.contains(why), "{said}");
}

#[test]
fn after_control_z_the_password_is_asked_again_and_not_shown() {
    let (Some(python), Some(bash)) = (need("python3"), need("bash")) else {
        return;
    };
    let sandbox = sandbox();
    generate(&sandbox, "release", PASSWORD);
    let question = "password of release.key: ";
    // As an interactive shell does, the line makes the terminal show again what is typed.
    let line = "set -m; sigtool sign --key release.key app.txt; stty echo; echo STOPPED; fg";
    let answers = [
        stop(question, "badword\u{1a}"),
        password(question, PASSWORD),
    ];
    let said = terminal::run_in_shell(&sandbox, &python, &bash, &answers, line);
    said.expect_success("sign");
    assert!(said.text.contains("STOPPED"), "{said}");
    assert_eq!(said.text.matches(question).count(), 2, "{said}");
    assert!(said.text.contains("signed app.txt"), "{said}");
    for typed in [PASSWORD, "badword"] {
        assert!(!said.text.contains(typed), "{said}");
    }
}
