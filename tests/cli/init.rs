//! `sigtool init`: from nothing to a profile that signs and verifies.

use serde_json::Value;
use sigtool_tests::{Sandbox, person};
use snapbox::cmd::OutputAssert;
use snapbox::str;
use std::fs;
use std::path::PathBuf;

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sigtool"));
    sandbox.write("app.txt", "an app\n");
    sandbox
}

fn run(sandbox: &Sandbox, arguments: &[&str]) -> OutputAssert {
    sandbox.sigtool().args(arguments).assert()
}

fn key(sandbox: &Sandbox) -> PathBuf {
    sandbox.home().join(".local/share/sigtool/keys/default.key")
}

/// Every file of the home, with its bytes.
fn files(sandbox: &Sandbox) -> Vec<(PathBuf, Vec<u8>)> {
    let (mut found, mut folders) = (Vec::new(), vec![sandbox.home()]);
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push((path.clone(), fs::read(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn with_yes_it_leaves_a_profile_that_signs_and_verifies() {
    let sandbox = sandbox();
    run(&sandbox, &["init", "--yes"]).code(0).stdout_eq(str![[r#"
made  the key pair ~/.local/share/sigtool/keys/default.key (not protected: its password is empty, anyone who has the file can sign)
made  the profile `default` in ~/.config/sigtool/config.toml

"#]]).stderr_eq(str![[r#"
next  sigtool sign FILE, then sigtool verify FILE
      sigtool key change-password sets a password
      give ~/.local/share/sigtool/keys/default.pub to those who verify

"#]]);
    run(&sandbox, &["sign", "app.txt"])
        .code(0)
        .stdout_eq(str![[r#"
signed app.txt → app.txt.sigstore.json

"#]])
        .stderr_eq("");
    run(&sandbox, &["verify", "app.txt"]).code(0).stderr_eq("");
    run(&sandbox, &["config", "check"]).code(0);
    let config = fs::read_to_string(sandbox.config()).unwrap();
    let home = sandbox.home().display().to_string();
    snapbox::assert_data_eq!(
        config.replace(&home, "HOME"),
        str![[r#"
[profile.default]
signer = { backend = "cosign-key", key = "HOME/.local/share/sigtool/keys/default.key" }

[profile.default.verify]
keys = ["HOME/.local/share/sigtool/keys/default.pub"]

"#]]
    );
}

#[test]
fn what_it_makes_nobody_else_can_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let sandbox = sandbox();
    run(&sandbox, &["init", "--yes"]).code(0);
    let mode = |path: PathBuf| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(key(&sandbox)), 0o600);
    assert_eq!(mode(key(&sandbox).parent().unwrap().to_owned()), 0o700);
    assert_eq!(mode(sandbox.config()), 0o600);
}

#[test]
fn running_it_again_changes_nothing() {
    let sandbox = sandbox();
    run(&sandbox, &["init", "--yes"]).code(0);
    let before = files(&sandbox);
    run(&sandbox, &["init", "--yes"])
        .code(0)
        .stdout_eq(str![[r#"
the profile `default` is there already: nothing was changed

"#]])
        .stderr_eq("");
    run(&sandbox, &["init"])
        .code(0)
        .stdout_eq(str![[r#"
the profile `default` is there already: nothing was changed

"#]])
        .stderr_eq("");
    assert_eq!(files(&sandbox), before);
}

#[test]
fn a_run_that_was_cut_short_after_the_key_is_finished() {
    let sandbox = sandbox();
    run(&sandbox, &["init", "--yes"]).code(0);
    let made = fs::read(key(&sandbox)).unwrap();
    fs::remove_file(sandbox.config()).unwrap();
    run(&sandbox, &["init", "--yes"])
        .code(0)
        .stdout_eq(str![[r#"
found the key pair ~/.local/share/sigtool/keys/default.key, made before
made  the profile `default` in ~/.config/sigtool/config.toml

"#]])
        .stderr_eq(str![[r#"
next  sigtool sign FILE, then sigtool verify FILE
      give ~/.local/share/sigtool/keys/default.pub to those who verify

"#]]);
    assert_eq!(fs::read(key(&sandbox)).unwrap(), made);
    run(&sandbox, &["sign", "app.txt"]).code(0);
    run(&sandbox, &["verify", "app.txt"]).code(0);
}

#[test]
fn a_configuration_without_profiles_is_kept() {
    let sandbox = sandbox();
    sandbox.write_config("# mine\ntimeout = \"1m\" # long\n");
    run(&sandbox, &["init", "--yes"]).code(0);
    let config = fs::read_to_string(sandbox.config()).unwrap();
    assert!(
        config.starts_with("# mine\ntimeout = \"1m\" # long\n"),
        "{config}"
    );
    run(&sandbox, &["sign", "app.txt"]).code(0);
}

#[test]
fn a_profile_in_use_is_left_alone() {
    let sandbox = sandbox();
    let config = "default_profile = \"mine\"\n[profile.mine]\nsignature_format = \"both\"\n";
    sandbox.write_config(config);
    run(&sandbox, &["init", "--yes"])
        .code(0)
        .stdout_eq(str![[r#"
the profile `mine` is there already: nothing was changed

"#]]);
    assert_eq!(fs::read_to_string(sandbox.config()).unwrap(), config);
    assert!(!key(&sandbox).exists());
}

#[test]
fn a_password_in_the_variable_protects_the_key() {
    let sandbox = sandbox();
    let with_password = |arguments: &[&str]| {
        let command = sandbox
            .sigtool()
            .env("SIGTOOL_PASSWORD", "a-password-of-mine");
        command.args(arguments).assert()
    };
    with_password(&["init", "--yes"])
        .code(0)
        .stdout_eq(str![[r#"
made  the key pair ~/.local/share/sigtool/keys/default.key (protected by a password)
made  the profile `default` in ~/.config/sigtool/config.toml

"#]])
        .stderr_eq(str![[r#"
next  sigtool sign FILE, then sigtool verify FILE
      give ~/.local/share/sigtool/keys/default.pub to those who verify

"#]]);
    with_password(&["sign", "app.txt"]).code(0);
    run(&sandbox, &["verify", "app.txt"]).code(0);
    run(&sandbox, &["sign", "app.txt"]).code(3).stdout_eq("");
    assert_eq!(
        sandbox.files_that_hold(b"a-password-of-mine"),
        [""; 0].map(PathBuf::from)
    );
}

#[test]
fn without_a_terminal_nothing_is_asked_and_nothing_made() {
    let sandbox = sandbox();
    run(&sandbox, &["init"]).code(2).stdout_eq("").stderr_eq(str![[r#"
error: a question needs an answer, and there is no terminal to ask on
  caused by: make the key pair ~/.local/share/sigtool/keys/default.key and the profile `default` in ~/.config/sigtool/config.toml?
  hint: to answer yes, add `--yes`

"#]]);
    assert_eq!(files(&sandbox), []);
}

#[test]
fn json_says_what_was_made() {
    let sandbox = sandbox();
    let made = |changed: bool| {
        let output = run(&sandbox, &["init", "--yes", "--format", "json"]).code(0);
        let made: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
        assert_eq!(made["changed"], changed);
        assert_eq!(made["profile"], "default");
        assert_eq!(made["key"], serde_json::json!(key(&sandbox)));
        assert_eq!(
            made["public_key"],
            serde_json::json!(key(&sandbox).with_extension("pub"))
        );
        assert_eq!(made["config_file"], serde_json::json!(sandbox.config()));
        made["protection"].clone()
    };
    assert_eq!(made(true), "encrypted-with-empty-password");
    made(false);
}

#[test]
fn without_a_home_it_is_told_what_to_set() {
    let sandbox = sandbox();
    let homeless = || {
        ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"]
            .into_iter()
            .fold(sandbox.sigtool(), |command, name| command.env_remove(name))
    };
    homeless()
        .args(["init", "--yes"])
        .assert()
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: there is no place for your configuration
  caused by: neither HOME nor XDG_CONFIG_HOME is set
  hint: name a file by the variable SIGTOOL_CONFIG

"#]]);
    let config = ["config", "set", "jobs", "2"];
    homeless()
        .args(config)
        .assert()
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: there is no place for your configuration
  caused by: neither HOME nor XDG_CONFIG_HOME is set
  hint: name a file by the variable SIGTOOL_CONFIG

"#]]);
    homeless()
        .args(["profile", "list"])
        .assert()
        .code(0)
        .stdout_eq("");
}

#[test]
fn a_folder_that_cannot_be_written_to_is_told_and_init_can_be_run_again() {
    let sandbox = sandbox();
    let Some(person) = person::ordinary(&sandbox) else {
        return;
    };
    let says = |folder: &str| {
        let mode = |mode: u32| {
            use std::os::unix::fs::PermissionsExt as _;
            let folder = sandbox.home().join(folder);
            fs::set_permissions(folder, fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(0o500);
        let output = person().args(["init", "--yes"]).output().unwrap();
        mode(0o700);
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    snapbox::assert_data_eq!(
        says(".local/share"),
        str![[r#"
error: cannot make the folder ~/.local/share/sigtool/keys
  caused by: permission denied

"#]]
    );
    snapbox::assert_data_eq!(
        says(".config"),
        str![[r#"
error: cannot write ~/.config/sigtool/config.toml
  caused by: permission denied

"#]]
    );
    assert!(!sandbox.config().exists());
    let output = person().args(["init", "--yes"]).output().unwrap();
    snapbox::assert_data_eq!(
        String::from_utf8(output.stdout).unwrap(),
        str![[r#"
found the key pair ~/.local/share/sigtool/keys/default.key, made before
made  the profile `default` in ~/.config/sigtool/config.toml

"#]]
    );
}
