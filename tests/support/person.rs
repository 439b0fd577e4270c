//! Running sigtool as an ordinary user, whom permissions stop, also where the tests run as root.

use crate::{Sandbox, peers};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// Nobody, on every system.
const NOBODY: u32 = 65534;

/// sigtool as a user who is not root. All files of the sandbox are that user's from now on: take away permissions after this.
///
/// None if the tests run as root, and lie where nobody else may look.
///
/// # Panics
///
/// The sandbox's files cannot be given away.
#[must_use]
pub fn ordinary(sandbox: &Sandbox) -> Option<impl Fn() -> Command> {
    let is_root = Path::new("/proc/self")
        .metadata()
        .is_ok_and(|me| me.uid() == 0);
    if is_root {
        give(sandbox.root());
        let mut probe = sandbox.process();
        let ran = probe.uid(NOBODY).gid(NOBODY).arg("--version").output();
        if !ran.is_ok_and(|output| output.status.success()) {
            peers::skip("root runs the tests, and another user cannot run sigtool where it lies");
            return None;
        }
    }
    Some(move || {
        let mut command = sandbox.process();
        if is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    })
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
