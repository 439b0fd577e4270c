//! The files of the configuration, read.

use crate::config::origin::{Layer, SourceFile, shorten};
use crate::error::{CommandError, Failure, why};
use crate::place::{self, PlaceError};
use sigtool_sdk::file::{Links, ReadError, RegularFile};
use std::path::Path;

/// No configuration is larger. Stops a file that is not one from filling the memory.
const MAX_FILE: u64 = 1024 * 1024;

/// The file that stands for "no file".
pub(crate) const NO_FILE: &str = "/dev/null";

/// Reads a file of at most 1 MiB; `None` if it is not there.
///
/// # Errors
///
/// It cannot be read, or others could change what it says: it grants something, such as code that is run.
pub(crate) fn read_file(
    path: &Path,
    home: Option<&Path>,
    layer: Layer,
) -> Result<Option<SourceFile>, CommandError> {
    if path == Path::new(NO_FILE) {
        return Ok(Some(SourceFile::new(
            path.into(),
            home,
            String::new(),
            layer,
        )));
    }
    match place::open(path, Links::Followed, None) {
        Ok(file) => contents(file, path, home, layer).map(Some),
        Err(PlaceError::Missing(_)) if !(layer == Layer::Policy && is_in_the_way(path)) => Ok(None),
        Err(PlaceError::NotAFile { kind, .. }) => {
            let why = ReadError::NotRegular(kind);
            Err(unreadable(path, home, layer, &why))
        }
        Err(PlaceError::Open { source, .. }) => Err(unreadable(path, home, layer, &why(&source))),
        Err(error) => {
            let shown = unusable("use", path, home, layer, &error);
            Err(error.hint().into_iter().fold(shown, CommandError::hint))
        }
    }
}

/// Whether something else stands where the file's folder should be. Without the policy nothing is allowed that it may forbid.
fn is_in_the_way(path: &Path) -> bool {
    let folder = path.parent();
    folder.is_some_and(|folder| folder.exists() && !folder.is_dir())
}

/// The content of an open file.
pub(crate) fn contents(
    file: RegularFile,
    path: &Path,
    home: Option<&Path>,
    layer: Layer,
) -> Result<SourceFile, CommandError> {
    let cannot = |why: &dyn std::fmt::Display| unreadable(path, home, layer, why);
    let bytes = file.read(MAX_FILE).map_err(|error| match error {
        ReadError::TooLarge { .. } => cannot(&format!("{error}, which no configuration is")),
        error => cannot(&error),
    })?;
    let text = String::from_utf8(bytes.to_vec()).map_err(|_| cannot(&"it is not UTF-8"))?;
    Ok(SourceFile::new(path.into(), home, text, layer))
}

fn unreadable(
    path: &Path,
    home: Option<&Path>,
    layer: Layer,
    why: &dyn std::fmt::Display,
) -> CommandError {
    unusable("read", path, home, layer, why)
}

fn unusable(
    verb: &str,
    path: &Path,
    home: Option<&Path>,
    layer: Layer,
    why: &dyn std::fmt::Display,
) -> CommandError {
    let failure = match layer {
        Layer::Override => Failure::Input,
        _ => Failure::CouldNotTell,
    };
    let shown = shorten(path, home);
    let message = format!("cannot {verb} the configuration {shown}");
    CommandError::new(failure, message).because(why)
}
