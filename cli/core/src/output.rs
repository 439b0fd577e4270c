//! A place that a user named for something to be written, looked at before anything is done: nothing is replaced unasked, and some
//! things never are.

use crate::inspect::{Inspected, inspect};
use crate::limits::MAX_BUNDLE;
use crate::write;
use sigtool_sdk::file::{FileKind, Links, ReadError, RegularFile};
use sigtool_sdk::pem::holds_private_key;
use std::io;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A name that is free, or a regular file.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    there: There,
}

#[derive(Debug)]
enum There {
    Nothing,
    Content(Zeroizing<Vec<u8>>),
    /// More than any signature or key has.
    Large,
}

impl Output {
    /// Looks at what stands there. An empty file counts as free: `mktemp` makes one, and it holds nothing that could be lost.
    ///
    /// # Errors
    ///
    /// What stands there is never replaced, or cannot be read.
    pub fn look(path: &Path) -> Result<Self, OutputError> {
        let refused = |why| OutputError {
            path: path.to_owned(),
            why,
        };
        // A link is not followed either: what it leads to has another name, which can be given.
        let content =
            RegularFile::open(path, Links::Refused).and_then(|file| file.read(MAX_BUNDLE as u64));
        let there = match content {
            Ok(content) => There::Content(content),
            Err(ReadError::TooLarge { .. }) => There::Large,
            Err(ReadError::NotRegular(kind)) => return Err(refused(Refused::Kind(kind))),
            Err(error) if error.is_missing() => There::Nothing,
            Err(ReadError::Io(error)) => return Err(refused(Refused::Unreadable(error))),
        };
        Ok(Self {
            path: path.to_owned(),
            there,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether nothing is lost when it is written.
    #[must_use]
    pub fn is_free(&self) -> bool {
        match &self.there {
            There::Nothing => true,
            There::Content(content) => content.is_empty(),
            There::Large => false,
        }
    }

    /// What lies there, if that may be a signature or a key.
    #[must_use]
    pub fn content(&self) -> Option<&[u8]> {
        match &self.there {
            There::Content(content) if !content.is_empty() => Some(content),
            _ => None,
        }
    }

    /// Requires that it may be replaced by a user who asks for that.
    ///
    /// # Errors
    ///
    /// It holds a private key, open or locked: those are replaced by no output of anything.
    pub fn check_replaceable(&self) -> Result<(), OutputError> {
        match self.content().is_some_and(is_private_key) {
            true => Err(OutputError {
                path: self.path.clone(),
                why: Refused::PrivateKey,
            }),
            false => Ok(()),
        }
    }

    /// Writes it, whole or not at all. What was free must still be free.
    ///
    /// # Errors
    ///
    /// The folder is missing or not writable, the disk is full, or something has come there since it was looked at.
    pub fn write(&self, bytes: &[u8], mode: u32) -> io::Result<()> {
        match self.there {
            There::Nothing => write::create(&self.path, bytes, mode),
            _ => write::atomic_write(&self.path, bytes, mode),
        }
    }
}

fn is_private_key(content: &[u8]) -> bool {
    let inspected = inspect(content, "").map(|found| found.content);
    matches!(
        inspected,
        Ok(Inspected::EncryptedPrivateKey(_) | Inspected::PrivateKey(_))
    ) || holds_private_key(&String::from_utf8_lossy(content))
}

/// Why nothing is written there, whatever the user says.
#[derive(Debug, thiserror::Error)]
#[error("`{}` {why}", path.display())]
pub struct OutputError {
    /// The place.
    pub path: PathBuf,
    /// What stands there.
    pub why: Refused,
}

/// What is never replaced.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Not a regular file.
    #[error("is {}, and is not replaced", named(.0))]
    Kind(FileKind),
    /// A private key.
    #[error("holds a private key, and is not replaced")]
    PrivateKey,
    /// What may be a private key.
    #[error("is there and cannot be read: {0}")]
    Unreadable(io::Error),
}

fn named(kind: &FileKind) -> String {
    match kind {
        FileKind::Folder => "a folder; name the file to write".to_owned(),
        FileKind::SymbolicLink => "a symbolic link; name the file itself".to_owned(),
        other => format!("{other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn why(path: &Path) -> String {
        Output::look(path).unwrap_err().why.to_string()
    }

    #[test]
    fn what_is_not_a_regular_file_is_never_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "precious").unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
        assert!(why(folder.path()).contains("is a folder"));
        assert!(why(&pipe).contains("is a named pipe"));
        assert!(why(Path::new("/dev/null")).contains("is a character device"));
        for target in [file.as_path(), Path::new("/dev/null"), Path::new("gone")] {
            let _ = fs::remove_file(&link);
            std::os::unix::fs::symlink(target, &link).unwrap();
            assert!(why(&link).contains("is a symbolic link"));
        }
    }

    #[test]
    fn a_private_key_is_never_replaced_in_whatever_form() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for label in ["PRIVATE KEY", "OPENSSH PRIVATE KEY", "EC PRIVATE KEY"] {
            let text = format!("# mine\n-----BEGIN {label}-----\nMC4\n-----END {label}-----\n");
            fs::write(&path, text).unwrap();
            let output = Output::look(&path).unwrap();
            assert!(!output.is_free() && output.check_replaceable().is_err());
        }
        fs::write(&path, "notes").unwrap();
        let output = Output::look(&path).unwrap();
        assert!(!output.is_free() && output.check_replaceable().is_ok());
        output.write(b"new", 0o644).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn what_has_come_since_it_was_looked_at_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let output = Output::look(&path).unwrap();
        assert!(output.is_free());
        fs::write(&path, "precious").unwrap();
        let error = output.write(b"new", 0o644).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }
}
