//! `sigtool inspect`: what a file contains, or which signatures an image has, without judging them.

mod image;

use crate::app::App;
use crate::args::Inspect;
use crate::artifacts::meaning;
use crate::artifacts::meaning::{Meant, Unclear};
use crate::error::{CommandError, Outcome, why};
use crate::interrupt::Patient;
use crate::output::{Text, Ui};
use crate::report::inspection::text;
use sigtool_sdk::file::{ReadError, read_regular};
use sigtool_sdk::text::typed;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The largest file that is looked into.
const MAX_FILE: u64 = 16 * 1024 * 1024;

pub(super) fn run(app: &App, args: &Inspect) -> Outcome {
    let word = args.artifact.as_str();
    if word != "-" {
        match meaning::meaning(word) {
            Ok(Meant::Image(image)) => return image::run(app, args, &image),
            Ok(Meant::File(path)) => return file(app, args, Path::new(path)),
            Err(Unclear::Wrong(error) | Unclear::Missing(_, error)) => return Err(error),
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
    let bytes = read(&app.ui, path)?;
    let inspection = sigtool_core::inspect(&bytes, &shown).map_err(|e| {
        let error = CommandError::input(e.to_string());
        match signature_beside(path) {
            Some(signature) => error.hint(format!(
                "its signature lies beside it: sigtool inspect {}",
                typed(&signature)
            )),
            None => error,
        }
    })?;
    app.ui.result(Text::lines(text(&inspection)), &inspection);
    Ok(0)
}

fn read(ui: &Ui, path: &Path) -> Result<Vec<u8>, CommandError> {
    let cannot = |e: &dyn std::fmt::Display| {
        CommandError::input(format!("cannot inspect `{}`", path.display())).because(e)
    };
    if path != Path::new("-") {
        let mut bytes = read_regular(path, MAX_FILE).map_err(|e| cannot(&e))?;
        return Ok(std::mem::take(&mut *bytes));
    }
    let mut bytes = Vec::new();
    Patient::telling(std::io::stdin(), || ui.note("waiting for standard input"))
        .take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| cannot(&why(&e)))?;
    match bytes.len() as u64 > MAX_FILE {
        true => Err(cannot(&ReadError::TooLarge { max: MAX_FILE })),
        false => Ok(bytes),
    }
}

/// A person who inspects an artifact means its signature.
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
