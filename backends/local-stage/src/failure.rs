//! Where failures of the file system become errors of the SDK, as users read them: what was found, and whose move it is.

use rustix::io::Errno;
use sigtool_sdk::file::why;
use sigtool_sdk::text::quoted_path;
use sigtool_sdk::{Error, ErrorCode};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Something could not be read.
pub(crate) fn reading(path: &Path, error: &io::Error) -> Error {
    match errno(error) {
        Some(Errno::NOENT | Errno::NOTDIR) => missing(path),
        Some(Errno::ACCESS | Errno::PERM) => Error::new(
            ErrorCode::AccessDenied,
            format!("cannot read {}", quoted_path(path)),
        )
        .because(who_may(path)),
        Some(Errno::LOOP) => invalid(format!(
            "{} is a symbolic link in a circle",
            quoted_path(path)
        )),
        Some(Errno::NAMETOOLONG) => invalid(format!(
            "{} is longer than a path can be",
            quoted_path(path)
        )),
        _ => Error::new(
            ErrorCode::Other,
            format!("cannot read {}", quoted_path(path)),
        )
        .because(why(error)),
    }
}

/// A signature could not be written; `flag` is the one that writes it elsewhere.
pub(crate) fn writing(path: &Path, error: &io::Error, flag: &str) -> Error {
    let message = format!("cannot write {}", quoted_path(path));
    let folder = path.parent().unwrap_or(path);
    let elsewhere = format!("write the signature elsewhere with `{flag} FILE`");
    match errno(error) {
        Some(Errno::ACCESS | Errno::PERM) => Error::new(ErrorCode::AccessDenied, message)
            .because(format!(
                "in the folder {}: {}",
                quoted_path(folder),
                who_may(folder)
            ))
            .hint(elsewhere),
        Some(Errno::ROFS) => Error::new(ErrorCode::AccessDenied, message)
            .because("its file system is read-only")
            .hint(elsewhere),
        Some(Errno::NOSPC) => Error::new(ErrorCode::Unavailable, message)
            .because("no space is left on its file system")
            .hint(elsewhere),
        Some(Errno::DQUOT) => Error::new(ErrorCode::Unavailable, message)
            .because("your disk quota is used up")
            .hint(elsewhere),
        Some(Errno::NOENT | Errno::NOTDIR) => Error::new(ErrorCode::NotFound, message)
            .because(format!("there is no folder {}", quoted_path(folder))),
        Some(Errno::NAMETOOLONG) => invalid(message)
            .because("the name with its ending is longer than the file system takes")
            .hint(elsewhere),
        Some(Errno::ISDIR) => invalid(message).because("a folder has that name"),
        _ => Error::new(ErrorCode::Other, message).because(why(error)),
    }
}

/// There is nothing at this path.
pub(crate) fn missing(path: &Path) -> Error {
    let error = Error::new(
        ErrorCode::NotFound,
        format!("there is no file {}", quoted_path(path)),
    );
    match std::fs::read_link(path) {
        Ok(target) => error.because(format!(
            "it is a symbolic link to {}, which does not exist",
            quoted_path(target)
        )),
        Err(_) => error,
    }
}

/// The user asked for what cannot be done.
pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::InvalidRequest, message)
}

/// The system's own number. Where a library has wrapped it, the kind of error tells nearly as much.
fn errno(error: &io::Error) -> Option<Errno> {
    if let Some(number) = error.raw_os_error() {
        return Some(Errno::from_raw_os_error(number));
    }
    match error.kind() {
        io::ErrorKind::InvalidFilename => Some(Errno::NAMETOOLONG),
        io::ErrorKind::IsADirectory => Some(Errno::ISDIR),
        io::ErrorKind::NotADirectory => Some(Errno::NOTDIR),
        io::ErrorKind::NotFound => Some(Errno::NOENT),
        io::ErrorKind::PermissionDenied => Some(Errno::ACCESS),
        io::ErrorKind::QuotaExceeded => Some(Errno::DQUOT),
        io::ErrorKind::ReadOnlyFilesystem => Some(Errno::ROFS),
        io::ErrorKind::StorageFull => Some(Errno::NOSPC),
        _ => None,
    }
}

/// Why this user may not: the facts that `ls -l` and `id` would tell.
fn who_may(path: &Path) -> String {
    let us = rustix::process::geteuid().as_raw();
    match std::fs::metadata(path) {
        Ok(found) => format!(
            "permission denied: its mode is {:04o}, its owner {}, its group {}, and you are user {us}",
            found.mode() & 0o7777,
            found.uid(),
            found.gid()
        ),
        Err(_) => format!("permission denied: user {us} may not enter a folder above it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrote(errno: Errno) -> Error {
        let path = Path::new("/usr/app.tgz.sigstore.json");
        writing(path, &io::Error::from(errno), "--bundle")
    }

    #[test]
    fn a_read_only_place_tells_where_else_to_write() {
        for errno in [Errno::ACCESS, Errno::PERM, Errno::ROFS] {
            let error = wrote(errno);
            assert_eq!(error.code, ErrorCode::AccessDenied);
            assert!(error.message.contains("/usr/app.tgz.sigstore.json"));
            assert!(error.hints[0].contains("--bundle FILE"), "{error:?}");
        }
        assert!(
            wrote(Errno::ACCESS).causes[0].contains("mode"),
            "says the mode"
        );
    }

    #[test]
    fn a_full_disk_is_called_that() {
        let error = wrote(Errno::NOSPC);
        assert_eq!(error.code, ErrorCode::Unavailable);
        assert!(error.to_string().contains("no space"), "{error}");
    }

    #[test]
    fn a_dangling_link_says_where_it_points() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("app.jar");
        std::os::unix::fs::symlink("/nowhere/app.jar", &link).unwrap();
        let error = missing(&link);
        assert_eq!(error.code, ErrorCode::NotFound);
        assert!(error.to_string().contains("/nowhere/app.jar"), "{error}");
    }
}
