//! `sigtool backend check`: the contract suite of the SDK. Every backend keeps it, in both places alike.

use super::{C_SIGNER, add_python_signer, sandbox, with_c_signer};
use serde_json::Value;
use sigtool_tests::registry::Registry;
use sigtool_tests::rogues::{self, Built};
use sigtool_tests::{Sandbox, foreign};
use snapbox::str;
use std::path::Path;

/// Runs the suite in a place, and gives each promise with what became of it.
fn outcomes(
    sandbox: &Sandbox,
    backend: &Path,
    place: &str,
    flags: &[&str],
) -> Vec<(String, String)> {
    let check =
        sandbox
            .sigtool()
            .args(["backend", "check", "--format", "json", "--isolation", place]);
    let output = check.arg(backend).args(flags).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let rows: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {said}"));
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let rows: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (text(row, "promise"), text(row, "result"), text(row, "why")))
        .collect();
    for (promise, result, why) in &rows {
        assert_ne!(
            result,
            "failed",
            "{} ({place}): {promise}: {why}",
            backend.display()
        );
    }
    assert_eq!(output.status.code(), Some(0), "{said}");
    rows.into_iter()
        .map(|(promise, result, _)| (promise, result))
        .collect()
}

/// The suite passes in both places with the same results, and at least `tested` promises are tested.
fn keeps_the_contract(sandbox: &Sandbox, backend: &Path, flags: &[&str], tested: usize) {
    let isolated = outcomes(sandbox, backend, "process", flags);
    assert_eq!(isolated, outcomes(sandbox, backend, "in-process", flags));
    assert!(passed(&isolated) >= tested, "{isolated:#?}");
}

fn passed(outcomes: &[(String, String)]) -> usize {
    outcomes
        .iter()
        .filter(|(_, result)| result == "passed")
        .count()
}

#[test]
fn cosign_key_keeps_the_contract() {
    keeps_the_contract(&sandbox(), Path::new("cosign-key"), &[], 20);
}

#[test]
fn local_stage_keeps_the_contract() {
    keeps_the_contract(&sandbox(), Path::new("local-stage"), &[], 15);
}

#[test]
fn oci_keeps_the_contract_with_and_without_lists_of_referrers() {
    for registry in [Registry::docker(), Registry::olareg(&["--api-delete"])] {
        let Some(registry) = registry else { return };
        let (sandbox, host) = (sandbox(), registry.host().to_owned());
        let digest = registry.push_image("contract/app", "1", "contract");
        sandbox.write(
            "check.toml",
            format!(
                "[artifact]\nreference = \"{host}/contract/app@{digest}\"\ndigests = [\"{digest}\"]\nmissing = \"{host}/contract/app:none\"\n"
            ),
        );
        keeps_the_contract(&sandbox, Path::new("oci"), &["--with", "check.toml"], 15);
    }
}

#[test]
fn a_source_that_serves_no_files_needs_an_artifact_to_be_tested_with() {
    let sandbox = sandbox();
    let check = sandbox.sigtool().args(["backend", "check", "oci"]);
    let output = sandbox.seen(check).success().stderr_eq(str![[r#"
note: `oci` serves no files: name something that nobody has signed with `--with FILE`, which holds `[artifact]` with `reference`, `digests` and `missing`
`oci` (sigtool's own, process): 11 promises kept, 0 broken, 8 not tested

"#]]);
    let said = String::from_utf8_lossy(&output.get_output().stdout).into_owned();
    assert!(
        said.contains("skipped  signatures_can_be_put_replaced_and_removed"),
        "{said}"
    );
}

#[test]
fn the_signer_in_c_keeps_the_contract() {
    let (sandbox, _) = with_c_signer();
    foreign::p256_key(&sandbox.work().join("locked.key"), Some("a password for c"));
    sandbox.write(
        "check.toml",
        "[signer]\nkey = \"locked.key\"\n[secrets]\npassword = \"a password for c\"\n",
    );
    keeps_the_contract(&sandbox, Path::new(C_SIGNER), &["--with", "check.toml"], 18);
}

#[test]
fn the_signer_in_python_keeps_the_contract() {
    let sandbox = sandbox();
    let backend = add_python_signer(&sandbox);
    sandbox.write("check.toml", "[signer]\nkey = \"python.key\"\n");
    // An executable has a process of its own wherever it should run, as the source in shell shows.
    let outcomes = outcomes(&sandbox, &backend, "process", &["--with", "check.toml"]);
    assert!(passed(&outcomes) >= 16, "{outcomes:#?}");
}

#[test]
fn the_source_in_shell_keeps_the_contract() {
    let sandbox = sandbox();
    let backend = sandbox.place(&foreign::sh_source());
    keeps_the_contract(&sandbox, &backend, &[], 12);
}

#[test]
fn a_signer_that_makes_no_keys_needs_one_to_be_tested_with() {
    let (sandbox, _) = with_c_signer();
    sandbox
        .seen(sandbox.sigtool().args(["backend", "check", C_SIGNER]))
        .success()
        .stderr_eq(str![[r#"
note: `dev.example.c-signer` makes no keys, so its signatures are not tested: name one with `--with FILE`, which holds `[signer]` and its settings
`dev.example.c-signer` (third-party, process): 11 promises kept, 0 broken, 10 not tested

"#]])
        .stdout_eq(str![[r#"
passed   describe_equals_the_manifest
passed   describe_is_the_same_twice
passed   an_unknown_operation_is_unsupported
passed   a_malformed_request_is_an_error_and_no_death
passed   unknown_fields_are_ignored
passed   a_wrong_handle_is_refused
skipped  a_handle_of_another_kind_is_refused: there are no settings to open any of its kinds with
passed   a_kind_that_is_not_served_is_unsupported
passed   wrong_settings_are_told_as_such
passed   a_reply_names_its_request
passed   several_calls_run_at_once
passed   many_instances_come_and_go
skipped  the_public_key_is_the_same_twice: there are no settings with which it signs
skipped  a_signature_verifies_with_the_announced_key: there are no settings with which it signs
skipped  a_signature_is_for_one_digest_only: there are no settings with which it signs
skipped  an_unknown_key_is_not_found: there are no settings with which it signs
skipped  a_digest_of_another_algorithm_is_refused: there are no settings with which it signs
skipped  a_payload_is_checked_against_its_digest: there are no settings with which it signs
skipped  a_declined_secret_is_told_as_declined: there are no settings with which it signs
skipped  no_secret_is_said_again: there are no settings with which it signs
skipped  keys_are_listed_if_the_manifest_says_so: there are no settings with which it signs

"#]]);
}

#[test]
fn a_broken_promise_is_told_and_refused() {
    let sandbox = sandbox();
    let backend = rogues::find("signs-something-else", Built::C).place(&sandbox);
    sandbox.write(
        "check.toml",
        "[signer]\n[secrets]\npassword = \"a password\"\n",
    );
    let check = sandbox
        .sigtool()
        .args(["backend", "check", "--with", "check.toml"]);
    sandbox
        .seen(check.arg(backend))
        .code(1)
        .stderr_eq(str![[r#"
`dev.example.rogue` (third-party, process): [..] promises kept, [..] broken, [..] not tested

"#]])
        .stdout_eq(str![[r#"
passed   describe_equals_the_manifest
...
failed   a_signature_verifies_with_the_announced_key: the signature of `signer.sign`: expected one that verifies with the key it comes with, found one that does not; this is for the author of `dev.example.rogue` to change
...
"#]]);
}

#[test]
fn what_is_wrong_with_the_settings_of_a_check_is_told_without_its_secrets() {
    let sandbox = sandbox();
    let said = |file: &str| {
        let check = sandbox.sigtool().args(["backend", "check", "--with"]);
        let output = check.args([file, "cosign-key"]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{file}");
        String::from_utf8(output.stderr).unwrap()
    };
    for (secrets, why) in [
        ("password = hunter2", "line 4: string values must be quoted"),
        ("password = 'hunter2", "line 4: "),
        (
            "password = 1234567",
            "line 4: a secret is a text, in quotes",
        ),
        (
            "[secrets.hunter2]\n",
            "line 4: a secret is a text, in quotes",
        ),
    ] {
        let text = format!("[signer]\nkey = 'x'\n[secrets]\n{secrets}\n");
        sandbox.write("check.toml", &text);
        let said = said("check.toml");
        assert!(said.contains(why), "{secrets}: {said}");
        let secret = secrets.contains("1234567").then_some("1234567");
        assert!(!said.contains(secret.unwrap_or("hunter2")), "{said}");
    }
    for (file, why) in [
        (".", "it is a folder, expected a regular file"),
        (
            "/dev/zero",
            "it is a character device, expected a regular file",
        ),
    ] {
        let said = said(file);
        assert!(said.contains(why), "{file}: {said}");
    }
}

#[test]
fn a_backend_that_does_not_start_is_the_first_thing_to_say() {
    let sandbox = sandbox();
    let backend = rogues::find("aborts-at-load", Built::C).place(&sandbox);
    sandbox
        .seen(sandbox.sigtool().args(["backend", "check"]).arg(backend))
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: the backend `dev.example.rogue` failed in `start`
  caused by: the backend was ended by signal 6 (abort) before it said hello
  hint: this is for the backend's author to mend

"#]]);
}
