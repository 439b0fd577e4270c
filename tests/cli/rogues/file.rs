//! What is checked before a backend is loaded, since loading is executing: its file, where it lies, whose it is, and what it says
//! of itself.

use super::{Place, add_profile, nothing_signed, prepare, sign};
use sigtool_core::digest::Sha256;
use sigtool_tests::processes::wait_for;
use sigtool_tests::rogues::{self, ALL, ARTIFACT, Built, ID, Rogue, find};
use sigtool_tests::{Sandbox, foreign, library, tests_folder};
use snapbox::cmd::OutputAssert;
use snapbox::{IntoData, str};
use std::fs;
use std::io::Write as _;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;

fn c(name: &str) -> Rogue {
    find(name, Built::C)
}

fn spoilt(name: &str) -> Rogue {
    *ALL.iter()
        .find(|rogue| rogue.name == name && matches!(rogue.built, Built::Spoilt(_)))
        .expect("a rogue of the gallery")
}

pub(super) fn fresh() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_sigtool"))
}

/// Declares a backend by hand, with the digest of what is there, and a profile that signs with it.
fn declare(sandbox: &Sandbox, backend: &Path) {
    let mut sha256 = Sha256::default();
    if backend.is_file() {
        sha256.update(&fs::read(backend).unwrap());
    }
    sandbox.write_config(&format!(
        "[backend.\"{ID}\"]\npath = \"{}\"\nsha256 = \"{}\"\n",
        backend.display(),
        sha256.finish_hex()
    ));
    add_profile(sandbox, c("honest"));
}

/// What the user sees of a file that is not loaded.
fn is_refused(sandbox: &Sandbox, stderr: impl IntoData) {
    sign(sandbox, &[]).code(3).stdout_eq("").stderr_eq(stderr);
    nothing_signed(sandbox);
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a file of our own");
}

#[test]
fn a_library_for_another_machine() {
    let sandbox = fresh();
    let backend = spoilt("has-a-wrong-architecture").place(&sandbox);
    declare(&sandbox, &backend);
    is_refused(
        &sandbox,
        str![[r#"
error: the backend `dev.example.rogue` cannot be used
  caused by: `[ROOT]/backends/rogue-[..].so` cannot be a backend
  caused by: it is built for riscv64, this machine is x86_64
  caused by: declared at ~/.config/sigtool/config.toml:1

"#]],
    );
}

#[test]
fn a_library_that_is_cut_off() {
    let sandbox = fresh();
    let backend = spoilt("is-truncated").place(&sandbox);
    declare(&sandbox, &backend);
    is_refused(
        &sandbox,
        str![[r#"
error: the backend `dev.example.rogue` cannot be used
  caused by: `[ROOT]/backends/rogue-[..].so` cannot be a backend
  caused by: it is damaged, or no shared library: Invalid ELF section header offset/size/alignment
  caused by: declared at ~/.config/sigtool/config.toml:1

"#]],
    );
}

#[test]
fn a_library_that_is_cut_off_anywhere_is_an_error_and_not_a_crash() {
    let sandbox = fresh();
    let backend = c("honest").place(&sandbox);
    let whole = fs::read(&backend).unwrap();
    let last = whole.len() - 1;
    let parts = [last / 4, last * 3 / 4, last - 100, last];
    for length in [0, 1, 16, 63, 64, 100, 1000].into_iter().chain(parts) {
        fs::write(&backend, &whole[..length]).unwrap();
        declare(&sandbox, &backend);
        let seen = sign(&sandbox, &[]);
        let text = String::from_utf8_lossy(&seen.get_output().stderr).into_owned();
        assert_eq!(seen.get_output().status.code(), Some(3), "{length}: {text}");
        assert!(text.contains(ID), "{length}: {text}");
        nothing_signed(&sandbox);
    }
}

#[test]
fn a_library_that_others_can_write() {
    let sandbox = fresh();
    let backend = spoilt("is-writable-by-others").place(&sandbox);
    declare(&sandbox, &backend);
    is_refused(
        &sandbox,
        str![[r#"
error: the backend `dev.example.rogue` cannot be used
  caused by: `[ROOT]/backends/rogue-[..].so` can be written by others (mode 0777)
  caused by: declared at ~/.config/sigtool/config.toml:1
  hint: if it should be yours alone: chmod go-w [ROOT]/backends/rogue-[..].so

"#]],
    );
}

#[test]
fn a_library_in_a_folder_that_others_can_write() {
    let sandbox = prepare(c("honest"), Place::Isolated);
    chmod(&sandbox.root().join("backends"), 0o777);
    is_refused(
        &sandbox,
        str![[r#"
error: the backend `dev.example.rogue` cannot be used
  caused by: `[ROOT]/backends/rogue-[..].so` cannot be a backend
  caused by: `[ROOT]/backends` can be written by others (mode 0777)
  caused by: declared at ~/.config/sigtool/config.toml:1
  hint: if it should be yours alone: chmod go-w [ROOT]/backends

"#]],
    );
}

#[test]
fn a_library_of_somebody_else() {
    let sandbox = prepare(c("honest"), Place::Isolated);
    let library = library_of(&sandbox);
    if !give_away(&library) {
        return;
    }
    is_refused(
        &sandbox,
        str![[r#"
error: the backend `dev.example.rogue` cannot be used
  caused by: `[ROOT]/backends/rogue-[..].so` belongs to user 4711, who is neither root nor you (user [..])
  caused by: declared at ~/.config/sigtool/config.toml:1

"#]],
    );
}

#[test]
fn a_library_in_a_folder_of_somebody_else() {
    let sandbox = prepare(c("honest"), Place::Isolated);
    if !give_away(&sandbox.root().join("backends")) {
        return;
    }
    is_refused(
        &sandbox,
        str![[r#"
error: the backend `dev.example.rogue` cannot be used
  caused by: `[ROOT]/backends/rogue-[..].so` cannot be a backend
  caused by: `[ROOT]/backends` belongs to user 4711, who is neither root nor you (user [..])
  caused by: declared at ~/.config/sigtool/config.toml:1

"#]],
    );
}

/// Makes somebody else the owner, which only root can do.
fn give_away(path: &Path) -> bool {
    match chown(path, Some(4711), None) {
        Ok(()) => true,
        Err(e) => {
            // Written directly, since the test harness keeps what `eprintln!` says of a test that passes.
            let why = "only root can give a file away";
            let _ = writeln!(std::io::stderr(), "SKIPPED: {why}: {e}");
            false
        }
    }
}

fn library_of(sandbox: &Sandbox) -> PathBuf {
    let folder = fs::read_dir(sandbox.root().join("backends")).unwrap();
    let files: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1);
    files[0].clone()
}

#[test]
fn a_link_to_a_library() {
    let sandbox = fresh();
    let backend = c("honest").place(&sandbox);
    let link = sandbox.root().join("backends/link.so");
    symlink(&backend, &link).unwrap();
    declare(&sandbox, &link);
    is_refused(
        &sandbox,
        str![[r#"
error: the backend `dev.example.rogue` cannot be used
  caused by: `[ROOT]/backends/link.so` is a symbolic link: name the file itself
  caused by: declared at ~/.config/sigtool/config.toml:1

"#]],
    );
}

#[test]
fn a_folder() {
    let sandbox = fresh();
    declare(&sandbox, &sandbox.root().join("backends"));
    is_refused(
        &sandbox,
        str![[r#"
error: the backend `dev.example.rogue` cannot be used
  caused by: `[ROOT]/backends` is not a regular file
  caused by: declared at ~/.config/sigtool/config.toml:1

"#]],
    );
}

#[test]
fn a_named_pipe_is_not_waited_for() {
    let sandbox = fresh();
    let pipe = sandbox.root().join("backends/pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    declare(&sandbox, &pipe);
    is_refused(
        &sandbox,
        str![[r#"
error: the backend `dev.example.rogue` cannot be used
  caused by: `[ROOT]/backends/pipe` is not a regular file
  caused by: declared at ~/.config/sigtool/config.toml:1

"#]],
    );
}

#[test]
fn a_library_that_is_not_there() {
    let sandbox = fresh();
    declare(&sandbox, &sandbox.root().join("backends/gone.so"));
    is_refused(
        &sandbox,
        str![[r#"
error: the backend `dev.example.rogue` cannot be used
  caused by: there is no file `[ROOT]/backends/gone.so`
  caused by: declared at ~/.config/sigtool/config.toml:1

"#]],
    );
}

#[test]
fn a_library_that_was_changed_since_it_was_recorded() {
    let sandbox = prepare(c("honest"), Place::Isolated);
    let other = fresh();
    rogues::swap(
        &library_of(&sandbox),
        &c("signs-something-else").place(&other),
    );
    is_refused(
        &sandbox,
        str![[r#"
error: the backend `dev.example.rogue` is not the one that was recorded, so it is not run
  caused by: `[ROOT]/backends/rogue-[..].so` has sha256 [..]
  caused by: recorded is [..]
  hint: find out who changed it; if it was you: sigtool backend pin [ROOT]/backends/rogue-[..].so

"#]],
    );
}

#[test]
fn a_manifest_that_was_changed_since_it_was_recorded() {
    let sandbox = prepare(find("honest", Built::Python), Place::Isolated);
    let manifest = sandbox.root().join("backends/rogue-honest.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text + "[permissions]\nnetwork = true\n").unwrap();
    is_refused(
        &sandbox,
        str![[r#"
error: the backend `dev.example.rogue` is not the one that was recorded, so it is not run
  caused by: `[ROOT]/backends/rogue-honest` has sha256 [..]
  caused by: recorded is [..]
  hint: find out who changed it; if it was you: sigtool backend pin [ROOT]/backends/rogue-honest

"#]],
    );
}

#[test]
fn a_library_that_is_swapped_between_check_and_load() {
    let sandbox = prepare(c("honest"), Place::Isolated);
    let other = fresh();
    let swapped = c("signs-something-else").place(&other);
    let mut sigtool = sandbox
        .process()
        .args(["sign", "-", "--bundle", "b.json"])
        .args(["-v", "--profile", "rogue"])
        .env("ROGUE_PASSWORD", super::PASSWORD)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(sigtool.stderr.take().unwrap());
    let mut seen = String::new();
    // The profile has been read, and with it the backend's manifest; now sigtool waits for the artifact.
    wait_for("the source of files", || {
        stderr.read_line(&mut seen).unwrap();
        seen.contains("local-stage").then_some(())
    });
    rogues::swap(&library_of(&sandbox), &swapped);
    drop(sigtool.stdin.take());
    for line in stderr.lines() {
        seen += &(line.unwrap() + "\n");
    }
    assert_eq!(sigtool.wait().unwrap().code(), Some(3), "{seen}");
    let expected =
        "error: the backend `dev.example.rogue` is not the one that was recorded, so it is not run";
    assert!(seen.contains(expected), "{seen}");
    nothing_signed(&sandbox);
}

#[test]
fn a_library_without_a_recorded_digest() {
    let sandbox = fresh();
    let backend = c("honest").place(&sandbox);
    sandbox.write_config(&format!(
        "[backend.\"{ID}\"]\npath = \"{}\"\n",
        backend.display()
    ));
    add_profile(&sandbox, c("honest"));
    is_refused(
        &sandbox,
        str![[r#"
error: no digest is recorded for the backend `dev.example.rogue`, so it is not run
  caused by: declared at ~/.config/sigtool/config.toml:1
  hint: look at it, then record it: sigtool backend pin [ROOT]/backends/rogue-[..].so

"#]],
    );
}

#[test]
fn a_library_under_the_name_of_another() {
    let sandbox = fresh();
    let backend = c("honest").place(&sandbox);
    declare(&sandbox, &backend);
    let config = fs::read_to_string(sandbox.config()).unwrap();
    sandbox.write_config(&config.replace(ID, "dev.example.trusted"));
    is_refused(
        &sandbox,
        str![[r#"
error: the backend `dev.example.trusted` cannot be used
  caused by: `[ROOT]/backends/rogue-[..].so` is the backend `dev.example.rogue`
  caused by: declared at ~/.config/sigtool/config.toml:1
  hint: record it under its own id: sigtool backend pin [ROOT]/backends/rogue-[..].so

"#]],
    );
}

/// An executable with a manifest of the test's.
fn with_manifest(sandbox: &Sandbox, manifest: Option<&str>) -> PathBuf {
    let backend = find("honest", Built::Python).place(sandbox);
    let beside = backend.with_file_name("rogue-honest.toml");
    match manifest {
        Some(text) => fs::write(&beside, text).unwrap(),
        None => fs::remove_file(&beside).unwrap(),
    }
    declare(sandbox, &backend);
    backend
}

#[test]
fn an_executable_without_a_manifest() {
    let sandbox = fresh();
    let _ = with_manifest(&sandbox, None);
    is_refused(
        &sandbox,
        str![[r#"
error: the backend `dev.example.rogue` cannot be used
  caused by: its manifest: there is no file `[ROOT]/backends/rogue-honest.toml`
  caused by: declared at ~/.config/sigtool/config.toml:1

"#]],
    );
}

#[test]
fn a_library_without_a_manifest() {
    let sandbox = fresh();
    let source = sandbox.write("plain.c", "int plain(void) { return 1; }\n");
    let backend = sandbox.place(&foreign::compile_c(&source, &[], &[]));
    fs::remove_file(source).unwrap();
    declare(&sandbox, &backend);
    is_refused(
        &sandbox,
        str![[r#"
error: the backend `dev.example.rogue` cannot be used
  caused by: `[ROOT]/backends/plain-[..].so` cannot be a backend
  caused by: it carries no manifest (section `.sigtool`), so it is not a backend of sigtool
  caused by: declared at ~/.config/sigtool/config.toml:1

"#]],
    );
}

#[test]
fn a_malformed_manifest() {
    let sandbox = fresh();
    let _ = with_manifest(
        &sandbox,
        Some("manifest = 1\nid = \"dev.example.rogue\nversion = 3\n"),
    );
    is_refused(
        &sandbox,
        str![[r#"
error: the backend `dev.example.rogue` cannot be used
  caused by: `[ROOT]/backends/rogue-honest` cannot be a backend
  caused by: its manifest: TOML parse error at line 2, column 24
      |
    2 | id = "dev.example.rogue
      |                        ^
    invalid basic string, expected `"`
  caused by: declared at ~/.config/sigtool/config.toml:1

"#]],
    );
}

#[test]
fn a_manifest_of_the_future() {
    let sandbox = fresh();
    let text = fs::read_to_string(tests_folder().join("rogues/rogue.toml")).unwrap();
    let _ = with_manifest(
        &sandbox,
        Some(&text.replace("manifest = 1", "manifest = 2")),
    );
    is_refused(
        &sandbox,
        str![[r#"
error: the backend `dev.example.rogue` cannot be used
  caused by: `[ROOT]/backends/rogue-honest` cannot be a backend
  caused by: its manifest: the manifest has format 2, this sigtool reads format 1
  caused by: declared at ~/.config/sigtool/config.toml:1

"#]],
    );
}

#[test]
fn an_id_without_a_dot() {
    let sandbox = fresh();
    let text = fs::read_to_string(tests_folder().join("rogues/rogue.toml")).unwrap();
    let backend = with_manifest(&sandbox, Some(&text.replace(ID, "cosign-key")));
    is_refused(
        &sandbox,
        str![[r#"
error: the backend `dev.example.rogue` cannot be used
  caused by: `[ROOT]/backends/rogue-honest` cannot be a backend
  caused by: its id `cosign-key` has no dot: such ids are sigtool's own
  caused by: declared at ~/.config/sigtool/config.toml:1
  hint: its author must choose an id in reverse DNS, such as dev.acme.hsm

"#]],
    );
    let pin = sandbox.sigtool().args(["backend", "pin", "--yes"]);
    sandbox.seen(pin.arg(backend)).code(3).stderr_eq(str![[r#"
error: `[ROOT]/backends/rogue-honest` cannot be a backend
  caused by: its id `cosign-key` has no dot: such ids are sigtool's own
  hint: its author must choose an id in reverse DNS, such as dev.acme.hsm

"#]]);
}

#[test]
fn a_backend_that_merely_lies_about_is_never_used() {
    let sandbox = fresh();
    let backend = c("honest").place(&sandbox);
    let executable = find("honest", Built::Python).place(&sandbox);
    let on_path = sandbox.root().join("tmp");
    for folder in [sandbox.work(), on_path.clone()] {
        for name in [
            "libsigtool_backend_dev_example_rogue.so",
            "dev.example.rogue",
        ] {
            fs::copy(&backend, folder.join(name)).unwrap();
        }
        let name = "sigtool-backend-dev.example.rogue";
        fs::copy(&executable, folder.join(name)).unwrap();
        fs::copy(
            executable.with_file_name("rogue-honest.toml"),
            folder.join(format!("{name}.toml")),
        )
        .unwrap();
    }
    add_profile(&sandbox, c("honest"));
    let sign = || {
        let path = format!("{}:{}", on_path.display(), std::env::var("PATH").unwrap());
        let command = sandbox.sigtool().env("PATH", path);
        let sign = command.args(["sign", "--profile", "rogue", "artifact.txt"]);
        sandbox.seen(sign)
    };
    sign().code(3).stdout_eq("").stderr_eq(str![[r#"
error: there is no backend `dev.example.rogue`
 --> ~/.config/sigtool/config.toml:3:22
  |
3 | signer = { backend = "dev.example.rogue", password = { env = "ROGUE_PASSWORD" } }
  |                      ^^^^^^^^^^^^^^^^^^^ not found
  hint: record a third-party backend with `sigtool backend pin PATH`
  hint: backends for signer: cosign-key

"#]]);
    sandbox.write(
        ".sigtool.toml",
        format!("[backend.\"{ID}\"]\npath = \"libsigtool_backend_dev_example_rogue.so\"\n"),
    );
    sign().code(3).stdout_eq("").stderr_eq(str![[r#"
error: a project's file may not set `backend`
  caused by: a clone must not bring in code
 --> [ROOT]/here/.sigtool.toml:1:2
  |
1 | [backend."dev.example.rogue"]
  |  ^^^^^^^ not here
  hint: put it in your own file, ~/.config/sigtool/config.toml, if you mean it

"#]]);
}

/// sigtool as it is installed under a prefix, with its backends beside it.
fn installed() -> (tempfile::TempDir, Sandbox, PathBuf) {
    let prefix = tempfile::tempdir().unwrap();
    let (bin, backends) = (
        prefix.path().join("bin"),
        prefix.path().join("lib/sigtool/backends"),
    );
    fs::create_dir_all(&bin).unwrap();
    fs::create_dir_all(&backends).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_sigtool"), bin.join("sigtool")).unwrap();
    for krate in ["sigtool-backend-cosign-key", "sigtool-backend-local-stage"] {
        let library = library(krate);
        fs::copy(&library, backends.join(library.file_name().unwrap())).unwrap();
    }
    let local_stage = backends.join("libsigtool_backend_local_stage.so");
    let sandbox = Sandbox::new(bin.join("sigtool"));
    sandbox.write("artifact.txt", ARTIFACT);
    foreign::p256_key(&sandbox.root().join("own.key"), None);
    (prefix, sandbox, local_stage)
}

fn sign_with_own(sandbox: &Sandbox) -> OutputAssert {
    let key = sandbox.root().join("own.key");
    let sign = sandbox.sigtool().args(["sign", "artifact.txt", "--key"]);
    sandbox.seen(sign.arg(key))
}

#[test]
fn sigtools_own_library_that_is_cut_off() {
    let (prefix, sandbox, local_stage) = installed();
    sign_with_own(&sandbox).success();
    fs::remove_file(sandbox.work().join("artifact.txt.sigstore.json")).unwrap();
    rogues::truncate(&local_stage);
    sign_with_own(&sandbox)
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: the backend `local-stage` cannot be used
  caused by: `[..]/lib/sigtool/backends/libsigtool_backend_local_stage.so` cannot be a backend
  caused by: it is damaged, or no shared library: Invalid ELF section header offset/size/alignment
  hint: if in doubt, install sigtool again

"#]]);
    nothing_signed(&sandbox);
    drop(prefix);
}

#[test]
fn sigtools_own_library_that_others_can_write() {
    let (_prefix, sandbox, local_stage) = installed();
    rogues::writable_by_others(&local_stage);
    sign_with_own(&sandbox)
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: the backend `local-stage` cannot be used
  caused by: `[..]/lib/sigtool/backends/libsigtool_backend_local_stage.so` can be written by others (mode 0777)
  hint: if it should be yours alone: chmod go-w [..]/lib/sigtool/backends/libsigtool_backend_local_stage.so
  hint: if in doubt, install sigtool again

"#]]);
    nothing_signed(&sandbox);
}

#[test]
fn a_library_put_in_the_place_of_sigtools_own() {
    let (_prefix, sandbox, local_stage) = installed();
    let other = fresh();
    rogues::swap(&local_stage, &c("aborts-at-load").place(&other));
    sign_with_own(&sandbox)
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: the backend `local-stage` cannot be used
  caused by: `[..]/lib/sigtool/backends/libsigtool_backend_local_stage.so` is the backend `dev.example.rogue`
  hint: if in doubt, install sigtool again

"#]]);
    nothing_signed(&sandbox);
}

#[test]
fn sigtool_without_its_backends_says_how_to_install_them() {
    let (_prefix, sandbox, local_stage) = installed();
    fs::remove_dir_all(local_stage.parent().unwrap()).unwrap();
    sign_with_own(&sandbox)
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: there is no backend `local-stage`
  caused by: `[..]/bin/../lib/sigtool/backends` holds none
  hint: sigtool is installed without its backends (`cargo install` brings none): in its source folder type ./install.sh

"#]]);
}

/// A signer of somebody else's that claims these schemes.
fn claims(sandbox: &Sandbox, schemes: &str) -> PathBuf {
    let backend = find("honest", Built::Python).place(sandbox);
    let manifest = backend.with_file_name("rogue-honest.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let kinds = "kinds =";
    fs::write(
        &manifest,
        text.replace(kinds, &format!("schemes = {schemes}\n{kinds}")),
    )
    .unwrap();
    backend
}

/// SECURITY.md: "The schemes of sigtool's own backends are theirs".
#[test]
fn a_manifest_that_claims_a_scheme_of_sigtools_own_or_none_is_refused() {
    for (schemes, why) in [
        (
            r#"["file"]"#,
            "it claims the scheme `file`, which is that of sigtool's own backend `cosign-key`",
        ),
        (
            r#"["rogue", "env"]"#,
            "it claims the scheme `env`, which is that of sigtool's own backend `cosign-key`",
        ),
        (
            r#"["oci"]"#,
            "it claims the scheme `oci`, which is that of sigtool's own backend `oci`",
        ),
        (
            r#"["FILE"]"#,
            "it claims the scheme `FILE`, which is not one",
        ),
        (
            r#"["rogue:"]"#,
            "it claims the scheme `rogue:`, which is not one",
        ),
        (r#"[""]"#, "it claims the scheme ``, which is not one"),
    ] {
        let sandbox = fresh();
        let backend = claims(&sandbox, schemes);
        for command in [&["pin", "--yes"][..], &["check"]] {
            let seen = sandbox.sigtool().arg("backend").args(command).arg(&backend);
            let seen = sandbox.seen(seen);
            let stderr = String::from_utf8_lossy(&seen.get_output().stderr).into_owned();
            seen.code(3).stdout_eq("");
            assert!(stderr.contains(why), "{schemes}: {stderr}");
        }
        assert!(!sandbox.config().exists(), "{schemes}");
    }
}

/// SECURITY.md: "One of them that is there and cannot be trusted stops the run that needs it".
#[test]
fn sigtools_own_signer_that_cannot_be_trusted_stops_the_run_that_needs_it_and_no_other() {
    let (_prefix, sandbox, local_stage) = installed();
    sign_with_own(&sandbox).success();
    let own = sandbox.root().join("own.key");
    let export = sandbox.sigtool().args(["key", "export-public"]).arg(&own);
    export.args(["-o", "own.pub"]).assert().success();
    rogues::writable_by_others(&local_stage.with_file_name("libsigtool_backend_cosign_key.so"));
    sign_with_own(&sandbox)
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: the backend `cosign-key` cannot be used
  caused by: `[..]/lib/sigtool/backends/libsigtool_backend_cosign_key.so` can be written by others (mode 0777)
  hint: if it should be yours alone: chmod go-w [..]/lib/sigtool/backends/libsigtool_backend_cosign_key.so
  hint: if in doubt, install sigtool again

"#]]);
    let verify = ["verify", "--key", "own.pub", "artifact.txt"];
    sandbox.seen(sandbox.sigtool().args(verify)).success();
}

#[test]
fn a_scheme_that_nobody_serves_is_told_with_the_backends_that_cannot_be_used() {
    let sandbox = fresh();
    let backend = claims(&sandbox, r#"["rogue"]"#);
    sandbox.pin(&backend);
    rogues::writable_by_others(&backend);
    let sign = ["sign", "--key", "rogue:slot-1", "artifact.txt"];
    sandbox
        .seen(sandbox.sigtool().args(sign))
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: no backend serves keys of the form `rogue:`
  caused by: the backend `dev.example.rogue` cannot be used: `[ROOT]/backends/rogue-honest` can be written by others (mode 0777)
  hint: there are: env, file
  hint: for a file of that name write `file:rogue:slot-1`

"#]]);
}
