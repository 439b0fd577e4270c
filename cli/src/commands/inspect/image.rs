//! `sigtool inspect IMAGE`: its signatures, in the registry and in the local store; with `--bundle FILE`, one of them in a file.

use crate::app::App;
use crate::args::Inspect;
use crate::artifacts::destination::{check_folder, image_name};
use crate::artifacts::item::SourceOf;
use crate::artifacts::meaning::is_folder;
use crate::artifacts::sources::Sources;
use crate::custody::ledger::store;
use crate::error::{CommandError, Outcome, why};
use crate::output::{clean, plural};
use crate::report::image::report;
use crate::report::signing::REPLACE;
use sigtool_core::output::Output;
use sigtool_core::sign::{SignError, check_destination};
use sigtool_core::verify::find::{Found, FoundSignature, find_signatures};
use sigtool_sdk::types::{ImageRef, SignatureFormat, StoredSignature};
use std::path::{Path, PathBuf};

/// Readable by everyone: a signature is there to be shown.
const MODE: u32 = 0o644;

pub(super) fn run(app: &App, args: &Inspect, image: &ImageRef) -> Outcome {
    let profile = app.profile()?;
    let sources = Sources::new(app, &profile).attach_to(args.attach_to.as_ref());
    let source = sources.get(SourceOf::Images)?;
    let store = store(app);
    let store = store.as_ref().map(Option::as_ref).map_err(Clone::clone);
    let shown = args.artifact.as_str();
    let found = find_signatures(&source.handle, &store, &image.to_string())
        .map_err(|error| source.failed(format!("cannot inspect `{}`", clean(shown)), error))?;
    for note in &found.notes {
        app.ui.note(note);
    }
    for failure in &found.failures {
        app.ui.warn(&failure.to_string());
    }
    let written = write_out(args, image, &found)?;
    report(app, shown, &found, &written);
    if found.signatures.is_empty() && !found.failures.is_empty() {
        let error = CommandError::could_not_tell(format!(
            "could not tell which signatures `{}` has",
            clean(shown)
        ));
        // Programs have the report, which says why.
        app.ui.error(&error);
        return Ok(error.failure.exit_code());
    }
    Ok(0)
}

/// Writes what the flags ask for, once it is clear that all of it can be written.
fn write_out(
    args: &Inspect,
    image: &ImageRef,
    found: &Found,
) -> Result<Vec<PathBuf>, CommandError> {
    let absolute = |path: &Option<PathBuf>| std::path::absolute(path.as_ref()?).ok();
    if args.bundle.as_ref().is_some_and(|path| !is_folder(path))
        && absolute(&args.bundle) == absolute(&args.signature)
    {
        return Err(CommandError::input(
            "`--bundle` and `--signature` name one file",
        ));
    }
    let mut planned = Vec::new();
    for (flag, path, format, suffix) in [
        (
            "--bundle",
            &args.bundle,
            SignatureFormat::Bundle,
            ".sigstore.json",
        ),
        (
            "--signature",
            &args.signature,
            SignatureFormat::Cosign,
            ".sig",
        ),
    ] {
        let Some(path) = path else { continue };
        let chosen = choose(path, format, found);
        check_count(flag, path, &chosen, found)?;
        check_folder(flag, path)?;
        for stored in &chosen {
            let place = place(path, image, stored, suffix, chosen.len());
            planned.push((output(args, &place, found, stored)?, *stored));
        }
    }
    for (place, stored) in &planned {
        place.write(&stored.content, MODE).map_err(|e| {
            CommandError::could_not_tell(format!("cannot write `{}`", place.path().display()))
                .because(why(&e))
        })?;
    }
    // For a program in another folder.
    let absolute = |place: &Path| std::path::absolute(place).unwrap_or_else(|_| place.to_owned());
    Ok(planned
        .iter()
        .map(|(place, _)| absolute(place.path()))
        .collect())
}

/// The place of a signature. Another one that lies there may be the only copy of somebody else's.
fn output(
    args: &Inspect,
    place: &Path,
    found: &Found,
    stored: &StoredSignature,
) -> Result<Output, CommandError> {
    let output =
        check_destination(place, &found.artifact, args.overwrite).map_err(|e| match e {
            SignError::Taken { .. } => CommandError::input(e.to_string()).hint(REPLACE),
            _ => CommandError::input(e.to_string()),
        })?;
    let other = output
        .content()
        .is_some_and(|there| there != &*stored.content.0);
    if other && !args.overwrite {
        return Err(CommandError::input(format!(
            "`{}` is there and holds another signature",
            place.display()
        ))
        .hint(REPLACE));
    }
    Ok(output)
}

/// The signatures to be written out: all in a folder; for one file the one that was made on this machine, if there are others.
fn choose<'a>(path: &Path, format: SignatureFormat, found: &'a Found) -> Vec<&'a StoredSignature> {
    let of_format = |s: &&FoundSignature| s.stored.format == format;
    let all: Vec<&FoundSignature> = found.signatures.iter().filter(of_format).collect();
    let mut own = all.iter().filter(|s| s.own);
    match (own.next(), own.next()) {
        (Some(only), None) if !is_folder(path) => vec![&only.stored],
        _ => all.into_iter().map(|s| &s.stored).collect(),
    }
}

fn check_count(
    flag: &str,
    path: &Path,
    chosen: &[&StoredSignature],
    found: &Found,
) -> Result<(), CommandError> {
    let what = if flag == "--bundle" {
        "bundle"
    } else {
        "cosign signature"
    };
    let shown = path.display();
    match chosen {
        [] => {
            let message = format!("there is no {what} to write to `{shown}`");
            Err(if found.failures.is_empty() {
                CommandError::input(message)
                    .because("neither the registry nor the local store has one")
            } else {
                CommandError::could_not_tell(message).because("a place did not answer")
            })
        }
        [_] => Ok(()),
        _ if is_folder(path) => Ok(()),
        several => {
            let places: Vec<String> = several.iter().map(|s| clean(&s.location)).collect();
            Err(CommandError::input(format!(
                "`{flag} {shown}` names one file, and there are {}",
                plural(several.len(), what)
            ))
            .because(places.join(", "))
            .hint(format!("name a folder: {flag} {shown}/")))
        }
    }
}

/// The file for a signature; of several in one folder each gets the beginning of its own digest.
fn place(
    path: &Path,
    image: &ImageRef,
    stored: &StoredSignature,
    suffix: &str,
    count: usize,
) -> PathBuf {
    if !is_folder(path) {
        return path.to_owned();
    }
    let name = image_name(image);
    if count == 1 {
        return path.join(format!("{name}{suffix}"));
    }
    let mut digest = sigtool_core::digest::Sha256::default();
    digest.update(&stored.content);
    let digest = digest.finish_hex();
    path.join(format!("{name}.{}{suffix}", &digest[..8]))
}
