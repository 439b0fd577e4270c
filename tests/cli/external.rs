//! What can be typed after `sigtool`: commands of others, aliases, slips of the finger, help.

use serde_json::Value;
use sigtool_tests::{Sandbox, keys};
use snapbox::cmd::{Command, OutputAssert};
use snapbox::str;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_sigtool"))
}

/// Puts a shell script into a folder of the sandbox.
///
/// Another process writes it: while this one has it open for writing, a test in parallel may inherit that, and the kernel
/// then runs it for nobody.
fn script(sandbox: &Sandbox, path: &str, body: &str) -> PathBuf {
    let source = sandbox.root().join("tmp/script");
    std::fs::write(&source, format!("#!/bin/sh\n{body}\n")).unwrap();
    let path = sandbox.root().join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut install = std::process::Command::new("install");
    let status = install.args(["-m", "755"]).args([&source, &path]).status();
    assert!(status.unwrap().success());
    std::fs::remove_file(source).unwrap();
    path
}

/// sigtool with the sandbox's `bin` first on PATH.
fn sigtool(sandbox: &Sandbox) -> Command {
    with_path(sandbox, &[&sandbox.root().join("bin")])
}

/// sigtool with these entries first on PATH.
fn with_path(sandbox: &Sandbox, entries: &[&Path]) -> Command {
    let system = std::env::var_os("PATH").unwrap_or_default();
    let entries = entries.iter().map(|entry| entry.to_path_buf());
    let path = std::env::join_paths(entries.chain(std::env::split_paths(&system))).unwrap();
    sandbox.sigtool().env("PATH", path)
}

fn run(sandbox: &Sandbox, arguments: &[&str]) -> OutputAssert {
    sigtool(sandbox).args(arguments).assert()
}

fn stdout(output: &OutputAssert) -> String {
    String::from_utf8(output.get_output().stdout.clone()).unwrap()
}

/// The names in `sigtool --list` that are of this kind.
fn listed(command: Command, kind: &str) -> Vec<String> {
    let output = command
        .args(["--list", "--format", "json"])
        .assert()
        .code(0);
    let rows: Vec<Value> = serde_json::from_str(&stdout(&output)).unwrap();
    let rows = rows.iter().filter(|row| row["kind"] == kind);
    rows.map(|row| row["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn an_external_command_gets_its_arguments_and_gives_its_exit_code() {
    let sandbox = sandbox();
    script(
        &sandbox,
        "bin/sigtool-deploy",
        r#"for word; do echo "<$word>"; done; echo "trouble" >&2; exit 42"#,
    );
    run(
        &sandbox,
        &["deploy", "--to", "a b", "--help", "", "-v", "--", "--x"],
    )
    .code(42)
    .stdout_eq(str![[r#"
<--to>
<a b>
<--help>
<>
<-v>
<-->
<--x>

"#]])
    .stderr_eq(str![[r#"
trouble

"#]]);
}

#[test]
fn an_external_command_reads_standard_input() {
    let sandbox = sandbox();
    script(&sandbox, "bin/sigtool-upper", "tr a-z A-Z");
    let command = sigtool(&sandbox).arg("upper").stdin("hello\n");
    command.assert().code(0).stdout_eq("HELLO\n").stderr_eq("");
}

#[test]
fn an_external_command_learns_which_sigtool_and_which_profile() {
    let sandbox = sandbox();
    script(
        &sandbox,
        "bin/sigtool-ask",
        r#""$SIGTOOL" --version; echo "$SIGTOOL_PROFILE $SIGTOOL_FORMAT $SIGTOOL_OFFLINE $SIGTOOL_JOBS""#,
    );
    let flags = [
        "--profile",
        "prod",
        "--format",
        "json",
        "--offline",
        "--jobs",
        "3",
        "ask",
    ];
    run(&sandbox, &flags)
        .code(0)
        .stdout_eq(str![[r#"
sigtool 0.1.0
prod json true 3

"#]])
        .stderr_eq("");
}

#[test]
fn an_external_command_gets_no_secret_that_it_would_not_have_anyway() {
    let sandbox = sandbox();
    keys::put(&sandbox);
    sandbox.write("password.txt", "canary-4711\n");
    let work = sandbox.work().display().to_string();
    sandbox.write_config(&format!(
        "[profile.default.signer]\nbackend = \"cosign-key\"\nkey = \"{work}/a.key\"\n\
         password = {{ file = \"{work}/password.txt\" }}\n"
    ));
    script(&sandbox, "bin/sigtool-see", "env; echo \"$@\"");
    let names = |output: &OutputAssert| -> BTreeSet<String> {
        let text = stdout(output);
        assert!(!text.contains("canary-4711"), "{text}");
        text.lines()
            .filter_map(|line| Some(line.split_once('=')?.0.to_owned()))
            .collect()
    };
    let seen = names(&run(&sandbox, &["see"]).code(0));
    let direct = std::process::Command::new(sandbox.root().join("bin/sigtool-see"))
        .env_clear()
        .output()
        .unwrap();
    let shells: BTreeSet<String> = String::from_utf8(direct.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| Some(line.split_once('=')?.0.to_owned()))
        .collect();
    let added: Vec<_> = seen
        .iter()
        .filter(|name| !shells.contains(*name) && !name.starts_with("XDG_"))
        .filter(|name| !["HOME", "LC_ALL", "PATH", "TMPDIR"].contains(&name.as_str()))
        .collect();
    assert_eq!(added, ["SIGTOOL"]);
}

#[test]
fn nothing_on_the_path_takes_the_place_of_a_command_of_sigtools_or_of_an_alias() {
    let sandbox = sandbox();
    keys::put_with_profile(&sandbox);
    sandbox.write("app.txt", "an app\n");
    for name in ["sign", "help", "ship"] {
        script(
            &sandbox,
            &format!("bin/sigtool-{name}"),
            "echo stolen; exit 9",
        );
    }
    sandbox.append_config("[alias]\nship = \"sign\"\n");
    for command in [
        &["sign", "app.txt"][..],
        &["ship", "app.txt"],
        &["help", "sign"],
    ] {
        let output = run(&sandbox, command).code(0);
        assert!(!stdout(&output).contains("stolen"), "{command:?}");
    }
    assert!(listed(sigtool(&sandbox), "external").is_empty());
}

#[test]
fn the_working_folder_supplies_no_commands() {
    let sandbox = sandbox();
    script(&sandbox, "work/sigtool-evil", "echo evil");
    script(&sandbox, "work/sub/sigtool-evil", "echo evil");
    let entries = ["", ".", "sub"].map(Path::new);
    with_path(&sandbox, &entries)
        .arg("evil")
        .assert()
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: no such command: `evil`
  hint: see all commands: sigtool --list

"#]]);
    assert!(listed(with_path(&sandbox, &entries), "external").is_empty());
}

#[test]
fn what_is_no_command_is_not_run_as_one() {
    let sandbox = sandbox();
    script(&sandbox, "bin/sigtool-backend-x", "echo run");
    script(&sandbox, "elsewhere/sigtool-far", "echo run");
    let plain = script(&sandbox, "bin/sigtool-plain", "echo run");
    std::fs::set_permissions(plain, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    std::fs::create_dir(sandbox.root().join("bin/sigtool-folder")).unwrap();
    for name in [
        "backend-x",
        "plain",
        "folder",
        "../elsewhere/sigtool-far",
        "",
    ] {
        run(&sandbox, &[name]).code(2).stdout_eq("");
    }
    assert!(listed(sigtool(&sandbox), "external").is_empty());
}

#[test]
fn what_is_listed_is_what_runs() {
    let sandbox = sandbox();
    sandbox.write_config("[alias]\nship = [\"sign\", \"--profile\", \"prod\"]\n");
    let first = script(&sandbox, "bin/sigtool-deploy", "echo first");
    script(&sandbox, "bin2/sigtool-deploy", "echo second");
    script(&sandbox, "bin2/sigtool-clean-up", "echo clean");
    let entries = ["bin", "bin2"].map(|name| sandbox.root().join(name));
    let sigtool = || with_path(&sandbox, &[&entries[0], &entries[1]]);
    sigtool()
        .arg("--list")
        .assert()
        .code(0)
        .stdout_eq(str![[r#"
sign         Sign files
verify       Check who signed files, against a policy
inspect      Say what a bundle, signature, key or certificate contains, without judging it
key          Make and manage keys
init         Set up a profile that signs and verifies
profile      Show and choose profiles
config       Explain, check and change the configuration
backend      Show, check and record backends
ship         alias: sign --profile prod (~/.config/sigtool/config.toml:2)
clean-up     [..]/bin2/sigtool-clean-up
deploy       [..]/bin/sigtool-deploy

"#]])
        .stderr_eq("");
    assert_eq!(listed(sigtool(), "external"), ["clean-up", "deploy"]);
    sigtool()
        .arg("deploy")
        .assert()
        .code(0)
        .stdout_eq("first\n");
    sigtool()
        .arg("clean-up")
        .assert()
        .code(0)
        .stdout_eq("clean\n");
    let output = sigtool()
        .args(["--list", "--format", "jsonl"])
        .assert()
        .code(0);
    let rows: Vec<Value> = stdout(&output)
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let row = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap();
    assert_eq!(row("sign")["summary"], "Sign files");
    assert_eq!(row("deploy")["path"], first.to_str().unwrap());
    assert_eq!(
        row("ship")["stands_for"],
        serde_json::json!(["sign", "--profile", "prod"])
    );
    assert_eq!(row("ship")["origin"], "~/.config/sigtool/config.toml:2");
}

#[test]
fn external_commands_can_be_switched_off() {
    let sandbox = sandbox();
    script(&sandbox, "bin/sigtool-deploy", "echo run");
    sandbox.write_config("[commands]\nexternal = false\n");
    run(&sandbox, &["deploy"])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![]);
    assert!(listed(sigtool(&sandbox), "external").is_empty());
    run(&sandbox, &["deplyo"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: no such command: `deplyo`
  hint: see all commands: sigtool --list

"#]]);
}

#[cfg(debug_assertions)]
#[test]
fn the_policy_of_the_machine_switches_external_commands_off_for_everybody() {
    let sandbox = sandbox();
    script(&sandbox, "bin/sigtool-deploy", "echo run");
    std::fs::create_dir(sandbox.root().join("etc")).unwrap();
    std::fs::write(
        sandbox.root().join("etc/policy.toml"),
        "external_commands = false\n",
    )
    .unwrap();
    let deploy = sigtool(&sandbox).env("SIGTOOL_TEST_ETC", sandbox.root().join("etc"));
    let deploy = deploy.args(["--config", "commands.external=true", "deploy"]);
    deploy.assert().code(3).stdout_eq("").stderr_eq(str![]);
}

#[test]
fn an_alias_stands_for_words_and_takes_more() {
    let sandbox = sandbox();
    keys::put_with_profile(&sandbox);
    sandbox.write("app.txt", "an app\n");
    sandbox.append_config(
        "[alias]\nboth = \"sign --signature-format both\"\nquick = [\"sign\", \"--bundle\", \"a b.json\"]\n\
         again = [\"both\", \"--fail-fast\"]\n",
    );
    run(&sandbox, &["both", "app.txt"])
        .code(0)
        .stdout_eq(str![[r#"
signed app.txt → app.txt.sigstore.json, app.txt.sig

"#]])
        .stderr_eq("");
    run(&sandbox, &["quick", "app.txt"])
        .code(0)
        .stdout_eq(str![[r#"
signed app.txt → a b.json

"#]])
        .stderr_eq("");
    let output = run(&sandbox, &["--format", "jsonl", "again", "app.txt"])
        .code(0)
        .stderr_eq("");
    let row: Value = serde_json::from_str(stdout(&output).lines().next().unwrap()).unwrap();
    assert_eq!(row["status"], "signed", "{row}");
}

#[test]
fn an_alias_may_stand_for_an_external_command() {
    let sandbox = sandbox();
    script(
        &sandbox,
        "bin/sigtool-deploy",
        r#"echo "$SIGTOOL_PROFILE: $*""#,
    );
    sandbox.write_config("[alias]\ngo = \"deploy --to prod\"\n");
    run(&sandbox, &["--profile", "p", "go", "now"])
        .code(0)
        .stdout_eq("p: --to prod now\n");
}

#[test]
fn an_alias_that_comes_back_to_itself_is_an_error() {
    let sandbox = sandbox();
    sandbox.write_config("[alias]\na = \"b --x\"\nb = [\"c\"]\nc = \"a\"\nme = \"me\"\n");
    run(&sandbox, &["a"])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![]);
    run(&sandbox, &["me"])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![]);
    run(&sandbox, &["config", "path"]).code(0);
}

#[test]
fn an_alias_of_a_name_that_sigtool_has_is_told_to_be_useless() {
    let sandbox = sandbox();
    keys::put_with_profile(&sandbox);
    sandbox.write("app.txt", "an app\n");
    sandbox.append_config("[alias]\nsign = \"verify\"\nempty = []\n");
    run(&sandbox, &["config", "check"]).code(3).stdout_eq("").stderr_eq(str![[r#"
error: `alias.empty` is empty
 --> ~/.config/sigtool/config.toml:9:9
  |
9 | empty = []
  |         ^^ a command belongs here
warning: the alias `sign` is never used, since sigtool has a command of that name: ~/.config/sigtool/config.toml:8
1 problem

"#]]);
    let config = std::fs::read_to_string(sandbox.config()).unwrap();
    sandbox.write_config(&config.replace("empty = []", ""));
    run(&sandbox, &["sign", "app.txt"])
        .code(0)
        .stdout_eq(str![])
        .stderr_eq(str![]);
    assert!(listed(sigtool(&sandbox), "alias").is_empty());
}

#[test]
fn a_slip_of_the_finger_is_answered_with_what_was_meant() {
    let sandbox = sandbox();
    script(&sandbox, "bin/sigtool-deploy", "");
    sandbox.write_config("[alias]\nship = \"sign\"\n");
    run(&sandbox, &["sing", "app.txt"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: no such command: `sing`
  hint: did you mean `sign`?
  hint: see all commands: sigtool --list

"#]]);
    run(&sandbox, &["shp"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: no such command: `shp`
  hint: did you mean `ship`?
  hint: see all commands: sigtool --list

"#]]);
    run(&sandbox, &["deplyo"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: no such command: `deplyo`
  hint: did you mean `deploy`?
  hint: see all commands: sigtool --list

"#]]);
    run(&sandbox, &["photosynthesis"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: no such command: `photosynthesis`
  hint: see all commands: sigtool --list

"#]]);
    run(&sandbox, &["sign", "--profle", "x"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: unexpected argument '--profle' found

  tip: a similar argument exists: '--profile'

Usage: sigtool sign --profile <NAME> [ARTIFACT]...

For more information, try '--help'.

"#]]);
    run(&sandbox, &["key", "genrate"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: unrecognized subcommand 'genrate'

  tip: a similar subcommand exists: 'generate'

Usage: sigtool key [OPTIONS] <COMMAND>

For more information, try '--help'.

"#]]);
    run(&sandbox, &["--format", "jsn", "profile", "list"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: invalid value 'jsn' for '--format <FORMAT>'
  [possible values: text, json, jsonl]

  tip: a similar value exists: 'json'

For more information, try '--help'.

"#]]);
}

#[test]
fn what_cosign_calls_its_commands_is_answered_with_ours() {
    let sandbox = sandbox();
    run(&sandbox, &["sign-blob", "--key", "a.key", "app.txt"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: no such command: `sign-blob`
  hint: cosign's `sign-blob` is here: sigtool sign FILE

"#]]);
    for (theirs, ours) in [
        ("verify-blob", "sigtool verify --key KEY FILE"),
        ("generate-key-pair", "sigtool key generate"),
        ("import-key-pair", "sigtool key import --key FILE"),
        ("public-key", "sigtool key export-public KEY"),
        ("version", "sigtool --version"),
        ("env", "sigtool config explain"),
    ] {
        let expected = format!(
            "error: no such command: `{theirs}`\n  hint: cosign's `{theirs}` is here: {ours}\n"
        );
        run(&sandbox, &[theirs])
            .code(2)
            .stdout_eq("")
            .stderr_eq(expected);
    }
}

#[test]
fn what_cosign_calls_its_flags_is_answered_with_ours() {
    let sandbox = sandbox();
    let sign = |flag: &str| {
        run(&sandbox, &["sign", flag, "app.txt"])
            .code(2)
            .stdout_eq("")
    };
    sign("--output-signature=app.sig").stderr_eq(str![[r#"
error: `--output-signature` is a flag of cosign's
  hint: write `--signature FILE`

"#]]);
    sign("--tlog-upload=false").stderr_eq(str![[r#"
error: `--tlog-upload` is a flag of cosign's
  hint: leave it out: this version uses no transparency log

"#]]);
    sign("--new-bundle-format").stderr_eq(str![[r#"
error: `--new-bundle-format` is a flag of cosign's
  hint: write `--signature-format bundle`, or `cosign`, or `both`

"#]]);
    sign("--fulcio-url=https://fulcio.example").stderr_eq(str![[r#"
error: `--fulcio-url` is a flag of cosign's
  hint: this version signs and verifies with keys only: name one with `--key`

"#]]);
    let verify = |flag: &str| {
        run(&sandbox, &["verify", flag, "app.txt"])
            .code(2)
            .stdout_eq("")
    };
    verify("--insecure-ignore-tlog=true").stderr_eq(str![[r#"
error: `--insecure-ignore-tlog` is a flag of cosign's
  hint: leave it out: a key's signature needs no transparency log

"#]]);
    verify("--certificate-identity=a@b.example").stderr_eq(str![[r#"
error: `--certificate-identity` is a flag of cosign's
  hint: this version signs and verifies with keys only: name one with `--key`

"#]]);
}

#[test]
fn without_arguments_the_help_is_shown_as_an_error_and_on_request_as_a_result() {
    let sandbox = sandbox();
    let nothing = run(&sandbox, &[]).code(2).stdout_eq("");
    let said = String::from_utf8(nothing.get_output().stderr.clone()).unwrap();
    let help = stdout(&run(&sandbox, &["-h"]).code(0).stderr_eq(""));
    assert_eq!(said, help);
    let version = format!("sigtool {}\n", env!("CARGO_PKG_VERSION"));
    run(&sandbox, &["--version"])
        .code(0)
        .stdout_eq(version)
        .stderr_eq("");
    let one = stdout(&run(&sandbox, &["help", "sign"]).code(0).stderr_eq(""));
    assert_eq!(one, stdout(&run(&sandbox, &["sign", "--help"]).code(0)));
    assert!(one.starts_with("Sign files\n"), "{one}");
}

#[test]
fn help_and_version_need_no_configuration_that_works() {
    let sandbox = sandbox();
    sandbox.write_config("this is not TOML");
    for command in [
        &["--help"][..],
        &["--version"],
        &["help", "sign"],
        &["sign", "-h"],
        &["key", "--help"],
    ] {
        run(&sandbox, command).code(0).stderr_eq("");
    }
}

#[test]
fn every_command_that_the_help_names_exists() {
    let sandbox = sandbox();
    let mut waiting = vec![Vec::new()];
    let mut seen = 0;
    while let Some(words) = waiting.pop() {
        let help: Vec<&str> = words.iter().map(String::as_str).chain(["--help"]).collect();
        let text = stdout(&run(&sandbox, &help).code(0).stderr_eq(""));
        seen += 1;
        for named in named_commands(&text) {
            let named: Vec<&str> = named.iter().map(String::as_str).chain(["--help"]).collect();
            run(&sandbox, &named).code(0).stderr_eq("");
        }
        let below = text.lines().skip_while(|line| *line != "Commands:").skip(1);
        for line in below.take_while(|line| !line.is_empty()) {
            let Some(name) = line.strip_prefix("  ").and_then(|l| l.split(' ').next()) else {
                continue;
            };
            if !name.is_empty() && name != "help" {
                waiting.push(words.iter().cloned().chain([name.to_owned()]).collect());
            }
        }
    }
    assert!(seen > 20, "{seen}");
}

/// What stands after `sigtool` in a text, as far as it is lowercase words: commands and not their arguments.
fn named_commands(text: &str) -> Vec<Vec<String>> {
    let is_command = |word: &&str| {
        !word.is_empty()
            && word.chars().all(|c| c.is_ascii_lowercase() || c == '-')
            && !word.starts_with('-')
    };
    let after = text
        .split("`sigtool ")
        .skip(1)
        .filter_map(|rest| rest.split('`').next());
    let examples = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("sigtool "));
    after
        .chain(examples)
        .map(|rest| {
            rest.split(' ')
                .take_while(is_command)
                .take(2)
                .map(str::to_owned)
                .collect()
        })
        .map(
            |words: Vec<String>| match words.first().map(String::as_str) {
                // These have commands below them; of all others the second word is an argument.
                Some("key" | "profile" | "config" | "backend") => words,
                _ => words.into_iter().take(1).collect(),
            },
        )
        .collect()
}
