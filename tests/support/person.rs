//! Running sigtool as an ordinary user, whom permissions stop, also where the tests run as root.

use crate::{Sandbox, libraries_folder, peers};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Nobody, on every system.
const NOBODY: u32 = 65534;

/// sigtool as a user who is not root. All files of the sandbox are that user's from now on: take away permissions after this.
///
/// None if the tests run as root, and another user cannot look into the folder for temporary files.
///
/// # Panics
///
/// The sandbox's files cannot be given away.
#[must_use]
pub fn ordinary(sandbox: &Sandbox) -> Option<impl Fn() -> Command> {
    let is_root = Path::new("/proc/self")
        .metadata()
        .is_ok_and(|me| me.uid() == 0);
    let mut program = sandbox.program().to_owned();
    if is_root {
        give(sandbox.root());
        // The build may lie where nobody else may look: root's home.
        if !runs(sandbox, &program) {
            program = install(sandbox);
            give(sandbox.root());
        }
        if !runs(sandbox, &program) {
            peers::skip("root runs the tests, and another user cannot look into TMPDIR");
            return None;
        }
    }
    Some(move || {
        let mut command = sandbox.process_of(&program);
        if is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    })
}

/// Whether the other user can run it.
fn runs(sandbox: &Sandbox, program: &Path) -> bool {
    let mut probe = sandbox.process_of(program);
    let ran = probe.uid(NOBODY).gid(NOBODY).arg("--version").output();
    ran.is_ok_and(|output| output.status.success())
}

/// A copy of the program and its backends in the sandbox, as if it were installed there.
fn install(sandbox: &Sandbox) -> PathBuf {
    let (bin, lib) = ("installed/bin", "installed/lib/sigtool/backends");
    let [bin, lib] = [bin, lib].map(|folder| sandbox.root().join(folder));
    for folder in [&bin, &lib] {
        std::fs::create_dir_all(folder).expect("a fresh folder");
    }
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|n| n.starts_with("libsigtool_backend_") && n.ends_with(".so"))
    };
    let built = std::fs::read_dir(libraries_folder()).expect("the build's folder");
    let libraries: Vec<PathBuf> = built
        .map(|entry| entry.expect("a readable entry").path())
        .filter(is_ours)
        .collect();
    // By another process: a file that this one has open for writing may not run while another test starts its own.
    let copied = Command::new("cp").args(libraries).arg(&lib).status();
    assert!(copied.is_ok_and(|status| status.success()));
    let copied = Command::new("cp").arg(sandbox.program()).arg(&bin).status();
    assert!(copied.is_ok_and(|status| status.success()));
    bin.join(sandbox.program().file_name().expect("a program is a file"))
}

fn give(path: &Path) {
    std::os::unix::fs::lchown(path, Some(NOBODY), Some(NOBODY)).expect("root may give files away");
    let is_folder = path.symlink_metadata().is_ok_and(|facts| facts.is_dir());
    if is_folder {
        for entry in std::fs::read_dir(path).expect("a readable folder") {
            give(&entry.expect("a readable entry").path());
        }
    }
}
