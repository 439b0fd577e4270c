//! The configuration as its user sees it: where it is read, what wins, what is told of its mistakes, and how it is changed.

mod places;
mod project;

use serde_json::{Value, json};
use sigtool_tests::{Sandbox, keys, person};
use snapbox::cmd::OutputAssert;
use snapbox::str;
use std::fs;

/// A sandbox with the keys, a file, and the profiles `base`, `dev` and `prod`.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sigtool"));
    keys::put(&sandbox);
    sandbox.write("app.txt", "an app\n");
    let work = sandbox.work().display().to_string();
    sandbox.write_config(&PROFILES.replace("WORK", &work));
    sandbox
}

const PROFILES: &str = r#"# Mine.
default_profile = "dev" # for now

[profile.base]
signature_format = "both" # what everyone reads

[profile.dev]
inherits = "base"
signer = { backend = "cosign-key", key = "WORK/a.key" }
[profile.dev.verify]
keys = ["WORK/a.pub"]

[profile.prod]
inherits = "dev"
signature_format = "cosign"
signer = { backend = "cosign-key", key = "WORK/ed.key" }
"#;

fn run(sandbox: &Sandbox, arguments: &[&str]) -> OutputAssert {
    sandbox.sigtool().args(arguments).assert()
}

fn with(sandbox: &Sandbox, variable: &str, value: &str, arguments: &[&str]) -> OutputAssert {
    let command = sandbox.sigtool().env(variable, value);
    command.args(arguments).assert()
}

fn config(sandbox: &Sandbox) -> String {
    let text = fs::read_to_string(sandbox.config()).unwrap();
    text.replace(&sandbox.work().display().to_string(), "WORK")
}

/// The rows of a listing.
fn rows(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    let output = run(sandbox, &[arguments, &["--format", "json"]].concat());
    serde_json::from_slice(&output.get_output().stdout).unwrap()
}

#[test]
fn a_profile_inherits_and_covers() {
    let sandbox = sandbox();
    run(&sandbox, &["sign", "app.txt"])
        .code(0)
        .stdout_eq(str![[r#"
signed app.txt → app.txt.sigstore.json, app.txt.sig

"#]]);
    run(&sandbox, &["sign", "-p", "prod", "app.txt"])
        .code(0)
        .stdout_eq(str![[r#"
signed app.txt → app.txt.792af42b.sig

"#]]);
    let shown = run(&sandbox, &["profile", "show", "prod"])
        .code(0)
        .stderr_eq("");
    let shown = String::from_utf8(shown.get_output().stdout.clone()).unwrap();
    let shown = shown.replace(&sandbox.work().display().to_string(), "WORK");
    snapbox::assert_data_eq!(
        shown,
        str![[r#"
profile.prod.attach           = false  # built in
profile.prod.inherits         = "dev"  # ~/.config/sigtool/config.toml:14
profile.prod.log              = "off"  # built in
profile.prod.signature_format = "cosign"  # ~/.config/sigtool/config.toml:15
                                overrides "bundle"  # built in
                                overrides "both"  # ~/.config/sigtool/config.toml:5
profile.prod.signer.backend   = "cosign-key"  # ~/.config/sigtool/config.toml:16
                                overrides "cosign-key"  # ~/.config/sigtool/config.toml:9
profile.prod.signer.key       = "WORK/ed.key"  # ~/.config/sigtool/config.toml:16
                                overrides "WORK/a.key"  # ~/.config/sigtool/config.toml:9
profile.prod.verify.keys      = ["WORK/a.pub"]  # ~/.config/sigtool/config.toml:11, inherited from dev

"#]]
    );
}

#[test]
fn the_profile_is_chosen_by_flag_then_variable_then_file() {
    let sandbox = sandbox();
    let used = |variable: &str, flags: &[&str]| {
        let listing = with(
            &sandbox,
            "SIGTOOL_PROFILE",
            variable,
            &[&["profile", "list", "--format", "json"], flags].concat(),
        );
        let rows: Value = serde_json::from_slice(&listing.get_output().stdout).unwrap();
        let rows = rows.as_array().unwrap();
        let used = rows.iter().find(|row| row["in_use"] == true).unwrap();
        used["name"].as_str().unwrap().to_owned()
    };
    assert_eq!(used("", &[]), "dev");
    assert_eq!(used("", &["--config", "profile=base"]), "base");
    assert_eq!(used("prod", &[]), "prod");
    assert_eq!(used("prod", &["--config", "profile=base"]), "base");
    assert_eq!(
        used("prod", &["--config", "profile=base", "--profile", "dev"]),
        "dev"
    );
}

#[test]
fn a_profile_that_does_not_exist_is_told_where_it_was_named() {
    let sandbox = sandbox();
    let sign = ["sign", "app.txt"];
    run(&sandbox, &["sign", "app.txt", "-p", "pord"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: there is no profile `pord`
  hint: did you mean `prod`?

"#]]);
    run(&sandbox, &["sign", "app.txt", "-p", "other"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: there is no profile `other`
  hint: the profiles: base, dev, prod

"#]]);
    with(&sandbox, "SIGTOOL_PROFILE", "pord", &sign)
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: SIGTOOL_PROFILE: there is no profile `pord`
  hint: did you mean `prod`?

"#]]);
    run(&sandbox, &["profile", "use", "pord"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: there is no profile `pord`
  hint: did you mean `prod`?

"#]]);
    run(&sandbox, &["profile", "show", "pord"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: there is no profile `pord`
  hint: did you mean `prod`?

"#]]);
    sandbox.write_config("default_profile = \"gone\"\n");
    run(&sandbox, &sign)
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: there is no profile `gone`
 --> ~/.config/sigtool/config.toml:1:19
  |
1 | default_profile = "gone"
  |                   ^^^^^^ unknown
  hint: there are no profiles yet: make one with `sigtool init`

"#]]);
}

#[test]
fn profiles_are_listed_with_where_they_stand() {
    let sandbox = sandbox();
    run(&sandbox, &["profile", "list"])
        .code(0)
        .stdout_eq(str![[r#"
  base  (~/.config/sigtool/config.toml:4)
* dev  (~/.config/sigtool/config.toml:7, inherits base)
  prod  (~/.config/sigtool/config.toml:13, inherits dev)

"#]])
        .stderr_eq("");
    let rows = rows(&sandbox, &["profile", "list"]);
    assert_eq!(
        rows[1],
        json!({
            "name": "dev",
            "in_use": true,
            "inherits": "base",
            "origin": "~/.config/sigtool/config.toml:7",
        })
    );
    fs::remove_file(sandbox.config()).unwrap();
    run(&sandbox, &["profile", "list"])
        .code(0)
        .stdout_eq("")
        .stderr_eq(str![[r#"
there is no profile; make one with `sigtool init`

"#]]);
    run(&sandbox, &["profile", "list", "--format", "json"])
        .code(0)
        .stdout_eq("[]\n");
    run(&sandbox, &["profile", "show"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: no profile is in use
  hint: make one: sigtool init
  hint: or name one: sigtool profile show NAME

"#]]);
}

#[test]
fn a_profile_is_used_from_now_on_and_comments_stay() {
    let sandbox = sandbox();
    run(&sandbox, &["profile", "use", "prod"])
        .code(0)
        .stdout_eq(str![[r#"
using the profile `prod` from now on

"#]])
        .stderr_eq("");
    let text = config(&sandbox);
    assert_eq!(
        text,
        PROFILES.replace("\"dev\" # for now", "\"prod\" # for now")
    );
    with(
        &sandbox,
        "SIGTOOL_PROFILE",
        "base",
        &["profile", "use", "dev"],
    )
    .code(0)
    .stderr_eq(str![[r#"
warning: `base` is still chosen by SIGTOOL_PROFILE

"#]]);
    assert_eq!(config(&sandbox), PROFILES);
}

#[test]
fn every_value_says_where_it_comes_from() {
    let sandbox = sandbox();
    let arguments = ["--config", "jobs=3", "--config", "profile.dev.attach=true"];
    let output = with(
        &sandbox,
        "SIGTOOL_TIMEOUT",
        "2m",
        &[&["config", "explain"], &arguments[..]].concat(),
    );
    let text = String::from_utf8(output.code(0).get_output().stdout.clone()).unwrap();
    let text = text.replace(&sandbox.work().display().to_string(), "WORK");
    snapbox::assert_data_eq!(
        text,
        str![[r#"
color                         = "auto"  # built in
commands.external             = true  # built in
default_profile               = "dev"  # ~/.config/sigtool/config.toml:2
format                        = "text"  # built in
jobs                          = 3  # --config jobs
offline                       = false  # built in
profile.base.signature_format = "both"  # ~/.config/sigtool/config.toml:5
profile.dev.attach            = true  # --config profile.dev.attach
profile.dev.inherits          = "base"  # ~/.config/sigtool/config.toml:8
profile.dev.signer.backend    = "cosign-key"  # ~/.config/sigtool/config.toml:9
profile.dev.signer.key        = "WORK/a.key"  # ~/.config/sigtool/config.toml:9
profile.dev.verify.keys       = ["WORK/a.pub"]  # ~/.config/sigtool/config.toml:11
profile.prod.inherits         = "dev"  # ~/.config/sigtool/config.toml:14
profile.prod.signature_format = "cosign"  # ~/.config/sigtool/config.toml:15
profile.prod.signer.backend   = "cosign-key"  # ~/.config/sigtool/config.toml:16
profile.prod.signer.key       = "WORK/ed.key"  # ~/.config/sigtool/config.toml:16
timeout                       = "2m"  # SIGTOOL_TIMEOUT

"#]]
    );
}

#[test]
fn one_value_is_explained_with_what_it_took_the_place_of() {
    let sandbox = sandbox();
    let explain = ["config", "explain", "profile.prod.signature_format"];
    run(&sandbox, &explain).code(0).stdout_eq(str![[r#"
profile.prod.signature_format = "cosign"  # ~/.config/sigtool/config.toml:15
                                overrides "bundle"  # built in
                                overrides "both"  # ~/.config/sigtool/config.toml:5

"#]]);
    assert_eq!(
        rows(&sandbox, &explain),
        json!([{
            "key": "profile.prod.signature_format",
            "value": "cosign",
            "origin": "~/.config/sigtool/config.toml:15",
            "overrode": [
                {
                    "key": "profile.prod.signature_format",
                    "value": "bundle",
                    "origin": "built in",
                },
                {
                    "key": "profile.prod.signature_format",
                    "value": "both",
                    "origin": "~/.config/sigtool/config.toml:5",
                },
            ],
        }])
    );
    let work = sandbox.work();
    let keys = &rows(&sandbox, &["config", "explain", "profile.prod.verify"])[0];
    assert_eq!(keys["value"], json!([work.join("a.pub")]));
    assert_eq!(keys["inherited_from"], "dev");
    run(&sandbox, &["config", "explain", "profile.prod.nothing"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: nothing is set at `profile.prod.nothing`
  hint: see what is set: sigtool config explain

"#]]);
}

#[test]
fn the_files_that_are_looked_at_are_listed() {
    let sandbox = sandbox();
    sandbox.write(".sigtool.toml", "");
    let etc = sandbox.home().join("etc");
    let listing = with(
        &sandbox,
        "SIGTOOL_TEST_ETC",
        etc.to_str().unwrap(),
        &["config", "path", "--config", "/dev/null"],
    );
    let text = String::from_utf8(listing.code(0).get_output().stdout.clone()).unwrap();
    let text = text.replace(&sandbox.root().display().to_string(), "ROOT");
    snapbox::assert_data_eq!(
        text,
        str![[r#"
system   missing  ROOT/home/etc/config.toml
user     read     ROOT/home/.config/sigtool/config.toml
project  read     ROOT/here/.sigtool.toml
--config read     /dev/null
policy   missing  ROOT/home/etc/policy.toml

"#]]
    );
}

#[test]
fn an_unknown_setting_is_shown_in_its_line_with_the_right_one() {
    let sandbox = sandbox();
    sandbox.write_config("[profile.dev]\nsigature_format = \"both\"\n");
    run(&sandbox, &["sign", "app.txt"])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: there is no setting `profile.dev.sigature_format`
 --> ~/.config/sigtool/config.toml:2:1
  |
2 | sigature_format = "both"
  | ^^^^^^^^^^^^^^^ unknown
  hint: did you mean `signature_format`?
  hint: `signature_format` takes "bundle", "cosign" or "both": how signatures are written

"#]]);
    sandbox.write_config("signer = { backend = \"cosign-key\" }\n");
    run(&sandbox, &["sign", "app.txt"])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: there is no setting `signer`
 --> ~/.config/sigtool/config.toml:1:1
  |
1 | signer = { backend = "cosign-key" }
  | ^^^^^^ unknown
  hint: `signer` belongs in a profile: `[profile.NAME]`

"#]]);
}

#[test]
fn every_mistake_is_found_at_once() {
    let sandbox = sandbox();
    run(&sandbox, &["config", "check"])
        .code(0)
        .stdout_eq("")
        .stderr_eq(str![[r#"
the configuration is right

"#]]);
    sandbox.write_config(MISTAKES);
    run(&sandbox, &["sign", "app.txt"])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: there is no setting `tiemout`
 --> ~/.config/sigtool/config.toml:1:1
  |
1 | tiemout = "5s"
  | ^^^^^^^ unknown
  hint: did you mean `timeout`?
  hint: `timeout` takes a time such as "30s": how long to wait for a backend
  hint: see also the other problem: `sigtool config check`

"#]]);
    run(&sandbox, &["config", "check"])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: there is no setting `tiemout`
 --> ~/.config/sigtool/config.toml:1:1
  |
1 | tiemout = "5s"
  | ^^^^^^^ unknown
  hint: did you mean `timeout`?
  hint: `timeout` takes a time such as "30s": how long to wait for a backend
error: the backend `cosign-key` has no setting `pasword`
 --> ~/.config/sigtool/config.toml:3:51
  |
3 | signer = { backend = "cosign-key", key = "a.key", pasword = … }
  |                                                   ^^^^^^^ unknown
  hint: did you mean `password`?
error: there is no profile `prd`, which `prod` inherits from
 --> ~/.config/sigtool/config.toml:5:12
  |
5 | inherits = "prd"
  |            ^^^^^ unknown
  hint: did you mean `prod`?
error: there is no backend `cosin-key`
 --> ~/.config/sigtool/config.toml:7:22
  |
7 | signer = { backend = "cosin-key" }
  |                      ^^^^^^^^^^^ not found
  hint: did you mean `cosign-key`?
error: `alias.x` takes a string or a list of strings, this is a whole number
 --> ~/.config/sigtool/config.toml:9:5
  |
9 | x = 1
  |     ^ expected a string or a list of strings
5 problems

"#]]);
    let rows = rows(&sandbox, &["config", "check"]);
    assert_eq!(rows.as_array().unwrap().len(), 5, "{rows}");
    assert_eq!(
        rows[0],
        json!({
            "kind": "could-not-tell",
            "message": "there is no setting `tiemout`",
            "hints": [
                "did you mean `timeout`?",
                "`timeout` takes a time such as \"30s\": how long to wait for a backend",
            ],
            "file": "~/.config/sigtool/config.toml",
            "line": 1,
        })
    );
}

const MISTAKES: &str = r#"tiemout = "5s"
[profile.dev]
signer = { backend = "cosign-key", key = "a.key", pasword = { env = "X" } }
[profile.prod]
inherits = "prd"
[profile.hsm]
signer = { backend = "cosin-key" }
[alias]
x = 1
"#;

#[test]
fn what_is_not_toml_is_shown_in_its_line() {
    let sandbox = sandbox();
    sandbox.write_config("jobs = 2\nalias = [\n");
    run(&sandbox, &["sign", "app.txt"])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: ~/.config/sigtool/config.toml is not valid TOML
  caused by: unclosed array, expected `]`
 --> ~/.config/sigtool/config.toml:2:10
  |
2 | alias = …
  |          ^

"#]]);
    run(&sandbox, &["config", "set", "jobs", "3"])
        .code(3)
        .stdout_eq("");
    run(&sandbox, &["config", "path"]).code(0);
    sandbox.write_config("profile = \"dev\"\n[profile.dev]\n");
    run(&sandbox, &["sign", "app.txt"]).code(3).stdout_eq("").stderr_eq(str![[r#"
error: ~/.config/sigtool/config.toml is not valid TOML
  caused by: cannot extend value of type string with a dotted key
 --> ~/.config/sigtool/config.toml:2:2
  |
2 | [profile.dev]
  |  ^^^^^^^
  hint: TOML cannot hold `profile = "NAME"` and `[profile.NAME]` in one file: write `default_profile = "NAME"`

"#]]);
}

#[test]
fn a_secret_that_is_written_out_is_refused_and_not_repeated() {
    let sandbox = sandbox();
    let canary = "canary-c01df00d";
    for text in [
        format!(
            "[profile.dev]\nsigner = {{ backend = \"cosign-key\", key = \"a.key\", password = \"{canary}\" }}\n"
        ),
        format!(
            "[profile.dev.signer]\nbackend = \"cosign-key\"\nkey = \"a.key\"\npassword = \"{canary}\"\n"
        ),
        format!(
            "[profile.dev.signer]\nbackend = \"cosign-key\"\nkey = \"a.key\"\npasword = \"{canary}\"\n"
        ),
        format!(
            "[profile.dev.signer]\nbackend = \"cosign-key\"\nkey = \"a.key\"\npassword = {{ env = \"X\", value = \"{canary}\" }}\n"
        ),
    ] {
        sandbox.write_config(&text);
        for command in [
            &["sign", "-p", "dev", "app.txt"][..],
            &["sign", "-p", "dev", "-v", "--format", "json", "app.txt"],
            &["config", "check"],
            &["config", "check", "--format", "json"],
            &["config", "explain"],
            &["profile", "show", "dev"],
        ] {
            let output = run(&sandbox, command);
            let output = output.get_output();
            for stream in [&output.stdout, &output.stderr] {
                let said = String::from_utf8_lossy(stream);
                assert!(!said.contains(canary), "{command:?} with\n{text}\n{said}");
            }
        }
        run(&sandbox, &["sign", "-p", "dev", "app.txt"]).code(3);
    }
    let password = "profile.dev.signer.password";
    for said in [
        run(&sandbox, &["config", "set", password, canary])
            .code(2)
            .stdout_eq(""),
        run(
            &sandbox,
            &[
                "sign",
                "--config",
                &format!("{password}={canary}"),
                "-p",
                "dev",
                "app.txt",
            ],
        ),
    ] {
        assert!(!String::from_utf8_lossy(&said.get_output().stderr).contains(canary));
    }
    sandbox.write_config(
        "[profile.dev]\nsigner = { backend = \"cosign-key\", key = \"a.key\", password = \"hunter2\" }\n",
    );
    run(&sandbox, &["sign", "-p", "dev", "app.txt"]).code(3).stderr_eq(str![[r#"
error: `profile.dev.signer.password` is a secret: it takes a reference, this is a string
 --> ~/.config/sigtool/config.toml:2:62
  |
2 | signer = { backend = "cosign-key", key = "a.key", password = … }
  |                                                              ^ a reference belongs here
  hint: say where it is kept: `password = { prompt = "TEXT" }`, or `{ env = "NAME" }`, `{ file = "PATH" }`, `{ keyring = "NAME" }`, `{ secret = "SCHEME://…" }`
  hint: if a real secret stands there, remove it and change it

"#]]);
}

#[test]
fn a_password_is_a_reference_to_where_it_is_kept() {
    let sandbox = sandbox();
    with(
        &sandbox,
        "SIGTOOL_PASSWORD",
        "s3cret",
        &["key", "generate", "--output-key-prefix", "c"],
    )
    .code(0);
    sandbox.write("password", "s3cret\n");
    let profile = |password: &str| {
        let work = sandbox.work().display().to_string();
        sandbox.write_config(&format!(
            "[profile.default]\nsigner = {{ backend = \"cosign-key\", key = \"WORK/c.key\", password = {password} }}\n"
        ).replace("WORK", &work));
    };
    profile("{ env = \"MINE\" }");
    with(&sandbox, "MINE", "s3cret", &["sign", "app.txt"]).code(0);
    run(&sandbox, &["sign", "app.txt"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: the environment variable `MINE` is not set

"#]]);
    profile("{ file = \"WORK/password\" }");
    run(&sandbox, &["sign", "app.txt"]).code(0);
}

#[test]
fn a_relative_path_is_relative_to_the_file_that_holds_it() {
    let sandbox = sandbox();
    let folder = sandbox.config().parent().unwrap().to_owned();
    fs::copy(sandbox.work().join("a.key"), folder.join("mine.key")).unwrap();
    sandbox.write_config(
        "[profile.default]\nsigner = { backend = \"cosign-key\", key = \"mine.key\" }\n",
    );
    run(&sandbox, &["sign", "app.txt"]).code(0);
    run(&sandbox, &["verify", "--key", "a.pub", "app.txt"]).code(0);
    // On the command line it is the working directory.
    let key = "profile.default.signer.key=ed.key";
    run(&sandbox, &["sign", "--config", key, "app.txt"]).code(0);
    run(&sandbox, &["verify", "--key", "ed.pub", "app.txt"]).code(0);
}

#[test]
fn a_value_is_set_and_comments_stay() {
    let sandbox = sandbox();
    let set = |key: &str, value: &str| run(&sandbox, &["config", "set", key, value]);
    set("profile.base.signature_format", "bundle")
        .code(0)
        .stdout_eq(str![[r#"
set `profile.base.signature_format` in ~/.config/sigtool/config.toml

"#]])
        .stderr_eq("");
    assert_eq!(
        config(&sandbox),
        PROFILES.replace("\"both\" # what", "\"bundle\" # what")
    );
    set("profile.base.signature_format", "bundle")
        .code(0)
        .stdout_eq(str![[r#"
nothing changed: `profile.base.signature_format` is that already in ~/.config/sigtool/config.toml

"#]]);
    set("profile.base.signature_format", "both").code(0);
    assert_eq!(config(&sandbox), PROFILES);
    set("jobs", "4").code(0);
    set("profile.ci.inherits", "prod").code(0);
    set("profile.ci.verify.keys", "[\"a.pub\", \"b.pub\"]").code(0);
    run(&sandbox, &["config", "check"]).code(0);
    snapbox::assert_data_eq!(
        config(&sandbox),
        str![[r##"
# Mine.
default_profile = "dev" # for now
jobs = 4

[profile.base]
signature_format = "both" # what everyone reads

[profile.dev]
inherits = "base"
signer = { backend = "cosign-key", key = "WORK/a.key" }
[profile.dev.verify]
keys = ["WORK/a.pub"]

[profile.prod]
inherits = "dev"
signature_format = "cosign"
signer = { backend = "cosign-key", key = "WORK/ed.key" }

[profile.ci]
inherits = "prod"

[profile.ci.verify]
keys = ["a.pub", "b.pub"]

"##]]
    );
}

#[test]
fn a_value_that_would_be_wrong_is_not_set() {
    let sandbox = sandbox();
    let set = |key: &str, value: &str| {
        run(&sandbox, &["config", "set", key, value])
            .code(2)
            .stdout_eq("")
    };
    set("profile.base.signature_format", "bundel").stderr_eq(str![[r#"
error: `profile.base.signature_format` cannot be `bundel`: it takes bundle, cosign or both
  hint: did you mean `bundle`?

"#]]);
    set("profile.base.sigature_format", "both").stderr_eq(str![[r#"
error: there is no setting `profile.base.sigature_format`
  hint: did you mean `signature_format`?
  hint: `signature_format` takes "bundle", "cosign" or "both": how signatures are written

"#]]);
    set("jobs", "many").stderr_eq(str![[r#"
error: `jobs` takes a whole number, this is a string

"#]]);
    set("timeout", "5 years").stderr_eq(str![[r#"
error: `timeout` takes a time such as "30s", "2m" or "500ms", this is `5 years`

"#]]);
    set("profile.dev.signer.kee", "x").stderr_eq(str![[r#"
error: there is no setting `profile.dev.signer.kee`
  hint: did you mean `key`?

"#]]);
    set("a..b", "1").stderr_eq(str![[r#"
error: `a..b` is not a setting
  hint: a key is written with dots, as in profile.prod.attach

"#]]);
    assert_eq!(config(&sandbox), PROFILES);
}

#[test]
fn a_configuration_that_cannot_be_written_is_told() {
    let sandbox = sandbox();
    let Some(person) = person::ordinary(&sandbox) else {
        return;
    };
    let folder = sandbox.config().parent().unwrap().to_owned();
    let mode = |mode: u32| {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(0o500);
    for command in [
        &["config", "set", "jobs", "2"][..],
        &["profile", "use", "prod"],
    ] {
        let output = person().args(command).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        snapbox::assert_data_eq!(
            String::from_utf8(output.stderr).unwrap(),
            str![[r#"
error: cannot write ~/.config/sigtool/config.toml
  caused by: permission denied

"#]]
        );
    }
    let output = person().args(["sign", "app.txt"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    mode(0o700);
    assert_eq!(config(&sandbox), PROFILES);
}

#[test]
fn a_flag_takes_a_setting_or_a_file() {
    let sandbox = sandbox();
    sandbox.write("ci.toml", "[profile.dev]\nsignature_format = \"bundle\"\n");
    let sign = |config: &str| run(&sandbox, &["sign", "--config", config, "app.txt"]);
    sign("ci.toml").code(0).stdout_eq(str![[r#"
signed app.txt → app.txt.sigstore.json

"#]]);
    sign("profile.dev.signature_format=cosign")
        .code(0)
        .stdout_eq(str![[r#"
signed app.txt → app.txt.sig

"#]]);
    sign("nope=1").code(2).stdout_eq("").stderr_eq(str![[r#"
error: --config nope: there is no setting `nope`
  hint: known here: alias, backend, color, commands, default_profile, format, jobs, network, offline, profile, timeout

"#]]);
    sign("profile.dev.signature_format=xml").code(2).stdout_eq("").stderr_eq(str![[r#"
error: --config profile.dev.signature_format: `profile.dev.signature_format` cannot be `xml`: it takes bundle, cosign or both

"#]]);
    sign("gone.toml").code(2).stdout_eq("").stderr_eq(str![[r#"
error: --config: there is no file gone.toml
  hint: write --config FILE, or --config KEY=VALUE

"#]]);
    sandbox.write("wrong.toml", "jobs = 0\n");
    sign("wrong.toml").code(2).stdout_eq("").stderr_eq(str![[r#"
error: `jobs` takes a number from 1 to 1024, this is 0
 --> [..]/here/wrong.toml:1:8
  |
1 | jobs = 0
  |        ^ out of range

"#]]);
}

#[test]
fn a_variable_takes_a_file_in_place_of_the_users() {
    let sandbox = sandbox();
    sandbox.write("other.toml", "[profile.only]\n");
    with(
        &sandbox,
        "SIGTOOL_CONFIG",
        "other.toml",
        &["profile", "list"],
    )
    .code(0)
    .stdout_eq(str![[r#"
  only  ([..]/here/other.toml:1)

"#]]);
    with(
        &sandbox,
        "SIGTOOL_CONFIG",
        "gone.toml",
        &["profile", "list"],
    )
    .code(3)
    .stdout_eq("")
    .stderr_eq(str![[r#"
error: SIGTOOL_CONFIG: there is no file [..]/here/gone.toml

"#]]);
}

#[test]
fn a_misspelt_variable_is_a_warning_and_a_wrong_one_an_error() {
    let sandbox = sandbox();
    with(&sandbox, "SIGTOOL_PROFIL", "prod", &["sign", "app.txt"]).code(0).stderr_eq(str![[r#"
warning: the variable SIGTOOL_PROFIL is unknown and ignored: did you mean SIGTOOL_PROFILE (the profile to use when --profile is not given)?

"#]]);
    with(&sandbox, "SIGTOOL_JOBS", "many", &["sign", "app.txt"])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: SIGTOOL_JOBS: expected a whole number, found `many`

"#]]);
    let output = with(&sandbox, "SIGTOOL_FORMAT", "jsonl", &["sign", "app.txt"]).code(0);
    assert!(output.get_output().stdout.starts_with(b"{"));
}

#[test]
fn a_backend_that_the_policy_of_the_machine_does_not_allow_is_not_loaded() {
    let sandbox = sandbox();
    let etc = sandbox.home().join("etc");
    fs::create_dir(&etc).unwrap();
    let policy = |text: &str| fs::write(etc.join("policy.toml"), text).unwrap();
    let sign = |arguments: &[&str]| {
        let command = sandbox.sigtool().env("SIGTOOL_TEST_ETC", &etc);
        command.arg("sign").args(arguments).arg("app.txt").assert()
    };
    policy("backends = [\"local-stage\"]\n");
    sign(&[]).code(3).stdout_eq("").stderr_eq(str![[r#"
error: the policy of this machine does not allow the backend `cosign-key`
 --> ~/etc/policy.toml:1:12
  |
1 | backends = ["local-stage"]
  |            ^^^^^^^^^^^^^^^ the allowed backends
  hint: ask the administrator of this machine, who keeps that file

"#]]);
    sign(&["--key", "b.key"])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: the policy of this machine does not allow the backend `cosign-key`
 --> ~/etc/policy.toml:1:12
  |
1 | backends = ["local-stage"]
  |            ^^^^^^^^^^^^^^^ the allowed backends
  hint: ask the administrator of this machine, who keeps that file

"#]]);
    policy("backends = [\"local-stage\", \"cosign-key\"]\n");
    sign(&[]).code(0);
    // Nothing runs under a policy that cannot be read.
    policy("backends = \n");
    sign(&[]).code(3).stdout_eq("").stderr_eq(str![[r#"
error: ~/etc/policy.toml is not valid TOML
  caused by: string values must be quoted, expected literal string
 --> ~/etc/policy.toml:1:12
  |
1 | backends = 
  |            ^

"#]]);
}

#[test]
fn a_profile_that_asks_for_more_than_this_version_does_is_not_taken_for_less() {
    let sandbox = sandbox();
    sandbox.append_config("[profile.ci]\ninherits = \"dev\"\nlog = { backend = \"sigstore\" }\n");
    run(&sandbox, &["sign", "-p", "ci", "app.txt"])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: there is no backend `sigstore`
  --> ~/.config/sigtool/config.toml:20:19
   |
20 | log = { backend = "sigstore" }
   |                   ^^^^^^^^^^ not found
  hint: it belongs to sigtool and is not installed beside this one
  hint: backends for log: none is installed

"#]]);
}
