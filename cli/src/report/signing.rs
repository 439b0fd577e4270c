//! What is said of a signed artifact.

use crate::app::App;
use crate::app::opening::SignerInUse;
use crate::artifacts::item::Item;
use crate::artifacts::left_out::LeftOut;
use crate::artifacts::sources::SourceInUse;
use crate::custody::recorder::{location, shown};
use crate::error::{CommandError, Failure, why};
use crate::host;
use crate::output::clean;
use crate::report::artifact::describe;
use serde::Serialize;
use sigtool_core::key::KeyHint;
use sigtool_core::ledger::Head;
use sigtool_core::sign::{Location, Place, SignError, SignedArtifact, Stored};
use sigtool_sdk::ErrorCode;
use sigtool_sdk::types::{Artifact, BackendId, Bytes, KeyAlgorithm, SignatureFormat as Format};

/// A signed artifact, and the head of the ledger once it was entered.
pub(crate) struct Done {
    pub(crate) signed: SignedArtifact,
    pub(crate) head: Option<Head>,
}

pub(crate) fn failed(
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
            if shown.failure != Failure::Cancelled {
                shown.failure = Failure::CouldNotTell;
            }
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
        error @ SignError::OtherKind(_) => CommandError::input(message)
            .because(error)
            .hint("sign what it is about, or an archive with the file in it"),
        error @ SignError::PrivateKey => CommandError::input(message)
            .because(error)
            .hint("move it away from what is released, or sign it by its name if it is meant"),
        error @ SignError::Taken { .. } => {
            CommandError::input(message).because(error).hint(REPLACE)
        }
        SignError::Partly { stored, error, .. } => {
            failed(source, signer, item, *error).because(already_written(&stored))
        }
        SignError::Store(error) => CommandError::could_not_tell(message).because(error),
        SignError::Write { path, error } => CommandError::could_not_tell(message).because(format!(
            "cannot write `{}`: {}",
            path.display(),
            why(&error)
        )),
    }
}

/// What to do about a file that is there already.
pub(crate) const REPLACE: &str = "name another file, or replace it with `--overwrite`";

pub(crate) fn already_written(stored: &[Stored]) -> String {
    let written: Vec<String> = {
        let written = stored.iter().map(|s| shown(&s.location).to_string_lossy());
        written.map(|place| clean(&place)).collect()
    };
    format!("already written: {}", written.join(", "))
}

fn by_backend(
    message: String,
    backend: &BackendId,
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Row<'a> {
    /// The artifact as the command line names it.
    artifact: &'a str,
    /// What became of it.
    status: Status,
    /// Why a part of a folder is not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// What it was found to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved: Option<&'a Artifact>,
    /// Who signed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    signer: Option<Signer<'a>>,
    /// The signatures that were written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    signatures: Vec<Signature<'a>>,
    /// The ledger's head with this signing in it, or with its failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    head: Option<&'a Head>,
    /// Remarks, which are not failures.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<&'a str>,
    /// What to look at, although it was signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<&'a str>,
    /// Why it was not signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<super::ErrorRow<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
enum Status {
    Failed,
    NotLookedAt,
    Signed,
}

/// Who signed.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Signer<'a> {
    /// The backend that holds the key.
    backend: &'a str,
    /// The key's algorithm.
    algorithm: KeyAlgorithm,
    /// How bundles name the key: the Base64 of the SHA-256 of its public half.
    key_hint: KeyHint,
    /// The backend's own name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<&'a str>,
    /// Its version, where the backend rotates keys under one name.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_version: Option<&'a str>,
}

/// A signature that was written.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Signature<'a> {
    /// How it is written.
    pub(crate) format: Format,
    /// What sort of place it lies in.
    pub(crate) place: Place,
    /// Where: a path in full, a reference, or `the local store`.
    pub(crate) location: String,
    /// Whether it took the place of an earlier one.
    replaced: bool,
    /// The signature itself, in Base64.
    pub(crate) signature: &'a Bytes,
}

/// Tells what became of an artifact. `chosen` is what has been told of the whole run. Gives what it failed with, if it did.
pub(crate) fn report(
    app: &App,
    shown: &str,
    signer: Option<&SignerInUse>,
    chosen: &[String],
    result: Result<Done, CommandError>,
) -> Option<Failure> {
    let done = match result {
        Ok(done) => done,
        Err(error) => return Some(not_signed(app, shown, chosen, error)),
    };
    let signed = &done.signed;
    if let Some(warning) = &signed.warning {
        app.ui.warn(&format!("{shown}: {warning}"));
    }
    for note in &signed.notes {
        let note = app.relative(note);
        app.ui.note(&format!("{shown}: {note}"));
    }
    let again = match told(signed).any(|s| s.replaced) {
        true => " again",
        false => "",
    };
    app.ui.item(
        &format!(
            "signed{again} {}{} → {}",
            shown,
            describe(shown, &signed.artifact),
            places(app, signed).join(", ")
        ),
        &Row::of(shown, signer, chosen, &done),
    );
    None
}

/// Tells that an artifact was not signed.
fn not_signed(app: &App, shown: &str, chosen: &[String], error: CommandError) -> Failure {
    let error = app.relative_error(error);
    app.ui.error(&error);
    if app.ui.is_machine() {
        let row = Row {
            notes: chosen.iter().map(String::as_str).collect(),
            ..Row::without(shown, Status::Failed, Some(&error))
        };
        app.ui.item("", &row);
    }
    error.failure
}

/// Says that a part of a folder is not looked at.
pub(crate) fn not_looked_at(
    app: &App,
    line: &str,
    left_out: &LeftOut,
    error: Option<&CommandError>,
) {
    let row = Row {
        reason: Some(left_out.why),
        ..Row::without(&left_out.shown, Status::NotLookedAt, error)
    };
    app.ui.item(line, &row);
}

impl<'a> Row<'a> {
    /// Of what is not signed.
    fn without(shown: &'a str, status: Status, error: Option<&'a CommandError>) -> Self {
        Self {
            artifact: shown,
            status,
            reason: None,
            resolved: None,
            signer: None,
            signatures: Vec::new(),
            head: error.and_then(|error| error.head.as_deref()),
            notes: Vec::new(),
            warning: None,
            error: error.map(super::ErrorRow::of),
        }
    }

    fn of(
        shown: &'a str,
        signer: Option<&'a SignerInUse>,
        chosen: &'a [String],
        done: &'a Done,
    ) -> Self {
        let signed = &done.signed;
        let signatures = signed.stored.iter().map(|stored| Signature {
            format: stored.format,
            place: stored.location.place(),
            location: super::lossy(&location(&signed.artifact, stored)),
            replaced: stored.replaced,
            signature: &stored.signature,
        });
        Self {
            artifact: shown,
            status: Status::Signed,
            reason: None,
            resolved: Some(&signed.artifact),
            signer: signer.map(|signer| Signer {
                backend: &signer.backend,
                algorithm: signed.public_key.algorithm,
                key_hint: KeyHint::of(&signed.public_key),
                key_id: signed.key_id.as_deref(),
                key_version: signed.key_version.as_deref(),
            }),
            signatures: signatures.collect(),
            head: done.head.as_ref(),
            notes: chosen
                .iter()
                .chain(&signed.notes)
                .map(String::as_str)
                .collect(),
            warning: signed.warning.as_deref(),
            error: None,
        }
    }
}

/// Where the signatures went, as people are told. Of the local store only where it is the one place.
fn told(signed: &SignedArtifact) -> impl Iterator<Item = &Stored> {
    let elsewhere = signed.stored.iter().any(|s| s.location != Location::Store);
    let stored = signed.stored.iter();
    stored.filter(move |s| !elsewhere || s.location != Location::Store)
}

pub(crate) fn places(app: &App, signed: &SignedArtifact) -> Vec<String> {
    let mut places: Vec<String> = told(signed)
        .map(|stored| app.short(shown(&stored.location)))
        .collect();
    places.dedup();
    places
}
