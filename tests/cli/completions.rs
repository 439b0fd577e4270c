//! Completion, in the shells themselves: what Tab makes of a line, and that it costs and changes nothing.

use sigtool_tests::Sandbox;
use sigtool_tests::peers::{find, need};
use sigtool_tests::shells::{Kind, Shell, registrations};
use snapbox::str;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sigtool");

const CONFIG: &str = r#"
[profile.base]
signature_format = "both"
[profile.prod]
inherits = "base"
signer = { backend = "cosign-key", key = "/keys/release.key" }
verify = { keys = ["/keys/alice.pub"] }
[profile.preview]
[alias]
again = "ship --recursive"
ship = ["sign", "--profile", "prod"]
with = "sign --profile"
"#;

/// A person with profiles, aliases, an external command, and some files.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(PROGRAM);
    sandbox.write_config(CONFIG);
    let bin = sandbox.root().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(PROGRAM, bin.join("sigtool")).unwrap();
    for name in ["sigtool-greet", "sigtool-backend-x", "sigtool-sign"] {
        std::fs::write(bin.join(name), "#!/bin/sh\necho >&2 this must not run\n").unwrap();
        std::fs::set_permissions(bin.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    for file in ["app.tgz", "my file.tgz", "dist/cart.jar"] {
        sandbox.write(file, "");
    }
    sandbox
}

/// What follows a line, the same in every shell.
#[track_caller]
fn goes_on(shell: &Shell<'_>, line: &str, expected: &[&str]) {
    assert_eq!(shell.all(line), expected, "{shell:?}: {line}");
}

/// All that a person meets, in one shell.
#[track_caller]
fn completes(kind: Kind) {
    let sandbox = sandbox();
    let Some(shell) = Shell::new(&sandbox, kind) else {
        return;
    };
    // Commands: sigtool's own, aliases, external ones.
    goes_on(&shell, "sigtool ver", &["verify"]);
    goes_on(&shell, "sigtool s", &["ship", "sign"]);
    goes_on(&shell, "sigtool gr", &["greet"]);
    goes_on(&shell, "sigtool help gr", &["greet"]);
    goes_on(&shell, "sigtool help key ge", &["generate"]);
    goes_on(&shell, "sigtool help key i", &["import"]);
    goes_on(&shell, "sigtool help conf", &["config", "configuration"]);
    goes_on(&shell, "sigtool help back", &["backend", "backends"]);
    goes_on(&shell, "sigtool help im", &["images"]);
    goes_on(&shell, "sigtool help sign v", &[]);
    goes_on(&shell, "sigtool key exp", &["export-public"]);
    // Flags and their values.
    goes_on(&shell, "sigtool sign --artifact", &["--artifact-version"]);
    goes_on(&shell, "sigtool sign --profile p", &["preview", "prod"]);
    goes_on(&shell, "sigtool -p p", &["preview", "prod"]);
    goes_on(&shell, "sigtool profile use ", &["base", "preview", "prod"]);
    goes_on(&shell, "sigtool sign --signature-format c", &["cosign"]);
    goes_on(&shell, "sigtool sign --key /keys/", &["/keys/release.key"]);
    goes_on(&shell, "sigtool verify --key /keys/", &["/keys/alice.pub"]);
    goes_on(&shell, "sigtool verify --require a", &["all", "any"]);
    goes_on(&shell, "sigtool backend show l", &["local-stage"]);
    goes_on(
        &shell,
        "sigtool config explain profile.prod.signer.",
        &["profile.prod.signer.backend", "profile.prod.signer.key"],
    );
    // What an alias stands for, with flags before it.
    goes_on(&shell, "sigtool ship --artifact", &["--artifact-version"]);
    goes_on(
        &shell,
        "sigtool -q --config jobs=2 again --artifact",
        &["--artifact-version"],
    );
    goes_on(&shell, "sigtool with pre", &["preview"]);
    // Files: of artifacts, behind an external command, and where there is no such thing.
    goes_on(&shell, "sigtool sign a", &["app.tgz"]);
    goes_on(&shell, "sigtool sign dist/", &["dist/cart.jar"]);
    goes_on(&shell, "sigtool greet a", &["app.tgz"]);
    goes_on(&shell, "sigtool no-such-command a", &[]);
    // Words with a colon, which Bash takes apart.
    goes_on(
        &shell,
        "sigtool sign --key env:XDG_RUN",
        &["env:XDG_RUNTIME_DIR"],
    );
    goes_on(
        &shell,
        "sigtool verify --key env:XDG_RUN",
        &["env:XDG_RUNTIME_DIR"],
    );
    goes_on(
        &shell,
        "sigtool sign localhost:5000/a --signature-format c",
        &["cosign"],
    );
    // What is not for people.
    goes_on(&shell, "sigtool __", &[]);
    goes_on(&shell, "sigtool backend-", &[]);
}

#[test]
fn tab_completes_in_bash() {
    completes(Kind::Bash);
}

#[test]
fn tab_completes_in_zsh() {
    completes(Kind::Zsh);
}

#[test]
fn tab_completes_in_fish() {
    completes(Kind::Fish);
}

#[test]
fn a_line_stays_one_that_can_be_run() {
    let sandbox = sandbox();
    std::fs::write(sandbox.home().join("at home.tgz"), "").unwrap();
    for kind in [Kind::Bash, Kind::Zsh, Kind::Fish] {
        let Some(shell) = Shell::new(&sandbox, kind) else {
            return;
        };
        for (typed, expected) in [
            ("sigtool ver", "sigtool verify "),
            ("sigtool sign --profile=pro", "sigtool sign --profile=prod "),
            ("sigtool sign my", "sigtool sign my\\ file.tgz "),
            ("sigtool sign \"my", "sigtool sign \"my file.tgz\" "),
            ("sigtool sign my\\ f", "sigtool sign my\\ file.tgz "),
            ("sigtool sign di", "sigtool sign dist/"),
            ("sigtool sign ~/at", "sigtool sign ~/at\\ home.tgz "),
            (
                "sigtool sign --key env:XDG_RUN",
                "sigtool sign --key env:XDG_RUNTIME_DIR ",
            ),
            (
                "sigtool verify localhost:5000/",
                "sigtool verify localhost:5000/",
            ),
        ] {
            assert_eq!(shell.tab(typed), expected, "{kind:?}");
        }
    }
}

/// Asks as a shell does.
fn ask(sandbox: &Sandbox, shell: &str, words: &[&str]) -> Command {
    let mut command = sandbox.process();
    let path = format!("{}:/usr/bin:/bin", sandbox.root().join("bin").display());
    command
        .env("PATH", path)
        .env("COMPLETE", shell)
        .env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string())
        .arg("--")
        .args(words);
    command
}

#[track_caller]
fn answers(output: &Output) -> Vec<String> {
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let words = text.lines().filter_map(|line| line.split('\t').next());
    words.map(str::to_owned).collect()
}

#[test]
fn powershell_is_answered_with_descriptions() {
    let sandbox = sandbox();
    let output = ask(&sandbox, "powershell", &["sigtool", "shi"]).output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    assert_eq!(text, "ship\talias: sign --profile prod");
    let output = ask(&sandbox, "powershell", &["sigtool", "sign", "my"]).output();
    assert_eq!(answers(&output.unwrap()), ["'my file.tgz'"]);
}

/// In PowerShell itself, on machines that have one: no package of Debian's does, so nothing is installed for it.
#[test]
fn tab_completes_in_powershell() {
    let Some(powershell) = find("pwsh") else {
        return;
    };
    let sandbox = sandbox();
    let script = format!(
        ". '{}'; (TabExpansion2 'sigtool sign --profile pro' 26).CompletionMatches.CompletionText",
        registrations().join("sigtool.ps1").display()
    );
    let path = format!("{}:/usr/bin:/bin", sandbox.root().join("bin").display());
    let output = Command::new(powershell)
        .args(["-NoProfile", "-NonInteractive", "-Command", &script])
        .env("PATH", path)
        .env("HOME", sandbox.home())
        .env("XDG_CONFIG_HOME", sandbox.home().join(".config"))
        .current_dir(sandbox.work())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "prod");
}

#[test]
fn the_names_of_a_projects_profiles_count_and_those_of_a_file_that_is_named() {
    let sandbox = sandbox();
    sandbox.write(".sigtool.toml", "[profile.project]\nattach = true\n");
    sandbox.write("other.toml", "[profile.other]\nattach = true\n");
    let words = ["sigtool", "--config", "other.toml", "sign", "--profile", ""];
    let output = ask(&sandbox, "fish", &words).output().unwrap();
    assert_eq!(
        answers(&output),
        ["base", "other", "preview", "prod", "project"]
    );
    let words = ["sigtool", "profile", "use", ""];
    let named = sandbox.work().join("other.toml");
    let output = ask(&sandbox, "fish", &words)
        .env("SIGTOOL_CONFIG", named)
        .output();
    assert_eq!(answers(&output.unwrap()), ["other", "project"]);
}

#[test]
fn a_clone_cannot_put_a_command_into_the_line() {
    let sandbox = sandbox();
    let name = "evil; touch owned `touch owned` $(touch owned)";
    sandbox.write(
        ".sigtool.toml",
        format!("[profile.'{name}']\nattach = true\n"),
    );
    for kind in [Kind::Bash, Kind::Zsh, Kind::Fish] {
        let Some(shell) = Shell::new(&sandbox, kind) else {
            return;
        };
        let line = shell.tab("sigtool sign --profile ev");
        let echo = line.replace("sigtool", "printf %s");
        let said = Command::new(format!("{kind:?}").to_lowercase())
            .arg("-c")
            .arg(echo)
            .env("HOME", sandbox.home())
            .current_dir(sandbox.work())
            .output();
        let said = String::from_utf8(said.unwrap().stdout).unwrap();
        assert_eq!(said, format!("sign--profile{name}"), "{line}");
    }
    assert!(!sandbox.work().join("owned").exists());
}

#[test]
fn the_keys_of_init_are_offered_by_paths_that_work() {
    let sandbox = Sandbox::new(PROGRAM);
    sandbox.sigtool().args(["init", "--yes"]).assert().code(0);
    let words = ["sigtool", "sign", "--key", ""];
    let output = ask(&sandbox, "fish", &words).output().unwrap();
    let key = sandbox.home().join(".local/share/sigtool/keys/default.key");
    assert_eq!(answers(&output), [key.to_str().unwrap()]);
}

#[test]
fn external_commands_that_are_switched_off_are_not_offered() {
    let sandbox = sandbox();
    sandbox.append_config("[commands]\nexternal = false\n");
    let output = ask(&sandbox, "fish", &["sigtool", "gr"]).output().unwrap();
    assert!(answers(&output).is_empty());
    let output = ask(&sandbox, "fish", &["sigtool", "greet", "a"])
        .output()
        .unwrap();
    assert!(answers(&output).is_empty());
}

/// Every path below a folder.
fn everything(folder: &Path) -> BTreeSet<PathBuf> {
    let mut all = BTreeSet::new();
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            all.extend(everything(&path));
        }
        all.insert(path);
    }
    all
}

#[test]
fn whatever_is_wrong_a_person_who_types_sees_nothing_of_it_and_nothing_is_written() {
    let sandbox = sandbox();
    let lines: [&[&str]; 7] = [
        &["sigtool", ""],
        &["sigtool", "sign", "--profile", ""],
        &["sigtool", "sign", "--key", "~/"],
        &["sigtool", "circle", ""],
        &["sigtool", "greet", "~"],
        &["sigtool", "verify", "--key=a", "--require", ""],
        &["sigtool"],
    ];
    for config in [
        CONFIG,
        "[profile",
        "profile = 1\n[alias]\ncircle = \"circle\"\n",
        "jobs = \"many\"\n",
    ] {
        sandbox.write_config(config);
        let before = everything(sandbox.root());
        for (shell, words) in ["bash", "zsh", "fish", "powershell"]
            .into_iter()
            .flat_map(|shell| lines.map(|words| (shell, words)))
        {
            let mut at_home = ask(&sandbox, shell, words);
            let mut homeless = ask(&sandbox, shell, words);
            for name in [
                "HOME",
                "XDG_CONFIG_HOME",
                "XDG_DATA_HOME",
                "XDG_STATE_HOME",
                "XDG_CACHE_HOME",
            ] {
                homeless.env_remove(name);
            }
            for command in [&mut at_home, &mut homeless] {
                answers(&command.output().unwrap());
            }
        }
        assert_eq!(everything(sandbox.root()), before);
    }
}

#[test]
fn completing_opens_no_socket_and_runs_nothing() {
    let Some(strace) = need("strace") else {
        return;
    };
    let sandbox = sandbox();
    let seen = sandbox.root().join("seen");
    for words in [
        &["sigtool", "sign", "--profile", ""][..],
        &["sigtool", "sign", "--key", ""],
        &["sigtool", "verify", "--key", "~/"],
        &["sigtool", "sign", "--bundle", "~/"],
        &["sigtool", "backend", "show", ""],
        &["sigtool", "ship", ""],
        &["sigtool", "greet", ""],
        &["sigtool", ""],
    ] {
        let mut asked = ask(&sandbox, "fish", words);
        // Whose home it is, the name service would know.
        if words.contains(&"--bundle") {
            asked.env_remove("HOME");
        }
        let variables = asked
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?)));
        let output = Command::new(&strace)
            .args([
                "-f",
                "-y",
                "-qq",
                "-e",
                "trace=%network,execve,execveat,mmap",
                "-e",
                "signal=none",
                "-o",
            ])
            .arg(&seen)
            .arg(PROGRAM)
            .args(asked.get_args())
            .env_clear()
            .envs(variables)
            .current_dir(sandbox.work())
            .output()
            .unwrap();
        answers(&output);
        let calls = std::fs::read_to_string(&seen).unwrap();
        let own = |call: &&str| call.contains("execve(");
        assert_eq!(calls.lines().filter(own).count(), 1, "{words:?}: {calls}");
        let bad = calls.lines().filter(|call| {
            let loads = call.contains("PROT_EXEC") && call.contains("sigtool_backend");
            loads || !call.contains("mmap(") && !call.contains("execve(")
        });
        assert_eq!(bad.collect::<Vec<_>>(), Vec::<&str>::new(), "{words:?}");
    }
}

#[test]
fn the_variable_does_not_change_what_a_command_does() {
    let sandbox = sandbox();
    for shell in ["bash", "1", "no-such-shell"] {
        let verify = sandbox.sigtool().env("COMPLETE", shell);
        verify
            .args(["verify", "--key", "x", "app.tgz"])
            .assert()
            .code(2)
            .stdout_eq("");
    }
    let alone = sandbox.sigtool().env("COMPLETE", "1");
    alone.assert().code(2).stdout_eq("");
}

#[test]
fn the_registration_is_printed_even_if_the_configuration_is_wrong() {
    let sandbox = sandbox();
    sandbox.write_config("[profile");
    for (shell, file) in [
        ("bash", "sigtool.bash"),
        ("zsh", "_sigtool"),
        ("fish", "sigtool.fish"),
        ("powershell", "sigtool.ps1"),
        ("pwsh", "sigtool.ps1"),
    ] {
        let kept = std::fs::read_to_string(registrations().join(file)).unwrap();
        let printed = sandbox.sigtool().args(["completions", shell]);
        let printed = printed.output().unwrap();
        assert!(printed.status.success() && printed.stderr.is_empty());
        assert_eq!(String::from_utf8(printed.stdout).unwrap(), kept);
    }
    sandbox
        .sigtool()
        .args(["completions", "csh"])
        .assert()
        .code(2)
        .stderr_eq(str![[r#"
error: invalid value 'csh' for '<SHELL>'
  [possible values: bash, zsh, fish, powershell]

  tip: a similar value exists: 'zsh'

For more information, try '--help'.

"#]]);
}
