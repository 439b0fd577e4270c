//! `sigtool sign`: one unlock, many artifacts, and one failure does not lose the others.

use super::Outcome;
use crate::app::{App, SignerInUse, SourceInUse};
use crate::args::{Sign, SignatureFormat};
use crate::batch::{self, Expanded, Item, Places, STDIN, Tally};
use crate::config::Profile;
use crate::error::{CommandError, Failure, why};
use crate::host;
use crate::output::clean;
use serde::Serialize;
use sigtool_core::key::key_hint;
use sigtool_core::sign::{Destination, SignError, SignedArtifact, SigningRequest};
use sigtool_core::sign_artifact;
use sigtool_sdk::ErrorCode;
use sigtool_sdk::types::{Artifact, ArtifactKind, KeyAlgorithm, SignatureFormat as Format};
use std::path::{Path, PathBuf};

pub(super) fn run(app: &App, args: &Sign) -> Outcome {
    let profile = app.profile()?;
    if let Some(table) = profile.unserved() {
        return Err(table.origin.error(
            format!(
                "the profile asks for a `{}`, which this version does not use",
                table.kind
            ),
            "nothing is signed without it",
        ));
    }
    about_images(app, &profile);
    let formats = formats(args, profile.signature_format.value);
    let source = app.source(&profile)?;
    let expanded = batch::expand("sign", &args.artifacts, &source, &app.settings)?;
    check_single(args, &expanded)?;
    for note in &expanded.notes {
        app.ui.note(&clean(&app.relative(note)));
    }
    let opening = app.opening(args.key.as_deref(), &profile)?;
    // If there is nothing to sign, nobody is asked for a password.
    let signer = match expanded.found().next() {
        Some(_) => Some(app.signer(opening)?),
        None => None,
    };
    let tally = batch::run(
        &expanded.items,
        app.jobs()?,
        args.artifacts.fail_fast,
        |item| match &signer {
            Some(signer) => sign(args, &formats, &source, signer, item).map(|s| (signer, s)),
            None => Err(CommandError::bug("an artifact was not expected")),
        },
        |_| false,
        |shown, result| report(app, shown, result),
    );
    app.ui.end_items();
    summary(app, &tally, expanded.items.len());
    Ok(tally.exit_code())
}

/// Settings of a profile that only images have: a profile may serve both, so they are no mistake.
fn about_images(app: &App, profile: &Profile) {
    if !profile.annotations.is_empty() {
        app.ui.note("the profile's annotations are signed with images only: a file's signature has no place for them");
    }
    if profile.attach.value {
        app.ui
            .trace("`attach` is for images: a file's signature always lies beside it");
    }
}

fn formats(args: &Sign, profile: SignatureFormat) -> Vec<Format> {
    // A file named for one form, and no word about forms, means that form alone.
    let implied = match (&args.bundle, &args.signature) {
        (Some(_), Some(_)) => Some(SignatureFormat::Both),
        (None, Some(_)) => Some(SignatureFormat::Cosign),
        (Some(_), None) => Some(SignatureFormat::Bundle),
        (None, None) => None,
    };
    match args.signature_format.or(implied).unwrap_or(profile) {
        SignatureFormat::Bundle => vec![Format::Bundle],
        SignatureFormat::Cosign => vec![Format::Cosign],
        SignatureFormat::Both => vec![Format::Bundle, Format::Cosign],
    }
}

/// Flags that name one thing cannot serve several artifacts.
fn check_single(args: &Sign, expanded: &Expanded) -> Result<(), CommandError> {
    let places = Places {
        bundle: args.bundle.as_deref(),
        signature: args.signature.as_deref(),
    };
    places.check(expanded)?;
    if expanded.is_single() {
        return Ok(());
    }
    let count = expanded.items.len();
    for (flag, given) in [
        ("--name", &args.name),
        ("--artifact-version", &args.artifact_version),
    ] {
        if given.is_some() {
            return Err(CommandError::input(format!(
                "`{flag}` is for one artifact, and there are {count}"
            ))
            .hint("sign that artifact by itself"));
        }
    }
    Ok(())
}

fn sign(
    args: &Sign,
    formats: &[Format],
    source: &SourceInUse,
    signer: &SignerInUse,
    item: &Item,
) -> Result<SignedArtifact, CommandError> {
    let at = |path: &Option<PathBuf>, suffix: &str| {
        path.as_deref()
            .map(|path| batch::destination(path, item, suffix))
    };
    let bundle = at(&args.bundle, ".sigstore.json");
    let signature = at(&args.signature, ".sig");
    let placed = |format: &Format| match format {
        Format::Bundle => bundle.is_some(),
        _ => signature.is_some(),
    };
    if item.from_stdin && !formats.iter().all(placed) {
        return Err(
            CommandError::input("standard input has no file to put a signature beside")
                .hint("say where it goes: --bundle FILE, or --signature FILE"),
        );
    }
    let named = item.from_stdin.then(|| STDIN.to_owned());
    let request = SigningRequest {
        reference: item.reference.clone(),
        name: args.name.clone().or(named),
        version: args.artifact_version.clone(),
        formats: formats.to_vec(),
        destination: if bundle.is_some() || signature.is_some() {
            Destination::To { bundle, signature }
        } else {
            Destination::Beside
        },
    };
    let mut signed = sign_artifact(&source.handle, &signer.signer, request)
        .map_err(|error| failed(source, signer, item, error))?;
    item.name_in(&mut signed.artifact);
    Ok(signed)
}

fn failed(
    source: &SourceInUse,
    signer: &SignerInUse,
    item: &Item,
    error: SignError,
) -> CommandError {
    let message = format!("cannot sign `{}`", clean(&item.shown));
    match error {
        SignError::Artifact(error) => source.failed(message, *error),
        SignError::Signer { operation, error } => {
            by_backend(message, &signer.backend, operation, *error)
        }
        SignError::Source { operation, error } => {
            let keeps_none = error.code == ErrorCode::Unsupported;
            let mut shown = by_backend(message, &source.backend, operation, *error);
            shown.failure = Failure::CouldNotTell;
            if keeps_none {
                shown.hints.push(
                    "this source keeps no signatures: say where they go with `--bundle FILE` or `--signature FILE`"
                        .to_owned(),
                );
            }
            shown
        }
        SignError::SignerMisbehaved { operation, what } => CommandError::could_not_tell(message)
            .because(format!(
                "the backend `{}` failed in `{operation}`",
                signer.backend
            ))
            .because(what)
            .hint("nothing was written; this is for the backend's author to mend"),
        error @ (SignError::Destination(_) | SignError::NoBytes(_)) => {
            CommandError::input(message).because(error)
        }
        SignError::Write { path, error } => CommandError::could_not_tell(message).because(format!(
            "cannot write `{}`: {}",
            path.display(),
            why(&error)
        )),
    }
}

fn by_backend(
    message: String,
    backend: &str,
    operation: &str,
    mut error: sigtool_sdk::Error,
) -> CommandError {
    let blame = host::blame(backend, operation, &error);
    error.hints.extend(host::whose_move(backend, &error));
    let mut shown = CommandError::from_backend(message, error);
    shown.causes.splice(0..0, blame);
    shown
}

/// A signed artifact in a report.
#[derive(Serialize)]
struct Row<'a> {
    artifact: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved: Option<&'a Artifact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signer: Option<Signer<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    signatures: Vec<Signature>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    notes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<super::ErrorRow<'a>>,
}

#[derive(Serialize)]
struct Signer<'a> {
    backend: &'a str,
    algorithm: KeyAlgorithm,
    key_hint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_version: Option<&'a str>,
}

#[derive(Serialize)]
struct Signature {
    format: &'static str,
    location: PathBuf,
    replaced: bool,
}

fn report(
    app: &App,
    shown: &str,
    result: Result<(&SignerInUse, SignedArtifact), CommandError>,
) -> Option<Failure> {
    let (signer, signed) = match result {
        Ok(done) => done,
        Err(error) => {
            let error = app.relative_error(error);
            app.ui.error(&error);
            if app.ui.is_machine() {
                let row = Row {
                    artifact: shown,
                    status: "failed",
                    resolved: None,
                    signer: None,
                    signatures: Vec::new(),
                    notes: &[],
                    error: Some(super::ErrorRow::of(&error)),
                };
                app.ui.item("", &row);
            }
            return Some(error.failure);
        }
    };
    for note in &signed.notes {
        let note = app.relative(note);
        app.ui.note(&format!("{}: {}", clean(shown), clean(&note)));
    }
    let places: Vec<_> = signed
        .stored
        .iter()
        .map(|stored| clean(&app.short(Path::new(&stored.location))))
        .collect();
    let row = Row {
        artifact: shown,
        status: "signed",
        resolved: Some(&signed.artifact),
        signer: Some(Signer {
            backend: &signer.backend,
            algorithm: signed.public_key.algorithm,
            key_hint: key_hint(&signed.public_key),
            key_id: signed.key_id.as_deref(),
            key_version: signed.key_version.as_deref(),
        }),
        signatures: signed
            .stored
            .iter()
            .map(|stored| Signature {
                format: stored.format.as_str(),
                location: absolute(&stored.location),
                replaced: stored.replaced,
            })
            .collect(),
        notes: &signed.notes,
        error: None,
    };
    let again = if signed.stored.iter().any(|s| s.replaced) {
        " again"
    } else {
        ""
    };
    app.ui.item(
        &format!(
            "signed{again} {}{} → {}",
            clean(shown),
            describe(shown, &signed.artifact),
            places.join(", ")
        ),
        &row,
    );
    None
}

/// For a program in another folder; a source's own names stay.
fn absolute(location: &str) -> PathBuf {
    std::path::absolute(location).unwrap_or_else(|_| location.into())
}

/// ` (helm-chart app 1.2.0)`; nothing if that says no more than the path does.
pub(super) fn describe(shown: &str, artifact: &Artifact) -> String {
    let said = shown == "-" && artifact.name == STDIN
        || Path::new(shown)
            .file_name()
            .is_some_and(|name| name == artifact.name.as_str());
    let kind = match artifact.kind {
        ArtifactKind::Unknown => None,
        kind => Some(kind.to_string()),
    };
    let version = artifact.version.clone();
    if said && kind.is_none() && version.is_none() {
        return String::new();
    }
    let words: Vec<String> = kind
        .into_iter()
        .chain([artifact.name.clone()])
        .chain(version)
        .collect();
    format!(" ({})", clean(&words.join(" ")))
}

/// For several artifacts: how many, and the name of each that failed.
fn summary(app: &App, tally: &Tally, all: usize) {
    if all == 1 {
        return;
    }
    app.ui.say(&super::summary_text("signed", tally, |_| None));
}
