//! Files that are written whole or not at all: a reader sees the old bytes or the new ones, and so does whoever looks after the process
//! was killed.
//!
//! On Linux a file has no name until all of it is on the disk (`O_TMPFILE`), and goes with its process. Elsewhere, and where a file
//! system cannot do that, it has a hidden name meanwhile.

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
#[cfg(unix)]
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How hidden names end.
const ENDING: &str = ".sigtool";

/// How long to wait for another process that replaces a file in the same folder, which takes microseconds. Then it goes on: somebody
/// may hold the folder's lock for reasons of his own.
const PATIENCE: Duration = Duration::from_secs(1);

/// A file that is written, and has no name yet. Without one it is gone when it is dropped.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    /// Its hidden name, where it could not be without.
    hidden: Option<PathBuf>,
}

impl NewFile {
    /// Writes a file in this folder; it is on the disk when this returns.
    ///
    /// `mode` are the permission bits on Unix, less what the user's umask takes away.
    ///
    /// # Errors
    ///
    /// The folder is missing or not writable, or the disk is full.
    pub fn write(folder: &Path, content: &[u8], mode: u32) -> io::Result<Self> {
        let folder = match folder.as_os_str().is_empty() {
            true => Path::new("."),
            false => folder,
        };
        let mut new = match unnamed(folder, mode) {
            Some(file) => Self {
                file: file?,
                hidden: None,
            },
            None => hidden(folder, mode)?,
        };
        new.file.write_all(content)?;
        new.file.sync_all()?;
        Ok(new)
    }

    /// The file, to change its owner or its permissions.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives it a name, in place of whatever file has it. A symbolic link is replaced, not followed.
    ///
    /// # Errors
    ///
    /// The name is a folder's, or the folder is not writable. What was there is there still.
    pub fn replace(mut self, path: &Path) -> io::Result<()> {
        if let Some(hidden) = &self.hidden {
            std::fs::rename(hidden, path)?;
            self.hidden = None;
            return Ok(());
        }
        let staging = staging(path);
        if staging.symlink_metadata().is_err() {
            match link(&self.file, path) {
                Err(error) if is_taken(&error) => {}
                linked => return linked,
            }
        }
        // A name that is taken cannot be linked to, only renamed to; in between the file has a name of its own, always the same for
        // one target. A file of that name was left by a process that was killed there.
        let _turn = turn(path);
        match std::fs::remove_file(&staging) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        link(&self.file, &staging)?;
        std::fs::rename(&staging, path).inspect_err(|_| {
            let _ = std::fs::remove_file(&staging);
        })
    }

    /// Gives it a name that is free; gives it back if the name is taken.
    ///
    /// # Errors
    ///
    /// The folder is not writable.
    pub fn create(mut self, path: &Path) -> io::Result<Option<Self>> {
        let Some(hidden) = &self.hidden else {
            return match link(&self.file, path) {
                Ok(()) => Ok(None),
                Err(error) if is_taken(&error) => Ok(Some(self)),
                Err(error) => Err(error),
            };
        };
        let renamed = match renameat_with(CWD, hidden, CWD, path, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                std::fs::hard_link(hidden, path).and_then(|()| std::fs::remove_file(hidden))
            }
            renamed => renamed.map_err(io::Error::from),
        };
        match renamed {
            Ok(()) => {
                self.hidden = None;
                Ok(None)
            }
            Err(error) if is_taken(&error) => Ok(Some(self)),
            Err(error) if has_no_links(&error) => self.reserve(path),
            Err(error) => Err(error),
        }
    }

    /// Takes the name with an empty file, which only one of us can create, then replaces that one. A reader may see it empty for a
    /// moment, but nobody's file is lost.
    fn reserve(self, path: &Path) -> io::Result<Option<Self>> {
        match OpenOptions::new().write(true).create_new(true).open(path) {
            Ok(_) => {}
            Err(error) if is_taken(&error) => return Ok(Some(self)),
            Err(error) => return Err(error),
        }
        self.replace(path).map(|()| None).inspect_err(|_| {
            let _ = std::fs::remove_file(path);
        })
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(hidden) = &self.hidden {
            let _ = std::fs::remove_file(hidden);
        }
    }
}

/// A file without a name; none where there is no such thing.
fn unnamed(folder: &Path, mode: u32) -> Option<io::Result<File>> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::OFlags;
        let mut options = OpenOptions::new();
        let flags = OFlags::TMPFILE.bits().cast_signed();
        options.write(true).mode(mode).custom_flags(flags);
        match options.open(folder) {
            // It gets its name by way of this folder.
            Ok(_) if !Path::new("/proc/self/fd").exists() => None,
            Err(error) if cannot_be_unnamed(&error) => None,
            opened => Some(opened),
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (folder, mode);
        None
    }
}

/// What file systems say, and kernels that take the flag for a folder to be opened.
#[cfg(target_os = "linux")]
fn cannot_be_unnamed(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno::from_raw_os_error),
        Some(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOSYS)
    )
}

/// A file with a hidden name that no other process has.
fn hidden(folder: &Path, mode: u32) -> io::Result<NewFile> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    loop {
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!(".{}-{next}{ENDING}", std::process::id());
        let path = folder.join(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        options.mode(mode);
        match options.open(&path) {
            Err(error) if is_taken(&error) => {}
            opened => {
                return Ok(NewFile {
                    file: opened?,
                    hidden: Some(path),
                });
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn link(file: &File, path: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, linkat};
    use std::os::fd::AsRawFd as _;
    let from = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(linkat(CWD, from, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

#[cfg(not(target_os = "linux"))]
fn link(_: &File, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The name that a file has on its way to a name that is taken.
fn staging(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(ENDING);
    path.with_file_name(name)
}

/// The right to use the staging names of a folder, until it is dropped.
fn turn(path: &Path) -> Option<File> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let folder = File::open(folder).ok()?;
    let since = Instant::now();
    loop {
        match folder.try_lock() {
            Ok(()) => return Some(folder),
            Err(TryLockError::WouldBlock) if since.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_micros(100));
            }
            Err(_) => return None,
        }
    }
}

fn is_taken(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AlreadyExists
}

/// The file system can neither rename without replacing nor make hard links: FAT, some network and FUSE file systems.
fn has_no_links(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno::from_raw_os_error),
        Some(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::MLINK)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    /// Both ways to have a file without a name.
    fn both(folder: &Path, content: &str) -> [NewFile; 2] {
        let mut other = hidden(folder, 0o644).unwrap();
        other.file.write_all(content.as_bytes()).unwrap();
        let new = NewFile::write(folder, content.as_bytes(), 0o644).unwrap();
        [new, other]
    }

    fn names(folder: &Path) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string();
        fs::read_dir(folder)
            .unwrap()
            .map(|e| name(e).unwrap())
            .collect()
    }

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sig");
        for content in ["one", "two", "three"] {
            for new in both(folder.path(), content) {
                new.replace(&path).unwrap();
                assert_eq!(fs::read_to_string(&path).unwrap(), content);
            }
        }
        assert_eq!(names(folder.path()), ["a.sig"]);
    }

    #[test]
    fn without_a_name_it_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        drop(both(folder.path(), "one"));
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_name_that_is_taken_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sig");
        for new in both(folder.path(), "new") {
            fs::write(&path, "old").unwrap();
            let back = new.create(&path).unwrap().unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), "old");
            fs::remove_file(&path).unwrap();
            assert!(back.create(&path).unwrap().is_none());
            assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        }
        assert_eq!(names(folder.path()), ["a.sig"]);
    }

    #[test]
    fn what_a_killed_process_left_is_cleared_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sig");
        for is_there in [true, false] {
            if is_there {
                fs::write(&path, "old").unwrap();
            } else {
                fs::remove_file(&path).unwrap();
            }
            fs::write(staging(&path), "left").unwrap();
            let new = NewFile::write(folder.path(), b"new", 0o644).unwrap();
            new.replace(&path).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), "new");
            assert_eq!(names(folder.path()), ["a.sig"]);
        }
    }

    #[test]
    fn a_link_is_replaced_and_its_target_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (target, path) = (folder.path().join("t"), folder.path().join("l"));
        fs::write(&target, "precious").unwrap();
        for new in both(folder.path(), "new") {
            let _ = fs::remove_file(&path);
            std::os::unix::fs::symlink(&target, &path).unwrap();
            new.replace(&path).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), "new");
            assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
        }
    }

    #[test]
    fn a_folder_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("folder");
        fs::create_dir(&path).unwrap();
        for new in both(folder.path(), "new") {
            assert!(new.replace(&path).is_err());
        }
        assert_eq!(names(folder.path()), ["folder"]);
    }

    #[test]
    fn a_private_file_is_private_from_its_first_byte_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let new = NewFile::write(folder.path(), b"one", 0o600).unwrap();
        assert_eq!(
            new.file().metadata().unwrap().permissions().mode() & 0o777,
            0o600
        );
        new.replace(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn many_at_once_leave_one_of_theirs_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sig");
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let (folder, path) = (folder.path(), &path);
                scope.spawn(move || {
                    for turn in 0..50 {
                        let content = format!("{writer} {turn}");
                        let new = NewFile::write(folder, content.as_bytes(), 0o644).unwrap();
                        new.replace(path).unwrap();
                    }
                });
            }
        });
        assert!(fs::read_to_string(&path).unwrap().ends_with(" 49"));
        assert_eq!(names(folder.path()), ["a.sig"]);
    }

    #[test]
    fn without_links_two_at_once_never_lose_one_either() {
        for _ in 0..200 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("app.sig");
            let sign = |content: &str| {
                let mut new = hidden(folder.path(), 0o644).unwrap();
                new.file.write_all(content.as_bytes()).unwrap();
                new.reserve(&path).unwrap().is_none()
            };
            let (a, b) = std::thread::scope(|scope| {
                let a = scope.spawn(|| sign("A"));
                let b = scope.spawn(|| sign("B"));
                (a.join().unwrap(), b.join().unwrap())
            });
            assert!(a != b, "one of them has the name");
            let content = fs::read_to_string(&path).unwrap();
            assert_eq!(content, if a { "A" } else { "B" });
            assert_eq!(names(folder.path()), ["app.sig"]);
        }
    }

    #[test]
    fn a_placeholder_does_not_stay_behind_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.sig");
        let new = hidden(folder.path(), 0o644).unwrap();
        // Somebody tidies up what looks temporary.
        fs::remove_file(new.hidden.as_ref().unwrap()).unwrap();
        assert!(new.reserve(&path).is_err());
        assert!(names(folder.path()).is_empty());
    }
}
