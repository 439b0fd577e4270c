//! The project's file: where it is looked for, and whether its owner may speak.

use crate::place::{self, PlaceError};
use sigtool_sdk::file::{Links, ReadError, RegularFile};
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
pub(crate) fn open(path: &Path) -> Result<RegularFile, String> {
    let file = RegularFile::open(path, Links::Refused).map_err(|error| match error {
        ReadError::NotRegular(kind) => format!("it is {kind}"),
        error => format!("it cannot be read: {error}"),
    })?;
    // Not the folders above it: they are the clone's, and what the file may say grants nothing.
    match place::check(path, file.metadata(), None) {
        Ok(()) => Ok(file),
        Err(PlaceError::Owner { owner, .. }) => {
            Err(format!("it belongs to user {owner}, not to you or root"))
        }
        Err(PlaceError::Writable { mode, .. }) => {
            Err(format!("others can write it (mode {:o})", mode & 0o777))
        }
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

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
        let judged = |mode: u32| {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            open(&file).map(drop)
        };
        assert_eq!(judged(0o644), Ok(()));
        assert_eq!(judged(0o666).unwrap_err(), "others can write it (mode 666)");
        // What root owns is trusted by everyone, so a stranger is needed here, whom only root can make.
        if std::os::unix::fs::chown(&file, Some(4321), None).is_ok() {
            assert_eq!(
                judged(0o644).unwrap_err(),
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
        assert_eq!(open(&link).unwrap_err(), "it is a symbolic link");
    }
}
