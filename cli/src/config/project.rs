//! The project's file: where it is looked for, and whether its owner may speak.

use sigtool_sdk::file::{Links, ReadError, RegularFile};
use std::fs::Metadata;
use std::path::{Path, PathBuf};

/// The name of the project's file.
pub(crate) const FILE: &str = ".sigtool.toml";

/// The nearest file upwards, not past the repository's root or the home folder.
pub(crate) fn find(working_dir: &Path, home: Option<&Path>) -> Option<PathBuf> {
    for folder in working_dir.ancestors() {
        let file = folder.join(FILE);
        if file.symlink_metadata().is_ok() {
            return Some(file);
        }
        if folder.join(".git").symlink_metadata().is_ok() || Some(folder) == home {
            return None;
        }
    }
    None
}

/// Opens the file, if its owner may speak. What is checked is what is open, whatever then lies at the path.
///
/// # Errors
///
/// The reason why it must be ignored. A link is one: a clone could lead it to a file of yours, whose lines errors then show.
pub(crate) fn open(path: &Path, user_id: u32) -> Result<RegularFile, String> {
    let file = RegularFile::open(path, Links::Refused).map_err(|error| match error {
        ReadError::NotRegular(kind) => format!("it is {kind}"),
        error => format!("it cannot be read: {error}"),
    })?;
    trusted(file.metadata(), user_id)?;
    Ok(file)
}

/// Whether the file belongs to the user or to root, and nobody else can write it.
#[cfg(unix)]
fn trusted(metadata: &Metadata, user_id: u32) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;
    let owner = metadata.uid();
    if owner != user_id && owner != 0 {
        return Err(format!("it belongs to user {owner}, not to you or root"));
    }
    if mode_lets_others_write(metadata.mode(), metadata.gid(), owner) {
        return Err(format!(
            "others can write it (mode {:o})",
            metadata.mode() & 0o777
        ));
    }
    Ok(())
}

/// Elsewhere the folder's rights decide.
#[cfg(not(unix))]
fn trusted(_metadata: &Metadata, _user_id: u32) -> Result<(), String> {
    Ok(())
}

/// Whether a file can be written by others than its owner.
#[cfg(unix)]
pub(crate) fn writable_by_others(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path)
        .is_ok_and(|m| m.is_file() && mode_lets_others_write(m.mode(), m.gid(), m.uid()))
}

/// Elsewhere the folder's rights decide.
#[cfg(not(unix))]
pub(crate) fn writable_by_others(_path: &Path) -> bool {
    false
}

/// A group with the owner's number is the owner's private group, by the custom of every distribution that has such.
#[cfg(unix)]
fn mode_lets_others_write(mode: u32, group: u32, owner: u32) -> bool {
    mode & 0o002 != 0 || (mode & 0o020 != 0 && group != owner)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    #[test]
    fn the_nearest_file_counts_and_the_search_ends_at_the_repository_or_at_home() {
        let root = tempfile::tempdir().unwrap();
        let home = root.path().join("home");
        let repository = home.join("work/app");
        let inside = repository.join("src/deep");
        fs::create_dir_all(&inside).unwrap();
        fs::write(root.path().join(FILE), "").unwrap();
        assert_eq!(find(&inside, Some(&home)), None);

        fs::write(home.join(FILE), "").unwrap();
        assert_eq!(find(&inside, Some(&home)), Some(home.join(FILE)));

        fs::create_dir(repository.join(".git")).unwrap();
        assert_eq!(find(&inside, Some(&home)), None);

        fs::write(repository.join(FILE), "").unwrap();
        assert_eq!(find(&inside, Some(&home)), Some(repository.join(FILE)));
    }

    #[test]
    fn a_file_that_others_can_write_or_that_is_a_strangers_is_not_trusted() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join(FILE);
        fs::write(&file, "").unwrap();
        let judged = |mode: u32, user: u32| {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            open(&file, user).map(drop)
        };
        let me = fs::metadata(&file).unwrap().uid();
        assert_eq!(judged(0o644, me), Ok(()));
        assert_eq!(
            judged(0o666, me).unwrap_err(),
            "others can write it (mode 666)"
        );
        assert!(mode_lets_others_write(0o664, 100, 1000));
        assert!(!mode_lets_others_write(0o664, 1000, 1000));
        // What root owns is trusted by everyone, so a stranger is needed here.
        if me != 0 {
            assert!(judged(0o644, me + 1).unwrap_err().contains("belongs to"));
        } else if std::os::unix::fs::chown(&file, Some(4321), None).is_ok() {
            assert_eq!(
                judged(0o644, me).unwrap_err(),
                "it belongs to user 4321, not to you or root"
            );
        }
    }

    #[test]
    fn a_link_in_a_clone_does_not_show_the_file_that_it_leads_to() {
        let root = tempfile::tempdir().unwrap();
        let (secret, link) = (root.path().join("id_rsa"), root.path().join(FILE));
        fs::write(&secret, "hunter2").unwrap();
        std::os::unix::fs::symlink(&secret, &link).unwrap();
        let me = fs::metadata(&secret).unwrap().uid();
        assert_eq!(open(&link, me).unwrap_err(), "it is a symbolic link");
    }
}
