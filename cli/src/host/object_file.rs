//! What can be read of a shared library without loading it. Loading is executing, and a truncated library kills the process
//! inside `dlopen`.

use object::read::{File as ObjectFile, ReadCache};
use object::{Architecture, Object as _, ObjectKind, ObjectSection as _, ObjectSegment as _};
use sigtool_sdk::manifest::{MAX_MANIFEST, SECTION};
use std::fs::File;

/// Why a file is not a library that can be loaded here.
#[derive(Debug, thiserror::Error)]
pub(super) enum ObjectError {
    #[error("it is damaged, or no shared library: {0}")]
    Malformed(String),
    #[error("it is not a shared library, but another kind of object file")]
    Kind,
    #[error("it is built for {found}, this machine is {expected}")]
    Architecture {
        found: String,
        expected: &'static str,
    },
    #[error("it is cut off: it should have at least {expected} bytes and has {found}")]
    Truncated { expected: u64, found: u64 },
    #[error("it carries no manifest (section `{SECTION}`), so it is not a backend of sigtool")]
    NoManifest,
}

/// What an object file is and says.
pub(super) struct Inspected {
    /// Whether it is a shared library and not a program.
    pub(super) is_library: bool,
    /// The manifest that it carries, if it can be loaded or run here.
    pub(super) manifest: Result<String, ObjectError>,
}

/// Checks the header, the segments and the sections, and reads the manifest.
pub(super) fn inspect(file: &File) -> Inspected {
    let cache = ReadCache::new(file);
    match ObjectFile::parse(&cache) {
        Ok(object) => Inspected {
            is_library: object.kind() == ObjectKind::Dynamic
                && object.section_by_name(".interp").is_none(),
            manifest: manifest(file, &object),
        },
        Err(e) => Inspected {
            is_library: false,
            manifest: Err(ObjectError::Malformed(e.to_string())),
        },
    }
}

fn manifest<'a>(
    file: &File,
    object: &ObjectFile<'a, &'a ReadCache<&'a File>>,
) -> Result<String, ObjectError> {
    let malformed = |e: &dyn std::fmt::Display| ObjectError::Malformed(e.to_string());
    let size = file.metadata().map_err(|e| malformed(&e))?.len();
    if object.kind() != ObjectKind::Dynamic {
        return Err(ObjectError::Kind);
    }
    let (ours, expected) = (architecture(), std::env::consts::ARCH);
    if object.architecture() != ours || object.is_little_endian() != cfg!(target_endian = "little")
    {
        return Err(ObjectError::Architecture {
            found: format!("{:?}", object.architecture()).to_lowercase(),
            expected,
        });
    }
    let end = object
        .segments()
        .map(|segment| segment.file_range())
        .chain(object.sections().filter_map(|section| section.file_range()))
        .map(|(start, length)| start.saturating_add(length))
        .max()
        .unwrap_or(0);
    if end > size {
        return Err(ObjectError::Truncated {
            expected: end,
            found: size,
        });
    }
    let section = object
        .section_by_name(SECTION)
        .or_else(|| object.section_by_name("__sigtool"))
        .filter(|section| section.size() <= MAX_MANIFEST as u64)
        .ok_or(ObjectError::NoManifest)?;
    let bytes = section.data().map_err(|e| malformed(&e))?;
    // A C string literal brings its final zero along.
    let text = std::str::from_utf8(bytes).map_err(|e| malformed(&e))?;
    Ok(text.trim_end_matches('\0').to_owned())
}

/// Whether a file begins like an object file and not like a script.
pub(super) fn is_object(start: &[u8]) -> bool {
    object::FileKind::parse(start).is_ok()
}

fn architecture() -> Architecture {
    match std::env::consts::ARCH {
        "x86_64" => Architecture::X86_64,
        "aarch64" => Architecture::Aarch64,
        "x86" => Architecture::I386,
        "arm" => Architecture::Arm,
        "riscv64" => Architecture::Riscv64,
        "powerpc64" => Architecture::PowerPc64,
        "s390x" => Architecture::S390x,
        _ => Architecture::Unknown,
    }
}
