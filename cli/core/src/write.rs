//! Files written whole or not at all.

use sigtool_sdk::NewFile;
use std::fs::File;
use std::io;
use std::path::Path;

/// Writes a file so that a reader sees the old bytes or the new ones, and a power cut leaves one of the two: [`NewFile`], then
/// fsync of the folder.
///
/// `mode` holds the permission bits on Unix, less what the user's umask takes away.
///
/// # Errors
///
/// The folder is missing or not writable, the disk is full, or `path` is there and is not a regular file: a link, a device and a pipe
/// are neither replaced nor followed.
pub fn atomic_write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    if let Ok(there) = path.symlink_metadata()
        && !there.is_file()
    {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is there, and is not a regular file",
        ));
    }
    let folder = folder_of(path);
    NewFile::write(folder, bytes, mode)?.replace(path)?;
    sync_folder(folder)
}

/// The same for a file of a name that is free, and must still be free when the file gets it.
///
/// # Errors
///
/// The folder is missing or not writable, the disk is full, or the name is taken.
pub fn create(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = folder_of(path);
    match NewFile::write(folder, bytes, mode)?.create(path)? {
        None => sync_folder(folder),
        Some(_) => Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "it has come there meanwhile",
        )),
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The rename itself is durable only when the folder is; only Unix can sync one.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        assert!(atomic_write(folder.path(), b"one", 0o644).is_err());
    }
}
