//! Whether the place where a backend lies can be trusted: nobody but its owners may be able to change it.

use sigtool_sdk::file::{FileKind, Links, ReadError, RegularFile};
use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Why a place is not trusted.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlaceError {
    #[error("there is no file `{0}`")]
    Missing(PathBuf),
    #[error("cannot open `{path}`: {source}")]
    Open {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("`{0}` is a symbolic link: name the file itself")]
    Link(PathBuf),
    #[error("`{0}` is not a regular file")]
    NotAFile(PathBuf),
    #[error("`{path}` belongs to user {owner}, who is neither root nor you (user {user})")]
    Owner {
        path: PathBuf,
        owner: u32,
        user: u32,
    },
    #[error("`{path}` can be written by others (mode {mode:04o})")]
    Writable { path: PathBuf, mode: u32 },
}

/// Opens a backend, if it and every folder above it belong to root, to this user or to `also`, and others cannot write there.
///
/// What is checked is the descriptor that is returned, so a file put in its place later is not what gets loaded.
pub(super) fn open(path: &Path, also: Option<u32>) -> Result<File, PlaceError> {
    let file = RegularFile::open(path, Links::Refused).map_err(|error| match error {
        error if error.is_missing() => PlaceError::Missing(path.to_owned()),
        ReadError::NotRegular(FileKind::SymbolicLink) => PlaceError::Link(path.to_owned()),
        ReadError::Io(source) => PlaceError::Open {
            path: path.to_owned(),
            source,
        },
        _ => PlaceError::NotAFile(path.to_owned()),
    })?;
    let stat = |source| PlaceError::Open {
        path: path.to_owned(),
        source,
    };
    check(path, file.metadata(), also)?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    let folder = folder.canonicalize().map_err(stat)?;
    for parent in folder.ancestors() {
        check(parent, &parent.metadata().map_err(stat)?, also)?;
    }
    Ok(file.into_file())
}

fn check(path: &Path, facts: &std::fs::Metadata, also: Option<u32>) -> Result<(), PlaceError> {
    let user = rustix::process::getuid().as_raw();
    let owner = facts.uid();
    if owner != 0 && owner != user && Some(owner) != also {
        return Err(PlaceError::Owner {
            path: path.to_owned(),
            owner,
            user,
        });
    }
    let mode = facts.mode();
    // In a folder like /tmp, root's and sticky, others can add but neither rename nor remove what is ours.
    let sticky = facts.is_dir() && mode & 0o1000 != 0 && owner == 0;
    // A group of the same number as its user holds nobody else.
    let private_group = facts.gid() == owner;
    let writable = mode & 0o002 != 0 || (mode & 0o020 != 0 && !private_group);
    if writable && !sticky {
        return Err(PlaceError::Writable {
            path: path.to_owned(),
            mode: mode & 0o7777,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_file_that_others_can_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b");
        std::fs::write(&path, "x").unwrap();
        assert!(open(&path, None).is_ok());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o646)).unwrap();
        assert!(matches!(
            open(&path, None),
            Err(PlaceError::Writable { mode: 0o646, .. })
        ));
    }

    #[test]
    fn a_folder_that_others_can_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(inner.join("b"), "x").unwrap();
        std::fs::set_permissions(&inner, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(
            open(&inner.join("b"), None),
            Err(PlaceError::Writable { mode: 0o777, .. })
        ));
    }

    #[test]
    fn a_link_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("b"), "x").unwrap();
        std::os::unix::fs::symlink("b", folder.path().join("l")).unwrap();
        assert!(matches!(
            open(&folder.path().join("l"), None),
            Err(PlaceError::Link(_))
        ));
    }
}
