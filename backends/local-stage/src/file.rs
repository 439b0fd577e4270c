//! Opening an artifact, and the proof that it stayed the same while it was read.

use super::failure::{invalid, reading};
use sigtool_sdk::file::{FileKind, Links, ReadError, RegularFile};
use sigtool_sdk::text::quoted_path;
use sigtool_sdk::{Error, ErrorCode, Result};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// What stands at a path.
#[derive(Debug)]
pub(crate) enum Found {
    /// A regular file, opened.
    File(OpenFile),
    /// A folder.
    Folder,
}

/// Opens what stands at a path. Symbolic links are followed: the user named them.
///
/// # Errors
///
/// - `not-found`: nothing is there.
/// - `access-denied`: it may not be read.
/// - `invalid-request`: a pipe, a socket, a device.
pub(crate) fn find(path: &Path) -> Result<Found> {
    let found = match RegularFile::open(path, Links::Followed) {
        Ok(found) => found,
        Err(ReadError::NotRegular(FileKind::Folder)) => return Ok(Found::Folder),
        Err(ReadError::NotRegular(kind)) => return Err(not_regular(path, kind)),
        Err(ReadError::Io(error)) => return Err(reading(path, &error)),
        Err(error) => return Err(invalid(error.to_string())),
    };
    Ok(Found::File(OpenFile {
        stamp: Stamp::of(found.metadata()),
        path: path.to_owned(),
        file: found.into_file(),
    }))
}

fn not_regular(path: &Path, kind: FileKind) -> Error {
    invalid(format!("{} is {kind}", quoted_path(path)))
        .because("only regular files can be signed")
        .hint("write its content to a file first, or pipe it in and name the artifact `-`")
}

/// An open file, and what it was like when it was opened.
#[derive(Debug)]
pub(crate) struct OpenFile {
    file: File,
    path: PathBuf,
    stamp: Stamp,
}

impl OpenFile {
    /// Its size when it was opened, in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.stamp.size
    }

    /// The path that it was opened by.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The descriptor. Read by position only.
    pub(crate) fn descriptor(&self) -> &File {
        &self.file
    }

    /// Reads at a position, as much as comes at once; 0 at the end.
    pub(crate) fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        loop {
            match self.file.read_at(buffer, position) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Proves that the file is what it was when it was opened, and that the path still names it.
    ///
    /// # Errors
    ///
    /// `integrity` if not.
    pub(crate) fn unchanged(&self) -> Result<()> {
        let now = self.file.metadata().map_err(|e| reading(&self.path, &e))?;
        let now = Stamp::of(&now);
        if self.stamp.size != now.size {
            return Err(self.changed(format!(
                "it had {} bytes at first, and {} at the end",
                self.stamp.size, now.size
            )));
        }
        match std::fs::metadata(&self.path) {
            Ok(there) if (there.dev(), there.ino()) == (now.device, now.inode) => {}
            Ok(_) => return Err(self.changed("another file took its place")),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(self.changed("it was removed"));
            }
            Err(e) => return Err(reading(&self.path, &e)),
        }
        if self.stamp.modified != now.modified {
            return Err(self.changed("its modification time is another one now"));
        }
        if self.stamp != now {
            return Err(self.changed("its mode, its owner or the number of its names did"));
        }
        Ok(())
    }

    /// The error for a file that did not stay the same.
    pub(crate) fn changed(&self, how: impl std::fmt::Display) -> Error {
        Error::new(
            ErrorCode::Integrity,
            format!("{} changed while it was read", quoted_path(&self.path)),
        )
        .because(how)
        .hint("wait until whatever writes it has finished, then try again")
    }
}

/// What changes when a file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(path: &Path) -> Error {
        find(path).unwrap_err()
    }

    #[test]
    fn a_pipe_is_refused_without_waiting_for_its_writer() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            0o600.into(),
            0,
        )
        .unwrap();
        let error = refused(&pipe);
        assert_eq!(error.code, ErrorCode::InvalidRequest);
        assert!(error.message.ends_with("is a named pipe"), "{error}");
    }

    #[test]
    fn a_device_and_a_socket_are_refused_by_name() {
        let error = refused(Path::new("/dev/zero"));
        assert_eq!(error.code, ErrorCode::InvalidRequest);
        assert_eq!(error.message, "`/dev/zero` is a character device");

        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(refused(&socket).message.ends_with("is a socket"));
    }

    #[test]
    fn a_missing_file_is_not_found_by_name() {
        let error = refused(Path::new("/nowhere/app.tgz"));
        assert_eq!(error.code, ErrorCode::NotFound);
        assert_eq!(error.message, "there is no file `/nowhere/app.tgz`");
    }

    #[test]
    fn a_file_that_others_keep_from_us_says_why() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.jar");
        std::fs::write(&path, "x").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
        // Nothing is kept from root, so for it only the text can be looked at.
        let error = if rustix::process::geteuid().is_root() {
            reading(&path, &io::Error::from(rustix::io::Errno::ACCESS))
        } else {
            refused(&path)
        };
        assert_eq!(error.code, ErrorCode::AccessDenied);
        assert!(error.message.contains("secret.jar"), "{error}");
        assert!(
            error.causes[0].contains("its mode is 0000, its owner"),
            "{error}"
        );
    }

    #[test]
    fn a_file_that_is_replaced_removed_or_touched_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app");
        let opened = |content: &str| {
            let _ = std::fs::remove_file(&path);
            std::fs::write(&path, content).unwrap();
            let Found::File(file) = find(&path).unwrap() else {
                panic!("a file")
            };
            file.unchanged().unwrap();
            file
        };
        let why = |file: &OpenFile| {
            let error = file.unchanged().unwrap_err();
            assert_eq!(error.code, ErrorCode::Integrity);
            assert!(error.message.ends_with("changed while it was read"));
            error.causes[0].clone()
        };

        let file = opened("one");
        std::fs::write(&path, "three").unwrap();
        assert_eq!(why(&file), "it had 3 bytes at first, and 5 at the end");

        let file = opened("one");
        let hour = std::time::Duration::from_secs(3600);
        file.descriptor()
            .set_modified(std::time::SystemTime::now() - hour)
            .unwrap();
        assert!(why(&file).contains("modification time"));

        let file = opened("one");
        std::fs::hard_link(&path, folder.path().join("link")).unwrap();
        assert!(why(&file).contains("number of its names"));

        let file = opened("one");
        let other = folder.path().join("other");
        std::fs::write(&other, "one").unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert_eq!(why(&file), "another file took its place");

        let file = opened("one");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(why(&file), "it was removed");
    }
}
