//! The configuration: which value wins and why, what is refused, profiles, and the policy above all of it.

use serde_json::{Value, json};
use sigtool_tests::{Sandbox, keys};
use snapbox::cmd::{Command, OutputAssert};
use snapbox::str;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_sigtool"))
}

/// sigtool on a machine of its own: only a debug build can be told where `/etc/sigtool` is.
fn sigtool(sandbox: &Sandbox) -> Command {
    let command = sandbox.sigtool();
    if cfg!(debug_assertions) {
        command.env("SIGTOOL_TEST_ETC", sandbox.root().join("etc"))
    } else {
        command
    }
}

fn run(sandbox: &Sandbox, arguments: &[&str]) -> OutputAssert {
    sigtool(sandbox).args(arguments).assert()
}

/// A file below the sandbox's root that its owner alone may write to.
fn put(sandbox: &Sandbox, name: &str, text: &str) -> PathBuf {
    let path = sandbox.root().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    path
}

/// The project's file, in a folder below the home, where sigtool is to run.
fn project(sandbox: &Sandbox, text: &str) -> PathBuf {
    put(sandbox, "home/app/.sigtool.toml", text);
    sandbox.home().join("app")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn json_of(output: OutputAssert) -> Value {
    serde_json::from_slice(&output.get_output().stdout).unwrap()
}

/// Two keys of the user's, and a profile for each; `base` is inherited.
const PROFILES: &str = r#"default_profile = "dev"

[profile.base]
signature_format = "cosign"
signer = { backend = "cosign-key", key = "base.key" }

[profile.dev]
inherits = "base"

[profile.prod]
inherits = "base"
signature_format = "both"
signer.password = { prompt = "Key password" }
"#;

#[cfg(debug_assertions)]
#[test]
fn each_layer_covers_the_one_below_and_explain_shows_them_all() {
    let sandbox = sandbox();
    put(&sandbox, "etc/config.toml", "jobs = 1\n");
    sandbox.write_config("# mine\njobs = 2\n");
    let folder = project(&sandbox, "jobs = 3\n");
    let explain = |arguments: &[&str]| {
        sigtool(&sandbox)
            .current_dir(&folder)
            .env("SIGTOOL_JOBS", "4")
            .args(["--config", "jobs=5", "config", "explain", "jobs"])
            .args(arguments)
            .assert()
            .code(0)
            .stderr_eq("")
    };
    explain(&["--jobs", "6"]).stdout_eq(str![[r#"
jobs = 6  # --jobs
       overrides 1  # [..]/etc/config.toml:1
       overrides 2  # ~/.config/sigtool/config.toml:2
       overrides 3  # ~/app/.sigtool.toml:1
       overrides 4  # SIGTOOL_JOBS
       overrides 5  # --config jobs

"#]]);
    let rows = json_of(explain(&["--format", "json"]));
    assert_eq!(rows[0]["value"], 5);
    assert_eq!(rows[0]["origin"], "--config jobs");
    let overrode = rows[0]["overrode"].as_array().unwrap();
    assert_eq!(overrode.len(), 4);
    assert_eq!(
        overrode[1],
        json!({ "key": "jobs", "value": 2, "origin": "~/.config/sigtool/config.toml:2" })
    );
}

#[test]
fn without_any_file_explain_shows_what_is_built_in() {
    let sandbox = sandbox();
    run(&sandbox, &["config", "explain"])
        .code(0)
        .stdout_eq(str![[r#"
color             = "auto"  # built in
commands.external = true  # built in
format            = "text"  # built in
offline           = false  # built in

"#]])
        .stderr_eq("");
    run(&sandbox, &["config", "explain", "profile.prod"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: nothing is set at `profile.prod`
  hint: see what is set: sigtool config explain

"#]]);
}

#[test]
fn explain_shows_what_a_profile_inherits_and_overrides() {
    let sandbox = sandbox();
    sandbox.write_config(PROFILES);
    run(&sandbox, &["config", "explain", "profile.prod"]).code(0).stdout_eq(str![[r#"
profile.prod.attach                 = false  # built in
profile.prod.inherits               = "base"  # ~/.config/sigtool/config.toml:11
profile.prod.log                    = "off"  # built in
profile.prod.signature_format       = "both"  # ~/.config/sigtool/config.toml:12
                                      overrides "bundle"  # built in
                                      overrides "cosign"  # ~/.config/sigtool/config.toml:4
profile.prod.signer.backend         = "cosign-key"  # ~/.config/sigtool/config.toml:5, inherited from base
profile.prod.signer.key             = "base.key"  # ~/.config/sigtool/config.toml:5, inherited from base
profile.prod.signer.password.prompt = "Key password"  # ~/.config/sigtool/config.toml:13

"#]]).stderr_eq("");
    run(&sandbox, &["--format", "jsonl", "config", "explain", "profile.prod.signature_format"])
        .code(0)
        .stdout_eq(str![[r#"
{"key":"profile.prod.signature_format","value":"both","origin":"~/.config/sigtool/config.toml:12","overrode":[{"key":"profile.prod.signature_format","value":"bundle","origin":"built in"},{"key":"profile.prod.signature_format","value":"cosign","origin":"~/.config/sigtool/config.toml:4"}]}

"#]])
        .stderr_eq("");
}

#[test]
fn another_backend_leaves_no_setting_of_the_old_one_behind() {
    let sandbox = sandbox();
    sandbox.write_config(PROFILES);
    let vault = r#"profile.base.signer={ backend = "vault", mount = "transit" }"#;
    run(
        &sandbox,
        &[
            "--config",
            vault,
            "config",
            "explain",
            "profile.base.signer",
        ],
    )
    .code(0)
    .stdout_eq(str![])
    .stderr_eq("");
}

#[test]
fn a_right_configuration_is_said_to_be_right() {
    let sandbox = sandbox();
    sandbox.write_config(PROFILES);
    run(&sandbox, &["config", "check"])
        .code(0)
        .stdout_eq("")
        .stderr_eq(str![[r#"
the configuration is right

"#]]);
    run(&sandbox, &["--format", "json", "config", "check"])
        .code(0)
        .stdout_eq(str![[r#"
[]

"#]]);
}

#[test]
fn check_tells_every_problem_with_its_line() {
    let sandbox = sandbox();
    sandbox.write_config(
        "jobs = 0\nformt = \"json\"\n\n[profile.prod]\ninherits = \"bas\"\n\n[profile.base]\natach = true\n",
    );
    run(&sandbox, &["config", "check"])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![]);
    let problems = json_of(run(&sandbox, &["--format", "json", "config", "check"]).code(3));
    let lines: Vec<_> = problems
        .as_array()
        .unwrap()
        .iter()
        .map(|p| &p["line"])
        .collect();
    assert_eq!(lines, [1, 2, 5, 8]);
    assert_eq!(problems[1]["file"], "~/.config/sigtool/config.toml");
}

#[test]
fn a_command_shows_the_first_problem_and_where_the_others_are() {
    let sandbox = sandbox();
    sandbox.write_config("jobs = 0\nformt = \"json\"\n");
    run(&sandbox, &["sign", "app.txt"])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![]);
}

#[test]
fn path_lists_the_files_and_what_became_of_them() {
    let sandbox = sandbox();
    sandbox.write_config("jobs = 2\n");
    let folder = project(&sandbox, "nonsense = 1\n");
    let path = |arguments: &[&str]| {
        sigtool(&sandbox)
            .current_dir(&folder)
            .args(arguments)
            .args(["config", "path"])
            .assert()
    };
    path(&[])
        .code(0)
        .stdout_eq(str![[r#"
system   missing  [..]/etc/config.toml
user     read     [..]/home/.config/sigtool/config.toml
project  wrong    [..]/home/app/.sigtool.toml
policy   missing  [..]/etc/policy.toml

"#]])
        .stderr_eq("");
    let rows = json_of(path(&["--format", "json"]).code(0));
    let user = json!({ "layer": "user", "path": sandbox.config(), "state": "read" });
    assert!(rows.as_array().unwrap().contains(&user), "{rows}");
}

#[test]
fn set_changes_one_value_and_keeps_comments() {
    let sandbox = sandbox();
    sandbox.write_config(
        "# mine\njobs = 2 # not too many\n\n# profiles\n[profile.prod]\nattach = false\n",
    );
    run(&sandbox, &["config", "set", "jobs", "8"])
        .code(0)
        .stdout_eq(str![[r#"
set `jobs` in ~/.config/sigtool/config.toml

"#]])
        .stderr_eq("");
    run(&sandbox, &["config", "set", "jobs", "8"])
        .code(0)
        .stdout_eq(str![[r#"
`jobs` was so already in ~/.config/sigtool/config.toml

"#]])
        .stderr_eq("");
    run(
        &sandbox,
        &["config", "set", "profile.prod.signature_format", "both"],
    )
    .code(0);
    let set = ["--format", "json", "config", "set", "profile", "prod"];
    assert_eq!(
        json_of(run(&sandbox, &set).code(0)),
        json!({ "key": "profile", "changed": true, "file": sandbox.config() })
    );
    snapbox::assert_data_eq!(
        fs::read_to_string(sandbox.config()).unwrap(),
        str![[r##"
# mine
jobs = 8 # not too many
default_profile = "prod"

# profiles
[profile.prod]
attach = false
signature_format = "both"

"##]]
    );
}

#[test]
fn set_refuses_what_is_wrong_and_writes_nothing() {
    let sandbox = sandbox();
    let before = "[profile.prod.signer]\nbackend = \"cosign-key\"\nkey = \"a.key\"\n";
    sandbox.write_config(before);
    let set = |key: &str, value: &str| {
        run(&sandbox, &["config", "set", key, value])
            .code(2)
            .stdout_eq("")
    };
    set("profile.prod.signature_formt", "both").stderr_eq(str![[r#"
error: there is no setting `profile.prod.signature_formt`
  hint: did you mean `signature_format`?
  hint: `signature_format` takes "bundle", "cosign" or "both": how signatures are written

"#]]);
    set("profile.prod.signature_format", "bundel").stderr_eq(str![[r#"
error: `profile.prod.signature_format` cannot be `bundel`: it takes bundle, cosign or both
  hint: did you mean `bundle`?

"#]]);
    set("profile.prod.signer.paswort", "x").stderr_eq(str![[r#"
error: there is no setting `profile.prod.signer.paswort`
  hint: did you mean `password`?

"#]]);
    set("jobs", "many").stderr_eq(str![[r#"
error: `jobs` takes a whole number, this is a string

"#]]);
    set("a..b", "1").stderr_eq(str![[r#"
error: `a..b` is no setting
  hint: a key is written with dots, as in profile.prod.attach

"#]]);
    assert_eq!(fs::read_to_string(sandbox.config()).unwrap(), before);
}

#[test]
fn a_password_is_neither_taken_nor_repeated() {
    let sandbox = sandbox();
    let before = "[profile.prod.signer]\nbackend = \"cosign-key\"\nkey = \"a.key\"\n";
    sandbox.write_config(before);
    let key = "profile.prod.signer.password";
    run(&sandbox, &["config", "set", key, "canary-9f31"]).code(2).stdout_eq("").stderr_eq(str![[r#"
error: `profile.prod.signer.password` is a secret: it takes a reference, this is a string
  hint: say where it is kept: `password = { prompt = "TEXT" }`, or `{ env = "NAME" }`, `{ file = "PATH" }`, `{ keyring = "NAME" }`, `{ secret = "SCHEME://…" }`
  hint: if a real secret stands there, remove it and change it

"#]]);
    assert_eq!(fs::read_to_string(sandbox.config()).unwrap(), before);

    sandbox.append_config("password = \"canary-9f31\"\n");
    run(&sandbox, &["--profile", "prod", "sign", "app.txt"]).code(3).stdout_eq("").stderr_eq(str![[r#"
error: `profile.prod.signer.password` is a secret: it takes a reference, this is a string
 --> ~/.config/sigtool/config.toml:5:12
  |
5 | password = …
  |            ^ a reference belongs here
  hint: say where it is kept: `password = { prompt = "TEXT" }`, or `{ env = "NAME" }`, `{ file = "PATH" }`, `{ keyring = "NAME" }`, `{ secret = "SCHEME://…" }`
  hint: if a real secret stands there, remove it and change it

"#]]);
    for command in [
        &["config", "explain"][..],
        &["config", "check"],
        &["-v", "profile", "show", "prod"],
    ] {
        let output = run(&sandbox, command);
        let output = output.get_output();
        let all = [&output.stdout[..], &output.stderr].concat();
        assert!(
            !text(&all).contains("canary-9f31"),
            "{command:?}: {}",
            text(&all)
        );
    }
}

#[test]
fn a_file_that_is_not_toml_is_shown_at_its_line() {
    let sandbox = sandbox();
    sandbox.write_config("jobs = 2\n[profile.prod\npassword = \"canary-77\"\n");
    run(&sandbox, &["sign", "app.txt"])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: ~/.config/sigtool/config.toml is not valid TOML
  caused by: unclosed table, expected `]`
 --> ~/.config/sigtool/config.toml:2:14
  |
2 | [profile.prod
  |              ^

"#]]);
    run(&sandbox, &["config", "check"])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: ~/.config/sigtool/config.toml is not valid TOML
  caused by: unclosed table, expected `]`
 --> ~/.config/sigtool/config.toml:2:14
  |
2 | [profile.prod
  |              ^
1 problem

"#]]);
    run(&sandbox, &["config", "set", "jobs", "3"])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: ~/.config/sigtool/config.toml is not valid TOML
  caused by: unclosed table, expected `]`
 --> ~/.config/sigtool/config.toml:2:14
  |
2 | [profile.prod
  |              ^

"#]]);
    let path = run(&sandbox, &["config", "path"]).code(0).stderr_eq("");
    assert!(text(&path.get_output().stdout).contains("user     wrong"));
}

#[test]
fn a_mistake_does_not_hinder_its_own_repair() {
    let sandbox = sandbox();
    sandbox.write_config("jobs = 0\n[profile.prod]\nattach = \"yes\"\n");
    run(&sandbox, &["profile", "list"]).code(3);
    run(&sandbox, &["config", "set", "profile.prod.attach", "true"]).code(0);
    run(&sandbox, &["config", "set", "jobs", "2"]).code(0);
    run(&sandbox, &["profile", "list"]).code(0);
    assert_eq!(
        fs::read_to_string(sandbox.config()).unwrap(),
        "jobs = 2\n[profile.prod]\nattach = true\n"
    );
}

#[test]
fn a_project_may_not_say_what_is_valid() {
    let sandbox = sandbox();
    sandbox.write_config(PROFILES);
    let folder = project(&sandbox, "profile = \"prod\"\n");
    fs::write(
        folder.join(".sigtool.toml"),
        "[profile.prod.verify]\nkeys = [\"evil.pub\"]\n",
    )
    .unwrap();
    let verify = || {
        sigtool(&sandbox)
            .current_dir(&folder)
            .args(["verify", "app.txt"])
            .assert()
    };
    verify().code(3).stdout_eq("").stderr_eq(str![[r#"
error: a project's file may not set `profile.prod.verify`
  caused by: a clone must not define what is valid
 --> ~/app/.sigtool.toml:1:15
  |
1 | [profile.prod.verify]
  |               ^^^^^^ not here
  hint: put it in your own file, ~/.config/sigtool/config.toml, if you mean it

"#]]);
}

#[test]
fn a_project_brings_in_neither_code_nor_services_nor_secrets() {
    let sandbox = sandbox();
    sandbox.write_config(&format!("{PROFILES}\n[alias]\nship = \"sign\"\n"));
    for (toml, key, why) in [
        (
            "[backend.\"dev.x\"]\npath = \"x.so\"",
            "backend",
            "bring in code",
        ),
        (
            "[backend.\"dev.x\"]\nisolation = \"in-process\"",
            "backend",
            "bring in code",
        ),
        (
            "[backend.\"dev.x\"]\ngrants = [\"identity-token\"]",
            "backend",
            "bring in code",
        ),
        (
            "[commands]\nexternal = true",
            "commands",
            "let commands run",
        ),
        ("offline = false", "offline", "open the network"),
        (
            "[profile.prod]\ninherits = \"dev\"",
            "profile.prod.inherits",
            "is made of",
        ),
        (
            "[profile.prod]\nlog = \"off\"",
            "profile.prod.log",
            "logged",
        ),
        (
            "[profile.prod.signer]\nbackend = \"vault\"",
            "profile.prod.signer.backend",
            "who signs",
        ),
        (
            "[profile.prod.signer]\npassword = { env = \"X\" }",
            "profile.prod.signer.password",
            "who signs",
        ),
        (
            "[profile.prod.signer]\nkey = \"env:TOKEN\"",
            "profile.prod.signer.key",
            "a variable",
        ),
        (
            "[profile.prod.signer]\nkey = \"vault://a/b\"",
            "profile.prod.signer.key",
            "a service",
        ),
        (
            "[profile.prod.identity]\nbackend = \"ci\"",
            "profile.prod.identity",
            "tokens",
        ),
        (
            "[profile.prod.secret]\nbackend = \"vault\"",
            "profile.prod.secret",
            "secrets",
        ),
        (
            "[profile.prod.timestamp]\nbackend = \"sigstore\"",
            "profile.prod.timestamp",
            "sent to",
        ),
        (
            "[profile.prod.trust]\nbackend = \"sigstore\"",
            "profile.prod.trust",
            "what is valid",
        ),
        (
            "[alias]\nship = \"verify\"",
            "alias.ship",
            "an alias of yours",
        ),
        (
            "[alias]\ngo = \"deploy now\"",
            "alias.go",
            "only begin with",
        ),
        (
            "[alias]\ngo = \"verify --key evil.pub\"",
            "alias.go",
            "`--key`",
        ),
    ] {
        let folder = project(&sandbox, &format!("# a clone\n{toml}\n"));
        let sign = sigtool(&sandbox)
            .current_dir(folder)
            .args(["sign", "app.txt"]);
        let output = sign.assert().code(3).stdout_eq("");
        let said = text(&output.get_output().stderr);
        // What stands in the header is told there, and what stands below it there.
        let header = toml.lines().next().unwrap();
        let last = key.rsplit('.').next().unwrap();
        let line = if header.contains(last) { 2 } else { 3 };
        assert!(
            said.contains(&format!("a project's file may not set `{key}`")),
            "{toml}: {said}"
        );
        assert!(said.contains(why), "{toml}: {said}");
        assert!(
            said.contains(&format!("~/app/.sigtool.toml:{line}:")),
            "{toml}: {said}"
        );
        assert!(
            said.contains("put it in your own file, ~/.config/sigtool/config.toml"),
            "{toml}: {said}"
        );
    }
}

#[test]
fn a_project_chooses_among_what_the_user_has() {
    let sandbox = sandbox();
    keys::put(&sandbox);
    let work = sandbox.work().display().to_string();
    sandbox.write_config(&format!(
        "[profile.prod]\nsigner = {{ backend = \"cosign-key\", key = \"{work}/a.key\" }}\n"
    ));
    let folder = project(
        &sandbox,
        "default_profile = \"prod\"\n[profile.prod]\nsignature_format = \"cosign\"\n[alias]\nship = \"sign\"\n",
    );
    put(&sandbox, "home/app/app.txt", "an app\n");
    let ship = sigtool(&sandbox)
        .current_dir(folder)
        .args(["ship", "app.txt"]);
    ship.assert().code(0).stdout_eq(str![]).stderr_eq("");
}

#[test]
fn a_project_file_that_others_can_write_is_ignored_and_said_so() {
    let sandbox = sandbox();
    let folder = project(&sandbox, "jobs = 3\n");
    let file = folder.join(".sigtool.toml");
    let explain = || {
        let explain = sigtool(&sandbox)
            .current_dir(&folder)
            .args(["config", "explain", "jobs"]);
        explain.assert()
    };
    explain().code(0).stderr_eq("");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    explain().code(2).stdout_eq("").stderr_eq(str![[r#"
warning: ~/app/.sigtool.toml is ignored: others can write it (mode 666)
error: nothing is set at `jobs`
  hint: see what is set: sigtool config explain

"#]]);
    fs::rename(&file, folder.join("elsewhere.toml")).unwrap();
    symlink("elsewhere.toml", &file).unwrap();
    explain().code(2).stdout_eq("").stderr_eq(str![[r#"
warning: ~/app/.sigtool.toml is ignored: it is a symbolic link
error: nothing is set at `jobs`
  hint: see what is set: sigtool config explain

"#]]);
    let path = sigtool(&sandbox)
        .current_dir(&folder)
        .args(["config", "path"])
        .assert()
        .code(0);
    let said = text(&path.get_output().stdout);
    assert!(
        said.contains(".sigtool.toml: it is a symbolic link"),
        "{said}"
    );
}

#[test]
fn the_nearest_project_file_counts_but_none_above_the_repository_or_the_home() {
    let sandbox = sandbox();
    let deep = sandbox.home().join("app/src/deep");
    fs::create_dir_all(&deep).unwrap();
    let jobs = || {
        let explain = ["--format", "json", "config", "explain", "jobs"];
        let output = sigtool(&sandbox).current_dir(&deep).args(explain).assert();
        json_of(output)[0]["origin"].clone()
    };
    put(&sandbox, ".sigtool.toml", "jobs = 1\n");
    assert_eq!(jobs(), Value::Null);
    put(&sandbox, "home/.sigtool.toml", "jobs = 2\n");
    assert_eq!(jobs(), "~/.sigtool.toml:1");
    put(&sandbox, "home/app/.git/HEAD", "");
    assert_eq!(jobs(), Value::Null);
    put(&sandbox, "home/app/.sigtool.toml", "jobs = 3\n");
    assert_eq!(jobs(), "~/app/.sigtool.toml:1");
    put(&sandbox, "home/app/src/.sigtool.toml", "jobs = 4\n");
    assert_eq!(jobs(), "~/app/src/.sigtool.toml:1");
}

#[test]
fn a_path_is_relative_to_the_file_that_holds_it() {
    let sandbox = sandbox();
    keys::put(&sandbox);
    sandbox.write("app.txt", "an app\n");
    let config = sandbox.home().join(".config/sigtool");
    fs::create_dir_all(config.join("keys")).unwrap();
    fs::rename(sandbox.work().join("a.key"), config.join("keys/a.key")).unwrap();
    fs::rename(sandbox.work().join("ed.key"), sandbox.home().join("ed.key")).unwrap();
    let profile = |key: &str| {
        format!("[profile.default]\nsigner = {{ backend = \"cosign-key\", key = \"{key}\" }}\n")
    };
    let sign = ["sign", "--signature", "out.sig", "app.txt"];
    sandbox.write_config(&profile("keys/a.key"));
    run(&sandbox, &sign).code(0);
    run(
        &sandbox,
        &[
            "verify",
            "--key",
            "a.pub",
            "--signature",
            "out.sig",
            "app.txt",
        ],
    )
    .code(0);
    fs::remove_file(sandbox.work().join("out.sig")).unwrap();
    // Another file, with another folder.
    put(&sandbox, "home/other.toml", &profile("ed.key"));
    run(
        &sandbox,
        &[&["--config", "../home/other.toml"], &sign[..]].concat(),
    )
    .code(0);
    run(
        &sandbox,
        &[
            "verify",
            "--key",
            "ed.pub",
            "--signature",
            "out.sig",
            "app.txt",
        ],
    )
    .code(0);
}

#[test]
fn profiles_that_inherit_in_a_circle_are_shown_as_a_chain() {
    let sandbox = sandbox();
    sandbox.write_config("[profile.a]\ninherits = \"b\"\n[profile.b]\ninherits = \"c\"\n[profile.c]\ninherits = \"b\"\n");
    run(&sandbox, &["--profile", "a", "sign", "app.txt"])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: the profile `b` inherits from itself
  caused by: a → b → c → b
 --> ~/.config/sigtool/config.toml:6:12
  |
6 | inherits = "b"
  |            ^^^ closes the circle
  hint: remove one `inherits` of that chain

"#]]);
    run(&sandbox, &["profile", "list"])
        .code(0)
        .stdout_eq(str![[r#"
  a  (~/.config/sigtool/config.toml:1, inherits b)
  b  (~/.config/sigtool/config.toml:3, inherits c)
  c  (~/.config/sigtool/config.toml:5, inherits b)

"#]])
        .stderr_eq("");
}

#[test]
fn the_profile_is_chosen_by_the_flag_then_the_variable_then_the_nearest_file() {
    let sandbox = sandbox();
    let profiles = ["default", "flag", "mine", "theirs", "variable"];
    let profiles: String = profiles
        .iter()
        .map(|name| format!("[profile.{name}]\n"))
        .collect();
    let chosen = |variable: &str, flag: &[&str]| {
        let command = sigtool(&sandbox).current_dir(sandbox.home().join("app"));
        let command = command
            .env("SIGTOOL_PROFILE", variable)
            .args(["--format", "json"]);
        let rows = json_of(
            command
                .args(flag)
                .args(["profile", "list"])
                .assert()
                .code(0),
        );
        let rows: Vec<_> = rows
            .as_array()
            .unwrap()
            .iter()
            .filter(|r| r["in_use"] == true)
            .cloned()
            .collect();
        assert!(rows.len() <= 1, "{rows:?}");
        rows.first().map_or(Value::Null, |row| row["name"].clone())
    };
    fs::create_dir(sandbox.home().join("app")).unwrap();
    sandbox.write_config(&profiles.replace("[profile.default]\n", ""));
    assert_eq!(chosen("", &[]), Value::Null);
    sandbox.write_config(&profiles);
    assert_eq!(chosen("", &[]), "default");
    sandbox.write_config(&format!("default_profile = \"mine\"\n{profiles}"));
    assert_eq!(chosen("", &[]), "mine");
    project(&sandbox, "profile = \"theirs\"\n");
    assert_eq!(chosen("", &[]), "theirs");
    assert_eq!(chosen("variable", &[]), "variable");
    assert_eq!(chosen("variable", &["--profile", "flag"]), "flag");
}

#[test]
fn a_profile_that_is_not_there_is_answered_with_the_one_that_is() {
    let sandbox = sandbox();
    sandbox.write_config(PROFILES);
    run(&sandbox, &["--profile", "prd", "sign", "app.txt"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: there is no profile `prd`
  hint: did you mean `prod`?

"#]]);
    let variable = sigtool(&sandbox)
        .env("SIGTOOL_PROFILE", "elsewhere")
        .args(["sign", "app.txt"]);
    variable.assert().code(3).stdout_eq("").stderr_eq(str![[r#"
error: SIGTOOL_PROFILE: there is no profile `elsewhere`
  hint: the profiles: base, dev, prod

"#]]);
    sandbox
        .write_config(&PROFILES.replace("default_profile = \"dev\"", "default_profile = \"dve\""));
    run(&sandbox, &["sign", "app.txt"])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: there is no profile `dve`
 --> ~/.config/sigtool/config.toml:1:19
  |
1 | default_profile = "dve"
  |                   ^^^^^ unknown
  hint: did you mean `dev`?

"#]]);
    run(&sandbox, &["profile", "use", "prd"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: there is no profile `prd`
  hint: did you mean `prod`?

"#]]);
}

#[test]
fn profiles_are_listed_shown_and_used() {
    let sandbox = sandbox();
    run(&sandbox, &["profile", "list"])
        .code(0)
        .stdout_eq("")
        .stderr_eq(str![[r#"
there is no profile; make one with `sigtool init`

"#]]);
    run(&sandbox, &["profile", "show"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: no profile is in use
  hint: make one: sigtool init
  hint: or name one: sigtool profile show NAME

"#]]);
    sandbox.write_config(PROFILES);
    run(&sandbox, &["profile", "list"])
        .code(0)
        .stdout_eq(str![[r#"
  base  (~/.config/sigtool/config.toml:3)
* dev  (~/.config/sigtool/config.toml:7, inherits base)
  prod  (~/.config/sigtool/config.toml:10, inherits base)

"#]])
        .stderr_eq("");
    run(&sandbox, &["--format", "jsonl", "profile", "list"])
        .code(0)
        .stdout_eq(str![[r#"
{"name":"base","in_use":false,"origin":"~/.config/sigtool/config.toml:3"}
{"name":"dev","in_use":true,"inherits":"base","origin":"~/.config/sigtool/config.toml:7"}
{"name":"prod","in_use":false,"inherits":"base","origin":"~/.config/sigtool/config.toml:10"}

"#]]);
    run(&sandbox, &["profile", "show"])
        .code(0)
        .stdout_eq(str![[r#"
profile.dev.attach           = false  # built in
profile.dev.inherits         = "base"  # ~/.config/sigtool/config.toml:8
profile.dev.log              = "off"  # built in
profile.dev.signature_format = "cosign"  # ~/.config/sigtool/config.toml:4, inherited from base
                               overrides "bundle"  # built in
profile.dev.signer.backend   = "cosign-key"  # ~/.config/sigtool/config.toml:5, inherited from base
profile.dev.signer.key       = "base.key"  # ~/.config/sigtool/config.toml:5, inherited from base

"#]])
        .stderr_eq("");
    run(&sandbox, &["profile", "use", "prod"])
        .code(0)
        .stdout_eq(str![[r#"
using the profile `prod` from now on

"#]])
        .stderr_eq("");
    let list = run(&sandbox, &["profile", "list"]).code(0);
    assert!(text(&list.get_output().stdout).contains("* prod"));
    let config = fs::read_to_string(sandbox.config()).unwrap();
    assert_eq!(config, PROFILES.replace("\"dev\"", "\"prod\""));
    let other = sigtool(&sandbox)
        .env("SIGTOOL_PROFILE", "prod")
        .args(["profile", "use", "dev"]);
    other
        .assert()
        .code(0)
        .stdout_eq(str![[r#"
using the profile `dev` from now on

"#]])
        .stderr_eq(str![[r#"
warning: `prod` is still chosen by SIGTOOL_PROFILE

"#]]);
}

#[cfg(debug_assertions)]
#[test]
fn the_policy_of_the_machine_allows_no_other_backend() {
    let sandbox = sandbox();
    keys::put_with_profile(&sandbox);
    sandbox.write("app.txt", "an app\n");
    run(&sandbox, &["sign", "app.txt"]).code(0);
    put(
        &sandbox,
        "etc/policy.toml",
        "backends = [\"local-stage\"]\n",
    );
    run(&sandbox, &["sign", "app.txt"])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: the policy of this machine does not allow the backend `cosign-key`
 --> [..]/etc/policy.toml:1:12
  |
1 | backends = ["local-stage"]
  |            ^^^^^^^^^^^^^^^ the allowed backends
  hint: ask the administrator of this machine, who keeps that file

"#]]);
    run(&sandbox, &["sign", "--key", "a.key", "app.txt"])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: the policy of this machine does not allow the backend `cosign-key`
 --> [..]/etc/policy.toml:1:12
  |
1 | backends = ["local-stage"]
  |            ^^^^^^^^^^^^^^^ the allowed backends
  hint: ask the administrator of this machine, who keeps that file

"#]]);
    // Nothing that a user can write is above it.
    run(&sandbox, &["--config", "backends=[]", "sign", "app.txt"]).code(2);
}

#[cfg(debug_assertions)]
#[test]
fn the_policy_of_the_machine_demands_a_signature_besides_the_users() {
    let sandbox = sandbox();
    keys::put_with_profile(&sandbox);
    sandbox.write("app.txt", "an app\n");
    run(&sandbox, &["sign", "app.txt"]).code(0);
    run(&sandbox, &["verify", "app.txt"]).code(0);
    fs::create_dir(sandbox.root().join("etc")).unwrap();
    fs::copy(
        sandbox.work().join("ed.pub"),
        sandbox.root().join("etc/release.pub"),
    )
    .unwrap();
    put(
        &sandbox,
        "etc/policy.toml",
        "[verify]\nkeys = [\"release.pub\"]\n",
    );
    run(&sandbox, &["verify", "app.txt"]).code(1).stderr_eq(str![[r#"
error: refused `app.txt`
  caused by: the policy of this machine demands more: [..]/etc/policy.toml:2
  caused by: `app.txt.sigstore.json` is signed by another key (key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=); trusted: `release.pub` (key hint eSr0KzSDA3Z4butxlzguF1rD7mvRW3urA3osWYpkwpI=)

"#]]);
    run(&sandbox, &["verify", "--key", "a.pub", "app.txt"]).code(1);
    run(&sandbox, &["sign", "--key", "ed.key", "app.txt"]).code(0);
    run(&sandbox, &["verify", "app.txt"]).code(0);
    run(&sandbox, &["verify", "--key", "b.pub", "app.txt"]).code(1);
}

#[cfg(debug_assertions)]
#[test]
fn nothing_runs_under_a_policy_that_cannot_be_read() {
    let sandbox = sandbox();
    keys::put_with_profile(&sandbox);
    sandbox.write("app.txt", "an app\n");
    put(&sandbox, "etc/policy.toml", "external_comands = false\n");
    run(&sandbox, &["sign", "app.txt"])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: there is no setting `external_comands`
 --> [..]/etc/policy.toml:1:1
  |
1 | external_comands = false
  | ^^^^^^^^^^^^^^^^ unknown
  hint: did you mean `external_commands`?
  hint: `external_commands` takes true or false: whether commands that are not built in may run

"#]]);
    put(&sandbox, "etc/policy.toml", "[verify]\nrequire = \"all\"\n");
    run(&sandbox, &["verify", "--key", "a.pub", "app.txt"])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: the policy's `verify` lists neither keys nor identities
 --> [..]/etc/policy.toml:1:1
  |
1 | [verify]
  | ^^^^^^^^ nothing could satisfy this

"#]]);
}

#[test]
fn config_takes_a_setting_or_a_file() {
    let sandbox = sandbox();
    sandbox.write("ci.toml", "jobs = 3\nformat = \"text\"\n");
    let explain = |arguments: &[&str]| {
        run(
            &sandbox,
            &[arguments, &["config", "explain", "jobs"]].concat(),
        )
    };
    explain(&["--config", "ci.toml"])
        .code(0)
        .stdout_eq(str![[r#"
jobs = 3  # [..]/work/ci.toml:1

"#]]);
    explain(&["--config", "ci.toml", "--config", "jobs = 4"])
        .code(0)
        .stdout_eq(str![[r#"
jobs = 4  # --config jobs
       overrides 3  # [..]/work/ci.toml:1

"#]]);
    let sign = |config: &str| run(&sandbox, &["--config", config, "sign", "app.txt"]).stdout_eq("");
    sign("missing.toml").code(2).stderr_eq(str![[r#"
error: --config: there is no file missing.toml
  hint: write --config FILE, or --config KEY=VALUE

"#]]);
    sign("=1").code(2).stderr_eq(str![[r#"
error: --config: what stands before `=` is no setting
  hint: write --config KEY=VALUE, as in --config format=json

"#]]);
    sign("jbs=1").code(2).stderr_eq(str![[r#"
error: --config jbs: there is no setting `jbs`
  hint: did you mean `jobs`?
  hint: `jobs` takes a number: how many artifacts are worked on at once

"#]]);
    sign("jobs=x").code(2).stderr_eq(str![[r#"
error: --config jobs: `jobs` takes a whole number, this is a string

"#]]);
    sandbox.write("ci.toml", "jbs = 3\n");
    sign("ci.toml").code(2).stderr_eq(str![[r#"
error: there is no setting `jbs`
 --> [..]/work/ci.toml:1:1
  |
1 | jbs = 3
  | ^^^ unknown
  hint: did you mean `jobs`?
  hint: `jobs` takes a number: how many artifacts are worked on at once

"#]]);
}

#[test]
fn a_misspelt_variable_is_told_and_a_wrong_value_is_an_error() {
    let sandbox = sandbox();
    let explain = |name: &str, value: &str| {
        let explain = sigtool(&sandbox)
            .env(name, value)
            .args(["config", "explain", "jobs"]);
        explain.assert().stdout_eq("")
    };
    explain("SIGTOOL_PROFIL", "prod").code(2).stderr_eq(str![[r#"
warning: the variable SIGTOOL_PROFIL is unknown and ignored: did you mean SIGTOOL_PROFILE (the profile to use when --profile is not given)?
error: nothing is set at `jobs`
  hint: see what is set: sigtool config explain

"#]]);
    explain("SIGTOOL_FRUIT", "x").code(2).stderr_eq(str![]);
    let sign = |name: &str, value: &str| {
        sigtool(&sandbox)
            .env(name, value)
            .args(["sign", "app.txt"])
            .assert()
            .stdout_eq("")
    };
    sign("SIGTOOL_JOBS", "many").code(3).stderr_eq(str![[r#"
error: SIGTOOL_JOBS: expected a whole number, found `many`

"#]]);
    sign("SIGTOOL_OFFLINE", "maybe").code(3).stderr_eq(str![[r#"
error: SIGTOOL_OFFLINE: expected 1, true, 0 or false, found `maybe`

"#]]);
    sign("SIGTOOL_CONFIG", "missing.toml")
        .code(3)
        .stderr_eq(str![[r#"
error: SIGTOOL_CONFIG: there is no file [..]/work/missing.toml

"#]]);
}

#[test]
fn a_variable_names_a_file_in_place_of_the_users() {
    let sandbox = sandbox();
    sandbox.write_config("jobs = 2\n");
    let with = |arguments: &[&str]| {
        sigtool(&sandbox)
            .env("SIGTOOL_CONFIG", "mine.toml")
            .args(arguments)
            .assert()
    };
    sandbox.write("mine.toml", "jobs = 7\n");
    with(&["config", "set", "jobs", "8"]).code(0);
    assert_eq!(
        json_of(with(&["--format", "json", "config", "explain", "jobs"]))[0]["value"],
        8
    );
    assert_eq!(fs::read_to_string(sandbox.config()).unwrap(), "jobs = 2\n");
}

#[test]
fn without_a_home_sigtool_signs_and_has_nowhere_to_write_its_configuration() {
    let sandbox = sandbox();
    keys::put(&sandbox);
    sandbox.write("app.txt", "an app\n");
    let homeless = |arguments: &[&str]| {
        let mut command = sigtool(&sandbox);
        for name in [
            "HOME",
            "XDG_CACHE_HOME",
            "XDG_CONFIG_HOME",
            "XDG_DATA_HOME",
            "XDG_STATE_HOME",
        ] {
            command = command.env_remove(name);
        }
        command.args(arguments).assert()
    };
    homeless(&["sign", "--key", "a.key", "app.txt"])
        .code(0)
        .stderr_eq("");
    homeless(&["verify", "--key", "a.pub", "app.txt"])
        .code(0)
        .stderr_eq("");
    homeless(&["config", "set", "jobs", "2"])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: there is no place for your configuration
  caused by: neither HOME nor XDG_CONFIG_HOME is set
  hint: name a file by the variable SIGTOOL_CONFIG

"#]]);
    let path = homeless(&["config", "path"]).code(0).stderr_eq("");
    assert!(!text(&path.get_output().stdout).contains("user"));
}

#[test]
fn a_backends_settings_are_checked_before_it_runs() {
    let sandbox = sandbox();
    for (lines, expected) in [
        (
            "backend = \"cosign-key\"\nkey = 5",
            str![[r#"
error: `profile.default.signer.key` takes a string, this is a whole number
 --> ~/.config/sigtool/config.toml:3:7
  |
3 | key = 5
  |       ^ expected a string

"#]],
        ),
        (
            "backend = \"cosign-key\"\nkey = \"a.key\"\ncolour = 1",
            str![[r#"
error: the backend `cosign-key` has no setting `colour`
 --> ~/.config/sigtool/config.toml:4:1
  |
4 | colour = …
  | ^^^^^^ unknown
  hint: it has: key, new_password, password

"#]],
        ),
        (
            "backend = \"cosign-key\"",
            str![[r#"
error: `profile.default.signer` lacks `key`, which the backend `cosign-key` needs
 --> ~/.config/sigtool/config.toml:1:1
  |
1 | [profile.default.signer]
  | ^^^^^^^^^^^^^^^^^^^^^^^^ `key` is missing
  hint: it takes a key reference: the private key: a path, or `env:VAR`

"#]],
        ),
        (
            "backend = \"cosing-key\"",
            str![[r#"
error: there is no backend `cosing-key`
 --> ~/.config/sigtool/config.toml:2:11
  |
2 | backend = "cosing-key"
  |           ^^^^^^^^^^^^ not found
  hint: did you mean `cosign-key`?

"#]],
        ),
        (
            "backend = \"local-stage\"",
            str![[r#"
error: the backend `local-stage` cannot be a signer
 --> ~/.config/sigtool/config.toml:2:11
  |
2 | backend = "local-stage"
  |           ^^^^^^^^^^^^^ serves source
  hint: backends for it: cosign-key

"#]],
        ),
        (
            "key = \"a.key\"",
            str![[r#"
error: `profile.default.signer` names no backend
 --> ~/.config/sigtool/config.toml:1:1
  |
1 | [profile.default.signer]
  | ^^^^^^^^^^^^^^^^^^^^^^^^ `backend` is missing
  hint: backends for it: cosign-key

"#]],
        ),
        (
            "backend = \"dev.acme.hsm\"",
            str![[r#"
error: there is no backend `dev.acme.hsm`
 --> ~/.config/sigtool/config.toml:2:11
  |
2 | backend = "dev.acme.hsm"
  |           ^^^^^^^^^^^^^^ not found
  hint: record a third-party backend with `sigtool backend pin PATH`
  hint: backends for signer: cosign-key

"#]],
        ),
        (
            "backend = \"vault\"",
            str![[r#"
error: there is no backend `vault`
 --> ~/.config/sigtool/config.toml:2:11
  |
2 | backend = "vault"
  |           ^^^^^^^ not found
  hint: it belongs to sigtool and is not installed beside this one
  hint: backends for signer: cosign-key

"#]],
        ),
    ] {
        sandbox.write_config(&format!("[profile.default.signer]\n{lines}\n"));
        run(&sandbox, &["sign", "app.txt"])
            .code(3)
            .stdout_eq("")
            .stderr_eq(expected);
    }
}

#[test]
fn a_key_that_is_not_there_is_told_with_the_line_that_names_it() {
    let sandbox = sandbox();
    sandbox.write("app.txt", "an app\n");
    sandbox
        .write_config("[profile.default.signer]\nbackend = \"cosign-key\"\nkey = \"gone.key\"\n");
    run(&sandbox, &["sign", "app.txt"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![]);
    sandbox.write_config("[profile.default.verify]\nkeys = [\"gone.pub\"]\n");
    run(&sandbox, &["verify", "app.txt"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![]);
}
