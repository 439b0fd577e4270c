//! Files written whole or not at all.

use sigtool_sdk::NewFile;
use std::fs::File;
use std::io;
use std::path::Path;

/// Writes a file so that a reader sees the old bytes or the new ones, and a power cut leaves one of the two: [`NewFile`], then
/// fsync of the folder.
///
/// `mode` holds the permission bits on Unix, less what the user's umask takes away. A symbolic link at `path` is replaced, not
/// followed.
///
/// # Errors
///
/// The folder is missing or not writable, the disk is full, or `path` is there and is not a regular file.
pub fn atomic_write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    if let Ok(there) = path.symlink_metadata()
        && !there.is_file()
        && !there.is_symlink()
    {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is there, and is not a regular file",
        ));
    }
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    NewFile::write(folder, bytes, mode)?.replace(path)?;
    sync_folder(folder)
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
