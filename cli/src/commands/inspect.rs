//! `sigtool inspect`: what a file contains, without judging it.

use super::Outcome;
use crate::app::App;
use crate::args::Inspect;
use crate::error::{CommandError, why};
use sigtool_core::Inspection;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The largest file that is looked into.
const MAX_FILE: u64 = 16 * 1024 * 1024;

pub(super) fn run(app: &App, args: &Inspect) -> Outcome {
    let shown = args.file.display().to_string();
    let cannot = |e: &dyn std::fmt::Display| {
        CommandError::input(format!("cannot inspect `{shown}`")).because(e)
    };
    let mut bytes = Vec::new();
    if args.file == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(MAX_FILE + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| cannot(&why(&e)))?;
    } else {
        let facts = std::fs::metadata(&args.file).map_err(|e| cannot(&why(&e)))?;
        if facts.is_dir() {
            return Err(cannot(&"it is a folder"));
        }
        if !facts.is_file() {
            return Err(cannot(&"it is not a regular file"));
        }
        let file = std::fs::File::open(&args.file).map_err(|e| cannot(&why(&e)))?;
        file.take(MAX_FILE + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| cannot(&why(&e)))?;
    }
    if bytes.len() as u64 > MAX_FILE {
        return Err(cannot(
            &"it is larger than any bundle, signature, key or certificate (16 MiB)",
        ));
    }
    let inspection = sigtool_core::inspect(&bytes, &shown).map_err(|e| {
        let error = CommandError::input(e.to_string());
        match signature_beside(&args.file) {
            Some(signature) => error.hint(format!(
                "its signature lies beside it: sigtool inspect {}",
                signature.display()
            )),
            None => error,
        }
    })?;
    app.ui.result(&text(&inspection), &inspection);
    Ok(0)
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
fn text(inspection: &Inspection) -> String {
    let mut lines = Vec::new();
    for section in inspection.sections() {
        lines.push(section.title);
        let width = section
            .fields
            .iter()
            .map(|(label, _)| label.len())
            .max()
            .unwrap_or(0);
        for (label, value) in section.fields {
            let indented = value.replace('\n', &format!("\n{:1$}", "", width + 4));
            lines.push(format!("  {label:width$}  {indented}"));
        }
    }
    lines.join("\n")
}
