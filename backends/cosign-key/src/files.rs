//! Key files: read only if they are what they should be, written all or not at all.

use sigtool_sdk::file::{Links, ReadError, RegularFile};
use sigtool_sdk::pem::holds_private_key;
use sigtool_sdk::text::typed;
use sigtool_sdk::{Error, ErrorCode, NewFile, Result};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The largest key file that is read, in bytes: several times an RSA key with its certificates.
pub(crate) const MAX_KEY_FILE: u64 = 64 * 1024;

/// What others may not do with a private key: read it, or put another one in its place.
const OTHERS: u32 = 0o066;

/// The text of a private key, wiped when dropped.
pub(crate) struct KeyFile {
    pub(crate) text: Zeroizing<Vec<u8>>,
    /// The permissions, if others than the owner can get at it.
    pub(crate) open_to_others: Option<u32>,
}

/// Reads a key file. One that is too large is refused: no key is that long.
pub(crate) fn read(path: &Path) -> Result<KeyFile, ReadError> {
    let file = RegularFile::open(path, Links::Followed)?;
    let mode = file.metadata().mode() & 0o7777;
    Ok(KeyFile {
        text: file.read(MAX_KEY_FILE)?,
        open_to_others: (mode & OTHERS != 0).then_some(mode),
    })
}

/// The two files of a key pair: `NAME.key` and `NAME.pub`; and `NAME.old`, where a private key that is replaced is kept.
#[derive(Debug)]
pub(crate) struct PairOfFiles {
    folder: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) public: PathBuf,
    old: PathBuf,
}

impl PairOfFiles {
    /// The pair of this name, an absolute path without `.key`.
    ///
    /// # Errors
    ///
    /// - `already-exists`: a file of the pair is there, and may not be replaced.
    /// - `invalid-request`: the name cannot be a file's, or its folder does not exist; or the public key's is a private key's.
    ///
    /// So nobody types a password for nothing.
    pub(crate) fn new(name: &str, overwrite: bool) -> Result<Self> {
        let refused = |why: String| Error::new(ErrorCode::InvalidRequest, why);
        let path = Path::new(name);
        let folder = match (path.parent(), path.file_name()) {
            (Some(folder), Some(_)) if path.is_absolute() && !name.ends_with('/') => folder,
            _ => {
                return Err(refused(format!(
                    "`{name}` cannot name a key pair: expected an absolute path without `.key`"
                )));
            }
        };
        if !folder.is_dir() {
            let why = format!("there is no folder `{}`", folder.display());
            return Err(refused(why).hint(format!("mkdir -p {}", typed(folder))));
        }
        let pair = Self {
            folder: folder.to_owned(),
            key: with_suffix(path, ".key"),
            public: with_suffix(path, ".pub"),
            old: with_suffix(path, ".old"),
        };
        pair.check_free(&pair.key, overwrite)?;
        pair.check_free(&pair.public, overwrite)?;
        pair.check_public()?;
        Ok(pair)
    }

    /// Requires that no private key is where the public one goes.
    fn check_public(&self) -> Result<()> {
        let public = fs::read(&self.public).unwrap_or_default();
        if holds_private_key(&String::from_utf8_lossy(&public)) {
            let why = format!("`{}` holds a private key", self.public.display());
            return Err(Error::new(ErrorCode::InvalidRequest, why).hint("choose another name"));
        }
        Ok(())
    }

    /// Whether the private key is kept already: by a run that was killed thereafter.
    fn is_kept(&self) -> bool {
        let old = read(&self.old).map(|file| file.text);
        old.is_ok_and(|old| read(&self.key).is_ok_and(|key| key.text == old))
    }

    /// Keeps the private key that will be replaced. Gives where, if there is one.
    fn keep(&self) -> Result<Option<PathBuf>> {
        let key = match fs::read(&self.key).map(Zeroizing::new) {
            Ok(key) => key,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(cannot_write(&self.key, &e)),
        };
        if self.is_kept() {
            return Ok(Some(self.old.clone()));
        }
        // One that was kept before is not pushed out.
        let next = (2..).map(|n| with_suffix(&self.old, &format!(".{n}")));
        let is_free = |path: &PathBuf| path.symlink_metadata().is_err();
        let old = std::iter::once(self.old.clone()).chain(next).find(is_free);
        let old = old.unwrap_or_else(|| self.old.clone());
        let new = NewFile::write(&self.folder, &key, 0o600).map_err(|e| cannot_write(&old, &e))?;
        place(new, &old, false)?;
        Ok(Some(old))
    }

    fn check_free(&self, path: &Path, overwrite: bool) -> Result<()> {
        let Ok(metadata) = path.symlink_metadata() else {
            return Ok(());
        };
        if !overwrite {
            return Err(taken(path));
        }
        if metadata.is_file() {
            return Ok(());
        }
        Err(Error::new(
            ErrorCode::InvalidRequest,
            format!(
                "`{}` is not a regular file, and is not replaced",
                path.display()
            ),
        )
        .hint("choose another name"))
    }

    /// Writes both, or neither. The private key comes last: a run that is killed in between leaves no key that nobody knows of. Gives
    /// where the key is kept that was there before.
    pub(crate) fn write(
        &self,
        key: &str,
        public: &str,
        overwrite: bool,
    ) -> Result<Option<PathBuf>> {
        let new_key = staged(&self.folder, &self.key, key, 0o600)?;
        let new_public = staged(&self.folder, &self.public, public, 0o644)?;
        let former = overwrite.then(|| fs::read(&self.public).ok()).flatten();
        let kept = if overwrite { self.keep()? } else { None };
        place(new_public, &self.public, overwrite)?;
        place(new_key, &self.key, overwrite).inspect_err(|_| self.take_back(former))?;
        sync(&self.folder);
        Ok(kept)
    }

    /// Puts the former public key back, when its private key could not be replaced.
    fn take_back(&self, former: Option<Vec<u8>>) {
        // A second failure changes nothing about the first one, which is reported.
        let _ = match former.map(String::from_utf8) {
            Some(Ok(text)) => staged(&self.folder, &self.public, &text, 0o644)
                .and_then(|file| place(file, &self.public, true)),
            _ => fs::remove_file(&self.public).map_err(|e| cannot_write(&self.public, &e)),
        };
    }
}

/// Replaces a key file by another text, in one step. A symbolic link stays one; the owner stays the owner.
pub(crate) fn replace(path: &Path, text: &str) -> Result<()> {
    let failed = |e: io::Error| cannot_write(path, &e);
    let path = path.canonicalize().map_err(failed)?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    let file = staged(folder, &path, text, 0o600)?;
    let (old, new) = (
        path.metadata().map_err(failed)?,
        file.file().metadata().map_err(failed)?,
    );
    if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
        std::os::unix::fs::fchown(file.file(), Some(old.uid()), Some(old.gid())).map_err(failed)?;
    }
    place(file, &path, true)?;
    sync(folder);
    Ok(())
}

/// A finished file in the same folder, without a name.
fn staged(folder: &Path, path: &Path, text: &str, mode: u32) -> Result<NewFile> {
    NewFile::write(folder, text.as_bytes(), mode).map_err(|e| cannot_write(path, &e))
}

fn place(file: NewFile, path: &Path, overwrite: bool) -> Result<()> {
    if overwrite {
        return file.replace(path).map_err(|e| cannot_write(path, &e));
    }
    match file.create(path) {
        Ok(None) => Ok(()),
        Ok(Some(_)) => Err(taken(path)),
        Err(e) => Err(cannot_write(path, &e)),
    }
}

fn sync(folder: &Path) {
    // Some file systems cannot sync a folder. The files themselves are written.
    let _ = File::open(folder).and_then(|f| f.sync_all());
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn taken(path: &Path) -> Error {
    Error::new(
        ErrorCode::AlreadyExists,
        format!(
            "`{}` exists, and a key is not replaced unless you say so",
            path.display()
        ),
    )
    .hint("choose another name, or move the old key away")
}

fn cannot_write(path: &Path, error: &io::Error) -> Error {
    let code = match error.kind() {
        io::ErrorKind::PermissionDenied => ErrorCode::AccessDenied,
        _ => ErrorCode::Unavailable,
    };
    Error::new(code, format!("cannot write `{}`", path.display())).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;
    use tempfile::{TempDir, tempdir};

    fn pair(folder: &TempDir, overwrite: bool) -> Result<PairOfFiles> {
        let name = folder.path().join("release.2026");
        PairOfFiles::new(name.to_str().unwrap(), overwrite)
    }

    fn files(folder: &TempDir) -> Vec<(String, String)> {
        let mut files: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let text = fs::read_to_string(entry.path()).unwrap_or_default();
                (entry.file_name().into_string().unwrap(), text)
            })
            .collect();
        files.sort();
        files
    }

    fn listing(files: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |&(a, b): &(&str, &str)| (a.to_owned(), b.to_owned());
        files.iter().map(owned).collect()
    }

    #[test]
    fn a_pair_is_written_for_its_owner_and_the_public_half_for_all() {
        let folder = tempdir().unwrap();
        let pair = pair(&folder, false).unwrap();
        pair.write("k", "p", false).unwrap();
        assert_eq!(
            files(&folder),
            listing(&[("release.2026.key", "k"), ("release.2026.pub", "p")])
        );
        assert_eq!(pair.key.metadata().unwrap().mode() & 0o777, 0o600);
        // The umask may take from it, and must not add to it.
        assert_eq!(pair.public.metadata().unwrap().mode() & 0o777 & !0o644, 0);
    }

    #[test]
    fn a_pair_is_never_replaced_without_being_told() {
        let folder = tempdir().unwrap();
        let first = pair(&folder, false).unwrap();
        let racing = pair(&folder, false).unwrap();
        first.write("k", "p", false).unwrap();
        assert_eq!(
            pair(&folder, false).unwrap_err().code,
            ErrorCode::AlreadyExists
        );
        let error = racing.write("K", "P", false).unwrap_err();
        assert_eq!(error.code, ErrorCode::AlreadyExists);
        assert_eq!(files(&folder)[0].1, "k");
        pair(&folder, true).unwrap().write("K", "P", true).unwrap();
        let replaced = [
            ("release.2026.key", "K"),
            ("release.2026.old", "k"),
            ("release.2026.pub", "P"),
        ];
        assert_eq!(files(&folder), listing(&replaced));
        // The next one does not push the first out.
        pair(&folder, true).unwrap().write("L", "Q", true).unwrap();
        let names = files(&folder);
        assert!(names.contains(&("release.2026.old".into(), "k".into())));
        assert!(names.contains(&("release.2026.old.2".into(), "K".into())));
    }

    #[test]
    fn a_run_that_was_killed_after_the_key_was_kept_is_no_obstacle() {
        let folder = tempdir().unwrap();
        pair(&folder, false)
            .unwrap()
            .write("k", "p", false)
            .unwrap();
        let (key, old) = ("release.2026.key", "release.2026.old");
        fs::copy(folder.path().join(key), folder.path().join(old)).unwrap();
        pair(&folder, true).unwrap().write("K", "P", true).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join(old)).unwrap(), "k");
    }

    #[test]
    fn a_private_key_in_the_place_of_the_public_one_stays() {
        let folder = tempdir().unwrap();
        let public = folder.path().join("release.2026.pub");
        fs::write(&public, "-----BEGIN EC PRIVATE KEY-----\n").unwrap();
        let error = pair(&folder, true).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidRequest);
    }

    #[test]
    fn both_or_neither_is_written() {
        for (overwrite, expected) in [
            (false, &[("release.2026.key", "")][..]),
            (true, &[("release.2026.key", ""), ("release.2026.pub", "p")]),
        ] {
            let folder = tempdir().unwrap();
            let racing = pair(&folder, overwrite).unwrap();
            if overwrite {
                fs::write(&racing.public, "p").unwrap();
            }
            // Nothing can be put over a folder that is not empty.
            fs::create_dir_all(racing.key.join("x")).unwrap();
            assert!(racing.write("k", "P", overwrite).is_err());
            assert_eq!(files(&folder), listing(expected));
        }
    }

    #[test]
    fn a_name_that_cannot_be_a_file_is_refused_at_once() {
        for name in ["release", "/", "/tmp/", "/nowhere-at-all/release"] {
            let error = PairOfFiles::new(name, false).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidRequest, "{name}");
        }
    }

    #[test]
    fn replacing_the_key_behind_a_link_keeps_the_link() {
        let folder = tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        replace(&link, "new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_pipe_a_folder_and_an_endless_device_are_no_key_files() {
        let folder = tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
        for path in [pipe.as_path(), folder.path(), Path::new("/dev/zero")] {
            let error = read(path).err().unwrap();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{path:?}");
        }
    }

    #[test]
    fn a_file_that_is_larger_than_any_key_is_refused_and_not_cut() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("a.key");
        let most = usize::try_from(MAX_KEY_FILE).unwrap();
        fs::write(&path, vec![b'x'; most]).unwrap();
        assert_eq!(read(&path).unwrap().text.len(), most);
        fs::write(&path, vec![b'x'; most + 1]).unwrap();
        let error = read(&path).err().unwrap();
        assert!(matches!(error, ReadError::TooLarge { .. }), "{error}");
    }

    #[test]
    fn a_key_that_others_can_read_is_noticed() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("a.key");
        fs::write(&path, "x").unwrap();
        for (mode, found) in [(0o600, None), (0o640, Some(0o640)), (0o644, Some(0o644))] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(&path).unwrap().open_to_others, found);
        }
    }
}
