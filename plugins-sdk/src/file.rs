//! Files that somebody else named, opened only if they are regular, and read whole or not at all.
//!
//! A path out of a configuration or a command line may name anything. Opening a named pipe waits for its other end, opening a
//! device can already do something, and what is cut at a bound is no longer what was meant: none of that happens here.

use rustix::fs::OFlags;
use rustix::io::Errno;
use std::fmt;
use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;
use zeroize::Zeroizing;

/// Reads a regular file to its end, through symbolic links. The buffer is wiped when it is dropped: a file may hold a secret.
///
/// # Errors
///
/// See [`ReadError`]. A file of more than `max` bytes is an error and never cut.
pub fn read_regular(path: impl AsRef<Path>, max: u64) -> Result<Zeroizing<Vec<u8>>, ReadError> {
    RegularFile::open(path, Links::Followed)?.read(max)
}

/// What is done about a symbolic link where a file is expected. Those among the folders above it are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// What it points to is meant.
    Followed,
    /// It is not a regular file.
    Refused,
}

/// A regular file, open for reading.
#[derive(Debug)]
pub struct RegularFile {
    file: File,
    metadata: Metadata,
}

impl RegularFile {
    /// Opens a file without waiting, and without becoming a terminal's owner. Nothing but a regular file is ever opened.
    ///
    /// # Errors
    ///
    /// [`ReadError::Io`] or [`ReadError::NotRegular`].
    pub fn open(path: impl AsRef<Path>, links: Links) -> Result<Self, ReadError> {
        let path = path.as_ref();
        let there = match links {
            Links::Followed => path.metadata()?,
            Links::Refused => path.symlink_metadata()?,
        };
        only_regular(there.file_type())?;
        let link = match links {
            Links::Followed => OFlags::empty(),
            Links::Refused => OFlags::NOFOLLOW,
        };
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY | link;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(path)
            .map_err(|error| match error.raw_os_error() {
                Some(number) if links == Links::Refused && number == Errno::LOOP.raw_os_error() => {
                    ReadError::NotRegular(FileKind::SymbolicLink)
                }
                _ => ReadError::Io(error),
            })?;
        // What was looked at may be something else by now; what is open stays what it is.
        let metadata = file.metadata()?;
        only_regular(metadata.file_type())?;
        Ok(Self { file, metadata })
    }

    /// What it was like when it was opened.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The open file itself.
    #[must_use]
    pub fn into_file(self) -> File {
        self.file
    }

    /// Reads it to its end. The buffer is wiped when it is dropped.
    ///
    /// # Errors
    ///
    /// [`ReadError::Io`], or [`ReadError::TooLarge`] if it has more than `max` bytes.
    pub fn read(mut self, max: u64) -> Result<Zeroizing<Vec<u8>>, ReadError> {
        let too_large = || ReadError::TooLarge { max };
        if self.metadata.len() > max {
            return Err(too_large());
        }
        // One more than is expected, so that the end of the file is seen without growing: that would leave copies behind.
        let mut bytes = with_room(usize::try_from(self.metadata.len()).map_err(|_| too_large())?);
        loop {
            let room = (bytes.capacity() - bytes.len()) as u64;
            if (&mut self.file).take(room).read_to_end(&mut bytes)? as u64 == room {
                // It grows, or is one of the kernel's, whose size is never told.
                let mut larger = with_room(bytes.len() * 2);
                larger.extend_from_slice(&bytes);
                bytes = larger;
            } else if bytes.len() as u64 > max {
                return Err(too_large());
            } else {
                return Ok(bytes);
            }
            if bytes.len() as u64 > max {
                return Err(too_large());
            }
        }
    }
}

fn with_room(bytes: usize) -> Zeroizing<Vec<u8>> {
    /// What a small file of the kernel's fits into.
    const LEAST: usize = 1024;
    Zeroizing::new(Vec::with_capacity(bytes.max(LEAST) + 1))
}

/// Why a file is not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system refuses it, or nothing is there.
    #[error("{}", why(.0))]
    Io(#[from] io::Error),
    /// Something else stands at the path.
    #[error("it is {0}, expected a regular file")]
    NotRegular(FileKind),
    /// It has more bytes than anything that is meant here.
    #[error("it is larger than {}", size(*.max))]
    TooLarge {
        /// The most that is read, in bytes.
        max: u64,
    },
}

impl ReadError {
    /// The nearest kind of the standard library: `InvalidInput` for what is not a regular file, `FileTooLarge` for a large one.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Io(error) => error.kind(),
            Self::NotRegular(_) => io::ErrorKind::InvalidInput,
            Self::TooLarge { .. } => io::ErrorKind::FileTooLarge,
        }
    }

    /// Whether nothing is there.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(
            self.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
        )
    }
}

/// What may stand at a path in place of a regular file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A block device.
    BlockDevice,
    /// A character device.
    CharacterDevice,
    /// A folder.
    Folder,
    /// A named pipe (FIFO).
    NamedPipe,
    /// Something that is not known here.
    Other,
    /// A socket.
    Socket,
    /// A symbolic link.
    SymbolicLink,
}

impl FileKind {
    /// What a file is, if it is not regular.
    #[must_use]
    pub fn other_than_regular(kind: FileType) -> Option<Self> {
        Some(match kind {
            _ if kind.is_file() => return None,
            _ if kind.is_block_device() => Self::BlockDevice,
            _ if kind.is_char_device() => Self::CharacterDevice,
            _ if kind.is_dir() => Self::Folder,
            _ if kind.is_fifo() => Self::NamedPipe,
            _ if kind.is_socket() => Self::Socket,
            _ if kind.is_symlink() => Self::SymbolicLink,
            _ => Self::Other,
        })
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BlockDevice => "a block device",
            Self::CharacterDevice => "a character device",
            Self::Folder => "a folder",
            Self::NamedPipe => "a named pipe",
            Self::Other => "something else than a file",
            Self::Socket => "a socket",
            Self::SymbolicLink => "a symbolic link",
        })
    }
}

fn only_regular(kind: FileType) -> Result<(), ReadError> {
    match FileKind::other_than_regular(kind) {
        Some(other) => Err(ReadError::NotRegular(other)),
        None => Ok(()),
    }
}

/// What the system said, in the words of users: without the number that it counts its errors by, and without the names of temporary
/// files.
#[must_use]
pub fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        io::ErrorKind::NotFound => "there is no such file or folder".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => {
            let text = error.to_string();
            match text.split_once(" (os error ") {
                Some((text, _)) => text.to_lowercase(),
                None => text,
            }
        }
    }
}

/// A bound as people say it: `64 KiB`.
fn size(bytes: u64) -> String {
    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;
    match bytes {
        MIB.. if bytes.is_multiple_of(MIB) => format!("{} MiB", bytes / MIB),
        KIB.. if bytes.is_multiple_of(KIB) => format!("{} KiB", bytes / KIB),
        _ => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;

    /// A file with this in it. The folder goes with the first.
    fn file(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, content).unwrap();
        (folder, path)
    }

    fn found(path: impl AsRef<Path>, links: Links) -> FileKind {
        match RegularFile::open(path, links).unwrap_err() {
            ReadError::NotRegular(kind) => kind,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_file_of_exactly_the_bound_is_read_and_one_byte_more_is_refused() {
        for max in [1, 4, 1023, 1024, 1025, 5000] {
            let (_folder, path) = file(&vec![7; max]);
            assert_eq!(read_regular(&path, max as u64).unwrap().len(), max);
            let error = read_regular(&path, max as u64 - 1).unwrap_err();
            assert!(matches!(error, ReadError::TooLarge { .. }), "{error}");
        }
        let (_folder, path) = file(b"");
        assert!(read_regular(path, 0).unwrap().is_empty());
    }

    #[test]
    fn a_file_that_grows_is_held_to_the_bound_too() {
        use std::io::Write as _;
        for (more, fits) in [(2999, true), (3000, true), (3001, false)] {
            let (_folder, path) = file(b"");
            let open = RegularFile::open(&path, Links::Followed).unwrap();
            let mut writer = OpenOptions::new().append(true).open(&path).unwrap();
            writer.write_all(&vec![7; more]).unwrap();
            assert_eq!(open.read(3000).is_ok(), fits, "{more}");
        }
    }

    #[test]
    fn a_file_of_the_kernel_whose_size_is_not_told_is_read_whole() {
        let path = "/proc/self/status";
        if fs::metadata(path).is_ok_and(|found| found.len() == 0) {
            let text = read_regular(path, 64 << 10).unwrap();
            assert!(text.starts_with(b"Name:"));
            let error = read_regular(path, 100).unwrap_err();
            assert!(matches!(error, ReadError::TooLarge { max: 100 }), "{error}");
        }
    }

    #[test]
    fn a_pipe_is_refused_without_waiting_for_its_writer() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
        assert_eq!(found(&pipe, Links::Followed), FileKind::NamedPipe);
        let error = read_regular(&pipe, 10).unwrap_err();
        assert_eq!(
            error.to_string(),
            "it is a named pipe, expected a regular file"
        );
    }

    #[test]
    fn a_folder_a_device_and_a_socket_are_called_by_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert_eq!(found(&socket, Links::Followed), FileKind::Socket);
        assert_eq!(found(folder.path(), Links::Followed), FileKind::Folder);
        assert_eq!(
            found("/dev/zero", Links::Followed),
            FileKind::CharacterDevice
        );
    }

    #[test]
    fn a_link_is_followed_only_where_that_is_asked_for() {
        let (folder, path) = file(b"behind");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(read_regular(&link, 10).unwrap().as_slice(), b"behind");
        assert_eq!(found(&link, Links::Refused), FileKind::SymbolicLink);
        assert!(RegularFile::open(&path, Links::Refused).is_ok());
    }

    #[test]
    fn what_is_not_there_is_missing_and_a_bound_is_said_in_round_numbers() {
        let error = read_regular("/nowhere/file", 10).unwrap_err();
        assert!(error.is_missing());
        assert_eq!(error.to_string(), "there is no such file or folder");
        for (max, text) in [
            (4 << 20, "4 MiB"),
            (64 << 10, "64 KiB"),
            (1000, "1000 bytes"),
        ] {
            let error = ReadError::TooLarge { max };
            assert_eq!(error.to_string(), format!("it is larger than {text}"));
        }
    }
}
