//! `sigtool sign`: one unlock, many artifacts, and one failure does not lose the others.

use super::Outcome;
use crate::app::{App, SignerInUse};
use crate::args::Sign;
use crate::batch::{self, Expanded, Item, Places, STDIN, Tally};
use crate::config::{Profile, SignatureFormat};
use crate::custody::{Custody, location, shown};
use crate::error::{CommandError, Failure, why};
use crate::expand::expand;
use crate::host;
use crate::interrupt;
use crate::output::{Ticker, clean};
use crate::sources::{SourceInUse, SourceOf, Sources};
use serde::Serialize;
use sigtool_core::key::KeyHint;
use sigtool_core::ledger::Head;
use sigtool_core::sign::{
    Destination, Location, Place, SignError, SignedArtifact, SigningRequest, Stored,
};
use sigtool_core::{Store, sign_artifact};
use sigtool_sdk::ErrorCode;
use sigtool_sdk::types::{
    Artifact, ArtifactKind, Bytes, DigestAlgorithm, KeyAlgorithm, SignatureFormat as Format,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(super) fn run(app: &App, args: &Sign) -> Outcome {
    interrupt::watch();
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
    let sources = Sources::new(app, &profile);
    let mut expanded = expand("sign", &args.artifacts, &sources, needs_all(args))?;
    let wanted = Wanted::new(args, &profile)?;
    check_single(args, &expanded)?;
    check_files(app, args, &profile, &expanded)?;
    say_notes(app, &expanded.notes);
    let opening = app.opening(args.key.as_deref(), &profile)?;
    let images = expanded.may_have_images();
    let store = if images { store(app, &wanted)? } else { None };
    let custody = Custody::required(app, &profile, !args.no_history)?;
    // If there is nothing to sign, nobody is asked for a password.
    let signer = match expanded.found().next() {
        Some(_) => Some(app.signer(opening)?),
        None => None,
    };
    let work = Work {
        wanted: &wanted,
        sources: &sources,
        store: store.as_ref(),
        custody: &custody,
    };
    if images {
        warn_of_project(app, &wanted, &profile);
    }
    let mut kept_here = 0;
    let ticker = Ticker::new(&app.ui, "signing", expanded.count());
    let jobs = expanded.jobs(app.jobs());
    let mut rest = expanded.rest.take();
    let is_more = rest.is_some();
    let mut more = || rest.as_mut()?.next();
    let tally = batch::run(
        &expanded.items,
        is_more.then_some(&mut more),
        jobs,
        args.artifacts.fail_fast,
        |item| match &signer {
            Some(signer) => work.sign(signer, item),
            None => Err(CommandError::bug("an artifact was not expected")),
        },
        |_| false,
        |shown, result| {
            ticker.done();
            if let Ok(done) = &result {
                let in_store = |stored: &Stored| stored.location == Location::Store;
                kept_here += usize::from(done.signed.stored.iter().all(in_store));
            }
            report(app, shown, signer.as_ref(), result)
        },
    );
    drop(ticker);
    app.ui.end_items();
    say_where(app, kept_here);
    if let Some(rest) = &rest {
        say_notes(app, &rest.notes());
    }
    summary(app, &tally);
    Ok(tally.exit_code())
}

/// Whether a flag is for one artifact, or one kind of them, so that all must be known first.
fn needs_all(args: &Sign) -> bool {
    let of_one = [&args.name, &args.artifact_version];
    let places = [&args.bundle, &args.signature];
    of_one.iter().any(|flag| flag.is_some())
        || places.iter().any(|place| place.is_some())
        || args.attach
        || args.append
        || !args.annotations.is_empty()
}

fn say_notes(app: &App, notes: &[String]) {
    for note in notes {
        app.ui.note(&app.relative(note));
    }
}

/// What the flags and the profile ask for, the same for every artifact.
struct Wanted<'a> {
    args: &'a Sign,
    signature_format: SignatureFormat,
    attach: bool,
    annotations: BTreeMap<String, String>,
}

impl<'a> Wanted<'a> {
    fn new(args: &'a Sign, profile: &Profile) -> Result<Self, CommandError> {
        let profiles = profile.annotations.iter();
        let annotations = profiles
            .map(|(key, value)| (key.clone(), value.value.clone()))
            .chain(super::annotations(&args.annotations)?)
            .collect();
        Ok(Self {
            args,
            signature_format: profile.signature_format.value,
            attach: args.attach || profile.attach.value && !args.no_attach,
            annotations,
        })
    }

    /// The forms of an artifact's signature. A file's goes to the place that is named for its form and nowhere else, so that the
    /// place alone says which form is meant; an image's is kept and pushed besides.
    fn formats(&self, source: SourceOf) -> Vec<Format> {
        let implied = match (source, &self.args.bundle, &self.args.signature) {
            (SourceOf::Images, ..) | (_, None, None) => None,
            (_, Some(_), Some(_)) => Some(SignatureFormat::Both),
            (_, None, Some(_)) => Some(SignatureFormat::Cosign),
            (_, Some(_), None) => Some(SignatureFormat::Bundle),
        };
        let asked = self.args.signature_format.or(implied);
        match asked.unwrap_or(self.signature_format) {
            SignatureFormat::Bundle => vec![Format::Bundle],
            SignatureFormat::Cosign => vec![Format::Cosign],
            SignatureFormat::Both => vec![Format::Bundle, Format::Cosign],
        }
    }

    /// Whether an image's signature goes to the local store and nowhere else.
    fn stays_here(&self) -> bool {
        !self.attach && self.args.bundle.is_none() && self.args.signature.is_none()
    }
}

/// What only images have: in a profile, which may serve both, it is no mistake; as a flag for a file it is one.
fn check_files(
    app: &App,
    args: &Sign,
    profile: &Profile,
    expanded: &Expanded<'_>,
) -> Result<(), CommandError> {
    let Some(file) = expanded.found().find(|i| i.source == SourceOf::Files) else {
        return Ok(());
    };
    let refused = |flag: &str, why: &str| {
        let file = clean(&file.shown);
        Err(
            CommandError::input(format!("`{flag}` is for images, and `{file}` is a file"))
                .because(why)
                .hint(format!("sign `{file}` by itself, without `{flag}`")),
        )
    };
    if !args.annotations.is_empty() {
        return refused("--annotations", "a file's signature has no place for them");
    }
    if args.append {
        return refused("--append", "beside a file each signer has one signature");
    }
    if args.attach && !expanded.has(SourceOf::Images) {
        return refused("--attach", "a file's signature always lies beside it");
    }
    if !profile.annotations.is_empty() {
        app.ui.note("the profile's annotations are signed with images only: a file's signature has no place for them");
    }
    if profile.attach.value {
        app.ui
            .trace("`attach` is for images: a file's signature always lies beside it");
    }
    Ok(())
}

/// The local store. If the signatures go elsewhere too, one that cannot be used is no reason not to sign.
fn store(app: &App, wanted: &Wanted<'_>) -> Result<Option<Store>, CommandError> {
    let cannot = match app.folders.store() {
        Some(path) => match Store::open(&path) {
            Ok(store) => return Ok(Some(store)),
            Err(error) => error.to_string(),
        },
        None => "there is no HOME, so there is no place for it".to_owned(),
    };
    if wanted.stays_here() {
        return Err(
            CommandError::could_not_tell("there is no place to keep the signature in")
                .because(cannot)
                .hint("push it beside the image: add `--attach`")
                .hint("or write it to a file: `--bundle FILE`"),
        );
    }
    app.ui.note(&format!(
        "the signatures are not kept in the local store: {cannot}"
    ));
    Ok(None)
}

/// A clone may choose these, and its user should know before others see it.
fn warn_of_project(app: &App, wanted: &Wanted<'_>, profile: &Profile) {
    if !wanted.args.attach && wanted.attach && profile.attach.origin.is_of_project() {
        app.ui.warn(&format!(
            "signatures are pushed beside the images, because the project's file says `attach = true` ({}); `--no-attach` keeps them here",
            profile.attach.origin
        ));
    }
    let foreign = profile.annotations.iter();
    let signed = |key: &str, value: &str| wanted.annotations.get(key).is_some_and(|v| v == value);
    for (key, value) in foreign.filter(|(k, v)| v.origin.is_of_project() && signed(k, &v.value)) {
        app.ui.note(&format!(
            "`{}={}` is signed along, because the project's file says so ({})",
            key, value.value, value.origin
        ));
    }
}

/// Who signs an image for the first time may think that others see it.
fn say_where(app: &App, images: usize) {
    let what = match images {
        0 => return,
        1 => "the signature is on this machine only: `--attach` pushes it beside the image",
        _ => "the signatures are on this machine only: `--attach` pushes them beside the images",
    };
    app.ui.note(&format!(
        "{what}, `sigtool inspect IMAGE --bundle FILE` writes it out"
    ));
}

/// Flags that name one thing cannot serve several artifacts.
fn check_single(args: &Sign, expanded: &Expanded<'_>) -> Result<(), CommandError> {
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

/// What signing one artifact takes.
struct Work<'a> {
    wanted: &'a Wanted<'a>,
    sources: &'a Sources<'a>,
    store: Option<&'a Store>,
    custody: &'a Custody,
}

/// A signed artifact, and the head of the ledger once it was entered.
struct Done {
    signed: SignedArtifact,
    head: Option<Head>,
}

impl Work<'_> {
    /// Signs, and enters what became of it. What cannot be entered is a failure, though the signature is there.
    fn sign(&self, signer: &SignerInUse, item: &Item) -> Result<Done, CommandError> {
        let append = self.wanted.args.append;
        let mut signed = self.attempt(signer, item)?;
        item.name_in(&mut signed.artifact);
        match self.custody.signed(signer, &signed, append) {
            Ok(head) => Ok(Done { signed, head }),
            // Nothing is signed when the ledger cannot be written, and from here on it is known that it cannot.
            Err(error) => Err(CommandError {
                ends_run: true,
                ..CommandError::could_not_tell(format!(
                    "signed `{}`, but it is not in the history",
                    clean(&item.shown)
                ))
                .because(error)
                .because(already_written(&signed.stored))
                .hint("sign it again once the ledger can be written, or with `--no-history`")
            }),
        }
    }

    fn attempt(&self, signer: &SignerInUse, item: &Item) -> Result<SignedArtifact, CommandError> {
        let args = self.wanted.args;
        let source = self.sources.get(item.source)?;
        let at = |path: &Option<PathBuf>, suffix: &str| {
            path.as_deref()
                .map(|path| batch::destination(path, item, suffix))
        };
        let destination = Destination {
            attach: self.wanted.attach,
            bundle: at(&args.bundle, ".sigstore.json"),
            signature: at(&args.signature, ".sig"),
        };
        self.check_stdin(item, &destination)?;
        let named = item.from_stdin.then(|| STDIN.to_owned());
        let request = SigningRequest {
            reference: item.reference.clone(),
            name: args.name.clone().or(named),
            version: args.artifact_version.clone(),
            formats: self.wanted.formats(item.source),
            destination,
            annotations: self.wanted.annotations.clone(),
            append: args.append,
        };
        sign_artifact(&source.handle, &signer.signer, self.store, request).map_err(|error| {
            let written = match &error {
                SignError::Partly {
                    artifact, stored, ..
                } => Some((artifact.clone(), stored.clone())),
                _ => None,
            };
            let written = written.as_ref().map(|(a, stored)| (&**a, &stored[..]));
            let error = failed(source, signer, item, error);
            match self.custody.not_signed(signer, item, written, &error) {
                Ok(head) => error.entered(head),
                Err(unentered) => CommandError {
                    ends_run: true,
                    ..error.because(format!("nor is it in the history: {unentered}"))
                },
            }
        })
    }

    fn check_stdin(&self, item: &Item, to: &Destination) -> Result<(), CommandError> {
        let placed = |format: &Format| match format {
            Format::Bundle => to.bundle.is_some(),
            _ => to.signature.is_some(),
        };
        if item.from_stdin && !self.wanted.formats(item.source).iter().all(placed) {
            return Err(CommandError::input(
                "standard input has no file to put a signature beside",
            )
            .hint("say where it goes: --bundle FILE, or --signature FILE"));
        }
        Ok(())
    }
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

fn already_written(stored: &[Stored]) -> String {
    let written = stored.iter().map(|s| shown(&s.location).to_string_lossy());
    let written: Vec<String> = written.map(|place| clean(&place)).collect();
    format!("already written: {}", written.join(", "))
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Row<'a> {
    /// The artifact as the command line names it.
    artifact: &'a str,
    /// What became of it.
    status: Status,
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
    /// Remarks, which are no failures.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    notes: &'a [String],
    /// Why it was not signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<super::ErrorRow<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
enum Status {
    Failed,
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
    format: Format,
    /// What sort of place it lies in.
    place: Place,
    /// Where: a path in full, a reference, or `the local store`.
    location: String,
    /// Whether it took the place of an earlier one.
    replaced: bool,
    /// The signature itself, in Base64.
    signature: &'a Bytes,
}

fn report(
    app: &App,
    shown: &str,
    signer: Option<&SignerInUse>,
    result: Result<Done, CommandError>,
) -> Option<Failure> {
    let Done { signed, head } = match result {
        Ok(done) => done,
        Err(error) => {
            let error = app.relative_error(error);
            app.ui.error(&error);
            if app.ui.is_machine() {
                let row = Row {
                    artifact: shown,
                    status: Status::Failed,
                    resolved: None,
                    signer: None,
                    signatures: Vec::new(),
                    head: error.head.as_deref(),
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
        app.ui.note(&format!("{shown}: {note}"));
    }
    let row = Row {
        artifact: shown,
        status: Status::Signed,
        resolved: Some(&signed.artifact),
        signer: signer.map(|signer| Signer {
            backend: &signer.backend,
            algorithm: signed.public_key.algorithm,
            key_hint: KeyHint::of(&signed.public_key),
            key_id: signed.key_id.as_deref(),
            key_version: signed.key_version.as_deref(),
        }),
        signatures: signed
            .stored
            .iter()
            .map(|stored| Signature {
                format: stored.format,
                place: stored.location.place(),
                location: super::lossy(&location(&signed.artifact, stored)),
                replaced: stored.replaced,
                signature: &stored.signature,
            })
            .collect(),
        head: head.as_ref(),
        notes: &signed.notes,
        error: None,
    };
    let again = if told(&signed).any(|s| s.replaced) {
        " again"
    } else {
        ""
    };
    app.ui.item(
        &format!(
            "signed{again} {}{} → {}",
            shown,
            describe(shown, &signed.artifact),
            places(app, &signed).join(", ")
        ),
        &row,
    );
    None
}

/// Where the signatures went, as people are told. Of the local store only where it is the one place.
fn told(signed: &SignedArtifact) -> impl Iterator<Item = &Stored> {
    let elsewhere = signed.stored.iter().any(|s| s.location != Location::Store);
    let stored = signed.stored.iter();
    stored.filter(move |s| !elsewhere || s.location != Location::Store)
}

fn places(app: &App, signed: &SignedArtifact) -> Vec<String> {
    let mut places: Vec<String> = told(signed)
        .map(|stored| app.short(shown(&stored.location)))
        .collect();
    places.dedup();
    places
}

/// ` (helm-chart app 1.2.0)`; nothing if that says no more than the path does.
pub(super) fn describe(shown: &str, artifact: &Artifact) -> String {
    if artifact.kind == ArtifactKind::ContainerImage {
        // Its name is what was typed; what it stands for is the digest.
        let digest = artifact.digest(DigestAlgorithm::Sha256);
        let digest = digest
            .map(ToString::to_string)
            .filter(|d| !shown.contains(d));
        return digest.map_or_else(String::new, |digest| format!(" ({digest})"));
    }
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
    format!(" ({})", words.join(" "))
}

/// For several artifacts: how many, and the name of each that failed.
fn summary(app: &App, tally: &Tally) {
    if tally.count() == 1 {
        return;
    }
    app.ui.say(super::summary("signed", tally, |_| None));
}
