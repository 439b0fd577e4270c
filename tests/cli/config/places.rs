//! Who may change what grants something: the machine's policy, the keys in it, the configuration, the keys of a profile.
//!
//! "What grants something is nobody else's to change" (SECURITY.md).

use super::*;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// `app.txt` signed by `a`, whom the profile `dev` trusts.
fn signed() -> Sandbox {
    let sandbox = sandbox();
    run(&sandbox, &["sign", "-q", "app.txt"]).code(0);
    sandbox
}

fn errors(output: &OutputAssert) -> String {
    String::from_utf8_lossy(&output.get_output().stderr).into_owned()
}

/// Each way in which others could change a file, made and taken back. What is theirs only root can give them.
fn others_can_change(path: &Path, mut used: impl FnMut(&str)) {
    let folder = path.parent().unwrap();
    for (place, mode, back) in [(path, 0o666, 0o644), (folder, 0o777, 0o755)] {
        chmod(place, mode);
        used("can be written by others");
        chmod(place, back);
    }
    if chown(path, Some(4321), Some(4321)).is_ok() {
        used("belongs to user 4321");
        chown(path, Some(0), Some(0)).unwrap();
    }
    let away = path.with_extension("away");
    fs::rename(path, &away).unwrap();
    symlink(&away, path).unwrap();
    chmod(&away, 0o666);
    used("can be written by others");
    chmod(&away, 0o644);
    fs::remove_file(path).unwrap();
    symlink("/nowhere/at/all", path).unwrap();
    used("is a symbolic link to nothing");
    fs::remove_file(path).unwrap();
    // A link to what is one's own is as good as that.
    symlink(&away, path).unwrap();
}

#[test]
fn a_configuration_that_others_can_change_is_not_used() {
    let sandbox = signed();
    chmod(&sandbox.config(), 0o644);
    others_can_change(&sandbox.config(), |why| {
        for arguments in [&["sign", "app.txt"][..], &["verify", "app.txt"]] {
            let output = run(&sandbox, arguments).code(3).stdout_eq("");
            let stderr = errors(&output);
            assert!(stderr.contains(why), "{why}: {stderr}");
            assert!(
                stderr.starts_with(
                    "error: cannot use the configuration ~/.config/sigtool/config.toml\n"
                ),
                "{stderr}"
            );
        }
    });
    run(&sandbox, &["verify", "app.txt"]).code(0);
    // Nor is one that a flag or a variable names.
    let named = sandbox.write("named.toml", "jobs = 1\n");
    chmod(&named, 0o666);
    run(&sandbox, &["verify", "--config", "./named.toml", "app.txt"]).code(2);
    with(
        &sandbox,
        "SIGTOOL_CONFIG",
        "named.toml",
        &["verify", "app.txt"],
    )
    .code(3);
}

#[test]
fn a_key_of_a_profile_that_others_can_change_is_not_trusted() {
    let sandbox = signed();
    let key = sandbox.work().join("keys/a.pub");
    fs::create_dir(key.parent().unwrap()).unwrap();
    fs::rename(sandbox.work().join("a.pub"), &key).unwrap();
    let text = fs::read_to_string(sandbox.config()).unwrap();
    sandbox.write_config(&text.replace("/a.pub", "/keys/a.pub"));
    others_can_change(&key, |why| {
        let output = run(&sandbox, &["verify", "app.txt"]).code(3).stdout_eq("");
        let stderr = errors(&output);
        assert!(stderr.contains(why), "{why}: {stderr}");
        assert!(stderr.contains("config.toml:11:"), "{stderr}");
    });
    run(&sandbox, &["verify", "app.txt"]).code(0);
}

#[test]
fn a_key_that_the_command_line_names_is_used_and_it_is_told_who_can_change_it() {
    let sandbox = signed();
    sandbox.write_config("");
    chmod(&sandbox.work().join("a.pub"), 0o666);
    run(&sandbox, &["verify", "-q", "--key", "a.pub", "app.txt"])
        .code(0)
        .stderr_eq(str![[r#"
warning: `a.pub` is trusted because you name it, though others can change it: `[..]/here/a.pub` can be written by others (mode 0666)

"#]]);
    let rows = rows(&sandbox, &["verify", "--key", "a.pub", "app.txt"]);
    let note = rows[0]["notes"][0].as_str().unwrap();
    assert!(note.starts_with("`a.pub` is trusted because you name it"));
}

/// A machine whose policy trusts `ed`, who has not signed.
fn machine() -> (Sandbox, std::path::PathBuf) {
    let sandbox = signed();
    let etc = sandbox.home().join("etc");
    fs::create_dir(&etc).unwrap();
    fs::copy(sandbox.work().join("ed.pub"), etc.join("ed.pub")).unwrap();
    let policy = format!("[verify]\nkeys = [\"{}/ed.pub\"]\n", etc.display());
    fs::write(etc.join("policy.toml"), policy).unwrap();
    (sandbox, etc)
}

fn verify(sandbox: &Sandbox, etc: &Path) -> OutputAssert {
    let command = sandbox.sigtool().env("SIGTOOL_TEST_ETC", etc);
    command.args(["verify", "app.txt"]).assert()
}

#[test]
fn the_policy_of_the_machine_fails_closed() {
    let (sandbox, etc) = machine();
    verify(&sandbox, &etc).code(1);
    for file in ["policy.toml", "ed.pub"] {
        others_can_change(&etc.join(file), |why| {
            let output = verify(&sandbox, &etc).code(3).stdout_eq("");
            let stderr = errors(&output);
            assert!(stderr.contains(why), "{file}: {why}: {stderr}");
        });
        verify(&sandbox, &etc).code(1);
    }
    // Its folder is a link to nothing, or is not a folder.
    let away = sandbox.home().join("away");
    fs::rename(&etc, &away).unwrap();
    verify(&sandbox, &etc).code(0);
    symlink(sandbox.home().join("nowhere"), &etc).unwrap();
    verify(&sandbox, &etc).code(3).stdout_eq("");
    fs::remove_file(&etc).unwrap();
    fs::write(&etc, "").unwrap();
    verify(&sandbox, &etc).code(3).stdout_eq("");
    fs::remove_file(&etc).unwrap();
    symlink(&away, &etc).unwrap();
    verify(&sandbox, &etc).code(1);
}

#[test]
fn the_keys_of_the_machines_policy_are_absolute_paths_or_their_own_text() {
    let (sandbox, etc) = machine();
    let policy = |key: &str| {
        fs::write(
            etc.join("policy.toml"),
            format!("[verify]\nkeys = [{key}]\n"),
        )
        .unwrap();
    };
    for key in [
        "\"env:RELKEY\"",
        "\"~/ed.pub\"",
        "\"ed.pub\"",
        "\"./ed.pub\"",
        "\"file:ed.pub\"",
        "\"file:/etc/ed.pub\"",
        "\"\"",
        "\"shelf:/ed.pub\"",
    ] {
        policy(key);
        let output = verify(&sandbox, &etc).code(3).stdout_eq("");
        let stderr = errors(&output);
        assert!(stderr.contains("takes absolute paths"), "{key}: {stderr}");
    }
    // Nor is a private key, which is not shown.
    let private = fs::read_to_string(sandbox.work().join("a.key")).unwrap();
    policy(&format!("'''{private}'''"));
    let output = verify(&sandbox, &etc).code(3);
    assert!(!errors(&output).contains(private.lines().nth(1).unwrap()));
    for (name, code) in [("ed.pub", 1), ("a.pub", 0)] {
        let text = fs::read_to_string(sandbox.work().join(name)).unwrap();
        policy(&format!("'''\n{text}'''"));
        let output = verify(&sandbox, &etc).code(code);
        if code == 1 {
            let stderr = errors(&output);
            assert!(
                stderr.contains("trusted: `~/etc/policy.toml:2`"),
                "{stderr}"
            );
        }
    }
}

/// In a container one is root, and the home folder is that of whoever started it.
#[test]
fn where_one_is_root_the_owner_of_the_home_folder_is_one_too() {
    let sandbox = signed();
    // Only root can give a file away.
    if chown(sandbox.config(), Some(4321), Some(4321)).is_err() {
        return;
    }
    run(&sandbox, &["verify", "app.txt"]).code(3);
    chown(sandbox.home(), Some(4321), Some(4321)).unwrap();
    run(&sandbox, &["verify", "app.txt"]).code(0);
}
