//! Where backends lie, and what is read of them before anything of theirs runs.

use super::object_file::{self, ObjectError};
use super::schemes;
use crate::config::Isolation;
use crate::error::CommandError;
use crate::place::{self, PlaceError};
use rustix::fs::{MemfdFlags, SealFlags};
use sigtool_sdk::Manifest;
use sigtool_sdk::file::{Links, RegularFile};
use sigtool_sdk::manifest::MAX_MANIFEST;
use sigtool_sdk::text::typed;
use sigtool_sdk::types::BackendId;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// The largest library or executable that is taken, in bytes.
const MAX_BACKEND: u64 = 512 * 1024 * 1024;

const PREFIX: &str = "libsigtool_backend_";

/// Whose a backend is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Shipped with sigtool.
    FirstParty,
    /// Declared by the user.
    ThirdParty,
}

/// A third-party backend, as the user's configuration declares it.
#[derive(Clone, Debug)]
pub(crate) struct Declared {
    pub(crate) path: Option<PathBuf>,
    pub(crate) sha256: Option<String>,
    pub(crate) isolation: Option<Isolation>,
    /// Whether it may be lent identity tokens.
    pub(crate) identity_token: bool,
    /// Where it is declared, for messages.
    pub(crate) origin: String,
}

/// The folders that are looked in. Never the working directory, the project, PATH, or a bare name.
#[derive(Clone, Debug)]
pub(crate) struct Folders {
    /// Beside the executable: sigtool's own backends.
    pub(crate) own: PathBuf,
    /// Who owns the executable, and so may own these.
    pub(crate) owner: Option<u32>,
    /// The system's and the user's, for declared backends without a path.
    pub(crate) others: Vec<PathBuf>,
}

impl Folders {
    /// The folders of this executable and this user.
    pub(crate) fn of(executable: &Path, data_home: Option<&Path>) -> Self {
        let folder = executable.parent().unwrap_or(Path::new("/"));
        // In Cargo's build folder the copies beside the executable may be older than those in `deps`.
        let own = if folder.join(".fingerprint").is_dir() {
            folder.join("deps")
        } else {
            folder.join("../lib/sigtool/backends")
        };
        let mut others = vec![
            PathBuf::from("/usr/local/lib/sigtool/backends"),
            PathBuf::from("/usr/lib/sigtool/backends"),
        ];
        others.extend(data_home.map(|home| home.join("sigtool/backends")));
        Self {
            own: own.canonicalize().unwrap_or(own),
            owner: executable.metadata().ok().map(|facts| facts.uid()),
            others,
        }
    }

    /// The ids of sigtool's own backends, by their file names.
    pub(crate) fn first_party_ids(&self) -> Vec<BackendId> {
        let Ok(entries) = std::fs::read_dir(&self.own) else {
            return Vec::new();
        };
        let suffix = std::env::consts::DLL_SUFFIX;
        let mut ids: Vec<BackendId> = entries
            .filter_map(|entry| {
                let name = entry.ok()?.file_name();
                let id = name.to_str()?.strip_prefix(PREFIX)?.strip_suffix(suffix)?;
                id.replace('_', "-").parse().ok()
            })
            .collect();
        ids.sort();
        ids
    }
}

/// A backend that was found. Nothing of it has run.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) manifest: Manifest,
    pub(crate) path: PathBuf,
    pub(crate) owner: Owner,
    pub(crate) isolation: Isolation,
    /// The digest that its bytes must have.
    pub(crate) sha256: Option<String>,
    pub(crate) executable: bool,
    /// The text of the manifest, which for an executable lies in a file of its own.
    text: String,
    trusted: Option<u32>,
    /// The file that was looked at, whatever lies at its path by now.
    file: File,
}

/// An open file to load or to run.
pub(super) enum Body {
    Library(File),
    Executable(File),
}

/// Finds a backend by its id.
pub(super) fn find(
    id: &str,
    folders: &Folders,
    declared: &BTreeMap<BackendId, Declared>,
) -> Result<Found, CommandError> {
    let own = folders.own.join(format!(
        "{PREFIX}{}{}",
        id.replace('-', "_"),
        std::env::consts::DLL_SUFFIX
    ));
    let is_own_name = id.parse::<BackendId>().is_ok_and(|id| id.is_first_party());
    if is_own_name && own.exists() {
        let mended = |error: CommandError| error.hint("if in doubt, install sigtool again");
        let mut found = read(&own, Owner::FirstParty, folders.owner)
            .map_err(|error| mended(unusable(id, &own, error)))?;
        found.isolation = Isolation::InProcess;
        return matching(found, id).map_err(mended);
    }
    let Some(declared) = declared.get(id) else {
        return Err(unknown(id, folders, declared));
    };
    let path = declared_path(id, declared, folders)?;
    let mut found = read(&path, Owner::ThirdParty, None)
        .map_err(|error| declared_at(unusable(id, &path, error), declared))?;
    // An executable has a process of its own, whatever is said.
    if !found.executable {
        found.isolation = declared.isolation.unwrap_or(Isolation::Process);
    }
    found.sha256.clone_from(&declared.sha256);
    if found.sha256.is_none() {
        return Err(CommandError::could_not_tell(format!(
            "no digest is recorded for the backend `{id}`, so it is not run"
        ))
        .because(format!("declared at {}", declared.origin))
        .hint(format!(
            "look at it, then record it: sigtool backend pin {}",
            typed(path)
        )));
    }
    matching(found, id).map_err(|error| {
        declared_at(error, declared).hint(format!(
            "record it under its own id: sigtool backend pin {}",
            typed(path)
        ))
    })
}

fn matching(found: Found, id: &str) -> Result<Found, CommandError> {
    if found.manifest.id == id {
        return Ok(found);
    }
    Err(
        CommandError::could_not_tell(format!("the backend `{id}` cannot be used")).because(
            format!(
                "`{}` is the backend `{}`",
                found.path.display(),
                found.manifest.id
            ),
        ),
    )
}

/// What is wrong with a file, under the id that it should have.
fn unusable(id: &str, path: &Path, mut error: CommandError) -> CommandError {
    let message = format!("the backend `{id}` cannot be used");
    let which = std::mem::replace(&mut error.message, message);
    let is_named = |cause: &String| cause.contains(&path.display().to_string());
    if !error.causes.first().is_some_and(is_named) {
        error.causes.insert(0, which);
    }
    error
}

fn declared_at(error: CommandError, declared: &Declared) -> CommandError {
    error.because(format!("declared at {}", declared.origin))
}

fn unknown(id: &str, folders: &Folders, declared: &BTreeMap<BackendId, Declared>) -> CommandError {
    let mut known = folders.first_party_ids();
    known.extend(declared.keys().cloned());
    let error = CommandError::could_not_tell(format!("there is no backend `{id}`"));
    if known.is_empty() {
        return error
            .because(format!("`{}` holds none", folders.own.display()))
            .hint("sigtool is installed without its backends (`cargo install` brings none): in its source folder type ./install.sh");
    }
    let error = match crate::suggest::closest(id, known.iter().map(BackendId::as_str)) {
        Some(close) => error.hint(format!("did you mean `{close}`?")),
        None => error,
    };
    error.hint(format!("there are: {}", known.join(", ")))
}

fn declared_path(
    id: &str,
    declared: &Declared,
    folders: &Folders,
) -> Result<PathBuf, CommandError> {
    if let Some(path) = &declared.path {
        return Ok(path.clone());
    }
    let plain = id.replace(['-', '.'], "_");
    let names = [
        format!("{PREFIX}{plain}{}", std::env::consts::DLL_SUFFIX),
        format!("sigtool-backend-{id}"),
    ];
    folders
        .others
        .iter()
        .flat_map(|folder| names.iter().map(|name| folder.join(name)))
        .find(|path| path.exists())
        .ok_or_else(|| {
            CommandError::could_not_tell(format!("the backend `{id}` is in none of its folders"))
                .because(format!("declared at {}, without `path`", declared.origin))
                .hint(format!(
                    "say where it is: sigtool config set 'backend.\"{id}\".path' PATH"
                ))
        })
}

/// Reads what a file says of itself, for `backend pin` and `backend check`.
pub(crate) fn read_backend(path: &Path) -> Result<Found, CommandError> {
    let path = std::path::absolute(path)
        .map_err(|e| CommandError::input(format!("no path: `{}`", path.display())).because(e))?;
    let path = match (path.parent().map(Path::canonicalize), path.file_name()) {
        (Some(Ok(folder)), Some(name)) => folder.join(name),
        _ => path,
    };
    read(&path, Owner::ThirdParty, None)
}

/// Opens a file, checks its place and its shape, and reads its manifest.
fn read(path: &Path, owner: Owner, trusted: Option<u32>) -> Result<Found, CommandError> {
    let file = open(path, trusted).map_err(|e| untrusted(path, &e))?;
    let mut start = [0; 64];
    let _ = file.read_at(&mut start, 0);
    let looks_cut = object_file::is_object(&start);
    let inspected = object_file::inspect(&file);
    let malformed = |why: &dyn fmt::Display| {
        CommandError::could_not_tell(format!("`{}` cannot be a backend", path.display()))
            .because(why)
    };
    let text = match inspected.manifest {
        Ok(text) => text,
        // An object file that is none of ours, or damaged, has no manifest beside it either.
        Err(e) if looks_cut && !manifest_path(path).exists() => return Err(malformed(&e)),
        Err(ObjectError::Architecture { found, expected }) => {
            return Err(malformed(&ObjectError::Architecture { found, expected }));
        }
        Err(_) => beside(path, trusted)?,
    };
    let manifest = Manifest::parse(&text)
        .map_err(|e| malformed(&format!("its manifest: {}", e.to_string().trim_end())))?;
    if owner == Owner::ThirdParty && manifest.id.is_first_party() {
        return Err(malformed(&format!(
            "its id `{}` has no dot: such ids are sigtool's own",
            manifest.id
        ))
        .hint("its author must choose an id in reverse DNS, such as dev.acme.hsm"));
    }
    if let Some(problem) = schemes::problem(&manifest) {
        return Err(malformed(&problem).hint("its author must choose a scheme of its own"));
    }
    Ok(Found {
        manifest,
        path: path.to_owned(),
        owner,
        isolation: Isolation::Process,
        sha256: None,
        executable: !inspected.is_library,
        text,
        trusted,
        file,
    })
}

/// Opens a file of a backend's, where nobody else could have changed it.
fn open(path: &Path, trusted: Option<u32>) -> Result<File, PlaceError> {
    place::open(path, Links::Refused, trusted).map(RegularFile::into_file)
}

fn untrusted(path: &Path, error: &PlaceError) -> CommandError {
    let message = format!("`{}` cannot be a backend", path.display());
    let shown = CommandError::could_not_tell(message).because(error);
    error.hint().into_iter().fold(shown, CommandError::hint)
}

/// Where the manifest of an executable lies.
fn manifest_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".toml");
    PathBuf::from(name)
}

fn beside(path: &Path, trusted: Option<u32>) -> Result<String, CommandError> {
    let manifest = manifest_path(path);
    let file = open(&manifest, trusted).map_err(|e| {
        CommandError::could_not_tell(format!("`{}` cannot be a backend", path.display()))
            .because(format!("its manifest: {e}"))
    })?;
    let mut text = String::new();
    file.take(MAX_MANIFEST as u64)
        .read_to_string(&mut text)
        .map_err(|e| {
            CommandError::could_not_tell(format!("cannot read `{}`", manifest.display())).because(e)
        })?;
    Ok(text)
}

impl Found {
    /// The SHA-256 of its bytes as they are now; of an executable its manifest is a part, since it says what may be done.
    pub(crate) fn digest(&self) -> Result<String, CommandError> {
        let file = open(&self.path, self.trusted).map_err(|e| untrusted(&self.path, &e))?;
        self.seal(&file).map(|(_, sha256)| sha256)
    }

    /// Opens it to be loaded. A third-party backend is copied where nobody can change it, and the copy's digest is compared.
    pub(super) fn open(&self) -> Result<Body, CommandError> {
        if self.owner == Owner::FirstParty {
            let file = self.file.try_clone().map_err(|e| self.unreadable(&e))?;
            return Ok(Body::Library(file));
        }
        let file = open(&self.path, self.trusted).map_err(|e| untrusted(&self.path, &e))?;
        let (copy, found) = self.seal(&file)?;
        if let Some(expected) = &self.sha256
            && *expected != found
        {
            return Err(CommandError::could_not_tell(format!(
                "the backend `{}` is not the one that was recorded, so it is not run",
                self.manifest.id
            ))
            .because(format!("`{}` has sha256 {found}", self.path.display()))
            .because(format!("recorded is {expected}"))
            .hint(format!(
                "find out who changed it; if it was you: sigtool backend pin {}",
                typed(&self.path)
            )));
        }
        if self.executable {
            return Ok(Body::Executable(copy));
        }
        // The copy is what will be loaded, so the copy is what is looked at.
        object_file::inspect(&copy).manifest.map_err(|e| {
            CommandError::could_not_tell(format!("`{}` cannot be a backend", self.path.display()))
                .because(e)
        })?;
        Ok(Body::Library(copy))
    }

    /// A sealed copy in memory, and the digest of what was copied.
    fn seal(&self, file: &File) -> Result<(File, String), CommandError> {
        let failed = |e: &dyn fmt::Display| self.unreadable(e);
        let flags = MemfdFlags::ALLOW_SEALING | MemfdFlags::CLOEXEC;
        let name = format!("sigtool-{}", self.manifest.id);
        let mut copy = File::from(rustix::fs::memfd_create(name, flags).map_err(|e| failed(&e))?);
        let mut hash = sigtool_core::digest::Sha256::default();
        let mut buffer = vec![0; 256 * 1024];
        let mut from = file.take(MAX_BACKEND);
        loop {
            let read = from.read(&mut buffer).map_err(|e| failed(&e))?;
            if read == 0 {
                break;
            }
            hash.update(&buffer[..read]);
            copy.write_all(&buffer[..read]).map_err(|e| failed(&e))?;
        }
        if self.executable {
            hash.update(self.text.as_bytes());
        }
        copy.rewind().map_err(|e| failed(&e))?;
        let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
        rustix::fs::fcntl_add_seals(&copy, seals).map_err(|e| failed(&e))?;
        Ok((copy, hash.finish_hex()))
    }

    fn unreadable(&self, why: &dyn fmt::Display) -> CommandError {
        CommandError::could_not_tell(format!("cannot read `{}`", self.path.display())).because(why)
    }
}
