//! Whether a place can be trusted: nobody but its owners may be able to change what lies there. The one rule for all that grants
//! something: backends, the configuration, the machine's policy, the keys of a policy.

use sigtool_sdk::file::{FileKind, Links, ReadError, RegularFile};
use sigtool_sdk::text::typed;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

/// More links than any path has; Linux follows as many.
const MAX_LINKS: usize = 40;

/// Why a place is not trusted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaceError {
    #[error("there is no file `{0}`")]
    Missing(PathBuf),
    #[error("cannot open `{path}`: {source}")]
    Open { path: PathBuf, source: io::Error },
    #[error("`{0}` is a symbolic link: name the file itself")]
    Link(PathBuf),
    #[error("`{0}` is a symbolic link to nothing")]
    LinkToNothing(PathBuf),
    #[error("`{path}` is not a regular file")]
    NotAFile { path: PathBuf, kind: FileKind },
    #[error("`{path}` belongs to user {owner}, who is neither root nor you (user {user})")]
    Owner {
        path: PathBuf,
        owner: u32,
        user: u32,
    },
    #[error("`{path}` can be written by others (mode {mode:04o})")]
    Writable { path: PathBuf, mode: u32 },
}

impl PlaceError {
    /// What the file's owner types to mend it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Writable { path, .. } => Some(format!(
                "if it should be yours alone: chmod go-w {}",
                typed(path)
            )),
            _ => None,
        }
    }
}

/// Opens a file, if it, every folder above it and every link on the way to it belong to root, to this user or to `also`, and others
/// cannot write there.
///
/// What is checked is the descriptor that is returned, so a file put in its place later is not what gets read.
pub(crate) fn open(
    path: &Path,
    links: Links,
    also: Option<u32>,
) -> Result<RegularFile, PlaceError> {
    let way = Way::of(path)?;
    if links == Links::Refused && way.end != way.named {
        return Err(PlaceError::Link(path.to_owned()));
    }
    let file = RegularFile::open(&way.end, Links::Refused).map_err(|error| match error {
        error if error.is_missing() => PlaceError::Missing(path.to_owned()),
        ReadError::NotRegular(kind) => PlaceError::NotAFile {
            path: path.to_owned(),
            kind,
        },
        ReadError::Io(source) => PlaceError::Open {
            path: path.to_owned(),
            source,
        },
        other => PlaceError::Open {
            path: path.to_owned(),
            source: io::Error::other(other),
        },
    })?;
    check(&way.end, file.metadata(), also)?;
    for (place, facts) in way.passed.iter().rev() {
        check(place, facts, also)?;
    }
    Ok(file)
}

/// Whether what has these facts belongs to root, to this user or to `also`, and others cannot write it.
pub(crate) fn check(path: &Path, facts: &Metadata, also: Option<u32>) -> Result<(), PlaceError> {
    let user = rustix::process::getuid().as_raw();
    let owner = facts.uid();
    let own = [Some(0), Some(user), also, owner_of_home(user)];
    if !own.contains(&Some(owner)) {
        return Err(PlaceError::Owner {
            path: path.to_owned(),
            owner,
            user,
        });
    }
    let mode = facts.mode();
    // In a folder like /tmp, root's and sticky, others can add but neither rename nor remove what is ours. A link has no mode.
    let sticky = facts.is_dir() && mode & 0o1000 != 0 && owner == 0;
    // A group of the same number as its user holds nobody else.
    let private_group = facts.gid() == owner;
    let writable = mode & 0o002 != 0 || (mode & 0o020 != 0 && !private_group);
    if writable && !sticky && !facts.is_symlink() {
        return Err(PlaceError::Writable {
            path: path.to_owned(),
            mode: mode & 0o7777,
        });
    }
    Ok(())
}

/// Where this user is root, the owner of HOME is this user too: in a container it is the one outside who started it.
fn owner_of_home(user: u32) -> Option<u32> {
    let home = std::env::var_os("HOME").filter(|_| user == 0)?;
    Some(std::fs::metadata(home).ok()?.uid())
}

/// The way to a file.
struct Way {
    /// The file, by a path without links.
    end: PathBuf,
    /// The name that it was asked for by, in its folder without links.
    named: PathBuf,
    /// The folders and links that whoever follows the path passes.
    passed: Vec<(PathBuf, Metadata)>,
}

impl Way {
    /// Follows a path as the system does. What is missing at its end is told when it is opened.
    fn of(path: &Path) -> Result<Self, PlaceError> {
        let failed = |path: &Path, source: io::Error| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                PlaceError::Missing(path.to_owned())
            }
            _ => PlaceError::Open {
                path: path.to_owned(),
                source,
            },
        };
        let absolute = std::path::absolute(path).map_err(|e| failed(path, e))?;
        let (mut end, mut passed) = (PathBuf::new(), Vec::new());
        let mut left: VecDeque<OsString> = parts(&absolute);
        let (mut links, mut named) = (0, None);
        while let Some(part) = left.pop_front() {
            if part == ".." {
                end.pop();
                continue;
            }
            end.push(part);
            // The first that nothing follows is the name; where it is a link, others follow.
            if left.is_empty() {
                named.get_or_insert_with(|| end.clone());
            }
            let facts = match end.symlink_metadata() {
                Ok(facts) => facts,
                Err(_) if left.is_empty() => break,
                Err(source) => return Err(failed(&end, source)),
            };
            if facts.is_symlink() {
                links += 1;
                if links > MAX_LINKS || end.metadata().is_err_and(|e| is_nothing(&e)) {
                    return Err(PlaceError::LinkToNothing(end));
                }
                let target = std::fs::read_link(&end).map_err(|e| failed(&end, e))?;
                passed.push((end.clone(), facts));
                end.pop();
                parts(&target)
                    .into_iter()
                    .rev()
                    .for_each(|part| left.push_front(part));
            } else if facts.is_dir() {
                passed.push((end.clone(), facts));
            }
        }
        let named = named.unwrap_or_else(|| end.clone());
        Ok(Self { end, named, passed })
    }
}

fn is_nothing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// The parts of a path, the root among them: one that is pushed begins anew.
fn parts(path: &Path) -> VecDeque<OsString> {
    let parts = path.components().filter(|part| *part != Component::CurDir);
    parts.map(|part| part.as_os_str().to_owned()).collect()
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
        assert!(open(&path, Links::Refused, None).is_ok());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o646)).unwrap();
        assert!(matches!(
            open(&path, Links::Refused, None),
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
            open(&inner.join("b"), Links::Refused, None),
            Err(PlaceError::Writable { mode: 0o777, .. })
        ));
    }

    #[test]
    fn a_link_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("b"), "x").unwrap();
        std::os::unix::fs::symlink("b", folder.path().join("l")).unwrap();
        assert!(matches!(
            open(&folder.path().join("l"), Links::Refused, None),
            Err(PlaceError::Link(_))
        ));
    }

    #[test]
    fn what_lies_on_the_way_of_a_link_is_looked_at_as_well() {
        let root = tempfile::tempdir().unwrap();
        let mode = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let (shared, own) = (root.path().join("shared"), root.path().join("own"));
        for folder in [&shared, &own] {
            std::fs::create_dir(folder).unwrap();
        }
        std::fs::write(own.join("f"), "x").unwrap();
        // A link to the file, to its folder, and to a link.
        std::os::unix::fs::symlink("../own/f", shared.join("file")).unwrap();
        std::os::unix::fs::symlink(&own, shared.join("folder")).unwrap();
        std::os::unix::fs::symlink("shared/file", root.path().join("again")).unwrap();
        let paths = [
            shared.join("file"),
            shared.join("folder/f"),
            root.path().join("again"),
            shared.join("folder/../shared/file"),
        ];
        for path in &paths {
            assert!(open(path, Links::Followed, None).is_ok(), "{path:?}");
        }
        mode(&shared, 0o777);
        for path in &paths {
            let error = open(path, Links::Followed, None).unwrap_err();
            assert!(matches!(&error, PlaceError::Writable { path, .. } if *path == shared));
        }
        mode(&shared, 0o755);
        mode(&own.join("f"), 0o666);
        for path in &paths {
            let error = open(path, Links::Followed, None).unwrap_err();
            assert!(matches!(error, PlaceError::Writable { mode: 0o666, .. }));
        }
    }

    #[test]
    fn a_link_to_nothing_is_not_a_file_that_is_not_there() {
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/nowhere/at/all", root.path().join("l")).unwrap();
        std::os::unix::fs::symlink("round", root.path().join("round")).unwrap();
        for path in ["l", "l/policy.toml", "round", "round/x"] {
            assert!(
                matches!(
                    open(&root.path().join(path), Links::Followed, None),
                    Err(PlaceError::LinkToNothing(_))
                ),
                "{path}"
            );
        }
        for path in ["missing", "missing/policy.toml"] {
            assert!(matches!(
                open(&root.path().join(path), Links::Followed, None),
                Err(PlaceError::Missing(_))
            ));
        }
    }

    #[test]
    fn what_another_user_owns_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("f");
        std::fs::write(&path, "x").unwrap();
        // Only root can give a file away.
        if std::os::unix::fs::chown(&path, Some(4321), Some(4321)).is_ok() {
            assert!(matches!(
                open(&path, Links::Followed, None),
                Err(PlaceError::Owner { owner: 4321, .. })
            ));
            assert!(open(&path, Links::Followed, Some(4321)).is_ok());
        }
    }
}
