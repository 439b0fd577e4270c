//! Which policy holds, where several could be meant: that of a profile, of keys on the command line, or of a file that the shell took
//! for a flag.

use super::*;
use sigtool_tests::keys;

/// `app.txt` signed by `a`, and a profile `strict` that demands `a` and `b`.
fn strict() -> Sandbox {
    let sandbox = sandbox();
    let work = sandbox.work().display().to_string();
    sandbox.write_config(
        &"[profile.strict.verify]\nkeys = [\"WORK/a.pub\", \"WORK/b.pub\"]\nrequire = \"all\"\n[profile.open]\nattach = true\n"
            .replace("WORK", &work),
    );
    sandbox
}

/// "No policy is replaced in silence" (SECURITY.md), as do the next three.
#[test]
fn a_key_does_not_replace_the_policy_of_a_profile_that_is_named_beside_it() {
    let sandbox = strict();
    sandbox.write("named.toml", "default_profile = \"strict\"\n");
    for named in [
        &["--profile", "strict"][..],
        &["--config", "default_profile=strict"],
        &["--config", "named.toml"],
    ] {
        verify(&sandbox, &[named, &["--key", "a.pub", "app.txt"]].concat())
            .code(2)
            .stdout_eq("")
            .stderr_eq(str![[r#"
error: `--key` and the profile `strict` both say whose signatures count
  caused by: the profile does at ~/.config/sigtool/config.toml:2
  hint: to verify by the profile's policy leave out `--key`
  hint: to verify by these keys in its place: --config 'profile.strict.verify.keys=["a.pub"]'

"#]]);
    }
    // Both ways out.
    verify(&sandbox, &["--profile", "strict", "app.txt"]).code(1);
    let keys = r#"profile.strict.verify.keys=["a.pub"]"#;
    verify(&sandbox, &["-p", "strict", "--config", keys, "app.txt"]).code(0);
    // A profile without a policy has nothing to replace.
    verify(&sandbox, &["-p", "open", "--key", "a.pub", "app.txt"])
        .code(0)
        .stderr_eq("");
}

#[test]
fn a_profile_that_was_chosen_elsewhere_gives_way_to_a_key_and_that_is_told() {
    let sandbox = strict();
    let told = |origin: &str| {
        format!(
            "note: `--key` says whose signatures count, in place of the profile `strict` ({origin})\n"
        )
    };
    let arguments = ["verify", "--key", "a.pub", "app.txt"];
    let command = sandbox.sigtool().env("SIGTOOL_PROFILE", "strict");
    command
        .args(arguments)
        .assert()
        .code(0)
        .stderr_eq(told("SIGTOOL_PROFILE"));
    let config = std::fs::read_to_string(sandbox.config()).unwrap();
    sandbox.write_config(&format!("default_profile = \"strict\"\n{config}"));
    verify(&sandbox, &["--key", "a.pub", "app.txt"])
        .code(0)
        .stderr_eq(told("~/.config/sigtool/config.toml:1"));
    let row = row(&sandbox, &["--key", "a.pub", "app.txt"]);
    let note = told("~/.config/sigtool/config.toml:1");
    let note = note.trim_start_matches("note: ").trim_end();
    assert_eq!(row["notes"], serde_json::json!([note]));
}

#[test]
fn a_file_whose_name_is_written_like_a_flag_is_not_taken_for_one() {
    let sandbox = strict();
    keys::put(&sandbox);
    // As the shell passes `*` and `*/*`.
    for (file, words) in [
        ("--key=.e.pub", &["--key=.e.pub", "app.txt"][..]),
        ("--key=d/e.pub", &["--key=d/e.pub", "app.txt"]),
        ("-q", &["-q", "app.txt"]),
        ("--recursive", &["app.txt", "--recursive"]),
        ("-z", &["-z", "app.txt"]),
        ("--", &["--", "app.txt"]),
        ("-", &["-"]),
        ("--help", &["--help"]),
    ] {
        let path = sandbox.work().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        sandbox.write(file, "anything");
        for command in ["sign", "verify", "inspect", "overview", "history"] {
            let output = sandbox.sigtool().arg(command).args(words).assert().code(2);
            let stderr = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
            let hint = format!("for the file write `./{file}`");
            assert!(stderr.contains(&hint), "{command} {words:?}: {stderr}");
            assert!(stderr.contains("`--` before"), "{command}: {stderr}");
        }
        if file != "--" {
            let output = verify(&sandbox, &["--key", "a.pub", "app.txt", "--", file]);
            let stderr = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
            assert!(!stderr.contains("written like a flag"), "{file}: {stderr}");
        }
        std::fs::remove_file(path).unwrap();
    }
    // A link to nothing is a name too, and an alias leads to the same command.
    std::os::unix::fs::symlink("nowhere", sandbox.work().join("-r")).unwrap();
    sandbox.append_config("[alias]\ncheck = [\"verify\", \"--key\", \"a.pub\"]\n");
    sandbox
        .sigtool()
        .args(["check", "-r", "app.txt"])
        .assert()
        .code(2);
    // What the alias itself says was not made by the shell.
    sandbox.write("--key", "anything");
    sandbox
        .sigtool()
        .args(["check", "app.txt"])
        .assert()
        .code(0);
}

#[test]
fn a_key_that_is_listed_twice_is_one_signer_and_that_is_told() {
    let sandbox = strict();
    let pem = std::fs::read_to_string(sandbox.work().join("a.pub")).unwrap();
    sandbox.write("alice.pub", pem.replace('\n', "\r\n"));
    let told = str![[r#"
warning: `a.pub` and `alice.pub` are one key, which counts as one signer

"#]];
    let both = ["--key", "a.pub", "--key", "alice.pub", "--require", "all"];
    let arguments = [&both[..], &["--quiet", "app.txt"]].concat();
    verify(&sandbox, &arguments).code(0).stderr_eq(told);
    let row = row(&sandbox, &[&both[..], &["app.txt"]].concat());
    assert_eq!(
        row["notes"],
        serde_json::json!(["`a.pub` and `alice.pub` are one key, which counts as one signer"])
    );
}
