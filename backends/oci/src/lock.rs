//! One process of this machine at a time changes what a tag names: registries have no compare-and-swap.
//!
//! The same goes for manifests that point at an image: of two that are written in the same moment, olareg 0.2.2 keeps both and lists
//! one (11 of 45 were lost by three processes).
//!
//! A lock is a file that is locked by `flock`, so that it ends with its process, however that ends. There is one for each
//! registry, repository and image: two images never share a tag.

use crate::conversation::Conversation;
use crate::manifest::sha256;
use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;
use sigtool_sdk::host::TraceLevel;
use sigtool_sdk::types::Digest;
use sigtool_sdk::{Call, Result};
use std::fs::{DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

/// The variables that say where the locks lie, for the test that the manifest declares them.
#[cfg(test)]
pub(crate) const VARIABLES: [&str; 3] = ["XDG_STATE_HOME", "HOME", "TMPDIR"];

/// How often a lock that somebody holds is asked for.
const POLL: Duration = Duration::from_millis(10);

/// What it means to have no lock.
const ALONE: &str = "two sigtools that sign the same image at once may lose a signature";

/// The folder of the locks.
#[derive(Debug, Default)]
pub(crate) struct Locks {
    folder: OnceLock<Option<PathBuf>>,
}

/// A lock that is held. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Guard {
    file: File,
    path: PathBuf,
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Removed while it is still locked: whoever waits for it sees that its name is gone, and takes the new one.
        let _ = std::fs::remove_file(&self.path);
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

impl Locks {
    /// Waits for the lock of an image, within this conversation.
    ///
    /// # Errors
    ///
    /// As [`Locks::hold`].
    pub(crate) fn hold_image(
        &self,
        conversation: &Conversation,
        image: &Digest,
    ) -> Result<Option<Guard>> {
        self.hold(
            conversation.call,
            &conversation.repository.pinned(image).to_string(),
        )
    }

    /// Waits for the lock of this name. `None` if there is no place for locks: nothing is refused for that.
    ///
    /// # Errors
    ///
    /// `cancelled` or `timeout` while waiting.
    fn hold(&self, call: &Call, name: &str) -> Result<Option<Guard>> {
        let folder = self.folder.get_or_init(|| {
            let folder = folders(call).into_iter().find(|folder| usable(folder));
            if folder.is_none() {
                let what = "no place for locks is writable";
                call.trace(TraceLevel::Warn, &format!("{what}; {ALONE}"));
            }
            folder
        });
        let Some(folder) = folder else {
            return Ok(None);
        };
        let path = folder.join(sha256(name.as_bytes()).to_hex());
        loop {
            match lock(&path) {
                Ok(Some(file)) => return Ok(Some(Guard { file, path })),
                Ok(None) => call.wait(POLL)?,
                Err(error) => {
                    let what = format!("cannot lock `{}`: {error}", path.display());
                    call.trace(TraceLevel::Warn, &format!("{what}; {ALONE}"));
                    return Ok(None);
                }
            }
        }
    }
}

/// Locks a file, or tells that somebody else holds it.
fn lock(path: &Path) -> Result<Option<File>, Errno> {
    let flags = OFlags::CREATE | OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = File::from(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?);
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK | Errno::INTR) => return Ok(None),
        Err(error) => return Err(error),
    }
    // Its last holder has removed its name: nobody else can find what this lock is on.
    let (here, there) = (rustix::fs::fstat(&file)?, rustix::fs::stat(path));
    let same = there.is_ok_and(|there| (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino));
    Ok(same.then_some(file))
}

/// Where locks may lie, the best place first.
fn folders(call: &Call) -> Vec<PathBuf> {
    let folder = |name: &str| {
        let value = call.env(name).ok().flatten().map(PathBuf::from);
        value.filter(|path| path.is_absolute())
    };
    let state = folder("XDG_STATE_HOME").or_else(|| Some(folder("HOME")?.join(".local/state")));
    let temporary = folder("TMPDIR").unwrap_or_else(|| PathBuf::from("/tmp"));
    let user = rustix::process::geteuid().as_raw();
    state
        .map(|state| state.join("sigtool/locks"))
        .into_iter()
        .chain([temporary.join(format!("sigtool-locks-{user}"))])
        .collect()
}

/// Whether we may write there and nobody else. Made if it is not there.
fn usable(folder: &Path) -> bool {
    if DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .is_err()
    {
        return false;
    }
    let ours = std::fs::symlink_metadata(folder).is_ok_and(|found| {
        found.is_dir()
            && found.uid() == rustix::process::geteuid().as_raw()
            && found.mode() & 0o022 == 0
    });
    ours && rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{host, with_call};
    use sigtool_sdk::testing::FakeHost;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn host_with(state: &Path, temporary: &Path) -> FakeHost {
        host()
            .variable("XDG_STATE_HOME", state.to_str())
            .variable("TMPDIR", temporary.to_str())
    }

    #[test]
    fn one_holds_a_lock_at_a_time_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let host = host_with(folder.path(), folder.path());
        let (inside, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                // As processes do, each finds the folder by itself.
                scope.spawn(|| {
                    let locks = Locks::default();
                    for _ in 0..20 {
                        let guard = with_call(&host, |call| locks.hold(call, "image")).unwrap();
                        assert!(guard.is_some());
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        done.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(done.into_inner(), 160);
        let locks = folder.path().join("sigtool/locks");
        assert_eq!(std::fs::read_dir(&locks).unwrap().count(), 0);
        let mode = std::fs::metadata(&locks).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn another_image_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let host = host_with(folder.path(), folder.path());
        with_call(&host, |call| {
            let locks = Locks::default();
            let first = locks.hold(call, "one").unwrap();
            let second = locks.hold(call, "two").unwrap();
            assert!(first.is_some() && second.is_some());
        });
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_no_place_for_locks() {
        let (shared, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let locks = shared.path().join("sigtool/locks");
        std::fs::create_dir_all(&locks).unwrap();
        std::fs::set_permissions(&locks, PermissionsExt::from_mode(0o777)).unwrap();
        let host = host_with(shared.path(), own.path());
        with_call(&host, |call| {
            let guard = Locks::default().hold(call, "image").unwrap().unwrap();
            assert!(guard.path.starts_with(own.path()), "{guard:?}");
        });
    }

    #[test]
    fn without_any_place_it_goes_on_and_warns() {
        let nowhere = Path::new("/proc/nowhere");
        let host = host_with(nowhere, nowhere);
        with_call(&host, |call| {
            let locks = Locks::default();
            assert!(locks.hold(call, "image").unwrap().is_none());
            assert!(locks.hold(call, "image").unwrap().is_none());
        });
        let traces = host.traces();
        assert_eq!(traces.len(), 1, "{traces:?}");
        assert!(traces[0].contains("may lose a signature"), "{traces:?}");
    }
}
