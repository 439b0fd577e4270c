//! `sigtool overview`: artifacts and their current signatures, as the ledger has them; of one artifact also what lies beside it, which
//! may be foreign, and is not verified here.

mod beside;

use super::Outcome;
use super::history::{artifact, moment, signer};
use crate::app::App;
use crate::args::Overview;
use crate::custody::{names, open_to_read, unreadable};
use crate::error::CommandError;
use crate::output::{Text, clean};
use crate::sources::{SourceOf, Sources};
use crate::words::{self, Meant, Unclear};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sigtool_core::ledger::{
    Attempt, Current, Entry, EventArtifact, EventSignature, EventSigner, Known, Ledger, Named,
    Query,
};
use sigtool_core::sign::Place;
use sigtool_core::verify::find::{Found, find_signatures, holds};
use sigtool_sdk::types::{ArtifactKind, Bytes, DigestAlgorithm, SignatureFormat};
use std::ops::ControlFlow;
use std::path::Path;

pub(super) fn run(app: &App, args: &Overview) -> Outcome {
    let ledger = open_to_read(app)?;
    let mut shown = 0;
    let mut show = |group: &Group| {
        let gap = (shown > 0).then(String::new);
        let lines = gap.into_iter().chain(text(app, group));
        app.ui.item(Text::lines(lines), group);
        shown += 1;
    };
    let mut missed = None;
    match &args.artifact {
        None => known(ledger.as_ref(), None, |group| show(&group))?,
        Some(word) => {
            let (groups, error) = one(app, ledger.as_ref(), word)?;
            groups.iter().for_each(&mut show);
            missed = error;
        }
    }
    // What the ledger knows is told all the same.
    if let Some(error) = missed {
        return Err(error);
    }
    app.ui.end_items();
    if shown == 0 {
        app.ui.note(&match &args.artifact {
            Some(word) => format!("no signature of `{}` is known here", clean(word)),
            None => "nothing has been signed here yet, or never with a history".to_owned(),
        });
    }
    Ok(0)
}

/// Hands out what the ledger knows.
fn known(
    ledger: Option<&Ledger>,
    named: Option<&[Named]>,
    mut take: impl FnMut(Group),
) -> Result<(), CommandError> {
    let Some(ledger) = ledger else { return Ok(()) };
    let taken = ledger.artifacts(named, |known| {
        take(Group::from(known));
        ControlFlow::Continue(())
    });
    taken.map_err(unreadable)
}

/// All that is known of what a word names, and of an artifact that can be looked at what lies there; and why there may be more.
fn one(
    app: &App,
    ledger: Option<&Ledger>,
    word: &str,
) -> Result<(Vec<Group>, Option<CommandError>), CommandError> {
    let mut named = names(word)?;
    let (found, missed) = match look(app, ledger, word)? {
        Looked::Not => (None, None),
        Looked::Failed(error) => (None, Some(error)),
        Looked::Found(found) => {
            let missed = incomplete(word, &found);
            (Some(found), missed)
        }
    };
    if let Some(digest) = found
        .as_ref()
        .and_then(|f| f.artifact.digest(DigestAlgorithm::Sha256))
    {
        named = vec![Named::any_version(digest.to_string())];
    }
    let mut groups = Vec::new();
    known(ledger, Some(&named), |group| groups.push(group))?;
    if let Some(found) = &found {
        beside::compare(ledger, &mut groups, found)?;
    }
    groups.iter_mut().for_each(Group::look_at_files);
    groups.retain(|group| !group.is_empty());
    Ok((groups, missed))
}

/// What looking at an artifact gave.
enum Looked {
    /// There is nothing to look at, or nobody may be asked.
    Not,
    /// The artifact could not be had.
    Failed(CommandError),
    Found(Found),
}

/// The error for places that did not answer: they may have signatures that are not told.
fn incomplete(word: &str, found: &Found) -> Option<CommandError> {
    let message = format!(
        "could not look everywhere for signatures of `{}`",
        clean(word)
    );
    let error = CommandError::could_not_tell(message);
    let failures = found.failures.iter();
    (!found.failures.is_empty()).then(|| failures.fold(error, CommandError::because))
}

/// What lies beside the artifact, if it can be looked at: a file that is there, or an image.
fn look(app: &App, ledger: Option<&Ledger>, word: &str) -> Result<Looked, CommandError> {
    let no_image = is_digest(word) || is_name_of_files(ledger, word)?;
    let profile = app.profile()?;
    let sources = Sources::new(app, &profile);
    let (which, reference) = match words::meaning(word) {
        Ok(Meant::File(path)) => {
            let path = words::file_reference(Path::new(path))
                .map_err(|e| CommandError::input(format!("`{word}` is no path")).because(e))?;
            (SourceOf::Files, path.display().to_string())
        }
        Ok(Meant::Image(_)) if no_image => return Ok(Looked::Not),
        Ok(Meant::Image(_)) if app.settings.offline => {
            app.ui
                .note("with `--offline` the registry is not asked: this is what the ledger knows");
            return Ok(Looked::Not);
        }
        Ok(Meant::Image(image)) => (SourceOf::Images, image.to_owned()),
        Err(Unclear::Both(error)) => return Err(error),
        Ok(Meant::Missing(_) | Meant::Pattern(_)) | Err(Unclear::Missing(..)) => {
            return Ok(Looked::Not);
        }
    };
    let source = sources.get(which)?;
    let store = match which {
        SourceOf::Images => super::verify::store(app),
        SourceOf::Files => Ok(None),
    };
    let store = store.as_ref().map(Option::as_ref).map_err(Clone::clone);
    match find_signatures(&source.handle, &store, &reference) {
        Ok(found) => {
            for note in &found.notes {
                app.ui.note(&app.relative(note));
            }
            Ok(Looked::Found(found))
        }
        Err(error) => {
            let message = format!("cannot look at `{}`", clean(word));
            Ok(Looked::Failed(source.failed(message, error)))
        }
    }
}

fn is_digest(word: &str) -> bool {
    word.parse::<sigtool_sdk::types::Digest>().is_ok()
}

/// Whether the ledger knows a word as the name and the version of files. It is not sent to a registry then: names can be private.
fn is_name_of_files(ledger: Option<&Ledger>, word: &str) -> Result<bool, CommandError> {
    let (Some(ledger), Some((name, version))) = (ledger, word.rsplit_once(':')) else {
        return Ok(false);
    };
    if word.starts_with("oci:") || words::names_host(word) {
        return Ok(false);
    }
    let named = Named {
        text: name.to_owned(),
        version: Some(version.to_owned()),
    };
    let query = Query {
        artifacts: Some(vec![named]),
        ..Query::default()
    };
    let mut is_file = false;
    let taken = ledger.entries(&query, |recorded| {
        is_file = recorded.entry.event.artifact.kind != Some(ArtifactKind::ContainerImage);
        match is_file {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    taken.map_err(unreadable)?;
    Ok(is_file)
}

/// An artifact, and what is known of its signatures.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Group {
    #[serde(flatten)]
    artifact: EventArtifact,
    /// Those that the ledger knows: the ones that no later one has replaced, and what else lies beside it. One in two places is there
    /// twice.
    signatures: Vec<Signature>,
    /// Signatures beside it that the ledger knows, and that are of something else, such as what the file held before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    of_other_content: Vec<Signature>,
    /// Signatures beside it that the ledger does not know. Nobody has verified them here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    foreign: Vec<Foreign>,
    /// The last time that it was verified here.
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<Verified>,
}

/// A signature that the ledger knows, in one place.
#[derive(Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Signature {
    /// Who signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    signer: Option<EventSigner>,
    /// When, as [RFC 3339](https://www.rfc-editor.org/rfc/rfc3339) in UTC.
    time: String,
    /// The number of the entry.
    entry: u64,
    /// How it is written.
    format: SignatureFormat,
    /// What sort of place it lies in.
    place: Place,
    /// Where: a path in full, a reference, or `the local store`.
    location: String,
    /// The signature itself.
    signature: Bytes,
    /// The SHA-256 digest of what was signed, if that is something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_digest: Option<String>,
    /// Whether it still lies there; unknown where nobody looked.
    #[serde(skip_serializing_if = "Option::is_none")]
    present: Option<bool>,
}

/// A signature that the ledger does not know.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Foreign {
    /// How it is written.
    format: SignatureFormat,
    /// Where it lies.
    location: String,
    /// The key that it names.
    #[serde(skip_serializing_if = "Option::is_none")]
    unverified_key_hint: Option<String>,
    /// The signature itself, if it could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<Bytes>,
}

/// A verification.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Verified {
    /// The verdict.
    result: Attempt,
    /// When, as [RFC 3339](https://www.rfc-editor.org/rfc/rfc3339) in UTC.
    time: String,
    /// The number of the entry.
    entry: u64,
}

impl Group {
    fn new(artifact: EventArtifact) -> Self {
        Self {
            artifact,
            signatures: Vec::new(),
            of_other_content: Vec::new(),
            foreign: Vec::new(),
            verified: None,
        }
    }

    fn is_empty(&self) -> bool {
        self.signatures.is_empty()
            && self.of_other_content.is_empty()
            && self.foreign.is_empty()
            && self.verified.is_none()
    }

    /// Looks at the files that signatures were put in, wherever the artifact is now.
    fn look_at_files(&mut self) {
        let kind = self.artifact.kind;
        for signature in &mut self.signatures {
            if signature.present.is_none() && signature.is_in_file(kind) {
                let path = Path::new(&signature.location);
                signature.present = holds(path, signature.format, &signature.signature);
            }
        }
    }
}

impl Signature {
    fn new(entry: &Entry, signature: EventSignature) -> Self {
        Self {
            signer: entry.event.signers.first().cloned(),
            time: entry.time.clone(),
            entry: entry.number,
            format: signature.format,
            place: signature.place,
            location: signature.location,
            signature: signature.signature,
            signed_digest: None,
            present: None,
        }
    }

    /// Whether its location is a path, if it is of this kind of artifact.
    fn is_in_file(&self, kind: Option<ArtifactKind>) -> bool {
        match self.place {
            Place::Beside => kind != Some(ArtifactKind::ContainerImage),
            Place::File => true,
            Place::Store => false,
        }
    }
}

impl From<Known> for Group {
    fn from(known: Known) -> Self {
        let signatures = known.signatures.into_iter();
        let signatures =
            signatures.map(|Current { entry, signature }| Signature::new(&entry, signature));
        Self {
            signatures: signatures.collect(),
            verified: known.verified.map(|entry| Verified {
                result: entry.event.result,
                time: entry.time,
                entry: entry.number,
            }),
            ..Self::new(known.artifact)
        }
    }
}

fn text(app: &App, group: &Group) -> Vec<String> {
    let mut lines = vec![artifact(&group.artifact)];
    let mut heading = None;
    for signature in group.signatures.iter().chain(&group.of_other_content) {
        let by = signature
            .signer
            .as_ref()
            .map_or_else(|| "an unknown key".to_owned(), |who| signer(app, who));
        let this = (signature.entry, by.clone());
        if heading.as_ref() != Some(&this) {
            // Whoever reads the first words only must not take it for a signature of this.
            let of = match &signature.signed_digest {
                Some(digest) => format!("of other content, {digest}, "),
                None => String::new(),
            };
            lines.push(format!(
                "  {of}signed by {by} on {} (entry {})",
                moment(&signature.time),
                signature.entry
            ));
            heading = Some(this);
        }
        let location = match signature.place {
            Place::Store => signature.location.clone(),
            _ => app.short(Path::new(&signature.location)),
        };
        let gone = match signature.present {
            Some(false) => ", where it is no longer",
            _ => "",
        };
        lines.push(format!(
            "    {} in {location}{gone}",
            signature.format.as_str()
        ));
        lines.push(format!("    {}", STANDARD.encode(&*signature.signature)));
    }
    for foreign in &group.foreign {
        let by = match &foreign.unverified_key_hint {
            Some(hint) => format!("key hint {hint}"),
            None => "an unnamed key".to_owned(),
        };
        lines.push(format!("  foreign: {by}, not verified"));
        lines.push(format!(
            "    {} in {}",
            foreign.format.as_str(),
            app.short(Path::new(&foreign.location))
        ));
        lines.extend(
            foreign
                .signature
                .iter()
                .map(|s| format!("    {}", STANDARD.encode(&**s))),
        );
    }
    if let Some(verified) = &group.verified {
        lines.push(format!(
            "  verified on {}: {} (entry {})",
            moment(&verified.time),
            verified.result.as_str(),
            verified.entry
        ));
    }
    lines
}
