//! The list of `--from-file`: artifacts, one a line.

use crate::error::{CommandError, why};
use crate::host::HostSettings;
use crate::interrupt::{self, Patient};
use crate::output::Ui;
use rustix::fs::OFlags;
use sigtool_sdk::text::quoted_path;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Read as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

/// The largest list: half a million long paths. A wrong file must not fill the memory.
const MAX_LIST: u64 = 64 * 1024 * 1024;

/// The lines of a list that name something, read as they are needed. After an error there are no others.
pub(super) struct List<'a> {
    path: &'a Path,
    lines: Result<Box<dyn BufRead + Send>, CommandError>,
    bytes: u64,
}

impl<'a> List<'a> {
    pub(super) fn open(path: &'a Path, settings: &HostSettings, ui: &Arc<Ui>) -> Self {
        Self {
            path,
            lines: open(path, settings, ui),
            bytes: 0,
        }
    }

    /// The next line, without its end; none at the end of the list.
    fn line(&mut self, lines: &mut dyn BufRead) -> Result<Option<OsString>, CommandError> {
        let mut line = Vec::new();
        let left = MAX_LIST + 1 - self.bytes;
        let read = lines.take(left).read_until(b'\n', &mut line);
        self.bytes += read.map_err(|e| bad(self.path, &why(&e)))? as u64;
        if self.bytes > MAX_LIST {
            return Err(bad(
                self.path,
                &"it is larger than 64 MiB, which no list is",
            ));
        }
        if line.is_empty() {
            return Ok(None);
        }
        if self.bytes == line.len() as u64 {
            without_mark(self.path, &mut line)?;
        }
        let end = line.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r'));
        line.truncate(end.map_or(0, |last| last + 1));
        Ok(Some(OsString::from_vec(line)))
    }
}

impl Iterator for List<'_> {
    type Item = Result<OsString, CommandError>;

    fn next(&mut self) -> Option<Self::Item> {
        let no_more: Box<dyn BufRead + Send> = Box::new(io::empty());
        let mut lines = match std::mem::replace(&mut self.lines, Ok(no_more)) {
            Ok(lines) => lines,
            Err(error) => return Some(Err(error)),
        };
        loop {
            match self.line(&mut lines) {
                Ok(Some(line)) if line.as_bytes().trim_ascii().is_empty() => {}
                Ok(Some(line)) => {
                    self.lines = Ok(lines);
                    return Some(Ok(line));
                }
                Ok(None) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// Windows begins a text with a byte order mark, which is no part of the first name.
fn without_mark(list: &Path, first: &mut Vec<u8>) -> Result<(), CommandError> {
    if first.starts_with(&[0xff, 0xfe]) || first.starts_with(&[0xfe, 0xff]) {
        return Err(bad(list, &"it is UTF-16").hint("write it as UTF-8"));
    }
    if first.starts_with("\u{feff}".as_bytes()) {
        first.drain(.."\u{feff}".len());
    }
    Ok(())
}

fn open(
    list: &Path,
    settings: &HostSettings,
    ui: &Arc<Ui>,
) -> Result<Box<dyn BufRead + Send>, CommandError> {
    let ui = Arc::clone(ui);
    let tell = move |place: &str| ui.note(&format!("waiting for the list of artifacts {place}"));
    if list == Path::new("-") {
        settings.take_stdin()?;
        let waiting = move || tell("on standard input");
        return Ok(Box::new(BufReader::new(Patient::telling(
            io::stdin(),
            waiting,
        ))));
    }
    // A named pipe whose other end nobody has opened is waited for when it is read, where Ctrl-C ends it.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(list)
        .map_err(|e| bad(list, &why(&e)))?;
    let shown = quoted_path(list);
    let waiting = move || tell(&format!("in {shown}"));
    Ok(Box::new(BufReader::new(Patient::telling(file, waiting))))
}

fn bad(list: &Path, why: &dyn std::fmt::Display) -> CommandError {
    interrupt::check().err().unwrap_or_else(|| {
        CommandError::input(format!("cannot read the list `{}`", list.display())).because(why)
    })
}
