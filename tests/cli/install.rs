//! Installed sigtool: what `install.sh` puts where, and what it says when a part is missing.
//!
//! The build itself is left out here, since it takes minutes: `tests/install` goes all the way from a clean copy of the files.

use sigtool_tests::{Sandbox, libraries_folder, tests_folder};
use snapbox::cmd::Command;
use snapbox::str;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sigtool");

/// A folder with all that `cargo build` makes, as `--from` wants it.
fn built(sandbox: &Sandbox) -> PathBuf {
    let folder = sandbox.root().join("built");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(PROGRAM, folder.join("sigtool")).unwrap();
    for entry in libraries_folder().read_dir().unwrap() {
        let file = entry.unwrap().path();
        let name = file.file_name().unwrap().to_str().unwrap();
        if name.starts_with("libsigtool_backend_") && name.ends_with(".so") {
            std::fs::copy(&file, folder.join(name)).unwrap();
        }
    }
    folder
}

/// `install.sh`, which finds neither Cargo nor a sigtool on PATH.
fn install(sandbox: &Sandbox) -> Command {
    let script = tests_folder().join("../install.sh").canonicalize().unwrap();
    Command::new(script)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", sandbox.home())
        .current_dir(sandbox.work())
}

/// The libraries that lie where an installed sigtool looks for its backends.
fn backends_below(prefix: &Path) -> Vec<String> {
    let entries = prefix.join("lib/sigtool/backends").read_dir().unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The installed program, without a PATH.
fn installed(sandbox: &Sandbox, program: &Path) -> Command {
    Command::new(program)
        .env_clear()
        .env("HOME", sandbox.home())
        .current_dir(sandbox.work())
}

#[test]
fn an_installed_sigtool_signs_and_verifies_with_nothing_else() {
    let sandbox = Sandbox::new(PROGRAM);
    let from = built(&sandbox);
    install(&sandbox)
        .args(["--prefix", "prefix", "--from"])
        .arg(&from)
        .assert()
        .code(0)
        .stdout_eq(str![[r#"
installed: [..]/here/prefix/bin/sigtool, with cosign-key, local-stage, oci
add [..]/here/prefix/bin to your PATH

"#]])
        .stderr_eq("");
    // What it was installed from is not needed any more.
    std::fs::remove_dir_all(&from).unwrap();

    let program = sandbox.work().join("prefix/bin/sigtool");
    sandbox.write("app.txt", "an app\n");
    installed(&sandbox, &program)
        .args(["backend", "list"])
        .assert()
        .code(0)
        .stdout_eq(str![[r#"
cosign-key   0.1.0     signer           [..]
local-stage  0.1.0     source           [..]
oci          0.1.0     source           Images in OCI registries, with their signatures beside them

"#]]);
    installed(&sandbox, &program)
        .args(["init", "--yes"])
        .assert()
        .code(0);
    installed(&sandbox, &program)
        .args(["sign", "app.txt"])
        .assert()
        .code(0);
    installed(&sandbox, &program)
        .args(["verify", "app.txt"])
        .assert()
        .code(0);
    sandbox.write("app.txt", "another app\n");
    installed(&sandbox, &program)
        .args(["verify", "app.txt"])
        .assert()
        .code(1);
}

#[test]
fn manual_pages_and_completion_lie_where_they_are_looked_for() {
    let sandbox = Sandbox::new(PROGRAM);
    let from = built(&sandbox);
    install(&sandbox)
        .args(["--prefix", "prefix", "--from"])
        .arg(&from)
        .assert()
        .code(0);
    let share = sandbox.work().join("prefix/share");
    let source = tests_folder().join("..");
    for (installed, kept) in [
        ("man/man1/sigtool-sign.1", "man/sigtool-sign.1"),
        ("man/man5/sigtool-config.5", "man/sigtool-config.5"),
        ("man/man7/sigtool-backends.7", "man/sigtool-backends.7"),
        (
            "bash-completion/completions/sigtool",
            "completions/sigtool.bash",
        ),
        ("zsh/site-functions/_sigtool", "completions/_sigtool"),
        (
            "fish/vendor_completions.d/sigtool.fish",
            "completions/sigtool.fish",
        ),
    ] {
        let installed = std::fs::read(share.join(installed)).unwrap();
        assert_eq!(installed, std::fs::read(source.join(kept)).unwrap());
    }
    // `help` finds the page beside the program, without MANPATH.
    let bin = sandbox.root().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let man = bin.join("man");
    std::fs::write(&man, "#!/bin/sh\necho \"man: $2\"\n").unwrap();
    std::fs::set_permissions(&man, std::fs::Permissions::from_mode(0o755)).unwrap();
    installed(&sandbox, &sandbox.work().join("prefix/bin/sigtool"))
        .args(["help", "configuration"])
        .env("PATH", &bin)
        .assert()
        .code(0)
        .stdout_eq("man: [..]/here/prefix/share/man/man5/sigtool-config.5\n");
}

#[test]
fn installing_again_replaces_what_was_there() {
    let sandbox = Sandbox::new(PROGRAM);
    let from = built(&sandbox);
    let prefix = sandbox.home().join(".local");
    for folder in ["bin", "lib/sigtool/backends"] {
        std::fs::create_dir_all(prefix.join(folder)).unwrap();
    }
    let old = "lib/sigtool/backends/libsigtool_backend_cosign_key.so";
    for file in ["bin/sigtool", old] {
        std::fs::write(prefix.join(file), "of an earlier version").unwrap();
    }
    // Without a prefix it is the user's own.
    install(&sandbox).arg("--from").arg(&from).assert().code(0);
    for file in ["bin/sigtool", old] {
        let name = Path::new(file).file_name().unwrap();
        let expected = std::fs::read(from.join(name)).unwrap();
        assert!(
            std::fs::read(prefix.join(file)).unwrap() == expected,
            "{file} is the old one"
        );
    }
    let program = prefix.join("bin/sigtool");
    installed(&sandbox, &program)
        .arg("--version")
        .assert()
        .code(0);
}

#[test]
fn an_incomplete_build_is_not_installed() {
    let sandbox = Sandbox::new(PROGRAM);
    let from = built(&sandbox);
    std::fs::remove_file(from.join("libsigtool_backend_local_stage.so")).unwrap();
    install(&sandbox)
        .args(["--prefix", "prefix", "--from"])
        .arg(&from)
        .assert()
        .code(1)
        .stderr_eq(str![[r#"
there is no libsigtool_backend_local_stage.so in [..]/built: build it with `cargo build --release --locked -p sigtool -p sigtool-backend-cosign-key -p sigtool-backend-local-stage -p sigtool-backend-oci`

"#]]);
    assert!(!sandbox.work().join("prefix").exists());
}

#[test]
fn others_are_installed_by_their_names() {
    let sandbox = Sandbox::new(PROGRAM);
    let from = built(&sandbox);
    std::fs::remove_file(from.join("libsigtool_backend_oci.so")).unwrap();
    let prefix = sandbox.work().join("prefix");
    install(&sandbox)
        .args(["--prefix", "prefix", "--backends", "local-stage,cosign-key"])
        .arg("--from")
        .arg(&from)
        .assert()
        .code(0)
        .stdout_eq(str![[r#"
installed: [..]/here/prefix/bin/sigtool, with local-stage, cosign-key
add [..]/here/prefix/bin to your PATH

"#]]);
    let both = [
        "libsigtool_backend_cosign_key.so",
        "libsigtool_backend_local_stage.so",
    ];
    assert_eq!(backends_below(&prefix), both);

    // What is there already and was not named is nobody's to remove.
    install(&sandbox)
        .args(["--prefix", "prefix", "--backends", "cosign-key"])
        .arg("--from")
        .arg(&from)
        .assert()
        .code(0)
        .stdout_eq(str![[r#"
installed: [..]/here/prefix/bin/sigtool, with cosign-key
left as it was: [..]/here/prefix/lib/sigtool/backends/libsigtool_backend_local_stage.so
add [..]/here/prefix/bin to your PATH

"#]]);
    assert_eq!(backends_below(&prefix), both);
}

#[test]
fn a_backend_that_does_not_exist_is_answered_with_those_that_do() {
    let sandbox = Sandbox::new(PROGRAM);
    let from = built(&sandbox);
    for named in ["cosign-keys", "oci,cosign-keys", "../oci,cosign-keys"] {
        let seen = install(&sandbox)
            .args(["--prefix", "prefix", "--backends", named, "--from"])
            .arg(&from)
            .assert()
            .code(2)
            .stdout_eq("");
        let text = String::from_utf8_lossy(&seen.get_output().stderr).into_owned();
        assert!(
            text.ends_with("`: there are cosign-key, local-stage, oci\n"),
            "{named}: {text}"
        );
    }
    assert!(!sandbox.work().join("prefix").exists());
}

/// What `install.sh` reads of a source folder, with one backend more, which is not built by default.
fn source_with_one_more(sandbox: &Sandbox) -> PathBuf {
    let source = sandbox.root().join("source");
    let here = tests_folder().join("..");
    std::fs::create_dir(&source).unwrap();
    for backend in ["cosign-key", "local-stage", "oci", "extra"] {
        std::fs::create_dir_all(source.join("backends").join(backend)).unwrap();
    }
    Command::new("cp")
        .args(["-r", "install.sh", "Cargo.toml", "man", "completions"])
        .arg(&source)
        .current_dir(here)
        .assert()
        .code(0);
    source
}

#[test]
fn what_cargo_does_not_build_by_default_is_installed_when_all_are_asked_for() {
    let sandbox = Sandbox::new(PROGRAM);
    let from = built(&sandbox);
    let source = source_with_one_more(&sandbox);
    let extra = "libsigtool_backend_extra.so";
    std::fs::write(from.join(extra), "a library").unwrap();
    let installs = |more: &[&str]| {
        Command::new(source.join("install.sh"))
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .args(["--prefix", "prefix", "--from"])
            .arg(&from)
            .args(more)
            .current_dir(sandbox.work())
            .assert()
            .code(0);
        backends_below(&sandbox.work().join("prefix"))
    };
    let default = installs(&[]);
    assert_eq!(default.len(), 3, "{default:?}");
    assert!(!default.contains(&extra.to_owned()), "{default:?}");
    let all = installs(&["--backends", "all"]);
    assert!(all.contains(&extra.to_owned()), "{all:?}");
}

#[test]
fn a_mistyped_flag_installs_nothing() {
    let sandbox = Sandbox::new(PROGRAM);
    for arguments in [
        &["--perfix", "x"][..],
        &["--prefix"],
        &["--prefix", ""],
        &["--backends"],
        &["--backends", ","],
        &["somewhere"],
    ] {
        install(&sandbox)
            .args(arguments)
            .assert()
            .code(2)
            .stdout_eq("")
            .stderr_eq(
                "usage: ./install.sh [--prefix DIR] [--from DIR] [--backends all|ID,ID...]\n",
            );
    }
    assert!(!sandbox.home().join(".local/bin").exists());
}

#[test]
fn the_program_without_its_backends_says_how_to_install_them() {
    let sandbox = Sandbox::new(PROGRAM);
    let alone = sandbox.root().join("alone");
    std::fs::create_dir(&alone).unwrap();
    let program = alone.join("sigtool");
    // By another process: a file that this one has open for writing may not run while another test starts its own.
    Command::new("cp")
        .arg(PROGRAM)
        .arg(&program)
        .assert()
        .code(0);
    sandbox.write("app.txt", "an app\n");
    sandbox.write(
        "app.pub",
        include_bytes!("../../backends/cosign-key/tests-data/test-key-p256.pub.pem"),
    );
    for arguments in [
        &["sign", "--key", "app.key", "app.txt"][..],
        &["verify", "--key", "app.pub", "app.txt"],
    ] {
        installed(&sandbox, &program)
            .args(arguments)
            .assert()
            .code(3)
            .stdout_eq("")
            .stderr_eq(str![[r#"
error: there is no backend `local-stage`
  caused by: `[..]/lib/sigtool/backends` holds none
  hint: sigtool is installed without its backends (`cargo install` brings none): in its source folder type ./install.sh

"#]]);
    }
    installed(&sandbox, &program)
        .args(["init", "--yes"])
        .assert()
        .code(3);
    installed(&sandbox, &program)
        .args(["backend", "list"])
        .assert()
        .code(0)
        .stdout_eq("");
}
