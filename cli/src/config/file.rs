//! The files of the configuration, read.

use crate::config::origin::{Layer, SourceFile, shorten};
use crate::error::{CommandError, Failure, why};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// No configuration is larger. Stops a file that is none from filling the memory.
const MAX_FILE: u64 = 1024 * 1024;

/// The file that stands for "no file".
pub(crate) const NO_FILE: &str = "/dev/null";

/// Reads a file of at most 1 MiB; `None` if it is not there.
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
    match open(path, true) {
        Ok(file) => contents(file, path, home, layer).map(Some),
        Err(e) if is_missing(&e) => Ok(None),
        Err(e) => Err(unreadable(path, home, layer, &why(&e))),
    }
}

/// The content of an open file.
pub(crate) fn contents(
    file: File,
    path: &Path,
    home: Option<&Path>,
    layer: Layer,
) -> Result<SourceFile, CommandError> {
    let cannot = |why: &dyn std::fmt::Display| unreadable(path, home, layer, why);
    if !file.metadata().map_err(|e| cannot(&why(&e)))?.is_file() {
        return Err(cannot(&"it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| cannot(&why(&e)))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(cannot(
            &"it is larger than 1 MiB, which no configuration is",
        ));
    }
    let text = String::from_utf8(bytes).map_err(|_| cannot(&"it is not UTF-8"))?;
    Ok(SourceFile::new(path.into(), home, text, layer))
}

fn unreadable(
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
    CommandError::new(failure, format!("cannot read the configuration {shown}")).because(why)
}

/// Opens without waiting for the other end of a FIFO; a link only where links are followed.
pub(crate) fn open(path: &Path, follow: bool) -> std::io::Result<File> {
    let mut options = std::fs::OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt;
        let link = if follow {
            OFlags::empty()
        } else {
            OFlags::NOFOLLOW
        };
        let flags = (OFlags::NONBLOCK | link).bits();
        options.custom_flags(i32::try_from(flags).unwrap_or_default());
    }
    #[cfg(not(unix))]
    let _ = follow;
    options.open(path)
}

fn is_missing(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}
