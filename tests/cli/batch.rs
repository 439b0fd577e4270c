//! Many artifacts in one run: how they are named, what is skipped, and what one failure does to the others.

use serde_json::Value;
use sigtool_tests::peers::need;
use sigtool_tests::{Sandbox, keys, person, terminal};
use snapbox::cmd::OutputAssert;
use snapbox::str;
use std::os::unix::fs::{PermissionsExt as _, symlink};

/// A sandbox with a profile that signs with `a`, and three files.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sigtool"));
    keys::put_with_profile(&sandbox);
    for name in ["one.txt", "two.txt", "three.txt"] {
        sandbox.write(name, name);
    }
    sandbox
}

fn run(sandbox: &Sandbox, arguments: &[&str]) -> OutputAssert {
    sandbox.sigtool().args(arguments).assert()
}

fn is_signed(sandbox: &Sandbox, name: &str) -> bool {
    sandbox
        .work()
        .join(format!("{name}.sigstore.json"))
        .exists()
}

#[test]
fn all_are_signed_in_the_order_of_the_command_line() {
    let sandbox = sandbox();
    run(&sandbox, &["sign", "two.txt", "one.txt", "three.txt"])
        .code(0)
        .stdout_eq(str![[r#"
signed two.txt → two.txt.sigstore.json
signed one.txt → one.txt.sigstore.json
signed three.txt → three.txt.sigstore.json

"#]])
        .stderr_eq(str![[r#"
3 artifacts signed

"#]]);
    run(&sandbox, &["verify", "two.txt", "one.txt", "three.txt"])
        .code(0)
        .stdout_eq(str![[r#"
valid two.txt, signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)
valid one.txt, signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)
valid three.txt, signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)

"#]])
        .stderr_eq(str![[r#"
3 artifacts valid

"#]]);
}

#[test]
fn one_failure_does_not_lose_the_others_and_the_summary_names_each() {
    let sandbox = sandbox();
    run(
        &sandbox,
        &[
            "sign",
            "one.txt",
            "gone",
            "two.txt",
            "/dev/null",
            "--keep-going",
        ],
    )
    .code(2)
    .stdout_eq(str![[r#"
signed one.txt → one.txt.sigstore.json
signed two.txt → two.txt.sigstore.json

"#]])
    .stderr_eq(str![[r#"
error: there is no file `gone`
  hint: if the image of that name is meant, write `oci:gone`
error: cannot sign `/dev/null`
  caused by: `/dev/null` is a character device
  caused by: only regular files can be signed
  hint: write its content to a file first, or pipe it in and name the artifact `-`
2 artifacts signed, 2 failed:
  gone
  /dev/null

"#]]);
    assert!(is_signed(&sandbox, "two.txt"));
}

#[test]
fn fail_fast_begins_nothing_after_the_first_failure() {
    let sandbox = sandbox();
    run(
        &sandbox,
        &[
            "sign",
            "--fail-fast",
            "--jobs",
            "1",
            "one.txt",
            "/dev/null",
            "two.txt",
        ],
    )
    .code(2)
    .stdout_eq(str![[r#"
signed one.txt → one.txt.sigstore.json

"#]])
    .stderr_eq(str![[r#"
error: cannot sign `/dev/null`
  caused by: `/dev/null` is a character device
  caused by: only regular files can be signed
  hint: write its content to a file first, or pipe it in and name the artifact `-`
1 artifact signed, 1 failed:
  /dev/null
1 artifact not tried

"#]]);
    assert!(!is_signed(&sandbox, "two.txt"));
    run(
        &sandbox,
        &["verify", "--fail-fast", "--jobs", "1", "two.txt", "one.txt"],
    )
    .code(1)
    .stdout_eq(str![])
    .stderr_eq(str![[r#"
error: refused `two.txt`
  caused by: no signature found beside the artifact
0 artifacts valid, 1 failed:
  two.txt (refused)
1 artifact not tried

"#]]);
}

#[test]
fn the_most_serious_failure_of_any_artifact_is_the_exit_code() {
    let sandbox = sandbox();
    run(&sandbox, &["sign", "one.txt"]).code(0);
    // Nobody can read a link to itself, root included.
    let loops = "three.txt.sigstore.json";
    symlink(loops, sandbox.work().join(loops)).unwrap();
    let code = |artifacts: &[&str], code: i32| {
        let arguments = [&["verify"], artifacts].concat();
        run(&sandbox, &arguments).code(code)
    };
    let (good, refused, unsure, missing) = ("one.txt", "two.txt", "three.txt", "gone");
    code(&[good, missing], 2);
    code(&[good, missing, unsure], 3);
    code(&[good, missing, unsure, refused], 1)
        .stdout_eq(str![[r#"
valid one.txt, signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)

"#]])
        .stderr_eq(str![[r#"
error: there is no file `gone`
  hint: if the image of that name is meant, write `oci:gone`
error: could not tell whether `three.txt` is signed as the policy demands
  caused by: could not look beside the artifact: `three.txt.sigstore.json` is a symbolic link in a circle
error: refused `two.txt`
  caused by: no signature found beside the artifact
1 artifact valid, 3 failed:
  gone (not checked)
  three.txt (could not tell)
  two.txt (refused)

"#]]);
    code(&[good], 0);
}

#[test]
fn as_many_jobs_as_wanted_give_the_same_report() {
    let sandbox = sandbox();
    let names: Vec<String> = (0..40).map(|i| format!("many/{i}")).collect();
    for name in &names {
        sandbox.write(name, name);
    }
    let report = |jobs: &str| {
        let arguments = ["verify", "--jobs", jobs];
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let output = run(&sandbox, &[&arguments[..], &names].concat()).code(0);
        output.get_output().stdout.clone()
    };
    run(&sandbox, &["sign", "--jobs", "8", "--recursive", "many"]).code(0);
    assert_eq!(report("1"), report("8"));
}

#[test]
fn an_artifact_that_is_named_twice_is_signed_once() {
    let sandbox = sandbox();
    run(
        &sandbox,
        &[
            "sign",
            "one.txt",
            "./one.txt",
            "../here/one.txt",
            "file:one.txt",
        ],
    )
    .code(0)
    .stdout_eq(str![[r#"
signed one.txt → one.txt.sigstore.json

"#]])
    .stderr_eq(str![[r#"
note: 3 artifacts are named more than once

"#]]);
    assert_eq!(sandbox.work().read_dir().unwrap().count(), 6 + 3 + 1);
}

#[test]
fn the_signatures_that_a_shells_star_names_are_not_signed() {
    let sandbox = sandbox();
    sandbox.write("dist/a.bin", "a");
    sandbox.write("dist/b.bin", "b");
    let names = || {
        let entries = sandbox.work().join("dist").read_dir().unwrap();
        let name = |entry: std::fs::DirEntry| entry.file_name().into_string().unwrap();
        let mut names: Vec<String> = entries
            .map(|e| format!("dist/{}", name(e.unwrap())))
            .collect();
        names.sort();
        names
    };
    let star = |command: &str| {
        sandbox
            .sigtool()
            .arg(command)
            .args(names())
            .assert()
            .code(0)
    };
    star("sign");
    run(
        &sandbox,
        &[
            "sign",
            "--key",
            "b.key",
            "--signature-format",
            "both",
            "dist/a.bin",
        ],
    )
    .code(0);
    let before = names();
    star("sign")
        .stdout_eq(str![[r#"
signed again dist/a.bin → dist/a.bin.sigstore.json
signed again dist/b.bin → dist/b.bin.sigstore.json

"#]])
        .stderr_eq(str![[r#"
note: 4 signatures are skipped: their artifacts are named too
2 artifacts signed

"#]]);
    assert_eq!(names(), before);
    star("verify").stdout_eq(str![[r#"
valid dist/a.bin, signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)
valid dist/b.bin, signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)

"#]]);
    // Named alone, a signature is a file as any other.
    run(&sandbox, &["sign", "dist/b.bin.sigstore.json"])
        .code(0)
        .stdout_eq(str![[r#"
signed dist/b.bin.sigstore.json → dist/b.bin.sigstore.json.sigstore.json

"#]]);
}

#[test]
fn a_folder_is_taken_only_if_that_is_said() {
    let sandbox = sandbox();
    sandbox.write("dist/a", "a");
    run(&sandbox, &["sign", "dist", "one.txt"])
        .code(2)
        .stdout_eq(str![[r#"
signed one.txt → one.txt.sigstore.json

"#]])
        .stderr_eq(str![[r#"
error: cannot sign `dist`
  caused by: `dist` is a folder
  hint: add `--recursive` to take every file in it
1 artifact signed, 1 failed:
  dist

"#]]);
    run(&sandbox, &["verify", "dist"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: cannot verify `dist`
  caused by: `dist` is a folder
  hint: add `--recursive` to take every file in it

"#]]);
}

#[test]
fn of_a_folder_signatures_hidden_files_and_links_are_skipped() {
    let sandbox = sandbox();
    sandbox.write("dist/a", "a");
    sandbox.write("dist/deep/er/b", "b");
    sandbox.write("dist/.hidden", "h");
    sandbox.write("dist/.git/config", "g");
    symlink("a", sandbox.work().join("dist/link")).unwrap();
    symlink("..", sandbox.work().join("dist/up")).unwrap();
    let both = ["sign", "--recursive", "--signature-format", "both", "dist"];
    run(&sandbox, &both)
        .code(0)
        .stdout_eq(str![[r#"
signed dist/a → dist/a.sigstore.json, dist/a.sig
signed dist/deep/er/b → dist/deep/er/b.sigstore.json, dist/deep/er/b.sig
not looked at: dist/.git (its name begins with a dot)
not looked at: dist/.hidden (its name begins with a dot)
not looked at: dist/link (it is a symbolic link)
not looked at: dist/up (it is a symbolic link)

"#]])
        .stderr_eq(str![[r#"
2 artifacts signed, 4 not looked at

"#]]);
    // A second time there are signatures to skip.
    run(&sandbox, &both).code(0).stdout_eq(str![[r#"
signed again dist/a → dist/a.sigstore.json, dist/a.sig
signed again dist/deep/er/b → dist/deep/er/b.sigstore.json, dist/deep/er/b.sig
not looked at: dist/.git (its name begins with a dot)
not looked at: dist/.hidden (its name begins with a dot)
not looked at: dist/link (it is a symbolic link)
not looked at: dist/up (it is a symbolic link)

"#]]);
    run(&sandbox, &["verify", "--recursive", "dist"]).code(0).stdout_eq(str![[r#"
valid dist/a, signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)
valid dist/deep/er/b, signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)
not looked at: dist/.git (its name begins with a dot)
not looked at: dist/.hidden (its name begins with a dot)
not looked at: dist/link (it is a symbolic link)
not looked at: dist/up (it is a symbolic link)

"#]]).stderr_eq(str![[r#"
2 artifacts valid, 4 not looked at

"#]]);
}

#[test]
fn a_folder_without_artifacts_is_told() {
    let sandbox = sandbox();
    std::fs::create_dir(sandbox.work().join("empty")).unwrap();
    for command in ["sign", "verify"] {
        run(&sandbox, &[command, "--recursive", "empty"])
            .code(2)
            .stdout_eq("");
    }
    run(&sandbox, &["sign", "--recursive", "empty"])
        .code(2)
        .stderr_eq(str![[r#"
error: there is nothing to sign in `empty`

"#]]);
}

#[test]
fn a_pattern_that_the_shell_has_not_expanded_is_expanded() {
    let sandbox = sandbox();
    sandbox.write("sub/four.txt", "4");
    sandbox.write(".five.txt", "5");
    run(&sandbox, &["sign", "t*.txt", "s?b/*.txt", "one.t[xyz]t"])
        .code(0)
        .stdout_eq(str![[r#"
signed three.txt → three.txt.sigstore.json
signed two.txt → two.txt.sigstore.json
signed sub/four.txt → sub/four.txt.sigstore.json
signed one.txt → one.txt.sigstore.json

"#]]);
    run(&sandbox, &["verify", "t*", "*.none"])
        .code(2)
        .stdout_eq(str![[r#"
valid three.txt, signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)
valid two.txt, signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)

"#]])
        .stderr_eq(str![[r#"
error: no artifact matches `*.none`
2 artifacts valid, 1 failed:
  *.none (not checked)

"#]]);
    run(&sandbox, &["sign", "[", "one.txt"])
        .code(2)
        .stdout_eq(str![[r#"
signed again one.txt → one.txt.sigstore.json

"#]])
        .stderr_eq(str![[r#"
error: there is no file `[`, and it is not a pattern: invalid range pattern
1 artifact signed, 1 failed:
  [

"#]]);
}

#[test]
fn a_list_names_artifacts_a_line_each() {
    let sandbox = sandbox();
    sandbox.write("with space.txt", "s");
    sandbox.write("list", "one.txt\r\n\nwith space.txt\ntwo.txt");
    run(&sandbox, &["sign", "--from-file", "list", "three.txt"])
        .code(0)
        .stdout_eq(str![[r#"
signed three.txt → three.txt.sigstore.json
signed one.txt → one.txt.sigstore.json
signed with space.txt → with space.txt.sigstore.json
signed two.txt → two.txt.sigstore.json

"#]]);
    // As Windows writes one.
    sandbox.write("list", "\u{feff}one.txt\r\ntwo.txt\r\n");
    run(&sandbox, &["verify", "--from-file", "list"]).code(0);
    sandbox.write("list", b"\xff\xfeo\0n\0e\0");
    run(&sandbox, &["verify", "--from-file", "list"])
        .code(2)
        .stderr_eq(str![[r#"
error: cannot read the list `list`
  caused by: it is UTF-16
  hint: write it as UTF-8

"#]]);
    sandbox
        .sigtool()
        .args(["verify", "--from-file", "-"])
        .stdin("two.txt\nthree.txt\n")
        .assert()
        .code(0)
        .stdout_eq(str![[r#"
valid two.txt, signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)
valid three.txt, signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)

"#]]);
}

#[test]
fn a_list_that_is_not_one_is_told() {
    let sandbox = sandbox();
    sandbox.write("empty", "\n\n");
    std::fs::create_dir(sandbox.work().join("folder")).unwrap();
    let says = |list: &str| {
        run(&sandbox, &["sign", "--from-file", list])
            .code(2)
            .stdout_eq("")
    };
    says("empty").stderr_eq(str![[r#"
error: the list `empty` names no artifact

"#]]);
    says("folder").stderr_eq(str![[r#"
error: cannot read the list `folder`
  caused by: it is a folder

"#]]);
    says("gone").stderr_eq(str![[r#"
error: cannot read the list `gone`
  caused by: there is no such file or folder

"#]]);
    assert!(!is_signed(&sandbox, "one.txt"));
}

#[test]
fn standard_input_can_be_only_one_thing() {
    let sandbox = sandbox();
    for arguments in [
        ["sign", "--bundle", "x.json", "-", "-"],
        ["sign", "--bundle", "x/", "--from-file=-", "-"],
    ] {
        let command = sandbox.sigtool().args(arguments).stdin("one.txt\n");
        command.assert().code(2).stdout_eq("").stderr_eq(str![[r#"
error: standard input can be given only once

"#]]);
    }
}

#[test]
fn without_artifacts_it_is_told_how_to_name_them() {
    let sandbox = sandbox();
    run(&sandbox, &["sign"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: no artifact is given
  hint: name files or images: sigtool sign app-1.2.0.tgz ghcr.io/acme/app:1.2

"#]]);
    run(&sandbox, &["verify"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: no artifact is given
  hint: name files or images: sigtool verify app-1.2.0.tgz ghcr.io/acme/app:1.2

"#]]);
    run(&sandbox, &["sign", ""])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: an artifact has an empty name

"#]]);
}

#[test]
fn a_failure_before_the_first_artifact_is_a_row_in_json() {
    let sandbox = sandbox();
    for command in ["sign", "verify"] {
        let output = run(
            &sandbox,
            &[command, "--format", "json", "--from-file", "gone"],
        )
        .code(2);
        let rows: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
        assert_eq!(rows[0]["status"], "failed");
        assert_eq!(rows[0]["error"]["kind"], "input");
        assert_eq!(rows.as_array().unwrap().len(), 1);
    }
}

/// Links to folders are followed where a part of the pattern names them, and not below `**`.
#[test]
fn links_in_a_circle_below_a_pattern_have_an_end() {
    let sandbox = sandbox();
    for from in ["a", "b", "c"] {
        sandbox.write(&format!("n/{from}/node_modules/own.js"), from);
        for to in ["a", "b", "c"] {
            let link = sandbox.work().join(format!("n/{from}/node_modules/{to}"));
            symlink(format!("../../{to}"), link).unwrap();
        }
    }
    run(&sandbox, &["sign", "n/**/*.js"])
        .code(0)
        .stdout_eq(str![[r#"
signed n/a/node_modules/own.js → n/a/node_modules/own.js.sigstore.json
signed n/b/node_modules/own.js → n/b/node_modules/own.js.sigstore.json
signed n/c/node_modules/own.js → n/c/node_modules/own.js.sigstore.json

"#]])
        .stderr_eq(str![[r#"
3 artifacts signed

"#]]);
}

/// What is found on the way may be missing too.
#[test]
fn in_a_large_run_a_folder_that_cannot_be_listed_loses_nothing_else() {
    let sandbox = sandbox();
    for folder in ["first", "last", "first/z"] {
        std::fs::create_dir(sandbox.work().join(folder)).unwrap();
    }
    for i in 0..1500 {
        sandbox.write(&format!("first/{i:04}.txt"), i.to_string());
    }
    sandbox.write("last/app.txt", "app");
    let Some(sigtool) = person::ordinary(&sandbox) else {
        return;
    };
    let closed = sandbox.work().join("first/z");
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o000)).unwrap();
    let command = ["sign", "--recursive", "--quiet", "first", "last"];
    let output = sigtool().args(command).output().unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o755)).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("cannot list `first`"), "{said}");
    assert!(is_signed(&sandbox, "last/app.txt"), "{said}");
    assert!(is_signed(&sandbox, "first/0000.txt"), "{said}");
}

/// Of so many words most are read only when their turn has come.
#[test]
fn a_long_command_line_is_worked_on_to_its_end() {
    let sandbox = sandbox();
    let names: Vec<String> = (0..2500).map(|i| format!("{i:04}.txt")).collect();
    for name in &names {
        sandbox.write(name, name);
    }
    let names = names.iter().map(String::as_str);
    let words: Vec<&str> = ["sign"]
        .into_iter()
        .chain(names.clone())
        .chain(["gone.txt", "000[0-2].txt", "./2499.txt", "--keep-going"])
        .collect();
    let output = run(&sandbox, &words).code(2).get_output().clone();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    for told in [
        "there is no file `gone.txt`",
        "2500 artifacts signed, 1 failed",
        "note: 4 artifacts are named more than once",
    ] {
        assert!(said.contains(told), "{told}: {said}");
    }
    assert!(names.clone().all(|name| is_signed(&sandbox, name)));
    // The shell's `*` names the signatures too.
    let signatures: Vec<String> = names
        .clone()
        .map(|n| format!("{n}.sigstore.json"))
        .collect();
    let both = names.zip(signatures.iter().map(String::as_str));
    let mut words = vec!["verify", "--key", "a.pub"];
    words.extend(both.flat_map(|(name, signature)| [name, signature]));
    let output = run(&sandbox, &words).code(0).get_output().clone();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("2500 artifacts valid"), "{said}");
}

/// A command that has no use for so many words says the same of them as of few.
#[test]
fn a_long_command_line_is_whole_for_all_but_sign_and_verify() {
    let sandbox = sandbox();
    let many = vec!["f"; 2500];
    let hello = sandbox.write("bin/sigtool-hello", "#!/bin/sh\necho $#\n");
    std::fs::set_permissions(&hello, std::fs::Permissions::from_mode(0o755)).unwrap();
    sandbox.write_config("[alias]\ns = [\"sign\", \"--quiet\", \"--key=a.key\"]\n");
    let path = format!("{}:/usr/bin:/bin", hello.parent().unwrap().display());
    let sigtool = |words: &[&str]| {
        let words = words.iter().chain(&many);
        sandbox.sigtool().env("PATH", &path).args(words).assert()
    };
    sigtool(&["hello", "--", "-x"]).code(0).stdout_eq("2502\n");
    sandbox.write("f", "content");
    sigtool(&["s"]).code(0).stderr_eq("");
    assert!(is_signed(&sandbox, "f"));
    sigtool(&["completions"]).code(2).stderr_eq(str![[r#"
[..]unexpected argument[..]
...
"#]]);
    let key = "MC4CAQAwBQYDK2VwBCIEIE8OMTv5T1Vp/hftC9GZ4t4zyd5PRxGh2nPIyvu2Z/E5";
    let words = [&["sign"], &many[..], &[key], &many[..]].concat();
    run(&sandbox, &words).code(2).stderr_eq(str![[r#"
error: the command line holds a private key, and takes only the name of one
...
"#]]);
}

/// A large file takes long enough to be seen: on a terminal how far its hashing is, in a pipe nothing.
#[test]
fn how_far_a_run_is_stands_on_a_terminal_only() {
    let Some(python) = need("python3") else {
        return;
    };
    let sandbox = sandbox();
    for name in ["large.bin", "larger.bin"] {
        let file = std::fs::File::create(sandbox.work().join(name)).unwrap();
        file.set_len(2 << 30).unwrap();
    }
    let sign = ["sign", "large.bin", "larger.bin"];
    let said = terminal::run(&sandbox, &python, &[], &[("TERM", "xterm")], &sign);
    assert_eq!(said.code, Some(0), "{}", said.text);
    for shown in [
        "hashing larger.bin",
        " of 2.00 GiB",
        "signing [",
        "2 artifacts signed",
    ] {
        assert!(said.text.contains(shown), "{shown}: {}", said.text);
    }
    let bar = said.text.lines().find(|line| line.contains("signing ["));
    assert!(
        bar.unwrap().contains("s\u{1b}[K"),
        "nothing behind it but what a terminal writes by itself: {bar:?}"
    );
    let last = said.text.rsplit("\u{1b}[2K").next().unwrap();
    assert_eq!(last, "2 artifacts signed\n", "no bar is left");
    run(&sandbox, &["sign", "large.bin"]).code(0).stderr_eq("");
}

/// SECURITY.md: "A name forges no line". In a pipe the bytes are those that the ledger hashes.
#[test]
fn json_on_a_terminal_has_nothing_that_the_terminal_obeys() {
    let Some(python) = need("python3") else {
        return;
    };
    let sandbox = sandbox();
    sandbox.write("u\u{9b}31m\u{202e}.txt", "a");
    let sign = ["sign", "--format", "jsonl", "u\u{9b}31m\u{202e}.txt"];
    let said = terminal::run(&sandbox, &python, &[], &[("TERM", "xterm")], &sign);
    assert_eq!(said.code, Some(0), "{}", said.text);
    assert!(
        said.text.contains("u\\u009b31m\\u202e.txt"),
        "{}",
        said.text
    );
    assert!(!said.text.contains(['\u{9b}', '\u{202e}']), "{}", said.text);
    let piped = sandbox.sigtool().args(sign).output().unwrap();
    let piped = String::from_utf8(piped.stdout).unwrap();
    assert!(piped.contains("u\u{9b}31m\u{202e}.txt"), "{piped}");
}
