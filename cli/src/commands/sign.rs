//! `sigtool sign`: one unlock, many artifacts, and one failure does not lose the others.

use crate::app::App;
use crate::app::opening::SignerInUse;
use crate::args::Sign;
use crate::artifacts::annotations;
use crate::artifacts::batch::{self};
use crate::artifacts::destination::{Places, STDIN, destination};
use crate::artifacts::item::Found;
use crate::artifacts::{Item, Items, SourceOf, Sources};
use crate::config::origin::Origin;
use crate::config::{Formats, Profile};
use crate::custody::recorder::Custody;
use crate::error::{CommandError, Failure, Outcome};
use crate::interrupt;
use crate::output::{Ticker, clean};
use crate::report::left_out;
use crate::report::signing::{Done, already_written, failed, not_looked_at, report};
use crate::report::summary::summary;
use sigtool_core::sign::{
    Destination, Location, SignError, SignedArtifact, SigningRequest, Stored,
};
use sigtool_core::{Store, sign_artifact};
use sigtool_sdk::types::SignatureFormat;
use std::collections::BTreeMap;
use std::path::PathBuf;

pub(super) fn run(app: &App, args: &Sign) -> Outcome {
    interrupt::watch();
    let profile = app.profile_to_sign()?;
    check_profile(&profile)?;
    let sources = Sources::new(app, &profile).attach_to(args.attach_to.as_ref());
    let mut items = Items::find("sign", &args.artifacts, &sources, None, needs_all(args))?;
    let wanted = Wanted::new(args, &profile)?;
    check_single(args, &items)?;
    check_files(app, args, &profile, &items)?;
    say_notes(app, items.take_notes());
    let opening = app.opening(args.key.as_deref(), &profile)?;
    let images = items.may_have_images();
    let store = if images { store(app, &wanted)? } else { None };
    let custody = Custody::required(app, &profile, !args.no_history)?;
    // If there is nothing to sign, nobody is asked for a password.
    let signer = match items.ahead().next() {
        Some(_) => Some(app.signer(opening)?),
        None => None,
    };
    let work = Work {
        wanted: &wanted,
        sources: &sources,
        store: store.as_ref(),
        custody: &custody,
    };
    let chosen = chosen_by_project(app, &wanted, &profile, images);
    chosen.iter().for_each(|line| app.ui.warn(line));
    let mut kept_here = 0;
    let ticker = Ticker::new(&app.ui, "signing", items.known_count());
    let jobs = items.jobs(app.jobs());
    let mut tally = batch::run(
        &mut items,
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
            report(app, shown, signer.as_ref(), &chosen, result)
        },
    );
    drop(ticker);
    let strict = args.artifacts.strict.then_some(Failure::Input);
    let row =
        |line: &str, left_out: &_, error: Option<&_>| not_looked_at(app, line, left_out, error);
    left_out::tell(app, &items.take_left_out(), strict, &mut tally, row);
    app.ui.end_items();
    say_where(app, kept_here);
    say_notes(app, items.take_notes());
    if tally.count() > 1 || tally.not_looked_at > 0 {
        app.ui.say(summary("signed", &tally, |_| None));
    }
    Ok(tally.exit_code())
}

/// What a profile asks for is used, or nothing is signed.
fn check_profile(profile: &Profile) -> Result<(), CommandError> {
    match profile.unserved() {
        None => Ok(()),
        Some(table) => Err(table.origin.error(
            format!(
                "the profile asks for a `{}`, which this version does not use",
                table.kind
            ),
            "nothing is signed without it",
        )),
    }
}

/// Whether a flag is for one artifact, or one kind of them, so that all must be known first.
fn needs_all(args: &Sign) -> bool {
    let of_one = [&args.name, &args.artifact_version];
    let places = [&args.bundle, &args.signature];
    of_one.iter().any(|flag| flag.is_some())
        || places.iter().any(|place| place.is_some())
        || pushes(args)
        || args.append
        || !args.annotations.is_empty()
}

/// Whether the command line wants the signature in a registry, and not only the profile.
fn pushes(args: &Sign) -> bool {
    args.attach || args.attach_to.is_some()
}

fn say_notes(app: &App, notes: Vec<String>) {
    for note in notes {
        app.ui.note(&app.relative(&note));
    }
}

/// What the flags and the profile ask for, the same for every artifact.
struct Wanted<'a> {
    args: &'a Sign,
    signature_format: Formats,
    attach: bool,
    annotations: BTreeMap<String, String>,
}

impl<'a> Wanted<'a> {
    fn new(args: &'a Sign, profile: &Profile) -> Result<Self, CommandError> {
        let profiles = profile.annotations.iter();
        let annotations = profiles
            .map(|(key, value)| (key.clone(), value.value.clone()))
            .chain(annotations(&args.annotations)?)
            .collect();
        Ok(Self {
            args,
            signature_format: profile.signature_format.value,
            attach: pushes(args) || profile.attach.value && !args.no_attach,
            annotations,
        })
    }

    /// The forms of an artifact's signature. A file's goes to the place that is named for its form and nowhere else, so that the
    /// place alone says which form is meant; an image's is kept and pushed besides.
    fn formats(&self, source: SourceOf) -> &'static [SignatureFormat] {
        let implied = match (source, &self.args.bundle, &self.args.signature) {
            (SourceOf::Images, ..) | (_, None, None) => None,
            (_, Some(_), Some(_)) => Some(Formats::Both),
            (_, None, Some(_)) => Some(Formats::Cosign),
            (_, Some(_), None) => Some(Formats::Bundle),
        };
        let asked = self.args.signature_format.or(implied);
        asked.unwrap_or(self.signature_format).each()
    }

    /// Whether an image's signature goes to the local store and nowhere else.
    fn stays_here(&self) -> bool {
        !self.attach && self.args.bundle.is_none() && self.args.signature.is_none()
    }
}

/// What only images have: in a profile, which may serve both, it is not a mistake; as a flag for a file it is one.
fn check_files(
    app: &App,
    args: &Sign,
    profile: &Profile,
    items: &Items<'_>,
) -> Result<(), CommandError> {
    let Some(file) = items.ahead().find(|i| i.source() == SourceOf::Files) else {
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
    if pushes(args) && !items.has(SourceOf::Images) {
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

/// What the project's file chose of how this is signed, and by whom: a clone may, and its user is told of each, with its line.
fn chosen_by_project(
    app: &App,
    wanted: &Wanted<'_>,
    profile: &Profile,
    images: bool,
) -> Vec<String> {
    let says = |origin: &Origin| format!("because the project's file says so ({origin})");
    let mut told = Vec::new();
    if let Some(name) = &profile.name {
        if name.origin.is_of_project() {
            told.push(format!(
                "the profile `{}` is used, {}",
                name.value,
                says(&name.origin)
            ));
        }
        for (child, parent) in app.config.inherited_by_project(&name.value) {
            let why = says(&parent.origin);
            told.push(format!(
                "the profile `{child}` is your `{}`, {why}",
                parent.value
            ));
        }
    }
    let args = wanted.args;
    let places = args.bundle.is_some() || args.signature.is_some();
    let format = &profile.signature_format;
    if format.origin.is_of_project() && args.signature_format.is_none() && (images || !places) {
        let format = format!("`signature_format = \"{}\"`", format.value);
        let why = says(&profile.signature_format.origin);
        told.push(format!("signatures are written with {format}, {why}"));
    }
    if images {
        told.extend(chosen_for_images(wanted, profile, &says));
    }
    told
}

/// The same of what only images have.
fn chosen_for_images(
    wanted: &Wanted<'_>,
    profile: &Profile,
    says: &dyn Fn(&Origin) -> String,
) -> Vec<String> {
    let mut told = Vec::new();
    let attach = &profile.attach;
    let is_asked = pushes(wanted.args) || wanted.args.no_attach;
    if !is_asked && attach.origin.is_of_project() {
        let why = says(&attach.origin);
        told.push(match attach.value {
            true => format!(
                "signatures are pushed beside the images, {why}; `--no-attach` keeps them here"
            ),
            false => {
                format!("signatures are kept here, {why}; `--attach` pushes them beside the images")
            }
        });
    }
    let is_signed =
        |key: &str, value: &str| wanted.annotations.get(key).is_some_and(|v| v == value);
    let annotations = profile.annotations.iter();
    for (key, value) in
        annotations.filter(|(k, v)| v.origin.is_of_project() && is_signed(k, &v.value))
    {
        let why = says(&value.origin);
        told.push(format!("`{key}={}` is signed along, {why}", value.value));
    }
    told
}

/// A person who signs an image for the first time may think that others see it.
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
fn check_single(args: &Sign, items: &Items<'_>) -> Result<(), CommandError> {
    let places = Places {
        bundle: args.bundle.as_deref(),
        signature: args.signature.as_deref(),
    };
    places.check(items)?;
    if items.is_single() {
        return Ok(());
    }
    let count = items.ahead().count();
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
        let source = self.sources.get(item.source())?;
        let at = |path: &Option<PathBuf>, suffix: &str| {
            path.as_deref().map(|path| destination(path, item, suffix))
        };
        let destination = Destination {
            attach: self.wanted.attach,
            bundle: at(&args.bundle, ".sigstore.json"),
            signature: at(&args.signature, ".sig"),
            overwrite: args.overwrite,
        };
        self.check_stdin(item, &destination)?;
        let named = item.from_stdin.then(|| STDIN.to_owned());
        let request = SigningRequest {
            reference: item.reference.to_string(),
            name: args.name.clone().or(named),
            version: args.artifact_version.clone(),
            formats: self.wanted.formats(item.source()).to_vec(),
            destination,
            annotations: self.wanted.annotations.clone(),
            append: args.append,
            is_own: source.backend.is_first_party(),
            is_named: item.found == Found::ByName,
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
        let placed = |format: &SignatureFormat| match format {
            SignatureFormat::Bundle => to.bundle.is_some(),
            _ => to.signature.is_some(),
        };
        if item.from_stdin && !self.wanted.formats(item.source()).iter().all(placed) {
            return Err(CommandError::input(
                "standard input has no file to put a signature beside",
            )
            .hint("say where it goes: --bundle FILE, or --signature FILE"));
        }
        Ok(())
    }
}
