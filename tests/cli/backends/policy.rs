//! What nobody overrides: the machine's policy, what a project's file may not choose, `--offline`.

use super::{C_SIGNER, sandbox, with_c_signer};
use sigtool_tests::Sandbox;
use sigtool_tests::rogues::{self, ARTIFACT, Built, ID};
use snapbox::cmd::OutputAssert;
use snapbox::str;
use std::fs;

/// Runs sigtool on a machine with this `policy.toml`.
fn under(policy: &str, sandbox: &Sandbox, words: &[&str]) -> OutputAssert {
    let etc = sandbox.root().join("etc");
    fs::create_dir_all(&etc).unwrap();
    fs::write(etc.join("policy.toml"), policy).unwrap();
    let sigtool = sandbox.sigtool().env("SIGTOOL_TEST_ETC", etc);
    sandbox.seen(sigtool.args(words))
}

const OWN_ONLY: &str = "backends = [\"cosign-key\", \"local-stage\"]\n";

#[test]
fn a_backend_that_the_policy_does_not_list_is_not_used() {
    let (sandbox, _) = with_c_signer();
    under(OWN_ONLY, &sandbox, &["sign", "-p", "c", "app.txt"])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: the policy of this machine does not allow the backend `dev.example.c-signer`
 --> [ROOT]/etc/policy.toml:1:12
  |
1 | backends = ["cosign-key", "local-stage"]
  |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ the allowed backends
  hint: ask the administrator of this machine, who keeps that file

"#]]);
    under(OWN_ONLY, &sandbox, &["backend", "check", C_SIGNER])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: the policy of this machine does not allow the backend `dev.example.c-signer`
  caused by: it allows cosign-key, local-stage
  hint: ask the administrator of this machine, who keeps /etc/sigtool/policy.toml

"#]]);
    let with_c = "backends = [\"dev.example.c-signer\", \"local-stage\"]\n";
    under(with_c, &sandbox, &["sign", "-p", "c", "app.txt"]).success();
    // It can leave out sigtool's own too.
    under(with_c, &sandbox, &["sign", "--key", "c.key", "app.txt"])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: the policy of this machine does not allow the backend `cosign-key`
  caused by: it allows dev.example.c-signer, local-stage
  hint: ask the administrator of this machine, who keeps /etc/sigtool/policy.toml

"#]]);
}

#[test]
fn a_scheme_does_not_lead_around_the_policy() {
    let sandbox = sandbox();
    let backend = rogues::find("honest", Built::Python).place(&sandbox);
    let manifest = backend.with_file_name("rogue-honest.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(
        &manifest,
        text.replace("kinds =", "schemes = [\"rogue\"]\nkinds ="),
    )
    .unwrap();
    sandbox.pin(&backend);
    sandbox.write("artifact.txt", ARTIFACT);
    under(
        OWN_ONLY,
        &sandbox,
        &["sign", "--key", "rogue:1", "artifact.txt"],
    )
    .code(3)
    .stdout_eq("")
    .stderr_eq(str![[r#"
error: the policy of this machine does not allow the backend `dev.example.rogue`
  caused by: it allows cosign-key, local-stage
  hint: ask the administrator of this machine, who keeps /etc/sigtool/policy.toml

"#]]);
}

#[test]
fn the_policy_puts_backends_of_others_into_a_process_of_their_own() {
    let (sandbox, _) = with_c_signer();
    let config = fs::read_to_string(sandbox.config()).unwrap();
    sandbox.write_config(&config.replace("sha256 =", "isolation = \"in-process\"\nsha256 ="));
    let place = |policy: &str| {
        let seen = under(policy, &sandbox, &["sign", "-v", "-p", "c", "app.txt"]).success();
        let debug = String::from_utf8_lossy(&seen.get_output().stderr).into_owned();
        let line = debug
            .lines()
            .find(|line| line.contains(".so (") && line.contains(C_SIGNER));
        let line = line.unwrap_or_else(|| panic!("{debug}"));
        line[line.rfind('(').unwrap()..].to_owned()
    };
    assert_eq!(place(""), "(in-process)");
    let isolate = "isolation = \"process\"\n";
    assert_eq!(place(isolate), "(process)");
    under(isolate, &sandbox, &["backend", "show", C_SIGNER])
        .success()
        .stdout_eq(str![[r#"
...
runs         in a process of its own
...
"#]]);
    let check = ["backend", "check", "--isolation", "in-process", C_SIGNER];
    under(isolate, &sandbox, &check).code(3).stderr_eq(str![[r#"
warning: the backend `dev.example.c-signer` runs in a process of its own: [ROOT]/etc/policy.toml:1 demands it, against ~/.config/sigtool/config.toml:1
error: the policy of this machine does not allow `dev.example.c-signer` in sigtool's own process

"#]]);
}

#[test]
fn a_projects_file_may_not_choose_where_a_backend_runs() {
    let (sandbox, _) = with_c_signer();
    let project = format!("[backend.\"{C_SIGNER}\"]\nisolation = \"in-process\"\n");
    sandbox.write(".sigtool.toml", project);
    sandbox
        .seen(sandbox.sigtool().args(["sign", "-p", "c", "app.txt"]))
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: a project's file may not set `backend`
  caused by: a clone must not bring in code
 --> [ROOT]/here/.sigtool.toml:1:2
  |
1 | [backend."dev.example.c-signer"]
  |  ^^^^^^^ not here
  hint: put it in your own file, ~/.config/sigtool/config.toml, if you mean it

"#]]);
}

#[test]
fn offline_a_backend_that_declares_the_network_is_not_started() {
    let sandbox = sandbox();
    let backend = rogues::find("honest", Built::Python).place(&sandbox);
    let manifest = backend.with_file_name("rogue-honest.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text + "[permissions]\nnetwork = true\n").unwrap();
    sandbox.pin(&backend);
    sandbox.append_config(&format!(
        "[profile.rogue]\nsigner = {{ backend = \"{ID}\" }}\n"
    ));
    sandbox.write("artifact.txt", ARTIFACT);
    let sign = |flags: &[&str]| {
        let sign = sandbox
            .sigtool()
            .args(["sign", "-p", "rogue", "artifact.txt"]);
        sandbox.seen(sign.args(flags))
    };
    sign(&["--offline"])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: the backend `dev.example.rogue` needs the network, and `--offline` is set

"#]]);
    sign(&[]).success();
}

#[test]
fn offline_a_backend_that_needs_no_network_works() {
    let (sandbox, _) = with_c_signer();
    let sign = ["sign", "--offline", "-p", "c", "app.txt"];
    sandbox.seen(sandbox.sigtool().args(sign)).success();
}
