//! `sigtool inspect`: what a file contains, or which signatures an image has, without judging them.

use super::Outcome;
use crate::app::App;
use crate::args::Inspect;
use crate::error::{CommandError, why};
use crate::output::Text;
use crate::words::{self, Meant, Unclear};
use sigtool_core::Inspection;
use sigtool_core::inspect::sections;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The largest file that is looked into.
const MAX_FILE: u64 = 16 * 1024 * 1024;

pub(super) fn run(app: &App, args: &Inspect) -> Outcome {
    let word = args.artifact.as_str();
    if word != "-" {
        match words::meaning(word) {
            Ok(Meant::Image(image)) => return super::inspect_image::run(app, args, image),
            Ok(Meant::File(path)) => return file(app, args, Path::new(path)),
            Err(Unclear::Both(error) | Unclear::Missing(_, error)) => return Err(error),
            Ok(Meant::Missing(_) | Meant::Pattern(_)) => {}
        }
    }
    file(app, args, Path::new(word))
}

fn file(app: &App, args: &Inspect, path: &Path) -> Outcome {
    for (flag, given) in [("--bundle", &args.bundle), ("--signature", &args.signature)] {
        if given.is_some() {
            return Err(CommandError::input(format!(
                "`{flag}` writes out a signature of an image, and `{}` is a file",
                path.display()
            )));
        }
    }
    let shown = path.display().to_string();
    let bytes = read(path)?;
    let inspection = sigtool_core::inspect(&bytes, &shown).map_err(|e| {
        let error = CommandError::input(e.to_string());
        match signature_beside(path) {
            Some(signature) => error.hint(format!(
                "its signature lies beside it: sigtool inspect {}",
                signature.display()
            )),
            None => error,
        }
    })?;
    app.ui.result(Text::lines(text(&inspection)), &inspection);
    Ok(0)
}

fn read(path: &Path) -> Result<Vec<u8>, CommandError> {
    let cannot = |e: &dyn std::fmt::Display| {
        CommandError::input(format!("cannot inspect `{}`", path.display())).because(e)
    };
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(MAX_FILE + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| cannot(&why(&e)))?;
    } else {
        let facts = std::fs::metadata(path).map_err(|e| cannot(&why(&e)))?;
        if facts.is_dir() {
            return Err(cannot(&"it is a folder"));
        }
        if !facts.is_file() {
            return Err(cannot(&"it is not a regular file"));
        }
        let file = std::fs::File::open(path).map_err(|e| cannot(&why(&e)))?;
        file.take(MAX_FILE + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| cannot(&why(&e)))?;
    }
    if bytes.len() as u64 > MAX_FILE {
        return Err(cannot(
            &"it is larger than any bundle, signature, key or certificate (16 MiB)",
        ));
    }
    Ok(bytes)
}

/// Who inspects an artifact means its signature.
fn signature_beside(file: &Path) -> Option<PathBuf> {
    [".sigstore.json", ".sig"]
        .iter()
        .map(|ending| {
            let mut path = file.as_os_str().to_owned();
            path.push(ending);
            PathBuf::from(path)
        })
        .find(|path| path.is_file())
}

/// Headings, with labelled values below each.
pub(super) fn text(inspection: &Inspection) -> Vec<String> {
    let mut lines = Vec::new();
    for section in sections(inspection) {
        lines.push(section.title);
        let width = section
            .fields
            .iter()
            .map(|(label, _)| label.len())
            .max()
            .unwrap_or(0);
        for (label, value) in section.fields {
            let labels = std::iter::once(label).chain(std::iter::repeat(""));
            let values = labels.zip(value.split('\n'));
            lines.extend(values.map(|(label, value)| format!("  {label:width$}  {value}")));
        }
    }
    lines
}
