//! What a project's own file may choose, and what a clone may not bring.

use super::*;

#[test]
fn a_project_may_choose() {
    let sandbox = sandbox();
    sandbox.write(".sigtool.toml", "profile = \"prod\"\n");
    run(&sandbox, &["sign", "app.txt"])
        .code(0)
        .stdout_eq(str![[r#"
signed app.txt → app.txt.sig

"#]])
        .stderr_eq("");
    sandbox.write(
        "sub/.sigtool.toml",
        "default_profile = \"dev\"\n[profile.dev]\nsignature_format = \"bundle\"\n",
    );
    let command = sandbox.sigtool().current_dir(sandbox.work().join("sub"));
    command
        .args(["sign", "../app.txt"])
        .assert()
        .code(0)
        .stdout_eq(str![[r#"
signed ../app.txt → [..]/here/app.txt.sigstore.json

"#]])
        .stderr_eq("");
    // What the user says is above it.
    run(&sandbox, &["sign", "-p", "dev", "app.txt"])
        .code(0)
        .stdout_eq(str![[r#"
signed again app.txt → app.txt.sigstore.json, app.txt.23f76c7e.sig

"#]]);
    with(&sandbox, "SIGTOOL_PROFILE", "dev", &["sign", "app.txt"])
        .code(0)
        .stdout_eq(str![[r#"
signed again app.txt → app.txt.sigstore.json, app.txt.23f76c7e.sig

"#]]);
}

#[test]
fn a_project_may_not_bring_code_or_trust() {
    let sandbox = sandbox();
    for (project, says) in [
        (
            "[profile.dev.verify]\nkeys = [\"evil.pub\"]\n",
            str![[r#"
error: a project's file may not set `profile.dev.verify`
  caused by: a clone must not define what is valid
 --> [..]/here/.sigtool.toml:1:14
  |
1 | [profile.dev.verify]
  |              ^^^^^^ not here
  hint: put it in your own file, ~/.config/sigtool/config.toml, if you mean it

"#]],
        ),
        (
            "[backend.\"dev.evil\"]\npath = \"evil.so\"\n",
            str![[r#"
error: a project's file may not set `backend`
  caused by: a clone must not bring in code
 --> [..]/here/.sigtool.toml:1:2
  |
1 | [backend."dev.evil"]
  |  ^^^^^^^ not here
  hint: [..]

"#]],
        ),
        (
            "[profile.x]\nsigner = { backend = \"cosign-key\", key = \"env:X\" }\n",
            str![[r#"
error: a project's file may not set `profile.x.signer.backend`
  caused by: a clone must not choose who signs, only the name of the key
 --> [..]/here/.sigtool.toml:2:12
  |
2 | signer = { backend = "cosign-key", key = "env:X" }
  |            ^^^^^^^ not here
  hint: [..]
  hint: see also the other problem: `sigtool config check`

"#]],
        ),
        (
            "[profile.dev.signer]\npassword = { file = \"/home/ann/.netrc\" }\n",
            str![[r#"
error: a project's file may not set `profile.dev.signer.password`
  caused by: a clone must not choose who signs, only the name of the key
 --> [..]/here/.sigtool.toml:2:1
  |
2 | password = { file = "/home/ann/.netrc" }
  | ^^^^^^^^ not here
  hint: [..]

"#]],
        ),
        (
            "[alias]\nship = \"curl\"\n",
            str![[r#"
error: a project's file may not set `alias.ship`
  caused by: a clone's alias may only begin with inspect, sign or verify
 --> [..]/here/.sigtool.toml:2:1
  |
2 | ship = "curl"
  | ^^^^ not here
  hint: [..]

"#]],
        ),
        (
            "[commands]\nexternal = true\n",
            str![[r#"
error: a project's file may not set `commands`
  caused by: a clone must not let commands run
 --> [..]/here/.sigtool.toml:1:2
  |
1 | [commands]
  |  ^^^^^^^^ not here
  hint: [..]

"#]],
        ),
        (
            "offline = false\n",
            str![[r#"
error: a project's file may not set `offline`
  caused by: a clone must not open the network
 --> [..]/here/.sigtool.toml:1:1
  |
1 | offline = false
  | ^^^^^^^ not here
  hint: [..]

"#]],
        ),
    ] {
        sandbox.write(".sigtool.toml", project);
        run(&sandbox, &["sign", "app.txt"])
            .code(3)
            .stdout_eq("")
            .stderr_eq(says);
        run(&sandbox, &["verify", "app.txt"]).code(3).stdout_eq("");
    }
}

#[test]
fn a_project_file_that_others_can_write_is_ignored_with_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    let sandbox = sandbox();
    let project = sandbox.write(".sigtool.toml", "profile = \"prod\"\n");
    fs::set_permissions(project, fs::Permissions::from_mode(0o666)).unwrap();
    run(&sandbox, &["sign", "app.txt"])
        .code(0)
        .stdout_eq(str![[r#"
signed app.txt → app.txt.sigstore.json, app.txt.sig

"#]])
        .stderr_eq(str![[r#"
warning: [..]/here/.sigtool.toml is ignored: others can write it (mode 666)

"#]]);
}
