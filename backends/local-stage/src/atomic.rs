//! Writing a file so that a reader sees all of it or nothing, and so that of two writers of one name none is lost.

use rustix::io::Errno;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::{NamedTempFile, PersistError};

/// Writes the bytes to a hidden file in the same folder, on the disk when this returns. It goes away unless it gets a name.
///
/// The folder itself is not synchronised: after a power cut a signature may be missing or be the old one, but never torn. It
/// would make a signature five times as slow to write (1.1 ms on top of 0.2 ms, measured on ext4).
pub(crate) fn write_temporary(folder: &Path, content: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix(".sigtool-")
        // As for any new file: what the umask leaves of it.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Gives a written file its name, in place of whatever has it.
pub(crate) fn replace(written: NamedTempFile, path: &str) -> io::Result<()> {
    match written.persist(path) {
        Ok(_) => Ok(()),
        Err(PersistError { error, file }) => {
            drop(file);
            Err(error)
        }
    }
}

/// Gives a written file a name that is free; gives it back if the name is taken.
pub(crate) fn create(written: NamedTempFile, path: &str) -> io::Result<Option<NamedTempFile>> {
    match written.persist_noclobber(path) {
        Ok(_) => Ok(None),
        Err(PersistError { error, file }) if is_taken(&error) => Ok(Some(file)),
        Err(PersistError { error, file }) if has_no_links(&error) => reserve(file, path),
        Err(PersistError { error, .. }) => Err(error),
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

/// Takes the name with an empty file, which only one of us can create, then replaces that one. A reader may see it empty for a
/// moment, but nobody's signature is lost.
fn reserve(written: NamedTempFile, path: &str) -> io::Result<Option<NamedTempFile>> {
    let placeholder: io::Result<File> = OpenOptions::new().write(true).create_new(true).open(path);
    match placeholder {
        Ok(_) => {}
        Err(error) if is_taken(&error) => return Ok(Some(written)),
        Err(error) => return Err(error),
    }
    replace(written, path).map(|()| None).inspect_err(|_| {
        let _ = std::fs::remove_file(path);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_links_two_signers_at_once_never_lose_one_either() {
        for _ in 0..200 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("app.sig");
            let sign = |content: &str| {
                let written = write_temporary(folder.path(), content.as_bytes()).unwrap();
                reserve(written, path.to_str().unwrap()).unwrap().is_none()
            };
            let (a, b) = std::thread::scope(|scope| {
                let a = scope.spawn(|| sign("A"));
                let b = scope.spawn(|| sign("B"));
                (a.join().unwrap(), b.join().unwrap())
            });
            assert!(a != b, "one of them has the name");
            let content = std::fs::read_to_string(&path).unwrap();
            assert_eq!(content, if a { "A" } else { "B" });
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn a_placeholder_does_not_stay_behind_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.sig");
        let written = write_temporary(folder.path(), b"A").unwrap();
        // Somebody tidies up what looks temporary.
        std::fs::remove_file(written.path()).unwrap();
        assert!(reserve(written, path.to_str().unwrap()).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
