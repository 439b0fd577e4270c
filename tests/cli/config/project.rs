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
        .stderr_eq(str![[r#"
warning: the profile `prod` is used, because the project's file says so ([..]/here/.sigtool.toml:1)

"#]]);
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
        .stderr_eq(str![[r#"
warning: signatures are written with `signature_format = "bundle"`, because the project's file says so ([..]/here/sub/.sigtool.toml:3)

"#]]);
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
error: a project's file may not set `profile.x.signer`
  caused by: a clone must not name keys, secrets or services, only one of your profiles
 --> [..]/here/.sigtool.toml:2:1
  |
2 | signer = { backend = "cosign-key", key = "env:X" }
  | ^^^^^^ not here
  hint: [..]

"#]],
        ),
        (
            "[alias]\nship = \"curl\"\n",
            str![[r#"
error: a project's file may not set `alias.ship`
  caused by: a clone's alias may only begin with inspect, overview or verify: it must not sign, make or change anything
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

/// "For everything but signing what it says of profiles does not count" (SECURITY.md).
#[test]
fn whose_signatures_count_is_not_a_projects_to_choose() {
    let sandbox = strict();
    for (project, own) in [
        ("profile = \"lax\"\n", "lax"),
        ("[profile.mine]\ninherits = \"lax\"\n[profile]\n", ""),
        (
            "default_profile = \"mine\"\n[profile.mine]\ninherits = \"lax\"\n",
            "lax",
        ),
    ] {
        sandbox.write(".sigtool.toml", project);
        for format in ["text", "json"] {
            let arguments = ["verify", "--quiet", "--format", format, "app.txt"];
            let output = run(&sandbox, &arguments).code(1);
            let stderr = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
            assert!(stderr.contains("error: refused `app.txt`"), "{stderr}");
            assert_eq!(
                stderr.contains("`--profile lax` would use it"),
                !own.is_empty(),
                "{project}: {stderr}"
            );
        }
    }
    run(&sandbox, &["verify", "--profile", "lax", "app.txt"]).code(0);
    // Nor is one of its own, by whatever name it is asked for.
    run(&sandbox, &["verify", "--profile", "mine", "app.txt"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: there is no profile `mine` of yours
  caused by: the project's file makes one ([..]/here/.sigtool.toml:2), and that counts for `sign` only
  hint: name the one of yours that is meant: `--profile lax`?

"#]]);
    with(&sandbox, "SIGTOOL_PROFILE", "mine", &["verify", "app.txt"]).code(3);
}

#[test]
fn a_default_profile_that_a_project_makes_is_its_choice() {
    let sandbox = strict();
    let config = config(&sandbox).replace("default_profile = \"strict\"\n", "");
    sandbox.write_config(&config.replace("WORK", &sandbox.work().display().to_string()));
    sandbox.write(".sigtool.toml", "[profile.default]\ninherits = \"lax\"\n");
    run(&sandbox, &["verify", "app.txt"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: verifying needs a policy: whose signatures count?
  caused by: no profile is in use
  hint: name a public key: sigtool verify --key release.pub ARTIFACT
  hint: or put it in a profile: [profile.NAME.verify] keys = ["release.pub"]
  hint: the project's file chooses the profile `default` ([..]/here/.sigtool.toml:1), which counts for `sign` only; `--profile lax` would use it

"#]]);
    run(&sandbox, &["sign", "--quiet", "app.txt"])
        .code(0)
        .stderr_eq(str![[r#"
warning: the profile `default` is used, because the project's file says so ([..]/here/.sigtool.toml:1)
warning: the profile `default` is your `lax`, because the project's file says so ([..]/here/.sigtool.toml:2)

"#]]);
}

#[test]
fn keys_are_shown_and_changed_as_the_user_has_them() {
    let sandbox = strict();
    let shown = |arguments: &[&str]| {
        let output = run(&sandbox, arguments).code(0);
        String::from_utf8_lossy(&output.get_output().stdout).into_owned()
    };
    let before = shown(&["key", "export-public"]);
    sandbox.write(".sigtool.toml", "profile = \"lax\"\n");
    assert_eq!(shown(&["key", "export-public"]), before);
    assert_ne!(shown(&["key", "export-public", "--profile", "lax"]), before);
}

#[test]
fn what_a_project_chose_of_a_signature_is_told_to_programs_too() {
    let sandbox = strict();
    sandbox.write(
        ".sigtool.toml",
        "default_profile = \"lax\"\n[profile.lax]\nsignature_format = \"both\"\n",
    );
    let arguments = ["sign", "--format", "json", "--quiet", "app.txt"];
    let output = run(&sandbox, &arguments).code(0);
    let rows: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    let place = |line: usize| format!("{}/.sigtool.toml:{line}", sandbox.work().display());
    let why = "because the project's file says so";
    assert_eq!(
        rows[0]["notes"],
        json!([
            format!("the profile `lax` is used, {why} ({})", place(1)),
            format!(
                "signatures are written with `signature_format = \"both\"`, {why} ({})",
                place(3)
            ),
        ])
    );
    // What the command line says, the project does not.
    let arguments = ["sign", "-q", "-p", "lax", "--signature-format", "bundle"];
    run(&sandbox, &[&arguments[..], &["app.txt"]].concat())
        .code(0)
        .stderr_eq("");
}

#[test]
fn what_a_projects_alias_stands_for_is_told() {
    let sandbox = strict();
    sandbox.write(
        ".sigtool.toml",
        "[alias]\ncheck = [\"verify\", \"app.txt\"]\n",
    );
    let told = str![[r#"
warning: `check` runs `sigtool -q verify app.txt`, because the project's file says so ([..]/here/.sigtool.toml:2)
error: refused `app.txt`
...
"#]];
    run(&sandbox, &["-q", "check"]).code(1).stderr_eq(told);
    // An alias of the user's that stands for it is told of too.
    sandbox.append_config("[alias]\nall = [\"check\"]\n");
    run(&sandbox, &["all", "-p", "lax"])
        .code(0)
        .stderr_eq(str![[r#"
warning: `all` runs `sigtool verify app.txt -p lax`, because the project's file says so ([..]/here/.sigtool.toml:2)

"#]]);
}

/// A file signed by the key of `lax`, while the profile in use trusts another one.
fn strict() -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sigtool"));
    keys::put(&sandbox);
    sandbox.write("app.txt", "an app\n");
    let work = sandbox.work().display().to_string();
    sandbox.write_config(&STRICT.replace("WORK", &work));
    run(&sandbox, &["sign", "-q", "-p", "lax", "app.txt"]).code(0);
    sandbox
}

const STRICT: &str = r#"default_profile = "strict"
[profile.lax]
signer = { backend = "cosign-key", key = "WORK/a.key" }
verify.keys = ["WORK/a.pub"]
[profile.strict]
signer = { backend = "cosign-key", key = "WORK/ed.key" }
verify.keys = ["WORK/ed.pub"]
"#;
